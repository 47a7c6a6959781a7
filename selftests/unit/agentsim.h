/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small agent without a kernel, for tests of the server: real datagrams, real
 * handshakes, real key derivation; it can lose and double datagrams.
 */
#ifndef SOTTO_AGENTSIM_H
#define SOTTO_AGENTSIM_H

#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authdrun.h"
#include "chan.h"
#include "enrol.h"
#include "err.h"
#include "handshake.h"
#include "kdf.h"

#define SIM_SESSIONS	256
#define SIM_MSGS	512

/* What came of a session request. */
struct sim_ask {
	uint64_t request_id, rekey_of;
	struct sotto_addr dst;
	uint8_t eph[32], eph_pub[32];
	uint32_t spi;
	bool done, granted;
	int err;
	unsigned int reason;
	uint64_t session_id;
	struct sotto_msg_session_grant grant;
	struct sotto_session_keys keys;
};

/* What an offer made of us. */
struct sim_offer {
	uint64_t session_id;
	uint8_t eph[32], eph_pub[32];
	uint32_t spi;
	struct sotto_msg_session_offer offer;
	struct sotto_session_keys keys;
};

struct sim {
	char name[64];
	int fd;
	uint8_t server_key[32], code[16], priv[32], pub[32];
	struct sotto_token *token;
	struct sotto_addrs addrs;
	struct sotto_hs_client hs;
	enum sotto_hs_event hs_event;
	struct sotto_hs_result hs_res;
	bool open;
	struct sotto_chan chan;
	uint64_t instance, listing, next_request;
	int loss, dup;			/* per cent, each way */
	uint32_t features;		/* offered in handshakes */
	bool resume;			/* by the ticket that hello-ack brought */
	struct sotto_ticket ticket;
	uint8_t ticket_secret[32], token_secret[32];
	bool decline, mute;		/* refuse offers; do not answer them */
	uint64_t forgot;		/* a session that its kernel has, and no agent answered for */
	struct sim_ask asks[SIM_SESSIONS];
	int asks_n;
	struct sim_offer offers[SIM_SESSIONS];
	int offers_n, offers_seen;
	uint16_t got[SIM_MSGS];		/* types of requests, in order */
	int got_n, byes;
	struct sotto_msg last;		/* the last request, and its id */
	uint32_t last_id;
	struct sotto_msg answer;	/* to the last sim_call() */
	int answer_err;
	bool answered;
	uint64_t policy_version;
	int policy_n, policy_pushes, policy_entries, policy_vias;
	int policy_back;		/* whole views older than what was there */
	struct sotto_policy_entry policy[1024];
};

static inline void sim_transmit(struct sim *s, const uint8_t *p, size_t len)
{
	if ((int)randombytes_uniform(100) < s->loss)
		return;
	(void)!send(s->fd, p, len, 0);
	if ((int)randombytes_uniform(100) < s->dup)
		(void)!send(s->fd, p, len, 0);
}

static inline void sim_send(void *arg, const uint8_t *p, size_t len)
{
	sim_transmit(arg, p, len);
}

static inline void sim_input(struct sim *s, const struct sotto_msg_session_offer *o,
		      const struct sim_offer *mine,
		      struct sotto_session_input *in)
{
	memset(in, 0, sizeof(*in));
	memcpy(in->realm_key, s->server_key, 32);
	memcpy(in->seed, o->seed, 32);
	in->session_id = o->session_id;
	strcpy(in->a.name, o->name);
	memcpy(in->a.static_pub, o->static_pub, 32);
	memcpy(in->a.eph_pub, o->eph_pub, 32);
	in->a.spi = o->spi;
	in->a.addrs = o->addrs;
	strcpy(in->b.name, s->name);
	memcpy(in->b.static_pub, s->pub, 32);
	memcpy(in->b.eph_pub, mine->eph_pub, 32);
	in->b.spi = mine->spi;
	in->b.addrs = o->own_addrs;
	in->dst = o->dst;
	in->offered = o->offered;
	in->cipher = o->cipher;
	in->life = o->life;
	in->mode = o->mode;
	in->a.routes = o->routes;
	in->b.routes = o->own_routes;
}

static inline struct sim_offer *sim_find_offer(struct sim *s, uint64_t id)
{
	int i;

	for (i = 0; i < s->offers_n; i++)
		if (s->offers[i].session_id == id)
			return &s->offers[i];
	return NULL;
}

/* The answer is kept by session id: the same offer again gets the same. */
static inline struct sim_offer *sim_take_offer(struct sim *s,
					const struct sotto_msg_session_offer *o)
{
	struct sim_offer *so = sim_find_offer(s, o->session_id);
	struct sotto_session_input in;

	if (so || s->offers_n == SIM_SESSIONS)
		return so;
	so = &s->offers[s->offers_n++];
	so->session_id = o->session_id;
	so->offer = *o;
	so->spi = 5000 + s->offers_n;
	noise_keypair(so->eph, so->eph_pub);
	sim_input(s, o, so, &in);
	EXPECT_EQ(sotto_session_keys(&in, false, s->priv, so->eph, &so->keys),
		  0);
	return so;
}

static inline void sim_answer_offer(struct sim *s, uint32_t id,
			     const struct sotto_msg_session_offer *o)
{
	struct sotto_msg m = { 0 };
	struct sim_offer *so;

	s->offers_seen++;
	if (s->mute)
		return;
	if (s->decline || o->session_id == s->forgot) {
		m.type = SOTTO_MSG_SESSION_REFUSAL;
		m.refusal.reason = s->forgot ? SOTTO_REFUSAL_REQUEST : SOTTO_REFUSAL_PIN;
		m.refusal.session_id = o->session_id;
	} else {
		so = sim_take_offer(s, o);
		m.type = SOTTO_MSG_SESSION_ACCEPT;
		m.accept.session_id = o->session_id;
		m.accept.spi = so->spi;
		memcpy(m.accept.eph_pub, so->eph_pub, 32);
	}
	sotto_chan_answer(&s->chan, sotto_now_ms(), id, &m);
}

static inline void sim_entry(struct sim *s, const struct sotto_policy_entry *e)
{
	int i;

	for (i = 0; i < s->policy_n; i++)
		if (sotto_addr_eq(&s->policy[i].prefix.addr, &e->prefix.addr) &&
		    s->policy[i].prefix.plen == e->prefix.plen)
			break;
	if (e->action == SOTTO_POLICY_REMOVE) {
		if (i < s->policy_n)
			s->policy[i] = s->policy[--s->policy_n];
	} else if (i < 1024) {
		s->policy[i] = *e;
		s->policy_n += i == s->policy_n;
	}
}

/* On loopback parts come in order. */
static inline void sim_policy(struct sim *s, const struct sotto_msg_policy *p)
{
	int i;

	/* what an association before this one brought already */
	if (p->base && p->version == s->policy_version)
		return;
	EXPECT(!p->base || p->base == s->policy_version);
	s->policy_back += !p->base && p->version < s->policy_version;
	if (p->part == 0 && !p->base)
		s->policy_n = 0;
	for (i = 0; i < p->entries.n; i++)
		sim_entry(s, &p->entries.e[i]);
	s->policy_pushes++;
	s->policy_entries += p->entries.n;
	s->policy_vias += p->vias.n;
	if (p->part == p->parts - 1)
		s->policy_version = p->version;
}

static inline void sim_request(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct sim *s = arg;

	if (s->got_n < SIM_MSGS)
		s->got[s->got_n++] = m->type;
	if (m->type != SOTTO_MSG_POLICY) {
		s->last = *m;
		s->last_id = id;
	}
	if (m->type == SOTTO_MSG_SESSION_OFFER) {
		sim_answer_offer(s, id, &m->offer);
		return;
	}
	if (m->type == SOTTO_MSG_POLICY)
		sim_policy(s, &m->policy);
	sotto_chan_ack(&s->chan, sotto_now_ms(), id);
}

static inline void sim_note(void *arg, const struct sotto_msg *m)
{
	struct sim *s = arg;

	s->byes += m->type == SOTTO_MSG_BYE;
}

static const struct sotto_chan_ops sim_ops = {
	.send = sim_send,
	.request = sim_request,
	.note = sim_note,
};

static inline int sim_count(const struct sim *s, uint16_t type)
{
	int i, n = 0;

	for (i = 0; i < s->got_n; i++)
		n += s->got[i] == type;
	return n;
}

/* ---- the loop ---- */

static inline void sim_dgram(struct sim *s, const uint8_t *p, size_t len)
{
	enum sotto_dgram type;
	uint32_t index;

	type = sotto_dgram_index(p, len, &index);
	if (type == SOTTO_DGRAM_DATA && s->open &&
	    index == s->chan.keys.local_index) {
		sotto_chan_input(&s->chan, sotto_now_ms(), p, len);
	} else if (type == SOTTO_DGRAM_HINT && s->open &&
		   index == s->chan.keys.remote_index) {
		s->hs_res.hint = p[2];
	} else if (s->hs.len) {
		enum sotto_hs_event e = sotto_hs_client_input(&s->hs, p, len,
							      &s->hs_res);

		if (e != SOTTO_HS_IGNORED)
			s->hs_event = e;
		if (e == SOTTO_HS_RESEND)
			sim_transmit(s, s->hs.dgram, s->hs.len);
	}
}

static inline void sim_drain(struct sim *s)
{
	uint8_t buf[2048];
	ssize_t n;

	while ((n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		if ((int)randombytes_uniform(100) < s->loss)
			continue;
		sim_dgram(s, buf, n);
		if ((int)randombytes_uniform(100) < s->dup)
			sim_dgram(s, buf, n);
	}
}

#define SIM_MAX		16

static struct sim *sims[SIM_MAX];
static int sims_n;

/* One turn for all agents. */
static inline void sim_turn(void)
{
	struct pollfd p[SIM_MAX];
	int i;

	for (i = 0; i < sims_n; i++)
		p[i] = (struct pollfd) { .fd = sims[i]->fd, .events = POLLIN };
	poll(p, sims_n, 10);
	for (i = 0; i < sims_n; i++) {
		sim_drain(sims[i]);
		if (sims[i]->open)
			sotto_chan_tick(&sims[i]->chan, sotto_now_ms());
	}
}

#define SIM_UNTIL(cond, ms)						\
	do {								\
		uint64_t end_ = sotto_now_ms() + (ms);			\
		while (!(cond) && sotto_now_ms() < end_)		\
			sim_turn();					\
	} while (0)

static inline void sim_wait(int ms)
{
	SIM_UNTIL(false, ms);
}

/* ---- what an agent does ---- */

static inline void sim_connect(struct sim *s, int port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (s->fd > 0)
		close(s->fd);
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	EXPECT(!connect(s->fd, (struct sockaddr *)&in, sizeof(in)));
}

/* From an enrolment line, with fresh keys. */
static inline void sim_new(struct sim *s, struct authd_run *r, const char *line)
{
	struct sotto_errmsg err;
	struct sotto_enrol e;

	memset(s, 0, sizeof(*s));
	EXPECT_EQ(sotto_enrol_parse(&e, line, &err), 0);
	memcpy(s->server_key, e.server_key, 32);
	memcpy(s->code, e.code, 16);
	noise_keypair(s->priv, s->pub);
	randombytes_buf(&s->instance, sizeof(s->instance));
	s->next_request = 1;
	sim_connect(s, r->port);
	sims[sims_n++] = s;
}

static inline void sim_close_chan(struct sim *s)
{
	if (s->open)
		sotto_chan_close(&s->chan);
	s->open = false;
}

static inline void sim_free(struct sim *s)
{
	int i;

	sim_close_chan(s);
	sotto_hs_client_wipe(&s->hs);
	sotto_token_close(s->token);
	close(s->fd);
	for (i = 0; i < sims_n; i++)
		if (sims[i] == s)
			sims[i] = sims[--sims_n];
}

static inline int sim_begin(struct sim *s, bool enrol)
{
	if (enrol)
		return sotto_hs_client_enrol(&s->hs, s->server_key, s->priv,
					     s->code, s->features);
	if (s->resume)
		return sotto_hs_client_resume(&s->hs, s->server_key, &s->ticket,
					      s->ticket_secret, s->token,
					      s->features);
	return sotto_hs_client_member(&s->hs, s->server_key, s->priv, s->token,
				      s->features);
}

/* Sends message 1 until something comes of it, or @ms are over. */
static inline enum sotto_hs_event sim_handshake(struct sim *s, bool enrol, int ms)
{
	uint64_t end = sotto_now_ms() + ms;

	EXPECT_EQ(sim_begin(s, enrol), 0);
	s->hs_event = SOTTO_HS_IGNORED;
	memset(&s->hs_res, 0, sizeof(s->hs_res));
	while (sotto_now_ms() < end) {
		sim_transmit(s, s->hs.dgram, s->hs.len);
		SIM_UNTIL(s->hs_event != SOTTO_HS_IGNORED &&
			  s->hs_event != SOTTO_HS_RESEND, 300);
		if (s->hs_event != SOTTO_HS_IGNORED &&
		    s->hs_event != SOTTO_HS_RESEND)
			break;
	}
	return s->hs_event;
}

static inline bool sim_open(struct sim *s, bool enrol)
{
	if (sim_handshake(s, enrol, 10000) != SOTTO_HS_DONE)
		return false;
	sim_close_chan(s);
	sotto_chan_init(&s->chan, &s->hs_res.keys, &sim_ops, s, sotto_now_ms());
	s->open = true;
	return true;
}

static inline void sim_answered(void *arg, int err, const struct sotto_msg *m)
{
	struct sim *s = arg;

	s->answered = true;
	s->answer_err = err;
	if (!err)
		s->answer = *m;
}

/* Asks, and waits for the answer's type; 0 if none came. */
static inline uint16_t sim_call(struct sim *s, const struct sotto_msg *m)
{
	s->answered = false;
	EXPECT_EQ(sotto_chan_request(&s->chan, sotto_now_ms(), m, 0,
				     sim_answered, s, NULL), 0);
	SIM_UNTIL(s->answered, 11000);
	return s->answered && !s->answer_err ? s->answer.type : 0;
}

/* Registers; true with s->name, addrs and token set. */
static inline bool sim_register(struct sim *s)
{
	struct sotto_msg m = { .type = SOTTO_MSG_REGISTER };

	if (sim_call(s, &m) != SOTTO_MSG_REGISTERED)
		return false;
	strcpy(s->name, s->answer.registered.name);
	s->addrs = s->answer.registered.addrs;
	sotto_token_close(s->token);
	memcpy(s->token_secret, s->answer.registered.token_secret, 32);
	s->token = sotto_token_memory(s->token_secret);
	return true;
}

static inline bool sim_hello(struct sim *s, uint32_t live_count)
{
	struct sotto_msg m = { .type = SOTTO_MSG_HELLO };

	m.hello.instance = s->instance;
	m.hello.listing = ++s->listing;
	m.hello.live_count = live_count;
	m.hello.policy_version = s->policy_version;
	m.hello.ciphers = (struct sotto_ciphers) { 2, { 2, 1 } };
	m.hello.data_port = 7689;
	strcpy(m.hello.version, "sim");
	if (sim_call(s, &m) != SOTTO_MSG_HELLO_ACK)
		return false;
	s->ticket = s->answer.hello_ack.ticket;
	memcpy(s->ticket_secret, s->answer.hello_ack.ticket_secret, 32);
	return true;
}

static inline bool sim_live_spi(struct sim *s, uint64_t id, uint32_t spi, const uint8_t peer[32])
{
	struct sotto_msg m = { .type = SOTTO_MSG_LIVE };

	m.live.listing = s->listing;
	m.live.live.n = 1;
	m.live.live.l[0].session_id = id;
	m.live.live.l[0].spi = spi;
	memcpy(m.live.live.l[0].peer_key, peer, 32);
	return sim_call(s, &m) == SOTTO_MSG_ACK;
}

static inline bool sim_live(struct sim *s, uint64_t id, const uint8_t peer[32])
{
	return sim_live_spi(s, id, SOTTO_SPI_MIN, peer);
}

/* What the server told it to do with a prefix, or -1. */
static inline int sim_told(const struct sim *s, const char *prefix)
{
	struct sotto_prefix p;
	int i;

	sotto_prefix_parse(&p, prefix);
	for (i = 0; i < s->policy_n; i++)
		if (sotto_addr_eq(&s->policy[i].prefix.addr, &p.addr) &&
		    s->policy[i].prefix.plen == p.plen)
			return s->policy[i].action;
	return -1;
}

static inline bool sim_associate(struct sim *s)
{
	return sim_open(s, false) && sim_hello(s, 0);
}

static inline void sim_member_add(struct authd_run *r, const char *name,
			   const char *addr, char *line)
{
	json_t *ans = authd_ask(r, "{s:s, s:s, s:[s]}", "cmd", "member.add",
				"name", name, "addresses", addr);

	snprintf(line, SOTTO_LINE_MAX, "%s", authd_str(ans, "line"));
	EXPECT(*line);
	json_decref(ans);
}

/* A member from nothing to associated. */
static inline bool sim_member(struct sim *s, struct authd_run *r, const char *name,
		       const char *addr)
{
	char line[SOTTO_LINE_MAX];

	sim_member_add(r, name, addr, line);
	sim_new(s, r, line);
	return sim_open(s, true) && sim_register(s) && sim_associate(s);
}

/* ---- sessions ---- */

static inline void sim_granted(struct sim *s, struct sim_ask *a,
			const struct sotto_msg_session_grant *g)
{
	struct sotto_session_input in = { 0 };

	a->granted = true;
	a->session_id = g->session_id;
	a->grant = *g;
	memcpy(in.realm_key, s->server_key, 32);
	memcpy(in.seed, g->seed, 32);
	in.session_id = g->session_id;
	strcpy(in.a.name, s->name);
	memcpy(in.a.static_pub, s->pub, 32);
	memcpy(in.a.eph_pub, a->eph_pub, 32);
	in.a.spi = a->spi;
	in.a.addrs = g->own_addrs;
	strcpy(in.b.name, g->name);
	memcpy(in.b.static_pub, g->static_pub, 32);
	memcpy(in.b.eph_pub, g->eph_pub, 32);
	in.b.spi = g->spi;
	in.b.addrs = g->addrs;
	in.dst = a->dst;
	in.offered = (struct sotto_ciphers) { 2, { 2, 1 } };
	in.cipher = g->cipher;
	in.life = g->life;
	in.mode = g->mode;
	in.a.routes = g->own_routes;
	in.b.routes = g->routes;
	EXPECT_EQ(g->request_id, a->request_id);
	EXPECT_EQ(sotto_session_keys(&in, true, s->priv, a->eph, &a->keys), 0);
}

struct sim_ask_ref {
	struct sim *s;
	int n;
};

static inline void sim_asked(void *arg, int err, const struct sotto_msg *m)
{
	struct sim_ask_ref *ref = arg;
	struct sim_ask *a = &ref->s->asks[ref->n];

	a->done = true;
	a->err = err;
	if (!err && m->type == SOTTO_MSG_SESSION_GRANT)
		sim_granted(ref->s, a, &m->grant);
	if (!err && m->type == SOTTO_MSG_SESSION_REFUSAL) {
		a->reason = m->refusal.reason;
		a->session_id = m->refusal.session_id;
	}
	free(ref);
}

static inline int sim_send_ask(struct sim *s, int n)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REQUEST };
	struct sim_ask_ref *ref = malloc(sizeof(*ref));
	struct sim_ask *a = &s->asks[n];

	ref->s = s;
	ref->n = n;
	m.request.request_id = a->request_id;
	m.request.rekey_of = a->rekey_of;
	m.request.dst = a->dst;
	memcpy(m.request.eph_pub, a->eph_pub, 32);
	m.request.spi = a->spi;
	m.request.ciphers = (struct sotto_ciphers) { 2, { 2, 1 } };
	if (sotto_chan_request(&s->chan, sotto_now_ms(), &m, 0, sim_asked, ref,
			       NULL))
		free(ref);
	return n;
}

/* Asks for one in the place of another; returns its number in s->asks. */
static inline int sim_ask_rekey(struct sim *s, const char *dst, uint64_t rekey_of)
{
	struct sim_ask *a = &s->asks[s->asks_n];

	memset(a, 0, sizeof(*a));
	a->request_id = s->next_request++;
	a->rekey_of = rekey_of;
	sotto_addr_parse(&a->dst, dst);
	noise_keypair(a->eph, a->eph_pub);
	a->spi = 3000 + s->asks_n;
	return sim_send_ask(s, s->asks_n++);
}

static inline int sim_ask(struct sim *s, const char *dst)
{
	return sim_ask_rekey(s, dst, 0);
}

/* Asks, and waits: 0 when granted, else the reason, or -1. */
static inline int sim_session(struct sim *s, const char *dst)
{
	struct sim_ask *a = &s->asks[sim_ask(s, dst)];

	SIM_UNTIL(a->done, 11000);
	if (!a->done || a->err)
		return -1;
	return a->granted ? 0 : (int)a->reason;
}

/* Both ends have the same keys for @a's session. */
static inline bool sim_agree(const struct sim_ask *a, struct sim *b)
{
	struct sim_offer *o = sim_find_offer(b, a->session_id);

	return o && !memcmp(&o->keys, &a->keys, sizeof(a->keys)) &&
	       !sodium_is_zero((uint8_t *)&a->keys, sizeof(a->keys));
}

#endif /* SOTTO_AGENTSIM_H */
