// SPDX-License-Identifier: GPL-2.0
/*
 * HKDF-SHA256 and the session key schedule.
 */
#include "kdf.h"

#include <string.h>

#include "err.h"
#include "noise.h"
#include "secret.h"

#define SESSION_LABEL	"sotto session v1"

_Static_assert(sizeof(struct sotto_session_keys) ==
	       2 * (SOTTO_KEY_LEN + SOTTO_SALT_LEN), "keys are laid out as HKDF's output");

static void hkdf_expand(uint8_t *out, size_t len, const uint8_t prk[32],
			const void *info, size_t info_len)
{
	crypto_auth_hmacsha256_state st;
	uint8_t t[32], n = 0;

	while (len) {
		size_t take = len < sizeof(t) ? len : sizeof(t);

		crypto_auth_hmacsha256_init(&st, prk, 32);
		if (n)
			crypto_auth_hmacsha256_update(&st, t, sizeof(t));
		if (info_len)
			crypto_auth_hmacsha256_update(&st, info, info_len);
		n++;
		crypto_auth_hmacsha256_update(&st, &n, 1);
		crypto_auth_hmacsha256_final(&st, t);
		memcpy(out, t, take);
		out += take;
		len -= take;
	}
	sotto_wipe(t, sizeof(t));
	sotto_wipe(&st, sizeof(st));
}

void sotto_hkdf(void *out, size_t len, const void *salt, size_t salt_len,
		const void *ikm, size_t ikm_len,
		const void *info, size_t info_len)
{
	crypto_auth_hmacsha256_state st;
	uint8_t prk[32];

	crypto_auth_hmacsha256_init(&st, salt, salt_len);
	if (ikm_len)
		crypto_auth_hmacsha256_update(&st, ikm, ikm_len);
	crypto_auth_hmacsha256_final(&st, prk);
	hkdf_expand(out, len, prk, info, info_len);
	sotto_wipe(prk, sizeof(prk));
	sotto_wipe(&st, sizeof(st));
}

static void put_addr(struct sotto_wbuf *w, const struct sotto_addr *a)
{
	sotto_put_u8(w, a->len);
	sotto_put_bytes(w, a->b, a->len);
}

static void put_addrs(struct sotto_wbuf *w, const struct sotto_addrs *as)
{
	int i;

	sotto_put_u8(w, as->n);
	for (i = 0; i < as->n; i++)
		put_addr(w, &as->a[i]);
}

static void put_routes(struct sotto_wbuf *w, const struct sotto_prefixes *ps)
{
	int i;

	sotto_put_u8(w, ps->n);
	for (i = 0; i < ps->n; i++) {
		sotto_put_u8(w, ps->p[i].plen);
		put_addr(w, &ps->p[i].addr);
	}
}

static void put_name(struct sotto_wbuf *w, const char *name)
{
	size_t len = strnlen(name, SOTTO_NAME_MAX);

	sotto_put_u8(w, len);
	sotto_put_bytes(w, name, len);
}

static void put_life(struct sotto_wbuf *w, const struct sotto_lifetimes *life)
{
	sotto_put_u32(w, life->soft_s);
	sotto_put_u32(w, life->hard_s);
	sotto_put_u64(w, life->soft_packets);
	sotto_put_u64(w, life->hard_packets);
	sotto_put_u64(w, life->soft_bytes);
	sotto_put_u64(w, life->hard_bytes);
}

void sotto_session_encode(const struct sotto_session_input *in,
			  struct sotto_wbuf *w)
{
	const struct sotto_party *a = &in->a, *b = &in->b;

	sotto_put_bytes(w, SESSION_LABEL, strlen(SESSION_LABEL));
	sotto_put_u8(w, SOTTO_PROTO_VERSION);
	sotto_put_bytes(w, in->realm_key, SOTTO_PUB_LEN);
	sotto_put_u64(w, in->session_id);
	put_name(w, a->name);
	put_name(w, b->name);
	sotto_put_bytes(w, a->static_pub, SOTTO_PUB_LEN);
	sotto_put_bytes(w, b->static_pub, SOTTO_PUB_LEN);
	sotto_put_bytes(w, a->eph_pub, SOTTO_PUB_LEN);
	sotto_put_bytes(w, b->eph_pub, SOTTO_PUB_LEN);
	sotto_put_u32(w, a->spi);
	sotto_put_u32(w, b->spi);
	put_addr(w, &in->dst);
	put_addrs(w, &a->addrs);
	put_addrs(w, &b->addrs);
	sotto_put_u8(w, in->offered.n);
	sotto_put_bytes(w, in->offered.c, in->offered.n);
	sotto_put_u8(w, in->cipher);
	put_life(w, &in->life);
	if (in->mode == SOTTO_MODE_TRANSPORT)
		return;
	sotto_put_u8(w, in->mode);
	put_routes(w, &a->routes);
	put_routes(w, &b->routes);
}

/* DH(eA,eB) || DH(sA,eB) || DH(eA,sB), whichever end we are. */
static int session_dh(const struct sotto_session_input *in, bool is_a,
		      const uint8_t *s, const uint8_t *e, uint8_t ikm[96])
{
	const struct sotto_party *peer = is_a ? &in->b : &in->a;
	int rc = noise_dh(ikm, e, peer->eph_pub);

	if (!rc)
		rc = is_a ? noise_dh(ikm + 32, s, peer->eph_pub) :
			    noise_dh(ikm + 32, e, peer->static_pub);
	if (!rc)
		rc = is_a ? noise_dh(ikm + 64, e, peer->static_pub) :
			    noise_dh(ikm + 64, s, peer->eph_pub);
	return rc;
}

int sotto_session_keys(const struct sotto_session_input *in, bool is_a,
		       const uint8_t static_priv[SOTTO_SECRET_LEN],
		       const uint8_t eph_priv[SOTTO_SECRET_LEN],
		       struct sotto_session_keys *out)
{
	uint8_t ikm[96], info[32], enc[SOTTO_ENCODING_MAX];
	struct sotto_wbuf w;
	int rc;

	sotto_wbuf_init(&w, enc, sizeof(enc));
	sotto_session_encode(in, &w);
	if (w.err)
		return SOTTO_E_VALUE;
	crypto_hash_sha256(info, enc, w.len);
	rc = session_dh(in, is_a, static_priv, eph_priv, ikm);
	if (!rc)
		sotto_hkdf(out, sizeof(*out), in->seed, sizeof(in->seed),
			   ikm, sizeof(ikm), info, sizeof(info));
	sotto_wipe(ikm, sizeof(ikm));
	return rc;
}
