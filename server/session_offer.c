// SPDX-License-Identifier: GPL-2.0
/*
 * The offer to B, made with the grant that A will get, and B's answer.
 */
#include <inttypes.h>
#include <string.h>

#include "buf.h"
#include "rules.h"
#include "session.h"

/* ---- B's answer ---- */

static void accepted(struct session *s, const struct sotto_msg_session_accept *a)
{
	struct mediation *md = s->mediation;
	struct authd *ad = s->ad;
	struct sotto_wbuf w;

	memcpy(md->grant + md->eph, a->eph_pub, SOTTO_PUB_LEN);
	sotto_wbuf_init(&w, md->grant + md->spi, 4);
	sotto_put_u32(&w, a->spi);
	s->spi_b = a->spi;
	session_not_pending(s);
	s->state = SESSION_LIVE;
	s->made_ms = ad->now_ms;
	/* as good as listed: made since those lists were */
	s->listed_a = s->a->listing;
	s->listed_b = s->b->listing;
	wheel_set(&ad->wheel, &s->timer, ad->now_ms + SOTTO_GRANT_KEEP_MS);
	ad->stats.grants++;
	monitor_session(ad, "granted", s, 0);
	sotto_info("session %016" PRIx64 " %s -> %s: granted", s->id,
		   s->a->name, s->b->name);
	grantlog_add(s);
	session_send_grant(s);
}

static enum sotto_refusal passed_on(unsigned int reason)
{
	if (reason == SOTTO_REFUSAL_LIMIT || reason == SOTTO_REFUSAL_PIN ||
	    reason == SOTTO_REFUSAL_CIPHER)
		return reason;
	return SOTTO_REFUSAL_PEER_REFUSED;
}

/* No answer came; otherwise there was one, if not one that can be read. */
static bool is_silent(int err)
{
	return err == SOTTO_E_TIMEOUT || err == SOTTO_E_CLOSED ||
	       err == SOTTO_E_LIMIT;
}

static bool valid_accept(int err, const struct sotto_msg *m, uint64_t id)
{
	return !err && m->type == SOTTO_MSG_SESSION_ACCEPT &&
	       m->accept.session_id == id;
}

/*
 * B's agent went in the middle of its offer. It may hold keys for this one, and would refuse
 * it if it came again: so the next one is another session.
 */
static void forget_offered(struct session *s)
{
	uint64_t was = s->id;

	session_forget_offer(s->mediation);
	session_renumber(s);
	sotto_info("session %016" PRIx64 " %s -> %s: its peer's agent went; to be offered as %016" PRIx64,
		   was, s->a->name, s->b->name, s->id);
}

/* It is soon back: it said so. */
static void offer_again(struct session *s)
{
	forget_offered(s);
	session_wait(s);
}

/* It died, and is back; what came with its next association was that offer once more. */
static void offer_anew(struct session *s)
{
	uint64_t was = s->id;
	unsigned int reason;

	forget_offered(s);
	session_tell_gone(s->ad, s->b, was, SOTTO_REFUSAL_CLOSED);
	session_cap_pair(s->ad, s->a, s->b);
	reason = session_offer(s);
	if (reason)
		session_fail(s, reason);
}

/* It has said hello since: once for each offer at most. */
static bool died_meanwhile(const struct offer_call *oc, const struct sotto_msg *m)
{
	return m->refusal.reason == SOTTO_REFUSAL_REQUEST && oc->member->current &&
	       oc->member->hello_ms > oc->at_ms;
}

static void on_offered(void *arg, int err, const struct sotto_msg *m)
{
	struct offer_call oc = *(struct offer_call *)arg;
	struct session *s = oc.session;

	pools_put(&oc.ad->pools, arg, sizeof(oc));
	if (!s) {
		/* given up meanwhile: B holds keys that nobody will use */
		if (valid_accept(err, m, oc.id))
			session_tell_gone(oc.ad, oc.member, oc.id,
					  SOTTO_REFUSAL_CLOSED);
		return;
	}
	s->mediation->offer = NULL;
	if (valid_accept(err, m, oc.id))
		accepted(s, &m->accept);
	else if (!err && m->type == SOTTO_MSG_SESSION_REFUSAL && died_meanwhile(&oc, m))
		offer_anew(s);
	else if (!err && m->type == SOTTO_MSG_SESSION_REFUSAL)
		session_fail(s, passed_on(m->refusal.reason));
	else if (err == SOTTO_E_CLOSED && session_may_return(s->ad, s->b))
		offer_again(s);
	else if (is_silent(err))
		session_fail(s, SOTTO_REFUSAL_PEER_OFFLINE);
	else
		session_fail(s, SOTTO_REFUSAL_PEER_REFUSED);
}

struct session *session_offered_by(const struct sotto_chan *ch, uint32_t id)
{
	const struct offer_call *oc = sotto_chan_asked(ch, id, on_offered);

	return oc ? oc->session : NULL;
}

/* ---- the offer ---- */

uint64_t session_networks_mark(const struct sotto_msg_session_grant *g)
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
	g->request_id = s->mediation->request.request_id;
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
	s->networks = session_networks_mark(g);
	fill_nat(s, g);
}

/* The grant is kept as it will be sent: a quarter of the size. */
static bool encode_grant(struct mediation *md, const struct sotto_msg *m)
{
	uint8_t body[SOTTO_BODY_MAX];
	const uint8_t *eph, *spi;
	size_t len, n;

	if (sotto_msg_encode(m, body, sizeof(body), &len))
		return false;
	eph = sotto_msg_find(body, len, SOTTO_ATTR_EPHEMERAL, &n);
	spi = sotto_msg_find(body, len, SOTTO_ATTR_SPI, &n);
	md->grant = len <= sizeof(md->room) ? md->room : pools_get(&md->session->ad->pools, len);
	if (md->grant) {
		md->len = len;
		md->eph = eph - body;
		md->spi = spi - body;
		memcpy(md->grant, body, len);
	}
	sotto_wipe(body, len);
	return md->grant;
}

/* Names, addresses, seed and lifetimes are those of the coming grant. */
static void fill_offer(struct sotto_msg_session_offer *o,
		       const struct session *s,
		       const struct sotto_msg_session_grant *g)
{
	const struct sotto_msg_session_request *req = &s->mediation->request;

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
	struct offer_call *oc = pools_get(&s->ad->pools, sizeof(*oc));
	struct assoc *as = s->b->current;
	int rc = SOTTO_E_NOMEM;

	if (oc) {
		oc->ad = s->ad;
		oc->session = s;
		oc->id = s->id;
		oc->member = s->b;
		oc->at_ms = s->ad->now_ms;
		fill_offer(&m.offer, s, g);
		rc = sotto_chan_request(&as->chan, s->ad->now_ms, &m,
					SOTTO_OFFER_MS, on_offered, oc, NULL);
		sotto_wipe(&m, sizeof(m));
	}
	if (rc) {
		pools_put(&s->ad->pools, oc, sizeof(*oc));
		return false;
	}
	s->mediation->offer = oc;
	assoc_rearm(as);
	s->ad->stats.offers++;
	monitor_session(s->ad, "offered", s, 0);
	return true;
}

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

void session_cap_pair(struct authd *ad, struct member *a, struct member *b)
{
	uint64_t hash = pair_hash(ad, a, b);
	struct session *oldest = NULL;
	struct hnode *n;
	int live = 0;

	htab_for_hash(&ad->pairs, n, hash) {
		struct session *s = container_of(n, struct session, by_pair);

		if (s->state != SESSION_LIVE || !session_is_pair(s, a, b))
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

unsigned int session_offer(struct session *s)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_GRANT };
	bool ok;

	s->cipher = choose_cipher(&s->ad->conf, &s->mediation->request.ciphers,
				  &s->b->ciphers);
	if (!s->cipher)
		return SOTTO_REFUSAL_CIPHER;
	fill_grant(s, &m.grant);
	ok = encode_grant(s->mediation, &m) && send_offer(s, &m.grant);
	sotto_wipe(&m, sizeof(m));
	return ok ? 0 : SOTTO_REFUSAL_LIMIT;
}

void session_wait(struct session *s)
{
	uint64_t end = s->made_ms + SOTTO_OFFER_MS;

	if (end > s->ad->now_ms + AUTHD_RETURN_WAIT_MS)
		end = s->ad->now_ms + AUTHD_RETURN_WAIT_MS;
	s->waits = true;
	wheel_set(&s->ad->wheel, &s->timer, end);
}

static struct session *first_waiting(const struct member *m)
{
	const struct session_link *l = m->sessions;

	while (l && !(l->session->b == m && l->session->waits))
		l = l->next;
	return l ? l->session : NULL;
}

void session_member_here(struct authd *ad, struct member *m)
{
	struct session *s;

	if (!m->returns && ad->now_ms - ad->started_ms >
			   AUTHD_RETURN_MS + AUTHD_RETURN_WAIT_MS)
		return;
	m->returns = false;
	/* an offer can end any other session of this list */
	while ((s = first_waiting(m))) {
		unsigned int reason;

		s->waits = false;
		wheel_del(&ad->wheel, &s->timer);
		session_cap_pair(ad, s->a, m);
		reason = session_offer(s);
		if (reason)
			session_fail(s, reason);
	}
}
