/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pins: the static keys that this host believes in, whatever the server says.
 * Those of sotto.conf come first; "sotto peer pin" and trust on first use keep
 * theirs in $SOTTO_STATE/agent/pins, which only the user takes away from: lines as in the
 * list of peers, with the addresses that the user gave, or that were met since.
 */
#ifndef SOTTO_AGENT_PINS_H
#define SOTTO_AGENT_PINS_H

#include <jansson.h>
#include <stdbool.h>

#include "peers.h"
#include "../tools/lib/err.h"
#include "../tools/lib/kdf.h"

struct agent;

#define PINS_FILE	"agent/pins"	/* under $SOTTO_STATE: "NAME KEY [ADDRESSES]" lines */

/** pins_load() - read the file; one that cannot be read is an error */
int pins_load(struct agent *ag, struct sotto_errmsg *err);

/** pins_fit() - the key of member @name is @pub, as far as this host knows better */
bool pins_fit(struct agent *ag, const char *name, const uint8_t pub[SOTTO_PUB_LEN]);

/**
 * pins_owner() - the pinned member whose address @peer is said to have
 * A pin holds for the addresses, too, that its member had with this key: else a
 * server that lies would give them to another name. NULL if there is none.
 */
const char *pins_owner(struct agent *ag, const struct sotto_party *peer);

#define PINS_ADVICE_MAX		320

/** pins_refused() - a session with @peer was, for its key or address: say so, and remember */
void pins_refused(struct agent *ag, const struct sotto_party *peer, uint64_t session);

/** pins_advice() - what to do if who was refused last and has @addr is right; "": none was */
void pins_advice(struct agent *ag, const struct sotto_addr *addr, char buf[PINS_ADVICE_MAX]);

/** pins_each_addr() - the addresses of pinned members; ends when @fn does not return 0 */
int pins_each_addr(struct agent *ag, int (*fn)(void *arg, const struct sotto_addr *addr),
		   void *arg);

/**
 * pins_news() - @name has a new key or address, or pin; if it is pinned, policy follows,
 * and sessions that would be refused now are replaced
 */
void pins_news(struct agent *ag, const char *name);

/**
 * pins_met() - a session with @peer is about to be: pin it, if the realm or this host wants that
 * What it is held to is on the disk before anything is believed by it: a host that loses its
 * power has not forgotten whom it spoke to. One line is written, and only for news. A disk that
 * takes nothing does not keep sessions from being: see keep.h.
 */
void pins_met(struct agent *ag, const struct sotto_party *peer);

/** pins_realm() - what the server says of trust on first use */
void pins_realm(struct agent *ag, bool first_use);

/**
 * pins_add() - @pub NULL: the key that it had last; on disk when this returns 0
 * @addrs: its addresses, for one that was never met; may be NULL
 */
int pins_add(struct agent *ag, const char *name, const uint8_t *pub,
	     const struct sotto_addrs *addrs, struct sotto_errmsg *err);

/** pins_del() - believe the server again */
int pins_del(struct agent *ag, const char *name, struct sotto_errmsg *err);

/** pins_json() - all peers that are known or pinned */
json_t *pins_json(struct agent *ag);

#endif /* SOTTO_AGENT_PINS_H */
