// SPDX-License-Identifier: GPL-2.0
/*
 * The messages of the control channel as tables. Coding, tests, vectors and the
 * protocol page all follow them.
 */
#include <string.h>

#include "proto.h"

#define FIELD(a, f, m, opt)						\
	{ SOTTO_ATTR_##a, SOTTO_FORM_##f, opt,				\
	  offsetof(struct sotto_msg, m),				\
	  sizeof(((struct sotto_msg *)0)->m) }
#define MUST(a, f, m)	FIELD(a, f, m, false)
#define MAY(a, f, m)	FIELD(a, f, m, true)

static const struct sotto_field assoc_init_fields[] = {
	MUST(FEATURES, U32, assoc_init.features),
	MAY(CODE_ID, BYTES, assoc_init.code_id),
};

static const struct sotto_field assoc_resp_fields[] = {
	MUST(FEATURES, U32, assoc_resp.features),
	MUST(INDEX, U32, assoc_resp.index),
};

static const struct sotto_field error_fields[] = {
	MUST(REASON, U16, error.reason),
	MUST(TEXT, TEXT, error.text),
};

static const struct sotto_field ack_fields[] = {
	MAY(SEEN_NOW, ADDR, ack.seen),
};

static const struct sotto_field hello_fields[] = {
	MUST(DATA_PORT, U16, hello.data_port),
	MUST(CIPHERS, CIPHERS, hello.ciphers),
	MUST(INSTANCE, U64, hello.instance),
	MUST(LIVE_COUNT, U32, hello.live_count),
	MUST(POLICY_VERSION, U64, hello.policy_version),
	MUST(LISTING, U64, hello.listing),
	MAY(SOFTWARE, TEXT, hello.version),
	MAY(LOCAL_ADDRESS, ADDR, hello.local),
};

static const struct sotto_field hello_ack_fields[] = {
	MUST(NAME, NAME, hello_ack.name),
	MUST(ADDRESSES, ADDRS, hello_ack.addrs),
	MUST(POLICY_VERSION, U64, hello_ack.policy_version),
	MUST(SEEN_ADDRESS, ADDR, hello_ack.seen_addr),
	MUST(SEEN_PORT, U16, hello_ack.seen_port),
	MUST(KEEPALIVE_S, U32, hello_ack.keepalive_s),
	MUST(REKEY_S, U32, hello_ack.rekey_s),
	MAY(SOFTWARE, TEXT, hello_ack.version),
	MAY(TICKET, TICKET, hello_ack.ticket),
	MAY(TICKET_SECRET, BYTES, hello_ack.ticket_secret),
	MAY(FIRST_USE, U8, hello_ack.first_use),
	MAY(SERVER_LOSS_S, U32, hello_ack.server_loss_s),
	MAY(REALM_KEY, BYTES, hello_ack.realm_key),
	MAY(TWIN, ADDR, hello_ack.twin),
};

static const struct sotto_field live_fields[] = {
	MUST(LIVE, LIVES, live.live),
	MUST(LISTING, U64, live.listing),
};

static const struct sotto_field bye_fields[] = {
	MUST(REASON, U16, bye.reason),
};

static const struct sotto_field reg_fields[] = {
	MAY(SOFTWARE, TEXT, reg.version),
};

static const struct sotto_field registered_fields[] = {
	MUST(NAME, NAME, registered.name),
	MUST(ADDRESSES, ADDRS, registered.addrs),
	MUST(TOKEN_SECRET, BYTES, registered.token_secret),
};

static const struct sotto_field request_fields[] = {
	MUST(EPHEMERAL, BYTES, request.eph_pub),
	MUST(SPI, U32, request.spi),
	MUST(DESTINATION, ADDR, request.dst),
	MUST(CIPHERS, CIPHERS, request.ciphers),
	MUST(REQUEST_ID, U64, request.request_id),
	MAY(REKEY_OF, U64, request.rekey_of),
};

static const struct sotto_field offer_fields[] = {
	MUST(NAME, NAME, offer.name),
	MUST(STATIC_KEY, BYTES, offer.static_pub),
	MUST(EPHEMERAL, BYTES, offer.eph_pub),
	MUST(SPI, U32, offer.spi),
	MUST(DATA_PORT, U16, offer.data_port),
	MUST(ADDRESSES, ADDRS, offer.addrs),
	MUST(OWN_ADDRESSES, ADDRS, offer.own_addrs),
	MUST(DESTINATION, ADDR, offer.dst),
	MUST(CIPHERS, CIPHERS, offer.offered),
	MUST(CIPHER, U8, offer.cipher),
	MUST(SEED, BYTES, offer.seed),
	MUST(LIFETIMES, LIFE, offer.life),
	MUST(SESSION_ID, U64, offer.session_id),
	MAY(REKEY_OF, U64, offer.rekey_of),
	MAY(MODE, U8, offer.mode),
	MAY(ROUTES, PREFIXES, offer.routes),
	MAY(OWN_ROUTES, PREFIXES, offer.own_routes),
	MAY(NAT, U8, offer.nat),
	MAY(ENDPOINT, ADDR, offer.endpoint),
};

static const struct sotto_field accept_fields[] = {
	MUST(EPHEMERAL, BYTES, accept.eph_pub),
	MUST(SPI, U32, accept.spi),
	MUST(SESSION_ID, U64, accept.session_id),
};

static const struct sotto_field grant_fields[] = {
	MUST(NAME, NAME, grant.name),
	MUST(STATIC_KEY, BYTES, grant.static_pub),
	MUST(EPHEMERAL, BYTES, grant.eph_pub),
	MUST(SPI, U32, grant.spi),
	MUST(DATA_PORT, U16, grant.data_port),
	MUST(ADDRESSES, ADDRS, grant.addrs),
	MUST(OWN_ADDRESSES, ADDRS, grant.own_addrs),
	MUST(CIPHER, U8, grant.cipher),
	MUST(SEED, BYTES, grant.seed),
	MUST(LIFETIMES, LIFE, grant.life),
	MUST(SESSION_ID, U64, grant.session_id),
	MUST(REQUEST_ID, U64, grant.request_id),
	MAY(MODE, U8, grant.mode),
	MAY(ROUTES, PREFIXES, grant.routes),
	MAY(OWN_ROUTES, PREFIXES, grant.own_routes),
	MAY(NAT, U8, grant.nat),
	MAY(ENDPOINT, ADDR, grant.endpoint),
};

static const struct sotto_field refusal_fields[] = {
	MAY(SESSION_ID, U64, refusal.session_id),
	MUST(REASON, U16, refusal.reason),
	MUST(HOLD_MS, U32, refusal.hold_ms),
};

static const struct sotto_field ids_fields[] = {
	MUST(REASON, U16, ids.reason),
	MUST(SESSION_IDS, IDS, ids.ids),
};

static const struct sotto_field check_fields[] = {
	MUST(DESTINATION, ADDR, check.dst),
};

static const struct sotto_field spi_unknown_fields[] = {
	MUST(SPI, U32, spi_unknown.spi),
	MUST(DESTINATION, ADDR, spi_unknown.src),
};

static const struct sotto_field policy_fields[] = {
	MUST(POLICY_VERSION, U64, policy.version),
	MAY(POLICY_BASE, U64, policy.base),
	MUST(PART, U16, policy.part),
	MUST(PARTS, U16, policy.parts),
	MUST(POLICIES, POLICIES, policy.entries),
	MAY(VIA, VIAS, policy.vias),
};

static const struct sotto_field peer_gone_fields[] = {
	MUST(NAME, NAME, peer_gone.name),
	MUST(STATIC_KEY, BYTES, peer_gone.static_pub),
	MUST(REASON, U16, peer_gone.reason),
};

#define MSG(t, nm, f)							\
	{ SOTTO_MSG_##t, sizeof(f##_fields) / sizeof(f##_fields[0]),	\
	  offsetof(struct sotto_msg, f) +				\
	  sizeof(((struct sotto_msg *)0)->f), nm, f##_fields }
#define BARE(t, nm)	{ SOTTO_MSG_##t, 0, sizeof(uint16_t), nm, NULL }

static const struct sotto_msg_desc descs[] = {
	MSG(ASSOC_INIT, "assoc-init", assoc_init),
	MSG(ASSOC_RESP, "assoc-resp", assoc_resp),
	MSG(ACK, "ack", ack),
	MSG(ERROR, "error", error),
	MSG(HELLO, "hello", hello),
	MSG(HELLO_ACK, "hello-ack", hello_ack),
	MSG(LIVE, "live", live),
	BARE(KEEPALIVE, "keepalive"),
	MSG(BYE, "bye", bye),
	MSG(REGISTER, "register", reg),
	MSG(REGISTERED, "registered", registered),
	MSG(SESSION_REQUEST, "session-request", request),
	MSG(SESSION_OFFER, "session-offer", offer),
	MSG(SESSION_ACCEPT, "session-accept", accept),
	MSG(SESSION_GRANT, "session-grant", grant),
	MSG(SESSION_REFUSAL, "session-refusal", refusal),
	MSG(SESSION_CLOSE, "session-close", ids),
	MSG(SESSION_GONE, "session-gone", ids),
	MSG(SPI_UNKNOWN, "spi-unknown", spi_unknown),
	MSG(SESSION_CHECK, "session-check", check),
	MSG(POLICY, "policy", policy),
	BARE(POLICY_GET, "policy-get"),
	MSG(PEER_GONE, "peer-gone", peer_gone),
	BARE(REVOKED, "revoked"),
};

const struct sotto_msg_desc *sotto_msg_descs(size_t *n)
{
	*n = sizeof(descs) / sizeof(descs[0]);
	return descs;
}

const struct sotto_msg_desc *sotto_msg_desc(uint16_t type)
{
	size_t i;

	for (i = 0; i < sizeof(descs) / sizeof(descs[0]); i++)
		if (descs[i].type == type)
			return &descs[i];
	return NULL;
}

const char *sotto_msg_name(uint16_t type)
{
	const struct sotto_msg_desc *d = sotto_msg_desc(type);

	return d ? d->name : "unknown";
}

uint16_t sotto_msg_type_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(descs) / sizeof(descs[0]); i++)
		if (!strcmp(descs[i].name, name))
			return descs[i].type;
	return 0;
}

#define REFUSAL(n, sym, name, text) case n: return name;
const char *sotto_refusal_name(unsigned int reason)
{
	switch (reason) {
	SOTTO_REFUSALS(REFUSAL)
	default:
		return "unknown";
	}
}
#undef REFUSAL

#define REFUSAL(n, sym, name, text) case n: return text;
const char *sotto_refusal_text(unsigned int reason)
{
	switch (reason) {
	SOTTO_REFUSALS(REFUSAL)
	default:
		return "a reason that this version does not know";
	}
}
#undef REFUSAL
