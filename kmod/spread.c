// SPDX-License-Identifier: GPL-2.0
/*
 * Opening on another CPU than the one that packets arrive on.
 *
 * A flow arrives on one CPU, and what that one can decrypt would be all that the
 * flow gets. So SAs are dealt out to queues, and each queue has a worker that the
 * scheduler puts where there is room. It opens what is in it in order, whichever CPU
 * that came in on: were an SA's packets in several queues, one could fall behind by more
 * than the replay window. What opens a packet has all that follows from it to do: of an
 * acknowledgement, to seal what it lets go. So packets that are no bursts wait there, too.
 *
 * A queue is used while that pays, which is measured: a CPU that spends much of its time on
 * opening, while others idle, hands over an SA that is not too much for one worker.
 * Otherwise it opens inline, which costs nothing but looking at a clock twice.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/percpu.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/tick.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/ip.h>

#include "netns.h"
#include "skb.h"
#include "spread.h"
#include "wire.h"

#define SOTTO_SPREAD_WINDOW	(20 * NSEC_PER_MSEC)	/* that is measured at a time */
#define SOTTO_SPREAD_QUEUES	4	/* per CPU */
#define SOTTO_SPREAD_LOAD	30	/* percent of its time: a CPU shares */
#define SOTTO_SPREAD_MOST	100	/* percent of the time of one CPU: one worker may do */
#define SOTTO_SPREAD_ROOM	25	/* percent of the time of one CPU: others idle */
#define SOTTO_SPREAD_IDLE	5	/* percent: sharing is not worth it any more */
#define SOTTO_SPREAD_TERM	100	/* windows until it is decided anew */

/**
 * struct sotto_spread_load - how much of somebody's time goes into opening
 * @begin: of the current window, nanoseconds
 * @busy: nanoseconds of it spent
 */
struct sotto_spread_load {
	u64 begin, busy;
};

/**
 * struct sotto_spread_cpu - of what a CPU opens inline
 * @load: this window's
 * @idle: microseconds that all others had idled at its begin; 0: not looked at
 */
struct sotto_spread_cpu {
	struct sotto_spread_load load;
	u64 idle;
};

/**
 * struct sotto_spread - a queue, of some SAs
 * @queue: their packets wait here; its lock also guards a change of @on
 * @work: opens them
 * @on: they are queued
 * @load: @work's while @on, else of all CPUs; then a lost update does no harm
 * @share: load of the last window while not @on, percent
 * @windows: since @on was set
 */
struct sotto_spread {
	struct sk_buff_head queue;
	struct work_struct work;
	bool on;
	struct sotto_spread_load load;
	unsigned int share, windows;
} ____cacheline_aligned_in_smp;

static DEFINE_PER_CPU(struct sotto_spread_cpu, sotto_spread_cpu);
static struct sotto_spread *sotto_spreads;
static unsigned int sotto_n_spreads;
static struct workqueue_struct *sotto_spread_wq;

/* Where PRE_ROUTING goes on, for IPv4 and IPv6: known once a packet came by. */
static int (*sotto_spread_okfn[2])(struct net *net, struct sock *sk, struct sk_buff *skb);

/**
 * struct sotto_spread_cb - what a queued packet carries in its control block
 * @h4: IP's own, which goes on with the packet
 * @h6: the same
 * @ns: where it was seen; its device may be in another namespace by now
 */
struct sotto_spread_cb {
	union {
		struct inet_skb_parm h4;
		struct inet6_skb_parm h6;
	};
	struct sotto_net *ns;
};

static struct sotto_spread_cb *sotto_spread_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct sotto_spread_cb) > sizeof(skb->cb));
	return (struct sotto_spread_cb *)skb->cb;
}

static unsigned int sotto_spread_family(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IPV6);
}

static struct sotto_spread *sotto_spread_of(const struct sk_buff *skb, const struct sotto_pkt *p)
{
	__be32 buf, *spi;

	spi = skb_header_pointer(skb, skb_network_offset(skb) + p->l4 + sizeof(struct udphdr),
				 sizeof(buf), &buf);
	return sotto_spreads + (spi ? ntohl(*spi) % sotto_n_spreads : 0);
}

static unsigned int sotto_spread_load(const struct sotto_spread_load *l, u64 now)
{
	return div64_u64(l->busy * 100, now - l->begin);
}

static void sotto_spread_window(struct sotto_spread_load *l, u64 now)
{
	l->begin = now;
	l->busy = 0;
}

/* Return: true at the end of a window. */
static bool sotto_spread_count(struct sotto_spread_load *l, u64 begin, u64 now)
{
	l->busy += now - begin;
	return now - l->begin >= SOTTO_SPREAD_WINDOW;
}

/* Microseconds that the other CPUs have idled. Who does not count that may be idle. */
static u64 sotto_spread_idle(u64 now)
{
	int cpu, self = smp_processor_id();
	u64 sum = 0, us;

	for_each_online_cpu(cpu) {
		if (cpu == self)
			continue;
		us = get_cpu_idle_time_us(cpu, NULL);
		sum += us == -1ULL ? div_u64(now, NSEC_PER_USEC) : us;
	}
	return sum;
}

/* Could the other CPUs have done more since @cpu's last look? */
static bool sotto_spread_room(struct sotto_spread_cpu *cpu, u64 now)
{
	u64 idle = sotto_spread_idle(now), before = cpu->idle;

	cpu->idle = idle;
	return before && (idle - before) * (100 * NSEC_PER_USEC) >=
			 (now - cpu->load.begin) * SOTTO_SPREAD_ROOM;
}

/* At the end of a window of a CPU: who came last may go elsewhere. */
static void sotto_spread_decide(struct sotto_spread_cpu *cpu, struct sotto_spread *sp, u64 now)
{
	if (sotto_spread_load(&cpu->load, now) < SOTTO_SPREAD_LOAD) {
		cpu->idle = 0;
	} else if (sotto_spread_room(cpu, now) && sp->share < SOTTO_SPREAD_MOST) {
		spin_lock(&sp->queue.lock);
		if (!sp->on) {
			sp->windows = 0;
			sotto_spread_window(&sp->load, now);
			WRITE_ONCE(sp->on, true);
		}
		spin_unlock(&sp->queue.lock);
	}
	sotto_spread_window(&cpu->load, now);
}

/* At the end of a window of the worker. Return: false when it is to end. */
static bool sotto_spread_pays(struct sotto_spread *sp, u64 now)
{
	bool pays = sotto_spread_load(&sp->load, now) >= SOTTO_SPREAD_IDLE &&
		    ++sp->windows < SOTTO_SPREAD_TERM;

	sotto_spread_window(&sp->load, now);
	return pays;
}

static void sotto_spread_inline(struct sotto_spread *sp, struct sotto_net *ns,
				struct sk_buff *skb, const struct sotto_pkt *p,
				const struct nf_hook_state *state)
{
	struct sotto_spread_cpu *cpu = this_cpu_ptr(&sotto_spread_cpu);
	u64 begin, now;

	begin = local_clock();
	sotto_receive(ns, skb, p, state);
	now = local_clock();
	if (sotto_spread_count(&sp->load, begin, now)) {
		sp->share = sotto_spread_load(&sp->load, now);
		sotto_spread_window(&sp->load, now);
	}
	if (sotto_spread_count(&cpu->load, begin, now))
		sotto_spread_decide(cpu, sp, now);
}

/* Return: false when it must be opened here after all. */
static bool sotto_spread_queue(struct sotto_spread *sp, struct sotto_net *ns,
			       struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int family = sotto_spread_family(skb);
	bool on, full = false;

	if (!READ_ONCE(sotto_spread_okfn[family]))
		WRITE_ONCE(sotto_spread_okfn[family], state->okfn);
	if (READ_ONCE(sotto_spread_okfn[family]) != state->okfn)
		return false;

	spin_lock(&sp->queue.lock);
	on = sp->on;
	if (on) {
		full = skb_queue_len(&sp->queue) >= SOTTO_MAX_SPREAD;
		if (!full) {
			dev_hold(skb->dev);
			sotto_spread_cb(skb)->ns = ns;
			__skb_queue_tail(&sp->queue, skb);
		}
	}
	spin_unlock(&sp->queue.lock);
	if (full)
		sotto_drop_in(ns, skb, SOTTO_STAT_IN_DROP_SPREAD);
	else if (on)
		queue_work(sotto_spread_wq, &sp->work);
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
	sp = sotto_spread_of(skb, p);
	if (num_online_cpus() == 1)
		sotto_receive(ns, skb, p, state);
	else if (!READ_ONCE(sp->on) || !sotto_spread_queue(sp, ns, skb, state))
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
	struct sotto_net *ns = sotto_spread_cb(skb)->ns;	/* it waits for us to end */
	struct sotto_pkt p;

	rcu_read_lock();
	local_bh_disable();
	sotto_stat_add(ns, SOTTO_STAT_IN_SPREAD, skb_shinfo(skb)->gso_segs ?: 1);
	if (!net_eq(state.net, ns->net))
		sotto_drop_in(ns, skb, SOTTO_STAT_IN_DROP_SPREAD);
	else if (sotto_pkt_parse(skb, state.pf, &p))
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
	bool end = false;
	u64 begin, now;

	__skb_queue_head_init(&some);
	while (sotto_spread_take(sp, &some, end)) {
		while ((skb = __skb_dequeue(&some))) {
			begin = local_clock();
			sotto_spread_open(skb);
			now = local_clock();
			if (sotto_spread_count(&sp->load, begin, now))
				end = !sotto_spread_pays(sp, now);
			cond_resched();
		}
	}
}

void sotto_spread_sync(void)
{
	unsigned int i;

	for (i = 0; i < sotto_n_spreads; i++)
		flush_work(&sotto_spreads[i].work);
}

int sotto_spread_init(void)
{
	unsigned int i;

	sotto_n_spreads = SOTTO_SPREAD_QUEUES * nr_cpu_ids;
	sotto_spreads = kcalloc(sotto_n_spreads, sizeof(*sotto_spreads), GFP_KERNEL);
	if (!sotto_spreads)
		return -ENOMEM;
	/*
	 * Of ordinary priority: ksoftirqd has its own, and what it has yet to queue must not
	 * fall behind by a replay window.
	 */
	sotto_spread_wq = alloc_workqueue("sotto_open", WQ_UNBOUND, 0);
	if (!sotto_spread_wq) {
		kfree(sotto_spreads);
		return -ENOMEM;
	}
	for (i = 0; i < sotto_n_spreads; i++) {
		skb_queue_head_init(&sotto_spreads[i].queue);
		INIT_WORK(&sotto_spreads[i].work, sotto_spread_work);
	}
	return 0;
}

void sotto_spread_exit(void)
{
	destroy_workqueue(sotto_spread_wq);
	kfree(sotto_spreads);
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/spread.c"
#endif
