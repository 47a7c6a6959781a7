// SPDX-License-Identifier: GPL-2.0
/*
 * The association's handshake: who gets in, who does not, and what strangers
 * can and cannot do to it.
 */
#include <sodium.h>
#include <string.h>

#include "err.h"
#include "handshake.h"
#include "ktap.h"

struct world {
	uint8_t server[32], server_pub[32], member[32], member_pub[32];
	uint8_t secret[32], code[16], mac_key[32];
	struct sotto_token *token;		/* the member's */
	struct sotto_token *server_token;	/* the server's copy */
	struct sotto_hs_client c;
};

static void setup(struct world *w)
{
	memset(w, 0, sizeof(*w));
	noise_keypair(w->server, w->server_pub);
	noise_keypair(w->member, w->member_pub);
	randombytes_buf(w->secret, 32);
	randombytes_buf(w->code, 16);
	sotto_hs_mac_key(w->server_pub, w->mac_key);
	w->token = sotto_token_memory(w->secret);
	w->server_token = sotto_token_memory(w->secret);
}

static void teardown(struct world *w)
{
	sotto_token_close(w->token);
	sotto_token_close(w->server_token);
	sotto_hs_client_wipe(&w->c);
}

static int begin(struct world *w)
{
	return sotto_hs_client_member(&w->c, w->server_pub, w->member,
				      w->token, 0);
}

/* The server's side: RESP for what @w->c sent, or an error. */
static int respond(struct world *w, uint8_t *resp, size_t *len,
		   struct sotto_chan_keys *keys)
{
	uint8_t id[SOTTO_CODE_ID_LEN], psk[32];
	struct sotto_init_view v;
	struct noise_hs hs;
	struct sotto_msg m;
	int rc = sotto_init_parse(&v, w->c.dgram, w->c.len);

	if (!rc && !sotto_init_mac_valid(&v, w->mac_key))
		rc = SOTTO_E_AUTH;
	if (!rc)
		rc = sotto_hs_server_read(&hs, &v, w->server, &m);
	if (rc)
		return rc;
	EXPECT(!memcmp(hs.rs, w->member_pub, 32));
	if (v.kind == SOTTO_HS_MEMBER) {
		sotto_hs_server_member(&hs, w->server_token);
	} else {
		sotto_code_derive(w->code, id, psk);
		EXPECT(!memcmp(id, m.assoc_init.code_id, sizeof(id)));
		sotto_hs_server_enrol(&hs, psk);
	}
	return sotto_hs_server_write(&hs, v.index, 7777, 0, resp, len, keys);
}

static enum sotto_hs_event finish(struct world *w, struct sotto_chan_keys *sk,
				  struct sotto_hs_result *res)
{
	uint8_t resp[SOTTO_DGRAM_MAX];
	size_t len = 0;

	if (respond(w, resp, &len, sk))
		return SOTTO_HS_IGNORED;
	return sotto_hs_client_input(&w->c, resp, len, res);
}

static void good_member(void)
{
	struct sotto_hs_result res;
	struct sotto_chan_keys sk;
	uint32_t index;
	struct world w;

	setup(&w);
	ASSERT(!begin(&w));
	index = w.c.index;
	EXPECT_EQ(finish(&w, &sk, &res), SOTTO_HS_DONE);
	EXPECT(!memcmp(res.keys.tx, sk.rx, 32));
	EXPECT(!memcmp(res.keys.rx, sk.tx, 32));
	EXPECT(memcmp(sk.rx, sk.tx, 32));
	EXPECT_EQ(res.keys.local_index, index);
	EXPECT_EQ(res.keys.remote_index, 7777);
	EXPECT_EQ(sk.remote_index, index);
	EXPECT(sodium_is_zero((uint8_t *)&w.c, sizeof(w.c)));
	teardown(&w);
}

static void good_enrolment(void)
{
	struct sotto_hs_result res;
	struct sotto_chan_keys sk;
	struct world w;

	setup(&w);
	ASSERT(!sotto_hs_client_enrol(&w.c, w.server_pub, w.member, w.code, 0));
	EXPECT_EQ(finish(&w, &sk, &res), SOTTO_HS_DONE);
	EXPECT(!memcmp(res.keys.tx, sk.rx, 32));
	teardown(&w);
}

/* The right static key with a wrong token secret, on either side. */
static void wrong_token(void)
{
	struct sotto_hs_result res;
	struct sotto_chan_keys sk;
	struct world w;

	setup(&w);
	sotto_token_close(w.token);
	w.secret[0] ^= 1;
	w.token = sotto_token_memory(w.secret);
	ASSERT(!begin(&w));
	EXPECT_EQ(finish(&w, &sk, &res), SOTTO_HS_FAILED);
	/* it goes on waiting for the true server */
	EXPECT(w.c.len > 0);
	teardown(&w);
}

/* The right token secret with another static key: message 1 says who it is, and
 * nobody can claim the member's key without its private half.
 */
static void wrong_static(void)
{
	struct sotto_init_view v;
	struct noise_hs hs;
	struct sotto_msg m;
	uint8_t pub[32];
	struct world w;

	setup(&w);
	noise_keypair(w.member, pub);
	ASSERT(!begin(&w));
	ASSERT(!sotto_init_parse(&v, w.c.dgram, w.c.len));
	ASSERT(!sotto_hs_server_read(&hs, &v, w.server, &m));
	EXPECT(!memcmp(hs.rs, pub, 32));
	EXPECT(memcmp(hs.rs, w.member_pub, 32));
	noise_wipe(&hs);
	teardown(&w);
}

static void wrong_server(void)
{
	uint8_t other[32], other_pub[32], resp[SOTTO_DGRAM_MAX];
	struct sotto_chan_keys sk;
	struct sotto_init_view v;
	struct noise_hs hs;
	struct sotto_msg m;
	struct world w;
	size_t len;

	setup(&w);
	noise_keypair(other, other_pub);
	ASSERT(!sotto_hs_client_member(&w.c, other_pub, w.member, w.token, 0));
	EXPECT_EQ(respond(&w, resp, &len, &sk), SOTTO_E_AUTH);
	/* and if the mac were right: message 1 does not open */
	ASSERT(!sotto_init_parse(&v, w.c.dgram, w.c.len));
	EXPECT_EQ(sotto_hs_server_read(&hs, &v, w.server, &m), SOTTO_E_AUTH);
	teardown(&w);
}

static uint8_t psks[64][32];
static int psks_n;

static int watch_hmac(struct sotto_token *t, const void *data, size_t len,
		      uint8_t out[32])
{
	(void)t;
	crypto_hash_sha256(out, data, len);
	memcpy(psks[psks_n++], out, 32);
	return 0;
}

static void no_close(struct sotto_token *t)
{
	(void)t;
}

/* The challenge covers both ephemerals: no psk comes twice, even for one INIT. */
static void fresh_psk(void)
{
	static const struct sotto_token_ops ops = { watch_hmac, no_close };
	struct sotto_token watch = { &ops };
	uint8_t resp[SOTTO_DGRAM_MAX];
	struct sotto_chan_keys sk;
	struct world w;
	size_t len;
	int i, j;

	setup(&w);
	sotto_token_close(w.server_token);
	w.server_token = &watch;
	for (i = 0; i < 32; i++) {
		if (i % 2 == 0)
			ASSERT(!begin(&w));
		EXPECT_EQ(respond(&w, resp, &len, &sk), 0);
	}
	EXPECT_EQ(psks_n, 32);
	for (i = 0; i < psks_n; i++)
		for (j = 0; j < i; j++)
			EXPECT(memcmp(psks[i], psks[j], 32));
	w.server_token = NULL;
	teardown(&w);
}

/* A token that fails (a card pulled out) fails the handshake, no more. */
static int broken_hmac(struct sotto_token *t, const void *data, size_t len,
		       uint8_t out[32])
{
	(void)t;
	(void)data;
	(void)len;
	(void)out;
	return SOTTO_E_IO;
}

static void broken_token(void)
{
	static const struct sotto_token_ops ops = { broken_hmac, no_close };
	struct sotto_token broken = { &ops };
	struct sotto_hs_result res;
	struct sotto_chan_keys sk;
	struct world w;

	setup(&w);
	ASSERT(!sotto_hs_client_member(&w.c, w.server_pub, w.member, &broken,
				       0));
	EXPECT_EQ(finish(&w, &sk, &res), SOTTO_HS_FAILED);
	teardown(&w);
}

static void tampered_init(void)
{
	uint8_t resp[SOTTO_DGRAM_MAX];
	struct sotto_chan_keys sk;
	struct sotto_init_view v;
	struct noise_hs hs;
	struct sotto_msg m;
	struct world w;
	size_t i, len;

	setup(&w);
	ASSERT(!begin(&w));
	for (i = 0; i < w.c.len - SOTTO_COOKIE_LEN; i++) {
		w.c.dgram[i] ^= 1;
		EXPECT(respond(&w, resp, &len, &sk) < 0);
		/* Noise covers all but the mac itself, too */
		if (i < w.c.len - 32 && !sotto_init_parse(&v, w.c.dgram, w.c.len))
			EXPECT(sotto_hs_server_read(&hs, &v, w.server, &m));
		w.c.dgram[i] ^= 1;
	}
	for (i = 0; i < w.c.len; i++) {
		struct sotto_init_view cut;

		if (!sotto_init_parse(&cut, w.c.dgram, i))
			EXPECT(!sotto_init_mac_valid(&cut, w.mac_key));
	}
	EXPECT_EQ(respond(&w, resp, &len, &sk), 0);
	teardown(&w);
}

/* A forged or damaged RESP does not spoil the true one that comes after. */
static void tampered_resp(void)
{
	uint8_t resp[SOTTO_DGRAM_MAX], bad[SOTTO_DGRAM_MAX];
	struct sotto_hs_result res;
	struct sotto_chan_keys sk;
	struct world w;
	size_t i, len;

	setup(&w);
	ASSERT(!begin(&w));
	ASSERT(!respond(&w, resp, &len, &sk));
	for (i = 0; i < len; i++) {
		memcpy(bad, resp, len);
		bad[i] ^= 4;
		/* bytes 2 and 3 of the outer header mean nothing */
		if (i != 2 && i != 3)
			EXPECT(sotto_hs_client_input(&w.c, bad, len, &res) !=
			       SOTTO_HS_DONE);
		EXPECT(sotto_hs_client_input(&w.c, resp, i, &res) !=
		       SOTTO_HS_DONE);
	}
	EXPECT_EQ(sotto_hs_client_input(&w.c, resp, len, &res), SOTTO_HS_DONE);
	EXPECT_EQ(sotto_hs_client_input(&w.c, resp, len, &res),
		  SOTTO_HS_IGNORED);
	teardown(&w);
}

static void cookies(void)
{
	uint8_t cookie[16], small[SOTTO_SMALL_MAX], resp[SOTTO_DGRAM_MAX];
	struct sotto_addr addr, other;
	struct sotto_hs_result res;
	struct sotto_cookies ck;
	struct sotto_chan_keys sk;
	struct sotto_init_view v;
	struct world w;
	size_t len;

	setup(&w);
	sotto_addr_parse(&addr, "10.0.0.1");
	sotto_addr_parse(&other, "10.0.0.2");
	sotto_cookies_init(&ck, 1000);
	ASSERT(!begin(&w));
	ASSERT(!sotto_init_parse(&v, w.c.dgram, w.c.len));
	EXPECT(!sotto_cookie_valid(&ck, 1000, &addr, 5, v.cookie));
	sotto_cookie_make(&ck, 1000, &addr, 5, cookie);
	len = sotto_cookie_dgram(small, v.index, v.echo, cookie);
	EXPECT(len < w.c.len);
	EXPECT_EQ(sotto_hs_client_input(&w.c, small, len, &res),
		  SOTTO_HS_RESEND);
	ASSERT(!sotto_init_parse(&v, w.c.dgram, w.c.len));
	EXPECT(sotto_init_mac_valid(&v, w.mac_key));
	EXPECT(sotto_cookie_valid(&ck, 1000, &addr, 5, v.cookie));
	EXPECT(!sotto_cookie_valid(&ck, 1000, &addr, 6, v.cookie));
	EXPECT(!sotto_cookie_valid(&ck, 1000, &other, 5, v.cookie));
	/* good through the next change of the secret, and no longer */
	EXPECT(sotto_cookie_valid(&ck, 1000 + SOTTO_COOKIE_MS, &addr, 5,
				  v.cookie));
	EXPECT(!sotto_cookie_valid(&ck, 1000 + 2 * SOTTO_COOKIE_MS, &addr, 5,
				   v.cookie));
	/* a cookie for an INIT that was not ours */
	small[10] ^= 1;
	EXPECT_EQ(sotto_hs_client_input(&w.c, small, len, &res),
		  SOTTO_HS_IGNORED);
	EXPECT_EQ(respond(&w, resp, &len, &sk), 0);
	teardown(&w);
}

static void hints(void)
{
	uint8_t small[SOTTO_SMALL_MAX], echo[16], lo, hi;
	struct sotto_hs_result res;
	enum sotto_hint hint;
	struct world w;
	size_t len;

	setup(&w);
	ASSERT(!begin(&w));
	len = sotto_hint_dgram(small, SOTTO_HINT_REFUSED, w.c.index,
			       w.c.dgram + 8);
	EXPECT(len < SOTTO_DATA_MIN);
	EXPECT_EQ(sotto_hs_client_input(&w.c, small, len, &res),
		  SOTTO_HS_HINTED);
	EXPECT_EQ(res.hint, SOTTO_HINT_REFUSED);
	EXPECT_EQ(res.ver_max, SOTTO_PROTO_VERSION);
	EXPECT(sotto_hint_parse(small, len, &hint, echo, &lo, &hi));
	EXPECT(!sotto_hint_parse(small, len - 1, &hint, echo, &lo, &hi));
	small[12] ^= 1;
	EXPECT_EQ(sotto_hs_client_input(&w.c, small, len, &res),
		  SOTTO_HS_IGNORED);
	EXPECT(!strcmp(sotto_hint_name(SOTTO_HINT_KEY), "wrong-server-key"));
	EXPECT(!strcmp(sotto_hint_name(99), "unknown"));
	EXPECT(*sotto_hint_text(0));
	teardown(&w);
}

static void versions(void)
{
	struct sotto_init_view v;
	uint32_t index;
	struct world w;

	setup(&w);
	ASSERT(!begin(&w));
	w.c.dgram[1] = 2;
	EXPECT_EQ(sotto_init_parse(&v, w.c.dgram, w.c.len), SOTTO_E_VERSION);
	EXPECT_EQ(v.version, 2);
	EXPECT_EQ(v.index, w.c.index);
	EXPECT(!memcmp(v.echo, w.c.dgram + 8, SOTTO_ECHO_LEN));
	EXPECT_EQ(sotto_dgram_index(w.c.dgram, w.c.len, &index), 0);
	w.c.dgram[1] = 1;
	w.c.dgram[2] = 3;
	EXPECT_EQ(sotto_init_parse(&v, w.c.dgram, w.c.len), SOTTO_E_BAD);
	teardown(&w);
}

/* A member's INIT with a code, an enrolment without one: refused. */
static void kinds_apart(void)
{
	uint8_t resp[SOTTO_DGRAM_MAX];
	struct sotto_chan_keys sk;
	struct world w;
	size_t len;

	setup(&w);
	ASSERT(!begin(&w));
	w.c.dgram[2] = SOTTO_HS_ENROL;
	crypto_generichash(w.c.dgram + w.c.len - 32, 16, w.c.dgram,
			   w.c.len - 32, w.mac_key, 32);
	EXPECT_EQ(respond(&w, resp, &len, &sk), SOTTO_E_AUTH);
	teardown(&w);
}

static const struct ktap_test tests[] = {
	{ "good_member", good_member },
	{ "good_enrolment", good_enrolment },
	{ "wrong_token", wrong_token },
	{ "wrong_static", wrong_static },
	{ "wrong_server", wrong_server },
	{ "fresh_psk", fresh_psk },
	{ "broken_token", broken_token },
	{ "tampered_init", tampered_init },
	{ "tampered_resp", tampered_resp },
	{ "cookies", cookies },
	{ "hints", hints },
	{ "versions", versions },
	{ "kinds_apart", kinds_apart },
};

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
