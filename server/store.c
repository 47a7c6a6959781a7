// SPDX-License-Identifier: GPL-2.0
/*
 * The storage's interface: seals secrets and opens them, and has SQLite do the
 * rest, in this process or in the storage process. The policy is in store_doc.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret.h"
#include "store_ask.h"

int store_open(const char *path, bool create, const struct seal_key *key,
	       struct store **out, struct sotto_errmsg *err)
{
	struct store *st = calloc(1, sizeof(*st));
	int rc;

	if (!st)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	st->key = *key;
	snprintf(st->path, sizeof(st->path), "%s", path);
	rc = sql_open(path, create, &st->sql, err);
	if (rc)
		store_close(st);
	else
		*out = st;
	return rc;
}

/* The storage process ends when its sockets do, with all on the disk. */
void store_close(struct store *st)
{
	if (!st)
		return;
	sql_close(st->sql);
	if (st->pid > 0) {
		close(st->fd);
		close(st->log_fd);
		waitpid(st->pid, NULL, 0);
	}
	free(st->frame);
	sotto_wipe(st, sizeof(*st));
	free(st);
}

/* ---- secrets ---- */

static int damaged(struct store *st, const char *what, struct sotto_errmsg *err)
{
	return sotto_err(err, SOTTO_E_BAD,
			 "%s: %s cannot be read with this realm key; is realm.key the one that belongs to it?",
			 st->path, what);
}

static int seal_one(struct store *st, const char *what,
		    const uint8_t secret[SOTTO_SECRET_LEN],
		    uint8_t sealed[STORE_SEALED], struct sotto_errmsg *err)
{
	if (!seal(&st->key, what, secret, SOTTO_SECRET_LEN, sealed))
		return 0;
	return sotto_err(err, SOTTO_E_CRYPTO, "a %s cannot be sealed", what);
}

int store_token_secret(struct store *st, struct store_member *m,
		       struct sotto_errmsg *err)
{
	int rc = unseal(&st->key, "token", m->token, sizeof(m->token),
			m->token_secret, sizeof(m->token_secret));

	if (rc == SOTTO_E_LIMIT)
		return sotto_err(err, rc, "too many token secrets at once");
	return rc ? damaged(st, m->name, err) : 0;
}

/* Where another process has the key, tokens are opened when they are needed. */
static int open_token(struct store *st, struct store_member *m,
		      struct sotto_errmsg *err)
{
	if (st->key.remote || m->state != MEMBER_ACTIVE)
		return 0;
	return store_token_secret(st, m, err);
}

static int get_secret(struct store *st, const char *name, uint8_t *sealed,
		      size_t len, struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_secret_get(st->sql, name, sealed, len, err);
	store_put_text(ask_begin(&q), name);
	sotto_put_u16(&q.w, len);
	rc = ask(st, STORE_SECRET_GET, &q, NULL, NULL, err);
	if (rc)
		return rc;
	sotto_get_bytes(&q.r, sealed, len);
	ask_end(&q);
	return 0;
}

int store_secret_get(struct store *st, const char *name, void *out, size_t len,
		     struct sotto_errmsg *err)
{
	uint8_t sealed[STORE_SECRET_MAX + SEAL_OVERHEAD];
	int rc;

	if (len > STORE_SECRET_MAX)
		return sotto_err(err, SOTTO_E_LIMIT, "the secret is too long");
	rc = get_secret(st, name, sealed, len + SEAL_OVERHEAD, err);
	if (!rc && unseal(&st->key, name, sealed, len + SEAL_OVERHEAD, out, len))
		rc = damaged(st, name, err);
	return rc;
}

int store_secret_set(struct store *st, const char *name, const void *secret,
		     size_t len, struct sotto_errmsg *err)
{
	uint8_t sealed[STORE_SECRET_MAX + SEAL_OVERHEAD];
	struct ask q;

	if (len > STORE_SECRET_MAX)
		return sotto_err(err, SOTTO_E_LIMIT, "the secret is too long");
	if (seal(&st->key, name, secret, len, sealed))
		return sotto_err(err, SOTTO_E_CRYPTO, "%s cannot be sealed", name);
	if (st->sql)
		return sql_secret_set(st->sql, name, sealed,
				      len + SEAL_OVERHEAD, err);
	store_put_text(ask_begin(&q), name);
	sotto_put_bytes(&q.w, sealed, len + SEAL_OVERHEAD);
	return ask_plain(st, STORE_SECRET_SET, &q, err);
}

/* ---- members ---- */

struct each_member {
	struct store *st;
	int (*fn)(void *arg, const struct store_member *m);
	void *arg;
	struct sotto_errmsg *err;
};

static int open_and_pass(void *arg, const struct store_member *m)
{
	const struct each_member *e = arg;
	struct store_member copy = *m;
	int rc = open_token(e->st, &copy, e->err);

	if (!rc)
		rc = e->fn(e->arg, &copy);
	sotto_wipe(&copy, sizeof(copy));
	return rc;
}

static int take_member(void *arg, struct sotto_rbuf *r)
{
	const struct each_member *e = arg;
	struct store_member m;

	store_get_member(r, &m);
	if (r->err)
		return 0;
	return e->st->key.remote ? e->fn(e->arg, &m) : open_and_pass(arg, &m);
}

int store_each_member(struct store *st,
		      int (*fn)(void *arg, const struct store_member *m),
		      void *arg, struct sotto_errmsg *err)
{
	struct each_member e = { st, fn, arg, err };
	struct ask q;
	int rc;

	if (st->sql)
		return sql_each_member(st->sql, open_and_pass, &e, err);
	ask_begin(&q);
	rc = ask(st, STORE_EACH_MEMBER, &q, take_member, &e, err);
	if (!rc)
		ask_end(&q);
	return rc;
}

static void put_code(struct sotto_wbuf *w, const uint8_t id[SOTTO_CODE_ID_LEN],
		     const uint8_t sealed[STORE_SEALED], int64_t expires)
{
	sotto_put_bytes(w, id, SOTTO_CODE_ID_LEN);
	sotto_put_bytes(w, sealed, STORE_SEALED);
	sotto_put_u64(w, expires);
}

int store_member_add(struct store *st, const char *actor, const char *name,
		     const struct sotto_addrs *addrs, int64_t now,
		     const uint8_t code_id[SOTTO_CODE_ID_LEN],
		     const uint8_t code_psk[SOTTO_SECRET_LEN], int64_t expires,
		     int64_t *id, struct sotto_errmsg *err)
{
	uint8_t sealed[STORE_SEALED];
	struct ask q;
	int rc = seal_one(st, "code", code_psk, sealed, err);

	if (rc)
		return rc;
	if (st->sql)
		return sql_member_add(st->sql, actor, name, addrs, now, code_id,
				      sealed, expires, id, err);
	store_put_text(ask_begin(&q), actor);
	store_put_text(&q.w, name);
	store_put_addrs(&q.w, addrs);
	sotto_put_u64(&q.w, now);
	put_code(&q.w, code_id, sealed, expires);
	rc = ask(st, STORE_MEMBER_ADD, &q, NULL, NULL, err);
	if (rc)
		return rc;
	*id = sotto_get_u64(&q.r);
	ask_end(&q);
	return 0;
}

int store_code_new(struct store *st, const char *actor, int64_t member_id,
		   bool rekey, int64_t now,
		   const uint8_t code_id[SOTTO_CODE_ID_LEN],
		   const uint8_t code_psk[SOTTO_SECRET_LEN], int64_t expires,
		   struct sotto_errmsg *err)
{
	uint8_t sealed[STORE_SEALED];
	struct ask q;
	int rc = seal_one(st, "code", code_psk, sealed, err);

	if (rc)
		return rc;
	if (st->sql)
		return sql_code_new(st->sql, actor, member_id, rekey, now,
				    code_id, sealed, expires, err);
	store_put_text(ask_begin(&q), actor);
	sotto_put_u64(&q.w, member_id);
	sotto_put_u8(&q.w, rekey);
	sotto_put_u64(&q.w, now);
	put_code(&q.w, code_id, sealed, expires);
	return ask_plain(st, STORE_CODE_NEW, &q, err);
}

static int find_code(struct store *st, const uint8_t id[SOTTO_CODE_ID_LEN],
		     struct store_code *c, struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_code_find(st->sql, id, c, err);
	sotto_put_bytes(ask_begin(&q), id, SOTTO_CODE_ID_LEN);
	rc = ask(st, STORE_CODE_FIND, &q, NULL, NULL, err);
	if (rc)
		return rc;
	c->member_id = sotto_get_u64(&q.r);
	c->expires = sotto_get_u64(&q.r);
	c->used = sotto_get_u64(&q.r);
	sotto_get_bytes(&q.r, c->used_by, sizeof(c->used_by));
	sotto_get_bytes(&q.r, c->sealed, sizeof(c->sealed));
	ask_end(&q);
	return 0;
}

int store_code_find(struct store *st, const uint8_t id[SOTTO_CODE_ID_LEN],
		    struct store_code *out, struct sotto_errmsg *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = find_code(st, id, out, err);
	if (!rc && unseal(&st->key, "code", out->sealed, sizeof(out->sealed),
			  out->psk, sizeof(out->psk)))
		rc = damaged(st, "a one-time code", err);
	return rc;
}

static int do_register(struct store *st, const struct sql_registration *reg,
		       struct store_member *out, enum sotto_refusal *refusal,
		       struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_register(st->sql, reg, out, refusal, err);
	sotto_put_bytes(ask_begin(&q), reg->code_id, sizeof(reg->code_id));
	sotto_put_bytes(&q.w, reg->static_pub, sizeof(reg->static_pub));
	sotto_put_bytes(&q.w, reg->token, sizeof(reg->token));
	sotto_put_u64(&q.w, reg->now);
	rc = ask(st, STORE_REGISTER, &q, NULL, NULL, err);
	if (rc && rc != SOTTO_E_REFUSED)
		return rc;
	if (rc)
		*refusal = sotto_get_u8(&q.r);
	else
		store_get_member(&q.r, out);
	ask_end(&q);
	return rc;
}

int store_register(struct store *st, const uint8_t code_id[SOTTO_CODE_ID_LEN],
		   const uint8_t static_pub[SOTTO_PUB_LEN], int64_t now,
		   struct store_member *out, enum sotto_refusal *refusal,
		   struct sotto_errmsg *err)
{
	struct sql_registration reg = { .now = now };
	uint8_t secret[SOTTO_SECRET_LEN];
	int rc;

	memcpy(reg.code_id, code_id, sizeof(reg.code_id));
	memcpy(reg.static_pub, static_pub, sizeof(reg.static_pub));
	randombytes_buf(secret, sizeof(secret));
	rc = seal_one(st, "token", secret, reg.token, err);
	sotto_wipe(secret, sizeof(secret));
	if (!rc)
		rc = do_register(st, &reg, out, refusal, err);
	return rc ? rc : open_token(st, out, err);
}

int store_member_revoke(struct store *st, const char *actor, int64_t id,
			int64_t now, struct sotto_errmsg *err)
{
	struct ask q;

	if (st->sql)
		return sql_member_revoke(st->sql, actor, id, now, err);
	store_put_text(ask_begin(&q), actor);
	sotto_put_u64(&q.w, id);
	sotto_put_u64(&q.w, now);
	return ask_plain(st, STORE_MEMBER_REVOKE, &q, err);
}

struct bulk {
	struct store *st;
	store_bulk_fn next;
	void *arg;
};

static bool next_sealed(void *arg, struct store_member *m)
{
	struct bulk *b = arg;
	bool more = b->next(b->arg, m) &&
		    !seal(&b->st->key, "token", m->token_secret,
			  sizeof(m->token_secret), m->token);

	sotto_wipe(m->token_secret, sizeof(m->token_secret));
	return more;
}

int store_bulk_members(struct store *st, store_bulk_fn next, void *arg,
		       struct sotto_errmsg *err)
{
	struct bulk b = { st, next, arg };

	return st->sql ? sql_bulk_members(st->sql, next_sealed, &b, err) :
	       sotto_err(err, SOTTO_E_STATE, "not while the server runs");
}

/* ---- settings and logs ---- */

int store_endpoints(struct store *st, char *out, size_t cap,
		    struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_endpoints(st->sql, out, cap, err);
	ask_begin(&q);
	rc = ask(st, STORE_ENDPOINTS, &q, NULL, NULL, err);
	if (rc)
		return rc;
	store_get_text(&q.r, out, cap);
	ask_end(&q);
	return 0;
}

int store_endpoints_set(struct store *st, const char *list,
			struct sotto_errmsg *err)
{
	return st->sql ? sql_endpoints_set(st->sql, list, err) :
	       sotto_err(err, SOTTO_E_STATE, "not while the server runs");
}

int store_audit(struct store *st, const char *actor, const char *event,
		const char *subject, const char *detail, int64_t now,
		struct sotto_errmsg *err)
{
	struct ask q;

	if (st->sql)
		return sql_audit_line(st->sql, actor, event, subject, detail,
				      now, err);
	store_put_text(ask_begin(&q), actor);
	store_put_text(&q.w, event);
	store_put_text(&q.w, subject);
	store_put_text(&q.w, detail);
	sotto_put_u64(&q.w, now);
	return ask_plain(st, STORE_AUDIT, &q, err);
}

struct each_audit {
	int (*fn)(void *arg, const struct store_audit *a);
	void *arg;
};

static int take_audit(void *arg, struct sotto_rbuf *r)
{
	const struct each_audit *e = arg;
	char text[4][STORE_TEXT_MAX];
	struct store_audit a = {
		.id = sotto_get_u64(r),
		.actor = text[0], .event = text[1], .subject = text[2],
		.detail = text[3],
	};
	int i;

	a.at = sotto_get_u64(r);
	for (i = 0; i < 4; i++)
		store_get_text(r, text[i], sizeof(text[i]));
	return r->err ? 0 : e->fn(e->arg, &a);
}

int store_each_audit(struct store *st, int limit,
		     int (*fn)(void *arg, const struct store_audit *a),
		     void *arg, struct sotto_errmsg *err)
{
	struct each_audit e = { fn, arg };
	struct ask q;
	int rc;

	if (st->sql)
		return sql_each_audit(st->sql, limit, fn, arg, err);
	sotto_put_u32(ask_begin(&q), limit);
	rc = ask(st, STORE_EACH_AUDIT, &q, take_audit, &e, err);
	if (!rc)
		ask_end(&q);
	return rc;
}

int store_grants(struct store *st, const struct store_grant *g, int n,
		 int64_t prune_before, struct sotto_errmsg *err)
{
	uint8_t data[STORE_FRAME_DATA];
	struct sotto_wbuf w;
	int i, rc;

	if (st->sql)
		return sql_grants(st->sql, g, n, prune_before, err);
	sotto_wbuf_init(&w, data, sizeof(data));
	sotto_put_u64(&w, prune_before);
	for (i = 0; i < n; i++)
		store_put_grant(&w, &g[i]);
	rc = w.err ? w.err : store_send(st->log_fd, STORE_GRANTS, data, w.len,
					st->frame, MSG_DONTWAIT);
	if (rc && rc != SOTTO_E_LIMIT)
		ask_lost();
	return rc ? sotto_err(err, rc, "the storage process lags behind") : 0;
}

unsigned int store_grants_failed(struct store *st, struct sotto_errmsg *err)
{
	unsigned int failed = 0;
	struct sotto_rbuf r;
	ssize_t n;

	while (!st->sql && (n = recv(st->log_fd, st->frame, STORE_FRAME_MAX,
				     MSG_DONTWAIT)) > 0) {
		sotto_rbuf_init(&r, st->frame, n);
		failed += sotto_get_u32(&r);
		store_get_text(&r, err->text, sizeof(err->text));
		if (!store_whole(&r))
			ask_lost();
	}
	return failed;
}
