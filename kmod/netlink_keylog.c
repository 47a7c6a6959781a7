// SPDX-License-Identifier: GPL-2.0
/*
 * The one way in which a key comes out: for debugging, by root's request, and
 * only where the module was loaded with keylog=1 (else no key is kept).
 */
#include <linux/inet.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "netlink_cmd.h"
#include "sa.h"

#define SOTTO_KEYLOG_LINE	288	/* bytes that one line takes at most */

const struct nla_policy sotto_nl_keylog_policy[SOTTO_A_SA_ATTR_MAX + 1] = {
	[SOTTO_A_SA_DIR] = NLA_POLICY_MAX(NLA_U8, SOTTO_SA_OUT),
	[SOTTO_A_SA_SPI] = NLA_POLICY_MIN(NLA_U32, SOTTO_SPI_MIN),
	[SOTTO_A_SA_ID] = { .type = NLA_U32 },
};

/* The text under construction; wiped when it is freed. */
struct sotto_keylog_text {
	char *buf;
	size_t len, size;
};

/* NULL stands for any address, which Wireshark writes as a star. */
static void sotto_keylog_addr(char *buf, size_t size, const struct sotto_addr *a)
{
	if (!a)
		strscpy(buf, "*", size);
	else if (a->family == AF_INET)
		snprintf(buf, size, "%pI4", &a->ip.in);
	else
		snprintf(buf, size, "%pI6c", &a->ip.in6);
}

/*
 * AES-GCM: a line of Wireshark's ESP SA table, as 4.0 has it (the eight fields
 * that later ones still begin with). Wireshark knows no ChaCha20-Poly1305 in
 * ESP, but scapy does: its key goes into a comment of the same file.
 */
static void sotto_keylog_line(struct sotto_keylog_text *t, const struct sotto_sa *sa,
			      u16 family, const char *src, const char *dst)
{
	char *at = t->buf + t->len;
	size_t room = t->size - t->len;

	if (sa->cipher == SOTTO_CIPHER_AES256_GCM)
		t->len += scnprintf(at, room,
				    "%s\"IPv%d\",\"%s\",\"%s\",\"0x%08x\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x%*phN%*phN\",\"NULL\",\"\"",
				    t->len ? "\n" : "", family == AF_INET ? 4 : 6,
				    src, dst, sa->spi, SOTTO_KEY_LEN, sa->keylog_key,
				    SOTTO_SALT_LEN, sa->salt);
	else
		t->len += scnprintf(at, room,
				    "%s# scapy %s > %s: SecurityAssociation(ESP, spi=0x%08x, crypt_algo=\"CHACHA20-POLY1305\", crypt_key=bytes.fromhex(\"%*phN%*phN\"), esn_en=True)",
				    t->len ? "\n" : "", src, dst, sa->spi,
				    SOTTO_KEY_LEN, sa->keylog_key,
				    SOTTO_SALT_LEN, sa->salt);
}

static void sotto_keylog_pair(struct sotto_keylog_text *t, const struct sotto_sa *sa,
			      const struct sotto_addr *peer,
			      const struct sotto_addr *local)
{
	char p[INET6_ADDRSTRLEN], l[INET6_ADDRSTRLEN];

	sotto_keylog_addr(p, sizeof(p), peer);
	sotto_keylog_addr(l, sizeof(l), local);
	if (sa->dir == SOTTO_SA_IN)
		sotto_keylog_line(t, sa, peer->family, p, l);
	else
		sotto_keylog_line(t, sa, peer->family, l, p);
}

static void sotto_keylog_text(struct sotto_keylog_text *t, const struct sotto_sa *sa)
{
	unsigned int i, j;

	for (i = 0; i < sa->n_peer; i++) {
		if (!sa->n_local)
			sotto_keylog_pair(t, sa, &sa->peer[i], NULL);
		for (j = 0; j < sa->n_local; j++)
			if (sa->local[j].family == sa->peer[i].family)
				sotto_keylog_pair(t, sa, &sa->peer[i], &sa->local[j]);
	}
}

static int sotto_keylog_reply(struct genl_info *info, const struct sotto_keylog_text *t)
{
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(nla_total_size(t->len + 1), GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &sotto_genl_family, 0, SOTTO_CMD_KEYLOG_GET);
	if (!hdr || nla_put_string(msg, SOTTO_A_KEYLOG, t->buf)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/* Every pair of addresses, and U16_MAX bytes at most: what an attribute holds. */
static_assert(SOTTO_ADDRS_MAX * SOTTO_ADDRS_MAX * SOTTO_KEYLOG_LINE <= 2 * U16_MAX);

static int sotto_keylog_write(struct genl_info *info, const struct sotto_sa *sa)
{
	struct sotto_keylog_text t = {};
	int err = -EMSGSIZE;

	t.size = sa->n_peer * max_t(size_t, sa->n_local, 1) * SOTTO_KEYLOG_LINE;
	t.buf = kvzalloc(t.size, GFP_KERNEL);
	if (!t.buf)
		return -ENOMEM;
	sotto_keylog_text(&t, sa);
	if (t.len < U16_MAX - NLA_HDRLEN)
		err = sotto_keylog_reply(info, &t);
	kvfree_sensitive(t.buf, t.size);
	return err;
}

int sotto_nl_keylog_get(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_SA_ATTR_MAX + 1];
	struct sotto_sa *sa;
	int err;

	if (!sotto_keylog) {
		NL_SET_ERR_MSG(info->extack,
			       "keys are not readable: load the module with keylog=1");
		return -EPERM;
	}
	err = sotto_nl_parse(info, SOTTO_A_SA, tb, SOTTO_A_SA_ATTR_MAX,
			     sotto_nl_keylog_policy, 0);
	if (err)
		return err;

	rcu_read_lock();
	sa = sotto_nl_sa_find(sotto_nl_ns(info), info->attrs[SOTTO_A_SA], tb, info->extack);
	if (!IS_ERR(sa) && !sotto_sa_get(sa)) {
		sa = ERR_PTR(-ENOENT);
		NL_SET_ERR_MSG(info->extack, "this SA is just going");
	}
	rcu_read_unlock();
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	err = sotto_keylog_write(info, sa);
	sotto_sa_put(sa);
	return err;
}
