// SPDX-License-Identifier: GPL-2.0
/*
 * HKDF against RFC 5869's vectors; the session key schedule by its properties.
 * Its own vectors are checked by test_vectors.
 */
#include <sodium.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "kdf.h"
#include "ktap.h"
#include "noise.h"

static void rfc5869(const char *ikm_hex, const char *salt_hex,
		    const char *info_hex, const char *okm_hex)
{
	uint8_t ikm[128], salt[128], info[128], want[128], got[128];
	size_t ikm_len = strlen(ikm_hex) / 2, salt_len = strlen(salt_hex) / 2;
	size_t info_len = strlen(info_hex) / 2, len = strlen(okm_hex) / 2;

	EXPECT(!sotto_unhex(ikm, ikm_len, ikm_hex));
	EXPECT(!sotto_unhex(salt, salt_len, salt_hex));
	EXPECT(!sotto_unhex(info, info_len, info_hex));
	EXPECT(!sotto_unhex(want, len, okm_hex));
	sotto_hkdf(got, len, salt, salt_len, ikm, ikm_len, info, info_len);
	EXPECT(!memcmp(got, want, len));
}

/* Appendix A.1 to A.3 */
static void hkdf(void)
{
	rfc5869("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
		"000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	rfc5869("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
		"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		"b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
	rfc5869("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

struct ends {
	struct sotto_session_input in;
	uint8_t sa[32], ea[32], sb[32], eb[32];
};

static void make_ends(struct ends *e)
{
	memset(e, 0, sizeof(*e));
	randombytes_buf(e->in.realm_key, 32);
	randombytes_buf(e->in.seed, 32);
	e->in.session_id = 0x1122334455667788;
	noise_keypair(e->sa, e->in.a.static_pub);
	noise_keypair(e->ea, e->in.a.eph_pub);
	noise_keypair(e->sb, e->in.b.static_pub);
	noise_keypair(e->eb, e->in.b.eph_pub);
	strcpy(e->in.a.name, "alice");
	strcpy(e->in.b.name, "bob");
	e->in.a.spi = 1000;
	e->in.b.spi = 2000;
	e->in.a.addrs.n = 1;
	sotto_addr_parse(&e->in.a.addrs.a[0], "10.0.0.1");
	e->in.b.addrs.n = 2;
	sotto_addr_parse(&e->in.b.addrs.a[0], "10.0.0.2");
	sotto_addr_parse(&e->in.b.addrs.a[1], "fd00::2");
	e->in.dst = e->in.b.addrs.a[1];
	e->in.offered = (struct sotto_ciphers) { 2, { 1, 2 } };
	e->in.cipher = 1;
	e->in.life = (struct sotto_lifetimes) { 10, 20, 30, 40, 50, 60 };
}

static void both_ends(void)
{
	struct sotto_session_keys ka, kb;
	struct ends e;

	make_ends(&e);
	EXPECT_EQ(sotto_session_keys(&e.in, true, e.sa, e.ea, &ka), 0);
	EXPECT_EQ(sotto_session_keys(&e.in, false, e.sb, e.eb, &kb), 0);
	EXPECT(!memcmp(&ka, &kb, sizeof(ka)));
	EXPECT(memcmp(ka.key_ab, ka.key_ba, 32));
	EXPECT(memcmp(ka.salt_ab, ka.salt_ba, 4));
	/* an attacker with one member's static key alone has other keys */
	EXPECT_EQ(sotto_session_keys(&e.in, true, e.sa, e.sa, &kb), 0);
	EXPECT(memcmp(&ka, &kb, sizeof(ka)));
	EXPECT_EQ(sotto_session_keys(&e.in, true, e.ea, e.ea, &kb), 0);
	EXPECT(memcmp(&ka, &kb, sizeof(ka)));
}

/* Whatever the two ends see differently gives them different keys. */
static void all_bound(void)
{
	struct sotto_session_keys want, got;
	struct sotto_session_input in;
	struct ends e;

	make_ends(&e);
	EXPECT_EQ(sotto_session_keys(&e.in, true, e.sa, e.ea, &want), 0);
#define CHANGED(change) do {						\
		in = e.in;						\
		change;							\
		EXPECT_EQ(sotto_session_keys(&in, true, e.sa, e.ea, &got), 0); \
		EXPECT(memcmp(&want, &got, sizeof(got)));		\
	} while (0)
	CHANGED(in.realm_key[31] ^= 1);
	CHANGED(in.seed[0] ^= 1);
	CHANGED(in.session_id++);
	CHANGED(in.a.name[0] = 'b');
	CHANGED(in.b.name[2] = 'x');
	CHANGED((strcpy(in.a.name, "aliceb"), strcpy(in.b.name, "ob")));
	CHANGED(in.a.static_pub[0] ^= 1);
	CHANGED(in.a.eph_pub[0] ^= 1);
	CHANGED(in.b.static_pub[0] ^= 1);
	CHANGED(in.b.eph_pub[0] ^= 1);
	CHANGED(in.a.spi++);
	CHANGED(in.b.spi++);
	CHANGED(in.dst = in.b.addrs.a[0]);
	CHANGED(in.a.addrs.a[0].b[3]++);
	CHANGED(in.b.addrs.n--);
	CHANGED((in.a.addrs.a[1] = in.b.addrs.a[0], in.a.addrs.n = 2));
	CHANGED(in.offered.n = 1);
	CHANGED(in.offered.c[1] = 3);
	CHANGED(in.cipher = 2);
	CHANGED(in.life.soft_s++);
	CHANGED(in.life.hard_s++);
	CHANGED(in.life.soft_packets++);
	CHANGED(in.life.hard_packets++);
	CHANGED(in.life.soft_bytes++);
	CHANGED(in.life.hard_bytes++);
#undef CHANGED
}

static void zero_dh(void)
{
	struct sotto_session_keys k;
	struct ends e;

	make_ends(&e);
	memset(e.in.b.eph_pub, 0, 32);
	EXPECT_EQ(sotto_session_keys(&e.in, true, e.sa, e.ea, &k),
		  SOTTO_E_CRYPTO);
	make_ends(&e);
	memset(e.in.b.static_pub, 0, 32);
	e.in.b.static_pub[0] = 1;
	EXPECT_EQ(sotto_session_keys(&e.in, true, e.sa, e.ea, &k),
		  SOTTO_E_CRYPTO);
}

static void longest_fits(void)
{
	uint8_t enc[SOTTO_ENCODING_MAX];
	struct sotto_wbuf w;
	struct ends e;
	int i;

	make_ends(&e);
	memset(e.in.a.name, 'a', 63);
	memset(e.in.b.name, 'b', 63);
	e.in.a.addrs.n = SOTTO_ADDRS_MAX;
	for (i = 0; i < SOTTO_ADDRS_MAX; i++)
		sotto_addr_parse(&e.in.a.addrs.a[i], "fd00::1");
	e.in.b.addrs = e.in.a.addrs;
	e.in.offered.n = SOTTO_CIPHERS_MAX;
	sotto_wbuf_init(&w, enc, sizeof(enc));
	sotto_session_encode(&e.in, &w);
	EXPECT_EQ(w.err, 0);
}

static const struct ktap_test tests[] = {
	{ "hkdf_rfc5869", hkdf },
	{ "both_ends", both_ends },
	{ "all_bound", all_bound },
	{ "zero_dh", zero_dh },
	{ "longest_fits", longest_fits },
};

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
