/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Self-tests of what sealing and opening leave behind, run when the module is loaded: nothing of
 * the key is on the stack afterwards, where they had the cipher's state.
 */
#ifndef _SOTTO_SELFTEST_WIPE_H
#define _SOTTO_SELFTEST_WIPE_H

#include <linux/bottom_half.h>
#include <linux/if_ether.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "../sa.h"

/* What @test gets of @len bytes is an IPv4 packet, in so far as that it says so. */
static int sotto_wipe_test(const char *what, unsigned int len,
			   bool (*test)(struct sotto_sa *sa, struct sk_buff *skb))
{
	struct sotto_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	struct sk_buff *skb = alloc_skb(len, GFP_KERNEL);
	int err = -ENOMEM;

	if (sa && skb) {
		get_random_bytes(&sa->key.chapoly, sizeof(sa->key.chapoly));
		skb_reset_network_header(skb);
		skb_put_zero(skb, len);
		skb->protocol = htons(ETH_P_IP);
		local_bh_disable();
		err = test(sa, skb) ? 0 : -EINVAL;
		local_bh_enable();
	}
	kfree_skb(skb);
	kfree_sensitive(sa);
	if (err)
		pr_err("sotto: selftest: %s: a key was left in memory (error %d)\n", what, err);
	else
		pr_info("sotto: selftest: %s passed\n", what);
	return err;
}

#endif /* _SOTTO_SELFTEST_WIPE_H */
