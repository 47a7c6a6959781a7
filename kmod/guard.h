/* SPDX-License-Identifier: GPL-2.0 */
/* The guard beneath the hooks, on each device's egress. */
#ifndef _SOTTO_GUARD_H
#define _SOTTO_GUARD_H

struct sotto_net;

int sotto_guard_init(void);
void sotto_guard_exit(void);

/**
 * sotto_guard_up() - guard every device of a namespace, and those to come
 * @ns: namespace; the caller holds ns->config
 *
 * Takes the RTNL. Return: 0, -ENOMEM or what the hooks' registration gives.
 */
int sotto_guard_up(struct sotto_net *ns);
/* The reverse. Takes the RTNL. */
void sotto_guard_down(struct sotto_net *ns);

#endif /* _SOTTO_GUARD_H */
