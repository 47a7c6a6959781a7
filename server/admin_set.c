// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's socket: what a member has, addresses and networks behind it.
 */
#include "admin.h"
#include "policy.h"

static int one_route(struct sotto_prefixes *out, const char *text,
		     struct sotto_errmsg *err)
{
	struct sotto_prefix p;
	int i;

	if (!text || sotto_prefix_parse(&p, text))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.60s' is not a network, written as 10.8.0.0/16",
				 text ? text : "?");
	if (!p.plen)
		return sotto_err(err, SOTTO_E_BAD,
				 "a gateway cannot lead to everything: give shorter networks");
	if (out->n == SOTTO_ROUTES_MAX)
		return sotto_err(err, SOTTO_E_LIMIT,
				 "a member leads to %d networks at most",
				 SOTTO_ROUTES_MAX);
	for (i = 0; i < out->n; i++)
		if (!prefix_cmp(&out->p[i], &p))
			return sotto_err(err, SOTTO_E_BAD,
					 "the network %s is given twice", text);
	out->p[out->n++] = p;
	return 0;
}

static int get_routes(const json_t *req, struct sotto_prefixes *out,
		      struct sotto_errmsg *err)
{
	const json_t *list = json_object_get(req, "routes"), *v;
	size_t i;
	int rc = 0;

	if (!json_is_array(list))
		return sotto_err(err, SOTTO_E_BAD, "\"routes\" is a list");
	json_array_foreach(list, i, v)
		if (!rc)
			rc = one_route(out, json_string_value(v), err);
	return rc;
}

/* In any order. */
static bool has_just(const struct member *m, const struct sotto_addrs *addrs)
{
	int i, n = 0;

	for (i = 0; i < addrs->n; i++)
		n += member_has_addr(m, &addrs->a[i]);
	return n == addrs->n && n == m->addrs_n;
}

/* What is asked for, without what is so already; then @set has nothing. */
static int get_set(struct authd *ad, const json_t *req, const struct member *m,
		   struct sotto_addrs *addrs, struct sotto_prefixes *routes,
		   struct store_set *set, struct sotto_errmsg *err)
{
	bool readdress = json_object_get(req, "addresses");
	bool reroute = json_object_get(req, "routes");
	int rc = 0;

	if (!readdress && !reroute)
		return sotto_err(err, SOTTO_E_BAD,
				 "say which \"addresses\" or \"routes\" the member is to have");
	if (readdress)
		rc = admin_get_addrs(req, addrs, err);
	if (!rc && reroute)
		rc = get_routes(req, routes, err);
	if (rc)
		return rc;
	set->routes = reroute ? routes : NULL;
	if (!readdress || has_just(m, addrs))
		return 0;
	set->addrs = addrs;
	set->protect = ad->conf.protect_members;
	/* to take that back would take the lines for former addresses away */
	return trial_refuse(ad, err);
}

/* By a line for all; one that was there already may say something else. */
static bool is_protected(const struct rules *rs, const struct sotto_addr *addr)
{
	const struct sotto_prefix p = { .addr = *addr, .plen = addr->len * 8 };
	uint32_t i;

	for (i = 0; i < rs->nets_n; i++)
		if (!rs->nets[i].grp && rs->nets[i].action == SOTTO_ACTION_PROTECT &&
		    !prefix_cmp(&rs->nets[i].prefix, &p))
			return true;
	return false;
}

/* Those of @had that it has no longer, and that stay protected. */
static json_t *former(struct authd *ad, const struct member *m,
		      const struct sotto_addrs *had)
{
	json_t *list = json_array();
	char text[SOTTO_ADDR_STR];
	int i;

	for (i = 0; i < had->n; i++)
		if (!member_has_addr(m, &had->a[i]) && is_protected(ad->rules, &had->a[i]))
			json_array_append_new(list, json_string(
				sotto_addr_str(&had->a[i], text)));
	return list;
}

static int change(struct authd *ad, struct member *m,
		  const struct store_set *set, struct sotto_errmsg *err)
{
	int rc = 0;

	if (set->addrs)
		rc = member_readdress(ad, m, ADMIN_ACTOR, set, err);
	else
		rc = store_member_set(ad->store, ADMIN_ACTOR, m->id, m->name,
				      set, authd_wall(), err);
	if (!rc && set->addrs)
		rc = policy_rules_changed(ad, err);
	if (!rc && set->routes)
		rc = policy_routes_changed(ad, m, err);
	return rc;
}

int admin_member_set(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err)
{
	struct sotto_prefixes routes = { 0 };
	struct store_set set = { 0 };
	struct sotto_addrs addrs, had;
	struct member *m;
	bool changes;
	int rc = admin_get_member(ad, req, &m, err);

	if (!rc)
		rc = get_set(ad, req, m, &addrs, &routes, &set, err);
	if (rc)
		return rc;
	member_addrs(m, &had);
	changes = set.addrs || set.routes;
	if (changes)
		rc = change(ad, m, &set, err);
	if (!rc)
		sotto_usock_ok(conn, json_pack("{s:b, s:o}", "changed", changes,
					       "former", former(ad, m, &had)));
	return rc;
}
