// SPDX-License-Identifier: GPL-2.0
/*
 * The realm's key and database: made once, loaded at each start.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "authd.h"
#include "file.h"
#include "paths.h"

static int make_store(const char *path, const struct seal_key *key,
		      const char *endpoints, struct sotto_errmsg *err)
{
	struct store *st;
	int rc = store_open(path, true, key, &st, err);

	if (rc)
		return rc;
	if (*endpoints)
		rc = store_endpoints_set(st, endpoints, err);
	if (!rc)
		rc = store_audit(st, "admin", "realm.init", "", "",
				 authd_wall(), err);
	store_close(st);
	return rc;
}

static void remove_store(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char name[SOTTO_PATH_MAX + 16];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

static int refuse_existing(const char *key, const char *db,
			   struct sotto_errmsg *err)
{
	const char *which = !access(key, F_OK) ? key :
			    !access(db, F_OK) ? db : NULL;

	if (!which)
		return 0;
	return sotto_err(err, SOTTO_E_EXISTS,
			 "%s exists: there is a realm here already; nothing was changed",
			 which);
}

/* The key goes last: a realm with a key is a whole one. */
int realm_init(const char *endpoints, struct sotto_errmsg *err)
{
	char dir[SOTTO_PATH_MAX], key[SOTTO_PATH_MAX], db[SOTTO_PATH_MAX];
	struct realm *r;
	int rc;

	sotto_path(dir, SOTTO_STATE, "authd");
	sotto_path(key, SOTTO_STATE, REALM_KEY);
	sotto_path(db, SOTTO_STATE, "authd/realm.db");
	rc = refuse_existing(key, db, err);
	if (!rc)
		rc = sotto_mkdirs(dir, 0700, err);
	if (rc)
		return rc;
	r = sotto_secret_alloc(sizeof(*r));
	if (!r)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	noise_keypair(r->priv, r->pub);
	seal_key_derive(&r->seal, r->priv);
	rc = make_store(db, &r->seal, endpoints, err);
	if (!rc)
		rc = sotto_file_write(key, 0600, false, r->priv,
				      sizeof(r->priv), err);
	if (rc)
		remove_store(db);
	sotto_secret_free(r);
	return rc;
}

static int read_key(const char *name, uint8_t out[SOTTO_SECRET_LEN],
		    struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	size_t len;
	int rc = sotto_file_read(sotto_path(path, SOTTO_STATE, name), true, out,
				 SOTTO_SECRET_LEN, &len, err);

	if (rc || len == SOTTO_SECRET_LEN)
		return rc;
	return sotto_err(err, SOTTO_E_BAD,
			 "%s: not a realm key (%zu bytes, wanted %d)", path, len,
			 SOTTO_SECRET_LEN);
}

/* After a roll-over that was cut short the former key can be the present one. */
static int read_former(struct realm *r, struct sotto_errmsg *err)
{
	int rc = read_key(REALM_FORMER_KEY, r->former_priv, err);

	if (rc == SOTTO_E_UNKNOWN)
		return 0;
	if (!rc && crypto_scalarmult_base(r->former_pub, r->former_priv))
		rc = SOTTO_E_CRYPTO;
	r->has_former = !rc && memcmp(r->former_pub, r->pub, SOTTO_PUB_LEN);
	return rc;
}

static int fill_realm(struct realm *r, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	int rc = read_key(REALM_KEY, r->priv, err);

	if (rc == SOTTO_E_UNKNOWN)
		return sotto_err(err, rc,
				 "%s: there is no realm here; make one with: sotto realm init",
				 sotto_path(path, SOTTO_STATE, REALM_KEY));
	if (!rc && crypto_scalarmult_base(r->pub, r->priv))
		rc = sotto_err(err, SOTTO_E_CRYPTO, "the realm key cannot be used");
	if (rc)
		return rc;
	rc = read_key(REALM_STORAGE_KEY, r->seal.k, err);
	if (rc == SOTTO_E_UNKNOWN) {
		seal_key_derive(&r->seal, r->priv);
		rc = 0;
	}
	return rc ? rc : read_former(r, err);
}

int realm_load(struct realm **out, struct sotto_errmsg *err)
{
	struct realm *r = sotto_secret_alloc(sizeof(*r));
	int rc = r ? fill_realm(r, err) : sotto_err(err, SOTTO_E_NOMEM, "out of memory");

	if (rc)
		sotto_secret_free(r);
	else
		*out = r;
	return rc;
}

void realm_free(struct realm *r)
{
	if (r && r->remote) {
		close(r->fd);
		/* it ends then, and holds what it was given as standard error until it has */
		if (r->pid > 0)
			waitpid(r->pid, NULL, 0);
	}
	sotto_secret_free(r);
}
