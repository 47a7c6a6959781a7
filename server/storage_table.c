// SPDX-License-Identifier: GPL-2.0
/*
 * What the storage process may be asked, and its answers.
 *
 * Each handler reads a whole request and nothing else, or it is NOT_PERMITTED.
 */
#include "storage_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store_ask.h"

#define NOT_PERMITTED	1	/* of a handler */

/* ---- answering ---- */

static void send_items(struct storage *s, size_t len, bool last)
{
	s->frame[0] = s->op;
	s->frame[1] = last;
	if (send(s->fd, s->frame, STORE_FRAME_HEAD + len, MSG_NOSIGNAL) < 0)
		s->gone = true;
}

static void flush_items(struct storage *s)
{
	memcpy(s->frame + STORE_FRAME_HEAD, s->items, s->out.len);
	send_items(s, s->out.len, false);
	s->out.len = 0;
}

/* For one more item; NULL: nobody is there. */
static struct sotto_wbuf *room(void *arg)
{
	struct storage *s = arg;

	if (s->out.cap - s->out.len < STORE_ITEM_MAX)
		flush_items(s);
	return s->gone ? NULL : &s->out;
}

static void answer(struct storage *s, int rc, const struct sotto_errmsg *err)
{
	struct sotto_wbuf w;

	if (s->out.len)
		flush_items(s);
	sotto_wbuf_init(&w, s->frame + STORE_FRAME_HEAD, STORE_FRAME_DATA);
	sotto_put_u8(&w, -rc);
	store_put_text(&w, rc ? err->text : "");
	if (!rc || rc == SOTTO_E_REFUSED)
		sotto_put_bytes(&w, s->results.base, s->results.len);
	send_items(s, w.len, true);
}

/* ---- what is permitted ---- */

/* Whole, and without anything else. */
static bool sound(const struct storage *s)
{
	return store_whole(&s->in);
}


/* Who does it: at the most a host's address. */
static void get_actor(struct storage *s, char actor[SOTTO_NAME_MAX])
{
	store_get_text(&s->in, actor, SOTTO_NAME_MAX);
}

static int one_member(void *arg, const struct store_member *m)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	store_put_member(w, m);
	return 0;
}

static int do_each_member(struct storage *s, struct sotto_errmsg *err)
{
	return sound(s) ? sql_each_member(s->sql, one_member, s, err) :
			  NOT_PERMITTED;
}

struct new_code {
	uint8_t id[SOTTO_CODE_ID_LEN], sealed[STORE_SEALED];
	int64_t expires;
};

static void get_code(struct storage *s, struct new_code *c)
{
	sotto_get_bytes(&s->in, c->id, sizeof(c->id));
	sotto_get_bytes(&s->in, c->sealed, sizeof(c->sealed));
	c->expires = sotto_get_u64(&s->in);
}

static int do_member_add(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], name[SOTTO_NAME_MAX];
	struct sotto_addrs addrs;
	struct new_code c;
	int64_t now, id = 0;
	int rc;

	get_actor(s, actor);
	store_get_name(&s->in, name);
	store_get_addrs(&s->in, &addrs);
	now = sotto_get_u64(&s->in);
	get_code(s, &c);
	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_member_add(s->sql, actor, name, &addrs, now, c.id, c.sealed,
			    c.expires, &id, err);
	sotto_put_u64(&s->results, id);
	return rc;
}

static int do_code_new(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	struct new_code c;
	int64_t id, now;
	bool rekey;

	get_actor(s, actor);
	id = sotto_get_u64(&s->in);
	rekey = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	get_code(s, &c);
	if (!sound(s))
		return NOT_PERMITTED;
	return sql_code_new(s->sql, actor, id, rekey, now, c.id, c.sealed,
			    c.expires, err);
}

static int do_code_find(struct storage *s, struct sotto_errmsg *err)
{
	uint8_t id[SOTTO_CODE_ID_LEN];
	struct store_code c;
	int rc;

	sotto_get_bytes(&s->in, id, sizeof(id));
	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_code_find(s->sql, id, &c, err);
	sotto_put_u64(&s->results, c.member_id);
	sotto_put_u64(&s->results, c.expires);
	sotto_put_u64(&s->results, c.used);
	sotto_put_bytes(&s->results, c.used_by, sizeof(c.used_by));
	sotto_put_bytes(&s->results, c.sealed, sizeof(c.sealed));
	return rc;
}

static int do_register(struct storage *s, struct sotto_errmsg *err)
{
	enum sotto_refusal refusal = SOTTO_REFUSAL_INTERNAL;
	struct sql_registration reg;
	struct store_member m = { 0 };
	int rc;

	sotto_get_bytes(&s->in, reg.code_id, sizeof(reg.code_id));
	sotto_get_bytes(&s->in, reg.static_pub, sizeof(reg.static_pub));
	sotto_get_bytes(&s->in, reg.token, sizeof(reg.token));
	reg.now = sotto_get_u64(&s->in);
	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_register(s->sql, &reg, &m, &refusal, err);
	if (rc)
		sotto_put_u8(&s->results, refusal);
	else
		store_put_member(&s->results, &m);
	return rc;
}

static int do_member_revoke(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	int64_t id, now;

	get_actor(s, actor);
	id = sotto_get_u64(&s->in);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_member_revoke(s->sql, actor, id, now, err) :
			  NOT_PERMITTED;
}

static int do_policy_load(struct storage *s, struct sotto_errmsg *err)
{
	bool members = store_get_up_to(&s->in, 1);
	struct policy_doc doc;
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_policy_load(s->sql, &doc, members, err);
	if (rc)
		return rc;
	store_each_item(&doc, room, s);
	policy_doc_free(&doc);
	return 0;
}

static bool is_event(const char *event)
{
	return !strcmp(event, "policy.apply") ||
	       !strcmp(event, "policy.revert") || !strcmp(event, "policy.expire");
}

/* A copy with a NUL; NULL without memory, or if it has one already. */
static char *get_previous(struct storage *s)
{
	size_t len = sotto_get_u32(&s->in);
	const uint8_t *p = sotto_get_ptr(&s->in, len);

	return p && !memchr(p, 0, len) ? strndup((const char *)p, len) : NULL;
}

static int get_trial(struct storage *s, struct store_trial *t, bool *given)
{
	*given = store_get_bool(&s->in);
	if (!*given)
		return 0;
	t->until = sotto_get_u64(&s->in);
	t->seconds = sotto_get_u64(&s->in);
	t->previous = get_previous(s);
	return t->previous ? 0 : NOT_PERMITTED;
}

static int get_doc(struct storage *s, struct policy_doc *doc)
{
	int rc = 0;

	while (!rc && !s->in.err && s->in.left)
		rc = store_get_item(&s->in, doc);
	return rc;
}

static int do_policy_apply(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], event[SOTTO_NAME_MAX];
	struct store_trial t = { 0 };
	struct policy_doc doc = { 0 };
	bool lenient, trial;
	int64_t now;
	int rc;

	get_actor(s, actor);
	store_get_text(&s->in, event, sizeof(event));
	lenient = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	rc = get_trial(s, &t, &trial);
	if (!rc)
		rc = get_doc(s, &doc);
	if (rc < 0)
		sotto_err(err, rc, "out of memory");
	else if (rc || !sound(s) || !is_event(event))
		rc = NOT_PERMITTED;
	else
		rc = sql_policy_apply(s->sql, actor, event, &doc,
				      trial ? &t : NULL, lenient, now, err);
	policy_doc_free(&doc);
	free(t.previous);
	return rc;
}

static int do_policy_net(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	struct policy_net n;
	int64_t now;
	bool add;

	get_actor(s, actor);
	store_get_net(&s->in, &n);
	add = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_policy_net(s->sql, actor, &n, add, now, err) :
			  NOT_PERMITTED;
}

static int get_rules(struct storage *s, struct policy_doc *doc)
{
	struct policy_rule rule, *to;

	while (!s->in.err && s->in.left) {
		store_get_rule(&s->in, &rule);
		to = policy_doc_rule(doc);
		if (!to)
			return doc->rules_n == POLICY_RULES_MAX ?
			       NOT_PERMITTED : SOTTO_E_NOMEM;
		*to = rule;
	}
	return 0;
}

static int do_policy_rules(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	struct policy_doc doc = { 0 };
	int64_t now;
	int rc;

	get_actor(s, actor);
	doc.deny_rest = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	rc = get_rules(s, &doc);
	if (rc < 0)
		sotto_err(err, rc, "out of memory");
	else if (rc || !sound(s))
		rc = NOT_PERMITTED;
	else
		rc = sql_policy_rules(s->sql, actor, &doc, now, err);
	policy_doc_free(&doc);
	return rc;
}

static int do_group_member(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], group[SOTTO_NAME_MAX], name[SOTTO_NAME_MAX];
	int64_t member, now;
	bool add;

	get_actor(s, actor);
	store_get_name(&s->in, group);
	member = sotto_get_u64(&s->in);
	store_get_name(&s->in, name);
	add = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	if (!sound(s))
		return NOT_PERMITTED;
	return sql_group_member(s->sql, actor, group, member, name, add, now,
				err);
}

static int do_group_del(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], group[SOTTO_NAME_MAX];
	int64_t now;

	get_actor(s, actor);
	store_get_name(&s->in, group);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_group_del(s->sql, actor, group, now, err) :
			  NOT_PERMITTED;
}

static void get_routes(struct storage *s, struct sotto_prefixes *routes)
{
	int i;

	routes->n = store_get_up_to(&s->in, SOTTO_ROUTES_MAX);
	for (i = 0; i < routes->n; i++)
		store_get_prefix(&s->in, &routes->p[i], false);
}

static int do_member_set(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], name[SOTTO_NAME_MAX];
	struct sotto_prefixes routes;
	struct sotto_addrs addrs;
	struct store_set set = { 0 };
	int64_t member, now;
	uint8_t flags;

	get_actor(s, actor);
	member = sotto_get_u64(&s->in);
	store_get_name(&s->in, name);
	now = sotto_get_u64(&s->in);
	flags = store_get_up_to(&s->in, STORE_SET_ALL);
	if (flags & STORE_SET_ADDRS) {
		store_get_addrs(&s->in, &addrs);
		set.addrs = &addrs;
	}
	if (flags & STORE_SET_ROUTES) {
		get_routes(s, &routes);
		set.routes = &routes;
	}
	set.protect = flags & STORE_SET_PROTECT;
	if (!sound(s) || (set.addrs && !addrs.n))
		return NOT_PERMITTED;
	return sql_member_set(s->sql, actor, member, name, &set, now, err);
}

static int one_route(void *arg, const struct store_route *r)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, r->member);
	store_put_prefix(w, &r->prefix);
	return 0;
}

static int do_each_route(struct storage *s, struct sotto_errmsg *err)
{
	return sound(s) ? sql_each_route(s->sql, one_route, s, err) :
			  NOT_PERMITTED;
}

static int one_change(void *arg, const struct store_change *c)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, c->version);
	sotto_put_u8(w, c->kind);
	sotto_put_u64(w, c->grp);
	sotto_put_u64(w, c->member);
	store_put_prefix(w, &c->prefix);
	return 0;
}

static int do_each_change(struct storage *s, struct sotto_errmsg *err)
{
	uint64_t after = sotto_get_u64(&s->in);

	return sound(s) ? sql_each_change(s->sql, after, one_change, s, err) :
			  NOT_PERMITTED;
}

/* In pieces, each of which is a text. */
static void put_long(struct storage *s, const char *text)
{
	struct sotto_wbuf *w;
	size_t len = strlen(text), n;

	do {
		w = room(s);
		if (!w)
			return;
		store_put_text(w, text);
		n = len < STORE_TEXT_MAX ? len : STORE_TEXT_MAX - 1;
		text += n;
		len -= n;
	} while (len);
}

static int do_trial_get(struct storage *s, struct sotto_errmsg *err)
{
	struct store_trial t;
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_trial_get(s->sql, &t, err);
	if (!rc && t.previous)
		put_long(s, t.previous);
	free(t.previous);
	sotto_put_u64(&s->results, t.until);
	sotto_put_u64(&s->results, t.seconds);
	return rc;
}

static int do_trial_end(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	int64_t now;

	get_actor(s, actor);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_trial_end(s->sql, actor, now, err) :
			  NOT_PERMITTED;
}

static int do_policy_version(struct storage *s, struct sotto_errmsg *err)
{
	uint64_t version = 0;
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_policy_version(s->sql, &version, err);
	sotto_put_u64(&s->results, version);
	return rc;
}

static int do_endpoints(struct storage *s, struct sotto_errmsg *err)
{
	char list[STORE_TEXT_MAX];
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_endpoints(s->sql, list, sizeof(list), err);
	store_put_text(&s->results, list);
	return rc;
}

/* Lines of their own are about one thing; the others come with what they tell of. */
static int do_audit(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], event[SOTTO_NAME_MAX];
	char subject[SOTTO_NAME_MAX], detail[SOTTO_NAME_MAX];
	int64_t now;

	get_actor(s, actor);
	store_get_text(&s->in, event, sizeof(event));
	store_get_text(&s->in, subject, sizeof(subject));
	store_get_text(&s->in, detail, sizeof(detail));
	now = sotto_get_u64(&s->in);
	if (!sound(s) || strcmp(event, "member.register.refused"))
		return NOT_PERMITTED;
	return sql_audit_line(s->sql, actor, event, subject, detail, now, err);
}

static int one_audit(void *arg, const struct store_audit *a)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, a->id);
	sotto_put_u64(w, a->at);
	store_put_text(w, a->actor);
	store_put_text(w, a->event);
	store_put_text(w, a->subject);
	store_put_text(w, a->detail);
	return 0;
}

static int do_each_audit(struct storage *s, struct sotto_errmsg *err)
{
	uint32_t limit = sotto_get_u32(&s->in);

	return sound(s) && limit <= AUTHD_LIST_MAX ?
	       sql_each_audit(s->sql, limit, one_audit, s, err) : NOT_PERMITTED;
}

/* The one that there is; other names are settings. */
static bool get_secret_name(struct storage *s, char name[SOTTO_NAME_MAX])
{
	store_get_text(&s->in, name, SOTTO_NAME_MAX);
	return !strcmp(name, "ticket_keys");
}

static int do_secret_get(struct storage *s, struct sotto_errmsg *err)
{
	uint8_t sealed[STORE_SECRET_MAX + SEAL_OVERHEAD] = { 0 };
	char name[SOTTO_NAME_MAX];
	bool known = get_secret_name(s, name);
	size_t len = sotto_get_u16(&s->in);
	int rc;

	if (!sound(s) || !known || len > sizeof(sealed))
		return NOT_PERMITTED;
	rc = sql_secret_get(s->sql, name, sealed, len, err);
	sotto_put_bytes(&s->results, sealed, len);
	return rc;
}

static int do_secret_set(struct storage *s, struct sotto_errmsg *err)
{
	char name[SOTTO_NAME_MAX];
	bool known = get_secret_name(s, name);
	size_t len = s->in.left;
	const uint8_t *p = sotto_get_ptr(&s->in, len);

	if (!sound(s) || !known || len > STORE_SECRET_MAX + SEAL_OVERHEAD)
		return NOT_PERMITTED;
	return sql_secret_set(s->sql, name, p, len, err);
}

static int do_started(struct storage *s, struct sotto_errmsg *err)
{
	(void)err;
	s->started = true;
	return sound(s) ? 0 : NOT_PERMITTED;
}

static const struct {
	int (*fn)(struct storage *s, struct sotto_errmsg *err);
	bool start;			/* until the server has started only */
} permitted[STORE_OP_MAX] = {
	[STORE_EACH_MEMBER] = { do_each_member, true },
	[STORE_MEMBER_ADD] = { do_member_add, false },
	[STORE_CODE_NEW] = { do_code_new, false },
	[STORE_CODE_FIND] = { do_code_find, false },
	[STORE_REGISTER] = { do_register, false },
	[STORE_MEMBER_REVOKE] = { do_member_revoke, false },
	[STORE_POLICY_LOAD] = { do_policy_load, false },
	[STORE_POLICY_APPLY] = { do_policy_apply, false },
	[STORE_POLICY_NET] = { do_policy_net, false },
	[STORE_POLICY_RULES] = { do_policy_rules, false },
	[STORE_GROUP_MEMBER] = { do_group_member, false },
	[STORE_GROUP_DEL] = { do_group_del, false },
	[STORE_MEMBER_SET] = { do_member_set, false },
	[STORE_EACH_ROUTE] = { do_each_route, false },
	[STORE_EACH_CHANGE] = { do_each_change, false },
	[STORE_TRIAL_GET] = { do_trial_get, true },
	[STORE_TRIAL_END] = { do_trial_end, false },
	[STORE_POLICY_VERSION] = { do_policy_version, false },
	[STORE_ENDPOINTS] = { do_endpoints, false },
	[STORE_AUDIT] = { do_audit, false },
	[STORE_EACH_AUDIT] = { do_each_audit, false },
	[STORE_SECRET_GET] = { do_secret_get, true },
	[STORE_SECRET_SET] = { do_secret_set, false },
	[STORE_STARTED] = { do_started, true },
};

bool storage_handle(struct storage *s)
{
	struct sotto_errmsg err = { 0 };
	int rc;

	if (!permitted[s->op].fn || (permitted[s->op].start && s->started))
		return false;
	sotto_rbuf_init(&s->in, s->request, s->len);
	sotto_wbuf_init(&s->out, s->items, sizeof(s->items));
	sotto_wbuf_init(&s->results, s->results_buf, sizeof(s->results_buf));
	rc = permitted[s->op].fn(s, &err);
	if (rc == NOT_PERMITTED)
		return false;
	answer(s, rc, &err);
	return true;
}
