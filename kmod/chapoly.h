/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20-Poly1305 (RFC 8439, RFC 7634) over the kernel's library.
 *
 * The crypto API's template walks scatterlists for each packet, which costs half as much
 * as the cipher itself. This one takes plain memory, piece by piece, and always completes
 * at once.
 */
#ifndef _SOTTO_CHAPOLY_H
#define _SOTTO_CHAPOLY_H

#include <linux/string.h>
#include <linux/types.h>

#include "compat.h"

#define SOTTO_CHAPOLY_KEY_LEN	32
#define SOTTO_CHAPOLY_NONCE_LEN	12
#define SOTTO_CHAPOLY_TAG_LEN	16

/* A key, as the cipher wants it. */
struct sotto_chapoly_key {
	u32 word[SOTTO_CHAPOLY_KEY_LEN / sizeof(u32)];
};

/*
 * Keystream made at the start: the block that keys Poly1305, and some of the text's. As many
 * blocks as vector code makes at a time, so that a packet of 1500 bytes takes three times that.
 */
#define SOTTO_CHAPOLY_AHEAD	(8 * CHACHA_BLOCK_SIZE)

/**
 * struct sotto_chapoly - one packet under way
 * @chacha: state of the cipher
 * @poly: state of the authenticator
 * @stream: keystream
 * @used: how much of that is used
 * @end: what there is
 * @aad_len: bytes of associated data
 * @len: bytes of text
 * @left: bytes of it to come
 *
 * On the stack, of which it is a good part: in a function of its own (noinline_for_stack) where
 * a packet goes on afterwards. For one packet after the other; behind the last,
 * sotto_chapoly_wipe() is due.
 */
struct sotto_chapoly {
	struct chacha_state chacha;
	struct poly1305_desc_ctx poly;
	u8 stream[SOTTO_CHAPOLY_AHEAD];
	unsigned int used, end;
	unsigned int aad_len, len, left;
};

void sotto_chapoly_key_init(struct sotto_chapoly_key *key,
			    const u8 raw[SOTTO_CHAPOLY_KEY_LEN]);

/**
 * sotto_chapoly_begin() - start with a packet
 * @c: filled
 * @key: of the SA
 * @nonce: never used twice with @key
 * @aad: associated data
 * @aad_len: 1 to 16 bytes of it
 * @len: how much text is to follow
 */
void sotto_chapoly_begin(struct sotto_chapoly *c, const struct sotto_chapoly_key *key,
			 const u8 nonce[SOTTO_CHAPOLY_NONCE_LEN], const void *aad,
			 unsigned int aad_len, unsigned int len);

/*
 * The next @len bytes of text, from @src to @dst, which may be the same. Opening: what is
 * at @dst is not to be looked at before it is authentic.
 */
void sotto_chapoly_seal(struct sotto_chapoly *c, u8 *dst, const u8 *src, unsigned int len);
void sotto_chapoly_open(struct sotto_chapoly *c, u8 *dst, const u8 *src, unsigned int len);

/*
 * The halves of sotto_chapoly_seal(), for text that comes from several places and goes to one:
 * encrypt all pieces, and then authenticate what came of them at once.
 */
void sotto_chapoly_crypt(struct sotto_chapoly *c, u8 *dst, const u8 *src, unsigned int len);
void sotto_chapoly_auth(struct sotto_chapoly *c, const u8 *sealed, unsigned int len);

/* The end, sealing: the tag goes to @tag. */
void sotto_chapoly_tag(struct sotto_chapoly *c, u8 tag[SOTTO_CHAPOLY_TAG_LEN]);
/* The end, opening: was it sealed with this key, nonce, associated data and text? */
bool sotto_chapoly_authentic(struct sotto_chapoly *c, const u8 tag[SOTTO_CHAPOLY_TAG_LEN]);

/* Keys and keystream are in it. Of a burst's packets each overwrites what the one before left. */
static inline void sotto_chapoly_wipe(struct sotto_chapoly *c)
{
	memzero_explicit(c, sizeof(*c));
}

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_chapoly_selftest(void);
/* Is it on the stack, where functions that the caller called before had it? */
bool sotto_chapoly_left(const struct sotto_chapoly_key *key);
#endif

#endif /* _SOTTO_CHAPOLY_H */
