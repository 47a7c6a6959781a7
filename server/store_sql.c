// SPDX-License-Identifier: GPL-2.0
/*
 * SQLite: opening, statements, transactions, errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/paths.h"
#include "store_sql.h"

int sql_error(struct sql *st, const char *doing, struct sotto_errmsg *err)
{
	int rc = sqlite3_errcode(st->db);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return sotto_err(err, SOTTO_E_FULL,
				 "%s: the disk is full: nothing was changed; make room and try again",
				 st->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return sotto_err(err, SOTTO_E_READONLY,
				 "%s: the database cannot be written: nothing was changed; check the file's and folder's permissions and the mount",
				 st->path);
	case SQLITE_CANTOPEN:
		return sotto_err(err, SOTTO_E_IO,
				 "%s: cannot be opened; check that the folder exists and may be written",
				 st->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sotto_err(err, SOTTO_E_STATE,
				 "%s: another program holds the database; is a second sotto-authd running?",
				 st->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return sotto_err(err, SOTTO_E_BAD,
				 "%s: not a sound database; restore it from a backup",
				 st->path);
	case SQLITE_NOMEM:
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	default:
		return sotto_err(err, SOTTO_E_IO, "%s: %s: %s", st->path, doing,
				 sqlite3_errmsg(st->db));
	}
}

int sql_run(struct sql *st, const char *sql, struct sotto_errmsg *err)
{
	if (sqlite3_exec(st->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(st, sql, err);
	return 0;
}

static int bind_args(sqlite3_stmt *s, const char *fmt, va_list ap)
{
	int i, rc = SQLITE_OK;

	for (i = 1; *fmt && rc == SQLITE_OK; fmt++, i++) {
		const void *p;

		switch (*fmt) {
		case 'i':
			rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
			break;
		case 's':
			rc = sqlite3_bind_text(s, i, va_arg(ap, const char *),
					       -1, SQLITE_STATIC);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			rc = sqlite3_bind_blob(s, i, p, va_arg(ap, int),
					       SQLITE_STATIC);
			break;
		default:
			rc = sqlite3_bind_null(s, i);
		}
	}
	return rc;
}

static sqlite3_stmt *vprepare(struct sql *st, struct sotto_errmsg *err,
			      const char *sql, const char *fmt, va_list ap)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(st->db, sql, -1, &s, NULL) != SQLITE_OK) {
		sql_error(st, sql, err);
		return NULL;
	}
	if (bind_args(s, fmt, ap) != SQLITE_OK) {
		sql_error(st, sql, err);
		sqlite3_finalize(s);
		return NULL;
	}
	return s;
}

sqlite3_stmt *sql_prepare(struct sql *st, struct sotto_errmsg *err,
			  const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *s;
	va_list ap;

	va_start(ap, fmt);
	s = vprepare(st, err, sql, fmt, ap);
	va_end(ap);
	return s;
}

int sql_step(struct sql *st, sqlite3_stmt *s, struct sotto_errmsg *err)
{
	switch (sqlite3_step(s)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return sql_error(st, "step", err);
	}
}

int sql_exec(struct sql *st, struct sotto_errmsg *err, const char *sql,
	     const char *fmt, ...)
{
	sqlite3_stmt *s;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	s = vprepare(st, err, sql, fmt, ap);
	va_end(ap);
	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

int sql_blob(sqlite3_stmt *s, int col, void *out, size_t len)
{
	const void *p = sqlite3_column_blob(s, col);

	if (!p || (size_t)sqlite3_column_bytes(s, col) != len)
		return SOTTO_E_BAD;
	memcpy(out, p, len);
	return 0;
}

bool sql_has(struct sql *st, const char *sql, const char *text)
{
	struct sotto_errmsg err;
	sqlite3_stmt *s = sql_prepare(st, &err, sql, "s", text);
	bool has = s && sql_step(st, s, &err) == 1;

	sqlite3_finalize(s);
	return has;
}

int sql_begin(struct sql *st, struct sotto_errmsg *err)
{
	return sql_run(st, "BEGIN IMMEDIATE", err);
}

int sql_end(struct sql *st, int rc, struct sotto_errmsg *err)
{
	bool written = !rc;

	if (!rc)
		rc = sql_audit_write(st, err);
	if (!rc)
		rc = sql_run(st, "COMMIT", err);
	if (rc)
		sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
	if (written)
		sql_audit_written(st, !rc);
	return rc;
}

int sql_audit(struct sql *st, const char *actor, const char *event,
	      const char *subject, const char *detail, int64_t now,
	      struct sotto_errmsg *err)
{
	return sql_exec(st, err,
			"INSERT INTO audit(at, actor, event, subject, detail) VALUES(?,?,?,?,?)",
			"issss", now, actor, event, subject, detail);
}

int sql_policy_changed(struct sql *st, struct sotto_errmsg *err)
{
	int rc = sql_run(st,
			 "UPDATE meta SET value = value + 1 WHERE key = 'policy_version'",
			 err);

	if (rc)
		return rc;
	return sql_exec(st, err,
			"DELETE FROM policy_change WHERE id <= (SELECT max(id) FROM policy_change) - ?",
			"i", (int64_t)STORE_CHANGES_MAX);
}

int sql_change_addr(struct sql *st, const struct sotto_addr *a,
		    struct sotto_errmsg *err)
{
	return sql_exec(st, err,
			"INSERT INTO policy_change(version, kind, addr, plen) VALUES("
			SQL_VERSION ", ?, ?, ?)", "ibi",
			(int64_t)CHANGE_ADDRESS, a->b, (int)a->len,
			(int64_t)a->len * 8);
}

static int configure(struct sql *st, struct sotto_errmsg *err)
{
	static const char *const pragmas[] = {
		"PRAGMA foreign_keys = ON",
		"PRAGMA secure_delete = ON",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		/* no further files: the server may open none */
		"PRAGMA temp_store = MEMORY",
	};
	size_t i;
	int rc = 0, seed;

	sqlite3_randomness(sizeof(seed), &seed);
	sqlite3_extended_result_codes(st->db, 1);
	sqlite3_busy_timeout(st->db, 2000);
	for (i = 0; !rc && i < sizeof(pragmas) / sizeof(pragmas[0]); i++)
		rc = sql_run(st, pragmas[i], err);
	return rc;
}

int sql_open(const char *path, bool create, struct sql **out,
	     struct sotto_errmsg *err)
{
	int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
	struct sql *st = calloc(1, sizeof(*st));
	mode_t mask;
	int rc = 0;

	if (!st)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	snprintf(st->path, sizeof(st->path), "%s", path);
	st->audit_fd = -1;
	mask = umask(0177);
	if (sqlite3_open_v2(path, &st->db, flags, NULL) != SQLITE_OK)
		rc = sql_error(st, "open", err);
	if (!rc)
		rc = configure(st, err);
	if (!rc)
		rc = store_migrate(st, create, err);
	if (!rc)
		rc = store_audit_open(st, create, err);
	umask(mask);
	if (rc)
		sql_close(st);
	else
		*out = st;
	return rc;
}

/* A process has one database for good. */
static char kept_path[SOTTO_PATH_MAX];
static int kept_fd = -1;

/* In the place of SQLite's own, which is for syncing the folder that @path is in. */
static int open_folder(const char *path, int *fd)
{
	size_t len = strlen(kept_path);

	*fd = -1;
	if (!strncmp(path, kept_path, len) && path[len] == '/' && !strchr(path + len + 1, '/'))
		*fd = fcntl(kept_fd, F_DUPFD_CLOEXEC, 0);
	return *fd < 0 ? SQLITE_CANTOPEN : SQLITE_OK;
}

int sql_keep_folder(const struct sql *st, struct sotto_errmsg *err)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	char *end;

	snprintf(kept_path, sizeof(kept_path), "%s", sqlite3_db_filename(st->db, "main"));
	end = strrchr(kept_path, '/');
	if (!end)
		return sotto_err(err, SOTTO_E_IO, "%s: in which folder?", st->path);
	*end = '\0';
	kept_fd = open(kept_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (kept_fd < 0)
		return sotto_err(err, SOTTO_E_IO, "%s: %s", kept_path, strerror(errno));
	vfs->xSetSystemCall(vfs, "openDirectory", (sqlite3_syscall_ptr)open_folder);
	return 0;
}

int sql_open_again(const struct sql *first, struct sql **out,
		   struct sotto_errmsg *err)
{
	struct sql *st = calloc(1, sizeof(*st));
	int rc = 0;

	if (!st)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	st->audit_fd = -1;
	strcpy(st->path, first->path);
	if (sqlite3_open_v2(first->path, &st->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		rc = sql_error(st, "open", err);
	if (!rc)
		rc = configure(st, err);
	if (rc)
		sql_close(st);
	else
		*out = st;
	return rc;
}

void sql_close(struct sql *st)
{
	if (!st)
		return;
	sqlite3_finalize(st->addrs);
	sqlite3_close(st->db);
	if (st->audit_fd >= 0)
		close(st->audit_fd);
	free(st);
}
