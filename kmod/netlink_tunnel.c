// SPDX-License-Identifier: GPL-2.0
/* Commands of the tunnels. */
#include <linux/ktime.h>

#include "nat.h"
#include "netlink.h"
#include "netlink_cmd.h"
#include "sa.h"
#include "tunnel.h"

const struct nla_policy sotto_nl_tunnel_policy[SOTTO_A_TUNNEL_ATTR_MAX + 1] = {
	[SOTTO_A_TUNNEL_DST] = SOTTO_NLA_ADDR,
};

u32 sotto_nl_tunnel_pmtu(const struct sotto_tunnel *t)
{
	lockdep_assert_held(&t->lock);

	return t->pmtu && time_before(jiffies, t->pmtu_expires) ? t->pmtu : 0;
}

/* What a tunnel's lock protects, taken at one moment. */
struct sotto_nl_tunnel {
	u8 state, reason;
	u32 hold_ms, queued, first_us, pmtu;
};

static void sotto_nl_tunnel_read(struct sotto_tunnel *t, struct sotto_nl_tunnel *s)
{
	unsigned long now = jiffies;

	spin_lock_bh(&t->lock);
	s->state = t->state;
	s->reason = SOTTO_REASON_NONE;	/* an old one means nothing any more */
	if (t->state == SOTTO_TUNNEL_FAILED || t->state == SOTTO_TUNNEL_CLEAR)
		s->reason = t->reason;
	else if (t->state == SOTTO_TUNNEL_ACQUIRING && !rcu_access_pointer(t->ns->agent))
		s->reason = SOTTO_REASON_NO_AGENT;	/* what it waits for */
	s->hold_ms = time_after(t->deadline, now) ?
		     jiffies_to_msecs(t->deadline - now) : 0;
	s->queued = skb_queue_len(&t->queue);
	s->first_us = t->first_us;
	s->pmtu = sotto_nl_tunnel_pmtu(t);
	spin_unlock_bh(&t->lock);
}

int sotto_nl_put_endpoint(struct sk_buff *skb, const struct sotto_sa *sa, u16 family,
			  int type, int port_type)
{
	const struct sotto_endpoint *ep = sotto_nat_endpoint(sa, family);

	if (!ep && sa->mode == SOTTO_SA_MODE_TUNNEL)
		ep = sotto_nat_endpoint(sa, family == AF_INET ? AF_INET6 : AF_INET);
	if (!ep || !ep->addr.family)
		return 0;
	if (sotto_nl_put_addr(skb, type, &ep->addr) ||
	    nla_put_u16(skb, port_type, ntohs(ep->port)))
		return -EMSGSIZE;
	return 0;
}

static int sotto_nl_put_tunnel_sa(struct sk_buff *skb, struct sotto_tunnel *t)
{
	const struct sotto_sa *sa = rcu_dereference(t->sa);

	if (!sa)
		return 0;
	if ((sa->name[0] && nla_put_string(skb, SOTTO_A_TUNNEL_PEER, sa->name)) ||
	    nla_put_u64_64bit(skb, SOTTO_A_TUNNEL_SESSION, sa->session,
			      SOTTO_A_TUNNEL_PAD) ||
	    nla_put_u32(skb, SOTTO_A_TUNNEL_SPI_OUT, sa->spi) ||
	    nla_put_u8(skb, SOTTO_A_TUNNEL_CIPHER, sa->cipher) ||
	    nla_put_u8(skb, SOTTO_A_TUNNEL_MODE, sa->mode))
		return -EMSGSIZE;
	return sotto_nl_put_endpoint(skb, sa, t->dst.family, SOTTO_A_TUNNEL_ENDPOINT,
				     SOTTO_A_TUNNEL_ENDPOINT_PORT);
}

static int sotto_nl_put_tunnel_state(struct sk_buff *skb, struct sotto_tunnel *t)
{
	struct sotto_nl_tunnel s;

	sotto_nl_tunnel_read(t, &s);
	if (nla_put_u8(skb, SOTTO_A_TUNNEL_STATE, s.state) ||
	    nla_put_u32(skb, SOTTO_A_TUNNEL_QUEUED, s.queued) ||
	    nla_put_u32(skb, SOTTO_A_TUNNEL_FIRST_US, s.first_us) ||
	    nla_put_u32(skb, SOTTO_A_TUNNEL_PMTU, s.pmtu))
		return -EMSGSIZE;
	if (s.reason == SOTTO_REASON_NONE)
		return 0;
	if (nla_put_u8(skb, SOTTO_A_TUNNEL_REASON, s.reason) ||
	    nla_put_u32(skb, SOTTO_A_TUNNEL_HOLD_MS, s.hold_ms))
		return -EMSGSIZE;
	return 0;
}

static int sotto_nl_put_tunnel_counters(struct sk_buff *skb, struct sotto_tunnel *t)
{
	u64 age_ms = div_u64(ktime_get_boottime_ns() - t->born_ns, NSEC_PER_MSEC);
	u64 idle_ms = jiffies_to_msecs(jiffies - READ_ONCE(t->used));

	if (nla_put_u64_64bit(skb, SOTTO_A_TUNNEL_AGE_MS, age_ms,
			      SOTTO_A_TUNNEL_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_TUNNEL_IDLE_MS, idle_ms,
			      SOTTO_A_TUNNEL_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_TUNNEL_TX_PACKETS,
			      atomic64_read(&t->tx_packets), SOTTO_A_TUNNEL_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_TUNNEL_TX_BYTES,
			      atomic64_read(&t->tx_bytes), SOTTO_A_TUNNEL_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_TUNNEL_DROPS,
			      atomic64_read(&t->drops), SOTTO_A_TUNNEL_PAD))
		return -EMSGSIZE;
	return 0;
}

int sotto_nl_put_tunnel(struct sk_buff *skb, struct sotto_tunnel *t)
{
	return sotto_nl_put_addr(skb, SOTTO_A_TUNNEL_DST, &t->dst) ?:
	       sotto_nl_put_tunnel_state(skb, t) ?:
	       sotto_nl_put_tunnel_sa(skb, t) ?:
	       sotto_nl_put_tunnel_counters(skb, t);
}

/* The destination that a request names. */
static int sotto_nl_get_dst(struct genl_info *info, struct nlattr *tb[],
			    struct sotto_addr *dst)
{
	int err;

	err = sotto_nl_parse(info, SOTTO_A_TUNNEL, tb, SOTTO_A_TUNNEL_ATTR_MAX,
			     sotto_nl_tunnel_policy, 0);
	if (err)
		return err;
	if (!tb[SOTTO_A_TUNNEL_DST])
		return sotto_nl_missing(info->extack, info->attrs[SOTTO_A_TUNNEL],
					SOTTO_A_TUNNEL_DST, "the destination is missing");
	sotto_nl_get_addr(tb[SOTTO_A_TUNNEL_DST], dst);
	return 0;
}

static int sotto_nl_no_tunnel(struct genl_info *info, struct nlattr *tb[])
{
	return sotto_nl_refuse(info->extack, tb[SOTTO_A_TUNNEL_DST], -ENOENT,
			       "no tunnel to this destination");
}

int sotto_nl_tunnel_get(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_TUNNEL_ATTR_MAX + 1];
	struct sotto_nl_reply r;
	struct sotto_tunnel *t;
	struct sotto_addr dst;
	int err;

	err = sotto_nl_get_dst(info, tb, &dst) ?:
	      sotto_nl_reply_begin(&r, info, SOTTO_A_TUNNEL, GENLMSG_DEFAULT_SIZE);
	if (err)
		return err;
	rcu_read_lock();
	t = sotto_tunnel_lookup(sotto_nl_ns(info), &dst);
	err = t ? sotto_nl_put_tunnel(r.skb, t) : sotto_nl_no_tunnel(info, tb);
	rcu_read_unlock();
	return sotto_nl_reply_end(&r, info, err);
}

int sotto_nl_tunnel_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sotto_nl_cursor *cursor = sotto_nl_dump_cursor(cb);
	struct sotto_net *ns = sotto_nl_dump_ns(cb);
	struct sotto_nl_reply r;
	struct sotto_tunnel *t;
	unsigned long id;
	int err;

	err = sotto_nl_dump_check(cb);
	if (err)
		return err;
	rcu_read_lock();
	xa_for_each_start(&ns->tunnel_ids, id, t, cursor->next) {
		if (t->born_ns > cursor->began_ns)
			continue;
		if (sotto_nl_dump_begin(&r, skb, cb, SOTTO_CMD_TUNNEL_GET,
					SOTTO_A_TUNNEL))
			break;
		if (sotto_nl_dump_end(&r, sotto_nl_put_tunnel(skb, t)))
			break;
		cursor->next = id + 1;
	}
	rcu_read_unlock();
	return skb->len;
}

int sotto_nl_tunnel_del(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_TUNNEL_ATTR_MAX + 1];
	struct sotto_tunnel *t;
	struct sotto_addr dst;
	int err;

	err = sotto_nl_get_dst(info, tb, &dst);
	if (err)
		return err;
	rcu_read_lock();
	t = sotto_tunnel_lookup(sotto_nl_ns(info), &dst);
	if (t)
		sotto_tunnel_delete(t, SOTTO_STAT_OUT_DROP_REFUSED);
	else
		err = sotto_nl_no_tunnel(info, tb);
	rcu_read_unlock();
	return err;
}

int sotto_nl_tunnel_flush(struct sk_buff *skb, struct genl_info *info)
{
	/* one event for all: they may be a million */
	struct sotto_event_info ev = { .type = SOTTO_EVENT_SA_DELETED };

	sotto_tunnel_flush(sotto_nl_ns(info));
	sotto_nl_event(sotto_nl_ns(info), &ev);
	return 0;
}
