// SPDX-License-Identifier: GPL-2.0
/*
 * Tunnel mode: a packet gets another IP header in front, and is sealed whole; on the
 * other side it is taken out, and goes through PRE_ROUTING and routing as a packet
 * that came by itself. DSCP and ECN cross as RFC 6040 says (normal mode).
 *
 * What is inside may be a fragment: whole packets are what the entries behind ours
 * want, so it is gathered here, apart from fragments that came in the clear.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/dsfield.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/route.h>

#include "compat.h"
#include "nat.h"
#include "netns.h"
#include "sa.h"
#include "seal.h"
#include "tunnel.h"
#include "tunnel_mode.h"

/* Whose fragments: no user of the stack's own has this number. */
#define SOTTO_DEFRAG_USER	0x736f7474

static bool sotto_is_v4(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP);
}

/* What is outside: from where to where, and what fits there. */
struct sotto_outer {
	struct sotto_addr src, dst;
	unsigned int mtu;
};

static unsigned int sotto_outer_len(const struct sotto_addr *to)
{
	return to->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static struct dst_entry *sotto_encap_route4(struct net *net, const struct sk_buff *skb,
					    struct sotto_addr *src,
					    const struct sotto_addr *dst)
{
	struct flowi4 fl4 = {
		.flowi4_oif = l3mdev_master_ifindex_rcu(skb_dst(skb)->dev),
		.flowi4_mark = skb->mark, .flowi4_proto = IPPROTO_UDP,
		.saddr = src->ip.ip, .daddr = dst->ip.ip,
	};
	struct rtable *rt = ip_route_output_key(net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	sotto_addr_v4(src, fl4.saddr);
	return &rt->dst;
}

static struct dst_entry *sotto_encap_route6(struct net *net, const struct sk_buff *skb,
					    struct sotto_addr *src,
					    const struct sotto_addr *dst)
{
	struct flowi6 fl6 = {
		.flowi6_oif = l3mdev_master_ifindex_rcu(skb_dst(skb)->dev),
		.flowi6_mark = skb->mark, .flowi6_proto = IPPROTO_UDP,
		.saddr = src->ip.in6, .daddr = dst->ip.in6,
	};
	struct dst_entry *route;

	if (!ipv6_mod_enabled() || ip6_dst_lookup(net, NULL, &route, &fl6))
		return NULL;
	sotto_addr_v6(src, &fl6.saddr);
	return route;
}

struct dst_entry *sotto_route(struct net *net, const struct sk_buff *skb,
			      struct sotto_addr *src, const struct sotto_addr *dst)
{
	return dst->family == AF_INET ? sotto_encap_route4(net, skb, src, dst)
				      : sotto_encap_route6(net, skb, src, dst);
}

/* Of our addresses, one that the SA was made for; open where it names none. */
static void sotto_encap_src(const struct sotto_sa *sa, u16 family, struct sotto_addr *src)
{
	unsigned int i;

	memset(src, 0, sizeof(*src));
	src->family = family;
	for (i = 0; i < sa->n_local; i++)
		if (sa->local[i].family == family) {
			*src = sa->local[i];
			return;
		}
}

static struct dst_entry *sotto_encap_from(const struct sotto_sa *sa, const struct sk_buff *skb,
					  struct sotto_addr *src, const struct sotto_addr *to)
{
	struct dst_entry *route = sotto_route(sa->ns->net, skb, src, to);

	if (!route)
		return NULL;
	if (!(route->dev->flags & IFF_LOOPBACK) && sotto_local_is(sa->ns, src) &&
	    sotto_sa_local_is(sa, src))
		return route;
	dst_release(route);
	return NULL;
}

/*
 * From what the route chooses, for we may have moved from one of our addresses to
 * another; unless the SA was made for others.
 * Return: the route to @to, held, and in @src from where; or NULL.
 */
static struct dst_entry *sotto_encap_route(const struct sotto_sa *sa,
					   const struct sk_buff *skb,
					   struct sotto_addr *src,
					   const struct sotto_addr *to)
{
	struct dst_entry *route;

	memset(src, 0, sizeof(*src));
	src->family = to->family;
	route = sotto_encap_from(sa, skb, src, to);
	if (route)
		return route;
	sotto_encap_src(sa, to->family, src);
	return sotto_encap_from(sa, skb, src, to);
}

/* Of how many packets @skb is, at most: what comes of a virtual machine does not say. */
static unsigned int sotto_encap_segs(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);

	if (info->gso_segs || !info->gso_size)
		return max_t(unsigned int, info->gso_segs, 1);
	return DIV_ROUND_UP(skb->len, info->gso_size);
}

static void sotto_encap_header4(struct net *net, struct sk_buff *skb,
				const struct sotto_addr *src,
				const struct sotto_addr *dst, u8 tos, bool df)
{
	struct iphdr *iph = ip_hdr(skb);

	iph->version = 4;
	iph->ihl = 5;
	iph->tos = tos;
	iph->tot_len = 0;	/* written when it is sealed */
	iph->frag_off = df ? htons(IP_DF) : 0;
	iph->ttl = ip4_dst_hoplimit(skb_dst(skb));
	iph->protocol = IPPROTO_UDP;
	iph->check = 0;
	iph->saddr = src->ip.ip;
	iph->daddr = dst->ip.ip;
	iph->id = 0;
	if (!df)
		__ip_select_ident(net, iph, sotto_encap_segs(skb));
}

static void sotto_encap_header6(struct sk_buff *skb, const struct sotto_addr *src,
				const struct sotto_addr *dst, u8 tos)
{
	struct ipv6hdr *ip6h = ipv6_hdr(skb);

	ip6_flow_hdr(ip6h, tos, 0);
	ip6h->payload_len = 0;	/* written when it is sealed */
	ip6h->nexthdr = IPPROTO_UDP;
	ip6h->hop_limit = ip6_dst_hoplimit(skb_dst(skb));
	ip6h->saddr = src->ip.in6;
	ip6h->daddr = dst->ip.in6;
}

/*
 * Put the outer header in front, and say in @p what is to be sealed: all behind it.
 * @route is @skb's afterwards. False without memory.
 */
static bool sotto_encap_push(struct sotto_tunnel *t, struct sk_buff *skb,
			     struct dst_entry *route, const struct sotto_outer *o,
			     struct sotto_pkt *p)
{
	unsigned int hdr = sotto_outer_len(&o->dst);
	bool v4 = sotto_is_v4(skb), df;
	u8 tos;

	tos = v4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));
	df = !v4 || (ip_hdr(skb)->frag_off & htons(IP_DF));
	if (!skb_is_gso(skb) && sotto_sealed_len(hdr + skb->len, hdr) > o->mtu)
		df = false;	/* what may not be fragmented was refused before */
	skb_get_hash(skb);	/* of the flow inside */
	if (skb_cow_head(skb, hdr + LL_RESERVED_SPACE(route->dev)))
		return false;

	skb_dst_drop(skb);
	skb_dst_set(skb, dst_clone(route));
	skb->dev = route->dev;
	skb_push(skb, hdr);
	skb_reset_network_header(skb);
	if (o->dst.family == AF_INET) {
		sotto_encap_header4(t->ns->net, skb, &o->src, &o->dst, tos, df);
		skb->protocol = htons(ETH_P_IP);
		p->nhoff = offsetof(struct iphdr, protocol);
	} else {
		sotto_encap_header6(skb, &o->src, &o->dst, tos);
		skb->protocol = htons(ETH_P_IPV6);
		p->nhoff = offsetof(struct ipv6hdr, nexthdr);
	}
	p->src = o->src;
	p->dst = o->dst;
	p->port = 0;
	p->l4 = hdr;
	p->proto = v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	p->fragment = false;
	return true;
}

/* The opposite, but for the route. */
static void sotto_encap_pop(struct sk_buff *skb, const struct sotto_pkt *p)
{
	__skb_pull(skb, p->l4);
	skb_reset_network_header(skb);
	skb->protocol = p->proto == IPPROTO_IPIP ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
}

static void sotto_encap_failed(struct sotto_tunnel *t, struct sk_buff *skb, int why)
{
	atomic64_inc(&t->drops);
	sotto_drop(t->ns, skb, why);
}

static void sotto_encap_one(struct sotto_tunnel *t, struct sotto_sa *sa,
			    struct sk_buff *skb, struct dst_entry *route,
			    const struct sotto_outer *o)
{
	int why = SOTTO_STAT_OUT_DROP_NOMEM;
	unsigned int len = skb->len;
	struct sotto_pkt p;

	if (sotto_encap_push(t, skb, route, o, &p))
		why = sotto_seal_packet(t, sa, skb, &p, o->mtu);
	if (why)
		sotto_encap_failed(t, skb, why);
	else
		sotto_seal_count(t, sa, 1, len);
}

static void sotto_encap_segments(struct sotto_tunnel *t, struct sotto_sa *sa,
				 struct sk_buff *skb, struct dst_entry *route,
				 const struct sotto_outer *o)
{
	struct sk_buff *seg, *next;

	skb_list_walk_safe(sotto_seal_segments(t, skb), seg, next) {
		skb_mark_not_on_list(seg);
		sotto_encap_one(t, sa, seg, route, o);
	}
}

/*
 * A GSO packet as it is, be it of a socket of ours or one that GRO has made of what we forward.
 * @p: of it. Return: false when nothing was done.
 */
static bool sotto_encap_burst(struct sotto_tunnel *t, struct sotto_sa *sa,
			      struct sk_buff *skb, struct dst_entry *route,
			      const struct sotto_outer *o, const struct sotto_pkt *p)
{
	struct sotto_pkt outer, inner = *p;
	int why;

	if (!READ_ONCE(t->ns->limits.gso) || READ_ONCE(sa->late) || route->lwtstate ||
	    !sotto_burst_can(skb, p) || !sotto_encap_push(t, skb, route, o, &outer))
		return false;
	inner.l4 += outer.l4;
	inner.nhoff += outer.l4;
	why = sotto_burst_seal(t, sa, skb, &outer, &inner, o->mtu);
	if (why == SOTTO_STAT_OUT_DROP_NOMEM) {	/* smaller pieces may do */
		sotto_encap_pop(skb, &outer);
		return false;
	}
	if (why)
		sotto_encap_failed(t, skb, why);
	return true;
}

/* Largest of the fragments that a forwarded packet came in; 0 if it came whole. */
static unsigned int sotto_frag_max(const struct sk_buff *skb)
{
	return sotto_is_v4(skb) ? IPCB(skb)->frag_max_size : IP6CB(skb)->frag_max_size;
}

enum sotto_encap_fit {
	FIT_WHOLE,		/* as it is; the outer packet is fragmented where it must be */
	FIT_FRAGMENTS,		/* IPv6 fragments again, before they are sealed */
	FIT_NOT,
};

/* @inner: what fits the outer path. */
static enum sotto_encap_fit sotto_encap_fit(const struct sk_buff *skb, unsigned int inner)
{
	unsigned int frag_max = sotto_frag_max(skb);

	if (sotto_len_fits(skb, inner))
		return FIT_WHOLE;
	if (sotto_is_v4(skb))
		return skb->ignore_df || !(ip_hdr(skb)->frag_off & htons(IP_DF)) ?
		       FIT_WHOLE : FIT_NOT;
	if (sotto_len_fits(skb, IPV6_MIN_MTU))
		return FIT_WHOLE;
	if (skb_is_gso(skb))
		return FIT_NOT;
	/* Nobody between the other end and the destination may fragment it. */
	if (frag_max)
		return frag_max <= max_t(unsigned int, inner, IPV6_MIN_MTU) ?
		       FIT_FRAGMENTS : FIT_NOT;
	return skb->ignore_df ? FIT_FRAGMENTS : FIT_NOT;
}

/* Of IPv6. */
static bool sotto_is_later_fragment(struct sk_buff *skb)
{
	const struct frag_hdr *fh;
	struct sotto_pkt p;
	struct frag_hdr buf;

	if (!sotto_pkt_parse(skb, NFPROTO_IPV6, &p) || !p.fragment)
		return false;
	fh = skb_header_pointer(skb, p.l4, sizeof(buf), &buf);
	return fh && fh->frag_off & htons(IP6_OFFSET);
}

/* Fragments that ip6_fragment() made for us, on this CPU. */
static DEFINE_PER_CPU(unsigned int, sotto_encap_made);

/* One of those: it goes the same way. */
static int sotto_encap_fragment(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct sotto_net *ns = sotto_net(net);

	this_cpu_inc(sotto_encap_made);
	memset(skb->cb, 0, sizeof(skb->cb));
	if (sotto_is_later_fragment(skb))	/* the first was seen as the whole */
		sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
	sotto_out(ns, skb);
	return 0;
}

/* As large as they came, if they did, and as @inner has room for. */
static void sotto_encap_fragments(struct sotto_tunnel *t, struct sk_buff *skb,
				  unsigned int inner)
{
	unsigned int max = min(ip6_skb_dst_mtu(skb), max_t(unsigned int, inner, IPV6_MIN_MTU));
	unsigned int made = this_cpu_read(sotto_encap_made);

	IP6CB(skb)->frag_max_size = min(IP6CB(skb)->frag_max_size ?: max, max);
	if (!sotto_ip6_fragment(t->ns->net, skb->sk, skb, sotto_encap_fragment))
		return;
	/* If the first has left it was seen as the whole, and what is lost was not. */
	if (this_cpu_read(sotto_encap_made) != made)
		sotto_stat_inc(t->ns, SOTTO_STAT_OUT_SEEN);
	atomic64_inc(&t->drops);
	sotto_stat_inc(t->ns, SOTTO_STAT_OUT_DROP_NOMEM);
}

void sotto_encap_send(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p)
{
	struct dst_entry *route;
	unsigned int hdr, inner;
	struct sotto_outer o;

	sotto_nat_to(sa, &t->dst, &o.dst);
	hdr = sotto_outer_len(&o.dst);
	route = sotto_encap_route(sa, skb, &o.src, &o.dst);
	if (!route) {
		atomic64_inc(&t->drops);
		sotto_refuse(t->ns, skb, SOTTO_STAT_OUT_DROP_ROUTE);
		return;
	}
	o.mtu = sotto_outer_mtu(t, route);
	inner = sotto_inner_mtu(o.mtu, hdr) - hdr;
	if (p->proto == IPPROTO_TCP && !p->fragment)
		sotto_clamp_mss(t->ns, skb, p, inner);

	switch (sotto_encap_fit(skb, inner)) {
	case FIT_NOT:
		atomic64_inc(&t->drops);
		sotto_too_big(t->ns, skb, inner);
		break;
	case FIT_FRAGMENTS:
		sotto_encap_fragments(t, skb, inner);
		break;
	case FIT_WHOLE:
		if (!skb_is_gso(skb))
			sotto_encap_one(t, sa, skb, route, &o);
		else if (!sotto_len_fits(skb, inner) ||
			 !sotto_encap_burst(t, sa, skb, route, &o, p))
			sotto_encap_segments(t, sa, skb, route, &o);
	}
	dst_release(route);
}

/* IP's own checks of what came in, which were made of the outer header alone. */
static bool sotto_decap_ok4(struct sk_buff *skb)
{
	const struct iphdr *iph;
	unsigned int len;

	if (!pskb_may_pull(skb, sizeof(*iph)))
		return false;
	iph = ip_hdr(skb);
	if (iph->version != 4 || iph->ihl < 5 || !pskb_may_pull(skb, iph->ihl * 4))
		return false;
	iph = ip_hdr(skb);
	len = ntohs(iph->tot_len);
	if (ip_fast_csum(iph, iph->ihl) || len < iph->ihl * 4 || len > skb->len)
		return false;
	return !pskb_trim(skb, len);
}

/* For IPv4 routing asks that. */
static bool sotto_decap_between6(const struct in6_addr *src, const struct in6_addr *dst)
{
	return !ipv6_addr_loopback(src) && !ipv6_addr_loopback(dst) &&
	       !ipv6_addr_is_multicast(src) && !ipv6_addr_v4mapped(src);
}

/* Neither jumbograms nor what every hop has to look at. */
static bool sotto_decap_ok6(struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h;
	unsigned int len;

	if (!pskb_may_pull(skb, sizeof(*ip6h)))
		return false;
	ip6h = ipv6_hdr(skb);
	len = sizeof(*ip6h) + ntohs(ip6h->payload_len);
	if (ip6h->version != 6 || ip6h->nexthdr == NEXTHDR_HOP || len > skb->len ||
	    !sotto_decap_between6(&ip6h->saddr, &ip6h->daddr))
		return false;
	return !pskb_trim(skb, len);
}

/* Routing and delivery, for a packet of another family than what brought it. */
static int sotto_decap_finish4(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	const struct iphdr *iph;

	skb = l3mdev_ip_rcv(skb);
	if (!skb)
		return 0;
	iph = ip_hdr(skb);
	/* Options are read by what IP does first, which this packet does not see. */
	if (iph->ihl > 5 || sotto_route_input4(skb, iph)) {
		kfree_skb(skb);
		return 0;
	}
	return skb_dst(skb)->input(skb);
}

static int sotto_decap_finish6(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	skb = l3mdev_ip6_rcv(skb);
	if (!skb)
		return 0;
	if (sotto_route_input6(skb)) {
		kfree_skb(skb);
		return 0;
	}
	return skb_dst(skb)->input(skb);
}

/* Fragments until they are whole. Return: true when @skb is a whole packet. */
static bool sotto_decap_whole(struct sotto_net *ns, struct sk_buff *skb)
{
	struct sotto_pkt p;

	if (sotto_is_v4(skb)) {
		if (!ip_is_fragment(ip_hdr(skb)))
			return true;
		if (ip_defrag(ns->net, skb, SOTTO_DEFRAG_USER))
			return false;	/* waits, or is gone */
		skb->ignore_df = 1;
		return true;
	}
	if (!sotto_pkt_parse(skb, NFPROTO_IPV6, &p) || !p.fragment)
		return true;
	switch (nf_ct_frag6_gather(ns->net, skb, SOTTO_DEFRAG_USER)) {
	case 0:
		return true;
	case -EINPROGRESS:
		return false;
	default:
		kfree_skb(skb);
		return false;
	}
}

/* Whatever the outer packet left behind. */
static void sotto_decap_reset(struct sk_buff *skb, const struct net_device *in, bool vouch)
{
	memset(skb->cb, 0, sizeof(skb->cb));
	if (sotto_is_v4(skb)) {
		IPCB(skb)->iif = skb->skb_iif;
		skb_set_transport_header(skb, ip_hdrlen(skb));
	} else {
		IP6CB(skb)->iif = in->ifindex;
		IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
		skb_set_transport_header(skb, sizeof(struct ipv6hdr));
	}
	if (!skb_is_gso(skb))	/* a burst's checksum is left to whoever cuts it */
		skb->ip_summed = vouch ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE;
	skb->csum_level = 0;
	skb->csum_valid = 0;
	skb->csum_complete_sw = 0;
	skb->encapsulation = 0;
	skb->pkt_type = PACKET_HOST;
	skb->ignore_df = 0;	/* that the outer packet was in fragments is no matter */
	skb_clear_hash(skb);
	nf_reset_ct(skb);
}

bool sotto_decap_vouched(const struct sotto_sa *sa, const struct sotto_addr *src,
			 const struct sotto_addr *dst)
{
	return sotto_sa_peer_is(sa, src) && sotto_local_is(sa->ns, dst);
}

/* Return: 0 or the counter of what is wrong; @ip: of the packet inside. */
static int sotto_decap_check(struct sotto_sa *sa, struct sk_buff *skb, u8 outer_tos,
			     struct sotto_pkt *ip)
{
	bool v4 = sotto_is_v4(skb);
	u8 tos;

	if (!(v4 ? sotto_decap_ok4(skb) : sotto_decap_ok6(skb)) ||
	    !sotto_pkt_parse(skb, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, ip))
		return SOTTO_STAT_IN_DROP_MALFORMED;
	if (!sotto_sa_inner_is(sa, &ip->src) ||
	    (!sotto_local_is(sa->ns, &ip->dst) && !sotto_sa_reach_is(sa, &ip->dst)))
		return SOTTO_STAT_IN_DROP_ADDRESS;

	tos = v4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));
	if (INET_ECN_decapsulate(skb, outer_tos, tos) > 1)
		return SOTTO_STAT_IN_DROP_ECN;
	return 0;
}

void sotto_decap_up(struct sotto_sa *sa, struct sk_buff *skb, const struct sotto_pkt *p,
		    u8 nexthdr, const struct nf_hook_state *state)
{
	bool outer4 = sotto_is_v4(skb), inner4 = nexthdr == IPPROTO_IPIP;
	struct nf_hook_state on = *state;
	unsigned int n = skb_shinfo(skb)->gso_segs ?: 1;
	struct sotto_net *ns = sa->ns;
	struct sotto_pkt ip;
	u8 tos;
	int why;

	tos = outer4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));
	__skb_pull(skb, p->l4);
	skb_reset_network_header(skb);
	if (skb_mac_header_was_set(skb))
		skb_mac_header_rebuild(skb);
	skb->protocol = inner4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	if (outer4 != inner4 && skb_mac_header_was_set(skb) && skb->mac_len == ETH_HLEN)
		eth_hdr(skb)->h_proto = skb->protocol;

	why = sotto_decap_check(sa, skb, tos, &ip);
	if (why) {
		sotto_stat_add(ns, why, n - 1);
		sotto_drop(ns, skb, why);
		return;
	}
	sotto_decap_reset(skb, state->in, sotto_decap_vouched(sa, &ip.src, &ip.dst));
	if (ip.proto == IPPROTO_TCP && !ip.fragment)
		sotto_clamp_mss(ns, skb, &ip, sotto_inner_mtu(READ_ONCE(state->in->mtu),
							      p->l4) - p->l4);
	sotto_stat_add(ns, SOTTO_STAT_IN_OPENED, n);
	if (ip.fragment && !sotto_decap_whole(ns, skb))
		return;

	if (outer4 != inner4) {
		on.pf = inner4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
		on.okfn = inner4 ? sotto_decap_finish4 : sotto_decap_finish6;
	}
	sotto_resume(skb, &on);
}
