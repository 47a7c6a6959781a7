/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between handshake.c and resume.c: the outer form of what begins an association.
 */
#ifndef SOTTO_HANDSHAKE_WIRE_H
#define SOTTO_HANDSHAKE_WIRE_H

#include "handshake.h"

#define OUTER_LEN	8	/* type, version, kind, 0, index */
#define INIT_TAIL	(SOTTO_MAC_LEN + SOTTO_COOKIE_LEN)
#define RESUME_NONCE	32
/* all of a RESUME but its ticket */
#define RESUME_FIXED	(OUTER_LEN + RESUME_NONCE + 4 + INIT_TAIL)

void sotto_put_outer(uint8_t *out, uint8_t type, uint8_t kind, uint32_t index);
/** sotto_put_tail() - mac and an empty cookie behind @len bytes of c->dgram. */
void sotto_put_tail(struct sotto_hs_client *c, size_t len);

#endif /* SOTTO_HANDSHAKE_WIRE_H */
