/* SPDX-License-Identifier: GPL-2.0 */
/* Tunnels: what the kernel knows of one destination. */
#ifndef _SOTTO_TUNNEL_H
#define _SOTTO_TUNNEL_H

#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/sotto.h>

#include "addr.h"

struct sotto_net;
struct sotto_sa;

/**
 * struct sotto_tunnel - one destination
 * @ns: its namespace
 * @dst: key
 * @src: source of the packet that made it (for probes); .family 0 if none
 * @sa: the outbound SA in use (RCU; written under @lock)
 * @lock: protects what follows
 * @state: enum sotto_tunnel_state, UP exactly while @sa is set
 * @draining: somebody empties @queue; others go behind
 * @dead: unlinked
 * @queue: packets that wait for keys
 * @pmtu: outer path MTU learnt, 0 if none; lapses at @pmtu_expires (jiffies)
 * @refs: one of the table, one of the pending timer
 */
struct sotto_tunnel {
	struct rhash_head node;
	struct sotto_addr dst;
	struct sotto_addr src;
	struct sotto_net *ns;
	struct sotto_sa __rcu *sa;
	struct rcu_head rcu;
	refcount_t refs;
	u32 id;

	spinlock_t lock;	/* all that follows */
	u8 state;
	u8 reason;
	u8 action;
	u8 proto;
	bool draining;
	bool dead;
	u32 acquire_id;
	u32 attempts;
	struct sk_buff_head queue;
	u32 queue_bytes;
	struct timer_list timer;
	unsigned long deadline;		/* jiffies: of ACQUIRING, FAILED, CLEAR */

	u32 pmtu;
	unsigned long pmtu_expires;
	u64 born_ns;			/* boot time */
	u64 first_ns;			/* boot time of the first packet, 0 if none */
	u32 first_us;
	unsigned long used;		/* jiffies: last packet */
	atomic64_t tx_packets, tx_bytes, drops;
};

/* Caller holds @t->lock: no keys came, and that is remembered. */
static inline bool sotto_tunnel_is_refused(const struct sotto_tunnel *t)
{
	return t->state == SOTTO_TUNNEL_FAILED || t->state == SOTTO_TUNNEL_CLEAR;
}

/*
 * The same: there is nobody who could have keys, so that what is preferred may go in the clear.
 * What is protected and has the same gateway may have asked.
 */
static inline bool sotto_tunnel_is_clear(const struct sotto_tunnel *t)
{
	return sotto_tunnel_is_refused(t) && t->reason == SOTTO_REASON_NOT_MEMBER;
}

/* The module's memory for them, and that of a namespace. */
int sotto_tunnel_init(void);
void sotto_tunnel_exit(void);
int sotto_tunnels_init(struct sotto_net *ns);
void sotto_tunnels_exit(struct sotto_net *ns);

/* Find under rcu_read_lock(), or NULL. */
struct sotto_tunnel *sotto_tunnel_lookup(struct sotto_net *ns,
					 const struct sotto_addr *dst);

/**
 * sotto_tunnel_get() - find or make
 * @ns: namespace
 * @dst: destination
 *
 * Context: rcu_read_lock(), BH off. A new one is in state ACQUIRING with an
 * empty queue and no acquire under way (.acquire_id 0).
 * Return: the tunnel, ERR_PTR(-ENOSPC) at the limit, ERR_PTR(-ENOMEM).
 */
struct sotto_tunnel *sotto_tunnel_get(struct sotto_net *ns,
				      const struct sotto_addr *dst);

/* Unlink; queued packets are dropped and counted as @why. Any context, not under ns->lock. */
void sotto_tunnel_delete(struct sotto_tunnel *t, enum sotto_stat why);
/* The same, unless it has an SA (again), or waits for one. */
void sotto_tunnel_forget(struct sotto_tunnel *t, enum sotto_stat why);
/* All tunnels and all SAs. */
void sotto_tunnel_flush(struct sotto_net *ns);

/* Make @sa the SA of @t and flush its queue in order. BH off, not under locks. */
void sotto_tunnel_bind(struct sotto_tunnel *t, struct sotto_sa *sa);
/* @sa goes: the tunnel goes with it if it still uses it. */
void sotto_tunnel_unbind(struct sotto_tunnel *t, struct sotto_sa *sa);

void sotto_tunnel_put(struct sotto_tunnel *t);
/* For acquire.c, all under t->lock but refuse_all() and drain(). */
void sotto_tunnel_arm(struct sotto_tunnel *t, unsigned long when);
void sotto_tunnel_disarm(struct sotto_tunnel *t);
void sotto_tunnel_take_queue(struct sotto_tunnel *t, struct sk_buff_head *list);
/* Refuse each packet of @list with an ICMP error where one is due. */
void sotto_tunnel_refuse_all(struct sotto_tunnel *t, struct sk_buff_head *list,
			     enum sotto_stat why);
/* Put @t away; each packet of @list asks policy again. rcu_read_lock(), BH off. */
void sotto_tunnel_reroute(struct sotto_tunnel *t, struct sk_buff_head *list);
/* If this says true the caller is to call sotto_tunnel_drain(), unlocked. */
bool sotto_tunnel_begin_drain(struct sotto_tunnel *t);
/* rcu_read_lock(), BH off. */
void sotto_tunnel_drain(struct sotto_tunnel *t);

#endif /* _SOTTO_TUNNEL_H */
