/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kept policy: what a host must protect, on disk, so that it is protected
 * from the first moment after a start, with neither agent nor server.
 *
 * $SOTTO_STATE/agent/policy.json:
 *   {"version": 1, "realm_version": N, "partial": false,
 *    "addresses": [{"address": "10.0.0.1", "origin": "realm"}, …],
 *    "policies": [{"prefix": "10.0.0.0/24", "action": "protect",
 *                  "gateway": "192.0.2.1", "origin": "realm"}, …]}
 * Partial: what is here is not that version alone, or not all of it. The next one must be
 * whole, and not an earlier one. Absent is false.
 * An address with a length is a network behind this host; most policies have no
 * gateway.
 * Origin "realm" is what the server said, and goes when the server says so;
 * "local" was added by hand and stays.
 */
#ifndef SOTTO_GENL_SAVED_H
#define SOTTO_GENL_SAVED_H

#include "err.h"
#include "genl_req.h"

#define SAVED_FILE	"agent/policy.json"	/* under $SOTTO_STATE */
#define SAVED_MAX	(16 << 20)		/* bytes of the file */
#define SAVED_ADDRS_MAX	64			/* of a damaged one: as many as the kernel takes */

enum saved_origin {
	SAVED_REALM,
	SAVED_LOCAL,
};

/* One address of ours, or a network behind us. */
struct saved_addr {
	struct sotto_prefix prefix;
	enum saved_origin origin;
};

struct saved_policy {
	struct sgenl_policy policy;
	enum saved_origin origin;
	bool guessed;			/* of damage: what the kernel has for it stays */
};

/** struct saved - the file's contents; free with saved_free() */
struct saved {
	uint64_t realm_version;		/* of the server's policy; 0 = none */
	bool partial;			/* not just that version: no earlier one may follow */
	struct saved_addr *addrs;
	size_t n_addrs;
	struct saved_policy *policies;
	size_t n_policies;
};

/**
 * saved_read() - read the file
 * Returns 0, SOTTO_E_UNKNOWN when there is none (@s is empty then), or another
 * error with @err.
 */
int saved_read(struct saved *s, struct sotto_errmsg *err);

/** typedef saved_bad_fn - something in the file is wrong: its line and what, for people */
typedef void (*saved_bad_fn)(void *arg, const char *text);

/**
 * saved_salvage() - read what is good of the file, and tell what is not
 * An entry whose prefix can be read, and its action not, is to protect, as a guess. One that
 * lets pass in the clear counts only if it is whole, and the file's form is known here. Of a
 * file that is damaged nobody knows what is missing: it is partial, of version 0.
 * @bad: for each thing that is wrong, once at least if something is
 * Returns as saved_read() does; unless that is SOTTO_E_UNKNOWN, @s has what is good.
 */
int saved_salvage(struct saved *s, saved_bad_fn bad, void *arg, struct sotto_errmsg *err);

/** saved_write() - write the file atomically. */
int saved_write(const struct saved *s, struct sotto_errmsg *err);

/** saved_free() - release what saved_read() allocated; @s is empty then. */
void saved_free(struct saved *s);

/** saved_add_addr(), saved_add_local(), saved_add_policy() - append, or take the new origin and
 * action where the address or prefix is there. 0 or SOTTO_E_NOMEM.
 */
int saved_add_addr(struct saved *s, const struct sotto_addr *addr,
		   enum saved_origin origin);
int saved_add_local(struct saved *s, const struct sotto_prefix *prefix,
		    enum saved_origin origin);
int saved_add_policy(struct saved *s, const struct sgenl_policy *p,
		     enum saved_origin origin);

/** saved_append_policy() - without a look for the same prefix */
int saved_append_policy(struct saved *s, const struct sgenl_policy *p,
			enum saved_origin origin);

/** saved_remove_policy() - take @prefix out, if the realm put it there */
void saved_remove_policy(struct saved *s, const struct sotto_prefix *prefix);

const struct saved_addr *saved_find_local(const struct saved *s,
					  const struct sotto_prefix *prefix);
const struct saved_policy *saved_find_policy(const struct saved *s,
					     const struct sotto_prefix *prefix);

/**
 * saved_apply() - put all of it into the kernel
 * Policies first, and nothing is taken away: at no moment is less protected.
 * Returns 0 or a negative errno of the first failure, after trying the rest.
 */
int saved_apply(struct sgenl *g, const struct saved *s);

/** saved_add_to_kernel() - one policy; 0 or a negative errno */
int saved_add_to_kernel(struct sgenl *g, const struct saved_policy *p);

/** saved_apply_changes() - the same for what @now has and @old has not, or otherwise */
int saved_apply_changes(struct sgenl *g, const struct saved *old,
			const struct saved *now);

/** saved_keep() - @now gets the policies that @old has and it lacks; 0 or SOTTO_E_NOMEM */
int saved_keep(struct saved *now, const struct saved *old);

/**
 * saved_take_local() - what was added by hand is as @file has it
 * The realm's own entry for the same prefix stays. Returns 0 or SOTTO_E_NOMEM.
 */
int saved_take_local(struct saved *s, const struct saved *file);

/**
 * saved_retire() - take from the kernel what @old has and @now lacks
 */
int saved_retire(struct sgenl *g, const struct saved *old,
		 const struct saved *now);

#endif /* SOTTO_GENL_SAVED_H */
