/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The association: the authenticated channel between this agent and the server.
 *
 * Handshake and channel are the library's; here are the socket, the choice of a
 * server, the timers, and the exchange of an old channel for a new one (make
 * before break).
 */
#ifndef SOTTO_AGENT_ASSOCIATION_H
#define SOTTO_AGENT_ASSOCIATION_H

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../tools/lib/chan.h"
#include "../tools/lib/handshake.h"

struct agent;

/* Times of our own; those of the protocol are in params.h. */
#define ASSOC_BACKOFF_FIRST_MS	500	/* after a failed handshake, then doubled */
#define ASSOC_BACKOFF_MAX_MS	30000
#define ASSOC_TRY_MS		6000	/* one handshake with one server, at most */
#define ASSOC_TRY_FIRST_MS	1500	/* the same in the first round of several servers */
#define ASSOC_FAST_INITS	4	/* message 1: so many at the first pace */
#define ASSOC_RESPS_MAX	32	/* answers to one that are opened: each is public-key work */
#define ASSOC_COOKIES_MAX	4	/* answers to one that make it go out again at once */
#define ASSOC_DOUBT_MS		1500	/* a request unanswered so long: is the server there? */
#define ASSOC_PROBE_MS		2500	/* a keepalive unanswered so long is a doubt */
#define ASSOC_PATIENCE_MS	3000	/* then sessions are refused: no server */
#define ASSOC_RESOLVE_MS	1000	/* a name is waited for: then its last address must do */
#define ASSOC_TWIN_MS		120000	/* another host with our keys: shown so long */
#define ASSOC_HOME_MS		15000	/* how often a server earlier in the list is tried */
#define ASSOC_ROLL_MS		20000	/* the realm has a new key: it is proved within that */
#define ASSOC_REVOKED_MS	300000	/* a revoked member asks again */

enum assoc_state {
	ASSOC_RESTING,		/* until retry_ms */
	ASSOC_RESOLVING,	/* a name is looked up */
	ASSOC_HANDSHAKE,	/* message 1 is repeated */
	ASSOC_HELLO,		/* keys are there; the first request is not answered */
	ASSOC_STEADY,		/* nothing under way */
};

/** struct assoc_sock - a socket, connected to one server */
struct assoc_sock {
	struct agent *ag;
	int fd;				/* -1 = none */
	ev_io io;
};

/** struct assoc_chan - a channel, whose it is, and its socket */
struct assoc_chan {
	struct agent *ag;
	struct sotto_chan ch;
	bool open;
	struct assoc_sock *sock;
	struct sotto_sent sent;
};

/** struct assoc_trouble - why there is no association */
struct assoc_trouble {
	char error[32];			/* stable name; "" = none */
	uint64_t at_ms;			/* when it was found last */
	char message[256];
	char advice[256];
};

struct association {
	struct assoc_sock socks[2];
	struct assoc_sock *sock;	/* that handshakes use */
	ev_timer timer;
	enum assoc_state state;
	unsigned int server;		/* tried or used: index into the identity's list */
	unsigned int home;		/* of the current channel */
	unsigned int tried;		/* handshakes that failed since it was lost */
	bool doubted;			/* the handshake is because the channel is silent */
	uint64_t home_ms;		/* an earlier server is tried next */
	unsigned int stale;		/* bit per server: look its name up again */
	uint64_t resolve_ms;		/* so long that is waited for */
	struct sotto_hs_client hs;
	struct sotto_ticket ticket;	/* in memory only; n 0 = none */
	uint8_t ticket_secret[SOTTO_SECRET_LEN];
	bool resumed;			/* the newest handshake used a ticket */
	uint64_t hs_begun_ms, hs_resend_ms;
	unsigned int hs_sent, hs_resps;	/* message 1; answers since it was sent last */
	unsigned int hs_cookies;	/* the same */
	uint32_t hs_pause_ms;
	uint64_t retry_ms;
	uint32_t backoff_ms;
	struct assoc_chan chans[2];	/* current and next, in turn */
	unsigned int current;		/* index of the current one */
	bool hello_failed;		/* the next one is to be closed */
	bool moved;			/* the next handshake needs a new socket */
	bool revoked;
	struct sotto_addr seen;		/* by the server; len 0 = not yet */
	bool natted;			/* that is not where we send from */
	struct sotto_addr twin;		/* another host with our keys; len 0 = never told */
	uint64_t twin_ms;		/* when we were told */
	uint64_t since_ms;		/* the association stands, across renewals */
	uint64_t down_ms;		/* no association since; 0 = there is one */
	uint64_t renew_ms;		/* new handshake due, a full one */
	uint64_t hint_ms;		/* last acted upon a hint */
	uint64_t loss_at_ms;		/* then no sessions; 0 = they last */
	uint32_t keepalive_ms;
	bool keepalive_out;
	char server_version[SOTTO_NAME_MAX];
	char server_text[SOTTO_HOST_MAX + 8];	/* of server */
	char home_text[SOTTO_HOST_MAX + 8];	/* of home */
	struct assoc_trouble trouble;
	/* looking up a name, in a thread of its own */
	pthread_t resolver;
	bool resolver_runs;
	ev_async resolved;
	struct resolve_job *job;
};

/** assoc_init() - before anything else; then assoc_stop() is safe */
void assoc_init(struct agent *ag);
void assoc_start(struct agent *ag);

/** assoc_stop() - tell the server, and close all */
void assoc_stop(struct agent *ag);

/** assoc_channel() - the current channel, or NULL */
struct sotto_chan *assoc_channel(struct agent *ag);

/** assoc_is_current() - @ch is it; a new one is not yet, before its HELLO is answered */
bool assoc_is_current(struct agent *ag, const struct sotto_chan *ch);

/** assoc_silent_ms() - since when nothing came from the server */
uint64_t assoc_silent_ms(struct agent *ag);

/** assoc_reachable() - there is hope that a request is answered in time */
bool assoc_reachable(const struct agent *ag);

/** assoc_probe() - is the server there? A keepalive now; unanswered it is a doubt */
void assoc_probe(struct agent *ag);

/** assoc_doubt() - something was not answered: try a new handshake beside */
void assoc_doubt(struct agent *ag);

/** assoc_kick() - call after each use of a channel: timers may have moved */
void assoc_kick(struct agent *ag);

/** assoc_look_for_move() - begin anew if the way to the server begins elsewhere now */
void assoc_look_for_move(struct agent *ag);

/** assoc_revoked() - the server says that we are no member any more */
void assoc_revoked(struct agent *ag);
/** assoc_say_revoked() - a hint says so: that changes nothing, but explains */
void assoc_say_revoked(struct agent *ag);

/** assoc_server_text() - the server of the association that stands, else the one that is tried */
const char *assoc_server_text(const struct agent *ag);

/** assoc_state_name() - for people and JSON: "associated", "connecting", … */
const char *assoc_state_name(const struct agent *ag);

/* Between association.c and handshake.c. */

/** handshake_begin() - socket, exemption and message 1, or a lookup first */
void handshake_begin(struct agent *ag);
/** assoc_local() - the address that @s sends from */
bool assoc_local(const struct assoc_sock *s, struct sotto_addr *ours);
/** handshake_moved() - the socket's address is not the one the kernel would choose */
bool handshake_moved(struct agent *ag);
/** handshake_input() - RESP, COOKIE or HINT */
void handshake_input(struct agent *ag, const uint8_t *dgram, size_t len);
/** handshake_ends() - when it is given up */
uint64_t handshake_ends(const struct agent *ag);
/** handshake_tick() - repeat or give up */
void handshake_tick(struct agent *ag, uint64_t now);
/** handshake_done() - association.c: keys are there */
void handshake_done(struct agent *ag, struct sotto_hs_result *res);
/** handshake_failed() - association.c: rest, then the next server */
void handshake_failed(struct agent *ag);
/** assoc_explained() - the attempt under way has said why it fails */
bool assoc_explained(const struct agent *ag);
#define TWIN_ADVICE \
	"\"sotto member rekey\" on the gateway, and \"sotto enroll\" on the one that is to stay this member; " \
	"the other: \"sotto down\", and its own \"sotto member add\""

/** assoc_twin() - another host has our keys, we were told a while ago; NULL: none */
const struct sotto_addr *assoc_twin(const struct agent *ag);

/** assoc_trouble() - say why; @error is the stable name */
void assoc_trouble(struct agent *ag, const char *error, const char *advice,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** handshake_drop_socket() - back to the current channel's, if it has one */
void handshake_drop_socket(struct agent *ag);
/** assoc_send() - a datagram to the server at the end of @s */
void assoc_send(struct assoc_sock *s, const uint8_t *dgram, size_t len);
/** assoc_close_sock() - close it, if it is open */
void assoc_close_sock(struct assoc_sock *s);
/** assoc_settle() - do what callbacks of a channel must not */
void assoc_settle(struct agent *ag);
/** assoc_readable() - libev's callback of the socket */
void assoc_readable(struct ev_loop *loop, ev_io *w, int revents);
/** resolve_start(), resolve_stop() - look a server's name up beside the loop */
void resolve_start(struct agent *ag, unsigned int server);
void resolve_stop(struct agent *ag);
/** resolve_done() - association.c: @addr.len 0 = failed, with @why */
void resolve_done(struct agent *ag, unsigned int server,
		  const struct sotto_addr *addr, const char *why);

#endif /* SOTTO_AGENT_ASSOCIATION_H */
