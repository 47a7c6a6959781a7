// SPDX-License-Identifier: GPL-2.0
/*
 * What the cipher alone costs: a burst of ESP segments is sealed and opened in
 * place, over and over, by the interface that sotto.ko uses. Nothing else happens,
 * so that this is the floor under every system with that cipher.
 *
 *   insmod sotto_bench_cipher.ko alg='gcm(aes)' size=1440 ms=200
 *   cat /sys/module/sotto_bench_cipher/parameters/ns    for one segment, both ways
 */
#include <crypto/aead.h>
#include <linux/crypto.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#define KEY_LEN		32
#define NONCE_LEN	12
#define AAD_LEN		12
#define ICV_LEN		16
#define BURST		44	/* segments: what a TCP burst of 64 KiB has */

static char *alg = "rfc7539(chacha20,poly1305)";
module_param(alg, charp, 0444);
MODULE_PARM_DESC(alg, "the AEAD, by its name in the kernel");
static unsigned int size = 1440;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes of a segment that are encrypted");
static unsigned int ms = 200;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long to measure");
static unsigned long ns;
module_param(ns, ulong, 0444);
MODULE_PARM_DESC(ns, "result: nanoseconds to seal and open one segment");

struct loop {
	struct aead_request *req;
	u8 *data;
	u8 aad[AAD_LEN], nonce[NONCE_LEN];
	struct scatterlist sg[2];
	struct crypto_wait wait;
};

static int one(struct loop *l, unsigned int segment, bool seal)
{
	aead_request_set_callback(l->req, 0,
				  crypto_req_done, &l->wait);
	sg_init_table(l->sg, ARRAY_SIZE(l->sg));
	sg_set_buf(&l->sg[0], l->aad, AAD_LEN);
	sg_set_buf(&l->sg[1], l->data + segment * (size + ICV_LEN), size + ICV_LEN);
	l->nonce[NONCE_LEN - 1] = segment;
	aead_request_set_ad(l->req, AAD_LEN);
	aead_request_set_crypt(l->req, l->sg, l->sg,
			       seal ? size : size + ICV_LEN, l->nonce);
	return crypto_wait_req(seal ? crypto_aead_encrypt(l->req) :
				      crypto_aead_decrypt(l->req), &l->wait);
}

static int burst(struct loop *l, bool seal)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < BURST && !err; i++)
		err = one(l, i, seal);
	return err;
}

static int measure(struct loop *l)
{
	u64 start, now, end, bursts = 0;
	int err;

	/* Once to warm up. */
	err = burst(l, true) ?: burst(l, false);
	start = ktime_get_ns();
	now = start;
	end = start + ms * (u64)NSEC_PER_MSEC;
	while (!err && now < end) {
		err = burst(l, true) ?: burst(l, false);
		now = ktime_get_ns();
		bursts++;
	}
	if (!err)
		ns = div64_u64(now - start, bursts * BURST);
	return err;
}

static int run(struct crypto_aead *aead)
{
	struct loop l = {};
	u8 key[KEY_LEN];
	int err;

	get_random_bytes(key, sizeof(key));
	crypto_init_wait(&l.wait);
	l.data = kcalloc(BURST, size + ICV_LEN, GFP_KERNEL);
	l.req = aead_request_alloc(aead, GFP_KERNEL);
	err = l.data && l.req ? 0 : -ENOMEM;
	err = err ?: crypto_aead_setauthsize(aead, ICV_LEN);
	err = err ?: crypto_aead_setkey(aead, key, KEY_LEN);
	err = err ?: measure(&l);
	aead_request_free(l.req);
	kfree(l.data);
	return err;
}

static int __init sotto_bench_cipher_init(void)
{
	struct crypto_aead *aead;
	int err;

	if (!size || size > PAGE_SIZE || !ms || ms > 10000)
		return -EINVAL;
	aead = crypto_alloc_aead(alg, 0, 0);
	if (IS_ERR(aead))
		return PTR_ERR(aead);
	err = run(aead);
	pr_info("sotto_bench_cipher: %s: %lu ns\n",
		crypto_tfm_alg_driver_name(crypto_aead_tfm(aead)), ns);
	crypto_free_aead(aead);
	return err;
}

static void __exit sotto_bench_cipher_exit(void)
{
}

module_init(sotto_bench_cipher_init);
module_exit(sotto_bench_cipher_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What a cipher alone costs");
