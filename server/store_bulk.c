// SPDX-License-Identifier: GPL-2.0
/*
 * Many members at once, into a fresh database: one transaction, and statements
 * that are compiled once.
 */
#include "store_sql.h"

struct bulk {
	struct sql *st;
	sqlite3_stmt *member, *address;
};

static int run_one(struct bulk *b, sqlite3_stmt *s, struct sotto_errmsg *err)
{
	int rc = sql_step(b->st, s, err);

	sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

static int put_addrs(struct bulk *b, const struct store_member *m, int64_t id,
		     struct sotto_errmsg *err)
{
	int i, rc = 0;

	for (i = 0; i < m->addrs.n && !rc; i++) {
		const struct sotto_addr *a = &m->addrs.a[i];

		sqlite3_bind_blob(b->address, 1, a->b, a->len, SQLITE_STATIC);
		sqlite3_bind_int64(b->address, 2, id);
		rc = run_one(b, b->address, err);
	}
	return rc;
}

static int put_member(struct bulk *b, const struct store_member *m,
		      struct sotto_errmsg *err)
{
	sqlite3_stmt *s = b->member;
	int rc;

	sqlite3_bind_text(s, 1, m->name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, m->static_pub, SOTTO_PUB_LEN, SQLITE_STATIC);
	sqlite3_bind_blob(s, 3, m->token, STORE_SEALED, SQLITE_STATIC);
	sqlite3_bind_int64(s, 4, m->created);
	sqlite3_bind_int64(s, 5, m->registered);
	rc = run_one(b, s, err);
	return rc ? rc : put_addrs(b, m, sqlite3_last_insert_rowid(b->st->db),
				   err);
}

static int put_all(struct bulk *b, store_bulk_fn next, void *arg,
		   struct sotto_errmsg *err)
{
	struct store_member m;
	int rc = 0;

	while (!rc && next(arg, &m))
		rc = put_member(b, &m, err);
	return rc;
}

int sql_bulk_members(struct sql *st, store_bulk_fn next, void *arg,
		       struct sotto_errmsg *err)
{
	struct bulk b = { .st = st };
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	b.member = sql_prepare(st, err,
			"INSERT INTO member(name, state, static_pub, token, created, registered) VALUES(?,1,?,?,?,?)",
			"");
	if (b.member)
		b.address = sql_prepare(st, err,
				"INSERT INTO address(addr, member) VALUES(?,?)", "");
	rc = b.address ? put_all(&b, next, arg, err) : err->code;
	sqlite3_finalize(b.member);
	sqlite3_finalize(b.address);
	return sql_end(st, rc, err);
}
