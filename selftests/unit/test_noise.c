// SPDX-License-Identifier: GPL-2.0
/*
 * Noise against the published vectors, and against tampering.
 */
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "aead.h"
#include "buf.h"
#include "err.h"
#include "ktap.h"
#include "noise.h"

#define MSG_MAX 512

static const char *field(const json_t *v, const char *name)
{
	return json_string_value(json_object_get(v, name));
}

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t len = strlen(hex) / 2;

	return sotto_unhex(out, len, hex) ? 0 : len;
}

static int fixed_psk(void *arg, const uint8_t *ei, const uint8_t *er,
		     const uint8_t *rs, uint8_t *psk)
{
	(void)ei;
	(void)er;
	(void)rs;
	memcpy(psk, arg, 32);
	return 0;
}

struct side {
	struct noise_hs hs;
	uint8_t psk[32], tx[32], rx[32];
};

static bool setup(struct side *s, enum noise_pattern pattern, bool init,
		  const json_t *v)
{
	const char *p = init ? "init" : "resp";
	uint8_t prologue[64], priv[32], rs[32], e[32];
	char name[64];
	const char *text;
	size_t len;
	bool has_rs;

	snprintf(name, sizeof(name), "%s_prologue", p);
	len = unhex(prologue, field(v, name));
	snprintf(name, sizeof(name), "%s_static", p);
	unhex(priv, field(v, name));
	snprintf(name, sizeof(name), "%s_ephemeral", p);
	unhex(e, field(v, name));
	snprintf(name, sizeof(name), "%s_remote_static", p);
	text = field(v, name);
	has_rs = text && unhex(rs, text) == 32;
	snprintf(name, sizeof(name), "%s_psks", p);
	text = json_string_value(json_array_get(json_object_get(v, name), 0));
	if (text)
		unhex(s->psk, text);
	if (noise_init(&s->hs, pattern, init, prologue, len, priv,
		       has_rs ? rs : NULL))
		return false;
	noise_set_psk(&s->hs, fixed_psk, s->psk);
	return !noise_set_ephemeral(&s->hs, e);
}

static void handshake_message(struct side *from, struct side *to,
			      const json_t *m)
{
	uint8_t payload[MSG_MAX], want[MSG_MAX], got[MSG_MAX], back[MSG_MAX];
	size_t plen = unhex(payload, field(m, "payload"));
	size_t wlen = unhex(want, field(m, "ciphertext")), glen, blen;

	ASSERT(!noise_write(&from->hs, payload, plen, got, sizeof(got), &glen));
	EXPECT(glen == wlen && !memcmp(got, want, wlen));
	ASSERT(!noise_read(&to->hs, got, glen, back, sizeof(back), &blen));
	EXPECT(blen == plen && !memcmp(back, payload, plen));
}

static void transport_message(const struct side *from, const struct side *to,
			      uint64_t n, const json_t *m)
{
	uint8_t payload[MSG_MAX], want[MSG_MAX], got[MSG_MAX], back[MSG_MAX];
	size_t plen = unhex(payload, field(m, "payload"));
	size_t wlen = unhex(want, field(m, "ciphertext"));

	noise_seal(from->tx, n, NULL, 0, payload, plen, got);
	EXPECT(wlen == plen + 16 && !memcmp(got, want, wlen));
	EXPECT(!noise_open(to->rx, n, NULL, 0, got, wlen, back));
	EXPECT(!memcmp(back, payload, plen));
}

static void run_vector(enum noise_pattern pattern, const json_t *v)
{
	const json_t *msgs = json_object_get(v, "messages");
	struct side i = { 0 }, r = { 0 };
	uint8_t hash[64];
	size_t k;

	ASSERT(setup(&i, pattern, true, v) && setup(&r, pattern, false, v));
	handshake_message(&i, &r, json_array_get(msgs, 0));
	handshake_message(&r, &i, json_array_get(msgs, 1));
	unhex(hash, field(v, "handshake_hash"));
	EXPECT(!memcmp(hash, i.hs.h, 64) && !memcmp(hash, r.hs.h, 64));
	ASSERT(!noise_split(&i.hs, i.tx, i.rx));
	ASSERT(!noise_split(&r.hs, r.tx, r.rx));
	EXPECT(json_array_size(msgs) == 6);
	for (k = 2; k < json_array_size(msgs); k++)
		transport_message(k % 2 ? &r : &i, k % 2 ? &i : &r, k / 2 - 1,
				  json_array_get(msgs, k));
}

static void with_vector(enum noise_pattern pattern, const char *name)
{
	char path[512];
	json_t *all = json_load_file(ktap_path(path, sizeof(path),
				"selftests/vectors/noise.json"), 0, NULL);
	size_t i, found = 0;
	json_t *v;

	ASSERT(all);
	json_array_foreach(json_object_get(all, "vectors"), i, v) {
		if (strcmp(field(v, "protocol_name"), name))
			continue;
		run_vector(pattern, v);
		found++;
	}
	EXPECT_EQ(found, 1);
	json_decref(all);
}

static void vector_ik(void)
{
	with_vector(NOISE_IK, "Noise_IK_25519_ChaChaPoly_BLAKE2b");
}

static void vector_ikpsk2(void)
{
	with_vector(NOISE_IKPSK2, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b");
}

static void vector_kk(void)
{
	with_vector(NOISE_KK, "Noise_KK_25519_ChaChaPoly_BLAKE2b");
}

/* ---- a pair of our own, to be tampered with ---- */

struct pair {
	uint8_t si[32], si_pub[32], sr[32], sr_pub[32];
	struct side i, r;
};

static void make_pair(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	noise_keypair(p->si, p->si_pub);
	noise_keypair(p->sr, p->sr_pub);
	EXPECT(!noise_init(&p->i.hs, NOISE_IKPSK2, true, "x", 1, p->si,
			   p->sr_pub));
	EXPECT(!noise_init(&p->r.hs, NOISE_IKPSK2, false, "x", 1, p->sr, NULL));
	noise_set_psk(&p->i.hs, fixed_psk, p->i.psk);
	noise_set_psk(&p->r.hs, fixed_psk, p->r.psk);
}

static void tampered(void)
{
	uint8_t m[MSG_MAX], bad[MSG_MAX], out[MSG_MAX];
	size_t len, olen, at;
	struct noise_hs keep;
	struct pair p;

	make_pair(&p);
	ASSERT(!noise_write(&p.i.hs, "hello", 5, m, sizeof(m), &len));
	keep = p.r.hs;
	for (at = 0; at < len; at++) {
		p.r.hs = keep;
		memcpy(bad, m, len);
		bad[at] ^= 1;
		EXPECT(noise_read(&p.r.hs, bad, len, out, sizeof(out), &olen));
		p.r.hs = keep;
		EXPECT(noise_read(&p.r.hs, m, at, out, sizeof(out), &olen));
	}
	p.r.hs = keep;
	EXPECT_EQ(noise_read(&p.r.hs, m, len, out, 4, &olen), SOTTO_E_SPACE);
	p.r.hs = keep;
	EXPECT(!noise_read(&p.r.hs, m, len, out, sizeof(out), &olen));
	EXPECT(!memcmp(p.r.hs.rs, p.si_pub, 32));
}

static void wrong_psk(void)
{
	uint8_t m[MSG_MAX], out[MSG_MAX];
	size_t len, olen;
	struct pair p;

	make_pair(&p);
	p.r.psk[0] = 1;
	ASSERT(!noise_write(&p.i.hs, NULL, 0, m, sizeof(m), &len));
	ASSERT(!noise_read(&p.r.hs, m, len, out, sizeof(out), &olen));
	ASSERT(!noise_write(&p.r.hs, NULL, 0, m, sizeof(m), &len));
	EXPECT_EQ(noise_read(&p.i.hs, m, len, out, sizeof(out), &olen),
		  SOTTO_E_AUTH);
}

static void out_of_turn(void)
{
	uint8_t m[MSG_MAX], k[32];
	struct pair p;
	size_t len;

	make_pair(&p);
	EXPECT_EQ(noise_write(&p.r.hs, NULL, 0, m, sizeof(m), &len),
		  SOTTO_E_STATE);
	EXPECT_EQ(noise_split(&p.i.hs, k, k), SOTTO_E_STATE);
	EXPECT_EQ(noise_write(&p.i.hs, NULL, 0, m, 40, &len), SOTTO_E_SPACE);
	make_pair(&p);
	ASSERT(!noise_write(&p.i.hs, NULL, 0, m, sizeof(m), &len));
	EXPECT_EQ(noise_write(&p.i.hs, NULL, 0, m, sizeof(m), &len),
		  SOTTO_E_STATE);
}

/* A point of small order would make the shared secret known to all. */
static void zero_dh(void)
{
	static const uint8_t low[3][32] = {
		{ 0 }, { 1 },
		{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56,
		  0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb,
		  0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
		  0xb8, 0x00 },
	};
	uint8_t priv[32], pub[32], out[32], m[MSG_MAX];
	struct noise_hs hs;
	size_t len;
	int i;

	noise_keypair(priv, pub);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(noise_dh(out, priv, low[i]), SOTTO_E_CRYPTO);
		EXPECT(sodium_is_zero(out, 32));
		ASSERT(!noise_init(&hs, NOISE_IK, true, "", 0, priv, low[i]));
		EXPECT_EQ(noise_write(&hs, NULL, 0, m, sizeof(m), &len),
			  SOTTO_E_CRYPTO);
	}
}

/* ---- the cipher, against libsodium's own ---- */

#define TEXT_MAX	1300	/* more than a datagram holds */
#define AD_MAX		80

static void same_as_libsodium(const uint8_t *ad, size_t ad_len,
			      const uint8_t *text, size_t len)
{
	uint8_t want[TEXT_MAX + AEAD_TAG_LEN], got[TEXT_MAX + AEAD_TAG_LEN];
	uint8_t key[AEAD_KEY_LEN], nonce[AEAD_NONCE_LEN], back[TEXT_MAX];
	uint8_t dgram[AD_MAX + TEXT_MAX + AEAD_TAG_LEN];

	randombytes_buf(key, sizeof(key));
	randombytes_buf(nonce, sizeof(nonce));
	crypto_aead_chacha20poly1305_ietf_encrypt(want, NULL, text, len, ad,
						  ad_len, NULL, nonce, key);
	aead_seal(key, nonce, ad, ad_len, text, len, got);
	EXPECT(!memcmp(want, got, len + AEAD_TAG_LEN));
	EXPECT(!aead_open(key, nonce, ad, ad_len, got, len + AEAD_TAG_LEN, back));
	EXPECT(!memcmp(back, text, len));
	/* in place */
	memcpy(got, text, len);
	aead_seal(key, nonce, ad, ad_len, got, len, got);
	EXPECT(!memcmp(want, got, len + AEAD_TAG_LEN));
	EXPECT(!aead_open(key, nonce, ad, ad_len, got, len + AEAD_TAG_LEN, got));
	EXPECT(!memcmp(got, text, len));
	/* behind its header, as in a datagram */
	if (ad_len)
		memcpy(dgram, ad, ad_len);
	memcpy(dgram + ad_len, text, len);
	aead_seal(key, nonce, dgram, ad_len, dgram + ad_len, len, dgram + ad_len);
	EXPECT(!memcmp(want, dgram + ad_len, len + AEAD_TAG_LEN));
	EXPECT(!aead_open(key, nonce, dgram, ad_len, dgram + ad_len, len + AEAD_TAG_LEN,
			  dgram + ad_len));
	EXPECT(!memcmp(dgram + ad_len, text, len));
}

static void every_length(void)
{
	uint8_t text[TEXT_MAX], ad[AD_MAX];
	size_t len, i;

	randombytes_buf(text, sizeof(text));
	randombytes_buf(ad, sizeof(ad));
	for (len = 0; len <= TEXT_MAX; len++)
		same_as_libsodium(ad, 16, text, len);
	for (i = 0; i <= sizeof(ad); i++)
		for (len = 0; len <= TEXT_MAX; len += 13 + i)
			same_as_libsodium(i ? ad : NULL, i, text, len);
}

/* Nothing is written of what does not open. */
static void every_bit(void)
{
	uint8_t key[AEAD_KEY_LEN] = { 1 }, nonce[AEAD_NONCE_LEN] = { 2 };
	uint8_t ad[16] = { 3 }, text[70], box[sizeof(text) + AEAD_TAG_LEN];
	uint8_t back[sizeof(text)] = { 0 };
	size_t i;

	randombytes_buf(text, sizeof(text));
	aead_seal(key, nonce, ad, sizeof(ad), text, sizeof(text), box);
	for (i = 0; i < 8 * (sizeof(ad) + sizeof(box)); i++) {
		uint8_t *at = i / 8 < sizeof(ad) ? &ad[i / 8] :
						   &box[i / 8 - sizeof(ad)];

		*at ^= 1 << i % 8;
		EXPECT(aead_open(key, nonce, ad, sizeof(ad), box, sizeof(box), back));
		EXPECT(sodium_is_zero(back, sizeof(back)));
		*at ^= 1 << i % 8;
	}
	EXPECT(aead_open(key, nonce, ad, sizeof(ad) - 1, box, sizeof(box), back));
	EXPECT(aead_open(key, nonce, ad, sizeof(ad), box, sizeof(box) - 1, back));
	EXPECT(!aead_open(key, nonce, ad, sizeof(ad), box, sizeof(box), back));
}

static const struct ktap_test tests[] = {
	{ "vector_ik", vector_ik },
	{ "vector_ikpsk2", vector_ikpsk2 },
	{ "vector_kk", vector_kk },
	{ "tampered", tampered },
	{ "wrong_psk", wrong_psk },
	{ "out_of_turn", out_of_turn },
	{ "zero_dh", zero_dh },
	{ "every_length", every_length },
	{ "every_bit", every_bit },
};

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
