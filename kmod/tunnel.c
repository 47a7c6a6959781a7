// SPDX-License-Identifier: GPL-2.0
/* Tunnels: their table, their queue, and the SA they use. */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "acquire.h"
#include "compat.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "skb.h"
#include "tunnel.h"
#include "wire.h"

static struct kmem_cache *sotto_tunnel_cache;

int sotto_tunnel_init(void)
{
	sotto_tunnel_cache = KMEM_CACHE(sotto_tunnel, SLAB_ACCOUNT);
	return sotto_tunnel_cache ? 0 : -ENOMEM;
}

void sotto_tunnel_exit(void)
{
	rcu_barrier();	/* sotto_tunnel_free() */
	kmem_cache_destroy(sotto_tunnel_cache);
}

/* As good as comparing bytes, which the table would call a function for. */
static int sotto_tunnel_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct sotto_tunnel *t = obj;

	return !sotto_addr_equal(&t->dst, arg->key);
}

static const struct rhashtable_params sotto_tunnel_params = {
	.head_offset = offsetof(struct sotto_tunnel, node),
	.key_offset = offsetof(struct sotto_tunnel, dst),
	.key_len = sizeof(struct sotto_addr),
	.obj_cmpfn = sotto_tunnel_cmp,
	.automatic_shrinking = true,
};

int sotto_tunnels_init(struct sotto_net *ns)
{
	xa_init_flags(&ns->tunnel_ids, XA_FLAGS_ALLOC | XA_FLAGS_LOCK_BH);
	return rhashtable_init(&ns->tunnels, &sotto_tunnel_params);
}

void sotto_tunnels_exit(struct sotto_net *ns)
{
	rhashtable_destroy(&ns->tunnels);
	xa_destroy(&ns->tunnel_ids);
}

struct sotto_tunnel *sotto_tunnel_lookup(struct sotto_net *ns,
					 const struct sotto_addr *dst)
{
	return rhashtable_lookup(&ns->tunnels, dst, sotto_tunnel_params);
}

static struct sotto_tunnel *sotto_tunnel_alloc(struct sotto_net *ns,
					       const struct sotto_addr *dst)
{
	struct sotto_tunnel *t = kmem_cache_zalloc(sotto_tunnel_cache,
						   GFP_ATOMIC | __GFP_NOWARN);

	if (!t)
		return NULL;
	t->ns = ns;
	t->dst = *dst;
	t->state = SOTTO_TUNNEL_ACQUIRING;
	t->born_ns = ktime_get_boottime_ns();
	t->used = jiffies;
	refcount_set(&t->refs, 1);
	spin_lock_init(&t->lock);
	__skb_queue_head_init(&t->queue);
	timer_setup(&t->timer, sotto_acquire_timer, 0);
	return t;
}

static void sotto_tunnel_free(struct rcu_head *rcu)
{
	kmem_cache_free(sotto_tunnel_cache, container_of(rcu, struct sotto_tunnel, rcu));
}

/*
 * Caller holds ns->lock. NULL when @t was inserted, the one there was, or an error. Whoever
 * finds @t may use it at once: so it goes into the table when nothing can fail any more.
 */
static struct sotto_tunnel *sotto_tunnel_insert(struct sotto_net *ns,
						struct sotto_tunnel *t)
{
	struct sotto_tunnel *old;
	int err;

	err = xa_alloc_cyclic(&ns->tunnel_ids, &t->id, NULL, xa_limit_32b,
			      &ns->tunnel_next_id, GFP_ATOMIC);
	if (err < 0)
		return ERR_PTR(err);
	old = rhashtable_lookup_get_insert_fast(&ns->tunnels, &t->node,
						sotto_tunnel_params);
	if (old) {
		xa_release(&ns->tunnel_ids, t->id);
		return old;
	}
	xa_store(&ns->tunnel_ids, t->id, t, GFP_ATOMIC);	/* in a place that is there */
	atomic_inc(&ns->n_tunnels);
	atomic_inc(&ns->tunnels_alive);
	return NULL;
}

struct sotto_tunnel *sotto_tunnel_get(struct sotto_net *ns,
				      const struct sotto_addr *dst)
{
	struct sotto_tunnel *t = sotto_tunnel_lookup(ns, dst), *old;

	if (t)
		return t;
	if (atomic_read(&ns->n_tunnels) >= READ_ONCE(ns->limits.max_tunnels))
		return ERR_PTR(-ENOSPC);
	t = sotto_tunnel_alloc(ns, dst);
	if (!t)
		return ERR_PTR(-ENOMEM);

	spin_lock_bh(&ns->lock);
	old = sotto_tunnel_insert(ns, t);
	spin_unlock_bh(&ns->lock);
	if (!old)
		return t;
	kmem_cache_free(sotto_tunnel_cache, t);
	return IS_ERR(old) ? ERR_PTR(-ENOMEM) : old;
}

void sotto_tunnel_put(struct sotto_tunnel *t)
{
	struct sotto_net *ns = t->ns;

	if (!refcount_dec_and_test(&t->refs))
		return;
	call_rcu(&t->rcu, sotto_tunnel_free);
	if (atomic_dec_and_test(&ns->tunnels_alive))
		wake_up(&ns->wait);
}

void sotto_tunnel_arm(struct sotto_tunnel *t, unsigned long when)
{
	lockdep_assert_held(&t->lock);
	if (!mod_timer(&t->timer, when))
		refcount_inc(&t->refs);
}

void sotto_tunnel_disarm(struct sotto_tunnel *t)
{
	lockdep_assert_held(&t->lock);
	if (timer_delete(&t->timer))
		sotto_tunnel_put(t);
}

void sotto_tunnel_take_queue(struct sotto_tunnel *t, struct sk_buff_head *list)
{
	lockdep_assert_held(&t->lock);
	__skb_queue_head_init(list);
	atomic_sub(skb_queue_len(&t->queue), &t->ns->queued_packets);
	atomic_sub(t->queue_bytes, &t->ns->queued_bytes);
	t->queue_bytes = 0;
	skb_queue_splice_init(&t->queue, list);
}

/* The device may have gone while a packet waited: its route knows. */
static struct sk_buff *sotto_tunnel_dequeue(struct sk_buff_head *list)
{
	struct sk_buff *skb = __skb_dequeue(list);

	if (skb)
		skb->dev = skb_dst(skb)->dev;
	return skb;
}

void sotto_tunnel_refuse_all(struct sotto_tunnel *t, struct sk_buff_head *list,
			     enum sotto_stat why)
{
	struct sk_buff *skb;

	while ((skb = sotto_tunnel_dequeue(list))) {
		atomic64_inc(&t->drops);
		sotto_refuse(t->ns, skb, why);
	}
}

/* A packet that waited goes on. Policy may be another one by now. */
static void sotto_tunnel_pass(struct sotto_tunnel *t, struct sk_buff *skb, bool clear)
{
	u8 pf = skb->protocol == htons(ETH_P_IP) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	enum sotto_action action = SOTTO_ACTION_BLOCK;
	struct sotto_sa *sa = rcu_dereference(t->sa);
	const struct sotto_addr *to;
	struct sotto_pkt p;

	if (sotto_pkt_parse(skb, pf, &p))
		action = sotto_policy_route(t->ns, &p.dst, &to);
	if (action == SOTTO_ACTION_BLOCK) {
		sotto_refuse(t->ns, skb, SOTTO_STAT_OUT_DROP_BLOCK);
	} else if (!sotto_addr_equal(to, &t->dst)) {
		sotto_out(t->ns, skb);	/* by another gateway by now */
	} else if (sa) {
		sotto_seal(t, sa, skb, &p);
	} else if (clear && action != SOTTO_ACTION_PROTECT) {
		sotto_send_clear(t->ns, skb);
	} else {
		atomic64_inc(&t->drops);
		sotto_refuse(t->ns, skb, clear ? SOTTO_STAT_OUT_DROP_REFUSED :
						 SOTTO_STAT_OUT_DROP_EXPIRED);
	}
}

/*
 * The one place where waiting packets go on, in order; @draining is ours. Other CPUs may fill
 * the queue as fast as this one empties it, or faster: after some rounds they may pass what is
 * left, for else this would have no end.
 */
void sotto_tunnel_drain(struct sotto_tunnel *t)
{
	unsigned int rounds = 0;
	struct sk_buff_head list;
	struct sk_buff *skb;
	bool clear, more;

	do {
		spin_lock_bh(&t->lock);
		sotto_tunnel_take_queue(t, &list);
		more = !skb_queue_empty(&list) && ++rounds < SOTTO_DRAIN_ROUNDS;
		WRITE_ONCE(t->draining, more);
		clear = sotto_tunnel_is_clear(t);
		spin_unlock_bh(&t->lock);

		while ((skb = sotto_tunnel_dequeue(&list)))
			sotto_tunnel_pass(t, skb, clear);
	} while (more);
}

static void sotto_tunnel_waited(struct sotto_tunnel *t)
{
	u64 us;

	if (!t->first_ns || t->first_us)
		return;
	us = div_u64(ktime_get_boottime_ns() - t->first_ns, NSEC_PER_USEC);
	t->first_us = clamp_t(u64, us, 1, U32_MAX);
}

/* Caller holds t->lock. Return: the caller is to drain. */
bool sotto_tunnel_begin_drain(struct sotto_tunnel *t)
{
	if (skb_queue_empty(&t->queue) || t->draining)
		return false;
	WRITE_ONCE(t->draining, true);
	return true;
}

/* @idle: only if it neither has an SA (again) nor waits for one. */
static void sotto_tunnel_remove(struct sotto_tunnel *t, enum sotto_stat why,
				bool idle)
{
	struct sotto_net *ns = t->ns;
	struct sk_buff_head list;

	spin_lock_bh(&ns->lock);
	spin_lock(&t->lock);
	if (t->dead || (idle && (rcu_access_pointer(t->sa) || t->acquire_id))) {
		spin_unlock(&t->lock);
		spin_unlock_bh(&ns->lock);
		return;
	}
	t->dead = true;
	RCU_INIT_POINTER(t->sa, NULL);
	sotto_acquire_end(t);
	sotto_tunnel_disarm(t);
	sotto_tunnel_take_queue(t, &list);
	spin_unlock(&t->lock);
	rhashtable_remove_fast(&ns->tunnels, &t->node, sotto_tunnel_params);
	xa_erase(&ns->tunnel_ids, t->id);
	atomic_dec(&ns->n_tunnels);
	spin_unlock_bh(&ns->lock);

	sotto_tunnel_refuse_all(t, &list, why);
	sotto_tunnel_put(t);
}

void sotto_tunnel_delete(struct sotto_tunnel *t, enum sotto_stat why)
{
	sotto_tunnel_remove(t, why, false);
}

void sotto_tunnel_forget(struct sotto_tunnel *t, enum sotto_stat why)
{
	sotto_tunnel_remove(t, why, true);
}

void sotto_tunnel_bind(struct sotto_tunnel *t, struct sotto_sa *sa)
{
	struct sotto_event_info ev = {
		.type = SOTTO_EVENT_REKEYED, .dst = &t->dst, .spi = sa->spi,
		.dir = SOTTO_SA_OUT, .session = sa->session,
	};
	struct sotto_sa *old;
	bool drain, made;

	spin_lock_bh(&t->lock);
	if (t->dead || test_bit(SOTTO_SA_DEAD, &sa->flags)) {
		made = t->state == SOTTO_TUNNEL_ACQUIRING;
		spin_unlock_bh(&t->lock);
		if (made)	/* for an SA that has gone meanwhile */
			sotto_tunnel_forget(t, SOTTO_STAT_OUT_DROP_EXPIRED);
		return;
	}
	old = rcu_dereference_protected(t->sa, lockdep_is_held(&t->lock));
	rcu_assign_pointer(t->sa, sa);
	sotto_acquire_end(t);
	t->state = SOTTO_TUNNEL_UP;
	t->reason = SOTTO_REASON_NONE;
	sotto_tunnel_disarm(t);
	sotto_tunnel_waited(t);
	drain = sotto_tunnel_begin_drain(t);
	spin_unlock_bh(&t->lock);

	if (drain)
		sotto_tunnel_drain(t);
	if (!old)
		ev.type = SOTTO_EVENT_KEYED;
	sotto_nl_event(t->ns, &ev);
	if (old && old != sa)
		sotto_sa_unbound(old);
}

void sotto_tunnel_reroute(struct sotto_tunnel *t, struct sk_buff_head *list)
{
	struct sk_buff *skb;

	sotto_tunnel_delete(t, SOTTO_STAT_OUT_DROP_REFUSED);
	while ((skb = sotto_tunnel_dequeue(list)))
		sotto_out(t->ns, skb);
}

void sotto_tunnel_unbind(struct sotto_tunnel *t, struct sotto_sa *sa)
{
	bool ours;

	spin_lock_bh(&t->lock);
	ours = rcu_access_pointer(t->sa) == sa;
	if (ours)
		RCU_INIT_POINTER(t->sa, NULL);
	spin_unlock_bh(&t->lock);
	if (ours)
		sotto_tunnel_forget(t, SOTTO_STAT_OUT_DROP_EXPIRED);
}

void sotto_tunnel_flush(struct sotto_net *ns)
{
	struct sotto_tunnel *t;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&ns->tunnel_ids, id, t) {
		sotto_tunnel_delete(t, SOTTO_STAT_OUT_DROP_DOWN);
		cond_resched_rcu();
	}
	rcu_read_unlock();
	sotto_sa_flush(ns);
}
