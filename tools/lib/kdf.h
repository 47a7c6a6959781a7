/* SPDX-License-Identifier: GPL-2.0 */
/*
 * HKDF-SHA256 (RFC 5869) and the session key schedule
 * (Documentation/protocol.md, "Session keys").
 */
#ifndef SOTTO_KDF_H
#define SOTTO_KDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "buf.h"
#include "params.h"
#include "proto.h"

/** sotto_hkdf() - extract and expand; @len at most 255 * 32. */
void sotto_hkdf(void *out, size_t len, const void *salt, size_t salt_len,
		const void *ikm, size_t ikm_len,
		const void *info, size_t info_len);

/** struct sotto_party - one end of a session. */
struct sotto_party {
	char name[SOTTO_NAME_MAX];
	uint8_t static_pub[SOTTO_PUB_LEN];
	uint8_t eph_pub[SOTTO_PUB_LEN];
	uint32_t spi;			/* of packets to this party */
	struct sotto_addrs addrs;
	struct sotto_prefixes routes;	/* tunnel mode: networks behind it */
};

/**
 * struct sotto_session_input - all that the keys of a session depend on
 * @a: the party that asked, @b: the other
 * @dst: the address that A asked for
 */
struct sotto_session_input {
	uint8_t realm_key[SOTTO_PUB_LEN];
	uint8_t seed[SOTTO_SECRET_LEN];
	uint64_t session_id;
	struct sotto_party a, b;
	struct sotto_addr dst;
	struct sotto_ciphers offered;
	uint8_t cipher;
	struct sotto_lifetimes life;
	uint8_t mode;			/* enum sotto_session_mode */
};

/** struct sotto_session_keys - key and salt of each direction; wipe after use. */
struct sotto_session_keys {
	uint8_t key_ab[SOTTO_KEY_LEN], salt_ab[SOTTO_SALT_LEN];
	uint8_t key_ba[SOTTO_KEY_LEN], salt_ba[SOTTO_SALT_LEN];
};

/** SOTTO_ENCODING_MAX - bytes that hold any canonical encoding. */
#define SOTTO_ENCODING_MAX	2048

/** sotto_session_encode() - the canonical encoding whose SHA-256 is the info. */
void sotto_session_encode(const struct sotto_session_input *in,
			  struct sotto_wbuf *w);

/**
 * sotto_session_keys() - derive
 * @is_a: which party we are; @static_priv and @eph_priv are ours
 * Returns 0, SOTTO_E_CRYPTO (all-zero Diffie-Hellman) or SOTTO_E_VALUE.
 */
int sotto_session_keys(const struct sotto_session_input *in, bool is_a,
		       const uint8_t static_priv[SOTTO_SECRET_LEN],
		       const uint8_t eph_priv[SOTTO_SECRET_LEN],
		       struct sotto_session_keys *out);

#endif /* SOTTO_KDF_H */
