// SPDX-License-Identifier: GPL-2.0
/*
 * ChaCha20-Poly1305 for short messages.
 *
 * libsodium's AEAD makes the block that keys Poly1305 in one call and the keystream in
 * another, and what is less than 256 bytes block by block: ten blocks cost as much as
 * thirty. Made at once, eight cost what three did.
 */
#include "aead.h"

#include <endian.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "secret.h"

#define BLOCK		64	/* bytes */
#define FEW		(4 * BLOCK)	/* libsodium is quick by four blocks, */
#define MANY		(8 * BLOCK)	/* and by eight */
#define FIRST		(MANY - BLOCK)	/* bytes of a message that MANY has keystream for */

/* What does not fit the first blocks is left to libsodium. */
static void crypt(uint8_t *out, const uint8_t *in, size_t len,
		  const uint8_t *stream, const uint8_t *nonce, const uint8_t *key)
{
	size_t first = len < FIRST ? len : FIRST, i;

	for (i = 0; i + 8 <= first; i += 8) {
		uint64_t text, pad;

		memcpy(&text, in + i, 8);
		memcpy(&pad, stream + BLOCK + i, 8);
		text ^= pad;
		memcpy(out + i, &text, 8);
	}
	for (; i < first; i++)
		out[i] = in[i] ^ stream[BLOCK + i];
	if (len > FIRST)
		crypto_stream_chacha20_ietf_xor_ic(out + FIRST, in + FIRST,
						   len - FIRST, nonce,
						   MANY / BLOCK, key);
}

/* The first blocks of keystream: Poly1305's key is in the first of all. */
static size_t make_stream(uint8_t stream[MANY], size_t len, const uint8_t *nonce,
			  const uint8_t *key)
{
	size_t n = BLOCK + len <= FEW ? FEW : MANY;

	crypto_stream_chacha20_ietf(stream, n, nonce, key);
	return n;
}

static void put_le64(uint8_t out[8], uint64_t v)
{
	v = htole64(v);
	memcpy(out, &v, sizeof(v));
}

/* A datagram's header stands before its text: of both at once, Poly1305 begins once. */
static bool follows(const uint8_t *text, const void *ad, size_t ad_len)
{
	return text == (const uint8_t *)ad + ad_len && !(ad_len & 15);
}

static void tag_of(uint8_t tag[AEAD_TAG_LEN], const uint8_t *stream,
		   const void *ad, size_t ad_len, const uint8_t *text, size_t len)
{
	crypto_onetimeauth_poly1305_state st;
	uint8_t end[32] = { 0 };	/* up to 15 zeros, and both lengths */
	size_t pad = -len & 15;

	crypto_onetimeauth_poly1305_init(&st, stream);
	if (follows(text, ad, ad_len)) {
		crypto_onetimeauth_poly1305_update(&st, ad, ad_len + len);
	} else {
		crypto_onetimeauth_poly1305_update(&st, ad, ad_len);
		crypto_onetimeauth_poly1305_update(&st, end, -ad_len & 15);
		crypto_onetimeauth_poly1305_update(&st, text, len);
	}
	put_le64(end + 16, ad_len);
	put_le64(end + 24, len);
	crypto_onetimeauth_poly1305_update(&st, end + 16 - pad, pad + 16);
	crypto_onetimeauth_poly1305_final(&st, tag);	/* wipes it */
}

void aead_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
	       const void *ad, size_t ad_len, const uint8_t *in, size_t len,
	       uint8_t *out)
{
	uint8_t stream[MANY];
	size_t n = make_stream(stream, len, nonce, key);

	crypt(out, in, len, stream, nonce, key);
	tag_of(out + len, stream, ad, ad_len, out, len);
	sotto_wipe(stream, n);
}

int aead_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
	      const void *ad, size_t ad_len, const uint8_t *in, size_t len,
	      uint8_t *out)
{
	uint8_t stream[MANY], tag[AEAD_TAG_LEN];
	size_t n;
	int rc;

	len -= AEAD_TAG_LEN;
	n = make_stream(stream, len, nonce, key);
	tag_of(tag, stream, ad, ad_len, in, len);
	rc = crypto_verify_16(tag, in + len);
	if (!rc)
		crypt(out, in, len, stream, nonce, key);
	sotto_wipe(stream, n);
	sotto_wipe(tag, sizeof(tag));
	return rc;
}
