/* SPDX-License-Identifier: GPL-2.0 */
/* What the stages of the data path hand to one another. */
#ifndef _SOTTO_SKB_H
#define _SOTTO_SKB_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/sotto.h>

#include "addr.h"

struct dst_entry;
struct sotto_net;
struct sotto_path_probe;
struct sotto_sa;
struct sotto_tunnel;

/**
 * struct sotto_pkt - what was parsed of an IP packet, once
 * @src: source
 * @dst: destination
 * @l4: offset of the part that is sealed: transport header, or the IPv6
 *	extension header that follows hop-by-hop and routing headers
 * @nhoff: offset of the byte that names the header at @l4
 * @proto: its value
 * @fragment: a fragment
 * @port: the other end's UDP port outside, where that is another than the SA says, or 0
 *
 * Offsets are from the network header, which is at skb->data.
 */
struct sotto_pkt {
	struct sotto_addr src, dst;
	u16 l4;
	u16 nhoff;
	__be16 port;
	u8 proto;
	bool fragment;
};

/* skb.c. false: not a packet one can read to its transport header. */
bool sotto_pkt_parse(struct sk_buff *skb, u8 pf, struct sotto_pkt *p);
/* Room for @len bytes behind @hdr linear ones and @reserve of headroom. */
struct sk_buff *sotto_skb_alloc(unsigned int reserve, unsigned int hdr,
				unsigned int len);
/* The same in the likeness of @skb, which came in: its fields and its link's header. */
struct sk_buff *sotto_skb_alloc_like(struct sk_buff *skb, unsigned int hdr,
				     unsigned int len);
/* Checksum of the pseudo header alone, for @len bytes of @proto. */
__sum16 sotto_pseudo_sum(const struct sk_buff *skb, unsigned int len, u8 proto);
/* Entries that skb_to_sgvec() can need for all of @skb. */
unsigned int sotto_skb_nsg(const struct sk_buff *skb);
/* Count, report and free. Any context. */
void sotto_drop(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why);
/* The same of what came in and is not cut yet: all its packets count, as seen too. */
void sotto_drop_in(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why);

/* send.c: all consume @skb, and want rcu_read_lock() and BH off. */
/* @to: whose tunnel: the destination, or the gateway in front of it. */
void sotto_send(struct sotto_net *ns, struct sk_buff *skb, const struct sotto_pkt *p,
		const struct sotto_addr *to, enum sotto_action action);
void sotto_seal(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		const struct sotto_pkt *p);
/* In the clear: prefer, and the server said "not a member". */
void sotto_send_clear(struct sotto_net *ns, struct sk_buff *skb);
/* dummy.c: a dummy packet (RFC 4303 section 2.6) to @dst; @src NULL picks one of ours. */
void sotto_send_dummy(struct sotto_sa *sa, const struct sotto_addr *src,
		      const struct sotto_addr *dst);
/* One with @probe inside, to exactly where @p, which came in, is from. */
void sotto_send_probe(struct sotto_sa *sa, const struct sotto_pkt *p,
		      const struct sotto_path_probe *probe);
/* RFC 3948 section 2.3: for our NAT to remember us. */
void sotto_send_keepalive(struct sotto_sa *sa, const struct sotto_addr *src,
			  const struct sotto_addr *dst);
/* Tell the local or forwarding sender why: an ICMP error, then free. */
void sotto_refuse(struct sotto_net *ns, struct sk_buff *skb, enum sotto_stat why);
/* The same for what does not fit: at most @inner bytes do. */
void sotto_too_big(struct sotto_net *ns, struct sk_buff *skb, unsigned int inner);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_send_selftest(void);
#endif

/* receive.c: consumes @skb, of which sotto_is_data() said yes. */
void sotto_receive(struct sotto_net *ns, struct sk_buff *skb, const struct sotto_pkt *p,
		   const struct nf_hook_state *state);
/* Is this a UDP packet to our data port at an address of ours? */
bool sotto_is_data(struct sotto_net *ns, struct sk_buff *skb,
		   const struct sotto_pkt *p);

/* hook.c: what no policy touches. @out: on its way out. */
bool sotto_exempt(struct sotto_net *ns, struct sk_buff *skb,
		  const struct sotto_pkt *p, bool out);
/* hook.c: a packet that wants to leave is judged by policy. Consumes @skb. BH off. */
void sotto_out(struct sotto_net *ns, struct sk_buff *skb);
/* hook.c: the entries behind our own, then the saved okfn. Consumes @skb. */
void sotto_resume(struct sk_buff *skb, struct nf_hook_state *state);

/* mtu.c */
/* What fits the path of @t's packets, which leave by @route. */
unsigned int sotto_outer_mtu(const struct sotto_tunnel *t, const struct dst_entry *route);
/* Largest inner packet whose sealed form is @outer bytes at most. */
unsigned int sotto_inner_mtu(unsigned int outer, unsigned int l4);
/* Is this packet, or each one of a burst, @len bytes at most? */
bool sotto_len_fits(const struct sk_buff *skb, unsigned int len);
/* Length of the sealed form of @len inner bytes. */
unsigned int sotto_sealed_len(unsigned int len, unsigned int l4);
void sotto_clamp_mss(struct sotto_net *ns, struct sk_buff *skb,
		     const struct sotto_pkt *p, unsigned int inner_mtu);
/* An ICMP error that quotes one of our packets: true if it was one and is allowed to pass. */
bool sotto_icmp_error(struct sotto_net *ns, struct sk_buff *skb,
		      const struct sotto_pkt *p);

#endif /* _SOTTO_SKB_H */
