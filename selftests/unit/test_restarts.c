// SPDX-License-Identifier: GPL-2.0
/*
 * Small agents against the real server over loopback: it, an agent or a kernel begins anew, and
 * sessions are listed, taken over or waited for.
 */
#include "tworun.h"

/* B's kernel was restarted: A is told which of its sessions are dead. */
static void peer_restarted(void)
{
	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	/* the agent alone was restarted: the kernel still holds both */
	ASSERT(sim_open(&b, false) && sim_hello(&b, 2));
	EXPECT(sim_live(&b, a.asks[0].session_id, a.pub));
	EXPECT(sim_live(&b, a.asks[1].session_id, a.pub));
	sim_wait(100);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(sessions(), 2);
	/* a LIVE of an earlier HELLO means nothing */
	b.instance++;
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1));
	b.listing--;
	EXPECT(sim_live(&b, a.asks[0].session_id, a.pub));
	b.listing++;
	sim_wait(100);
	EXPECT_EQ(sessions(), 2);
	EXPECT(sim_live(&b, a.asks[1].session_id, a.pub));
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT(a.last.ids.ids.id[0] == a.asks[0].session_id);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_RESTARTED);
	EXPECT_EQ(sessions(), 1);
	stop();
}

static void server_restarted(void)
{
	uint8_t stranger[32];
	uint64_t id;

	ASSERT(start_two());
	ASSERT(sim_member(&c, &run, "carol", "10.0.0.3"));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
	id = a.asks[0].session_id;
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	/* a request made while it is away */
	sim_ask(&a, "10.0.0.2");
	ASSERT(authd_begin(&run));
	a.hs_res.hint = 0;
	SIM_UNTIL(a.hs_res.hint, 10000);
	EXPECT_EQ(a.hs_res.hint, SOTTO_HINT_INDEX);
	{
		struct sotto_chan old;

		ASSERT(sim_associate(&b));
		EXPECT_EQ(sim_handshake(&a, false, 10000), SOTTO_HS_DONE);
		old = a.chan;
		sotto_chan_init(&a.chan, &a.hs_res.keys, &sim_ops, &a,
				sotto_now_ms());
		EXPECT(sim_hello(&a, 2));
		sotto_chan_adopt(&a.chan, &old, sotto_now_ms());
		sotto_chan_close(&old);
	}
	SIM_UNTIL(a.asks[2].done, 10000);
	EXPECT(a.asks[2].granted);
	EXPECT(sim_agree(&a.asks[2], &b));
	/* A lists what it holds. B's list was complete, and did not have it;
	 * Carol's is not known yet: it is taken over.
	 */
	EXPECT(sim_live(&a, id, b.pub));
	EXPECT(sim_live(&a, a.asks[1].session_id, c.pub));
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT(a.last.ids.ids.id[0] == id);
	EXPECT_EQ(sessions(), 2);
	/* she comes back without it: then A hears of that, too */
	ASSERT(sim_associate(&c));
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) == 2, 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 2);
	EXPECT_EQ(sessions(), 1);
	/* a session with somebody who is no member (any more) is taken back */
	randombytes_buf(stranger, 32);
	EXPECT(sim_hello(&a, 1) && sim_live(&a, 4711, stranger));
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) == 3, AUTHD_UNPLACED_MS + 10000);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_REVOKED);
	stop();
}

/* New keys for @s; its kernel goes on with its sessions. */
static bool rekey(struct sim *s, const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.rekey", "name", name);
	struct sotto_errmsg err;
	struct sotto_enrol e;
	int rc = sotto_enrol_parse(&e, authd_str(ans, "line"), &err);

	json_decref(ans);
	if (rc)
		return false;
	memcpy(s->code, e.code, sizeof(s->code));
	noise_keypair(s->priv, s->pub);
	return sim_open(s, true) && sim_register(s);
}

/* They list it, Alice with the key that Bob had then. In either order, and both with new keys. */
static void listed_with_a_former_key(void)
{
	uint8_t former_a[32], former_b[32];
	uint64_t id;
	int i;

	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	id = a.asks[0].session_id;
	memcpy(former_a, a.pub, 32);
	memcpy(former_b, b.pub, 32);
	ASSERT(rekey(&b, "bob"));
	for (i = 0; i < 3; i++) {
		struct sim *first = i == 1 ? &b : &a, *second = i == 1 ? &a : &b;

		if (i == 2)
			ASSERT(rekey(&a, "alice"));
		EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
		ASSERT(authd_begin(&run));
		ASSERT(sim_open(first, false) && sim_hello(first, 1));
		EXPECT(sim_live(first, id, first == &a ? former_b : former_a));
		sim_wait(100);
		ASSERT(sim_open(second, false) && sim_hello(second, 1));
		EXPECT(sim_live(second, id, second == &a ? former_b : former_a));
		sim_wait(100);
		EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
		EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 0);
		EXPECT_EQ(sessions(), 1);
	}
	/* it is a session like any other */
	revoke_member("bob");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_PEER_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_PEER_GONE), 1);
	stop();
}

/* The other end does not list it: closed meanwhile, not held, or nobody's. */
static void listed_by_one_alone(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CLOSE };
	uint8_t stranger[32];

	ASSERT(start_two());
	randombytes_buf(stranger, 32);
	ASSERT(sim_open(&a, false) && sim_hello(&a, 2));
	EXPECT(sim_live(&a, 4711, stranger) && sim_live(&a, 4712, stranger));
	m.ids.reason = SOTTO_REFUSAL_CLOSED;
	m.ids.ids.n = 1;
	m.ids.ids.id[0] = 4712;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ACK);
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1));
	EXPECT(sim_live(&b, 4712, a.pub));
	SIM_UNTIL(sim_count(&b, SOTTO_MSG_SESSION_GONE), 1000);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), AUTHD_UNPLACED_MS + 1000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT(a.last.ids.ids.id[0] == 4711);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_REVOKED);
	EXPECT_EQ(sessions(), 0);
	stop();
}

/* An id that no session has is as good as any for the list to be complete. */
static void listed_without_id(void)
{
	ASSERT(start_two());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	b.instance++;
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1));
	EXPECT(sim_live(&b, 0, a.pub));
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 3000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(sessions(), 0);
	stop();
}

/* More than there is room for: the rest is taken back at once, and counted. */
static void listed_by_one_beyond_all(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_LIVE };
	unsigned int left = AUTHD_UNPLACED_MAX + 1, i;

	ASSERT(start_two());
	ASSERT(sim_open(&a, false) && sim_hello(&a, left));
	m.live.listing = a.listing;
	while (left) {
		m.live.live.n = left < SOTTO_LIVE_MAX ? left : SOTTO_LIVE_MAX;
		for (i = 0; i < m.live.live.n; i++) {
			m.live.live.l[i].session_id = left--;
			memset(m.live.live.l[i].peer_key, 0x5a, 32);
		}
		ASSERT(sim_call(&a, &m) == SOTTO_MSG_ACK);
	}
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 5000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(a.last.ids.ids.id[0], 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_REVOKED);
	EXPECT_EQ(counter("unplaced_full"), 1);
	EXPECT_EQ(sessions(), 0);
	stop();
}

/* Both were at another server meanwhile: a list from before they went says nothing of the
 * session that they made there.
 */
static void back_from_another_server(void)
{
	ASSERT(start_two());
	sim_note_bye(&a, SOTTO_REFUSAL_CLOSED);
	sim_note_bye(&b, SOTTO_REFUSAL_CLOSED);
	sim_wait(100);
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1));
	EXPECT(sim_live(&b, 4711, a.pub));
	sim_wait(100);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(sessions(), 1);
	ASSERT(sim_open(&a, false) && sim_hello(&a, 1));
	EXPECT(sim_live(&a, 4711, b.pub));
	sim_wait(100);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(sessions(), 1);
	stop();
}

/* After the server's restart a request waits for its peer to be back, not for ever. */
static void peer_awaited(void)
{
	uint64_t begin;
	int n;

	ASSERT(start_two());
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	ASSERT(sim_associate(&a));
	n = sim_ask(&a, "10.0.0.2");
	sim_wait(500);
	EXPECT(!a.asks[n].done);
	ASSERT(sim_associate(&b));
	SIM_UNTIL(a.asks[n].done, 10000);
	EXPECT(a.asks[n].granted);
	EXPECT(sim_agree(&a.asks[n], &b));
	/* who was here and went is not waited for */
	sim_note_bye(&b, SOTTO_REFUSAL_CLOSED);
	begin = sotto_now_ms();
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT(sotto_now_ms() - begin < AUTHD_RETURN_WAIT_MS);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	ASSERT(sim_associate(&a));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT_EQ(pending(), 0);
	stop();
}

/* An agent that is restarted says so, and is waited for; once, and not for ever. */
static void peer_returns(void)
{
	int n;

	ASSERT(start_two());
	sim_note_bye(&b, SOTTO_REFUSAL_RESTARTED);
	n = sim_ask(&a, "10.0.0.2");
	sim_wait(500);
	EXPECT(!a.asks[n].done);
	ASSERT(sim_associate(&b));
	SIM_UNTIL(a.asks[n].done, 10000);
	EXPECT(a.asks[n].granted);
	EXPECT(sim_agree(&a.asks[n], &b));
	sim_note_bye(&b, SOTTO_REFUSAL_RESTARTED);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT_EQ(pending(), 0);
	stop();
}

/* Its agent is restarted when it has the offer already: the next one is another session. */
static void offered_while_it_returns(void)
{
	uint64_t first;
	int n;

	ASSERT(start_two());
	b.mute = true;
	n = sim_ask(&a, "10.0.0.2");
	SIM_UNTIL(b.offers_seen, 10000);
	first = b.last.offer.session_id;
	sim_note_bye(&b, SOTTO_REFUSAL_RESTARTED);
	sim_wait(500);
	EXPECT(!a.asks[n].done);
	EXPECT_EQ(pending(), 1);
	b.mute = false;
	ASSERT(sim_associate(&b));
	SIM_UNTIL(a.asks[n].done, 3000);
	EXPECT(a.asks[n].granted);
	EXPECT(a.asks[n].session_id != first);
	EXPECT(sim_agree(&a.asks[n], &b));
	EXPECT_EQ(pending(), 0);
	EXPECT_EQ(sessions(), 1);
	stop();
}

/* Its agent dies between keys and answer, and says nothing: it cannot answer for that one. */
static void offered_to_one_that_dies(void)
{
	int n;

	ASSERT(start_two());
	b.mute = true;
	n = sim_ask(&a, "10.0.0.2");
	SIM_UNTIL(b.offers_seen, 10000);
	b.forgot = b.last.offer.session_id;
	b.mute = false;
	sim_wait(10);
	ASSERT(sim_associate(&b));
	SIM_UNTIL(a.asks[n].done, 3000);
	EXPECT(a.asks[n].granted);
	EXPECT(a.asks[n].session_id != b.forgot);
	EXPECT(sim_agree(&a.asks[n], &b));
	SIM_UNTIL(sim_count(&b, SOTTO_MSG_SESSION_GONE), 3000);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(pending(), 0);
	EXPECT_EQ(sessions(), 1);
	/* who refuses what came after its hello has reasons of its own */
	b.decline = true;
	b.offers_seen = 0;
	n = sim_ask(&a, "10.0.0.2");
	SIM_UNTIL(a.asks[n].done, 3000);
	EXPECT_EQ(a.asks[n].reason, SOTTO_REFUSAL_PEER_REFUSED);
	EXPECT_EQ(b.offers_seen, 1);
	EXPECT_EQ(pending(), 0);
	stop();
}

/* It goes for good, or does not come back in time. */
static void offered_and_gone(void)
{
	uint64_t begin;
	int n;

	ASSERT(start_two());
	b.mute = true;
	n = sim_ask(&a, "10.0.0.2");
	SIM_UNTIL(b.offers_seen, 10000);
	begin = sotto_now_ms();
	sim_note_bye(&b, SOTTO_REFUSAL_CLOSED);
	SIM_UNTIL(a.asks[n].done, 3000);
	EXPECT_EQ(a.asks[n].reason, SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT(sotto_now_ms() - begin < 1000);
	ASSERT(sim_associate(&b));
	n = sim_ask(&a, "10.0.0.2");
	begin = sotto_now_ms();
	SIM_UNTIL(b.offers_seen == 2, 10000);
	sim_wait(SOTTO_OFFER_MS - AUTHD_RETURN_WAIT_MS + 1000);
	sim_note_bye(&b, SOTTO_REFUSAL_RESTARTED);
	SIM_UNTIL(a.asks[n].done, 10000);
	EXPECT_EQ(a.asks[n].reason, SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT(sotto_now_ms() - begin < SOTTO_OFFER_MS + 500);
	EXPECT_EQ(pending(), 0);
	EXPECT_EQ(sessions(), 0);
	stop();
}

/* A server that is new hears of sessions with somebody who is not back: ids from 1 to @n. */
static void list_after_restart(struct sim *s, const struct sim *peer, uint64_t n)
{
	uint64_t id;

	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	ASSERT(sim_open(s, false) && sim_hello(s, 1000));
	for (id = 1; id <= n; id++)
		EXPECT(sim_live(s, id, peer->pub));
}

/* The offer that waited for bob ends the oldest session of a pair that has its number. */
static void awaited_by_a_full_pair(void)
{
	int n;

	ASSERT(start_two());
	list_after_restart(&a, &b, AUTHD_PAIR_SESSIONS);
	EXPECT_EQ(sessions(), AUTHD_PAIR_SESSIONS);
	n = sim_ask(&a, "10.0.0.2");
	sim_wait(100);
	EXPECT_EQ(pending(), 1);
	EXPECT_EQ(sessions(), AUTHD_PAIR_SESSIONS + 1);	/* none goes for one that may never be */
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1));
	SIM_UNTIL(a.asks[n].done, 10000);
	EXPECT(a.asks[n].granted);
	EXPECT(sim_agree(&a.asks[n], &b));
	EXPECT_EQ(sessions(), AUTHD_PAIR_SESSIONS);
	stop();
}

/* What a member lists is taken over up to the number that its pair may have. */
static void listed_without_end(void)
{
	ASSERT(start_two());
	list_after_restart(&a, &b, AUTHD_PAIR_SESSIONS + 4);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) == 4, 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 4);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_LIMIT);
	EXPECT_EQ(sessions(), AUTHD_PAIR_SESSIONS);
	/* those that it has may be listed again */
	EXPECT(sim_hello(&a, 2));
	EXPECT(sim_live(&a, 1, b.pub) && sim_live(&a, 2, b.pub));
	sim_wait(100);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 4);
	EXPECT_EQ(sessions(), 2);
	stop();
}

static const struct ktap_test tests[] = {
	{ "peer_restarted", peer_restarted },
	{ "server_restarted", server_restarted },
	{ "listed_with_a_former_key", listed_with_a_former_key },
	{ "listed_by_one_alone", listed_by_one_alone },
	{ "listed_without_id", listed_without_id },
	{ "listed_by_one_beyond_all", listed_by_one_beyond_all },
	{ "back_from_another_server", back_from_another_server },
	{ "peer_awaited", peer_awaited },
	{ "peer_returns", peer_returns },
	{ "offered_while_it_returns", offered_while_it_returns },
	{ "offered_to_one_that_dies", offered_to_one_that_dies },
	{ "offered_and_gone", offered_and_gone },
	{ "awaited_by_a_full_pair", awaited_by_a_full_pair },
	{ "listed_without_end", listed_without_end },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
