// SPDX-License-Identifier: GPL-2.0
/* Commands of the namespace: its settings, its counters, its agent. */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/stddef.h>

#include "acquire.h"
#include "nat.h"
#include "netlink.h"
#include "netlink_cmd.h"
#include "stats.h"
#include "wire.h"

/* One setting: where it is kept, and what it is at first. */
struct sotto_nl_limit {
	u16 attr;
	u16 offset;
	u32 initial;
};

#define SOTTO_NL_LIMIT(_attr, _field, _initial)				\
	{ .attr = (_attr), .initial = (_initial),			\
	  .offset = offsetof(struct sotto_limits, _field) }

static const struct sotto_nl_limit sotto_nl_limits[] = {
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_TUNNELS, max_tunnels, SOTTO_MAX_TUNNELS),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_SAS, max_sas, SOTTO_MAX_SAS),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_POLICIES, max_policies, SOTTO_MAX_POLICIES),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_ACQUIRES, max_acquires, SOTTO_MAX_ACQUIRES),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_QUEUE_PACKETS, max_queue_packets,
		       SOTTO_MAX_QUEUE_PACKETS),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_QUEUE_BYTES, max_queue_bytes,
		       SOTTO_MAX_QUEUE_BYTES),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_NS_QUEUE_PACKETS, max_ns_queue_packets,
		       SOTTO_MAX_NS_QUEUE_PACKETS),
	SOTTO_NL_LIMIT(SOTTO_A_NS_MAX_NS_QUEUE_BYTES, max_ns_queue_bytes,
		       SOTTO_MAX_NS_QUEUE_BYTES),
	SOTTO_NL_LIMIT(SOTTO_A_NS_ACQUIRE_TIMEOUT, acquire_timeout_ms,
		       SOTTO_ACQUIRE_TIMEOUT_MS),
	SOTTO_NL_LIMIT(SOTTO_A_NS_EVENT_RATE, event_rate, SOTTO_EVENT_RATE),
	SOTTO_NL_LIMIT(SOTTO_A_NS_GSO, gso, 1),
	SOTTO_NL_LIMIT(SOTTO_A_NS_GRO, gro, 1),
	SOTTO_NL_LIMIT(SOTTO_A_NS_CONTROL_PORT, control_port, 0),
	SOTTO_NL_LIMIT(SOTTO_A_NS_KEEPALIVE, keepalive, SOTTO_CEIL_KEEPALIVE_S),
};

static u32 *sotto_nl_limit(struct sotto_limits *limits, const struct sotto_nl_limit *l)
{
	return (u32 *)((u8 *)limits + l->offset);
}

#define SOTTO_NL_RANGE(_name, _min, _max)				\
	static struct netlink_range_validation _name = { .min = (_min), .max = (_max) }

SOTTO_NL_RANGE(sotto_range_port, 1, U16_MAX);
SOTTO_NL_RANGE(sotto_range_control, 0, U16_MAX);
SOTTO_NL_RANGE(sotto_range_keepalive, 0, SOTTO_CEIL_KEEPALIVE_S);
SOTTO_NL_RANGE(sotto_range_tunnels, 1, SOTTO_CEIL_TUNNELS);
SOTTO_NL_RANGE(sotto_range_sas, 1, SOTTO_CEIL_SAS);
SOTTO_NL_RANGE(sotto_range_policies, 1, SOTTO_CEIL_POLICIES);
SOTTO_NL_RANGE(sotto_range_acquires, 1, SOTTO_CEIL_ACQUIRES);
SOTTO_NL_RANGE(sotto_range_packets, 1, SOTTO_CEIL_QUEUE_PACKETS);
SOTTO_NL_RANGE(sotto_range_bytes, 1, SOTTO_CEIL_QUEUE_BYTES);
SOTTO_NL_RANGE(sotto_range_timeout, 1, SOTTO_CEIL_ACQUIRE_TIMEOUT_MS);
SOTTO_NL_RANGE(sotto_range_rate, 0, SOTTO_CEIL_EVENT_RATE);

const struct nla_policy sotto_nl_ns_policy[SOTTO_A_NS_ATTR_MAX + 1] = {
	[SOTTO_A_NS_UP] = NLA_POLICY_MAX(NLA_U8, 1),
	[SOTTO_A_NS_DATA_PORT] = NLA_POLICY_FULL_RANGE(NLA_U16, &sotto_range_port),
	[SOTTO_A_NS_MAX_TUNNELS] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_tunnels),
	[SOTTO_A_NS_MAX_SAS] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_sas),
	[SOTTO_A_NS_MAX_POLICIES] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_policies),
	[SOTTO_A_NS_MAX_ACQUIRES] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_acquires),
	[SOTTO_A_NS_MAX_QUEUE_PACKETS] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_packets),
	[SOTTO_A_NS_MAX_QUEUE_BYTES] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_bytes),
	[SOTTO_A_NS_MAX_NS_QUEUE_PACKETS] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_packets),
	[SOTTO_A_NS_MAX_NS_QUEUE_BYTES] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_bytes),
	[SOTTO_A_NS_ACQUIRE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_timeout),
	[SOTTO_A_NS_EVENT_RATE] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_rate),
	[SOTTO_A_NS_GSO] = NLA_POLICY_MAX(NLA_U32, 1),
	[SOTTO_A_NS_GRO] = NLA_POLICY_MAX(NLA_U32, 1),
	[SOTTO_A_NS_CONTROL_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_control),
	[SOTTO_A_NS_KEEPALIVE] = NLA_POLICY_FULL_RANGE(NLA_U32, &sotto_range_keepalive),
};

const struct nla_policy sotto_nl_agent_policy[SOTTO_A_AGENT_ATTR_MAX + 1] = {
	[SOTTO_A_AGENT_LOCAL] = SOTTO_NLA_HOST,
	[SOTTO_A_AGENT_LOCAL_PORT] = NLA_POLICY_FULL_RANGE(NLA_U16, &sotto_range_port),
	[SOTTO_A_AGENT_REMOTE] = SOTTO_NLA_HOST,
	[SOTTO_A_AGENT_REMOTE_PORT] = NLA_POLICY_FULL_RANGE(NLA_U16, &sotto_range_port),
};

static u32 sotto_nl_agent_portid(struct sotto_net *ns)
{
	struct sotto_agent *agent =
		rcu_dereference_protected(ns->agent, lockdep_is_held(&ns->config));

	return agent ? agent->portid : 0;
}

static u32 sotto_nl_gauge(const atomic_t *v)
{
	return max(atomic_read(v), 0);
}

static int sotto_nl_put_state(struct sk_buff *skb, struct sotto_net *ns)
{
	if (nla_put_u8(skb, SOTTO_A_NS_UP, ns->up) ||
	    nla_put_u16(skb, SOTTO_A_NS_DATA_PORT, ntohs(ns->data_port)) ||
	    nla_put_u64_64bit(skb, SOTTO_A_NS_INSTANCE, ns->instance,
			      SOTTO_A_NS_PAD) ||
	    nla_put_u32(skb, SOTTO_A_NS_AGENT_PORTID, sotto_nl_agent_portid(ns)) ||
	    nla_put_string(skb, SOTTO_A_NS_VERSION, THIS_MODULE->version) ||
	    nla_put_u8(skb, SOTTO_A_NS_KEYLOG, sotto_keylog) ||
	    nla_put_u32(skb, SOTTO_A_NS_TUNNELS, sotto_nl_gauge(&ns->n_tunnels)) ||
	    nla_put_u32(skb, SOTTO_A_NS_SAS, sotto_nl_gauge(&ns->n_sas)) ||
	    nla_put_u32(skb, SOTTO_A_NS_POLICIES, ns->policy.n) ||
	    nla_put_u32(skb, SOTTO_A_NS_ACQUIRES, sotto_nl_gauge(&ns->n_acquires)) ||
	    nla_put_u32(skb, SOTTO_A_NS_QUEUED_PACKETS,
			sotto_nl_gauge(&ns->queued_packets)) ||
	    nla_put_u32(skb, SOTTO_A_NS_QUEUED_BYTES,
			sotto_nl_gauge(&ns->queued_bytes)))
		return -EMSGSIZE;
	return 0;
}

static int sotto_nl_put_limits(struct sk_buff *skb, struct sotto_net *ns)
{
	const struct sotto_nl_limit *l;

	for (l = sotto_nl_limits; l < sotto_nl_limits + ARRAY_SIZE(sotto_nl_limits); l++)
		if (nla_put_u32(skb, l->attr, *sotto_nl_limit(&ns->limits, l)))
			return -EMSGSIZE;
	return 0;
}

int sotto_nl_ns_get(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_net *ns = sotto_nl_ns(info);
	struct sotto_nl_reply r;
	int err;

	err = sotto_nl_reply_begin(&r, info, SOTTO_A_NS, GENLMSG_DEFAULT_SIZE);
	if (err)
		return err;
	err = sotto_nl_put_state(r.skb, ns) ?: sotto_nl_put_limits(r.skb, ns);
	return sotto_nl_reply_end(&r, info, err);
}

/*
 * A namespace's owner may be anybody's container, and the limits protect the
 * whole machine's memory: only the machine's owner raises them.
 */
static int sotto_nl_get_limits(struct sk_buff *skb, struct genl_info *info,
			       struct nlattr *tb[], struct sotto_limits *limits)
{
	const struct sotto_nl_limit *l;
	u32 value;

	for (l = sotto_nl_limits; l < sotto_nl_limits + ARRAY_SIZE(sotto_nl_limits); l++) {
		if (!tb[l->attr])
			continue;
		value = nla_get_u32(tb[l->attr]);
		if (value > l->initial && !netlink_capable(skb, CAP_NET_ADMIN))
			return sotto_nl_refuse(info->extack, tb[l->attr], -EPERM,
					       "only the initial user namespace may raise a limit past its default");
		*sotto_nl_limit(limits, l) = value;
	}
	return 0;
}

static void sotto_nl_set_limits(struct sotto_net *ns, struct sotto_limits *limits)
{
	const struct sotto_nl_limit *l;

	for (l = sotto_nl_limits; l < sotto_nl_limits + ARRAY_SIZE(sotto_nl_limits); l++)
		WRITE_ONCE(*sotto_nl_limit(&ns->limits, l), *sotto_nl_limit(limits, l));
}

/* Down, then the port, then up: whatever of these was asked for, or nothing. */
static int sotto_nl_set_state(struct sotto_net *ns, struct nlattr *tb[],
			      struct netlink_ext_ack *extack)
{
	const struct nlattr *up = tb[SOTTO_A_NS_UP], *port = tb[SOTTO_A_NS_DATA_PORT];
	__be16 old = ns->data_port, new = port ? htons(nla_get_u16(port)) : old;
	int err = 0;

	if (new != old && ns->up && (!up || nla_get_u8(up)))
		return sotto_nl_refuse(extack, port, -EBUSY,
				       "the data port cannot change while the shim is up");
	if (up && !nla_get_u8(up) && ns->up) {
		err = sotto_netns_down(ns, extack);
		if (err)
			return err;
	}
	ns->data_port = new;
	if (up && nla_get_u8(up)) {
		err = sotto_netns_up(ns, extack);
		if (err)
			ns->data_port = old;
	}
	return err;
}

int sotto_nl_ns_set(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_net *ns = sotto_nl_ns(info);
	struct nlattr *tb[SOTTO_A_NS_ATTR_MAX + 1];
	struct sotto_limits limits = ns->limits;
	int err;

	err = sotto_nl_parse(info, SOTTO_A_NS, tb, SOTTO_A_NS_ATTR_MAX,
			     sotto_nl_ns_policy, 0);
	if (err)
		return err;
	if (!nla_len(info->attrs[SOTTO_A_NS]))
		return sotto_nl_refuse(info->extack, info->attrs[SOTTO_A_NS], -EINVAL,
				       "no setting is given");
	err = sotto_nl_get_limits(skb, info, tb, &limits) ?:
	      sotto_nl_set_state(ns, tb, info->extack);
	if (err)
		return err;
	sotto_nl_set_limits(ns, &limits);
	if (tb[SOTTO_A_NS_GRO])
		sotto_netns_gro(ns);
	if (tb[SOTTO_A_NS_KEEPALIVE])
		sotto_nat_kick(ns);
	return 0;
}

int sotto_nl_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_nl_reply r;
	unsigned int i;
	u64 *sum;
	int err;

	sum = kcalloc(__SOTTO_STAT_MAX, sizeof(*sum), GFP_KERNEL);
	if (!sum)
		return -ENOMEM;
	err = sotto_nl_reply_begin(&r, info, SOTTO_A_STATS, GENLMSG_DEFAULT_SIZE);
	if (err)
		goto out;
	sotto_stats_sum(sotto_nl_ns(info), sum);
	for (i = 0; i < __SOTTO_STAT_MAX && !err; i++)
		err = nla_put_u64_64bit(r.skb, i + 1, sum[i], SOTTO_A_UNSPEC);
	err = sotto_nl_reply_end(&r, info, err);
out:
	kfree(sum);
	return err;
}

static void sotto_nl_agent_event(struct sotto_net *ns, u32 portid)
{
	struct sotto_event_info ev = { .type = SOTTO_EVENT_AGENT, .portid = portid };

	sotto_nl_event(ns, &ev);
}

/* The control flow: all of it or nothing. */
static int sotto_nl_get_flow(struct sotto_agent *agent, struct nlattr *nest,
			     struct nlattr *tb[], struct netlink_ext_ack *extack)
{
	int type, n = 0;

	for (type = SOTTO_A_AGENT_LOCAL; type <= SOTTO_A_AGENT_ATTR_MAX; type++)
		n += !!tb[type];
	if (!n)
		return 0;
	for (type = SOTTO_A_AGENT_LOCAL; type <= SOTTO_A_AGENT_ATTR_MAX; type++)
		if (!tb[type])
			return sotto_nl_missing(extack, nest, type,
						"the control flow needs both addresses and both ports");

	sotto_nl_get_addr(tb[SOTTO_A_AGENT_LOCAL], &agent->local);
	sotto_nl_get_addr(tb[SOTTO_A_AGENT_REMOTE], &agent->remote);
	if (agent->local.family != agent->remote.family)
		return sotto_nl_refuse(extack, tb[SOTTO_A_AGENT_REMOTE], -EINVAL,
				       "the control flow's addresses are of different families");
	agent->local_port = htons(nla_get_u16(tb[SOTTO_A_AGENT_LOCAL_PORT]));
	agent->remote_port = htons(nla_get_u16(tb[SOTTO_A_AGENT_REMOTE_PORT]));
	agent->has_flow = true;
	return 0;
}

static void sotto_nl_set_agent(struct sotto_net *ns, struct sotto_agent *agent)
{
	struct sotto_agent *old;

	old = rcu_replace_pointer(ns->agent, agent, lockdep_is_held(&ns->config));
	if (old)
		kfree_rcu(old, rcu);
}

int sotto_nl_agent_register(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_AGENT_ATTR_MAX + 1];
	struct sotto_net *ns = sotto_nl_ns(info);
	u32 portid = sotto_nl_agent_portid(ns);
	struct sotto_agent *agent;
	int err;

	if (portid && portid != info->snd_portid) {
		NL_SET_ERR_MSG(info->extack, "another socket is the agent of this namespace");
		return -EBUSY;
	}
	err = sotto_nl_parse(info, SOTTO_A_AGENT, tb, SOTTO_A_AGENT_ATTR_MAX,
			     sotto_nl_agent_policy, 0);
	if (err)
		return err;
	agent = kzalloc(sizeof(*agent), GFP_KERNEL_ACCOUNT);
	if (!agent)
		return -ENOMEM;
	agent->portid = info->snd_portid;
	err = sotto_nl_get_flow(agent, info->attrs[SOTTO_A_AGENT], tb, info->extack);
	if (err) {
		kfree(agent);
		return err;
	}
	sotto_nl_set_agent(ns, agent);
	if (!portid) {
		sotto_nl_agent_event(ns, info->snd_portid);
		sotto_acquire_repeat_all(ns);
	}
	return 0;
}

void sotto_nl_agent_gone(struct sotto_net *ns, u32 portid)
{
	const struct sotto_agent *agent;
	bool was;

	/* Sockets are many: only the agent's waits for a command that runs. */
	rcu_read_lock();
	agent = rcu_dereference(ns->agent);
	was = agent && agent->portid == portid;
	rcu_read_unlock();
	if (!was)
		return;

	mutex_lock(&ns->config);
	if (sotto_nl_agent_portid(ns) == portid) {
		sotto_nl_set_agent(ns, NULL);
		sotto_nl_agent_event(ns, 0);
	}
	mutex_unlock(&ns->config);
}
