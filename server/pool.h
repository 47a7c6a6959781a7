/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory for what there may be a million of: without headers, and in large pages,
 * where the kernel has them. It is given back when the server ends.
 */
#ifndef SOTTO_POOL_H
#define SOTTO_POOL_H

#include <stddef.h>
#include <stdint.h>

/** struct arena - for what stays; zeroed it is empty. */
struct arena {
	struct arena_chunk *chunks;	/* newest first */
	uint8_t *at;			/* the newest one is used up to here */
};

/** arena_get() - zeroed; NULL: no memory. */
void *arena_get(struct arena *a, size_t size);
/** arena_free() - all that it gave. */
void arena_free(struct arena *a);

/** struct pool - for what comes and goes, and has one size. */
struct pool {
	struct arena arena;
	size_t size;
	struct pool_spare *spare;	/* those that were put back */
};

/** pool_init() - @size is at least a pointer's. */
void pool_init(struct pool *p, size_t size);
void *pool_get(struct pool *p);
/** pool_put() - what was secret in @obj is wiped already. */
void pool_put(struct pool *p, void *obj);
void pool_free(struct pool *p);

#define POOLS_MAX	2048		/* bytes */
#define POOLS_STEP	32		/* divides all sizes */
#define POOLS		14

/** struct pools - for what has many sizes; what is above POOLS_MAX is the C library's. */
struct pools {
	struct pool of[POOLS];
	uint8_t fits[POOLS_MAX / POOLS_STEP + 1];	/* which, by size in steps, rounded up */
};

void pools_init(struct pools *ps);
/** pools_get() - with anything in it; NULL: no memory. */
void *pools_get(struct pools *ps, size_t size);
/** pools_put() - @size as it was asked for; wiped already; @obj may be NULL. */
void pools_put(struct pools *ps, void *obj, size_t size);
void pools_free(struct pools *ps);

/** pages_get() - zeroed, in large pages if it fills some; NULL: no memory. */
void *pages_get(size_t size);
/** pages_put() - @size as it was asked for; @p may be NULL. */
void pages_put(void *p, size_t size);

#endif /* SOTTO_POOL_H */
