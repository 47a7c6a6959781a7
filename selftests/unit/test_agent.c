// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's own files, with a kernel (kernelsim.h) and a server that do as the test
 * says, and a clock that can jump: what takes hours, or a server that stops in the middle.
 */
#include <arpa/inet.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ktap.h"
#include "kernelsim.h"
#include "msgfill.h"
#include "agent/agent.h"
#include "agent/ask.h"
#include "agent/requests.h"
#include "log.h"
#include "paths.h"
#include "secret.h"

/* ---- the clock ---- */

static uint64_t ahead_ms;	/* of all clocks but the real one */
static uint64_t asleep_ms;	/* of the one that counts it */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret = __real_clock_gettime(id, ts);

	if (id != CLOCK_REALTIME)
		ts->tv_sec += ahead_ms / 1000;
	if (id == CLOCK_BOOTTIME)
		ts->tv_sec += asleep_ms / 1000;
	return ret;
}

/* ---- the name server ---- */

/* "two.example" has two addresses; at the first one is nobody. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **res)
{
	int ret;

	if (strcmp(node, "two.example"))
		return __real_getaddrinfo(node, service, hints, res);
	ret = __real_getaddrinfo("127.0.0.2", service, hints, res);
	return ret ? ret : __real_getaddrinfo("127.0.0.1", service, hints, &(*res)->ai_next);
}

/* ---- work that costs ---- */

static unsigned int scalarmults;

int __wrap_crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	scalarmults++;
	return __real_crypto_scalarmult(q, n, p);
}

/* ---- the server ---- */

#define SERVER_CHANS	8
#define SERVER_LIVES	4096

struct server_chan {
	struct sotto_chan ch;
	bool open;
	uint32_t held[64];	/* requests that wait for their answer */
	unsigned int n_held;
};

static struct server {
	int fd;
	uint16_t port;
	uint8_t priv[32], pub[32];
	struct sotto_token *token;
	struct sockaddr_in peer;
	struct server_chan chans[SERVER_CHANS];
	unsigned int n_chans, hellos, keepalives, resumes, inits;
	bool dead;		/* hears nothing */
	bool no_resp;		/* hears message 1, and does not answer */
	bool hold_hello;	/* answers it later */
	bool hold_live;		/* the same, with the list of sessions */
	bool ticket;		/* gives one */
	uint32_t rekey_s, loss_s;
	uint64_t policy_version;	/* in hello-ack */
	struct sotto_msg_hello hello;	/* the last one that was answered */
	struct sotto_msg_hello held_hello;
	unsigned int listed;	/* sessions of its list that came */
	unsigned int strangers;	/* of another list */
	unsigned int closed;	/* sessions from 1000 on that ended, it was told */
	unsigned int policies;	/* asked for */
	uint64_t rekey_of;	/* of the last request */
	bool no_addrs;		/* hello-ack is without any */
	uint32_t agent_index;	/* of the last message 1 */
} srv;

static void server_send(void *arg, const uint8_t *dgram, size_t len)
{
	(void)arg;
	(void)!sendto(srv.fd, dgram, len, 0, (struct sockaddr *)&srv.peer, sizeof(srv.peer));
}

static void server_hello(struct server_chan *c, uint32_t id, const struct sotto_msg_hello *h)
{
	struct sotto_msg m = { .type = SOTTO_MSG_HELLO_ACK };

	srv.hello = *h;
	srv.listed = 0;
	strcpy(m.hello_ack.name, "alice");
	m.hello_ack.addrs.n = srv.no_addrs ? 0 : 1;
	sotto_addr_parse(&m.hello_ack.addrs.a[0], "10.0.0.1");
	sotto_addr_parse(&m.hello_ack.seen_addr, "127.0.0.1");
	m.hello_ack.seen_port = ntohs(srv.peer.sin_port);
	m.hello_ack.keepalive_s = 3;
	m.hello_ack.rekey_s = srv.rekey_s;
	m.hello_ack.server_loss_s = srv.loss_s;
	m.hello_ack.policy_version = srv.policy_version;
	if (srv.ticket) {
		m.hello_ack.ticket.n = SOTTO_TICKET_MIN;
		m.hello_ack.ticket_secret[0] = 1;
	}
	sotto_chan_answer(&c->ch, sotto_now_ms(), id, &m);
}

static void server_request(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct server_chan *c = arg;

	switch (m->type) {
	case SOTTO_MSG_HELLO:
		srv.hellos++;
		srv.held_hello = m->hello;
		if (srv.hold_hello)
			c->held[c->n_held++] = id;
		else
			server_hello(c, id, &m->hello);
		return;
	case SOTTO_MSG_LIVE:
		if (m->live.listing == srv.hello.listing)
			srv.listed += m->live.live.n;
		else
			srv.strangers += m->live.live.n;
		if (!srv.hold_live)
			break;
		c->held[c->n_held++ % 64] = id;
		return;
	case SOTTO_MSG_KEEPALIVE:
		srv.keepalives++;
		break;
	case SOTTO_MSG_POLICY_GET:
		srv.policies++;
		break;
	case SOTTO_MSG_SESSION_CLOSE:
		for (unsigned int i = 0; i < m->ids.ids.n; i++)
			srv.closed += m->ids.ids.id[i] >= 1000;
		break;
	case SOTTO_MSG_SESSION_REQUEST:
		srv.rekey_of = m->request.rekey_of;
		return;
	default:
		break;
	}
	sotto_chan_ack(&c->ch, sotto_now_ms(), id);
}

static const struct sotto_chan_ops server_ops = {
	.send = server_send,
	.request = server_request,
};

static void server_init(const struct sotto_init_view *v)
{
	struct server_chan *c = &srv.chans[srv.n_chans];
	struct sotto_chan_keys keys;
	uint8_t out[SOTTO_DGRAM_MAX];
	struct sotto_msg init;
	struct noise_hs hs;
	size_t len;

	srv.inits++;
	srv.agent_index = v->index;
	if (srv.no_resp || srv.n_chans == SERVER_CHANS || sotto_hs_server_read(&hs, v, srv.priv, &init))
		return;
	sotto_hs_server_member(&hs, srv.token);
	if (sotto_hs_server_write(&hs, v->index, 100 + srv.n_chans, 0, out, &len, &keys))
		return;
	memset(c, 0, sizeof(*c));
	sotto_chan_init(&c->ch, &keys, &server_ops, c, sotto_now_ms());
	c->open = true;
	srv.n_chans++;
	server_send(NULL, out, len);
}

static void server_dgram(const uint8_t *dgram, size_t len)
{
	struct sotto_init_view v;
	uint32_t index;

	if (sotto_dgram_index(dgram, len, &index) == SOTTO_DGRAM_DATA) {
		if (index >= 100 && index < 100 + srv.n_chans && srv.chans[index - 100].open)
			sotto_chan_input(&srv.chans[index - 100].ch, sotto_now_ms(), dgram, len);
	} else if (!sotto_init_parse(&v, dgram, len)) {
		if (v.kind == SOTTO_HS_RESUME)
			srv.resumes++;
		else
			server_init(&v);
	}
}

static void server_turn(void)
{
	uint8_t dgram[2048];
	socklen_t n = sizeof(srv.peer);
	ssize_t len;

	while ((len = recvfrom(srv.fd, dgram, sizeof(dgram), MSG_DONTWAIT,
			       (struct sockaddr *)&srv.peer, &n)) >= 0)
		if (!srv.dead)
			server_dgram(dgram, len);
	for (unsigned int i = 0; i < srv.n_chans && !srv.dead; i++)
		if (srv.chans[i].open)
			sotto_chan_tick(&srv.chans[i].ch, sotto_now_ms());
}

static void server_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t n = sizeof(in);

	memset(&srv, 0, sizeof(srv));
	noise_keypair(srv.priv, srv.pub);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	srv.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	EXPECT(!bind(srv.fd, (struct sockaddr *)&in, sizeof(in)));
	EXPECT(!getsockname(srv.fd, (struct sockaddr *)&in, &n));
	srv.port = ntohs(in.sin_port);
}

static void server_stop(void)
{
	for (unsigned int i = 0; i < srv.n_chans; i++)
		if (srv.chans[i].open)
			sotto_chan_close(&srv.chans[i].ch);
	sotto_token_close(srv.token);
	close(srv.fd);
}

/* ---- the agent ---- */

static struct agent ag;
static char top[] = "/tmp/sotto-agent-XXXXXX";
static bool stopped;

void agent_stop(struct agent *a, int code)
{
	a->exit_code = code;
	a->leaving = true;
	stopped = true;
}

static void turn(void)
{
	struct pollfd p = { .fd = srv.fd, .events = POLLIN };

	ev_run(ag.loop, EVRUN_NOWAIT);
	server_turn();
	poll(&p, 1, 5);
	server_turn();
}

#define UNTIL(cond, ms)							\
	do {								\
		uint64_t end_ = sotto_now_ms() + (ms);			\
		while (!(cond) && sotto_now_ms() < end_)		\
			turn();						\
	} while (0)

/* All clocks go on by so much at once, and the agent looks at its own. */
static void jump(uint64_t ms)
{
	ahead_ms += ms;
	ev_invoke(ag.loop, &ag.assoc.timer, EV_TIMER);
}

/* Enrolled by hand. */
static void enrol(const char *host)
{
	uint8_t secret[32], code_id[SOTTO_CODE_ID_LEN] = { 1 };
	struct identity id = { .name = "alice" };
	struct sotto_errmsg err;

	id.addrs.n = 1;
	sotto_addr_parse(&id.addrs.a[0], "10.0.0.1");
	memcpy(id.server_key, srv.pub, 32);
	id.n_servers = 1;
	strcpy(id.servers[0].host, host);
	id.servers[0].port = srv.port;
	noise_keypair(id.static_priv, id.static_pub);
	randombytes_buf(secret, sizeof(secret));
	EXPECT_EQ(identity_commit(&id, secret, code_id, &err), 0);
	srv.token = sotto_token_memory(secret);
}

static void agent_begin(void)
{
	struct sotto_errmsg err;

	stopped = false;
	memset(&ag, 0, sizeof(ag));
	ag.loop = ev_default_loop(EVFLAG_AUTO);
	EXPECT_EQ(identity_load(&ag.id, &err), 0);
	ag.conf.ciphers = (struct sotto_ciphers) { 2, { 2, 1 } };
	assoc_init(&ag);
	EXPECT_EQ(kernel_open(&ag, &err), 0);
	EXPECT_EQ(policy_start(&ag, &err), 0);
	EXPECT_EQ(kernel_resync(&ag), 0);
	assoc_start(&ag);
}

static void agent_end(void)
{
	assoc_stop(&ag);
	ask_stop(&ag);
	sessions_free(&ag);
	kernel_close(&ag);
	policy_free(&ag);
	peers_free(&ag.peers);
	peers_free(&ag.pins);
	report_free(&ag);
	identity_free(ag.id);
}

static int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void fresh_folder(void)
{
	char path[64];

	nftw(top, rm_one, 8, FTW_DEPTH | FTW_PHYS);
	snprintf(path, sizeof(path), "%s/agent", top);
	EXPECT(!mkdir(top, 0700) && !mkdir(path, 0700));
}

static void begin(void)
{
	memset(&ksim, 0, sizeof(ksim));
	ksim.instance = 1;
	ksim.spi = 1000;
	fresh_folder();
	server_start();
	enrol("127.0.0.1");
}

static void end(void)
{
	agent_end();
	server_stop();
}

static bool associated(void)
{
	return assoc_channel(&ag) && !ag.assoc.down_ms;
}

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
	EXPECT_EQ(ag.untold.left_out, 599 - UNTOLD_MAX);
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
	/* and the true one is still taken */
	srv.no_resp = false;
	UNTIL(associated(), 10000);
	EXPECT(associated());
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

/* ---- policy ---- */

static void on_pushed(void *arg, int err, const struct sotto_msg *m)
{
	(void)m;
	*(int *)arg = err;
}

/* One part of a version: protect @prefix. */
static void push(uint64_t version, uint64_t base, int part, int parts, const char *prefix)
{
	struct sotto_msg m = { .type = SOTTO_MSG_POLICY };
	struct sotto_policy_entry *e = &m.policy.entries.e[0];
	int result = 1;

	m.policy.version = version;
	m.policy.base = base;
	m.policy.part = part;
	m.policy.parts = parts;
	m.policy.entries.n = 1;
	e->action = SOTTO_ACTION_PROTECT;
	EXPECT(!sotto_prefix_parse(&e->prefix, prefix));
	EXPECT_EQ(sotto_chan_request(&srv.chans[srv.n_chans - 1].ch, sotto_now_ms(), &m, 0,
				     on_pushed, &result, NULL), 0);
	UNTIL(result != 1, 10000);
	EXPECT_EQ(result, 0);
}

static void old_policy_stays_if_the_new_is_refused(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1, 0, 0, 1, "10.1.0.0/16");
	EXPECT_EQ(ksim_action("10.1.0.0/16"), SOTTO_ACTION_PROTECT);
	ksim.refuse_policies = ENOMEM;
	push(2, 0, 0, 1, "10.1.0.0/17");
	EXPECT_EQ(ksim_action("10.1.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.1.0.0/17"), -1);
	ksim.refuse_policies = 0;
	/* the next hello says what nothing older may follow, and then all of it is asked for */
	srv.policy_version = 2;
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 2 && associated() && srv.policies == 1, 10000);
	EXPECT_EQ(srv.hello.policy_version, 2);
	EXPECT_EQ(srv.policies, 1);
	push(2, 0, 0, 1, "10.1.0.0/17");
	EXPECT_EQ(ksim_action("10.1.0.0/17"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.1.0.0/16"), -1);
	/* now it has all of that version, and wants no more of it */
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 3 && associated() && ag.assoc.state == ASSOC_STEADY, 10000);
	EXPECT_EQ(srv.hello.policy_version, 2);
	EXPECT_EQ(srv.policies, 1);
	end();
}

/* What was kept may be of another member, or not all: no change is a change to that. */
static void partial_policy_is_asked_for_anew(void)
{
	struct sgenl_policy p = { .action = SOTTO_ACTION_PROTECT };
	struct saved file = { .realm_version = 7, .partial = true };
	struct sotto_errmsg err;

	begin();
	EXPECT(!sotto_prefix_parse(&p.prefix, "10.7.0.0/16"));
	EXPECT_EQ(saved_add_policy(&file, &p, SAVED_REALM), 0);
	EXPECT_EQ(saved_write(&file, &err), 0);
	saved_free(&file);
	srv.policy_version = 8;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	EXPECT_EQ(srv.hello.policy_version, 7);
	EXPECT_EQ(srv.policies, 0);
	push(8, 7, 0, 1, "10.8.0.0/16");
	UNTIL(srv.policies == 1, 1000);
	EXPECT_EQ(srv.policies, 1);
	EXPECT_EQ(ksim_action("10.7.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.8.0.0/16"), -1);
	push(8, 0, 0, 1, "10.8.0.0/16");
	EXPECT_EQ(ksim_action("10.7.0.0/16"), -1);
	EXPECT_EQ(ksim_action("10.8.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT(!saved_read(&file, &err) && !file.partial && file.realm_version == 8);
	saved_free(&file);
	end();
}

/* The kernel is full: what goes makes room for what comes. */
static void full_kernel_changes_its_policy(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1, 0, 0, 1, "10.1.0.0/16");
	while (ksim.n_policies < KSIM_POLICIES)
		ksim.policies[ksim.n_policies++].prefix.plen = 1;
	push(2, 0, 0, 1, "10.2.0.0/16");
	EXPECT_EQ(ksim_action("10.1.0.0/16"), -1);
	EXPECT_EQ(ksim_action("10.2.0.0/16"), SOTTO_ACTION_PROTECT);
	end();
}

/* A part of a version before, which comes late, does not take the newer one apart. */
static void late_parts_are_dropped(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(5, 0, 0, 2, "10.5.0.0/16");
	push(6, 0, 0, 2, "10.6.0.0/16");
	push(5, 0, 1, 2, "10.55.0.0/16");
	push(6, 0, 1, 2, "10.66.0.0/16");
	EXPECT_EQ(ksim_action("10.6.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.66.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ag.policy.kept.realm_version, 6);
	end();
}

/* Asked for all of it, the server may begin with a version before, and then say the change. */
static void whole_policy_may_be_older(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(12, 0, 0, 1, "10.12.0.0/16");
	request_policy(&ag);
	push(11, 0, 0, 1, "10.11.0.0/16");
	push(12, 11, 0, 1, "10.12.0.0/16");
	EXPECT_EQ(ag.policy.kept.realm_version, 12);
	EXPECT_EQ(ksim_action("10.11.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.12.0.0/16"), SOTTO_ACTION_PROTECT);
	/* a change to what this host has not: it asks, and takes what comes then */
	push(20, 19, 0, 1, "10.20.0.0/16");
	UNTIL(srv.policies == 2, 1000);
	EXPECT_EQ(srv.policies, 2);
	push(19, 0, 0, 1, "10.19.0.0/16");
	EXPECT_EQ(ag.policy.kept.realm_version, 19);
	end();
}

/* "sotto policy save" beside a running agent: what it kept outlives the realm's next change. */
static void saved_by_hand_stays(void)
{
	struct sgenl_policy p = { .action = SOTTO_ACTION_PROTECT };
	struct sotto_errmsg err;
	struct saved file;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1, 0, 0, 1, "10.1.0.0/16");
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT(!sotto_prefix_parse(&p.prefix, "10.9.0.0/16"));
	EXPECT_EQ(saved_add_policy(&file, &p, SAVED_LOCAL), 0);
	EXPECT_EQ(saved_write(&file, &err), 0);
	saved_free(&file);
	push(2, 0, 0, 1, "10.2.0.0/16");
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT_EQ(file.n_policies, 2);
	EXPECT(saved_find_policy(&file, &p.prefix));
	saved_free(&file);
	end();
}

/* It would be kept, and not be read again: then nothing is protected at the next start. */
static void version_past_all_is_refused(void)
{
	struct sotto_errmsg err;
	struct saved file;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1ull << 63, 0, 0, 1, "10.1.0.0/16");
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT_EQ(file.n_policies, 0);
	saved_free(&file);
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

static const struct ktap_test tests[] = {
	{ "all_sessions_are_listed", all_sessions_are_listed },
	{ "ends_are_told_after_the_list", ends_are_told_after_the_list },
	{ "new_list_begins_while_one_is_under_way", new_list_begins_while_one_is_under_way },
	{ "list_goes_on_after_a_hello_that_failed", list_goes_on_after_a_hello_that_failed },
	{ "keys_do_not_outlive_their_time", keys_do_not_outlive_their_time },
	{ "ends_are_told_later", ends_are_told_later },
	{ "ends_are_told_before_it_goes", ends_are_told_before_it_goes },
	{ "silent_server_costs_no_time", silent_server_costs_no_time },
	{ "asked_at_once_after_a_sleep", asked_at_once_after_a_sleep },
	{ "each_address_of_a_server_is_tried", each_address_of_a_server_is_tried },
	{ "forged_answers_cost_little", forged_answers_cost_little },
	{ "loss_is_remembered", loss_is_remembered },
	{ "no_addresses_are_not_believed", no_addresses_are_not_believed },
	{ "due_sessions_are_replaced_after_a_restart", due_sessions_are_replaced_after_a_restart },
	{ "offer_waits_for_hello", offer_waits_for_hello },
	{ "old_policy_stays_if_the_new_is_refused", old_policy_stays_if_the_new_is_refused },
	{ "partial_policy_is_asked_for_anew", partial_policy_is_asked_for_anew },
	{ "full_kernel_changes_its_policy", full_kernel_changes_its_policy },
	{ "late_parts_are_dropped", late_parts_are_dropped },
	{ "whole_policy_may_be_older", whole_policy_may_be_older },
	{ "saved_by_hand_stays", saved_by_hand_stays },
	{ "version_past_all_is_refused", version_past_all_is_refused },
	{ "whatever_the_server_says", whatever_the_server_says },
	{ "half_a_line_spoils_no_other", half_a_line_spoils_no_other },
};

int main(void)
{
	int ret;

	if (sodium_init() < 0 || !mkdtemp(top))
		return 1;
	setenv("SOTTO_STATE", top, 1);
	sotto_log_init("sottod", getenv("SOTTO_TEST_VERBOSE") ? SOTTO_LOG_DEBUG : 0);
	ret = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	nftw(top, rm_one, 8, FTW_DEPTH | FTW_PHYS);
	return ret;
}
