// SPDX-License-Identifier: GPL-2.0
/*
 * The storage's interface, the policy.
 */
#include <stdlib.h>
#include <string.h>

#include "store_ask.h"

/* ---- reading ---- */

static int take_item(void *arg, struct sotto_rbuf *r)
{
	return store_get_item(r, arg);
}

int store_policy_load(struct store *st, struct policy_doc *doc, bool members,
		      struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_policy_load(st->sql, doc, members, err);
	memset(doc, 0, sizeof(*doc));
	sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	sotto_put_u8(ask_begin(&q), members);
	rc = ask(st, STORE_POLICY_LOAD, &q, take_item, doc, err);
	if (rc)
		policy_doc_free(doc);
	else
		ask_end(&q);
	return rc;
}

int store_policy_version(struct store *st, uint64_t *version,
			 struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_policy_version(st->sql, version, err);
	ask_begin(&q);
	rc = ask(st, STORE_POLICY_VERSION, &q, NULL, NULL, err);
	if (rc)
		return rc;
	*version = sotto_get_u64(&q.r);
	ask_end(&q);
	return 0;
}

struct each_change {
	int (*fn)(void *arg, const struct store_change *c);
	void *arg;
};

static int take_change(void *arg, struct sotto_rbuf *r)
{
	const struct each_change *e = arg;
	struct store_change c = { .version = sotto_get_u64(r) };

	c.kind = store_get_up_to(r, CHANGE_RULES);
	c.grp = sotto_get_u64(r);
	c.member = sotto_get_u64(r);
	store_get_prefix(r, &c.prefix, true);
	return r->err ? 0 : e->fn(e->arg, &c);
}

int store_each_change(struct store *st, uint64_t after,
		      int (*fn)(void *arg, const struct store_change *c),
		      void *arg, struct sotto_errmsg *err)
{
	struct each_change e = { fn, arg };
	struct ask q;
	int rc;

	if (st->sql)
		return sql_each_change(st->sql, after, fn, arg, err);
	sotto_put_u64(ask_begin(&q), after);
	rc = ask(st, STORE_EACH_CHANGE, &q, take_change, &e, err);
	if (!rc)
		ask_end(&q);
	return rc;
}

struct each_route {
	int (*fn)(void *arg, const struct store_route *r);
	void *arg;
};

static int take_route(void *arg, struct sotto_rbuf *r)
{
	const struct each_route *e = arg;
	struct store_route route = { .member = sotto_get_u64(r) };

	store_get_prefix(r, &route.prefix, false);
	return r->err ? 0 : e->fn(e->arg, &route);
}

int store_each_route(struct store *st,
		     int (*fn)(void *arg, const struct store_route *r),
		     void *arg, struct sotto_errmsg *err)
{
	struct each_route e = { fn, arg };
	struct ask q;
	int rc;

	if (st->sql)
		return sql_each_route(st->sql, fn, arg, err);
	ask_begin(&q);
	rc = ask(st, STORE_EACH_ROUTE, &q, take_route, &e, err);
	if (!rc)
		ask_end(&q);
	return rc;
}

/* A text of any length comes in pieces. */
struct pieces {
	struct store_trial *trial;
	size_t len;
};

static int take_piece(void *arg, struct sotto_rbuf *r)
{
	struct pieces *p = arg;
	char piece[STORE_TEXT_MAX], *more;
	size_t len;

	store_get_text(r, piece, sizeof(piece));
	if (r->err)
		return 0;
	len = strlen(piece);
	more = p->len + len > STORE_REQUEST_MAX ? NULL :
	       realloc(p->trial->previous, p->len + len + 1);
	if (!more)
		return SOTTO_E_NOMEM;
	p->trial->previous = more;
	memcpy(more + p->len, piece, len + 1);
	p->len += len;
	return 0;
}

int store_trial_get(struct store *st, struct store_trial *t,
		    struct sotto_errmsg *err)
{
	struct pieces p = { .trial = t };
	struct ask q;
	int rc;

	if (st->sql)
		return sql_trial_get(st->sql, t, err);
	memset(t, 0, sizeof(*t));
	sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	ask_begin(&q);
	rc = ask(st, STORE_TRIAL_GET, &q, take_piece, &p, err);
	if (rc) {
		free(t->previous);
		t->previous = NULL;
		return rc;
	}
	t->until = sotto_get_u64(&q.r);
	t->seconds = sotto_get_u64(&q.r);
	ask_end(&q);
	return 0;
}

/* ---- changing ---- */

/* What a policy takes at most. */
static size_t doc_room(const struct policy_doc *doc)
{
	size_t len = STORE_ITEM_MAX + (size_t)doc->rules_n * 2 * SOTTO_NAME_MAX +
		     (size_t)doc->rules_n * 16, i;

	for (i = 0; i < doc->groups_n; i++)
		len += ((size_t)doc->groups[i].n + 1) * (SOTTO_NAME_MAX + 16);
	return len + (size_t)doc->nets_n * (SOTTO_NAME_MAX + 32);
}

static int more_room(struct ask *q, size_t len, struct sotto_errmsg *err)
{
	uint8_t *p = malloc(len);

	if (!p)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	sotto_wbuf_init(&q->w, p, len);
	return 0;
}

static void put_trial(struct sotto_wbuf *w, const struct store_trial *t)
{
	size_t len = t ? strlen(t->previous) : 0;

	sotto_put_u8(w, t != NULL);
	if (!t)
		return;
	sotto_put_u64(w, t->until);
	sotto_put_u64(w, t->seconds);
	sotto_put_u32(w, len);
	sotto_put_bytes(w, t->previous, len);
}

static struct sotto_wbuf *room(void *arg)
{
	return arg;
}

int store_policy_apply(struct store *st, const char *actor, const char *event,
		       const struct policy_doc *doc,
		       const struct store_trial *trial, bool lenient,
		       int64_t now, struct sotto_errmsg *err)
{
	struct ask q;
	int rc;

	if (st->sql)
		return sql_policy_apply(st->sql, actor, event, doc, trial,
					lenient, now, err);
	rc = more_room(&q, doc_room(doc) +
		       (trial ? strlen(trial->previous) : 0), err);
	if (rc)
		return rc;
	store_put_text(&q.w, actor);
	store_put_text(&q.w, event);
	sotto_put_u8(&q.w, lenient);
	sotto_put_u64(&q.w, now);
	put_trial(&q.w, trial);
	store_each_item(doc, room, &q.w);
	rc = ask_plain(st, STORE_POLICY_APPLY, &q, err);
	free(q.w.base);
	return rc;
}

int store_policy_net(struct store *st, const char *actor,
		     const struct policy_net *n, bool add, int64_t now,
		     struct sotto_errmsg *err)
{
	struct ask q;

	if (st->sql)
		return sql_policy_net(st->sql, actor, n, add, now, err);
	store_put_text(ask_begin(&q), actor);
	store_put_net(&q.w, n);
	sotto_put_u8(&q.w, add);
	sotto_put_u64(&q.w, now);
	return ask_plain(st, STORE_POLICY_NET, &q, err);
}

int store_policy_rules(struct store *st, const char *actor, const struct policy_doc *doc,
		       int64_t now, struct sotto_errmsg *err)
{
	const struct policy_doc room = { .rules_n = doc->rules_n };
	struct ask q;
	uint32_t i;
	int rc;

	if (st->sql)
		return sql_policy_rules(st->sql, actor, doc, now, err);
	rc = more_room(&q, doc_room(&room), err);
	if (rc)
		return rc;
	store_put_text(&q.w, actor);
	sotto_put_u8(&q.w, doc->deny_rest);
	sotto_put_u64(&q.w, now);
	for (i = 0; i < doc->rules_n; i++)
		store_put_rule(&q.w, &doc->rules[i]);
	rc = ask_plain(st, STORE_POLICY_RULES, &q, err);
	free(q.w.base);
	return rc;
}

int store_group_member(struct store *st, const char *actor, const char *group,
		       int64_t member, const char *name, bool add, int64_t now,
		       struct sotto_errmsg *err)
{
	struct ask q;

	if (st->sql)
		return sql_group_member(st->sql, actor, group, member, name,
					add, now, err);
	store_put_text(ask_begin(&q), actor);
	store_put_text(&q.w, group);
	sotto_put_u64(&q.w, member);
	store_put_text(&q.w, name);
	sotto_put_u8(&q.w, add);
	sotto_put_u64(&q.w, now);
	return ask_plain(st, STORE_GROUP_MEMBER, &q, err);
}

int store_group_del(struct store *st, const char *actor, const char *group,
		    int64_t now, struct sotto_errmsg *err)
{
	struct ask q;

	if (st->sql)
		return sql_group_del(st->sql, actor, group, now, err);
	store_put_text(ask_begin(&q), actor);
	store_put_text(&q.w, group);
	sotto_put_u64(&q.w, now);
	return ask_plain(st, STORE_GROUP_DEL, &q, err);
}

/* Bits of what a set changes; do_member_set() reads them. */
static uint8_t set_flags(const struct store_set *set)
{
	return (set->addrs ? STORE_SET_ADDRS : 0) | (set->routes ? STORE_SET_ROUTES : 0) |
	       (set->protect ? STORE_SET_PROTECT : 0);
}

int store_member_set(struct store *st, const char *actor, int64_t member,
		     const char *name, const struct store_set *set, int64_t now,
		     struct sotto_errmsg *err)
{
	struct ask q;
	int i;

	if (st->sql)
		return sql_member_set(st->sql, actor, member, name, set, now, err);
	store_put_text(ask_begin(&q), actor);
	sotto_put_u64(&q.w, member);
	store_put_text(&q.w, name);
	sotto_put_u64(&q.w, now);
	sotto_put_u8(&q.w, set_flags(set));
	if (set->addrs)
		store_put_addrs(&q.w, set->addrs);
	if (set->routes)
		sotto_put_u8(&q.w, set->routes->n);
	for (i = 0; set->routes && i < set->routes->n; i++)
		store_put_prefix(&q.w, &set->routes->p[i]);
	return ask_plain(st, STORE_MEMBER_SET, &q, err);
}

int store_trial_end(struct store *st, const char *actor, int64_t now,
		    struct sotto_errmsg *err)
{
	struct ask q;

	if (st->sql)
		return sql_trial_end(st->sql, actor, now, err);
	store_put_text(ask_begin(&q), actor);
	sotto_put_u64(&q.w, now);
	return ask_plain(st, STORE_TRIAL_END, &q, err);
}
