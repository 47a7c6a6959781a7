/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Token buckets: one, and one per source address.
 */
#ifndef SOTTO_LIMITER_H
#define SOTTO_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

/** struct bucket - zeroed it is full. */
struct bucket {
	uint64_t full_ns;	/* when it is, or was, full again */
};

/** bucket_take() - one token; @rate_min tokens per minute, at most @burst. */
bool bucket_take(struct bucket *b, uint64_t now_ms, uint32_t rate_min,
		 uint32_t burst);
/** bucket_empty() - would bucket_take() refuse? */
bool bucket_empty(const struct bucket *b, uint64_t now_ms, uint32_t rate_min,
		  uint32_t burst);

struct limiter_slot {
	uint8_t key[16];
	struct bucket bucket;
};

/**
 * struct limiter - buckets of sources in a table of fixed size
 * IPv4 sources count as they are, IPv6 sources by /64. Anybody can write a source's
 * address on a datagram: who is @proven to get what is sent there has a bucket of
 * its own. Where two sources meet in one slot, the later one takes it over with a
 * full bucket: the total limits bound what that could gain.
 */
struct limiter {
	struct limiter_slot *slot;
	uint32_t n;
	uint32_t rate_min, burst;
	uint8_t key[16];
};

int limiter_init(struct limiter *l, uint32_t n, uint32_t rate_min,
		 uint32_t burst);
void limiter_free(struct limiter *l);
bool limiter_take(struct limiter *l, uint64_t now_ms,
		  const struct sotto_addr *src, bool proven);
/** limiter_same() - are they one source? */
bool limiter_same(const struct sotto_addr *a, const struct sotto_addr *b);
bool limiter_empty(struct limiter *l, uint64_t now_ms,
		   const struct sotto_addr *src, bool proven);

#endif /* SOTTO_LIMITER_H */
