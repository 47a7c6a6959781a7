// SPDX-License-Identifier: GPL-2.0
/*
 * Making an association: the socket, message 1 and its repetition.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/secret.h"
#include "agent.h"

static void name_server(struct agent *ag)
{
	const struct sotto_endpoint *ep = &ag->id->servers[ag->assoc.server];
	bool v6 = strchr(ep->host, ':');

	snprintf(ag->assoc.server_text, sizeof(ag->assoc.server_text),
		 v6 ? "[%s]:%u" : "%s:%u", ep->host, ep->port);
}

/*
 * The address a server has by the enrolment, or by the last lookup; that one
 * counts until it has failed.
 */
static bool known_address(struct agent *ag, unsigned int i, struct sotto_addr *addr)
{
	if (!sotto_addr_parse(addr, ag->id->servers[i].host))
		return true;
	*addr = ag->id->resolved[i];
	return addr->len && !(ag->assoc.stale & (1u << i));
}

static int make_socket(struct agent *ag, const struct sotto_addr *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = sotto_addr_to_sockaddr(addr, port, &ss);
	char text[SOTTO_ADDR_STR];
	int fd;

	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&ss, len))
		return fd;
	assoc_trouble(ag, "unreachable", "look at \"ip route get\"", "cannot reach %s: %s",
		      sotto_addr_str(addr, text), strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* That the channel in use does not need. */
static struct assoc_sock *spare(struct agent *ag)
{
	struct association *a = &ag->assoc;
	const struct assoc_chan *c = &a->chans[a->current];

	return c->open && c->sock == &a->socks[0] ? &a->socks[1] : &a->socks[0];
}

/*
 * A new socket each time an association is begun anew, so that a host that
 * moved gets its new address; a mere renewal keeps the flow it has. The old one
 * stays for as long as the old channel is in use, but one flow alone is exempt:
 * this matters only to a server whose address is protected itself.
 */
static int open_socket(struct agent *ag, const struct sotto_addr *addr)
{
	struct association *a = &ag->assoc;
	struct assoc_sock *s = spare(ag);
	int fd = make_socket(ag, addr, ag->id->servers[a->server].port);

	assoc_close_sock(s);
	if (fd < 0)
		return SOTTO_E_IO;
	if (kernel_exempt(ag, fd)) {
		close(fd);
		return SOTTO_E_IO;
	}
	s->fd = fd;
	a->sock = s;
	ev_io_init(&s->io, assoc_readable, fd, EV_READ);
	s->io.data = s;
	ev_io_start(ag->loop, &s->io);
	a->moved = false;
	return 0;
}

void handshake_drop_socket(struct agent *ag)
{
	struct association *a = &ag->assoc;
	struct assoc_chan *c = &a->chans[a->current];

	a->moved = false;
	name_server(ag);
	if (!c->open || a->sock == c->sock)
		return;
	assoc_close_sock(a->sock);
	a->sock = c->sock;
	kernel_exempt(ag, c->sock->fd);
}

/* The local address that a fresh socket to the same place would get. */
static int fresh_address(const struct sockaddr_storage *peer, socklen_t len,
			 struct sotto_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int fd = socket(peer->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = SOTTO_E_IO;

	if (fd < 0)
		return SOTTO_E_IO;
	if (!connect(fd, (const struct sockaddr *)peer, len) &&
	    !getsockname(fd, (struct sockaddr *)&ss, &n))
		ret = sotto_addr_from_sockaddr(addr, NULL, &ss);
	close(fd);
	return ret;
}

bool assoc_local(const struct assoc_sock *s, struct sotto_addr *ours)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	return s->fd >= 0 && !getsockname(s->fd, (struct sockaddr *)&ss, &n) &&
	       !sotto_addr_from_sockaddr(ours, NULL, &ss);
}

bool handshake_moved(struct agent *ag)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct sotto_addr ours, fresh;

	if (!assoc_local(ag->assoc.sock, &ours))
		return false;
	/* without a way to the server there is nothing better to be had */
	if (getpeername(ag->assoc.sock->fd, (struct sockaddr *)&ss, &n) ||
	    fresh_address(&ss, n, &fresh))
		return false;
	return !sotto_addr_eq(&ours, &fresh);
}

static void send_init(struct agent *ag, uint64_t now)
{
	struct association *a = &ag->assoc;
	uint32_t quarter = a->hs_pause_ms / 4;

	assoc_send(a->sock, a->hs.dgram, a->hs.len);
	a->hs_resps = 0;
	a->hs_cookies = 0;
	a->hs_resend_ms = now + a->hs_pause_ms - quarter +
			  randombytes_uniform(2 * quarter + 1);
	if (++a->hs_sent >= ASSOC_FAST_INITS)
		a->hs_pause_ms *= 2;
	if (a->hs_pause_ms > SOTTO_HS_RETRY_MAX_MS)
		a->hs_pause_ms = SOTTO_HS_RETRY_MAX_MS;
}

/*
 * With a ticket no public keys are needed; but once an hour they are used, so
 * that a stolen ticket key does not open all that follows.
 */
static int make_first(struct agent *ag, bool resume)
{
	struct association *a = &ag->assoc;

	a->resumed = resume;
	if (resume)
		return sotto_hs_client_resume(&a->hs, ag->id->server_key, &a->ticket,
					      a->ticket_secret, ag->id->token,
					      SOTTO_FEATURES);
	return sotto_hs_client_member(&a->hs, ag->id->server_key, ag->id->static_priv,
				      ag->id->token, SOTTO_FEATURES);
}

static void send_first(struct agent *ag, bool resume)
{
	struct association *a = &ag->assoc;
	int ret = make_first(ag, resume);

	if (ret) {
		assoc_trouble(ag, "token", "look at the token",
			      "cannot begin a handshake: %s", sotto_err_text(ret));
		handshake_failed(ag);
		return;
	}
	a->hs_pause_ms = SOTTO_HS_RETRY_FIRST_MS;
	a->hs_sent = 0;
	send_init(ag, sotto_now_ms());
}

static void forget_ticket(struct association *a)
{
	sotto_wipe(&a->ticket, sizeof(a->ticket));
	sotto_wipe(a->ticket_secret, sizeof(a->ticket_secret));
}

void handshake_begin(struct agent *ag)
{
	struct association *a = &ag->assoc;
	struct sotto_addr addr;

	name_server(ag);
	if (!known_address(ag, a->server, &addr)) {
		a->state = ASSOC_RESOLVING;
		a->resolve_ms = sotto_now_ms() + ASSOC_RESOLVE_MS;
		resolve_start(ag, a->server);
		return;
	}
	/* from now on: what the kernel says while it is asked must not begin another one */
	a->state = ASSOC_HANDSHAKE;
	a->hs_begun_ms = sotto_now_ms();
	/* renewal: the channel works, and so does its socket */
	if ((!assoc_channel(ag) || a->down_ms || a->sock->fd < 0 || a->moved) &&
	    open_socket(ag, &addr)) {
		handshake_failed(ag);
		return;
	}
	send_first(ag, a->ticket.n && a->hs_begun_ms < a->renew_ms);
}

static void take_hint(struct agent *ag, const struct sotto_hs_result *res)
{
	if (ag->assoc.resumed && res->hint == SOTTO_HINT_REFUSED) {
		forget_ticket(&ag->assoc);
		send_first(ag, false);
		return;
	}
	switch (res->hint) {
	case SOTTO_HINT_KEY:
		assoc_trouble(ag, "wrong_realm_key",
			      "a new line from there (\"sotto member rekey\" if the realm's key was replaced while this host was away, \"sotto member add\" if the realm was made anew), and here \"sotto down\", \"sotto enroll --force\", \"sotto up\"",
			      "the server has another realm key than the one this host is enrolled with");
		break;
	case SOTTO_HINT_REFUSED:
		assoc_trouble(ag, "not_a_member",
			      "\"sotto member list\" on the gateway shows who is; \"sotto enroll --force\" with a new line registers again",
			      "the server does not know this host's key: it got another one, or never registered");
		break;
	case SOTTO_HINT_REVOKED:
		assoc_say_revoked(ag);
		break;
	case SOTTO_HINT_VERSION:
		assoc_trouble(ag, "version", "update the older of the two",
			      "the server speaks protocol versions %u to %u, this agent %d",
			      res->ver_min, res->ver_max, SOTTO_PROTO_VERSION);
		break;
	default:
		assoc_trouble(ag, sotto_hint_name(res->hint), "wait: the agent goes on trying",
			      "the server says: %s", sotto_hint_text(res->hint));
		break;
	}
}

void handshake_input(struct agent *ag, const uint8_t *dgram, size_t len)
{
	struct association *a = &ag->assoc;
	struct sotto_hs_result res;

	/* whoever has seen message 1 can send as many as he likes */
	if (dgram[0] == SOTTO_DGRAM_RESP && a->hs_resps++ >= ASSOC_RESPS_MAX) {
		ag->counters[COUNT_ANSWERS_IGNORED]++;
		return;
	}
	switch (sotto_hs_client_input(&a->hs, dgram, len, &res)) {
	case SOTTO_HS_DONE:
		handshake_done(ag, &res);
		sotto_wipe(&res, sizeof(res));
		break;
	case SOTTO_HS_RESEND:
		/* it is longer than what asked for it, which may be forged */
		if (a->hs_cookies++ < ASSOC_COOKIES_MAX)
			assoc_send(a->sock, a->hs.dgram, a->hs.len);
		else
			ag->counters[COUNT_COOKIES_IGNORED]++;
		break;
	case SOTTO_HS_HINTED:
		take_hint(ag, &res);
		break;
	case SOTTO_HS_FAILED:
		assoc_trouble(ag, "wrong_token",
			      "\"sotto enroll --force\" with a new line, if the token was changed",
			      "the server's answer does not fit this host's token secret");
		break;
	default:
		break;
	}
}

/* With several servers none is waited for long before all were tried. */
uint64_t handshake_ends(const struct agent *ag)
{
	const struct association *a = &ag->assoc;
	uint32_t ms = ASSOC_TRY_MS;

	if (ag->id->n_servers > 1)
		ms = ASSOC_TRY_FIRST_MS * (1 + a->tried / ag->id->n_servers);
	return a->hs_begun_ms + (ms < ASSOC_TRY_MS ? ms : ASSOC_TRY_MS);
}

void handshake_tick(struct agent *ag, uint64_t now)
{
	struct association *a = &ag->assoc;

	if (now >= handshake_ends(ag)) {
		if (!assoc_explained(ag))
			assoc_trouble(ag, "no_answer",
				      "is sotto-authd running on the gateway, and does a firewall let its UDP port through?",
				      "no answer from %s", a->server_text);
		sotto_hs_client_wipe(&a->hs);
		handshake_failed(ag);
		return;
	}
	if (a->resumed && now - a->hs_begun_ms >= SOTTO_RESUME_MS)
		send_first(ag, false);
	else if (now >= a->hs_resend_ms)
		send_init(ag, now);
}
