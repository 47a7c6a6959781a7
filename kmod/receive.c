// SPDX-License-Identifier: GPL-2.0
/* The way in: which of the packets to our data port are whose. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "compat.h"
#include "nat.h"
#include "netlink.h"
#include "netns.h"
#include "open.h"
#include "sa.h"
#include "skb.h"

bool sotto_is_data(struct sotto_net *ns, struct sk_buff *skb,
		   const struct sotto_pkt *p)
{
	const struct udphdr *uh;

	if (p->proto != IPPROTO_UDP || p->fragment ||
	    !pskb_may_pull(skb, p->l4 + sizeof(*uh)))
		return false;
	uh = (const struct udphdr *)(skb_network_header(skb) + p->l4);
	return uh->dest == ns->data_port && sotto_local_is(ns, &p->dst);
}

/*
 * Is there a source route with a way to go? Anybody on the path could have put that there, for IP
 * headers are not authentic, and what is opened would go that way, in the clear.
 */
static bool sotto_goes_on4(const struct sk_buff *skb, const struct sotto_pkt *p)
{
	const u8 *ip = skb_network_header(skb);
	unsigned int at = sizeof(struct iphdr);

	while (at < p->l4 && ip[at] != IPOPT_END) {
		if (ip[at] == IPOPT_LSRR || ip[at] == IPOPT_SSRR)
			return true;
		if (ip[at] == IPOPT_NOOP)
			at++;
		else if (at + 1 < p->l4 && ip[at + 1] >= 2)
			at += ip[at + 1];
		else
			break;		/* IP drops it */
	}
	return false;
}

static bool sotto_goes_on6(const struct sk_buff *skb, const struct sotto_pkt *p)
{
	unsigned int at = sizeof(struct ipv6hdr);
	u8 type = ipv6_hdr(skb)->nexthdr;

	/* These were walked before. */
	while (at < p->l4) {
		const struct ipv6_rt_hdr *h = (const void *)(skb_network_header(skb) + at);

		if (type == NEXTHDR_ROUTING && h->segments_left)
			return true;
		type = h->nexthdr;
		at += (h->hdrlen + 1) << 3;
	}
	return false;
}

static bool sotto_goes_on(const struct sk_buff *skb, const struct sotto_pkt *p)
{
	if (p->src.family == AF_INET)
		return p->l4 > sizeof(struct iphdr) && sotto_goes_on4(skb, p);
	return p->l4 > sizeof(struct ipv6hdr) && sotto_goes_on6(skb, p);
}

static void sotto_unknown_spi(struct sotto_net *ns, const struct sotto_pkt *p, u32 spi)
{
	struct sotto_event_info ev = {
		.type = SOTTO_EVENT_UNKNOWN_SPI, .src = &p->src, .dst = &p->dst,
		.spi = spi,
	};

	sotto_nl_event(ns, &ev);
}

/* Cut what is behind the datagram; refuse what is shorter than it claims. */
static bool sotto_receive_lengths(struct sk_buff *skb, const struct sotto_pkt *p,
				  unsigned int *len)
{
	const struct udphdr *uh = (const void *)(skb_network_header(skb) + p->l4);
	unsigned int ulen = ntohs(uh->len);

	if (ulen < sizeof(*uh) || p->l4 + ulen > skb->len)
		return false;
	*len = ulen - sizeof(*uh);
	return !pskb_trim_rcsum(skb, p->l4 + ulen);
}

static bool sotto_is_keepalive(struct sk_buff *skb, const struct sotto_pkt *p,
			       unsigned int len)
{
	u8 byte;

	return len == 1 &&
	       !skb_copy_bits(skb, p->l4 + sizeof(struct udphdr), &byte, 1) &&
	       byte == SOTTO_KEEPALIVE_BYTE;
}

/* Return: the SA, or NULL and in @why the counter of the drop. */
static struct sotto_sa *sotto_receive_sa(struct sotto_net *ns,
					 const struct sotto_pkt *p, u32 spi, int *why)
{
	struct sotto_sa *sa;

	if (spi < SOTTO_SPI_MIN) {
		*why = SOTTO_STAT_IN_DROP_MALFORMED;
		return NULL;
	}
	sa = xa_load(&ns->sas_in, spi);
	if (!sa || xa_is_value(sa)) {
		*why = SOTTO_STAT_IN_DROP_UNKNOWN_SPI;
		if (sotto_nl_wants_hints(ns))
			sotto_unknown_spi(ns, p, spi);
		return NULL;
	}
	/*
	 * Transport mode does not authenticate the addresses: they must be those
	 * of the SA, or a member could speak in another's name. What comes from behind
	 * a NAT gets the SA's address.
	 */
	if ((!sa->natted && !sotto_sa_peer_is(sa, &p->src)) ||
	    !sotto_sa_local_is(sa, &p->dst)) {
		*why = SOTTO_STAT_IN_DROP_ADDRESS;
		return NULL;
	}
	if (sotto_sa_expired(sa)) {
		sotto_sa_delete(sa, SOTTO_EVENT_SA_HARD);
		*why = SOTTO_STAT_IN_DROP_EXPIRED;
		return NULL;
	}
	return sa;
}

static void sotto_receive_one(struct sotto_net *ns, struct sk_buff *skb,
			      const struct sotto_pkt *p,
			      const struct nf_hook_state *state)
{
	const struct sotto_esp_hdr *esp;
	struct sotto_pkt natted;
	struct sotto_sa *sa;
	unsigned int len;
	int why = SOTTO_STAT_IN_DROP_MALFORMED;

	if (!sotto_receive_lengths(skb, p, &len))
		goto drop;
	if (sotto_is_keepalive(skb, p, len)) {
		sotto_stat_inc(ns, SOTTO_STAT_IN_KEEPALIVE);
		consume_skb(skb);
		return;
	}
	if (len < SOTTO_ESP_MIN || !pskb_may_pull(skb, p->l4 + SOTTO_ENCAP_LEN))
		goto drop;

	esp = (const void *)(skb_network_header(skb) + p->l4 + sizeof(struct udphdr));
	sa = sotto_receive_sa(ns, p, ntohl(esp->spi), &why);
	if (!sa)
		goto drop;
	if (unlikely(sa->natted)) {
		natted = *p;
		why = sotto_nat_restore(sa, skb, &natted);
		if (why)
			goto drop;
		p = &natted;
	}
	why = sotto_open(sa, skb, p, state);
	if (!why)
		return;
drop:
	sotto_drop(ns, skb, why);
}

/* What cannot be opened as a burst: cut it, and open its packets one by one. */
static void sotto_receive_segments(struct sotto_net *ns, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	struct sk_buff *segs, *seg, *next;
	struct sotto_pkt p;
	unsigned int n = 0, mac;

	if (!skb_mac_header_was_set(skb)) {
		skb_reset_mac_header(skb);
		skb_reset_mac_len(skb);
	}
	mac = skb->data - skb_mac_header(skb);
	__skb_push(skb, mac);
	segs = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segs)) {
		__skb_pull(skb, mac);
		sotto_drop(ns, skb, SOTTO_STAT_IN_DROP_NOMEM);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		__skb_pull(seg, skb_network_offset(seg));
		if (n++)
			sotto_stat_inc(ns, SOTTO_STAT_IN_SEEN);
		if (sotto_pkt_parse(seg, state->pf, &p) && sotto_is_data(ns, seg, &p))
			sotto_receive_one(ns, seg, &p, state);
		else
			sotto_drop(ns, seg, SOTTO_STAT_IN_DROP_MALFORMED);
	}
}

/* Equal segments of ESP behind one header, as UDP GSO and GRO make them. */
static bool sotto_is_burst(struct sk_buff *skb, const struct sotto_pkt *p)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	const struct udphdr *uh;

	if (!(info->gso_type & SKB_GSO_UDP_L4) || (info->gso_type & SKB_GSO_FRAGLIST) ||
	    info->gso_size < SOTTO_ESP_MIN || !pskb_may_pull(skb, p->l4 + SOTTO_ENCAP_LEN))
		return false;
	uh = (const void *)(skb_network_header(skb) + p->l4);
	return p->l4 + ntohs(uh->len) == skb->len &&
	       skb->len - p->l4 - sizeof(*uh) > info->gso_size;
}

/* Return: true when it was consumed as a whole. */
static bool sotto_receive_burst(struct sotto_net *ns, struct sk_buff *skb,
				const struct sotto_pkt *p,
				const struct nf_hook_state *state)
{
	const struct sotto_esp_hdr *esp;
	struct sotto_pkt natted;
	struct sotto_sa *sa;
	unsigned int n;
	int why;

	if (!sotto_is_burst(skb, p))
		return false;
	n = DIV_ROUND_UP(skb->len - p->l4 - sizeof(struct udphdr), skb_shinfo(skb)->gso_size);
	esp = (const void *)(skb_network_header(skb) + p->l4 + sizeof(struct udphdr));
	sa = sotto_receive_sa(ns, p, ntohl(esp->spi), &why);
	if (sa && unlikely(sa->natted)) {
		natted = *p;
		why = sotto_nat_restore(sa, skb, &natted);
		sa = why ? NULL : sa;
		p = &natted;
	}
	if (sa && !sotto_open_burst(sa, skb, p, state)) {
		if (unlikely(sa->natted))
			sotto_nat_undo(skb, p);
		return false;
	}

	sotto_stat_add(ns, SOTTO_STAT_IN_SEEN, n - 1);
	if (!sa) {
		sotto_stat_add(ns, why, n - 1);
		sotto_drop(ns, skb, why);
	}
	return true;
}

void sotto_receive(struct sotto_net *ns, struct sk_buff *skb, const struct sotto_pkt *p,
		   const struct nf_hook_state *state)
{
	if (unlikely(sotto_goes_on(skb, p)))
		sotto_drop_in(ns, skb, SOTTO_STAT_IN_DROP_ADDRESS);
	else if (!skb_is_gso(skb))
		sotto_receive_one(ns, skb, p, state);
	else if (!sotto_receive_burst(ns, skb, p, state))
		sotto_receive_segments(ns, skb, state);
}
