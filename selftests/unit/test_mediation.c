// SPDX-License-Identifier: GPL-2.0
/*
 * Small agents against the real server over loopback: sessions, glare, loss,
 * revocation, limits.
 */
#include <sqlite3.h>

#include "tworun.h"

static void session(void)
{
	struct sim_offer *o;

	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT(sim_agree(&a.asks[0], &b));
	o = &b.offers[0];
	EXPECT(!strcmp(o->offer.name, "alice"));
	EXPECT(!memcmp(o->offer.static_pub, a.pub, 32));
	EXPECT(!memcmp(a.asks[0].grant.static_pub, b.pub, 32));
	EXPECT(!strcmp(a.asks[0].grant.name, "bob"));
	EXPECT_EQ(o->offer.cipher, SOTTO_CIPHER_CHACHA20_POLY1305);
	EXPECT_EQ(o->offer.life.hard_s, 3600);
	EXPECT_EQ(sessions(), 1);
	EXPECT_EQ(pending(), 0);
	/* who was just asked, and asks, is told which session there is */
	EXPECT_EQ(sim_session(&b, "10.0.0.1"), SOTTO_REFUSAL_PENDING);
	EXPECT(b.asks[0].session_id == a.asks[0].session_id);
	b.asks_n = 0;
	sim_wait(AUTHD_JUST_MADE_MS);
	/* and the other way, with other keys */
	EXPECT_EQ(sim_session(&b, "10.0.0.1"), 0);
	EXPECT(sim_agree(&b.asks[0], &a));
	EXPECT(memcmp(&a.asks[0].keys, &b.asks[0].keys, sizeof(b.asks[0].keys)));
	EXPECT_EQ(sessions(), 2);
	stop();
}

static void refusals(void)
{
	char line[SOTTO_LINE_MAX];
	uint64_t begin;

	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.9"), SOTTO_REFUSAL_NOT_MEMBER);
	EXPECT_EQ(sim_session(&a, "10.0.0.1"), SOTTO_REFUSAL_SELF);
	sim_member_add(&run, "carol", "10.0.0.3", line);
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), SOTTO_REFUSAL_NOT_MEMBER);
	b.decline = true;
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_PIN);
	b.decline = false;
	/* B says nothing: its time is up */
	b.mute = true;
	begin = sotto_now_ms();
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT(sotto_now_ms() - begin >= SOTTO_OFFER_MS);
	b.mute = false;
	EXPECT_EQ(pending(), 0);
	EXPECT_EQ(sessions(), 0);
	sim_note_bye(&b, SOTTO_REFUSAL_CLOSED);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_PEER_OFFLINE);
	/* and is back */
	ASSERT(sim_associate(&b));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	stop();
}

/* The same request again gets the same grant; a changed one is refused. */
static void repeated_request(void)
{
	struct sim_ask *x, *y;

	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	x = &a.asks[0];
	a.asks[1] = *x;
	a.asks_n = 2;
	y = &a.asks[1];
	y->done = y->granted = false;
	memset(&y->grant, 0, sizeof(y->grant));
	sim_send_ask(&a, 1);
	SIM_UNTIL(y->done, 10000);
	EXPECT(y->granted && y->session_id == x->session_id);
	EXPECT(!memcmp(&y->keys, &x->keys, sizeof(x->keys)));
	EXPECT_EQ(sessions(), 1);
	y->done = y->granted = false;
	y->spi++;
	sim_send_ask(&a, 1);
	SIM_UNTIL(y->done, 10000);
	EXPECT_EQ(y->reason, SOTTO_REFUSAL_REQUEST);
	stop();
}

/* Both ask at once: one mediation, and the loser learns which. */
static void glare(void)
{
	int i, granted = 0, waited = 0;
	uint64_t before = 0;

	ASSERT(start_two());
	for (i = 0; i < 40; i++) {
		struct sim_ask *x = &a.asks[sim_ask(&a, "10.0.0.2")];
		struct sim_ask *y = &b.asks[sim_ask(&b, "10.0.0.1")];
		struct sim_ask *win, *lose;
		struct sim *loser;

		SIM_UNTIL(x->done && y->done, 10000);
		ASSERT(x->done && y->done);
		/* even if the second came when the first was through */
		EXPECT(x->granted != y->granted);
		win = x->granted ? x : y;
		lose = x->granted ? y : x;
		loser = x->granted ? &b : &a;
		granted++;
		EXPECT_EQ(lose->reason, SOTTO_REFUSAL_PENDING);
		/* or of the one before, of which it had just heard when it asked first */
		EXPECT(lose->session_id == win->session_id ||
		       lose->session_id == before);
		/* by another worker, it may overtake the offer */
		SIM_UNTIL(sim_find_offer(loser, lose->session_id), 10000);
		EXPECT(sim_find_offer(loser, lose->session_id) != NULL);
		EXPECT(sim_agree(win, loser));
		before = win->session_id;
		waited++;
	}
	EXPECT(granted > 0);
	EXPECT_EQ(pending(), 0);
	EXPECT(sessions() <= AUTHD_PAIR_SESSIONS);
	printf("# %d of 40 collided\n", waited);
	stop();
}

static void lossy_network(void)
{
	int i, granted = 0;

	ASSERT(start_two());
	a.loss = b.loss = 30;
	a.dup = b.dup = 20;
	for (i = 0; i < 25; i++)
		sim_ask(&a, "10.0.0.2");
	for (i = 0; i < 25; i++) {
		SIM_UNTIL(a.asks[i].done, 11000);
		EXPECT(a.asks[i].done);
		EXPECT_EQ(a.asks[i].err, 0);
		if (a.asks[i].granted) {
			granted++;
			EXPECT(sim_agree(&a.asks[i], &b));
		} else {
			EXPECT_EQ(a.asks[i].reason, SOTTO_REFUSAL_PENDING);
		}
	}
	EXPECT(granted >= 1);
	/* one by one */
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
		EXPECT(sim_agree(&a.asks[a.asks_n - 1], &b));
	}
	EXPECT_EQ(pending(), 0);
	stop();
}

/* Too many of one pair: the oldest goes, and both ends are told. */
static void pair_limit(void)
{
	int i;

	ASSERT(start_two());
	for (i = 0; i < AUTHD_PAIR_SESSIONS + 1; i++) {
		EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
		sim_wait(2);	/* ages are told apart by milliseconds */
	}
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) &&
		  sim_count(&b, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT(a.last.ids.ids.id[0] == a.asks[0].session_id);
	EXPECT_EQ(sessions(), AUTHD_PAIR_SESSIONS);
	stop();
}

static void closing(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CLOSE };

	ASSERT(start_two());
	ASSERT(sim_member(&c, &run, "carol", "10.0.0.3"));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	m.ids.reason = SOTTO_REFUSAL_CLOSED;
	m.ids.ids.n = 1;
	m.ids.ids.id[0] = a.asks[0].session_id;
	/* somebody else's session is not hers to close */
	EXPECT_EQ(sim_call(&c, &m), SOTTO_MSG_ACK);
	EXPECT_EQ(sessions(), 1);
	EXPECT_EQ(sim_call(&b, &m), SOTTO_MSG_ACK);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_CLOSED);
	EXPECT_EQ(sessions(), 0);
	stop();
}

static void revocation(void)
{
	uint8_t priv[32], pub[32];

	ASSERT(start_two());
	ASSERT(sim_member(&c, &run, "carol", "10.0.0.3"));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&b, "10.0.0.3"), 0);
	revoke_member("bob");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_PEER_GONE) &&
		  sim_count(&c, SOTTO_MSG_PEER_GONE) &&
		  sim_count(&b, SOTTO_MSG_REVOKED), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_PEER_GONE), 1);
	EXPECT_EQ(sim_count(&c, SOTTO_MSG_PEER_GONE), 1);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_REVOKED), 1);
	EXPECT(!strcmp(a.last.peer_gone.name, "bob"));
	EXPECT(!memcmp(a.last.peer_gone.static_pub, b.pub, 32));
	EXPECT_EQ(a.last.peer_gone.reason, SOTTO_REFUSAL_REVOKED);
	EXPECT_EQ(sessions(), 0);
	/* its association asks for nothing any more, and it can't come back */
	sim_ask(&b, "10.0.0.1");
	SIM_UNTIL(b.asks[b.asks_n - 1].done, 10000);
	EXPECT(!b.asks[b.asks_n - 1].granted);
	EXPECT_EQ(sim_handshake(&b, false, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_REVOKED);
	/* nobody without its key is told */
	memcpy(priv, b.priv, sizeof(priv));
	noise_keypair(b.priv, pub);
	EXPECT_EQ(sim_handshake(&b, false, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_REFUSED);
	memcpy(b.priv, priv, sizeof(priv));
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	EXPECT_EQ(sim_handshake(&b, false, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_REVOKED);
	ASSERT(sim_associate(&a));
	/* `prefer` must not take this for "not a member" */
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_REVOKED);
	stop();
}

static void revoked_while_offered(void)
{
	ASSERT(start_two());
	b.mute = true;
	sim_ask(&a, "10.0.0.2");
	SIM_UNTIL(b.offers_seen, 10000);
	EXPECT_EQ(pending(), 1);
	revoke_member("bob");
	SIM_UNTIL(a.asks[0].done, 10000);
	EXPECT_EQ(a.asks[0].reason, SOTTO_REFUSAL_REVOKED);
	EXPECT_EQ(pending(), 0);
	stop();
}

static uint16_t unknown(struct sim *s, uint32_t spi, const char *src)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SPI_UNKNOWN };

	m.spi_unknown.spi = spi;
	sotto_addr_parse(&m.spi_unknown.src, src);
	return sim_call(s, &m);
}

/* The keys of a session are gone at one end: only that end's own SPI says so. */
static void spi_unknown(void)
{
	struct sim_ask *x;

	ASSERT(start_two());
	ASSERT(sim_member(&c, &run, "carol", "10.0.0.3"));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	x = &a.asks[0];
	/* not its own SPI, not from that peer, not of this member, none at all */
	EXPECT_EQ(unknown(&b, x->spi, "10.0.0.1"), SOTTO_MSG_ACK);
	EXPECT_EQ(unknown(&b, x->grant.spi, "10.0.0.3"), SOTTO_MSG_ACK);
	EXPECT_EQ(unknown(&b, x->grant.spi, "10.9.9.9"), SOTTO_MSG_ACK);
	EXPECT_EQ(unknown(&c, x->grant.spi, "10.0.0.1"), SOTTO_MSG_ACK);
	EXPECT_EQ(unknown(&b, 4711, "10.0.0.1"), SOTTO_MSG_ACK);
	sim_wait(100);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(sessions(), 1);
	EXPECT_EQ(unknown(&b, x->grant.spi, "10.0.0.1"), SOTTO_MSG_ACK);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) &&
		  sim_count(&b, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_RESTARTED);
	EXPECT_EQ(sessions(), 0);
	stop();
}

/* The server was restarted since: it knows the SPIs by the lists. */
static void spi_unknown_after_a_restart(void)
{
	struct sim_ask *x;

	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	x = &a.asks[0];
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	ASSERT(sim_open(&a, false) && sim_hello(&a, 1) && sim_open(&b, false) && sim_hello(&b, 1));
	EXPECT(sim_live_spi(&b, x->session_id, x->grant.spi, a.pub));
	EXPECT(sim_live_spi(&a, x->session_id, x->spi, b.pub));
	EXPECT_EQ(sessions(), 1);
	EXPECT_EQ(unknown(&a, x->grant.spi, "10.0.0.2"), SOTTO_MSG_ACK);
	EXPECT_EQ(unknown(&b, x->spi, "10.0.0.1"), SOTTO_MSG_ACK);
	EXPECT_EQ(sessions(), 1);
	EXPECT_EQ(unknown(&a, x->spi, "10.0.0.2"), SOTTO_MSG_ACK);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) &&
		  sim_count(&b, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(b.last.ids.reason, SOTTO_REFUSAL_RESTARTED);
	EXPECT_EQ(sessions(), 0);
	stop();
}

/* A new association in the place of the old one, which is closed. */
static void renew(struct sim *s)
{
	struct sotto_chan old;

	EXPECT_EQ(sim_handshake(s, false, 10000), SOTTO_HS_DONE);
	old = s->chan;
	sotto_chan_init(&s->chan, &s->hs_res.keys, &sim_ops, s, sotto_now_ms());
	EXPECT(sim_hello(s, 0));
	sotto_chan_adopt(&s->chan, &old, sotto_now_ms());
	sotto_chan_close(&old);
}

/* An association that is renewed carries on with what was under way. */
static void renewed(void)
{
	int i;

	ASSERT(start_two());
	b.mute = true;
	sim_ask(&a, "10.0.0.2");
	SIM_UNTIL(b.offers_seen, 10000);
	renew(&a);
	EXPECT(!a.asks[0].done);
	/* B renews in the middle of its offer: the server repeats it there */
	b.mute = false;
	renew(&b);
	SIM_UNTIL(a.asks[0].done, 10000);
	EXPECT(a.asks[0].granted);
	EXPECT(sim_agree(&a.asks[0], &b));
	EXPECT_EQ(b.offers_seen, 2);
	sim_wait(AUTHD_JUST_MADE_MS);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(sim_session(&b, "10.0.0.1"), 0);
	stop();
}

/* An agent that moved to another port is followed. */
static void moved(void)
{
	ASSERT(start_two());
	sim_connect(&b, run.port);
	/* before it has said something, the server cannot know */
	EXPECT(sim_hello(&b, 0));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT(sim_agree(&a.asks[0], &b));
	stop();
}

static uint8_t held[SOTTO_DGRAM_MAX];
static size_t held_len;

static void hold(void *arg, const uint8_t *p, size_t len)
{
	(void)arg;
	memcpy(held, p, len);
	held_len = len;
}

/* But not back to where it was, by something from there that is late. */
static void overtaken(void)
{
	struct sotto_chan_ops holding = sim_ops;
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	int before;

	ASSERT(start_two());
	sim_wait(200);
	holding.send = hold;
	b.chan.ops = &holding;
	EXPECT_EQ(sotto_chan_note(&b.chan, &m), 0);
	b.chan.ops = &sim_ops;
	before = b.fd;
	b.fd = -1;
	sim_connect(&b, run.port);
	EXPECT(sim_hello(&b, 0));
	EXPECT_EQ(send(before, held, held_len, 0), (ssize_t)held_len);
	sim_wait(100);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT(sim_agree(&a.asks[0], &b));
	close(before);
	stop();
}

static void pending_limit(void)
{
	int i, limited = 0, waiting = 0;

	ASSERT(start_two());
	b.mute = true;
	/* one pair has one mediation: the rest is told to wait for it */
	for (i = 0; i < 20; i++)
		sim_ask(&a, "10.0.0.2");
	sim_wait(200);
	for (i = 0; i < 20; i++) {
		waiting += !a.asks[i].done;
		limited += a.asks[i].done &&
			   a.asks[i].reason == SOTTO_REFUSAL_PENDING;
	}
	EXPECT_EQ(waiting, 1);
	EXPECT_EQ(limited, 19);
	EXPECT_EQ(pending(), 1);
	EXPECT_EQ(b.offers_seen, 1);
	stop();
}

/* A server that stops says so. */
static void server_stops(void)
{
	ASSERT(start_two());
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	SIM_UNTIL(a.byes && b.byes, 10000);
	EXPECT_EQ(a.byes, 1);
	EXPECT_EQ(b.byes, 1);
	stop();
}

static int grants_in_log(void)
{
	char path[PATH_MAX];
	sqlite3_stmt *s = NULL;
	sqlite3 *db;
	int n = -1;

	snprintf(path, sizeof(path), "%s/state/authd/realm.db", run.top);
	sqlite3_open(path, &db);
	sqlite3_busy_timeout(db, 2000);
	if (sqlite3_prepare_v2(db, "SELECT count(DISTINCT session) FROM grant_log", -1,
			       &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

/* Within a second, or when the server stops. */
static void grant_log(void)
{
	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	SIM_UNTIL(grants_in_log() == 1, 10000);
	EXPECT_EQ(grants_in_log(), 1);
	sim_wait(AUTHD_JUST_MADE_MS);
	EXPECT_EQ(sim_session(&b, "10.0.0.1"), 0);
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	EXPECT_EQ(grants_in_log(), 2);
	stop();
}

/* From a port that was not used before: any worker may get it. */
static void stray(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(run.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	EXPECT_EQ(sendto(fd, "?", 1, 0, (struct sockaddr *)&sin, sizeof(sin)), 1);
	close(fd);
	sim_wait(1);
}

#define MANY	12

/* Members of both workers have sessions with each other. */
static void workers(void)
{
	static struct sim m[MANY];
	char name[16], addr[32];
	json_t *ans;
	int i;

	unsetenv("SOTTO_TEST_WORKERS");
	ASSERT(authd_start(&run, ""));
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "host%d", i);
		snprintf(addr, sizeof(addr), "10.0.0.%d", i + 1);
		ASSERT(sim_member(&m[i], &run, name, addr));
	}
	for (i = 0; i < MANY; i++) {
		snprintf(addr, sizeof(addr), "10.0.0.%d", (i + 1) % MANY + 1);
		EXPECT_EQ(sim_session(&m[i], addr), 0);
		EXPECT(sim_agree(&m[i].asks[0], &m[(i + 1) % MANY]));
	}
	EXPECT_EQ(sessions(), MANY);
	EXPECT_EQ(counter("grants"), MANY);
	for (i = 0; i < 64 && (!counter("worker0_in") || !counter("worker1_in")); i++)
		stray();
	EXPECT(counter("worker0_in"));
	EXPECT(counter("worker1_in"));
	ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	EXPECT_EQ(counter_in(ans, "worker0_in") + counter_in(ans, "worker1_in"),
		  counter_in(ans, "dgrams_in"));
	EXPECT_EQ(counter_in(ans, "worker0_out") + counter_in(ans, "worker1_out"),
		  counter_in(ans, "dgrams_out"));
	EXPECT_EQ(counter_in(ans, "dgrams_lost"), 0);
	json_decref(ans);
	stop();
}

static const struct ktap_test tests[] = {
	{ "workers", workers },
	{ "session", session },
	{ "refusals", refusals },
	{ "repeated_request", repeated_request },
	{ "glare", glare },
	{ "lossy_network", lossy_network },
	{ "pair_limit", pair_limit },
	{ "closing", closing },
	{ "revocation", revocation },
	{ "revoked_while_offered", revoked_while_offered },
	{ "spi_unknown", spi_unknown },
	{ "spi_unknown_after_a_restart", spi_unknown_after_a_restart },
	{ "server_stops", server_stops },
	{ "grant_log", grant_log },
	{ "renewed", renewed },
	{ "moved", moved },
	{ "overtaken", overtaken },
	{ "pending_limit", pending_limit },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
