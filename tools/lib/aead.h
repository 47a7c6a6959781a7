/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20-Poly1305 (RFC 8439) of libsodium's ChaCha20 and Poly1305, put together
 * for messages of a few hundred bytes: libsodium's own does them block by block.
 */
#ifndef SOTTO_AEAD_H
#define SOTTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_LEN	32	/* bytes */
#define AEAD_NONCE_LEN	12
#define AEAD_TAG_LEN	16

/** aead_seal() - @out holds @len + AEAD_TAG_LEN, and may be @in. */
void aead_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
	       const void *ad, size_t ad_len, const uint8_t *in, size_t len,
	       uint8_t *out);

/** aead_open() - the reverse; @len includes the tag, and is no less than it is
 * Returns 0, or -1: then nothing was written to @out.
 */
int aead_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
	      const void *ad, size_t ad_len, const uint8_t *in, size_t len,
	      uint8_t *out);

#endif /* SOTTO_AEAD_H */
