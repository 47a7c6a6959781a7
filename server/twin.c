// SPDX-License-Identifier: GPL-2.0
/*
 * Two hosts with the keys of one member: one was cloned from the other, or the keys are
 * stolen.
 *
 * Each HELLO takes the association from the other one, and their kernels' instances come
 * in turn. A host that restarts has a new instance, and not one that it had before: so
 * who comes back with such a one, while another was there, is one of two.
 */
#include <stdlib.h>
#include <string.h>

#include "authd.h"

/** struct twins - of a member whose kernel's instance has changed; few have one */
struct twins {
	struct hnode by_member;
	const struct member *m;
	uint64_t former[4];		/* instances, a ring */
	unsigned int next;
	uint64_t seen_ms, said_ms;	/* 0 = never */
	struct sotto_addr here, there;	/* who came last, and whom it pushed out */
};

static uint64_t hash_of(const struct authd *ad, const struct member *m)
{
	return htab_hash(&ad->twins, &m->id, sizeof(m->id));
}

static struct twins *find(const struct authd *ad, const struct member *m)
{
	struct hnode *n;

	htab_for_hash(&ad->twins, n, hash_of(ad, m)) {
		struct twins *t = container_of(n, struct twins, by_member);

		if (t->m == m)
			return t;
	}
	return NULL;
}

static struct twins *make(struct authd *ad, const struct member *m)
{
	struct twins *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->m = m;
	htab_add(&ad->twins, &t->by_member, hash_of(ad, m));
	return t;
}

/* Who was there until the moment: it answers for a while longer. */
static const struct assoc *pushed_out(const struct assoc *as)
{
	const struct assoc *i;

	for (i = as->member->assocs; i; i = i->next)
		if (i != as && i->state == ASSOC_OLD && !i->dead)
			return i;
	return NULL;
}

static bool was_here(const struct twins *t, uint64_t instance)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (t->former[i] == instance)
			return true;
	return false;
}

static void say(struct assoc *as, struct twins *t)
{
	char here[SOTTO_ADDR_STR], there[SOTTO_ADDR_STR];
	struct authd *ad = as->ad;

	if (t->said_ms && ad->now_ms - t->said_ms < AUTHD_TWIN_SAY_MS)
		return;
	t->said_ms = ad->now_ms;
	sotto_warn("member %s: two hosts have its identity and push each other out, at %s and %s: cloned, or its keys are stolen (\"sotto member rekey %s\", and \"sotto enroll\" on the one that is to stay it, shuts the other out)",
		      as->member->name, sotto_addr_str(&t->here, here),
		      sotto_addr_str(&t->there, there), as->member->name);
	monitor_member(ad, "twin", as->member);
}

static void look(struct assoc *as, uint64_t instance)
{
	const struct assoc *other = pushed_out(as);
	const struct member *m = as->member;
	struct twins *t = find(as->ad, m);

	if (t && other && was_here(t, instance)) {
		t->seen_ms = as->ad->now_ms;
		t->here = as->path.peer;
		t->there = other->path.peer;
		as->ad->stats.twins++;
		say(as, t);
	}
	if (!t)
		t = make(as->ad, m);
	if (!t)
		return;		/* unnoticed, until the next time */
	t->former[t->next] = m->instance;
	t->next = (t->next + 1) % 4;
}

void twin_hello(struct assoc *as, uint64_t instance)
{
	const struct member *m = as->member;

	if (m->instance && m->instance != instance)
		look(as, instance);
}

bool twin_seen(const struct authd *ad, const struct member *m,
	       struct sotto_addr *here, struct sotto_addr *there)
{
	const struct twins *t = find(ad, m);

	if (!t || !t->seen_ms || ad->now_ms - t->seen_ms >= AUTHD_TWIN_MS)
		return false;
	if (here)
		*here = t->here;
	if (there)
		*there = t->there;
	return true;
}

static void forget(struct authd *ad, struct twins *t)
{
	htab_del(&ad->twins, &t->by_member);
	free(t);
}

void twin_forget(struct authd *ad, const struct member *m)
{
	struct twins *t = find(ad, m);

	if (t)
		forget(ad, t);
}

int twin_setup(struct authd *ad)
{
	return htab_init(&ad->twins) ? SOTTO_E_NOMEM : 0;
}

void twin_teardown(struct authd *ad)
{
	struct hnode *n;
	size_t i = 0;

	if (!ad->twins.bucket)
		return;
	htab_settle(&ad->twins);
	while ((n = htab_any(&ad->twins, &i)))
		forget(ad, container_of(n, struct twins, by_member));
	htab_free(&ad->twins);
}
