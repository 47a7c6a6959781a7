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

static void leave(struct member *m, struct group *g)
{
	uint32_t i, n = 0;

	for (i = 0; i < g->n; i++)
		if (g->members[i] == m)
			break;
	if (i < g->n)
		g->members[i] = g->members[--g->n];
	for (i = 1; m->groups && i <= m->groups[0]; i++)
		if (m->groups[i] != g->id)
			m->groups[++n] = m->groups[i];
	if (m->groups)
		m->groups[0] = n;
	if (!n) {
		free(m->groups);
		m->groups = NULL;
	}
}

int rules_member(struct authd *ad, struct member *m, const char *group,
		 bool add, struct sotto_errmsg *err)
{
	struct group *g = rules_group(ad, group);

	if (!g)			/* it was just made */
		return rules_load(ad, err);
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

static void forget(struct authd *ad)
{
	struct rules *r = ad->rules;
	uint32_t i, k;

	if (!r)
		return;
	for (i = 0; i < r->groups_n; i++) {
		for (k = 0; k < r->groups[i].n; k++) {
			free(r->groups[i].members[k]->groups);
			r->groups[i].members[k]->groups = NULL;
		}
		free(r->groups[i].members);
	}
	for (i = 0; i < r->routes_n; i++) {
		free(r->routes[i].member->routes);
		r->routes[i].member->routes = NULL;
	}
	free(r->rules);
	free(r->groups);
	free(r->nets);
	free(r->routes);
	memset(r, 0, sizeof(*r));
	r->deny_rest = true;	/* where new ones cannot be had */
}

void rules_free(struct authd *ad)
{
	forget(ad);
	free(ad->rules);
	ad->rules = NULL;
}

static int take_groups(struct authd *ad, const struct policy_doc *doc)
{
	struct rules *r = ad->rules;
	uint32_t i, k;
	int rc = 0;

	r->groups = calloc(doc->groups_n + 1, sizeof(*r->groups));
	if (!r->groups)
		return SOTTO_E_NOMEM;
	for (i = 0; i < doc->groups_n; i++) {
		r->groups[i].id = doc->groups[i].id;
		strcpy(r->groups[i].name, doc->groups[i].name);
		r->groups_n++;
		for (k = 0; k < doc->groups[i].n && !rc; k++) {
			struct member *m = member_by_name(ad,
						doc->groups[i].members[k]);

			if (m)
				rc = join(m, &r->groups[i]);
		}
	}
	return rc;
}

static int64_t id_of(struct authd *ad, const char *name)
{
	const struct group *g = rules_group(ad, name);

	return g ? g->id : 0;
}

static int take_rules(struct authd *ad, const struct policy_doc *doc)
{
	struct rules *r = ad->rules;
	uint32_t i;

	r->rules = calloc(doc->rules_n + 1, sizeof(*r->rules));
	r->nets = calloc(doc->nets_n + 1, sizeof(*r->nets));
	if (!r->rules || !r->nets)
		return SOTTO_E_NOMEM;
	for (i = 0; i < doc->rules_n; i++) {
		r->rules[i].r = doc->rules[i];
		r->rules[i].src_grp = id_of(ad, doc->rules[i].src.name);
		r->rules[i].dst_grp = id_of(ad, doc->rules[i].dst.name);
	}
	for (i = 0; i < doc->nets_n; i++) {
		r->nets[i].prefix = doc->nets[i].prefix;
		r->nets[i].action = doc->nets[i].action;
		r->nets[i].grp = id_of(ad, doc->nets[i].group);
	}
	r->rules_n = doc->rules_n;
	r->nets_n = doc->nets_n;
	r->deny_rest = doc->deny_rest;
	return 0;
}

static int take_route(void *arg, const struct store_route *sr)
{
	struct authd *ad = arg;
	struct rules *r = ad->rules;
	struct member *m = member_by_id(ad, sr->member);
	void *more;

	if (!m)
		return 0;
	if (r->routes_n == r->routes_cap) {
		uint32_t cap = r->routes_cap ? r->routes_cap * 2 : 16;

		more = reallocarray(r->routes, cap, sizeof(*r->routes));
		if (!more)
			return SOTTO_E_NOMEM;
		r->routes = more;
		r->routes_cap = cap;
	}
	if (!m->routes)
		m->routes = calloc(1, sizeof(*m->routes));
	if (!m->routes)
		return SOTTO_E_NOMEM;
	if (m->routes->n < SOTTO_ROUTES_MAX)
		m->routes->p[m->routes->n++] = sr->prefix;
	r->routes[r->routes_n++] = (struct route_item) { sr->prefix, m };
	return 0;
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

int rules_load(struct authd *ad, struct sotto_errmsg *err)
{
	struct policy_doc doc;
	int rc;

	if (!ad->rules)
		ad->rules = calloc(1, sizeof(*ad->rules));
	if (!ad->rules)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = store_policy_load(ad->store, &doc, err);
	if (rc)
		return rc;
	forget(ad);
	sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = take_groups(ad, &doc);
	if (!rc)
		rc = take_rules(ad, &doc);
	policy_doc_free(&doc);
	if (!rc)
		rc = store_each_route(ad->store, take_route, ad, err);
	if (ad->rules->routes_n)
		qsort(ad->rules->routes, ad->rules->routes_n,
		      sizeof(*ad->rules->routes), by_route);
	if (ad->rules->nets_n)
		qsort(ad->rules->nets, ad->rules->nets_n,
		      sizeof(*ad->rules->nets), by_net);
	return rc;
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
		bool here = r->member->current && r->member->ciphers.n;

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
