/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The datagrams of a batch, and fetching ahead what they need.
 */
#ifndef SOTTO_AHEAD_H
#define SOTTO_AHEAD_H

#include "authd.h"

/** struct incoming - one datagram; net.c fills the first three. */
struct incoming {
	struct path from;
	uint8_t *dgram;
	size_t len;
	bool data;			/* sealed, for the association @index */
	bool begins;			/* INIT or RESUME */
	struct begin *begin;		/* until it is answered */
	bool asks;			/* it is a session-request, for @dst */
	uint64_t asked_hash;		/* of its request id; 0: none */
	uint32_t index;
	struct assoc *as;		/* NULL: there is none */
	bool gone;			/* as ended before it was handled */
	struct sotto_opening opening;
	uint8_t *frame;			/* opened, in dgram's place */
	size_t frame_len;
	uint64_t hash;
	struct sotto_addr dst;
	struct member *to;		/* whom it is about */
	struct session *session;	/* what it answers */
};

/** ahead_associations() - sets data, index and as. */
void ahead_associations(struct authd *ad, struct incoming *in, unsigned int n);
/** ahead_contents() - where as is set, frame is opened. */
void ahead_contents(struct authd *ad, struct incoming *in, unsigned int n);

#endif /* SOTTO_AHEAD_H */
