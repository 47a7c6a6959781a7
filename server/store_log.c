// SPDX-License-Identifier: GPL-2.0
/*
 * Settings, audit lines and grants in SQLite.
 */
#include <stdio.h>
#include <time.h>

#include "authd_limits.h"
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

#define PRUNE_MORE	64	/* grants of before there were batches: deleted beside new ones */
#define PRUNE_BATCHES	2	/* deleted with each new one, at most */
#define DAY_S		86400

/* The longest numbers, and what stands between them. */
#define GRANT_TEXT	(4 * 20 + 16 + 12)

static char *put_number(char *to, int64_t v)
{
	char digits[20];
	uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
	int n = 0;

	do {
		digits[n++] = '0' + rest % 10;
		rest /= 10;
	} while (rest);
	if (v < 0)
		*to++ = '-';
	while (n)
		*to++ = digits[--n];
	return to;
}

/* As the view grant_log reads it: [seconds before the last one, session, a, b, cipher]. */
static char *put_grant(char *to, const struct store_grant *g, int64_t last)
{
	static const char hex[] = "0123456789abcdef";
	int i;

	*to++ = '[';
	to = put_number(to, (uint64_t)last - (uint64_t)g->at);
	*to++ = ',';
	*to++ = '"';
	for (i = 60; i >= 0; i -= 4)
		*to++ = hex[g->session_id >> i & 15];
	*to++ = '"';
	*to++ = ',';
	to = put_number(to, g->a);
	*to++ = ',';
	to = put_number(to, g->b);
	*to++ = ',';
	to = put_number(to, g->cipher);
	*to++ = ']';
	return to;
}

/* One row for all: a row costs more than what is in it. */
static int put_grants(struct sql *st, const struct store_grant *g, int n,
		      struct sotto_errmsg *err)
{
	static char text[2 + AUTHD_GRANT_LOG_BATCH * GRANT_TEXT];
	int64_t last = g[n - 1].at;
	char *end = text;
	int i;

	for (i = 0; i < n; i++) {
		*end++ = i ? ',' : '[';
		end = put_grant(end, &g[i], last);
	}
	*end++ = ']';
	*end = '\0';
	return sql_exec(st, err, "INSERT INTO grant_batch VALUES(?, ?)", "is", last, text);
}

#define FIRST(table)	"SELECT rowid AS id, at FROM " table " ORDER BY rowid LIMIT ?1"
#define PRUNE(table)	"DELETE FROM " table " WHERE rowid < coalesce("			\
			"(SELECT id FROM (" FIRST(table) ") WHERE at BETWEEN ?2 AND ?3 LIMIT 1)," \
			"(SELECT max(id) + 1 FROM (" FIRST(table) ")))"

/*
 * Grants come in order of time, unless the clock jumps. Those of a time to come keep nothing
 * that is old. And few go at once: a clock that is ahead for a moment does not empty the log,
 * nor do requests wait for what gathered while the server was not there.
 */
static int prune(struct sql *st, int64_t before, int n, struct sotto_errmsg *err)
{
	int64_t end = (int64_t)time(NULL) + DAY_S;
	int rc = sql_exec(st, err, PRUNE("grant_batch"), "iii", (int64_t)PRUNE_BATCHES,
			  before, end);

	return rc ? rc : sql_exec(st, err, PRUNE("grant_row"), "iii",
				  (int64_t)(2 * n + PRUNE_MORE), before, end);
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
