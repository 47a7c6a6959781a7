// SPDX-License-Identifier: GPL-2.0
/*
 * Token buckets.
 */
#include "limiter.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint64_t filled(const struct bucket *b, uint64_t now_ms,
		       uint32_t rate_min)
{
	/* tokens/minute * ms / 60000 = tokens; in thousandths: / 60 */
	return b->milli + (now_ms - b->last_ms) * rate_min / 60;
}

bool bucket_take(struct bucket *b, uint64_t now_ms, uint32_t rate_min,
		 uint32_t burst)
{
	uint64_t have = b->used ? filled(b, now_ms, rate_min) :
				  (uint64_t)burst * 1000;

	if (have > (uint64_t)burst * 1000)
		have = (uint64_t)burst * 1000;
	b->used = true;
	/* time that made less than a thousandth is not lost */
	if (have != b->milli)
		b->last_ms = now_ms;
	b->milli = have;
	if (have < 1000)
		return false;
	b->milli -= 1000;
	return true;
}

bool bucket_empty(const struct bucket *b, uint64_t now_ms, uint32_t rate_min)
{
	return b->used && filled(b, now_ms, rate_min) < 1000;
}

int limiter_init(struct limiter *l, uint32_t n, uint32_t rate_min,
		 uint32_t burst)
{
	l->slot = calloc(n, sizeof(*l->slot));
	l->n = n;
	l->rate_min = rate_min;
	l->burst = burst;
	randombytes_buf(l->key, sizeof(l->key));
	return l->slot ? 0 : -1;
}

void limiter_free(struct limiter *l)
{
	free(l->slot);
	l->slot = NULL;
}

static struct bucket *find(struct limiter *l, const struct sotto_addr *src,
			   bool proven)
{
	uint8_t key[16] = { 0 };
	struct limiter_slot *s;
	uint64_t hash;

	memcpy(key, src->b, src->len == 4 ? 4 : 8);
	key[14] = proven;
	key[15] = src->len;
	crypto_shorthash((uint8_t *)&hash, key, sizeof(key), l->key);
	s = &l->slot[hash % l->n];
	if (memcmp(s->key, key, sizeof(key))) {
		memset(s, 0, sizeof(*s));
		memcpy(s->key, key, sizeof(key));
	}
	return &s->bucket;
}

bool limiter_take(struct limiter *l, uint64_t now_ms,
		  const struct sotto_addr *src, bool proven)
{
	return bucket_take(find(l, src, proven), now_ms, l->rate_min, l->burst);
}

bool limiter_empty(struct limiter *l, uint64_t now_ms,
		   const struct sotto_addr *src, bool proven)
{
	return bucket_empty(find(l, src, proven), now_ms, l->rate_min);
}
