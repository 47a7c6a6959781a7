// SPDX-License-Identifier: GPL-2.0
/*
 * Settings, audit lines and grants in SQLite.
 */
#include <stdio.h>

#include "store_sql.h"

int sql_endpoints(struct sql *st, char *out, size_t cap,
		    struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT value FROM meta WHERE key = 'endpoints'", "");
	int rc;

	*out = 0;
	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		snprintf(out, cap, "%s", (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

int sql_endpoints_set(struct sql *st, const char *list,
			struct sotto_errmsg *err)
{
	return sql_exec(st, err,
			"INSERT OR REPLACE INTO meta VALUES('endpoints', ?)",
			"s", list);
}

int sql_audit_line(struct sql *st, const char *actor, const char *event,
		const char *subject, const char *detail, int64_t now,
		struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = sql_audit(st, actor, event, subject, detail, now, err);
	return sql_end(st, rc, err);
}

int sql_each_audit(struct sql *st, int limit,
		     int (*fn)(void *arg, const struct store_audit *a),
		     void *arg, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT id, at, actor, event, subject, detail FROM audit ORDER BY id DESC LIMIT ?",
			"i", (int64_t)limit);
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		struct store_audit a = {
			.id = sqlite3_column_int64(s, 0),
			.at = sqlite3_column_int64(s, 1),
			.actor = (const char *)sqlite3_column_text(s, 2),
			.event = (const char *)sqlite3_column_text(s, 3),
			.subject = (const char *)sqlite3_column_text(s, 4),
			.detail = (const char *)sqlite3_column_text(s, 5),
		};

		rc = fn(arg, &a);
		if (rc)
			break;
	}
	sqlite3_finalize(s);
	return rc;
}

static int put_grant(struct sql *st, sqlite3_stmt *s,
		     const struct store_grant *g, struct sotto_errmsg *err)
{
	uint8_t id[8];
	int i, rc;

	for (i = 0; i < 8; i++)
		id[i] = g->session_id >> (56 - 8 * i);
	sqlite3_bind_int64(s, 1, g->at);
	sqlite3_bind_blob(s, 2, id, sizeof(id), SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, g->a);
	sqlite3_bind_int64(s, 4, g->b);
	sqlite3_bind_int64(s, 5, g->cipher);
	rc = sql_step(st, s, err);
	sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

static int put_grants(struct sql *st, const struct store_grant *g, int n,
		      struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"INSERT INTO grant_log VALUES(?,?,?,?,?)", "");
	int i, rc = 0;

	if (!s)
		return err->code;
	for (i = 0; !rc && i < n; i++)
		rc = put_grant(st, s, &g[i], err);
	sqlite3_finalize(s);
	return rc;
}

int sql_grants(struct sql *st, const struct store_grant *g, int n,
		 int64_t prune_before, struct sotto_errmsg *err)
{
	int rc = sql_run(st, "PRAGMA synchronous = NORMAL", err);

	if (rc)
		return rc;
	rc = sql_begin(st, err);
	if (!rc) {
		rc = put_grants(st, g, n, err);
		if (!rc)
			rc = sql_exec(st, err,
				      "DELETE FROM grant_log WHERE rowid < (SELECT rowid"
				      " FROM grant_log WHERE at >= ? ORDER BY rowid LIMIT 1)",
				      "i", prune_before);
		rc = sql_end(st, rc, err);
	}
	if (sql_run(st, "PRAGMA synchronous = FULL", NULL) && !rc)
		rc = sotto_err(err, SOTTO_E_INTERNAL,
			       "the database cannot be set to sync");
	return rc;
}
