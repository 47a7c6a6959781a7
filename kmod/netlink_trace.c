// SPDX-License-Identifier: GPL-2.0
/*
 * What would happen to a packet to some destination, and why: the questions of
 * hook.c, send.c and acquire.c in their order, but nothing is changed.
 */
#include <linux/if.h>
#include <linux/ipv6.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/flow.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "netlink_cmd.h"
#include "policy.h"
#include "skb.h"
#include "tunnel.h"
#include "wire.h"

const struct nla_policy sotto_nl_trace_policy[SOTTO_A_TRACE_ATTR_MAX + 1] = {
	[SOTTO_A_TRACE_DST] = SOTTO_NLA_ADDR,
	[SOTTO_A_TRACE_SRC] = SOTTO_NLA_HOST,
};

/**
 * struct sotto_trace - question and answer
 * @dst: asked for
 * @src: asked for, or chosen by the route; .family 0 if neither
 * @exempt: no policy touches such packets
 * @oif: output device, 0 without a route
 * @mtu: its MTU, for this family
 * @action: what policy says
 * @match: and which prefix of it, @match.prefix.family 0 if none
 * @to: whose tunnel: the destination, or the gateway in front of it
 * @t: tunnel or NULL, under rcu_read_lock()
 * @verdict: the answer
 */
struct sotto_trace {
	struct sotto_addr dst, src;
	bool exempt;
	u32 oif;
	u32 mtu;
	enum sotto_action action;
	struct sotto_policy match;
	const struct sotto_addr *to;
	struct sotto_tunnel *t;
	enum sotto_verdict verdict;
};

static void sotto_trace_dev(struct sotto_trace *tr, const struct dst_entry *dst)
{
	struct inet6_dev *idev;

	tr->oif = dst->dev->ifindex;
	tr->mtu = min_t(u32, READ_ONCE(dst->dev->mtu), IP_MAX_MTU);
	if (dst->dev->flags & IFF_LOOPBACK)
		tr->exempt = true;
	if (tr->dst.family == AF_INET)
		return;
	rcu_read_lock();
	idev = __in6_dev_get(dst->dev);
	if (idev)
		tr->mtu = READ_ONCE(idev->cnf.mtu6);
	rcu_read_unlock();
}

static void sotto_trace_route4(struct net *net, struct sotto_trace *tr)
{
	struct flowi4 fl4 = {
		.daddr = tr->dst.ip.ip, .saddr = tr->src.ip.ip,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt;

	rt = ip_route_output_key(net, &fl4);
	if (IS_ERR(rt))
		return;
	sotto_addr_v4(&tr->src, fl4.saddr);
	if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL))
		tr->exempt = true;
	sotto_trace_dev(tr, &rt->dst);
	ip_rt_put(rt);
}

static void sotto_trace_route6(struct net *net, struct sotto_trace *tr)
{
	struct flowi6 fl6 = {
		.daddr = tr->dst.ip.in6, .saddr = tr->src.ip.in6,
		.flowi6_flags = FLOWI_FLAG_ANYSRC,
	};
	struct dst_entry *dst;

	if (!ipv6_mod_enabled() || ip6_dst_lookup(net, NULL, &dst, &fl6))
		return;
	sotto_addr_v6(&tr->src, &fl6.saddr);
	if (ipv6_addr_is_multicast(&fl6.daddr))
		tr->exempt = true;
	sotto_trace_dev(tr, dst);
	dst_release(dst);
}

/* A packet that has no keys yet: does acquire.c let it wait? */
static enum sotto_verdict sotto_trace_wait(struct sotto_net *ns, struct sotto_tunnel *t)
{
	const struct sotto_limits *l = &ns->limits;
	bool room, asked = false;

	room = atomic_read(&ns->queued_packets) < l->max_ns_queue_packets &&
	       atomic_read(&ns->queued_bytes) < l->max_ns_queue_bytes;
	if (t) {
		spin_lock_bh(&t->lock);
		asked = t->state == SOTTO_TUNNEL_ACQUIRING && t->acquire_id;
		room = room && skb_queue_len(&t->queue) < l->max_queue_packets &&
		       t->queue_bytes < l->max_queue_bytes;
		spin_unlock_bh(&t->lock);
	} else {
		room = room && atomic_read(&ns->n_tunnels) < l->max_tunnels;
	}
	if (!asked)
		room = room && atomic_read(&ns->n_acquires) < l->max_acquires;
	return room ? SOTTO_VERDICT_QUEUE : SOTTO_VERDICT_DROP_LIMIT;
}

static enum sotto_verdict sotto_trace_tunnel(struct sotto_net *ns, struct sotto_trace *tr)
{
	struct sotto_tunnel *t = tr->t;
	bool refused, clear;

	if (t && rcu_access_pointer(t->sa))
		return SOTTO_VERDICT_SEAL;
	if (!t)
		return sotto_trace_wait(ns, t);
	spin_lock_bh(&t->lock);
	refused = sotto_tunnel_is_refused(t);
	clear = sotto_tunnel_is_clear(t);
	spin_unlock_bh(&t->lock);
	if (clear && tr->action == SOTTO_ACTION_PREFER)
		return SOTTO_VERDICT_PASS_CLEAR;
	return refused ? SOTTO_VERDICT_DROP_FAILED : sotto_trace_wait(ns, t);
}

static enum sotto_verdict sotto_trace_verdict(struct sotto_net *ns, struct sotto_trace *tr)
{
	if (!tr->oif)
		return SOTTO_VERDICT_NO_ROUTE;
	if (!ns->up)
		return SOTTO_VERDICT_PASS_DOWN;
	if (tr->exempt)
		return SOTTO_VERDICT_PASS_EXEMPT;
	if (tr->action == SOTTO_ACTION_BYPASS)
		return SOTTO_VERDICT_PASS_BYPASS;
	if (tr->action == SOTTO_ACTION_BLOCK)
		return SOTTO_VERDICT_DROP_BLOCK;
	if (!sotto_local_is(ns, &tr->src) && !sotto_behind_is(ns, &tr->src))
		return tr->action == SOTTO_ACTION_PREFER ?
		       SOTTO_VERDICT_PASS_CLEAR : SOTTO_VERDICT_DROP_SOURCE;
	return sotto_trace_tunnel(ns, tr);
}

/* What an inner packet may be long; under rcu_read_lock(). */
static void sotto_trace_mtu(struct sotto_trace *tr)
{
	unsigned int l4 = tr->dst.family == AF_INET ? sizeof(struct iphdr) :
						      sizeof(struct ipv6hdr);
	u32 learnt = 0;

	if (tr->verdict != SOTTO_VERDICT_SEAL && tr->verdict != SOTTO_VERDICT_QUEUE)
		return;
	if (tr->t) {
		spin_lock_bh(&tr->t->lock);
		learnt = sotto_nl_tunnel_pmtu(tr->t);
		spin_unlock_bh(&tr->t->lock);
	}
	if (learnt)
		tr->mtu = min(tr->mtu, learnt);
	tr->mtu = sotto_inner_mtu(tr->mtu, l4);
}

static int sotto_trace_put_match(struct sk_buff *skb, const struct sotto_trace *tr)
{
	if (nla_put_u8(skb, SOTTO_A_TRACE_ACTION, tr->action))
		return -EMSGSIZE;
	if (!tr->match.prefix.family)
		return 0;
	if (tr->match.gateway.family &&
	    sotto_nl_put_addr(skb, SOTTO_A_TRACE_GATEWAY, &tr->match.gateway))
		return -EMSGSIZE;
	return sotto_nl_put_addr(skb, SOTTO_A_TRACE_PREFIX, &tr->match.prefix) ?:
	       nla_put_u8(skb, SOTTO_A_TRACE_PLEN, tr->match.plen);
}

static int sotto_trace_put_tunnel(struct sk_buff *skb, struct sotto_tunnel *t)
{
	struct nlattr *nest = nla_nest_start(skb, SOTTO_A_TRACE_TUNNEL);
	int err;

	if (!nest)
		return -EMSGSIZE;
	err = sotto_nl_put_tunnel(skb, t);
	if (!err)
		nla_nest_end(skb, nest);
	return err;
}

static int sotto_trace_put(struct sk_buff *skb, const struct sotto_trace *tr)
{
	int err;

	err = sotto_nl_put_addr(skb, SOTTO_A_TRACE_DST, &tr->dst) ?:
	      nla_put_u8(skb, SOTTO_A_TRACE_VERDICT, tr->verdict) ?:
	      sotto_trace_put_match(skb, tr);
	if (!err && tr->src.family)
		err = sotto_nl_put_addr(skb, SOTTO_A_TRACE_SRC, &tr->src);
	if (!err && tr->oif)
		err = nla_put_u32(skb, SOTTO_A_TRACE_OIF, tr->oif) ?:
		      nla_put_u32(skb, SOTTO_A_TRACE_MTU, tr->mtu);
	if (!err && tr->t)
		err = sotto_trace_put_tunnel(skb, tr->t);
	return err;
}

static int sotto_trace_question(struct genl_info *info, struct sotto_trace *tr)
{
	struct nlattr *tb[SOTTO_A_TRACE_ATTR_MAX + 1];
	int err;

	err = sotto_nl_parse(info, SOTTO_A_TRACE, tb, SOTTO_A_TRACE_ATTR_MAX,
			     sotto_nl_trace_policy, 0);
	if (err)
		return err;
	if (!tb[SOTTO_A_TRACE_DST])
		return sotto_nl_missing(info->extack, info->attrs[SOTTO_A_TRACE],
					SOTTO_A_TRACE_DST, "the destination is missing");
	sotto_nl_get_addr(tb[SOTTO_A_TRACE_DST], &tr->dst);
	if (!tb[SOTTO_A_TRACE_SRC])
		return 0;
	sotto_nl_get_addr(tb[SOTTO_A_TRACE_SRC], &tr->src);
	if (tr->src.family != tr->dst.family)
		return sotto_nl_refuse(info->extack, tb[SOTTO_A_TRACE_SRC], -EINVAL,
				       "source and destination are of different families");
	return 0;
}

int sotto_nl_trace(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_net *ns = sotto_nl_ns(info);
	struct sotto_trace tr = {};
	struct sotto_nl_reply r;
	int err;

	err = sotto_trace_question(info, &tr) ?:
	      sotto_nl_reply_begin(&r, info, SOTTO_A_TRACE, GENLMSG_DEFAULT_SIZE);
	if (err)
		return err;
	if (tr.dst.family == AF_INET)
		sotto_trace_route4(ns->net, &tr);
	else
		sotto_trace_route6(ns->net, &tr);

	rcu_read_lock();
	tr.action = sotto_policy_lookup(ns, &tr.dst, &tr.match);
	tr.to = tr.match.gateway.family ? &tr.match.gateway : &tr.dst;
	tr.t = sotto_tunnel_lookup(ns, tr.to);
	tr.verdict = sotto_trace_verdict(ns, &tr);
	sotto_trace_mtu(&tr);
	err = sotto_trace_put(r.skb, &tr);
	rcu_read_unlock();
	return sotto_nl_reply_end(&r, info, err);
}
