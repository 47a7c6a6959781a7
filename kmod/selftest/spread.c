// SPDX-License-Identifier: GPL-2.0
/*
 * Self-test of the worker, run when the module is loaded: a packet whose device went to another
 * namespace while it waited is counted where it was seen, and nothing of it is kept.
 */
#include <linux/etherdevice.h>

#define SOTTO_SPREAD_TEST_SEGS	3

static unsigned int sotto_spread_test_freed;

static void sotto_spread_test_free(struct sk_buff *skb)
{
	sotto_spread_test_freed++;
}

/* A burst, as it waits in a queue. */
static struct sk_buff *sotto_spread_test_skb(struct sotto_net *ns, struct net_device *dev)
{
	struct sk_buff *skb = alloc_skb(sizeof(struct iphdr), GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_reset_network_header(skb);
	skb_put_zero(skb, sizeof(struct iphdr));
	skb->protocol = htons(ETH_P_IP);
	skb_shinfo(skb)->gso_segs = SOTTO_SPREAD_TEST_SEGS;
	skb->destructor = sotto_spread_test_free;
	skb->dev = dev;
	dev_hold(dev);
	sotto_spread_cb(skb)->ns = ns;
	return skb;
}

/* @elsewhere: a namespace that nobody looks into. */
static bool sotto_spread_test_moved(struct sotto_net *ns, struct net_device *dev,
				    struct net *elsewhere)
{
	u64 due[__SOTTO_STAT_MAX] = {}, counted[__SOTTO_STAT_MAX];
	struct net *net = dev_net(dev);
	int held = netdev_refcnt_read(dev);
	struct sk_buff *skb;

	skb = sotto_spread_test_skb(ns, dev);
	if (!skb)
		return false;
	sotto_spread_test_freed = 0;
	dev_net_set(dev, elsewhere);
	sotto_spread_open(skb);
	dev_net_set(dev, net);
	due[SOTTO_STAT_IN_SPREAD] = SOTTO_SPREAD_TEST_SEGS;
	due[SOTTO_STAT_IN_SEEN] = SOTTO_SPREAD_TEST_SEGS - 1;	/* the hook counted one */
	due[SOTTO_STAT_IN_DROP_SPREAD] = SOTTO_SPREAD_TEST_SEGS;
	sotto_stats_sum(ns, counted);
	return sotto_spread_test_freed == 1 && netdev_refcnt_read(dev) == held &&
	       !memcmp(counted, due, sizeof(due));
}

int sotto_spread_selftest(void)
{
	struct net_device *dev = alloc_etherdev(0);
	struct net *elsewhere = kzalloc(sizeof(*elsewhere), GFP_KERNEL);
	struct sotto_net *ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	int err = -ENOMEM;

	if (dev && elsewhere && ns) {
		ns->net = dev_net(dev);
		ns->stats = alloc_percpu(struct sotto_stats);
	}
	if (ns && ns->stats) {
		err = sotto_spread_test_moved(ns, dev, elsewhere) ? 0 : -EINVAL;
		free_percpu(ns->stats);
	}
	kfree(ns);
	kfree(elsewhere);
	if (dev)
		free_netdev(dev);
	if (err == -EINVAL)
		pr_err("sotto: selftest: what waited for a device that moved is not accounted for\n");
	if (!err)
		pr_info("sotto: selftest: spread passed\n");
	return err;
}
