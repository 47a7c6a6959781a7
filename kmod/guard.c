// SPDX-License-Identifier: GPL-2.0
/*
 * The guard beneath the hooks: flowtables, redirects, packet sockets and bridges
 * send without ever passing POST_ROUTING. On each device a netdev egress hook
 * drops what goes to a protected or blocked destination and was not sealed.
 *
 * A sealed packet is known by being untracked (IP_CT_UNTRACKED, set when it is
 * made): nothing that comes from beneath carries that (of bridged frames it is taken,
 * see hook.c), and a packet of the stack that does has been through our own hook.
 */
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter_netdev.h>
#include <linux/ppp_defs.h>
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

/**
 * struct sotto_guarded - the IP packet in a frame
 * @pf: NFPROTO_IPV4 or NFPROTO_IPV6
 * @off: where it begins
 * @dst: where it goes
 */
struct sotto_guarded {
	u8 pf;
	int off;
	struct sotto_addr dst;
};

/*
 * Did a PPP device of this host make this frame? There IP's packet was seen by the guard, and then
 * lost whatever said that it was sealed. What a packet socket, a bridge or a virtual machine sends
 * has an owner of another kind, or has come in.
 */
static bool sotto_guard_seen_by_ppp(const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	return !skb->skb_iif &&
	       (!sk || sk->sk_family == AF_INET || sk->sk_family == AF_INET6);
}

static __be16 sotto_guard_pppoe(const struct sk_buff *skb, int *off)
{
	const __be16 *proto;
	__be16 buf;

	*off += PPPOE_SES_HLEN;
	proto = skb_header_pointer(skb, *off - sizeof(buf), sizeof(buf), &buf);
	if (proto && *proto == htons(PPP_IP))
		return htons(ETH_P_IP);
	if (proto && *proto == htons(PPP_IPV6))
		return htons(ETH_P_IPV6);
	return 0;
}

/* Where nothing stands in front of IP. */
static __be16 sotto_guard_bare(const struct sk_buff *skb, int off)
{
	const u8 *first;
	u8 buf;

	first = skb_header_pointer(skb, off, sizeof(buf), &buf);
	if (first && *first >> 4 == 4)
		return htons(ETH_P_IP);
	if (first && *first >> 4 == 6)
		return htons(ETH_P_IPV6);
	return 0;
}

/*
 * What the frame itself says is sent, and from @off on: skb->protocol is what the
 * owner of a packet socket says.
 */
static __be16 sotto_guard_proto(const struct sk_buff *skb, int *off)
{
	const struct vlan_hdr *vh;
	const struct ethhdr *eth;
	struct vlan_hdr vbuf;
	struct ethhdr buf;
	__be16 proto;

	*off = skb_network_offset(skb);
	if (skb->dev->type == ARPHRD_NONE || skb->dev->type == ARPHRD_RAWIP)
		return sotto_guard_bare(skb, *off);
	if (skb->dev->type != ARPHRD_ETHER)
		return skb->protocol;
	eth = skb_header_pointer(skb, 0, sizeof(buf), &buf);
	if (!eth)
		return 0;
	proto = eth->h_proto;
	for (*off = ETH_HLEN; eth_type_vlan(proto); *off += VLAN_HLEN) {
		vh = skb_header_pointer(skb, *off, sizeof(vbuf), &vbuf);
		if (!vh)
			return 0;
		proto = vh->h_vlan_encapsulated_proto;
	}
	if (proto != htons(ETH_P_PPP_SES))
		return proto;
	return sotto_guard_seen_by_ppp(skb) ? 0 : sotto_guard_pppoe(skb, off);
}

static bool sotto_guard_parse(const struct sk_buff *skb, struct sotto_guarded *g)
{
	const struct ipv6hdr *ip6h;
	const struct iphdr *iph;
	struct ipv6hdr buf6;
	struct iphdr buf4;

	switch (sotto_guard_proto(skb, &g->off)) {
	case htons(ETH_P_IP):
		iph = skb_header_pointer(skb, g->off, sizeof(buf4), &buf4);
		if (!iph)
			return false;
		g->pf = NFPROTO_IPV4;
		sotto_addr_v4(&g->dst, iph->daddr);
		return true;
	case htons(ETH_P_IPV6):
		ip6h = skb_header_pointer(skb, g->off, sizeof(buf6), &buf6);
		if (!ip6h)
			return false;
		g->pf = NFPROTO_IPV6;
		sotto_addr_v6(&g->dst, &ip6h->daddr);
		return true;
	default:
		return false;
	}
}

/* The same exemptions as in the hook above. */
static bool sotto_guard_exempt(struct sotto_net *ns, struct sk_buff *skb,
			       const struct sotto_guarded *g)
{
	int was = skb_network_offset(skb);
	struct sotto_pkt p;
	bool exempt;

	if (skb_shared(skb) || g->off < 0 || g->off > skb_headlen(skb))
		return false;
	skb_set_network_header(skb, g->off);
	__skb_pull(skb, g->off);
	exempt = sotto_pkt_parse(skb, g->pf, &p) && sotto_exempt(ns, skb, &p, true);
	__skb_push(skb, g->off);
	skb_set_network_header(skb, was);
	return exempt;
}

static unsigned int sotto_guard_hook(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	struct sotto_net *ns = sotto_net(state->net);
	enum sotto_action action;
	struct sotto_guarded g;

	if (skb_get_nfct(skb) == IP_CT_UNTRACKED || !READ_ONCE(ns->policy.n) ||
	    !sotto_guard_parse(skb, &g))
		return NF_ACCEPT;
	action = sotto_policy_lookup(ns, &g.dst, NULL);
	if (action == SOTTO_ACTION_BYPASS || action == SOTTO_ACTION_PREFER ||
	    sotto_guard_exempt(ns, skb, &g))
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
	/* What a VRF's device sends goes back to IP, and is sealed below. */
	if ((dev->flags & IFF_LOOPBACK) || netif_is_l3_master(dev))
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
