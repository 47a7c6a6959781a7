// SPDX-License-Identifier: GPL-2.0
/*
 * Settings, audit lines and grants in SQLite.
 */
#include <stdio.h>
#include <time.h>

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

#define ROW		"(?,?,?,?,?)"
#define ROW_COLS	5
#define ROWS		16	/* in one statement: most of its cost is that of its beginning and end */
#define PRUNE_MORE	64	/* grants deleted beside two for each that comes, at most */
#define DAY_S		86400
#define FIRST		"SELECT rowid AS id, at FROM grant_log ORDER BY rowid LIMIT ?1"
#define ROWS_4		ROW "," ROW "," ROW "," ROW

/* @id is to live until the statement is run. */
static void bind_grant(sqlite3_stmt *s, int row, const struct store_grant *g, uint8_t id[8])
{
	int at = row * ROW_COLS, i;

	for (i = 0; i < 8; i++)
		id[i] = g->session_id >> (56 - 8 * i);
	sqlite3_bind_int64(s, at + 1, g->at);
	sqlite3_bind_blob(s, at + 2, id, 8, SQLITE_STATIC);
	sqlite3_bind_int64(s, at + 3, g->a);
	sqlite3_bind_int64(s, at + 4, g->b);
	sqlite3_bind_int64(s, at + 5, g->cipher);
}

/* As many times @rows as @n has; returns how many grants that were, or an error. */
static int put_rows(struct sql *st, const char *insert, int rows,
		    const struct store_grant *g, int n, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, insert, "");
	int done = 0, i, rc = 0;
	uint8_t id[ROWS][8];

	if (!s)
		return err->code;
	for (; rc >= 0 && n - done >= rows; done += rows) {
		for (i = 0; i < rows; i++)
			bind_grant(s, i, &g[done + i], id[i]);
		rc = sql_step(st, s, err);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	return rc < 0 ? rc : done;
}

static int put_grants(struct sql *st, const struct store_grant *g, int n,
		      struct sotto_errmsg *err)
{
	int done = put_rows(st, "INSERT INTO grant_log VALUES" ROWS_4 "," ROWS_4
			    "," ROWS_4 "," ROWS_4, ROWS, g, n, err), rc;

	if (done < 0)
		return done;
	rc = put_rows(st, "INSERT INTO grant_log VALUES" ROW, 1, g + done, n - done, err);
	return rc < 0 ? rc : 0;
}

/*
 * Grants come in order of time, unless the clock jumps. Those of a time to come keep nothing
 * that is old. And few go at once: a clock that is ahead for a moment does not empty the log,
 * nor do requests wait for what gathered while the server was not there.
 */
static int prune(struct sql *st, int64_t before, int n, struct sotto_errmsg *err)
{
	return sql_exec(st, err,
			"DELETE FROM grant_log WHERE rowid < coalesce("
			"(SELECT id FROM (" FIRST ") WHERE at BETWEEN ?2 AND ?3 LIMIT 1),"
			"(SELECT max(id) FROM (" FIRST ")))",
			"iii", (int64_t)(2 * n + PRUNE_MORE), before,
			(int64_t)time(NULL) + DAY_S);
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
			rc = prune(st, prune_before, n, err);
		rc = sql_end(st, rc, err);
	}
	if (sql_run(st, "PRAGMA synchronous = FULL", NULL) && !rc)
		rc = sotto_err(err, SOTTO_E_INTERNAL,
			       "the database cannot be set to sync");
	return rc;
}
