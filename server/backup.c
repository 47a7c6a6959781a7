// SPDX-License-Identifier: GPL-2.0
/*
 * sotto realm backup, sotto realm restore: programs of their own, which need no
 * server to run, and the first none to stop.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "authd.h"
#include "file.h"
#include "paths.h"

static void places(char db[SOTTO_PATH_MAX], char key[SOTTO_PATH_MAX])
{
	sotto_path(db, SOTTO_STATE, "authd/realm.db");
	sotto_path(key, SOTTO_STATE, REALM_KEY);
}

int realm_backup(const char *out, struct sotto_errmsg *err)
{
	char db[SOTTO_PATH_MAX], key[SOTTO_PATH_MAX];
	struct realm_keys keys;
	struct realm *r;
	int rc = realm_load(&r, err);

	if (rc)
		return rc;
	places(db, key);
	realm_keys(r, &keys);
	rc = store_backup(db, out, &keys, authd_wall(), err);
	sotto_wipe(&keys, sizeof(keys));
	realm_free(r);
	return rc;
}

int realm_refuse_running(struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	struct sotto_uclient *uc;
	struct sotto_errmsg none;

	/* one that has its sockets elsewhere has this */
	if (sotto_uclient_open(sotto_path(path, SOTTO_RUN, "authd.sock"), &uc,
			       &none))
		return store_lock(sotto_path(path, SOTTO_STATE, "authd/realm.db"),
				  0, err);
	sotto_uclient_close(uc);
	return sotto_err(err, SOTTO_E_STATE,
			 "the server is running: stop sotto-authd first");
}

static bool is_of(const struct realm_keys *k, const uint8_t *have)
{
	return !sodium_memcmp(have, k->priv, SOTTO_SECRET_LEN) ||
	       !sodium_memcmp(have, k->former, SOTTO_SECRET_LEN);
}

/* Another realm here is not to be lost by a slip. */
static int check_key(const char *key, const struct store_backup *b,
		     struct sotto_errmsg *err)
{
	uint8_t have[SOTTO_SECRET_LEN];
	size_t len;
	int rc = sotto_file_read(key, true, have, sizeof(have), &len, err);
	bool same = !rc && len == sizeof(have) && is_of(&b->keys, have);

	sotto_wipe(have, sizeof(have));
	if (rc == SOTTO_E_UNKNOWN || same)
		return 0;
	return rc ? rc : sotto_err(err, SOTTO_E_EXISTS,
				   "%s is of another realm than the backup; --force replaces it",
				   key);
}

static int put_back(const char *file, const char *db,
		    const struct store_backup *b, struct sotto_errmsg *err)
{
	struct seal_key seal = { 0 };
	time_t at = b->at;
	struct store *st;
	char detail[64];
	struct tm tm;
	int rc = store_restore(file, db, err);

	if (!rc)
		rc = realm_put_keys(&b->keys, err);
	if (rc)
		return rc;
	/* opening carries out the revocations that the backup does not know */
	memcpy(seal.k, b->keys.storage, sizeof(seal.k));
	rc = store_open(db, false, &seal, &st, err);
	sotto_wipe(&seal, sizeof(seal));
	if (rc)
		return rc;
	gmtime_r(&at, &tm);
	strftime(detail, sizeof(detail), "a backup of %Y-%m-%dT%H:%M:%SZ", &tm);
	rc = store_audit(st, "admin", "realm.restore", "", detail,
			 authd_wall(), err);
	store_close(st);
	return rc;
}

int realm_restore(const char *file, bool force, struct sotto_errmsg *err)
{
	char dir[SOTTO_PATH_MAX], db[SOTTO_PATH_MAX], key[SOTTO_PATH_MAX];
	struct store_backup b;
	int rc = realm_refuse_running(err);

	if (!rc)
		rc = store_backup_read(file, &b, err);
	if (rc)
		return rc;
	places(db, key);
	rc = sotto_mkdirs(sotto_path(dir, SOTTO_STATE, "authd"), 0700, err);
	if (!rc && !force)
		rc = check_key(key, &b, err);
	if (!rc && !force)
		rc = store_audit_covers(db, b.audit_last, err);
	if (!rc)
		rc = put_back(file, db, &b, err);
	sotto_wipe(&b, sizeof(b));
	return rc;
}
