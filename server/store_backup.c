// SPDX-License-Identifier: GPL-2.0
/*
 * A realm in one file: its database, copied while the server works on it, and
 * with it the realm key. Who has this file has the realm.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "paths.h"
#include "secret.h"
#include "store_sql.h"

/* A connection alone, without migration and without the audit log's file. */
static int open_plain(struct sql *st, const char *path, int flags,
		      struct sotto_errmsg *err)
{
	memset(st, 0, sizeof(*st));
	st->audit_fd = -1;
	snprintf(st->path, sizeof(st->path), "%s", path);
	if (sqlite3_open_v2(path, &st->db, flags, NULL) != SQLITE_OK)
		return sql_error(st, "open", err);
	sqlite3_busy_timeout(st->db, 5000);
	return 0;
}

static int copy(struct sql *from, struct sql *to, struct sotto_errmsg *err)
{
	sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db,
						"main");

	if (!b)
		return sql_error(to, "copy", err);
	sqlite3_backup_step(b, -1);
	if (sqlite3_backup_finish(b) != SQLITE_OK)
		return sql_error(to, "copy", err);
	return 0;
}

/* Closed, and on the disk under its name. */
static int settle(struct sql *st, const char *name, struct sotto_errmsg *err)
{
	int fd;

	sqlite3_close(st->db);
	st->db = NULL;
	fd = open(st->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) || close(fd) || rename(st->path, name) ||
	    sotto_sync_folder(name))
		return sotto_err_errno(err, name);
	return 0;
}

/* Of our own: the folder may be one where everybody writes. */
static int make_empty(const char *path, struct sotto_errmsg *err)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return sotto_err_errno(err, path);
	close(fd);
	return 0;
}

/* @from's database as @tmp, in one file without a journal of its own. */
static int copy_to(const char *from, struct sql *to, const char *tmp,
		   struct sotto_errmsg *err)
{
	struct sql src;
	int rc = make_empty(tmp, err);

	if (rc)
		return rc;
	rc = open_plain(&src, from, SQLITE_OPEN_READWRITE, err);
	if (!rc)
		rc = open_plain(to, tmp, SQLITE_OPEN_READWRITE, err);
	if (!rc)
		rc = copy(&src, to, err);
	if (!rc)
		rc = sql_run(to, "PRAGMA journal_mode = DELETE", err);
	sqlite3_close(src.db);
	return rc;
}

int store_backup(const char *db, const char *out,
		 const struct realm_keys *keys, int64_t now,
		 struct sotto_errmsg *err)
{
	char tmp[SOTTO_PATH_MAX + 8];
	struct sql to = { 0 };
	int rc;

	if (!access(out, F_OK))
		return sotto_err(err, SOTTO_E_EXISTS,
				 "%s exists: nothing was changed", out);
	snprintf(tmp, sizeof(tmp), "%s.part", out);
	rc = copy_to(db, &to, tmp, err);
	if (!rc)
		rc = sql_run(&to, "DROP TABLE IF EXISTS backup;"
			     "CREATE TABLE backup(at INTEGER, key BLOB, storage BLOB, former BLOB)", err);
	if (!rc)
		rc = sql_exec(&to, err, "INSERT INTO backup VALUES(?,?,?,?)",
			      "ibbb", now, keys->priv, SOTTO_SECRET_LEN,
			      keys->storage, SOTTO_SECRET_LEN, keys->former,
			      SOTTO_SECRET_LEN);
	if (!rc)
		rc = settle(&to, out, err);
	sqlite3_close(to.db);
	if (rc)
		unlink(tmp);
	return rc;
}

static int one_int(struct sql *st, const char *sql, int64_t *out,
		   struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, sql, "");
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	*out = rc == 1 ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

/* Of the time before roll-overs: one key, and what seals was derived from it. */
static bool is_old(struct sql *st)
{
	struct sotto_errmsg none;
	int64_t n;

	return !one_int(st, "SELECT count(*) FROM pragma_table_info('backup') WHERE name = 'storage'",
			&n, &none) && !n;
}

static int take_keys(sqlite3_stmt *s, bool old, struct realm_keys *k)
{
	struct seal_key seal;

	if (sql_blob(s, 1, k->priv, SOTTO_SECRET_LEN))
		return SOTTO_E_BAD;
	if (!old)
		return sql_blob(s, 2, k->storage, SOTTO_SECRET_LEN) ||
		       sql_blob(s, 3, k->former, SOTTO_SECRET_LEN) ? SOTTO_E_BAD : 0;
	seal_key_derive(&seal, k->priv);
	memcpy(k->storage, seal.k, sizeof(k->storage));
	sotto_wipe(&seal, sizeof(seal));
	return 0;
}

static int read_key(struct sql *st, struct store_backup *b,
		    struct sotto_errmsg *err)
{
	bool old = is_old(st);
	sqlite3_stmt *s = sql_prepare(st, err, old ? "SELECT at, key FROM backup" :
				      "SELECT at, key, storage, former FROM backup", "");
	int rc = s ? sql_step(st, s, err) : SOTTO_E_BAD;

	if (rc == 1)
		b->at = sqlite3_column_int64(s, 0);
	if (rc != 1 || take_keys(s, old, &b->keys))
		rc = sotto_err(err, SOTTO_E_BAD, "%s: not a backup of a realm",
			       st->path);
	else
		rc = 0;
	sqlite3_finalize(s);
	return rc;
}

int store_backup_read(const char *file, struct store_backup *b,
		      struct sotto_errmsg *err)
{
	struct sql st;
	int64_t bad = 0, version = 0;
	int rc = open_plain(&st, file, SQLITE_OPEN_READONLY, err);

	memset(b, 0, sizeof(*b));
	if (!rc)
		rc = read_key(&st, b, err);
	if (!rc)
		rc = one_int(&st, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
			     &bad, err);
	if (!rc)
		rc = one_int(&st, "PRAGMA user_version", &version, err);
	if (!rc)
		rc = one_int(&st, "SELECT coalesce(max(id), 0) FROM audit",
			     &b->audit_last, err);
	if (!rc && bad)
		rc = sotto_err(err, SOTTO_E_BAD, "%s: damaged: nothing was changed",
			       file);
	if (!rc)
		rc = store_version_check(file, version, err);
	sqlite3_close(st.db);
	if (rc)
		sotto_wipe(b, sizeof(*b));
	return rc;
}

/* Agents may hold versions that were made after the backup. */
static int leave_versions_behind(struct sql *st, struct sotto_errmsg *err)
{
	int64_t changes;	/* not in a database of the first version */
	int rc = one_int(st, "SELECT count(*) FROM sqlite_master WHERE name = 'policy_change'",
			 &changes, err);

	if (!rc)
		rc = sql_run(st, "UPDATE meta SET value = value + 4294967296 WHERE key = 'policy_version'",
			     err);
	if (!rc && changes)
		rc = sql_run(st, "DELETE FROM policy_change", err);
	return rc;
}

int store_restore(const char *file, const char *db, struct sotto_errmsg *err)
{
	static const char *const ends[] = { "-wal", "-shm" };
	char tmp[SOTTO_PATH_MAX + 8], name[SOTTO_PATH_MAX + 8];
	struct sql to = { 0 };
	size_t i;
	int rc;

	snprintf(tmp, sizeof(tmp), "%s.part", db);
	rc = copy_to(file, &to, tmp, err);
	if (!rc)
		rc = sql_run(&to, "DROP TABLE backup", err);
	if (!rc)
		rc = leave_versions_behind(&to, err);
	for (i = 0; i < 2 && !rc; i++) {
		snprintf(name, sizeof(name), "%s%s", db, ends[i]);
		unlink(name);
	}
	if (!rc)
		rc = settle(&to, db, err);
	sqlite3_close(to.db);
	if (rc)
		unlink(tmp);
	return rc;
}
