// SPDX-License-Identifier: GPL-2.0
/*
 * Small secrets of the server itself, sealed among the realm's settings.
 */
#include "secret.h"
#include "store_sql.h"

#define SECRET_MAX	256	/* bytes */

int store_touch(struct store *st, struct sotto_errmsg *err)
{
	return sql_run(st, "INSERT OR REPLACE INTO meta VALUES('opened', unixepoch())",
		       err);
}

int store_secret_get(struct store *st, const char *name, void *out, size_t len,
		     struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT value FROM meta WHERE key = ?", "s", name);
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 0)
		rc = sotto_err(err, SOTTO_E_UNKNOWN, "no such secret");
	else if (rc == 1)
		rc = unseal(&st->key, name, sqlite3_column_blob(s, 0),
			    sqlite3_column_bytes(s, 0), out, len) ?
		     sotto_err(err, SOTTO_E_BAD, "%s: %s cannot be read with this realm key",
			       st->path, name) : 0;
	sqlite3_finalize(s);
	return rc;
}

int store_secret_set(struct store *st, const char *name, const void *secret,
		     size_t len, struct sotto_errmsg *err)
{
	uint8_t sealed[SECRET_MAX + SEAL_OVERHEAD];

	if (len > SECRET_MAX)
		return sotto_err(err, SOTTO_E_LIMIT, "the secret is too long");
	if (seal(&st->key, name, secret, len, sealed))
		return sotto_err(err, SOTTO_E_CRYPTO, "%s cannot be sealed", name);
	return sql_exec(st, err, "INSERT OR REPLACE INTO meta VALUES(?,?)",
			"sb", name, sealed, (int)(len + SEAL_OVERHEAD));
}
