// SPDX-License-Identifier: GPL-2.0
/*
 * Self-test of ChaCha20-Poly1305: the packet of RFC 7634's appendix A, and the crypto API's
 * own AEAD on random packets, read and written in pieces of random length.
 */
#include <crypto/aead.h>
#include <linux/err.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>

/* RFC 7634 appendix A: key, nonce (salt and IV), SPI and sequence number, text, sealed. */
static const u8 sotto_chapoly_rfc_key[] = {
	0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d,
	0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b,
	0x9c, 0x9d, 0x9e, 0x9f,
};

static const u8 sotto_chapoly_rfc_nonce[] = {
	0xa0, 0xa1, 0xa2, 0xa3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
};

static const u8 sotto_chapoly_rfc_aad[] = { 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x05 };

static const u8 sotto_chapoly_rfc_text[] = {
	0x45, 0x00, 0x00, 0x54, 0xa6, 0xf2, 0x00, 0x00, 0x40, 0x01, 0xe7, 0x78, 0xc6, 0x33,
	0x64, 0x05, 0xc0, 0x00, 0x02, 0x05, 0x08, 0x00, 0x5b, 0x7a, 0x3a, 0x08, 0x00, 0x00,
	0x55, 0x3b, 0xec, 0x10, 0x00, 0x07, 0x36, 0x27, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
	0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
	0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
	0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37,
	0x01, 0x02, 0x02, 0x04,
};

static const u8 sotto_chapoly_rfc_sealed[] = {
	0x24, 0x03, 0x94, 0x28, 0xb9, 0x7f, 0x41, 0x7e, 0x3c, 0x13, 0x75, 0x3a, 0x4f, 0x05,
	0x08, 0x7b, 0x67, 0xc3, 0x52, 0xe6, 0xa7, 0xfa, 0xb1, 0xb9, 0x82, 0xd4, 0x66, 0xef,
	0x40, 0x7a, 0xe5, 0xc6, 0x14, 0xee, 0x80, 0x99, 0xd5, 0x28, 0x44, 0xeb, 0x61, 0xaa,
	0x95, 0xdf, 0xab, 0x4c, 0x02, 0xf7, 0x2a, 0xa7, 0x1e, 0x7c, 0x4c, 0x4f, 0x64, 0xc9,
	0xbe, 0xfe, 0x2f, 0xac, 0xc6, 0x38, 0xe8, 0xf3, 0xcb, 0xec, 0x16, 0x3f, 0xac, 0x46,
	0x9b, 0x50, 0x27, 0x73, 0xf6, 0xfb, 0x94, 0xe6, 0x64, 0xda, 0x91, 0x65, 0xb8, 0x28,
	0x29, 0xf6, 0x41, 0xe0, 0x76, 0xaa, 0xa8, 0x26, 0x6b, 0x7f, 0xb0, 0xf7, 0xb1, 0x1b,
	0x36, 0x99, 0x07, 0xe1, 0xad, 0x43,
};

#define SOTTO_CHAPOLY_TEST_MAX	2048	/* bytes of text */
#define SOTTO_CHAPOLY_TEST_RUNS	200

struct sotto_chapoly_test {
	u8 raw[SOTTO_CHAPOLY_KEY_LEN], nonce[SOTTO_CHAPOLY_NONCE_LEN];
	u8 aad[12];
	u8 text[SOTTO_CHAPOLY_TEST_MAX];
	u8 due[SOTTO_CHAPOLY_TEST_MAX + SOTTO_CHAPOLY_TAG_LEN];
	u8 sealed[SOTTO_CHAPOLY_TEST_MAX + SOTTO_CHAPOLY_TAG_LEN + 8];
	u8 opened[SOTTO_CHAPOLY_TEST_MAX + 8];
	struct sotto_chapoly_key key;
	struct sotto_chapoly c;
};

/* In pieces of @most bytes, or fewer. */
static void sotto_chapoly_test_run(struct sotto_chapoly *c, u8 *dst, const u8 *src,
				   unsigned int len, unsigned int most, bool seal)
{
	unsigned int n;

	for (; len; dst += n, src += n) {
		n = min(len, 1 + get_random_u32() % most);
		len -= n;
		(seal ? sotto_chapoly_seal : sotto_chapoly_open)(c, dst, src, n);
	}
}

/* At once, or in two passes. */
static void sotto_chapoly_test_seal(struct sotto_chapoly_test *t, u8 *sealed, unsigned int len,
				    unsigned int most, bool at_once)
{
	unsigned int n, done = 0;

	if (at_once) {
		sotto_chapoly_test_run(&t->c, sealed, t->text, len, most, true);
		return;
	}
	for (; done < len; done += n) {
		n = min(len - done, 1 + get_random_u32() % most);
		sotto_chapoly_crypt(&t->c, sealed + done, t->text + done, n);
	}
	sotto_chapoly_auth(&t->c, sealed, len);
}

static bool sotto_chapoly_test_rfc(struct sotto_chapoly_test *t)
{
	unsigned int len = sizeof(sotto_chapoly_rfc_text);

	sotto_chapoly_key_init(&t->key, sotto_chapoly_rfc_key);
	sotto_chapoly_begin(&t->c, &t->key, sotto_chapoly_rfc_nonce, sotto_chapoly_rfc_aad,
			    sizeof(sotto_chapoly_rfc_aad), len);
	sotto_chapoly_seal(&t->c, t->sealed, sotto_chapoly_rfc_text, len);
	sotto_chapoly_tag(&t->c, t->sealed + len);
	return !memcmp(t->sealed, sotto_chapoly_rfc_sealed, sizeof(sotto_chapoly_rfc_sealed));
}

/* What the crypto API makes of it. */
static int sotto_chapoly_test_due(struct crypto_aead *aead, struct sotto_chapoly_test *t,
				  unsigned int len)
{
	struct aead_request *req = aead_request_alloc(aead, GFP_KERNEL);
	DECLARE_CRYPTO_WAIT(wait);
	struct scatterlist sg[2];
	int err;

	if (!req)
		return -ENOMEM;
	memcpy(t->due, t->text, len);
	sg_init_table(sg, ARRAY_SIZE(sg));
	sg_set_buf(&sg[0], t->aad, sizeof(t->aad));
	sg_set_buf(&sg[1], t->due, len + SOTTO_CHAPOLY_TAG_LEN);
	aead_request_set_callback(req, 0, crypto_req_done, &wait);
	aead_request_set_ad(req, sizeof(t->aad));
	aead_request_set_crypt(req, sg, sg, len, t->nonce);
	err = crypto_aead_setauthsize(aead, SOTTO_CHAPOLY_TAG_LEN);
	err = err ?: crypto_aead_setkey(aead, t->raw, sizeof(t->raw));
	err = err ?: crypto_wait_req(crypto_aead_encrypt(req), &wait);
	aead_request_free(req);
	return err;
}

/* Opened as it is, and with one bit changed. */
static bool sotto_chapoly_test_open(struct sotto_chapoly_test *t, u8 *from, u8 *to,
				    unsigned int len, unsigned int most, bool forged)
{
	u8 tag[SOTTO_CHAPOLY_TAG_LEN];

	memcpy(tag, from + len, sizeof(tag));
	if (forged)
		tag[get_random_u32() % sizeof(tag)] ^= 1 << get_random_u32() % 8;
	sotto_chapoly_begin(&t->c, &t->key, t->nonce, t->aad, sizeof(t->aad), len);
	sotto_chapoly_test_run(&t->c, to, from, len, most, false);
	return sotto_chapoly_authentic(&t->c, tag);
}

static int sotto_chapoly_test_random(struct crypto_aead *aead, struct sotto_chapoly_test *t,
				     unsigned int run)
{
	unsigned int len = 1 + get_random_u32() % SOTTO_CHAPOLY_TEST_MAX;
	unsigned int most = run % 2 ? len : 1 + get_random_u32() % 200;
	u8 *sealed = t->sealed + get_random_u32() % 8;
	u8 *opened = run % 3 ? t->opened + get_random_u32() % 8 : sealed;
	int err;

	get_random_bytes(t, offsetof(struct sotto_chapoly_test, due));
	err = sotto_chapoly_test_due(aead, t, len);
	if (err)
		return err;
	sotto_chapoly_key_init(&t->key, t->raw);
	sotto_chapoly_begin(&t->c, &t->key, t->nonce, t->aad, sizeof(t->aad), len);
	sotto_chapoly_test_seal(t, sealed, len, most, run & 4);
	sotto_chapoly_tag(&t->c, sealed + len);
	if (memcmp(sealed, t->due, len + SOTTO_CHAPOLY_TAG_LEN))
		return -EINVAL;
	if (opened != sealed && sotto_chapoly_test_open(t, sealed, opened, len, most, true))
		return -EINVAL;
	if (!sotto_chapoly_test_open(t, sealed, opened, len, most, false) ||
	    memcmp(opened, t->text, len))
		return -EINVAL;
	return 0;
}

/* Nobody owns the memory that it looks at. */
noinline __no_sanitize_address bool sotto_chapoly_left(const struct sotto_chapoly_key *key)
{
	const u32 *at = __builtin_frame_address(0), *bottom = (const u32 *)end_of_stack(current);
	unsigned int i;

	for (at -= ARRAY_SIZE(key->word); at > bottom; at--) {
		for (i = 0; i < ARRAY_SIZE(key->word); i++)
			if (READ_ONCE(at[i]) != key->word[i])
				break;
		if (i == ARRAY_SIZE(key->word))
			return true;
	}
	return false;
}

int sotto_chapoly_selftest(void)
{
	struct sotto_chapoly_test *t = kmalloc(sizeof(*t), GFP_KERNEL);
	struct crypto_aead *aead;
	unsigned int run;
	int err = 0;

	if (!t)
		return -ENOMEM;
	if (!sotto_chapoly_test_rfc(t))
		err = -EINVAL;
	aead = crypto_alloc_aead("rfc7539(chacha20,poly1305)", 0, 0);
	if (IS_ERR(aead))	/* a kernel may have the library alone */
		goto out;
	for (run = 0; run < SOTTO_CHAPOLY_TEST_RUNS && !err; run++)
		err = sotto_chapoly_test_random(aead, t, run);
	crypto_free_aead(aead);
out:
	kfree_sensitive(t);
	if (err)
		pr_err("sotto: the self-test of ChaCha20-Poly1305 failed (error %d)\n", err);
	return err;
}
