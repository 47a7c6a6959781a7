// SPDX-License-Identifier: GPL-2.0
/* Path MTU: what fits, MSS clamping, and ICMP errors about our own packets. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/checksum.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/lwtunnel.h>
#include <net/tcp.h>

#include "nat.h"
#include "netns.h"
#include "sa.h"
#include "skb.h"
#include "tunnel.h"
#include "wire.h"

unsigned int sotto_sealed_len(unsigned int len, unsigned int l4)
{
	return l4 + SOTTO_ENCAP_LEN + ALIGN(len - l4 + SOTTO_TRAILER_LEN, 4) +
	       SOTTO_ICV_LEN;
}

unsigned int sotto_inner_mtu(unsigned int outer, unsigned int l4)
{
	unsigned int fixed = l4 + SOTTO_ENCAP_LEN + SOTTO_ICV_LEN;

	if (outer < fixed + 4)
		return l4;
	return l4 + round_down(outer - fixed, 4) - SOTTO_TRAILER_LEN;
}

bool sotto_len_fits(const struct sk_buff *skb, unsigned int len)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, len) : skb->len <= len;
}

static unsigned int sotto_dev_mtu(const struct net_device *dev, u16 family)
{
	struct inet6_dev *idev;

	if (family == AF_INET6) {
		idev = __in6_dev_get(dev);
		if (idev)
			return READ_ONCE(idev->cnf.mtu6);
	}
	return min_t(unsigned int, READ_ONCE(dev->mtu), IP_MAX_MTU);
}

/*
 * What the administrator says of the path (ip route add ... mtu), 0 if nothing. What was
 * learnt of inner packets is not in there: IPv6 copies the route for that.
 */
static unsigned int sotto_route_mtu(const struct dst_entry *route)
{
	const struct fib6_info *from;

#ifdef CONFIG_XFRM
	if (route->xfrm)	/* what it adds is reckoned by itself */
		return 0;
#endif
	if (route->ops->family == AF_INET)
		return dst_metric_raw(route, RTAX_MTU);
	from = rcu_dereference(container_of(route, const struct rt6_info, dst)->from);
	return from ? READ_ONCE(from->fib6_pmtu) : 0;
}

/* What is still to be added on @route: by xfrm, or by the route itself (MPLS, say). */
static unsigned int sotto_route_adds(const struct dst_entry *route, unsigned int mtu)
{
	unsigned int len = lwtunnel_headroom(route->lwtstate, mtu);

#ifdef CONFIG_XFRM
	if (route->xfrm)
		len += route->header_len + route->trailer_len;
#endif
	return min(len, mtu);
}

unsigned int sotto_outer_mtu(const struct sotto_tunnel *t, const struct dst_entry *route)
{
	unsigned int mtu = sotto_dev_mtu(route->dev, route->ops->family);
	unsigned int told = sotto_route_mtu(route);
	u32 learnt = READ_ONCE(t->pmtu);

	if (told && told < mtu)
		mtu = told;
	if (learnt && learnt < mtu && time_before(jiffies, READ_ONCE(t->pmtu_expires)))
		mtu = learnt;
	return mtu - sotto_route_adds(route, mtu);
}

/* Offset of the MSS value in a SYN's options from the TCP header, or 0. */
static unsigned int sotto_find_mss(const struct tcphdr *th)
{
	const u8 *opt = (const u8 *)th;
	unsigned int len = th->doff * 4, i = sizeof(*th);

	while (i + TCPOLEN_MSS <= len) {
		if (opt[i] == TCPOPT_EOL)
			return 0;
		if (opt[i] == TCPOPT_NOP) {
			i++;
			continue;
		}
		if (opt[i] == TCPOPT_MSS && opt[i + 1] == TCPOLEN_MSS)
			return i + 2;
		if (opt[i + 1] < 2)
			return 0;
		i += opt[i + 1];
	}
	return 0;
}

void sotto_clamp_mss(struct sotto_net *ns, struct sk_buff *skb,
		     const struct sotto_pkt *p, unsigned int inner)
{
	__be16 *mss, old, clamped;
	unsigned int off;
	struct tcphdr *th;

	if (!pskb_may_pull(skb, p->l4 + sizeof(*th)))
		return;
	th = (struct tcphdr *)(skb_network_header(skb) + p->l4);
	if (!th->syn || th->doff * 4 < sizeof(*th) ||
	    inner < p->l4 + sizeof(*th) + TCP_MIN_MSS ||
	    skb_ensure_writable(skb, p->l4 + th->doff * 4))
		return;

	th = (struct tcphdr *)(skb_network_header(skb) + p->l4);
	off = sotto_find_mss(th);
	if (!off)
		return;
	mss = (__be16 *)((u8 *)th + off);
	clamped = htons(min_t(unsigned int, inner - p->l4 - sizeof(*th), U16_MAX));
	old = get_unaligned(mss);
	if (ntohs(old) <= ntohs(clamped))
		return;
	put_unaligned(clamped, mss);
	if (off % 2) {		/* behind one NOP, say: half of it is in each of two words */
		old = (__force __be16)swab16((__force u16)old);
		clamped = (__force __be16)swab16((__force u16)clamped);
	}
	inet_proto_csum_replace2(&th->check, skb, old, clamped, false);
	sotto_stat_inc(ns, SOTTO_STAT_MSS_CLAMPED);
}

/* An ICMP error's quotation of one of our outer packets. */
struct sotto_quote {
	struct sotto_addr src, dst;
	u32 spi, seq_lo;
	u32 mtu;
};

static bool sotto_quote_udp(struct sk_buff *skb, unsigned int off,
			    struct sotto_quote *q)
{
	struct {
		struct udphdr udp;
		__be32 spi, seq_lo;
	} __packed h;

	if (skb_copy_bits(skb, off, &h, sizeof(h)))
		return false;
	q->spi = ntohl(h.spi);
	q->seq_lo = ntohl(h.seq_lo);
	return true;
}

static bool sotto_quote4(struct sk_buff *skb, unsigned int off, struct sotto_quote *q)
{
	struct icmphdr icmp;
	struct iphdr iph;

	if (skb_copy_bits(skb, off, &icmp, sizeof(icmp)) ||
	    icmp.type != ICMP_DEST_UNREACH || icmp.code != ICMP_FRAG_NEEDED)
		return false;
	off += sizeof(icmp);
	if (skb_copy_bits(skb, off, &iph, sizeof(iph)) || iph.version != 4 ||
	    iph.ihl < 5 || iph.protocol != IPPROTO_UDP ||
	    (iph.frag_off & htons(IP_OFFSET)))
		return false;
	sotto_addr_v4(&q->src, iph.saddr);
	sotto_addr_v4(&q->dst, iph.daddr);
	q->mtu = ntohs(icmp.un.frag.mtu);
	return sotto_quote_udp(skb, off + iph.ihl * 4, q);
}

static bool sotto_quote6(struct sk_buff *skb, unsigned int off, struct sotto_quote *q)
{
	struct icmp6hdr icmp;
	struct ipv6hdr ip6h;

	if (skb_copy_bits(skb, off, &icmp, sizeof(icmp)) ||
	    icmp.icmp6_type != ICMPV6_PKT_TOOBIG)
		return false;
	off += sizeof(icmp);
	if (skb_copy_bits(skb, off, &ip6h, sizeof(ip6h)) || ip6h.version != 6 ||
	    ip6h.nexthdr != IPPROTO_UDP)
		return false;
	sotto_addr_v6(&q->src, &ip6h.saddr);
	sotto_addr_v6(&q->dst, &ip6h.daddr);
	q->mtu = ntohl(icmp.icmp6_mtu);
	return sotto_quote_udp(skb, off + sizeof(ip6h), q);
}

/* Did we send this lately? An off-path attacker would have to guess both. */
static bool sotto_quote_plausible(const struct sotto_quote *q, struct sotto_sa *sa)
{
	u32 top = lower_32_bits(atomic64_read(&sa->seq));

	return q->spi == sa->spi && top - q->seq_lo < SOTTO_PMTU_SEQ_SLACK;
}

static void sotto_pmtu_learn(struct sotto_tunnel *t, u32 mtu)
{
	u32 min_mtu = t->dst.family == AF_INET ? SOTTO_PMTU_MIN : IPV6_MIN_MTU;

	WRITE_ONCE(t->pmtu_expires, jiffies + SOTTO_PMTU_LIFETIME_S * HZ);
	WRITE_ONCE(t->pmtu, max(mtu, min_mtu));
	sotto_stat_inc(t->ns, SOTTO_STAT_PMTU_UPDATES);
}

/* Sent to an endpoint: it is of all tunnels that use this SA. */
static void sotto_pmtu_learn_all(struct sotto_sa *sa, u32 mtu)
{
	struct sotto_tunnel *t;
	unsigned int i;

	for (i = 0; i < sa->n_peer; i++) {
		t = sotto_tunnel_lookup(sa->ns, &sa->peer[i]);
		if (t && rcu_access_pointer(t->sa) == sa)
			sotto_pmtu_learn(t, mtu);
	}
}

bool sotto_icmp_error(struct sotto_net *ns, struct sk_buff *skb,
		      const struct sotto_pkt *p)
{
	struct sotto_quote q = {};
	struct sotto_tunnel *t;
	struct sotto_sa *sa;

	if (p->fragment || !sotto_local_is(ns, &p->dst))
		return false;
	if (p->proto == IPPROTO_ICMP ? !sotto_quote4(skb, p->l4, &q)
				     : !sotto_quote6(skb, p->l4, &q))
		return false;
	if (!sotto_addr_equal(&q.src, &p->dst))
		return false;
	t = sotto_tunnel_lookup(ns, &q.dst);
	sa = t ? rcu_dereference(t->sa) : NULL;
	if (sa && sotto_quote_plausible(&q, sa)) {
		sotto_pmtu_learn(t, q.mtu);
		return true;
	}
	sa = sotto_nat_find(ns, q.spi, &q.dst);
	if (sa && sotto_quote_plausible(&q, sa)) {
		sotto_pmtu_learn_all(sa, q.mtu);
		return true;
	}
	sotto_stat_inc(ns, SOTTO_STAT_PMTU_IGNORED);
	return false;
}
