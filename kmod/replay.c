// SPDX-License-Identifier: GPL-2.0
/* Anti-replay window with extended sequence numbers. */
#include <linux/kernel.h>
#include <linux/string.h>

#include "replay.h"

void sotto_replay_init(struct sotto_replay *r, u64 top)
{
	/* What is not above the top counts as seen: it may have been, elsewhere. */
	memset(r->bitmap, top ? 0xff : 0, sizeof(r->bitmap));
	r->bitmap[(top / BITS_PER_LONG) % SOTTO_REPLAY_WORDS] &=
		GENMASK(top % BITS_PER_LONG, 0);
	r->top = top;
}

u64 sotto_replay_esn(const struct sotto_replay *r, u32 lo)
{
	u64 top = READ_ONCE(r->top);
	u32 hi = upper_32_bits(top), tl = lower_32_bits(top);

	if (tl >= SOTTO_REPLAY_WINDOW - 1) {
		/* The window lies within one subspace. */
		if (lo < tl - (SOTTO_REPLAY_WINDOW - 1))
			hi++;
	} else if (lo >= tl - (u32)(SOTTO_REPLAY_WINDOW - 1)) {
		/* It spans two, and this one is of the older. */
		hi--;
	}
	return (u64)hi << 32 | lo;
}

static unsigned long *sotto_replay_word(struct sotto_replay *r, u64 seq)
{
	return &r->bitmap[(seq / BITS_PER_LONG) % SOTTO_REPLAY_WORDS];
}

bool sotto_replay_check(const struct sotto_replay *r, u64 seq)
{
	u64 top = READ_ONCE(r->top);

	if (!seq || seq > SOTTO_SEQ_MAX)
		return false;
	if (seq > top)
		return true;
	if (top - seq >= SOTTO_REPLAY_WINDOW)
		return false;
	return !(READ_ONCE(*sotto_replay_word((struct sotto_replay *)r, seq)) &
		 BIT(seq % BITS_PER_LONG));
}

bool sotto_replay_update(struct sotto_replay *r, u64 seq)
{
	unsigned long *at;
	u64 word, last;

	if (!sotto_replay_check(r, seq))
		return false;

	if (seq > r->top) {
		/* Words that the window enters are cleared, once each at most. */
		word = r->top / BITS_PER_LONG;
		last = seq / BITS_PER_LONG;
		if (last - word > SOTTO_REPLAY_WORDS)
			word = last - SOTTO_REPLAY_WORDS;
		while (word < last)
			WRITE_ONCE(r->bitmap[++word % SOTTO_REPLAY_WORDS], 0);
		WRITE_ONCE(r->top, seq);
	}
	at = sotto_replay_word(r, seq);
	WRITE_ONCE(*at, *at | BIT(seq % BITS_PER_LONG));
	return true;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/replay.c"
#endif
