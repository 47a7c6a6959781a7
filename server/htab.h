/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intrusive hash tables, keyed with a secret so that nobody can choose
 * collisions. They grow fourfold, a little with each entry that is added: to move
 * half a million at once would make everybody wait. An entry that is moved is one that
 * nobody has asked for lately, so a wait for memory: with doubling there were twice as many.
 *
 * Most of what is looked up is not there, and each entry that is looked at is a wait for
 * memory. So a bucket has marks of its entries beside the first one's address, in the
 * 16 bits that no address of a program uses: one of them set for each entry's hash.
 */
#ifndef SOTTO_HTAB_H
#define SOTTO_HTAB_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pool.h"

struct hnode {
	struct hnode *next;
	uint64_t hash;
};

typedef uint64_t hbucket;	/* zero: empty */

struct htab {
	hbucket *bucket;
	hbucket *old;		/* a quarter as many; NULL unless it is growing */
	size_t n, mask;
	size_t moved;		/* so many of old are empty */
	uint8_t key[crypto_shorthash_KEYBYTES];
};

#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline size_t htab_bytes(size_t mask)
{
	return (mask + 1) * sizeof(hbucket);
}

#define HTAB_GROWTH	4

static inline size_t htab_old_mask(const struct htab *h)
{
	return h->mask / HTAB_GROWTH;
}

#define HTAB_MARKS	48	/* the lowest mark's bit */

static inline hbucket htab_mark(uint64_t hash)
{
	/* by other bits than those that choose the bucket */
	return 1ull << (HTAB_MARKS + (hash >> 60));
}

static inline struct hnode *htab_node(hbucket b)
{
	return (struct hnode *)(uintptr_t)(b & ((1ull << HTAB_MARKS) - 1));
}

static inline hbucket htab_marks(hbucket b)
{
	return b & ~((1ull << HTAB_MARKS) - 1);
}

static inline void htab_put(hbucket *at, struct hnode *n)
{
	n->next = htab_node(*at);
	*at = (uintptr_t)n | htab_marks(*at) | htab_mark(n->hash);
}

static inline int htab_init(struct htab *h)
{
	h->n = 0;
	h->old = NULL;
	h->mask = 63;
	h->bucket = pages_get(htab_bytes(h->mask));
	randombytes_buf(h->key, sizeof(h->key));
	return h->bucket ? 0 : -1;
}

/* The entries are their owner's to free. */
static inline void htab_free(struct htab *h)
{
	pages_put(h->bucket, htab_bytes(h->mask));
	pages_put(h->old, htab_bytes(htab_old_mask(h)));
	h->bucket = NULL;
	h->old = NULL;
}

static inline uint64_t htab_hash(const struct htab *h, const void *key,
				 size_t len)
{
	uint64_t out;

	crypto_shorthash((uint8_t *)&out, key, len, h->key);
	return out;
}

/*
 * Of the server's own numbers: random ones that it drew, ids that it counts. Among them
 * nobody can choose freely, so two secret factors keep collisions from being chosen.
 */
static inline uint64_t htab_hash_own(const struct htab *h, uint64_t x, uint64_t y)
{
	uint64_t k[2];

	_Static_assert(sizeof(k) == sizeof(h->key), "two factors");
	memcpy(k, h->key, sizeof(k));
	x = x * (k[0] | 1) + y * (k[1] | 1);
	x ^= x >> 32;
	x *= k[0] | 1;
	return x ^ x >> 32;
}

/* The bucket that @hash belongs to now. */
static inline hbucket *htab_place(const struct htab *h, uint64_t hash)
{
	size_t i = hash & htab_old_mask(h);

	return h->old && i >= h->moved ? &h->old[i] : &h->bucket[hash & h->mask];
}

/* Without memory for more buckets the table only gets slower. */
static inline void htab_grow(struct htab *h)
{
	size_t mask = (h->mask + 1) * HTAB_GROWTH - 1;
	hbucket *bucket = pages_get(htab_bytes(mask));

	if (!bucket)
		return;
	h->old = h->bucket;
	h->moved = 0;
	h->bucket = bucket;
	h->mask = mask;
}

/* The next of the old buckets. */
static inline void htab_move(struct htab *h)
{
	struct hnode *n = htab_node(h->old[h->moved]), *next;

	for (; n; n = next) {
		next = n->next;
		htab_put(&h->bucket[n->hash & h->mask], n);
	}
	if (h->moved++ < htab_old_mask(h))
		return;
	pages_put(h->old, htab_bytes(htab_old_mask(h)));
	h->old = NULL;
}

/** htab_settle() - finish growing; then all is in h->bucket. */
static inline void htab_settle(struct htab *h)
{
	while (h->old)
		htab_move(h);
}

/* Old buckets for each new entry: done when it is three eighths full. */
#define HTAB_STEP	2

/*
 * Entries that nobody has asked for lately are far away. Of those that the next step
 * moves the first ones were fetched by the step before: their successors. Of those
 * that the step after it moves: the first ones.
 */
static inline void htab_fetch_old(const struct htab *h)
{
	size_t i = h->moved, last = htab_old_mask(h);

	for (; i < h->moved + HTAB_STEP && i <= last; i++)
		if (h->old[i])
			__builtin_prefetch(htab_node(h->old[i])->next);
	for (; i < h->moved + 2 * HTAB_STEP && i <= last; i++)
		__builtin_prefetch(htab_node(h->old[i]));
}

static inline void htab_add(struct htab *h, struct hnode *n, uint64_t hash)
{
	int i;

	if (!h->old && h->n > h->mask)
		htab_grow(h);
	for (i = 0; i < HTAB_STEP && h->old; i++)
		htab_move(h);
	if (h->old)
		htab_fetch_old(h);
	n->hash = hash;
	htab_put(htab_place(h, hash), n);
	h->n++;
}

static inline void htab_del(struct htab *h, struct hnode *n)
{
	hbucket *at = htab_place(h, n->hash), marks = 0;
	struct hnode *first = htab_node(*at), **to = &first, *i;

	while (*to != n)
		to = &(*to)->next;
	*to = n->next;
	for (i = first; i; i = i->next)
		marks |= htab_mark(i->hash);
	*at = (uintptr_t)first | marks;
	h->n--;
}

/** htab_any() - an entry of the settled table, from the bucket *@i on; NULL: none is left. */
static inline struct hnode *htab_any(const struct htab *h, size_t *i)
{
	for (; h->bucket && *i <= h->mask; (*i)++)
		if (h->bucket[*i])
			return htab_node(h->bucket[*i]);
	return NULL;
}

/* Where the entries of @hash are, if there are any. */
static inline struct hnode *htab_first(const struct htab *h, uint64_t hash)
{
	hbucket b = *htab_place(h, hash);

	return b & htab_mark(hash) ? htab_node(b) : NULL;
}

/* Bring the place of @hash into the cache. */
static inline void htab_fetch(const struct htab *h, uint64_t hash)
{
	__builtin_prefetch(htab_place(h, hash));
}

/* Then its first entry, which is the one that is looked for, mostly. */
static inline void htab_fetch_first(const struct htab *h, uint64_t hash)
{
	__builtin_prefetch(htab_first(h, hash));
}

/* Candidates for @hash_; the caller compares keys. */
#define htab_for_hash(h, n_, hash_)					\
	for (n_ = htab_first(h, hash_); n_; n_ = n_->next)		\
		if (n_->hash == (hash_))

#endif /* SOTTO_HTAB_H */
