// SPDX-License-Identifier: GPL-2.0
/*
 * One function for each thing that can be asked of sotto.ko.
 */
#include "genl_req.h"

#include <errno.h>
#include <string.h>

#include <netlink/netlink.h>

static int put_addr(struct nl_msg *msg, int type, const struct sotto_addr *addr)
{
	return nla_put(msg, type, addr->len, addr->b);
}

static struct nlattr *nest(struct nl_msg *msg, int type)
{
	return nla_nest_start(msg, type | NLA_F_NESTED);
}

static int ns_reply(uint8_t cmd, struct nlattr **tb, void *arg)
{
	(void)cmd;
	return sgenl_parse_ns(tb[SOTTO_A_NS], arg);
}

int sgenl_ns_get(struct sgenl *g, struct sgenl_ns *ns)
{
	return sgenl_call(g, sgenl_msg(g, SOTTO_CMD_NS_GET, 0), ns_reply, ns);
}

int sgenl_ns_set(struct sgenl *g, int attr, uint32_t value)
{
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_NS_SET, 0);
	struct nlattr *n = nest(msg, SOTTO_A_NS);
	int put;

	if (attr == SOTTO_A_NS_UP)
		put = nla_put_u8(msg, attr, value);
	else if (attr == SOTTO_A_NS_DATA_PORT)
		put = nla_put_u16(msg, attr, value);
	else
		put = nla_put_u32(msg, attr, value);
	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, NULL, NULL);
}

int sgenl_agent_register(struct sgenl *g,
			 const struct sotto_addr *local, uint16_t local_port,
			 const struct sotto_addr *remote, uint16_t remote_port)
{
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_AGENT_REGISTER, 0);
	struct nlattr *n = nest(msg, SOTTO_A_AGENT);
	int put = 0;

	if (local && remote)
		put = put_addr(msg, SOTTO_A_AGENT_LOCAL, local) |
		      nla_put_u16(msg, SOTTO_A_AGENT_LOCAL_PORT, local_port) |
		      put_addr(msg, SOTTO_A_AGENT_REMOTE, remote) |
		      nla_put_u16(msg, SOTTO_A_AGENT_REMOTE_PORT, remote_port);
	/* without a flow the nest is empty, and must be there all the same */
	nla_nest_end_keep_empty(msg, n);
	return sgenl_call_built(g, msg, put, NULL, NULL);
}

static int addr_request(struct sgenl *g, uint8_t cmd, const struct sotto_prefix *p)
{
	struct nl_msg *msg = sgenl_msg(g, cmd, 0);
	int put = put_addr(msg, SOTTO_A_ADDR, &p->addr);

	if (p->plen != p->addr.len * 8)
		put |= nla_put_u8(msg, SOTTO_A_ADDR_PLEN, p->plen);
	return sgenl_call_built(g, msg, put, NULL, NULL);
}

int sgenl_local_add(struct sgenl *g, const struct sotto_prefix *p)
{
	return addr_request(g, SOTTO_CMD_ADDR_ADD, p);
}

int sgenl_local_del(struct sgenl *g, const struct sotto_prefix *p)
{
	return addr_request(g, SOTTO_CMD_ADDR_DEL, p);
}

int sgenl_addr_add(struct sgenl *g, const struct sotto_addr *addr)
{
	struct sotto_prefix p = sotto_prefix_host(addr);

	return sgenl_local_add(g, &p);
}

static int put_prefix(struct nl_msg *msg, const struct sotto_prefix *prefix)
{
	return put_addr(msg, SOTTO_A_POLICY_PREFIX, &prefix->addr) |
	       nla_put_u8(msg, SOTTO_A_POLICY_PLEN, prefix->plen);
}

int sgenl_policy_add(struct sgenl *g, const struct sgenl_policy *p, bool replace)
{
	int flags = replace ? NLM_F_REPLACE : NLM_F_EXCL;
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_POLICY_ADD, NLM_F_CREATE | flags);
	struct nlattr *n = nest(msg, SOTTO_A_POLICY);
	int put;

	put = put_prefix(msg, &p->prefix) |
	      nla_put_u8(msg, SOTTO_A_POLICY_ACTION, p->action);
	if (p->gateway.len)
		put |= put_addr(msg, SOTTO_A_POLICY_GATEWAY, &p->gateway);
	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, NULL, NULL);
}

int sgenl_policy_del(struct sgenl *g, const struct sotto_prefix *prefix)
{
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_POLICY_DEL, 0);
	struct nlattr *n = nest(msg, SOTTO_A_POLICY);
	int put = put_prefix(msg, prefix);

	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, NULL, NULL);
}

int sgenl_policy_flush(struct sgenl *g)
{
	return sgenl_call(g, sgenl_msg(g, SOTTO_CMD_POLICY_FLUSH, 0), NULL, NULL);
}

static int tunnel_reply(uint8_t cmd, struct nlattr **tb, void *arg)
{
	(void)cmd;
	return sgenl_parse_tunnel(tb[SOTTO_A_TUNNEL], arg);
}

static int tunnel_request(struct sgenl *g, uint8_t cmd,
			  const struct sotto_addr *dst, struct sgenl_tunnel *t)
{
	struct nl_msg *msg = sgenl_msg(g, cmd, 0);
	struct nlattr *n = nest(msg, SOTTO_A_TUNNEL);
	int put = put_addr(msg, SOTTO_A_TUNNEL_DST, dst);

	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, t ? tunnel_reply : NULL, t);
}

int sgenl_tunnel_get(struct sgenl *g, const struct sotto_addr *dst,
		     struct sgenl_tunnel *t)
{
	return tunnel_request(g, SOTTO_CMD_TUNNEL_GET, dst, t);
}

int sgenl_tunnel_del(struct sgenl *g, const struct sotto_addr *dst)
{
	return tunnel_request(g, SOTTO_CMD_TUNNEL_DEL, dst, NULL);
}

int sgenl_tunnel_flush(struct sgenl *g)
{
	return sgenl_call(g, sgenl_msg(g, SOTTO_CMD_TUNNEL_FLUSH, 0), NULL, NULL);
}

static int stats_reply(uint8_t cmd, struct nlattr **tb, void *arg)
{
	(void)cmd;
	return sgenl_parse_stats(tb[SOTTO_A_STATS], arg);
}

int sgenl_stats_get(struct sgenl *g, uint64_t stats[__SOTTO_STAT_MAX])
{
	return sgenl_call(g, sgenl_msg(g, SOTTO_CMD_STATS_GET, 0), stats_reply, stats);
}

static int trace_reply(uint8_t cmd, struct nlattr **tb, void *arg)
{
	(void)cmd;
	return sgenl_parse_trace(tb[SOTTO_A_TRACE], arg);
}

int sgenl_trace(struct sgenl *g, const struct sotto_addr *dst,
		const struct sotto_addr *src, struct sgenl_trace *t)
{
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_TRACE, 0);
	struct nlattr *n = nest(msg, SOTTO_A_TRACE);
	int put = put_addr(msg, SOTTO_A_TRACE_DST, dst);

	if (src)
		put |= put_addr(msg, SOTTO_A_TRACE_SRC, src);
	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, trace_reply, t);
}

int sgenl_acquire_fail(struct sgenl *g, const struct sgenl_acquire *a,
		       uint8_t reason, uint32_t hold_ms)
{
	struct nl_msg *msg = sgenl_msg(g, SOTTO_CMD_ACQUIRE_FAIL, 0);
	struct nlattr *n = nest(msg, SOTTO_A_ACQUIRE);
	int put;

	put = nla_put_u32(msg, SOTTO_A_ACQUIRE_ID, a->id) |
	      put_addr(msg, SOTTO_A_ACQUIRE_DST, &a->dst) |
	      nla_put_u8(msg, SOTTO_A_ACQUIRE_REASON, reason) |
	      nla_put_u32(msg, SOTTO_A_ACQUIRE_HOLD_MS, hold_ms);
	nla_nest_end(msg, n);
	return sgenl_call_built(g, msg, put, NULL, NULL);
}
