// SPDX-License-Identifier: GPL-2.0
/*
 * Gateways that stand in for each other: the real server, with agents that count what they
 * are told.
 */
#include "threerun.h"

#include "server/authd_limits.h"

/* Two gateways for one network; the first one goes. */
static void two_gateways(void)
{
	const char *const names[] = { "bob", "carol" };
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE };
	int i, gone;

	ASSERT(three());
	for (i = 0; i < 2; i++)
		json_decref(authd_ask(&run, "{s:s, s:s, s:[s]}", "cmd",
				      "member.set", "name", names[i], "routes",
				      "10.8.0.0/16"));
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	IS(a.asks[a.asks_n - 1].grant.name, "bob");
	gone = sim_count(&a, SOTTO_MSG_SESSION_GONE);
	bye.bye.reason = SOTTO_REFUSAL_CLOSED;
	sotto_chan_note(&b.chan, &bye);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) > gone, 10000);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	IS(a.asks[a.asks_n - 1].grant.name, "carol");
	/* a revoked gateway's network stays protected when it was the last */
	IS(say("member.revoke", "name", "bob", NULL, NULL), "");
	IS(say("member.revoke", "name", "carol", NULL, NULL), "");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), SOTTO_REFUSAL_NOT_MEMBER);
	sim_wait(200);
	EXPECT_EQ(sim_told(&a, "10.8.0.0/16"), SOTTO_ACTION_PROTECT);
	stop();
}

static int gone_of_a(void)
{
	return sim_count(&a, SOTTO_MSG_SESSION_GONE);
}

/* Until A was told of @n; Carol, a gateway, is not silent meanwhile. */
static void carol_waits(int n, int ms)
{
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	uint64_t end = sotto_now_ms() + ms;

	while (gone_of_a() < n && sotto_now_ms() < end) {
		EXPECT_EQ(sim_call(&c, &m), SOTTO_MSG_ACK);
		SIM_UNTIL(gone_of_a() == n, 2000);
	}
}

/* Nobody stood in when its association ended; somebody does now. */
static void gateway_comes_late(void)
{
	ASSERT(three());
	leads("bob");
	leads("carol");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	goes(&c, SOTTO_REFUSAL_CLOSED);
	goes(&b, SOTTO_REFUSAL_CLOSED);
	EXPECT_EQ(gone_of_a(), 0);
	ASSERT(sim_open(&c, false) && sim_hello(&c, 0));
	SIM_UNTIL(gone_of_a(), 10000);
	EXPECT_EQ(gone_of_a(), 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	IS(a.asks[a.asks_n - 1].grant.name, "carol");
	stop();
}

/* The one who stands in is found by the administrator. */
static void gateway_is_named_late(void)
{
	ASSERT(three());
	leads("bob");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	goes(&b, SOTTO_REFUSAL_CLOSED);
	EXPECT_EQ(gone_of_a(), 0);
	leads("carol");
	SIM_UNTIL(gone_of_a(), 10000);
	EXPECT_EQ(gone_of_a(), 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	stop();
}

/* One that says it returns may have been shut down: who waits for it would lose packets. */
static void gateway_restarts(void)
{
	uint64_t id;

	ASSERT(three());
	leads("bob");
	leads("carol");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	id = a.asks[a.asks_n - 1].session_id;
	goes(&b, SOTTO_REFUSAL_RESTARTED);
	SIM_UNTIL(gone_of_a(), 3000);
	EXPECT_EQ(gone_of_a(), 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	/* one that heard nothing of it lists it: it is not taken over */
	ASSERT(sim_open(&a, false) && sim_hello(&a, 1) && sim_live(&a, id, b.pub));
	SIM_UNTIL(gone_of_a() == 2, 10000);
	EXPECT_EQ(gone_of_a(), 2);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	stop();
}

/* The server goes, and the gateway for good: its standby waits for it, and no longer. */
static void gateway_went_with_the_server(void)
{
	uint64_t id, begin;

	ASSERT(three());
	leads("bob");
	leads("carol");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	id = a.asks[a.asks_n - 1].session_id;
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	begin = sotto_now_ms();
	ASSERT(sim_open(&c, false) && sim_hello(&c, 0));
	ASSERT(sim_open(&a, false) && sim_hello(&a, 1) && sim_live(&a, id, b.pub));
	sim_wait(1000);
	EXPECT_EQ(gone_of_a(), 0);
	carol_waits(1, AUTHD_RETURN_MS + 10000);
	EXPECT_EQ(gone_of_a(), 1);
	EXPECT(sotto_now_ms() - begin > AUTHD_RETURN_MS - 3000);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	stop();
}

/*
 * The server did not run for longer than a gateway may be silent: a virtual machine that was
 * moved, say. What they said meanwhile waits in its socket.
 */
static void server_was_stopped(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	struct sim *all[] = { &b, &c };
	int i;

	ASSERT(three());
	leads("bob");
	leads("carol");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	kill(run.pid, SIGSTOP);
	sim_wait(AUTHD_GATEWAY_DEAD_MS - 3000);
	for (i = 0; i < 2; i++) {
		all[i]->answered = false;
		EXPECT_EQ(sotto_chan_request(&all[i]->chan, sotto_now_ms(), &m, 0,
					     sim_answered, all[i], NULL), 0);
	}
	sim_wait(5000);
	kill(run.pid, SIGCONT);
	SIM_UNTIL(b.answered && c.answered, 5000);
	EXPECT(b.answered && !b.answer_err);
	EXPECT(c.answered && !c.answer_err);
	sim_wait(3000);
	EXPECT_EQ(gone_of_a(), 0);
	stop();
}

static const struct ktap_test tests[] = {
	{ "two_gateways", two_gateways },
	{ "gateway_comes_late", gateway_comes_late },
	{ "gateway_is_named_late", gateway_is_named_late },
	{ "gateway_restarts", gateway_restarts },
	{ "server_was_stopped", server_was_stopped },
	{ "gateway_went_with_the_server", gateway_went_with_the_server },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
