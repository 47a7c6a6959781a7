// SPDX-License-Identifier: GPL-2.0
/* Dummy packets (RFC 4303 section 2.6): key confirmation. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "netns.h"
#include "sa.h"
#include "seal.h"
#include "skb.h"

static struct dst_entry *sotto_dummy_route4(struct net *net, struct sotto_addr *src,
					    const struct sotto_addr *dst)
{
	struct flowi4 fl4 = {
		.saddr = src->ip.ip, .daddr = dst->ip.ip,
		.flowi4_proto = IPPROTO_UDP,
	};
	struct rtable *rt = ip_route_output_key(net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	sotto_addr_v4(src, fl4.saddr);
	return &rt->dst;
}

static struct dst_entry *sotto_dummy_route6(struct net *net, struct sotto_addr *src,
					    const struct sotto_addr *dst)
{
	struct flowi6 fl6 = {
		.saddr = src->ip.in6, .daddr = dst->ip.in6,
		.flowi6_proto = IPPROTO_UDP,
	};
	struct dst_entry *route;

	if (!ipv6_mod_enabled() || ip6_dst_lookup(net, NULL, &route, &fl6))
		return NULL;	/* this one chooses a source, too */
	sotto_addr_v6(src, &fl6.saddr);
	return route;
}

/* @src may be left open: filled with what the route chose. */
static struct dst_entry *sotto_dummy_route(struct net *net, struct sotto_addr *src,
					   const struct sotto_addr *dst)
{
	return dst->family == AF_INET ? sotto_dummy_route4(net, src, dst)
				      : sotto_dummy_route6(net, src, dst);
}

static void sotto_dummy_header(struct sk_buff *skb, const struct sotto_addr *src,
			       const struct sotto_addr *dst)
{
	if (dst->family == AF_INET) {
		struct iphdr *iph = skb_put_zero(skb, sizeof(*iph));

		skb->protocol = htons(ETH_P_IP);
		iph->version = 4;
		iph->ihl = 5;
		iph->tot_len = htons(sizeof(*iph));
		iph->frag_off = htons(IP_DF);
		iph->ttl = ip4_dst_hoplimit(skb_dst(skb));
		iph->protocol = IPPROTO_NONE;
		iph->saddr = src->ip.ip;
		iph->daddr = dst->ip.ip;
	} else {
		struct ipv6hdr *ip6h = skb_put_zero(skb, sizeof(*ip6h));

		skb->protocol = htons(ETH_P_IPV6);
		ip6h->version = 6;
		ip6h->nexthdr = IPPROTO_NONE;
		ip6h->hop_limit = ip6_dst_hoplimit(skb_dst(skb));
		ip6h->saddr = src->ip.in6;
		ip6h->daddr = dst->ip.in6;
	}
}

void sotto_send_dummy(struct sotto_sa *sa, const struct sotto_addr *src,
		      const struct sotto_addr *dst)
{
	struct sotto_addr from = { .family = dst->family };
	struct sotto_net *ns = sa->ns;
	struct dst_entry *route;
	struct sotto_pkt p;
	struct sk_buff *skb;

	if (src)
		from = *src;
	route = sotto_dummy_route(ns->net, &from, dst);
	if (!route)
		return;
	skb = sotto_local_is(ns, &from) ? alloc_skb(sizeof(struct ipv6hdr), GFP_ATOMIC)
					: NULL;
	if (!skb) {
		dst_release(route);
		return;
	}
	skb_dst_set(skb, route);
	skb->dev = route->dev;
	skb_reset_network_header(skb);
	sotto_dummy_header(skb, &from, dst);

	local_bh_disable();
	if (!sotto_pkt_parse(skb, dst->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6,
			     &p) ||
	    sotto_seal_packet(sa, skb, &p, IP_MAX_MTU, true))
		kfree_skb(skb);
	local_bh_enable();
}
