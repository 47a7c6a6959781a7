// SPDX-License-Identifier: GPL-2.0
/*
 * Noise revision 34: CipherState, SymmetricState and HandshakeState for
 * 25519, ChaChaPoly and BLAKE2b, two-message patterns only.
 */
#include "noise.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#include "aead.h"
#include "err.h"
#include "secret.h"

#define BLAKE2B_BLOCK	128	/* bytes; HMAC's block (keyed BLAKE2b is not HMAC) */

enum token {
	T_END, T_E, T_S, T_EE, T_ES, T_SE, T_SS, T_PSK,
};

/* Pre-message static keys, then the two messages. */
static const struct {
	const char *name;
	bool init_known;		/* "-> s" in the pre-messages */
	bool has_psk;
	uint8_t msg[2][6];
} patterns[] = {
	[NOISE_IK] = {
		"Noise_IK_25519_ChaChaPoly_BLAKE2b", false, false,
		{ { T_E, T_ES, T_S, T_SS, T_END }, { T_E, T_EE, T_SE, T_END } },
	},
	[NOISE_IKPSK2] = {
		"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b", false, true,
		{ { T_E, T_ES, T_S, T_SS, T_END },
		  { T_E, T_EE, T_SE, T_PSK, T_END } },
	},
	[NOISE_KK] = {
		"Noise_KK_25519_ChaChaPoly_BLAKE2b", true, false,
		{ { T_E, T_ES, T_SS, T_END }, { T_E, T_EE, T_SE, T_END } },
	},
};

/* ---- primitives ---- */

static void hash2(uint8_t out[NOISE_HASH_LEN], const void *a, size_t a_len,
		  const void *b, size_t b_len)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, NOISE_HASH_LEN);
	crypto_generichash_update(&st, a, a_len);
	if (b_len)
		crypto_generichash_update(&st, b, b_len);
	crypto_generichash_final(&st, out, NOISE_HASH_LEN);
	sotto_wipe(&st, sizeof(st));
}

/* RFC 2104 over BLAKE2b; the key is at most one hash, shorter than a block. */
static void hmac2(uint8_t out[NOISE_HASH_LEN], const uint8_t key[NOISE_HASH_LEN],
		  const void *a, size_t a_len, const void *b, size_t b_len)
{
	uint8_t pad[BLAKE2B_BLOCK], inner[NOISE_HASH_LEN];
	crypto_generichash_state st;
	size_t i;

	memset(pad, 0x36, sizeof(pad));
	for (i = 0; i < NOISE_HASH_LEN; i++)
		pad[i] ^= key[i];
	crypto_generichash_init(&st, NULL, 0, NOISE_HASH_LEN);
	crypto_generichash_update(&st, pad, sizeof(pad));
	if (a_len)
		crypto_generichash_update(&st, a, a_len);
	if (b_len)
		crypto_generichash_update(&st, b, b_len);
	crypto_generichash_final(&st, inner, sizeof(inner));

	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	hash2(out, pad, sizeof(pad), inner, sizeof(inner));
	sotto_wipe(pad, sizeof(pad));
	sotto_wipe(inner, sizeof(inner));
	sotto_wipe(&st, sizeof(st));
}

/* Noise's HKDF; outputs may be NULL from the end on. out1 may be ck itself. */
static void noise_hkdf(const uint8_t ck[NOISE_HASH_LEN], const void *ikm,
		       size_t len, uint8_t *out1, uint8_t *out2, uint8_t *out3)
{
	static const uint8_t one = 1, two = 2, three = 3;
	uint8_t temp[NOISE_HASH_LEN], o1[NOISE_HASH_LEN], o2[NOISE_HASH_LEN];

	hmac2(temp, ck, ikm, len, NULL, 0);
	hmac2(o1, temp, &one, 1, NULL, 0);
	hmac2(o2, temp, o1, sizeof(o1), &two, 1);
	if (out3)
		hmac2(out3, temp, o2, sizeof(o2), &three, 1);
	memcpy(out1, o1, sizeof(o1));
	memcpy(out2, o2, sizeof(o2));
	sotto_wipe(temp, sizeof(temp));
	sotto_wipe(o1, sizeof(o1));
	sotto_wipe(o2, sizeof(o2));
}

static void nonce_of(uint8_t out[12], uint64_t n)
{
	memset(out, 0, 4);
	n = htole64(n);
	memcpy(out + 4, &n, sizeof(n));
}

void noise_seal(const uint8_t key[NOISE_KEY_LEN], uint64_t n,
		const void *ad, size_t ad_len,
		const void *in, size_t len, void *out)
{
	uint8_t nonce[12];

	nonce_of(nonce, n);
	aead_seal(key, nonce, ad, ad_len, in, len, out);
}

int noise_open(const uint8_t key[NOISE_KEY_LEN], uint64_t n,
	       const void *ad, size_t ad_len,
	       const void *in, size_t len, void *out)
{
	uint8_t nonce[12];

	if (len < NOISE_TAG_LEN)
		return SOTTO_E_SHORT;
	nonce_of(nonce, n);
	return aead_open(key, nonce, ad, ad_len, in, len, out) ? SOTTO_E_AUTH : 0;
}

int noise_dh(uint8_t out[NOISE_KEY_LEN], const uint8_t priv[NOISE_KEY_LEN],
	     const uint8_t pub[NOISE_KEY_LEN])
{
	/* libsodium refuses points of small order; look at the result too */
	if (crypto_scalarmult(out, priv, pub) ||
	    sotto_all_zero(out, NOISE_KEY_LEN)) {
		sotto_wipe(out, NOISE_KEY_LEN);
		return SOTTO_E_CRYPTO;
	}
	return 0;
}

void noise_keypair(uint8_t priv[NOISE_KEY_LEN], uint8_t pub[NOISE_KEY_LEN])
{
	randombytes_buf(priv, NOISE_KEY_LEN);
	crypto_scalarmult_base(pub, priv);
}

/* ---- SymmetricState ---- */

static void mix_hash(struct noise_hs *hs, const void *data, size_t len)
{
	hash2(hs->h, hs->h, sizeof(hs->h), data, len);
}

static void set_key(struct noise_hs *hs, const uint8_t temp[NOISE_HASH_LEN])
{
	memcpy(hs->k, temp, NOISE_KEY_LEN);
	hs->has_key = true;
	hs->n = 0;
}

static void mix_key(struct noise_hs *hs, const void *ikm, size_t len)
{
	uint8_t temp[NOISE_HASH_LEN];

	noise_hkdf(hs->ck, ikm, len, hs->ck, temp, NULL);
	set_key(hs, temp);
	sotto_wipe(temp, sizeof(temp));
}

static void mix_key_and_hash(struct noise_hs *hs, const uint8_t *psk)
{
	uint8_t temp_h[NOISE_HASH_LEN], temp_k[NOISE_HASH_LEN];

	noise_hkdf(hs->ck, psk, NOISE_KEY_LEN, hs->ck, temp_h, temp_k);
	mix_hash(hs, temp_h, sizeof(temp_h));
	set_key(hs, temp_k);
	sotto_wipe(temp_h, sizeof(temp_h));
	sotto_wipe(temp_k, sizeof(temp_k));
}

static size_t sealed_len(const struct noise_hs *hs, size_t len)
{
	return hs->has_key ? len + NOISE_TAG_LEN : len;
}

static void encrypt_and_hash(struct noise_hs *hs, const void *in, size_t len,
			     uint8_t *out)
{
	if (hs->has_key)
		noise_seal(hs->k, hs->n++, hs->h, sizeof(hs->h), in, len, out);
	else if (len)
		memcpy(out, in, len);
	mix_hash(hs, out, sealed_len(hs, len));
}

static int decrypt_and_hash(struct noise_hs *hs, const uint8_t *in, size_t len,
			    uint8_t *out)
{
	int rc = 0;

	if (hs->has_key)
		rc = noise_open(hs->k, hs->n++, hs->h, sizeof(hs->h), in, len,
				out);
	else if (len)
		memcpy(out, in, len);
	mix_hash(hs, in, len);
	return rc;
}

/* ---- HandshakeState ---- */

static void begin(struct noise_hs *hs, const void *prologue,
		  size_t prologue_len)
{
	const char *name = patterns[hs->pattern].name;

	memcpy(hs->h, name, strlen(name));	/* shorter than a hash: zero-padded */
	memcpy(hs->ck, hs->h, sizeof(hs->ck));
	mix_hash(hs, prologue, prologue_len);
	if (patterns[hs->pattern].init_known)
		mix_hash(hs, hs->initiator ? hs->s_pub : hs->rs, NOISE_KEY_LEN);
	mix_hash(hs, hs->initiator ? hs->rs : hs->s_pub, NOISE_KEY_LEN);
}

int noise_init(struct noise_hs *hs, enum noise_pattern pattern, bool initiator,
	       const void *prologue, size_t prologue_len,
	       const uint8_t s[NOISE_KEY_LEN], const uint8_t *rs)
{
	memset(hs, 0, sizeof(*hs));
	hs->pattern = pattern;
	hs->initiator = initiator;
	memcpy(hs->s, s, NOISE_KEY_LEN);
	if (crypto_scalarmult_base(hs->s_pub, s))
		return SOTTO_E_CRYPTO;
	if (rs)
		memcpy(hs->rs, rs, NOISE_KEY_LEN);
	else if (initiator || patterns[pattern].init_known)
		return SOTTO_E_VALUE;
	begin(hs, prologue, prologue_len);
	return 0;
}

int noise_init_by(struct noise_hs *hs, enum noise_pattern pattern,
		  const void *prologue, size_t prologue_len,
		  const uint8_t s_pub[NOISE_KEY_LEN], noise_dh_fn dh,
		  void *dh_arg)
{
	memset(hs, 0, sizeof(*hs));
	if (patterns[pattern].init_known)
		return SOTTO_E_VALUE;
	hs->pattern = pattern;
	memcpy(hs->s_pub, s_pub, NOISE_KEY_LEN);
	hs->static_dh = dh;
	hs->static_arg = dh_arg;
	begin(hs, prologue, prologue_len);
	return 0;
}

void noise_set_psk(struct noise_hs *hs, noise_psk_fn fn, void *arg)
{
	hs->psk = fn;
	hs->psk_arg = arg;
}

int noise_set_ephemeral(struct noise_hs *hs, const uint8_t e[NOISE_KEY_LEN])
{
	memcpy(hs->e, e, NOISE_KEY_LEN);
	return crypto_scalarmult_base(hs->e_pub, e) ? SOTTO_E_CRYPTO : 0;
}

static int mix_dh(struct noise_hs *hs, const uint8_t *priv, const uint8_t *pub)
{
	uint8_t dh[NOISE_KEY_LEN];
	int rc = priv == hs->s && hs->static_dh ?
		 hs->static_dh(hs->static_arg, pub, dh) :
		 noise_dh(dh, priv, pub);

	if (!rc)
		mix_key(hs, dh, sizeof(dh));
	sotto_wipe(dh, sizeof(dh));
	return rc;
}

static int mix_psk(struct noise_hs *hs)
{
	uint8_t psk[NOISE_KEY_LEN];
	int rc;

	if (!hs->psk)
		return SOTTO_E_STATE;
	rc = hs->psk(hs->psk_arg, hs->initiator ? hs->e_pub : hs->re,
		     hs->initiator ? hs->re : hs->e_pub, hs->rs, psk);
	if (!rc)
		mix_key_and_hash(hs, psk);
	sotto_wipe(psk, sizeof(psk));
	return rc;
}

/* "e" and, in psk patterns, the MixKey() that goes with it (section 9.2). */
static void mix_ephemeral(struct noise_hs *hs, const uint8_t *pub)
{
	mix_hash(hs, pub, NOISE_KEY_LEN);
	if (patterns[hs->pattern].has_psk)
		mix_key(hs, pub, NOISE_KEY_LEN);
}

/* Tokens that are the same for writer and reader. */
static int mix_token(struct noise_hs *hs, enum token t)
{
	bool i = hs->initiator;

	switch (t) {
	case T_EE:
		return mix_dh(hs, hs->e, hs->re);
	case T_ES:
		return i ? mix_dh(hs, hs->e, hs->rs) : mix_dh(hs, hs->s, hs->re);
	case T_SE:
		return i ? mix_dh(hs, hs->s, hs->re) : mix_dh(hs, hs->e, hs->rs);
	case T_SS:
		return mix_dh(hs, hs->s, hs->rs);
	case T_PSK:
		return mix_psk(hs);
	default:
		return SOTTO_E_INTERNAL;
	}
}

/* The initiator writes message 0 and the responder message 1. */
static bool our_turn(const struct noise_hs *hs, bool writing)
{
	return hs->step < 2 && ((hs->step == 0) == hs->initiator) == writing;
}

static int write_token(struct noise_hs *hs, enum token t, uint8_t **out,
		       uint8_t *end)
{
	size_t need = t == T_E ? NOISE_KEY_LEN :
		      t == T_S ? sealed_len(hs, NOISE_KEY_LEN) : 0;

	if ((size_t)(end - *out) < need)
		return SOTTO_E_SPACE;
	if (t == T_E) {
		if (sotto_all_zero(hs->e, NOISE_KEY_LEN))
			noise_keypair(hs->e, hs->e_pub);
		memcpy(*out, hs->e_pub, NOISE_KEY_LEN);
		mix_ephemeral(hs, hs->e_pub);
	} else if (t == T_S) {
		encrypt_and_hash(hs, hs->s_pub, NOISE_KEY_LEN, *out);
	} else {
		return mix_token(hs, t);
	}
	*out += need;
	return 0;
}

int noise_write(struct noise_hs *hs, const void *payload, size_t len,
		void *out, size_t cap, size_t *out_len)
{
	uint8_t *p = out, *end = p + cap;
	const uint8_t *t;
	int rc;

	if (!our_turn(hs, true))
		return SOTTO_E_STATE;
	for (t = patterns[hs->pattern].msg[hs->step]; *t != T_END; t++) {
		rc = write_token(hs, *t, &p, end);
		if (rc)
			return rc;
	}
	if ((size_t)(end - p) < sealed_len(hs, len))
		return SOTTO_E_SPACE;
	encrypt_and_hash(hs, payload, len, p);
	*out_len = p - (uint8_t *)out + sealed_len(hs, len);
	hs->step++;
	return 0;
}

static int read_token(struct noise_hs *hs, enum token t, const uint8_t **in,
		      size_t *left)
{
	size_t need = t == T_E ? NOISE_KEY_LEN :
		      t == T_S ? sealed_len(hs, NOISE_KEY_LEN) : 0;
	int rc = 0;

	if (*left < need)
		return SOTTO_E_SHORT;
	if (t == T_E) {
		memcpy(hs->re, *in, NOISE_KEY_LEN);
		mix_ephemeral(hs, hs->re);
	} else if (t == T_S) {
		rc = decrypt_and_hash(hs, *in, need, hs->rs);
	} else {
		rc = mix_token(hs, t);
	}
	*in += need;
	*left -= need;
	return rc;
}

int noise_read(struct noise_hs *hs, const void *in, size_t len,
	       void *payload, size_t cap, size_t *payload_len)
{
	const uint8_t *p = in, *t;
	int rc;

	if (!our_turn(hs, false))
		return SOTTO_E_STATE;
	for (t = patterns[hs->pattern].msg[hs->step]; *t != T_END; t++) {
		rc = read_token(hs, *t, &p, &len);
		if (rc)
			return rc;
	}
	if (len < sealed_len(hs, 0))
		return SOTTO_E_SHORT;
	*payload_len = len - sealed_len(hs, 0);
	if (cap < *payload_len)
		return SOTTO_E_SPACE;
	rc = decrypt_and_hash(hs, p, len, payload);
	if (!rc)
		hs->step++;
	return rc;
}

int noise_split(struct noise_hs *hs, uint8_t tx[NOISE_KEY_LEN],
		uint8_t rx[NOISE_KEY_LEN])
{
	uint8_t k1[NOISE_HASH_LEN], k2[NOISE_HASH_LEN];

	if (hs->step != 2)
		return SOTTO_E_STATE;
	noise_hkdf(hs->ck, NULL, 0, k1, k2, NULL);
	memcpy(tx, hs->initiator ? k1 : k2, NOISE_KEY_LEN);
	memcpy(rx, hs->initiator ? k2 : k1, NOISE_KEY_LEN);
	sotto_wipe(k1, sizeof(k1));
	sotto_wipe(k2, sizeof(k2));
	noise_wipe(hs);
	return 0;
}

void noise_wipe(struct noise_hs *hs)
{
	sotto_wipe(hs, sizeof(*hs));
}
