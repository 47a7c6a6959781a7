// SPDX-License-Identifier: GPL-2.0
/*
 * Small secrets of the server itself, sealed among the realm's settings.
 */
#include "store_sql.h"

int sql_touch(struct sql *st, struct sotto_errmsg *err)
{
	return sql_run(st, "INSERT OR REPLACE INTO meta VALUES('opened', unixepoch())",
		       err);
}

int sql_secret_get(struct sql *st, const char *name, void *sealed, size_t len,
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
		rc = sql_blob(s, 0, sealed, len) ?
		     sotto_err(err, SOTTO_E_BAD, "%s: %s is damaged", st->path,
			       name) : 0;
	sqlite3_finalize(s);
	return rc;
}

int sql_secret_set(struct sql *st, const char *name, const void *sealed,
		   size_t len, struct sotto_errmsg *err)
{
	return sql_exec(st, err, "INSERT OR REPLACE INTO meta VALUES(?,?)",
			"sb", name, sealed, (int)len);
}
