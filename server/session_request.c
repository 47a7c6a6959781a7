// SPDX-License-Identifier: GPL-2.0
/*
 * A's request: who may have it, and what it is answered.
 */
#include <inttypes.h>
#include <string.h>

#include "rules.h"
#include "session.h"

/* ---- answers ---- */

static uint32_t hold_ms(enum sotto_refusal reason)
{
	switch (reason) {
	case SOTTO_REFUSAL_NOT_MEMBER:
		return AUTHD_HOLD_NOT_MEMBER;
	case SOTTO_REFUSAL_DENIED:
	case SOTTO_REFUSAL_REVOKED:
	case SOTTO_REFUSAL_SELF:
		return AUTHD_HOLD_DENIED;
	case SOTTO_REFUSAL_PEER_OFFLINE:
		return AUTHD_HOLD_OFFLINE;
	case SOTTO_REFUSAL_LIMIT:
	case SOTTO_REFUSAL_PENDING:
		return AUTHD_HOLD_BUSY;
	default:
		return AUTHD_HOLD_OTHER;
	}
}

static void refuse(struct assoc *as, uint32_t call, enum sotto_refusal reason,
		   uint64_t session_id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REFUSAL };

	m.refusal.reason = reason;
	m.refusal.hold_ms = hold_ms(reason);
	m.refusal.session_id = session_id;
	as->ad->stats.refusals++;
	sotto_chan_answer(&as->chan, as->ad->now_ms, call, &m);
	assoc_rearm(as);
}

/* The association that A asked on: mostly its current one. */
static struct assoc *asker(const struct session *s)
{
	struct assoc *as = s->a->current;
	uint32_t index = s->mediation->call_index;

	if (as && as->chan.keys.local_index == index)
		return as;
	return assoc_by_index(s->ad, index);
}

void session_fail(struct session *s, enum sotto_refusal reason)
{
	struct assoc *as = asker(s);

	monitor_session(s->ad, "refused", s, reason);
	sotto_info("session %016" PRIx64 " %s -> %s: refused: %s", s->id,
		   s->a->name, s->b->name, sotto_refusal_name(reason));
	if (as)
		refuse(as, s->mediation->call, reason, s->id);
	session_free(s);
}

void session_send_grant(struct session *s)
{
	const struct mediation *md = s->mediation;
	struct assoc *as = asker(s);

	if (!as)
		return;		/* A asks again on its next association */
	sotto_chan_answer_body(&as->chan, md->call, SOTTO_MSG_SESSION_GRANT,
			       md->grant, md->len);
	assoc_rearm(as);
}

/* ---- what it repeats or doubles ---- */

uint64_t request_hash(struct authd *ad, const struct member *m,
		      uint64_t request_id)
{
	uint64_t key[2] = { m->id, request_id };

	return htab_hash(&ad->asked, key, sizeof(key));
}

static struct session *find_repeat(struct authd *ad, struct member *m,
				   uint64_t request_id)
{
	uint64_t hash = request_hash(ad, m, request_id);
	struct hnode *n;

	htab_for_hash(&ad->asked, n, hash) {
		struct mediation *md = container_of(n, struct mediation,
						    by_request);

		if (md->session->a == m && md->request.request_id == request_id)
			return md->session;
	}
	return NULL;
}

static void repeat(struct assoc *as, uint32_t call, struct session *s,
		   const struct sotto_msg_session_request *req)
{
	struct mediation *md = s->mediation;

	if (memcmp(&md->request, req, sizeof(*req))) {
		refuse(as, call, SOTTO_REFUSAL_REQUEST, 0);
		return;
	}
	if (session_end_revoked(s)) {	/* it had no turn yet */
		refuse(as, call, SOTTO_REFUSAL_REVOKED, 0);
		return;
	}
	md->call = call;
	md->call_index = as->chan.keys.local_index;
	if (s->state == SESSION_LIVE)
		session_send_grant(s);
}

/* @a was asked for this one a moment ago, and asked itself before it knew. */
static bool just_made(const struct authd *ad, const struct session *s,
		      const struct member *a)
{
	return s->state == SESSION_LIVE && s->b == a && s->made_ms &&
	       ad->now_ms - s->made_ms < AUTHD_JUST_MADE_MS;
}

/* What a request of @a would only double. A rekey is of one that is there. */
static struct session *pair_pending(struct authd *ad, const struct member *a,
				    const struct member *b, bool rekey)
{
	uint64_t hash = pair_hash(ad, a, b);
	struct hnode *n;

	htab_for_hash(&ad->pairs, n, hash) {
		struct session *s = container_of(n, struct session, by_pair);

		if (session_is_pair(s, a, b) &&
		    (s->state == SESSION_OFFERED || (!rekey && just_made(ad, s, a))))
			return s;
	}
	return NULL;
}

/* ---- mediation ---- */

bool session_may_return(const struct authd *ad, const struct member *b)
{
	if (b->returns && ad->now_ms - b->hello_ms < AUTHD_AGENT_MS)
		return true;
	return b->live_state == LIVE_UNKNOWN &&
	       ad->now_ms - ad->started_ms < AUTHD_RETURN_MS;
}

/* A session that is live may be replaced by either end. */
static bool replaces(struct authd *ad, const struct member *a,
		     const struct member *b, uint64_t rekey_of)
{
	const struct session *old = rekey_of ? session_by_id(ad, rekey_of) :
					       NULL;

	return old && old->state == SESSION_LIVE && session_is_pair(old, a, b);
}

/* @b has @dst itself, or leads to it. */
static bool permitted(struct authd *ad, struct member *a, struct member *b,
		      const struct sotto_msg_session_request *req)
{
	struct sotto_prefix net = {
		.addr = req->dst,
		.plen = req->dst.len * 8,
	};

	if (!member_has_addr(b, &req->dst))
		return rules_judge_net(ad, a, &net).allow;
	return policy_permits(ad, a, b) ||
	       (replaces(ad, a, b, req->rekey_of) && policy_permits(ad, b, a));
}

/* 0: permitted so far; else the reason. */
static unsigned int check_peer(struct authd *ad, struct member *a,
			       struct member *b,
			       const struct sotto_msg_session_request *req)
{
	if (!b || b->state == MEMBER_PENDING)
		return SOTTO_REFUSAL_NOT_MEMBER;
	if (b->state == MEMBER_REVOKED)
		return SOTTO_REFUSAL_REVOKED;
	if (b == a)
		return SOTTO_REFUSAL_SELF;
	if (!permitted(ad, a, b, req))
		return SOTTO_REFUSAL_DENIED;
	/* before its HELLO nothing is known of what one can do, nor how it is reached */
	if (!a->ciphers.n)
		return SOTTO_REFUSAL_REQUEST;
	if (!member_is_here(b) && !session_may_return(ad, b))
		return SOTTO_REFUSAL_PEER_OFFLINE;
	if (b->offered_n >= AUTHD_OFFERS_MEMBER)
		return SOTTO_REFUSAL_LIMIT;
	return 0;
}

static struct session *make_session(struct assoc *as, uint32_t call,
				    struct member *b,
				    const struct sotto_msg_session_request *req)
{
	struct authd *ad = as->ad;
	bool either = replaces(ad, as->member, b, req->rekey_of);
	struct mediation *md;
	struct session *s;

	/* before the new one is in the table: that there are none is mostly seen at once */
	if (member_is_here(b))
		session_cap_pair(ad, as->member, b);
	s = session_new(ad, as->member, b, session_draw_id(ad));
	if (!s)
		return NULL;
	s->a->asked_n++;
	s->b->offered_n++;
	ad->pending_n++;
	s->made_ms = ad->now_ms;
	s->spi_a = req->spi;
	s->dst = req->dst;
	s->either = either;
	md = pool_get(&ad->mediation_pool);
	if (!md) {
		session_free(s);
		return NULL;
	}
	s->mediation = md;
	md->session = s;
	md->call = call;
	md->call_index = as->chan.keys.local_index;
	htab_add(&ad->asked, &md->by_request,
		 request_hash(ad, s->a, req->request_id));
	memcpy(&md->request, req, sizeof(*req));	/* padding too: it is compared */
	return s;
}

static unsigned int mediate(struct assoc *as, uint32_t call, struct member *b,
			    const struct sotto_msg_session_request *req)
{
	struct session *s = make_session(as, call, b, req);
	unsigned int reason;

	if (!s)
		return SOTTO_REFUSAL_INTERNAL;
	if (!member_is_here(b)) {
		session_wait(s);
		return 0;
	}
	reason = session_offer(s);
	if (reason)
		session_free(s);
	return reason;
}

void session_request(struct assoc *as, uint32_t call,
		     const struct sotto_msg_session_request *req)
{
	struct authd *ad = as->ad;
	struct member *a = as->member, *b;
	struct session *s = find_repeat(ad, a, req->request_id);
	struct sotto_prefix net;
	unsigned int reason;

	ad->stats.requests++;
	if (s) {
		repeat(as, call, s, req);
		return;
	}
	if (a->asked_n >= AUTHD_PENDING_MEMBER ||
	    !bucket_take(&a->requests, ad->now_ms, AUTHD_REQUEST_RATE * 60,
			 AUTHD_REQUEST_BURST)) {
		refuse(as, call, SOTTO_REFUSAL_LIMIT, 0);
		return;
	}
	b = member_by_addr(ad, &req->dst);
	if (!b)
		b = rules_gateway(ad, &req->dst, &net);
	reason = check_peer(ad, a, b, req);
	s = reason ? NULL : pair_pending(ad, a, b, req->rekey_of);
	if (s) {
		refuse(as, call, SOTTO_REFUSAL_PENDING, s->id);
		return;
	}
	if (!reason)
		reason = mediate(as, call, b, req);
	if (!reason)
		return;
	monitor_refusal(ad, a, &req->dst, reason);
	refuse(as, call, reason, 0);
}

void session_check(struct assoc *as, uint32_t call, const struct sotto_addr *dst)
{
	struct sotto_msg_session_request req = { .dst = *dst };
	struct member *b = member_by_addr(as->ad, dst);
	struct sotto_prefix net;
	unsigned int reason;

	if (!b)
		b = rules_gateway(as->ad, dst, &net);
	reason = check_peer(as->ad, as->member, b, &req);
	if (!reason && !member_is_here(b))
		reason = SOTTO_REFUSAL_PEER_OFFLINE;
	if (!reason && twin_seen(as->ad, b, NULL, NULL))
		reason = SOTTO_REFUSAL_TWIN;
	if (reason)
		refuse(as, call, reason, 0);
	else
		sotto_chan_ack(&as->chan, as->ad->now_ms, call);
}
