// SPDX-License-Identifier: GPL-2.0
/*
 * Resumption: an association from a ticket, without public keys. Fresh nonces of
 * both ends, the ticket's secret, and the token's answer over the nonces make the
 * keys; the whole RESUME goes in, so that none of it can be changed.
 */
#include <string.h>

#include "buf.h"
#include "err.h"
#include "handshake_wire.h"
#include "kdf.h"
#include "secret.h"

#define HASH_LABEL	"sotto resumption v1"
#define PSK_LABEL	"sotto resumption psk v1"
#define KEYS_LABEL	"sotto resumption keys v1"

#define RESUMED_HEAD	(OUTER_LEN + RESUME_NONCE)

/* confirmation, to the server, to the agent */
#define KEYS_LEN	(3 * NOISE_KEY_LEN)

static int resume_psk(struct sotto_token *token, const uint8_t *nonce_a,
		      const uint8_t *nonce_s, uint8_t psk[32])
{
	uint8_t in[sizeof(PSK_LABEL) - 1 + 2 * RESUME_NONCE];

	memcpy(in, PSK_LABEL, sizeof(PSK_LABEL) - 1);
	memcpy(in + sizeof(PSK_LABEL) - 1, nonce_a, RESUME_NONCE);
	memcpy(in + sizeof(PSK_LABEL) - 1 + RESUME_NONCE, nonce_s,
	       RESUME_NONCE);
	return sotto_token_hmac(token, in, sizeof(in), psk);
}

int sotto_hs_resume_keys(const uint8_t *resume, size_t len,
			 const uint8_t nonce[32],
			 const uint8_t secret[SOTTO_SECRET_LEN],
			 struct sotto_token *token, uint8_t out[96])
{
	uint8_t ikm[SOTTO_SECRET_LEN + 32], salt[32];
	crypto_generichash_state st;
	int rc;

	crypto_generichash_init(&st, NULL, 0, sizeof(salt));
	crypto_generichash_update(&st, (const uint8_t *)HASH_LABEL,
				  sizeof(HASH_LABEL) - 1);
	crypto_generichash_update(&st, resume, len - INIT_TAIL);
	crypto_generichash_update(&st, nonce, RESUME_NONCE);
	crypto_generichash_final(&st, salt, sizeof(salt));
	memcpy(ikm, secret, SOTTO_SECRET_LEN);
	rc = resume_psk(token, resume + OUTER_LEN, nonce,
			ikm + SOTTO_SECRET_LEN);
	if (!rc)
		sotto_hkdf(out, KEYS_LEN, salt, sizeof(salt), ikm, sizeof(ikm),
			   KEYS_LABEL, sizeof(KEYS_LABEL) - 1);
	sotto_wipe(ikm, sizeof(ikm));
	return rc;
}

int sotto_hs_client_resume(struct sotto_hs_client *c,
			   const uint8_t server_key[SOTTO_PUB_LEN],
			   const struct sotto_ticket *ticket,
			   const uint8_t secret[SOTTO_SECRET_LEN],
			   struct sotto_token *token, uint32_t features)
{
	struct sotto_wbuf w;

	memset(c, 0, sizeof(*c));
	if (ticket->n < SOTTO_TICKET_MIN || ticket->n > SOTTO_TICKET_MAX)
		return SOTTO_E_VALUE;
	c->kind = SOTTO_HS_RESUME;
	c->token = token;
	c->index = randombytes_random();
	memcpy(c->code_psk, secret, SOTTO_SECRET_LEN);
	sotto_hs_mac_key(server_key, c->mac_key);
	sotto_put_outer(c->dgram, SOTTO_DGRAM_RESUME, 0, c->index);
	randombytes_buf(c->dgram + OUTER_LEN, RESUME_NONCE);
	sotto_wbuf_init(&w, c->dgram + OUTER_LEN + RESUME_NONCE, 4);
	sotto_put_u32(&w, features);
	memcpy(c->dgram + OUTER_LEN + RESUME_NONCE + 4, ticket->b, ticket->n);
	sotto_put_tail(c, RESUME_FIXED - INIT_TAIL + ticket->n);
	return 0;
}

static int open_resumed(const uint8_t *confirm, const uint8_t *dgram,
			size_t len, struct sotto_msg *m)
{
	uint8_t body[SOTTO_HS_BODY_MAX];
	size_t n = len - RESUMED_HEAD;

	if (n < NOISE_TAG_LEN || n > sizeof(body) + NOISE_TAG_LEN)
		return SOTTO_E_BAD;
	if (noise_open(confirm, 0, dgram, RESUMED_HEAD, dgram + RESUMED_HEAD,
		       n, body))
		return SOTTO_E_AUTH;
	return sotto_msg_decode(m, SOTTO_MSG_ASSOC_RESP, body,
				n - NOISE_TAG_LEN);
}

int sotto_hs_resumed(struct sotto_hs_client *c, const uint8_t *dgram,
		     size_t len, struct sotto_chan_keys *keys)
{
	uint8_t k[KEYS_LEN];
	struct sotto_msg m;
	int rc;

	if (len < RESUMED_HEAD)
		return SOTTO_E_SHORT;
	rc = sotto_hs_resume_keys(c->dgram, c->len, dgram + OUTER_LEN,
				  c->code_psk, c->token, k);
	if (!rc)
		rc = open_resumed(k, dgram, len, &m);
	if (!rc) {
		memcpy(keys->tx, k + NOISE_KEY_LEN, NOISE_KEY_LEN);
		memcpy(keys->rx, k + 2 * NOISE_KEY_LEN, NOISE_KEY_LEN);
		keys->remote_index = m.assoc_resp.index;
		keys->features = m.assoc_resp.features & SOTTO_FEATURES;
	}
	sotto_wipe(k, sizeof(k));
	return rc;
}

static size_t seal_resumed(const uint8_t *confirm, uint8_t *out,
			   const struct sotto_chan_keys *keys)
{
	struct sotto_msg m = { .type = SOTTO_MSG_ASSOC_RESP };
	uint8_t body[SOTTO_HS_BODY_MAX];
	size_t len = 0;

	m.assoc_resp.features = keys->features;
	m.assoc_resp.index = keys->local_index;
	if (sotto_msg_encode(&m, body, sizeof(body), &len))
		return 0;
	noise_seal(confirm, 0, out, RESUMED_HEAD, body, len,
		   out + RESUMED_HEAD);
	return RESUMED_HEAD + len + NOISE_TAG_LEN;
}

int sotto_hs_server_resume(const struct sotto_init_view *v,
			   const uint8_t secret[SOTTO_SECRET_LEN],
			   struct sotto_token *token, uint32_t local_index,
			   uint8_t out[SOTTO_DGRAM_MAX], size_t *len,
			   struct sotto_chan_keys *keys)
{
	uint8_t k[KEYS_LEN];
	int rc;

	sotto_put_outer(out, SOTTO_DGRAM_RESUMED, 0, v->index);
	randombytes_buf(out + OUTER_LEN, RESUME_NONCE);
	rc = sotto_hs_resume_keys(v->dgram, v->len, out + OUTER_LEN, secret,
				  token, k);
	if (rc)
		return rc;
	memcpy(keys->rx, k + NOISE_KEY_LEN, NOISE_KEY_LEN);
	memcpy(keys->tx, k + 2 * NOISE_KEY_LEN, NOISE_KEY_LEN);
	keys->local_index = local_index;
	keys->remote_index = v->index;
	keys->features = v->features & SOTTO_FEATURES;
	*len = seal_resumed(k, out, keys);
	sotto_wipe(k, sizeof(k));
	return *len ? 0 : SOTTO_E_INTERNAL;
}
