// SPDX-License-Identifier: GPL-2.0
/*
 * What the cipher alone costs: a burst of ESP segments is sealed and opened in
 * place, over and over. Nothing else happens, so that this is the floor under every
 * system with that cipher. Of the ways in which the systems call the same code the
 * fastest counts: the crypto API (xfrm, and Sotto with AES), the library's own AEAD
 * (WireGuard), and Sotto's; and of the bursts the fastest, for a busy machine takes the
 * processor away from most.
 *
 *   insmod sotto_bench_cipher.ko cipher=chacha20poly1305 size=1440 ms=200
 *   cat /sys/module/sotto_bench_cipher/parameters/ns    for one segment, both ways
 */
#include <crypto/aead.h>
#include <crypto/chacha20poly1305.h>
#include <linux/crypto.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "chapoly.h"

#define KEY_LEN		32
#define NONCE_LEN	12
#define AAD_LEN		12
#define ICV_LEN		16
#define BURST		44	/* segments: what a TCP burst of 64 KiB has */

static char *cipher = "chacha20poly1305";
module_param(cipher, charp, 0444);
MODULE_PARM_DESC(cipher, "chacha20poly1305 or aes256gcm");
static unsigned int size = 1440;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes of a segment that are encrypted");
static unsigned int ms = 200;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long to measure each way");
static unsigned long ns;
module_param(ns, ulong, 0444);
MODULE_PARM_DESC(ns, "result: nanoseconds to seal and open one segment, the fastest way");

struct loop {
	u8 *data;
	u8 key[KEY_LEN], aad[AAD_LEN], nonce[NONCE_LEN];
	struct aead_request *req;
	struct scatterlist sg[2];
	struct crypto_wait wait;
	struct sotto_chapoly_key chapoly;
	struct sotto_chapoly c;
};

/* A way seals or opens @size bytes at @text, behind which there is room for the ICV. */
typedef int (*way_fn)(struct loop *l, u8 *text, bool seal);

static int by_aead(struct loop *l, u8 *text, bool seal)
{
	aead_request_set_callback(l->req, 0, crypto_req_done, &l->wait);
	sg_init_table(l->sg, ARRAY_SIZE(l->sg));
	sg_set_buf(&l->sg[0], l->aad, AAD_LEN);
	sg_set_buf(&l->sg[1], text, size + ICV_LEN);
	aead_request_set_ad(l->req, AAD_LEN);
	aead_request_set_crypt(l->req, l->sg, l->sg, seal ? size : size + ICV_LEN, l->nonce);
	return crypto_wait_req(seal ? crypto_aead_encrypt(l->req) :
				      crypto_aead_decrypt(l->req), &l->wait);
}

static int by_library(struct loop *l, u8 *text, bool seal)
{
	u64 nonce = l->nonce[NONCE_LEN - 1];

	if (seal)
		chacha20poly1305_encrypt(text, text, size, l->aad, AAD_LEN, nonce, l->key);
	else if (!chacha20poly1305_decrypt(text, text, size + ICV_LEN, l->aad, AAD_LEN,
					   nonce, l->key))
		return -EBADMSG;
	return 0;
}

static int by_sotto(struct loop *l, u8 *text, bool seal)
{
	struct sotto_chapoly *c = &l->c;

	sotto_chapoly_begin(c, &l->chapoly, l->nonce, l->aad, AAD_LEN, size);
	if (seal) {
		sotto_chapoly_seal(c, text, text, size);
		sotto_chapoly_tag(c, text + size);
		return 0;
	}
	sotto_chapoly_open(c, text, text, size);
	return sotto_chapoly_authentic(c, text + size) ? 0 : -EBADMSG;
}

static int burst(struct loop *l, way_fn way, bool seal)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < BURST && !err; i++) {
		l->nonce[NONCE_LEN - 1] = i;
		err = way(l, l->data + i * (size + ICV_LEN), seal);
	}
	sotto_chapoly_wipe(&l->c);
	return err;
}

static int measure(struct loop *l, const char *name, way_fn way)
{
	u64 now, end, before, best = U64_MAX;
	int err;

	/* Once to warm up. */
	err = burst(l, way, true) ?: burst(l, way, false);
	now = ktime_get_ns();
	end = now + ms * (u64)NSEC_PER_MSEC;
	while (!err && now < end) {
		before = now;
		err = burst(l, way, true) ?: burst(l, way, false);
		now = ktime_get_ns();
		best = min(best, now - before);
	}
	if (err)
		return err;
	best = div64_u64(best, BURST);
	pr_info("sotto_bench_cipher: %s: %llu ns\n", name, best);
	if (!ns || best < ns)
		ns = best;
	return 0;
}

static int measure_aead(struct loop *l, const char *alg)
{
	struct crypto_aead *aead = crypto_alloc_aead(alg, 0, 0);
	int err;

	if (IS_ERR(aead))
		return PTR_ERR(aead);
	crypto_init_wait(&l->wait);
	l->req = aead_request_alloc(aead, GFP_KERNEL);
	err = l->req ? 0 : -ENOMEM;
	err = err ?: crypto_aead_setauthsize(aead, ICV_LEN);
	err = err ?: crypto_aead_setkey(aead, l->key, KEY_LEN);
	err = err ?: measure(l, crypto_tfm_alg_driver_name(crypto_aead_tfm(aead)), by_aead);
	aead_request_free(l->req);
	crypto_free_aead(aead);
	return err;
}

static int __init sotto_bench_cipher_init(void)
{
	struct loop *l;
	int err;

	if (!size || size > PAGE_SIZE || !ms || ms > 10000)
		return -EINVAL;
	l = kzalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	get_random_bytes(l->key, sizeof(l->key));
	sotto_chapoly_key_init(&l->chapoly, l->key);
	l->data = kcalloc(BURST, size + ICV_LEN, GFP_KERNEL);
	if (!l->data)
		err = -ENOMEM;
	else if (!strcmp(cipher, "aes256gcm"))
		err = measure_aead(l, "gcm(aes)");
	else if (!strcmp(cipher, "chacha20poly1305"))
		err = measure_aead(l, "rfc7539(chacha20,poly1305)") ?:
		      measure(l, "library", by_library) ?: measure(l, "sotto", by_sotto);
	else
		err = -EINVAL;
	kfree(l->data);
	kfree_sensitive(l);
	return err;
}

static void __exit sotto_bench_cipher_exit(void)
{
}

module_init(sotto_bench_cipher_init);
module_exit(sotto_bench_cipher_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What a cipher alone costs");
