// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's socket: what shows and changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "buf.h"
#include "jx.h"
#include "policy.h"

static const char *const state_names[] = {
	[MEMBER_PENDING] = "pending",
	[MEMBER_ACTIVE] = "active",
	[MEMBER_REVOKED] = "revoked",
};

static json_t *seen_json(const struct path *p)
{
	char addr[SOTTO_ADDR_STR], text[SOTTO_ADDR_STR + 16];

	snprintf(text, sizeof(text), p->peer.len == 16 ? "[%s]:%u" : "%s:%u",
		 sotto_addr_str(&p->peer, addr), p->port);
	return json_string(text);
}

json_t *admin_addrs_json(const struct member *m)
{
	json_t *list = json_array();
	char text[SOTTO_ADDR_STR];
	int i;

	for (i = 0; i < m->addrs_n; i++)
		json_array_append_new(list, json_string(
			sotto_addr_str(&m->addrs[i].addr, text)));
	return list;
}

static json_t *routes_json(const struct sotto_prefixes *ps)
{
	json_t *list = json_array();
	char text[SOTTO_PREFIX_STR];
	int i;

	for (i = 0; i < ps->n; i++)
		json_array_append_new(list, json_string(
			sotto_prefix_str(&ps->p[i], text)));
	return list;
}

json_t *admin_member_json(const struct authd *ad, const struct member *m)
{
	json_t *o = json_pack("{s:I, s:s, s:s, s:o, s:b, s:i, s:I}",
			      "id", (json_int_t)m->id, "name", m->name,
			      "state", state_names[m->state],
			      "addresses", admin_addrs_json(m),
			      "online", m->current != NULL,
			      "sessions", (int)m->sessions_n,
			      "created_at", (json_int_t)m->created);
	char hex[2 * SOTTO_PUB_LEN + 1], text[44];
	char here[SOTTO_ADDR_STR], there[SOTTO_ADDR_STR];
	struct sotto_addr a, b;

	if (m->state != MEMBER_PENDING &&
	    !sotto_all_zero(m->static_pub, SOTTO_PUB_LEN)) {
		json_object_set_new(o, "static_key", json_string(
			sotto_hex(hex, m->static_pub, SOTTO_PUB_LEN)));
		json_object_set_new(o, "static_key_text", json_string(
			sotto_key_text(text, m->static_pub)));
	}
	if (m->registered)
		json_object_set_new(o, "registered_at",
				    json_integer(m->registered));
	if (m->revoked)
		json_object_set_new(o, "revoked_at", json_integer(m->revoked));
	if (twin_seen(ad, m, &a, &b))
		json_object_set_new(o, "twins", json_pack("[ss]",
			sotto_addr_str(&a, here), sotto_addr_str(&b, there)));
	if (m->routes)
		json_object_set_new(o, "routes", routes_json(m->routes));
	if (m->state == MEMBER_PENDING)
		json_object_set_new(o, "code_expires_at",
				    json_integer(m->code_expires));
	if (m->current) {
		json_object_set_new(o, "address_seen",
				    seen_json(&m->current->path));
		json_object_set_new(o, "since", json_integer(m->online_since));
		json_object_set_new(o, "version", json_string(m->version ? m->version : ""));
	}
	return o;
}

static int get_limit(const json_t *req, uint64_t *limit,
		     struct sotto_errmsg *err)
{
	*limit = AUTHD_LIST_MAX;
	if (!json_object_get(req, "limit"))
		return 0;
	return sotto_jx_u64(req, "limit", 1, AUTHD_LIST_MAX, limit, err);
}

/*
 * Lists come in pages: "next" of an answer has what the request for the next page says more.
 * Ids of members only grow, and stay.
 */
struct page {
	uint64_t left;
	int look;			/* so much is looked at for it */
	struct member *m;		/* the first one that may be on it */
	uint64_t id;			/* the first one of its sessions; 0: of all */
	uint64_t skip;			/* so many were before that one, if it has ended since */
	json_t *next;
};

static int get_id(const json_t *req, uint64_t *id, struct sotto_errmsg *err)
{
	const char *text;
	char *end;
	int rc = sotto_jx_string(req, "session", &text, err);

	if (rc)
		return rc;
	errno = 0;
	*id = strtoull(text, &end, 16);
	return *end || errno ? sotto_err(err, SOTTO_E_BAD, "\"session\" is no session's id") : 0;
}

static int get_page(struct authd *ad, const json_t *req, struct page *p,
		    struct sotto_errmsg *err)
{
	uint64_t from = 0;
	int rc = get_limit(req, &p->left, err);

	p->next = json_null();
	p->look = AUTHD_LIST_LOOK;
	p->skip = 0;
	p->id = 0;
	if (!rc && json_object_get(req, "from"))
		rc = sotto_jx_u64(req, "from", 0, INT64_MAX, &from, err);
	if (!rc && json_object_get(req, "skip"))
		rc = sotto_jx_u64(req, "skip", 0, INT64_MAX, &p->skip, err);
	if (!rc && json_object_get(req, "session"))
		rc = get_id(req, &p->id, err);
	if (rc)
		return rc;
	p->m = member_by_id(ad, from);
	if (!p->m)
		p->m = ad->members;
	while (p->m && (uint64_t)p->m->id < from)
		p->m = p->m->next;
	return 0;
}

/* The next page begins with @p's member, if there is one. */
static void end_page(struct page *p)
{
	if (p->m)
		p->next = json_pack("{s:I, s:I, s:o}", "from", (json_int_t)p->m->id,
				    "skip", (json_int_t)p->skip, "session", sotto_jx_id(p->id));
}

int admin_member_list(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err)
{
	struct page p;
	json_t *list;
	int rc = get_page(ad, req, &p, err);

	if (rc)
		return rc;
	list = json_array();
	for (; p.m && p.left; p.m = p.m->next, p.left--)
		json_array_append_new(list, admin_member_json(ad, p.m));
	end_page(&p);
	sotto_usock_ok(conn, json_pack("{s:o, s:o}", "members", list, "next", p.next));
	return 0;
}

static const char *cipher_name(unsigned int cipher)
{
	return cipher == SOTTO_CIPHER_AES256_GCM ? "aes256gcm" :
	       cipher == SOTTO_CIPHER_CHACHA20_POLY1305 ? "chacha20poly1305" :
	       "unknown";	/* taken over after a restart */
}

static json_t *session_json(const struct session *s)
{
	char dst[SOTTO_ADDR_STR];

	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:s}",
			 "id", sotto_jx_id(s->id), "initiator", s->a->name,
			 "responder", s->b->name,
			 "cipher", cipher_name(s->cipher),
			 "state", session_state_name(s),
			 "created_at", (json_int_t)s->made,
			 "hard_at", (json_int_t)s->made + s->ad->conf.life.hard_s,
			 "destination", sotto_addr_str(&s->dst, dst));
}

/* Where the page before ended. */
static const struct session_link *first_link(struct authd *ad, const struct page *p)
{
	const struct session *s = p->id ? session_by_id(ad, p->id) : NULL;
	const struct session_link *l = p->m->sessions;
	uint64_t n = p->skip;

	if (s && s->a == p->m)
		return &s->link_a;
	if (s && s->b == p->m)
		return &s->link_b;
	while (l && n--)
		l = l->next;
	return l;
}

/* Each is with the member that asked for it. False: the page is full. */
static bool list_sessions(struct authd *ad, json_t *list, struct page *p)
{
	const struct session_link *l = first_link(ad, p);

	for (; l && p->look > 0; l = l->next, p->skip++, p->look--) {
		if (l->session->a != p->m)
			continue;
		if (!p->left)
			break;
		p->left--;
		json_array_append_new(list, session_json(l->session));
	}
	p->id = l ? l->session->id : 0;
	if (!l)
		p->skip = 0;
	return !l;
}

int admin_session_list(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err)
{
	struct page p;
	json_t *list;
	int rc = get_page(ad, req, &p, err);

	if (rc)
		return rc;
	list = json_array();
	while (p.m && p.look-- > 0 && list_sessions(ad, list, &p))
		p.m = p.m->next;
	end_page(&p);
	sotto_usock_ok(conn, json_pack("{s:o, s:o}", "sessions", list, "next", p.next));
	return 0;
}

static void configured_policies(struct authd *ad, json_t *list)
{
	char text[SOTTO_PREFIX_STR];
	uint32_t i;
	json_t *o;

	for (i = 0; i < ad->rules->nets_n; i++) {
		const struct net_item *n = &ad->rules->nets[i];

		o = json_pack("{s:s, s:s, s:s}", "prefix",
			      sotto_prefix_str(&n->prefix, text),
			      "action", policy_action_name(n->action),
			      "source", "configured");
		if (n->grp)
			json_object_set_new(o, "group", json_string(
				rules_group_by_id(ad, n->grp)->name));
		json_array_append_new(list, o);
	}
}

static void route_policies(struct authd *ad, json_t *list)
{
	char text[SOTTO_PREFIX_STR];
	uint32_t i;

	for (i = 0; i < ad->rules->routes_n; i++) {
		const struct route_item *r = &ad->rules->routes[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}",
			"prefix", sotto_prefix_str(&r->prefix, text),
			"action", "protect", "source", "route",
			"via", r->member->name));
	}
}

static void member_policy(const struct member *m, json_t *list)
{
	char addr[SOTTO_ADDR_STR], text[SOTTO_ADDR_STR + 8];
	int i;

	for (i = 0; i < m->addrs_n; i++) {
		sotto_addr_str(&m->addrs[i].addr, addr);
		snprintf(text, sizeof(text), "%s/%d", addr,
			 m->addrs[i].addr.len * 8);
		json_array_append_new(list, json_pack(
			"{s:s, s:s, s:s, s:s}", "prefix", text,
			"action", "protect", "source", "member",
			"member", m->name));
	}
}

/* What is configured stands on the first page, all of it. */
int admin_policy_show(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err)
{
	struct page p;
	json_t *list, *o;
	int rc = get_page(ad, req, &p, err);

	if (rc)
		return rc;
	list = json_array();
	if (p.m == ad->members) {
		configured_policies(ad, list);
		route_policies(ad, list);
	}
	if (!ad->conf.protect_members)
		p.m = NULL;
	for (; p.m && p.left && p.look; p.m = p.m->next, p.look--) {
		if (!p.m->registered)
			continue;
		member_policy(p.m, list);
		p.left--;
	}
	end_page(&p);
	o = json_pack("{s:o, s:o, s:I}", "policies", list, "next", p.next,
		      "version", (json_int_t)policy_version(ad));
	if (ad->policy->previous)
		json_object_set_new(o, "trial_until",
				    json_integer(ad->policy->trial_until));
	sotto_usock_ok(conn, o);
	return 0;
}

static int one_audit(void *arg, const struct store_audit *a)
{
	json_array_append_new(arg, json_pack("{s:I, s:I, s:s, s:s, s:s, s:s}",
		"id", (json_int_t)a->id, "at", (json_int_t)a->at,
		"actor", a->actor, "event", a->event, "subject", a->subject,
		"detail", a->detail));
	return 0;
}

int admin_audit_list(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err)
{
	uint64_t limit;
	json_t *list;
	int rc = get_limit(req, &limit, err);

	if (rc)
		return rc;
	list = json_array();
	rc = store_each_audit(ad->store, limit, one_audit, list, err);
	if (rc)
		json_decref(list);
	else
		sotto_usock_ok(conn, json_pack("{s:o}", "audit", list));
	return rc;
}

/* Of a roll-over: who would be shut out if it ended now. */
static json_t *rollover_json(struct authd *ad)
{
	json_int_t behind = 0;
	char text[44];
	struct member *m;

	if (!ad->realm->has_former)
		return json_null();
	for (m = ad->members; m; m = m->next)
		behind += m->state == MEMBER_ACTIVE && !m->rolled;
	return json_pack("{s:s, s:I}", "former_key_text",
			 sotto_key_text(text, ad->realm->former_pub),
			 "behind", behind);
}

int admin_realm_show(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err)
{
	char hex[2 * SOTTO_PUB_LEN + 1], text[44];
	int64_t left = trial_left(ad);

	(void)req;
	(void)err;
	sotto_usock_ok(conn, json_pack(
		"{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:I, s:s}",
		"realm_key", sotto_hex(hex, ad->realm->pub, SOTTO_PUB_LEN),
		"realm_key_text", sotto_key_text(text, ad->realm->pub),
		"rollover", rollover_json(ad),
		"listen", net_listening(ad),
		"members", (json_int_t)ad->members_n,
		"online", (json_int_t)ad->online_n,
		"sessions", (json_int_t)ad->sessions_n,
		"policy_version", (json_int_t)policy_version(ad),
		"trial_left_s", left < 0 ? json_null() : json_integer(left),
		"uptime_s", (json_int_t)((ad->now_ms - ad->started_ms) / 1000),
		"version", SOTTO_VERSION));
	return 0;
}

#define STAT(name)	{ #name, offsetof(struct authd_stats, name) }

static const struct {
	const char *name;
	size_t off;
} stats[] = {
	STAT(dgrams_in), STAT(malformed),
	STAT(inits), STAT(init_bad_mac), STAT(init_refused),
	STAT(init_limited), STAT(cookies), STAT(cookies_missing), STAT(hints),
	STAT(half_open_full), STAT(resumed), STAT(resume_refused),
	STAT(assocs), STAT(enrolments), STAT(enrolments_refused),
	STAT(requests), STAT(offers), STAT(grants), STAT(refusals),
	STAT(begin_limited), STAT(spi_unknown), STAT(sessions_gone), STAT(revocations),
	STAT(pushes_failed), STAT(grants_lost), STAT(policy_parts),
	STAT(policy_views), STAT(unplaced_full), STAT(rechecked), STAT(twins),
};

void admin_each_stat(struct authd *ad,
		     void (*fn)(void *arg, const char *name, uint64_t value),
		     void *arg)
{
	size_t i;

	net_each_count(ad, fn, arg);
	for (i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		fn(arg, stats[i].name,
		   *(uint64_t *)((char *)&ad->stats + stats[i].off));
}

static void one_stat(void *arg, const char *name, uint64_t value)
{
	json_object_set_new(arg, name, json_integer(value));
}

int admin_realm_stats(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err)
{
	json_t *o = json_object();

	(void)req;
	(void)err;
	admin_each_stat(ad, one_stat, o);
	json_object_set_new(o, "half_open", json_integer(ad->half_open_n));
	json_object_set_new(o, "enrolling", json_integer(ad->enrolling_n));
	json_object_set_new(o, "pending", json_integer(ad->pending_n));
	json_object_set_new(o, "sessions", json_integer(ad->sessions_n));
	sotto_usock_ok(conn, json_pack("{s:o}", "stats", o));
	return 0;
}
