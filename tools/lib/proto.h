/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of the control channel: types, contents, strict coding.
 *
 * A message is a type and a list of attributes {u8 id, u16 length, value} in
 * ascending order of id, each at most once. Unknown attributes with id >= 128
 * are skipped, below 128 they make the message malformed; a missing mandatory
 * attribute does too. Documentation/protocol.md states it in full.
 */
#ifndef SOTTO_PROTO_H
#define SOTTO_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "params.h"

enum sotto_msg_type {
	/* inside handshakes */
	SOTTO_MSG_ASSOC_INIT = 0x01,
	SOTTO_MSG_ASSOC_RESP = 0x02,
	/* general answers */
	SOTTO_MSG_ACK = 0x08,
	SOTTO_MSG_ERROR = 0x09,
	/* association */
	SOTTO_MSG_HELLO = 0x10,		/* agent asks; HELLO_ACK */
	SOTTO_MSG_HELLO_ACK = 0x11,
	SOTTO_MSG_LIVE = 0x12,		/* agent asks; ACK */
	SOTTO_MSG_KEEPALIVE = 0x13,	/* either asks; ACK */
	SOTTO_MSG_BYE = 0x14,		/* note, either */
	/* registration */
	SOTTO_MSG_REGISTER = 0x20,	/* agent asks; REGISTERED or ERROR */
	SOTTO_MSG_REGISTERED = 0x21,
	/* sessions */
	SOTTO_MSG_SESSION_REQUEST = 0x30, /* agent asks; GRANT or REFUSAL */
	SOTTO_MSG_SESSION_OFFER = 0x31,	/* server asks; ACCEPT or REFUSAL */
	SOTTO_MSG_SESSION_ACCEPT = 0x32,
	SOTTO_MSG_SESSION_GRANT = 0x33,
	SOTTO_MSG_SESSION_REFUSAL = 0x34,
	SOTTO_MSG_SESSION_CLOSE = 0x35,	/* agent asks; ACK */
	SOTTO_MSG_SESSION_GONE = 0x36,	/* server asks; ACK */
	SOTTO_MSG_SESSION_CHECK = 0x38,	/* agent asks; ACK or REFUSAL: would you? */
	SOTTO_MSG_SPI_UNKNOWN = 0x37,	/* agent asks; ACK: a peer uses keys we lack */
	/* policy */
	SOTTO_MSG_POLICY = 0x40,	/* server asks; ACK */
	SOTTO_MSG_POLICY_GET = 0x41,	/* agent asks; ACK, then POLICY */
	/* revocation */
	SOTTO_MSG_PEER_GONE = 0x50,	/* server asks; ACK */
	SOTTO_MSG_REVOKED = 0x51,	/* server asks; ACK: you were revoked */
};

/* Why a session is refused or ended. Numbers are on the wire. */
#define SOTTO_REFUSALS(_)						\
	_(1, NOT_MEMBER, "not-a-member", "no member has this address")	\
	_(2, DENIED, "denied", "the realm's rules forbid it")		\
	_(3, PEER_OFFLINE, "peer-offline", "the peer is not connected to the server") \
	_(4, PEER_REFUSED, "peer-refused", "the peer's agent refused")	\
	_(5, PENDING, "pending", "the peer asked first: its session is coming") \
	_(6, LIMIT, "limit", "a limit of the server or the peer is reached") \
	_(7, CIPHER, "no-common-cipher", "the two ends share no permitted cipher") \
	_(8, SELF, "own-address", "the address is the asker's own")	\
	_(9, REQUEST, "bad-request", "the request contradicts itself or an earlier one") \
	_(10, REVOKED, "revoked", "the member was revoked")		\
	_(11, RESTARTED, "peer-restarted", "the peer lost its keys in a restart") \
	_(12, CLOSED, "closed", "the peer closed the session")		\
	_(13, EXPIRED, "expired", "the session reached its hard lifetime") \
	_(14, PIN, "pin-mismatch", "the peer's key differs from its pin") \
	_(15, INTERNAL, "internal", "the server or the peer failed")	\
	_(16, CODE_EXPIRED, "code-expired", "the one-time code expired: ask for a new one") \
	_(17, CODE_USED, "code-used", "the one-time code was used by another key: ask for a new one") \
	_(18, STORAGE, "storage", "the server cannot write its database") \
	_(19, UNSUPPORTED, "unsupported", "the request's type is not known here") \
	_(20, KEY_IN_USE, "key-in-use", "this static key is registered already") \
	_(21, TWIN, "twin", "two hosts have the peer's identity, and push each other out") \
	_(22, READDRESSED, "readdressed", "one of the two has other addresses now")

#define SOTTO_REFUSAL_ENUM(n, sym, name, text) SOTTO_REFUSAL_##sym = (n),
enum sotto_refusal { SOTTO_REFUSALS(SOTTO_REFUSAL_ENUM) };
#undef SOTTO_REFUSAL_ENUM

/** sotto_refusal_name() - stable name ("peer-offline"); "unknown" otherwise. */
const char *sotto_refusal_name(unsigned int reason);
/** sotto_refusal_text() - sentence for a person. */
const char *sotto_refusal_text(unsigned int reason);

/* Features, a bit each; both sides' common bits are in effect. */
#define SOTTO_FEATURE_RESUME	1u	/* tickets, RESUME and RESUMED */
#define SOTTO_FEATURES		SOTTO_FEATURE_RESUME

/** struct sotto_ticket - what resumes an association; sealed by the server. */
struct sotto_ticket {
	uint8_t n;			/* bytes; 0 = none */
	uint8_t b[SOTTO_TICKET_MAX];
};

struct sotto_addrs {
	uint8_t n;
	struct sotto_addr a[SOTTO_ADDRS_MAX];
};

/** sotto_addrs_have() - is @addr one of them? */
bool sotto_addrs_have(const struct sotto_addrs *list, const struct sotto_addr *addr);

/** struct sotto_ciphers - enum sotto_cipher in order of preference. */
struct sotto_ciphers {
	uint8_t n;
	uint8_t c[SOTTO_CIPHERS_MAX];
};

/** struct sotto_lifetimes - of a session; 0 = no such limit (never hard_s). */
struct sotto_lifetimes {
	uint32_t soft_s, hard_s;		/* seconds */
	uint64_t soft_packets, hard_packets;	/* each direction */
	uint64_t soft_bytes, hard_bytes;	/* each direction */
};

/** struct sotto_live - a session that the agent's kernel holds. */
struct sotto_live {
	uint64_t session_id;
	uint32_t spi;		/* which it opens with */
	uint8_t peer_key[SOTTO_PUB_LEN];
};

struct sotto_lives {
	uint8_t n;
	struct sotto_live l[SOTTO_LIVE_MAX];
};

struct sotto_ids {
	uint8_t n;
	uint64_t id[SOTTO_IDS_MAX];
};

/** struct sotto_prefixes - networks behind one end of a session. */
struct sotto_prefixes {
	uint8_t n;
	struct sotto_prefix p[SOTTO_ROUTES_MAX];
};

/* What a session carries. Numbers are on the wire. */
enum sotto_session_mode {
	SOTTO_MODE_TRANSPORT = 0,	/* packets of the two ends themselves */
	SOTTO_MODE_TUNNEL = 1,		/* and of the networks behind them */
};

#define SOTTO_POLICY_REMOVE	255	/* in place of an enum sotto_action */

struct sotto_policy_entry {
	struct sotto_prefix prefix;
	uint8_t action;		/* enum sotto_action, or SOTTO_POLICY_REMOVE */
};

struct sotto_policies {
	uint8_t n;
	struct sotto_policy_entry e[SOTTO_POLICIES_MAX];
};

/** struct sotto_vias - which entries of a POLICY lead through whom; for people. */
struct sotto_vias {
	uint8_t n;
	struct sotto_via {
		uint8_t entry;			/* index into the entries */
		char name[SOTTO_NAME_MAX];
	} v[SOTTO_VIAS_MAX];
};

struct sotto_msg_assoc_init {
	uint32_t features;
	uint8_t code_id[SOTTO_CODE_ID_LEN];	/* enrolment; all zero: none */
};

struct sotto_msg_assoc_resp {
	uint32_t features;			/* those in effect */
	uint32_t index;				/* for the agent's datagrams */
};

struct sotto_msg_error {
	uint16_t reason;			/* enum sotto_refusal */
	char text[SOTTO_TEXT_MAX];
};

/* Of a keepalive; any other one is empty. */
struct sotto_msg_ack {
	struct sotto_addr seen;			/* where your datagrams come from now */
};

struct sotto_msg_hello {
	uint64_t instance;			/* the kernel's (SOTTO_A_NS_INSTANCE) */
	uint64_t listing;			/* agent's, new for each HELLO; not 0 */
	uint32_t live_count;			/* sessions that LIVE messages will list */
	uint64_t policy_version;		/* held; 0 = none */
	struct sotto_ciphers ciphers;		/* that this host can do */
	uint16_t data_port;
	char version[SOTTO_NAME_MAX];		/* of the software, for people */
	struct sotto_addr local;		/* where its datagrams leave from; a NAT changes it */
};

struct sotto_msg_hello_ack {
	char name[SOTTO_NAME_MAX];		/* yours */
	struct sotto_addrs addrs;		/* yours */
	struct sotto_addr seen_addr;		/* where your datagrams come from */
	uint16_t seen_port;
	uint64_t policy_version;		/* the realm's */
	uint32_t keepalive_s;
	uint32_t rekey_s;			/* of the association */
	char version[SOTTO_NAME_MAX];
	struct sotto_ticket ticket;		/* for the next association */
	uint8_t ticket_secret[SOTTO_SECRET_LEN];
	uint8_t first_use;			/* pin peers when they are met */
	uint32_t server_loss_s;			/* then sessions go; 0 = at their own limits */
	uint8_t realm_key[SOTTO_PUB_LEN];	/* instead of the one that was used; or zero */
	struct sotto_addr twin;			/* of another host with your keys; len 0 = none */
};

struct sotto_msg_live {
	uint64_t listing;			/* of the HELLO it belongs to */
	struct sotto_lives live;
};

struct sotto_msg_bye {
	uint16_t reason;
};

struct sotto_msg_register {
	char version[SOTTO_NAME_MAX];
};

struct sotto_msg_registered {
	char name[SOTTO_NAME_MAX];
	struct sotto_addrs addrs;
	uint8_t token_secret[SOTTO_SECRET_LEN];
};

struct sotto_msg_session_request {
	uint64_t request_id;			/* agent's, never used twice by it */
	struct sotto_addr dst;
	uint8_t eph_pub[SOTTO_PUB_LEN];
	uint32_t spi;				/* of packets to the asker */
	struct sotto_ciphers ciphers;
	uint64_t rekey_of;			/* session id, 0 = none */
};

/* Who of the two is behind a NAT; mode is tunnel then. */
#define SOTTO_NAT_PEER	1
#define SOTTO_NAT_SELF	2

struct sotto_msg_session_offer {
	uint64_t session_id;
	char name[SOTTO_NAME_MAX];		/* A's, and so on */
	uint8_t static_pub[SOTTO_PUB_LEN];
	uint8_t eph_pub[SOTTO_PUB_LEN];
	uint32_t spi;				/* of packets to A */
	uint16_t data_port;			/* A's */
	struct sotto_addrs addrs;		/* A's */
	struct sotto_addrs own_addrs;		/* B's: what the keys depend on */
	struct sotto_addr dst;
	struct sotto_ciphers offered;
	uint8_t cipher;
	uint8_t seed[SOTTO_SECRET_LEN];
	struct sotto_lifetimes life;
	uint64_t rekey_of;
	uint8_t mode;				/* enum sotto_session_mode */
	struct sotto_prefixes routes;		/* behind A */
	struct sotto_prefixes own_routes;	/* behind B */
	uint8_t nat;				/* SOTTO_NAT_PEER, _SELF */
	struct sotto_addr endpoint;		/* where A is, if B is behind a NAT */
};

struct sotto_msg_session_accept {
	uint64_t session_id;
	uint8_t eph_pub[SOTTO_PUB_LEN];
	uint32_t spi;				/* of packets to B */
};

struct sotto_msg_session_grant {
	uint64_t session_id;
	uint64_t request_id;
	char name[SOTTO_NAME_MAX];		/* B's, and so on */
	uint8_t static_pub[SOTTO_PUB_LEN];
	uint8_t eph_pub[SOTTO_PUB_LEN];
	uint32_t spi;				/* of packets to B */
	uint16_t data_port;			/* B's */
	struct sotto_addrs addrs;		/* B's */
	struct sotto_addrs own_addrs;		/* A's */
	uint8_t cipher;
	uint8_t seed[SOTTO_SECRET_LEN];
	struct sotto_lifetimes life;
	uint8_t mode;				/* enum sotto_session_mode */
	struct sotto_prefixes routes;		/* behind B */
	struct sotto_prefixes own_routes;	/* behind A */
	uint8_t nat;				/* SOTTO_NAT_PEER, _SELF */
	struct sotto_addr endpoint;		/* where B is, if A is behind a NAT */
};

struct sotto_msg_session_refusal {
	uint16_t reason;			/* enum sotto_refusal */
	uint32_t hold_ms;			/* remember it that long */
	uint64_t session_id;			/* PENDING: the other's; else 0 or the offer's */
};

struct sotto_msg_session_ids {			/* CLOSE, GONE */
	uint16_t reason;
	struct sotto_ids ids;
};

struct sotto_msg_session_check {
	struct sotto_addr dst;
};

struct sotto_msg_spi_unknown {
	uint32_t spi;				/* of a packet to the asker */
	struct sotto_addr src;			/* where it came from; not authenticated */
};

struct sotto_msg_policy {
	uint64_t version;
	uint64_t base;				/* 0 = all of it, else a change to this version */
	uint16_t part, parts;			/* 0 .. parts - 1 */
	struct sotto_policies entries;
	struct sotto_vias vias;
};

struct sotto_msg_peer_gone {
	uint16_t reason;
	char name[SOTTO_NAME_MAX];
	uint8_t static_pub[SOTTO_PUB_LEN];	/* drop every session with it */
};

/** struct sotto_msg - a decoded message; about 1.3 KiB; may hold secrets. */
struct sotto_msg {
	uint16_t type;				/* enum sotto_msg_type */
	union {
		struct sotto_msg_assoc_init assoc_init;
		struct sotto_msg_assoc_resp assoc_resp;
		struct sotto_msg_error error;
		struct sotto_msg_ack ack;
		struct sotto_msg_hello hello;
		struct sotto_msg_hello_ack hello_ack;
		struct sotto_msg_live live;
		struct sotto_msg_bye bye;
		struct sotto_msg_register reg;
		struct sotto_msg_registered registered;
		struct sotto_msg_session_request request;
		struct sotto_msg_session_offer offer;
		struct sotto_msg_session_accept accept;
		struct sotto_msg_session_grant grant;
		struct sotto_msg_session_refusal refusal;
		struct sotto_msg_session_ids ids;
		struct sotto_msg_spi_unknown spi_unknown;
		struct sotto_msg_session_check check;
		struct sotto_msg_policy policy;
		struct sotto_msg_peer_gone peer_gone;
	};
};

/*
 * Attributes. The number is on the wire and is the order inside a message;
 * from SOTTO_ATTR_SKIPPABLE on, a receiver that does not know one skips it.
 */
enum sotto_msg_attr {
	SOTTO_ATTR_NAME = 1,
	SOTTO_ATTR_STATIC_KEY = 2,
	SOTTO_ATTR_EPHEMERAL = 3,
	SOTTO_ATTR_SPI = 4,
	SOTTO_ATTR_DATA_PORT = 5,
	SOTTO_ATTR_ADDRESSES = 6,
	SOTTO_ATTR_OWN_ADDRESSES = 7,
	SOTTO_ATTR_DESTINATION = 8,
	SOTTO_ATTR_CIPHERS = 9,
	SOTTO_ATTR_CIPHER = 10,
	SOTTO_ATTR_SEED = 11,
	SOTTO_ATTR_LIFETIMES = 12,
	SOTTO_ATTR_SESSION_ID = 13,
	SOTTO_ATTR_REQUEST_ID = 14,
	SOTTO_ATTR_REKEY_OF = 15,
	SOTTO_ATTR_REASON = 16,
	SOTTO_ATTR_HOLD_MS = 17,
	SOTTO_ATTR_TEXT = 18,
	SOTTO_ATTR_FEATURES = 19,
	SOTTO_ATTR_CODE_ID = 20,
	SOTTO_ATTR_INDEX = 21,
	SOTTO_ATTR_INSTANCE = 22,
	SOTTO_ATTR_LIVE_COUNT = 23,
	SOTTO_ATTR_POLICY_VERSION = 24,
	SOTTO_ATTR_SEEN_ADDRESS = 25,
	SOTTO_ATTR_SEEN_PORT = 26,
	SOTTO_ATTR_KEEPALIVE_S = 27,
	SOTTO_ATTR_REKEY_S = 28,
	SOTTO_ATTR_LIVE = 29,
	SOTTO_ATTR_TOKEN_SECRET = 30,
	SOTTO_ATTR_SESSION_IDS = 31,
	SOTTO_ATTR_POLICY_BASE = 32,
	SOTTO_ATTR_PART = 33,
	SOTTO_ATTR_PARTS = 34,
	SOTTO_ATTR_POLICIES = 35,
	SOTTO_ATTR_LISTING = 36,
	SOTTO_ATTR_MODE = 37,
	SOTTO_ATTR_ROUTES = 38,
	SOTTO_ATTR_OWN_ROUTES = 39,
	SOTTO_ATTR_NAT = 40,
	SOTTO_ATTR_ENDPOINT = 41,

	SOTTO_ATTR_SKIPPABLE = 128,
	SOTTO_ATTR_SOFTWARE = 129,
	SOTTO_ATTR_VIA = 130,
	SOTTO_ATTR_TICKET = 131,
	SOTTO_ATTR_TICKET_SECRET = 132,
	SOTTO_ATTR_FIRST_USE = 133,
	SOTTO_ATTR_SERVER_LOSS_S = 134,
	SOTTO_ATTR_REALM_KEY = 135,
	SOTTO_ATTR_LOCAL_ADDRESS = 136,
	SOTTO_ATTR_SEEN_NOW = 137,
	SOTTO_ATTR_TWIN = 138,
};

/* How an attribute's value is written. */
enum sotto_attr_form {
	SOTTO_FORM_U8, SOTTO_FORM_U16, SOTTO_FORM_U32, SOTTO_FORM_U64,
	SOTTO_FORM_BYTES, SOTTO_FORM_NAME, SOTTO_FORM_TEXT, SOTTO_FORM_ADDR,
	SOTTO_FORM_ADDRS, SOTTO_FORM_CIPHERS, SOTTO_FORM_LIFE,
	SOTTO_FORM_LIVES, SOTTO_FORM_IDS, SOTTO_FORM_POLICIES,
	SOTTO_FORM_PREFIXES, SOTTO_FORM_VIAS, SOTTO_FORM_TICKET,
};

/** struct sotto_field - an attribute of a message, and where it lives in it. */
struct sotto_field {
	uint8_t attr;		/* enum sotto_msg_attr, ascending */
	uint8_t form;		/* enum sotto_attr_form */
	bool optional;		/* absent = zero or empty; never written then */
	uint16_t off;		/* in struct sotto_msg */
	uint16_t len;		/* of its member, bytes */
};

/** struct sotto_msg_desc - one message type. */
struct sotto_msg_desc {
	uint16_t type;
	uint8_t n;
	uint16_t size;		/* so much of struct sotto_msg does it use */
	const char *name;
	const struct sotto_field *fields;
};

/** sotto_msg_descs() - the table of all messages; *n entries. */
const struct sotto_msg_desc *sotto_msg_descs(size_t *n);

/** sotto_msg_desc() - one of them, or NULL. */
const struct sotto_msg_desc *sotto_msg_desc(uint16_t type);

/**
 * sotto_msg_encode() - attributes of @m into @out
 * Returns 0, SOTTO_E_SPACE, SOTTO_E_UNKNOWN (type) or SOTTO_E_VALUE (contents
 * that decoding would refuse).
 */
int sotto_msg_encode(const struct sotto_msg *m, void *out, size_t cap,
		     size_t *len);

/**
 * sotto_msg_decode() - strict; what is not in @in is zero
 * Only what this type uses of @m is written, so wipe it with sotto_msg_wipe(). After an
 * error all of @m is zero.
 * Returns 0, SOTTO_E_UNKNOWN (type), SOTTO_E_SHORT or SOTTO_E_BAD.
 */
int sotto_msg_decode(struct sotto_msg *m, uint16_t type, const void *in,
		     size_t len);

/** sotto_msg_wipe() - zero what @m's type uses of it; type too. */
void sotto_msg_wipe(struct sotto_msg *m);

/** sotto_msg_find() - value of attribute @attr in an encoded message, or NULL. */
const uint8_t *sotto_msg_find(const uint8_t *in, size_t len, uint8_t attr,
			      size_t *value_len);

/** sotto_msg_name() - "session-request"; "unknown" otherwise. */
const char *sotto_msg_name(uint16_t type);

/** sotto_msg_type_by_name() - the reverse; 0 if there is none. */
uint16_t sotto_msg_type_by_name(const char *name);

/** sotto_name_valid() - 1-63 of a-z 0-9 . - beginning with letter or digit. */
bool sotto_name_valid(const char *name);

#endif /* SOTTO_PROTO_H */
