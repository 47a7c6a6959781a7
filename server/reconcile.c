// SPDX-License-Identifier: GPL-2.0
/*
 * What the server believes of sessions, and what an agent's kernel holds.
 *
 * After each HELLO an agent lists its live sessions. Unknown ones are taken over
 * (the server was restarted; see unplaced.h for who has new keys since); those it
 * lacks are gone (the host was restarted), and their other ends are told; those with
 * revoked members are taken back.
 */
#include <inttypes.h>
#include <string.h>

#include "recheck.h"
#include "session.h"
#include "unplaced.h"

static uint64_t *listed(struct session *s, const struct member *m)
{
	return s->a == m ? &s->listed_a : &s->listed_b;
}

/* What was granted a moment ago may be missing from a list made before. */
bool session_lost_by(const struct session *s, const struct member *m)
{
	uint64_t listing = s->a == m ? s->listed_a : s->listed_b;

	if (s->state != SESSION_LIVE || m->live_state != LIVE_KNOWN || listing == m->listing)
		return false;
	return m->restarted || s->made_ms + SOTTO_GRANT_KEEP_MS < m->hello_ms;
}

static void sweep(struct authd *ad, struct member *m)
{
	unsigned int left = AUTHD_SWEEP_TURN;
	struct session_link *l, *next;

	m->live_state = LIVE_KNOWN;
	for (l = m->sessions; l && left; l = next) {
		struct session *s = l->session;

		next = l->next;
		if (!session_lost_by(s, m))
			continue;
		left--;
		sotto_info("session %016" PRIx64 ": %s lost it", s->id,
			   m->name);
		session_tell_gone(ad, session_peer(s, m), s->id,
				  SOTTO_REFUSAL_RESTARTED);
		session_free(s);
	}
	if (l)
		recheck_member(ad, m);
}

void reconcile_hello(struct authd *ad, struct member *m,
		     const struct sotto_msg_hello *hello)
{
	m->restarted = m->instance && m->instance != hello->instance;
	if (m->restarted)
		sotto_notice("member %s: its kernel part was restarted",
			     m->name);
	m->instance = hello->instance;
	m->listing = hello->listing;
	m->hello_ms = ad->now_ms;
	m->live_expected = hello->live_count;
	m->live_seen = 0;
	m->live_state = LIVE_LISTING;
	if (!m->live_expected)
		sweep(ad, m);
}

/* Of a session that was taken over; what was said when it was granted stands. */
static void take_spi(struct session *s, const struct member *m, uint32_t spi)
{
	uint32_t *own = s->a == m ? &s->spi_a : &s->spi_b;

	if (!*own)
		*own = spi;
}

/* As many as could have been granted; what a member says of itself has bounds, too. */
static bool pair_is_full(struct authd *ad, const struct member *x,
			 const struct member *y)
{
	uint64_t hash = pair_hash(ad, x, y);
	struct hnode *n;
	int live = 0;

	htab_for_hash(&ad->pairs, n, hash) {
		const struct session *s =
			container_of(n, struct session, by_pair);

		live += s->state == SESSION_LIVE && session_is_pair(s, x, y);
	}
	return live >= AUTHD_PAIR_SESSIONS;
}

/* Made before the server began, or at another one. 0, or why it must go. */
static unsigned int take_over(struct authd *ad, struct member *m,
			      struct member *peer, const struct sotto_live *live)
{
	uint64_t id = live->session_id;
	bool has_it = unplaced_other(ad, m, id) == peer;
	struct session *s;

	/* the other end's list was complete, and did not have it */
	if (peer->live_state == LIVE_KNOWN && !has_it)
		return SOTTO_REFUSAL_RESTARTED;
	if (pair_is_full(ad, m, peer))
		return SOTTO_REFUSAL_LIMIT;
	if (takeover_happened(ad, peer))
		return SOTTO_REFUSAL_PEER_OFFLINE;
	s = session_new(ad, m, peer, id);
	if (!s)
		return SOTTO_REFUSAL_INTERNAL;
	s->state = SESSION_LIVE;
	s->either = true;	/* who lists it first is A here */
	wheel_set(&ad->wheel, &s->timer, ad->now_ms + SOTTO_GRANT_KEEP_MS);
	*listed(s, m) = m->listing;
	take_spi(s, m, live->spi);
	if (has_it)
		*listed(s, peer) = peer->listing;
	unplaced_forget(ad, peer, id);
	return 0;
}

/* 0: it is all right; else why it must go. */
static unsigned int check_live(struct authd *ad, struct member *m,
			       const struct sotto_live *live)
{
	struct session *s = session_by_id(ad, live->session_id);
	struct member *peer = member_by_key(ad, live->peer_key);

	/* made with a key that the peer has no longer */
	if (!peer && s && (s->a == m || s->b == m))
		peer = session_peer(s, m);
	else if (!peer && !s)
		peer = unplaced_other(ad, m, live->session_id);
	if (!peer && !s && unplaced_keep(ad, m, live->session_id))
		return 0;
	if (!peer || peer->state != MEMBER_ACTIVE)
		return SOTTO_REFUSAL_REVOKED;
	if (peer == m)
		return SOTTO_REFUSAL_REQUEST;
	if (!s)
		return take_over(ad, m, peer, live);
	if (!session_is_pair(s, m, peer))
		return SOTTO_REFUSAL_REQUEST;
	*listed(s, m) = m->listing;
	take_spi(s, m, live->spi);
	return 0;
}

void reconcile_live(struct authd *ad, struct member *m,
		    const struct sotto_msg_live *live)
{
	int i;

	if (m->live_state != LIVE_LISTING || live->listing != m->listing)
		return;
	for (i = 0; i < live->live.n; i++) {
		const struct sotto_live *l = &live->live.l[i];
		unsigned int reason = l->session_id ? check_live(ad, m, l) : 0;

		if (reason)
			session_tell_gone(ad, m, l->session_id, reason);
	}
	m->live_seen += live->live.n;
	if (m->live_seen >= m->live_expected)
		sweep(ad, m);
}
