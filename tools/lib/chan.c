// SPDX-License-Identifier: GPL-2.0
/*
 * The sealed channel.
 */
#include "chan.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "secret.h"

#define DATA_HEADER	SOTTO_DATA_HEADER
#define FRAME_HEADER	8	/* kind, 0, type, id */
#define FRAME_MAX	(FRAME_HEADER + SOTTO_BODY_MAX)

_Static_assert(DATA_HEADER + FRAME_MAX + SOTTO_TAG_LEN <= SOTTO_DGRAM_MAX,
	       "a full message fits a datagram");
_Static_assert(SOTTO_ECHO_LEN <= FRAME_HEADER + SOTTO_TAG_LEN,
	       "every datagram has enough ciphertext for the echo");

enum frame_kind {
	FRAME_REQUEST = 1,
	FRAME_ANSWER = 2,
	FRAME_NOTE = 3,
};

struct sotto_chan_call {
	struct sotto_chan_call *next;
	sotto_answer_fn fn;
	void *fn_arg;
	uint64_t deadline_ms, retry_ms;
	uint32_t wait_ms;		/* until the retry after the next */
	uint32_t id;
	uint16_t len;
	uint8_t frame[];		/* encoded, with its header */
};

/* Ids come in sequence, so that few of them meet in one place. */
struct sotto_chan_served {
	uint64_t forget_ms;
	uint8_t *frame;			/* the answer; NULL while worked on */
	uint32_t id;
	uint16_t len;
	bool used;
};

#define SERVED_FIRST	2		/* places; doubled when they are short */
#define SERVED_LOOK_MS	1000		/* what is to be forgotten may wait so long */

_Static_assert(!(SOTTO_ANSWERS_MAX & (SOTTO_ANSWERS_MAX - 1)),
	       "the table's size is a power of two");
_Static_assert(SOTTO_CALLS_MAX <= SOTTO_ANSWERS_MAX,
	       "each unanswered request has a place at the other side");

static void *get(struct sotto_chan *ch, size_t size)
{
	return ch->ops->get ? ch->ops->get(ch->arg, size) : malloc(size);
}

static void put(struct sotto_chan *ch, void *p, size_t size)
{
	if (!ch->ops->put)
		free(p);
	else if (p)
		ch->ops->put(ch->arg, p, size);
}

static void free_call(struct sotto_chan *ch, struct sotto_chan_call *c)
{
	sotto_wipe(c->frame, c->len);
	put(ch, c, sizeof(*c) + c->len);
}

static void forget_served(struct sotto_chan *ch, struct sotto_chan_served *s)
{
	if (s->frame)
		sotto_wipe(s->frame, s->len);
	put(ch, s->frame, s->len);
	memset(s, 0, sizeof(*s));
	ch->served_n--;
}

static void put_table(struct sotto_chan *ch)
{
	put(ch, ch->served, ch->served_cap * sizeof(*ch->served));
}

static void free_served(struct sotto_chan *ch)
{
	unsigned int i;

	for (i = 0; i < ch->served_cap; i++)
		if (ch->served[i].used)
			forget_served(ch, &ch->served[i]);
	put_table(ch);
	ch->served = NULL;
	ch->served_cap = 0;
}

void sotto_chan_init(struct sotto_chan *ch, const struct sotto_chan_keys *keys,
		     const struct sotto_chan_ops *ops, void *arg,
		     uint64_t now_ms)
{
	memset(ch, 0, sizeof(*ch));
	ch->ops = ops;
	ch->arg = arg;
	ch->keys = *keys;
	ch->rx_ms = now_ms;
	ch->made_ms = now_ms;
	ch->next_id = 1;
}

static void end_call(struct sotto_chan *ch, struct sotto_chan_call **at,
		     int err, const struct sotto_msg *m)
{
	struct sotto_chan_call *c = *at;

	*at = c->next;
	ch->calls_n--;
	c->fn(c->fn_arg, err, m);
	free_call(ch, c);
}

void sotto_chan_close(struct sotto_chan *ch)
{
	while (ch->calls)
		end_call(ch, &ch->calls, SOTTO_E_CLOSED, NULL);
	free_served(ch);
	sotto_wipe(ch, sizeof(*ch));
}

/* ---- sending ---- */

size_t sotto_sealing_run(const struct sotto_sealing *s, uint8_t *dgram,
			 size_t frame_len)
{
	struct sotto_wbuf w;

	sotto_wbuf_init(&w, dgram, DATA_HEADER);
	sotto_put_u8(&w, SOTTO_DGRAM_DATA);
	sotto_put_u8(&w, SOTTO_PROTO_VERSION);
	sotto_put_u16(&w, 0);
	sotto_put_u32(&w, s->index);
	sotto_put_u64(&w, s->counter);
	noise_seal(s->key, s->counter, dgram, DATA_HEADER, dgram + DATA_HEADER,
		   frame_len, dgram + DATA_HEADER);
	return DATA_HEADER + frame_len + SOTTO_TAG_LEN;
}

static void seal_now(struct sotto_chan *ch, const struct sotto_sealing *s,
		     const uint8_t *frame, size_t len)
{
	uint8_t dgram[SOTTO_DGRAM_MAX];

	memcpy(dgram + DATA_HEADER, frame, len);
	len = sotto_sealing_run(s, dgram, len);
	ch->ops->send(ch->arg, dgram, len);
}

static void seal_and_send(struct sotto_chan *ch, const uint8_t *frame,
			  size_t len)
{
	struct sotto_sealing s = {
		.counter = ch->tx_counter,
		.index = ch->keys.remote_index,
	};

	if (ch->tx_counter >= SOTTO_COUNTER_MAX)
		return;		/* a nonce is never used twice */
	ch->tx_counter++;
	ch->stats.sent++;
	memcpy(s.key, ch->keys.tx, sizeof(s.key));
	if (ch->ops->send_open)
		ch->ops->send_open(ch->arg, &s, frame, len);
	else
		seal_now(ch, &s, frame, len);
	sotto_wipe(&s, sizeof(s));
}

static void put_frame_header(uint8_t *frame, enum frame_kind kind,
			     uint16_t type, uint32_t id)
{
	struct sotto_wbuf w;

	sotto_wbuf_init(&w, frame, FRAME_HEADER);
	sotto_put_u8(&w, kind);
	sotto_put_u8(&w, 0);
	sotto_put_u16(&w, type);
	sotto_put_u32(&w, id);
}

static int encode_frame(enum frame_kind kind, uint32_t id,
			const struct sotto_msg *m, uint8_t frame[FRAME_MAX],
			size_t *len)
{
	size_t body_len;
	int rc = sotto_msg_encode(m, frame + FRAME_HEADER, SOTTO_BODY_MAX,
				  &body_len);

	if (rc)
		return rc;
	put_frame_header(frame, kind, m->type, id);
	*len = FRAME_HEADER + body_len;
	return 0;
}

static void set_frame_id(uint8_t *frame, uint32_t id)
{
	struct sotto_wbuf w;

	sotto_wbuf_init(&w, frame + 4, 4);
	sotto_put_u32(&w, id);
}

/* Spread by 25 % either way, so that many callers don't fall into step. */
static uint64_t jittered(uint64_t now_ms, uint32_t wait_ms)
{
	return now_ms + wait_ms * 3 / 4 + randombytes_uniform(wait_ms / 2 + 1);
}

static void append_call(struct sotto_chan *ch, struct sotto_chan_call *c)
{
	struct sotto_chan_call **at = &ch->calls;

	while (*at)
		at = &(*at)->next;
	c->next = NULL;
	*at = c;
	ch->calls_n++;
}

static void send_call_first(struct sotto_chan *ch, struct sotto_chan_call *c,
			    uint64_t now_ms)
{
	c->id = ch->next_id++;
	set_frame_id(c->frame, c->id);
	c->wait_ms = SOTTO_RETRY_FIRST_MS;
	c->retry_ms = jittered(now_ms, c->wait_ms);
	append_call(ch, c);
	seal_and_send(ch, c->frame, c->len);
}

/*
 * The other side finds what it works on, and what it answered, by the low bits of ids, and has
 * no room for one whose place is taken by what it still works on.
 */
static bool place_is_taken(const struct sotto_chan *ch, uint32_t id)
{
	const struct sotto_chan_call *c = ch->calls;

	while (c && (c->id ^ id) & (SOTTO_ANSWERS_MAX - 1))
		c = c->next;
	return c;
}

/* False if there is none left. */
static bool find_id(struct sotto_chan *ch)
{
	if (ch->calls_n >= SOTTO_CALLS_MAX)
		return false;
	while (ch->next_id < UINT32_MAX && place_is_taken(ch, ch->next_id))
		ch->next_id++;
	return ch->next_id < UINT32_MAX;
}

int sotto_chan_request(struct sotto_chan *ch, uint64_t now_ms,
		       const struct sotto_msg *m, uint32_t deadline_ms,
		       sotto_answer_fn fn, void *fn_arg, uint32_t *id)
{
	uint8_t frame[FRAME_MAX];
	struct sotto_chan_call *c;
	size_t len;
	int rc;

	if (!find_id(ch))
		return SOTTO_E_LIMIT;
	rc = encode_frame(FRAME_REQUEST, 0, m, frame, &len);
	if (rc)
		return rc;
	c = get(ch, sizeof(*c) + len);
	if (c) {
		memset(c, 0, sizeof(*c));
		memcpy(c->frame, frame, len);
		c->len = len;
		c->fn = fn;
		c->fn_arg = fn_arg;
		c->deadline_ms = now_ms +
				 (deadline_ms ? deadline_ms : SOTTO_CALL_MS);
		if (id)
			*id = ch->next_id;
		send_call_first(ch, c, now_ms);
	}
	sotto_wipe(frame, len);
	return c ? 0 : SOTTO_E_NOMEM;
}

void sotto_chan_cancel(struct sotto_chan *ch, uint32_t id)
{
	struct sotto_chan_call **at, *c;

	for (at = &ch->calls; (c = *at); at = &c->next) {
		if (c->id != id)
			continue;
		*at = c->next;
		ch->calls_n--;
		free_call(ch, c);
		return;
	}
}

static struct sotto_chan_served *find_served(struct sotto_chan *ch, uint32_t id)
{
	struct sotto_chan_served *s;

	if (!ch->served_cap)
		return NULL;
	s = &ch->served[id & (ch->served_cap - 1)];
	return s->used && s->id == id ? s : NULL;
}

void sotto_chan_fetch(const struct sotto_chan *ch, uint32_t id)
{
	if (ch->served_cap)
		__builtin_prefetch(&ch->served[id & (ch->served_cap - 1)]);
}

static void forget_at(struct sotto_chan *ch, struct sotto_chan_served *s,
		      uint64_t at_ms)
{
	s->forget_ms = at_ms;
	if (at_ms < ch->served_ms || ch->served_n == 1)
		ch->served_ms = at_ms;
}

int sotto_chan_answer(struct sotto_chan *ch, uint64_t now_ms, uint32_t id,
		      const struct sotto_msg *m)
{
	struct sotto_chan_served *s = find_served(ch, id);
	uint8_t frame[FRAME_MAX];
	size_t len;
	int rc;

	if (!s)
		return SOTTO_E_UNKNOWN;
	if (s->frame)
		return SOTTO_E_STATE;
	rc = encode_frame(FRAME_ANSWER, id, m, frame, &len);
	if (rc)
		return rc;
	s->frame = get(ch, len);
	if (s->frame) {
		memcpy(s->frame, frame, len);
		s->len = len;
		forget_at(ch, s, now_ms + SOTTO_ANSWER_KEEP_MS);
	}
	seal_and_send(ch, frame, len);
	sotto_wipe(frame, len);
	return 0;
}

int sotto_chan_answer_body(struct sotto_chan *ch, uint32_t id, uint16_t type,
			   const void *body, size_t len)
{
	struct sotto_chan_served *s = find_served(ch, id);
	uint8_t frame[FRAME_MAX];

	if (!s)
		return SOTTO_E_UNKNOWN;
	if (s->frame)
		return SOTTO_E_STATE;
	if (len > SOTTO_BODY_MAX)
		return SOTTO_E_SPACE;
	forget_served(ch, s);
	put_frame_header(frame, FRAME_ANSWER, type, id);
	memcpy(frame + FRAME_HEADER, body, len);
	seal_and_send(ch, frame, FRAME_HEADER + len);
	sotto_wipe(frame, FRAME_HEADER + len);
	return 0;
}

int sotto_chan_ack(struct sotto_chan *ch, uint64_t now_ms, uint32_t id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_ACK };

	return sotto_chan_answer(ch, now_ms, id, &m);
}

int sotto_chan_error(struct sotto_chan *ch, uint64_t now_ms, uint32_t id,
		     enum sotto_refusal reason, const char *text)
{
	struct sotto_msg m = { .type = SOTTO_MSG_ERROR };
	size_t len = strnlen(text, sizeof(m.error.text) - 1);

	m.error.reason = reason;
	memcpy(m.error.text, text, len);
	return sotto_chan_answer(ch, now_ms, id, &m);
}

int sotto_chan_note(struct sotto_chan *ch, const struct sotto_msg *m)
{
	uint8_t frame[FRAME_MAX];
	size_t len;
	int rc = encode_frame(FRAME_NOTE, 0, m, frame, &len);

	if (!rc) {
		seal_and_send(ch, frame, len);
		sotto_wipe(frame, len);
	}
	return rc;
}

/* ---- receiving ---- */

/* RFC 6479: one word of the ring is always being cleared ahead of the window. */
#define WORDS		(SOTTO_REPLAY_WINDOW / 64)
#define WINDOW		(SOTTO_REPLAY_WINDOW - 64)

static bool replay_old(const struct sotto_chan *ch, uint64_t n)
{
	if (n >= SOTTO_COUNTER_MAX)
		return true;
	if (n >= ch->rx_top)
		return false;
	if (ch->rx_top - n > WINDOW)
		return true;
	return ch->rx_seen[n / 64 % WORDS] >> (n % 64) & 1;
}

static void replay_mark(struct sotto_chan *ch, uint64_t n)
{
	uint64_t word = n / 64, top_word = (ch->rx_top - 1) / 64, i;

	if (ch->rx_top == 0)
		top_word = 0;
	if (n >= ch->rx_top) {
		uint64_t clear = word - top_word;

		if (clear > WORDS)
			clear = WORDS;
		for (i = 1; i <= clear; i++)
			ch->rx_seen[(top_word + i) % WORDS] = 0;
		ch->rx_top = n + 1;
	}
	ch->rx_seen[word % WORDS] |= 1ull << (n % 64);
}

static bool grow_served(struct sotto_chan *ch)
{
	uint16_t cap = ch->served_cap ? 2 * ch->served_cap : SERVED_FIRST, i;
	struct sotto_chan_served *t = get(ch, cap * sizeof(*t));

	if (!t)
		return false;
	memset(t, 0, cap * sizeof(*t));
	for (i = 0; i < ch->served_cap; i++)
		if (ch->served[i].used)
			t[ch->served[i].id & (cap - 1)] = ch->served[i];
	put_table(ch);
	ch->served = t;
	ch->served_cap = cap;
	return true;
}

/* At the limit an older answer is forgotten, but never what is worked on. */
static struct sotto_chan_served *make_room(struct sotto_chan *ch,
					   uint64_t now_ms, uint32_t id)
{
	struct sotto_chan_served *s;

	for (;;) {
		s = ch->served_cap ? &ch->served[id & (ch->served_cap - 1)] :
				     NULL;
		if (s && s->used && s->forget_ms <= now_ms)
			forget_served(ch, s);
		if (s && !s->used)
			return s;
		if (ch->served_cap >= SOTTO_ANSWERS_MAX || !grow_served(ch))
			break;
	}
	if (!s || !s->frame)
		return NULL;
	forget_served(ch, s);
	return s;
}

static bool add_served(struct sotto_chan *ch, uint64_t now_ms, uint32_t id)
{
	struct sotto_chan_served *s = make_room(ch, now_ms, id);

	if (!s)
		return false;
	s->used = true;
	s->id = id;
	ch->served_n++;
	forget_at(ch, s, now_ms + SOTTO_WORK_KEEP_MS);
	return true;
}

static void input_request(struct sotto_chan *ch, uint64_t now_ms, uint32_t id,
			  uint16_t type, const uint8_t *body, size_t len)
{
	struct sotto_chan_served *s = find_served(ch, id);
	struct sotto_msg m;
	int rc;

	if (s) {
		ch->stats.repeats++;
		if (s->frame)
			seal_and_send(ch, s->frame, s->len);
		return;
	}
	if (!add_served(ch, now_ms, id))
		return;		/* the other side repeats it */
	rc = sotto_msg_decode(&m, type, body, len);
	if (rc == SOTTO_E_UNKNOWN) {
		ch->stats.unknown_type++;
		sotto_chan_error(ch, now_ms, id, SOTTO_REFUSAL_UNSUPPORTED,
				 sotto_refusal_text(SOTTO_REFUSAL_UNSUPPORTED));
	} else if (rc) {
		ch->stats.malformed++;
		sotto_chan_error(ch, now_ms, id, SOTTO_REFUSAL_REQUEST,
				 "the request is malformed");
	} else {
		ch->ops->request(ch->arg, id, &m);
	}
	sotto_msg_wipe(&m);
}

static void input_answer(struct sotto_chan *ch, uint32_t id, uint16_t type,
			 const uint8_t *body, size_t len)
{
	struct sotto_chan_call **at;
	struct sotto_msg m;
	int rc;

	for (at = &ch->calls; *at && (*at)->id != id; at = &(*at)->next)
		;
	if (!*at) {
		ch->stats.strays++;
		return;
	}
	rc = sotto_msg_decode(&m, type, body, len);
	if (rc == SOTTO_E_UNKNOWN)
		ch->stats.unknown_type++;
	else if (rc)
		ch->stats.malformed++;
	end_call(ch, at, rc, rc ? NULL : &m);
	sotto_msg_wipe(&m);
}

static void input_note(struct sotto_chan *ch, uint16_t type,
		       const uint8_t *body, size_t len)
{
	struct sotto_msg m;
	int rc = sotto_msg_decode(&m, type, body, len);

	if (rc == SOTTO_E_UNKNOWN)
		ch->stats.unknown_type++;
	else if (rc)
		ch->stats.malformed++;
	else if (ch->ops->note)
		ch->ops->note(ch->arg, &m);
	sotto_msg_wipe(&m);
}

bool sotto_frame_look(struct sotto_frame_view *v, const uint8_t *frame,
		      size_t len)
{
	struct sotto_rbuf r;
	uint8_t kind, zero;

	sotto_rbuf_init(&r, frame, len);
	kind = sotto_get_u8(&r);
	zero = sotto_get_u8(&r);
	v->request = kind == FRAME_REQUEST;
	v->answer = kind == FRAME_ANSWER;
	v->type = sotto_get_u16(&r);
	v->id = sotto_get_u32(&r);
	v->body = r.p;
	v->len = r.left;
	return !r.err && !zero &&
	       (v->request || v->answer || kind == FRAME_NOTE);
}

void *sotto_chan_asked(const struct sotto_chan *ch, uint32_t id,
		       sotto_answer_fn fn)
{
	const struct sotto_chan_call *c = ch->calls;

	while (c && c->id != id)
		c = c->next;
	return c && c->fn == fn ? c->fn_arg : NULL;
}

void sotto_chan_handle(struct sotto_chan *ch, uint64_t now_ms, uint8_t *frame,
		       size_t len)
{
	struct sotto_frame_view v;

	if (!sotto_frame_look(&v, frame, len))
		ch->stats.malformed++;
	else if (v.request)
		input_request(ch, now_ms, v.id, v.type, v.body, v.len);
	else if (v.answer)
		input_answer(ch, v.id, v.type, v.body, v.len);
	else
		input_note(ch, v.type, v.body, v.len);
	sotto_wipe(frame, len);
}

/* What the datagram says of itself, and whether it is new. */
static int look(const struct sotto_chan *ch, const uint8_t *dgram, size_t len,
		uint64_t *counter)
{
	struct sotto_rbuf r;

	if (len < DATA_HEADER + SOTTO_TAG_LEN)
		return SOTTO_E_SHORT;
	if (len > SOTTO_DGRAM_MAX || dgram[0] != SOTTO_DGRAM_DATA ||
	    dgram[1] != SOTTO_PROTO_VERSION || dgram[2] || dgram[3])
		return SOTTO_E_BAD;
	sotto_rbuf_init(&r, dgram + 4, len - 4);
	if (sotto_get_u32(&r) != ch->keys.local_index)
		return SOTTO_E_BAD;
	*counter = sotto_get_u64(&r);
	return replay_old(ch, *counter) ? SOTTO_E_REPLAY : 0;
}

void sotto_chan_look(const struct sotto_chan *ch, struct sotto_opening *o,
		     const uint8_t *dgram, size_t len)
{
	o->counter = 0;
	o->rc = look(ch, dgram, len, &o->counter);
	memcpy(o->key, ch->keys.rx, sizeof(o->key));
}

void sotto_opening_run(struct sotto_opening *o, const uint8_t *dgram, size_t len,
		       uint8_t *frame)
{
	if (!o->rc)
		o->rc = noise_open(o->key, o->counter, dgram, DATA_HEADER,
				   dgram + DATA_HEADER, len - DATA_HEADER,
				   frame);
}

bool sotto_chan_keyed(const struct sotto_chan *ch, const struct sotto_opening *o)
{
	return !sodium_memcmp(ch->keys.rx, o->key, sizeof(o->key));
}

int sotto_chan_opened(struct sotto_chan *ch, uint64_t now_ms,
		      struct sotto_opening *o, size_t len, size_t *frame_len)
{
	int rc = o->rc;

	/* the same datagram twice, and both were opened before the first was marked */
	if (!rc && replay_old(ch, o->counter))
		rc = SOTTO_E_REPLAY;
	sotto_wipe(o->key, sizeof(o->key));
	if (rc == SOTTO_E_REPLAY)
		ch->stats.replayed++;
	else if (rc)
		ch->stats.forged++;
	if (rc)
		return rc;
	replay_mark(ch, o->counter);
	ch->confirmed = true;
	ch->rx_ms = now_ms;
	ch->stats.received++;
	if (ch->ops->opened)
		ch->ops->opened(ch->arg);
	*frame_len = len - DATA_HEADER - SOTTO_TAG_LEN;
	return 0;
}

int sotto_chan_open(struct sotto_chan *ch, uint64_t now_ms,
		    const uint8_t *dgram, size_t len, uint8_t *frame,
		    size_t *frame_len)
{
	struct sotto_opening o;

	sotto_chan_look(ch, &o, dgram, len);
	sotto_opening_run(&o, dgram, len, frame);
	return sotto_chan_opened(ch, now_ms, &o, len, frame_len);
}

int sotto_chan_input(struct sotto_chan *ch, uint64_t now_ms,
		     const uint8_t *dgram, size_t len)
{
	uint8_t frame[SOTTO_DGRAM_MAX];
	size_t frame_len;
	int rc = sotto_chan_open(ch, now_ms, dgram, len, frame, &frame_len);

	if (!rc)
		sotto_chan_handle(ch, now_ms, frame, frame_len);
	return rc;
}

/* ---- time ---- */

static void retry_call(struct sotto_chan *ch, struct sotto_chan_call *c,
		       uint64_t now_ms)
{
	c->wait_ms *= 2;
	if (c->wait_ms > SOTTO_RETRY_MAX_MS)
		c->wait_ms = SOTTO_RETRY_MAX_MS;
	c->retry_ms = jittered(now_ms, c->wait_ms);
	ch->stats.resent++;
	seal_and_send(ch, c->frame, c->len);
}

/* Ends one overdue request; its callback may have changed the list. */
static bool end_one_overdue(struct sotto_chan *ch, uint64_t now_ms)
{
	struct sotto_chan_call **at;

	for (at = &ch->calls; *at; at = &(*at)->next) {
		if ((*at)->deadline_ms > now_ms)
			continue;
		end_call(ch, at, SOTTO_E_TIMEOUT, NULL);
		return true;
	}
	return false;
}

static void sweep_served(struct sotto_chan *ch, uint64_t now_ms)
{
	uint64_t next = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < ch->served_cap; i++) {
		struct sotto_chan_served *s = &ch->served[i];

		if (s->used && s->forget_ms <= now_ms)
			forget_served(ch, s);
		else if (s->used && s->forget_ms < next)
			next = s->forget_ms;
	}
	if (!ch->served_n)
		free_served(ch);
	ch->served_ms = next > now_ms + SERVED_LOOK_MS ? next :
			now_ms + SERVED_LOOK_MS;
}

void sotto_chan_tick(struct sotto_chan *ch, uint64_t now_ms)
{
	struct sotto_chan_call *c;

	while (end_one_overdue(ch, now_ms))
		;
	for (c = ch->calls; c; c = c->next)
		if (c->retry_ms <= now_ms)
			retry_call(ch, c, now_ms);
	if (ch->served_n && ch->served_ms <= now_ms)
		sweep_served(ch, now_ms);
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t sotto_chan_next(const struct sotto_chan *ch)
{
	uint64_t next = ch->served_n ? ch->served_ms : UINT64_MAX;
	const struct sotto_chan_call *c;

	for (c = ch->calls; c; c = c->next)
		next = min64(next, min64(c->retry_ms, c->deadline_ms));
	return next;
}

void sotto_chan_adopt(struct sotto_chan *ch, struct sotto_chan *old,
		      uint64_t now_ms)
{
	while (old->calls) {
		struct sotto_chan_call *c = old->calls;

		if (!find_id(ch)) {
			end_call(old, &old->calls, SOTTO_E_LIMIT, NULL);
			continue;
		}
		old->calls = c->next;
		old->calls_n--;
		send_call_first(ch, c, now_ms);
	}
}
