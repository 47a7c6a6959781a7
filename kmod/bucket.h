/* SPDX-License-Identifier: GPL-2.0 */
/* A token bucket: so much per second, and no more than a second's worth at once. */
#ifndef _SOTTO_BUCKET_H
#define _SOTTO_BUCKET_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>

/**
 * struct sotto_bucket - what may still be done
 * @lock: a leaf, BH off
 * @tokens: each for one time
 * @filled: jiffies, up to which time was turned into tokens
 * @dry: jiffies when it was last found empty
 */
struct sotto_bucket {
	spinlock_t lock;
	u32 tokens;
	unsigned long filled;
	unsigned long dry;
};

static inline void sotto_bucket_init(struct sotto_bucket *b, u32 rate)
{
	spin_lock_init(&b->lock);
	b->tokens = rate;
	b->filled = jiffies;
	b->dry = jiffies - 1;
}

/* Was it found empty in this very tick? Then one need not ask for the lock. */
static inline bool sotto_bucket_dry(const struct sotto_bucket *b)
{
	unsigned long now = jiffies;

	return READ_ONCE(b->dry) == now;
}

/* Take a token, where there are @rate new ones per second. Return: false without one. */
static inline bool sotto_bucket_take(struct sotto_bucket *b, u32 rate)
{
	unsigned long passed;
	u64 fresh;
	bool ok;

	spin_lock_bh(&b->lock);
	passed = jiffies - b->filled;
	fresh = passed >= HZ ? rate : (u64)passed * rate / HZ;
	if (fresh) {
		b->tokens = min_t(u64, b->tokens + fresh, rate);
		b->filled = jiffies;
	}
	ok = b->tokens;
	if (ok)
		b->tokens--;
	else
		WRITE_ONCE(b->dry, jiffies);
	spin_unlock_bh(&b->lock);
	return ok;
}

#endif /* _SOTTO_BUCKET_H */
