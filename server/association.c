// SPDX-License-Identifier: GPL-2.0
/*
 * Associations: handshakes in, sealed datagrams, and the life of each.
 */
#include <stdlib.h>
#include <string.h>

#include "ahead.h"

static struct sotto_ratelimit limit_refused = SOTTO_RATELIMIT(10000, 5);

static void on_send_open(void *arg, const struct sotto_sealing *sealing,
			 const uint8_t *frame, size_t len)
{
	struct assoc *as = arg;

	net_send_open(as->ad, &as->path, sealing, frame, len);
}

static void on_opened(void *arg);

static const struct sotto_chan_ops chan_ops = {
	.send_open = on_send_open,
	.opened = on_opened,
	.request = request_input,
	.note = request_note,
};

/* ---- lists ---- */

static void half_open_add(struct authd *ad, struct half_open *h)
{
	h->next = NULL;
	h->prev = ad->half_open_end;
	*ad->half_open_end = h;
	ad->half_open_end = &h->next;
	ad->half_open_n++;
	htab_add(&ad->half_by_echo, &h->by_echo,
		 htab_hash(&ad->half_by_echo, h->echo, sizeof(h->echo)));
}

static void half_open_del(struct authd *ad, struct half_open *h)
{
	*h->prev = h->next;
	if (h->next)
		h->next->prev = h->prev;
	else
		ad->half_open_end = h->prev;
	ad->half_open_n--;
	htab_del(&ad->half_by_echo, &h->by_echo);
}

static void member_link(struct assoc *as)
{
	as->next = as->member->assocs;
	as->member->assocs = as;
}

static void member_unlink(struct assoc *as)
{
	struct assoc **at = &as->member->assocs;

	while (*at != as)
		at = &(*at)->next;
	*at = as->next;
}

/* ---- life ---- */

static void went_offline(struct authd *ad, struct member *m)
{
	m->current = NULL;
	m->online_since = 0;
	m->live_state = LIVE_AWAY;
	monitor_member(ad, "offline", m);
	policy_forget(m);
	ad->online_n--;
	if (m->routes && !ad->stopping)
		session_gateway_gone(ad, m);
}

void assoc_end(struct assoc *as)
{
	if (as->dead)
		return;
	/* freed by its timer, not under the feet of whoever is using it */
	as->dead = true;
	wheel_set(&as->ad->wheel, &as->timer, 0);
}

static void assoc_free(struct assoc *as)
{
	struct authd *ad = as->ad;

	as->dead = true;
	ad->assocs_freed++;
	wheel_del(&ad->wheel, &as->timer);
	htab_del(&ad->assocs, &as->by_index);
	if (as->state == ASSOC_HALF_OPEN)
		half_open_del(ad, as->half);
	if (as->state == ASSOC_ENROLLING)
		ad->enrolling_n--;
	if (as->member && as->member->current == as)
		went_offline(ad, as->member);
	sotto_chan_close(&as->chan);
	if (as->member)
		member_unlink(as);
	free(as->half);
	sotto_wipe(as, sizeof(*as));
	free(as);
}

void assoc_rearm(struct assoc *as)
{
	uint64_t at = sotto_chan_next(&as->chan);

	if (as->dead)
		return;
	if (as->end_ms < at)
		at = as->end_ms;
	if (as->timer.prev && as->timer.at_ms <= at)
		return;		/* fires soon enough, and looks again */
	wheel_set(&as->ad->wheel, &as->timer, at);
}

/* Silence ends a current association; keys never outlive SOTTO_ASSOC_HARD_MS. */
static uint64_t silence_end(const struct assoc *as)
{
	bool gateway = as->member && as->member->routes;
	uint64_t quiet = as->chan.rx_ms + (gateway ? AUTHD_GATEWAY_DEAD_MS :
					   SOTTO_ASSOC_DEAD_MS);
	uint64_t hard = as->chan.made_ms + SOTTO_ASSOC_HARD_MS;

	return quiet < hard ? quiet : hard;
}

static void on_timer(struct wheel_timer *t)
{
	struct assoc *as = container_of(t, struct assoc, timer);

	as->ad->now_ms = sotto_now_ms();
	if (as->state == ASSOC_CURRENT && !as->dead)
		as->end_ms = silence_end(as);
	if (as->dead || as->end_ms <= as->ad->now_ms) {
		assoc_free(as);
		return;
	}
	sotto_chan_tick(&as->chan, as->ad->now_ms);
	assoc_rearm(as);
}

static void set_end(struct assoc *as, uint64_t end_ms)
{
	as->end_ms = end_ms;
	assoc_rearm(as);
}

static struct assoc *assoc_new(struct authd *ad, struct member *m,
			       const struct path *path)
{
	struct assoc *as = calloc(1, sizeof(*as));

	if (!as)
		return NULL;
	as->ad = ad;
	as->member = m;
	as->path = *path;
	as->state = ASSOC_HALF_OPEN;
	as->timer.fn = on_timer;
	return as;
}

struct assoc *assoc_by_hash(struct authd *ad, uint64_t hash, uint32_t index)
{
	struct hnode *n;

	htab_for_hash(&ad->assocs, n, hash) {
		struct assoc *as = container_of(n, struct assoc, by_index);

		if (as->chan.keys.local_index == index)
			return as;
	}
	return NULL;
}

struct assoc *assoc_by_index(struct authd *ad, uint32_t index)
{
	return assoc_by_hash(ad, htab_hash(&ad->assocs, &index, sizeof(index)),
			     index);
}

static uint32_t free_index(struct authd *ad)
{
	uint32_t index;

	do {
		index = randombytes_random();
	} while (assoc_by_index(ad, index));
	return index;
}

/* ---- answers to strangers ---- */

static bool small_permitted(struct authd *ad)
{
	return bucket_take(&ad->hints, ad->now_ms, AUTHD_HINT_RATE * 60,
			   AUTHD_HINT_RATE);
}

static void send_hint(struct authd *ad, const struct path *to,
		      enum sotto_hint hint, uint32_t index, const uint8_t *echo)
{
	uint8_t out[SOTTO_SMALL_MAX];

	if (!small_permitted(ad))
		return;
	ad->stats.hints++;
	net_send(ad, to, out, sotto_hint_dgram(out, hint, index, echo));
}

static void send_cookie(struct authd *ad, const struct path *to,
			const struct sotto_init_view *v)
{
	uint8_t out[SOTTO_SMALL_MAX], cookie[SOTTO_COOKIE_LEN];

	if (!small_permitted(ad))
		return;
	ad->stats.cookies++;
	sotto_cookie_make(&ad->cookies, ad->now_ms, &to->peer, to->port, cookie);
	net_send(ad, to, out,
		 sotto_cookie_dgram(out, v->index, v->echo, cookie));
}

/* ---- handshake ---- */

static struct half_open *find_repeat(struct authd *ad,
				     const struct sotto_init_view *v)
{
	uint64_t hash = htab_hash(&ad->half_by_echo, v->echo, SOTTO_ECHO_LEN);
	struct hnode *n;

	htab_for_hash(&ad->half_by_echo, n, hash) {
		struct half_open *h =
			container_of(n, struct half_open, by_echo);

		if (h->as->chan.keys.remote_index == v->index &&
		    !memcmp(h->echo, v->echo, SOTTO_ECHO_LEN))
			return h;
	}
	return NULL;
}

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

/* Return routability while many come, then the limit of this source. */
static bool init_admitted(struct authd *ad, const struct path *from,
			  const struct sotto_init_view *v)
{
	bool cookie = sotto_cookie_valid(&ad->cookies, ad->now_ms, &from->peer,
					 from->port, v->cookie);

	if (!take_without_cookie(ad, v->kind == SOTTO_HS_RESUME) && !cookie) {
		ad->stats.cookies_missing++;
		send_cookie(ad, from, v);
		return false;
	}
	if (!limiter_take(&ad->sources, ad->now_ms, &from->peer)) {
		ad->stats.init_limited++;
		send_hint(ad, from, SOTTO_HINT_BUSY, v->index, v->echo);
		return false;
	}
	return true;
}

static void cap_half_open(struct authd *ad, struct member *m)
{
	struct assoc *as, *oldest = NULL;
	int n = 0;

	for (as = m ? m->assocs : NULL; as; as = as->next)
		if (as->state == ASSOC_HALF_OPEN && !as->dead) {
			n++;
			oldest = as;	/* the list has the newest first */
		}
	if (n >= AUTHD_HALF_OPEN_MEMBER)
		assoc_free(oldest);
	if (ad->half_open_n >= AUTHD_HALF_OPEN_MAX) {
		ad->stats.half_open_full++;
		assoc_free(ad->half_open->as);
	}
}

static struct half_open *half_open_new(struct assoc *as,
				       const struct sotto_init_view *v,
				       const uint8_t *resp, size_t len)
{
	struct half_open *h = calloc(1, sizeof(*h) + len);

	if (!h)
		return NULL;
	h->as = as;
	memcpy(h->echo, v->echo, sizeof(h->echo));
	h->resp_len = len;
	memcpy(h->resp, resp, len);
	return h;
}

static bool finish_half_open(struct assoc *as, const struct sotto_init_view *v,
			     const struct sotto_chan_keys *keys,
			     const uint8_t *resp, size_t len)
{
	struct authd *ad = as->ad;

	as->half = half_open_new(as, v, resp, len);
	if (!as->half) {
		free(as);
		return false;
	}
	as->former = v->former;
	cap_half_open(ad, as->member);
	sotto_chan_init(&as->chan, keys, &chan_ops, as, ad->now_ms);
	htab_add(&ad->assocs, &as->by_index,
		 htab_hash(&ad->assocs, &keys->local_index,
			   sizeof(keys->local_index)));
	if (as->member)
		member_link(as);
	half_open_add(ad, as->half);
	set_end(as, ad->now_ms + SOTTO_HALF_OPEN_MS);
	net_send(ad, &as->path, resp, len);
	return true;
}

static bool answer_init(struct assoc *as, struct noise_hs *hs,
			const struct sotto_init_view *v, uint32_t features)
{
	struct sotto_chan_keys keys;
	uint8_t resp[SOTTO_DGRAM_MAX];
	size_t len;
	bool ok = !sotto_hs_server_write(hs, v->index, free_index(as->ad),
					 features, resp, &len, &keys);

	if (!ok)
		free(as);
	else
		ok = finish_half_open(as, v, &keys, resp, len);
	sotto_wipe(&keys, sizeof(keys));
	return ok;
}

static void init_unknown(struct authd *ad, const struct path *from,
			 const struct sotto_init_view *v, const char *what)
{
	char addr[SOTTO_ADDR_STR];

	ad->stats.init_refused++;
	sotto_log_limited(&limit_refused, SOTTO_LOG_NOTICE,
			  "handshake from %s refused: %s is not known",
			  sotto_addr_str(&from->peer, addr), what);
	send_hint(ad, from, SOTTO_HINT_REFUSED, v->index, v->echo);
}

static void init_member(struct authd *ad, const struct path *from,
			const struct sotto_init_view *v, struct noise_hs *hs,
			uint32_t features)
{
	struct member *m = member_by_key(ad, hs->rs);
	struct keeper_token token;
	struct assoc *as;

	if (!m || m->state != MEMBER_ACTIVE) {
		init_unknown(ad, from, v, "the static key");
		return;
	}
	as = assoc_new(ad, m, from);
	if (!as)
		return;
	sotto_hs_server_member(hs, keeper_token(&token, ad->realm, m->token));
	answer_init(as, hs, v, features);
}

static void init_enrol(struct authd *ad, const struct path *from,
		       const struct sotto_init_view *v, struct noise_hs *hs,
		       const struct sotto_msg_assoc_init *init)
{
	uint8_t psk[SOTTO_SECRET_LEN], static_pub[SOTTO_PUB_LEN];
	struct assoc *as;

	if (limiter_empty(&ad->failures, ad->now_ms, &from->peer) ||
	    ad->enrolling_n >= AUTHD_ENROLLING_MAX) {
		ad->stats.init_limited++;
		send_hint(ad, from, SOTTO_HINT_BUSY, v->index, v->echo);
		return;
	}
	if (!register_psk(ad, init->code_id, psk)) {
		limiter_take(&ad->failures, ad->now_ms, &from->peer);
		init_unknown(ad, from, v, "the one-time code");
		return;
	}
	as = assoc_new(ad, NULL, from);
	sotto_hs_server_enrol(hs, psk);
	memcpy(static_pub, hs->rs, sizeof(static_pub));
	if (as && answer_init(as, hs, v, init->features)) {
		memcpy(as->half->code_id, init->code_id, SOTTO_CODE_ID_LEN);
		memcpy(as->half->static_pub, static_pub, sizeof(static_pub));
	}
	sotto_wipe(psk, sizeof(psk));
}

/* ---- resumption ---- */

static struct member *ticket_member(struct authd *ad,
				    const struct sotto_init_view *v,
				    struct ticket_content *c)
{
	struct member *m;

	if (ticket_open(ad->tickets, v->ticket, v->ticket_len, authd_wall(), c))
		return NULL;
	m = member_by_id(ad, c->member);
	return m && m->state == MEMBER_ACTIVE ? m : NULL;
}

static void answer_resume(struct assoc *as, const struct sotto_init_view *v,
			  const uint8_t *secret)
{
	struct keeper_token token;
	struct sotto_chan_keys keys;
	uint8_t resp[SOTTO_DGRAM_MAX];
	size_t len;

	if (sotto_hs_server_resume(v, secret,
				   keeper_token(&token, as->ad->realm,
						as->member->token),
				   free_index(as->ad), resp, &len, &keys))
		free(as);
	else if (finish_half_open(as, v, &keys, resp, len))
		as->resumed = true;
	sotto_wipe(&keys, sizeof(keys));
}

/* No public keys here. Whoever replays a ticket gets a half-open association. */
static void open_resume(struct authd *ad, const struct path *from,
			const struct sotto_init_view *v)
{
	struct ticket_content c;
	struct member *m = ticket_member(ad, v, &c);
	struct assoc *as;

	if (!m) {
		ad->stats.resume_refused++;
		send_hint(ad, from, SOTTO_HINT_REFUSED, v->index, v->echo);
		return;
	}
	as = assoc_new(ad, m, from);
	if (as)
		answer_resume(as, v, c.secret);
	sotto_wipe(&c, sizeof(c));
}

bool assoc_ticket(struct assoc *as, struct sotto_msg_hello_ack *ack)
{
	struct ticket_content c = {
		.member = as->member->id,
		.made = authd_wall(),
	};
	struct authd *ad = as->ad;
	struct sotto_errmsg err;

	if (!(as->chan.keys.features & SOTTO_FEATURE_RESUME) ||
	    tickets_turn(ad->tickets, ad->store, c.made, &err))
		return false;
	ticket_make(ad->tickets, &c, &ack->ticket);
	memcpy(ack->ticket_secret, c.secret, sizeof(c.secret));
	sotto_wipe(&c, sizeof(c));
	return true;
}

/* Public-key work begins here. */
static void open_init(struct authd *ad, const struct path *from,
		      const struct sotto_init_view *v)
{
	struct sotto_msg init;
	struct noise_hs hs;

	if (sotto_hs_server_read_by(&hs, v, v->former ? ad->realm->former_pub :
				    ad->realm->pub,
				    v->former ? keeper_dh_former : keeper_dh,
				    ad->realm, &init)) {
		ad->stats.init_refused++;
		return;
	}
	if (v->kind == SOTTO_HS_MEMBER)
		init_member(ad, from, v, &hs, init.assoc_init.features);
	else
		init_enrol(ad, from, v, &hs, &init.assoc_init);
	noise_wipe(&hs);
	sotto_wipe(&init, sizeof(init));
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
		send_hint(ad, from, SOTTO_HINT_VERSION, v->index, v->echo);
	} else if (rc) {
		ad->stats.malformed++;
	} else if (!for_us(ad, v)) {
		ad->stats.init_bad_mac++;
		send_hint(ad, from, SOTTO_HINT_KEY, v->index, v->echo);
	} else {
		return true;
	}
	return false;
}

static void input_init(struct authd *ad, const struct path *from,
		       const uint8_t *dgram, size_t len)
{
	struct sotto_init_view v;
	struct half_open *h;

	if (!init_sound(ad, from, &v, dgram, len))
		return;
	h = find_repeat(ad, &v);
	if (h)
		net_send(ad, from, h->resp, h->resp_len);
	else if (!init_admitted(ad, from, &v))
		return;
	else if (v.kind == SOTTO_HS_RESUME)
		open_resume(ad, from, &v);
	else
		open_init(ad, from, &v);
}

/* ---- sealed datagrams ---- */

static void become_current(struct assoc *as)
{
	struct authd *ad = as->ad;
	struct member *m = as->member;
	struct assoc *old = m->current;

	as->state = ASSOC_CURRENT;
	m->current = as;
	m->rolled |= !as->former;
	ad->stats.assocs++;
	ad->stats.resumed += as->resumed;
	if (!old) {
		ad->online_n++;
		m->online_since = authd_wall();
		monitor_member(ad, "online", m);
	} else {
		old->state = ASSOC_OLD;
		sotto_chan_adopt(&as->chan, &old->chan, ad->now_ms);
		set_end(old, ad->now_ms + SOTTO_HALF_OPEN_MS);
	}
	as->end_ms = silence_end(as);
	sotto_info("member %s: %s", m->name,
		   old ? "association renewed" : "associated");
}

/* The agent's first valid datagram: only now does anything change. */
static void confirm(struct assoc *as)
{
	half_open_del(as->ad, as->half);
	if (as->member) {
		free(as->half);
		as->half = NULL;
		become_current(as);
		return;
	}
	as->state = ASSOC_ENROLLING;
	as->ad->enrolling_n++;
	as->end_ms = as->ad->now_ms + AUTHD_ENROL_MS;
}

bool assoc_natted(const struct assoc *as)
{
	return as->local.len && !sotto_addr_eq(&as->local, &as->path.peer);
}

static void on_opened(void *arg)
{
	struct assoc *as = arg;

	as->path = *as->ad->from;	/* authenticated: follow a peer that moved */
	if (as->state == ASSOC_HALF_OPEN)
		confirm(as);
}

/* Its association ended while it was being opened: its sender repeats it. */
static void drop_opened(struct incoming *in)
{
	sotto_wipe(&in->opening, sizeof(in->opening));
	sotto_wipe(in->dgram, in->len);
	in->gone = true;
}

/* What does not open concerns no association any more. */
static void take_opened(struct authd *ad, struct incoming *in)
{
	struct assoc *as = in->as;

	if (as && !as->dead) {
		ad->from = &in->from;
		if (!sotto_chan_opened(&as->chan, ad->now_ms, &in->opening,
				       in->len, &in->frame_len)) {
			assoc_rearm(as);
			return;
		}
	} else if (as) {
		drop_opened(in);
	} else if (in->len >= SOTTO_DATA_MIN) {
		send_hint(ad, &in->from, SOTTO_HINT_INDEX, in->index,
			  in->dgram + SOTTO_DATA_HEADER);
	} else {
		ad->stats.malformed++;
	}
	in->as = NULL;
}

static void handle(struct authd *ad, struct incoming *in)
{
	uint8_t type = in->len ? in->dgram[0] : 0;

	if (in->as && !in->as->dead) {
		sotto_chan_handle(&in->as->chan, ad->now_ms, in->frame,
				  in->frame_len);
		assoc_rearm(in->as);
	} else if (type == SOTTO_DGRAM_INIT || type == SOTTO_DGRAM_RESUME) {
		input_init(ad, &in->from, in->dgram, in->len);
	} else if (in->as) {
		sotto_wipe(in->frame, in->frame_len);
	} else if (!in->data) {
		ad->stats.malformed++;
	}
}

uint64_t assoc_find(struct authd *ad, struct incoming *in, unsigned int n)
{
	unsigned int i;

	ahead_associations(ad, in, n);
	for (i = 0; i < n; i++) {
		if (in[i].as && in[i].as->dead)
			in[i].as = NULL;
		if (in[i].as)
			sotto_chan_look(&in[i].as->chan, &in[i].opening,
					in[i].dgram, in[i].len);
	}
	return ad->assocs_freed;
}

/* In place. */
void assoc_open(struct incoming *in, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		in[i].frame = in[i].dgram + SOTTO_DATA_HEADER;
		if (in[i].as)
			sotto_opening_run(&in[i].opening, in[i].dgram,
					  in[i].len, in[i].frame);
	}
}

/* Associations were freed meanwhile: is this one still the same? */
static void find_again(struct authd *ad, struct incoming *in)
{
	struct assoc *as = in->as;

	if (!as)
		return;
	in->as = assoc_by_index(ad, in->index);
	if (in->as == as && sotto_chan_keyed(&as->chan, &in->opening))
		return;
	in->as = NULL;
	drop_opened(in);
}

/*
 * All that was opened is taken before the first one is handled. It stays where it
 * is meanwhile: an association that ends is freed by its timer, and one that only
 * a handshake made, and that another may push out, has opened nothing.
 */
void assoc_input(struct authd *ad, struct incoming *in, unsigned int n,
		 uint64_t freed)
{
	unsigned int i;

	for (i = 0; i < n && freed != ad->assocs_freed; i++)
		find_again(ad, &in[i]);
	for (i = 0; i < n; i++)
		if (in[i].data && !in[i].gone)
			take_opened(ad, &in[i]);
	ahead_contents(ad, in, n);
	for (i = 0; i < n; i++)
		handle(ad, &in[i]);
}

/* ---- pushes ---- */

struct push {
	struct authd *ad;
	struct member *member;
};

static void on_pushed(void *arg, int err, const struct sotto_msg *m)
{
	struct push *p = arg;

	(void)m;
	/* not acknowledged: the next association starts from what it holds */
	if (err && err != SOTTO_E_CLOSED) {
		p->ad->stats.pushes_failed++;
		if (p->member->current)
			assoc_end(p->member->current);
	}
	free(p);
}

void assoc_push(struct authd *ad, struct member *m, const struct sotto_msg *msg)
{
	struct push *p;

	if (!m->current)
		return;
	p = malloc(sizeof(*p));
	if (p) {
		p->ad = ad;
		p->member = m;
	}
	if (!p || sotto_chan_request(&m->current->chan, ad->now_ms, msg,
				     AUTHD_PUSH_MS, on_pushed, p, NULL)) {
		free(p);
		ad->stats.pushes_failed++;
		assoc_end(m->current);
		return;
	}
	assoc_rearm(m->current);
}

static void on_told(void *arg, int err, const struct sotto_msg *m)
{
	(void)arg;
	(void)err;
	(void)m;
}

void assoc_member_rekeyed(struct authd *ad, struct member *m)
{
	struct assoc *as;

	(void)ad;
	for (as = m->assocs; as; as = as->next)
		assoc_end(as);
}

void assoc_member_revoked(struct authd *ad, struct member *m)
{
	struct sotto_msg msg = { .type = SOTTO_MSG_REVOKED };
	struct assoc *as, *current = m->current;

	for (as = m->assocs; as; as = as->next)
		if (as != current)
			assoc_end(as);
	if (!current)
		return;
	went_offline(ad, m);
	current->state = ASSOC_ENDING;
	sotto_chan_request(&current->chan, ad->now_ms, &msg, AUTHD_REVOKED_MS,
			   on_told, NULL, NULL);
	set_end(current, ad->now_ms + AUTHD_REVOKED_MS);
}

/* ---- beginning and end of the server ---- */

int assoc_setup(struct authd *ad)
{
	sotto_hs_mac_key(ad->realm->pub, ad->mac_key);
	sotto_hs_mac_key(ad->realm->former_pub, ad->former_mac_key);
	sotto_cookies_init(&ad->cookies, sotto_now_ms());
	ad->half_open_end = &ad->half_open;
	ad->tickets = sotto_secret_alloc(sizeof(*ad->tickets));
	if (!ad->tickets || htab_init(&ad->assocs) ||
	    htab_init(&ad->half_by_echo) ||
	    limiter_init(&ad->sources, AUTHD_SOURCES,
			 ad->conf.source_rate * 60,
			 ad->conf.source_rate * AUTHD_SOURCE_BURST) ||
	    limiter_init(&ad->failures, AUTHD_SOURCES, AUTHD_FAIL_RATE_MIN,
			 AUTHD_FAIL_BURST))
		return SOTTO_E_NOMEM;
	return 0;
}

/* So that agents need not find out by silence. */
static void say_bye(struct authd *ad)
{
	struct sotto_msg m = { .type = SOTTO_MSG_BYE };
	struct member *mb;

	ad->stopping = true;
	m.bye.reason = SOTTO_REFUSAL_RESTARTED;
	for (mb = ad->members; mb; mb = mb->next)
		if (mb->current)
			sotto_chan_note(&mb->current->chan, ad->now_ms, &m);
}

void assoc_teardown(struct authd *ad)
{
	size_t i;

	say_bye(ad);
	htab_settle(&ad->assocs);
	for (i = 0; ad->assocs.bucket && i <= ad->assocs.mask; i++)
		while (ad->assocs.bucket[i])
			assoc_free(container_of(ad->assocs.bucket[i],
						struct assoc, by_index));
	htab_free(&ad->assocs);
	htab_free(&ad->half_by_echo);
	sotto_secret_free(ad->tickets);
	limiter_free(&ad->sources);
	limiter_free(&ad->failures);
	sotto_wipe(&ad->cookies, sizeof(ad->cookies));
}
