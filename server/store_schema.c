// SPDX-License-Identifier: GPL-2.0
/*
 * The schema, as a list of migrations that is only ever appended to: step N
 * brings a database of version N to version N + 1.
 */
#include "store_sql.h"

static const char *const migrations[] = {
	/* 0 -> 1 */
	"CREATE TABLE meta("
	"  key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('policy_version', 1);"
	"CREATE TABLE member("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL,"
	"  state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 2),"
	"  static_pub BLOB CHECK(length(static_pub) = 32),"
	"  token BLOB,"				/* sealed */
	"  created INTEGER NOT NULL,"
	"  registered INTEGER NOT NULL DEFAULT 0,"
	"  revoked INTEGER NOT NULL DEFAULT 0,"
	"  CHECK(state <> 1 OR (static_pub NOT NULL AND token NOT NULL)));"
	/* a revoked member's name may be given again, its key never */
	"CREATE UNIQUE INDEX member_name ON member(name) WHERE state <> 2;"
	"CREATE UNIQUE INDEX member_key ON member(static_pub);"
	"CREATE TABLE address("
	"  addr BLOB PRIMARY KEY CHECK(length(addr) IN (4, 16)),"
	"  member INTEGER NOT NULL REFERENCES member(id)) WITHOUT ROWID;"
	"CREATE INDEX address_member ON address(member);"
	"CREATE TABLE code("
	"  id BLOB PRIMARY KEY CHECK(length(id) = 16),"
	"  member INTEGER NOT NULL REFERENCES member(id),"
	"  psk BLOB NOT NULL,"			/* sealed */
	"  expires INTEGER NOT NULL,"
	"  used INTEGER NOT NULL DEFAULT 0,"
	"  used_by BLOB) WITHOUT ROWID;"
	"CREATE INDEX code_member ON code(member);"
	"CREATE TABLE policy("
	"  addr BLOB NOT NULL CHECK(length(addr) IN (4, 16)),"
	"  plen INTEGER NOT NULL,"
	"  action INTEGER NOT NULL,"
	"  PRIMARY KEY(addr, plen)) WITHOUT ROWID;"
	"CREATE TABLE audit("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  at INTEGER NOT NULL,"
	"  actor TEXT NOT NULL,"
	"  event TEXT NOT NULL,"
	"  subject TEXT NOT NULL,"
	"  detail TEXT NOT NULL);"
	"CREATE TABLE grant_log("
	"  at INTEGER NOT NULL,"
	"  session BLOB NOT NULL,"
	"  a INTEGER NOT NULL,"
	"  b INTEGER NOT NULL,"
	"  cipher INTEGER NOT NULL);"
	"CREATE INDEX grant_log_at ON grant_log(at);",
	/* 1 -> 2: groups, rules, networks behind members, changes, trials */
	"CREATE TABLE grp("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE grp_member("
	"  grp INTEGER NOT NULL REFERENCES grp(id),"
	"  member INTEGER NOT NULL REFERENCES member(id),"
	"  PRIMARY KEY(grp, member)) WITHOUT ROWID;"
	"CREATE INDEX grp_member_member ON grp_member(member);"
	"CREATE TABLE rule("
	"  pos INTEGER PRIMARY KEY,"
	"  allow INTEGER NOT NULL,"
	"  src TEXT NOT NULL,"
	"  dst TEXT NOT NULL);"
	"INSERT INTO meta VALUES('deny_rest', 0);"
	"CREATE TABLE policy2("
	"  addr BLOB NOT NULL CHECK(length(addr) IN (4, 16)),"
	"  plen INTEGER NOT NULL,"
	"  grp INTEGER NOT NULL,"		/* 0: for all */
	"  action INTEGER NOT NULL,"
	"  PRIMARY KEY(addr, plen, grp)) WITHOUT ROWID;"
	"INSERT INTO policy2 SELECT addr, plen, 0, action FROM policy;"
	"DROP TABLE policy;"
	"ALTER TABLE policy2 RENAME TO policy;"
	"CREATE TABLE route("
	"  addr BLOB NOT NULL CHECK(length(addr) IN (4, 16)),"
	"  plen INTEGER NOT NULL,"
	"  member INTEGER NOT NULL REFERENCES member(id),"
	"  PRIMARY KEY(addr, plen, member)) WITHOUT ROWID;"
	"CREATE INDEX route_member ON route(member);"
	/* what each version changed, so that members get differences */
	"CREATE TABLE policy_change("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  version INTEGER NOT NULL,"
	"  kind INTEGER NOT NULL,"		/* enum store_change_kind */
	"  addr BLOB,"
	"  plen INTEGER,"
	"  grp INTEGER NOT NULL DEFAULT 0,"
	"  member INTEGER NOT NULL DEFAULT 0);"
	/* a change that is taken back unless it is confirmed in time */
	"CREATE TABLE trial("
	"  id INTEGER PRIMARY KEY CHECK(id = 1),"
	"  until INTEGER NOT NULL,"
	"  seconds INTEGER NOT NULL,"
	"  previous TEXT NOT NULL);",
	/* 2 -> 3: grants come in order of time, and are deleted in that order */
	"DROP INDEX grant_log_at;",
	/* 3 -> 4: grants by the batch; what is there stays where it is until it is too old */
	"ALTER TABLE grant_log RENAME TO grant_row;"
	"CREATE TABLE grant_batch("
	"  at INTEGER NOT NULL,"		/* the last one's */
	"  grants TEXT NOT NULL);"		/* JSON */
	"CREATE VIEW grant_log(at, session, a, b, cipher) AS"
	"  SELECT at, lower(hex(session)), a, b, cipher FROM grant_row UNION ALL"
	"  SELECT at - json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
	"  json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]')"
	"  FROM grant_batch, json_each(grants);",
};

#define SCHEMA_VERSION	((int)(sizeof(migrations) / sizeof(migrations[0])))

static int get_version(struct sql *st, int *version, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, "PRAGMA user_version", "");
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	*version = rc == 1 ? sqlite3_column_int(s, 0) : 0;
	sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

static int migrate_step(struct sql *st, int version, struct sotto_errmsg *err)
{
	char set[48];
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	sqlite3_snprintf(sizeof(set), set, "PRAGMA user_version = %d",
			 version + 1);
	rc = sql_run(st, migrations[version], err);
	if (!rc)
		rc = sql_run(st, set, err);
	return sql_end(st, rc, err);
}

int store_version_check(const char *path, int version,
			struct sotto_errmsg *err)
{
	if (version <= SCHEMA_VERSION)
		return 0;
	return sotto_err(err, SOTTO_E_VERSION,
			 "%s: made by a newer version (schema %d, this program knows %d); install that version",
			 path, version, SCHEMA_VERSION);
}

int store_migrate(struct sql *st, bool create, struct sotto_errmsg *err)
{
	int version = 0, rc = get_version(st, &version, err);

	if (rc)
		return rc;
	rc = store_version_check(st->path, version, err);
	if (rc)
		return rc;
	if (create && version)
		return sotto_err(err, SOTTO_E_EXISTS,
				 "%s: there is a realm already", st->path);
	if (!create && !version)
		return sotto_err(err, SOTTO_E_BAD,
				 "%s: not a realm's database", st->path);
	for (; version < SCHEMA_VERSION; version++) {
		rc = migrate_step(st, version, err);
		if (rc)
			return rc;
	}
	return 0;
}
