// SPDX-License-Identifier: GPL-2.0
/*
 * What the realm wants protected.
 *
 * A new version is added to the kernel first, then kept on disk, and only then
 * is the old one taken away: at no moment is less protected than by both.
 */
#include "policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../tools/lib/log.h"
#include "../tools/lib/paths.h"
#include "agent.h"
#include "requests.h"

static int copy_policy(struct saved *to, const struct saved_policy *p)
{
	int ret = saved_append_policy(to, &p->policy, p->origin);

	if (!ret)
		to->policies[to->n_policies - 1].guessed = p->guessed;
	return ret;
}

static int copy(struct saved *to, const struct saved *from)
{
	int ret = 0;

	memset(to, 0, sizeof(*to));
	to->realm_version = from->realm_version;
	to->partial = from->partial;
	for (size_t i = 0; !ret && i < from->n_addrs; i++)
		ret = saved_add_local(to, &from->addrs[i].prefix, from->addrs[i].origin);
	for (size_t i = 0; !ret && i < from->n_policies; i++)
		ret = copy_policy(to, &from->policies[i]);
	if (ret)
		saved_free(to);
	return ret;
}

/* The realm's addresses are the identity's; local ones stay. */
static int set_addrs(struct saved *s, const struct identity *id)
{
	size_t kept = 0;
	int ret = 0;

	for (size_t i = 0; i < s->n_addrs; i++)
		if (s->addrs[i].origin == SAVED_LOCAL)
			s->addrs[kept++] = s->addrs[i];
	s->n_addrs = kept;
	for (unsigned int i = 0; !ret && i < id->addrs.n; i++)
		ret = saved_add_addr(s, &id->addrs.a[i], SAVED_REALM);
	return ret;
}

/* "sotto policy save" writes the same file. */
static void look_at_file(struct stat *st)
{
	char path[SOTTO_PATH_MAX];

	if (stat(sotto_path(path, SOTTO_STATE, SAVED_FILE), st))
		memset(st, 0, sizeof(*st));
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What was added by hand, and saved, since this agent read or wrote the file. */
static void take_local(struct realm_policy *p, struct saved *now)
{
	struct sotto_errmsg err;
	struct saved file;
	struct stat st;
	int ret;

	look_at_file(&st);
	if (same_file(&st, &p->file))
		return;
	ret = saved_read(&file, &err);
	if (ret) {
		if (ret != SOTTO_E_UNKNOWN)
			sotto_warn("what was added by hand is not kept: %s", err.text);
		return;
	}
	/* in the kernel it is already, or has been taken away again */
	if (saved_take_local(&p->kept, &file) || saved_take_local(now, &file))
		sotto_err_log("out of memory: what was added by hand is not kept");
	saved_free(&file);
}

/*
 * The kernel has not taken all of @now. So nothing is taken away, and no change can be one
 * to this: with the next association the realm is asked for all of it once more.
 */
static void stay_with_both(struct realm_policy *p, struct saved *now)
{
	now->partial = true;
	if (saved_keep(now, &p->kept))
		sotto_err_log("out of memory: old policy is not kept for the next start");
}

/* @now in the place of what was kept. */
static int put_in_force(struct agent *ag, struct saved *now, bool all)
{
	struct realm_policy *p = &ag->policy;
	struct sotto_errmsg err;
	int ret;

	take_local(p, now);
	ret = all || p->kept.partial ? saved_apply(ag->kernel.req, now) :
				       saved_apply_changes(ag->kernel.req, &p->kept, now);
	if (ret)
		sotto_err_log("the kernel refuses a part of the policy: %s",
			      sgenl_error(ag->kernel.req));
	if (ret && ret != -ENOSPC)
		stay_with_both(p, now);
	p->unsaved = saved_write(now, &err);
	p->late = false;
	if (p->unsaved)
		sotto_err_log("cannot keep the policy for the next start: %s", err.text);
	look_at_file(&p->file);
	if (saved_retire(ag->kernel.req, &p->kept, now))
		sotto_err_log("the kernel does not let go of old policy: %s",
			      sgenl_error(ag->kernel.req));
	if (ret == -ENOSPC)	/* now there is room, unless the whole is too much */
		ret = saved_apply(ag->kernel.req, now);
	saved_free(&p->kept);
	p->kept = *now;
	memset(now, 0, sizeof(*now));
	return ret;
}

#define BAD_SHOWN	20	/* things that are wrong with the file are told */

static void on_bad(void *arg, const char *text)
{
	unsigned int *n = arg;

	if ((*n)++ < BAD_SHOWN)
		sotto_err_log("%s", text);
}

/*
 * Without what is lost this host has its realm's policy again in a moment, and without an
 * agent never: what is good of the file counts, what the kernel has stays, and the realm is
 * asked for all.
 */
static void set_aside(const char *why)
{
	char path[SOTTO_PATH_MAX], aside[SOTTO_PATH_MAX];

	sotto_path(path, SOTTO_STATE, SAVED_FILE);
	sotto_path(aside, SOTTO_STATE, SAVED_FILE ".damaged");
	if (rename(path, aside))
		aside[0] = 0;
	sotto_err_log("%s; beginning with what is good of it%s%s: other policy that was added by hand has to be added again",
		      why, aside[0] ? ", it is now " : "", aside);
}

int policy_start(struct agent *ag, struct sotto_errmsg *err)
{
	struct realm_policy *p = &ag->policy;
	unsigned int bad = 0;
	struct saved now;
	int ret;

	ret = saved_salvage(&p->kept, on_bad, &bad, err);
	if (ret == SOTTO_E_BAD)
		set_aside(err->text);
	else if (ret && ret != SOTTO_E_UNKNOWN)
		return ret;
	look_at_file(&p->file);
	if (copy(&now, &p->kept) || set_addrs(&now, ag->id))
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	if (put_in_force(ag, &now, true))
		sotto_warn("going on with the policy as far as the kernel takes it");
	return 0;
}

void policy_own_addrs(struct agent *ag)
{
	struct saved now;

	if (copy(&now, &ag->policy.kept) || set_addrs(&now, ag->id)) {
		sotto_err_log("out of memory: this host's addresses stay as they were");
		return;
	}
	put_in_force(ag, &now, false);
}

/* Where a version begins: local policy alone, or what it is a change to. */
static int begin(struct agent *ag, const struct sotto_msg_policy *m)
{
	struct realm_policy *p = &ag->policy;
	int ret;

	saved_free(&p->next);
	memset(p->got, 0, sizeof(p->got));
	p->have = 0;
	p->parts = m->parts;
	p->next_base = m->base;
	ret = copy(&p->next, &p->kept);
	if (!ret && !m->base) {
		size_t local = 0;

		for (size_t i = 0; i < p->next.n_policies; i++)
			if (p->next.policies[i].origin == SAVED_LOCAL)
				p->next.policies[local++] = p->next.policies[i];
		p->next.n_policies = local;
	}
	p->n_local = p->next.n_policies;
	p->next.realm_version = m->version;
	p->next.partial = false;
	return ret;
}

/* Whole versions are long: only among what was there before is looked. */
static bool is_known(const struct realm_policy *p, const struct sotto_prefix *prefix)
{
	struct saved before = p->next;

	if (!p->next_base)
		before.n_policies = p->n_local;
	return saved_find_policy(&before, prefix);
}

static int add_entry(struct realm_policy *p, const struct sotto_policy_entry *e)
{
	struct sgenl_policy policy = { .prefix = e->prefix, .action = e->action };

	if (e->action == SOTTO_POLICY_REMOVE) {
		saved_remove_policy(&p->next, &e->prefix);
		return 0;
	}
	if (!is_known(p, &e->prefix))
		return saved_append_policy(&p->next, &policy, SAVED_REALM);
	return saved_add_policy(&p->next, &policy, SAVED_REALM);
}

/* ---- pinned peers: protected, whatever the server says ---- */

struct pinned {
	struct sotto_addr addr;
	bool known;		/* there is a policy of just this address */
};

struct pinned_list {
	struct pinned *v;
	size_t n, cap;
};

static int by_addr(const void *a, const void *b)
{
	return sotto_addr_cmp(&((const struct pinned *)a)->addr,
			      &((const struct pinned *)b)->addr);
}

static int collect(void *arg, const struct sotto_addr *addr)
{
	struct pinned_list *l = arg;

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct pinned *v = reallocarray(l->v, cap, sizeof(*v));

		if (!v)
			return SOTTO_E_NOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = (struct pinned){ .addr = *addr };
	return 0;
}

/* The host's own administrator may do otherwise, by "sotto policy add". */
static void protect_one(struct saved_policy *p, struct pinned *pin)
{
	pin->known = true;
	if (p->origin == SAVED_REALM && p->policy.action != SOTTO_ACTION_BLOCK)
		p->policy.action = SOTTO_ACTION_PROTECT;
}

static int protect_pinned(struct agent *ag, struct saved *s)
{
	struct pinned_list l = { 0 };
	int ret = pins_each_addr(ag, collect, &l);

	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_addr);
	for (size_t i = 0; l.n && i < s->n_policies; i++) {
		struct sotto_prefix *prefix = &s->policies[i].policy.prefix;
		struct pinned *pin;

		if (prefix->plen != 8 * prefix->addr.len)
			continue;
		pin = bsearch(&prefix->addr, l.v, l.n, sizeof(*l.v), by_addr);
		if (pin)
			protect_one(&s->policies[i], pin);
	}
	for (size_t i = 0; !ret && i < l.n; i++) {
		struct sgenl_policy policy = {
			.prefix = sotto_prefix_host(&l.v[i].addr),
			.action = SOTTO_ACTION_PROTECT,
		};

		if (!l.v[i].known)
			ret = saved_append_policy(s, &policy, SAVED_REALM);
	}
	free(l.v);
	return ret;
}

static bool all_protected(const struct saved *s, const struct sotto_addrs *addrs)
{
	for (unsigned int i = 0; i < addrs->n; i++) {
		struct sotto_prefix prefix = sotto_prefix_host(&addrs->a[i]);
		const struct saved_policy *p = saved_find_policy(s, &prefix);

		if (!p || (p->origin == SAVED_REALM &&
			   p->policy.action != SOTTO_ACTION_PROTECT))
			return false;
	}
	return true;
}

/*
 * Returns whether that is news. What the kernel does not take is not kept either: with the
 * next news it is tried again.
 */
static bool protect_addr(struct agent *ag, const struct sotto_addr *addr)
{
	struct sgenl_policy policy = {
		.prefix = sotto_prefix_host(addr),
		.action = SOTTO_ACTION_PROTECT,
	};
	const struct saved_policy *sp = saved_find_policy(&ag->policy.kept, &policy.prefix);
	char buf[SOTTO_ADDR_STR];

	if (sp && (sp->origin != SAVED_REALM || sp->policy.action == SOTTO_ACTION_BLOCK ||
		   sp->policy.action == SOTTO_ACTION_PROTECT))
		return false;
	if (sgenl_policy_add(ag->kernel.req, &policy, true)) {
		sotto_err_log("pinned address %s: protected as the realm says, not more: %s",
			      sotto_addr_str(addr, buf), sgenl_error(ag->kernel.req));
		return false;
	}
	return !saved_add_policy(&ag->policy.kept, &policy, SAVED_REALM);
}

void policy_pinned(struct agent *ag, const struct sotto_addrs *addrs)
{
	struct realm_policy *p = &ag->policy;

	if (all_protected(&p->kept, addrs))
		return;
	take_local(p, &p->kept);
	for (unsigned int i = 0; i < addrs->n; i++)
		p->late |= protect_addr(ag, &addrs->a[i]);
}

static bool same_policies(const struct saved *a, const struct saved *b)
{
	if (a->n_policies != b->n_policies)
		return false;
	for (size_t i = 0; i < a->n_policies; i++)
		if (a->policies[i].policy.action != b->policies[i].policy.action)
			return false;
	return true;
}

void policy_all_pinned(struct agent *ag)
{
	struct saved now;

	if (copy(&now, &ag->policy.kept) || protect_pinned(ag, &now))
		sotto_err_log("out of memory: pinned peers are protected as the realm says, not more");
	else if (!same_policies(&now, &ag->policy.kept))
		put_in_force(ag, &now, false);
	saved_free(&now);
}

static void finish(struct agent *ag)
{
	struct realm_policy *p = &ag->policy;
	uint64_t version = p->next.realm_version;

	if (protect_pinned(ag, &p->next))
		sotto_err_log("out of memory: pinned peers are protected as the realm says, not more");
	if (!put_in_force(ag, &p->next, false))
		sotto_notice("policy: version %" PRIu64 " of the realm is in force, %zu prefixes",
			     version, p->kept.n_policies);
}

static bool usable(struct agent *ag, const struct sotto_msg_policy *m)
{
	struct realm_policy *p = &ag->policy;

	if (!m->parts || m->part >= m->parts || m->parts > POLICY_PARTS_MAX) {
		ag->counters[COUNT_POLICIES_REFUSED]++;
		sotto_warn("policy: version %" PRIu64 " has impossible parts; left out",
			   m->version);
		return false;
	}
	/* the kept file has no larger numbers, and must be readable at the next start */
	if (m->version > INT64_MAX) {
		sotto_warn("policy: %" PRIu64 " is no version; left out", m->version);
		return false;
	}
	/* late, and would undo what came of a newer one meanwhile */
	if (m->version < p->newest)
		return false;
	if (m->base && (p->kept.partial || m->base != p->kept.realm_version)) {
		sotto_info("policy: version %" PRIu64 " is a change to another than ours; asking for all of it",
			   m->version);
		request_policy(ag);
		return false;
	}
	p->newest = m->version;
	return true;
}

void policy_take(struct agent *ag, const struct sotto_msg_policy *m)
{
	struct realm_policy *p = &ag->policy;
	bool same = p->next.realm_version == m->version && p->parts == m->parts &&
		    p->next_base == m->base && p->have;
	int ret = 0;

	if (!usable(ag, m) || (!same && begin(ag, m)))
		return;
	if (p->got[m->part / 8] & 1u << m->part % 8)
		return;
	for (unsigned int i = 0; !ret && i < m->entries.n; i++)
		ret = add_entry(p, &m->entries.e[i]);
	if (ret) {
		sotto_err_log("out of memory: policy stays as it was");
		saved_free(&p->next);
		p->have = 0;
		return;
	}
	p->got[m->part / 8] |= 1u << m->part % 8;
	if (++p->have == p->parts) {
		p->have = 0;
		finish(ag);
	}
}

void policy_anew(struct agent *ag)
{
	ag->policy.newest = 0;
}

/* If it has another version, it says something of itself: all of it, or a change that is none. */
void policy_hello(struct agent *ag, uint64_t version)
{
	if (ag->policy.kept.partial && ag->policy.kept.realm_version == version)
		request_policy(ag);
}

void policy_keep(struct agent *ag)
{
	struct realm_policy *p = &ag->policy;

	if (!p->unsaved && !p->late)
		return;
	take_local(p, &p->kept);
	p->unsaved = saved_write(&p->kept, NULL);
	p->late = false;
	look_at_file(&p->file);
}

void policy_free(struct agent *ag)
{
	saved_free(&ag->policy.kept);
	saved_free(&ag->policy.next);
}
