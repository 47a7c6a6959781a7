// SPDX-License-Identifier: GPL-2.0
/*
 * The module's objects as C structures.
 */
#include "genl_obj.h"

#include <errno.h>
#include <string.h>

#include <netlink/errno.h>

/* Numbers of any width, zero where absent; a wrong width reads as absent. */
static uint64_t num(const struct nlattr *attr)
{
	uint64_t value;

	if (!attr)
		return 0;
	switch (nla_len(attr)) {
	case 1:
		return *(const uint8_t *)nla_data(attr);
	case 2:
		return *(const uint16_t *)nla_data(attr);
	case 4:
		return *(const uint32_t *)nla_data(attr);
	case 8:
		/* the kernel aligns attributes to 4 bytes only */
		memcpy(&value, nla_data(attr), sizeof(value));
		return value;
	default:
		return 0;
	}
}

static void text(char *out, size_t size, const struct nlattr *attr)
{
	out[0] = 0;
	if (attr)
		nla_strlcpy(out, attr, size);
}

static int nest_parse(struct nlattr *nest, struct nlattr **tb, int max)
{
	if (!nest)
		return -EINVAL;
	return nla_parse_nested(tb, max, nest, NULL) < 0 ? -EBADMSG : 0;
}

int sgenl_parse_addr(struct nlattr *attr, struct sotto_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (!attr)
		return -EINVAL;
	return sotto_addr_set(addr, nla_data(attr), nla_len(attr)) ? -EBADMSG : 0;
}

/* An optional address: absent leaves length 0. */
static int optional_addr(struct nlattr *attr, struct sotto_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	return attr ? sgenl_parse_addr(attr, addr) : 0;
}

int sgenl_parse_local(struct nlattr *addr, struct nlattr *plen, struct sotto_prefix *p)
{
	int ret = sgenl_parse_addr(addr, &p->addr);

	p->plen = plen ? num(plen) : p->addr.len * 8;
	return ret;
}

int sgenl_parse_ns(struct nlattr *nest, struct sgenl_ns *ns)
{
	struct nlattr *tb[SOTTO_A_NS_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_NS_ATTR_MAX);

	if (ret)
		return ret;
	memset(ns, 0, sizeof(*ns));
	ns->up = num(tb[SOTTO_A_NS_UP]);
	ns->keylog = num(tb[SOTTO_A_NS_KEYLOG]);
	ns->data_port = num(tb[SOTTO_A_NS_DATA_PORT]);
	ns->instance = num(tb[SOTTO_A_NS_INSTANCE]);
	ns->agent_portid = num(tb[SOTTO_A_NS_AGENT_PORTID]);
	text(ns->version, sizeof(ns->version), tb[SOTTO_A_NS_VERSION]);
	for (int i = SOTTO_A_NS_TUNNELS; i <= SOTTO_A_NS_ATTR_MAX; i++)
		ns->num[i] = num(tb[i]);
	return 0;
}

int sgenl_parse_policy(struct nlattr *nest, struct sgenl_policy *p)
{
	struct nlattr *tb[SOTTO_A_POLICY_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_POLICY_ATTR_MAX);

	if (ret)
		return ret;
	p->prefix.plen = num(tb[SOTTO_A_POLICY_PLEN]);
	p->action = num(tb[SOTTO_A_POLICY_ACTION]);
	ret = optional_addr(tb[SOTTO_A_POLICY_GATEWAY], &p->gateway);
	if (ret)
		return ret;
	/* POLICY_DEL and FLUSH events may carry no prefix */
	return optional_addr(tb[SOTTO_A_POLICY_PREFIX], &p->prefix.addr);
}

int sgenl_parse_tunnel(struct nlattr *nest, struct sgenl_tunnel *t)
{
	struct nlattr *tb[SOTTO_A_TUNNEL_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_TUNNEL_ATTR_MAX);

	if (ret)
		return ret;
	memset(t, 0, sizeof(*t));
	t->state = num(tb[SOTTO_A_TUNNEL_STATE]);
	t->mode = num(tb[SOTTO_A_TUNNEL_MODE]);
	t->reason = num(tb[SOTTO_A_TUNNEL_REASON]);
	t->hold_ms = num(tb[SOTTO_A_TUNNEL_HOLD_MS]);
	text(t->peer, sizeof(t->peer), tb[SOTTO_A_TUNNEL_PEER]);
	t->session = num(tb[SOTTO_A_TUNNEL_SESSION]);
	t->spi_out = num(tb[SOTTO_A_TUNNEL_SPI_OUT]);
	t->cipher = num(tb[SOTTO_A_TUNNEL_CIPHER]);
	t->queued = num(tb[SOTTO_A_TUNNEL_QUEUED]);
	t->age_ms = num(tb[SOTTO_A_TUNNEL_AGE_MS]);
	t->idle_ms = num(tb[SOTTO_A_TUNNEL_IDLE_MS]);
	t->first_us = num(tb[SOTTO_A_TUNNEL_FIRST_US]);
	t->pmtu = num(tb[SOTTO_A_TUNNEL_PMTU]);
	t->tx_packets = num(tb[SOTTO_A_TUNNEL_TX_PACKETS]);
	t->tx_bytes = num(tb[SOTTO_A_TUNNEL_TX_BYTES]);
	t->drops = num(tb[SOTTO_A_TUNNEL_DROPS]);
	t->endpoint_port = num(tb[SOTTO_A_TUNNEL_ENDPOINT_PORT]);
	ret = optional_addr(tb[SOTTO_A_TUNNEL_ENDPOINT], &t->endpoint);
	return ret ? ret : sgenl_parse_addr(tb[SOTTO_A_TUNNEL_DST], &t->dst);
}

/* An address and a byte of prefix length. */
static int sa_prefix(struct nlattr *attr, struct sotto_prefix *list, unsigned int *n)
{
	int len = nla_len(attr) - 1;

	if (*n == SOTTO_PREFIXES_MAX)
		return 0;
	if (len < 0 || sotto_addr_set(&list[*n].addr, nla_data(attr), len))
		return -EBADMSG;
	list[(*n)++].plen = ((const uint8_t *)nla_data(attr))[len];
	return 0;
}

/* Repeated attributes: nla_parse keeps only the last of each type. */
static int sa_addrs(struct nlattr *nest, struct sgenl_sa *sa)
{
	struct nlattr *attr;
	int left;

	nla_for_each_nested(attr, nest, left) {
		struct sotto_addr addr;
		int type = nla_type(attr);

		if (type == SOTTO_A_SA_PEER_PREFIX &&
		    sa_prefix(attr, sa->peer_prefixes, &sa->n_peer_prefixes))
			return -EBADMSG;
		if (type == SOTTO_A_SA_LOCAL_PREFIX &&
		    sa_prefix(attr, sa->local_prefixes, &sa->n_local_prefixes))
			return -EBADMSG;
		if (type != SOTTO_A_SA_PEER_ADDR && type != SOTTO_A_SA_LOCAL_ADDR)
			continue;
		if (sgenl_parse_addr(attr, &addr))
			return -EBADMSG;
		if (type == SOTTO_A_SA_PEER_ADDR && sa->n_peer_addrs < SOTTO_ADDRS_MAX)
			sa->peer_addrs[sa->n_peer_addrs++] = addr;
		else if (type == SOTTO_A_SA_LOCAL_ADDR &&
			 sa->n_local_addrs < SOTTO_ADDRS_MAX)
			sa->local_addrs[sa->n_local_addrs++] = addr;
	}
	return 0;
}

static void sa_limits(struct nlattr **tb, struct sgenl_sa *sa)
{
	sa->soft_seconds = num(tb[SOTTO_A_SA_SOFT_SECONDS]);
	sa->hard_seconds = num(tb[SOTTO_A_SA_HARD_SECONDS]);
	sa->soft_packets = num(tb[SOTTO_A_SA_SOFT_PACKETS]);
	sa->hard_packets = num(tb[SOTTO_A_SA_HARD_PACKETS]);
	sa->soft_bytes = num(tb[SOTTO_A_SA_SOFT_BYTES]);
	sa->hard_bytes = num(tb[SOTTO_A_SA_HARD_BYTES]);
}

int sgenl_parse_sa(struct nlattr *nest, struct sgenl_sa *sa)
{
	struct nlattr *tb[SOTTO_A_SA_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_SA_ATTR_MAX);

	if (ret)
		return ret;
	memset(sa, 0, sizeof(*sa));
	sa->dir = num(tb[SOTTO_A_SA_DIR]);
	sa->spi = num(tb[SOTTO_A_SA_SPI]);
	sa->id = num(tb[SOTTO_A_SA_ID]);
	sa->session = num(tb[SOTTO_A_SA_SESSION]);
	sa->cipher = num(tb[SOTTO_A_SA_CIPHER]);
	sa->mode = num(tb[SOTTO_A_SA_MODE]);
	text(sa->peer, sizeof(sa->peer), tb[SOTTO_A_SA_PEER_NAME]);
	sa->sport = num(tb[SOTTO_A_SA_SPORT]);
	sa->dport = num(tb[SOTTO_A_SA_DPORT]);
	sa->seq = num(tb[SOTTO_A_SA_SEQ]);
	sa_limits(tb, sa);
	sa->pair_spi = num(tb[SOTTO_A_SA_PAIR_SPI]);
	sa->confirm_seconds = num(tb[SOTTO_A_SA_CONFIRM_SECONDS]);
	sa->confirmed = num(tb[SOTTO_A_SA_CONFIRMED]);
	sa->packets = num(tb[SOTTO_A_SA_PACKETS]);
	sa->bytes = num(tb[SOTTO_A_SA_BYTES]);
	sa->age_ms = num(tb[SOTTO_A_SA_AGE_MS]);
	sa->replays = num(tb[SOTTO_A_SA_REPLAYS]);
	sa->auth_failures = num(tb[SOTTO_A_SA_AUTH_FAILURES]);
	sa->nat = tb[SOTTO_A_SA_NAT];
	sa->keepalive = tb[SOTTO_A_SA_KEEPALIVE];
	sa->endpoint_port = num(tb[SOTTO_A_SA_ENDPOINT_PORT]);
	sa->endpoint_changes = num(tb[SOTTO_A_SA_ENDPOINT_CHANGES]);
	ret = optional_addr(tb[SOTTO_A_SA_ENDPOINT], &sa->endpoint);
	return ret ? ret : sa_addrs(nest, sa);
}

int sgenl_parse_event(struct nlattr *nest, struct sgenl_event *e)
{
	struct nlattr *tb[SOTTO_A_EVENT_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_EVENT_ATTR_MAX);

	if (ret)
		return ret;
	memset(e, 0, sizeof(*e));
	e->type = num(tb[SOTTO_A_EVENT_TYPE]);
	e->spi = num(tb[SOTTO_A_EVENT_SPI]);
	e->port = num(tb[SOTTO_A_EVENT_PORT]);
	e->has_dir = tb[SOTTO_A_EVENT_DIR];
	e->dir = num(tb[SOTTO_A_EVENT_DIR]);
	e->session = num(tb[SOTTO_A_EVENT_SESSION]);
	e->reason = num(tb[SOTTO_A_EVENT_REASON]);
	e->has_stat = tb[SOTTO_A_EVENT_STAT];
	e->stat = num(tb[SOTTO_A_EVENT_STAT]);
	e->has_portid = tb[SOTTO_A_EVENT_PORTID];
	e->portid = num(tb[SOTTO_A_EVENT_PORTID]);
	e->lost = num(tb[SOTTO_A_EVENT_LOST]);
	e->plen = num(tb[SOTTO_A_EVENT_PLEN]);
	e->has_action = tb[SOTTO_A_EVENT_ACTION];
	e->action = num(tb[SOTTO_A_EVENT_ACTION]);
	ret = optional_addr(tb[SOTTO_A_EVENT_SRC], &e->src);
	return ret ? ret : optional_addr(tb[SOTTO_A_EVENT_DST], &e->dst);
}

int sgenl_parse_acquire(struct nlattr *nest, struct sgenl_acquire *a)
{
	struct nlattr *tb[SOTTO_A_ACQUIRE_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_ACQUIRE_ATTR_MAX);

	if (ret)
		return ret;
	memset(a, 0, sizeof(*a));
	a->id = num(tb[SOTTO_A_ACQUIRE_ID]);
	a->proto = num(tb[SOTTO_A_ACQUIRE_PROTO]);
	a->action = num(tb[SOTTO_A_ACQUIRE_ACTION]);
	a->attempt = num(tb[SOTTO_A_ACQUIRE_ATTEMPT]);
	ret = sgenl_parse_addr(tb[SOTTO_A_ACQUIRE_DST], &a->dst);
	return ret ? ret : optional_addr(tb[SOTTO_A_ACQUIRE_SRC], &a->src);
}

int sgenl_parse_trace(struct nlattr *nest, struct sgenl_trace *t)
{
	struct nlattr *tb[SOTTO_A_TRACE_ATTR_MAX + 1];
	int ret = nest_parse(nest, tb, SOTTO_A_TRACE_ATTR_MAX);

	if (ret)
		return ret;
	memset(t, 0, sizeof(*t));
	t->verdict = num(tb[SOTTO_A_TRACE_VERDICT]);
	t->oif = num(tb[SOTTO_A_TRACE_OIF]);
	t->mtu = num(tb[SOTTO_A_TRACE_MTU]);
	t->has_policy = tb[SOTTO_A_TRACE_PREFIX];
	t->policy.prefix.plen = num(tb[SOTTO_A_TRACE_PLEN]);
	t->policy.action = num(tb[SOTTO_A_TRACE_ACTION]);
	ret = optional_addr(tb[SOTTO_A_TRACE_PREFIX], &t->policy.prefix.addr);
	if (!ret)
		ret = optional_addr(tb[SOTTO_A_TRACE_GATEWAY], &t->policy.gateway);
	if (!ret)
		ret = optional_addr(tb[SOTTO_A_TRACE_DST], &t->dst);
	if (!ret)
		ret = optional_addr(tb[SOTTO_A_TRACE_SRC], &t->src);
	t->has_tunnel = tb[SOTTO_A_TRACE_TUNNEL];
	if (!ret && t->has_tunnel)
		ret = sgenl_parse_tunnel(tb[SOTTO_A_TRACE_TUNNEL], &t->tunnel);
	return ret;
}

int sgenl_parse_stats(struct nlattr *nest, uint64_t stats[__SOTTO_STAT_MAX])
{
	struct nlattr *tb[__SOTTO_STAT_MAX + 1];
	int ret = nest_parse(nest, tb, __SOTTO_STAT_MAX);

	if (ret)
		return ret;
	for (int i = 0; i < __SOTTO_STAT_MAX; i++)
		stats[i] = num(tb[i + 1]);
	return 0;
}
