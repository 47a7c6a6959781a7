// SPDX-License-Identifier: GPL-2.0
/*
 * Coding what the server and its storage process say to each other.
 */
#include "store_msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- simple things ---- */

static void bad(struct sotto_rbuf *r)
{
	if (!r->err)
		r->err = SOTTO_E_BAD;
}

void store_put_text(struct sotto_wbuf *w, const char *text)
{
	size_t len = strnlen(text, STORE_TEXT_MAX - 1);

	sotto_put_u16(w, len);
	sotto_put_bytes(w, text, len);
}

void store_get_text(struct sotto_rbuf *r, char *out, size_t cap)
{
	size_t len = sotto_get_u16(r);

	if (len >= cap)
		bad(r);
	out[0] = 0;
	if (r->err)
		return;
	sotto_get_bytes(r, out, len);
	out[len] = 0;
	if (memchr(out, 0, len))
		bad(r);
}

void store_get_name(struct sotto_rbuf *r, char out[SOTTO_NAME_MAX])
{
	store_get_text(r, out, SOTTO_NAME_MAX);
	if (!sotto_name_valid(out))
		bad(r);
}

uint8_t store_get_up_to(struct sotto_rbuf *r, uint8_t max)
{
	uint8_t v = sotto_get_u8(r);

	if (v <= max)
		return v;
	bad(r);
	return 0;
}

bool store_get_bool(struct sotto_rbuf *r)
{
	return store_get_up_to(r, 1);
}

static void put_addr(struct sotto_wbuf *w, const struct sotto_addr *a)
{
	sotto_put_u8(w, a->len);
	sotto_put_bytes(w, a->b, a->len);
}

static void get_addr(struct sotto_rbuf *r, struct sotto_addr *a, bool none)
{
	size_t len = sotto_get_u8(r);
	const uint8_t *p = sotto_get_ptr(r, len);

	memset(a, 0, sizeof(*a));
	if (p && !(none && !len) && sotto_addr_set(a, p, len))
		bad(r);
}

void store_put_prefix(struct sotto_wbuf *w, const struct sotto_prefix *p)
{
	put_addr(w, &p->addr);
	sotto_put_u8(w, p->plen);
}

void store_get_prefix(struct sotto_rbuf *r, struct sotto_prefix *p, bool none)
{
	get_addr(r, &p->addr, none);
	p->plen = store_get_up_to(r, p->addr.len * 8);
}

void store_put_addrs(struct sotto_wbuf *w, const struct sotto_addrs *a)
{
	int i;

	sotto_put_u8(w, a->n);
	for (i = 0; i < a->n; i++)
		put_addr(w, &a->a[i]);
}

void store_get_addrs(struct sotto_rbuf *r, struct sotto_addrs *a)
{
	int i;

	a->n = store_get_up_to(r, SOTTO_ADDRS_MAX);
	for (i = 0; i < a->n; i++)
		get_addr(r, &a->a[i], false);
}

/* ---- members and grants ---- */

void store_put_member(struct sotto_wbuf *w, const struct store_member *m)
{
	sotto_put_u64(w, m->id);
	store_put_text(w, m->name);
	sotto_put_u8(w, m->state);
	sotto_put_bytes(w, m->static_pub, sizeof(m->static_pub));
	sotto_put_bytes(w, m->token, sizeof(m->token));
	store_put_addrs(w, &m->addrs);
	sotto_put_u64(w, m->created);
	sotto_put_u64(w, m->registered);
	sotto_put_u64(w, m->revoked);
	sotto_put_u64(w, m->code_expires);
}

void store_get_member(struct sotto_rbuf *r, struct store_member *m)
{
	memset(m, 0, sizeof(*m));
	m->id = sotto_get_u64(r);
	store_get_text(r, m->name, sizeof(m->name));
	m->state = store_get_up_to(r, MEMBER_REVOKED);
	sotto_get_bytes(r, m->static_pub, sizeof(m->static_pub));
	sotto_get_bytes(r, m->token, sizeof(m->token));
	store_get_addrs(r, &m->addrs);
	m->created = sotto_get_u64(r);
	m->registered = sotto_get_u64(r);
	m->revoked = sotto_get_u64(r);
	m->code_expires = sotto_get_u64(r);
}

void store_put_grant(struct sotto_wbuf *w, const struct store_grant *g)
{
	sotto_put_u64(w, g->at);
	sotto_put_u64(w, g->session_id);
	sotto_put_u64(w, g->a);
	sotto_put_u64(w, g->b);
	sotto_put_u8(w, g->cipher);
}

void store_get_grant(struct sotto_rbuf *r, struct store_grant *g)
{
	g->at = sotto_get_u64(r);
	g->session_id = sotto_get_u64(r);
	g->a = sotto_get_u64(r);
	g->b = sotto_get_u64(r);
	g->cipher = sotto_get_u8(r);
}

/* ---- the policy ---- */

static void put_side(struct sotto_wbuf *w, const struct policy_side *s)
{
	sotto_put_u8(w, s->kind);
	if (s->kind == SIDE_NET)
		store_put_prefix(w, &s->net);
	else if (s->kind != SIDE_ALL)
		store_put_text(w, s->name);
}

static void get_side(struct sotto_rbuf *r, struct policy_side *s,
		     enum policy_side_kind last)
{
	memset(s, 0, sizeof(*s));
	s->kind = store_get_up_to(r, last);
	if (s->kind == SIDE_NET)
		store_get_prefix(r, &s->net, false);
	else if (s->kind != SIDE_ALL)
		store_get_name(r, s->name);
}

void store_put_rule(struct sotto_wbuf *w, const struct policy_rule *rule)
{
	sotto_put_u8(w, rule->allow);
	put_side(w, &rule->src);
	put_side(w, &rule->dst);
}

void store_get_rule(struct sotto_rbuf *r, struct policy_rule *rule)
{
	rule->line = 0;
	rule->allow = store_get_bool(r);
	get_side(r, &rule->src, SIDE_MEMBER);
	get_side(r, &rule->dst, SIDE_NET);
}

void store_put_net(struct sotto_wbuf *w, const struct policy_net *n)
{
	store_put_prefix(w, &n->prefix);
	sotto_put_u8(w, n->action);
	store_put_text(w, n->group);
}

void store_get_net(struct sotto_rbuf *r, struct policy_net *n)
{
	n->line = 0;
	store_get_prefix(r, &n->prefix, false);
	n->action = store_get_up_to(r, __SOTTO_ACTION_MAX - 1);
	store_get_text(r, n->group, sizeof(n->group));
	if (n->group[0] && !sotto_name_valid(n->group))
		bad(r);
}

static struct sotto_wbuf *begin_item(struct sotto_wbuf *(*room)(void *arg),
				     void *arg, enum store_policy_item item)
{
	struct sotto_wbuf *w = room(arg);

	if (w)
		sotto_put_u8(w, item);
	return w;
}

static int each_group(const struct policy_group *g,
		      struct sotto_wbuf *(*room)(void *arg), void *arg)
{
	struct sotto_wbuf *w = begin_item(room, arg, ITEM_GROUP);
	uint32_t i;

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, g->id);
	store_put_text(w, g->name);
	for (i = 0; i < g->n; i++) {
		w = begin_item(room, arg, ITEM_MEMBER);
		if (!w)
			return SOTTO_E_CLOSED;
		store_put_text(w, g->members[i]);
	}
	return 0;
}

int store_each_item(const struct policy_doc *doc,
		    struct sotto_wbuf *(*room)(void *arg), void *arg)
{
	struct sotto_wbuf *w;
	uint32_t i;

	for (i = 0; i < doc->groups_n; i++)
		if (each_group(&doc->groups[i], room, arg))
			return SOTTO_E_CLOSED;
	for (i = 0; i < doc->rules_n; i++) {
		w = begin_item(room, arg, ITEM_RULE);
		if (!w)
			return SOTTO_E_CLOSED;
		store_put_rule(w, &doc->rules[i]);
	}
	for (i = 0; i < doc->nets_n; i++) {
		w = begin_item(room, arg, ITEM_NET);
		if (!w)
			return SOTTO_E_CLOSED;
		store_put_net(w, &doc->nets[i]);
	}
	w = begin_item(room, arg, ITEM_REST);
	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u8(w, doc->deny_rest);
	return 0;
}

static int get_group(struct sotto_rbuf *r, struct policy_doc *doc)
{
	char name[SOTTO_NAME_MAX];
	struct policy_group *g;
	int64_t id = sotto_get_u64(r);

	store_get_name(r, name);
	if (r->err)
		return 0;
	g = policy_doc_group(doc, name);
	if (!g)
		return SOTTO_E_NOMEM;
	g->id = id;
	return 0;
}

static int get_group_member(struct sotto_rbuf *r, struct policy_doc *doc)
{
	char name[SOTTO_NAME_MAX];

	store_get_name(r, name);
	if (!doc->groups_n)
		bad(r);
	return r->err ? 0 :
	       policy_group_add(&doc->groups[doc->groups_n - 1], name);
}

static int get_doc_rule(struct sotto_rbuf *r, struct policy_doc *doc)
{
	struct policy_rule rule, *to;

	store_get_rule(r, &rule);
	if (r->err)
		return 0;
	to = policy_doc_rule(doc);
	if (!to)
		return SOTTO_E_NOMEM;
	*to = rule;
	return 0;
}

static int get_doc_net(struct sotto_rbuf *r, struct policy_doc *doc)
{
	struct policy_net net = { 0 }, *to;

	store_get_net(r, &net);
	if (r->err)
		return 0;
	to = policy_doc_net(doc);
	if (!to)
		return SOTTO_E_NOMEM;
	*to = net;
	return 0;
}

int store_get_item(struct sotto_rbuf *r, struct policy_doc *doc)
{
	switch (store_get_up_to(r, ITEM_MAX - 1)) {
	case ITEM_GROUP:
		return get_group(r, doc);
	case ITEM_MEMBER:
		return get_group_member(r, doc);
	case ITEM_RULE:
		return get_doc_rule(r, doc);
	case ITEM_NET:
		return get_doc_net(r, doc);
	default:
		doc->deny_rest = store_get_bool(r);
		return 0;
	}
}

/* ---- frames ---- */

int store_send(int fd, enum store_op op, const void *data, size_t len,
	       uint8_t *frame, int flags)
{
	const uint8_t *p = data;
	ssize_t sent;
	size_t n;

	do {
		n = len < STORE_FRAME_DATA ? len : STORE_FRAME_DATA;
		frame[0] = op;
		frame[1] = n == len;
		if (n)
			memcpy(frame + STORE_FRAME_HEAD, p, n);
		do {
			sent = send(fd, frame, STORE_FRAME_HEAD + n,
				    flags | MSG_NOSIGNAL);
		} while (sent < 0 && errno == EINTR);
		if (sent < 0)
			return errno == EAGAIN ? SOTTO_E_LIMIT : SOTTO_E_CLOSED;
		p += n;
		len -= n;
	} while (len);
	return 0;
}
