// SPDX-License-Identifier: GPL-2.0
/*
 * Secrets at rest: XChaCha20-Poly1305 with random nonces.
 */
#include "seal.h"

#include <string.h>

#include "err.h"
#include "kdf.h"
#include "secret.h"

#define SEAL_LABEL	"sotto storage v1"
#define NONCE_LEN	crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

_Static_assert(SEAL_OVERHEAD == NONCE_LEN +
	       crypto_aead_xchacha20poly1305_ietf_ABYTES, "overhead");

void seal_key_derive(struct seal_key *key,
		     const uint8_t realm_priv[SOTTO_SECRET_LEN])
{
	memset(key, 0, sizeof(*key));
	sotto_hkdf(key->k, sizeof(key->k), SEAL_LABEL, strlen(SEAL_LABEL),
		   realm_priv, SOTTO_SECRET_LEN, NULL, 0);
}

int seal(const struct seal_key *key, const char *what, const void *in,
	  size_t len, uint8_t *out)
{
	if (key->remote)
		return key->remote(key->arg, false, what, in, len, out);
	randombytes_buf(out, NONCE_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, in,
		len, (const uint8_t *)what, strlen(what), NULL, out, key->k);
	return 0;
}

int unseal(const struct seal_key *key, const char *what, const uint8_t *in,
	   size_t in_len, void *out, size_t len)
{
	if (in_len != len + SEAL_OVERHEAD)
		return SOTTO_E_AUTH;
	if (key->remote)
		return key->remote(key->arg, true, what, in, in_len, out);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
			in + NONCE_LEN, in_len - NONCE_LEN,
			(const uint8_t *)what, strlen(what), in, key->k))
		return SOTTO_E_AUTH;
	return 0;
}
