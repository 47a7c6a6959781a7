// SPDX-License-Identifier: GPL-2.0
/* Parsing, allocating and dropping packets. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "netlink.h"
#include "netns.h"
#include "skb.h"

static bool sotto_pkt_parse4(struct sk_buff *skb, struct sotto_pkt *p)
{
	const struct iphdr *iph;

	if (!pskb_may_pull(skb, sizeof(*iph)))
		return false;
	iph = ip_hdr(skb);
	if (iph->ihl < 5 || !pskb_may_pull(skb, iph->ihl * 4))
		return false;

	iph = ip_hdr(skb);
	sotto_addr_v4(&p->src, iph->saddr);
	sotto_addr_v4(&p->dst, iph->daddr);
	p->l4 = iph->ihl * 4;
	p->nhoff = offsetof(struct iphdr, protocol);
	p->proto = iph->protocol;
	p->port = 0;
	p->fragment = ip_is_fragment(iph);
	return true;
}

/*
 * RFC 4303 section 3.1.1: hop-by-hop, routing and fragment headers stay outside,
 * and so do destination options, unless they are behind a routing header.
 */
static bool sotto_pkt_parse6(struct sk_buff *skb, struct sotto_pkt *p)
{
	const struct ipv6hdr *ip6h;
	u8 *nexthdr;
	int off;

	if (!pskb_may_pull(skb, sizeof(*ip6h)))
		return false;
	if (ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr) &&
	    !pskb_may_pull(skb, min_t(unsigned int, skb->len, 256)))
		return false;
	off = ip6_find_1stfragopt(skb, &nexthdr);
	if (off < 0 || off > skb->len)
		return false;

	ip6h = ipv6_hdr(skb);
	sotto_addr_v6(&p->src, &ip6h->saddr);
	sotto_addr_v6(&p->dst, &ip6h->daddr);
	p->l4 = off;
	p->nhoff = nexthdr - skb_network_header(skb);
	p->proto = *nexthdr;
	p->port = 0;
	p->fragment = p->proto == NEXTHDR_FRAGMENT;
	return true;
}

bool sotto_pkt_parse(struct sk_buff *skb, u8 pf, struct sotto_pkt *p)
{
	return pf == NFPROTO_IPV4 ? sotto_pkt_parse4(skb, p)
				  : sotto_pkt_parse6(skb, p);
}

/*
 * Small packets are linear; what is larger takes pages, since a high-order
 * atomic allocation fails just when memory is tight.
 */
struct sk_buff *sotto_skb_alloc(unsigned int reserve, unsigned int hdr,
				unsigned int len)
{
	unsigned int linear = min_t(unsigned int, len, SKB_WITH_OVERHEAD(4096));
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(reserve + hdr + linear, len - linear,
				   PAGE_ALLOC_COSTLY_ORDER, &err,
				   GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, reserve);
	skb_put(skb, hdr + linear);
	skb->data_len = len - linear;
	skb->len += skb->data_len;
	return skb;
}

/*
 * What a page holds is where drivers have it, too: TCP takes such a packet's memory over to the
 * one before it in its queue, and all but that goes at once.
 */
static struct sk_buff *sotto_skb_alloc_in(unsigned int reserve, unsigned int hdr,
					  unsigned int len)
{
	struct sk_buff *skb;

	if (NET_SKB_PAD + reserve + hdr + len > SKB_WITH_OVERHEAD(PAGE_SIZE))
		return sotto_skb_alloc(NET_SKB_PAD + reserve, hdr, len);
	skb = __netdev_alloc_skb(NULL, reserve + hdr + len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, reserve);
	skb_put(skb, hdr + len);
	return skb;
}

struct sk_buff *sotto_skb_alloc_like(struct sk_buff *skb, unsigned int hdr,
				     unsigned int len)
{
	unsigned int mac = skb_mac_header_was_set(skb) ? skb->mac_len : 0;
	struct sk_buff *out;

	/* Room for the link's header; IP's is aligned all the same. */
	out = sotto_skb_alloc_in(ALIGN(mac, 8), hdr, len);
	if (!out)
		return NULL;
	skb_copy_header(out, skb);
	skb_shinfo(out)->gso_size = 0;
	skb_shinfo(out)->gso_segs = 0;
	skb_shinfo(out)->gso_type = 0;
	skb_reset_network_header(out);
	skb_set_mac_header(out, -mac);
	memcpy(skb_mac_header(out), skb_mac_header(skb), mac);
	return out;
}

__sum16 sotto_pseudo_sum(const struct sk_buff *skb, unsigned int len, u8 proto)
{
	if (skb->protocol == htons(ETH_P_IP))
		return csum_tcpudp_magic(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr, len,
					 proto, 0);
	return csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr, len,
			       proto, 0);
}

unsigned int sotto_skb_nsg(const struct sk_buff *skb)
{
	unsigned int n = 1 + skb_shinfo(skb)->nr_frags;
	const struct sk_buff *frag;

	skb_walk_frags(skb, frag)
		n += sotto_skb_nsg(frag);
	return n;
}

static void sotto_drop_event(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why)
{
	struct sotto_event_info ev = { .type = SOTTO_EVENT_DROP, .stat = why };
	struct sotto_pkt p;

	if (sotto_pkt_parse(skb, skb->protocol == htons(ETH_P_IP) ?
			    NFPROTO_IPV4 : NFPROTO_IPV6, &p)) {
		ev.src = &p.src;
		ev.dst = &p.dst;
	}
	sotto_nl_event(ns, &ev);
}

void sotto_drop(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why)
{
	sotto_stat_inc(ns, why);
	if (sotto_nl_wants_hints(ns))
		sotto_drop_event(ns, skb, why);
	kfree_skb(skb);
}

void sotto_drop_in(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why)
{
	unsigned int more = max_t(unsigned int, skb_shinfo(skb)->gso_segs, 1) - 1;

	sotto_stat_add(ns, SOTTO_STAT_IN_SEEN, more);
	sotto_stat_add(ns, why, more);
	sotto_drop(ns, skb, why);
}
