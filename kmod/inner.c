// SPDX-License-Identifier: GPL-2.0
/* IP's headers inside: which packets are of one burst. */
#include <net/ip.h>
#include <net/ip6_checksum.h>

#include "inner.h"

static unsigned int sotto_inner_len4(const struct iphdr *iph, unsigned int len, u8 *proto)
{
	if (len <= sizeof(*iph) || iph->version != 4 || iph->ihl != 5 ||
	    ntohs(iph->tot_len) != len || (iph->frag_off & ~htons(IP_DF)) ||
	    ip_fast_csum(iph, 5))
		return 0;
	*proto = iph->protocol;
	return sizeof(*iph);
}

static unsigned int sotto_inner_len6(const struct ipv6hdr *ip6h, unsigned int len, u8 *proto)
{
	if (len <= sizeof(*ip6h) || ip6h->version != 6 ||
	    ntohs(ip6h->payload_len) != len - sizeof(*ip6h))
		return 0;
	*proto = ip6h->nexthdr;
	return sizeof(*ip6h);
}

unsigned int sotto_inner_len(const union sotto_inner *ip, unsigned int len, u8 nexthdr,
			     u8 *proto)
{
	return nexthdr == IPPROTO_IPIP ? sotto_inner_len4(&ip->v4, len, proto)
				       : sotto_inner_len6(&ip->v6, len, proto);
}

bool sotto_inner_follows(const union sotto_inner *first, const union sotto_inner *next,
			 unsigned int n)
{
	const struct ipv6hdr *a6 = &first->v6, *b6 = &next->v6;
	const struct iphdr *a = &first->v4, *b = &next->v4;

	if (a->version == 4)
		return b->version == 4 && a->tos == b->tos && a->frag_off == b->frag_off &&
		       a->ttl == b->ttl && a->protocol == b->protocol &&
		       (u16)(ntohs(a->id) + n) == ntohs(b->id) &&
		       a->saddr == b->saddr && a->daddr == b->daddr;
	/* What comes first is version, traffic class and flow label. */
	return !memcmp(a6, b6, offsetof(struct ipv6hdr, payload_len)) &&
	       a6->nexthdr == b6->nexthdr && a6->hop_limit == b6->hop_limit &&
	       ipv6_addr_equal(&a6->saddr, &b6->saddr) &&
	       ipv6_addr_equal(&a6->daddr, &b6->daddr);
}

bool sotto_inner_fixed_id(const union sotto_inner *first, const union sotto_inner *next)
{
	return first->v4.version == 4 && first->v4.id == next->v4.id &&
	       first->v4.frag_off & htons(IP_DF);
}

void sotto_inner_addrs(const union sotto_inner *ip, struct sotto_addr *src,
		       struct sotto_addr *dst)
{
	if (ip->v4.version == 4) {
		sotto_addr_v4(src, ip->v4.saddr);
		sotto_addr_v4(dst, ip->v4.daddr);
	} else {
		sotto_addr_v6(src, &ip->v6.saddr);
		sotto_addr_v6(dst, &ip->v6.daddr);
	}
}

void sotto_inner_set_len(union sotto_inner *ip, unsigned int len)
{
	if (ip->v4.version == 4) {
		ip->v4.tot_len = htons(len);
		ip_send_check(&ip->v4);
	} else {
		ip->v6.payload_len = htons(len - sizeof(ip->v6));
	}
}

__sum16 sotto_inner_sum(const union sotto_inner *ip, unsigned int len, u8 proto, __wsum sum)
{
	if (ip->v4.version == 4)
		return csum_tcpudp_magic(ip->v4.saddr, ip->v4.daddr, len, proto, sum);
	return csum_ipv6_magic(&ip->v6.saddr, &ip->v6.daddr, len, proto, sum);
}
