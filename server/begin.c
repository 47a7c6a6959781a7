// SPDX-License-Identifier: GPL-2.0
/*
 * How associations begin: whose INIT or RESUME is taken, and what it is answered.
 *
 * Five steps, and the two that cost are without the lock: it is admitted; read, with
 * public-key work; found out whose it is; answered, with more of it; and the association is
 * half open. Until then nothing that others see has changed.
 */
#include "begin.h"

#include <string.h>

#include "ahead.h"

static struct sotto_ratelimit limit_refused = SOTTO_RATELIMIT(10000, 5);

/** struct begin - one INIT or RESUME that was admitted; secret. */
struct begin {
	struct authd *ad;
	const struct path *from;
	struct sotto_init_view v;	/* of the datagram, which stays where it is */
	struct noise_hs hs;		/* INIT */
	struct sotto_msg init;
	bool proven;			/* its source, by a cookie */
	int rc;				/* of reading it */
	bool ready;			/* to be answered; then: answered */
	int64_t member;			/* 0: it enrols */
	uint8_t token[KEEPER_SEALED];	/* the member's */
	uint8_t secret[SOTTO_SECRET_LEN]; /* the code's psk, or the ticket's secret */
	uint8_t static_pub[SOTTO_PUB_LEN];
	uint32_t index;			/* ours */
	struct sotto_chan_keys keys;
	size_t len;
	uint8_t resp[SOTTO_DGRAM_MAX];
};

/* ---- answers to strangers ---- */

void begin_hint(struct authd *ad, const struct path *to,
		enum sotto_hint hint, uint32_t index, const uint8_t *echo)
{
	uint8_t out[SOTTO_SMALL_MAX];

	if (!bucket_take(&ad->hints, ad->now_ms, AUTHD_HINT_RATE * 60,
			 AUTHD_HINT_RATE))
		return;
	ad->stats.hints++;
	net_send(ad, to, out, sotto_hint_dgram(out, hint, index, echo));
}

/* Not one of the hints: who makes those run out shuts nobody out. */
static void send_cookie(struct authd *ad, const struct path *to,
			const struct sotto_init_view *v)
{
	uint8_t out[SOTTO_SMALL_MAX], cookie[SOTTO_COOKIE_LEN];

	ad->stats.cookies_missing++;
	if (!bucket_take(&ad->cookies_given, ad->now_ms,
			 AUTHD_COOKIES_RATE * 60, AUTHD_COOKIES_RATE))
		return;
	ad->stats.cookies++;
	sotto_cookie_make(&ad->cookies, ad->now_ms, &to->peer, to->port, cookie);
	net_send(ad, to, out,
		 sotto_cookie_dgram(out, v->index, v->echo, cookie));
}

/* ---- admission ---- */

/* A ticket costs little to open, Diffie-Hellman much. */
static bool take_without_cookie(struct authd *ad, bool resume)
{
	uint32_t rate = ad->conf.cookie_rate;

	if (!resume)
		return bucket_take(&ad->inits, ad->now_ms, rate * 60, rate);
	if (rate)
		rate += AUTHD_RESUME_RATE;
	return bucket_take(&ad->resumes, ad->now_ms, rate * 60, rate);
}

/* Somebody else may have sent what its source is too busy with: it is to show that
 * it was itself, and counts anew.
 */
static void too_busy(struct authd *ad, const struct path *from,
		     const struct sotto_init_view *v, bool proven)
{
	if (!proven) {
		send_cookie(ad, from, v);
		return;
	}
	ad->stats.init_limited++;
	begin_hint(ad, from, SOTTO_HINT_BUSY, v->index, v->echo);
}

/* Return routability while many come, then the limit of this source. */
static bool init_admitted(struct authd *ad, const struct path *from,
			  const struct sotto_init_view *v, bool proven)
{
	if (!take_without_cookie(ad, v->kind == SOTTO_HS_RESUME) && !proven)
		send_cookie(ad, from, v);
	else if (!limiter_take(&ad->sources, ad->now_ms, &from->peer, proven))
		too_busy(ad, from, v, proven);
	else
		return true;
	return false;
}

/* The mac tells which of the realm's keys it is for, if any. */
static bool for_us(struct authd *ad, struct sotto_init_view *v)
{
	if (sotto_init_mac_valid(v, ad->mac_key))
		return true;
	v->former = ad->realm->has_former &&
		    sotto_init_mac_valid(v, ad->former_mac_key);
	return v->former;
}

/* True for an INIT that is addressed to this realm; others get a hint. */
static bool init_sound(struct authd *ad, const struct path *from,
		       struct sotto_init_view *v, const uint8_t *dgram,
		       size_t len)
{
	int rc = sotto_init_parse(v, dgram, len);

	ad->stats.inits++;
	if (rc == SOTTO_E_VERSION) {
		begin_hint(ad, from, SOTTO_HINT_VERSION, v->index, v->echo);
	} else if (rc) {
		ad->stats.malformed++;
	} else if (!for_us(ad, v)) {
		ad->stats.init_bad_mac++;
		begin_hint(ad, from, SOTTO_HINT_KEY, v->index, v->echo);
	} else {
		return true;
	}
	return false;
}

static struct begin *begin_new(struct authd *ad, const struct incoming *in,
			       const struct sotto_init_view *v, bool proven)
{
	struct begin *b = pools_get(&ad->pools, sizeof(*b));

	if (!b)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->ad = ad;
	b->from = &in->from;
	b->v = *v;
	b->proven = proven;
	return b;
}

static void begin_free(struct begin *b)
{
	struct authd *ad = b->ad;

	sotto_wipe(b, sizeof(*b));
	pools_put(&ad->pools, b, sizeof(*b));
}

void begin_admit(struct authd *ad, struct incoming *in)
{
	uint8_t type = in->len ? in->dgram[0] : 0;
	struct sotto_init_view v;
	struct half_open *h;
	bool proven;

	in->begin = NULL;
	in->begins = type == SOTTO_DGRAM_INIT || type == SOTTO_DGRAM_RESUME;
	if (!in->begins || !init_sound(ad, &in->from, &v, in->dgram, in->len))
		return;
	h = assoc_repeat(ad, &v);
	if (h) {
		net_send(ad, &in->from, h->resp, h->resp_len);
		return;
	}
	proven = sotto_cookie_valid(&ad->cookies, ad->now_ms, &in->from.peer,
				    in->from.port, v.cookie);
	if (init_admitted(ad, &in->from, &v, proven))
		in->begin = begin_new(ad, in, &v, proven);
}

/* ---- reading: public-key work begins here ---- */

void begin_read(struct begin *b)
{
	struct realm *r = b->ad->realm;

	if (b->v.kind == SOTTO_HS_RESUME)
		return;
	b->rc = sotto_hs_server_read_by(&b->hs, &b->v,
					b->v.former ? r->former_pub : r->pub,
					b->v.former ? keeper_dh_former : keeper_dh,
					r, &b->init);
}

/* ---- whose it is ---- */

static void init_unknown(struct authd *ad, const struct path *from,
			 const struct sotto_init_view *v, const char *what)
{
	char addr[SOTTO_ADDR_STR];

	ad->stats.init_refused++;
	sotto_log_limited(&limit_refused, SOTTO_LOG_NOTICE,
			  "handshake from %s refused: %s is not known",
			  sotto_addr_str(&from->peer, addr), what);
	begin_hint(ad, from, SOTTO_HINT_REFUSED, v->index, v->echo);
}

/* Said to who has its key, or replays it; and that one sees already that it is not taken. */
static void init_revoked(struct authd *ad, const struct begin *b,
			 const struct member *m)
{
	char addr[SOTTO_ADDR_STR];

	ad->stats.init_refused++;
	sotto_log_limited(&limit_refused, SOTTO_LOG_NOTICE,
			  "handshake from %s refused: member %s was revoked",
			  sotto_addr_str(&b->from->peer, addr), m->name);
	begin_hint(ad, b->from, SOTTO_HINT_REVOKED, b->v.index, b->v.echo);
}

/* Replayed ones may be half open, or this may be one: then it shows where it is. */
static bool must_prove(struct begin *b, const struct member *m)
{
	if (b->proven || !assoc_half_open_full(m))
		return false;
	send_cookie(b->ad, b->from, &b->v);
	return true;
}

static void take_member(struct begin *b, const struct member *m)
{
	if (must_prove(b, m))
		return;
	b->member = m->id;
	memcpy(b->token, m->token, sizeof(b->token));
	b->ready = true;
}

static void take_init(struct authd *ad, struct begin *b)
{
	const struct member *m = member_by_key(ad, b->hs.rs);

	if (m && m->state == MEMBER_ACTIVE)
		take_member(b, m);
	else if (m)
		init_revoked(ad, b, m);
	else
		init_unknown(ad, b->from, &b->v, "the static key");
}

/* Also by what became of its registrations, see register.c. */
static bool failed_too_often(struct authd *ad, const struct begin *b)
{
	return limiter_empty(&ad->failures, ad->now_ms, &b->from->peer, true) ||
	       (!b->proven && limiter_empty(&ad->failures, ad->now_ms,
					    &b->from->peer, false));
}

static void take_enrol(struct authd *ad, struct begin *b)
{
	if (failed_too_often(ad, b)) {
		too_busy(ad, b->from, &b->v, b->proven);
	} else if (ad->enrolling_n >= AUTHD_ENROLLING_MAX) {
		too_busy(ad, b->from, &b->v, true);
	} else if (register_psk(ad, b->init.assoc_init.code_id, b->secret)) {
		memcpy(b->static_pub, b->hs.rs, sizeof(b->static_pub));
		b->ready = true;
	} else {
		limiter_take(&ad->failures, ad->now_ms, &b->from->peer,
			     b->proven);
		init_unknown(ad, b->from, &b->v, "the one-time code");
	}
}

/* No public keys here. Whoever replays a ticket gets a half-open association. */
static void take_resume(struct authd *ad, struct begin *b)
{
	const struct member *m = NULL;
	struct ticket_content c;

	if (!ticket_open(ad->tickets, b->v.ticket, b->v.ticket_len,
			 authd_wall(), &c))
		m = member_by_id(ad, c.member);
	if (m && m->state == MEMBER_ACTIVE) {
		memcpy(b->secret, c.secret, sizeof(b->secret));
		take_member(b, m);
	} else {
		ad->stats.resume_refused++;
		begin_hint(ad, b->from, SOTTO_HINT_REFUSED, b->v.index,
			   b->v.echo);
	}
	sotto_wipe(&c, sizeof(c));
}

void begin_take(struct authd *ad, struct begin *b)
{
	if (b->rc)
		ad->stats.init_refused++;
	else if (b->v.kind == SOTTO_HS_RESUME)
		take_resume(ad, b);
	else if (b->v.kind == SOTTO_HS_MEMBER)
		take_init(ad, b);
	else
		take_enrol(ad, b);
	b->index = assoc_free_index(ad);
}

/* ---- the answer ---- */

static int write_init(struct begin *b, struct sotto_token *token)
{
	if (b->member)
		sotto_hs_server_member(&b->hs, token);
	else
		sotto_hs_server_enrol(&b->hs, b->secret);
	return sotto_hs_server_write(&b->hs, b->v.index, b->index,
				     b->init.assoc_init.features, b->resp,
				     &b->len, &b->keys);
}

void begin_answer(struct begin *b)
{
	struct keeper_token kt;
	struct sotto_token *token = keeper_token(&kt, b->ad->realm, b->token);
	int rc;

	if (!b->ready)
		return;
	if (b->v.kind == SOTTO_HS_RESUME)
		rc = sotto_hs_server_resume(&b->v, b->secret, token, b->index,
					    b->resp, &b->len, &b->keys);
	else
		rc = write_init(b, token);
	b->ready = !rc;
}

/* ---- half open ---- */

/* Meanwhile it may have been revoked, or have got new keys. */
static bool is_still(const struct begin *b, const struct member *m)
{
	return m && m->state == MEMBER_ACTIVE &&
	       !memcmp(m->token, b->token, sizeof(b->token));
}

static void half_open(struct authd *ad, struct begin *b)
{
	struct member *m = b->member ? member_by_id(ad, b->member) : NULL;
	struct assoc *as;

	if (b->member && !is_still(b, m))
		return;
	/* others of the same batch came first */
	if (m && must_prove(b, m))
		return;
	as = assoc_half_open(ad, m, b->from, &b->v, &b->keys, b->resp, b->len);
	if (!as)
		return;
	as->half->proven = b->proven;
	as->resumed = b->v.kind == SOTTO_HS_RESUME;
	if (m)
		return;
	memcpy(as->half->code_id, b->init.assoc_init.code_id,
	       SOTTO_CODE_ID_LEN);
	memcpy(as->half->static_pub, b->static_pub, sizeof(b->static_pub));
}

void begin_finish(struct authd *ad, struct begin *b)
{
	/* the same twice in one batch: the first one's answer is good for both */
	struct half_open *h = b->ready ? assoc_repeat(ad, &b->v) : NULL;

	if (h)
		net_send(ad, b->from, h->resp, h->resp_len);
	else if (b->ready && !assoc_by_index(ad, b->index))
		half_open(ad, b);
	begin_free(b);
}
