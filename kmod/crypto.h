/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ciphers of an SA: ChaCha20-Poly1305 by chapoly.h, which is always done at once, and a
 * transform of the crypto API with its requests for AES-GCM. Knows no tunnels.
 */
#ifndef _SOTTO_CRYPTO_H
#define _SOTTO_CRYPTO_H

#include <crypto/aead.h>
#include <linux/netfilter.h>
#include <linux/scatterlist.h>
#include <linux/skbuff.h>
#include <linux/sotto.h>

#include "chapoly.h"
#include "skb.h"
#include "wire.h"

/**
 * struct sotto_key - what an SA encrypts with
 * @aead: keyed transform; NULL: @chapoly is the key
 * @chapoly: the key of ChaCha20-Poly1305
 */
struct sotto_key {
	struct crypto_aead *aead;
	struct sotto_chapoly_key chapoly;
};

/*
 * Have both ciphers loaded for as long as we are: the first packet to a peer must
 * not wait for modprobe. A kernel that lacks one is told of and used without.
 */
void sotto_crypto_init(void);
void sotto_crypto_exit(void);

/**
 * sotto_key_init() - make a cipher ready
 * @key: filled
 * @cipher: enum sotto_cipher
 * @raw: SOTTO_KEY_LEN bytes
 *
 * May sleep. Return: 0 or a negative error.
 */
int sotto_key_init(struct sotto_key *key, u8 cipher, const u8 *raw);
/* May sleep. */
void sotto_key_wipe(struct sotto_key *key);

/* Start sealing or opening a packet of @len bytes of text by ChaCha20-Poly1305. */
void sotto_chapoly_packet(struct sotto_chapoly *c, const struct sotto_key *key, const u8 *salt,
			  u32 spi, u64 seq, __be64 iv, unsigned int len);

/* Bytes of a request that fits each CPU's own memory: sa->inline_req. */
#define SOTTO_CRYPT_CPU_REQ	1280

/* Bytes of a request, with what its transform wants behind it. */
static inline size_t sotto_crypto_req_len(struct crypto_aead *aead)
{
	return sizeof(struct aead_request) + crypto_aead_reqsize(aead);
}

/* "aes256gcm", "chacha20poly1305" */
const char *sotto_crypto_name(u8 cipher);

struct sotto_crypt_cpu;

/**
 * struct sotto_crypt - one AEAD request with all that it points to
 * @cpu: whose memory it is, or NULL: its own
 * @aad: first entry of @src and @dst
 * @nonce: salt and IV
 * @src: scatterlist of the input
 * @dst: scatterlist of the output, or @src itself
 * @req: follows, with the transform's context
 * @in: packet that is read; the completion consumes it
 * @out: packet that is written, may be @in
 * @owner: whose transform this is, for the completion
 * @state: where an opened packet goes on
 * @p: of the packet that is opened
 * @seq: sequence number
 */
struct sotto_crypt {
	struct sotto_crypt_cpu *cpu;
	struct sotto_esp_aad aad;
	u8 nonce[SOTTO_NONCE_LEN];
	struct scatterlist *src, *dst;
	struct aead_request *req;

	struct sk_buff *in, *out;
	void *owner;
	struct nf_hook_state state;
	struct sotto_pkt p;
	u64 seq;
};

/**
 * sotto_crypt_alloc() - memory for request, AAD, nonce and scatterlists, in one
 * @aead: transform
 * @n_src: entries of the source list, the AAD's included
 * @n_dst: entries of the destination list, 0 to work in place
 *
 * With BH off. It is this CPU's own memory if that is large enough and free; so give it back
 * before anything else is done that may come here again. The first entry of each list is set
 * to the AAD.
 */
struct sotto_crypt *sotto_crypt_alloc(struct crypto_aead *aead,
				      unsigned int n_src, unsigned int n_dst);
/* Fill AAD and nonce. */
void sotto_crypt_set(struct sotto_crypt *c, const u8 *salt, u32 spi, u64 seq,
		     __be64 iv);
/* Wipes the nonce; the key is not here. */
void sotto_crypt_free(struct sotto_crypt *c);

#endif /* _SOTTO_CRYPTO_H */
