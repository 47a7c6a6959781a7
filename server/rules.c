// SPDX-License-Identifier: GPL-2.0
/*
 * Who may open sessions to whom, and reach what behind a gateway.
 *
 * Rules are few and looked at in their order; members know their groups.
 */
#include "rules.h"

#include <stdlib.h>
#include <string.h>

int prefix_cmp(const struct sotto_prefix *a, const struct sotto_prefix *b)
{
	int c = sotto_addr_cmp(&a->addr, &b->addr);

	return c ? c : (int)a->plen - b->plen;
}

bool prefix_covers(const struct sotto_prefix *outer,
		   const struct sotto_prefix *inner)
{
	return outer->plen <= inner->plen &&
	       sotto_prefix_contains(outer, &inner->addr);
}

/* ---- groups ---- */

struct group *rules_group(struct authd *ad, const char *name)
{
	uint32_t i;

	for (i = 0; i < ad->rules->groups_n; i++)
		if (!strcmp(ad->rules->groups[i].name, name))
			return &ad->rules->groups[i];
	return NULL;
}

struct group *rules_group_by_id(struct authd *ad, int64_t id)
{
	uint32_t i;

	for (i = 0; i < ad->rules->groups_n; i++)
		if (ad->rules->groups[i].id == id)
			return &ad->rules->groups[i];
	return NULL;
}

/* A member's groups: their count, then their ids in ascending order. */
bool rules_in_group(const struct member *m, int64_t grp)
{
	uint32_t i;

	for (i = 1; m->groups && i <= m->groups[0]; i++)
		if (m->groups[i] == grp)
			return true;
	return false;
}

static int join(struct member *m, struct group *g)
{
	uint32_t n = m->groups ? m->groups[0] : 0, i;
	int64_t id = g->id;
	uint32_t *ids = realloc(m->groups, (n + 2) * sizeof(*ids));
	struct member **list;

	if (!ids)
		return SOTTO_E_NOMEM;
	m->groups = ids;
	if (!n)
		ids[0] = 0;
	if (g->n == g->cap) {
		uint32_t cap = g->cap ? g->cap * 2 : 8;

		list = realloc(g->members, cap * sizeof(struct member *));
		if (!list)
			return SOTTO_E_NOMEM;
		g->members = list;
		g->cap = cap;
	}
	g->members[g->n++] = m;
	for (i = n; i > 0 && ids[i] > id; i--)
		ids[i + 1] = ids[i];
	ids[i + 1] = id;
	ids[0] = n + 1;
	return 0;
}

static void drop_id(struct member *m, int64_t grp)
{
	uint32_t i, n = 0;

	for (i = 1; m->groups && i <= m->groups[0]; i++)
		if (m->groups[i] != grp)
			m->groups[++n] = m->groups[i];
	if (m->groups)
		m->groups[0] = n;
	if (!n) {
		free(m->groups);
		m->groups = NULL;
	}
}

static void leave(struct member *m, struct group *g)
{
	uint32_t i;

	for (i = 0; i < g->n; i++)
		if (g->members[i] == m)
			break;
	if (i < g->n)
		g->members[i] = g->members[--g->n];
	drop_id(m, g->id);
}

int rules_member(struct authd *ad, struct member *m, const char *group,
		 bool add, struct sotto_errmsg *err)
{
	struct group *g = rules_group(ad, group);
	int rc;

	if (!g) {		/* it was just made */
		rc = rules_load(ad, err);
		if (rc)
			return rc;
		g = rules_group(ad, group);
	}
	if (!g)
		return sotto_err(err, SOTTO_E_UNKNOWN, "there is no group '%s'", group);
	if (add == rules_in_group(m, g->id))
		return 0;		/* it was read with the group */
	if (!add)
		leave(m, g);
	else if (join(m, g))
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	return 0;
}

void rules_member_gone(struct authd *ad, struct member *m)
{
	while (m->groups)
		leave(m, rules_group_by_id(ad, m->groups[1]));
}

/* ---- loading ---- */

static void drop_group(struct group *g)
{
	uint32_t i;

	for (i = 0; i < g->n; i++)
		drop_id(g->members[i], g->id);
	free(g->members);
}

static void drop_groups(struct group *g, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		drop_group(&g[i]);
	free(g);
}

static void drop_routes(struct rules *r)
{
	uint32_t i;

	for (i = 0; i < r->routes_n; i++) {
		free(r->routes[i].member->routes);
		r->routes[i].member->routes = NULL;
	}
	free(r->routes);
	r->routes = NULL;
	r->routes_n = 0;
}

void rules_free(struct authd *ad)
{
	struct rules *r = ad->rules;

	if (!r)
		return;
	drop_groups(r->groups, r->groups_n);
	drop_routes(r);
	free(r->rules);
	free(r->nets);
	free(r);
	ad->rules = NULL;
}

static int take_members(struct authd *ad, struct group *g,
			const struct policy_group *from)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < from->n && !rc; i++) {
		struct member *m = member_by_name(ad, from->members[i]);

		if (m)
			rc = join(m, g);
	}
	return rc;
}

/* Those that are there stay with their members; @doc names the members of none or all. */
static int take_groups(struct authd *ad, const struct policy_doc *doc)
{
	struct group *groups = calloc(doc->groups_n + 1, sizeof(*groups));
	struct rules *r = ad->rules;
	uint32_t i;
	int rc = 0;

	if (!groups)
		return SOTTO_E_NOMEM;
	for (i = 0; i < doc->groups_n; i++) {
		struct group *was = rules_group_by_id(ad, doc->groups[i].id);

		if (was) {
			groups[i] = *was;
			was->members = NULL;
			was->n = 0;
		} else {
			groups[i].id = doc->groups[i].id;
			strcpy(groups[i].name, doc->groups[i].name);
		}
	}
	drop_groups(r->groups, r->groups_n);
	r->groups = groups;
	r->groups_n = doc->groups_n;
	for (i = 0; i < doc->groups_n && !rc; i++)
		rc = take_members(ad, &groups[i], &doc->groups[i]);
	return rc;
}

static int64_t id_of(struct authd *ad, const char *name)
{
	const struct group *g = rules_group(ad, name);

	return g ? g->id : 0;
}

static int by_route(const void *x, const void *y)
{
	const struct route_item *a = x, *b = y;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : (a->member->id > b->member->id) -
		       (a->member->id < b->member->id);
}

static int by_net(const void *x, const void *y)
{
	const struct net_item *a = x, *b = y;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c ? c : (a->grp > b->grp) - (a->grp < b->grp);
}

static void take_lists(struct authd *ad, const struct policy_doc *doc,
		       struct rule *rules, struct net_item *nets)
{
	struct rules *r = ad->rules;
	uint32_t i;

	for (i = 0; i < doc->rules_n; i++) {
		rules[i].r = doc->rules[i];
		rules[i].src_grp = id_of(ad, doc->rules[i].src.name);
		rules[i].dst_grp = id_of(ad, doc->rules[i].dst.name);
	}
	for (i = 0; i < doc->nets_n; i++) {
		nets[i].prefix = doc->nets[i].prefix;
		nets[i].action = doc->nets[i].action;
		nets[i].grp = id_of(ad, doc->nets[i].group);
	}
	qsort(nets, doc->nets_n, sizeof(*nets), by_net);
	free(r->rules);
	free(r->nets);
	r->rules = rules;
	r->nets = nets;
	r->rules_n = doc->rules_n;
	r->nets_n = doc->nets_n;
	r->deny_rest = doc->deny_rest;
}

static int take_rules(struct authd *ad, const struct policy_doc *doc)
{
	struct rule *rules = calloc(doc->rules_n + 1, sizeof(*rules));
	struct net_item *nets = calloc(doc->nets_n + 1, sizeof(*nets));

	if (rules && nets) {
		take_lists(ad, doc, rules, nets);
		return 0;
	}
	free(rules);
	free(nets);
	return SOTTO_E_NOMEM;
}

static int load(struct authd *ad, bool members, struct sotto_errmsg *err)
{
	struct rules *r = ad->rules;
	struct policy_doc doc;
	int rc = store_policy_load(ad->store, &doc, members, err);

	if (rc)
		return rc;
	if (members) {		/* all of them come anew */
		drop_groups(r->groups, r->groups_n);
		r->groups = NULL;
		r->groups_n = 0;
	}
	r->partial = true;
	rc = take_groups(ad, &doc);
	if (!rc)
		rc = take_rules(ad, &doc);
	policy_doc_free(&doc);
	if (!rc) {
		r->partial = false;
		return 0;
	}
	r->rules_n = 0;
	r->deny_rest = true;
	return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
}

int rules_load(struct authd *ad, struct sotto_errmsg *err)
{
	return load(ad, ad->rules->partial, err);
}

int rules_load_members(struct authd *ad, struct sotto_errmsg *err)
{
	return load(ad, true, err);
}

struct routes {
	struct authd *ad;
	uint32_t n, cap;
	struct route_item *r;
};

static int take_route(void *arg, const struct store_route *sr)
{
	struct routes *rs = arg;
	struct member *m = member_by_id(rs->ad, sr->member);
	void *more;

	if (!m)
		return 0;
	if (rs->n == rs->cap) {
		uint32_t cap = rs->cap ? rs->cap * 2 : 16;

		more = reallocarray(rs->r, cap, sizeof(*rs->r));
		if (!more)
			return SOTTO_E_NOMEM;
		rs->r = more;
		rs->cap = cap;
	}
	rs->r[rs->n++] = (struct route_item) { sr->prefix, m };
	return 0;
}

/* What a member leads to stands with it, too. */
static int lead(const struct route_item *r)
{
	struct member *m = r->member;

	if (!m->routes)
		m->routes = calloc(1, sizeof(*m->routes));
	if (!m->routes)
		return SOTTO_E_NOMEM;
	if (m->routes->n < SOTTO_ROUTES_MAX)
		m->routes->p[m->routes->n++] = r->prefix;
	return 0;
}

int rules_load_routes(struct authd *ad, struct sotto_errmsg *err)
{
	struct routes rs = { .ad = ad };
	struct rules *r = ad->rules;
	uint32_t i;
	int rc;

	sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = store_each_route(ad->store, take_route, &rs, err);
	if (rc) {		/* those of before stay: they are protected */
		free(rs.r);
		return rc;
	}
	drop_routes(r);
	for (i = 0; i < rs.n && !rc; i++)
		rc = lead(&rs.r[i]);
	if (rs.n)
		qsort(rs.r, rs.n, sizeof(*rs.r), by_route);
	r->routes = rs.r;
	r->routes_n = rs.n;
	return rc;
}

int rules_setup(struct authd *ad, struct sotto_errmsg *err)
{
	int rc;

	ad->rules = calloc(1, sizeof(*ad->rules));
	if (!ad->rules)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	ad->rules->deny_rest = true;
	rc = rules_load_members(ad, err);
	return rc ? rc : rules_load_routes(ad, err);
}

/* ---- verdicts ---- */

static bool side_fits(const struct policy_side *s, int64_t grp,
		      const struct member *m)
{
	switch (s->kind) {
	case SIDE_ALL:
		return true;
	case SIDE_GROUP:
		return grp && rules_in_group(m, grp);
	case SIDE_MEMBER:
		return !strcmp(s->name, m->name);
	default:
		return false;
	}
}

struct verdict rules_judge(struct authd *ad, const struct member *a,
			   const struct member *b)
{
	const struct rules *rs = ad->rules;
	uint32_t i;

	for (i = 0; i < rs->rules_n; i++) {
		const struct rule *r = &rs->rules[i];

		if (side_fits(&r->r.src, r->src_grp, a) &&
		    side_fits(&r->r.dst, r->dst_grp, b))
			return (struct verdict) { r->r.allow, i + 1 };
	}
	return (struct verdict) { !rs->deny_rest, 0 };
}

/* A rule for a part of @net only: another verdict may hold for the rest. */
static bool splits(const struct rule *r, const struct sotto_prefix *net)
{
	return r->r.dst.kind == SIDE_NET && r->r.dst.net.plen > net->plen &&
	       sotto_prefix_contains(net, &r->r.dst.net.addr);
}

static bool decides(const struct rule *r, const struct sotto_prefix *net)
{
	return r->r.dst.kind == SIDE_ALL ||
	       (r->r.dst.kind == SIDE_NET &&
		prefix_covers(&r->r.dst.net, net));
}

/* Rules that count for one member and one network, in their order. */
struct counting {
	uint32_t n;
	uint16_t at[POLICY_RULES_MAX];
};

static void all_of(const struct rules *rs, const struct member *a,
		   struct counting *out)
{
	uint32_t i;

	out->n = 0;
	for (i = 0; i < rs->rules_n; i++)
		if (side_fits(&rs->rules[i].r.src, rs->rules[i].src_grp, a))
			out->at[out->n++] = i;
}

/*
 * @split: a rule before the deciding one has another verdict for a part. @out: those of
 * @in that count for @net, and so for its parts, which no others concern.
 */
static struct verdict judge_net(const struct rules *rs, const struct counting *in,
				const struct sotto_prefix *net,
				struct counting *out, bool *split)
{
	struct verdict v = { !rs->deny_rest, 0 };
	bool allows = false, denies = false;
	uint32_t i;

	out->n = 0;
	for (i = 0; i < in->n; i++) {
		const struct rule *r = &rs->rules[in->at[i]];
		bool last = decides(r, net);

		if (!last && !splits(r, net))
			continue;
		out->at[out->n++] = in->at[i];
		if (last) {
			v = (struct verdict) { r->r.allow, in->at[i] + 1 };
			break;
		}
		allows |= r->r.allow;
		denies |= !r->r.allow;
	}
	*split = v.allow ? denies : allows;
	return v;
}

struct verdict rules_judge_net(struct authd *ad, const struct member *a,
			       const struct sotto_prefix *net)
{
	struct counting all, some;
	struct verdict v;
	bool split;

	all_of(ad->rules, a, &all);
	v = judge_net(ad->rules, &all, net, &some, &split);
	if (v.allow && split)
		v.allow = false;
	return v;
}

static void second_half(struct sotto_prefix *p)
{
	p->addr.b[(p->plen - 1) / 8] |= 0x80 >> (p->plen - 1) % 8;
}

/* Each rule goes down one way only, so that many of them are no more than many times one. */
static void pieces(const struct rules *rs, const struct counting *in,
		   struct sotto_prefix net, struct sotto_prefixes *out)
{
	struct counting some;
	struct verdict v;
	bool split;

	if (out->n == SOTTO_ROUTES_MAX)
		return;
	v = judge_net(rs, in, &net, &some, &split);
	if (!split) {
		if (v.allow)
			out->p[out->n++] = net;
		return;
	}
	net.plen++;
	pieces(rs, &some, net, out);
	second_half(&net);
	pieces(rs, &some, net, out);
}

void rules_networks(struct authd *ad, const struct member *a,
		    const struct member *gw, struct sotto_prefixes *out)
{
	struct counting all;
	int i;

	memset(out, 0, sizeof(*out));
	if (!gw->routes || gw->state != MEMBER_ACTIVE)
		return;
	all_of(ad->rules, a, &all);
	for (i = 0; i < gw->routes->n; i++)
		pieces(ad->rules, &all, gw->routes->p[i], out);
}

struct member *rules_gateway(struct authd *ad, const struct sotto_addr *addr,
			     struct sotto_prefix *net)
{
	const struct rules *rs = ad->rules;
	struct member *best = NULL;
	bool online = false;
	int plen = -1;
	uint32_t i;

	for (i = 0; i < rs->routes_n; i++) {
		const struct route_item *r = &rs->routes[i];
		bool here = member_is_here(r->member);

		if (r->prefix.plen < plen || r->member->state != MEMBER_ACTIVE ||
		    !sotto_prefix_contains(&r->prefix, addr))
			continue;
		if (r->prefix.plen == plen && (online || !here))
			continue;
		plen = r->prefix.plen;
		online = here;
		best = r->member;
		*net = r->prefix;
	}
	return best;
}
