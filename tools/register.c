// SPDX-License-Identifier: GPL-2.0
/*
 * Registration with a server: one handshake and one request, blocking.
 */
#include "register.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/chan.h"
#include "lib/genl_req.h"
#include "lib/handshake.h"
#include "lib/loop.h"
#include "lib/secret.h"

#define SERVER_MS	10000	/* for one address of a server, handshake and request */
#define HINTED_MS	2000	/* a real answer may still come so long after a hint */

#ifndef SOTTO_VERSION
#define SOTTO_VERSION "unknown"
#endif

/* One try with one address. */
struct attempt {
	int fd;
	const struct sotto_enrol *e;
	struct sotto_hs_client hs;
	struct sotto_chan chan;
	bool has_chan;
	struct sotto_msg_registered *out;
	bool done;
	int result;
	uint64_t end;			/* monotonic ms: given up then */
	struct sotto_errmsg why;	/* of the failure, or of the silence so far */
};

static uint64_t min_ms(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ICMP is not authenticated either: as a hint, it only shortens the wait. */
static void take_refused(struct attempt *t)
{
	sotto_err(&t->why, SOTTO_E_TIMEOUT,
		  "nothing listens there; is sotto-authd running on the gateway?");
	t->end = min_ms(t->end, sotto_now_ms() + HINTED_MS);
}

static void send_dgram(void *arg, const uint8_t *dgram, size_t len)
{
	if (send(((struct attempt *)arg)->fd, dgram, len, 0) < 0 && errno == ECONNREFUSED)
		take_refused(arg);
}

static void on_request(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct attempt *t = arg;

	(void)m;
	/* nothing is asked of a host that is not a member yet */
	sotto_chan_error(&t->chan, sotto_now_ms(), id, SOTTO_REFUSAL_UNSUPPORTED, "");
}

static const struct sotto_chan_ops chan_ops = {
	.send = send_dgram,
	.request = on_request,
};

/* The server's text, or ours where it gave none. */
static void take_refusal(struct attempt *t, const struct sotto_msg_error *e)
{
	switch (e->reason) {
	case SOTTO_REFUSAL_CODE_EXPIRED:
		sotto_err(&t->why, SOTTO_E_REFUSED,
			  "the one-time code is expired; make a new one with \"sotto member code NAME\" on the gateway");
		break;
	case SOTTO_REFUSAL_CODE_USED:
		sotto_err(&t->why, SOTTO_E_REFUSED,
			  "the one-time code was used already, by another key; if that was not you, somebody else has it. On the gateway, \"sotto member revoke NAME\" and \"sotto member add NAME\" make a new line");
		break;
	case SOTTO_REFUSAL_LIMIT:
		sotto_err(&t->why, SOTTO_E_REFUSED,
			  "the server has no room for this enrolment just now: many hosts enrol at once; try again with the same line in a minute");
		break;
	default:
		sotto_err(&t->why, SOTTO_E_REFUSED, "the server refused: %s",
			  e->text[0] ? e->text : sotto_refusal_text(e->reason));
	}
}

static void on_answer(void *arg, int err, const struct sotto_msg *m)
{
	struct attempt *t = arg;

	t->done = true;
	if (!err && m->type == SOTTO_MSG_REGISTERED) {
		*t->out = m->registered;
		t->result = 0;
	} else if (!err && m->type == SOTTO_MSG_ERROR) {
		take_refusal(t, &m->error);
		t->result = SOTTO_E_REFUSED;
	} else {
		t->result = sotto_err(&t->why, err ? err : SOTTO_E_BAD,
				      "the server went silent during the registration; try again with the same line");
	}
}

static int ask(struct attempt *t, struct sotto_hs_result *res)
{
	struct sotto_msg m = { .type = SOTTO_MSG_REGISTER };
	uint64_t now = sotto_now_ms();

	snprintf(m.reg.version, sizeof(m.reg.version), "%s", SOTTO_VERSION);
	sotto_chan_init(&t->chan, &res->keys, &chan_ops, t, now);
	sotto_wipe(&res->keys, sizeof(res->keys));
	t->has_chan = true;
	return sotto_chan_request(&t->chan, now, &m, SERVER_MS, on_answer, t, NULL);
}

static void take_hint(struct attempt *t, const struct sotto_hs_result *res)
{
	switch (res->hint) {
	case SOTTO_HINT_KEY:
		sotto_err(&t->why, SOTTO_E_AUTH,
			  "the line names another realm's key than this server has: it is not the right gateway, or the realm was made anew");
		break;
	case SOTTO_HINT_REFUSED:
		sotto_err(&t->why, SOTTO_E_AUTH,
			  "the server does not know this code; it expired, was replaced, or is mistyped. \"sotto member code NAME\" on the gateway makes a new line");
		break;
	case SOTTO_HINT_VERSION:
		sotto_err(&t->why, SOTTO_E_VERSION,
			  "the server speaks versions %u to %u of the protocol, this program %d; update the older one",
			  res->ver_min, res->ver_max, SOTTO_PROTO_VERSION);
		break;
	default:
		sotto_err(&t->why, SOTTO_E_TIMEOUT, "the server says: %s",
			  sotto_hint_text(res->hint));
	}
}

/*
 * Hints are not authenticated: they explain a silence, and shorten it for the
 * one who waits, but an answer that comes counts all the same.
 */
static int on_handshake(struct attempt *t, const uint8_t *dgram, size_t len)
{
	struct sotto_hs_result res;

	switch (sotto_hs_client_input(&t->hs, dgram, len, &res)) {
	case SOTTO_HS_DONE:
		return ask(t, &res);
	case SOTTO_HS_RESEND:
		send_dgram(t, t->hs.dgram, t->hs.len);
		return 0;
	case SOTTO_HS_HINTED:
		take_hint(t, &res);
		if (res.hint != SOTTO_HINT_BUSY)
			t->end = min_ms(t->end, sotto_now_ms() + HINTED_MS);
		return 0;
	case SOTTO_HS_FAILED:
		sotto_err(&t->why, SOTTO_E_AUTH,
			  "the server's answer does not fit the code; the line is mistyped, or somebody stands between");
		return 0;
	default:
		return 0;
	}
}

static int on_dgram(struct attempt *t, const uint8_t *dgram, size_t len)
{
	uint32_t index;

	switch (sotto_dgram_index(dgram, len, &index)) {
	case SOTTO_DGRAM_DATA:
		if (t->has_chan && index == t->chan.keys.local_index)
			sotto_chan_input(&t->chan, sotto_now_ms(), dgram, len);
		return 0;
	case SOTTO_DGRAM_RESP:
	case SOTTO_DGRAM_COOKIE:
	case SOTTO_DGRAM_HINT:
		if (!t->has_chan && index == t->hs.index)
			return on_handshake(t, dgram, len);
		return 0;
	default:
		return 0;
	}
}

/* Wait at most until @until and take one datagram. */
static int receive(struct attempt *t, uint64_t until)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLIN };
	uint8_t dgram[SOTTO_DGRAM_MAX];
	uint64_t now = sotto_now_ms();
	ssize_t n;

	if (poll(&pfd, 1, until > now ? until - now : 0) <= 0)
		return 0;
	n = recv(t->fd, dgram, sizeof(dgram), MSG_DONTWAIT);
	if (n < 0 && errno == ECONNREFUSED)
		take_refused(t);
	return n > 0 ? on_dgram(t, dgram, n) : 0;
}

static int run(struct attempt *t)
{
	uint64_t resend = 0, pause = SOTTO_HS_RETRY_FIRST_MS;
	int ret = 0;

	t->end = sotto_now_ms() + SERVER_MS;
	while (!ret && !t->done) {
		uint64_t now = sotto_now_ms();

		if (now >= t->end)
			return SOTTO_E_TIMEOUT;
		if (t->has_chan) {
			sotto_chan_tick(&t->chan, now);
			ret = receive(t, min_ms(t->end, sotto_chan_next(&t->chan)));
			continue;
		}
		if (now >= resend) {
			send_dgram(t, t->hs.dgram, t->hs.len);
			resend = now + pause;
			pause = min_ms(pause * 2, SOTTO_HS_RETRY_MAX_MS);
		}
		ret = receive(t, min_ms(t->end, resend));
	}
	return ret ? ret : t->result;
}

/*
 * A policy that is in force may cover the server: while no agent runs, this
 * flow takes the exemption that is the agent's. It ends with @g.
 */
static void exempt(struct sgenl **g, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct sotto_addr local, remote;
	uint16_t lport, rport;

	*g = NULL;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    sotto_addr_from_sockaddr(&local, &lport, &ss))
		return;
	len = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) ||
	    sotto_addr_from_sockaddr(&remote, &rport, &ss))
		return;
	if (!sgenl_open(g))
		sgenl_agent_register(*g, &local, lport, &remote, rport);
}

static int run_attempt(struct attempt *t, const struct sockaddr *sa, socklen_t len)
{
	struct sgenl *g = NULL;
	int ret;

	t->fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->fd < 0)
		return sotto_err_errno(&t->why, "cannot make a socket");
	if (connect(t->fd, sa, len)) {
		ret = sotto_err_errno(&t->why, "cannot reach the server");
	} else {
		exempt(&g, t->fd);
		ret = run(t);
	}
	sgenl_close(g);
	close(t->fd);
	return ret;
}

static int try_address(struct attempt *t, const uint8_t priv[SOTTO_SECRET_LEN],
		       const struct sockaddr *sa, socklen_t len)
{
	int ret = sotto_hs_client_enrol(&t->hs, t->e->server_key, priv, t->e->code,
					SOTTO_FEATURES);

	if (ret)
		return sotto_err(&t->why, ret, "cannot begin the handshake: %s",
				 sotto_err_text(ret));
	t->why.text[0] = 0;
	ret = run_attempt(t, sa, len);
	sotto_hs_client_wipe(&t->hs);
	if (t->has_chan)
		sotto_chan_close(&t->chan);
	t->has_chan = false;
	t->done = false;
	return ret;
}

/* All addresses of one server, until one answers. */
static int try_server(struct attempt *t, const uint8_t priv[SOTTO_SECRET_LEN],
		      const struct sotto_endpoint *ep, struct sotto_addr *resolved)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list;
	char port[8];
	int ret;

	snprintf(port, sizeof(port), "%u", ep->port);
	ret = getaddrinfo(ep->host, port, &hints, &list);
	if (ret)
		return sotto_err(&t->why, SOTTO_E_UNKNOWN, "cannot look up %s: %s",
				 ep->host, gai_strerror(ret));
	ret = SOTTO_E_TIMEOUT;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		struct sockaddr_storage ss = { 0 };

		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		ret = try_address(t, priv, ai->ai_addr, ai->ai_addrlen);
		sotto_addr_from_sockaddr(resolved, NULL, &ss);
		if (!ret || ret == SOTTO_E_REFUSED)
			break;
	}
	freeaddrinfo(list);
	return ret;
}

int register_host(const struct sotto_enrol *e,
		  const uint8_t priv[SOTTO_SECRET_LEN],
		  struct sotto_msg_registered *out,
		  struct sotto_addr resolved[SOTTO_SERVERS_MAX],
		  struct sotto_errmsg *err)
{
	struct attempt t = { .e = e, .out = out };
	int ret = SOTTO_E_TIMEOUT;

	memset(resolved, 0, SOTTO_SERVERS_MAX * sizeof(*resolved));
	for (unsigned int i = 0; i < e->n; i++) {
		ret = try_server(&t, priv, &e->servers[i], &resolved[i]);
		if (!ret || ret == SOTTO_E_REFUSED)
			break;
	}
	if (ret)
		sotto_err(err, ret, "%.400s", t.why.text[0] ? t.why.text :
			  "no answer from the server; is the address right, does sotto-authd run there, and does a firewall let UDP port 7688 through?");
	sotto_wipe(&t, sizeof(t));
	return ret;
}
