/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every limit and time of the control channel, once, with its unit.
 *
 * What crosses the wire is also stated in Documentation/protocol.md.
 * Those that the kernel knows too come from its header.
 */
#ifndef SOTTO_PARAMS_H
#define SOTTO_PARAMS_H

#include <linux/sotto.h>

#define SOTTO_PROTO_VERSION	1

/* Sizes on the wire, bytes. */
#define SOTTO_PUB_LEN		32	/* X25519 public key */
#define SOTTO_SECRET_LEN	32	/* static key, token secret, psk, seed */
#define SOTTO_CODE_LEN		16	/* one-time code */
#define SOTTO_CODE_ID_LEN	16	/* what names a code to the server */
#define SOTTO_COOKIE_LEN	16
#define SOTTO_MAC_LEN		16
#define SOTTO_TAG_LEN		16	/* ChaCha20-Poly1305 */
#define SOTTO_ECHO_LEN		16	/* of the datagram that is answered */
#define SOTTO_DGRAM_MAX		1232	/* UDP payload: fits IPv6's 1280 */
#define SOTTO_BODY_MAX		1192	/* encoded message, sealed into one datagram */
#define SOTTO_HS_BODY_MAX	256	/* message inside a handshake */
#define SOTTO_TICKET_MIN	32	/* resumption ticket, opaque to agents */
#define SOTTO_TICKET_MAX	160

/* Counts inside one message. */
#define SOTTO_CIPHERS_MAX	4
#define SOTTO_LIVE_MAX		26	/* live sessions in one LIVE message */
#define SOTTO_IDS_MAX		128	/* session ids in one message */
#define SOTTO_POLICIES_MAX	52	/* prefixes in one POLICY message */
#define SOTTO_ROUTES_MAX	8	/* networks behind one member */
#define SOTTO_VIAS_MAX		2	/* gateways named in one POLICY message */
#define SOTTO_TEXT_MAX		160	/* bytes of a text for people, with the NUL */

/* Sealed channel. */
#define SOTTO_REPLAY_WINDOW	512	/* datagrams, power of two */
#define SOTTO_CALLS_MAX		256	/* unanswered requests, per direction */
#define SOTTO_ANSWERS_MAX	256	/* remembered answers */
#define SOTTO_ANSWER_KEEP_MS	15000	/* an answer can be repeated that long */
#define SOTTO_WORK_KEEP_MS	60000	/* a request must be answered within that */
#define SOTTO_RETRY_FIRST_MS	300	/* then doubled each time, +-25 % */
#define SOTTO_RETRY_MAX_MS	600
#define SOTTO_CALL_MS		10000	/* a request's usual deadline */
#define SOTTO_COUNTER_MAX	(UINT64_MAX - (1ull << 32)) /* then no more sealing */

/* Handshake. */
#define SOTTO_HS_RETRY_FIRST_MS	500	/* message 1, then doubled, +-25 % */
#define SOTTO_HS_RETRY_MAX_MS	8000
#define SOTTO_HALF_OPEN_MS	10000	/* server: unconfirmed handshakes die */
#define SOTTO_COOKIE_MS		120000	/* server: cookie secret changes */
#define SOTTO_HINT_MS		1000	/* agent: acts on one hint per so long */

#define SOTTO_RESUME_MS		1500	/* agent: then a full handshake instead */
#define SOTTO_TICKET_S		86400	/* server: a ticket's life at most */
#define SOTTO_TICKET_KEY_S	43200	/* server: tickets' key changes */

/* Association. */
#define SOTTO_KEEPALIVE_MS	20000	/* agent: asks when nothing was heard so long */
#define SOTTO_ASSOC_DEAD_MS	70000	/* server: a silent association ends */
#define SOTTO_ASSOC_REKEY_MS	3600000	/* agent: new handshake, make-before-break */
#define SOTTO_ASSOC_HARD_MS	10800000 /* both: keys are wiped */

/* Session mediation. */
#define SOTTO_OFFER_MS		8000	/* server: B's time to accept */
#define SOTTO_CONFIRM_MS	30000	/* B: an unconfirmed inbound SA dies */
#define SOTTO_GRANT_KEEP_MS	30000	/* server: a grant can be repeated so long */

/* Enrolment. */
#define SOTTO_SERVERS_MAX	8	/* servers in one enrolment line */
#define SOTTO_HOST_MAX		256	/* bytes of a host name, with the NUL */
#define SOTTO_LINE_MAX		2560	/* bytes of an enrolment line, with the NUL */

/* Local sockets, bytes. */
#define SOTTO_USOCK_LINE_MAX	65536	/* one request */
#define SOTTO_USOCK_ANSWER_MAX	(32 << 20) /* one line of an answer */
#define SOTTO_USOCK_OUT_MAX	(32 << 20) /* unsent output per connection */
#define SOTTO_USOCK_CONNS_MAX	64	/* connections */

#endif /* SOTTO_PARAMS_H */
