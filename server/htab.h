/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intrusive hash tables, keyed with a secret so that nobody can choose
 * collisions. They grow by doubling.
 */
#ifndef SOTTO_HTAB_H
#define SOTTO_HTAB_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct hnode {
	struct hnode *next;
	uint64_t hash;
};

struct htab {
	struct hnode **bucket;
	size_t n, mask;
	uint8_t key[crypto_shorthash_KEYBYTES];
};

#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline int htab_init(struct htab *h)
{
	h->n = 0;
	h->mask = 63;
	h->bucket = calloc(h->mask + 1, sizeof(*h->bucket));
	randombytes_buf(h->key, sizeof(h->key));
	return h->bucket ? 0 : -1;
}

/* The entries are their owner's to free. */
static inline void htab_free(struct htab *h)
{
	free(h->bucket);
	h->bucket = NULL;
}

static inline uint64_t htab_hash(const struct htab *h, const void *key,
				 size_t len)
{
	uint64_t out;

	crypto_shorthash((uint8_t *)&out, key, len, h->key);
	return out;
}

/* Without memory for more buckets the table only gets slower. */
static inline void htab_grow(struct htab *h)
{
	size_t mask = h->mask * 2 + 1, i;
	struct hnode **bucket = calloc(mask + 1, sizeof(*bucket));

	if (!bucket)
		return;
	for (i = 0; i <= h->mask; i++) {
		while (h->bucket[i]) {
			struct hnode *n = h->bucket[i];

			h->bucket[i] = n->next;
			n->next = bucket[n->hash & mask];
			bucket[n->hash & mask] = n;
		}
	}
	free(h->bucket);
	h->bucket = bucket;
	h->mask = mask;
}

static inline void htab_add(struct htab *h, struct hnode *n, uint64_t hash)
{
	if (h->n > h->mask)
		htab_grow(h);
	n->hash = hash;
	n->next = h->bucket[hash & h->mask];
	h->bucket[hash & h->mask] = n;
	h->n++;
}

static inline void htab_del(struct htab *h, struct hnode *n)
{
	struct hnode **at = &h->bucket[n->hash & h->mask];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	h->n--;
}

/* Bring the place of @hash into the cache. */
static inline void htab_fetch(const struct htab *h, uint64_t hash)
{
	__builtin_prefetch(&h->bucket[hash & h->mask]);
}

/* Then its first entry, which is the one that is looked for, mostly. */
static inline void htab_fetch_first(const struct htab *h, uint64_t hash)
{
	__builtin_prefetch(h->bucket[hash & h->mask]);
}

/* Candidates for @hash_; the caller compares keys. */
#define htab_for_hash(h, n_, hash_)					\
	for (n_ = (h)->bucket[(hash_) & (h)->mask]; n_; n_ = n_->next)	\
		if (n_->hash == (hash_))

#endif /* SOTTO_HTAB_H */
