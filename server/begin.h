/* SPDX-License-Identifier: GPL-2.0 */
/*
 * INIT and RESUME, from a datagram to a half-open association.
 */
#ifndef SOTTO_BEGIN_H
#define SOTTO_BEGIN_H

#include "authd.h"

struct begin;
struct incoming;

/** begin_admit() - sets begins and, if it is to be read, begin. */
void begin_admit(struct authd *ad, struct incoming *in);
/** begin_read() - needs no lock. */
void begin_read(struct begin *b);
/** begin_take() - who sent it? Others are told so. */
void begin_take(struct authd *ad, struct begin *b);
/** begin_answer() - needs no lock. */
void begin_answer(struct begin *b);
/** begin_finish() - send the answer; frees @b. */
void begin_finish(struct authd *ad, struct begin *b);

/** begin_hint() - tell a stranger, within the limits. */
void begin_hint(struct authd *ad, const struct path *to, enum sotto_hint hint,
		uint32_t index, const uint8_t *echo);

#endif /* SOTTO_BEGIN_H */
