/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions that somebody on this host wants: the initiator's side.
 *
 * Whoever wants one waits with a function of its own. The kernel's acquires are
 * one such asker, a rekey is another; nothing else in here knows of them.
 *
 *   state    | event                     | what follows
 *   WAITING  | association               | SENT
 *   WAITING  | no hope of one            | failed: no server
 *   SENT     | GRANT                     | installed, done
 *   SENT     | REFUSAL                   | failed, with the reason
 *   SENT     | REFUSAL "pending"         | OFFERED: the peer asked first
 *   SENT     | no answer                 | failed: no server
 *   OFFERED  | that offer was installed  | done
 *   OFFERED  | ASK_OFFER_MS              | SENT, anew
 */
#ifndef SOTTO_AGENT_ASK_H
#define SOTTO_AGENT_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "../tools/lib/genl_obj.h"

struct agent;
struct session;

#define ASKS_MAX		1024	/* destinations asked for at one time */
#define ASKS_IN_FLIGHT		128	/* of them unanswered by the server */
#define ASK_OFFER_MS		3000	/* the peer's own offer must come within */
#define ASK_HOLD_MS		1000	/* a failure of ours is remembered so long */
#define ASK_REKEY_MS		10000	/* deadline of a rekey */
#define ASK_FRESH_MS		5000	/* an unconfirmed session is waited for */

/**
 * ask_done_fn - the end of waiting
 * @reason: SOTTO_REASON_NONE = there is a session now
 * @hold_ms: how long a refusal should be remembered
 * @arg is the function's to free.
 */
typedef void (*ask_done_fn)(struct agent *ag, void *arg,
			    enum sotto_reason reason, uint32_t hold_ms);

/**
 * ask_session() - want a session with the member that has @dst
 * @rekey_of: session it is to replace, 0 = none
 * @deadline_ms: from now
 * @key: not 0: a waiter that is there already under the same key is enough
 * @fn, @arg: told exactly once, perhaps before this returns
 *
 * One destination is asked for once, however many wait for it.
 */
void ask_session(struct agent *ag, const struct sotto_addr *dst,
		 uint64_t rekey_of, uint32_t deadline_ms, uint64_t key,
		 ask_done_fn fn, void *arg);

/** ask_for_kernel() - an acquire; it is answered if it fails */
void ask_for_kernel(struct agent *ag, const struct sgenl_acquire *a);

/** ask_rekey() - a session to replace @s */
void ask_rekey(struct agent *ag, struct session *s);

/** ask_rekeys() - a replacement for session @id is under way */
bool ask_rekeys(struct agent *ag, uint64_t id);

/** ask_made() - a session was installed: those who wait for such a one are done */
void ask_made(struct agent *ag, const struct session *s);

/** ask_retry() - the association came or went: look at all that wait */
void ask_retry(struct agent *ag);

/** ask_wants() - somebody waits for a session with @dst; @for_ms: so long */
bool ask_wants(struct agent *ag, const struct sotto_addr *dst, uint64_t *for_ms);

/** ask_count() - for status */
unsigned int ask_count(const struct agent *ag);

/** ask_stop() - forget all, without telling anybody */
void ask_stop(struct agent *ag);

#endif /* SOTTO_AGENT_ASK_H */
