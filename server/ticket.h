/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Resumption tickets: what the server would have to remember of a member, sealed
 * under a key that changes, and kept by the member's agent.
 */
#ifndef SOTTO_TICKET_H
#define SOTTO_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "proto.h"
#include "store.h"

/* key id, nonce, sealed {member, time, secret}, tag */
#define TICKET_LEN	(4 + 24 + 8 + 8 + SOTTO_SECRET_LEN + 16)

struct ticket_key {
	uint32_t id;			/* 0 = none */
	int64_t since;			/* wall clock, seconds */
	uint8_t k[32];
};

/** struct tickets - the present key, and the one before it. */
struct tickets {
	struct ticket_key key[2];
};

/** struct ticket_content - what a ticket says. */
struct ticket_content {
	int64_t member, made;
	uint8_t secret[SOTTO_SECRET_LEN];
};

/** tickets_load() - from the store, so that tickets outlive the server. */
int tickets_load(struct tickets *t, struct store *st, int64_t now,
		 struct sotto_errmsg *err);
/** tickets_turn() - a new key when the present one is old; stored first. */
int tickets_turn(struct tickets *t, struct store *st, int64_t now,
		 struct sotto_errmsg *err);
/** ticket_make() - with a fresh secret, into @c, too. */
void ticket_make(const struct tickets *t, struct ticket_content *c,
		 struct sotto_ticket *out);
/** ticket_open() - SOTTO_E_AUTH: not ours, or its key is gone; SOTTO_E_TIMEOUT:
 * too old.
 */
int ticket_open(const struct tickets *t, const uint8_t *ticket, size_t len,
		int64_t now, struct ticket_content *c);

#endif /* SOTTO_TICKET_H */
