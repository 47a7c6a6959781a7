// SPDX-License-Identifier: GPL-2.0
/*
 * Networks behind peers, and behind this host.
 */
#include "routes.h"

#include <errno.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "agent.h"

bool routes_cover(const struct sotto_prefixes *routes, const struct sotto_addr *addr)
{
	for (int i = 0; i < routes->n; i++)
		if (sotto_prefix_contains(&routes->p[i], addr))
			return true;
	return false;
}

/* Every link has these, every host, or a group: they are behind nobody. */
static const struct sotto_prefix everybodys[] = {
	{ .plen = 8, .addr = { 4, { 0 } } },
	{ .plen = 8, .addr = { 4, { 127 } } },
	{ .plen = 16, .addr = { 4, { 169, 254 } } },
	{ .plen = 4, .addr = { 4, { 224 } } },
	{ .plen = 32, .addr = { 4, { 255, 255, 255, 255 } } },
	{ .plen = 128, .addr = { 16, { 0 } } },
	{ .plen = 128, .addr = { 16, { [15] = 1 } } },
	{ .plen = 96, .addr = { 16, { [10] = 0xff, 0xff } } },
	{ .plen = 10, .addr = { 16, { 0xfe, 0x80 } } },
	{ .plen = 8, .addr = { 16, { 0xff } } },
};

bool routes_can_be(const struct sotto_prefixes *routes)
{
	for (int i = 0; i < routes->n; i++)
		for (size_t j = 0; j < sizeof(everybodys) / sizeof(everybodys[0]); j++)
			if (routes->p[i].plen >= everybodys[j].plen &&
			    sotto_prefix_contains(&everybodys[j], &routes->p[i].addr))
				return false;
	return true;
}

/* Of the prefix's family, if the peer has one; packets of either fit into either. */
static const struct sotto_addr *gateway(const struct session *s,
					const struct sotto_prefix *prefix)
{
	for (int i = 0; i < s->peer_addrs.n; i++)
		if (s->peer_addrs.a[i].len == prefix->addr.len)
			return &s->peer_addrs.a[i];
	return &s->peer_addrs.a[0];
}

static void set_policy(struct agent *ag, struct sgenl_policy *p)
{
	char buf[SOTTO_PREFIX_STR];

	if (sgenl_policy_add(ag->kernel.req, p, true))
		sotto_err_log("the kernel refuses the policy of %s: %s",
			      sotto_prefix_str(&p->prefix, buf), sgenl_error(ag->kernel.req));
}

/* What the realm says of exactly this prefix, and protects. */
static const struct sgenl_policy *realm_says(struct agent *ag,
					     const struct sotto_prefix *prefix)
{
	const struct saved_policy *sp = saved_find_policy(&ag->policy.kept, prefix);

	return sp && (sp->policy.action == SOTTO_ACTION_PROTECT ||
		      sp->policy.action == SOTTO_ACTION_PREFER) ? &sp->policy : NULL;
}

/*
 * The realm has bypass for what is behind this host itself: another way there, for those
 * who come from elsewhere, must not take it away. So it is with what a user said.
 */
static bool is_spoken_for(struct agent *ag, const struct sotto_prefix *prefix)
{
	const struct saved *kept = &ag->policy.kept;
	const struct sgenl_policy *best = NULL;

	for (size_t i = 0; i < kept->n_policies; i++) {
		const struct sgenl_policy *p = &kept->policies[i].policy;

		if (p->prefix.plen <= prefix->plen &&
		    sotto_prefix_contains(&p->prefix, &prefix->addr) &&
		    (!best || p->prefix.plen > best->prefix.plen))
			best = p;
	}
	return best && (best->action == SOTTO_ACTION_BYPASS ||
			best->action == SOTTO_ACTION_BLOCK);
}

static void lead(struct agent *ag, const struct session *s,
		 const struct sotto_prefix *prefix)
{
	const struct sgenl_policy *kept = realm_says(ag, prefix);
	struct sgenl_policy p = {
		.prefix = *prefix,
		.action = kept ? kept->action : SOTTO_ACTION_PROTECT,
		.gateway = *gateway(s, prefix),
	};

	if (!is_spoken_for(ag, prefix))
		set_policy(ag, &p);
}

/* The realm's longest prefix that has @addr, inside @route. */
static const struct sotto_prefix *longest(struct agent *ag, const struct sotto_addr *addr,
					  const struct sotto_prefix *route)
{
	const struct saved *kept = &ag->policy.kept;
	const struct sotto_prefix *best = route;

	for (size_t i = 0; i < kept->n_policies; i++) {
		const struct sotto_prefix *p = &kept->policies[i].policy.prefix;

		if (sotto_prefix_contains(p, addr) && p->plen > best->plen)
			best = p;
	}
	return best;
}

/* The route itself, and where the realm's policy is finer, that part of it. */
static void lead_to(struct agent *ag, const struct session *s,
		    const struct sotto_prefix *route, const struct sotto_addr *addr)
{
	const struct sotto_prefix *finer = longest(ag, addr, route);

	lead(ag, s, route);
	if (finer != route && realm_says(ag, finer))
		lead(ag, s, finer);
}

void routes_made(struct agent *ag, const struct session *s,
		 const struct sotto_prefixes *own)
{
	char buf[SOTTO_PREFIX_STR];
	int ret;

	for (int i = 0; i < s->peer_routes.n; i++)
		lead(ag, s, &s->peer_routes.p[i]);
	for (int i = 0; i < own->n; i++) {
		ret = sgenl_local_add(ag->kernel.req, &own->p[i]);
		if (ret && ret != -EEXIST)
			sotto_err_log("the kernel refuses the network %s behind this host: %s",
				      sotto_prefix_str(&own->p[i], buf),
				      sgenl_error(ag->kernel.req));
	}
}

struct search {
	const struct sotto_addr *addr;
	struct session *found;
};

static void look(struct session *s, void *arg)
{
	struct search *f = arg;

	if (!s->retired && (!f->found || s->since_ms > f->found->since_ms) &&
	    routes_cover(&s->peer_routes, f->addr))
		f->found = s;
}

static struct session *find(struct agent *ag, const struct sotto_addr *addr)
{
	struct search f = { .addr = addr };

	session_each(ag, look, &f);
	return f.found;
}

bool routes_lead(struct agent *ag, const struct sotto_addr *addr)
{
	struct session *s = find(ag, addr);

	if (!s || session_has_addr(s, addr))
		return false;
	for (int i = 0; i < s->peer_routes.n; i++)
		if (sotto_prefix_contains(&s->peer_routes.p[i], addr))
			lead_to(ag, s, &s->peer_routes.p[i], addr);
	return true;
}

/* As the realm has it: its own entry, or none. */
static void forget(struct agent *ag, const struct sotto_prefix *route)
{
	const struct saved *kept = &ag->policy.kept;

	if (!saved_find_policy(kept, route))
		sgenl_policy_del(ag->kernel.req, route);
	for (size_t i = 0; i < kept->n_policies; i++) {
		struct sgenl_policy p = kept->policies[i].policy;

		if (p.prefix.plen >= route->plen &&
		    sotto_prefix_contains(route, &p.prefix.addr) &&
		    realm_says(ag, &p.prefix))
			set_policy(ag, &p);
	}
}

void routes_gone(struct agent *ag, const struct sotto_prefixes *routes)
{
	for (int i = 0; i < routes->n; i++) {
		struct session *other = find(ag, &routes->p[i].addr);

		if (other)
			lead(ag, other, &routes->p[i]);
		else
			forget(ag, &routes->p[i]);
	}
}
