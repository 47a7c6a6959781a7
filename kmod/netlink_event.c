// SPDX-License-Identifier: GPL-2.0
/* What the kernel says unasked: acquires to the agent, events to the group. */
#include "acquire.h"
#include "netlink.h"
#include "netlink_cmd.h"
#include "stats.h"
#include "tunnel.h"

const struct nla_policy sotto_nl_acquire_policy[SOTTO_A_ACQUIRE_ATTR_MAX + 1] = {
	[SOTTO_A_ACQUIRE_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[SOTTO_A_ACQUIRE_DST] = SOTTO_NLA_ADDR,
	[SOTTO_A_ACQUIRE_REASON] = NLA_POLICY_RANGE(NLA_U8, SOTTO_REASON_NONE + 1,
						    __SOTTO_REASON_MAX - 1),
	[SOTTO_A_ACQUIRE_HOLD_MS] = { .type = NLA_U32 },
};

/* Room for every attribute of either message. */
#define SOTTO_NL_EVENT_SIZE						\
	(nla_total_size(0) + 2 * nla_total_size(sizeof(struct in6_addr)) + \
	 nla_total_size_64bit(sizeof(u64)) + 10 * nla_total_size(sizeof(u32)))

/* What is asked for, taken at one moment. */
struct sotto_nl_question {
	struct sotto_addr dst, src;
	u32 id, attempts;
	u8 action, proto;
};

static void sotto_nl_question(struct sotto_tunnel *t, struct sotto_nl_question *q)
{
	q->dst = t->dst;
	spin_lock_bh(&t->lock);
	q->src = t->src;
	q->id = t->acquire_id;
	q->attempts = t->attempts;
	q->action = t->action;
	q->proto = t->proto;
	spin_unlock_bh(&t->lock);
}

static int sotto_nl_put_question(struct sk_buff *skb, const struct sotto_nl_question *q)
{
	struct nlattr *nest = nla_nest_start(skb, SOTTO_A_ACQUIRE);

	if (!nest ||
	    nla_put_u32(skb, SOTTO_A_ACQUIRE_ID, q->id) ||
	    sotto_nl_put_addr(skb, SOTTO_A_ACQUIRE_DST, &q->dst) ||
	    (q->src.family &&
	     sotto_nl_put_addr(skb, SOTTO_A_ACQUIRE_SRC, &q->src)) ||
	    nla_put_u8(skb, SOTTO_A_ACQUIRE_PROTO, q->proto) ||
	    nla_put_u8(skb, SOTTO_A_ACQUIRE_ACTION, q->action) ||
	    nla_put_u32(skb, SOTTO_A_ACQUIRE_ATTEMPT, q->attempts))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Return: 0, or that the agent did not get it. */
static int sotto_nl_ask(struct sotto_net *ns, const struct sotto_nl_question *q, u32 portid)
{
	struct sk_buff *skb;
	void *hdr;

	skb = genlmsg_new(SOTTO_NL_EVENT_SIZE, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_put(skb, 0, 0, &sotto_genl_family, 0, SOTTO_CMD_ACQUIRE);
	if (!hdr || sotto_nl_put_question(skb, q)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_unicast(ns->net, skb, portid);
}

void sotto_nl_acquire(struct sotto_tunnel *t)
{
	struct sotto_event_info ev = { .type = SOTTO_EVENT_ACQUIRE };
	const struct sotto_agent *agent;
	struct sotto_nl_question q;
	u32 portid;

	sotto_nl_question(t, &q);
	if (!q.id)
		return;		/* answered meanwhile */

	rcu_read_lock();
	agent = rcu_dereference(t->ns->agent);
	portid = agent ? agent->portid : 0;
	if (portid && !sotto_nl_closing() && sotto_nl_ask(t->ns, &q, portid))
		sotto_stat_inc(t->ns, SOTTO_STAT_EVENTS_LOST);
	rcu_read_unlock();

	if (q.attempts)
		return;
	ev.dst = &q.dst;
	ev.src = q.src.family ? &q.src : NULL;
	sotto_nl_event(t->ns, &ev);
}

/* Hints are for people and may be left out; the rest moves the agent's state. */
static bool sotto_nl_is_hint(enum sotto_event type)
{
	return type == SOTTO_EVENT_UNKNOWN_SPI || type == SOTTO_EVENT_DROP;
}

static void sotto_nl_lost(struct sotto_net *ns, u32 n)
{
	atomic_add(n, &ns->hints_lost);
	sotto_stat_inc(ns, SOTTO_STAT_EVENTS_LOST);
}

static bool sotto_nl_admit(struct sotto_net *ns, enum sotto_event type)
{
	return !sotto_nl_is_hint(type) ||
	       sotto_bucket_take(&ns->hints, READ_ONCE(ns->limits.event_rate));
}

static int sotto_nl_put_event_policy(struct sk_buff *skb, const struct sotto_event_info *ev)
{
	if (nla_put_u8(skb, SOTTO_A_EVENT_PLEN, ev->policy->plen))
		return -EMSGSIZE;
	return ev->removed ? 0 : nla_put_u8(skb, SOTTO_A_EVENT_ACTION, ev->policy->action);
}

static int sotto_nl_put_event(struct sk_buff *skb, const struct sotto_event_info *ev,
			      u32 lost)
{
	struct nlattr *nest = nla_nest_start(skb, SOTTO_A_EVENT);

	if (!nest ||
	    nla_put_u8(skb, SOTTO_A_EVENT_TYPE, ev->type) ||
	    (ev->src && sotto_nl_put_addr(skb, SOTTO_A_EVENT_SRC, ev->src)) ||
	    (ev->dst && sotto_nl_put_addr(skb, SOTTO_A_EVENT_DST, ev->dst)) ||
	    (ev->spi && (nla_put_u32(skb, SOTTO_A_EVENT_SPI, ev->spi) ||
			 nla_put_u8(skb, SOTTO_A_EVENT_DIR, ev->dir))) ||
	    (ev->session && nla_put_u64_64bit(skb, SOTTO_A_EVENT_SESSION,
					      ev->session, SOTTO_A_EVENT_PAD)) ||
	    (ev->reason && nla_put_u8(skb, SOTTO_A_EVENT_REASON, ev->reason)) ||
	    (ev->type == SOTTO_EVENT_DROP &&
	     nla_put_u16(skb, SOTTO_A_EVENT_STAT, ev->stat)) ||
	    (ev->type == SOTTO_EVENT_AGENT &&
	     nla_put_u32(skb, SOTTO_A_EVENT_PORTID, ev->portid)) ||
	    (ev->port && nla_put_u16(skb, SOTTO_A_EVENT_PORT, ntohs(ev->port))) ||
	    (ev->policy && sotto_nl_put_event_policy(skb, ev)) ||
	    (lost && nla_put_u32(skb, SOTTO_A_EVENT_LOST, lost)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static struct sk_buff *sotto_nl_event_msg(const struct sotto_event_info *ev, u32 lost)
{
	struct sk_buff *skb;
	void *hdr;

	skb = genlmsg_new(SOTTO_NL_EVENT_SIZE, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	hdr = genlmsg_put(skb, 0, 0, &sotto_genl_family, 0, SOTTO_CMD_EVENT);
	if (!hdr || sotto_nl_put_event(skb, ev, lost)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

/* Caller is under rcu_read_lock(). */
static void sotto_nl_send_event(struct sotto_net *ns, const struct sotto_event_info *ev)
{
	struct sk_buff *skb;
	u32 lost;

	if (!genl_has_listeners(&sotto_genl_family, ns->net, SOTTO_NL_EVENTS))
		return;
	if (!sotto_nl_admit(ns, ev->type)) {
		sotto_nl_lost(ns, 1);
		return;
	}
	/* How many were left out before this one. */
	lost = atomic_xchg(&ns->hints_lost, 0);
	skb = sotto_nl_event_msg(ev, lost);
	if (!skb) {
		sotto_nl_lost(ns, lost + 1);
		return;
	}
	genlmsg_multicast_netns(&sotto_genl_family, ns->net, skb, 0,
				SOTTO_NL_EVENTS, GFP_ATOMIC);
}

bool sotto_nl_wants_hints(struct sotto_net *ns)
{
	if (!genl_has_listeners(&sotto_genl_family, ns->net, SOTTO_NL_EVENTS))
		return false;
	if (!sotto_bucket_dry(&ns->hints))
		return true;
	sotto_nl_lost(ns, 1);
	return false;
}

void sotto_nl_event(struct sotto_net *ns, const struct sotto_event_info *ev)
{
	rcu_read_lock();
	if (!sotto_nl_closing())
		sotto_nl_send_event(ns, ev);
	rcu_read_unlock();
}

static int sotto_nl_fail_require(struct genl_info *info, struct nlattr *tb[])
{
	struct nlattr *nest = info->attrs[SOTTO_A_ACQUIRE];

	if (!tb[SOTTO_A_ACQUIRE_ID])
		return sotto_nl_missing(info->extack, nest, SOTTO_A_ACQUIRE_ID,
					"the acquire's id is missing");
	if (!tb[SOTTO_A_ACQUIRE_DST])
		return sotto_nl_missing(info->extack, nest, SOTTO_A_ACQUIRE_DST,
					"the destination is missing");
	if (!tb[SOTTO_A_ACQUIRE_REASON])
		return sotto_nl_missing(info->extack, nest, SOTTO_A_ACQUIRE_REASON,
					"the reason is missing");
	return 0;
}

int sotto_nl_acquire_fail(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_ACQUIRE_ATTR_MAX + 1];
	struct sotto_addr dst;
	u32 id, hold_ms = 0;
	int err;

	err = sotto_nl_parse(info, SOTTO_A_ACQUIRE, tb, SOTTO_A_ACQUIRE_ATTR_MAX,
			     sotto_nl_acquire_policy, 0) ?:
	      sotto_nl_fail_require(info, tb);
	if (err)
		return err;
	sotto_nl_get_addr(tb[SOTTO_A_ACQUIRE_DST], &dst);
	id = nla_get_u32(tb[SOTTO_A_ACQUIRE_ID]);
	if (tb[SOTTO_A_ACQUIRE_HOLD_MS])
		hold_ms = nla_get_u32(tb[SOTTO_A_ACQUIRE_HOLD_MS]);

	err = sotto_acquire_fail(sotto_nl_ns(info), &dst, id,
				 nla_get_u8(tb[SOTTO_A_ACQUIRE_REASON]), hold_ms);
	if (err)
		NL_SET_ERR_MSG_ATTR(info->extack, tb[SOTTO_A_ACQUIRE_ID],
				    "no such acquire is outstanding for this destination");
	return err;
}
