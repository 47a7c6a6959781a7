// SPDX-License-Identifier: GPL-2.0
/* The agent's association, its list of sessions, and its time: with agentrun.h. (With
 * peers: test_agent_peers.c.)
 */
#include "agentrun.h"

#include <fcntl.h>

/* ---- what the kernel holds is told to the server ---- */

static void many_sessions(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		ksim_session(1000 + i, "bob", "10.0.0.2");
}

static void all_sessions_are_listed(void)
{
	begin();
	many_sessions(500);
	agent_begin();
	UNTIL(srv.listed == 500, 10000);
	EXPECT_EQ(srv.hello.live_count, 500);
	EXPECT_EQ(srv.listed, 500);
	EXPECT_EQ(srv.strangers, 0);
	end();
}

static void answer_live(struct server_chan *c)
{
	for (unsigned int i = 0; i < c->n_held; i++)
		sotto_chan_ack(&c->ch, sotto_now_ms(), c->held[i]);
	c->n_held = 0;
	UNTIL(false, 100);
}

/* What is closed while the list goes out is told when the server has all of that. */
static void ends_are_told_after_the_list(void)
{
	begin();
	many_sessions(500);
	srv.hold_live = true;
	agent_begin();
	UNTIL(srv.chans[0].n_held, 3000);
	session_lost(&ag, 1499, SOTTO_REFUSAL_CLOSED);
	UNTIL(srv.closed, 700);
	EXPECT_EQ(srv.closed, 0);
	srv.hold_live = false;
	answer_live(&srv.chans[0]);
	UNTIL(srv.closed, 3000);
	EXPECT_EQ(srv.listed, 500);
	EXPECT_EQ(srv.closed, 1);
	/* and of one that is being made */
	srv.hold_hello = true;
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 2, 3000);
	session_lost(&ag, 1498, SOTTO_REFUSAL_CLOSED);
	UNTIL(srv.closed == 2, 700);
	EXPECT_EQ(srv.closed, 1);
	srv.hold_hello = false;
	server_hello(&srv.chans[1], srv.chans[1].held[0], &srv.held_hello);
	UNTIL(srv.closed == 2, 3000);
	EXPECT_EQ(srv.listed, 499);
	EXPECT_EQ(srv.closed, 2);
	end();
}

/* The same where there was no association before: the list is on its way already. */
static void ends_are_told_after_the_first_list(void)
{
	begin();
	many_sessions(2);
	srv.hold_hello = true;
	agent_begin();
	UNTIL(srv.hellos, 3000);
	session_lost(&ag, 1001, SOTTO_REFUSAL_CLOSED);
	srv.hold_hello = false;
	server_hello(&srv.chans[0], srv.chans[0].held[0], &srv.held_hello);
	UNTIL(srv.closed, 3000);
	EXPECT_EQ(srv.listed, 2);
	EXPECT_EQ(srv.closed, 1);
	end();
}

/* Events were lost, and the dump fails: it is tried again. */
static void stock_is_taken_later(void)
{
	begin();
	many_sessions(2);
	agent_begin();
	UNTIL(associated(), 10000);
	ksim.n_sas = 2;
	ksim.refuse_dumps = ENOMEM;
	EXPECT(kernel_resync(&ag));
	EXPECT_EQ(session_count(&ag), 2);
	ksim.refuse_dumps = 0;
	ev_invoke(ag.loop, &ag.kernel.check, EV_TIMER);
	EXPECT_EQ(session_count(&ag), 1);
	end();
}

/* Half of a list is there, and its next part is not answered; a new hello is not, either. */
static bool stopped_in_a_list(void)
{
	begin();
	many_sessions(500);
	srv.hold_live = true;
	agent_begin();
	UNTIL(srv.chans[0].n_held, 10000);
	UNTIL(false, 50);
	srv.hold_hello = true;
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 2, 10000);
	srv.hold_live = false;
	return srv.hellos == 2 && srv.listed < 500;
}

/* Answers to the list before count for that one alone. */
static void new_list_begins_while_one_is_under_way(void)
{
	ASSERT(stopped_in_a_list());
	answer_live(&srv.chans[0]);
	server_hello(&srv.chans[1], srv.chans[1].held[0], &srv.held_hello);
	UNTIL(srv.listed == 500, 10000);
	EXPECT_EQ(srv.listed, 500);
	end();
}

/* The new association fails, and the one that stands goes on with its list. */
static void list_goes_on_after_a_hello_that_failed(void)
{
	ASSERT(stopped_in_a_list());
	answer_live(&srv.chans[0]);
	UNTIL(srv.listed == 500, 10000);
	EXPECT_EQ(srv.listed, 500);
	EXPECT_EQ(srv.strangers, 0);
	end();
}

/* ---- an association in time ---- */

static void keys_do_not_outlive_their_time(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	srv.dead = true;
	jump(SOTTO_ASSOC_HARD_MS - 60000);
	EXPECT(assoc_channel(&ag));
	jump(120000);
	EXPECT(!assoc_channel(&ag));
	EXPECT(ag.assoc.down_ms);
	EXPECT(sodium_is_zero((uint8_t *)&ag.assoc.chans[ag.assoc.current].ch,
			      sizeof(struct sotto_chan)));
	srv.dead = false;
	jump(ASSOC_BACKOFF_MAX_MS * 2);
	UNTIL(associated(), 8000);
	EXPECT(associated());
	end();
}

/* Too much is unanswered when sessions end: that is told when there is room. */
static void ends_are_told_later(void)
{
	begin();
	many_sessions(600);
	agent_begin();
	UNTIL(srv.listed == 600 && !ag.live_out, 3000);
	ASSERT(associated() && !ag.live_out);
	srv.dead = true;
	for (int i = 0; i < SOTTO_CALLS_MAX; i++)
		report_closed(&ag, 1 + i, SOTTO_REFUSAL_CLOSED);
	session_lost(&ag, 1000, SOTTO_REFUSAL_EXPIRED);
	UNTIL(false, 1000);
	srv.dead = false;
	UNTIL(srv.closed, 5000);
	EXPECT_EQ(srv.closed, 1);
	UNTIL(!assoc_channel(&ag)->calls_n, 5000);
	/* or were gone when it looked: more than can wait, so it takes another list */
	srv.dead = true;
	for (int i = 0; i < SOTTO_CALLS_MAX; i++)
		report_closed(&ag, 1 + i, SOTTO_REFUSAL_CLOSED);
	ksim.n_sas = 0;
	EXPECT_EQ(kernel_resync(&ag), 0);
	srv.dead = false;
	UNTIL(srv.closed == 1 + UNTOLD_MAX && srv.hellos == 2, 5000);
	EXPECT_EQ(srv.closed, 1 + UNTOLD_MAX);
	EXPECT_EQ(ag.counters[COUNT_ENDS_LEFT_OUT], 599 - UNTOLD_MAX);
	EXPECT_EQ(srv.hellos, 2);
	EXPECT_EQ(srv.hello.live_count, 0);
	end();
}

/* There is no room to tell of them when this host goes: it waits for that, so long as it may. */
static void ends_are_told_before_it_goes(void)
{
	begin();
	many_sessions(300);
	agent_begin();
	UNTIL(srv.listed == 300 && !ag.live_out, 3000);
	ASSERT(associated() && !ag.live_out);
	srv.dead = true;
	for (int i = 0; i < SOTTO_CALLS_MAX; i++)
		report_closed(&ag, 1 + i, SOTTO_REFUSAL_CLOSED);
	session_lost(&ag, 1000, SOTTO_REFUSAL_EXPIRED);
	session_leave(&ag);
	UNTIL(stopped, 200);
	EXPECT(!stopped);
	srv.dead = false;
	UNTIL(stopped, SESSION_LEAVE_MS * 3);
	EXPECT(stopped);
	EXPECT_EQ(srv.closed, 300);
	end();
}

static void silent_server_costs_no_time(void)
{
	unsigned int turns;
	uint64_t until;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	srv.dead = true;
	for (int i = 0; i < SOTTO_CALLS_MAX + 10; i++)
		report_closed(&ag, 1 + i, SOTTO_REFUSAL_CLOSED);
	jump(4000);	/* a keepalive is due */
	until = sotto_now_ms() + 300;
	for (turns = 0; sotto_now_ms() < until; turns++)
		ev_run(ag.loop, EVRUN_ONCE);
	EXPECT(turns < 1000);
	end();
}

/* The server ended the association meanwhile: that is found out soon, not by the next packet. */
static void asked_at_once_after_a_sleep(void)
{
	unsigned int before;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	before = srv.keepalives;
	asleep_ms += 600000;
	ev_invoke(ag.loop, &ag.kernel.check, EV_TIMER);
	UNTIL(srv.keepalives > before, 1000);
	EXPECT(srv.keepalives > before);
	end();
}

static void on_exempt(void)
{
	assoc_doubt(&ag);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Events are heard while the kernel is asked for something: one of them may want the same. */
static void an_attempt_begins_once(void)
{
	int before;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	before = open_fds();
	ksim.on_exempt = on_exempt;
	ag.assoc.moved = true;
	assoc_doubt(&ag);
	EXPECT(!ksim.on_exempt);
	UNTIL(srv.hellos == 2 && ag.assoc.state == ASSOC_STEADY, 10000);
	EXPECT_EQ(srv.hellos, 2);
	/* a new socket, and the one before is closed */
	EXPECT_EQ(open_fds(), before);
	end();
}

static void each_address_of_a_server_is_tried(void)
{
	begin();
	enrol("two.example");
	agent_begin();
	for (int i = 0; i < 8 && !associated(); i++) {
		UNTIL(associated(), 300);
		if (!associated())
			jump(ASSOC_TRY_MS);
	}
	EXPECT(associated());
	end();
}

/* The association is lost, so its name is looked up anew, by a name server that is silent. */
static void silent_name_server_holds_up_nothing(void)
{
	begin();
	enrol("slow.example");
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	srv.dead = true;
	names_hang = true;
	assoc_doubt(&ag);
	for (int i = 0; i < 8 && ag.assoc.state != ASSOC_RESOLVING; i++)
		jump(ASSOC_TRY_MS);
	EXPECT_EQ(ag.assoc.state, ASSOC_RESOLVING);
	srv.dead = false;
	UNTIL(associated(), 5000);
	EXPECT(associated());
	names_hang = false;
	UNTIL(!ag.assoc.resolver_runs, 5000);
	EXPECT(!ag.assoc.resolver_runs);
	end();
}

static void add_server(const char *host)
{
	struct sotto_errmsg err;
	struct identity *id;

	EXPECT_EQ(identity_load(&id, &err), 0);
	id->servers[id->n_servers] = id->servers[0];
	strcpy(id->servers[id->n_servers++].host, host);
	EXPECT_EQ(identity_keep(id, &err), 0);
	identity_free(id);
}

/* Of one that was never heard of the address is not known: the next one's turn comes. */
static void unknown_server_holds_up_no_other(void)
{
	begin();
	enrol("slow.example");
	add_server("127.0.0.1");
	names_hang = true;
	agent_begin();
	UNTIL(associated(), 5000);
	EXPECT(associated());
	EXPECT_EQ(ag.assoc.home, 1);
	/* and when the name is answered, that one is the home again */
	names_hang = false;
	UNTIL(!ag.assoc.resolver_runs, 5000);
	jump(ASSOC_HOME_MS);
	UNTIL(!ag.assoc.home && associated(), 10000);
	EXPECT_EQ(ag.assoc.home, 0);
	EXPECT(associated());
	end();
}

/* The first server comes back at another address: whoever is at the second one finds it. */
static void server_that_moved_is_found_again(void)
{
	begin();
	enrol("moving.example");
	add_server("127.0.0.1");
	moving_is = "127.0.0.9";
	agent_begin();
	jump(ASSOC_TRY_FIRST_MS);
	UNTIL(associated(), 5000);
	ASSERT(associated());
	EXPECT_EQ(ag.assoc.home, 1);
	for (int i = 0; i < 6 && ag.assoc.home; i++) {
		jump(ASSOC_HOME_MS);
		UNTIL(!ag.assoc.home, 500);
		jump(ASSOC_TRY_FIRST_MS);
		if (i == 1)
			moving_is = "127.0.0.1";
	}
	EXPECT_EQ(ag.assoc.home, 0);
	end();
}

/* Who reads what is wrong reads what is wrong now. */
static void trouble_is_the_last(void)
{
	begin();
	srv.dead = true;
	agent_begin();
	assoc_trouble(&ag, "unreachable", "", "no way to the server");
	EXPECT(!strcmp(ag.assoc.trouble.error, "unreachable"));
	for (int i = 0; i < 4; i++)
		jump(ASSOC_TRY_MS);
	EXPECT(!strcmp(ag.assoc.trouble.error, "no_answer"));
	end();
}

/* Whoever sees message 1 can answer it with rubbish, each a Diffie-Hellman to look at. */
static void forged_answers_cost_little(void)
{
	uint8_t forged[96] = { SOTTO_DGRAM_RESP, SOTTO_PROTO_VERSION };
	unsigned int before;

	begin();
	srv.no_resp = true;
	agent_begin();
	UNTIL(srv.inits, 10000);
	ASSERT(srv.inits);
	for (int i = 0; i < 4; i++)
		forged[4 + i] = srv.agent_index >> (24 - 8 * i);
	before = scalarmults;
	for (int i = 0; i < 2000; i++) {
		randombytes_buf(forged + 8, sizeof(forged) - 8);
		server_send(NULL, forged, sizeof(forged));
		if (i % 50 == 0)
			ev_run(ag.loop, EVRUN_NOWAIT);
	}
	UNTIL(false, 50);
	EXPECT(scalarmults > before);
	EXPECT(scalarmults - before <= 2 * 4 * ASSOC_RESPS_MAX);
	EXPECT(ag.counters[COUNT_ANSWERS_IGNORED]);
	/* and the true one is still taken */
	srv.no_resp = false;
	UNTIL(associated(), 10000);
	EXPECT(associated());
	end();
}

/* Or with cookies: each makes it send message 1, five times as long as the cookie, once more. */
static void forged_cookies_cost_little(void)
{
	uint8_t cookie[40] = { SOTTO_DGRAM_COOKIE, SOTTO_PROTO_VERSION };

	begin();
	srv.no_resp = true;
	agent_begin();
	UNTIL(srv.inits, 10000);
	ASSERT(srv.inits);
	for (int i = 0; i < 4; i++)
		cookie[4 + i] = srv.agent_index >> (24 - 8 * i);
	memcpy(cookie + 8, srv.echo, sizeof(srv.echo));
	for (int i = 0; i < 1000; i++) {
		randombytes_buf(cookie + 24, sizeof(cookie) - 24);
		server_send(NULL, cookie, sizeof(cookie));
		if (i % 50 == 0)
			turn();
	}
	UNTIL(false, 50);
	EXPECT(srv.inits > 1);
	EXPECT(srv.inits <= 50);
	EXPECT(ag.counters[COUNT_COOKIES_IGNORED]);
	srv.no_resp = false;
	UNTIL(associated(), 10000);
	EXPECT(associated());
	end();
}

/* Times past all sense don't make it ask on and on. */
static void absurd_times_are_not_taken(void)
{
	begin();
	srv.rekey_s = UINT32_MAX / 1000 + 1;
	srv.keepalive_s = UINT32_MAX / 1000 + 1;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	UNTIL(srv.hellos > 1 || srv.keepalives, 1500);
	EXPECT_EQ(srv.hellos, 1);
	EXPECT_EQ(srv.keepalives, 0);
	end();
}

/* The realm's word for the time without a server holds for an agent that begins in it. */
static void loss_is_remembered(void)
{
	begin();
	ksim_session(77, "bob", "10.0.0.2");
	srv.loss_s = 60;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	agent_end();
	srv.dead = true;
	agent_begin();
	jump(50000);
	EXPECT_EQ(ksim.n_sas, 2);
	jump(20000);
	EXPECT_EQ(ksim.n_sas, 0);
	end();
}

static void say_readdressed(struct server_chan *c)
{
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE };

	bye.bye.reason = SOTTO_REFUSAL_READDRESSED;
	sotto_chan_note(&c->ch, &bye);
}

static bool is_ours(const char *text)
{
	const struct saved *s = &ag.policy.kept;
	struct sotto_addr addr;
	bool kept = false;

	sotto_addr_parse(&addr, text);
	for (size_t i = 0; i < s->n_addrs; i++)
		kept |= sotto_addr_eq(&s->addrs[i].prefix.addr, &addr);
	EXPECT_EQ(sotto_addrs_have(&ag.id->addrs, &addr), kept);
	return kept;
}

/* The administrator changed them: no session for others is left, nor told of. */
static void other_addresses_are_taken(void)
{
	struct sotto_errmsg err;
	struct identity *id;

	begin();
	many_sessions(30);
	agent_begin();
	UNTIL(srv.listed == 30, 10000);
	EXPECT_EQ(srv.named, 30);
	/* one more */
	srv.addrs[0] = "fd00::1";
	srv.addrs[1] = "10.0.0.1";
	say_readdressed(&srv.chans[0]);
	UNTIL(srv.hellos == 2 && is_ours("fd00::1"), 3000);
	EXPECT(is_ours("fd00::1") && is_ours("10.0.0.1"));
	EXPECT_EQ(ksim.n_sas, 0);
	EXPECT_EQ(session_count(&ag), 0);
	UNTIL(srv.listed == 30, 3000);
	EXPECT_EQ(srv.listed, 30);	/* as many as hello had said */
	EXPECT_EQ(srv.named, 30);
	/* the same in another order, as a server has them that was restarted, is no change */
	many_sessions(30);
	EXPECT(!kernel_resync(&ag));
	srv.addrs[0] = "10.0.0.1";
	srv.addrs[1] = "fd00::1";
	say_readdressed(&srv.chans[1]);
	UNTIL(srv.hellos == 3 && srv.named == 60, 3000);
	EXPECT_EQ(srv.named, 60);
	EXPECT_EQ(session_count(&ag), 30);
	/* in the place of those that it had; an agent that starts later has them, too */
	srv.addrs[0] = "10.0.0.11";
	srv.addrs[1] = NULL;
	say_readdressed(&srv.chans[2]);
	UNTIL(srv.hellos == 4 && is_ours("10.0.0.11"), 3000);
	EXPECT(is_ours("10.0.0.11") && !is_ours("10.0.0.1") && !is_ours("fd00::1"));
	EXPECT_EQ(ksim.n_sas, 0);
	end();
	EXPECT_EQ(identity_load(&id, &err), 0);
	EXPECT(id && id->addrs.n == 1 && id->addrs.a[0].b[3] == 11);
	identity_free(id);
}

/* A member without addresses could not be read from the disk any more. */
static void no_addresses_are_not_believed(void)
{
	struct identity *id;
	struct sotto_errmsg err;

	begin();
	srv.no_addrs = true;
	agent_begin();
	UNTIL(associated(), 10000);
	EXPECT(associated());
	EXPECT_EQ(ag.id->addrs.n, 1);
	end();
	EXPECT_EQ(identity_load(&id, &err), 0);
	identity_free(id);
}

/* Its soft limit was reached while no agent was there to hear of it. */
static void due_sessions_are_replaced_after_a_restart(void)
{
	begin();
	ksim_session(1, "bob", "10.0.0.2");
	ksim_session(2, "carol", "10.0.0.3");
	for (int i = 2; i < 4; i++) {
		ksim.sas[i].soft_seconds = 10;
		ksim.sas[i].age_ms = 12000;
	}
	agent_begin();
	UNTIL(srv.rekey_of, 10000);
	EXPECT_EQ(srv.rekey_of, 2);
	end();
}

static const struct ktap_test tests[] = {
	{ "all_sessions_are_listed", all_sessions_are_listed },
	{ "ends_are_told_after_the_list", ends_are_told_after_the_list },
	{ "ends_are_told_after_the_first_list", ends_are_told_after_the_first_list },
	{ "stock_is_taken_later", stock_is_taken_later },
	{ "new_list_begins_while_one_is_under_way", new_list_begins_while_one_is_under_way },
	{ "list_goes_on_after_a_hello_that_failed", list_goes_on_after_a_hello_that_failed },
	{ "keys_do_not_outlive_their_time", keys_do_not_outlive_their_time },
	{ "ends_are_told_later", ends_are_told_later },
	{ "ends_are_told_before_it_goes", ends_are_told_before_it_goes },
	{ "silent_server_costs_no_time", silent_server_costs_no_time },
	{ "asked_at_once_after_a_sleep", asked_at_once_after_a_sleep },
	{ "an_attempt_begins_once", an_attempt_begins_once },
	{ "each_address_of_a_server_is_tried", each_address_of_a_server_is_tried },
	{ "silent_name_server_holds_up_nothing", silent_name_server_holds_up_nothing },
	{ "unknown_server_holds_up_no_other", unknown_server_holds_up_no_other },
	{ "server_that_moved_is_found_again", server_that_moved_is_found_again },
	{ "trouble_is_the_last", trouble_is_the_last },
	{ "forged_answers_cost_little", forged_answers_cost_little },
	{ "forged_cookies_cost_little", forged_cookies_cost_little },
	{ "absurd_times_are_not_taken", absurd_times_are_not_taken },
	{ "loss_is_remembered", loss_is_remembered },
	{ "other_addresses_are_taken", other_addresses_are_taken },
	{ "no_addresses_are_not_believed", no_addresses_are_not_believed },
	{ "due_sessions_are_replaced_after_a_restart", due_sessions_are_replaced_after_a_restart },
};

int main(void)
{
	return run_agent(tests, sizeof(tests) / sizeof(tests[0]));
}
