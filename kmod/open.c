// SPDX-License-Identifier: GPL-2.0
/* The way in: one packet of ESP in UDP, opened. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat.h"
#include "crypto.h"
#include "cursor.h"
#include "nat.h"
#include "netns.h"
#include "open.h"
#include "sa.h"
#include "skb.h"
#include "tunnel_mode.h"

/*
 * May we decrypt where the packet lies? Not in pages: nobody says reliably whose they are. They
 * may be of somebody's page cache, where whoever can send a forged packet could write; or of
 * another skb, which was cloned before the headers were pulled out of them, and is on its way to
 * a monitoring port.
 */
static bool sotto_open_in_place(struct sk_buff *skb)
{
	return !skb_cloned(skb) && !skb_is_nonlinear(skb);
}

/* Fresh memory of the same shape: the headers copied, the rest to be written. */
static struct sk_buff *sotto_open_alloc(struct sk_buff *skb, unsigned int hdr)
{
	struct sk_buff *out;

	out = sotto_skb_alloc_like(skb, hdr, skb->len - hdr);
	if (out)
		skb_copy_from_linear_data(skb, out->data, hdr);
	return out;
}

bool sotto_open_shared(const struct sk_buff *skb)
{
	const struct sk_buff *frag;

	if (skb_has_shared_frag(skb))
		return true;
	skb_walk_frags(skb, frag)
		if (skb_has_shared_frag(frag))
			return true;
	return false;
}

/* What is sealed comes along. Return: false when it cannot be read. */
static bool sotto_open_bring(const struct sk_buff *skb, struct sk_buff *out, unsigned int hdr)
{
	unsigned int at = hdr, n;
	struct sotto_cursor cur;
	u8 *to;

	sotto_cursor_init(&cur, out, hdr);
	for (; at < skb->len; at += n) {
		to = sotto_cursor_piece(&cur, skb->len - at, &n);
		if (!to || skb_copy_bits(skb, at, to, n))
			return false;
	}
	return true;
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

static void sotto_open_forged(struct sotto_sa *sa)
{
	spin_lock(&sa->lock);
	sa->auth_failures++;
	spin_unlock(&sa->lock);
}

/*
 * Early look, without the lock: spares the work. Where it says no it may have seen half a change,
 * so that is asked again with the lock, which is needed to count it anyway.
 */
static bool sotto_open_look(struct sotto_sa *sa, u32 seq_lo, u64 *seq)
{
	bool fresh;

	*seq = sotto_replay_esn(sa->replay, seq_lo);
	if (likely(sotto_replay_check(sa->replay, *seq)))
		return true;
	spin_lock(&sa->lock);
	*seq = sotto_replay_esn(sa->replay, seq_lo);
	fresh = sotto_replay_check(sa->replay, *seq);
	if (!fresh)
		sa->replays++;
	spin_unlock(&sa->lock);
	return fresh;
}

/* Count and move the window: the packet is authentic. */
static int sotto_open_account(struct sotto_sa *sa, u64 seq, unsigned int len,
			      const struct sotto_pkt *p)
{
	bool fresh;

	spin_lock(&sa->lock);
	fresh = sotto_replay_update(sa->replay, seq);
	if (fresh) {
		sa->rx_packets++;
		sa->rx_bytes += len;
	} else {
		sa->replays++;
	}
	spin_unlock(&sa->lock);
	if (!fresh)
		return SOTTO_STAT_IN_DROP_REPLAY;

	if (unlikely(sa->natted))	/* before what waits goes there */
		sotto_nat_seen(sa, p, seq);
	if (unlikely(!test_bit(SOTTO_SA_CONFIRMED, &sa->flags)))
		sotto_sa_confirm(sa);
	return 0;
}

bool sotto_open_pad_ok(const u8 *pad, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (pad[i] != i + 1)
			return false;
	return true;
}

/*
 * RFC 4303 section 2.4-2.6: check and remove trailer and ICV.
 * Return: 0 and the next header, or the counter of what is wrong.
 */
static int sotto_open_trailer(struct sk_buff *skb, unsigned int hdr, u8 *nexthdr)
{
	unsigned int plain = skb->len - hdr - SOTTO_ICV_LEN;
	u8 buf[SOTTO_TRAILER_LEN], pad_buf[255];
	const u8 *tail, *pad;
	unsigned int n;

	tail = skb_header_pointer(skb, hdr + plain - SOTTO_TRAILER_LEN, sizeof(buf), buf);
	if (!tail)
		return SOTTO_STAT_IN_DROP_MALFORMED;
	n = tail[0];
	*nexthdr = tail[1];
	if (n + SOTTO_TRAILER_LEN > plain)
		return SOTTO_STAT_IN_DROP_PADDING;
	plain -= SOTTO_TRAILER_LEN + n;
	pad = skb_header_pointer(skb, hdr + plain, n, pad_buf);
	if (!pad)
		return SOTTO_STAT_IN_DROP_MALFORMED;
	if (!sotto_open_pad_ok(pad, n))
		return SOTTO_STAT_IN_DROP_PADDING;

	return pskb_trim(skb, hdr + plain) ? SOTTO_STAT_IN_DROP_NOMEM : 0;
}

/* A whole packet in tunnel mode; in transport mode not IP's per-hop and fragment headers. */
bool sotto_open_proto_ok(const struct sotto_sa *sa, const struct sk_buff *skb, u8 proto)
{
	if (sa->mode == SOTTO_SA_MODE_TUNNEL)
		return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
	if (skb->protocol == htons(ETH_P_IP))
		return proto != IPPROTO_HOPOPTS;
	return proto != NEXTHDR_HOP && proto != NEXTHDR_ROUTING &&
	       proto != NEXTHDR_FRAGMENT;
}

/* Take UDP, ESP and IV out; what is left is the packet as its sender made it. */
static void sotto_open_strip(struct sk_buff *skb, const struct sotto_pkt *p)
{
	u8 *data = skb->data;

	memmove(data + SOTTO_ENCAP_LEN, data, p->l4);
	__skb_pull(skb, SOTTO_ENCAP_LEN);
	skb_reset_network_header(skb);
	if (skb_mac_header_was_set(skb))
		skb_mac_header_rebuild(skb);
}

/*
 * Where the stack is to go on with the headers. IPv6 has seen hop-by-hop options at most: what
 * else is outside is in front of it still. If it began behind that, it would take what was sealed
 * for the header that is named there.
 */
static unsigned int sotto_open_next(const struct sk_buff *skb, const struct sotto_pkt *p)
{
	unsigned int nhoff;

	if (skb->protocol == htons(ETH_P_IP))
		return p->l4;
	nhoff = IP6CB(skb)->nhoff;
	if (nhoff == offsetof(struct ipv6hdr, nexthdr))
		return sizeof(struct ipv6hdr);
	return nhoff + ipv6_optlen((struct ipv6_opt_hdr *)(skb_network_header(skb) + nhoff));
}

/* The IP header is the one it came with, but for what ESP changed. */
static void sotto_open_headers(struct sk_buff *skb, const struct sotto_pkt *p,
			       u8 nexthdr)
{
	skb_set_transport_header(skb, sotto_open_next(skb, p));
	skb->data[p->nhoff] = nexthdr;
	if (skb->protocol == htons(ETH_P_IP)) {
		ip_hdr(skb)->tot_len = htons(skb->len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
	}

	/*
	 * Authenticated end to end, between addresses that the SA vouches for. A
	 * burst's checksum is left to whoever cuts it.
	 */
	if (!skb_is_gso(skb)) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		skb->csum_level = 0;
	}
	skb->csum_valid = 0;
	skb->csum_complete_sw = 0;
	skb->encapsulation = 0;
	skb_clear_hash(skb);
	nf_reset_ct(skb);
}

void sotto_open_up(struct sotto_sa *sa, struct sk_buff *skb, const struct sotto_pkt *p,
		   u8 nexthdr, struct nf_hook_state *state)
{
	struct sotto_pkt inner = *p;

	if (sa->mode == SOTTO_SA_MODE_TUNNEL) {
		sotto_decap_up(sa, skb, p, nexthdr, state);
		return;
	}
	sotto_open_headers(skb, p, nexthdr);
	inner.proto = nexthdr;
	if (nexthdr == IPPROTO_TCP)
		sotto_clamp_mss(sa->ns, skb, &inner,
				sotto_inner_mtu(READ_ONCE(skb->dev->mtu), p->l4));
	sotto_stat_add(sa->ns, SOTTO_STAT_IN_OPENED, skb_shinfo(skb)->gso_segs ?: 1);
	sotto_resume(skb, state);
}

/* Dummies never go up. A's are answered, so that it knows we have its keys. */
void sotto_open_dummy(struct sotto_sa *sa, const struct sotto_pkt *p)
{
	struct sotto_sa *out = rcu_dereference(sa->pair);

	sotto_stat_inc(sa->ns, SOTTO_STAT_IN_DUMMY);
	if (out && test_bit(SOTTO_SA_ANSWER, &sa->flags))
		sotto_send_dummy(out, &p->dst, &p->src);
}

/* Everything behind authentication. Return: 0 or the counter of the drop. */
static int sotto_open_plain(struct sotto_sa *sa, struct sk_buff *skb, u64 seq,
			    const struct sotto_pkt *p, struct nf_hook_state *state)
{
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	u8 nexthdr;
	int why;

	why = sotto_open_account(sa, seq, skb->len - SOTTO_ENCAP_LEN - SOTTO_ICV_LEN,
				 p);
	if (why)
		return why;
	why = sotto_open_trailer(skb, hdr, &nexthdr);
	if (why)
		return why;
	if (nexthdr == IPPROTO_NONE) {
		sotto_open_dummy(sa, p);
		sotto_nat_dummy(sa, skb, hdr, p);
		consume_skb(skb);
		return 0;
	}
	if (!sotto_open_proto_ok(sa, skb, nexthdr))
		return SOTTO_STAT_IN_DROP_PROTOCOL;

	sotto_open_strip(skb, p);
	sotto_open_up(sa, skb, p, nexthdr, state);
	return 0;
}

/* What became of a packet, now at @skb. */
static void sotto_open_end(struct sotto_sa *sa, struct sk_buff *skb, u64 seq,
			   const struct sotto_pkt *p, struct nf_hook_state *state, int err)
{
	int why = 0;

	if (likely(!err)) {
		why = sotto_open_plain(sa, skb, seq, p, state);
	} else if (err == -EBADMSG) {
		sotto_open_forged(sa);
		why = SOTTO_STAT_IN_DROP_AUTH;
	} else {
		why = SOTTO_STAT_IN_DROP_CRYPTO;
	}
	if (why)
		sotto_drop(sa->ns, skb, why);
}

bool sotto_open_text(struct sotto_chapoly *c, struct sotto_cursor *src, u8 *dst,
		     unsigned int len)
{
	const u8 *from;
	unsigned int n;

	for (; len; dst += n) {
		from = sotto_cursor_piece(src, len, &n);
		if (!from)
			return false;
		len -= n;
		sotto_chapoly_open(c, dst, from, n);
	}
	return true;
}

int sotto_open_icv(struct sotto_chapoly *c, struct sotto_cursor *src)
{
	u8 tag[SOTTO_ICV_LEN];
	bool read = sotto_cursor_copy(src, tag, sizeof(tag));

	return sotto_chapoly_authentic(c, tag) && read ? 0 : -EBADMSG;
}

/* Open @in to @out, which may be the same, from @hdr on. */
static noinline_for_stack int
sotto_open_chapoly(const struct sotto_sa *sa, struct sk_buff *in, struct sk_buff *out,
		   unsigned int hdr, u64 seq, __be64 iv)
{
	unsigned int left = in->len - hdr - SOTTO_ICV_LEN, n;
	struct sotto_cursor src, dst;
	struct sotto_chapoly c;
	bool readable = true;
	int err;
	u8 *to;

	sotto_cursor_init(&src, in, hdr);
	sotto_cursor_init(&dst, out, hdr);
	sotto_chapoly_packet(&c, &sa->key, sa->salt, sa->spi, seq, iv, left);
	while (left && readable) {
		to = sotto_cursor_piece(&dst, left, &n);
		left -= n;
		readable = to && sotto_open_text(&c, &src, to, n);
	}
	err = sotto_open_icv(&c, &src);
	sotto_chapoly_wipe(&c);
	return err ?: readable ? 0 : -EBADMSG;
}

static void sotto_open_finish(struct sotto_crypt *c, int err)
{
	struct nf_hook_state state = c->state;
	struct sotto_sa *sa = c->owner;
	struct sk_buff *skb = c->out;
	struct sotto_pkt p = c->p;
	u64 seq = c->seq;

	if (c->in != c->out)
		consume_skb(c->in);
	/* Not kept for what follows: that may well open or seal more packets. */
	sotto_crypt_free(c);
	sotto_open_end(sa, skb, seq, &p, &state, err);
}

static void sotto_open_done(SOTTO_CRYPTO_DATA *data, int err)
{
	struct sotto_crypt *c = sotto_crypto_arg(data);
	struct net_device *dev = c->state.in;
	struct sotto_sa *sa = c->owner;

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

	if (sa->async)
		dev_hold(dev);
	aead_request_set_callback(c->req, 0, sotto_open_done, c);
	err = crypto_aead_decrypt(c->req);
	if (sotto_sa_later(sa, err))
		return;
	sotto_open_finish(c, err);
	if (sa->async)
		dev_put(dev);
	sotto_sa_end_async(sa);
}

/* Ask the crypto API to. Return: 0, or the counter of the drop. */
static int sotto_open_request(struct sotto_sa *sa, struct sk_buff *skb, struct sk_buff *out,
			      const struct sotto_pkt *p, const struct nf_hook_state *state,
			      u64 seq, __be64 iv)
{
	struct sotto_crypt *c;

	if (!sotto_sa_begin_async(sa))
		return SOTTO_STAT_IN_DROP_EXPIRED;
	c = sotto_crypt_alloc(sa->key.aead, 1 + sotto_skb_nsg(skb),
			      out == skb ? 0 : 1 + sotto_skb_nsg(out));
	if (!c)
		goto err_sa;
	c->in = skb;
	c->out = out;
	c->owner = sa;
	c->state = *state;
	c->p = *p;
	c->seq = seq;
	sotto_crypt_set(c, sa->salt, sa->spi, seq, iv);
	if (sotto_open_sg(c, p->l4 + SOTTO_ENCAP_LEN))
		goto err_crypt;
	sotto_open_submit(sa, c);
	return 0;

err_crypt:
	sotto_crypt_free(c);
err_sa:
	sotto_sa_end_async(sa);
	return SOTTO_STAT_IN_DROP_NOMEM;
}

/* At once, with ChaCha20-Poly1305. */
static void sotto_open_now(struct sotto_sa *sa, struct sk_buff *skb, struct sk_buff *out,
			   const struct sotto_pkt *p, const struct nf_hook_state *state,
			   u64 seq, __be64 iv)
{
	struct nf_hook_state onward = *state;
	int err = sotto_open_chapoly(sa, skb, out, p->l4 + SOTTO_ENCAP_LEN, seq, iv);

	if (out != skb)
		consume_skb(skb);
	sotto_open_end(sa, out, seq, p, &onward, err);
}

int sotto_open(struct sotto_sa *sa, struct sk_buff *skb, const struct sotto_pkt *p,
	       const struct nf_hook_state *state)
{
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	struct sk_buff *in = skb, *out = skb;
	const struct sotto_esp_hdr *esp;
	int why = 0;
	u64 seq;

	esp = (const void *)(skb_network_header(skb) + p->l4 + sizeof(struct udphdr));
	if (!sotto_open_look(sa, ntohl(esp->seq_lo), &seq))
		return SOTTO_STAT_IN_DROP_REPLAY;
	if (!sotto_open_in_place(skb))
		out = sotto_open_alloc(skb, hdr);
	if (!out)
		return SOTTO_STAT_IN_DROP_NOMEM;
	if (unlikely(sotto_open_shared(skb))) {
		in = out;
		if (!sotto_open_bring(skb, out, hdr))
			why = SOTTO_STAT_IN_DROP_NOMEM;
	}
	if (!why && sa->key.aead)
		why = sotto_open_request(sa, in, out, p, state, seq, esp->iv);
	else if (!why)
		sotto_open_now(sa, in, out, p, state, seq, esp->iv);
	if (!why && in != skb)
		consume_skb(skb);
	if (why && out != skb)
		kfree_skb(out);
	return why;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/open.c"
#endif
