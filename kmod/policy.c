// SPDX-License-Identifier: GPL-2.0
/*
 * Longest-prefix match: a path-compressed binary trie for each family.
 *
 * Readers walk under RCU; writers hold ns->config. A node is either a prefix or
 * a fork that joins two subtrees; a fork always has both children, so that
 * every leaf is a prefix.
 */
#include <linux/inetdevice.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "netns.h"
#include "policy.h"

#define SOTTO_POLICY_FORK	0xff	/* action of a node that is no prefix */

struct sotto_gateway {
	struct sotto_addr addr;
	struct rcu_head rcu;
};

struct sotto_policy_node {
	struct sotto_policy_node __rcu *child[2];
	struct sotto_gateway __rcu *gateway;
	struct sotto_addr prefix;
	u8 plen;
	u8 action;			/* enum sotto_action or SOTTO_POLICY_FORK */
	struct rcu_head rcu;
};

#define sotto_deref(p, ns)	rcu_dereference_protected(p, lockdep_is_held(&(ns)->config))

static unsigned int sotto_bit(const struct sotto_addr *a, unsigned int i)
{
	const u8 *b = (const u8 *)&a->ip;

	return (b[i / 8] >> (7 - i % 8)) & 1;
}

/* How many leading bits two addresses share, @max at most. */
static unsigned int sotto_common(const struct sotto_addr *a,
				 const struct sotto_addr *b, unsigned int max)
{
	const u8 *x = (const u8 *)&a->ip, *y = (const u8 *)&b->ip;
	unsigned int n = 0;

	while (n < max && x[n / 8] == y[n / 8])
		n += 8;
	if (n < max)
		n += 8 - fls(x[n / 8] ^ y[n / 8]);
	return min(n, max);
}

static bool sotto_covers(const struct sotto_policy_node *n,
			 const struct sotto_addr *a)
{
	if (a->family == AF_INET)
		return !((n->prefix.ip.ip ^ a->ip.ip) & inet_make_mask(n->plen));
	return ipv6_prefix_equal(&n->prefix.ip.in6, &a->ip.in6, n->plen);
}

static struct sotto_policy_node __rcu **
sotto_root(struct sotto_net *ns, u16 family)
{
	return family == AF_INET ? &ns->policy.root4 : &ns->policy.root6;
}

static unsigned int sotto_bits(u16 family)
{
	return family == AF_INET ? 32 : 128;
}

/* The longest match, and its action as it was seen. NULL and bypass without one. */
static const struct sotto_policy_node *
sotto_policy_match(struct sotto_net *ns, const struct sotto_addr *addr,
		   enum sotto_action *action)
{
	const struct sotto_policy_node *n, *best = NULL;
	unsigned int bits = sotto_bits(addr->family);
	u8 a;

	*action = SOTTO_ACTION_BYPASS;
	n = rcu_dereference(*sotto_root(ns, addr->family));
	while (n && sotto_covers(n, addr)) {
		a = smp_load_acquire(&n->action);	/* before its gateway */
		if (a != SOTTO_POLICY_FORK) {
			best = n;
			*action = a;
		}
		if (n->plen == bits)
			break;
		n = rcu_dereference(n->child[sotto_bit(addr, n->plen)]);
	}
	return best;
}

enum sotto_action sotto_policy_lookup(struct sotto_net *ns,
				      const struct sotto_addr *addr,
				      struct sotto_policy *found)
{
	const struct sotto_policy_node *best;
	const struct sotto_gateway *gateway;
	enum sotto_action action;

	best = sotto_policy_match(ns, addr, &action);
	if (!found)
		return action;
	memset(found, 0, sizeof(*found));
	if (best) {
		found->prefix = best->prefix;
		found->plen = best->plen;
		found->action = action;
		gateway = rcu_dereference(best->gateway);
		if (gateway)
			found->gateway = gateway->addr;
	}
	return action;
}

enum sotto_action sotto_policy_route(struct sotto_net *ns, const struct sotto_addr *dst,
				     const struct sotto_addr **to)
{
	const struct sotto_policy_node *best;
	const struct sotto_gateway *gateway;
	enum sotto_action action;

	best = sotto_policy_match(ns, dst, &action);
	gateway = best ? rcu_dereference(best->gateway) : NULL;
	*to = gateway ? &gateway->addr : dst;
	return action;
}

static bool sotto_strict(u8 action)
{
	return action == SOTTO_ACTION_PROTECT || action == SOTTO_ACTION_BLOCK;
}

static struct sotto_policy_node *sotto_node_new(const struct sotto_addr *prefix,
						u8 plen, u8 action)
{
	struct sotto_policy_node *n = kzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);

	if (n) {
		n->prefix = *prefix;
		n->plen = plen;
		n->action = action;
	}
	return n;
}

/* A fork may become a prefix later, and is one as it would have been given. */
static void sotto_mask(struct sotto_addr *a, unsigned int plen)
{
	u8 *b = (u8 *)&a->ip;
	unsigned int i;

	for (i = plen; i < sotto_bits(a->family); i++)
		b[i / 8] &= ~(0x80 >> i % 8);
}

/* Put @leaf beside or above @old, whose slot is @slot; they share @common bits. */
static int sotto_policy_split(struct sotto_policy_node __rcu **slot,
			      struct sotto_policy_node *old,
			      struct sotto_policy_node *leaf, unsigned int common)
{
	struct sotto_policy_node *fork;

	if (common == leaf->plen) {
		RCU_INIT_POINTER(leaf->child[sotto_bit(&old->prefix, common)], old);
		rcu_assign_pointer(*slot, leaf);
		return 0;
	}

	fork = sotto_node_new(&leaf->prefix, common, SOTTO_POLICY_FORK);
	if (!fork)
		return -ENOMEM;
	sotto_mask(&fork->prefix, common);
	RCU_INIT_POINTER(fork->child[sotto_bit(&leaf->prefix, common)], leaf);
	RCU_INIT_POINTER(fork->child[sotto_bit(&old->prefix, common)], old);
	rcu_assign_pointer(*slot, fork);
	return 0;
}

static void sotto_policy_set(struct sotto_net *ns, struct sotto_policy_node *n,
			     u8 action, struct sotto_gateway *gateway)
{
	struct sotto_gateway *old = sotto_deref(n->gateway, ns);

	rcu_assign_pointer(n->gateway, gateway);
	/* The gateway first: no reader sees a new action without it. */
	smp_store_release(&n->action, action);
	if (old)
		kfree_rcu(old, rcu);
}

/* NULL for a policy without one. */
static struct sotto_gateway *sotto_gateway_new(const struct sotto_policy *p)
{
	struct sotto_gateway *gateway;

	if (!p->gateway.family)
		return NULL;
	gateway = kmalloc(sizeof(*gateway), GFP_KERNEL_ACCOUNT);
	if (!gateway)
		return ERR_PTR(-ENOMEM);
	gateway->addr = p->gateway;
	return gateway;
}

static int sotto_policy_insert(struct sotto_net *ns, const struct sotto_policy *p,
			       struct sotto_gateway *gateway)
{
	struct sotto_policy_node __rcu **slot = sotto_root(ns, p->prefix.family);
	struct sotto_policy_node *n, *leaf;
	unsigned int common;
	int err = 0;

	leaf = sotto_node_new(&p->prefix, p->plen, p->action);
	if (!leaf)
		return -ENOMEM;
	RCU_INIT_POINTER(leaf->gateway, gateway);

	while ((n = sotto_deref(*slot, ns))) {
		common = sotto_common(&n->prefix, &p->prefix,
				      min(n->plen, p->plen));
		if (common < n->plen) {
			err = sotto_policy_split(slot, n, leaf, common);
			if (err)
				kfree(leaf);
			return err;
		}
		if (n->plen == p->plen) {	/* a fork becomes a prefix */
			kfree(leaf);
			sotto_policy_set(ns, n, p->action, gateway);
			return 0;
		}
		slot = &n->child[sotto_bit(&p->prefix, n->plen)];
	}
	rcu_assign_pointer(*slot, leaf);
	return 0;
}

static struct sotto_policy_node *sotto_policy_find(struct sotto_net *ns,
						   const struct sotto_policy *p)
{
	struct sotto_policy_node *n = sotto_deref(*sotto_root(ns, p->prefix.family), ns);

	while (n && n->plen < p->plen && sotto_covers(n, &p->prefix))
		n = sotto_deref(n->child[sotto_bit(&p->prefix, n->plen)], ns);
	if (!n || n->plen != p->plen || !sotto_covers(n, &p->prefix) ||
	    n->action == SOTTO_POLICY_FORK)
		return NULL;
	return n;
}

static bool sotto_policy_valid(const struct sotto_policy *p)
{
	struct sotto_addr zero = { .family = p->prefix.family };
	unsigned int bits = sotto_bits(p->prefix.family), i;

	if (p->plen > bits || p->action >= __SOTTO_ACTION_MAX)
		return false;
	if (sotto_addr_equal(&p->prefix, &zero))
		return true;
	for (i = p->plen; i < bits; i++)
		if (sotto_bit(&p->prefix, i))
			return false;
	return true;
}

static void sotto_policy_changed(struct sotto_net *ns, int n, int strict)
{
	ns->policy.n += n;
	ns->policy.n_strict += strict;
	WRITE_ONCE(ns->policy.gen, ns->policy.gen + 1);
	sotto_netns_pin(ns);
}

int sotto_policy_add(struct sotto_net *ns, const struct sotto_policy *p,
		     bool replace, struct netlink_ext_ack *extack)
{
	struct sotto_policy_node *n;
	struct sotto_gateway *gateway;
	int err, strict;

	lockdep_assert_held(&ns->config);

	if (!sotto_policy_valid(p)) {
		NL_SET_ERR_MSG(extack, "prefix has bits set past its length, or its length or action is out of range");
		return -EINVAL;
	}

	n = sotto_policy_find(ns, p);
	if (n && !replace) {
		NL_SET_ERR_MSG(extack, "a policy for this prefix exists; replace or delete it");
		return -EEXIST;
	}
	if (!n && ns->policy.n >= READ_ONCE(ns->limits.max_policies)) {
		NL_SET_ERR_MSG(extack, "the namespace has as many policies as max-policies allows");
		return -ENOSPC;
	}
	gateway = sotto_gateway_new(p);
	if (IS_ERR(gateway))
		return PTR_ERR(gateway);
	if (n) {
		strict = sotto_strict(p->action) - sotto_strict(n->action);
		sotto_policy_set(ns, n, p->action, gateway);
		sotto_policy_changed(ns, 0, strict);
		return 0;
	}
	err = sotto_policy_insert(ns, p, gateway);
	if (err) {
		kfree(gateway);
		return err;
	}
	sotto_policy_changed(ns, 1, sotto_strict(p->action));
	return 0;
}

/* Take a node that is no prefix any more, and has one child at most, out. */
static void sotto_policy_collapse(struct sotto_net *ns,
				  struct sotto_policy_node __rcu **slot)
{
	struct sotto_policy_node *n = sotto_deref(*slot, ns);
	struct sotto_policy_node *c0 = sotto_deref(n->child[0], ns);
	struct sotto_policy_node *c1 = sotto_deref(n->child[1], ns);

	if (c0 && c1)
		return;
	rcu_assign_pointer(*slot, c0 ?: c1);
	kfree_rcu(n, rcu);
}

int sotto_policy_del(struct sotto_net *ns, const struct sotto_policy *p,
		     struct netlink_ext_ack *extack)
{
	struct sotto_policy_node __rcu **slot, **parent = NULL;
	struct sotto_policy_node *n = sotto_policy_find(ns, p), *at;

	lockdep_assert_held(&ns->config);

	if (!n) {
		NL_SET_ERR_MSG(extack, "no policy for this prefix");
		return -ENOENT;
	}

	slot = sotto_root(ns, p->prefix.family);
	while ((at = sotto_deref(*slot, ns)) != n) {
		parent = slot;
		slot = &at->child[sotto_bit(&p->prefix, at->plen)];
	}

	sotto_policy_changed(ns, -1, -(int)sotto_strict(n->action));
	sotto_policy_set(ns, n, SOTTO_POLICY_FORK, NULL);
	sotto_policy_collapse(ns, slot);
	if (parent && sotto_deref(*parent, ns)->action == SOTTO_POLICY_FORK)
		sotto_policy_collapse(ns, parent);
	return 0;
}

void sotto_policy_flush(struct sotto_net *ns)
{
	struct sotto_policy cur = {};

	while (sotto_policy_next(ns, &cur)) {
		sotto_policy_del(ns, &cur, NULL);
		memset(&cur, 0, sizeof(cur));
	}
}

/* The first prefix of a subtree in order: forks have two children. */
static struct sotto_policy_node *sotto_policy_first(struct sotto_net *ns,
						    struct sotto_policy_node *n)
{
	while (n && n->action == SOTTO_POLICY_FORK)
		n = sotto_deref(n->child[0], ns);
	return n;
}

/* The first prefix after @cur below @n, which need not exist itself. */
static struct sotto_policy_node *sotto_policy_after(struct sotto_net *ns,
						    struct sotto_policy_node *n,
						    const struct sotto_policy *cur)
{
	struct sotto_policy_node *right = NULL, *left;
	unsigned int common;

	while (n) {
		common = sotto_common(&n->prefix, &cur->prefix,
				      min(n->plen, cur->plen));
		if (common < n->plen && common < cur->plen) {
			if (sotto_bit(&n->prefix, common))
				right = n;
			break;
		}
		if (n->plen > cur->plen) {
			right = n;
			break;
		}
		left = sotto_deref(n->child[0], ns);
		if (n->plen == cur->plen) {
			right = left ?: sotto_deref(n->child[1], ns) ?: right;
			break;
		}
		if (sotto_bit(&cur->prefix, n->plen)) {
			n = sotto_deref(n->child[1], ns);
		} else {
			right = sotto_deref(n->child[1], ns) ?: right;
			n = left;
		}
	}
	return sotto_policy_first(ns, right);
}

bool sotto_policy_next(struct sotto_net *ns, struct sotto_policy *cur)
{
	struct sotto_policy_node *n = NULL;
	struct sotto_gateway *gateway;

	lockdep_assert_held(&ns->config);

	if (!cur->prefix.family)
		n = sotto_policy_first(ns, sotto_deref(ns->policy.root4, ns));
	else if (cur->prefix.family == AF_INET)
		n = sotto_policy_after(ns, sotto_deref(ns->policy.root4, ns), cur);
	else
		n = sotto_policy_after(ns, sotto_deref(ns->policy.root6, ns), cur);

	if (!n && cur->prefix.family != AF_INET6)
		n = sotto_policy_first(ns, sotto_deref(ns->policy.root6, ns));
	if (!n)
		return false;

	cur->prefix = n->prefix;
	cur->plen = n->plen;
	cur->action = n->action;
	gateway = sotto_deref(n->gateway, ns);
	cur->gateway = gateway ? gateway->addr : (struct sotto_addr){};
	return true;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/policy.c"
#endif
