// SPDX-License-Identifier: GPL-2.0
/* ChaCha20-Poly1305 (RFC 8439, RFC 7634) over the kernel's library. */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "chapoly.h"

#if !IS_ENABLED(CONFIG_CRYPTO_LIB_CHACHA) || !IS_ENABLED(CONFIG_CRYPTO_LIB_POLY1305)
#error "this kernel lacks CONFIG_CRYPTO_LIB_CHACHA and _POLY1305, which CONFIG_WIREGUARD brings"
#endif

void sotto_chapoly_key_init(struct sotto_chapoly_key *key,
			    const u8 raw[SOTTO_CHAPOLY_KEY_LEN])
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(key->word); i++)
		key->word[i] = get_unaligned_le32(raw + i * sizeof(u32));
}

/* Does this architecture have code of its own, which XORs along as fast as it makes keystream? */
#define SOTTO_CHACHA_ARCH	(IS_ENABLED(CONFIG_CRYPTO_ARCH_HAVE_LIB_CHACHA) || \
				 IS_ENABLED(CONFIG_CRYPTO_LIB_CHACHA_ARCH))

/* Some keystream, of which @len bytes will be needed. */
static void sotto_chapoly_ahead(struct sotto_chapoly *c, unsigned int len)
{
	static const u8 zeros[SOTTO_CHAPOLY_AHEAD];
	unsigned int i;

	c->used = 0;
	c->end = min_t(unsigned int, ALIGN(len, CHACHA_BLOCK_SIZE), sizeof(c->stream));
	if (SOTTO_CHACHA_ARCH) {
		chacha20_crypt(&c->chacha, c->stream, zeros, c->end);
		return;
	}
	/* The library would XOR each block with the zeros. */
	for (i = 0; i < c->end; i += CHACHA_BLOCK_SIZE)
		chacha20_block(&c->chacha, c->stream + i);
}

/*
 * Block 0 keys Poly1305. The next ones come along: vector code makes many for the price of
 * one, and short packets need no more.
 */
void sotto_chapoly_begin(struct sotto_chapoly *c, const struct sotto_chapoly_key *key,
			 const u8 nonce[SOTTO_CHAPOLY_NONCE_LEN], const void *aad,
			 unsigned int aad_len, unsigned int len)
{
	u8 iv[CHACHA_IV_SIZE] = {}, block[POLY1305_BLOCK_SIZE] = {};

	memcpy(iv + sizeof(u32), nonce, SOTTO_CHAPOLY_NONCE_LEN);
	chacha_init(&c->chacha, key->word, iv);
	sotto_chapoly_ahead(c, CHACHA_BLOCK_SIZE + len);
	poly1305_init(&c->poly, c->stream);
	c->used = CHACHA_BLOCK_SIZE;

	memcpy(block, aad, aad_len);
	poly1305_update(&c->poly, block, sizeof(block));
	c->aad_len = aad_len;
	c->len = len;
	c->left = len;
}

static u64 sotto_chapoly_word(const u8 *src, const u8 *stream)
{
	return get_unaligned((const u64 *)src) ^ get_unaligned((const u64 *)stream);
}

/*
 * Packets are not aligned; crypto_xor_cpy() is slow where that might matter. A third of a full
 * packet comes through here, so in steps of 32 bytes: half the time of single words.
 */
static void sotto_chapoly_xor(u8 *dst, const u8 *src, const u8 *stream, unsigned int len)
{
	u64 a, b, c, d;

	for (; len >= 4 * sizeof(u64); len -= 4 * sizeof(u64)) {
		a = sotto_chapoly_word(src, stream);
		b = sotto_chapoly_word(src + 8, stream + 8);
		c = sotto_chapoly_word(src + 16, stream + 16);
		d = sotto_chapoly_word(src + 24, stream + 24);
		put_unaligned(a, (u64 *)dst);
		put_unaligned(b, (u64 *)(dst + 8));
		put_unaligned(c, (u64 *)(dst + 16));
		put_unaligned(d, (u64 *)(dst + 24));
		dst += 4 * sizeof(u64);
		src += 4 * sizeof(u64);
		stream += 4 * sizeof(u64);
	}
	for (; len >= sizeof(u64); len -= sizeof(u64)) {
		put_unaligned(sotto_chapoly_word(src, stream), (u64 *)dst);
		dst += sizeof(u64);
		src += sizeof(u64);
		stream += sizeof(u64);
	}
	while (len--)
		*dst++ = *src++ ^ *stream++;
}

void sotto_chapoly_crypt(struct sotto_chapoly *c, u8 *dst, const u8 *src, unsigned int len)
{
	unsigned int n = min(len, c->end - c->used);

	c->left -= len;
	sotto_chapoly_xor(dst, src, c->stream + c->used, n);
	c->used += n;

	for (len -= n; len; len -= n) {
		dst += n;
		src += n;
		/* A piece may end within a block, of which the next one has the rest. */
		n = !SOTTO_CHACHA_ARCH ? 0 : c->left ? round_down(len, sizeof(c->stream)) : len;
		if (n) {
			chacha20_crypt(&c->chacha, dst, src, n);
			continue;
		}
		sotto_chapoly_ahead(c, len + c->left);
		n = min(len, c->end);
		sotto_chapoly_xor(dst, src, c->stream, n);
		c->used = n;
	}
}

void sotto_chapoly_auth(struct sotto_chapoly *c, const u8 *sealed, unsigned int len)
{
	poly1305_update(&c->poly, sealed, len);
}

void sotto_chapoly_seal(struct sotto_chapoly *c, u8 *dst, const u8 *src, unsigned int len)
{
	sotto_chapoly_crypt(c, dst, src, len);
	sotto_chapoly_auth(c, dst, len);
}

void sotto_chapoly_open(struct sotto_chapoly *c, u8 *dst, const u8 *src, unsigned int len)
{
	sotto_chapoly_auth(c, src, len);
	sotto_chapoly_crypt(c, dst, src, len);
}

/* RFC 8439 section 2.8: pad, then both lengths. */
void sotto_chapoly_tag(struct sotto_chapoly *c, u8 tag[SOTTO_CHAPOLY_TAG_LEN])
{
	unsigned int pad = -c->len % POLY1305_BLOCK_SIZE;
	u8 end[2 * POLY1305_BLOCK_SIZE] = {};

	put_unaligned_le64(c->aad_len, end + pad);
	put_unaligned_le64(c->len, end + pad + sizeof(u64));
	poly1305_update(&c->poly, end, pad + POLY1305_BLOCK_SIZE);
	poly1305_final(&c->poly, tag);
}

bool sotto_chapoly_authentic(struct sotto_chapoly *c, const u8 tag[SOTTO_CHAPOLY_TAG_LEN])
{
	u8 due[SOTTO_CHAPOLY_TAG_LEN];
	bool same;

	sotto_chapoly_tag(c, due);
	same = !crypto_memneq(due, tag, sizeof(due));
	memzero_explicit(due, sizeof(due));
	return same;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/chapoly.c"
#endif
