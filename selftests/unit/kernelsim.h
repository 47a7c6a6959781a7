/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In the place of tools/lib/genl.c: a kernel that remembers what it is told, for tests of
 * the agent. What is asked of it is taken apart as the module does, by the attributes.
 */
#ifndef SOTTO_KERNELSIM_H
#define SOTTO_KERNELSIM_H

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "genl_req.h"

#define KSIM_FAMILY	0x20
#define KSIM_SAS	2048
#define KSIM_POLICIES	256

struct sgenl {
	int fd;
	sgenl_fn event_fn;
	void *event_arg;
};

static struct ksim {
	struct sgenl_sa sas[KSIM_SAS];
	unsigned int n_sas;
	struct sgenl_policy policies[KSIM_POLICIES];
	unsigned int n_policies;
	int refuse_policies;		/* errno of each addition, 0 = none */
	int refuse_dumps;
	uint64_t instance;
	uint32_t spi;
	unsigned int exemptions;	/* registrations with a flow */
	void (*on_exempt)(void);	/* an event that comes before the answer to the next one */
	void (*on_sa)(void);		/* called before the next one is taken */
} ksim = { .instance = 1, .spi = 1000 };

bool sgenl_loaded(void)
{
	return true;
}

int sgenl_open(struct sgenl **gp)
{
	*gp = calloc(1, sizeof(**gp));
	(*gp)->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return 0;
}

void sgenl_close(struct sgenl *g)
{
	if (g)
		close(g->fd);
	free(g);
}

const char *sgenl_error(const struct sgenl *g)
{
	(void)g;
	return "the test refuses";
}

uint32_t sgenl_error_at(const struct sgenl *g)
{
	(void)g;
	return 0;
}

int sgenl_fd(const struct sgenl *g)
{
	return g->fd;
}

struct nl_msg *sgenl_msg(struct sgenl *g, uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	(void)g;
	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, KSIM_FAMILY, 0, NLM_F_REQUEST | flags,
		    cmd, SOTTO_GENL_VERSION);
	return msg;
}

void sgenl_msg_free(struct nl_msg *msg)
{
	nlmsg_free(msg);
}

/* A reply of ours, handed to @fn as it would come from the kernel. */
static int ksim_reply(struct nl_msg *msg, sgenl_fn fn, void *arg)
{
	struct nlattr *tb[SOTTO_A_MAX + 1];
	int ret = genlmsg_parse(nlmsg_hdr(msg), 0, tb, SOTTO_A_MAX, NULL);

	if (!ret && fn)
		ret = fn(genlmsg_hdr(nlmsg_hdr(msg))->cmd, tb, arg);
	nlmsg_free(msg);
	return ret;
}

static int ksim_ns(sgenl_fn fn, void *arg)
{
	struct nl_msg *msg = sgenl_msg(NULL, SOTTO_CMD_NS_GET, 0);
	struct nlattr *n = nla_nest_start(msg, SOTTO_A_NS);

	nla_put_u8(msg, SOTTO_A_NS_UP, 1);
	nla_put_u16(msg, SOTTO_A_NS_DATA_PORT, 7689);
	nla_put_u64(msg, SOTTO_A_NS_INSTANCE, ksim.instance);
	nla_put_u32(msg, SOTTO_A_NS_ACQUIRE_TIMEOUT, 10000);
	nla_nest_end(msg, n);
	return ksim_reply(msg, fn, arg);
}

static int ksim_spi(sgenl_fn fn, void *arg)
{
	struct nl_msg *msg = sgenl_msg(NULL, SOTTO_CMD_SPI_ALLOC, 0);
	struct nlattr *n = nla_nest_start(msg, SOTTO_A_SA);

	nla_put_u32(msg, SOTTO_A_SA_SPI, ++ksim.spi);
	nla_nest_end(msg, n);
	return ksim_reply(msg, fn, arg);
}

static int ksim_policy_at(const struct sotto_prefix *p)
{
	unsigned int i = 0;

	while (i < ksim.n_policies && (ksim.policies[i].prefix.plen != p->plen ||
				       !sotto_addr_eq(&ksim.policies[i].prefix.addr, &p->addr)))
		i++;
	return i;
}

static int ksim_policy(uint8_t cmd, bool anew, struct nlattr *nest)
{
	struct sgenl_policy p = { 0 };
	unsigned int i;

	if (sgenl_parse_policy(nest, &p))
		return -EINVAL;
	i = ksim_policy_at(&p.prefix);
	if (cmd == SOTTO_CMD_POLICY_DEL) {
		if (i == ksim.n_policies)
			return -ENOENT;
		ksim.policies[i] = ksim.policies[--ksim.n_policies];
		return 0;
	}
	if (anew && i < ksim.n_policies)
		return -EEXIST;
	if (ksim.refuse_policies || i == KSIM_POLICIES)
		return ksim.refuse_policies ? -ksim.refuse_policies : -ENOSPC;
	ksim.policies[i] = p;
	ksim.n_policies += i == ksim.n_policies;
	return 0;
}

/* The action of @text's prefix in the kernel, or -1. */
static inline int ksim_action(const char *text)
{
	struct sotto_prefix p;
	unsigned int i;

	if (sotto_prefix_parse(&p, text))
		return -1;
	i = ksim_policy_at(&p);
	return i < ksim.n_policies ? ksim.policies[i].action : -1;
}

static int ksim_sa_add(struct nlattr *nest)
{
	void (*hook)(void) = ksim.on_sa;

	ksim.on_sa = NULL;
	if (hook)
		hook();
	if (ksim.n_sas == KSIM_SAS)
		return -ENOSPC;
	return sgenl_parse_sa(nest, &ksim.sas[ksim.n_sas++]);
}

static int ksim_sa_del(struct nlattr *nest)
{
	struct sgenl_sa sa;
	unsigned int kept = 0, had = ksim.n_sas;

	if (sgenl_parse_sa(nest, &sa))
		return -EINVAL;
	for (unsigned int i = 0; i < had; i++) {
		bool gone = sa.session ? ksim.sas[i].session == sa.session :
			    ksim.sas[i].dir == sa.dir && ksim.sas[i].spi == sa.spi;

		if (!gone)
			ksim.sas[kept++] = ksim.sas[i];
	}
	ksim.n_sas = kept;
	return kept < had ? 0 : -ENOENT;
}

static int ksim_register(struct nlattr *nest)
{
	struct nlattr *tb[SOTTO_A_AGENT_ATTR_MAX + 1];
	void (*event)(void) = ksim.on_exempt;

	if (nla_parse_nested(tb, SOTTO_A_AGENT_ATTR_MAX, nest, NULL))
		return -EINVAL;
	ksim.exemptions += tb[SOTTO_A_AGENT_LOCAL] != NULL;
	ksim.on_exempt = NULL;
	if (event)
		event();
	return 0;
}

int sgenl_ask(struct sgenl *g, struct nl_msg *msg, sgenl_fn fn, void *arg)
{
	struct nlattr *tb[SOTTO_A_MAX + 1];
	uint8_t cmd = genlmsg_hdr(nlmsg_hdr(msg))->cmd;

	(void)g;
	if (genlmsg_parse(nlmsg_hdr(msg), 0, tb, SOTTO_A_MAX, NULL))
		return -EINVAL;
	switch (cmd) {
	case SOTTO_CMD_NS_GET:
		return ksim_ns(fn, arg);
	case SOTTO_CMD_SPI_ALLOC:
		return ksim_spi(fn, arg);
	case SOTTO_CMD_POLICY_ADD:
	case SOTTO_CMD_POLICY_DEL:
		return ksim_policy(cmd, nlmsg_hdr(msg)->nlmsg_flags & NLM_F_EXCL,
				   tb[SOTTO_A_POLICY]);
	case SOTTO_CMD_SA_ADD:
		return ksim_sa_add(tb[SOTTO_A_SA]);
	case SOTTO_CMD_SA_DEL:
		return ksim_sa_del(tb[SOTTO_A_SA]);
	case SOTTO_CMD_AGENT_REGISTER:
		return ksim_register(tb[SOTTO_A_AGENT]);
	default:
		return 0;
	}
}

int sgenl_call(struct sgenl *g, struct nl_msg *msg, sgenl_fn fn, void *arg)
{
	int ret = sgenl_ask(g, msg, fn, arg);

	sgenl_msg_free(msg);
	return ret;
}

static int ksim_tell_sa(const struct sgenl_sa *sa, sgenl_fn fn, void *arg)
{
	struct nl_msg *msg = sgenl_msg(NULL, SOTTO_CMD_SA_GET, 0);
	struct nlattr *n = nla_nest_start(msg, SOTTO_A_SA);

	nla_put_u8(msg, SOTTO_A_SA_DIR, sa->dir);
	nla_put_u32(msg, SOTTO_A_SA_SPI, sa->spi);
	nla_put_u64(msg, SOTTO_A_SA_SESSION, sa->session);
	nla_put_string(msg, SOTTO_A_SA_PEER_NAME, sa->peer);
	nla_put_u8(msg, SOTTO_A_SA_CONFIRMED, sa->confirmed);
	nla_put_u64(msg, SOTTO_A_SA_AGE_MS, sa->age_ms);
	nla_put_u32(msg, SOTTO_A_SA_SOFT_SECONDS, sa->soft_seconds);
	nla_put_u64(msg, SOTTO_A_SA_SOFT_PACKETS, sa->soft_packets);
	nla_put_u64(msg, SOTTO_A_SA_PACKETS, sa->packets);
	nla_put_u64(msg, SOTTO_A_SA_SOFT_BYTES, sa->soft_bytes);
	nla_put_u64(msg, SOTTO_A_SA_BYTES, sa->bytes);
	for (unsigned int i = 0; i < sa->n_peer_addrs; i++)
		nla_put(msg, SOTTO_A_SA_PEER_ADDR, sa->peer_addrs[i].len, sa->peer_addrs[i].b);
	nla_nest_end(msg, n);
	return ksim_reply(msg, fn, arg);
}

int sgenl_dump(struct sgenl *g, uint8_t cmd, sgenl_fn fn, void (*reset)(void *arg), void *arg)
{
	(void)g;
	(void)reset;
	if (cmd != SOTTO_CMD_SA_GET || ksim.refuse_dumps)
		return -ksim.refuse_dumps;
	for (unsigned int i = 0; i < ksim.n_sas; i++)
		ksim_tell_sa(&ksim.sas[i], fn, arg);
	return 0;
}

void sgenl_on_event(struct sgenl *g, sgenl_fn fn, void *arg)
{
	g->event_fn = fn;
	g->event_arg = arg;
}

int sgenl_listen(struct sgenl *g)
{
	(void)g;
	return 0;
}

int sgenl_read_events(struct sgenl *g)
{
	(void)g;
	return 0;
}

bool sgenl_lost(const struct sgenl *g)
{
	(void)g;
	return false;
}

/* Both SAs of session @id with @peer at @addr. */
static inline void ksim_session(uint64_t id, const char *peer, const char *addr)
{
	for (int dir = SOTTO_SA_IN; dir <= SOTTO_SA_OUT; dir++) {
		struct sgenl_sa *sa = &ksim.sas[ksim.n_sas++];

		memset(sa, 0, sizeof(*sa));
		sa->dir = dir;
		sa->spi = ++ksim.spi;
		sa->session = id;
		sa->confirmed = true;
		snprintf(sa->peer, sizeof(sa->peer), "%s", peer);
		sotto_addr_parse(&sa->peer_addrs[0], addr);
		sa->n_peer_addrs = 1;
	}
}

/* What the linker puts in the place of the library's, and the library's own. */
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **res);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **res);
int __real_crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p);
int __wrap_crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p);

#endif /* SOTTO_KERNELSIM_H */
