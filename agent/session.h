/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sessions that this host's kernel holds, until they end.
 *
 *   event                          | what follows
 *   first packet authenticated     | confirmed; the one it replaces is retired
 *   soft lifetime                  | a new session is asked for, with rekey-of
 *   that one fails                 | asked again later, until the hard lifetime
 *   a pin is made that forbids it  | the same, but it ends if that fails
 *   retired for SESSION_OVERLAP_MS | both directions deleted, server told
 *   hard lifetime                  | the kernel deleted it; server told
 *   server: gone, peer gone        | deleted at once
 */
#ifndef SOTTO_AGENT_SESSION_H
#define SOTTO_AGENT_SESSION_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../tools/lib/genl_obj.h"
#include "../tools/lib/kdf.h"
#include "../tools/lib/proto.h"

struct agent;

#define SESSION_OVERLAP_MS	30000	/* a replaced one still opens packets so long */
#define SESSION_SPREAD_MS	200	/* rekeys of one second are spread over this */
#define SESSION_REKEY_FIRST_MS	2000	/* after a failed rekey, then doubled */
#define SESSION_REKEY_MAX_MS	60000
#define SESSION_LEAVE_MS	1000	/* for the server to hear that we go */
#define SHUNNED_MAX		256	/* keys of revoked members that are remembered */
#define GONE_MAX	1024	/* ids of sessions that ended before they came, likewise */
#define SESSION_BUCKETS		1024	/* of the table; chains grow with the number */

/** struct session - one session; no keys in here: they are in the kernel alone */
struct session {
	struct session *next;		/* in its bucket */
	struct session *fresh_next;	/* among those not confirmed */
	struct agent *ag;
	uint64_t id;
	char peer[SOTTO_NAME_MAX];
	uint8_t peer_pub[SOTTO_PUB_LEN];	/* zero: not known (restart) */
	struct sotto_addrs peer_addrs;
	struct sotto_prefixes peer_routes;	/* tunnel mode: networks behind it */
	struct sotto_addr dst;		/* to ask for, at a rekey */
	uint32_t spi_in, spi_out;
	uint8_t cipher;
	bool initiator;
	bool nat;			/* one is between */
	bool confirmed;			/* the inbound SA authenticated a packet */
	bool seen;			/* by the dump under way */
	bool past_soft;			/* so says that dump */
	uint64_t replaces;		/* session id, 0 = none */
	bool due;			/* its soft limit was reached */
	bool retired;			/* another one is in use: deleted soon */
	bool doubted;			/* a pin forbids it: replaced, or ended */
	uint64_t since_ms;
	uint32_t rekey_wait_ms;
	ev_timer timer;			/* rekey again, or delete the retired */
	/* responder: what to repeat if the offer comes once more */
	uint8_t eph_pub[SOTTO_PUB_LEN];
};

struct ask;

struct sessions {
	struct session *buckets[SESSION_BUCKETS];
	unsigned int n;
	struct session *fresh;		/* not confirmed yet */
	unsigned int n_fresh;
	uint8_t shunned[SHUNNED_MAX][SOTTO_PUB_LEN];
	unsigned int n_shunned;		/* ever */
	uint64_t gone[GONE_MAX];
	unsigned int n_gone;		/* ever */
	struct ask *asks;		/* ask.c's */
	unsigned int n_asks;
	unsigned int in_flight;		/* asks whose answer is not here */
};

/** session_find() - by id, or NULL */
struct session *session_find(struct agent *ag, uint64_t id);

/** session_new() - an empty entry in the table; NULL without memory */
struct session *session_new(struct agent *ag, uint64_t id);

/** session_free() - out of the table; the kernel is not asked */
void session_free(struct session *s);

/** sessions_free() - all entries; the kernel keeps its SAs */
void sessions_free(struct agent *ag);

/** session_count() - entries in the table */
unsigned int session_count(const struct agent *ag);

/** session_each() - call @fn for all; it must not add or remove */
void session_each(struct agent *ag, void (*fn)(struct session *s, void *arg),
		  void *arg);

/** session_has_addr() - @addr is one of the peer's own */
bool session_has_addr(const struct session *s, const struct sotto_addr *addr);

/** session_covers() - the same, or in a network behind it */
bool session_covers(const struct session *s, const struct sotto_addr *addr);

/** session_fresh() - one with @addr that was made within @ms and is not confirmed */
bool session_fresh(struct agent *ag, const struct sotto_addr *addr, uint32_t ms);

/** session_fresh_with() - how many with member @name are not confirmed */
unsigned int session_fresh_with(struct agent *ag, const char *name);

/* The kernel's events. */
void session_confirmed(struct agent *ag, uint64_t id);
void session_soft(struct agent *ag, uint64_t id);
/** session_replace_all() - what they were made for is not so any more; or those with a NAT */
void session_replace_all(struct agent *ag, bool with_nat);
void session_lost(struct agent *ag, uint64_t id, enum sotto_refusal why);
void session_sa_deleted(struct agent *ag, uint64_t id, uint8_t dir);

/* The server's. */
void session_gone(struct agent *ag, uint64_t id, unsigned int reason);
/**
 * session_was_gone() - its end was told while it was not known
 * Datagrams overtake each other: a grant that comes later has keys of which the other end
 * has none. An id is never used again. The last GONE_MAX are kept.
 */
bool session_was_gone(const struct agent *ag, uint64_t id);
unsigned int session_peer_gone(struct agent *ag, const char *name,
			       const uint8_t pub[SOTTO_PUB_LEN]);
void session_drop_all(struct agent *ag);

/**
 * session_shun(), session_shunned() - keys of revoked members
 * A grant or an offer that was sent before the notice can arrive after it: it
 * must not bring back what the notice took away. The last SHUNNED_MAX are kept;
 * what is under way is so for seconds.
 */
void session_shun(struct agent *ag, const uint8_t pub[SOTTO_PUB_LEN]);
bool session_shunned(const struct agent *ag, const uint8_t pub[SOTTO_PUB_LEN]);

/**
 * session_leave() - this host goes: drop all, tell the server, then end
 * The process ends when the server has heard, or after SESSION_LEAVE_MS.
 */
void session_leave(struct agent *ag);

/** session_resync() - make the table what the kernel's dump says */
void session_resync(struct agent *ag, const struct sgenl_sa *v, size_t n);

/** session_retire() - another one took its place; it goes after the overlap */
void session_retire(struct session *s);

/** session_doubt() - it would not be made any more: another one, or none */
void session_doubt(struct session *s);

/** session_rekey_done() - another one was made: of those that are in doubt this is enough */
void session_rekey_done(struct session *s);

/** session_rekey_failed() - try again later; or it ends, if it is in doubt */
void session_rekey_failed(struct session *s);

#endif /* SOTTO_AGENT_SESSION_H */
