/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files of sessions: session.c has each one's life, session_request.c is A's,
 * session_offer.c B's, session_end.c what ends them, session_gone.c who is told.
 */
#ifndef SOTTO_SESSION_H
#define SOTTO_SESSION_H

#include "authd.h"

bool session_is_pair(const struct session *s, const struct member *x,
		     const struct member *y);
/** session_draw_id() - one that no session has. */
uint64_t session_draw_id(struct authd *ad);
/** session_renumber() - give it another id. */
void session_renumber(struct session *s);
/** session_forget_offer() - wipe what was offered, and would have been granted. */
void session_forget_offer(struct mediation *md);
/** session_not_pending() - it is granted, or ends: its limits have room again. */
void session_not_pending(struct session *s);

/* ---- session_request.c: answers to A ---- */

/** session_may_return() - @b is not here, but not for long: the server was restarted, or
 * its agent is.
 */
bool session_may_return(const struct authd *ad, const struct member *b);
/** session_send_grant() - what B accepted, as often as A asks for it. */
void session_send_grant(struct session *s);
/** session_fail() - the mediation came to nothing: A is told why; frees @s. */
void session_fail(struct session *s, enum sotto_refusal reason);

/* ---- session_offer.c: B's part ---- */

/** session_cap_pair() - a pair that has too many live ones loses its oldest: before each offer. */
void session_cap_pair(struct authd *ad, struct member *a, struct member *b);
/** session_offer() - B is here: ask it. 0, or why not. */
unsigned int session_offer(struct session *s);
/** session_wait() - B is not here: soon, perhaps. Not longer than for its answer. */
void session_wait(struct session *s);
/** session_networks_mark() - so that a change of the rules can be seen: 0 in transport
 * mode.
 */
uint64_t session_networks_mark(const struct sotto_msg_session_grant *g);

/* ---- session_end.c ---- */

/** session_end_both() - both ends are told, or A that its request came to nothing. */
void session_end_both(struct session *s, enum sotto_refusal reason);

/** session_end_revoked() - the same if one end is revoked, which the other is told; else false. */
bool session_end_revoked(struct session *s);

/* ---- session_gone.c ---- */

/** session_gone_forget() - free what is to be told. */
void session_gone_forget(struct authd *ad);

#endif /* SOTTO_SESSION_H */
