/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A load generator for sotto-authd: up to a million members in one process, each
 * with its keys, which speak the real protocol over real datagrams.
 *
 * It is the other half of a measurement, so it spends as little as it can: what
 * is the same in each message is encoded once, and patched.
 */
#ifndef SOTTO_LOAD_H
#define SOTTO_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake.h"
#include "proto.h"

#define LOAD_SOCKETS	16	/* source ports: each goes to one of the server's workers */
#define LOAD_BATCH	64	/* datagrams per recvmmsg/sendmmsg */
#define LOAD_FLIGHT	512	/* handshakes under way at most */
#define LOAD_RESEND_US	700000	/* what is not answered is sent again */
#define LOAD_GIVE_UP_US	8000000
#define LOAD_QUIET_US	20000	/* nothing came for so long: nothing is under way */
#define LOAD_ENDS	2000	/* sessions that end at once, about */
#define LOAD_PACE_US	20	/* sleep between requests that have their time */
#define LOAD_WITH_ONE	64	/* requests under way for sessions with one member */
#define LOAD_ALIVE_S	40	/* a member that was silent so long says something */
#define LOAD_ADDRESS	0x0a000001u	/* 10.0.0.1: of member 0 */

/** struct peer - one member, as its agent has it. */
struct peer {
	uint8_t tx[32], rx[32];
	uint32_t remote;		/* index of the server's */
	uint32_t counter;
	uint32_t next_id;
	uint32_t asked_id;		/* session request under way; 0 = none */
	uint64_t asked_us;
	uint32_t spoke_s;		/* when it last sent something */
	bool up;			/* HELLO was answered */
	bool granted;			/* revoke.c: a session with the victim */
};

/** struct samples - latencies, microseconds. */
struct samples {
	uint32_t *us;
	size_t n, cap;
};

struct load {
	uint32_t members;
	uint32_t up_n;			/* the first so many are associated */
	struct peer *peer;
	struct tickets *tickets;		/* the realm's keys of them */
	uint8_t realm_pub[SOTTO_PUB_LEN];
	uint64_t policy_version;
	double session_rate;			/* of the last unpaced mediate_run() */
	uint32_t alive_next;			/* keepalive goes round */
	uint64_t alive_us;
	uint64_t refused, timeouts, strays, answered, grants, offers;
	uint64_t held;				/* sessions made since all have booted */
	bool mad;				/* spoil what is sent */
	struct samples lat;
	uint64_t turn_max_us;			/* we were busy, or did not run */
	const char *pids;			/* of the server's processes */
};

extern struct load ld;

uint64_t now_us(void);
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- keys.c ---- */

/** keys_ticket() - as the server would have given member @i: the realm is ours. */
void keys_ticket(uint32_t i, struct sotto_ticket *out,
		 uint8_t secret[SOTTO_SECRET_LEN]);
/** realm_open() - its public key, and the keys of its tickets. */
void realm_open(void);
/** keys_private(), keys_token() - of member @i; the same in every run. */
void keys_private(uint32_t i, uint8_t out[SOTTO_SECRET_LEN]);
void keys_token(uint32_t i, uint8_t out[SOTTO_SECRET_LEN]);
void keys_address(uint32_t i, struct sotto_addr *out);
/** realm_make() - a realm of @n enrolled members in $SOTTO_STATE. */
void realm_make(uint32_t n);

/* ---- wire.c ---- */

void wire_open(const char *server, const char *port);
void wire_send(uint32_t member, const uint8_t *dgram, size_t len);
void wire_flush(void);
/** wire_poll() - take what came; wait up to @wait_us if there is nothing. */
void wire_poll(uint32_t wait_us);
/** wire_input() - peer.c: called by wire_poll() for each datagram. */
void wire_input(const uint8_t *dgram, size_t len);

/* ---- peer.c: sealed datagrams ---- */

void peer_setup(void);
/** peer_request() - send a request; returns its id. */
uint32_t peer_request(uint32_t member, uint16_t type, const uint8_t *body,
		      size_t len);
void peer_answer(uint32_t member, uint32_t id, uint16_t type,
		 const uint8_t *body, size_t len);
/** peer_say() - a frame of any kind. */
void peer_say(uint32_t member, uint8_t kind, uint32_t id, uint16_t type,
	      const uint8_t *body, size_t len);
/** peer_boot() - HELLOs from now on are of members that have just booted. */
void peer_boot(void);
void peer_hello(uint32_t member);
/** peer_alive() - keepalives of those who were silent. */
void peer_alive(void);
/** attr_find() - value of an attribute in an encoded message, or NULL. */
const uint8_t *attr_find(const uint8_t *body, size_t len, uint8_t attr,
			 size_t *value_len);

/* ---- assoc.c ---- */

enum assoc_how { ASSOC_FULL, ASSOC_RESUME };

/** assoc_run() - associate members @first to @first + @n. */
void assoc_run(enum assoc_how how, uint32_t first, uint32_t n, uint32_t flight);
/** assoc_input() - a datagram of a handshake, for member @index. */
void assoc_input(uint32_t index, const uint8_t *dgram, size_t len);
/** assoc_hello_acked() - the association stands. */
void assoc_hello_acked(uint32_t member, const uint8_t *body, size_t len);

/* ---- mediate.c ---- */

/** mediate_run() - sessions for @seconds: @window at once, or @rate a second. */
void mediate_run(double seconds, uint32_t window, uint32_t rate);
void mediate_offer(uint32_t member, uint32_t id, const uint8_t *body,
		   size_t len);
/** mediate_answer() - grant or refusal. */
void mediate_answer(uint32_t member, uint16_t type);
/** mediate_with() - a session of each of the first @n members with @dst. */
void mediate_with(const struct sotto_addr *dst, uint32_t n);

/* ---- revoke.c ---- */

/** revoke_run() - sessions with the member at @address, then wait for its end. */
void revoke_run(uint32_t n, const char *address);
/** revoke_gone() - a member was told that a peer is gone. */
void revoke_gone(uint32_t member);

/* ---- mutate.c ---- */

/** mutate_run() - spoilt conversations for @seconds; the same for the same @seed. */
void mutate_run(double seconds, uint64_t seed);
/** mutate_frame(), mutate_dgram() - spoil it, perhaps; its length then. */
size_t mutate_frame(uint8_t *frame, size_t len, size_t cap);
size_t mutate_dgram(uint8_t *dgram, size_t len, size_t cap);

/* ---- report.c ---- */

struct usage {
	double cpu_s;			/* of all the server's processes */
	double ready_s;				/* it could run, and another one did */
	uint64_t rss;
};

struct usage usage_now(void);
void sample_add(uint64_t us);
/** report() - one line of JSON: what was done, how long, at what cost. */
void report(const char *what, uint64_t done, double seconds,
	    const struct usage *before);

#endif /* SOTTO_LOAD_H */
