/* SPDX-License-Identifier: GPL-2.0 */
/* Opening on another CPU than the one that packets arrive on. */
#ifndef _SOTTO_SPREAD_H
#define _SOTTO_SPREAD_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>

#include "skb.h"

int sotto_spread_init(void);
void sotto_spread_exit(void);

/* Wait until what waits now is through. May sleep. */
void sotto_spread_sync(void);

/**
 * sotto_spread() - sotto_receive(), here or elsewhere
 * @ns: namespace
 * @skb: consumed
 * @p: of it
 * @state: of the hook
 *
 * What arrived on one CPU is opened in the order in which it came.
 */
void sotto_spread(struct sotto_net *ns, struct sk_buff *skb, const struct sotto_pkt *p,
		  const struct nf_hook_state *state);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_spread_selftest(void);
#endif

#endif /* _SOTTO_SPREAD_H */
