// SPDX-License-Identifier: GPL-2.0
/*
 * Requests about security associations.
 */
#include "genl_req.h"

#include <errno.h>
#include <string.h>

#include <linux/genetlink.h>

/*
 * Bytes of one request that names many SAs. Up to a page less what the kernel keeps of it
 * for itself, it takes that from a slab.
 */
#define SAS_BYTES	3584

static struct nlattr *sa_nest(struct nl_msg *msg)
{
	return nla_nest_start(msg, SOTTO_A_SA | NLA_F_NESTED);
}

static int spi_reply(uint8_t cmd, struct nlattr **tb, void *arg)
{
	struct sgenl_sa sa;
	int ret = sgenl_parse_sa(tb[SOTTO_A_SA], &sa);

	(void)cmd;
	if (ret)
		return ret;
	*(uint32_t *)arg = sa.spi;
	return sa.spi ? 0 : -EBADMSG;
}

int sgenl_spi_alloc(struct sgenl *g, uint32_t *spi)
{
	return sgenl_call(g, sgenl_msg(g, SOTTO_CMD_SPI_ALLOC, 0), spi_reply, spi);
}

static int put_addrs(struct nl_msg *msg, int type, const struct sotto_addr *v,
		     unsigned int n)
{
	int put = 0;

	for (unsigned int i = 0; i < n; i++)
		put |= nla_put(msg, type, v[i].len, v[i].b);
	return put;
}

static int put_prefixes(struct nl_msg *msg, int type, const struct sotto_prefix *p,
			unsigned int n)
{
	int put = 0;

	for (; n--; p++) {
		uint8_t b[sizeof(p->addr.b) + 1];

		memcpy(b, p->addr.b, p->addr.len);
		b[p->addr.len] = p->plen;
		put |= nla_put(msg, type, p->addr.len + 1, b);
	}
	return put;
}

static int put_u32(struct nl_msg *msg, int type, uint32_t value)
{
	return value ? nla_put_u32(msg, type, value) : 0;
}

static int put_u64(struct nl_msg *msg, int type, uint64_t value)
{
	return value ? nla_put_u64(msg, type, value) : 0;
}

static int put_identity(struct nl_msg *msg, const struct sgenl_sa *sa)
{
	int put;

	put = nla_put_u8(msg, SOTTO_A_SA_DIR, sa->dir) |
	      nla_put_u32(msg, SOTTO_A_SA_SPI, sa->spi) |
	      nla_put_u8(msg, SOTTO_A_SA_CIPHER, sa->cipher) |
	      nla_put(msg, SOTTO_A_SA_KEY, sizeof(sa->key), sa->key) |
	      nla_put(msg, SOTTO_A_SA_SALT, sizeof(sa->salt), sa->salt) |
	      put_u64(msg, SOTTO_A_SA_SESSION, sa->session) |
	      put_addrs(msg, SOTTO_A_SA_PEER_ADDR, sa->peer_addrs, sa->n_peer_addrs) |
	      put_addrs(msg, SOTTO_A_SA_LOCAL_ADDR, sa->local_addrs,
			sa->n_local_addrs) |
	      put_prefixes(msg, SOTTO_A_SA_PEER_PREFIX, sa->peer_prefixes,
			   sa->n_peer_prefixes) |
	      put_prefixes(msg, SOTTO_A_SA_LOCAL_PREFIX, sa->local_prefixes,
			   sa->n_local_prefixes);
	if (sa->mode)
		put |= nla_put_u8(msg, SOTTO_A_SA_MODE, sa->mode);
	if (sa->peer[0])
		put |= nla_put_string(msg, SOTTO_A_SA_PEER_NAME, sa->peer);
	return put;
}

static int put_limits(struct nl_msg *msg, const struct sgenl_sa *sa)
{
	return put_u32(msg, SOTTO_A_SA_SOFT_SECONDS, sa->soft_seconds) |
	       put_u32(msg, SOTTO_A_SA_HARD_SECONDS, sa->hard_seconds) |
	       put_u64(msg, SOTTO_A_SA_SOFT_PACKETS, sa->soft_packets) |
	       put_u64(msg, SOTTO_A_SA_HARD_PACKETS, sa->hard_packets) |
	       put_u64(msg, SOTTO_A_SA_SOFT_BYTES, sa->soft_bytes) |
	       put_u64(msg, SOTTO_A_SA_HARD_BYTES, sa->hard_bytes) |
	       put_u64(msg, SOTTO_A_SA_SEQ, sa->seq);
}

/* What only one direction takes, and only when it is asked for. */
static int put_direction(struct nl_msg *msg, const struct sgenl_sa *sa)
{
	int put = put_u32(msg, SOTTO_A_SA_PAIR_SPI, sa->pair_spi) |
		  put_u32(msg, SOTTO_A_SA_CONFIRM_SECONDS, sa->confirm_seconds);

	if (sa->sport)
		put |= nla_put_u16(msg, SOTTO_A_SA_SPORT, sa->sport);
	if (sa->dport)
		put |= nla_put_u16(msg, SOTTO_A_SA_DPORT, sa->dport);
	if (sa->confirm)
		put |= nla_put_flag(msg, SOTTO_A_SA_CONFIRM);
	if (sa->probe)
		put |= nla_put_flag(msg, SOTTO_A_SA_PROBE);
	if (sa->nat)
		put |= nla_put_flag(msg, SOTTO_A_SA_NAT);
	if (sa->keepalive)
		put |= nla_put_flag(msg, SOTTO_A_SA_KEEPALIVE);
	if (sa->endpoint.len)
		put |= nla_put(msg, SOTTO_A_SA_ENDPOINT, sa->endpoint.len, sa->endpoint.b);
	return put;
}

/* Take back what was put behind @len. */
static void cut(struct nl_msg *msg, uint32_t len)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);

	explicit_bzero((char *)nlh + len, nlh->nlmsg_len - len);
	nlh->nlmsg_len = len;
}

void sgenl_sas_clear(struct sgenl_sas *s)
{
	if (s->msg)
		sgenl_msg_free(s->msg);
	s->msg = NULL;
	s->n = 0;
}

/* A nest for one more. NULL: the message is full, or of another command. */
static struct nlattr *sas_begin(struct sgenl *g, struct sgenl_sas *s, uint8_t cmd)
{
	if (!s->n) {
		sgenl_sas_clear(s);
		s->msg = sgenl_msg(g, cmd, 0);
		s->cmd = cmd;
		return sa_nest(s->msg);
	}
	if (s->cmd != cmd || s->n == SOTTO_SAS_MAX)
		return NULL;
	return nla_nest_start(s->msg, SOTTO_A_SA_MORE | NLA_F_NESTED);
}

/* @put: it did not fit. */
static int sas_end(struct sgenl_sas *s, struct nlattr *nest, int put)
{
	struct nlmsghdr *nlh = nlmsg_hdr(s->msg);

	if (!put)
		nla_nest_end(s->msg, nest);
	if (put || (s->n && nlh->nlmsg_len > SAS_BYTES)) {
		cut(s->msg, (char *)nest - (char *)nlh);
		return s->n ? -ENOBUFS : -EMSGSIZE;
	}
	s->end[s->n++] = nlh->nlmsg_len;
	return 0;
}

int sgenl_sas_add(struct sgenl *g, struct sgenl_sas *s, const struct sgenl_sa *sa)
{
	struct nlattr *nest = sas_begin(g, s, SOTTO_CMD_SA_ADD);

	if (!nest)
		return -ENOBUFS;
	return sas_end(s, nest, put_identity(s->msg, sa) | put_limits(s->msg, sa) |
				put_direction(s->msg, sa));
}

static int put_selector(struct nl_msg *msg, int dir, uint32_t spi, uint32_t id)
{
	int put = nla_put_u8(msg, SOTTO_A_SA_DIR, dir);

	if (dir == SOTTO_SA_IN)
		return put | nla_put_u32(msg, SOTTO_A_SA_SPI, spi);
	return put | nla_put_u32(msg, SOTTO_A_SA_ID, id);
}

int sgenl_sas_del(struct sgenl *g, struct sgenl_sas *s, enum sgenl_sa_by by, uint64_t value)
{
	struct nlattr *nest = sas_begin(g, s, SOTTO_CMD_SA_DEL);

	if (!nest)
		return -ENOBUFS;
	if (by == SGENL_SA_BY_SESSION)
		return sas_end(s, nest, nla_put_u64(s->msg, SOTTO_A_SA_SESSION, value));
	if (by == SGENL_SA_BY_SPI)
		return sas_end(s, nest, put_selector(s->msg, SOTTO_SA_IN, value, 0));
	return sas_end(s, nest, put_selector(s->msg, SOTTO_SA_OUT, 0, value));
}

/* The first @n go out of the request; the next is then the one that it begins with. */
static void sas_drop(struct sgenl_sas *s, unsigned int n)
{
	char *nlh = (char *)nlmsg_hdr(s->msg), *first = nlh + NLMSG_HDRLEN + GENL_HDRLEN;
	uint32_t gone = nlh + s->end[n - 1] - first, len = nlmsg_hdr(s->msg)->nlmsg_len;

	s->n -= n;
	memmove(first, first + gone, nlh + len - (first + gone));
	cut(s->msg, len - gone);
	for (unsigned int i = 0; i < s->n; i++)
		s->end[i] = s->end[i + n] - gone;
	if (s->n)
		((struct nlattr *)first)->nla_type = SOTTO_A_SA | NLA_F_NESTED;
	else
		sgenl_sas_clear(s);
}

int sgenl_sas_send(struct sgenl *g, struct sgenl_sas *s, unsigned int *failed)
{
	int ret = s->n ? sgenl_ask(g, s->msg, NULL, NULL) : 0;

	*failed = 0;
	if (ret)	/* the kernel did all before the one that it blames */
		while (*failed + 1 < s->n && sgenl_error_at(g) >= s->end[*failed])
			++*failed;
	if (ret)
		sas_drop(s, *failed + 1);
	else
		sgenl_sas_clear(s);
	return ret;
}

/* Of one that was put with @put. */
static int send_one(struct sgenl *g, struct sgenl_sas *s, int put)
{
	unsigned int failed;
	int ret = put ?: sgenl_sas_send(g, s, &failed);

	sgenl_sas_clear(s);
	return ret;
}

int sgenl_sa_add(struct sgenl *g, const struct sgenl_sa *sa)
{
	struct sgenl_sas s = { 0 };

	return send_one(g, &s, sgenl_sas_add(g, &s, sa));
}

int sgenl_sa_del(struct sgenl *g, enum sgenl_sa_by by, uint64_t value)
{
	struct sgenl_sas s = { 0 };

	return send_one(g, &s, sgenl_sas_del(g, &s, by, value));
}

static int keylog_reply(uint8_t cmd, struct nlattr **tb, void *arg)
{
	(void)cmd;
	if (!tb[SOTTO_A_KEYLOG])
		return -EBADMSG;
	nla_strlcpy(arg, tb[SOTTO_A_KEYLOG], SGENL_KEYLOG_MAX);
	return 0;
}

int sgenl_keylog(struct sgenl *g, const struct sgenl_sa *sa,
		 char lines[SGENL_KEYLOG_MAX])
{
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_KEYLOG_GET, 0);
	struct nlattr *n = sa_nest(msg);
	int put = put_selector(msg, sa->dir, sa->spi, sa->id);

	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, keylog_reply, lines);
}
