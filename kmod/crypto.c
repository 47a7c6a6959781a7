// SPDX-License-Identifier: GPL-2.0
/* The ciphers of an SA, and one request to the crypto API. */
#include <linux/err.h>
#include <linux/slab.h>

#include "crypto.h"

/*
 * The plain mode, not the rfc4106() template: that wants the IV as part of the
 * associated data, and we have the nonce at hand anyway.
 */
static const char *const sotto_algs[__SOTTO_CIPHER_MAX] = {
	[SOTTO_CIPHER_AES256_GCM] = "gcm(aes)",
};

static const char *const sotto_names[__SOTTO_CIPHER_MAX] = {
	[SOTTO_CIPHER_AES256_GCM] = "aes256gcm",
	[SOTTO_CIPHER_CHACHA20_POLY1305] = "chacha20poly1305",
};

const char *sotto_crypto_name(u8 cipher)
{
	if (cipher >= __SOTTO_CIPHER_MAX || !sotto_names[cipher])
		return "unknown";
	return sotto_names[cipher];
}

static struct crypto_aead *sotto_held[__SOTTO_CIPHER_MAX];

/*
 * Each CPU has memory for one request, so that a packet of few pieces needs no allocation where
 * its transform completes at once, as most do that might not. Not of the per-CPU allocator: that
 * may take it from vmalloc(), and scatterlists point into it.
 */
#define SOTTO_CRYPT_CPU_LEN	2048	/* bytes */

struct sotto_crypt_cpu {
	bool busy;	/* set by this CPU with BH off, cleared by whoever is done with @mem */
	void *mem;
};

static DEFINE_PER_CPU(struct sotto_crypt_cpu, sotto_crypt_cpu);

void sotto_crypto_init(void)
{
	struct crypto_aead *aead;
	int i, cpu;

	/* One that gets none allocates for each packet. */
	for_each_possible_cpu(cpu)
		per_cpu(sotto_crypt_cpu, cpu).mem = kmalloc_node(SOTTO_CRYPT_CPU_LEN, GFP_KERNEL,
								 cpu_to_node(cpu));

	for (i = SOTTO_CIPHER_UNSPEC + 1; i < __SOTTO_CIPHER_MAX; i++) {
		if (!sotto_algs[i])
			continue;
		aead = crypto_alloc_aead(sotto_algs[i], 0, 0);
		if (IS_ERR(aead))
			pr_warn("sotto: this kernel has no %s (error %ld)\n",
				sotto_algs[i], PTR_ERR(aead));
		else
			sotto_held[i] = aead;
	}
}

void sotto_crypto_exit(void)
{
	int i, cpu;

	for_each_possible_cpu(cpu)
		kfree_sensitive(per_cpu(sotto_crypt_cpu, cpu).mem);
	for (i = 0; i < __SOTTO_CIPHER_MAX; i++)
		if (sotto_held[i])
			crypto_free_aead(sotto_held[i]);
}

static struct crypto_aead *sotto_aead_alloc(u8 cipher, const u8 *key)
{
	struct crypto_aead *aead;
	int err;

	aead = crypto_alloc_aead(sotto_algs[cipher], 0, 0);
	if (IS_ERR(aead))
		return aead;

	err = crypto_aead_setauthsize(aead, SOTTO_ICV_LEN);
	if (!err)
		err = crypto_aead_setkey(aead, key, SOTTO_KEY_LEN);
	if (err) {
		crypto_free_aead(aead);
		return ERR_PTR(err);
	}
	return aead;
}

int sotto_key_init(struct sotto_key *key, u8 cipher, const u8 *raw)
{
	struct crypto_aead *aead;

	if (cipher == SOTTO_CIPHER_CHACHA20_POLY1305) {
		key->aead = NULL;
		sotto_chapoly_key_init(&key->chapoly, raw);
		return 0;
	}
	if (cipher >= __SOTTO_CIPHER_MAX || !sotto_algs[cipher])
		return -EINVAL;
	aead = sotto_aead_alloc(cipher, raw);
	if (IS_ERR(aead))
		return PTR_ERR(aead);
	key->aead = aead;
	return 0;
}

void sotto_key_wipe(struct sotto_key *key)
{
	crypto_free_aead(key->aead);
	memzero_explicit(key, sizeof(*key));
}

static struct sotto_crypt *sotto_crypt_mem(size_t len)
{
	struct sotto_crypt_cpu *cpu = this_cpu_ptr(&sotto_crypt_cpu);
	/* Who had it last, maybe elsewhere, is done: see sotto_crypt_free(). */
	bool own = len <= SOTTO_CRYPT_CPU_LEN && cpu->mem && !smp_load_acquire(&cpu->busy);
	struct sotto_crypt *c = own ? cpu->mem : kmalloc(len, GFP_ATOMIC | __GFP_NOWARN);

	if (own)
		WRITE_ONCE(cpu->busy, true);
	if (c)
		c->cpu = own ? cpu : NULL;
	return c;
}

struct sotto_crypt *sotto_crypt_alloc(struct crypto_aead *aead,
				      unsigned int n_src, unsigned int n_dst)
{
	size_t req_at = ALIGN(sizeof(struct sotto_crypt), crypto_tfm_ctx_alignment());
	size_t req_len = sotto_crypto_req_len(aead);
	size_t sg_at = ALIGN(req_at + req_len, __alignof__(struct scatterlist));
	struct sotto_crypt *c;

	c = sotto_crypt_mem(sg_at + (n_src + n_dst) * sizeof(struct scatterlist));
	if (!c)
		return NULL;

	c->req = (void *)c + req_at;
	aead_request_set_tfm(c->req, aead);
	c->src = (void *)c + sg_at;
	sg_init_table(c->src, n_src);
	sg_set_buf(c->src, &c->aad, sizeof(c->aad));
	c->dst = c->src;
	if (n_dst) {
		c->dst = c->src + n_src;
		sg_init_table(c->dst, n_dst);
		sg_set_buf(c->dst, &c->aad, sizeof(c->aad));
	}
	return c;
}

static void sotto_aad_set(struct sotto_esp_aad *aad, u32 spi, u64 seq)
{
	aad->spi = htonl(spi);
	aad->seq_hi = htonl(upper_32_bits(seq));
	aad->seq_lo = htonl(lower_32_bits(seq));
}

static void sotto_nonce_set(u8 *nonce, const u8 *salt, __be64 iv)
{
	memcpy(nonce, salt, SOTTO_SALT_LEN);
	memcpy(nonce + SOTTO_SALT_LEN, &iv, sizeof(iv));
}

void sotto_chapoly_packet(struct sotto_chapoly *c, const struct sotto_key *key, const u8 *salt,
			  u32 spi, u64 seq, __be64 iv, unsigned int len)
{
	struct sotto_esp_aad aad;
	u8 nonce[SOTTO_NONCE_LEN];

	sotto_aad_set(&aad, spi, seq);
	sotto_nonce_set(nonce, salt, iv);
	sotto_chapoly_begin(c, &key->chapoly, nonce, &aad, sizeof(aad), len);
}

void sotto_crypt_set(struct sotto_crypt *c, const u8 *salt, u32 spi, u64 seq,
		     __be64 iv)
{
	sotto_aad_set(&c->aad, spi, seq);
	sotto_nonce_set(c->nonce, salt, iv);
}

void sotto_crypt_free(struct sotto_crypt *c)
{
	memzero_explicit(c->nonce, sizeof(c->nonce));
	if (c->cpu)	/* pairs with sotto_crypt_mem() */
		smp_store_release(&c->cpu->busy, false);
	else
		kfree(c);
}
