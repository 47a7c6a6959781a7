// SPDX-License-Identifier: GPL-2.0
/*
 * Token buckets.
 */
#include "limiter.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_NS	60000000000ull

/* Another token would be one too many, or there never is one. */
static bool is_empty(const struct bucket *b, uint64_t now_ns, uint64_t each_ns,
		     uint32_t burst)
{
	uint64_t from = b->full_ns > now_ns ? b->full_ns : now_ns;

	return from + each_ns > now_ns + burst * each_ns;
}

bool bucket_take(struct bucket *b, uint64_t now_ms, uint32_t rate_min,
		 uint32_t burst)
{
	uint64_t now_ns = now_ms * 1000000, each_ns;

	if (bucket_empty(b, now_ms, rate_min, burst))
		return false;
	each_ns = MINUTE_NS / rate_min;
	b->full_ns = (b->full_ns > now_ns ? b->full_ns : now_ns) + each_ns;
	return true;
}

bool bucket_empty(const struct bucket *b, uint64_t now_ms, uint32_t rate_min,
		  uint32_t burst)
{
	return !rate_min || is_empty(b, now_ms * 1000000, MINUTE_NS / rate_min,
				     burst);
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

static size_t source_len(const struct sotto_addr *src)
{
	return src->len == 4 ? 4 : 8;
}

bool limiter_same(const struct sotto_addr *a, const struct sotto_addr *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, source_len(a));
}

static struct bucket *find(struct limiter *l, const struct sotto_addr *src,
			   bool proven)
{
	uint8_t key[16] = { 0 };
	struct limiter_slot *s;
	uint64_t hash;

	memcpy(key, src->b, source_len(src));
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
	return bucket_empty(find(l, src, proven), now_ms, l->rate_min,
			    l->burst);
}
