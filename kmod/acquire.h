/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for keys: the bounded queue and the question to the agent. */
#ifndef _SOTTO_ACQUIRE_H
#define _SOTTO_ACQUIRE_H

#include <linux/skbuff.h>
#include <linux/sotto.h>

#include "skb.h"
#include "tunnel.h"

/**
 * sotto_acquire() - let a packet wait for the keys of its destination
 * @ns: namespace
 * @skb: consumed; sealed at once if keys came meanwhile
 * @p: its addresses and protocol
 * @to: whose tunnel: its destination, or the gateway in front of that
 * @action: PROTECT or PREFER
 *
 * Context: rcu_read_lock(), BH off.
 */
void sotto_acquire(struct sotto_net *ns, struct sk_buff *skb,
		   const struct sotto_pkt *p, const struct sotto_addr *to,
		   enum sotto_action action);

/**
 * sotto_acquire_fail() - the agent's answer that no keys will come
 * @ns: namespace
 * @dst: destination
 * @id: the acquire's id
 * @reason: why
 * @hold_ms: how long to remember it, capped at %SOTTO_HOLD_MAX_MS
 *
 * With REROUTE the tunnel goes, and its packets ask policy again. NOT_MEMBER lets those in
 * the queue that are under a prefer policy go in the clear. May be called from process context.
 * Return: 0, -ENOENT when no such acquire is outstanding.
 */
int sotto_acquire_fail(struct sotto_net *ns, const struct sotto_addr *dst,
		       u32 id, enum sotto_reason reason, u32 hold_ms);

/* A new agent is here: ask again for all that is outstanding. Process context. */
void sotto_acquire_repeat_all(struct sotto_net *ns);

/* The tunnel's timer. */
void sotto_acquire_timer(struct timer_list *timer);

/* Caller holds t->lock: leave state ACQUIRING (the namespace's count). */
void sotto_acquire_end(struct sotto_tunnel *t);

#endif /* _SOTTO_ACQUIRE_H */
