// SPDX-License-Identifier: GPL-2.0
/*
 * Members in memory: all of them, found by key, name, address and id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

static uint64_t hash_addr(struct authd *ad, const struct sotto_addr *a)
{
	return htab_hash(&ad->members_by_addr, a->b, a->len);
}

struct member *member_by_key(struct authd *ad, const uint8_t *key)
{
	uint64_t hash = htab_hash(&ad->members_by_key, key, SOTTO_PUB_LEN);
	struct hnode *n;

	htab_for_hash(&ad->members_by_key, n, hash) {
		struct member *m = container_of(n, struct member, by_key);

		if (!memcmp(m->static_pub, key, SOTTO_PUB_LEN))
			return m;
	}
	return NULL;
}

/* Revoked members keep no name: it can be given again. */
struct member *member_by_name(struct authd *ad, const char *name)
{
	uint64_t hash = htab_hash(&ad->members_by_name, name, strlen(name));
	struct hnode *n;

	htab_for_hash(&ad->members_by_name, n, hash) {
		struct member *m = container_of(n, struct member, by_name);

		if (!strcmp(m->name, name))
			return m;
	}
	return NULL;
}

struct member *member_by_hash(struct authd *ad, uint64_t hash,
			      const struct sotto_addr *a)
{
	struct hnode *n;

	htab_for_hash(&ad->members_by_addr, n, hash) {
		struct member_addr *ma =
			container_of(n, struct member_addr, by_addr);

		if (sotto_addr_eq(&ma->addr, a))
			return ma->member;
	}
	return NULL;
}

struct member *member_by_addr(struct authd *ad, const struct sotto_addr *a)
{
	return member_by_hash(ad, hash_addr(ad, a), a);
}

struct member *member_by_id(struct authd *ad, int64_t id)
{
	uint64_t hash = htab_hash(&ad->members_by_id, &id, sizeof(id));
	struct hnode *n;

	htab_for_hash(&ad->members_by_id, n, hash) {
		struct member *m = container_of(n, struct member, by_id);

		if (m->id == id)
			return m;
	}
	return NULL;
}

void member_addrs(const struct member *m, struct sotto_addrs *out)
{
	int i;

	memset(out, 0, sizeof(*out));
	out->n = m->addrs_n;
	for (i = 0; i < m->addrs_n; i++)
		out->a[i] = m->addrs[i].addr;
}

bool member_has_addr(const struct member *m, const struct sotto_addr *a)
{
	int i;

	for (i = 0; i < m->addrs_n; i++)
		if (sotto_addr_eq(&m->addrs[i].addr, a))
			return true;
	return false;
}

bool member_is_here(const struct member *m)
{
	return m->current && m->ciphers.n;
}

static void drop_addr(struct authd *ad, struct member *m,
		      const struct sotto_addr *a)
{
	int i;

	for (i = 0; i < m->addrs_n; i++)
		if (sotto_addr_eq(&m->addrs[i].addr, a))
			break;
	if (i == m->addrs_n)
		return;
	for (; i < m->addrs_n; i++) {
		htab_del(&ad->members_by_addr, &m->addrs[i].by_addr);
		if (i == m->addrs_n - 1)
			break;
		m->addrs[i].addr = m->addrs[i + 1].addr;
		htab_add(&ad->members_by_addr, &m->addrs[i].by_addr,
			 hash_addr(ad, &m->addrs[i].addr));
	}
	m->addrs_n--;
}

static struct member_addr *addrs_room(struct authd *ad,
				      const struct sotto_addrs *addrs)
{
	return arena_get(&ad->member_arena, addrs->n * sizeof(struct member_addr));
}

static void put_addrs(struct authd *ad, struct member *m,
		      struct member_addr *room, const struct sotto_addrs *addrs)
{
	int i;

	m->addrs = room;
	for (i = 0; i < addrs->n; i++) {
		struct member_addr *ma = &m->addrs[i];
		/* the store gives only a revoked member's address again */
		struct member *old = member_by_addr(ad, &addrs->a[i]);

		if (old)
			drop_addr(ad, old, &addrs->a[i]);
		ma->member = m;
		ma->addr = addrs->a[i];
		htab_add(&ad->members_by_addr, &ma->by_addr,
			 hash_addr(ad, &ma->addr));
	}
	m->addrs_n = addrs->n;
}

static struct member *add_new(struct authd *ad, const struct store_member *sm)
{
	size_t len = offsetof(struct member, name) + strlen(sm->name) + 1;
	struct member *m = arena_get(&ad->member_arena, len);
	struct member_addr *addrs = addrs_room(ad, &sm->addrs);

	if (!m || !addrs)
		return NULL;
	m->id = sm->id;
	strcpy(m->name, sm->name);
	m->created = sm->created;
	m->state = sm->state;
	put_addrs(ad, m, addrs, &sm->addrs);
	htab_add(&ad->members_by_id, &m->by_id,
		 htab_hash(&ad->members_by_id, &m->id, sizeof(m->id)));
	if (m->state != MEMBER_REVOKED)
		htab_add(&ad->members_by_name, &m->by_name,
			 htab_hash(&ad->members_by_name, m->name,
				   strlen(m->name)));
	*ad->members_end = m;
	ad->members_end = &m->next;
	ad->members_n++;
	return m;
}

int member_load(struct authd *ad, const struct store_member *sm)
{
	struct member *m = member_by_id(ad, sm->id);
	bool new_key;

	if (!m)
		m = add_new(ad, sm);
	if (!m)
		return SOTTO_E_NOMEM;
	new_key = memcmp(m->static_pub, sm->static_pub, SOTTO_PUB_LEN);
	if (new_key && !sotto_all_zero(m->static_pub, SOTTO_PUB_LEN))
		htab_del(&ad->members_by_key, &m->by_key);
	m->state = sm->state;
	m->registered = sm->registered;
	m->revoked = sm->revoked;
	m->code_expires = sm->code_expires;
	memcpy(m->static_pub, sm->static_pub, SOTTO_PUB_LEN);
	memcpy(m->token, sm->token, sizeof(m->token));
	if (new_key && !sotto_all_zero(m->static_pub, SOTTO_PUB_LEN))
		htab_add(&ad->members_by_key, &m->by_key,
			 htab_hash(&ad->members_by_key, m->static_pub,
				   SOTTO_PUB_LEN));
	return 0;
}

void member_returns(struct authd *ad, struct member *m)
{
	m->returns = true;
	m->hello_ms = ad->now_ms;
}

int member_revoke(struct authd *ad, struct member *m, const char *actor,
		  struct sotto_errmsg *err)
{
	int64_t now = authd_wall();
	int rc = store_member_revoke(ad->store, actor, m->id, now, err);

	if (rc)
		return rc;
	m->state = MEMBER_REVOKED;
	m->revoked = now;
	m->code_expires = 0;
	sotto_wipe(m->token, sizeof(m->token));
	htab_del(&ad->members_by_name, &m->by_name);
	ad->stats.revocations++;
	monitor_member(ad, "revoked", m);
	sotto_notice("member %s revoked by %s", m->name, actor);
	rules_member_gone(ad, m);
	session_member_revoked(ad, m);
	assoc_member_revoked(ad, m);
	return 0;
}

/* Where the former ones stood nothing is put any more: it is little. */
int member_readdress(struct authd *ad, struct member *m, const char *actor,
		     const struct store_set *set, struct sotto_errmsg *err)
{
	struct member_addr *room = addrs_room(ad, set->addrs);
	int rc;

	if (!room)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = store_member_set(ad->store, actor, m->id, m->name, set, authd_wall(), err);
	if (rc)
		return rc;
	while (m->addrs_n)
		drop_addr(ad, m, &m->addrs[m->addrs_n - 1].addr);
	put_addrs(ad, m, room, set->addrs);
	monitor_addresses(ad, m);
	sotto_notice("member %s has other addresses, by %s", m->name, actor);
	session_member_readdressed(m);
	assoc_member_readdressed(ad, m);
	return 0;
}

static int load_one(void *arg, const struct store_member *sm)
{
	return member_load(arg, sm);
}

struct software {
	struct software *next;
	char text[SOTTO_NAME_MAX];
};

const char *member_software(struct authd *ad, const char *text)
{
	struct software *s;
	int n = 0;

	for (s = ad->software; s; s = s->next, n++)
		if (!strcmp(s->text, text))
			return s->text;
	s = n < AUTHD_SOFTWARES ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return "other";
	strcpy(s->text, text);
	s->next = ad->software;
	ad->software = s;
	return s->text;
}

int member_setup(struct authd *ad, struct sotto_errmsg *err)
{
	ad->members_end = &ad->members;
	if (htab_init(&ad->members_by_key) || htab_init(&ad->members_by_name) ||
	    htab_init(&ad->members_by_addr) || htab_init(&ad->members_by_id) ||
	    twin_setup(ad))
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	err->text[0] = 0;
	return store_each_member(ad->store, load_one, ad, err);
}

void member_teardown(struct authd *ad)
{
	twin_teardown(ad);
	while (ad->software) {
		struct software *s = ad->software;

		ad->software = s->next;
		free(s);
	}
	while (ad->members) {
		struct member *m = ad->members;

		ad->members = m->next;
		policy_forget(m);
		sotto_wipe(m, sizeof(*m));
	}
	htab_free(&ad->members_by_key);
	htab_free(&ad->members_by_name);
	htab_free(&ad->members_by_addr);
	htab_free(&ad->members_by_id);
	arena_free(&ad->member_arena);
}
