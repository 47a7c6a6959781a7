// SPDX-License-Identifier: GPL-2.0
/*
 * Memory by the chunk.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE		((size_t)2 << 20)	/* bytes, of a large page */
#define LINE		64			/* bytes, of a cache */
#define FIRST_CHUNK	((size_t)64 << 10)	/* doubled each time, up to LARGE */

/* A sanitizer is to see each of them. */
#if defined(__SANITIZE_ADDRESS__)
#define APART 1
#else
#define APART 0
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t len;
};

#define HEAD	LINE			/* bytes, with the chunk's own: objects begin with a line */

_Static_assert(sizeof(struct arena_chunk) <= HEAD, "a line has room for it");

struct pool_spare {
	struct pool_spare *next;
};

/* ---- pages ---- */

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A large page begins where its size divides the address; the rest of the map goes. */
static void *map_large(size_t size)
{
	uint8_t *p = map(size + LARGE);
	size_t before = -(uintptr_t)p & (LARGE - 1);

	if (!p)
		return NULL;
	if (before)
		munmap(p, before);
	munmap(p + before + size, LARGE - before);
	/* where there are none small ones will do */
	madvise(p + before, size, MADV_HUGEPAGE);
	return p + before;
}

static bool fills_large(size_t size)
{
	return size && !(size & (LARGE - 1));
}

void *pages_get(size_t size)
{
	return fills_large(size) ? map_large(size) : calloc(1, size);
}

void pages_put(void *p, size_t size)
{
	if (p && fills_large(size))
		munmap(p, size);
	else
		free(p);
}

/* ---- what stays ---- */

static bool has_room(const struct arena *a, size_t size)
{
	const struct arena_chunk *c = a->chunks;

	return c && c->len - (size_t)(a->at - (const uint8_t *)c) >= size;
}

static size_t chunk_len(const struct arena *a, size_t size)
{
	size_t len = a->chunks ? 2 * a->chunks->len : FIRST_CHUNK;

	if (APART || HEAD + size > len)
		return HEAD + size;
	return len < LARGE ? len : LARGE;
}

static bool add_chunk(struct arena *a, size_t size)
{
	size_t len = chunk_len(a, size);
	struct arena_chunk *c = pages_get(len);

	if (!c)
		return false;
	c->len = len;
	c->next = a->chunks;
	a->chunks = c;
	a->at = (uint8_t *)c + HEAD;
	return true;
}

void *arena_get(struct arena *a, size_t size)
{
	void *p;

	size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
	if (!has_room(a, size) && !add_chunk(a, size))
		return NULL;
	p = a->at;
	a->at += size;
	return p;
}

void arena_free(struct arena *a)
{
	struct arena_chunk *c, *next;

	for (c = a->chunks; c; c = next) {
		next = c->next;
		pages_put(c, c->len);
	}
	memset(a, 0, sizeof(*a));
}

/* ---- what comes and goes ---- */

void pool_init(struct pool *p, size_t size)
{
	memset(p, 0, sizeof(*p));
	p->size = size;
}

/* The next one to be given lay idle, mostly for long: it is there when it is asked for. */
static void fetch_spare(const struct pool *p)
{
	size_t at;

	for (at = 0; p->spare && at < p->size; at += LINE)
		__builtin_prefetch((const char *)p->spare + at, 1);
}

/* As it was put back. */
static void *take(struct pool *p)
{
	struct pool_spare *s = p->spare;

	if (APART)
		return malloc(p->size);
	if (!s)
		return arena_get(&p->arena, p->size);
	p->spare = s->next;
	fetch_spare(p);
	return s;
}

void *pool_get(struct pool *p)
{
	void *obj = take(p);

	if (obj)
		memset(obj, 0, p->size);
	return obj;
}

void pool_put(struct pool *p, void *obj)
{
	struct pool_spare *s = obj;

	if (APART) {
		free(obj);
		return;
	}
	s->next = p->spare;
	p->spare = s;
}

void pool_free(struct pool *p)
{
	arena_free(&p->arena);
	p->spare = NULL;
}

/* ---- what has many sizes ---- */

/* Whole lines of a cache, mostly; close where most messages are. */
static const uint16_t sizes[POOLS] = {
	32, 64, 128, 192, 224, 256, 320, 384, 448, 512, 768, 1024, 1536, POOLS_MAX,
};

void pools_init(struct pools *ps)
{
	size_t size;
	int i;

	for (i = 0; i < POOLS; i++)
		pool_init(&ps->of[i], sizes[i]);
	for (i = 0, size = 0; size <= POOLS_MAX; size += POOLS_STEP) {
		i += size > sizes[i];
		ps->fits[size / POOLS_STEP] = i;
	}
}

static struct pool *pool_for(struct pools *ps, size_t size)
{
	return &ps->of[ps->fits[(size + POOLS_STEP - 1) / POOLS_STEP]];
}

void *pools_get(struct pools *ps, size_t size)
{
	return size > POOLS_MAX ? malloc(size) : take(pool_for(ps, size));
}

void pools_put(struct pools *ps, void *obj, size_t size)
{
	if (obj && size <= POOLS_MAX)
		pool_put(pool_for(ps, size), obj);
	else
		free(obj);
}

void pools_free(struct pools *ps)
{
	int i;

	for (i = 0; i < POOLS; i++)
		pool_free(&ps->of[i]);
}
