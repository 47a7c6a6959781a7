// SPDX-License-Identifier: GPL-2.0
/* The way out: what becomes of a packet that wants protection, and its last step. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/route.h>

#include "acquire.h"
#include "compat.h"
#include "nat.h"
#include "netns.h"
#include "sa.h"
#include "seal.h"
#include "skb.h"
#include "tunnel.h"
#include "tunnel_mode.h"

static bool sotto_is_v4(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP);
}

/*
 * Go on behind POST_ROUTING, which this packet has been through, and behind the programs of
 * control groups: they see nothing of what is of no socket.
 */
static void sotto_output(struct net *net, struct sk_buff *skb)
{
	if (sotto_is_v4(skb)) {
		IPCB(skb)->flags |= IPSKB_REROUTED;
		ip_output(net, NULL, skb);
	} else {
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
		ip6_output(net, NULL, skb);
	}
}

void sotto_send_clear(struct sotto_net *ns, struct sk_buff *skb)
{
	sotto_stat_inc(ns, SOTTO_STAT_OUT_PASSED);
	sotto_output(ns->net, skb);
}

static struct neighbour *sotto_neighbour(struct sk_buff *skb, bool *cross)
{
	struct dst_entry *dst = skb_dst(skb);
	const struct in6_addr *nexthop;

	if (sotto_is_v4(skb))
		return ip_neigh_for_gw(skb_rtable(skb), skb, cross);
	nexthop = rt6_nexthop(container_of(dst, struct rt6_info, dst),
			      &ipv6_hdr(skb)->daddr);
	return ip_neigh_gw6(dst->dev, nexthop);
}

/*
 * The route's path MTU is that of inner packets: it is what transports ask for,
 * and what our own "too big" has set. An outer packet that fits the outer path
 * must not be measured by it again, so it goes straight to its neighbour.
 */
static void sotto_to_neighbour(struct sk_buff *skb)
{
	struct neighbour *n;
	bool cross = false;

	n = sotto_neighbour(skb, &cross);
	if (IS_ERR(n)) {
		kfree_skb(skb);
		return;
	}
	neigh_output(n, skb, cross);
}

/* The route does not know what the path is: fragments are of @mtu bytes at most. */
static void sotto_fragments(struct sk_buff *skb, unsigned int mtu)
{
	if (sotto_is_v4(skb))
		IPCB(skb)->frag_max_size = min(mtu, ip_skb_dst_mtu(NULL, skb));
	else
		IP6CB(skb)->frag_max_size = min(mtu, ip6_skb_dst_mtu(skb));
}

/* Is something else to be done to what leaves by @dst: a tunnel of xfrm's, say? */
static bool sotto_goes_on(const struct dst_entry *dst)
{
#ifdef CONFIG_XFRM
	if (dst->xfrm)
		return true;
#endif
	return dst->lwtstate;
}

void sotto_xmit(struct net *net, struct sk_buff *skb, unsigned int mtu)
{
	memset(skb->cb, 0, sizeof(skb->cb));
	/* Each packet of a burst fits: that was seen to before. */
	if ((skb->len <= mtu || skb_is_gso(skb)) && !sotto_goes_on(skb_dst(skb))) {
		sotto_to_neighbour(skb);
		return;
	}
	skb->ignore_df = 1;	/* what must not be fragmented was refused before */
	if (skb->len > mtu)
		sotto_fragments(skb, mtu);
	sotto_output(net, skb);
}

/* 0 where no error is due. */
static u8 sotto_refuse_code(enum sotto_stat why, bool v4)
{
	switch (why) {
	case SOTTO_STAT_OUT_DROP_BLOCK:
	case SOTTO_STAT_OUT_DROP_SOURCE:
	case SOTTO_STAT_OUT_DROP_FRAGMENT:
	case SOTTO_STAT_OUT_DROP_MODE:
		return v4 ? ICMP_PKT_FILTERED : ICMPV6_ADM_PROHIBITED;
	case SOTTO_STAT_OUT_DROP_REFUSED:
	case SOTTO_STAT_OUT_DROP_TIMEOUT:
	case SOTTO_STAT_OUT_DROP_MAX_TUNNELS:
	case SOTTO_STAT_OUT_DROP_MAX_ACQUIRES:
		return v4 ? ICMP_HOST_UNREACH : ICMPV6_ADDR_UNREACH;
	default:
		return 0;
	}
}

void sotto_refuse(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why)
{
	bool v4 = sotto_is_v4(skb);
	u8 code = sotto_refuse_code(why, v4);

	/* A device that went away took the namespace with it. */
	if (code && skb->dev && net_eq(dev_net(skb->dev), ns->net)) {
		if (v4)
			icmp_send(skb, ICMP_DEST_UNREACH, code, 0);
		else
			icmpv6_send(skb, ICMPV6_DEST_UNREACH, code, 0);
		sotto_stat_inc(ns, SOTTO_STAT_ICMP_SENT);
	}
	sotto_drop(ns, skb, why);
}

void sotto_too_big(struct sotto_net *ns, struct sk_buff *skb, unsigned int inner)
{
	/* A tunnel device of ours (GRE, say) hears no ICMP of its own host: it asks the route. */
	if (!skb->skb_iif)
		skb_dst_update_pmtu_no_confirm(skb, inner);
	if (sotto_is_v4(skb))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(inner));
	else
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0,
			    max_t(unsigned int, inner, IPV6_MIN_MTU));
	sotto_stat_inc(ns, SOTTO_STAT_ICMP_SENT);
	sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_TOO_BIG);
}

void sotto_seal_count(struct sotto_tunnel *t, struct sotto_sa *sa,
		      unsigned int packets, unsigned int len)
{
	atomic64_add(len, &sa->tx_bytes);
	atomic64_add(packets, &t->tx_packets);
	atomic64_add(len, &t->tx_bytes);
}

/* @p: of it; may be NULL where it is not too big. */
static void sotto_send_failed(struct sotto_tunnel *t, struct sk_buff *skb,
			      const struct sotto_pkt *p, int why)
{
	atomic64_inc(&t->drops);
	if (why == SOTTO_STAT_OUT_DROP_TOO_BIG)
		sotto_too_big(t->ns, skb, sotto_inner_mtu(IP_MAX_MTU, p->l4));
	else
		sotto_drop(t->ns, skb, why);
}

static void sotto_send_one(struct sotto_tunnel *t, struct sotto_sa *sa,
			   struct sk_buff *skb, const struct sotto_pkt *p,
			   unsigned int mtu)
{
	unsigned int len = skb->len;
	int why;

	why = sotto_seal_packet(t, sa, skb, p, mtu);
	if (why)
		sotto_send_failed(t, skb, p, why);
	else
		sotto_seal_count(t, sa, 1, len);
}

struct sk_buff *sotto_seal_segments(struct sotto_tunnel *t, struct sk_buff *skb)
{
	struct sk_buff *segs = skb_gso_segment(skb, 0), *seg;
	unsigned int more = 0;

	if (IS_ERR_OR_NULL(segs)) {
		atomic64_inc(&t->drops);
		sotto_drop(t->ns, skb, SOTTO_STAT_OUT_DROP_NOMEM);
		return NULL;
	}
	consume_skb(skb);
	for (seg = segs->next; seg; seg = seg->next)
		more++;
	sotto_stat_add(t->ns, SOTTO_STAT_OUT_SEEN, more);
	return segs;
}

static void sotto_send_segment(struct sotto_tunnel *t, struct sotto_sa *sa,
			       struct sk_buff *seg, unsigned int mtu)
{
	struct sotto_pkt p;

	if (sotto_pkt_parse(seg, sotto_is_v4(seg) ? NFPROTO_IPV4 : NFPROTO_IPV6, &p))
		sotto_send_one(t, sa, seg, &p, mtu);
	else
		sotto_send_failed(t, seg, NULL, SOTTO_STAT_OUT_DROP_HEADER);
}

/* A GSO packet that cannot be sealed in one. */
static void sotto_send_segments(struct sotto_tunnel *t, struct sotto_sa *sa,
				struct sk_buff *skb, unsigned int mtu)
{
	struct sk_buff *seg, *next;

	skb_list_walk_safe(sotto_seal_segments(t, skb), seg, next) {
		skb_mark_not_on_list(seg);
		sotto_send_segment(t, sa, seg, mtu);
	}
}

static void sotto_send_burst(struct sotto_tunnel *t, struct sotto_sa *sa,
			     struct sk_buff *skb, const struct sotto_pkt *p,
			     unsigned int mtu)
{
	int why = SOTTO_STAT_OUT_DROP_NOMEM;

	if (READ_ONCE(t->ns->limits.gso) && !READ_ONCE(sa->late) &&
	    sotto_burst_can(skb, p))
		why = sotto_burst_seal(t, sa, skb, p, p, mtu);
	if (why == SOTTO_STAT_OUT_DROP_NOMEM)	/* smaller pieces may do */
		sotto_send_segments(t, sa, skb, mtu);
	else if (why)
		sotto_send_failed(t, skb, p, why);
}

/*
 * May this packet, sealed, exceed the outer path's MTU? Where the sender let the
 * stack fragment, the sealed packet is fragmented instead; IPv6 owes its minimum
 * MTU to everybody. Of a burst that is each of its packets.
 */
static bool sotto_fits(const struct sk_buff *skb, unsigned int inner)
{
	if (sotto_len_fits(skb, inner) || skb->ignore_df)
		return true;
	if (sotto_is_v4(skb))
		return !(ip_hdr(skb)->frag_off & htons(IP_DF));
	return sotto_len_fits(skb, IPV6_MIN_MTU);
}

/* Transport mode is for packets between the two hosts themselves. */
static bool sotto_mode_fits(struct sotto_tunnel *t, const struct sotto_sa *sa,
			    const struct sotto_pkt *p)
{
	return !p->fragment && sotto_addr_equal(&p->dst, &t->dst) &&
	       sotto_local_is(t->ns, &p->src);
}

/*
 * A datagram that somebody below us was to cut into fragments (UFO, of a virtual machine): none of
 * those could be sealed, so it becomes one packet. False without memory.
 */
static bool sotto_keep_whole(struct sk_buff *skb)
{
	if (!skb_is_gso(skb) || !(skb_shinfo(skb)->gso_type & SKB_GSO_UDP))
		return true;
	if (skb_unclone(skb, GFP_ATOMIC | __GFP_NOWARN))
		return false;
	skb_gso_reset(skb);
	return true;
}

void sotto_seal(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		const struct sotto_pkt *p)
{
	enum sotto_action action = SOTTO_ACTION_PROTECT;
	struct sotto_net *ns = t->ns;
	unsigned int mtu, inner;

	if (sotto_sa_expired(sa)) {
		sotto_sa_delete(sa, SOTTO_EVENT_SA_HARD);
		if (sotto_policy_lookup(ns, &p->dst, NULL) == SOTTO_ACTION_PREFER)
			action = SOTTO_ACTION_PREFER;
		sotto_acquire(ns, skb, p, &t->dst, action);
		return;
	}
	if (sa->mode == SOTTO_SA_MODE_TUNNEL) {
		sotto_encap_send(t, sa, skb, p);
		return;
	}
	if (!sotto_mode_fits(t, sa, p)) {
		atomic64_inc(&t->drops);
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_MODE);
		return;
	}

	if (unlikely(sa->nat) && !sotto_nat_reroute(sa, skb, p)) {
		atomic64_inc(&t->drops);
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_ROUTE);
		return;
	}
	mtu = sotto_outer_mtu(t, skb_dst(skb));
	inner = sotto_inner_mtu(mtu, p->l4);
	if (p->proto == IPPROTO_TCP)
		sotto_clamp_mss(ns, skb, p, inner);
	if (!sotto_fits(skb, inner)) {
		atomic64_inc(&t->drops);
		sotto_too_big(ns, skb, inner);
		return;
	}
	if (!sotto_keep_whole(skb))
		sotto_send_failed(t, skb, p, SOTTO_STAT_OUT_DROP_NOMEM);
	else if (!skb_is_gso(skb))
		sotto_send_one(t, sa, skb, p, mtu);
	else if (sotto_len_fits(skb, inner))
		sotto_send_burst(t, sa, skb, p, mtu);
	else	/* to be fragmented one by one */
		sotto_send_segments(t, sa, skb, mtu);
}

void sotto_send(struct sotto_net *ns, struct sk_buff *skb, const struct sotto_pkt *p,
		const struct sotto_addr *to, enum sotto_action action)
{
	struct sotto_tunnel *t;
	struct sotto_sa *sa;

	if (!sotto_local_is(ns, &p->src) && !sotto_behind_is(ns, &p->src)) {
		if (action == SOTTO_ACTION_PREFER)
			sotto_send_clear(ns, skb);
		else
			sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_SOURCE);
		return;
	}
	t = sotto_tunnel_lookup(ns, to);
	sa = t ? rcu_dereference(t->sa) : NULL;
	/* Keys may come for either mode: a fragment does not wait for them. */
	if (p->fragment && !(sa && sa->mode == SOTTO_SA_MODE_TUNNEL)) {
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_FRAGMENT);
		return;
	}
	if (likely(sa && !READ_ONCE(t->draining))) {
		WRITE_ONCE(t->used, jiffies);
		sotto_seal(t, sa, skb, p);
		return;
	}
	sotto_acquire(ns, skb, p, to, action);
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/send.c"
#endif
