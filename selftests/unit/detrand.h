/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A repeatable source of "random" bytes for libsodium, for tests whose outcome
 * must not hang on chance and for vectors: SHA-256 of a counter.
 */
#ifndef SOTTO_DETRAND_H
#define SOTTO_DETRAND_H

#include <sodium.h>
#include <string.h>

static uint64_t detrand_counter;

static const char *detrand_name(void)
{
	return "deterministic";
}

static void detrand_buf(void *const out, const size_t len)
{
	uint8_t block[32], *p = out;
	size_t left = len;

	while (left) {
		size_t take = left < sizeof(block) ? left : sizeof(block);

		crypto_hash_sha256(block, (uint8_t *)&detrand_counter,
				   sizeof(detrand_counter));
		detrand_counter++;
		memcpy(p, block, take);
		p += take;
		left -= take;
	}
}

static uint32_t detrand_random(void)
{
	uint32_t n;

	detrand_buf(&n, sizeof(n));
	return n;
}

static struct randombytes_implementation detrand = {
	.implementation_name = detrand_name,
	.random = detrand_random,
	.buf = detrand_buf,
};

/* In the place of sodium_init(). */
static inline int detrand_init(void)
{
	randombytes_set_implementation(&detrand);
	return sodium_init();
}

#endif /* SOTTO_DETRAND_H */
