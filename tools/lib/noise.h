/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Noise (revision 34) handshakes over X25519, ChaCha20-Poly1305 and BLAKE2b:
 * the two-message patterns IK, IKpsk2 and KK.
 *
 * A failed call leaves the handshake unusable: wipe it. All-zero Diffie-Hellman
 * results are refused.
 */
#ifndef SOTTO_NOISE_H
#define SOTTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_KEY_LEN	32	/* bytes: X25519 keys, cipher keys, psk */
#define NOISE_HASH_LEN	64	/* bytes: BLAKE2b */
#define NOISE_TAG_LEN	16	/* bytes */

enum noise_pattern {
	NOISE_IK,
	NOISE_IKPSK2,
	NOISE_KK,
};

/**
 * typedef noise_psk_fn - supplies the psk when its token is processed
 * By then both ephemerals and the peer's static key are known, so that the psk
 * can be an answer to a challenge over them. Returns 0 or a negative error,
 * which fails the handshake.
 */
typedef int (*noise_psk_fn)(void *arg, const uint8_t e_init[NOISE_KEY_LEN],
			    const uint8_t e_resp[NOISE_KEY_LEN],
			    const uint8_t peer_static[NOISE_KEY_LEN],
			    uint8_t psk[NOISE_KEY_LEN]);

/**
 * typedef noise_dh_fn - X25519 of a private key that is elsewhere
 * Returns 0 or a negative error, also for an all-zero result.
 */
typedef int (*noise_dh_fn)(void *arg, const uint8_t pub[NOISE_KEY_LEN],
			   uint8_t out[NOISE_KEY_LEN]);

/** struct noise_hs - one handshake; secret, wipe with noise_wipe(). */
struct noise_hs {
	enum noise_pattern pattern;
	bool initiator;
	bool has_key;
	uint8_t step;			/* messages done, 0-2 */
	uint64_t n;
	uint8_t h[NOISE_HASH_LEN];
	uint8_t ck[NOISE_HASH_LEN];
	uint8_t k[NOISE_KEY_LEN];
	uint8_t s[NOISE_KEY_LEN], s_pub[NOISE_KEY_LEN];
	uint8_t e[NOISE_KEY_LEN], e_pub[NOISE_KEY_LEN];
	uint8_t rs[NOISE_KEY_LEN], re[NOISE_KEY_LEN];
	noise_psk_fn psk;
	void *psk_arg;
	noise_dh_fn static_dh;		/* NULL: s has the static private key */
	void *static_arg;
};

/**
 * noise_init() - begin
 * @s: own static private key
 * @rs: peer's static public key; NULL for an IK responder
 * A fresh ephemeral key is made when first needed.
 */
int noise_init(struct noise_hs *hs, enum noise_pattern pattern, bool initiator,
	       const void *prologue, size_t prologue_len,
	       const uint8_t s[NOISE_KEY_LEN], const uint8_t *rs);

/** noise_init_by() - as an IK responder whose static private key is elsewhere. */
int noise_init_by(struct noise_hs *hs, enum noise_pattern pattern,
		  const void *prologue, size_t prologue_len,
		  const uint8_t s_pub[NOISE_KEY_LEN], noise_dh_fn dh,
		  void *dh_arg);

/** noise_set_psk() - where IKpsk2's psk will come from. */
void noise_set_psk(struct noise_hs *hs, noise_psk_fn fn, void *arg);

/** noise_set_ephemeral() - a fixed ephemeral, for published vectors only. */
int noise_set_ephemeral(struct noise_hs *hs, const uint8_t e[NOISE_KEY_LEN]);

/** noise_write() - make the next message; SOTTO_E_STATE if it is not our turn. */
int noise_write(struct noise_hs *hs, const void *payload, size_t len,
		void *out, size_t cap, size_t *out_len);

/**
 * noise_read() - take the next message
 * Returns SOTTO_E_AUTH when it does not open, SOTTO_E_SHORT, SOTTO_E_SPACE,
 * SOTTO_E_STATE, SOTTO_E_CRYPTO (all-zero result) or the psk callback's error.
 */
int noise_read(struct noise_hs *hs, const void *in, size_t len,
	       void *payload, size_t cap, size_t *payload_len);

/** noise_split() - both messages done: transport keys. Wipes the handshake. */
int noise_split(struct noise_hs *hs, uint8_t tx[NOISE_KEY_LEN],
		uint8_t rx[NOISE_KEY_LEN]);

void noise_wipe(struct noise_hs *hs);

/** noise_seal() - transport message number @n; @out holds @len + 16. */
void noise_seal(const uint8_t key[NOISE_KEY_LEN], uint64_t n,
		const void *ad, size_t ad_len,
		const void *in, size_t len, void *out);

/** noise_open() - the reverse; @len includes the tag. 0 or SOTTO_E_AUTH. */
int noise_open(const uint8_t key[NOISE_KEY_LEN], uint64_t n,
	       const void *ad, size_t ad_len,
	       const void *in, size_t len, void *out);

/** noise_dh() - X25519; SOTTO_E_CRYPTO for an all-zero result. */
int noise_dh(uint8_t out[NOISE_KEY_LEN], const uint8_t priv[NOISE_KEY_LEN],
	     const uint8_t pub[NOISE_KEY_LEN]);

/** noise_keypair() - fresh X25519 key pair. */
void noise_keypair(uint8_t priv[NOISE_KEY_LEN], uint8_t pub[NOISE_KEY_LEN]);

#endif /* SOTTO_NOISE_H */
