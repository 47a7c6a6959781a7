// SPDX-License-Identifier: GPL-2.0
/* The way in: from ESP in UDP to the inner packet. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat.h"
#include "crypto.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "skb.h"
#include "tunnel.h"

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
 * May we decrypt where the packet lies? Not where the pages may be somebody's
 * page cache, or a clone's: whoever can send a forged packet could write there.
 */
static bool sotto_open_in_place(struct sk_buff *skb)
{
	return !skb_cloned(skb) && !skb_has_frag_list(skb) &&
	       !skb_has_shared_frag(skb) && !skb_zcopy(skb);
}

/* Fresh memory of the same shape: the headers copied, the rest to be written. */
static struct sk_buff *sotto_open_alloc(struct sk_buff *skb, unsigned int hdr)
{
	struct sk_buff *out;

	/* Room for the link's header; IP's is aligned all the same. */
	out = sotto_skb_alloc(NET_SKB_PAD + ALIGN(skb->mac_len, 8), hdr, skb->len - hdr);
	if (!out)
		return NULL;
	skb_copy_header(out, skb);
	skb_shinfo(out)->gso_size = 0;
	skb_shinfo(out)->gso_segs = 0;
	skb_shinfo(out)->gso_type = 0;
	skb_reset_network_header(out);
	skb_set_mac_header(out, -skb->mac_len);
	if (skb->mac_len)
		memcpy(skb_mac_header(out), skb_mac_header(skb), skb->mac_len);
	skb_copy_from_linear_data(skb, out->data, hdr);
	return out;
}

static int sotto_open_sg(struct sotto_crypt *c, unsigned int hdr)
{
	unsigned int len = c->in->len - hdr;
	int n;

	n = skb_to_sgvec(c->in, c->src + 1, hdr, len);
	if (n < 0)
		return n;
	if (c->dst != c->src) {
		n = skb_to_sgvec(c->out, c->dst + 1, hdr, len);
		if (n < 0)
			return n;
	}
	aead_request_set_crypt(c->req, c->src, c->dst, len, c->nonce);
	aead_request_set_ad(c->req, sizeof(c->aad));
	return 0;
}

/* Count and move the window: the packet is authentic. */
static int sotto_open_account(struct sotto_sa *sa, u64 seq, unsigned int len)
{
	bool fresh;

	spin_lock_bh(&sa->lock);
	fresh = sotto_replay_update(sa->replay, seq);
	if (fresh) {
		sa->rx_packets++;
		sa->rx_bytes += len;
	} else {
		sa->replays++;
	}
	spin_unlock_bh(&sa->lock);
	if (!fresh)
		return SOTTO_STAT_IN_DROP_REPLAY;

	if (!test_bit(SOTTO_SA_CONFIRMED, &sa->flags))
		sotto_sa_confirm(sa);
	return 0;
}

static void sotto_open_auth_failed(struct sotto_sa *sa)
{
	spin_lock_bh(&sa->lock);
	sa->auth_failures++;
	spin_unlock_bh(&sa->lock);
}

/*
 * RFC 4303 section 2.4-2.6: check and remove trailer and ICV.
 * Return: 0 and the next header, or the counter of what is wrong.
 */
static int sotto_open_trailer(struct sk_buff *skb, unsigned int hdr, u8 *nexthdr)
{
	unsigned int plain = skb->len - hdr - SOTTO_ICV_LEN;
	u8 tail[SOTTO_TRAILER_LEN], pad[255];
	unsigned int i;

	if (skb_copy_bits(skb, hdr + plain - SOTTO_TRAILER_LEN, tail, sizeof(tail)))
		return SOTTO_STAT_IN_DROP_MALFORMED;
	if (tail[0] + SOTTO_TRAILER_LEN > plain)
		return SOTTO_STAT_IN_DROP_PADDING;
	plain -= SOTTO_TRAILER_LEN + tail[0];
	if (tail[0] && skb_copy_bits(skb, hdr + plain, pad, tail[0]))
		return SOTTO_STAT_IN_DROP_MALFORMED;
	for (i = 0; i < tail[0]; i++)
		if (pad[i] != i + 1)
			return SOTTO_STAT_IN_DROP_PADDING;

	*nexthdr = tail[1];
	return pskb_trim(skb, hdr + plain) ? SOTTO_STAT_IN_DROP_NOMEM : 0;
}

/* What transport mode may not carry: IP's own per-hop and fragment headers. */
static bool sotto_open_proto_ok(const struct sk_buff *skb, u8 proto)
{
	if (skb->protocol == htons(ETH_P_IP))
		return proto != IPPROTO_HOPOPTS;
	return proto != NEXTHDR_HOP && proto != NEXTHDR_ROUTING &&
	       proto != NEXTHDR_FRAGMENT;
}

/* Take UDP, ESP and IV out; what is left is the packet as its sender made it. */
static void sotto_open_headers(struct sk_buff *skb, const struct sotto_pkt *p,
			       u8 nexthdr)
{
	u8 *data = skb->data;

	memmove(data + SOTTO_ENCAP_LEN, data, p->l4);
	__skb_pull(skb, SOTTO_ENCAP_LEN);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, p->l4);
	if (skb_mac_header_was_set(skb))
		skb_mac_header_rebuild(skb);

	skb->data[p->nhoff] = nexthdr;
	if (skb->protocol == htons(ETH_P_IP)) {
		ip_hdr(skb)->tot_len = htons(skb->len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
	}

	/* Authenticated end to end, between addresses that the SA vouches for. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = 0;
	skb->csum_valid = 0;
	skb->csum_complete_sw = 0;
	skb->encapsulation = 0;
	skb_clear_hash(skb);
	nf_reset_ct(skb);
}

/* Dummies never go up. A's are answered, so that it knows we have its keys. */
static void sotto_open_dummy(struct sotto_sa *sa, struct sk_buff *skb,
			     const struct sotto_pkt *p)
{
	struct sotto_sa *out = rcu_dereference(sa->pair);

	sotto_stat_inc(sa->ns, SOTTO_STAT_IN_DUMMY);
	if (out && test_bit(SOTTO_SA_ANSWER, &sa->flags))
		sotto_send_dummy(out, &p->dst, &p->src);
	consume_skb(skb);
}

/* Everything behind authentication. Return: 0 or the counter of the drop. */
static int sotto_open_plain(struct sotto_sa *sa, struct sk_buff *skb,
			    struct sotto_crypt *c)
{
	unsigned int hdr;
	struct sotto_pkt p;
	u8 nexthdr, pf = c->state.pf;
	int why;

	if (!sotto_pkt_parse(skb, pf, &p))
		return SOTTO_STAT_IN_DROP_MALFORMED;
	hdr = p.l4 + SOTTO_ENCAP_LEN;
	why = sotto_open_account(sa, c->seq, skb->len - SOTTO_ENCAP_LEN - SOTTO_ICV_LEN);
	if (why)
		return why;
	why = sotto_open_trailer(skb, hdr, &nexthdr);
	if (why)
		return why;
	if (nexthdr == IPPROTO_NONE) {
		sotto_open_dummy(sa, skb, &p);
		return 0;
	}
	if (!sotto_open_proto_ok(skb, nexthdr))
		return SOTTO_STAT_IN_DROP_PROTOCOL;

	sotto_open_headers(skb, &p, nexthdr);
	p.proto = nexthdr;
	if (nexthdr == IPPROTO_TCP)
		sotto_clamp_mss(sa->ns, skb, &p, READ_ONCE(skb->dev->mtu));
	sotto_stat_inc(sa->ns, SOTTO_STAT_IN_OPENED);
	sotto_resume(skb, &c->state);
	return 0;
}

static void sotto_open_finish(struct sotto_crypt *c, int err)
{
	struct sotto_sa *sa = c->owner;
	struct sk_buff *skb = c->out;
	int why;

	if (c->in != c->out)
		consume_skb(c->in);
	if (err == -EBADMSG) {
		sotto_open_auth_failed(sa);
		why = SOTTO_STAT_IN_DROP_AUTH;
	} else if (err) {
		why = SOTTO_STAT_IN_DROP_CRYPTO;
	} else {
		why = sotto_open_plain(sa, skb, c);
	}
	if (why)
		sotto_drop(sa->ns, skb, why);
	sotto_crypt_free(c);
}

static void sotto_open_done(SOTTO_CRYPTO_DATA *data, int err)
{
	struct sotto_crypt *c = sotto_crypto_arg(data);
	struct net_device *dev = c->state.in;
	struct sotto_sa *sa = c->owner;

	if (err == -EINPROGRESS)
		return;		/* left the backlog */
	rcu_read_lock();
	local_bh_disable();
	sotto_open_finish(c, err);
	local_bh_enable();
	rcu_read_unlock();
	dev_put(dev);
	sotto_sa_put(sa);
}

static void sotto_open_submit(struct sotto_sa *sa, struct sotto_crypt *c)
{
	struct net_device *dev = c->state.in;
	int err;

	/* What completes elsewhere outlives this RCU section. */
	if (sa->async) {
		refcount_inc(&sa->refs);
		dev_hold(dev);
	}
	aead_request_set_callback(c->req, 0, sotto_open_done, c);
	err = crypto_aead_decrypt(c->req);
	if (sa->async && (err == -EINPROGRESS || err == -EBUSY))
		return;
	sotto_open_finish(c, err);
	if (sa->async) {
		dev_put(dev);
		sotto_sa_put(sa);
	}
}

/* Return: 0 when the packet is consumed, or the counter of the drop. */
static int sotto_open(struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p, const struct nf_hook_state *state,
		      u64 seq, bool ours)
{
	const struct sotto_esp_hdr *esp;
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	struct sk_buff *out = skb;
	struct sotto_crypt *c;

	if (!ours || !sotto_open_in_place(skb))
		out = sotto_open_alloc(skb, hdr);
	if (!out)
		return SOTTO_STAT_IN_DROP_NOMEM;
	c = sotto_crypt_alloc(sa->aead, 1 + sotto_skb_nsg(skb),
			      out == skb ? 0 : 1 + sotto_skb_nsg(out));
	if (!c)
		goto nomem;

	c->in = skb;
	c->out = out;
	c->owner = sa;
	c->state = *state;
	c->seq = seq;
	esp = (const void *)(skb_network_header(skb) + p->l4 + sizeof(struct udphdr));
	sotto_crypt_set(c, sa->salt, sa->spi, seq, esp->iv);
	if (sotto_open_sg(c, hdr)) {
		sotto_crypt_free(c);
		goto nomem;
	}
	sotto_open_submit(sa, c);
	return 0;
nomem:
	if (out != skb)
		kfree_skb(out);
	return SOTTO_STAT_IN_DROP_NOMEM;
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
		sotto_unknown_spi(ns, p, spi);
		return NULL;
	}
	/*
	 * Transport mode does not authenticate the addresses: they must be those
	 * of the SA, or a member could speak in another's name.
	 */
	if (!sotto_sa_peer_is(sa, &p->src) || !sotto_sa_local_is(sa, &p->dst)) {
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

/* Early look: spares the work, decides nothing for good. */
static bool sotto_receive_seq(struct sotto_sa *sa, u32 seq_lo, u64 *seq)
{
	bool fresh;

	spin_lock_bh(&sa->lock);
	*seq = sotto_replay_esn(sa->replay, seq_lo);
	fresh = sotto_replay_check(sa->replay, *seq);
	if (!fresh)
		sa->replays++;
	spin_unlock_bh(&sa->lock);
	return fresh;
}

static void sotto_receive_one(struct sotto_net *ns, struct sk_buff *skb,
			      const struct nf_hook_state *state, bool ours)
{
	const struct sotto_esp_hdr *esp;
	struct sotto_pkt p;
	struct sotto_sa *sa;
	unsigned int len;
	u64 seq;
	int why = SOTTO_STAT_IN_DROP_MALFORMED;

	if (!sotto_pkt_parse(skb, state->pf, &p) ||
	    !pskb_may_pull(skb, p.l4 + sizeof(struct udphdr)) ||
	    !sotto_receive_lengths(skb, &p, &len))
		goto drop;
	if (sotto_is_keepalive(skb, &p, len)) {
		sotto_stat_inc(ns, SOTTO_STAT_IN_KEEPALIVE);
		consume_skb(skb);
		return;
	}
	if (len < sizeof(*esp) + SOTTO_TRAILER_LEN + SOTTO_ICV_LEN ||
	    !pskb_may_pull(skb, p.l4 + SOTTO_ENCAP_LEN))
		goto drop;

	esp = (const void *)(skb_network_header(skb) + p.l4 + sizeof(struct udphdr));
	sa = sotto_receive_sa(ns, &p, ntohl(esp->spi), &why);
	if (!sa)
		goto drop;
	why = SOTTO_STAT_IN_DROP_REPLAY;
	if (!sotto_receive_seq(sa, ntohl(esp->seq_lo), &seq))
		goto drop;
	why = sotto_open(sa, skb, &p, state, seq, ours);
	if (!why)
		return;
drop:
	sotto_drop(ns, skb, why);
}

/* A burst that some device or bridge merged: open its packets one by one. */
static void sotto_receive_burst(struct sotto_net *ns, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	struct sk_buff *segs, *seg, *next;
	unsigned int n = 0;

	__skb_push(skb, skb->data - skb_mac_header(skb));
	segs = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segs)) {
		__skb_pull(skb, skb->mac_len);
		sotto_drop(ns, skb, SOTTO_STAT_IN_DROP_NOMEM);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		__skb_pull(seg, skb_network_offset(seg));
		if (n++)
			sotto_stat_inc(ns, SOTTO_STAT_IN_SEEN);
		sotto_receive_one(ns, seg, state, false);
	}
}

void sotto_receive(struct sotto_net *ns, struct sk_buff *skb,
		   const struct nf_hook_state *state)
{
	if (skb_is_gso(skb))
		sotto_receive_burst(ns, skb, state);
	else
		sotto_receive_one(ns, skb, state, true);
}
