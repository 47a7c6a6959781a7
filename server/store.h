/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Storage of a realm, behind one narrow interface; SQLite today.
 *
 * A store is SQLite in this process (tools, tests), or the storage process that the
 * server asks (storage.h). Then each function waits for its answer, up to a commit
 * on the disk; store_grants() alone does not.
 *
 * Every function that changes something is one transaction: it is on the disk
 * when it returns 0, and nothing has changed when it returns an error. Errors
 * carry a sentence for a person: SOTTO_E_FULL (disk), SOTTO_E_READONLY,
 * SOTTO_E_VERSION (database of a newer version), SOTTO_E_EXISTS, SOTTO_E_UNKNOWN,
 * SOTTO_E_IO. Times are seconds since 1970. Secrets are sealed before they are
 * written (seal.h), and opened again, on this side. Not thread-safe: the server calls
 * these under the lock of all state. @err is never NULL.
 */
#ifndef SOTTO_STORE_H
#define SOTTO_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "params.h"
#include "policydoc.h"
#include "proto.h"
#include "seal.h"

struct store;

#define STORE_SEALED	(SOTTO_SECRET_LEN + SEAL_OVERHEAD) /* a secret at rest */
#define STORE_SECRET_MAX	256	/* bytes of a secret of the server's own */

enum member_state {
	MEMBER_PENDING = 0,	/* added, not enrolled */
	MEMBER_ACTIVE = 1,
	MEMBER_REVOKED = 2,
};

struct store_member {
	int64_t id;
	char name[SOTTO_NAME_MAX];
	enum member_state state;
	uint8_t static_pub[SOTTO_PUB_LEN];	/* zero while pending */
	uint8_t token_secret[SOTTO_SECRET_LEN];	/* zero while pending, and where
						 * another process has the key
						 */
	uint8_t token[STORE_SEALED];	/* the same, sealed */
	struct sotto_addrs addrs;
	int64_t created, registered, revoked;	/* 0 = not yet */
	int64_t code_expires;			/* pending: of its code, or 0 */
};

struct store_code {
	int64_t member_id;
	uint8_t psk[SOTTO_SECRET_LEN];
	uint8_t sealed[STORE_SEALED];	/* the same */
	int64_t expires, used;			/* used: 0 = not yet */
	uint8_t used_by[SOTTO_PUB_LEN];
};

/* What a version of the policy changed. Numbers are in the database. */
enum store_change_kind {
	CHANGE_NET = 1,		/* what to do with @prefix, for @grp (0: all) */
	CHANGE_ADDRESS = 2,	/* whose address @prefix is */
	CHANGE_MEMBERSHIP = 3,	/* @member in @grp */
	CHANGE_RULES = 4,	/* nothing that members are told */
};

struct store_change {
	uint64_t version;
	enum store_change_kind kind;
	struct sotto_prefix prefix;
	int64_t grp, member;
};

struct store_route {
	int64_t member;
	struct sotto_prefix prefix;
};

/** struct store_trial - a policy on trial; @until 0: there is none */
struct store_trial {
	int64_t until, seconds;
	char *previous;			/* text; the reader frees it */
};

struct store_grant {
	int64_t at;
	uint64_t session_id;
	int64_t a, b;				/* members */
	uint8_t cipher;
};

struct store_audit {
	int64_t id, at;
	const char *actor, *event, *subject, *detail;
};

/** store_open() - open (@create: make) the database @path and migrate it. */
int store_open(const char *path, bool create, const struct seal_key *key,
	       struct store **out, struct sotto_errmsg *err);
void store_close(struct store *st);
/** store_each_member() - all members; @fn's copy is wiped after each call. */
int store_each_member(struct store *st,
		      int (*fn)(void *arg, const struct store_member *m),
		      void *arg, struct sotto_errmsg *err);

/**
 * store_member_add() - a pending member with a one-time code
 * An address of a revoked member may be given again; SOTTO_E_EXISTS names the
 * name or address that is taken.
 */
int store_member_add(struct store *st, const char *actor, const char *name,
		     const struct sotto_addrs *addrs, int64_t now,
		     const uint8_t code_id[SOTTO_CODE_ID_LEN],
		     const uint8_t code_psk[SOTTO_SECRET_LEN], int64_t expires,
		     int64_t *id, struct sotto_errmsg *err);

/** store_code_new() - another code for a pending member; the old one is void.
 * @rekey: for an active member, who keeps its keys until the code is used
 */
int store_code_new(struct store *st, const char *actor, int64_t member_id,
		   bool rekey, int64_t now,
		   const uint8_t code_id[SOTTO_CODE_ID_LEN],
		   const uint8_t code_psk[SOTTO_SECRET_LEN], int64_t expires,
		   struct sotto_errmsg *err);

/** store_code_find() - SOTTO_E_UNKNOWN if there is no such code. */
int store_code_find(struct store *st, const uint8_t id[SOTTO_CODE_ID_LEN],
		    struct store_code *out, struct sotto_errmsg *err);

/**
 * store_register() - use a code up and make its member active
 * The same key again gets the same answer. Returns SOTTO_E_REFUSED with
 * *@refusal: REFUSAL_CODE_EXPIRED, _CODE_USED or _KEY_IN_USE.
 */
int store_register(struct store *st, const uint8_t code_id[SOTTO_CODE_ID_LEN],
		   const uint8_t static_pub[SOTTO_PUB_LEN], int64_t now,
		   struct store_member *out, enum sotto_refusal *refusal,
		   struct sotto_errmsg *err);

/** store_token_secret() - open m->token, where that was not done. */
int store_token_secret(struct store *st, struct store_member *m,
		       struct sotto_errmsg *err);

/** store_member_revoke() - for ever; its code is void. */
int store_member_revoke(struct store *st, const char *actor, int64_t id,
			int64_t now, struct sotto_errmsg *err);

/** store_policy_load() - all of it; free with policy_doc_free().
 * @members: false leaves groups empty, of which there may be millions
 */
int store_policy_load(struct store *st, struct policy_doc *doc, bool members,
		      struct sotto_errmsg *err);

/**
 * store_policy_apply() - @doc in the place of the whole policy
 * @trial: NULL, or until when it must be confirmed, and what it replaces
 * @lenient: leave out members that are gone (taking a trial back)
 * SOTTO_E_UNKNOWN names a member that does not exist.
 */
int store_policy_apply(struct store *st, const char *actor, const char *event,
		       const struct policy_doc *doc,
		       const struct store_trial *trial, bool lenient,
		       int64_t now, struct sotto_errmsg *err);

/** store_policy_net() - one network's line: set it, or take it out. */
int store_policy_net(struct store *st, const char *actor,
		     const struct policy_net *n, bool add, int64_t now,
		     struct sotto_errmsg *err);

/** store_policy_rules() - @doc's rules in the place of all; nothing else of it counts. */
int store_policy_rules(struct store *st, const char *actor, const struct policy_doc *doc,
		       int64_t now, struct sotto_errmsg *err);

/** store_group_member() - in or out; a group is made with its first member. */
int store_group_member(struct store *st, const char *actor, const char *group,
		       int64_t member, const char *name, bool add, int64_t now,
		       struct sotto_errmsg *err);

/** store_group_del() - a group that no rule and no network names. */
int store_group_del(struct store *st, const char *actor, const char *group,
		    int64_t now, struct sotto_errmsg *err);

/** struct store_set - what a member is to have; NULL: what it has */
struct store_set {
	const struct sotto_addrs *addrs;
	const struct sotto_prefixes *routes;	/* networks behind it */
	bool protect;	/* addresses that it gives up: each gets a line of the policy */
};

/**
 * store_member_set() - a member's addresses, the networks behind it, or both
 * An address of a revoked member may be given; SOTTO_E_EXISTS names one that is taken.
 * One that the member gives up stays protected if members were told of it and @set->protect
 * is set, by a line for all, unless there is a line for it.
 */
int store_member_set(struct store *st, const char *actor, int64_t member,
		     const char *name, const struct store_set *set, int64_t now,
		     struct sotto_errmsg *err);
int store_each_route(struct store *st,
		     int (*fn)(void *arg, const struct store_route *r),
		     void *arg, struct sotto_errmsg *err);

/** store_each_change() - what came after version @after, oldest first. */
int store_each_change(struct store *st, uint64_t after,
		      int (*fn)(void *arg, const struct store_change *c),
		      void *arg, struct sotto_errmsg *err);
/** STORE_CHANGES_MAX - changes that are kept; older ones are forgotten. */
#define STORE_CHANGES_MAX	65536

/** store_trial_get(), store_trial_end() - the latter keeps the policy. */
int store_trial_get(struct store *st, struct store_trial *t,
		    struct sotto_errmsg *err);
int store_trial_end(struct store *st, const char *actor, int64_t now,
		    struct sotto_errmsg *err);

/** store_policy_version() - grows with each change to what members are told. */
int store_policy_version(struct store *st, uint64_t *version,
			 struct sotto_errmsg *err);

/** store_endpoints() - what `--init --address` said; "" if nothing. */
int store_endpoints(struct store *st, char *out, size_t cap,
		    struct sotto_errmsg *err);
int store_endpoints_set(struct store *st, const char *list,
			struct sotto_errmsg *err);

/** store_audit() - write an audit line of its own. */
int store_audit(struct store *st, const char *actor, const char *event,
		const char *subject, const char *detail, int64_t now,
		struct sotto_errmsg *err);
/** store_each_audit() - the newest @limit lines, newest first. */
int store_each_audit(struct store *st, int limit,
		     int (*fn)(void *arg, const struct store_audit *a),
		     void *arg, struct sotto_errmsg *err);

/**
 * store_grants() - append to the log of grants, and prune what is too old
 * Does not wait: a storage process has room for it (0), or has not yet
 * (SOTTO_E_LIMIT). It writes what it gets later, and never prunes what is younger
 * than AUTHD_GRANT_LOG_DAYS; the @n of one call go together. Not synced: a power failure
 * loses what came since the last checkpoint. @n: 1 to AUTHD_GRANT_LOG_BATCH.
 */
int store_grants(struct store *st, const struct store_grant *g, int n,
		 int64_t prune_before, struct sotto_errmsg *err);
/** store_grants_failed() - of those that were taken, how many the storage process
 * could not write, since it was asked last; @err: why.
 */
unsigned int store_grants_failed(struct store *st, struct sotto_errmsg *err);

/** store_secret_get(), store_secret_set() - a secret of the server's own, of at
 * most STORE_SECRET_MAX bytes, sealed; SOTTO_E_UNKNOWN if there is none of this name.
 */
int store_secret_get(struct store *st, const char *name, void *out, size_t len,
		     struct sotto_errmsg *err);
int store_secret_set(struct store *st, const char *name, const void *secret,
		     size_t len, struct sotto_errmsg *err);

/** typedef store_bulk_fn - fill in the next member; false: there is none. */
typedef bool (*store_bulk_fn)(void *arg, struct store_member *m);
/** store_bulk_members() - enrolled members by the thousand, in one transaction,
 * without codes and audit lines: for realms that are made for measurements.
 */
int store_bulk_members(struct store *st, store_bulk_fn next, void *arg,
		       struct sotto_errmsg *err);

/** struct realm_keys - all that a realm has; secret. */
struct realm_keys {
	uint8_t priv[SOTTO_SECRET_LEN];
	uint8_t storage[SOTTO_SECRET_LEN];	/* seals secrets at rest */
	uint8_t former[SOTTO_SECRET_LEN];	/* zero, but while a roll-over is under way */
};

/** struct store_backup - what a backup says of itself; secret. */
struct store_backup {
	int64_t at, audit_last;
	struct realm_keys keys;
};

/** store_backup() - copy @db, which may be in use, and @keys into @out. */
int store_backup(const char *db, const char *out,
		 const struct realm_keys *keys, int64_t now,
		 struct sotto_errmsg *err);
/** store_backup_read() - and check that it is whole. */
int store_backup_read(const char *file, struct store_backup *b,
		      struct sotto_errmsg *err);
/** store_restore() - in the place of @db, which nobody uses. */
int store_restore(const char *file, const char *db, struct sotto_errmsg *err);
/**
 * store_lock() - no other server of @db from here on, as long as this process lives
 * @wait_ms: how long to wait for one that is just dying. SOTTO_E_STATE: there is one.
 */
int store_lock(const char *db, int wait_ms, struct sotto_errmsg *err);
/** store_audit_covers() - 0 if the audit log's file beside @db goes on from line
 * @id; SOTTO_E_STATE, with the reason, if it cannot tell what came after it.
 */
int store_audit_covers(const char *db, int64_t id, struct sotto_errmsg *err);

#endif /* SOTTO_STORE_H */
