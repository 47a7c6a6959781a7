// SPDX-License-Identifier: GPL-2.0
/* Waiting for keys: the bounded queue and the question to the agent. */
#include <linux/jiffies.h>
#include <linux/ktime.h>

#include "acquire.h"
#include "compat.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "skb.h"

/* An acquire is outstanding while its tunnel is ACQUIRING and has an id. */
void sotto_acquire_end(struct sotto_tunnel *t)
{
	lockdep_assert_held(&t->lock);
	if (t->state == SOTTO_TUNNEL_ACQUIRING && t->acquire_id)
		atomic_dec(&t->ns->n_acquires);
	t->acquire_id = 0;
}

/* Caller holds t->lock. */
static bool sotto_acquire_begin(struct sotto_tunnel *t, const struct sotto_pkt *p,
				enum sotto_action action)
{
	struct sotto_net *ns = t->ns;
	u32 timeout = READ_ONCE(ns->limits.acquire_timeout_ms);

	if (!sotto_bucket_take(&ns->asks, SOTTO_ACQUIRE_RATE))
		return false;
	if (atomic_inc_return(&ns->n_acquires) > READ_ONCE(ns->limits.max_acquires)) {
		atomic_dec(&ns->n_acquires);
		return false;
	}
	do {
		t->acquire_id = atomic_inc_return(&ns->acquire_id);
	} while (!t->acquire_id);
	t->state = SOTTO_TUNNEL_ACQUIRING;
	t->action = action;
	t->proto = p->proto;
	memset(&t->src, 0, sizeof(t->src));
	if (p->src.family == t->dst.family && sotto_local_is(ns, &p->src))
		t->src = p->src;	/* that of a host behind us is none for probes */
	t->attempts = 0;
	t->first_ns = ktime_get_boottime_ns();
	t->first_us = 0;
	t->deadline = jiffies + msecs_to_jiffies(timeout);
	sotto_tunnel_arm(t, jiffies + msecs_to_jiffies(min_t(u32, timeout,
							     SOTTO_ACQUIRE_REPEAT_MS)));
	return true;
}

/* Caller holds t->lock. Return: 0 when queued, or the counter of the limit. */
static int sotto_acquire_queue(struct sotto_tunnel *t, struct sk_buff *skb)
{
	struct sotto_net *ns = t->ns;
	const struct sotto_limits *l = &ns->limits;

	if (skb_queue_len(&t->queue) >= READ_ONCE(l->max_queue_packets) ||
	    t->queue_bytes + skb->truesize > READ_ONCE(l->max_queue_bytes))
		return SOTTO_STAT_OUT_DROP_TUNNEL_QUEUE;
	if (atomic_read(&ns->queued_packets) >= READ_ONCE(l->max_ns_queue_packets) ||
	    atomic_read(&ns->queued_bytes) + skb->truesize >
	    READ_ONCE(l->max_ns_queue_bytes))
		return SOTTO_STAT_OUT_DROP_NS_QUEUE;
	if (!skb_dst_force(skb))
		return SOTTO_STAT_OUT_DROP_ROUTE;

	atomic_inc(&ns->queued_packets);
	atomic_add(skb->truesize, &ns->queued_bytes);
	t->queue_bytes += skb->truesize;
	skb->dev = NULL;	/* not held; the route is */
	nf_reset_ct(skb);	/* conntrack is done with it, and need not wait for it */
	__skb_queue_tail(&t->queue, skb);
	return 0;
}

enum sotto_acquire_action {
	ACT_SEAL, ACT_CLEAR, ACT_REFUSE, ACT_RETRY, ACT_LIMIT, ACT_QUEUE,
	ACT_ASK,
};

/* Caller holds t->lock. */
static enum sotto_acquire_action
sotto_acquire_decide(struct sotto_tunnel *t, const struct sotto_pkt *p,
		     enum sotto_action action)
{
	if (t->dead)
		return ACT_RETRY;
	if (t->draining)
		return ACT_QUEUE;
	if (rcu_access_pointer(t->sa))
		return ACT_SEAL;
	if (t->state == SOTTO_TUNNEL_UP)	/* its SA just went */
		return ACT_RETRY;
	/* Whoever asked: behind one gateway there may be both. */
	if (sotto_tunnel_is_clear(t) && action == SOTTO_ACTION_PREFER)
		return ACT_CLEAR;
	if (sotto_tunnel_is_refused(t))
		return ACT_REFUSE;
	if (t->state == SOTTO_TUNNEL_ACQUIRING && t->acquire_id)
		return ACT_QUEUE;
	return sotto_acquire_begin(t, p, action) ? ACT_ASK : ACT_LIMIT;
}

static void sotto_acquire_act(struct sotto_tunnel *t, struct sk_buff *skb,
			      const struct sotto_pkt *p, enum sotto_acquire_action act)
{
	struct sotto_net *ns = t->ns;
	struct sotto_sa *sa;

	switch (act) {
	case ACT_SEAL:
		sa = rcu_dereference(t->sa);
		if (sa)
			sotto_seal(t, sa, skb, p);
		else
			sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_EXPIRED);
		break;
	case ACT_CLEAR:
		sotto_send_clear(ns, skb);
		break;
	case ACT_REFUSE:
		atomic64_inc(&t->drops);
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_REFUSED);
		break;
	case ACT_LIMIT:
		sotto_tunnel_forget(t, SOTTO_STAT_OUT_DROP_MAX_ACQUIRES);
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_MAX_ACQUIRES);
		break;
	case ACT_ASK:
		sotto_stat_inc(ns, SOTTO_STAT_ACQUIRES);
		sotto_nl_acquire(t);
		break;
	default:
		break;
	}
}

/* Return: false if the tunnel died under us. */
static bool sotto_acquire_once(struct sotto_tunnel *t, struct sk_buff *skb,
			       const struct sotto_pkt *p, enum sotto_action action)
{
	enum sotto_acquire_action act;
	int full = 0;

	spin_lock_bh(&t->lock);
	t->used = jiffies;
	act = sotto_acquire_decide(t, p, action);
	if (act == ACT_QUEUE || act == ACT_ASK)
		full = sotto_acquire_queue(t, skb);
	spin_unlock_bh(&t->lock);

	if (act == ACT_RETRY)
		return false;
	if (full) {
		atomic64_inc(&t->drops);
		sotto_drop(t->ns, skb, full);
	}
	sotto_acquire_act(t, skb, p, act);
	return true;
}

/* Could no question be asked now? Then none needs a tunnel that would go at once. */
static bool sotto_acquire_full(struct sotto_net *ns)
{
	return sotto_bucket_dry(&ns->asks) ||
	       atomic_read(&ns->n_acquires) >= READ_ONCE(ns->limits.max_acquires);
}

void sotto_acquire(struct sotto_net *ns, struct sk_buff *skb,
		   const struct sotto_pkt *p, const struct sotto_addr *to,
		   enum sotto_action action)
{
	struct sotto_tunnel *t;
	int tries;

	if (sotto_acquire_full(ns) && !sotto_tunnel_lookup(ns, to)) {
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_MAX_ACQUIRES);
		return;
	}
	for (tries = 0; tries < 3; tries++) {
		t = sotto_tunnel_get(ns, to);
		if (t == ERR_PTR(-ENOSPC)) {
			sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_MAX_TUNNELS);
			return;
		}
		if (IS_ERR(t))
			break;
		if (sotto_acquire_once(t, skb, p, action))
			return;
		/* A dying one leaves the table in a moment. */
		cpu_relax();
	}
	sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_NOMEM);
}

static void sotto_acquire_refused(struct sotto_tunnel *t, enum sotto_reason reason)
{
	struct sotto_event_info ev = {
		.type = SOTTO_EVENT_REFUSED, .dst = &t->dst, .reason = reason,
	};

	sotto_nl_event(t->ns, &ev);
}

/* Caller holds t->lock. */
static void sotto_acquire_hold(struct sotto_tunnel *t, u8 state,
			       enum sotto_reason reason, u32 hold_ms)
{
	sotto_acquire_end(t);
	t->state = state;
	t->reason = reason;
	t->deadline = jiffies + msecs_to_jiffies(min_t(u32, hold_ms, SOTTO_HOLD_MAX_MS));
	sotto_tunnel_arm(t, t->deadline);
}

int sotto_acquire_fail(struct sotto_net *ns, const struct sotto_addr *dst,
		       u32 id, enum sotto_reason reason, u32 hold_ms)
{
	struct sk_buff_head list;
	u8 state = SOTTO_TUNNEL_FAILED;
	struct sotto_tunnel *t;
	bool drain = false;
	int err = -ENOENT;

	__skb_queue_head_init(&list);
	rcu_read_lock();
	local_bh_disable();
	t = sotto_tunnel_lookup(ns, dst);
	if (!t)
		goto out;

	spin_lock(&t->lock);
	if (t->dead || t->state != SOTTO_TUNNEL_ACQUIRING || !id ||
	    t->acquire_id != id) {
		spin_unlock(&t->lock);
		goto out;
	}
	if (reason == SOTTO_REASON_REROUTE) {
		sotto_tunnel_take_queue(t, &list);
		spin_unlock(&t->lock);
		sotto_tunnel_reroute(t, &list);
		err = 0;
		goto out;
	}
	if (t->action == SOTTO_ACTION_PREFER && reason == SOTTO_REASON_NOT_MEMBER)
		state = SOTTO_TUNNEL_CLEAR;
	sotto_acquire_hold(t, state, reason, hold_ms);
	if (sotto_tunnel_is_clear(t))	/* each packet as policy says of it */
		drain = sotto_tunnel_begin_drain(t);
	else
		sotto_tunnel_take_queue(t, &list);
	spin_unlock(&t->lock);
	err = 0;

	if (drain)
		sotto_tunnel_drain(t);
	sotto_tunnel_refuse_all(t, &list, SOTTO_STAT_OUT_DROP_REFUSED);
	sotto_acquire_refused(t, reason);
out:
	local_bh_enable();
	rcu_read_unlock();
	return err;
}

static void sotto_acquire_repeat(struct sotto_tunnel *t)
{
	sotto_stat_inc(t->ns, SOTTO_STAT_ACQUIRE_REPEATS);
	sotto_nl_acquire(t);
}

void sotto_acquire_repeat_all(struct sotto_net *ns)
{
	struct sotto_tunnel *t;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&ns->tunnel_ids, id, t) {
		if (READ_ONCE(t->state) == SOTTO_TUNNEL_ACQUIRING &&
		    READ_ONCE(t->acquire_id))
			sotto_acquire_repeat(t);
		cond_resched_rcu();
	}
	rcu_read_unlock();
}

/* Caller holds t->lock. The time is over, or it is time to ask again. */
static bool sotto_acquire_tick(struct sotto_tunnel *t, struct sk_buff_head *list)
{
	unsigned long next = jiffies + msecs_to_jiffies(SOTTO_ACQUIRE_REPEAT_MS);
	enum sotto_reason reason = SOTTO_REASON_TIMEOUT;

	if (time_before(jiffies, t->deadline)) {
		t->attempts++;
		sotto_tunnel_arm(t, time_before(next, t->deadline) ? next : t->deadline);
		return false;
	}
	if (!rcu_access_pointer(t->ns->agent))
		reason = SOTTO_REASON_NO_AGENT;
	sotto_acquire_hold(t, SOTTO_TUNNEL_FAILED, reason, SOTTO_HOLD_TIMEOUT_MS);
	sotto_tunnel_take_queue(t, list);
	return true;
}

void sotto_acquire_timer(struct timer_list *timer)
{
	struct sotto_tunnel *t = timer_container_of(t, timer, timer);
	struct sk_buff_head list;
	bool over = false, again = false, gone = false;

	__skb_queue_head_init(&list);
	rcu_read_lock();
	spin_lock(&t->lock);
	if (t->dead || t->state == SOTTO_TUNNEL_UP) {
		/* nothing to wait for */
	} else if (t->state == SOTTO_TUNNEL_ACQUIRING) {
		over = sotto_acquire_tick(t, &list);
		again = !over;
	} else {
		/* The hold time is over, unless the refusal came as we waited for the lock. */
		gone = time_after_eq(jiffies, t->deadline);
	}
	spin_unlock(&t->lock);

	if (again)
		sotto_acquire_repeat(t);
	if (over) {
		sotto_tunnel_refuse_all(t, &list, SOTTO_STAT_OUT_DROP_TIMEOUT);
		sotto_acquire_refused(t, t->reason);
	}
	if (gone)
		sotto_tunnel_forget(t, SOTTO_STAT_OUT_DROP_REFUSED);
	rcu_read_unlock();
	sotto_tunnel_put(t);
}
