// SPDX-License-Identifier: GPL-2.0
/*
 * Opening on another CPU than the one that packets arrive on.
 *
 * A flow arrives on one CPU, and what that one can decrypt would be all that the
 * flow gets. So each CPU has a queue, and one worker, that the scheduler puts where
 * there is room, opens what is in it: in order, and for as long as it pays. That is
 * measured. Bursts are timed where they are opened; a CPU that spends much of its
 * time on them tries the queue, and keeps it if more gets through than before.
 * Otherwise it opens inline, which costs nothing but looking at a clock twice per
 * burst.
 */
#include <linux/percpu.h>
#include <linux/sched/clock.h>
#include <linux/workqueue.h>

#include "netns.h"
#include "skb.h"
#include "spread.h"
#include "wire.h"

#define SOTTO_SPREAD_WINDOW	(20 * NSEC_PER_MSEC)	/* that is measured at a time */
#define SOTTO_SPREAD_LOAD	30	/* percent of its time: a CPU tries to share */
#define SOTTO_SPREAD_IDLE	5	/* percent: sharing is not worth it any more */
#define SOTTO_SPREAD_GAIN	10	/* percent more must get through */
#define SOTTO_SPREAD_TRIAL	3	/* windows, of which the last counts */
#define SOTTO_SPREAD_TERM	500	/* windows until inline is tried again */
#define SOTTO_SPREAD_HOLD	NSEC_PER_SEC	/* after a failed trial, then twice that */
#define SOTTO_SPREAD_HOLD_MAX	(32 * NSEC_PER_SEC)

/**
 * struct sotto_spread - of the packets that arrive on one CPU
 * @queue: they wait here; its lock also guards a change of @on
 * @work: opens them
 * @on: they are queued
 * @begin: of the current window, nanoseconds
 * @busy: nanoseconds of it spent
 * @bytes: opened in it
 * @windows: since @on was set
 * @inline_bytes: opened in a second before that
 * @hold: how long to wait after the next failed trial
 * @retry: when the next one may be
 *
 * What is measured belongs to whoever opens: the CPU itself, or @work while @on.
 */
struct sotto_spread {
	struct sk_buff_head queue;
	struct work_struct work;
	bool on;
	u64 begin, busy, bytes;
	unsigned int windows;
	u64 inline_bytes;
	u64 hold, retry;
};

static DEFINE_PER_CPU(struct sotto_spread, sotto_spreads);
static struct workqueue_struct *sotto_spread_wq;

/* Where PRE_ROUTING goes on, for IPv4 and IPv6: known once a packet came by. */
static int (*sotto_spread_okfn[2])(struct net *net, struct sock *sk, struct sk_buff *skb);

static unsigned int sotto_spread_family(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IPV6);
}

/* Per second. */
static u64 sotto_spread_rate(const struct sotto_spread *sp, u64 now)
{
	return div64_u64(sp->bytes * NSEC_PER_SEC, now - sp->begin);
}

static unsigned int sotto_spread_load(const struct sotto_spread *sp, u64 now)
{
	return div64_u64(sp->busy * 100, now - sp->begin);
}

static void sotto_spread_window(struct sotto_spread *sp, u64 now)
{
	sp->begin = now;
	sp->busy = 0;
	sp->bytes = 0;
}

/* Return: true at the end of a window. */
static bool sotto_spread_count(struct sotto_spread *sp, u64 begin, u64 now, unsigned int len)
{
	sp->busy += now - begin;
	sp->bytes += len;
	return now - sp->begin >= SOTTO_SPREAD_WINDOW;
}

/* At the end of an inline window: is it worth a trial? */
static void sotto_spread_decide(struct sotto_spread *sp, u64 now)
{
	/* A window that nothing came in for long says nothing. */
	if (now - sp->begin < 2 * SOTTO_SPREAD_WINDOW &&
	    sotto_spread_load(sp, now) >= SOTTO_SPREAD_LOAD && now >= sp->retry) {
		sp->inline_bytes = sotto_spread_rate(sp, now);
		sp->windows = 0;
		spin_lock(&sp->queue.lock);
		WRITE_ONCE(sp->on, true);
		spin_unlock(&sp->queue.lock);
	}
	sotto_spread_window(sp, now);
}

/* At the end of a window of the worker. Return: false when it is to end. */
static bool sotto_spread_pays(struct sotto_spread *sp, u64 now)
{
	u64 rate = sotto_spread_rate(sp, now);
	bool pays = true;

	sp->windows++;
	if (sp->windows == SOTTO_SPREAD_TRIAL) {
		pays = rate * 100 >= sp->inline_bytes * (100 + SOTTO_SPREAD_GAIN);
		sp->hold = pays ? SOTTO_SPREAD_HOLD : min(2 * sp->hold, SOTTO_SPREAD_HOLD_MAX);
		sp->retry = pays ? 0 : now + sp->hold;
	} else if (sp->windows > SOTTO_SPREAD_TRIAL) {
		pays = sotto_spread_load(sp, now) >= SOTTO_SPREAD_IDLE &&
		       sp->windows < SOTTO_SPREAD_TERM;
	}
	sotto_spread_window(sp, now);
	return pays;
}

static void sotto_spread_inline(struct sotto_spread *sp, struct sotto_net *ns,
				struct sk_buff *skb, const struct sotto_pkt *p,
				const struct nf_hook_state *state)
{
	unsigned int len = skb->len;
	u64 begin, now;

	if (!skb_is_gso(skb) || num_online_cpus() == 1) {
		sotto_receive(ns, skb, p, state);
		return;
	}
	begin = local_clock();
	sotto_receive(ns, skb, p, state);
	now = local_clock();
	if (sotto_spread_count(sp, begin, now, len))
		sotto_spread_decide(sp, now);
}

/* Return: false when it must be opened here after all. */
static bool sotto_spread_queue(struct sotto_spread *sp, struct sotto_net *ns,
			       struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int family = sotto_spread_family(skb), n;
	bool on, full = false;

	if (!sotto_spread_okfn[family])
		WRITE_ONCE(sotto_spread_okfn[family], state->okfn);
	if (sotto_spread_okfn[family] != state->okfn)
		return false;

	spin_lock(&sp->queue.lock);
	on = sp->on;
	if (on) {
		full = skb_queue_len(&sp->queue) >= SOTTO_MAX_SPREAD;
		if (!full) {
			dev_hold(skb->dev);
			__skb_queue_tail(&sp->queue, skb);
		}
	}
	spin_unlock(&sp->queue.lock);
	if (full) {
		n = skb_shinfo(skb)->gso_segs ?: 1;
		sotto_stat_add(ns, SOTTO_STAT_IN_SEEN, n - 1);
		sotto_stat_add(ns, SOTTO_STAT_IN_DROP_SPREAD, n - 1);
		sotto_drop(ns, skb, SOTTO_STAT_IN_DROP_SPREAD);
	} else if (on) {
		queue_work(sotto_spread_wq, &sp->work);
	}
	return on;
}

void sotto_spread(struct sotto_net *ns, struct sk_buff *skb, const struct sotto_pkt *p,
		  const struct nf_hook_state *state)
{
	struct sotto_spread *sp;

	/* A program at ingress may have chosen a socket: for the packet as it came. */
	skb_orphan(skb);
	/* What comes back from NFQUEUE comes from a process. */
	local_bh_disable();
	sp = this_cpu_ptr(&sotto_spreads);
	if (likely(!READ_ONCE(sp->on)) || !sotto_spread_queue(sp, ns, skb, state))
		sotto_spread_inline(sp, ns, skb, p, state);
	local_bh_enable();
}

/* As the hook would have had it open. */
static void sotto_spread_open(struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;
	struct nf_hook_state state = {
		.hook = NF_INET_PRE_ROUTING, .in = dev, .net = dev_net(dev),
		.pf = sotto_spread_family(skb) ? NFPROTO_IPV6 : NFPROTO_IPV4,
		.okfn = sotto_spread_okfn[sotto_spread_family(skb)],
	};
	struct sotto_net *ns = sotto_net(state.net);
	struct sotto_pkt p;

	rcu_read_lock();
	local_bh_disable();
	sotto_stat_add(ns, SOTTO_STAT_IN_SPREAD, skb_shinfo(skb)->gso_segs ?: 1);
	if (sotto_pkt_parse(skb, state.pf, &p))
		sotto_receive(ns, skb, &p, &state);
	else
		sotto_drop(ns, skb, SOTTO_STAT_IN_DROP_MALFORMED);
	local_bh_enable();
	rcu_read_unlock();
	dev_put(dev);
}

/* All that is there. Return: false, and back to inline, when there was nothing. */
static bool sotto_spread_take(struct sotto_spread *sp, struct sk_buff_head *some, bool end)
{
	bool any;

	spin_lock_bh(&sp->queue.lock);
	any = !skb_queue_empty(&sp->queue);
	if (any)
		skb_queue_splice_init(&sp->queue, some);
	else if (end)
		WRITE_ONCE(sp->on, false);
	spin_unlock_bh(&sp->queue.lock);
	return any;
}

static void sotto_spread_work(struct work_struct *work)
{
	struct sotto_spread *sp = container_of(work, struct sotto_spread, work);
	struct sk_buff_head some;
	struct sk_buff *skb;
	unsigned int len;
	bool end = false;
	u64 begin, now;

	__skb_queue_head_init(&some);
	while (sotto_spread_take(sp, &some, end)) {
		while ((skb = __skb_dequeue(&some))) {
			len = skb->len;
			begin = local_clock();
			sotto_spread_open(skb);
			now = local_clock();
			if (sotto_spread_count(sp, begin, now, len))
				end = !sotto_spread_pays(sp, now);
			cond_resched();
		}
	}
}

void sotto_spread_sync(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		flush_work(&per_cpu(sotto_spreads, cpu).work);
}

int sotto_spread_init(void)
{
	struct sotto_spread *sp;
	int cpu;

	sotto_spread_wq = alloc_workqueue("sotto_open", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!sotto_spread_wq)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		sp = per_cpu_ptr(&sotto_spreads, cpu);
		skb_queue_head_init(&sp->queue);
		INIT_WORK(&sp->work, sotto_spread_work);
		sp->hold = SOTTO_SPREAD_HOLD;
	}
	return 0;
}

void sotto_spread_exit(void)
{
	destroy_workqueue(sotto_spread_wq);
}
