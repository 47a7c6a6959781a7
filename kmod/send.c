// SPDX-License-Identifier: GPL-2.0
/* The way out: from a packet that wants protection to ESP in UDP on the wire. */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include "acquire.h"
#include "compat.h"
#include "crypto.h"
#include "netns.h"
#include "sa.h"
#include "skb.h"
#include "tunnel.h"

static bool sotto_is_v4(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP);
}

/* Go on behind POST_ROUTING, which this packet has been through. */
static void sotto_output(struct net *net, struct sk_buff *skb)
{
	if (sotto_is_v4(skb)) {
		IPCB(skb)->flags |= IPSKB_REROUTED;
		ip_output(net, skb->sk, skb);
	} else {
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
		ip6_output(net, skb->sk, skb);
	}
}

void sotto_send_clear(struct sotto_net *ns, struct sk_buff *skb)
{
	sotto_stat_inc(ns, SOTTO_STAT_OUT_PASSED);
	sotto_output(ns->net, skb);
}

/*
 * The route's path MTU is that of inner packets: it is what transports ask for,
 * and what our own "too big" has set. An outer packet that fits the outer path
 * must not be measured by it again, so it goes straight to its neighbour.
 */
static void sotto_to_neighbour(struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);
	struct neighbour *n;
	bool cross;

	cross = sotto_is_v4(skb) && skb_rtable(skb)->rt_gw_family == AF_INET6;
	n = dst_neigh_lookup_skb(dst, skb);
	if (!n) {
		kfree_skb(skb);
		return;
	}
	neigh_output(n, skb, cross);
	neigh_release(n);
}

static void sotto_xmit(struct net *net, struct sk_buff *skb, unsigned int mtu)
{
	memset(skb->cb, 0, sizeof(skb->cb));
	if (skb->len <= mtu && !skb_dst(skb)->lwtstate) {
		sotto_to_neighbour(skb);
		return;
	}
	skb->ignore_df = 1;	/* what must not be fragmented was refused before */
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

static void sotto_too_big(struct sotto_net *ns, struct sk_buff *skb, unsigned int mtu)
{
	if (sotto_is_v4(skb))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	else
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
	sotto_stat_inc(ns, SOTTO_STAT_ICMP_SENT);
	sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_TOO_BIG);
}

static void sotto_set_untracked(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	skb_set_nfct(skb, IP_CT_UNTRACKED);
#endif
}

/*
 * The socket goes on paying for its packet until that has left (TSQ): the credit
 * moves to the new one, as segmentation does it.
 */
static void sotto_move_owner(struct sk_buff *to, struct sk_buff *from)
{
	int delta;

	if (!from->sk || !from->destructor)
		return;
	if (from->destructor == sock_edemux || from->destructor == sock_efree)
		return;		/* no send credit */

	delta = to->truesize - from->truesize;
	if (delta >= 0)
		refcount_add(delta, &from->sk->sk_wmem_alloc);
	else
		WARN_ON_ONCE(refcount_sub_and_test(-delta, &from->sk->sk_wmem_alloc));
	swap(to->sk, from->sk);
	swap(to->destructor, from->destructor);
}

static __be16 sotto_sport(struct sotto_net *ns, const struct sotto_sa *sa,
			  struct sk_buff *skb)
{
	if (sa->sport)
		return sa->sport;
	return udp_flow_src_port(ns->net, skb, SOTTO_SPORT_MIN, SOTTO_SPORT_MAX,
				 false);
}

/* Write the outer headers: IP as it was but for length and protocol, UDP, ESP. */
static void sotto_seal_headers(struct sotto_sa *sa, struct sk_buff *skb,
			       struct sk_buff *out, const struct sotto_pkt *p,
			       u64 seq)
{
	struct sotto_esp_hdr *esp;
	struct udphdr *uh;
	unsigned int len = out->len - p->l4;

	skb_copy_from_linear_data(skb, out->data, p->l4);
	out->data[p->nhoff] = IPPROTO_UDP;
	skb_set_transport_header(out, p->l4);

	esp = (struct sotto_esp_hdr *)(out->data + p->l4 + sizeof(*uh));
	esp->spi = htonl(sa->spi);
	esp->seq_lo = htonl(lower_32_bits(seq));
	esp->iv = cpu_to_be64(seq);

	uh = udp_hdr(out);
	uh->source = sotto_sport(sa->ns, sa, skb);
	uh->dest = sa->dport;
	uh->len = htons(len);
	uh->check = 0;
	out->ip_summed = CHECKSUM_NONE;
	if (sotto_is_v4(skb)) {
		ip_hdr(out)->tot_len = htons(out->len);
		ip_send_check(ip_hdr(out));
		udp_set_csum(false, out, ip_hdr(out)->saddr, ip_hdr(out)->daddr, len);
	} else {
		ipv6_hdr(out)->payload_len = htons(out->len - sizeof(struct ipv6hdr));
		udp6_set_csum(false, out, &ipv6_hdr(out)->saddr,
			      &ipv6_hdr(out)->daddr, len);
	}
}

/* Fresh memory: the source pages belong to a retransmit queue or a page cache. */
static struct sk_buff *sotto_seal_alloc(struct sk_buff *skb,
					const struct sotto_pkt *p)
{
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	unsigned int len = sotto_sealed_len(skb->len, p->l4) - hdr;
	struct sk_buff *out;

	out = sotto_skb_alloc(LL_RESERVED_SPACE(skb->dev), hdr, len);
	if (!out)
		return NULL;
	skb_copy_header(out, skb);
	skb_shinfo(out)->gso_size = 0;
	skb_shinfo(out)->gso_segs = 0;
	skb_shinfo(out)->gso_type = 0;
	skb_reset_network_header(out);
	out->encapsulation = 0;
	/* Conntrack knows inner flows only; and the guard knows us by this. */
	nf_reset_ct(out);
	sotto_set_untracked(out);
	return out;
}

static int sotto_seal_sg(struct sotto_crypt *c, const struct sotto_pkt *p)
{
	unsigned int plain = c->in->len - p->l4;
	unsigned int pad = ALIGN(plain + SOTTO_TRAILER_LEN, 4) - plain - SOTTO_TRAILER_LEN;
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	int n = 0, i;

	for (i = 0; i < pad; i++)
		c->trailer[i] = i + 1;	/* RFC 4303 section 2.4 */
	c->trailer[pad] = pad;
	c->trailer[pad + 1] = p->proto;

	if (plain)
		n = skb_to_sgvec_nomark(c->in, c->src + 1, p->l4, plain);
	if (n < 0)
		return n;
	sg_set_buf(&c->src[1 + n], c->trailer, pad + SOTTO_TRAILER_LEN);
	sg_mark_end(&c->src[1 + n]);

	n = skb_to_sgvec(c->out, c->dst + 1, hdr, c->out->len - hdr);
	if (n < 0)
		return n;
	aead_request_set_crypt(c->req, c->src, c->dst,
			       plain + pad + SOTTO_TRAILER_LEN, c->nonce);
	aead_request_set_ad(c->req, sizeof(c->aad));
	return 0;
}

static void sotto_seal_finish(struct sotto_crypt *c, int err)
{
	struct sotto_sa *sa = c->owner;
	struct sotto_net *ns = sa->ns;
	struct sk_buff *in = c->in, *out = c->out;
	unsigned int mtu = c->mtu;
	bool dummy = c->dummy;

	sotto_crypt_free(c);
	if (err) {
		kfree_skb(out);
		if (dummy)
			kfree_skb(in);
		else
			sotto_drop(ns, in, SOTTO_STAT_OUT_DROP_CRYPTO);
		return;
	}
	consume_skb(in);
	sotto_stat_inc(ns, dummy ? SOTTO_STAT_OUT_DUMMY : SOTTO_STAT_OUT_SEALED);
	sotto_xmit(ns->net, out, mtu);
}

static void sotto_seal_done(SOTTO_CRYPTO_DATA *data, int err)
{
	struct sotto_crypt *c = sotto_crypto_arg(data);
	struct sotto_sa *sa = c->owner;

	if (err == -EINPROGRESS)
		return;		/* left the backlog */
	rcu_read_lock();
	local_bh_disable();
	sotto_seal_finish(c, err);
	local_bh_enable();
	rcu_read_unlock();
	sotto_sa_put(sa);
}

static void sotto_seal_submit(struct sotto_sa *sa, struct sotto_crypt *c)
{
	int err;

	/* What completes elsewhere outlives this RCU section. */
	if (sa->async) {
		refcount_inc(&sa->refs);
		skb_dst_force(c->out);
	}
	aead_request_set_callback(c->req, 0, sotto_seal_done, c);
	err = crypto_aead_encrypt(c->req);
	if (sa->async && (err == -EINPROGRESS || err == -EBUSY))
		return;
	sotto_seal_finish(c, err);
	if (sa->async)
		sotto_sa_put(sa);
}

/* Return: 0 when the packet is on its way, or the counter of what went wrong. */
static int sotto_seal_packet(struct sotto_sa *sa, struct sk_buff *skb,
			     const struct sotto_pkt *p, unsigned int mtu, bool dummy)
{
	struct sotto_crypt *c;
	struct sk_buff *out;
	u64 seq;

	if (sotto_sealed_len(skb->len, p->l4) >
	    (sotto_is_v4(skb) ? IP_MAX_MTU : IP6_MAX_MTU))
		return SOTTO_STAT_OUT_DROP_TOO_BIG;
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_csum_hwoffload_help(skb, 0))
		return SOTTO_STAT_OUT_DROP_NOMEM;

	out = sotto_seal_alloc(skb, p);
	if (!out)
		return SOTTO_STAT_OUT_DROP_NOMEM;
	c = sotto_crypt_alloc(sa->aead, 2 + sotto_skb_nsg(skb),
			      1 + sotto_skb_nsg(out));
	if (!c) {
		kfree_skb(out);
		return SOTTO_STAT_OUT_DROP_NOMEM;
	}
	if (!sotto_sa_next_seq(sa, &seq)) {
		sotto_crypt_free(c);
		kfree_skb(out);
		return SOTTO_STAT_OUT_DROP_SEQ_EXHAUSTED;
	}

	c->in = skb;
	c->out = out;
	c->owner = sa;
	c->mtu = mtu;
	c->dummy = dummy;
	sotto_seal_headers(sa, skb, out, p, seq);
	sotto_crypt_set(c, sa->salt, sa->spi, seq, cpu_to_be64(seq));
	if (sotto_seal_sg(c, p)) {
		sotto_crypt_free(c);
		kfree_skb(out);
		return SOTTO_STAT_OUT_DROP_CRYPTO;
	}
	sotto_move_owner(out, skb);
	sotto_seal_submit(sa, c);
	return 0;
}

static void sotto_seal_one(struct sotto_tunnel *t, struct sotto_sa *sa,
			   struct sk_buff *skb, const struct sotto_pkt *p,
			   unsigned int mtu)
{
	unsigned int len = skb->len;
	int why;

	why = sotto_seal_packet(sa, skb, p, mtu, false);
	if (why) {
		atomic64_inc(&t->drops);
		if (why == SOTTO_STAT_OUT_DROP_TOO_BIG)
			sotto_too_big(t->ns, skb, sotto_inner_mtu(IP_MAX_MTU, p->l4));
		else
			sotto_drop(t->ns, skb, why);
		return;
	}
	atomic64_add(len, &sa->tx_bytes);
	atomic64_inc(&t->tx_packets);
	atomic64_add(len, &t->tx_bytes);
}

static void sotto_seal_burst(struct sotto_tunnel *t, struct sotto_sa *sa,
			     struct sk_buff *skb, unsigned int mtu)
{
	struct sk_buff *segs, *seg, *next;
	struct sotto_pkt p;
	u8 pf = sotto_is_v4(skb) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	unsigned int n = 0;

	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs)) {
		sotto_drop(t->ns, skb, SOTTO_STAT_OUT_DROP_NOMEM);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		if (n++)
			sotto_stat_inc(t->ns, SOTTO_STAT_OUT_SEEN);
		if (sotto_pkt_parse(seg, pf, &p))
			sotto_seal_one(t, sa, seg, &p, mtu);
		else
			sotto_drop(t->ns, seg, SOTTO_STAT_OUT_DROP_HEADER);
	}
}

/*
 * May this packet, sealed, exceed the outer path's MTU? Where the sender let the
 * stack fragment, the sealed packet is fragmented instead; IPv6 owes its minimum
 * MTU to everybody.
 */
static bool sotto_fits(const struct sk_buff *skb, const struct sotto_pkt *p,
		       unsigned int mtu)
{
	unsigned int inner = sotto_inner_mtu(mtu, p->l4);

	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, inner);
	if (skb->len <= inner || skb->ignore_df)
		return true;
	if (sotto_is_v4(skb))
		return !(ip_hdr(skb)->frag_off & htons(IP_DF));
	return skb->len <= IPV6_MIN_MTU;
}

/* Transport mode is for packets between the two hosts themselves. */
static bool sotto_mode_fits(struct sotto_tunnel *t, const struct sotto_sa *sa,
			    const struct sotto_pkt *p)
{
	return sa->mode == SOTTO_SA_MODE_TRANSPORT && sotto_addr_equal(&p->dst, &t->dst) &&
	       sotto_local_is(t->ns, &p->src);
}

void sotto_seal(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb)
{
	u8 pf = sotto_is_v4(skb) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct sotto_net *ns = t->ns;
	struct sotto_pkt p;
	unsigned int mtu;

	if (!sotto_pkt_parse(skb, pf, &p)) {
		sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_HEADER);
		return;
	}
	if (sotto_sa_expired(sa)) {
		sotto_sa_delete(sa, SOTTO_EVENT_SA_HARD);
		sotto_acquire(ns, skb, &p, &t->dst, SOTTO_ACTION_PROTECT);
		return;
	}
	if (!sotto_mode_fits(t, sa, &p)) {
		atomic64_inc(&t->drops);
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_MODE);
		return;
	}

	mtu = sotto_outer_mtu(t, skb);
	if (p.proto == IPPROTO_TCP)
		sotto_clamp_mss(ns, skb, &p, mtu);
	if (!sotto_fits(skb, &p, mtu)) {
		unsigned int inner = sotto_inner_mtu(mtu, p.l4);

		atomic64_inc(&t->drops);
		sotto_too_big(ns, skb, sotto_is_v4(skb) ? inner :
			      max_t(unsigned int, inner, IPV6_MIN_MTU));
		return;
	}
	if (skb_is_gso(skb))
		sotto_seal_burst(t, sa, skb, mtu);
	else
		sotto_seal_one(t, sa, skb, &p, mtu);
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
	if (p->fragment) {
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_FRAGMENT);
		return;
	}

	t = sotto_tunnel_lookup(ns, to);
	sa = t ? rcu_dereference(t->sa) : NULL;
	if (likely(sa && !READ_ONCE(t->draining))) {
		WRITE_ONCE(t->used, jiffies);
		sotto_seal(t, sa, skb);
		return;
	}
	sotto_acquire(ns, skb, p, to, action);
}

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
	struct dst_entry *route = ip6_route_output(net, NULL, &fl6);

	if (route->error) {
		dst_release(route);
		return NULL;
	}
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
