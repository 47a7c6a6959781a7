/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intrusive hash tables, keyed with a secret so that nobody can choose
 * collisions. They grow by doubling, a little with each entry that is added: to move
 * half a million at once would make everybody wait.
 */
#ifndef SOTTO_HTAB_H
#define SOTTO_HTAB_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

struct hnode {
	struct hnode *next;
	uint64_t hash;
};

struct htab {
	struct hnode **bucket;
	struct hnode **old;	/* half as many; NULL unless it is growing */
	size_t n, mask;
	size_t moved;		/* so many of old are empty */
	uint8_t key[crypto_shorthash_KEYBYTES];
};

#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline size_t htab_bytes(size_t mask)
{
	return (mask + 1) * sizeof(struct hnode *);
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
	pages_put(h->old, htab_bytes(h->mask >> 1));
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

/* The bucket that @hash belongs to now. */
static inline struct hnode **htab_place(const struct htab *h, uint64_t hash)
{
	size_t i = hash & (h->mask >> 1);

	return h->old && i >= h->moved ? &h->old[i] : &h->bucket[hash & h->mask];
}

/* Without memory for more buckets the table only gets slower. */
static inline void htab_grow(struct htab *h)
{
	size_t mask = h->mask * 2 + 1;
	struct hnode **bucket = pages_get(htab_bytes(mask));

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
	struct hnode *n = h->old[h->moved], *next;

	for (; n; n = next) {
		struct hnode **at = &h->bucket[n->hash & h->mask];

		next = n->next;
		n->next = *at;
		*at = n;
	}
	if (h->moved++ < h->mask >> 1)
		return;
	pages_put(h->old, htab_bytes(h->mask >> 1));
	h->old = NULL;
}

/** htab_settle() - finish growing; then all is in h->bucket. */
static inline void htab_settle(struct htab *h)
{
	while (h->old)
		htab_move(h);
}

/* Entries that nobody has asked for lately: the next ones that htab_move() reads. */
static inline void htab_fetch_old(const struct htab *h)
{
	size_t last = h->mask >> 1;

	__builtin_prefetch(h->old[h->moved]);
	__builtin_prefetch(h->old[h->moved < last ? h->moved + 1 : last]);
}

/* Two old buckets for each new entry: done when it is three quarters full. */
static inline void htab_add(struct htab *h, struct hnode *n, uint64_t hash)
{
	struct hnode **at;
	int i;

	if (!h->old && h->n > h->mask)
		htab_grow(h);
	for (i = 0; i < 2 && h->old; i++)
		htab_move(h);
	if (h->old)
		htab_fetch_old(h);
	at = htab_place(h, hash);
	n->hash = hash;
	n->next = *at;
	*at = n;
	h->n++;
}

static inline void htab_del(struct htab *h, struct hnode *n)
{
	struct hnode **at = htab_place(h, n->hash);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	h->n--;
}

/* Bring the place of @hash into the cache. */
static inline void htab_fetch(const struct htab *h, uint64_t hash)
{
	__builtin_prefetch(htab_place(h, hash));
}

/* Then its first entry, which is the one that is looked for, mostly. */
static inline void htab_fetch_first(const struct htab *h, uint64_t hash)
{
	__builtin_prefetch(*htab_place(h, hash));
}

/* Candidates for @hash_; the caller compares keys. */
#define htab_for_hash(h, n_, hash_)					\
	for (n_ = *htab_place(h, hash_); n_; n_ = n_->next)		\
		if (n_->hash == (hash_))

#endif /* SOTTO_HTAB_H */
