// SPDX-License-Identifier: GPL-2.0
/*
 * How associations begin, with the real server over loopback: tickets, features,
 * every byte of a first datagram wrong in turn; and the parts beneath: ticket
 * keys, the timer wheel, tables, limits by source.
 */
#include "agentsim.h"
#include "server/htab.h"
#include "server/limiter.h"
#include "server/ticket.h"
#include "server/wheel.h"

static struct authd_run run;
static struct sim a, b;

static int stat_of(const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	json_t *v = json_object_get(json_object_get(ans, "stats"), name);
	int n = v ? json_integer_value(v) : -1;

	json_decref(ans);
	return n;
}

static void stop(struct sim *s1, struct sim *s2)
{
	if (s1)
		sim_free(s1);
	if (s2)
		sim_free(s2);
	authd_stop(&run);
}

/* Alice and bob, both with tickets. */
static bool begin(const char *conf)
{
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (!authd_start(&run, conf) || !sim_member(&a, &run, "alice", "10.0.0.1") ||
	    !sim_member(&b, &run, "bob", "10.0.0.2"))
		return false;
	a.features = SOTTO_FEATURE_RESUME;
	b.features = SOTTO_FEATURE_RESUME;
	return sim_associate(&a) && sim_associate(&b);
}

static bool resume(struct sim *s)
{
	s->resume = true;
	return sim_associate(s);
}

static void tickets_are_asked_for(void)
{
	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	/* an agent without the feature is given none */
	EXPECT_EQ(a.ticket.n, 0);
	/* features that nobody knows are ignored */
	a.features = 0xfffffffe;
	ASSERT(sim_associate(&a));
	EXPECT_EQ(a.chan.keys.features, 0);
	EXPECT_EQ(a.ticket.n, 0);
	a.features = 0xffffffff;
	ASSERT(sim_associate(&a));
	EXPECT_EQ(a.chan.keys.features, SOTTO_FEATURE_RESUME);
	EXPECT(a.ticket.n);
	/* and so they are with a ticket */
	ASSERT(resume(&a));
	EXPECT_EQ(a.chan.keys.features, SOTTO_FEATURE_RESUME);
	stop(&a, NULL);
}

static void resumed_after_restart(void)
{
	struct sotto_ticket old;

	ASSERT(begin(""));
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	old = a.ticket;
	ASSERT(resume(&a));
	ASSERT(resume(&b));
	EXPECT_EQ(stat_of("resumed"), 2);
	EXPECT_EQ(stat_of("resume_refused"), 0);
	/* each association has a ticket of its own */
	EXPECT(a.ticket.n && memcmp(&old, &a.ticket, sizeof(old)));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT(sim_agree(&a.asks[0], &b));
	/* make before break, as with public keys */
	ASSERT(resume(&a));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	stop(&a, &b);
}

/* The server asks for a cookie first, and then takes the ticket. */
static void resumed_with_cookie(void)
{
	int cookies;

	ASSERT(begin("[limits]\ncookie_rate = 0\n"));
	cookies = stat_of("cookies");
	ASSERT(resume(&a));
	EXPECT_EQ(stat_of("cookies"), cookies + 1);
	EXPECT_EQ(stat_of("resumed"), 1);
	stop(&a, &b);
}

static void wrong_tickets(void)
{
	struct sotto_token *token;
	uint8_t secret[32];

	ASSERT(begin(""));
	/* the ticket of another, whose secret is not known */
	a.resume = true;
	memcpy(secret, a.ticket_secret, 32);
	a.ticket_secret[3] ^= 1;
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_FAILED);
	memcpy(a.ticket_secret, secret, 32);
	/* a stolen ticket with its secret, but without the token */
	token = a.token;
	a.token = b.token;
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_FAILED);
	a.token = token;
	/* none of them replaced anything */
	EXPECT_EQ(stat_of("resumed"), 0);
	a.resume = false;
	EXPECT(sim_hello(&a, 0));
	/* one that never was */
	a.resume = true;
	randombytes_buf(a.ticket.b, a.ticket.n);
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_HINTED);
	EXPECT_EQ(a.hs_res.hint, SOTTO_HINT_REFUSED);
	a.ticket.n = SOTTO_TICKET_MAX;
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_HINTED);
	a.ticket.n = SOTTO_TICKET_MIN;
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_HINTED);
	EXPECT_EQ(stat_of("resume_refused"), 3);
	stop(&a, &b);
}

static void revoked_ticket(void)
{
	json_t *ans;

	ASSERT(begin(""));
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.revoke", "name",
			"alice");
	json_decref(ans);
	a.resume = true;
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_HINTED);
	EXPECT_EQ(a.hs_res.hint, SOTTO_HINT_REFUSED);
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	ASSERT(authd_begin(&run));
	EXPECT_EQ(sim_handshake(&a, false, 5000), SOTTO_HS_HINTED);
	EXPECT_EQ(stat_of("resumed"), 0);
	stop(&a, &b);
}

/* The same bytes again: the same answer, then half open, and nothing replaced. */
static void replayed_resume(void)
{
	uint8_t dgram[SOTTO_DGRAM_MAX];
	size_t len;
	int i;

	ASSERT(begin(""));
	ASSERT(resume(&a));
	sotto_hs_client_resume(&a.hs, a.server_key, &a.ticket, a.ticket_secret,
			       a.token, 1);
	memcpy(dgram, a.hs.dgram, a.hs.len);
	len = a.hs.len;
	for (i = 0; i < 8; i++)
		(void)!send(b.fd, dgram, len, 0);
	sim_wait(100);
	EXPECT_EQ(stat_of("half_open"), 1);
	EXPECT_EQ(stat_of("resumed"), 1);
	EXPECT(sim_hello(&a, 0));
	stop(&a, &b);
}

/* Every byte wrong in turn, with a mac that fits: no association comes of it. */
static void each_byte(const uint8_t *dgram, size_t len, bool mac)
{
	uint8_t bad[SOTTO_DGRAM_MAX], mac_key[32];
	size_t i, end = len - SOTTO_MAC_LEN - SOTTO_COOKIE_LEN;

	sotto_hs_mac_key(a.server_key, mac_key);
	for (i = 0; i < (mac ? end : len - SOTTO_COOKIE_LEN); i++) {
		memcpy(bad, dgram, len);
		bad[i] ^= 1 << i % 8;
		if (mac)
			crypto_generichash(bad + end, SOTTO_MAC_LEN, bad, end,
					   mac_key, 32);
		(void)!send(b.fd, bad, len, 0);
		if (i % 32 == 0)
			sim_wait(1);
	}
	for (i = 0; i < len; i++)
		(void)!send(b.fd, dgram, i, 0);
	sim_wait(50);
}

static void every_byte_wrong(void)
{
	int assocs;

	ASSERT(begin("[limits]\nsource_rate = 100000\ncookie_rate = 100000\n"));
	assocs = stat_of("assocs");
	EXPECT_EQ(sotto_hs_client_member(&a.hs, a.server_key, a.priv, a.token,
					 1), 0);
	each_byte(a.hs.dgram, a.hs.len, true);
	each_byte(a.hs.dgram, a.hs.len, false);
	/* what is left are forms that are allowed: another index, other features */
	EXPECT(stat_of("half_open") <= 4);
	EXPECT_EQ(sotto_hs_client_resume(&a.hs, a.server_key, &a.ticket,
					 a.ticket_secret, a.token, 1), 0);
	each_byte(a.hs.dgram, a.hs.len, true);
	each_byte(a.hs.dgram, a.hs.len, false);
	EXPECT(stat_of("half_open") <= 4);
	EXPECT_EQ(stat_of("assocs"), assocs);
	EXPECT(sim_hello(&a, 0) && sim_hello(&b, 0));
	stop(&a, &b);
}

/* A sealed datagram, every byte wrong in turn, from another's address. */
static void every_data_byte_wrong(void)
{
	static struct sotto_chan ch;
	uint8_t frame[64] = { 3, 0, 0, SOTTO_MSG_BYE };
	uint8_t d[128], bad[128];
	size_t len, i;

	ASSERT(begin(""));
	ch = a.chan;
	memset(d, 0, sizeof(d));
	d[0] = SOTTO_DGRAM_DATA;
	d[1] = 1;
	for (i = 0; i < 4; i++)
		d[4 + i] = ch.keys.remote_index >> (24 - 8 * i);
	d[15] = 100;
	noise_seal(ch.keys.tx, 100, d, 16, frame, 8 + 5, d + 16);
	len = 16 + 13 + 16;
	for (i = 0; i < len; i++) {
		memcpy(bad, d, len);
		bad[i] ^= 1 << i % 8;
		(void)!send(b.fd, bad, len, 0);
	}
	sim_wait(50);
	/* the counter was not used up, and the association stands */
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	stop(&a, &b);
}

/* ---- without a server ---- */

static void ticket_keys(void)
{
	char dir[] = "/tmp/sotto-assoc-XXXXXX", path[64];
	struct ticket_content c = { .member = 7, .made = 1000 }, got;
	struct sotto_ticket t, forged;
	struct tickets keys = { 0 }, again;
	struct sotto_errmsg err;
	struct seal_key seal = { 0 };
	struct store *st;
	int i;

	ASSERT(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	randombytes_buf(seal.k, sizeof(seal.k));
	ASSERT(!store_open(path, true, &seal, &st, &err));
	EXPECT_EQ(tickets_load(&keys, st, 1000, &err), 0);
	ticket_make(&keys, &c, &t);
	EXPECT_EQ(ticket_open(&keys, t.b, t.n, 1001, &got), 0);
	EXPECT(got.member == 7 && !memcmp(got.secret, c.secret, 32));
	for (i = 0; i < t.n; i++) {
		forged = t;
		forged.b[i] ^= 0x10;
		EXPECT_EQ(ticket_open(&keys, forged.b, t.n, 1001, &got),
			  SOTTO_E_AUTH);
	}
	EXPECT_EQ(ticket_open(&keys, t.b, t.n - 1, 1001, &got), SOTTO_E_AUTH);
	EXPECT_EQ(ticket_open(&keys, t.b, t.n, 1000 + SOTTO_TICKET_S, &got),
		  SOTTO_E_TIMEOUT);
	/* after a restart, and after one change of the key, it opens still */
	EXPECT_EQ(tickets_load(&again, st, 1002, &err), 0);
	EXPECT(!memcmp(&keys, &again, sizeof(keys)));
	EXPECT_EQ(tickets_turn(&again, st, 1000 + SOTTO_TICKET_KEY_S, &err), 0);
	EXPECT(keys.key[0].id != again.key[0].id);
	EXPECT_EQ(ticket_open(&again, t.b, t.n, 1003, &got), 0);
	/* after two it does not: the key is gone, in the store too */
	EXPECT_EQ(tickets_turn(&again, st, 1000 + 2 * SOTTO_TICKET_KEY_S, &err),
		  0);
	EXPECT_EQ(ticket_open(&again, t.b, t.n, 1003, &got), SOTTO_E_AUTH);
	EXPECT_EQ(tickets_load(&keys, st, 1000 + 2 * SOTTO_TICKET_KEY_S, &err), 0);
	EXPECT_EQ(ticket_open(&keys, t.b, t.n, 1003, &got), SOTTO_E_AUTH);
	/* a clock that jumps back makes a new key rather than keep one for ever */
	EXPECT_EQ(tickets_turn(&keys, st, 5, &err), 0);
	EXPECT(keys.key[0].id != again.key[0].id);
	store_close(st);
	EXPECT(!nftw(dir, rm_one, 8, FTW_DEPTH | FTW_PHYS));
}

#define TIMERS	(3 * WHEEL_WORK)

static struct wheel wheel;
static struct wheel_timer timers[TIMERS];
static uint64_t fired_ms[TIMERS], now_ms;

static void on_fire(struct wheel_timer *t)
{
	fired_ms[t - timers] = now_ms;
}

static void wheel_times(void)
{
	uint64_t start, ahead[TIMERS];
	int i, late = 0, early = 0, stopped = 0;

	wheel_init(&wheel, ev_default_loop(EVFLAG_AUTO));
	start = now_ms = wheel.now * WHEEL_TICK_MS;
	for (i = 0; i < TIMERS; i++) {
		ahead[i] = randombytes_uniform(i % 3 ? 100000 : 2000000);
		timers[i] = (struct wheel_timer) { .fn = on_fire };
		fired_ms[i] = 0;
		wheel_set(&wheel, &timers[i], start + 5);
		wheel_set(&wheel, &timers[i], start + ahead[i]);
		if (i % 10 == 0)
			wheel_del(&wheel, &timers[i]);
	}
	while (wheel.n) {
		now_ms += 1 + randombytes_uniform(300);
		wheel_run(&wheel, now_ms);
		ASSERT(now_ms < start + 3000000);
	}
	for (i = 0; i < TIMERS; i++) {
		stopped += !fired_ms[i];
		if (!fired_ms[i])
			continue;
		early += fired_ms[i] < start + ahead[i];
		late += fired_ms[i] > start + ahead[i] + 300 + 2 * WHEEL_TICK_MS;
	}
	EXPECT_EQ(early, 0);
	EXPECT_EQ(late, 0);
	EXPECT_EQ(stopped, (TIMERS + 9) / 10);
	wheel_stop(&wheel);
}

#define ENTRIES	20000

static struct entry {
	struct hnode node;
	bool in;
} entries[ENTRIES];

static bool is_found(const struct htab *h, uint64_t key)
{
	struct hnode *n;

	htab_for_hash(h, n, htab_hash(h, &key, sizeof(key)))
		if (container_of(n, struct entry, node) == &entries[key])
			return true;
	return false;
}

static void take_out(struct htab *h, uint64_t key)
{
	if (entries[key].in)
		htab_del(h, &entries[key].node);
	entries[key].in = false;
}

/* Bucket by bucket, and what is in it is found and taken out at any time. */
static void tables_grow(void)
{
	size_t moved = 0, most = 0, in = 0, wrong = 0, growing = 0, looked = 0;
	struct htab h;
	uint64_t i;

	ASSERT(!htab_init(&h));
	for (i = 0; i < ENTRIES; i++) {
		htab_add(&h, &entries[i].node, htab_hash(&h, &i, sizeof(i)));
		entries[i].in = true;
		if (h.old && h.moved >= moved && h.moved - moved > most)
			most = h.moved - moved;
		growing += h.old != NULL;
		moved = h.old ? h.moved : 0;
		take_out(&h, randombytes_uniform(i + 1));
		for (int look = 0; look < 4; look++) {
			uint64_t key = look ? randombytes_uniform(i + 1) : i;

			wrong += is_found(&h, key) != entries[key].in;
		}
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(most, 2);
	/* to find out that something is not there, hardly any entry is looked at */
	for (i = ENTRIES; i < 2 * ENTRIES; i++)
		looked += htab_first(&h, htab_hash(&h, &i, sizeof(i))) != NULL;
	EXPECT(looked < ENTRIES / 10);
	EXPECT(growing > ENTRIES / 8);
	for (i = 0; i < ENTRIES; i++) {
		EXPECT(is_found(&h, i) == entries[i].in);
		in += entries[i].in;
	}
	EXPECT_EQ(h.n, in);
	htab_settle(&h);
	for (i = 0; i < ENTRIES; i++)
		take_out(&h, i);
	EXPECT_EQ(h.n, 0);
	for (i = 0; i <= h.mask; i++)
		EXPECT(!h.bucket[i]);
	htab_free(&h);
}

/* ---- memory ---- */

static uint64_t worked;

static void on_work(struct wheel_timer *t)
{
	(void)t;
	worked++;
}

/* Others have their turn before all of it is done; the rest does not wait for a tick. */
static void wheel_has_enough(void)
{
	struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
	int i;

	wheel_init(&wheel, loop);
	wheel.work = &worked;
	worked = 0;
	for (i = 0; i < TIMERS; i++) {
		timers[i] = (struct wheel_timer) { .fn = on_work };
		wheel_set(&wheel, &timers[i], wheel.now * WHEEL_TICK_MS + 1);
	}
	wheel_run(&wheel, (wheel.now + 9) * WHEEL_TICK_MS);
	EXPECT_EQ(worked, WHEEL_WORK);
	ev_now_update(loop);
	ev_invoke(loop, &wheel.prepare, EV_PREPARE);
	EXPECT(ev_timer_remaining(loop, &wheel.timer) * 1000 <= WHEEL_TICK_MS + 1);
	wheel_run(&wheel, 0);
	EXPECT_EQ(worked, 2 * WHEEL_WORK);
	wheel_run(&wheel, 0);
	EXPECT_EQ(worked, TIMERS);
	wheel_stop(&wheel);
}

#define OBJECTS		30000	/* some large pages of them */
#define OBJECT		200	/* bytes */

/* Each is its owner's alone: it finds there what it wrote. */
static void pool_objects(void)
{
	static uint8_t *obj[OBJECTS];
	struct pool p;
	int i, bad = 0;

	pool_init(&p, OBJECT);
	for (i = 0; i < 4 * OBJECTS; i++) {
		int at = i < OBJECTS ? i : (int)randombytes_uniform(OBJECTS);

		if (obj[at]) {
			bad += obj[at][0] != at % 255 || memcmp(obj[at], obj[at] + 1, OBJECT - 1);
			pool_put(&p, obj[at]);
		}
		obj[at] = pool_get(&p);
		ASSERT(obj[at]);
		bad += !sodium_is_zero(obj[at], OBJECT) || (uintptr_t)obj[at] % sizeof(void *);
		memset(obj[at], at % 255, OBJECT);
	}
	EXPECT_EQ(bad, 0);
	for (i = 0; i < OBJECTS; i++)
		pool_put(&p, obj[i]);
	pool_free(&p);
}

#define OBJS		3000

/* Of any size, in turn: none lies in another, or in what was put back. */
static void pools_objects(void)
{
	static struct { uint8_t *at; size_t len; } obj[OBJS];
	struct pools ps;
	int i, bad = 0;

	pools_init(&ps);
	for (i = 0; i < 30000; i++) {
		size_t at = randombytes_uniform(OBJS), k;

		for (k = 0; k < obj[at].len; k++)
			bad += obj[at].at[k] != at % 255;
		pools_put(&ps, obj[at].at, obj[at].len);
		obj[at].len = 1 + randombytes_uniform(i % 16 ? 600 : POOLS_MAX + 100);
		obj[at].at = pools_get(&ps, obj[at].len);
		ASSERT(obj[at].at);
		bad += (uintptr_t)obj[at].at % sizeof(void *) != 0;
		memset(obj[at].at, at % 255, obj[at].len);
	}
	EXPECT_EQ(bad, 0);
	for (i = 0; i < OBJS; i++)
		pools_put(&ps, obj[i].at, obj[i].len);
	pools_free(&ps);
}

static void arena_objects(void)
{
	static uint8_t *obj[OBJECTS];
	static size_t len[OBJECTS];
	struct arena a = { 0 };
	int i, bad = 0;

	for (i = 0; i < OBJECTS; i++) {
		/* one that no chunk has room for, among small ones */
		len[i] = i == OBJECTS / 2 ? 5 << 20 : randombytes_uniform(2 * OBJECT);
		obj[i] = arena_get(&a, len[i]);
		ASSERT(obj[i]);
		bad += !sodium_is_zero(obj[i], len[i]) || (uintptr_t)obj[i] % sizeof(void *);
		memset(obj[i], i % 255, len[i]);
	}
	for (i = 0; i < OBJECTS; i++)
		bad += len[i] && (obj[i][0] != i % 255 || memcmp(obj[i], obj[i] + 1, len[i] - 1));
	EXPECT_EQ(bad, 0);
	arena_free(&a);
	EXPECT(!a.chunks);
}

static void large_pages(void)
{
	static const size_t sizes[] = { 1, 4096, (2 << 20) - 8, 2 << 20, (2 << 20) + 8, 8 << 20 };
	uint8_t *p;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		p = pages_get(sizes[i]);
		ASSERT(p);
		EXPECT(sodium_is_zero(p, sizes[i]));
		EXPECT(sizes[i] % (2 << 20) || !((uintptr_t)p % (2 << 20)));
		memset(p, 1, sizes[i]);
		pages_put(p, sizes[i]);
	}
	pages_put(NULL, 2 << 20);
}

static void limits_by_source(void)
{
	struct sotto_addr one, same, other;
	struct limiter l;
	int i, n = 0;

	EXPECT_EQ(limiter_init(&l, 4096, 60, 10), 0);
	sotto_addr_parse(&one, "2001:db8:1:2::1");
	sotto_addr_parse(&same, "2001:db8:1:2:ffff::9");
	sotto_addr_parse(&other, "2001:db8:1:3::1");
	for (i = 0; i < 100; i++)
		n += limiter_take(&l, 1000, i % 2 ? &one : &same, false);
	EXPECT_EQ(n, 10);
	EXPECT(limiter_take(&l, 1000, &other, false));
	EXPECT(limiter_take(&l, 1000, &one, true));
	EXPECT(!limiter_take(&l, 1900, &one, false));
	EXPECT(limiter_take(&l, 2000, &one, false));
	sotto_addr_parse(&one, "192.0.2.1");
	sotto_addr_parse(&other, "192.0.2.2");
	for (i = 0, n = 0; i < 100; i++)
		n += limiter_take(&l, 1000, &one, false);
	EXPECT_EQ(n, 10);
	EXPECT(limiter_take(&l, 1000, &other, false));
	limiter_free(&l);
}

/* A member's: what came in time is not lost, and a rate of none is none. */
static void limits_by_rate(void)
{
	struct bucket b = { 0 }, none = { 0 };
	uint64_t ms;
	int n = 0;

	for (ms = 5000; ms < 5000 + 60000; ms++)
		n += bucket_take(&b, ms, 500 * 60, 1000) +
		     bucket_take(&b, ms, 500 * 60, 1000);
	EXPECT(n >= 30999 && n <= 31000);
	EXPECT(bucket_empty(&b, ms - 1, 500 * 60, 1000));
	EXPECT(!bucket_empty(&b, ms + 2, 500 * 60, 1000));
	EXPECT(!bucket_take(&none, ms, 0, 10));
	EXPECT(!bucket_take(&none, ms, 60, 0));
}

static const struct ktap_test tests[] = {
	{ "tickets_are_asked_for", tickets_are_asked_for },
	{ "resumed_after_restart", resumed_after_restart },
	{ "resumed_with_cookie", resumed_with_cookie },
	{ "wrong_tickets", wrong_tickets },
	{ "revoked_ticket", revoked_ticket },
	{ "replayed_resume", replayed_resume },
	{ "every_byte_wrong", every_byte_wrong },
	{ "every_data_byte_wrong", every_data_byte_wrong },
	{ "ticket_keys", ticket_keys },
	{ "wheel_times", wheel_times },
	{ "tables_grow", tables_grow },
	{ "wheel_has_enough", wheel_has_enough },
	{ "pool_objects", pool_objects },
	{ "pools_objects", pools_objects },
	{ "arena_objects", arena_objects },
	{ "large_pages", large_pages },
	{ "limits_by_source", limits_by_source },
	{ "limits_by_rate", limits_by_rate },
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
