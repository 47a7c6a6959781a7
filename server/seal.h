/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Secrets at rest: sealed under a key derived from the realm's private key, so
 * that the database alone (a backup, a stolen file) gives none of them away.
 */
#ifndef SOTTO_SEAL_H
#define SOTTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "params.h"

#define SEAL_OVERHEAD	(24 + 16)	/* bytes: nonce and tag */

/** struct seal_key - the key, or who has it. */
struct seal_key {
	uint8_t k[32];
	/* NULL: k it is. Else asked to seal or to @open; 0 or an error. */
	int (*remote)(void *arg, bool open, const char *what, const void *in,
		      size_t len, void *out);
	void *arg;
};

/** seal_key_derive() - from the realm's private key. */
void seal_key_derive(struct seal_key *key,
		     const uint8_t realm_priv[SOTTO_SECRET_LEN]);

/** seal() - @out holds @len + SEAL_OVERHEAD; @what binds it to its place.
 * Fails only where another process has the key.
 */
int seal(const struct seal_key *key, const char *what, const void *in,
	  size_t len, uint8_t *out);

/** unseal() - exactly @len bytes; 0 or SOTTO_E_AUTH. */
int unseal(const struct seal_key *key, const char *what, const uint8_t *in,
	   size_t in_len, void *out, size_t len);

#endif /* SOTTO_SEAL_H */
