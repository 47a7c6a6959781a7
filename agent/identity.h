/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who this host is in its realm: what enrolment left in $SOTTO_STATE/agent.
 *
 *   enrolment.json	name, addresses, server; names the two key files
 *   static-XXXXXXXX.key, token-XXXXXXXX.key   32 bytes each, mode 0600
 *
 * enrolment.json is written last and atomically, so that an enrolment is there
 * as a whole or not at all, and a new one leaves the old one alone until then.
 */
#ifndef SOTTO_AGENT_IDENTITY_H
#define SOTTO_AGENT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "../tools/lib/enrol.h"
#include "../tools/lib/err.h"
#include "../tools/lib/params.h"
#include "../tools/lib/proto.h"
#include "../tools/lib/token.h"

/** struct identity - one enrolment; secret, free with identity_free() */
struct identity {
	char name[SOTTO_NAME_MAX];
	struct sotto_addrs addrs;
	uint8_t server_key[SOTTO_PUB_LEN];
	unsigned int n_servers;
	struct sotto_endpoint servers[SOTTO_SERVERS_MAX];
	/* what each host name meant last time; len 0 = not known */
	struct sotto_addr resolved[SOTTO_SERVERS_MAX];
	uint32_t server_loss_s;	/* sessions end so long after the server is lost; 0 = they last */
	uint8_t static_priv[SOTTO_SECRET_LEN];
	uint8_t static_pub[SOTTO_PUB_LEN];
	struct sotto_token *token;
};

/** identity_exists() - this host is enrolled */
bool identity_exists(void);

/**
 * identity_load() - read the enrolment and its keys
 * Returns 0, SOTTO_E_UNKNOWN when there is none, or another error.
 */
int identity_load(struct identity **out, struct sotto_errmsg *err);

/** identity_free() - close the token, wipe, free; NULL is fine */
void identity_free(struct identity *id);

/**
 * identity_pending_key() - the static key for an enrolment under way
 * @code_id: names it, so that a second try with the same line finds it again
 * Made and written on the first call.
 */
int identity_pending_key(const uint8_t code_id[SOTTO_CODE_ID_LEN],
			 uint8_t priv[SOTTO_SECRET_LEN], struct sotto_errmsg *err);

/**
 * identity_commit() - make an enrolment valid
 * @id: all but the token
 * @secret: of the token
 * Older key files are removed once the new enrolment stands.
 */
int identity_commit(const struct identity *id,
		    const uint8_t secret[SOTTO_SECRET_LEN],
		    const uint8_t code_id[SOTTO_CODE_ID_LEN],
		    struct sotto_errmsg *err);

/** identity_keep() - write changed names, addresses and servers; keys stay */
int identity_keep(const struct identity *id, struct sotto_errmsg *err);

#endif /* SOTTO_AGENT_IDENTITY_H */
