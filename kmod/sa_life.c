// SPDX-License-Identifier: GPL-2.0
/* Security associations: how long they live. */
#include <linux/ktime.h>

#include "bucket.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "sa_life.h"

static void sotto_sa_soft(struct sotto_sa *sa)
{
	struct sotto_net *ns = sa->ns;

	if (test_bit(SOTTO_SA_SOFT_SENT, &sa->flags) || sotto_bucket_dry(&ns->softs))
		return;
	/* Too many at once: the next packet, or ns->expire, comes back to it. */
	if (!sotto_bucket_take(&ns->softs, SOTTO_SOFT_RATE))
		sotto_stat_inc(ns, SOTTO_STAT_SOFT_DEFERRED);
	else if (!test_and_set_bit(SOTTO_SA_SOFT_SENT, &sa->flags))
		sotto_sa_event(sa, SOTTO_EVENT_SA_SOFT);
}

static bool sotto_past(u64 limit, u64 value)
{
	return limit && value >= limit;
}

bool sotto_sa_expired(struct sotto_sa *sa)
{
	u64 now = ktime_get_coarse_boottime_ns();
	u64 packets, bytes;

	if (sa->dir == SOTTO_SA_OUT) {
		packets = atomic64_read(&sa->seq) - sa->first_seq;
		bytes = atomic64_read(&sa->tx_bytes);
	} else {
		packets = READ_ONCE(sa->rx_packets);
		bytes = READ_ONCE(sa->rx_bytes);
	}

	if (sotto_past(sa->hard_ns, now) ||
	    sotto_past(sa->hard_packets, packets) ||
	    sotto_past(sa->hard_bytes, bytes))
		return true;
	if (sotto_past(sa->soft_ns, now) ||
	    sotto_past(sa->soft_packets, packets) ||
	    sotto_past(sa->soft_bytes, bytes))
		sotto_sa_soft(sa);
	return false;
}

/* When something is to be done about it next, in boot time; 0 = never. */
static u64 sotto_sa_when(const struct sotto_sa *sa, u64 now)
{
	u64 at = 0;

	if (sa->soft_ns && !test_bit(SOTTO_SA_SOFT_SENT, &sa->flags))
		at = now < sa->soft_ns ? sa->soft_ns :
		     now + (u64)SOTTO_SOFT_RETRY_S * NSEC_PER_SEC;
	if (sa->hard_ns && (!at || sa->hard_ns < at))
		at = sa->hard_ns;
	if (sa->dir == SOTTO_SA_IN && sa->confirm_ns &&
	    !test_bit(SOTTO_SA_CONFIRMED, &sa->flags) && (!at || sa->confirm_ns < at))
		at = sa->confirm_ns;
	return at;
}

/*
 * The timer wheel may be an eighth late: far times are approached in steps. Caller
 * holds ns->lock.
 */
static void sotto_sa_wake(struct sotto_net *ns, u64 now)
{
	const struct timerqueue_node *first = timerqueue_getnext(&ns->due);
	u64 wait;

	if (!first)
		return;
	wait = first->expires > now ? first->expires - now : 0;
	if (wait > 16 * NSEC_PER_SEC)
		wait -= wait / 8;
	mod_delayed_work(sotto_sa_wq, &ns->expire, 1 + nsecs_to_jiffies(wait));
}

bool sotto_sa_arm(struct sotto_sa *sa, u64 now)
{
	u64 at = sotto_sa_when(sa, now);

	if (!at || test_bit(SOTTO_SA_DEAD, &sa->flags))
		return false;
	sa->due.expires = at;
	if (timerqueue_add(&sa->ns->due, &sa->due))
		sotto_sa_wake(sa->ns, now);
	return true;
}

bool sotto_sa_disarm(struct sotto_sa *sa)
{
	if (RB_EMPTY_NODE(&sa->due.node))
		return false;
	timerqueue_del(&sa->ns->due, &sa->due);
	return true;
}

/* The next one whose time has come, out of the queue; its reference is the caller's. */
static struct sotto_sa *sotto_sa_take_due(struct sotto_net *ns, u64 now)
{
	struct timerqueue_node *first;

	spin_lock_bh(&ns->lock);
	first = timerqueue_getnext(&ns->due);
	if (first && first->expires <= now)
		timerqueue_del(&ns->due, first);
	else
		first = NULL;
	spin_unlock_bh(&ns->lock);
	return first ? container_of(first, struct sotto_sa, due) : NULL;
}

static void sotto_sa_tick(struct sotto_sa *sa, u64 now)
{
	bool armed;

	rcu_read_lock();
	if (sotto_past(sa->hard_ns, now))
		sotto_sa_delete(sa, SOTTO_EVENT_SA_HARD);
	else if (sa->dir == SOTTO_SA_IN && sotto_past(sa->confirm_ns, now) &&
		 !test_bit(SOTTO_SA_CONFIRMED, &sa->flags))
		sotto_sa_delete(sa, SOTTO_EVENT_SA_DELETED);
	else if (sotto_past(sa->soft_ns, now))
		sotto_sa_soft(sa);
	rcu_read_unlock();

	spin_lock_bh(&sa->ns->lock);
	armed = sotto_sa_arm(sa, now);
	spin_unlock_bh(&sa->ns->lock);
	if (!armed)
		sotto_sa_put(sa);
}

/*
 * A million SAs may end in the same second. No packet waits for that, for an SA past its
 * hard limit is not used whether it is still there or not: so they go in batches, with
 * time for others between.
 */
void sotto_sa_expire(struct work_struct *work)
{
	struct sotto_net *ns = container_of(to_delayed_work(work), struct sotto_net, expire);
	u64 now = ktime_get_boottime_ns();
	struct sotto_sa *sa;
	unsigned int n;

	for (n = 0; n < SOTTO_EXPIRE_BATCH; n++) {
		sa = sotto_sa_take_due(ns, now);
		if (!sa)
			break;
		sotto_sa_tick(sa, now);
		cond_resched();
	}
	spin_lock_bh(&ns->lock);
	if (n < SOTTO_EXPIRE_BATCH)
		sotto_sa_wake(ns, now);
	else
		mod_delayed_work(sotto_sa_wq, &ns->expire,
				 msecs_to_jiffies(SOTTO_EXPIRE_PAUSE_MS));
	spin_unlock_bh(&ns->lock);
}
