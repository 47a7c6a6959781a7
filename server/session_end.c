// SPDX-License-Identifier: GPL-2.0
/*
 * What ends sessions before their time: an end that closes one, keys that were lost, a
 * member that is revoked. Both are told. (In turns: recheck.c; a gateway that is gone:
 * takeover.c.)
 */
#include <inttypes.h>
#include <string.h>

#include "recheck.h"
#include "session.h"
#include "unplaced.h"

static void close_one(struct authd *ad, struct member *m, uint64_t id,
		      enum sotto_refusal reason)
{
	struct session *s = session_by_id(ad, id);

	if (!s)
		unplaced_forget(ad, m, id);
	if (!s || (s->a != m && s->b != m))
		return;
	if (s->state == SESSION_OFFERED) {
		session_fail(s, s->b == m ? SOTTO_REFUSAL_PEER_REFUSED :
					    SOTTO_REFUSAL_CLOSED);
		return;
	}
	monitor_session(ad, "closed", s, reason);
	sotto_info("session %016" PRIx64 " %s -> %s: closed by %s", id,
		   s->a->name, s->b->name, m->name);
	session_tell_gone(ad, session_peer(s, m), id, reason);
	session_free(s);
}

void session_close(struct authd *ad, struct member *m,
		   const struct sotto_msg_session_ids *ids)
{
	enum sotto_refusal reason = ids->reason == SOTTO_REFUSAL_RESTARTED ||
				    ids->reason == SOTTO_REFUSAL_EXPIRED ?
				    ids->reason : SOTTO_REFUSAL_CLOSED;
	int i;

	for (i = 0; i < ids->ids.n; i++)
		close_one(ad, m, ids->ids.id[i], reason);
}

/* A live one of these two, by what @m said of it. */
static struct session *by_spi(struct authd *ad, const struct member *m,
			      const struct member *peer, uint32_t spi)
{
	struct hnode *n;

	htab_for_hash(&ad->pairs, n, pair_hash(ad, m, peer)) {
		struct session *s = container_of(n, struct session, by_pair);

		if (s->state == SESSION_LIVE && session_is_pair(s, m, peer) &&
		    (s->a == m ? s->spi_a : s->spi_b) == spi)
			return s;
	}
	return NULL;
}

/*
 * The report is authenticated, the packet was not: only what the member itself
 * said about this SPI counts. It has an inbound SA before it names its SPI, so
 * for a session that was granted there is no moment when it may lack one.
 */
void session_spi_unknown(struct authd *ad, struct member *m,
			 const struct sotto_msg_spi_unknown *u)
{
	struct member *peer = member_by_addr(ad, &u->src);
	struct session *s;

	ad->stats.spi_unknown++;
	if (!peer || !bucket_take(&m->requests, ad->now_ms, AUTHD_REQUEST_RATE * 60,
				  AUTHD_REQUEST_BURST))
		return;
	s = by_spi(ad, m, peer, u->spi);
	if (!s)
		return;
	sotto_info("session %016" PRIx64 ": %s lost its keys", s->id, m->name);
	session_tell_gone(ad, peer, s->id, SOTTO_REFUSAL_RESTARTED);
	session_tell_gone(ad, m, s->id, SOTTO_REFUSAL_RESTARTED);
	session_free(s);
}

/* Once, however many sessions they had. */
static void tell_revoked(struct authd *ad, const struct member *m, struct member *peer)
{
	struct sotto_msg msg = { .type = SOTTO_MSG_PEER_GONE };

	if (peer->state == MEMBER_REVOKED || peer->notice == m->notice)
		return;
	peer->notice = m->notice;
	msg.peer_gone.reason = SOTTO_REFUSAL_REVOKED;
	strcpy(msg.peer_gone.name, m->name);
	memcpy(msg.peer_gone.static_pub, m->static_pub, SOTTO_PUB_LEN);
	assoc_push(ad, peer, &msg);
}

bool session_end_revoked(struct session *s)
{
	const struct member *m = s->a->state == MEMBER_REVOKED ? s->a : s->b;

	if (m->state != MEMBER_REVOKED)
		return false;
	tell_revoked(s->ad, m, session_peer(s, m));
	if (s->state == SESSION_OFFERED)
		session_fail(s, SOTTO_REFUSAL_REVOKED);
	else
		session_free(s);
	return true;
}

/*
 * Thousands of peers are told in turns. What is under way is refused first: no answer that
 * comes meanwhile may make a session of it.
 */
void session_member_revoked(struct authd *ad, struct member *m)
{
	struct session_link *l, *next;

	m->notice = ++ad->notice;
	for (l = m->sessions; l && (m->asked_n || m->offered_n); l = next) {
		next = l->next;
		if (l->session->state == SESSION_OFFERED)
			session_end_revoked(l->session);
	}
	recheck_first(ad, m);
}

static bool leads_to(const struct member *m, const struct sotto_addr *dst)
{
	int i;

	for (i = 0; m->routes && i < m->routes->n; i++)
		if (sotto_prefix_contains(&m->routes->p[i], dst))
			return true;
	return member_has_addr(m, dst);
}

/* Not yet granted: in the end all is of one piece, by what @m has when it is back. */
static void readdress_pending(struct session *s, struct member *m)
{
	/* its agent asks once more, on its next association */
	if (s->a == m)
		session_free(s);
	/* its offer closes with the association, and is made anew */
	else if (!leads_to(m, &s->dst))
		session_fail(s, SOTTO_REFUSAL_NOT_MEMBER);
}

void session_member_readdressed(struct member *m)
{
	struct session_link *l, *next;

	for (l = m->sessions; l; l = next) {
		next = l->next;
		if (l->session->state == SESSION_OFFERED)
			readdress_pending(l->session, m);
		else
			session_end_both(l->session, SOTTO_REFUSAL_READDRESSED);
	}
}

void session_end_both(struct session *s, enum sotto_refusal reason)
{
	if (s->state == SESSION_OFFERED) {
		session_fail(s, reason);
		return;
	}
	monitor_session(s->ad, "ended", s, reason);
	sotto_info("session %016" PRIx64 " %s -> %s: ended: %s", s->id,
		   s->a->name, s->b->name, sotto_refusal_name(reason));
	session_tell_gone(s->ad, s->a, s->id, reason);
	session_tell_gone(s->ad, s->b, s->id, reason);
	session_free(s);
}
