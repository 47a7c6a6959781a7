/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's own files, with a kernel (kernelsim.h) and a server that do as the test
 * says, and a clock that can jump: what takes hours, or a server that stops in the middle.
 */
#ifndef SOTTO_AGENTRUN_H
#define SOTTO_AGENTRUN_H

#include <arpa/inet.h>
#include <ftw.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ktap.h"
#include "kernelsim.h"
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

static atomic_bool names_hang;	/* lookups of "slow.example" end when this does */
static const char *moving_is;	/* "moving.example" */

/* "two.example" has two addresses; at the first one is nobody. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **res)
{
	int ret;

	if (!strcmp(node, "slow.example")) {
		while (names_hang)
			usleep(1000);
		return __real_getaddrinfo("127.0.0.1", service, hints, res);
	}
	if (!strcmp(node, "moving.example"))
		return __real_getaddrinfo(moving_is, service, hints, res);
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
	uint32_t rekey_s, loss_s, keepalive_s;
	uint64_t policy_version;	/* in hello-ack */
	struct sotto_msg_hello hello;	/* the last one that was answered */
	struct sotto_msg_hello held_hello;
	unsigned int listed;	/* sessions of its list that came */
	unsigned int strangers;	/* of another list */
	unsigned int closed;	/* sessions from 1000 on that ended, it was told */
	unsigned int policies;	/* asked for */
	uint64_t rekey_of;	/* of the last request */
	bool no_addrs;		/* hello-ack is without any */
	const char *addrs[2];	/* in hello-ack; none: 10.0.0.1 */
	unsigned int named;	/* sessions of lists that are still there */
	unsigned int refusal;	/* the answer to requests for sessions; 0 = none */
	struct sotto_msg_session_request request;	/* the last one */
	uint32_t request_at;	/* and its id on the channel */
	unsigned int requests;
	uint8_t echo[SOTTO_ECHO_LEN];	/* of the last message 1 */
	uint32_t agent_index;	/* of the last message 1 */
} srv;

static inline void server_send(void *arg, const uint8_t *dgram, size_t len)
{
	(void)arg;
	(void)!sendto(srv.fd, dgram, len, 0, (struct sockaddr *)&srv.peer, sizeof(srv.peer));
}

static inline void server_addrs(struct sotto_addrs *addrs)
{
	if (srv.no_addrs)
		return;
	sotto_addr_parse(&addrs->a[addrs->n++], srv.addrs[0] ? srv.addrs[0] : "10.0.0.1");
	if (srv.addrs[1])
		sotto_addr_parse(&addrs->a[addrs->n++], srv.addrs[1]);
}

static inline void server_hello(struct server_chan *c, uint32_t id, const struct sotto_msg_hello *h)
{
	struct sotto_msg m = { .type = SOTTO_MSG_HELLO_ACK };

	srv.hello = *h;
	srv.listed = 0;
	strcpy(m.hello_ack.name, "alice");
	server_addrs(&m.hello_ack.addrs);
	sotto_addr_parse(&m.hello_ack.seen_addr, "127.0.0.1");
	m.hello_ack.seen_port = ntohs(srv.peer.sin_port);
	m.hello_ack.keepalive_s = srv.keepalive_s ? srv.keepalive_s : 3;
	m.hello_ack.rekey_s = srv.rekey_s;
	m.hello_ack.server_loss_s = srv.loss_s;
	m.hello_ack.policy_version = srv.policy_version;
	if (srv.ticket) {
		m.hello_ack.ticket.n = SOTTO_TICKET_MIN;
		m.hello_ack.ticket_secret[0] = 1;
	}
	sotto_chan_answer(&c->ch, sotto_now_ms(), id, &m);
}

static inline void server_refuse(struct server_chan *c, uint32_t id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REFUSAL };

	m.refusal.reason = srv.refusal;
	sotto_chan_answer(&c->ch, sotto_now_ms(), id, &m);
}

static inline void server_request(void *arg, uint32_t id, const struct sotto_msg *m)
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
		for (unsigned int i = 0; i < m->live.live.n; i++)
			srv.named += m->live.live.l[i].session_id != 0;
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
		srv.request = m->request;
		srv.request_at = id;
		srv.requests++;
		if (srv.refusal)
			server_refuse(c, id);
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

static inline void server_init(const struct sotto_init_view *v)
{
	struct server_chan *c = &srv.chans[srv.n_chans];
	struct sotto_chan_keys keys;
	uint8_t out[SOTTO_DGRAM_MAX];
	struct sotto_msg init;
	struct noise_hs hs;
	size_t len;

	srv.inits++;
	srv.agent_index = v->index;
	memcpy(srv.echo, v->echo, sizeof(srv.echo));
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

static inline void server_dgram(const uint8_t *dgram, size_t len)
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

static inline void server_turn(void)
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

static inline void server_start(void)
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

static inline void server_stop(void)
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

static inline void turn(void)
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
static inline void jump(uint64_t ms)
{
	ahead_ms += ms;
	ev_invoke(ag.loop, &ag.assoc.timer, EV_TIMER);
}

/* Enrolled by hand. */
static inline void enrol(const char *host)
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

/* The disk takes nothing: a file where the folder was. */
static inline void fill_disk(void)
{
	char path[64], away[64];

	snprintf(path, sizeof(path), "%s/agent", top);
	snprintf(away, sizeof(away), "%s/away", top);
	EXPECT(!rename(path, away));
	fclose(fopen(path, "w"));
}

static inline void empty_disk(void)
{
	char path[64], away[64];

	snprintf(path, sizeof(path), "%s/agent", top);
	snprintf(away, sizeof(away), "%s/away", top);
	EXPECT(!unlink(path) && !rename(away, path));
}

static inline void agent_begin(void)
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

static inline void agent_end(void)
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

static inline int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void fresh_folder(void)
{
	char path[64];

	nftw(top, rm_one, 8, FTW_DEPTH | FTW_PHYS);
	snprintf(path, sizeof(path), "%s/agent", top);
	EXPECT(!mkdir(top, 0700) && !mkdir(path, 0700));
}

static inline void begin(void)
{
	memset(&ksim, 0, sizeof(ksim));
	ksim.instance = 1;
	ksim.spi = 1000;
	fresh_folder();
	server_start();
	enrol("127.0.0.1");
}

static inline void end(void)
{
	agent_end();
	server_stop();
}

static inline bool associated(void)
{
	return assoc_channel(&ag) && !ag.assoc.down_ms;
}

static inline int run_agent(const struct ktap_test *tests, int n)
{
	int ret;

	if (sodium_init() < 0 || !mkdtemp(top))
		return 1;
	setenv("SOTTO_STATE", top, 1);
	sotto_log_init("sottod", getenv("SOTTO_TEST_VERBOSE") ? SOTTO_LOG_DEBUG : 0);
	ret = ktap_run(tests, n);
	nftw(top, rm_one, 8, FTW_DEPTH | FTW_PHYS);
	return ret;
}

#endif /* SOTTO_AGENTRUN_H */
