// SPDX-License-Identifier: GPL-2.0
/* Packets of our own: dummies (RFC 4303 section 2.6) and keepalives (RFC 3948). */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "nat.h"
#include "netns.h"
#include "sa.h"
#include "seal.h"
#include "skb.h"
#include "stats.h"

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
			       const struct sotto_addr *dst, u8 proto, unsigned int len)
{
	if (dst->family == AF_INET) {
		struct iphdr *iph = skb_put_zero(skb, sizeof(*iph));

		skb->protocol = htons(ETH_P_IP);
		iph->version = 4;
		iph->ihl = 5;
		iph->tot_len = htons(sizeof(*iph) + len);
		iph->frag_off = htons(IP_DF);
		iph->ttl = ip4_dst_hoplimit(skb_dst(skb));
		iph->protocol = proto;
		iph->saddr = src->ip.ip;
		iph->daddr = dst->ip.ip;
	} else {
		struct ipv6hdr *ip6h = skb_put_zero(skb, sizeof(*ip6h));

		skb->protocol = htons(ETH_P_IPV6);
		ip6h->version = 6;
		ip6h->payload_len = htons(len);
		ip6h->nexthdr = proto;
		ip6h->hop_limit = ip6_dst_hoplimit(skb_dst(skb));
		ip6h->saddr = src->ip.in6;
		ip6h->daddr = dst->ip.in6;
	}
}

/* An IP header with room for @len bytes behind. NULL: no route, or no memory. */
static struct sk_buff *sotto_dummy_alloc(struct sotto_net *ns, const struct sotto_addr *src,
					 const struct sotto_addr *dst, u8 proto,
					 unsigned int len)
{
	struct sotto_addr from = { .family = dst->family };
	struct sk_buff *skb = NULL;
	struct dst_entry *route;

	if (src && src->family == dst->family)
		from = *src;
	route = sotto_dummy_route(ns->net, &from, dst);
	if (!route)
		return NULL;
	if (sotto_local_is(ns, &from))
		skb = alloc_skb(LL_RESERVED_SPACE(route->dev) + sizeof(struct ipv6hdr) + len,
				GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		dst_release(route);
		return NULL;
	}
	skb_reserve(skb, LL_RESERVED_SPACE(route->dev));
	skb_dst_set(skb, route);
	skb->dev = route->dev;
	skb_reset_network_header(skb);
	sotto_dummy_header(skb, &from, dst, proto, len);
	return skb;
}

/* @port: exactly there; 0: to where the SA says. */
static void sotto_dummy_send(struct sotto_sa *sa, const struct sotto_addr *src,
			     const struct sotto_addr *dst, __be16 port,
			     const void *inside, unsigned int len)
{
	struct sotto_pkt p;
	struct sk_buff *skb;

	skb = sotto_dummy_alloc(sa->ns, src, dst, IPPROTO_NONE, len);
	if (!skb)
		return;
	skb_put_data(skb, inside, len);

	local_bh_disable();
	if (!sotto_pkt_parse(skb, dst->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6,
			     &p))
		goto drop;
	p.port = port;
	if (!sotto_seal_packet(NULL, sa, skb, &p, IP_MAX_MTU))
		goto out;
drop:
	kfree_skb(skb);
out:
	local_bh_enable();
}

void sotto_send_dummy(struct sotto_sa *sa, const struct sotto_addr *src,
		      const struct sotto_addr *dst)
{
	struct sotto_addr to;

	sotto_nat_to(sa, dst, &to);
	sotto_dummy_send(sa, src, &to, 0, NULL, 0);
}

void sotto_send_probe(struct sotto_sa *sa, const struct sotto_pkt *p,
		      const struct sotto_path_probe *probe)
{
	sotto_dummy_send(sa, &p->dst, &p->src, p->port, probe, sizeof(*probe));
}

static void sotto_keepalive_udp(struct sk_buff *skb, __be16 sport, __be16 dport)
{
	unsigned int len = sizeof(struct udphdr) + 1;
	struct udphdr *uh;

	skb_set_transport_header(skb, skb->len);
	uh = skb_put_zero(skb, sizeof(*uh));
	skb_put_u8(skb, SOTTO_KEEPALIVE_BYTE);
	uh->source = sport;
	uh->dest = dport;
	uh->len = htons(len);
	uh->check = ~sotto_pseudo_sum(skb, len, IPPROTO_UDP);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	if (skb->protocol == htons(ETH_P_IP))
		ip_send_check(ip_hdr(skb));
}

void sotto_send_keepalive(struct sotto_sa *sa, const struct sotto_addr *src,
			  const struct sotto_addr *dst)
{
	const struct sotto_endpoint *ep;
	struct sotto_net *ns = sa->ns;
	struct sotto_addr to;
	struct sk_buff *skb;

	sotto_nat_to(sa, dst, &to);
	skb = sotto_dummy_alloc(ns, src, &to, IPPROTO_UDP, sizeof(struct udphdr) + 1);
	if (!skb)
		return;
	ep = sotto_nat_endpoint(sa, to.family);
	sotto_keepalive_udp(skb, sa->sport, ep ? ep->port : sa->dport);
	sotto_seal_untracked(skb);
	local_bh_disable();
	sotto_stat_inc(ns, SOTTO_STAT_OUT_KEEPALIVE);
	sotto_xmit(ns->net, skb, IP_MAX_MTU);
	local_bh_enable();
}
