// SPDX-License-Identifier: GPL-2.0
/*
 * The realm's key is replaced, without an outage: from rekey to retire both keys
 * are good, and who comes by the former one is told the new one.
 *
 * In $SOTTO_STATE/authd: realm.key, realm.key.former while a roll-over is under
 * way, and storage.key, which seals secrets at rest and was derived from the
 * realm's first key. Each step leaves a realm that starts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authd.h"
#include "file.h"
#include "paths.h"

static int keep(const char *name, const uint8_t key[SOTTO_SECRET_LEN],
		struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];

	return sotto_file_write(sotto_path(path, SOTTO_STATE, name), 0600, true,
				key, SOTTO_SECRET_LEN, err);
}

static int remove_key(const char *name, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];

	sotto_path(path, SOTTO_STATE, name);
	if ((!unlink(path) || errno == ENOENT) && !sotto_sync_folder(path))
		return 0;
	return sotto_err_errno(err, path);
}

int realm_put_keys(const struct realm_keys *k, struct sotto_errmsg *err)
{
	int rc = keep(REALM_STORAGE_KEY, k->storage, err);

	if (!rc && sotto_all_zero(k->former, SOTTO_SECRET_LEN))
		rc = remove_key(REALM_FORMER_KEY, err);
	else if (!rc)
		rc = keep(REALM_FORMER_KEY, k->former, err);
	return rc ? rc : keep(REALM_KEY, k->priv, err);
}

void realm_keys(const struct realm *r, struct realm_keys *k)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->priv, r->priv, SOTTO_SECRET_LEN);
	memcpy(k->storage, r->seal.k, SOTTO_SECRET_LEN);
	if (r->has_former)
		memcpy(k->former, r->former_priv, SOTTO_SECRET_LEN);
}

static int note(const struct realm *r, const char *what,
		const uint8_t pub[SOTTO_PUB_LEN], struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], text[44];
	struct store *st;
	int rc = store_open(sotto_path(path, SOTTO_STATE, "authd/realm.db"),
			    false, &r->seal, &st, err);

	if (rc)
		return rc;
	rc = store_audit(st, "admin", what, "", sotto_key_text(text, pub),
			 authd_wall(), err);
	store_close(st);
	return rc;
}

static int replace(const struct realm *r, struct sotto_errmsg *err)
{
	struct realm_keys k;
	uint8_t pub[SOTTO_PUB_LEN];
	int rc;

	realm_keys(r, &k);
	memcpy(k.former, k.priv, SOTTO_SECRET_LEN);
	noise_keypair(k.priv, pub);
	rc = note(r, "realm.rekey", pub, err);
	if (!rc)
		rc = realm_put_keys(&k, err);
	sotto_wipe(&k, sizeof(k));
	return rc;
}

/* The realm of a server that does not run. */
static int load_stopped(struct realm **r, struct sotto_errmsg *err)
{
	int rc = realm_refuse_running(err);

	return rc ? rc : realm_load(r, err);
}

int realm_rekey(struct sotto_errmsg *err)
{
	struct realm *r;
	int rc = load_stopped(&r, err);

	if (rc)
		return rc;
	rc = r->has_former ?
	     sotto_err(err, SOTTO_E_STATE,
		       "the key was replaced already, and the former one is still good: \"sotto realm retire\" comes first") :
	     replace(r, err);
	realm_free(r);
	return rc;
}

int realm_retire(struct sotto_errmsg *err)
{
	struct realm *r;
	int rc = load_stopped(&r, err);

	if (rc)
		return rc;
	rc = r->has_former ? note(r, "realm.retire", r->former_pub, err) :
	     sotto_err(err, SOTTO_E_STATE, "there is no former key");
	if (!rc)
		rc = remove_key(REALM_FORMER_KEY, err);
	realm_free(r);
	return rc;
}
