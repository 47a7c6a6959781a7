/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The storage in SQLite: what store.c asks of it, and what its parts share. Here
 * secrets are sealed already, or still: this side has no key.
 */
#ifndef SOTTO_STORE_SQL_H
#define SOTTO_STORE_SQL_H

#include <sqlite3.h>

#include "store.h"

struct sql {
	sqlite3 *db;
	sqlite3_stmt *addrs;		/* addresses of a member; kept compiled */
	char path[4096];
	int audit_fd;			/* store_audit.c; -1: in memory */
	int64_t audit_last, audit_next;	/* ids: in the file, after this one */
	off_t audit_size;		/* of the file before this transaction */
};

/** struct sql_registration - store_register()'s; @token: for a new member, sealed. */
struct sql_registration {
	uint8_t code_id[SOTTO_CODE_ID_LEN], static_pub[SOTTO_PUB_LEN];
	uint8_t token[STORE_SEALED];
	int64_t now;
};

/* ---- as in store.h; where it has a secret, here it is sealed ---- */

int sql_open(const char *path, bool create, struct sql **out,
	     struct sotto_errmsg *err);
/** sql_open_again() - another connection, only for sql_grants(), which changes how
 * it syncs. After @first, which has migrated the database.
 */
int sql_open_again(const struct sql *first, struct sql **out,
		   struct sotto_errmsg *err);
void sql_close(struct sql *st);
/** sql_touch() - write something, so that all files are open from then on. */
int sql_touch(struct sql *st, struct sotto_errmsg *err);
/** sql_keep_folder() - open the folder of the database, once in a process. SQLite, which syncs it
 * when its log was made, is given that instead of opening it: after a start with a full disk it
 * would come to that when nothing can be opened any more.
 */
int sql_keep_folder(const struct sql *st, struct sotto_errmsg *err);
int sql_each_member(struct sql *st,
		    int (*fn)(void *arg, const struct store_member *m),
		    void *arg, struct sotto_errmsg *err);
int sql_member_add(struct sql *st, const char *actor, const char *name,
		   const struct sotto_addrs *addrs, int64_t now,
		   const uint8_t code_id[SOTTO_CODE_ID_LEN],
		   const uint8_t code_psk[STORE_SEALED], int64_t expires,
		   int64_t *id, struct sotto_errmsg *err);
int sql_code_new(struct sql *st, const char *actor, int64_t member_id,
		 bool rekey, int64_t now,
		 const uint8_t code_id[SOTTO_CODE_ID_LEN],
		 const uint8_t code_psk[STORE_SEALED], int64_t expires,
		 struct sotto_errmsg *err);
int sql_code_find(struct sql *st, const uint8_t id[SOTTO_CODE_ID_LEN],
		  struct store_code *out, struct sotto_errmsg *err);
int sql_register(struct sql *st, const struct sql_registration *r,
		 struct store_member *out, enum sotto_refusal *refusal,
		 struct sotto_errmsg *err);
int sql_member_revoke(struct sql *st, const char *actor, int64_t id,
		      int64_t now, struct sotto_errmsg *err);
int sql_policy_load(struct sql *st, struct policy_doc *doc, bool members,
		    struct sotto_errmsg *err);
int sql_policy_apply(struct sql *st, const char *actor, const char *event,
		     const struct policy_doc *doc,
		     const struct store_trial *trial, bool lenient,
		     int64_t now, struct sotto_errmsg *err);
int sql_policy_net(struct sql *st, const char *actor,
		   const struct policy_net *n, bool add, int64_t now,
		   struct sotto_errmsg *err);
int sql_policy_rules(struct sql *st, const char *actor, const struct policy_doc *doc,
		     int64_t now, struct sotto_errmsg *err);
int sql_group_member(struct sql *st, const char *actor, const char *group,
		     int64_t member, const char *name, bool add, int64_t now,
		     struct sotto_errmsg *err);
int sql_group_del(struct sql *st, const char *actor, const char *group,
		  int64_t now, struct sotto_errmsg *err);
int sql_member_set(struct sql *st, const char *actor, int64_t member,
		   const char *name, const struct store_set *set, int64_t now,
		   struct sotto_errmsg *err);
int sql_each_route(struct sql *st,
		   int (*fn)(void *arg, const struct store_route *r),
		   void *arg, struct sotto_errmsg *err);
int sql_each_change(struct sql *st, uint64_t after,
		    int (*fn)(void *arg, const struct store_change *c),
		    void *arg, struct sotto_errmsg *err);
int sql_trial_get(struct sql *st, struct store_trial *t,
		  struct sotto_errmsg *err);
int sql_trial_end(struct sql *st, const char *actor, int64_t now,
		  struct sotto_errmsg *err);
int sql_policy_version(struct sql *st, uint64_t *version,
		       struct sotto_errmsg *err);
int sql_endpoints(struct sql *st, char *out, size_t cap,
		  struct sotto_errmsg *err);
int sql_endpoints_set(struct sql *st, const char *list,
		      struct sotto_errmsg *err);
int sql_audit_line(struct sql *st, const char *actor, const char *event,
		   const char *subject, const char *detail, int64_t now,
		   struct sotto_errmsg *err);
int sql_each_audit(struct sql *st, int limit,
		   int (*fn)(void *arg, const struct store_audit *a),
		   void *arg, struct sotto_errmsg *err);
int sql_grants(struct sql *st, const struct store_grant *g, int n,
	       int64_t prune_before, struct sotto_errmsg *err);
int sql_secret_get(struct sql *st, const char *name, void *sealed, size_t len,
		   struct sotto_errmsg *err);
int sql_secret_set(struct sql *st, const char *name, const void *sealed,
		   size_t len, struct sotto_errmsg *err);
/** sql_bulk_members() - each with its token. */
int sql_bulk_members(struct sql *st, store_bulk_fn next, void *arg,
		     struct sotto_errmsg *err);

/* ---- among its parts ---- */

/** sql_error() - turn the connection's last error into one of ours. */
int sql_error(struct sql *st, const char *doing, struct sotto_errmsg *err);

/** sql_run() - a statement without parameters and results. */
int sql_run(struct sql *st, const char *sql, struct sotto_errmsg *err);

/**
 * sql_prepare() - compile, and bind by @fmt: i int64, s text, b blob (pointer,
 * then int length), n null. NULL on an error. Finish with sqlite3_finalize().
 * Texts and blobs must live until then.
 */
sqlite3_stmt *sql_prepare(struct sql *st, struct sotto_errmsg *err,
			  const char *sql, const char *fmt, ...);

/** sql_exec() - the same, for a statement without results. */
int sql_exec(struct sql *st, struct sotto_errmsg *err, const char *sql,
	     const char *fmt, ...);

/** sql_step() - 1: a row, 0: no more, negative: error. */
int sql_step(struct sql *st, sqlite3_stmt *s, struct sotto_errmsg *err);

/** sql_blob() - copy a column of exactly @len bytes, else SOTTO_E_BAD. */
int sql_blob(sqlite3_stmt *s, int col, void *out, size_t len);

/** sql_has() - a query with one text parameter has a row; errors are "no". */
bool sql_has(struct sql *st, const char *sql, const char *text);

/** sql_begin(), sql_end() - a transaction; sql_end() commits if @rc is 0, else
 * rolls back; it returns @rc or the commit's error.
 */
int sql_begin(struct sql *st, struct sotto_errmsg *err);
int sql_end(struct sql *st, int rc, struct sotto_errmsg *err);

/** sql_audit() - an audit line, inside the caller's transaction. */
int sql_audit(struct sql *st, const char *actor, const char *event,
	      const char *subject, const char *detail, int64_t now,
	      struct sotto_errmsg *err);

/** sql_policy_changed() - raise the policy version, likewise; then say what
 * changed with sql_change() or statements of one's own on policy_change.
 */
int sql_policy_changed(struct sql *st, struct sotto_errmsg *err);

/** SQL_VERSION - the policy version, in an SQL statement. */
#define SQL_VERSION "(SELECT value FROM meta WHERE key = 'policy_version')"

int sql_change_addr(struct sql *st, const struct sotto_addr *a,
		    struct sotto_errmsg *err);
/** sql_change_rules() - nothing that members are told. */
int sql_change_rules(struct sql *st, struct sotto_errmsg *err);

/** sql_get_member() - SOTTO_E_UNKNOWN if there is none. */
int sql_get_member(struct sql *st, int64_t id, struct store_member *m,
		   struct sotto_errmsg *err);
/** sql_add_addr() - SOTTO_E_EXISTS if another one has it who is not revoked. */
int sql_add_addr(struct sql *st, int64_t member, const struct sotto_addr *a,
		 struct sotto_errmsg *err);
/** sql_check_name() - @member is called @name: else the audit log would say what is not so. */
int sql_check_name(struct sql *st, int64_t member, const char *name,
		   struct sotto_errmsg *err);
/** sql_check_nets() - the policy has no more lines for networks than can be loaded. */
int sql_check_nets(struct sql *st, struct sotto_errmsg *err);

/** STORE_AUDIT_END - what the audit log's file is called behind the database's */
#define STORE_AUDIT_END	".audit"

/** store_audit_open() - the audit log's file; carries out again what an older
 * database does not know of.
 */
int store_audit_open(struct sql *st, bool create, struct sotto_errmsg *err);
/** sql_audit_write(), sql_audit_written() - before a commit, and after it. */
int sql_audit_write(struct sql *st, struct sotto_errmsg *err);
void sql_audit_written(struct sql *st, bool committed);

/** sql_revoke_key_again(), sql_revoke_pending_again() - the member with @key, or the
 * one that waits with @id and @name: 1 if there is one and it was not revoked.
 */
int sql_revoke_key_again(struct sql *st, const uint8_t key[SOTTO_PUB_LEN],
			 int64_t at, struct sotto_errmsg *err);
int sql_revoke_pending_again(struct sql *st, int64_t id, const char *name,
			     int64_t at, struct sotto_errmsg *err);

/** store_version_check() - SOTTO_E_VERSION for a newer schema than ours. */
int store_version_check(const char *path, int version,
			struct sotto_errmsg *err);

/** store_migrate() - bring the schema to the version of this program. */
int store_migrate(struct sql *st, bool create, struct sotto_errmsg *err);

#endif /* SOTTO_STORE_SQL_H */
