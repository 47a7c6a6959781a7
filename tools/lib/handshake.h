/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Datagrams of the control port: their outer form, and the handshake both ways.
 * No sockets and no timers: the caller sends, and gives the time.
 */
#ifndef SOTTO_HANDSHAKE_H
#define SOTTO_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "params.h"
#include "noise.h"
#include "proto.h"
#include "token.h"

/* First byte of a datagram. */
enum sotto_dgram {
	SOTTO_DGRAM_INIT = 1,		/* agent -> server: Noise message 1 */
	SOTTO_DGRAM_RESP = 2,		/* server -> agent: Noise message 2 */
	SOTTO_DGRAM_DATA = 3,		/* both: sealed */
	SOTTO_DGRAM_COOKIE = 4,		/* server -> agent: prove your address */
	SOTTO_DGRAM_HINT = 5,		/* server -> agent: unauthenticated error */
	SOTTO_DGRAM_RESUME = 6,		/* agent -> server: a ticket instead of INIT */
	SOTTO_DGRAM_RESUMED = 7,	/* server -> agent */
};

/* DATA: type, version, 0, 0, index, counter; a sealed frame is never empty. */
#define SOTTO_DATA_HEADER	16	/* bytes */
#define SOTTO_DATA_MIN		(SOTTO_DATA_HEADER + 8 + SOTTO_TAG_LEN)

/* Third byte of INIT. RESUME has 0 there. */
enum sotto_hs_kind {
	SOTTO_HS_RESUME = 0,		/* by a ticket, without public keys */
	SOTTO_HS_MEMBER = 1,		/* psk: answer of the member's token */
	SOTTO_HS_ENROL = 2,		/* psk: from the one-time code */
};

/* Third byte of HINT. A hint never changes state, it only explains. */
enum sotto_hint {
	SOTTO_HINT_KEY = 1,		/* not addressed to this server's key */
	SOTTO_HINT_VERSION = 2,		/* version not supported; see min and max */
	SOTTO_HINT_REFUSED = 3,		/* this key or code is not known here */
	SOTTO_HINT_INDEX = 4,		/* no such association: make a new one */
	SOTTO_HINT_BUSY = 5,		/* too many attempts: come back later */
	SOTTO_HINT_REVOKED = 6,		/* this key's member was revoked */
};

const char *sotto_hint_name(unsigned int hint);	/* "wrong-server-key", … */
const char *sotto_hint_text(unsigned int hint);

/** struct sotto_chan_keys - what a handshake yields; secret. */
struct sotto_chan_keys {
	uint8_t tx[NOISE_KEY_LEN], rx[NOISE_KEY_LEN];
	uint32_t local_index;		/* in datagrams to us */
	uint32_t remote_index;		/* in datagrams to the other */
	uint32_t features;		/* in effect */
};

/* ---- agent's side ---- */

/** struct sotto_hs_client - one handshake; secret, wipe when done. */
struct sotto_hs_client {
	struct noise_hs noise;
	enum sotto_hs_kind kind;
	struct sotto_token *token;	/* borrowed */
	uint8_t code_psk[SOTTO_SECRET_LEN]; /* or the ticket's secret */
	uint8_t mac_key[32];
	uint32_t index;
	uint8_t dgram[SOTTO_DGRAM_MAX];	/* INIT, to be sent and repeated as is */
	size_t len;
};

/**
 * sotto_hs_client_member() - begin a member's handshake
 * @token stays the caller's and must outlive the handshake.
 * Then send c->dgram (c->len bytes), and repeat it by SOTTO_HS_RETRY_*.
 */
int sotto_hs_client_member(struct sotto_hs_client *c,
			   const uint8_t server_key[SOTTO_PUB_LEN],
			   const uint8_t static_priv[SOTTO_SECRET_LEN],
			   struct sotto_token *token, uint32_t features);

/** sotto_hs_client_enrol() - begin an enrolment with a one-time code. */
int sotto_hs_client_enrol(struct sotto_hs_client *c,
			  const uint8_t server_key[SOTTO_PUB_LEN],
			  const uint8_t static_priv[SOTTO_SECRET_LEN],
			  const uint8_t code[SOTTO_CODE_LEN], uint32_t features);

/**
 * sotto_hs_client_resume() - begin with a ticket, as hello-ack brought it
 * HINT not-known then means that the ticket is not taken: begin a full one.
 */
int sotto_hs_client_resume(struct sotto_hs_client *c,
			   const uint8_t server_key[SOTTO_PUB_LEN],
			   const struct sotto_ticket *ticket,
			   const uint8_t secret[SOTTO_SECRET_LEN],
			   struct sotto_token *token, uint32_t features);

enum sotto_hs_event {
	SOTTO_HS_IGNORED,	/* not for this handshake, or forged */
	SOTTO_HS_DONE,		/* keys are set; the client is wiped */
	SOTTO_HS_RESEND,	/* a cookie was put in: send dgram again at once */
	SOTTO_HS_HINTED,	/* *hint is set; go on repeating, slowly */
	SOTTO_HS_FAILED,	/* the server's answer does not open: wrong token secret */
};

/**
 * struct sotto_hs_result - of sotto_hs_client_input()
 * @ver_min, @ver_max: with SOTTO_HINT_VERSION
 */
struct sotto_hs_result {
	struct sotto_chan_keys keys;
	enum sotto_hint hint;
	uint8_t ver_min, ver_max;
};

/** sotto_hs_client_input() - give it each datagram that is not DATA. A forged
 * RESP is SOTTO_HS_FAILED too, and leaves the handshake able to take the next.
 */
enum sotto_hs_event sotto_hs_client_input(struct sotto_hs_client *c,
					  const uint8_t *dgram, size_t len,
					  struct sotto_hs_result *res);

void sotto_hs_client_wipe(struct sotto_hs_client *c);

/* ---- server's side ---- */

/** struct sotto_cookies - secret of the stateless cookies, and its forerunner. */
struct sotto_cookies {
	uint8_t secret[2][32];
	uint64_t since_ms;
};

void sotto_cookies_init(struct sotto_cookies *ck, uint64_t now_ms);
void sotto_cookie_make(struct sotto_cookies *ck, uint64_t now_ms,
		       const struct sotto_addr *addr, uint16_t port,
		       uint8_t out[SOTTO_COOKIE_LEN]);
bool sotto_cookie_valid(struct sotto_cookies *ck, uint64_t now_ms,
			const struct sotto_addr *addr, uint16_t port,
			const uint8_t cookie[SOTTO_COOKIE_LEN]);

/** struct sotto_init_view - an INIT or RESUME taken apart; points into the
 * datagram.
 */
struct sotto_init_view {
	const uint8_t *dgram;
	size_t len;
	uint8_t version, kind;
	uint32_t index;			/* the agent's */
	const uint8_t *noise;		/* INIT */
	size_t noise_len;
	uint32_t features;		/* RESUME */
	const uint8_t *ticket;
	size_t ticket_len;
	const uint8_t *echo;		/* SOTTO_ECHO_LEN bytes of its ephemeral */
	const uint8_t *mac, *cookie;
	bool former;			/* server: it is for the key before the present one */
};

/** sotto_init_parse() - 0, SOTTO_E_SHORT, SOTTO_E_BAD or SOTTO_E_VERSION
 * (then only version, index and echo are set).
 */
int sotto_init_parse(struct sotto_init_view *v, const uint8_t *dgram,
		     size_t len);

/** sotto_hs_mac_key() - key of INIT's mac, from the server's public key. */
void sotto_hs_mac_key(const uint8_t server_key[SOTTO_PUB_LEN],
		      uint8_t key[32]);
bool sotto_init_mac_valid(const struct sotto_init_view *v,
			  const uint8_t mac_key[32]);

/**
 * sotto_hs_server_read() - public-key work begins here: open message 1
 * @hs: noise_init()ed here; hs->rs is the agent's static key afterwards
 */
int sotto_hs_server_read(struct noise_hs *hs, const struct sotto_init_view *v,
			 const uint8_t server_priv[SOTTO_SECRET_LEN],
			 struct sotto_msg *init);

/** sotto_hs_server_read_by() - the same; another has the private key. */
int sotto_hs_server_read_by(struct noise_hs *hs,
			    const struct sotto_init_view *v,
			    const uint8_t server_key[SOTTO_PUB_LEN],
			    noise_dh_fn dh, void *dh_arg,
			    struct sotto_msg *init);

/** sotto_hs_server_member(), _enrol() - where the psk comes from. @token and
 * @psk stay the caller's and must last until sotto_hs_server_write().
 */
void sotto_hs_server_member(struct noise_hs *hs, struct sotto_token *token);
void sotto_hs_server_enrol(struct noise_hs *hs,
			   const uint8_t psk[SOTTO_SECRET_LEN]);

/**
 * sotto_hs_server_write() - message 2 and the keys; wipes @hs
 * @local_index: what the agent will put into its DATA
 */
int sotto_hs_server_write(struct noise_hs *hs, uint32_t agent_index,
			  uint32_t local_index, uint32_t features,
			  uint8_t out[SOTTO_DGRAM_MAX], size_t *len,
			  struct sotto_chan_keys *keys);

/**
 * sotto_hs_server_resume() - RESUMED and the keys, from what the ticket held
 * @secret: the ticket's; @token: the member's. No public-key work.
 */
int sotto_hs_server_resume(const struct sotto_init_view *v,
			   const uint8_t secret[SOTTO_SECRET_LEN],
			   struct sotto_token *token, uint32_t local_index,
			   uint8_t out[SOTTO_DGRAM_MAX], size_t *len,
			   struct sotto_chan_keys *keys);

/** sotto_hs_resume_keys() - resume.c: what both ends derive; 3 keys. */
int sotto_hs_resume_keys(const uint8_t *resume, size_t len,
			 const uint8_t nonce[32],
			 const uint8_t secret[SOTTO_SECRET_LEN],
			 struct sotto_token *token, uint8_t out[96]);
/** sotto_hs_resumed() - resume.c: the agent takes RESUMED. */
int sotto_hs_resumed(struct sotto_hs_client *c, const uint8_t *dgram,
		     size_t len, struct sotto_chan_keys *keys);

/** sotto_cookie_dgram(), sotto_hint_dgram() - @out holds SOTTO_SMALL_MAX bytes;
 * return the length. Both are shorter than what they answer.
 */
#define SOTTO_SMALL_MAX	40
size_t sotto_cookie_dgram(uint8_t *out, uint32_t agent_index,
			  const uint8_t echo[SOTTO_ECHO_LEN],
			  const uint8_t cookie[SOTTO_COOKIE_LEN]);
size_t sotto_hint_dgram(uint8_t *out, enum sotto_hint hint, uint32_t index,
			const uint8_t echo[SOTTO_ECHO_LEN]);

/* ---- one-time codes ---- */

/** sotto_code_derive() - id and psk of a code; neither gives the code back. */
void sotto_code_derive(const uint8_t code[SOTTO_CODE_LEN],
		       uint8_t id[SOTTO_CODE_ID_LEN],
		       uint8_t psk[SOTTO_SECRET_LEN]);

/* ---- any datagram ---- */

/**
 * sotto_dgram_index() - receiver index of RESP, DATA, COOKIE and HINT
 * Returns the datagram's type, or 0 for anything malformed or of another
 * version; INIT has no receiver index.
 */
enum sotto_dgram sotto_dgram_index(const uint8_t *dgram, size_t len,
				   uint32_t *index);

/**
 * sotto_hint_parse() - take a HINT apart; false if it is malformed
 * It is unauthenticated: only an @echo of what was really sent makes it worth
 * anything (sotto_sent_last()).
 */
bool sotto_hint_parse(const uint8_t *dgram, size_t len, enum sotto_hint *hint,
		      uint8_t echo[SOTTO_ECHO_LEN], uint8_t *ver_min,
		      uint8_t *ver_max);

/** struct sotto_sent - the DATA that was sent last, as a hint echoes it. */
struct sotto_sent {
	bool any;
	uint8_t echo[SOTTO_ECHO_LEN];
};

void sotto_sent_keep(struct sotto_sent *s, const uint8_t *dgram);
bool sotto_sent_last(const struct sotto_sent *s,
		     const uint8_t echo[SOTTO_ECHO_LEN]);

#endif /* SOTTO_HANDSHAKE_H */
