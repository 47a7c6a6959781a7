/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the SQLite storage share.
 */
#ifndef SOTTO_STORE_SQL_H
#define SOTTO_STORE_SQL_H

#include <sqlite3.h>

#include "store.h"

struct store {
	sqlite3 *db;
	struct seal_key key;
	sqlite3_stmt *addrs;		/* addresses of a member; kept compiled */
	char path[4096];
	int audit_fd;			/* store_audit.c; -1: in memory */
	int64_t audit_last, audit_next;	/* ids: in the file, after this one */
	off_t audit_size;		/* of the file before this transaction */
};

/** sql_error() - turn the connection's last error into one of ours. */
int sql_error(struct store *st, const char *doing, struct sotto_errmsg *err);

/** sql_run() - a statement without parameters and results. */
int sql_run(struct store *st, const char *sql, struct sotto_errmsg *err);

/**
 * sql_prepare() - compile, and bind by @fmt: i int64, s text, b blob (pointer,
 * then int length), n null. NULL on an error. Finish with sqlite3_finalize().
 * Texts and blobs must live until then.
 */
sqlite3_stmt *sql_prepare(struct store *st, struct sotto_errmsg *err,
			  const char *sql, const char *fmt, ...);

/** sql_exec() - the same, for a statement without results. */
int sql_exec(struct store *st, struct sotto_errmsg *err, const char *sql,
	     const char *fmt, ...);

/** sql_step() - 1: a row, 0: no more, negative: error. */
int sql_step(struct store *st, sqlite3_stmt *s, struct sotto_errmsg *err);

/** sql_blob() - copy a column of exactly @len bytes, else SOTTO_E_BAD. */
int sql_blob(sqlite3_stmt *s, int col, void *out, size_t len);

/** sql_has() - a query with one text parameter has a row; errors are "no". */
bool sql_has(struct store *st, const char *sql, const char *text);

/** sql_begin(), sql_end() - a transaction; sql_end() commits if @rc is 0, else
 * rolls back; it returns @rc or the commit's error.
 */
int sql_begin(struct store *st, struct sotto_errmsg *err);
int sql_end(struct store *st, int rc, struct sotto_errmsg *err);

/** sql_audit() - an audit line, inside the caller's transaction. */
int sql_audit(struct store *st, const char *actor, const char *event,
	      const char *subject, const char *detail, int64_t now,
	      struct sotto_errmsg *err);

/** sql_policy_changed() - raise the policy version, likewise; then say what
 * changed with sql_change() or statements of one's own on policy_change.
 */
int sql_policy_changed(struct store *st, struct sotto_errmsg *err);

/** SQL_VERSION - the policy version, in an SQL statement. */
#define SQL_VERSION "(SELECT value FROM meta WHERE key = 'policy_version')"

int sql_change_addr(struct store *st, const struct sotto_addr *a,
		    struct sotto_errmsg *err);

/** STORE_AUDIT_END - what the audit log's file is called behind the database's */
#define STORE_AUDIT_END	".audit"

/** store_audit_open() - the audit log's file; carries out again what an older
 * database does not know of.
 */
int store_audit_open(struct store *st, bool create, struct sotto_errmsg *err);
/** sql_audit_write(), sql_audit_written() - before a commit, and after it. */
int sql_audit_write(struct store *st, struct sotto_errmsg *err);
void sql_audit_written(struct store *st, bool committed);

/** sql_revoke_again() - the member with @key, or with @id and @name where it had
 * none: 1 if there is one and it was not revoked.
 */
int sql_revoke_again(struct store *st, int64_t id, const char *name,
		     const uint8_t key[SOTTO_PUB_LEN], int64_t at,
		     struct sotto_errmsg *err);

/** store_version_check() - SOTTO_E_VERSION for a newer schema than ours. */
int store_version_check(const char *path, int version,
			struct sotto_errmsg *err);

/** store_migrate() - bring the schema to the version of this program. */
int store_migrate(struct store *st, bool create, struct sotto_errmsg *err);

#endif /* SOTTO_STORE_SQL_H */
