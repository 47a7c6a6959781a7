// SPDX-License-Identifier: GPL-2.0
/*
 * The audit log once more, as lines of a file beside the database: what was done
 * is known when the database is lost, or an old copy of it was put in its place.
 *
 * A line is on the disk before the transaction that it tells of is. So the file
 * is never behind; where it is ahead at the start, the database is an old one
 * (or the server died in between): revocations there are carried out again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"
#include "log.h"
#include "secret.h"
#include "store_sql.h"

#define LOCK_POLL_MS	10

static int fail(struct sql *st, struct sotto_errmsg *err)
{
	int e = errno;

	return sotto_err(err, e == ENOSPC || e == EDQUOT ? SOTTO_E_FULL :
			 e == EROFS || e == EACCES ? SOTTO_E_READONLY :
			 SOTTO_E_IO, "%s" STORE_AUDIT_END ": %s: nothing was changed",
			 st->path, strerror(e));
}

/* ---- writing ---- */

static int put_line(struct sql *st, sqlite3_stmt *s, FILE *f)
{
	json_t *o = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s}",
		"id", (json_int_t)sqlite3_column_int64(s, 0),
		"at", (json_int_t)sqlite3_column_int64(s, 1),
		"actor", (const char *)sqlite3_column_text(s, 2),
		"event", (const char *)sqlite3_column_text(s, 3),
		"subject", (const char *)sqlite3_column_text(s, 4),
		"detail", (const char *)sqlite3_column_text(s, 5));
	int rc = o ? json_dumpf(o, f, JSON_COMPACT) : -1;

	st->audit_next = sqlite3_column_int64(s, 0);
	json_decref(o);
	return rc || fputc('\n', f) == EOF ? SOTTO_E_NOMEM : 0;
}

static int gather(struct sql *st, FILE *f, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT id, at, actor, event, subject, detail FROM audit WHERE id > ? ORDER BY id",
			"i", st->audit_last);
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		rc = put_line(st, s, f);
		if (rc) {
			sotto_err(err, rc, "out of memory");
			break;
		}
	}
	sqlite3_finalize(s);
	return rc;
}

int sql_audit_write(struct sql *st, struct sotto_errmsg *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	int rc;

	if (st->audit_fd < 0)
		return 0;
	st->audit_next = st->audit_last;
	f = open_memstream(&text, &len);
	if (!f)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = gather(st, f, err);
	if (fclose(f) && !rc)
		rc = sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	st->audit_size = lseek(st->audit_fd, 0, SEEK_END);
	if (!rc && len && (sotto_write_all(st->audit_fd, text, len) || fdatasync(st->audit_fd)))
		rc = fail(st, err);
	free(text);
	return rc;
}

void sql_audit_written(struct sql *st, bool committed)
{
	if (st->audit_fd < 0)
		return;
	if (committed)
		st->audit_last = st->audit_next;
	else if (st->audit_size >= 0 && ftruncate(st->audit_fd, st->audit_size))
		sotto_log(SOTTO_LOG_ERR, "%s" STORE_AUDIT_END ": %s", st->path,
			  strerror(errno));
}

/* ---- reading, at the start ---- */

/*
 * "id N key HEX", as sql_member_revoke() writes it. A key is one member's for ever.
 * Where none has it, the database may be from before its member enrolled: that one
 * waits there with a code that may be good still, and is known by @pending, a
 * line that the database does not have.
 */
static int revoke_again(struct sql *st, const json_t *line, bool pending,
			struct sotto_errmsg *err)
{
	const char *detail = json_string_value(json_object_get(line, "detail"));
	const char *name = json_string_value(json_object_get(line, "subject"));
	int64_t id, at = json_integer_value(json_object_get(line, "at"));
	uint8_t key[SOTTO_PUB_LEN];
	char hex[2 * SOTTO_PUB_LEN + 1];
	int rc = 0;

	if (!detail || !name || sscanf(detail, "id %" SCNd64 " key %64s", &id,
				       hex) != 2)
		return 0;
	if (!sotto_unhex(key, sizeof(key), hex))
		rc = sql_revoke_key_again(st, key, at, err);
	if (!rc && pending)
		rc = sql_revoke_pending_again(st, id, name, at, err);
	return rc;
}

static int take_line(struct sql *st, const char *text, int64_t known,
		     int *revoked, struct sotto_errmsg *err)
{
	json_t *o = json_loads(text, 0, NULL);
	int64_t id = json_integer_value(json_object_get(o, "id"));
	const char *event = json_string_value(json_object_get(o, "event"));
	int rc = 0;

	if (event && !strcmp(event, "member.revoke"))
		rc = revoke_again(st, o, id > known, err);
	else if (event && !strcmp(event, "member.rekey"))
		rc = revoke_again(st, o, false, err);	/* that key only */
	if (rc > 0) {
		(*revoked)++;
		rc = 0;
	}
	if (id > st->audit_last)
		st->audit_last = id;
	json_decref(o);
	return rc;
}

/* Each line; one that a crash broke off is cut away, and one that cannot be read is not. */
static int read_lines(struct sql *st, int64_t known, int *revoked,
		      struct sotto_errmsg *err)
{
	FILE *f = fdopen(dup(st->audit_fd), "r");
	char *line = NULL;
	size_t cap = 0;
	off_t good = 0;
	ssize_t n = 0;
	int rc = 0;

	if (!f)
		return fail(st, err);
	rewind(f);
	while (!rc && (n = getline(&line, &cap, f)) > 0) {
		if (line[n - 1] != '\n')
			break;
		good += n;
		rc = take_line(st, line, known, revoked, err);
	}
	if (n < 0 && !feof(f))
		rc = fail(st, err);
	free(line);
	fclose(f);
	if (!rc && ftruncate(st->audit_fd, good))
		rc = fail(st, err);
	return rc;
}

static int64_t last_id(struct sql *st)
{
	struct sotto_errmsg err;
	sqlite3_stmt *s = sql_prepare(st, &err, "SELECT coalesce(max(id), 0) FROM audit", "");
	int64_t id = s && sql_step(st, s, &err) == 1 ?
		     sqlite3_column_int64(s, 0) : 0;

	sqlite3_finalize(s);
	return id;
}

/* The database is older than the file. */
static int catch_up(struct sql *st, int64_t known, int revoked,
		    struct sotto_errmsg *err)
{
	char detail[96];
	int rc;

	if (st->audit_last <= known && !revoked)
		return 0;
	sqlite3_snprintf(sizeof(detail), detail,
			 "the database ends at %lld, this log at %lld; %d revoked again",
			 (long long)known, (long long)st->audit_last, revoked);
	/* nobody may hold a version, or an id, that means something else now */
	rc = sql_run(st, "DELETE FROM policy_change;"
		     "UPDATE meta SET value = value + 2 WHERE key = 'policy_version'",
		     err);
	/* one line alone may be of a transaction that a crash kept from ending */
	if (!rc && st->audit_last != known + 1) {
		sotto_log(SOTTO_LOG_WARN,
			  "%s: an older database than the audit log: %s",
			  st->path, detail);
		rc = sql_run(st, "UPDATE meta SET value = value + 4294967296 WHERE key = 'policy_version';"
			     "UPDATE sqlite_sequence SET seq = seq + 1048576 WHERE name IN ('member', 'grp')",
			     err);
	}
	if (!rc)
		rc = sql_exec(st, err, "INSERT OR REPLACE INTO sqlite_sequence(rowid, name, seq)"
			      " VALUES((SELECT rowid FROM sqlite_sequence WHERE name = 'audit'), 'audit', ?)",
			      "i", st->audit_last > known ? st->audit_last : known);
	if (!rc)
		rc = sql_audit(st, "server", "realm.older", "", detail,
			       time(NULL), err);
	return rc;
}

static int sync_file(struct sql *st, struct sotto_errmsg *err)
{
	int64_t known = last_id(st);
	int revoked = 0, rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = read_lines(st, known, &revoked, err);
	if (!rc)
		rc = catch_up(st, known, revoked, err);
	/* and what the file lacks, as after a migration */
	return sql_end(st, rc, err);
}

/*
 * The lock is this file's: SQLite has locks of its own on the database. Where it cannot be
 * opened, nothing can be stored either, and that is said by who tries.
 */
int store_lock(const char *db, int wait_ms, struct sotto_errmsg *err)
{
	char path[4096 + sizeof(STORE_AUDIT_END)];
	int fd;

	if (access(db, F_OK))
		return 0;
	snprintf(path, sizeof(path), "%s" STORE_AUDIT_END, db);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		if (wait_ms <= 0) {
			close(fd);
			return sotto_err(err, SOTTO_E_STATE,
					 "%s: another server has it; stop that one first", db);
		}
		usleep(LOCK_POLL_MS * 1000);
		wait_ms -= LOCK_POLL_MS;
	}
	return 0;	/* kept open */
}

/* Line @id is there: then so is what came after it. */
int store_audit_covers(const char *db, int64_t id, struct sotto_errmsg *err)
{
	char path[4096 + sizeof(STORE_AUDIT_END)], *line = NULL;
	bool found = false;
	size_t cap = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s" STORE_AUDIT_END, db);
	f = fopen(path, "r");
	while (f && !found && getline(&line, &cap, f) > 0) {
		json_t *o = json_loads(line, 0, NULL);

		found = json_integer_value(json_object_get(o, "id")) == id;
		json_decref(o);
	}
	free(line);
	if (f)
		fclose(f);
	if (found)
		return 0;
	return sotto_err(err, SOTTO_E_STATE,
			 "%s %s: who was revoked since the backup is not known, and they would be members again; put the file there, or use --force",
			 path, f ? "does not go on from the backup" : "is missing");
}

int store_audit_open(struct sql *st, bool create, struct sotto_errmsg *err)
{
	char old[sizeof(st->path) + sizeof(STORE_AUDIT_END) + 4];
	char path[sizeof(st->path) + sizeof(STORE_AUDIT_END)];
	int rc;

	st->audit_fd = -1;
	if (st->path[0] == ':')
		return 0;		/* in memory */
	snprintf(path, sizeof(path), "%s" STORE_AUDIT_END, st->path);
	snprintf(old, sizeof(old), "%s.old", path);
	if (create)
		rename(path, old);	/* of a realm that was here */
	st->audit_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (st->audit_fd < 0)
		return fail(st, err);
	rc = sync_file(st, err);
	if (rc) {
		close(st->audit_fd);
		st->audit_fd = -1;
	}
	return rc;
}
