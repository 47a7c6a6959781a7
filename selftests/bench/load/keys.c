// SPDX-License-Identifier: GPL-2.0
/*
 * The members' keys, and a realm that knows them.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../../server/ticket.h"
#include "file.h"
#include "load.h"
#include "paths.h"

/* Not secret at all: the same in every run, so that a realm can be kept. */
static void derive(const char *what, uint32_t i, uint8_t out[32])
{
	crypto_generichash(out, 32, (uint8_t *)&i, sizeof(i),
			   (const uint8_t *)what, strlen(what));
}

void keys_private(uint32_t i, uint8_t out[SOTTO_SECRET_LEN])
{
	derive("sotto load key", i, out);
}

void keys_token(uint32_t i, uint8_t out[SOTTO_SECRET_LEN])
{
	derive("sotto load token", i, out);
}

void keys_address(uint32_t i, struct sotto_addr *out)
{
	uint32_t a = LOAD_ADDRESS + i;
	uint8_t b[4] = { a >> 24, a >> 16, a >> 8, a };

	sotto_addr_set(out, b, 4);
}

static void fill_member(uint32_t i, struct store_member *m)
{
	uint8_t priv[SOTTO_SECRET_LEN];

	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "m%06u", i);
	m->state = MEMBER_ACTIVE;
	m->created = time(NULL);
	m->registered = m->created;
	keys_private(i, priv);
	crypto_scalarmult_base(m->static_pub, priv);
	keys_token(i, m->token_secret);
	m->addrs.n = 1;
	keys_address(i, &m->addrs.a[0]);
}

static bool next_member(void *arg, struct store_member *m)
{
	uint32_t *left = arg;

	if (!*left)
		return false;
	fill_member(ld.members - *left, m);
	(*left)--;
	return true;
}

void realm_make(uint32_t n)
{
	uint8_t priv[SOTTO_SECRET_LEN];
	char key[SOTTO_PATH_MAX], db[SOTTO_PATH_MAX];
	struct sotto_errmsg err;
	struct seal_key seal;
	struct store *st;
	uint32_t left = n;

	sotto_path(key, SOTTO_STATE, "authd");
	sotto_path(db, SOTTO_STATE, "authd/realm.db");
	derive("sotto load realm", 0, priv);
	seal_key_derive(&seal, priv);
	if (sotto_mkdirs(key, 0700, &err) ||
	    store_open(db, true, &seal, &st, &err) ||
	    store_bulk_members(st, next_member, &left, &err))
		die("%s", err.text);
	store_close(st);
	sotto_path(key, SOTTO_STATE, "authd/realm.key");
	if (sotto_file_write(key, 0600, false, priv, sizeof(priv), &err))
		die("%s", err.text);
}

static void open_store(struct store **st, struct sotto_errmsg *err)
{
	uint8_t priv[SOTTO_SECRET_LEN];
	char path[SOTTO_PATH_MAX];
	struct seal_key seal;

	derive("sotto load realm", 0, priv);
	crypto_scalarmult_base(ld.realm_pub, priv);
	seal_key_derive(&seal, priv);
	if (store_open(sotto_path(path, SOTTO_STATE, "authd/realm.db"), false,
		       &seal, st, err))
		die("%s", err->text);
}

/* The server made the ticket keys when it started. */
void realm_open(void)
{
	static struct tickets t;
	struct sotto_errmsg err;
	struct store *st;

	open_store(&st, &err);
	if (tickets_load(&t, st, time(NULL), &err))
		die("%s", err.text);
	store_close(st);
	ld.tickets = &t;
}

/* Members are numbered from 1 on in the database. */
void keys_ticket(uint32_t i, struct sotto_ticket *out,
		 uint8_t secret[SOTTO_SECRET_LEN])
{
	struct ticket_content c = { .member = i + 1, .made = time(NULL) };

	ticket_make(ld.tickets, &c, out);
	memcpy(secret, c.secret, SOTTO_SECRET_LEN);
}
