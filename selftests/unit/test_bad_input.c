// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input to the real server over loopback: every datagram that begins an association,
 * and every message, with every part of it wrong in turn; from strangers, from hosts that
 * enrol, from members and from a revoked one. Each is refused with a reason that is counted
 * or told, and nobody else notices.
 */
#include "agentsim.h"
#include "handshake_wire.h"
#include "msgfill.h"

static struct authd_run run;
static struct sim a, b, c;

static void stop(void)
{
	while (sims_n)
		sim_free(sims[0]);
	authd_stop(&run);
}

#define NO_LIMITS	"[limits]\ncookie_rate = 1000000\nsource_rate = 1000000\n"

/* Alice, bob and carol are members; alice has a ticket. */
static bool start_three(void)
{
	if (!authd_start(&run, NO_LIMITS) || !sim_member(&a, &run, "alice", "10.0.0.1") ||
	    !sim_member(&b, &run, "bob", "10.0.0.2") ||
	    !sim_member(&c, &run, "carol", "10.0.0.3"))
		return false;
	a.features = SOTTO_FEATURE_RESUME;
	return sim_associate(&a);
}

struct counts {
	int begun, assocs, half_open, malformed, refused, hints, sessions, pending;
};

static int count_of(const json_t *stats, const char *name)
{
	const json_t *v = json_object_get(stats, name);

	EXPECT(v);
	return json_integer_value(v);
}

static int sessions(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "session.list");
	int n = json_array_size(json_object_get(ans, "sessions"));

	json_decref(ans);
	return n;
}

static struct counts counts(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	json_t *s = json_object_get(ans, "stats");
	struct counts n = {
		.begun = count_of(s, "inits") + count_of(s, "malformed"),
		.assocs = count_of(s, "assocs"),
		.half_open = count_of(s, "half_open"),
		.malformed = count_of(s, "malformed"),
		.refused = count_of(s, "init_bad_mac") + count_of(s, "init_refused") +
			   count_of(s, "resume_refused"),
		.hints = count_of(s, "hints"),
		.sessions = sessions(),
		.pending = count_of(s, "pending"),
	};

	json_decref(ans);
	return n;
}

static void revoke_member(const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.revoke", "name", name);

	EXPECT(json_is_true(json_object_get(ans, "ok")));
	json_decref(ans);
}

/* Two who have nothing to do with it have a session. */
static void others_work(void)
{
	EXPECT_EQ(sim_session(&b, "10.0.0.3"), 0);
	EXPECT(b.asks_n && sim_agree(&b.asks[b.asks_n - 1], &c));
	b.asks_n = 0;
	sim_wait(1);
}

/* ---- one part of some bytes, damaged ---- */

enum damage { LEFT_OUT, TWICE, SHORT, ZERO, ONES, DAMAGES };

static const char *const damages[] = { "left out", "twice", "short", "zero", "ones" };

/* @n bytes at @at of @in; the length of @out. */
static size_t damage(enum damage how, const uint8_t *in, size_t len, size_t at, size_t n,
		     uint8_t *out)
{
	size_t size = at, keep = how == LEFT_OUT ? 0 : how == SHORT ? n - 1 : n;

	memcpy(out, in, at + keep);
	size += keep;
	if (how == TWICE) {
		memcpy(out + size, in + at, n);
		size += n;
	} else if (how == ZERO || how == ONES) {
		memset(out + at, how == ONES ? 255 : 0, n);
	}
	memcpy(out + size, in + at + n, len - at - n);
	return size + len - at - n;
}

/* ---- what begins an association ---- */

struct part {
	const char *name;
	size_t at, len;
	bool any;		/* any value of it is right */
};

enum sender { STRANGER, MEMBER, REVOKED };

static void put_mac(const struct sim *s, uint8_t *dgram, size_t len)
{
	uint8_t key[32];

	sotto_hs_mac_key(s->server_key, key);
	crypto_generichash(dgram + len - INIT_TAIL, SOTTO_MAC_LEN, dgram, len - INIT_TAIL,
			   key, 32);
}

/* Begins nothing, or, where it is right, no more than a half-open association. */
static void begins(const struct sim *s, const char *what, const char *how,
		   const uint8_t *dgram, size_t len, bool right)
{
	struct counts before = counts(), now;
	uint64_t end = sotto_now_ms() + 5000;
	bool away;

	(void)!send(s->fd, dgram, len, 0);
	/* a refusal is counted later than what is refused: the keeper is asked */
	do {
		sim_wait(1);	/* hints have a rate */
		now = counts();
		away = now.malformed > before.malformed || now.refused > before.refused ||
		       now.hints > before.hints;
	} while ((now.begun == before.begun || (!right && !away)) && sotto_now_ms() < end);
	if (away == right || now.assocs != before.assocs ||
	    (!right && now.half_open > before.half_open))
		printf("# %s %s: malformed +%d, refused +%d, hints +%d, half open +%d, associations +%d\n",
		       what, how, now.malformed - before.malformed,
		       now.refused - before.refused, now.hints - before.hints,
		       now.half_open - before.half_open, now.assocs - before.assocs);
	EXPECT(away != right);
	EXPECT(right || now.half_open <= before.half_open);
	EXPECT_EQ(now.assocs, before.assocs);
}

static void each_part(const struct sim *s, const uint8_t *dgram, size_t len,
		      const struct part *p, size_t n, enum sender who)
{
	uint8_t bad[2 * SOTTO_DGRAM_MAX];
	size_t i, size;

	for (i = 0; i < n; i++) {
		for (int how = 0; how < DAMAGES; how++) {
			if (how == SHORT && p[i].len == 1)
				continue;	/* left out */
			size = damage(how, dgram, len, p[i].at, p[i].len, bad);
			if (size == len && !memcmp(bad, dgram, len))
				continue;	/* it was so */
			if (strcmp(p[i].name, "mac"))
				put_mac(s, bad, size);
			begins(s, p[i].name, damages[how], bad, size,
			       who == MEMBER && p[i].any && how >= ZERO);
		}
	}
	begins(s, "all", "right", dgram, len, who == MEMBER);
}

static void bad_resume(const struct sim *s, const struct sotto_ticket *t, enum sender who)
{
	const size_t ticket = OUTER_LEN + RESUME_NONCE + 4;
	const struct part parts[] = {
		{ "type", 0, 1, false }, { "version", 1, 1, false },
		{ "kind", 2, 1, false }, { "reserved", 3, 1, false },
		{ "ticket", ticket, t->n, false },
		{ "mac", ticket + t->n, SOTTO_MAC_LEN, false },
		/* from here on it can be half open, and then repeats are answered */
		{ "index", 4, 4, true }, { "nonce", OUTER_LEN, RESUME_NONCE, true },
		{ "features", ticket - 4, 4, true },
	};
	static struct sotto_hs_client hs;

	ASSERT(!sotto_hs_client_resume(&hs, s->server_key, t, s->ticket_secret, s->token, 1));
	each_part(s, hs.dgram, hs.len, parts, sizeof(parts) / sizeof(parts[0]), who);
}

static void bad_init(const struct sim *s, const uint8_t *priv, enum sender who)
{
	static struct sotto_hs_client hs;
	const size_t payload = OUTER_LEN + 32 + 48;

	ASSERT(!sotto_hs_client_member(&hs, s->server_key, priv, s->token, 1));
	{
		const size_t end = hs.len - INIT_TAIL;
		const struct part parts[] = {
			{ "type", 0, 1, false }, { "version", 1, 1, false },
			{ "kind", 2, 1, false }, { "reserved", 3, 1, false },
			{ "index", 4, 4, false }, { "ephemeral", OUTER_LEN, 32, false },
			{ "static", OUTER_LEN + 32, 48, false },
			{ "payload", payload, end - payload, false },
			{ "mac", end, SOTTO_MAC_LEN, false },
		};

		each_part(s, hs.dgram, hs.len, parts, sizeof(parts) / sizeof(parts[0]), who);
	}
}

/* An INIT with any contents; its length. */
static size_t init_with(const struct sim *s, const uint8_t *priv, uint8_t kind,
			const uint8_t *body, size_t len, uint8_t *out)
{
	uint8_t prologue[20 + OUTER_LEN] = "sotto association v1";
	struct noise_hs hs;
	size_t n = 0;

	sotto_put_outer(out, SOTTO_DGRAM_INIT, kind, randombytes_random());
	memcpy(prologue + 20, out, OUTER_LEN);
	EXPECT(!noise_init(&hs, NOISE_IKPSK2, true, prologue, sizeof(prologue), priv,
			   s->server_key));
	EXPECT(!noise_write(&hs, body, len, out + OUTER_LEN,
			    SOTTO_DGRAM_MAX - OUTER_LEN - INIT_TAIL, &n));
	noise_wipe(&hs);
	n += OUTER_LEN + INIT_TAIL;
	memset(out + n - INIT_TAIL, 0, INIT_TAIL);
	put_mac(s, out, n);
	return n;
}

/* Sealed as it must be, but what is in it is wrong. */
static void bad_contents(const struct sim *s, const uint8_t *priv, uint8_t kind, bool known)
{
	struct sotto_msg m = { .type = SOTTO_MSG_ASSOC_INIT };
	uint8_t body[256], bad[512], dgram[SOTTO_DGRAM_MAX];
	size_t len, at, n;

	m.assoc_init.features = 5;
	if (kind == SOTTO_HS_ENROL)
		memset(m.assoc_init.code_id, 3, SOTTO_CODE_ID_LEN);
	EXPECT(!sotto_msg_encode(&m, body, sizeof(body), &len));
	for (at = 0; at < len; at += n) {
		n = 3 + (body[at + 1] << 8 | body[at + 2]);
		for (int how = 0; how < ZERO; how++) {
			size_t size = damage(how, body, len, at, n, bad);

			size = init_with(s, priv, kind, bad, size, dgram);
			begins(s, "attribute", damages[how], dgram, size, false);
		}
	}
	begins(s, "attributes", "none", dgram,
	       init_with(s, priv, kind, body, 0, dgram), false);
	begins(s, "attributes", "right", dgram,
	       init_with(s, priv, kind, body, len, dgram), known);
}

static void beginnings_of_strangers(void)
{
	struct sotto_ticket t = { .n = SOTTO_TICKET_MAX };
	uint8_t priv[32], pub[32];

	ASSERT(start_three());
	randombytes_buf(t.b, t.n);
	noise_keypair(priv, pub);
	bad_resume(&a, &t, STRANGER);
	bad_init(&a, priv, STRANGER);
	bad_contents(&a, priv, SOTTO_HS_MEMBER, false);
	bad_contents(&a, priv, SOTTO_HS_ENROL, false);
	EXPECT(sim_hello(&a, 0));
	others_work();
	stop();
}

static void beginnings_of_a_member(void)
{
	ASSERT(start_three());
	bad_resume(&a, &a.ticket, MEMBER);
	bad_init(&a, a.priv, MEMBER);
	bad_contents(&a, a.priv, SOTTO_HS_MEMBER, true);
	bad_contents(&a, a.priv, SOTTO_HS_ENROL, false);
	/* its association is what it was, and it can make another */
	EXPECT(sim_hello(&a, 0));
	a.resume = true;
	EXPECT(sim_associate(&a));
	others_work();
	stop();
}

static void beginnings_of_the_revoked(void)
{
	ASSERT(start_three());
	revoke_member("alice");
	bad_resume(&a, &a.ticket, REVOKED);
	bad_init(&a, a.priv, REVOKED);
	bad_contents(&a, a.priv, SOTTO_HS_MEMBER, false);
	others_work();
	stop();
}

/* ---- messages, sealed as they must be ---- */

enum frame { REQUEST = 1, ANSWER = 2, NOTE = 3 };

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = v >> (24 - 8 * i);
}

/* DATA with any contents: section 4 of the protocol, once more. */
static void send_raw(struct sim *s, enum frame kind, uint32_t id, uint16_t type,
		     const uint8_t *body, size_t len)
{
	uint8_t frame[SOTTO_BODY_MAX + 8] = { kind, 0, type >> 8, type & 255 };
	uint8_t d[SOTTO_DGRAM_MAX] = { 3, SOTTO_PROTO_VERSION };
	uint64_t counter = s->chan.tx_counter++;

	if (len > SOTTO_BODY_MAX)
		return;
	put32(frame + 4, id);
	if (len)
		memcpy(frame + 8, body, len);
	put32(d + 4, s->chan.keys.remote_index);
	put32(d + 8, counter >> 32);
	put32(d + 12, counter);
	noise_seal(s->chan.keys.tx, counter, d, 16, frame, len + 8, d + 16);
	(void)!send(s->fd, d, 16 + len + 8 + SOTTO_TAG_LEN, 0);
}

static void swallow(void *arg, const uint8_t *p, size_t len)
{
	(void)arg;
	(void)p;
	(void)len;
}

/* A request with this body: the type of its answer, 0 without one. */
static uint16_t raw_call(struct sim *s, uint16_t type, const uint8_t *body, size_t len)
{
	struct sotto_chan_ops silent = sim_ops;
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	uint32_t id = 0;

	/* its id and its place among what is asked; what is sent is ours */
	silent.send = swallow;
	s->chan.ops = &silent;
	s->answered = false;
	sotto_chan_request(&s->chan, sotto_now_ms(), &m, 5000, sim_answered, s, &id);
	s->chan.ops = &sim_ops;
	send_raw(s, REQUEST, id, type, body, len);
	SIM_UNTIL(s->answered, 10000);
	return s->answered && !s->answer_err ? s->answer.type : 0;
}

/* A message of this type that could be good. */
static size_t good_body(struct sim *s, uint16_t type, uint8_t *out)
{
	struct fill f = { .state = 4711 + type };
	struct sotto_msg m;
	size_t len = 0;

	fill_msg(&f, &m, type);
	if (type == SOTTO_MSG_SESSION_REQUEST) {
		sotto_addr_parse(&m.request.dst, "10.0.0.2");
		m.request.ciphers = (struct sotto_ciphers){ 1, { SOTTO_CIPHER_CHACHA20_POLY1305 } };
	} else if (type == SOTTO_MSG_LIVE) {
		m.live.listing = s->listing ? s->listing : 1;
		m.live.live.n = 1;
	}
	EXPECT_EQ(sotto_msg_encode(&m, out, SOTTO_BODY_MAX, &len), 0);
	return len;
}

static const struct sotto_field *field_of(uint16_t type, uint8_t attr)
{
	const struct sotto_msg_desc *d = sotto_msg_desc(type);

	for (int i = 0; i < d->n; i++)
		if (d->fields[i].attr == attr)
			return &d->fields[i];
	return NULL;
}

/* It cannot be read then; otherwise it depends. */
static bool is_malformed(uint16_t type, uint8_t attr, enum damage how)
{
	const struct sotto_field *f = field_of(type, attr);

	if (how == LEFT_OUT)
		return !f->optional;
	if (how == SHORT)	/* a text and a list may be shorter */
		return f->form != SOTTO_FORM_TEXT && f->form != SOTTO_FORM_NAME &&
		       f->form != SOTTO_FORM_TICKET && f->form != SOTTO_FORM_CIPHERS;
	return how == TWICE;
}

typedef void (*try_fn)(struct sim *s, uint16_t type, const uint8_t *body, size_t len,
		       bool malformed);

/* An attribute's value alone; or all of it, if it is to be left out or doubled. */
static size_t damage_attr(enum damage how, const uint8_t *in, size_t len, size_t at,
			  size_t n, uint8_t *out)
{
	size_t size;

	if (how == LEFT_OUT || how == TWICE)
		return damage(how, in, len, at, n, out);
	size = damage(how, in, len, at + 3, n - 3, out);
	if (how == SHORT) {
		out[at + 1] = (n - 4) >> 8;
		out[at + 2] = n - 4;
	}
	return size;
}

static void every_attribute(struct sim *s, uint16_t type, try_fn fn)
{
	uint8_t in[SOTTO_BODY_MAX], out[2 * SOTTO_BODY_MAX];
	size_t len = good_body(s, type, in), at, n;

	for (at = 0; at < len; at += n) {
		n = 3 + (in[at + 1] << 8 | in[at + 2]);
		for (int how = 0; how < DAMAGES; how++) {
			if (n == 3 && how > TWICE)
				continue;	/* an empty list */
			fn(s, type, out, damage_attr(how, in, len, at, n, out),
			   is_malformed(type, in[at], how));
		}
	}
	/* an attribute that must be known, a byte too many, one too few, all in the wrong order */
	memcpy(out, in, len);
	memcpy(out + len, (const uint8_t[]){ 127, 0, 0 }, 3);
	fn(s, type, out, len + 3, true);
	fn(s, type, out, len + 1, true);
	if (len)
		fn(s, type, out, len - 1, true);
	/* one that need not be */
	memcpy(out + len, (const uint8_t[]){ 255, 0, 1, 9 }, 4);
	fn(s, type, out, len + 4, false);
	sim_wait(1);
}

static void every_type(struct sim *s, try_fn fn, void (*before)(struct sim *s))
{
	const struct sotto_msg_desc *d;
	size_t n, i;

	d = sotto_msg_descs(&n);
	for (i = 0; i < n && !ktap_failed; i++) {
		if (before)
			before(s);
		every_attribute(s, d[i].type, fn);
		if (ktap_failed)
			printf("# %s\n", d[i].name);
	}
}

static bool may_ask(const struct sim *s, uint16_t type)
{
	static const uint16_t member[] = {
		SOTTO_MSG_HELLO, SOTTO_MSG_LIVE, SOTTO_MSG_KEEPALIVE,
		SOTTO_MSG_SESSION_REQUEST, SOTTO_MSG_SESSION_CLOSE,
		SOTTO_MSG_SESSION_CHECK, SOTTO_MSG_SPI_UNKNOWN, SOTTO_MSG_POLICY_GET,
	};

	if (!s->token)
		return type == SOTTO_MSG_REGISTER || type == SOTTO_MSG_KEEPALIVE;
	for (size_t i = 0; i < sizeof(member) / sizeof(member[0]); i++)
		if (member[i] == type)
			return true;
	return false;
}

/* Each is answered; what cannot be read, or may not be asked, with an error that says so. */
static void ask(struct sim *s, uint16_t type, const uint8_t *body, size_t len,
		bool malformed)
{
	uint16_t got;

	if (len > SOTTO_BODY_MAX)
		return;
	got = raw_call(s, type, body, len);
	EXPECT(got);
	EXPECT(got != SOTTO_MSG_SESSION_GRANT);
	if (malformed) {
		EXPECT_EQ(got, SOTTO_MSG_ERROR);
		EXPECT_EQ(s->answer.error.reason, SOTTO_REFUSAL_REQUEST);
	} else if (!may_ask(s, type)) {
		EXPECT_EQ(got, SOTTO_MSG_ERROR);
	}
	if (got == SOTTO_MSG_ERROR)
		EXPECT(*s->answer.error.text);
}

static void hello(struct sim *s)
{
	EXPECT(sim_hello(s, 1));
}

static void requests_of_a_member(void)
{
	struct counts end;

	ASSERT(start_three());
	b.decline = true;	/* an ephemeral of zeros is found out there */
	every_type(&a, ask, hello);
	b.decline = false;
	/* all is as it was */
	ASSERT(sim_associate(&a));
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
	EXPECT(a.asks_n && sim_agree(&a.asks[a.asks_n - 1], &c));
	others_work();
	end = counts();
	EXPECT_EQ(end.pending, 0);
	EXPECT_EQ(end.sessions, 2);
	stop();
}

static void requests_while_enrolling(void)
{
	char line[SOTTO_LINE_MAX];
	static struct sim d;

	ASSERT(start_three());
	sim_member_add(&run, "dave", "10.0.0.4", line);
	sim_new(&d, &run, line);
	ASSERT(sim_open(&d, true));
	every_type(&d, ask, NULL);
	/* its code is as good as before, and for this host */
	EXPECT(sim_register(&d) && sim_associate(&d));
	EXPECT_EQ(sim_session(&d, "10.0.0.2"), 0);
	others_work();
	stop();
}

/* As notes, and as answers to what nobody asked: there is no answer. */
static void unasked(struct sim *s, uint16_t type, const uint8_t *body, size_t len,
		    bool malformed)
{
	static uint32_t id = 70000;

	/* one that can be read is a farewell */
	if (type != SOTTO_MSG_BYE || malformed)
		send_raw(s, NOTE, 0, type, body, len);
	send_raw(s, ANSWER, id++, type, body, len);
}

static void unasked_of_a_member(void)
{
	struct counts before, end;

	ASSERT(start_three());
	sim_wait(100);
	before = counts();
	every_type(&a, unasked, NULL);
	sim_wait(50);
	EXPECT(sim_hello(&a, 0));
	end = counts();
	EXPECT_EQ(end.assocs, before.assocs);
	EXPECT_EQ(end.sessions, 0);
	EXPECT_EQ(end.pending, 0);
	others_work();
	stop();
}

/* Of no kind, with ids that were used, and with counters that were, or are far ahead. */
static void frames_of_a_member(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	struct counts before;

	ASSERT(start_three());
	sim_wait(100);
	before = counts();
	for (int kind = 0; kind < 256; kind++)
		if (kind < REQUEST || kind > NOTE)
			send_raw(&a, kind, 1, SOTTO_MSG_BYE, (const uint8_t[]){ 16, 0, 2, 0, 1 }, 5);
	for (unsigned int type = 0; type < 65536; type += 251)
		if (!sotto_msg_desc(type))
			EXPECT_EQ(raw_call(&a, type, NULL, 0), SOTTO_MSG_ERROR);
	send_raw(&a, REQUEST, 1, SOTTO_MSG_REVOKED, NULL, 0);
	send_raw(&a, REQUEST, UINT32_MAX, SOTTO_MSG_KEEPALIVE, NULL, 0);
	a.chan.tx_counter = 1;
	send_raw(&a, NOTE, 0, SOTTO_MSG_BYE, (const uint8_t[]){ 16, 0, 2, 0, 1 }, 5);
	sim_wait(50);
	a.chan.tx_counter = 1ull << 63;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ACK);
	/* there, no nonce is left: it is not taken, so it cannot push the window there */
	a.chan.tx_counter = SOTTO_COUNTER_MAX;
	send_raw(&a, NOTE, 0, SOTTO_MSG_BYE, (const uint8_t[]){ 16, 0, 2, 0, 1 }, 5);
	a.chan.tx_counter = (1ull << 63) + 100;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ACK);
	EXPECT_EQ(counts().assocs, before.assocs);
	others_work();
	stop();
}

/* An association that is ending, and one that is gone, answer nothing that would help. */
static void of_the_revoked(struct sim *s, uint16_t type, const uint8_t *body, size_t len,
			   bool malformed)
{
	static uint32_t id = 80000;

	(void)malformed;
	send_raw(s, REQUEST, id, type, body, len);
	send_raw(s, ANSWER, id++, type, body, len);
	send_raw(s, NOTE, 0, type, body, len);
}

static void requests_of_the_revoked(void)
{
	uint8_t body[SOTTO_BODY_MAX];
	size_t len;

	ASSERT(start_three());
	revoke_member("alice");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_REVOKED), 10000);
	len = good_body(&a, SOTTO_MSG_SESSION_CHECK, body);
	if (raw_call(&a, SOTTO_MSG_SESSION_CHECK, body, len))
		EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_REVOKED);
	EXPECT(raw_call(&a, SOTTO_MSG_SESSION_CHECK, body, len - 1) != SOTTO_MSG_ACK);
	b.offers_seen = 0;
	every_type(&a, of_the_revoked, NULL);
	sim_wait(100);
	EXPECT_EQ(b.offers_seen, 0);
	EXPECT_EQ(counts().sessions, 0);
	EXPECT_EQ(counts().pending, 0);
	others_work();
	stop();
}

/* ---- B's answer to an offer ---- */

/* alice asks, and bob answers with that: she is refused, at once and with a reason. */
static void answer_offer(struct sim *s, uint16_t type, const uint8_t *body, size_t len,
			 bool malformed)
{
	int seen = s->offers_seen;
	struct sim_ask *ask;

	(void)malformed;
	a.asks_n = 0;
	ask = &a.asks[sim_ask(&a, "10.0.0.2")];
	SIM_UNTIL(s->offers_seen > seen, 10000);
	EXPECT(s->offers_seen > seen);
	send_raw(s, ANSWER, s->last_id, type, body, len);
	SIM_UNTIL(ask->done, SOTTO_OFFER_MS / 2);
	EXPECT(ask->done && !ask->err && !ask->granted);
	EXPECT(ask->reason && ask->reason != SOTTO_REFUSAL_PEER_OFFLINE);
}

/* The right session, so that the rest counts. */
static void bad_accepts(struct sim *s)
{
	uint8_t in[SOTTO_BODY_MAX], out[2 * SOTTO_BODY_MAX];
	size_t len = good_body(s, SOTTO_MSG_SESSION_ACCEPT, in), at, n, value;
	uint8_t *id = (uint8_t *)sotto_msg_find(in, len, SOTTO_ATTR_SESSION_ID, &value);

	for (at = 0; at < len; at += n) {
		n = 3 + (in[at + 1] << 8 | in[at + 2]);
		for (int how = 0; how <= SHORT; how++) {
			int seen = s->offers_seen;
			struct sim_ask *ask;

			a.asks_n = 0;
			ask = &a.asks[sim_ask(&a, "10.0.0.2")];
			SIM_UNTIL(s->offers_seen > seen, 10000);
			for (int i = 0; i < 8; i++)
				id[i] = s->last.offer.session_id >> (56 - 8 * i);
			send_raw(s, ANSWER, s->last_id, SOTTO_MSG_SESSION_ACCEPT, out,
				 damage_attr(how, in, len, at, n, out));
			SIM_UNTIL(ask->done, SOTTO_OFFER_MS / 2);
			EXPECT(ask->done && !ask->err && !ask->granted);
			EXPECT_EQ(ask->reason, SOTTO_REFUSAL_PEER_REFUSED);
		}
	}
}

static void answers_to_an_offer(void)
{
	ASSERT(start_three());
	b.mute = true;
	bad_accepts(&b);
	/* of another session, or of no session */
	every_attribute(&b, SOTTO_MSG_SESSION_ACCEPT, answer_offer);
	every_attribute(&b, SOTTO_MSG_SESSION_REFUSAL, answer_offer);
	every_attribute(&b, SOTTO_MSG_ERROR, answer_offer);
	every_attribute(&b, SOTTO_MSG_ACK, answer_offer);
	every_attribute(&b, SOTTO_MSG_KEEPALIVE, answer_offer);
	every_attribute(&b, SOTTO_MSG_SESSION_GRANT, answer_offer);
	EXPECT_EQ(counts().pending, 0);
	EXPECT_EQ(counts().sessions, 0);
	b.mute = false;
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT(a.asks_n && sim_agree(&a.asks[a.asks_n - 1], &b));
	others_work();
	stop();
}

static const struct ktap_test tests[] = {
	{ "beginnings_of_strangers", beginnings_of_strangers },
	{ "beginnings_of_a_member", beginnings_of_a_member },
	{ "beginnings_of_the_revoked", beginnings_of_the_revoked },
	{ "requests_of_a_member", requests_of_a_member },
	{ "requests_while_enrolling", requests_while_enrolling },
	{ "unasked_of_a_member", unasked_of_a_member },
	{ "frames_of_a_member", frames_of_a_member },
	{ "requests_of_the_revoked", requests_of_the_revoked },
	{ "answers_to_an_offer", answers_to_an_offer },
};

int main(void)
{
	int rc;

	if (sodium_init() < 0)
		return 1;
	authd_find();
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	authd_discard(&run);
	return rc;
}
