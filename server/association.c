// SPDX-License-Identifier: GPL-2.0
/*
 * Associations: sealed datagrams, and the life of each. How one begins is begin.c.
 */
#include <string.h>

#include "ahead.h"
#include "begin.h"

static void on_send_open(void *arg, const struct sotto_sealing *sealing,
			 const uint8_t *frame, size_t len)
{
	struct assoc *as = arg;

	net_send_open(as->ad, &as->path, sealing, frame, len);
}

static void *on_get(void *arg, size_t size)
{
	return pools_get(&((struct assoc *)arg)->ad->pools, size);
}

static void on_put(void *arg, void *p, size_t size)
{
	pools_put(&((struct assoc *)arg)->ad->pools, p, size);
}

static void on_opened(void *arg);

static const struct sotto_chan_ops chan_ops = {
	.send_open = on_send_open,
	.opened = on_opened,
	.request = request_input,
	.note = request_note,
	.get = on_get,
	.put = on_put,
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
		takeover_look(ad);
}

void assoc_end(struct assoc *as)
{
	if (as->dead)
		return;
	/* freed by its timer, not under the feet of whoever is using it */
	as->dead = true;
	wheel_set(&as->ad->wheel, &as->timer, 0);
}

static void half_open_free(struct authd *ad, struct half_open *h)
{
	if (h)
		pools_put(&ad->pools, h, sizeof(*h) + h->resp_len);
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
	half_open_free(ad, as->half);
	sotto_wipe(as, sizeof(*as));
	pool_put(&ad->assoc_pool, as);
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
	uint64_t due = t->at_ms;

	as->ad->now_ms = sotto_now_ms();
	/* We did not run for a while: what came meanwhile is read first. */
	if (!as->dead && due + AUTHD_LATE_MS < as->ad->now_ms) {
		wheel_set(&as->ad->wheel, t, as->ad->now_ms + AUTHD_LATE_MS / 2);
		return;
	}
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
	struct assoc *as = pool_get(&ad->assoc_pool);

	if (!as)
		return NULL;
	as->ad = ad;
	as->member = m;
	as->path = *path;
	as->state = ASSOC_HALF_OPEN;
	as->timer.fn = on_timer;
	return as;
}

uint64_t assoc_hash(const struct authd *ad, uint32_t index)
{
	return htab_hash_own(&ad->assocs, index, 0);
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
	return assoc_by_hash(ad, assoc_hash(ad, index), index);
}

uint32_t assoc_free_index(struct authd *ad)
{
	uint32_t index;

	do {
		index = randombytes_random();
	} while (assoc_by_index(ad, index));
	return index;
}

/* ---- half open ---- */

struct half_open *assoc_repeat(struct authd *ad,
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

static bool is_half_open(const struct assoc *as)
{
	return as->state == ASSOC_HALF_OPEN && !as->dead;
}

bool assoc_half_open_full(const struct member *m)
{
	const struct assoc *as;
	int n = 0;

	for (as = m->assocs; as; as = as->next)
		n += is_half_open(as);
	return n >= AUTHD_HALF_OPEN_MEMBER;
}

/*
 * How much rather than others @as gives way to one from @from: anybody can replay what a
 * member sent once, but not be where it is. So who did not show to be where it says comes
 * first, then who has most.
 */
static int expendable(const struct assoc *as, const struct sotto_addr *from)
{
	const struct sotto_addr *source = &as->half->source;
	int n = limiter_same(source, from);
	const struct assoc *i;

	for (i = as->member->assocs; i; i = i->next)
		n += is_half_open(i) && limiter_same(source, &i->half->source);
	return as->half->proven ? n : n + AUTHD_HALF_OPEN_MEMBER + 1;
}

static void cap_half_open(struct authd *ad, const struct member *m,
			  const struct sotto_addr *from)
{
	struct assoc *as, *victim = NULL;
	int most = 0;

	if (m && assoc_half_open_full(m))
		for (as = m->assocs; as; as = as->next) {
			int n = is_half_open(as) ? expendable(as, from) : 0;

			if (n && n >= most) {
				most = n;
				victim = as;	/* the list has the newest first */
			}
		}
	if (victim)
		assoc_free(victim);
	if (ad->half_open_n >= AUTHD_HALF_OPEN_MAX) {
		ad->stats.half_open_full++;
		assoc_free(ad->half_open->as);
	}
}

static struct half_open *half_open_new(struct assoc *as,
				       const struct sotto_init_view *v,
				       const uint8_t *resp, size_t len)
{
	struct half_open *h = pools_get(&as->ad->pools, sizeof(*h) + len);

	if (!h)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->as = as;
	h->source = as->path.peer;
	memcpy(h->echo, v->echo, sizeof(h->echo));
	h->resp_len = len;
	memcpy(h->resp, resp, len);
	return h;
}

struct assoc *assoc_half_open(struct authd *ad, struct member *m,
			      const struct path *from,
			      const struct sotto_init_view *v,
			      const struct sotto_chan_keys *keys,
			      const uint8_t *resp, size_t len)
{
	struct assoc *as = assoc_new(ad, m, from);

	if (!as)
		return NULL;
	as->half = half_open_new(as, v, resp, len);
	if (!as->half) {
		pool_put(&ad->assoc_pool, as);
		return NULL;
	}
	as->former = v->former;
	cap_half_open(ad, m, &from->peer);
	sotto_chan_init(&as->chan, keys, &chan_ops, as, ad->now_ms);
	htab_add(&ad->assocs, &as->by_index, assoc_hash(ad, keys->local_index));
	if (m)
		member_link(as);
	half_open_add(ad, as->half);
	set_end(as, ad->now_ms + SOTTO_HALF_OPEN_MS);
	net_send(ad, from, resp, len);
	return as;
}

/* On a full disk there is no new key, and so full handshakes. Trying holds up all the others. */
static bool tickets_ready(struct authd *ad, int64_t now)
{
	struct sotto_errmsg err;

	if (ad->now_ms < ad->tickets_ms)
		return false;
	if (!tickets_turn(ad->tickets, ad->store, now, &err))
		return true;
	sotto_warn("no new key for tickets: %s", err.text);
	ad->tickets_ms = ad->now_ms + AUTHD_TICKET_RETRY_MS;
	return false;
}

bool assoc_ticket(struct assoc *as, struct sotto_msg_hello_ack *ack)
{
	struct ticket_content c = {
		.member = as->member->id,
		.made = authd_wall(),
	};
	struct authd *ad = as->ad;

	if (!(as->chan.keys.features & SOTTO_FEATURE_RESUME) || !tickets_ready(ad, c.made))
		return false;
	ticket_make(ad->tickets, &c, &ack->ticket);
	memcpy(ack->ticket_secret, c.secret, sizeof(c.secret));
	sotto_wipe(&c, sizeof(c));
	return true;
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
		half_open_free(as->ad, as->half);
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

	if (as->ad->from)
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
		/* one that was overtaken tells where it was, not where it is */
		ad->from = in->opening.counter >= as->chan.rx_top ?
			   &in->from : NULL;
		if (!sotto_chan_opened(&as->chan, ad->now_ms, &in->opening,
				       in->len, &in->frame_len))
			return;
	} else if (as) {
		drop_opened(in);
	} else if (in->len >= SOTTO_DATA_MIN && !in->dgram[2] && !in->dgram[3]) {
		begin_hint(ad, &in->from, SOTTO_HINT_INDEX, in->index,
			  in->dgram + SOTTO_DATA_HEADER);
	} else {
		ad->stats.malformed++;
	}
	in->as = NULL;
}

static void handle(struct authd *ad, struct incoming *in)
{
	if (in->as && !in->as->dead) {
		sotto_chan_handle(&in->as->chan, ad->now_ms, in->frame,
				  in->frame_len);
		assoc_rearm(in->as);
	} else if (in->begin) {
		begin_take(ad, in->begin);
	} else if (in->as) {
		sotto_wipe(in->frame, in->frame_len);
	} else if (!in->data && !in->begins) {
		ad->stats.malformed++;
	}
}

uint64_t assoc_find(struct authd *ad, struct incoming *in, unsigned int n)
{
	unsigned int i;

	ahead_associations(ad, in, n);
	for (i = 0; i < n; i++) {
		begin_admit(ad, &in[i]);
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
		if (in[i].begin)
			begin_read(in[i].begin);
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
bool assoc_input(struct authd *ad, struct incoming *in, unsigned int n,
		 uint64_t freed)
{
	bool begin = false;
	unsigned int i;

	for (i = 0; i < n && freed != ad->assocs_freed; i++)
		find_again(ad, &in[i]);
	for (i = 0; i < n; i++)
		if (in[i].data && !in[i].gone)
			take_opened(ad, &in[i]);
	ahead_contents(ad, in, n);
	for (i = 0; i < n; i++) {
		handle(ad, &in[i]);
		begin |= in[i].begin != NULL;
	}
	return begin;
}

void assoc_answer(struct incoming *in, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (in[i].begin)
			begin_answer(in[i].begin);
}

void assoc_begin(struct authd *ad, struct incoming *in, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (in[i].begin)
			begin_finish(ad, in[i].begin);
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
	pools_put(&p->ad->pools, p, sizeof(*p));
}

void assoc_push(struct authd *ad, struct member *m, const struct sotto_msg *msg)
{
	struct push *p;

	if (!m->current)
		return;
	p = pools_get(&ad->pools, sizeof(*p));
	if (p) {
		p->ad = ad;
		p->member = m;
	}
	if (!p || sotto_chan_request(&m->current->chan, ad->now_ms, msg,
				     AUTHD_PUSH_MS, on_pushed, p, NULL)) {
		pools_put(&ad->pools, p, sizeof(*p));
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

	member_returns(ad, m);
	twin_forget(ad, m);
	for (as = m->assocs; as; as = as->next)
		assoc_end(as);
}

/*
 * Should the bye be lost, then the next thing that it asks gets a hint instead of an answer.
 * Freed at once: its next association must not take over what was offered by this one.
 */
void assoc_member_readdressed(struct authd *ad, struct member *m)
{
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE };
	struct assoc *as, *next;

	if (!m->current)
		return;		/* the next one says it anyhow, and so does one that begins */
	session_gone_flush(ad);
	bye.bye.reason = SOTTO_REFUSAL_READDRESSED;
	sotto_chan_note(&m->current->chan, &bye);
	member_returns(ad, m);
	for (as = m->assocs; as; as = next) {
		next = as->next;
		if (as->state != ASSOC_HALF_OPEN)
			assoc_free(as);
	}
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
	pool_init(&ad->assoc_pool, sizeof(struct assoc));
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
			sotto_chan_note(&mb->current->chan, &m);
}

void assoc_teardown(struct authd *ad)
{
	struct hnode *n;
	size_t i = 0;

	say_bye(ad);
	htab_settle(&ad->assocs);
	while ((n = htab_any(&ad->assocs, &i)))
		assoc_free(container_of(n, struct assoc, by_index));
	htab_free(&ad->assocs);
	htab_free(&ad->half_by_echo);
	pool_free(&ad->assoc_pool);
	sotto_secret_free(ad->tickets);
	limiter_free(&ad->sources);
	limiter_free(&ad->failures);
	sotto_wipe(&ad->cookies, sizeof(ad->cookies));
}
