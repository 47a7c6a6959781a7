/* SPDX-License-Identifier: GPL-2.0 */
/* Anti-replay window with extended sequence numbers (RFC 4303, RFC 6479). */
#ifndef _SOTTO_REPLAY_H
#define _SOTTO_REPLAY_H

#include <linux/bits.h>
#include <linux/types.h>

#include "wire.h"

/* One word more than the window: RFC 6479 section 2. */
#define SOTTO_REPLAY_WORDS	(SOTTO_REPLAY_WINDOW / BITS_PER_LONG + 1)
#define SOTTO_REPLAY_BITS	(SOTTO_REPLAY_WORDS * BITS_PER_LONG)

/**
 * struct sotto_replay - the window of one inbound SA; its owner locks it
 * @top: highest sequence number authenticated, 0 before the first
 * @bitmap: ring of words, RFC 6479
 */
struct sotto_replay {
	u64 top;
	unsigned long bitmap[SOTTO_REPLAY_WORDS];
};

/* An empty window, or one whose numbers up to @top are all taken. */
void sotto_replay_init(struct sotto_replay *r, u64 top);

/**
 * sotto_replay_esn() - the 64-bit number a 32-bit one stands for
 * @r: window
 * @lo: as it came
 *
 * RFC 4303 appendix A2.2.
 */
u64 sotto_replay_esn(const struct sotto_replay *r, u32 lo);

/*
 * Would @seq be accepted? Changes nothing. This and sotto_replay_esn() may be asked
 * without the lock: then yes only means that the work may be worth it, and no may be
 * half a change of the window.
 */
bool sotto_replay_check(const struct sotto_replay *r, u64 seq);

/* Accept @seq and move the window, or return false. After authentication only. */
bool sotto_replay_update(struct sotto_replay *r, u64 seq);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_replay_selftest(void);
#endif

#endif /* _SOTTO_REPLAY_H */
