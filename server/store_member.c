// SPDX-License-Identifier: GPL-2.0
/*
 * Members and their one-time codes in SQLite.
 */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "secret.h"
#include "store_sql.h"

#define MEMBER_COLS	"id, name, state, static_pub, token, created, registered, revoked, " \
			"coalesce((SELECT max(expires) FROM code WHERE member = m.id AND used = 0), 0)"

static int damaged(struct sql *st, const char *what, struct sotto_errmsg *err)
{
	return sotto_err(err, SOTTO_E_BAD, "%s: %s is damaged", st->path, what);
}

static sqlite3_stmt *addrs_of(struct sql *st, int64_t member,
			      struct sotto_errmsg *err)
{
	if (!st->addrs)
		st->addrs = sql_prepare(st, err,
				"SELECT addr FROM address WHERE member = ? ORDER BY length(addr), addr",
				"");
	if (st->addrs)
		sqlite3_bind_int64(st->addrs, 1, member);
	return st->addrs;
}

static int read_addrs(struct sql *st, struct store_member *m,
		      struct sotto_errmsg *err)
{
	sqlite3_stmt *s = addrs_of(st, m->id, err);
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		if (m->addrs.n == SOTTO_ADDRS_MAX ||
		    sotto_addr_set(&m->addrs.a[m->addrs.n],
				   sqlite3_column_blob(s, 0),
				   sqlite3_column_bytes(s, 0))) {
			rc = damaged(st, "an address", err);
			break;
		}
		m->addrs.n++;
	}
	sqlite3_reset(s);
	return rc;
}

static int read_secrets(struct sql *st, sqlite3_stmt *s,
			struct store_member *m, struct sotto_errmsg *err)
{
	if (sqlite3_column_type(s, 3) == SQLITE_NULL)
		return 0;
	if (sql_blob(s, 3, m->static_pub, sizeof(m->static_pub)))
		return damaged(st, m->name, err);
	if (m->state == MEMBER_REVOKED)
		return 0;
	if (sql_blob(s, 4, m->token, sizeof(m->token)))
		return damaged(st, m->name, err);
	return 0;
}

static int read_member(struct sql *st, sqlite3_stmt *s,
		       struct store_member *m, struct sotto_errmsg *err)
{
	int rc;

	memset(m, 0, sizeof(*m));
	m->id = sqlite3_column_int64(s, 0);
	snprintf(m->name, sizeof(m->name), "%s",
		 (const char *)sqlite3_column_text(s, 1));
	m->state = sqlite3_column_int(s, 2);
	m->created = sqlite3_column_int64(s, 5);
	m->registered = sqlite3_column_int64(s, 6);
	m->revoked = sqlite3_column_int64(s, 7);
	m->code_expires = sqlite3_column_int64(s, 8);
	rc = read_secrets(st, s, m, err);
	return rc ? rc : read_addrs(st, m, err);
}

int sql_each_member(struct sql *st,
		      int (*fn)(void *arg, const struct store_member *m),
		      void *arg, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, "SELECT " MEMBER_COLS
				      " FROM member m ORDER BY id", "");
	struct store_member m;
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		rc = read_member(st, s, &m, err);
		if (!rc)
			rc = fn(arg, &m);
		if (rc)
			break;
	}
	sqlite3_finalize(s);
	return rc;
}

int sql_get_member(struct sql *st, int64_t id, struct store_member *m,
		   struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, "SELECT " MEMBER_COLS
				      " FROM member m WHERE id = ?", "i", id);
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		rc = read_member(st, s, m, err);
	else if (rc == 0)
		rc = sotto_err(err, SOTTO_E_UNKNOWN, "no such member");
	sqlite3_finalize(s);
	return rc;
}

/* Sets err and returns SOTTO_E_EXISTS if the query has a row. */
static int refuse_row(struct sql *st, sqlite3_stmt *s, const char *what,
		      struct sotto_errmsg *err)
{
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		rc = sotto_err(err, SOTTO_E_EXISTS, "%s belongs to member '%s'",
			       what, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return rc;
}

int sql_add_addr(struct sql *st, int64_t member, const struct sotto_addr *a,
		 struct sotto_errmsg *err)
{
	char text[SOTTO_ADDR_STR];
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT m.name FROM address a JOIN member m ON m.id = a.member "
			"WHERE a.addr = ? AND m.state <> 2", "b", a->b,
			(int)a->len);
	int rc = refuse_row(st, s, sotto_addr_str(a, text), err);

	if (rc)
		return rc;
	rc = sql_exec(st, err, "DELETE FROM address WHERE addr = ?", "b", a->b,
		      (int)a->len);
	/* one taken from a revoked member is no longer told of */
	if (!rc && sqlite3_changes(st->db)) {
		rc = sql_policy_changed(st, err);
		if (!rc)
			rc = sql_change_addr(st, a, err);
	}
	return rc ? rc : sql_exec(st, err, "INSERT INTO address VALUES(?,?)",
				  "bi", a->b, (int)a->len, member);
}

static int put_code(struct sql *st, int64_t member, const uint8_t *id,
		    const uint8_t *sealed, int64_t expires,
		    struct sotto_errmsg *err)
{
	int rc = sql_exec(st, err, "DELETE FROM code WHERE member = ?", "i",
			  member);

	if (rc)
		return rc;
	return sql_exec(st, err,
			"INSERT INTO code(id, member, psk, expires) VALUES(?,?,?,?)",
			"bibi", id, SOTTO_CODE_ID_LEN, member, sealed,
			STORE_SEALED, expires);
}

static int insert_member(struct sql *st, const char *name, int64_t now,
			 int64_t *id, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT name FROM member WHERE name = ? AND state <> 2",
			"s", name);
	int rc;

	rc = refuse_row(st, s, "the name", err);
	if (rc == SOTTO_E_EXISTS)
		return sotto_err(err, rc,
				 "there is a member '%s' already; a new line for it: sotto member code",
				 name);
	if (!rc)
		rc = sql_exec(st, err,
			      "INSERT INTO member(name, state, created) VALUES(?,0,?)",
			      "si", name, now);
	*id = sqlite3_last_insert_rowid(st->db);
	return rc;
}

int sql_member_add(struct sql *st, const char *actor, const char *name,
		     const struct sotto_addrs *addrs, int64_t now,
		     const uint8_t code_id[SOTTO_CODE_ID_LEN],
		     const uint8_t code_psk[STORE_SEALED], int64_t expires,
		     int64_t *id, struct sotto_errmsg *err)
{
	int i, rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = insert_member(st, name, now, id, err);
	for (i = 0; !rc && i < addrs->n; i++)
		rc = sql_add_addr(st, *id, &addrs->a[i], err);
	if (!rc)
		rc = put_code(st, *id, code_id, code_psk, expires, err);
	if (!rc)
		rc = sql_audit(st, actor, "member.add", name, "", now, err);
	return sql_end(st, rc, err);
}

int sql_code_new(struct sql *st, const char *actor, int64_t member_id,
		   bool rekey, int64_t now,
		   const uint8_t code_id[SOTTO_CODE_ID_LEN],
		   const uint8_t code_psk[STORE_SEALED], int64_t expires,
		   struct sotto_errmsg *err)
{
	struct store_member m;
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = sql_get_member(st, member_id, &m, err);
	if (!rc && m.state != (rekey ? MEMBER_ACTIVE : MEMBER_PENDING))
		rc = sotto_err(err, SOTTO_E_STATE, rekey ?
			       "member '%s' has no keys yet: see sotto member code" :
			       "member '%s' has enrolled; for new keys: sotto member rekey",
			       m.name);
	if (!rc)
		rc = put_code(st, member_id, code_id, code_psk, expires, err);
	if (!rc)
		rc = sql_audit(st, actor, rekey ? "member.rekey.code" :
			       "member.code", m.name, "", now, err);
	return sql_end(st, rc, err);
}

static int read_code(struct sql *st, sqlite3_stmt *s, struct store_code *c,
		     struct sotto_errmsg *err)
{
	c->member_id = sqlite3_column_int64(s, 0);
	c->expires = sqlite3_column_int64(s, 2);
	c->used = sqlite3_column_int64(s, 3);
	if ((c->used && sql_blob(s, 4, c->used_by, sizeof(c->used_by))) ||
	    sql_blob(s, 1, c->sealed, sizeof(c->sealed)))
		return damaged(st, "a one-time code", err);
	return 0;
}

int sql_code_find(struct sql *st, const uint8_t id[SOTTO_CODE_ID_LEN],
		    struct store_code *out, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT member, psk, expires, used, used_by FROM code WHERE id = ?",
			"b", id, SOTTO_CODE_ID_LEN);
	int rc;

	memset(out, 0, sizeof(*out));
	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		rc = read_code(st, s, out, err);
	else if (rc == 0)
		rc = sotto_err(err, SOTTO_E_UNKNOWN, "no such one-time code");
	sqlite3_finalize(s);
	return rc;
}

static int refuse(enum sotto_refusal *refusal, enum sotto_refusal why,
		  struct sotto_errmsg *err)
{
	*refusal = why;
	return sotto_err(err, SOTTO_E_REFUSED, "%s", sotto_refusal_text(why));
}

static int key_is_free(struct sql *st, const uint8_t *static_pub,
		       enum sotto_refusal *refusal, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT name FROM member WHERE static_pub = ?", "b",
			static_pub, SOTTO_PUB_LEN);
	int rc = refuse_row(st, s, "the key", err);

	return rc == SOTTO_E_EXISTS ?
	       refuse(refusal, SOTTO_REFUSAL_KEY_IN_USE, err) : rc;
}

static int use_code(struct sql *st, const struct store_code *c,
		    const struct sql_registration *r, struct sotto_errmsg *err)
{
	int rc = sql_exec(st, err,
			  "UPDATE member SET state = 1, static_pub = ?, token = ?, registered = ? WHERE id = ?",
			  "bbii", r->static_pub, SOTTO_PUB_LEN, r->token,
			  STORE_SEALED, r->now, c->member_id);

	return rc ? rc : sql_exec(st, err,
				  "UPDATE code SET used = ?, used_by = ? WHERE id = ?",
				  "ibb", r->now, r->static_pub, SOTTO_PUB_LEN,
				  r->code_id, SOTTO_CODE_ID_LEN);
}

/* From now on its addresses are told of. */
static int addrs_changed(struct sql *st, const struct sotto_addrs *addrs,
			 struct sotto_errmsg *err)
{
	int i, rc = sql_policy_changed(st, err);

	for (i = 0; i < addrs->n && !rc; i++)
		rc = sql_change_addr(st, &addrs->a[i], err);
	return rc;
}

/* Whose key is replaced: the old one is never used again. */
static int audit_register(struct sql *st, const struct store_member *old,
			  const struct store_member *m, int64_t now,
			  struct sotto_errmsg *err)
{
	char detail[128] = "", hex[2 * SOTTO_PUB_LEN + 1];
	bool rekey = old->state == MEMBER_ACTIVE;

	if (rekey)
		sqlite3_snprintf(sizeof(detail), detail, "id %lld key %s",
				 (long long)m->id,
				 sotto_hex(hex, old->static_pub,
					   SOTTO_PUB_LEN));
	return sql_audit(st, m->name, rekey ? "member.rekey" : "member.register",
			 m->name, detail, now, err);
}

static int register_new(struct sql *st, const struct store_code *c,
			const struct sql_registration *r,
			struct store_member *out, enum sotto_refusal *refusal,
			struct sotto_errmsg *err)
{
	struct store_member old;
	int rc;

	if (c->expires <= r->now)
		return refuse(refusal, SOTTO_REFUSAL_CODE_EXPIRED, err);
	rc = key_is_free(st, r->static_pub, refusal, err);
	if (!rc)
		rc = sql_get_member(st, c->member_id, &old, err);
	if (!rc)
		rc = use_code(st, c, r, err);
	if (!rc)
		rc = sql_get_member(st, c->member_id, out, err);
	if (!rc)
		rc = addrs_changed(st, &out->addrs, err);
	return rc ? rc : audit_register(st, &old, out, r->now, err);
}

static int do_register(struct sql *st, const struct sql_registration *r,
		       struct store_member *out, enum sotto_refusal *refusal,
		       struct sotto_errmsg *err)
{
	struct store_code c;
	int rc = sql_code_find(st, r->code_id, &c, err);

	if (!rc && !c.used)
		rc = register_new(st, &c, r, out, refusal, err);
	else if (!rc && memcmp(c.used_by, r->static_pub, SOTTO_PUB_LEN))
		rc = refuse(refusal, SOTTO_REFUSAL_CODE_USED, err);
	else if (!rc)
		rc = sql_get_member(st, c.member_id, out, err);
	return rc;
}

int sql_register(struct sql *st, const struct sql_registration *r,
		 struct store_member *out, enum sotto_refusal *refusal,
		 struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = do_register(st, r, out, refusal, err);
	return sql_end(st, rc, err);
}

static int do_revoke(struct sql *st, const char *actor, int64_t id,
		     int64_t now, struct sotto_errmsg *err)
{
	char detail[128], hex[2 * SOTTO_PUB_LEN + 1];
	struct store_member m;
	int rc = sql_get_member(st, id, &m, err);

	if (!rc)
		rc = sql_exec(st, err,
			      "UPDATE member SET state = 2, token = NULL, revoked = ? WHERE id = ?",
			      "ii", now, id);
	if (!rc)
		rc = sql_exec(st, err, "DELETE FROM code WHERE member = ?", "i",
			      id);
	/* its addresses and networks stay protected, until others have them */
	if (!rc)
		rc = sql_exec(st, err, "DELETE FROM grp_member WHERE member = ?",
			      "i", id);
	if (!rc)
		sqlite3_snprintf(sizeof(detail), detail, "id %lld key %s",
				 (long long)id,
				 sotto_all_zero(m.static_pub, SOTTO_PUB_LEN) ?
				 "-" : sotto_hex(hex, m.static_pub,
						 SOTTO_PUB_LEN));
	if (!rc)
		rc = sql_audit(st, actor, "member.revoke", m.name, detail, now,
			       err);
	return rc;
}

/* The one that a query finds, if it does. */
static int revoke_row(struct sql *st, sqlite3_stmt *s, int64_t at,
		      struct sotto_errmsg *err)
{
	int64_t id = 0;
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		id = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	if (rc != 1)
		return rc;
	rc = do_revoke(st, "server", id, at, err);
	return rc ? rc : 1;
}

int sql_revoke_key_again(struct sql *st, const uint8_t key[SOTTO_PUB_LEN],
			 int64_t at, struct sotto_errmsg *err)
{
	return revoke_row(st, sql_prepare(st, err,
			"SELECT id FROM member WHERE static_pub = ? AND state <> 2",
			"b", key, SOTTO_PUB_LEN), at, err);
}

int sql_revoke_pending_again(struct sql *st, int64_t id, const char *name,
			     int64_t at, struct sotto_errmsg *err)
{
	return revoke_row(st, sql_prepare(st, err,
			"SELECT id FROM member WHERE id = ? AND name = ? AND state = 0",
			"is", id, name), at, err);
}

int sql_member_revoke(struct sql *st, const char *actor, int64_t id,
			int64_t now, struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = do_revoke(st, actor, id, now, err);
	return sql_end(st, rc, err);
}
