// SPDX-License-Identifier: GPL-2.0
/* The agent's association, its sessions, and its time: with agentrun.h. */
#include "agentrun.h"
#include "msgfill.h"

#include <fcntl.h>

#include "enrol.h"

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

/* ---- offers ---- */

static void on_offered(void *arg, int err, const struct sotto_msg *m)
{
	*(int *)arg = err ? err : m->type;
}

/* From bob, a session for our address. */
static void fill_offer(struct sotto_msg_session_offer *o)
{
	uint8_t priv[32];

	strcpy(o->name, "bob");
	noise_keypair(priv, o->static_pub);
	noise_keypair(priv, o->eph_pub);
	o->spi = 5000;
	o->data_port = 7689;
	o->addrs.n = 1;
	sotto_addr_parse(&o->addrs.a[0], "10.0.0.2");
	o->own_addrs.n = 1;
	sotto_addr_parse(&o->own_addrs.a[0], "10.0.0.1");
	o->dst = o->own_addrs.a[0];
	o->offered = (struct sotto_ciphers) { 2, { 2, 1 } };
	o->cipher = 2;
	o->seed[0] = 1;
	o->life.hard_s = 3600;
	o->session_id = 4711;
}

/* The answer to hello is lost or late: what was offered meanwhile is not refused for that. */
static void offer_waits_for_hello(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };
	int answer = 0;

	begin();
	srv.hold_hello = true;
	agent_begin();
	UNTIL(srv.hellos, 10000);
	ASSERT(srv.hellos);
	fill_offer(&m.offer);
	EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), &m, 0, on_offered,
				     &answer, NULL), 0);
	UNTIL(answer, 200);
	EXPECT_EQ(answer, 0);
	server_hello(&srv.chans[0], srv.chans[0].held[0], &srv.held_hello);
	UNTIL(answer, 10000);
	EXPECT_EQ(answer, SOTTO_MSG_SESSION_ACCEPT);
	EXPECT_EQ(ksim.n_sas, 2);
	end();
}

static bool offer(const struct sotto_msg *m)
{
	int answer = 0;

	EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), m, 0, on_offered,
				     &answer, NULL), 0);
	UNTIL(answer, 10000);
	return answer == SOTTO_MSG_SESSION_ACCEPT;
}

static void on_asked(struct agent *a, void *arg, enum sotto_reason reason, uint32_t hold_ms)
{
	(void)a;
	(void)hold_ms;
	*(int *)arg = reason;
}

/* With bob, as it was asked for. */
static void grant(uint64_t id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_GRANT };
	struct sotto_msg_session_grant *g = &m.grant;
	uint8_t priv[32];

	g->session_id = id;
	g->request_id = srv.request.request_id;
	strcpy(g->name, "bob");
	noise_keypair(priv, g->static_pub);
	noise_keypair(priv, g->eph_pub);
	g->spi = 5000;
	g->data_port = 7689;
	g->addrs.n = 1;
	g->addrs.a[0] = srv.request.dst;
	g->own_addrs.n = 1;
	sotto_addr_parse(&g->own_addrs.a[0], "10.0.0.1");
	g->cipher = 2;
	g->seed[0] = 1;
	g->life.hard_s = 3600;
	EXPECT_EQ(sotto_chan_answer(&srv.chans[0].ch, sotto_now_ms(), srv.request_at, &m), 0);
}

/* That a session is gone arrives before its grant: there are no keys for it, and another one
 * is asked for.
 */
static void gone_overtakes_grant(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_GONE };
	struct sotto_addr dst;
	int told = 0, asked = -1;

	begin();
	agent_begin();
	UNTIL(associated() && srv.listed == srv.hello.live_count, 10000);
	sotto_addr_parse(&dst, "10.0.0.2");
	ask_session(&ag, &dst, 0, 10000, 0, on_asked, &asked);
	UNTIL(srv.requests, 10000);
	m.ids.reason = SOTTO_REFUSAL_CLOSED;
	m.ids.ids.n = 1;
	m.ids.ids.id[0] = 4711;
	EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), &m, 0, on_offered,
				     &told, NULL), 0);
	UNTIL(told, 10000);
	EXPECT_EQ(told, SOTTO_MSG_ACK);
	grant(4711);
	UNTIL(srv.requests == 2, 5000);
	EXPECT_EQ(srv.requests, 2);
	EXPECT_EQ(ksim.n_sas, 0);
	EXPECT_EQ(asked, -1);
	ASSERT(srv.requests == 2);
	grant(4712);
	UNTIL(asked >= 0, 10000);
	EXPECT_EQ(asked, SOTTO_REASON_NONE);
	EXPECT_EQ(ksim.n_sas, 2);
	end();
}

/* A session that bob asked for, with the key that he said. */
static bool offered(uint8_t key[32])
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	fill_offer(&m.offer);
	memcpy(key, m.offer.static_pub, 32);
	return offer(&m);
}

/* The same with the key that he had before. */
static bool offered_with(const uint8_t key[32])
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	fill_offer(&m.offer);
	memcpy(m.offer.static_pub, key, 32);
	return offer(&m);
}

/* Whose key is pinned now, and is another than the one of the session that stands. */
static void pin_ends_what_contradicts_it(void)
{
	struct sotto_addrs addrs = { .n = 1 };
	struct sotto_errmsg err;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated() && offered(key));
	EXPECT_EQ(ksim.n_sas, 2);
	EXPECT_EQ(pins_add(&ag, "bob", key, NULL, &err), 0);
	UNTIL(srv.rekey_of, 500);
	EXPECT_EQ(srv.rekey_of, 0);
	/* another one is asked for, so that nothing is lost if that has the right key */
	key[0] ^= 1;
	EXPECT_EQ(pins_add(&ag, "bob", key, NULL, &err), 0);
	EXPECT_EQ(ksim.n_sas, 2);
	srv.refusal = SOTTO_REFUSAL_PIN;
	UNTIL(!ksim.n_sas, 5000);
	EXPECT_EQ(srv.rekey_of, 4711);
	EXPECT_EQ(ksim.n_sas, 0);
	UNTIL(srv.closed, 1000);
	EXPECT_EQ(srv.closed, 1);
	/* the same with an address of another one who is pinned */
	EXPECT_EQ(pins_del(&ag, "bob", &err), 0);
	ASSERT(offered(key));
	sotto_addr_parse(&addrs.a[0], "10.0.0.2");
	EXPECT_EQ(pins_add(&ag, "rose", key, &addrs, &err), 0);
	UNTIL(!ksim.n_sas, 5000);
	EXPECT_EQ(ksim.n_sas, 0);
	end();
}

/* Trust on first use pins all that a busy host ever met, and each session is held to that. */
static void owner_among_many_pins(void)
{
	struct sotto_party p = { .name = "zoe", .addrs.n = 2 };
	uint8_t key[32] = { 1 };

	begin();
	agent_begin();
	for (int i = 0; i < 10000; i++) {
		struct sotto_addrs addrs = { .n = 1 };
		char name[32], text[32];

		snprintf(name, sizeof(name), "peer-%05d.example", i);
		snprintf(text, sizeof(text), "10.1.%d.%d", i / 250, i % 250 + 1);
		sotto_addr_parse(&addrs.a[0], text);
		peers_set(&ag.peers, name, key);
		peers_add_addrs(&ag.peers, name, &addrs);
		peers_set(&ag.pins, name, key);
	}
	sotto_addr_parse(&p.addrs.a[0], "10.9.9.9");
	sotto_addr_parse(&p.addrs.a[1], "fd00:1::1");
	EXPECT(!pins_owner(&ag, &p));
	sotto_addr_parse(&p.addrs.a[1], "10.1.7.8");
	EXPECT(!strcmp(pins_owner(&ag, &p), "peer-01757.example"));
	key[0] = 2;
	peers_set(&ag.pins, "peer-01757.example", key);
	EXPECT(!pins_owner(&ag, &p));
	sotto_addr_parse(&p.addrs.a[1], "10.1.7.9");
	strcpy(p.name, "peer-01758.example");
	EXPECT(!pins_owner(&ag, &p));
	end();
}

/* What every host has is behind nobody, and what is ours is not behind another. */
static void routes_that_cannot_be(void)
{
	static const char *const no[] = {
		"0.0.0.0/8", "127.0.0.0/8", "127.0.0.1/32", "169.254.0.0/16", "224.0.0.0/4",
		"239.1.0.0/16", "255.255.255.255/32", "::/128", "::1/128", "::ffff:0:0/96",
		"fe80::/10", "fe80:1::/32", "ff00::/8", "ff02::1/128", "0.0.0.0/0", "10.0.0.0/24",
	};
	static const char *const yes[] = { "10.8.0.0/16", "192.0.2.0/24", "fd08::/64", "::/0" };
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 0; i < sizeof(no) / sizeof(no[0]) + sizeof(yes) / sizeof(yes[0]); i++) {
		bool can_be = i >= sizeof(no) / sizeof(no[0]);

		memset(&m.offer, 0, sizeof(m.offer));
		fill_offer(&m.offer);
		m.offer.session_id += i;
		m.offer.mode = SOTTO_MODE_TUNNEL;
		m.offer.routes.n = 1;
		sotto_prefix_parse(&m.offer.routes.p[0], can_be ? yes[i - sizeof(no) / sizeof(no[0])] : no[i]);
		EXPECT_EQ(offer(&m), can_be);
		EXPECT_EQ(ksim.n_sas, 2 * can_be);
		session_drop_all(&ag);
	}
	/* nor is a group, or this host itself, the other one */
	memset(&m.offer, 0, sizeof(m.offer));
	fill_offer(&m.offer);
	m.offer.addrs.n = 2;
	sotto_addr_parse(&m.offer.addrs.a[1], "224.0.0.1");
	EXPECT(!offer(&m));
	sotto_addr_parse(&m.offer.addrs.a[1], "::1");
	EXPECT(!offer(&m));
	/* the same of what is said to be behind this host */
	memset(&m.offer, 0, sizeof(m.offer));
	fill_offer(&m.offer);
	m.offer.mode = SOTTO_MODE_TUNNEL;
	m.offer.own_routes.n = 1;
	sotto_prefix_parse(&m.offer.own_routes.p[0], "127.0.0.0/8");
	EXPECT(!offer(&m));
	end();
}

/* ---- limits ---- */

/* No more than so many wait for it. */
static void early_offers_are_few(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };
	int answers[OFFERS_EARLY + 1] = { 0 };

	begin();
	srv.hold_hello = true;
	agent_begin();
	UNTIL(srv.hellos, 10000);
	ASSERT(srv.hellos);
	fill_offer(&m.offer);
	for (int i = 0; i <= OFFERS_EARLY; i++) {
		m.offer.session_id++;
		EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), &m, 0, on_offered,
					     &answers[i], NULL), 0);
	}
	UNTIL(answers[OFFERS_EARLY], 1000);
	EXPECT_EQ(answers[OFFERS_EARLY], SOTTO_MSG_SESSION_REFUSAL);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_EARLY_REFUSED], 1);
	end();
}

static void offer_by(const char *name, uint64_t id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	fill_offer(&m.offer);
	strcpy(m.offer.name, name);
	m.offer.session_id = id;
	handle_request(&ag, assoc_channel(&ag), id, &m);
}

static void unused_offers_are_few(void)
{
	char name[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 0; i <= OFFERS_FRESH_PEER; i++)
		offer_by("bob", 1000 + i);
	EXPECT_EQ(session_count(&ag), OFFERS_FRESH_PEER);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_PEER_REFUSED], 1);
	for (unsigned int i = OFFERS_FRESH_PEER; i <= OFFERS_FRESH_MAX; i++) {
		snprintf(name, sizeof(name), "peer-%u", i);
		offer_by(name, 2000 + i);
	}
	EXPECT_EQ(session_count(&ag), OFFERS_FRESH_MAX);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_REFUSED], 1);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_PEER_REFUSED], 1);
	end();
}

static unsigned int refused;

static void on_refused(struct agent *a, void *arg, enum sotto_reason reason, uint32_t hold_ms)
{
	(void)a;
	(void)hold_ms;
	(void)arg;
	refused += reason == SOTTO_REASON_LIMIT;
}

static void questions_are_few(void)
{
	begin();
	refused = 0;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 0; i <= ASKS_MAX; i++) {
		struct sotto_addr dst = { .len = 4, .b = { 10, 2, i >> 8, i } };

		ask_session(&ag, &dst, 0, 10000, 0, on_refused, NULL);
	}
	EXPECT_EQ(refused, 1);
	EXPECT_EQ(ag.counters[COUNT_ASKS_REFUSED], 1);
	ask_retry(&ag);
	EXPECT_EQ(ag.counters[COUNT_ASKS_PUT_OFF], ASKS_MAX - ASKS_IN_FLIGHT);
	end();
}

/* What the network, the kernel or the server can say more often than is of use. */
static void other_limits_are_counted(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_POLICY, .policy = { .parts = POLICY_PARTS_MAX + 1 } };
	struct sotto_party many = { .name = "bob" };
	struct sotto_addr src = { .len = 4, .b = { 10, 0, 0, 2 } };
	uint8_t key[32] = { 1 };

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (int i = 0; i <= SPI_REPORT_BURST; i++)
		report_spi_unknown(&ag, 1000, &src);
	EXPECT_EQ(ag.counters[COUNT_SPI_REPORTS_LEFT_OUT], 1);
	for (int i = 0; i <= SHUNNED_MAX; i++)
		session_shun(&ag, key);
	EXPECT_EQ(ag.counters[COUNT_REVOKED_FORGOTTEN], 1);
	policy_take(&ag, &m.policy);
	EXPECT_EQ(ag.counters[COUNT_POLICIES_REFUSED], 1);
	many.addrs.n = SOTTO_ADDRS_MAX;
	for (int i = 0; i < SOTTO_ADDRS_MAX; i++)
		many.addrs.a[i] = (struct sotto_addr){ .len = 4, .b = { 10, 0, 1, i } };
	key[0]++;
	peers_note(&ag.peers, "bob", key, &many.addrs);
	ASSERT(offered_with(key));
	EXPECT_EQ(ag.counters[COUNT_ADDRESSES_LEFT_OUT], 1);
	EXPECT_EQ(ag.counters[COUNT_ENDS_LEFT_OUT], 0);
	end();
}

/* An ICMP error for each datagram: anybody can send these. */
static void refused_datagrams_cost_little(void)
{
	uint8_t key[32] = { 0 };

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	close(srv.fd);
	srv.dead = true;
	for (int i = 0; i < 20; i++) {
		assoc_send(ag.assoc.sock, key, sizeof(key));
		usleep(1000);
		ev_run(ag.loop, EVRUN_NOWAIT);
	}
	EXPECT(ag.counters[COUNT_HINTS_IGNORED] >= 10);
	srv.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	end();
}

static void all_counters_have_names(void)
{
	json_t *o = counters_json(&ag);

	EXPECT_EQ(json_object_size(o), COUNTERS);
	json_decref(o);
}

/* ---- pins on the disk ---- */

static void later(void)
{
	ahead_ms += 60000;
	ev_invoke(ag.loop, &ag.kernel.check, EV_TIMER);
}

static bool pin_in_time;

/* All that is read, of a file that was there: so nothing else of the agent counts. */
static bool on_disk(const char *name, const char *addr)
{
	struct sotto_addr a;
	struct peers p = { 0 };
	const uint8_t *key;
	bool there;

	sotto_addr_parse(&a, addr);
	peers_load(&p, PINS_FILE);
	key = peers_find(&p, name);
	there = key && sotto_addrs_have(peers_addrs(&p, name, key), &a);
	peers_free(&p);
	return there;
}

static void look_for_bob(void)
{
	pin_in_time = on_disk("bob", "10.0.0.2");
}

static struct stat file_of(const char *file)
{
	struct stat st = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", top, file);
	EXPECT(!stat(path, &st));
	return st;
}

static void many_pins(void)
{
	struct sotto_errmsg err;
	uint8_t key[32] = { 1 };
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "peer-%05d.example", i);
		peers_set(&ag.pins, name, key);
	}
	EXPECT_EQ(peers_write(&ag.pins, PINS_FILE, &err), 0);
}

static unsigned int action_of(const char *prefix)
{
	struct sotto_prefix p;
	unsigned int i;

	sotto_prefix_parse(&p, prefix);
	i = ksim_policy_at(&p);
	return i < ksim.n_policies ? ksim.policies[i].action : SOTTO_ACTION_BYPASS;
}

static bool kept_policy(const char *prefix)
{
	struct sotto_prefix p;
	struct sotto_errmsg err;
	struct saved s;
	bool there;

	sotto_prefix_parse(&p, prefix);
	EXPECT_EQ(saved_read(&s, &err), 0);
	there = saved_find_policy(&s, &p);
	saved_free(&s);
	return there;
}

/*
 * Whoever is met for the first time costs a line, not the whole file, and no session is
 * believed that a power failure could make the first one once more.
 */
static void first_use_costs_a_line(void)
{
	struct stat pins, policy;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	many_pins();
	ag.conf.first_use = true;
	pins = file_of(PINS_FILE);
	policy = file_of(SAVED_FILE);
	ksim.on_sa = look_for_bob;
	pin_in_time = false;
	ASSERT(offered(key));
	EXPECT(pin_in_time);
	EXPECT_EQ(file_of(PINS_FILE).st_ino, pins.st_ino);
	EXPECT_EQ(file_of(PINS_FILE).st_size - pins.st_size, strlen("bob 10.0.0.2\n") + 44);
	/* protected at once, and on the disk once for all that come in a while */
	EXPECT_EQ(file_of(SAVED_FILE).st_ino, policy.st_ino);
	EXPECT_EQ(action_of("10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	later();
	EXPECT(kept_policy("10.0.0.2/32"));
	end();
}

/* One that was pinned before is held to what it is met with; that is kept in the same way. */
static void addresses_of_the_pinned_are_kept(void)
{
	struct stat pins;
	struct sotto_errmsg err;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(offered(key));
	EXPECT_EQ(pins_add(&ag, "bob", NULL, NULL, &err), 0);
	/* and what a person pins is in the file of policy before he is told so */
	EXPECT(kept_policy("10.0.0.2/32"));
	session_drop_all(&ag);
	pins = file_of(PINS_FILE);
	ASSERT(offered_with(key));
	EXPECT(on_disk("bob", "10.0.0.2"));
	EXPECT_EQ(file_of(PINS_FILE).st_ino, pins.st_ino);
	pins = file_of(PINS_FILE);
	session_drop_all(&ag);
	ASSERT(offered_with(key));
	EXPECT_EQ(file_of(PINS_FILE).st_size, pins.st_size);
	end();
}

static void add_to_pins(const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" PINS_FILE, top);
	f = fopen(path, "a");
	EXPECT(f && fputs(text, f) >= 0 && !fclose(f));
}

/* The machine lost its power while a line was written: nothing rests on that one yet. */
static void half_a_pin_is_no_pin(void)
{
	static const char *const half[] = { "r", "rose", "rose ", "rose AAAAAAAAAAAAAA" };
	char line[128], key[44];
	struct sotto_errmsg err;
	uint8_t pub[32] = { 7 };

	begin();
	agent_begin();
	for (unsigned int i = 0; i < sizeof(half) / sizeof(half[0]); i++) {
		peers_free(&ag.pins);
		many_pins();
		add_to_pins(half[i]);
		peers_free(&ag.pins);
		EXPECT_EQ(pins_load(&ag, &err), 0);
		EXPECT_EQ(ag.pins.n, 1000);
		/* and the next one is not written behind it */
		EXPECT_EQ(peers_set(&ag.pins, "zoe", pub), 0);
		EXPECT_EQ(peers_append(&ag.pins, PINS_FILE, "zoe", &err), 0);
		peers_free(&ag.pins);
		EXPECT_EQ(pins_load(&ag, &err), 0);
		EXPECT_EQ(ag.pins.n, 1001);
	}
	/* a key that is whole counts; an address may be a part of one */
	snprintf(line, sizeof(line), "rose %s 10.0.0.2", sotto_key_text(key, pub));
	add_to_pins(line);
	peers_free(&ag.pins);
	EXPECT_EQ(pins_load(&ag, &err), 0);
	ASSERT(peers_find(&ag.pins, "rose"));
	EXPECT_EQ(peers_addrs(&ag.pins, "rose", pub)->n, 0);
	/* damage elsewhere is no accident of that kind */
	add_to_pins("carol AAAAAAAA\n");
	peers_free(&ag.pins);
	EXPECT_EQ(pins_load(&ag, &err), SOTTO_E_IO);
	end();
}

/* The kept policy may be older than the pins: by a power failure, or a change of sotto.conf. */
static void pins_protect_from_the_start(void)
{
	char line[128], key[44];
	struct sotto_errmsg err;
	uint8_t pub[32] = { 7 };

	begin();
	agent_begin();
	snprintf(line, sizeof(line), "rose %s 10.0.0.2\n", sotto_key_text(key, pub));
	add_to_pins(line);
	EXPECT_EQ(pins_load(&ag, &err), 0);
	EXPECT_EQ(action_of("10.0.0.2/32"), SOTTO_ACTION_BYPASS);
	policy_all_pinned(&ag);
	EXPECT_EQ(action_of("10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	EXPECT(kept_policy("10.0.0.2/32"));
	end();
}

/* ---- anything ---- */

static const uint16_t said[] = {
	SOTTO_MSG_SESSION_OFFER, SOTTO_MSG_SESSION_GONE, SOTTO_MSG_PEER_GONE, SOTTO_MSG_POLICY,
	SOTTO_MSG_SESSION_OFFER, SOTTO_MSG_KEEPALIVE, SOTTO_MSG_SESSION_GRANT, SOTTO_MSG_HELLO,
};

#define SAID	(sizeof(said) / sizeof(said[0]))

static void say(struct fill *f, unsigned int i)
{
	struct sotto_msg m;

	fill_msg(f, &m, said[i % SAID]);
	if (m.type == SOTTO_MSG_SESSION_OFFER && i % 3) {
		m.offer.own_addrs.n = 1;
		m.offer.own_addrs.a[0] = ag.id->addrs.a[0];
		m.offer.dst = ag.id->addrs.a[0];
		m.offer.offered = ag.conf.ciphers;
		m.offer.cipher = ag.conf.ciphers.c[0];
	}
	if (m.type == SOTTO_MSG_POLICY && i % 3) {
		m.policy.part = 0;
		m.policy.parts = 1;
		m.policy.base = 0;
		m.policy.version = i;
	}
	handle_request(&ag, assoc_channel(&ag), 1000000 + i, &m);
}

/* Well formed, and without sense: the agent stands, and kernel and table agree. */
static void whatever_the_server_says(void)
{
	struct fill f = { .state = 88172645463325252ull };
	unsigned int most = 0;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 1; i < 400; i++) {
		say(&f, i);
		if (session_count(&ag) > most)
			most = session_count(&ag);
		if (i % 40 == 0)
			turn();
	}
	EXPECT(most);
	EXPECT(associated());
	EXPECT_EQ(ksim.n_sas, 2 * session_count(&ag));
	EXPECT_EQ(kernel_resync(&ag), 0);
	EXPECT_EQ(ksim.n_sas, 2 * session_count(&ag));
	end();
}

/* ---- peers ---- */

static void half_a_line_spoils_no_other(void)
{
	struct sotto_addrs addrs = { .n = 1 };
	uint8_t key[32] = { 9 };
	struct peers p = { 0 };
	char path[64];
	FILE *f;

	fresh_folder();
	sotto_addr_parse(&addrs.a[0], "10.0.0.2");
	EXPECT(peers_note(&p, "bob", key, &addrs));
	snprintf(path, sizeof(path), "%s/" PEERS_FILE, top);
	f = fopen(path, "a");
	ASSERT(f);
	fputs("carol AAAAAAAA", f);
	fclose(f);
	EXPECT(peers_note(&p, "dave", key, &addrs));
	peers_free(&p);
	EXPECT_EQ(peers_load(&p, PEERS_FILE), SOTTO_E_IO);
	EXPECT(peers_find(&p, "bob") && peers_find(&p, "dave"));
	peers_free(&p);
}

/* ---- a full disk ---- */

static void kept_when_there_is_room(void)
{
	struct peers p = { 0 };
	struct sotto_errmsg err;
	struct identity *id;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	fill_disk();
	srv.loss_s = 60;
	EXPECT(offered(key));
	EXPECT(pins_add(&ag, "bob", NULL, NULL, &err));
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 2 && ag.assoc.state == ASSOC_STEADY, 10000);
	EXPECT_EQ(ag.id->server_loss_s, 60);
	later();
	empty_disk();
	EXPECT_EQ(identity_load(&id, &err), 0);
	EXPECT_EQ(id->server_loss_s, 0);
	identity_free(id);
	later();
	EXPECT_EQ(identity_load(&id, &err), 0);
	EXPECT_EQ(id->server_loss_s, 60);
	identity_free(id);
	EXPECT_EQ(peers_load(&p, PEERS_FILE), 0);
	EXPECT(peers_find(&p, "bob"));
	peers_free(&p);
	EXPECT_EQ(peers_load(&p, PINS_FILE), 0);
	EXPECT(peers_find(&p, "bob"));
	peers_free(&p);
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
	{ "offer_waits_for_hello", offer_waits_for_hello },
	{ "gone_overtakes_grant", gone_overtakes_grant },
	{ "pin_ends_what_contradicts_it", pin_ends_what_contradicts_it },
	{ "owner_among_many_pins", owner_among_many_pins },
	{ "routes_that_cannot_be", routes_that_cannot_be },
	{ "early_offers_are_few", early_offers_are_few },
	{ "unused_offers_are_few", unused_offers_are_few },
	{ "questions_are_few", questions_are_few },
	{ "other_limits_are_counted", other_limits_are_counted },
	{ "refused_datagrams_cost_little", refused_datagrams_cost_little },
	{ "all_counters_have_names", all_counters_have_names },
	{ "first_use_costs_a_line", first_use_costs_a_line },
	{ "addresses_of_the_pinned_are_kept", addresses_of_the_pinned_are_kept },
	{ "half_a_pin_is_no_pin", half_a_pin_is_no_pin },
	{ "pins_protect_from_the_start", pins_protect_from_the_start },
	{ "whatever_the_server_says", whatever_the_server_says },
	{ "half_a_line_spoils_no_other", half_a_line_spoils_no_other },
	{ "kept_when_there_is_room", kept_when_there_is_room },
};

int main(void)
{
	return run_agent(tests, sizeof(tests) / sizeof(tests[0]));
}
