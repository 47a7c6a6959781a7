// SPDX-License-Identifier: GPL-2.0
/*
 * Resumption tickets.
 *
 * Their keys are random, and a key that is replaced twice is gone: who steals the
 * server's disk later opens no ticket of before, and so no resumed association.
 */
#include "ticket.h"

#include <string.h>

#include "err.h"
#include "log.h"
#include "secret.h"

#define STORE_NAME	"ticket_keys"
#define HEAD_LEN	(4 + 24)
#define NONCE_LEN	crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

_Static_assert(NONCE_LEN == 24 && TICKET_LEN <= SOTTO_TICKET_MAX &&
	       TICKET_LEN >= SOTTO_TICKET_MIN, "ticket's length");
_Static_assert(sizeof(struct ticket_content) == TICKET_LEN - HEAD_LEN - 16,
	       "a ticket's content has no padding");

static void new_key(struct ticket_key *k, int64_t now)
{
	do {
		randombytes_buf(&k->id, sizeof(k->id));
	} while (!k->id);
	randombytes_buf(k->k, sizeof(k->k));
	k->since = now;
}

int tickets_turn(struct tickets *t, struct store *st, int64_t now,
		 struct sotto_errmsg *err)
{
	struct tickets next = { .key[1] = t->key[0] };
	int rc;

	/* a clock that went back makes a new key, too */
	if (t->key[0].id && now >= t->key[0].since &&
	    now - t->key[0].since < SOTTO_TICKET_KEY_S)
		return 0;
	new_key(&next.key[0], now);
	rc = store_secret_set(st, STORE_NAME, &next, sizeof(next), err);
	if (!rc)
		*t = next;
	sotto_wipe(&next, sizeof(next));
	return rc;
}

int tickets_load(struct tickets *t, struct store *st, int64_t now,
		 struct sotto_errmsg *err)
{
	int rc = store_secret_get(st, STORE_NAME, t, sizeof(*t), err);

	if (rc) {
		/* damaged ones cost full handshakes, nothing else */
		memset(t, 0, sizeof(*t));
		if (rc != SOTTO_E_UNKNOWN && rc != SOTTO_E_BAD)
			return rc;
	}
	/* so does a full disk: HELLOs try again */
	if (tickets_turn(t, st, now, err))
		sotto_warn("no new key for tickets: %s", err->text);
	return 0;
}

void ticket_make(const struct tickets *t, struct ticket_content *c,
		 struct sotto_ticket *out)
{
	const struct ticket_key *k = &t->key[0];

	randombytes_buf(c->secret, sizeof(c->secret));
	memcpy(out->b, &k->id, sizeof(k->id));
	randombytes_buf(out->b + 4, NONCE_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out->b + HEAD_LEN, NULL,
		(const uint8_t *)c, sizeof(*c), out->b, 4, NULL, out->b + 4,
		k->k);
	out->n = TICKET_LEN;
}

static const struct ticket_key *find_key(const struct tickets *t,
					 const uint8_t *ticket)
{
	uint32_t id;
	int i;

	memcpy(&id, ticket, sizeof(id));
	for (i = 0; i < 2; i++)
		if (id && t->key[i].id == id)
			return &t->key[i];
	return NULL;
}

int ticket_open(const struct tickets *t, const uint8_t *ticket, size_t len,
		int64_t now, struct ticket_content *c)
{
	const struct ticket_key *k = len == TICKET_LEN ? find_key(t, ticket) :
							 NULL;

	if (!k || crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)c, NULL,
			NULL, ticket + HEAD_LEN, len - HEAD_LEN, ticket, 4,
			ticket + 4, k->k))
		return SOTTO_E_AUTH;
	if (now - c->made < SOTTO_TICKET_S && c->made - now < SOTTO_TICKET_S)
		return 0;
	sotto_wipe(c, sizeof(*c));
	return SOTTO_E_TIMEOUT;
}
