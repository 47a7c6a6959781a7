/* SPDX-License-Identifier: GPL-2.0 */
/* Policy: which destinations are protected, by longest prefix. */
#ifndef _SOTTO_POLICY_H
#define _SOTTO_POLICY_H

#include <linux/netlink.h>
#include <linux/sotto.h>

#include "addr.h"

struct sotto_policy_node;

/**
 * struct sotto_policy_table - two path-compressed tries
 * @root4: IPv4 (RCU)
 * @root6: IPv6 (RCU)
 * @n: prefixes
 * @n_strict: of them protect or block: while there are any, nothing unloads us
 * @gen: grows with each change: dumps notice
 */
struct sotto_policy_table {
	struct sotto_policy_node __rcu *root4;
	struct sotto_policy_node __rcu *root6;
	u32 n;
	u32 n_strict;
	u32 gen;
};

/* One prefix, as netlink carries it. */
struct sotto_policy {
	struct sotto_addr prefix;	/* bits past plen are zero */
	u8 plen;
	u8 action;			/* enum sotto_action */
	struct sotto_addr gateway;	/* .family 0 if none */
};

struct sotto_net;

/**
 * sotto_policy_lookup() - the longest prefix that covers an address
 * @ns: namespace
 * @addr: destination (out) or source (in)
 * @found: filled with the matching prefix if not NULL and there is one
 *
 * Context: rcu_read_lock().
 * Return: its action; SOTTO_ACTION_BYPASS without a match, when @found->plen is
 * left at 0 and @found->prefix.family at 0.
 */
enum sotto_action sotto_policy_lookup(struct sotto_net *ns,
				      const struct sotto_addr *addr,
				      struct sotto_policy *found);

/**
 * sotto_policy_route() - the same, and where the tunnel goes
 * @ns: namespace
 * @dst: destination
 * @to: set to the address whose tunnel is used: the policy's gateway, or @dst
 *
 * Context: rcu_read_lock(), which *@to lives as long as.
 * Return: the action.
 */
enum sotto_action sotto_policy_route(struct sotto_net *ns, const struct sotto_addr *dst,
				     const struct sotto_addr **to);

/**
 * sotto_policy_add() - add a prefix, or change one
 * @ns: namespace; the caller holds ns->config
 * @p: prefix, action and gateway; bits past the length must be zero
 * @replace: an existing prefix takes the new action and gateway
 * @extack: told why not
 *
 * Return: 0, -EINVAL, -EEXIST, -ENOSPC (limit), -ENOMEM.
 */
int sotto_policy_add(struct sotto_net *ns, const struct sotto_policy *p,
		     bool replace, struct netlink_ext_ack *extack);
/* Return: 0 or -ENOENT. Caller holds ns->config. */
int sotto_policy_del(struct sotto_net *ns, const struct sotto_policy *p,
		     struct netlink_ext_ack *extack);
/* Caller holds ns->config. */
void sotto_policy_flush(struct sotto_net *ns);

/**
 * sotto_policy_next() - walk in order of family, prefix and length
 * @ns: namespace; the caller holds ns->config
 * @cur: the prefix to go on after; .prefix.family 0 to begin. Filled with the next.
 *
 * Return: true while there is one.
 */
bool sotto_policy_next(struct sotto_net *ns, struct sotto_policy *cur);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_policy_selftest(void);
#endif

#endif /* _SOTTO_POLICY_H */
