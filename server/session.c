// SPDX-License-Identifier: GPL-2.0
/*
 * Mediation: requests, offers, grants and refusals.
 *
 * Documentation/state-tables.md has the states and events as a table.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "rules.h"

uint64_t pair_hash(struct authd *ad, const struct member *x,
		   const struct member *y)
{
	int64_t key[2] = { x->id, y->id };

	if (key[0] > key[1]) {
		key[0] = y->id;
		key[1] = x->id;
	}
	return htab_hash(&ad->pairs, key, sizeof(key));
}

static bool is_pair(const struct session *s, const struct member *x,
		    const struct member *y)
{
	return (s->a == x && s->b == y) || (s->a == y && s->b == x);
}

struct session *session_by_id(struct authd *ad, uint64_t id)
{
	uint64_t hash = htab_hash(&ad->sessions, &id, sizeof(id));
	struct hnode *n;

	htab_for_hash(&ad->sessions, n, hash) {
		struct session *s = container_of(n, struct session, by_id);

		if (s->id == id)
			return s;
	}
	return NULL;
}

struct member *session_peer(const struct session *s, const struct member *m)
{
	return s->a == m ? s->b : s->a;
}

const char *session_state_name(const struct session *s)
{
	return s->state == SESSION_OFFERED ? "offered" : "live";
}

/* ---- life ---- */

static void link_to(struct session_link *l, struct session *s, struct member *m)
{
	l->session = s;
	l->next = m->sessions;
	l->prev = &m->sessions;
	if (l->next)
		l->next->prev = &l->next;
	m->sessions = l;
	m->sessions_n++;
}

static void unlink_from(struct session_link *l, struct member *m)
{
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	m->sessions_n--;
}

/* What could be granted again, with the seed in it. */
static void forget_grant(struct session *s)
{
	if (s->granted)
		sotto_wipe(s->granted->body, s->granted->len);
	free(s->granted);
	s->granted = NULL;
	if (s->request)
		htab_del(&s->ad->asked, &s->by_request);
	free(s->request);
	s->request = NULL;
}

static void fail(struct session *s, enum sotto_refusal reason);

static void on_timer(struct wheel_timer *t)
{
	struct session *s = container_of(t, struct session, timer);
	int64_t left = s->hard_at - authd_wall();

	if (s->state == SESSION_OFFERED) {
		fail(s, SOTTO_REFUSAL_PEER_OFFLINE);
		return;
	}
	forget_grant(s);
	if (left <= 0) {
		session_free(s);
		return;
	}
	wheel_set(&s->ad->wheel, t, sotto_now_ms() + (left + 1) * 1000);
}

struct session *session_new(struct authd *ad, struct member *a,
			    struct member *b, uint64_t id)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ad = ad;
	s->id = id;
	s->a = a;
	s->b = b;
	s->linked_ms = ad->now_ms;
	s->made = authd_wall();
	s->hard_at = s->made + ad->conf.life.hard_s;
	s->timer.fn = on_timer;
	link_to(&s->link_a, s, a);
	link_to(&s->link_b, s, b);
	htab_add(&ad->sessions, &s->by_id,
		 htab_hash(&ad->sessions, &id, sizeof(id)));
	htab_add(&ad->pairs, &s->by_pair, pair_hash(ad, a, b));
	ad->sessions_n++;
	return s;
}

static void not_pending(struct session *s)
{
	s->a->asked_n--;
	s->b->offered_n--;
	s->ad->pending_n--;
}

void session_free(struct session *s)
{
	struct authd *ad = s->ad;

	if (s->state == SESSION_OFFERED)
		not_pending(s);
	wheel_del(&ad->wheel, &s->timer);
	unlink_from(&s->link_a, s->a);
	unlink_from(&s->link_b, s->b);
	htab_del(&ad->sessions, &s->by_id);
	htab_del(&ad->pairs, &s->by_pair);
	ad->sessions_n--;
	forget_grant(s);
	if (s->offer)
		s->offer->session = NULL;
	sotto_wipe(s, sizeof(*s));
	free(s);
}

/* Drawn one ahead, so that the table's place for it is there when it is needed. */
static uint64_t new_id(struct authd *ad)
{
	uint64_t id;

	do {
		id = ad->next_id;
		randombytes_buf(&ad->next_id, sizeof(ad->next_id));
	} while (!id || session_by_id(ad, id));
	htab_fetch(&ad->sessions, htab_hash(&ad->sessions, &ad->next_id,
					    sizeof(ad->next_id)));
	return id;
}

/* ---- answers to A ---- */

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

	if (as && as->chan.keys.local_index == s->call_index)
		return as;
	return assoc_by_index(s->ad, s->call_index);
}

/* The mediation came to nothing: A is told why. */
static void fail(struct session *s, enum sotto_refusal reason)
{
	struct assoc *as = asker(s);

	monitor_session(s->ad, "refused", s, reason);
	sotto_info("session %016" PRIx64 " %s -> %s: refused: %s", s->id,
		   s->a->name, s->b->name, sotto_refusal_name(reason));
	if (as)
		refuse(as, s->call, reason, s->id);
	session_free(s);
}

static void send_grant(struct session *s)
{
	struct assoc *as = asker(s);

	if (!as)
		return;		/* A asks again on its next association */
	sotto_chan_answer_body(&as->chan, s->ad->now_ms, s->call,
			       SOTTO_MSG_SESSION_GRANT, s->granted->body,
			       s->granted->len);
	assoc_rearm(as);
}

/* ---- B's answer ---- */

static void accepted(struct session *s, const struct sotto_msg_session_accept *a)
{
	struct authd *ad = s->ad;

	struct sotto_wbuf w;

	memcpy(s->granted->body + s->granted->eph, a->eph_pub, SOTTO_PUB_LEN);
	sotto_wbuf_init(&w, s->granted->body + s->granted->spi, 4);
	sotto_put_u32(&w, a->spi);
	s->spi_b = a->spi;
	not_pending(s);
	s->state = SESSION_LIVE;
	s->made_ms = ad->now_ms;
	wheel_set(&ad->wheel, &s->timer, ad->now_ms + SOTTO_GRANT_KEEP_MS);
	ad->stats.grants++;
	monitor_session(ad, "granted", s, 0);
	sotto_info("session %016" PRIx64 " %s -> %s: granted", s->id,
		   s->a->name, s->b->name);
	grantlog_add(s);
	send_grant(s);
}

static enum sotto_refusal passed_on(unsigned int reason)
{
	if (reason == SOTTO_REFUSAL_LIMIT || reason == SOTTO_REFUSAL_PIN ||
	    reason == SOTTO_REFUSAL_CIPHER)
		return reason;
	return SOTTO_REFUSAL_PEER_REFUSED;
}

static bool valid_accept(int err, const struct sotto_msg *m, uint64_t id)
{
	return !err && m->type == SOTTO_MSG_SESSION_ACCEPT &&
	       m->accept.session_id == id;
}

static void on_offered(void *arg, int err, const struct sotto_msg *m)
{
	struct offer_call oc = *(struct offer_call *)arg;
	struct session *s = oc.session;

	free(arg);
	if (!s) {
		/* given up meanwhile: B holds keys that nobody will use */
		if (valid_accept(err, m, oc.id))
			session_tell_gone(oc.ad, oc.member, oc.id,
					  SOTTO_REFUSAL_CLOSED);
		return;
	}
	s->offer = NULL;
	if (valid_accept(err, m, oc.id))
		accepted(s, &m->accept);
	else if (!err && m->type == SOTTO_MSG_SESSION_REFUSAL)
		fail(s, passed_on(m->refusal.reason));
	else if (err)
		fail(s, SOTTO_REFUSAL_PEER_OFFLINE);
	else
		fail(s, SOTTO_REFUSAL_PEER_REFUSED);
}

struct session *session_offered_by(const struct sotto_chan *ch, uint32_t id)
{
	const struct offer_call *oc = sotto_chan_asked(ch, id, on_offered);

	return oc ? oc->session : NULL;
}

/* ---- the offer ---- */

/* So that a change of the rules can be seen: 0 in transport mode. */
static uint64_t networks_mark(const struct sotto_msg_session_grant *g)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	const struct sotto_prefixes both[2] = { g->routes, g->own_routes };
	uint64_t mark;

	if (g->mode == SOTTO_MODE_TRANSPORT)
		return 0;
	crypto_shorthash((uint8_t *)&mark, (const uint8_t *)both, sizeof(both),
			 key);
	return mark;
}

/*
 * A NAT between the two: it changes addresses outside, so the packets go inside whole.
 * Two members behind one NAT reach each other without it.
 */
static void fill_nat(const struct session *s, struct sotto_msg_session_grant *g)
{
	const struct assoc *a = s->a->current, *b = s->b->current;
	bool nat_a = a && assoc_natted(a), nat_b = b && assoc_natted(b);

	if (!nat_a && !nat_b)
		return;
	if (nat_a && nat_b && sotto_addr_eq(&a->path.peer, &b->path.peer))
		return;
	/* who is behind one has to begin, and to know where the other one is now */
	if (nat_a && b)
		g->endpoint = b->path.peer;
	g->mode = SOTTO_MODE_TUNNEL;
	g->nat = (nat_b ? SOTTO_NAT_PEER : 0) | (nat_a ? SOTTO_NAT_SELF : 0);
}

static void fill_grant(struct session *s, struct sotto_msg_session_grant *g)
{
	g->session_id = s->id;
	g->request_id = s->request->request_id;
	strcpy(g->name, s->b->name);
	memcpy(g->static_pub, s->b->static_pub, SOTTO_PUB_LEN);
	g->spi = SOTTO_SPI_MIN;		/* B says which, and its ephemeral key */
	g->data_port = s->b->data_port;
	member_addrs(s->b, &g->addrs);
	member_addrs(s->a, &g->own_addrs);
	g->cipher = s->cipher;
	randombytes_buf(g->seed, sizeof(g->seed));
	g->life = s->ad->conf.life;
	/* a gateway's sessions carry what is behind it */
	rules_networks(s->ad, s->a, s->b, &g->routes);
	rules_networks(s->ad, s->b, s->a, &g->own_routes);
	if (g->routes.n || g->own_routes.n)
		g->mode = SOTTO_MODE_TUNNEL;
	s->networks = networks_mark(g);
	fill_nat(s, g);
}

/* The grant is kept as it will be sent: a quarter of the size. */
static bool encode_grant(struct session *s, const struct sotto_msg *m)
{
	uint8_t body[SOTTO_BODY_MAX];
	const uint8_t *eph, *spi;
	size_t len, n;

	if (sotto_msg_encode(m, body, sizeof(body), &len))
		return false;
	eph = sotto_msg_find(body, len, SOTTO_ATTR_EPHEMERAL, &n);
	spi = sotto_msg_find(body, len, SOTTO_ATTR_SPI, &n);
	s->granted = malloc(sizeof(*s->granted) + len);
	if (s->granted) {
		s->granted->len = len;
		s->granted->eph = eph - body;
		s->granted->spi = spi - body;
		memcpy(s->granted->body, body, len);
	}
	sotto_wipe(body, len);
	return s->granted;
}

/* Names, addresses, seed and lifetimes are those of the coming grant. */
static void fill_offer(struct sotto_msg_session_offer *o,
		       const struct session *s,
		       const struct sotto_msg_session_grant *g)
{
	const struct sotto_msg_session_request *req = s->request;

	o->session_id = s->id;
	strcpy(o->name, s->a->name);
	memcpy(o->static_pub, s->a->static_pub, SOTTO_PUB_LEN);
	memcpy(o->eph_pub, req->eph_pub, SOTTO_PUB_LEN);
	o->spi = req->spi;
	o->data_port = s->a->data_port;
	o->addrs = g->own_addrs;
	o->own_addrs = g->addrs;
	o->dst = req->dst;
	o->offered = req->ciphers;
	o->cipher = s->cipher;
	memcpy(o->seed, g->seed, sizeof(o->seed));
	o->life = g->life;
	o->rekey_of = req->rekey_of;
	o->mode = g->mode;
	o->routes = g->own_routes;
	o->own_routes = g->routes;
	o->nat = (g->nat & SOTTO_NAT_PEER ? SOTTO_NAT_SELF : 0) |
		 (g->nat & SOTTO_NAT_SELF ? SOTTO_NAT_PEER : 0);
	if (o->nat & SOTTO_NAT_SELF && s->a->current)
		o->endpoint = s->a->current->path.peer;
}

static bool send_offer(struct session *s, const struct sotto_msg_session_grant *g)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };
	struct offer_call *oc = malloc(sizeof(*oc));
	struct assoc *as = s->b->current;
	int rc = SOTTO_E_NOMEM;

	if (oc) {
		oc->ad = s->ad;
		oc->session = s;
		oc->id = s->id;
		oc->member = s->b;
		fill_offer(&m.offer, s, g);
		rc = sotto_chan_request(&as->chan, s->ad->now_ms, &m,
					SOTTO_OFFER_MS, on_offered, oc, NULL);
		sotto_wipe(&m, sizeof(m));
	}
	if (rc) {
		free(oc);
		return false;
	}
	s->offer = oc;
	assoc_rearm(as);
	s->ad->stats.offers++;
	monitor_session(s->ad, "offered", s, 0);
	return true;
}

/* ---- A's request ---- */

static uint8_t choose_cipher(const struct authd_conf *conf,
			     const struct sotto_ciphers *offered,
			     const struct sotto_ciphers *other)
{
	int i;

	for (i = 0; i < offered->n; i++)
		if (memchr(conf->permitted.c, offered->c[i], conf->permitted.n) &&
		    memchr(other->c, offered->c[i], other->n))
			return offered->c[i];
	return SOTTO_CIPHER_UNSPEC;
}

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
		struct session *s = container_of(n, struct session, by_request);

		if (s->a == m && s->request->request_id == request_id)
			return s;
	}
	return NULL;
}

static void repeat(struct assoc *as, uint32_t call, struct session *s,
		   const struct sotto_msg_session_request *req)
{
	if (memcmp(s->request, req, sizeof(*req))) {
		refuse(as, call, SOTTO_REFUSAL_REQUEST, 0);
		return;
	}
	s->call = call;
	s->call_index = as->chan.keys.local_index;
	if (s->state == SESSION_LIVE)
		send_grant(s);
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

		if (is_pair(s, a, b) &&
		    (s->state == SESSION_OFFERED || (!rekey && just_made(ad, s, a))))
			return s;
	}
	return NULL;
}

/* A pair that has too many loses its oldest. */
static void cap_pair(struct authd *ad, struct member *a, struct member *b)
{
	uint64_t hash = pair_hash(ad, a, b);
	struct session *oldest = NULL;
	struct hnode *n;
	int live = 0;

	htab_for_hash(&ad->pairs, n, hash) {
		struct session *s = container_of(n, struct session, by_pair);

		if (s->state != SESSION_LIVE || !is_pair(s, a, b))
			continue;
		live++;
		if (!oldest || s->made_ms < oldest->made_ms)
			oldest = s;
	}
	if (live < AUTHD_PAIR_SESSIONS)
		return;
	session_tell_gone(ad, a, oldest->id, SOTTO_REFUSAL_LIMIT);
	session_tell_gone(ad, b, oldest->id, SOTTO_REFUSAL_LIMIT);
	session_free(oldest);
}

static bool is_here(const struct member *b)
{
	return b->current && b->ciphers.n;
}

/* After a restart of the server nobody is here, but not for long. */
static bool may_return(const struct authd *ad, const struct member *b)
{
	return b->live_state == LIVE_UNKNOWN &&
	       ad->now_ms - ad->started_ms < AUTHD_RETURN_MS;
}

/* @b has @dst itself, or leads to it. A session that is live may be replaced by
 * either end.
 */
static bool permitted(struct authd *ad, struct member *a, struct member *b,
		      const struct sotto_msg_session_request *req)
{
	const struct session *old = req->rekey_of ?
				    session_by_id(ad, req->rekey_of) : NULL;
	struct sotto_prefix net = {
		.addr = req->dst,
		.plen = req->dst.len * 8,
	};

	if (!member_has_addr(b, &req->dst))
		return rules_judge_net(ad, a, &net).allow;
	return policy_permits(ad, a, b) ||
	       (old && old->state == SESSION_LIVE && is_pair(old, a, b) &&
		policy_permits(ad, b, a));
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
	/* before its HELLO nothing is known of what it can do */
	if (!is_here(b) && !may_return(ad, b))
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
	struct session *s = session_new(ad, as->member, b, new_id(ad));

	if (!s)
		return NULL;
	s->a->asked_n++;
	s->b->offered_n++;
	ad->pending_n++;
	s->made_ms = ad->now_ms;
	s->spi_a = req->spi;
	s->dst = req->dst;
	s->call = call;
	s->call_index = as->chan.keys.local_index;
	s->request = malloc(sizeof(*s->request));
	if (!s->request) {
		session_free(s);
		return NULL;
	}
	htab_add(&ad->asked, &s->by_request,
		 request_hash(ad, s->a, req->request_id));
	memcpy(s->request, req, sizeof(*req));	/* padding too: it is compared */
	return s;
}

/* B is here: ask it. 0, or why not. */
static unsigned int offer(struct session *s)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_GRANT };
	bool ok;

	s->cipher = choose_cipher(&s->ad->conf, &s->request->ciphers,
				  &s->b->ciphers);
	if (!s->cipher)
		return SOTTO_REFUSAL_CIPHER;
	cap_pair(s->ad, s->a, s->b);
	fill_grant(s, &m.grant);
	ok = encode_grant(s, &m) && send_offer(s, &m.grant);
	sotto_wipe(&m, sizeof(m));
	return ok ? 0 : SOTTO_REFUSAL_LIMIT;
}

/* B is not here: soon, perhaps. */
static void wait_for_b(struct session *s)
{
	s->waits = true;
	wheel_set(&s->ad->wheel, &s->timer,
		  s->ad->now_ms + AUTHD_RETURN_WAIT_MS);
}

void session_member_here(struct authd *ad, struct member *m)
{
	struct session_link *l, *next;

	if (ad->now_ms - ad->started_ms >
	    AUTHD_RETURN_MS + AUTHD_RETURN_WAIT_MS)
		return;
	for (l = m->sessions; l; l = next) {
		struct session *s = l->session;
		unsigned int reason;

		next = l->next;
		if (s->b != m || !s->waits)
			continue;
		s->waits = false;
		wheel_del(&ad->wheel, &s->timer);
		reason = offer(s);
		if (reason)
			fail(s, reason);
	}
}

static unsigned int mediate(struct assoc *as, uint32_t call, struct member *b,
			    const struct sotto_msg_session_request *req)
{
	struct session *s = make_session(as, call, b, req);
	unsigned int reason;

	if (!s)
		return SOTTO_REFUSAL_INTERNAL;
	if (!is_here(b)) {
		wait_for_b(s);
		return 0;
	}
	reason = offer(s);
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
	if (!reason && !is_here(b))
		reason = SOTTO_REFUSAL_PEER_OFFLINE;
	if (reason)
		refuse(as, call, reason, 0);
	else
		sotto_chan_ack(&as->chan, as->ad->now_ms, call);
}

/* ---- endings ---- */

void session_tell_gone(struct authd *ad, struct member *m, uint64_t id,
		       enum sotto_refusal reason)
{
	struct sotto_msg msg = { .type = SOTTO_MSG_SESSION_GONE };

	msg.ids.reason = reason;
	msg.ids.ids.n = 1;
	msg.ids.ids.id[0] = id;
	ad->stats.sessions_gone++;
	assoc_push(ad, m, &msg);
}

static void close_one(struct authd *ad, struct member *m, uint64_t id,
		      enum sotto_refusal reason)
{
	struct session *s = session_by_id(ad, id);

	if (!s || (s->a != m && s->b != m))
		return;
	if (s->state == SESSION_OFFERED) {
		fail(s, s->b == m ? SOTTO_REFUSAL_PEER_REFUSED :
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

/*
 * The report is authenticated, the packet was not: only what the member itself
 * said about this SPI counts. It has an inbound SA before it names its SPI, so
 * for a session that was granted there is no moment when it may lack one.
 */
void session_spi_unknown(struct authd *ad, struct member *m,
			 const struct sotto_msg_spi_unknown *u)
{
	struct member *peer = member_by_addr(ad, &u->src);
	struct session_link *l;

	ad->stats.spi_unknown++;
	if (!bucket_take(&m->requests, ad->now_ms, AUTHD_REQUEST_RATE * 60,
			 AUTHD_REQUEST_BURST))
		return;
	for (l = m->sessions; l; l = l->next) {
		struct session *s = l->session;
		uint32_t spi = s->a == m ? s->spi_a : s->spi_b;

		if (s->state != SESSION_LIVE || spi != u->spi ||
		    session_peer(s, m) != peer)
			continue;
		sotto_info("session %016" PRIx64 ": %s lost its keys", s->id,
			   m->name);
		session_tell_gone(ad, peer, s->id, SOTTO_REFUSAL_RESTARTED);
		session_tell_gone(ad, m, s->id, SOTTO_REFUSAL_RESTARTED);
		session_free(s);
		return;
	}
}

void session_member_revoked(struct authd *ad, struct member *m)
{
	struct sotto_msg msg = { .type = SOTTO_MSG_PEER_GONE };

	msg.peer_gone.reason = SOTTO_REFUSAL_REVOKED;
	strcpy(msg.peer_gone.name, m->name);
	memcpy(msg.peer_gone.static_pub, m->static_pub, SOTTO_PUB_LEN);
	ad->notice++;
	while (m->sessions) {
		struct session *s = m->sessions->session;
		struct member *peer = session_peer(s, m);

		if (peer->notice != ad->notice) {
			peer->notice = ad->notice;
			assoc_push(ad, peer, &msg);
		}
		if (s->state == SESSION_OFFERED)
			fail(s, SOTTO_REFUSAL_REVOKED);
		else
			session_free(s);
	}
}

/* What the rules say of a live session now. */
static bool still_right(struct authd *ad, const struct session *s)
{
	struct sotto_msg_session_grant g = { 0 };

	rules_networks(ad, s->a, s->b, &g.routes);
	rules_networks(ad, s->b, s->a, &g.own_routes);
	if (g.routes.n || g.own_routes.n)
		g.mode = SOTTO_MODE_TUNNEL;
	/* one that was taken over after a restart: its networks are not known */
	if (s->networks != networks_mark(&g) && s->made_ms)
		return false;
	return policy_permits(ad, s->a, s->b);
}

static void end_both(struct session *s, enum sotto_refusal reason)
{
	if (s->state == SESSION_OFFERED) {
		fail(s, reason);
		return;
	}
	monitor_session(s->ad, "ended", s, reason);
	sotto_info("session %016" PRIx64 " %s -> %s: ended: %s", s->id,
		   s->a->name, s->b->name, sotto_refusal_name(reason));
	session_tell_gone(s->ad, s->a, s->id, reason);
	session_tell_gone(s->ad, s->b, s->id, reason);
	session_free(s);
}

void session_recheck(struct authd *ad)
{
	struct session *next;
	struct member *m;
	struct session_link *l;

	for (m = ad->members; m; m = m->next) {
		for (l = m->sessions; l; ) {
			next = l->session;
			l = l->next;
			if (next->a == m && !still_right(ad, next))
				end_both(next, SOTTO_REFUSAL_DENIED);
		}
	}
}

static bool has_other(struct authd *ad, const struct member *m)
{
	struct sotto_prefix net;
	int i;

	for (i = 0; m->routes && i < m->routes->n; i++) {
		const struct member *gw = rules_gateway(ad,
						&m->routes->p[i].addr, &net);

		if (gw && gw != m && gw->current)
			return true;
	}
	return false;
}

void session_gateway_gone(struct authd *ad, struct member *m)
{
	struct session_link *l;

	if (!has_other(ad, m))
		return;
	sotto_notice("gateway %s is gone: %u sessions move to another", m->name,
		     m->sessions_n);
	while ((l = m->sessions))
		end_both(l->session, SOTTO_REFUSAL_PEER_OFFLINE);
}

int session_setup(struct authd *ad)
{
	return htab_init(&ad->sessions) || htab_init(&ad->pairs) ||
	       htab_init(&ad->asked) ? SOTTO_E_NOMEM : 0;
}

void session_teardown(struct authd *ad)
{
	size_t i;

	for (i = 0; ad->sessions.bucket && i <= ad->sessions.mask; i++)
		while (ad->sessions.bucket[i])
			session_free(container_of(ad->sessions.bucket[i],
						  struct session, by_id));
	htab_free(&ad->sessions);
	htab_free(&ad->pairs);
	htab_free(&ad->asked);
}
