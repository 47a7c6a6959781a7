// SPDX-License-Identifier: GPL-2.0
/*
 * Random numbers by the block.
 */
#include "rng.h"

#include <sodium.h>
#include <string.h>

#include "secret.h"

#define KEY_LEN		crypto_stream_chacha20_ietf_KEYBYTES
#define BLOCK		1024	/* bytes made at once, the next key among them */

static __thread struct {
	uint8_t key[KEY_LEN];
	uint8_t out[BLOCK - KEY_LEN];
	size_t left;			/* of out, at its end */
	bool seeded;
} rng;

static void refill(void)
{
	static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
	uint8_t block[BLOCK];

	if (!rng.seeded)
		randombytes_sysrandom_implementation.buf(rng.key, KEY_LEN);
	rng.seeded = true;
	/* a key makes one block, so the nonce may always be the same */
	crypto_stream_chacha20_ietf(block, sizeof(block), nonce, rng.key);
	memcpy(rng.key, block, KEY_LEN);
	memcpy(rng.out, block + KEY_LEN, sizeof(rng.out));
	rng.left = sizeof(rng.out);
	sotto_wipe(block, sizeof(block));
}

static void take(uint8_t *to, size_t len)
{
	uint8_t *from = rng.out + sizeof(rng.out) - rng.left;

	memcpy(to, from, len);
	memset(from, 0, len);
	rng.left -= len;
}

static void rng_buf(void *const buf, const size_t len)
{
	uint8_t *to = buf;
	size_t want = len;

	while (want) {
		size_t n;

		if (!rng.left)
			refill();
		n = want < rng.left ? want : rng.left;
		take(to, n);
		to += n;
		want -= n;
	}
}

static uint32_t rng_random(void)
{
	uint32_t r;

	rng_buf(&r, sizeof(r));
	return r;
}

static const char *rng_name(void)
{
	return "sotto";
}

void sotto_rng_start(void)
{
	static struct randombytes_implementation impl = {
		.implementation_name = rng_name,
		.random = rng_random,
		.buf = rng_buf,
	};

	sotto_wipe(&rng, sizeof(rng));
	randombytes_set_implementation(&impl);
}
