// SPDX-License-Identifier: GPL-2.0
/*
 * The guard beneath the hooks: flowtables, redirects, packet sockets and bridges
 * send without ever passing POST_ROUTING. On each device a netdev egress hook
 * drops what goes to a protected or blocked destination and was not sealed.
 *
 * A sealed packet is known by being untracked (IP_CT_UNTRACKED, set when it is
 * made): nothing that comes from beneath carries that, and a packet of the stack
 * that does has been through our own hook.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter_netdev.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "guard.h"
#include "netns.h"
#include "policy.h"
#include "skb.h"

#if IS_ENABLED(CONFIG_NETFILTER_EGRESS) && IS_ENABLED(CONFIG_NF_CONNTRACK)

struct sotto_guard {
	struct list_head list;
	struct nf_hook_ops ops;
};

static bool sotto_guard_dst(const struct sk_buff *skb, struct sotto_addr *dst)
{
	unsigned int off = skb_network_offset(skb);
	struct ipv6hdr buf6;
	const struct ipv6hdr *ip6h;
	struct iphdr buf4;
	const struct iphdr *iph;

	switch (skb->protocol) {
	case htons(ETH_P_IP):
		iph = skb_header_pointer(skb, off, sizeof(buf4), &buf4);
		if (!iph)
			return false;
		sotto_addr_v4(dst, iph->daddr);
		return true;
	case htons(ETH_P_IPV6):
		ip6h = skb_header_pointer(skb, off, sizeof(buf6), &buf6);
		if (!ip6h)
			return false;
		sotto_addr_v6(dst, &ip6h->daddr);
		return true;
	default:
		return false;
	}
}

/* The same exemptions as in the hook above. */
static bool sotto_guard_exempt(struct sotto_net *ns, struct sk_buff *skb)
{
	u8 pf = skb->protocol == htons(ETH_P_IP) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	int off = skb_network_offset(skb);
	struct sotto_pkt p;
	bool exempt;

	if (skb_shared(skb) || off < 0 || off > skb_headlen(skb))
		return false;
	__skb_pull(skb, off);
	exempt = sotto_pkt_parse(skb, pf, &p) && sotto_exempt(ns, skb, &p, true);
	__skb_push(skb, off);
	return exempt;
}

static unsigned int sotto_guard_hook(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	struct sotto_net *ns = sotto_net(state->net);
	enum sotto_action action;
	struct sotto_addr dst;

	if (skb_get_nfct(skb) == IP_CT_UNTRACKED || !READ_ONCE(ns->policy.n) ||
	    !sotto_guard_dst(skb, &dst))
		return NF_ACCEPT;
	action = sotto_policy_lookup(ns, &dst, NULL);
	if (action == SOTTO_ACTION_BYPASS || action == SOTTO_ACTION_PREFER ||
	    sotto_guard_exempt(ns, skb))
		return NF_ACCEPT;

	sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
	sotto_stat_inc(ns, SOTTO_STAT_OUT_DROP_BENEATH);
	return NF_DROP;
}

static int sotto_guard_add(struct sotto_net *ns, struct net_device *dev)
{
	struct sotto_guard *g;
	int err;

	ASSERT_RTNL();
	if (dev->flags & IFF_LOOPBACK)
		return 0;
	g = kzalloc(sizeof(*g), GFP_KERNEL);
	if (!g)
		return -ENOMEM;
	g->ops.hook = sotto_guard_hook;
	g->ops.pf = NFPROTO_NETDEV;
	g->ops.hooknum = NF_NETDEV_EGRESS;
	g->ops.priority = INT_MAX;
	g->ops.dev = dev;
	err = nf_register_net_hook(ns->net, &g->ops);
	if (err) {
		kfree(g);
		return err;
	}
	list_add(&g->list, &ns->guards);
	return 0;
}

static void sotto_guard_free(struct sotto_net *ns, struct sotto_guard *g)
{
	list_del(&g->list);
	nf_unregister_net_hook(ns->net, &g->ops);
	kfree(g);
}

static void sotto_guard_del(struct sotto_net *ns, struct net_device *dev)
{
	struct sotto_guard *g;

	list_for_each_entry(g, &ns->guards, list)
		if (g->ops.dev == dev) {
			sotto_guard_free(ns, g);
			return;
		}
}

static int sotto_guard_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct sotto_net *ns = sotto_net(dev_net(dev));

	if (!ns || !ns->guarded)
		return NOTIFY_DONE;
	if (event == NETDEV_REGISTER)	/* also on its move to this namespace */
		return notifier_from_errno(sotto_guard_add(ns, dev));
	if (event == NETDEV_UNREGISTER)
		sotto_guard_del(ns, dev);
	return NOTIFY_DONE;
}

static struct notifier_block sotto_guard_notifier = {
	.notifier_call = sotto_guard_event,
};

int sotto_guard_up(struct sotto_net *ns)
{
	struct net_device *dev;
	int err = 0;

	rtnl_lock();
	ns->guarded = true;
	for_each_netdev(ns->net, dev) {
		err = sotto_guard_add(ns, dev);
		if (err)
			break;
	}
	rtnl_unlock();
	if (err)
		sotto_guard_down(ns);
	return err;
}

void sotto_guard_down(struct sotto_net *ns)
{
	struct sotto_guard *g, *next;

	rtnl_lock();
	ns->guarded = false;
	list_for_each_entry_safe(g, next, &ns->guards, list)
		sotto_guard_free(ns, g);
	rtnl_unlock();
}

int sotto_guard_init(void)
{
	return register_netdevice_notifier(&sotto_guard_notifier);
}

void sotto_guard_exit(void)
{
	unregister_netdevice_notifier(&sotto_guard_notifier);
}

#else /* a kernel without egress hooks or conntrack: nothing guards beneath */

int sotto_guard_up(struct sotto_net *ns)
{
	return 0;
}

void sotto_guard_down(struct sotto_net *ns)
{
}

int sotto_guard_init(void)
{
	return 0;
}

void sotto_guard_exit(void)
{
}

#endif
