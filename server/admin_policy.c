// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's socket: groups, rules, networks, verdicts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "jx.h"
#include "policy.h"
#include "recheck.h"

static int get_group(const json_t *req, const char **name,
		     struct sotto_errmsg *err)
{
	int rc = sotto_jx_string(req, "group", name, err);

	if (!rc && (!sotto_name_valid(*name) || !strcmp(*name, "all")))
		rc = sotto_err(err, SOTTO_E_BAD,
			       "'%.70s' is not a group's name: 1-63 of a-z, 0-9, '-' and '.'; all are all members",
			       *name);
	return rc;
}

/* ---- networks ---- */

static int change_net(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct policy_net *n, bool add,
		      struct sotto_errmsg *err)
{
	const char *group;
	int rc = trial_refuse(ad, err);

	if (!rc && json_object_get(req, "group")) {
		rc = get_group(req, &group, err);
		if (!rc)
			strcpy(n->group, group);
	}
	if (!rc)
		rc = store_policy_net(ad->store, ADMIN_ACTOR, n, add,
				      authd_wall(), err);
	if (!rc)
		rc = policy_rules_changed(ad, err);
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

int admin_policy_add(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err)
{
	struct policy_net n = { 0 };
	const char *action;
	int a, rc = sotto_jx_prefix(req, "prefix", &n.prefix, err);

	if (!rc)
		rc = sotto_jx_string(req, "action", &action, err);
	if (rc)
		return rc;
	a = policy_action_by_name(action);
	if (a < 0)
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.30s' is not an action: protect, prefer, bypass or block",
				 action);
	n.action = a;
	return change_net(ad, conn, req, &n, true, err);
}

int admin_policy_del(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err)
{
	struct policy_net n = { 0 };
	int rc = sotto_jx_prefix(req, "prefix", &n.prefix, err);

	return rc ? rc : change_net(ad, conn, req, &n, false, err);
}

/* ---- rules ---- */

static int change_rules(struct authd *ad, const struct policy_doc *doc,
			struct sotto_errmsg *err)
{
	int rc = store_policy_rules(ad->store, ADMIN_ACTOR, doc, authd_wall(), err);

	return rc ? rc : policy_rules_changed(ad, err);
}

static int check_side(struct authd *ad, const struct policy_side *s,
		      struct sotto_errmsg *err)
{
	if (s->kind == SIDE_GROUP && !rules_group(ad, s->name))
		return sotto_err(err, SOTTO_E_UNKNOWN,
				 "there is no group '%s'", s->name);
	if (s->kind == SIDE_MEMBER && !member_by_name(ad, s->name))
		return sotto_err(err, SOTTO_E_UNKNOWN,
				 "there is no member '%s'", s->name);
	return 0;
}

static int insert_rule(struct policy_doc *doc, const struct policy_rule *r,
		       uint64_t at, struct sotto_errmsg *err)
{
	uint32_t i = doc->rules_n;

	if (!policy_doc_rule(doc))
		return sotto_err(err, SOTTO_E_LIMIT, "more than %d rules",
				 POLICY_RULES_MAX);
	for (; i >= at; i--)
		doc->rules[i] = doc->rules[i - 1];
	doc->rules[i] = *r;
	return 0;
}

static int number_of_rule(const json_t *req, const char *name, uint64_t last,
			  uint64_t *number, struct sotto_errmsg *err)
{
	int rc = sotto_jx_u64(req, name, 1, last, number, err);

	return rc != SOTTO_E_BAD ? rc :
	       sotto_err(err, rc, last > 1 ?
			 "a rule's number here is from 1 to %" PRIu64 :
			 "a rule's number here is %" PRIu64, last);
}

/* "at": the number that it gets, from 1 on; the last without it. */
int admin_rule_add(struct authd *ad, struct sotto_usock_conn *conn,
		   const json_t *req, struct sotto_errmsg *err)
{
	struct policy_doc doc = { 0 };
	struct policy_rule r;
	const char *text;
	uint64_t at = ad->rules->rules_n + 1;
	int rc = trial_refuse(ad, err);

	if (!rc)
		rc = sotto_jx_string(req, "rule", &text, err);
	if (!rc)
		rc = policy_rule_parse(&r, text, err);
	if (!rc)
		rc = check_side(ad, &r.src, err);
	if (!rc)
		rc = check_side(ad, &r.dst, err);
	if (!rc && json_object_get(req, "at"))
		rc = number_of_rule(req, "at", at, &at, err);
	if (!rc)
		rc = store_policy_load(ad->store, &doc, false, err);
	if (!rc)
		rc = insert_rule(&doc, &r, at, err);
	if (!rc)
		rc = change_rules(ad, &doc, err);
	policy_doc_free(&doc);
	if (!rc)
		sotto_usock_ok(conn, json_pack("{s:I}", "number",
					       (json_int_t)at));
	return rc;
}

int admin_rule_del(struct authd *ad, struct sotto_usock_conn *conn,
		   const json_t *req, struct sotto_errmsg *err)
{
	struct policy_doc doc = { 0 };
	uint64_t at;
	int rc = trial_refuse(ad, err);

	if (!rc && !ad->rules->rules_n)
		rc = sotto_err(err, SOTTO_E_UNKNOWN, "there are no rules");
	if (!rc)
		rc = number_of_rule(req, "number", ad->rules->rules_n, &at, err);
	if (!rc)
		rc = store_policy_load(ad->store, &doc, false, err);
	if (!rc) {
		memmove(&doc.rules[at - 1], &doc.rules[at],
			(doc.rules_n - at) * sizeof(*doc.rules));
		doc.rules_n--;
		rc = change_rules(ad, &doc, err);
	}
	policy_doc_free(&doc);
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

int admin_rule_default(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err)
{
	struct policy_doc doc = { 0 };
	bool allow;
	int rc = trial_refuse(ad, err);

	if (!rc)
		rc = sotto_jx_bool(req, "allow", &allow, err);
	if (!rc)
		rc = store_policy_load(ad->store, &doc, false, err);
	if (!rc) {
		doc.deny_rest = !allow;
		rc = change_rules(ad, &doc, err);
	}
	policy_doc_free(&doc);
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

int admin_rule_list(struct authd *ad, struct sotto_usock_conn *conn,
		    const json_t *req, struct sotto_errmsg *err)
{
	json_t *list = json_array();
	char text[POLICY_RULE_STR];
	uint32_t i;

	(void)req;
	(void)err;
	for (i = 0; i < ad->rules->rules_n; i++)
		json_array_append_new(list, json_pack("{s:i, s:s}", "number",
			(int)i + 1, "rule",
			policy_rule_str(&ad->rules->rules[i].r, text)));
	sotto_usock_ok(conn, json_pack("{s:o, s:s}", "rules", list, "default",
				       ad->rules->deny_rest ? "deny" : "allow"));
	return 0;
}

/* ---- groups ---- */

int admin_group_list(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err)
{
	json_t *list = json_array(), *names;
	uint32_t i, k;

	(void)req;
	(void)err;
	for (i = 0; i < ad->rules->groups_n; i++) {
		const struct group *g = &ad->rules->groups[i];

		names = json_array();
		for (k = 0; k < g->n && k < AUTHD_LIST_MAX; k++)
			json_array_append_new(names, json_string(
						g->members[k]->name));
		json_array_append_new(list, json_pack("{s:s, s:i, s:o}",
			"group", g->name, "size", (int)g->n, "members", names));
	}
	sotto_usock_ok(conn, json_pack("{s:o}", "groups", list));
	return 0;
}

static int change_member(struct authd *ad, const json_t *req, bool add,
			 struct sotto_errmsg *err)
{
	const char *group;
	struct member *m;
	int rc = trial_refuse(ad, err);

	if (!rc)
		rc = get_group(req, &group, err);
	if (!rc)
		rc = admin_get_member(ad, req, &m, err);
	if (!rc)
		rc = store_group_member(ad->store, ADMIN_ACTOR, group, m->id,
					m->name, add, authd_wall(), err);
	if (!rc)
		rc = rules_member(ad, m, group, add, err);
	if (rc)
		return rc;
	recheck_member(ad, m);
	policy_changed(ad);
	return 0;
}

int admin_group_add(struct authd *ad, struct sotto_usock_conn *conn,
		    const json_t *req, struct sotto_errmsg *err)
{
	int rc = change_member(ad, req, true, err);

	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

/* Without a name the group itself. */
int admin_group_del(struct authd *ad, struct sotto_usock_conn *conn,
		    const json_t *req, struct sotto_errmsg *err)
{
	const char *group;
	int rc;

	if (json_object_get(req, "name")) {
		rc = change_member(ad, req, false, err);
	} else {
		rc = trial_refuse(ad, err);
		if (!rc)
			rc = get_group(req, &group, err);
		if (!rc)
			rc = store_group_del(ad->store, ADMIN_ACTOR, group,
					     authd_wall(), err);
		if (!rc)
			rc = policy_rules_changed(ad, err);
	}
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

/* ---- verdicts ---- */

struct check {
	struct member *a, *b;
	struct sotto_prefix net;	/* behind b */
	bool to_net;
	struct verdict v;
};

static struct member *named(struct authd *ad, const char *text)
{
	struct sotto_addr addr;
	struct member *m = member_by_name(ad, text);

	if (!m && !sotto_addr_parse(&addr, text))
		m = member_by_addr(ad, &addr);
	return m;
}

static int find_ends(struct authd *ad, const char *from, const char *to,
		     struct check *c, struct sotto_errmsg *err)
{
	struct sotto_prefix net;

	c->a = named(ad, from);
	if (!c->a)
		return sotto_err(err, SOTTO_E_UNKNOWN,
				 "there is no member '%.70s'", from);
	c->b = named(ad, to);
	if (c->b)
		return 0;
	if (sotto_prefix_parse(&c->net, to))
		return sotto_err(err, SOTTO_E_UNKNOWN,
				 "there is no member '%.70s'", to);
	c->to_net = true;
	c->b = rules_gateway(ad, &c->net.addr, &net);
	if (c->b && prefix_covers(&net, &c->net))
		return 0;
	return sotto_err(err, SOTTO_E_UNKNOWN,
			 "%s belongs to no member, and no gateway leads there",
			 to);
}

/* What else stands in the way; "" if nothing does. */
static const char *obstacle(const struct check *c)
{
	const struct member *const ends[] = { c->a, c->b };
	int i;

	if (c->a == c->b)
		return "it is the same member";
	for (i = 0; i < 2; i++) {
		if (ends[i]->state == MEMBER_REVOKED)
			return i ? "the destination is revoked" :
			       "the source is revoked";
		if (ends[i]->state == MEMBER_PENDING)
			return i ? "the destination has not enrolled yet" :
			       "the source has not enrolled yet";
		if (!ends[i]->current)
			return i ? "the destination is not connected to the server" :
			       "the source is not connected to the server";
	}
	return "";
}

static json_t *groups_of(struct authd *ad, const struct member *m)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 1; m->groups && i <= m->groups[0]; i++)
		json_array_append_new(list, json_string(
			rules_group_by_id(ad, m->groups[i])->name));
	return list;
}

static void answer_check(struct authd *ad, struct sotto_usock_conn *conn,
			 const struct check *c)
{
	char text[POLICY_RULE_STR] = "";
	json_t *o;

	if (c->v.rule)
		policy_rule_str(&ad->rules->rules[c->v.rule - 1].r, text);
	o = json_pack("{s:s, s:s, s:b, s:i, s:s, s:o, s:o, s:s}",
		      "from", c->a->name, "to", c->b->name,
		      "allowed", c->v.allow, "rule", (int)c->v.rule,
		      "text", c->v.rule ? text :
		      ad->rules->deny_rest ? "default deny" : "default allow",
		      "from_groups", groups_of(ad, c->a),
		      "to_groups", groups_of(ad, c->b),
		      "obstacle", obstacle(c));
	if (c->to_net)
		json_object_set_new(o, "network", json_string(
				    sotto_prefix_str(&c->net, text)));
	sotto_usock_ok(conn, o);
}

/* By the rule that lets one of them to what is behind the other, too: see policy_permits(). */
static struct verdict judge_members(struct authd *ad, const struct member *a,
				    const struct member *b)
{
	struct verdict v = rules_judge(ad, a, b);
	struct sotto_prefixes nets;

	if (v.allow)
		return v;
	rules_networks(ad, a, b, &nets);
	if (nets.n)
		return rules_judge_net(ad, a, &nets.p[0]);
	rules_networks(ad, b, a, &nets);
	return nets.n ? rules_judge_net(ad, b, &nets.p[0]) : v;
}

int admin_policy_check(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err)
{
	struct check c = { 0 };
	const char *from, *to;
	int rc = sotto_jx_string(req, "from", &from, err);

	if (!rc)
		rc = sotto_jx_string(req, "to", &to, err);
	if (!rc)
		rc = find_ends(ad, from, to, &c, err);
	if (rc)
		return rc;
	c.v = c.to_net ? rules_judge_net(ad, c.a, &c.net) :
	      judge_members(ad, c.a, c.b);
	answer_check(ad, conn, &c);
	return 0;
}
