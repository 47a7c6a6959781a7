// SPDX-License-Identifier: GPL-2.0
/*
 * The way in: a burst, many packets of one sender in one skb.
 *
 * It is opened segment by segment into fresh pages, so that the payload of what
 * belongs together lies in one piece, and goes up as few inner bursts: as one, if
 * its sender cut it from one.
 *
 * Where the payload would begin behind its transport header, the header is let
 * overlap the end of what is there already; that is saved before and put back
 * afterwards. So nothing is copied but headers.
 */
#include <linux/bitmap.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>
#include <net/udp.h>

#include "compat.h"
#include "crypto.h"
#include "cursor.h"
#include "inner.h"
#include "nat.h"
#include "netns.h"
#include "open.h"
#include "sa.h"
#include "skb.h"
#include "tunnel_mode.h"

/* Pages of a burst come in pieces of this at most. */
#define SOTTO_PIECE_ORDER	PAGE_ALLOC_COSTLY_ORDER
#define SOTTO_PIECE_MAX		(PAGE_SIZE << SOTTO_PIECE_ORDER)
/* The longest transport header that is merged by. */
#define SOTTO_L4_MAX		60
/* And with IP's in front of it, in tunnel mode. */
#define SOTTO_HEAD_MAX		(sizeof(union sotto_inner) + SOTTO_L4_MAX)
/* Of what is not merged, so much is linear. */
#define SOTTO_LINEAR_MAX	128

/* A transport header, aligned. */
union sotto_l4 {
	struct tcphdr tcp;
	struct udphdr udp;
	u8 byte[SOTTO_L4_MAX];
};

/**
 * struct sotto_segment - what was opened of the current segment
 * @ip: what it begins with: in tunnel mode that is IP's header
 * @head: the same
 * @len: of it all, without ESP's trailer
 * @nexthdr: of that
 * @proto: what the transport header is
 * @ip_len: length of IP's header in front of that, 0 in transport mode
 * @hlen: length of all headers, or 0 where it cannot be merged by them
 */
struct sotto_segment {
	union {
		union sotto_inner ip;
		u8 head[SOTTO_HEAD_MAX];
	};
	unsigned int len;
	u8 nexthdr, proto;
	unsigned int ip_len, hlen;
};

/**
 * struct sotto_burst - a burst on its way in
 * @sa: opens it
 * @skb: as it came
 * @c: request, used for one segment after the other; NULL: ChaCha20-Poly1305 needs none
 * @state: where the inner packets go on
 * @p: of @skb
 * @cur: what of @skb was not read yet
 * @n: segments
 * @i: the one being opened
 * @size: of each but the last, from its ESP header to its ICV
 * @last: of the last
 * @n_src: entries of the source list that are in use
 * @top: highest authentic number so far
 * @page: being written
 * @room: its size
 * @end: end of what is kept in it
 * @at: where the current segment is written
 * @overlap: how much of what is kept that overwrites
 * @saved: that
 * @out: inner packets, in order
 * @open: the last of them, while more can be merged
 * @proto: transport protocol of @open
 * @ip_len: length of IP's header in there, in tunnel mode
 * @hlen: length of that and its transport header
 * @vouched: nobody but the peer itself can have damaged it
 * @fixed_id: all of it has one identification in IPv4's header
 * @mss: its payload per segment
 * @segs: its segments
 * @dummies: authentic ones
 * @probed: one of them may be a probe of the path
 * @probe: what the last of those says
 * @forged: segments that failed authentication
 * @kept: segments that are in @out
 * @seq: sequence numbers, 0 of what is not or no more to be taken
 */
struct sotto_burst {
	struct sotto_sa *sa;
	struct sk_buff *skb;
	struct sotto_crypt *c;
	struct nf_hook_state state;
	struct sotto_pkt p;
	struct sotto_cursor cur;
	unsigned int n, i;
	unsigned int size, last;
	unsigned int n_src;
	u64 top;

	struct page *page;
	unsigned int room, end, at, overlap;
	u8 saved[SOTTO_HEAD_MAX];

	struct sk_buff_head out;
	struct sk_buff *open;
	u8 proto;
	bool vouched, fixed_id;
	unsigned int ip_len, hlen, mss, segs;

	unsigned int dummies, forged;
	bool probed;
	struct sotto_path_probe probe;
	DECLARE_BITMAP(kept, SOTTO_BURST_MAX);
	u64 seq[SOTTO_BURST_MAX];
};

static unsigned int sotto_burst_len(const struct sotto_burst *b, unsigned int i)
{
	return i == b->n - 1 ? b->last : b->size;
}

/* What is opened of segment @i: payload and trailer. */
static unsigned int sotto_burst_plain(const struct sotto_burst *b, unsigned int i)
{
	return sotto_burst_len(b, i) - sizeof(struct sotto_esp_hdr) - SOTTO_ICV_LEN;
}

/*
 * Read all ESP headers: all must be of one SA.
 * Return: the most pieces that a segment is in, or 0 for another kind of burst.
 */
static int sotto_burst_read(struct sotto_burst *b)
{
	struct sotto_cursor cur = b->cur;
	struct sotto_esp_hdr esp;
	unsigned int i;
	int n, most = 0;

	for (i = 0; i < b->n; i++) {
		if (!sotto_cursor_copy(&cur, &esp, sizeof(esp)) ||
		    esp.spi != htonl(b->sa->spi))
			return 0;
		n = sotto_cursor_sg(&cur, NULL, sotto_burst_len(b, i) - sizeof(esp));
		if (n < 0)
			return 0;
		most = max(most, n);
		b->seq[i] = ntohl(esp.seq_lo);
	}
	return most;
}

/* Early look: spares the work, decides nothing for good. */
static void sotto_burst_look(struct sotto_burst *b)
{
	struct sotto_sa *sa = b->sa;
	unsigned int i, stale = 0;

	spin_lock(&sa->lock);
	for (i = 0; i < b->n; i++) {
		b->seq[i] = sotto_replay_esn(sa->replay, b->seq[i]);
		if (sotto_replay_check(sa->replay, b->seq[i]))
			continue;
		b->seq[i] = 0;
		stale++;
	}
	sa->replays += stale;
	spin_unlock(&sa->lock);
	if (stale)
		sotto_stat_add(sa->ns, SOTTO_STAT_IN_DROP_REPLAY, stale);
}

/* Would the authentic ones so far, in the window, have this one be a replay? */
static bool sotto_burst_repeats(const struct sotto_burst *b)
{
	u64 seq = b->seq[b->i];
	unsigned int i;

	if (seq > b->top)
		return false;
	if (b->top - seq >= SOTTO_REPLAY_WINDOW)
		return true;
	for (i = 0; i < b->i; i++)
		if (b->seq[i] == seq)
			return true;
	return false;
}

static void sotto_burst_replayed(struct sotto_burst *b)
{
	b->seq[b->i] = 0;
	spin_lock(&b->sa->lock);
	b->sa->replays++;
	spin_unlock(&b->sa->lock);
	sotto_stat_inc(b->sa->ns, SOTTO_STAT_IN_DROP_REPLAY);
}

/* --- memory ------------------------------------------------------------------- */

static void sotto_burst_page_done(struct sotto_burst *b)
{
	struct sk_buff *skb = skb_peek_tail(&b->out);

	if (!b->page)
		return;
	/* Somebody has to pay for what is left of it. */
	if (skb && skb->data_len)
		skb->truesize += b->room - b->end;
	put_page(b->page);
	b->page = NULL;
}

/* Pages for the rest of the burst, or as much of it as there is; @len at least. */
static bool sotto_burst_page_get(struct sotto_burst *b, unsigned int len)
{
	unsigned int rest = len + (b->n - 1 - b->i) * (b->size - SOTTO_L4_MAX / 2);
	int order = min(get_order(rest), SOTTO_PIECE_ORDER);

	for (; order >= get_order(len); order--) {
		b->page = alloc_pages(GFP_ATOMIC | __GFP_NOWARN | __GFP_COMP, order);
		if (!b->page)
			continue;
		b->room = PAGE_SIZE << order;
		b->end = 0;
		return true;
	}
	return false;
}

/* Bytes of headers. Their number is a multiple of four, and too small for a call. */
static void sotto_burst_words(u8 *to, const u8 *from, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i += sizeof(u32))
		put_unaligned(get_unaligned((const u32 *)(from + i)), (u32 *)(to + i));
}

/* Find the place for the current segment. */
static bool sotto_burst_place(struct sotto_burst *b)
{
	unsigned int len = sotto_burst_plain(b, b->i);

	b->overlap = b->open ? b->hlen : 0;
	if (b->page && (b->end < b->overlap || b->end - b->overlap + len > b->room))
		sotto_burst_page_done(b);
	if (!b->page) {
		b->overlap = 0;
		if (!sotto_burst_page_get(b, len))
			return false;
	}
	b->at = b->end - b->overlap;
	sotto_burst_words(b->saved, page_address(b->page) + b->at, b->overlap);
	return true;
}

static void sotto_burst_restore(struct sotto_burst *b)
{
	sotto_burst_words(page_address(b->page) + b->at, b->saved, b->overlap);
}

static bool sotto_burst_adjoins(const struct sotto_burst *b, const struct sk_buff *skb,
				unsigned int at)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	const skb_frag_t *frag;

	if (!info->nr_frags)
		return false;
	frag = &info->frags[info->nr_frags - 1];
	return skb_frag_page(frag) == b->page &&
	       skb_frag_off(frag) + skb_frag_size(frag) == at;
}

/* @len bytes at @at become the end of @skb. */
static void sotto_burst_keep(struct sotto_burst *b, struct sk_buff *skb,
			     unsigned int at, unsigned int len)
{
	struct skb_shared_info *info = skb_shinfo(skb);

	if (sotto_burst_adjoins(b, skb, at)) {
		skb_frag_size_add(&info->frags[info->nr_frags - 1], len);
	} else {
		get_page(b->page);
		skb_fill_page_desc(skb, info->nr_frags, b->page, at, len);
	}
	skb->len += len;
	skb->data_len += len;
	skb->truesize += len;
	b->end = at + len;
}

/* --- inner packets --------------------------------------------------------------- */

static bool sotto_burst_is_v4(const struct sotto_burst *b)
{
	return b->ip_len ? b->ip_len == sizeof(struct iphdr) : b->state.pf == NFPROTO_IPV4;
}

/* The lengths of IP's header in @open are for @len bytes behind that. Return: the pseudo sum. */
static __sum16 sotto_burst_lengths(const struct sotto_burst *b, unsigned int len)
{
	struct sk_buff *skb = b->open;
	union sotto_inner *ip = (void *)(skb_transport_header(skb) - b->ip_len);

	if (!b->ip_len)		/* IP's is the one outside, which waits for more */
		return sotto_pseudo_sum(skb, len, b->proto);
	sotto_inner_set_len(ip, b->ip_len + len);
	return sotto_inner_sum(ip, len, b->proto, 0);
}

/* Nothing more can be merged into the last one. */
static void sotto_burst_close(struct sotto_burst *b)
{
	struct sk_buff *skb = b->open;
	unsigned int len;
	__sum16 pseudo;

	if (!skb || b->segs == 1) {
		b->open = NULL;
		return;
	}
	len = skb->len - b->p.l4 - b->ip_len;
	pseudo = sotto_burst_lengths(b, len);
	skb_shinfo(skb)->gso_size = b->mss;
	skb_shinfo(skb)->gso_segs = b->segs;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	if (b->proto == IPPROTO_TCP) {
		struct tcphdr *th = tcp_hdr(skb);

		skb->csum_offset = offsetof(struct tcphdr, check);
		th->check = ~pseudo;
		skb_shinfo(skb)->gso_type = sotto_burst_is_v4(b) ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
		if (th->cwr)
			skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ECN;
		if (b->fixed_id)
			skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_FIXEDID;
	} else {
		struct udphdr *uh = udp_hdr(skb);

		skb->csum_offset = offsetof(struct udphdr, check);
		uh->len = htons(len);
		uh->check = ~pseudo;
		skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
	}
	b->open = NULL;
	sotto_stat_inc(b->sa->ns, SOTTO_STAT_IN_BURSTS);
}

#define SOTTO_TCP_ENDS	(TCP_FLAG_URG | TCP_FLAG_PSH | TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_FIN)

static const union sotto_l4 *sotto_segment_l4(const struct sotto_segment *g)
{
	return (const void *)(g->head + g->ip_len);
}

/* Length of a transport header that can be merged by, or 0. */
static unsigned int sotto_burst_l4_len(u8 proto, const union sotto_l4 *l4, unsigned int len)
{
	unsigned int hlen;

	if (proto == IPPROTO_TCP && len >= sizeof(l4->tcp)) {
		hlen = l4->tcp.doff * 4;
		return hlen >= sizeof(l4->tcp) && hlen < len ? hlen : 0;
	}
	if (proto == IPPROTO_UDP && len > sizeof(l4->udp) &&
	    ntohs(l4->udp.len) == len && l4->udp.check)
		return sizeof(l4->udp);
	return 0;
}

/* Read the headers of the current segment, which is at @plain. */
static void sotto_burst_parse(const struct sotto_burst *b, struct sotto_segment *g,
			      const u8 *plain)
{
	bool tunnel = b->sa->mode == SOTTO_SA_MODE_TUNNEL;

	if (likely(g->len >= SOTTO_HEAD_MAX))
		memcpy(g->head, plain, SOTTO_HEAD_MAX);	/* of this length no call */
	else
		memcpy(g->head, plain, g->len);
	g->proto = g->nexthdr;
	g->ip_len = tunnel ? sotto_inner_len(&g->ip, g->len, g->nexthdr, &g->proto) : 0;
	g->hlen = sotto_burst_l4_len(g->proto, sotto_segment_l4(g), g->len - g->ip_len);
	if (g->hlen)
		g->hlen += g->ip_len;
}

/*
 * What came from behind the other end may have been damaged there. Merged, it gets a checksum
 * that nobody looks at: so it must have been right.
 */
static bool sotto_burst_sum_ok(const struct sotto_burst *b, const struct sotto_segment *g)
{
	const u8 *l4 = page_address(b->page) + b->at + g->ip_len;
	unsigned int len = g->len - g->ip_len;

	return !sotto_inner_sum(&g->ip, len, g->proto, csum_partial(l4, len, 0));
}

static bool sotto_burst_vouched(const struct sotto_burst *b, const struct sotto_segment *g)
{
	struct sotto_addr src, dst;

	if (!g->ip_len)
		return true;
	sotto_inner_addrs(&g->ip, &src, &dst);
	return sotto_decap_vouched(b->sa, &src, &dst);
}

/* As tcp_gro_receive() has it. @at: bytes that the other has already. */
static bool sotto_tcp_follows(const struct tcphdr *th, const struct tcphdr *next,
			      unsigned int hlen, unsigned int at)
{
	__be32 flags = tcp_flag_word(next);

	return !(flags & TCP_FLAG_CWR) &&
	       !((flags ^ tcp_flag_word(th)) &
		 ~(TCP_FLAG_CWR | TCP_FLAG_FIN | TCP_FLAG_PSH)) &&
	       th->source == next->source && th->dest == next->dest &&
	       th->ack_seq == next->ack_seq && ntohl(th->seq) + at == ntohl(next->seq) &&
	       !memcmp(th + 1, next + 1, hlen - sizeof(*th));
}

/* Is the current segment of the flow that @open is of, and the next one there? */
static bool sotto_burst_continues(const struct sotto_burst *b, const struct sotto_segment *g)
{
	const union sotto_l4 *first = (const void *)skb_transport_header(b->open);
	const union sotto_l4 *l4 = sotto_segment_l4(g);

	if (b->ip_len && !sotto_inner_follows((const void *)first - b->ip_len, &g->ip,
					      b->fixed_id ? 0 : b->segs))
		return false;
	if (b->proto == IPPROTO_TCP)
		return sotto_tcp_follows(&first->tcp, &l4->tcp, b->hlen - b->ip_len,
					 b->open->len - b->p.l4 - b->hlen);
	return first->udp.source == l4->udp.source && first->udp.dest == l4->udp.dest &&
	       b->segs < SOTTO_UDP_SEGS_MAX;
}

static bool sotto_burst_follows(const struct sotto_burst *b, const struct sotto_segment *g)
{
	const struct sk_buff *skb = b->open;

	if (!skb || g->proto != b->proto || g->ip_len != b->ip_len || g->hlen != b->hlen ||
	    g->len - g->hlen > b->mss || skb->len + g->len - g->hlen > IP_MAX_MTU)
		return false;
	if (skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS &&
	    !sotto_burst_adjoins(b, skb, b->at + g->hlen))
		return false;
	return sotto_burst_continues(b, g) && (b->vouched || sotto_burst_sum_ok(b, g));
}

/* As tcp_gro_receive() has it: the second of a TCP flow tells. */
static void sotto_burst_tell_id(struct sotto_burst *b, const struct sotto_segment *g)
{
	const void *l4;

	if (!b->open || b->segs != 1 || !b->ip_len || b->proto != IPPROTO_TCP ||
	    g->ip_len != b->ip_len)
		return;
	l4 = skb_transport_header(b->open);
	b->fixed_id = sotto_inner_fixed_id(l4 - b->ip_len, &g->ip);
}

/* The current segment goes behind what @open has. */
static void sotto_burst_merge(struct sotto_burst *b, const struct sotto_segment *g)
{
	__be32 flags = tcp_flag_word(&sotto_segment_l4(g)->tcp);
	bool tcp = b->proto == IPPROTO_TCP;

	sotto_burst_keep(b, b->open, b->at + b->hlen, g->len - b->hlen);
	b->segs++;
	if (tcp)
		tcp_flag_word(tcp_hdr(b->open)) |= flags & (TCP_FLAG_FIN | TCP_FLAG_PSH);
	if (g->len - b->hlen < b->mss || (tcp && (flags & SOTTO_TCP_ENDS)))
		sotto_burst_close(b);
}

/* The current segment, as a packet of its own. */
static struct sk_buff *sotto_burst_packet(struct sotto_burst *b, unsigned int linear,
					  const struct sotto_segment *g)
{
	struct sk_buff *skb = sotto_skb_alloc_like(b->skb, b->p.l4 + linear, 0);

	if (skb) {
		skb_copy_from_linear_data(b->skb, skb->data, b->p.l4);
		memcpy(skb->data + b->p.l4, page_address(b->page) + b->at, linear);
		skb->data[b->p.nhoff] = g->nexthdr;
		skb_set_transport_header(skb, b->p.l4 + g->ip_len);
		if (b->state.pf == NFPROTO_IPV4)
			ip_hdr(skb)->id = htons(ntohs(ip_hdr(skb)->id) + b->i);
	}
	sotto_burst_restore(b);
	if (skb && g->len > linear)
		sotto_burst_keep(b, skb, b->at + linear, g->len - linear);
	return skb;
}

/* Can something be merged into it? */
static bool sotto_burst_opens(const struct sotto_burst *b, const struct sotto_segment *g,
			      bool vouched)
{
	if (!g->hlen || (g->proto == IPPROTO_TCP &&
			 (tcp_flag_word(&sotto_segment_l4(g)->tcp) & SOTTO_TCP_ENDS)))
		return false;
	return vouched || sotto_burst_sum_ok(b, g);
}

static void sotto_burst_start(struct sotto_burst *b, const struct sotto_segment *g)
{
	unsigned int linear = max(g->hlen ?: SOTTO_LINEAR_MAX, b->overlap);
	bool vouched = sotto_burst_vouched(b, g), opens = sotto_burst_opens(b, g, vouched);
	struct sk_buff *skb;

	sotto_burst_close(b);
	skb = sotto_burst_packet(b, min(linear, g->len), g);
	if (!skb) {
		sotto_stat_inc(b->sa->ns, SOTTO_STAT_IN_DROP_NOMEM);
		return;
	}
	__set_bit(b->i, b->kept);
	__skb_queue_tail(&b->out, skb);
	if (!opens)
		return;
	b->open = skb;
	b->proto = g->proto;
	b->vouched = vouched;
	b->fixed_id = false;
	b->ip_len = g->ip_len;
	b->hlen = g->hlen;
	b->mss = g->len - g->hlen;
	b->segs = 1;
}

/* RFC 4303 section 2.4-2.6. Return: 0, or the counter of what is wrong. */
static int sotto_burst_trailer(const struct sotto_burst *b, const u8 *plain,
			       unsigned int *len, u8 *nexthdr)
{
	unsigned int pad;

	*len -= SOTTO_TRAILER_LEN;
	pad = plain[*len];
	*nexthdr = plain[*len + 1];
	if (pad > *len)
		return SOTTO_STAT_IN_DROP_PADDING;
	*len -= pad;
	if (!sotto_open_pad_ok(plain + *len, pad))
		return SOTTO_STAT_IN_DROP_PADDING;
	return sotto_open_proto_ok(b->sa, b->skb, *nexthdr) ? 0 : SOTTO_STAT_IN_DROP_PROTOCOL;
}

/* GRO takes a probe of the path for the end of what was sent before it. */
static void sotto_burst_dummy(struct sotto_burst *b, const u8 *plain, unsigned int len)
{
	b->dummies++;
	if (len != sizeof(b->probe))
		return;
	memcpy(&b->probe, plain, sizeof(b->probe));
	b->probed = true;
}

/* The current segment is authentic: whatever it is, its number is taken. */
static void sotto_burst_take(struct sotto_burst *b)
{
	const u8 *plain = page_address(b->page) + b->at;
	struct sotto_segment g;
	int why;

	b->top = max(b->top, b->seq[b->i]);
	g.len = sotto_burst_plain(b, b->i);
	why = sotto_burst_trailer(b, plain, &g.len, &g.nexthdr);
	if (why || g.nexthdr == IPPROTO_NONE) {
		if (why)
			sotto_stat_inc(b->sa->ns, why);
		else
			sotto_burst_dummy(b, plain, g.len);
		sotto_burst_restore(b);
		return;
	}

	sotto_burst_parse(b, &g, plain);
	sotto_burst_tell_id(b, &g);
	if (g.hlen && sotto_burst_follows(b, &g)) {
		__set_bit(b->i, b->kept);
		sotto_burst_restore(b);
		sotto_burst_merge(b, &g);
	} else {
		sotto_burst_start(b, &g);
	}
}

/* --- all segments are through ------------------------------------------------------ */

/*
 * All numbers in one go. Return: how many were taken elsewhere meanwhile; and in @newest the
 * highest that was not, 0 if there is none.
 */
static unsigned int sotto_burst_account(struct sotto_burst *b, u64 *newest)
{
	struct sotto_sa *sa = b->sa;
	unsigned int i, late = 0;

	spin_lock(&sa->lock);
	sa->auth_failures += b->forged;
	for (i = 0; i < b->n; i++) {
		if (!b->seq[i])
			continue;
		if (!sotto_replay_update(sa->replay, b->seq[i])) {
			b->seq[i] = 0;
			late++;
			continue;
		}
		*newest = max(*newest, b->seq[i]);
		sa->rx_packets++;
		sa->rx_bytes += b->p.l4 + sotto_burst_plain(b, i);
	}
	sa->replays += late;
	spin_unlock(&sa->lock);
	return late;
}

/*
 * Another processor took some of our numbers while we were at work: somebody
 * doubles packets. An inner packet that holds one of those goes as a whole.
 */
static void sotto_burst_weed(struct sotto_burst *b)
{
	unsigned int i = find_first_bit(b->kept, b->n), k, segs;
	struct sk_buff *skb, *next;
	bool late;

	skb_queue_walk_safe(&b->out, skb, next) {
		segs = skb_shinfo(skb)->gso_segs ?: 1;
		late = false;
		for (k = 0; k < segs; k++) {
			late |= !b->seq[i];
			i = find_next_bit(b->kept, b->n, i + 1);
		}
		if (!late)
			continue;
		__skb_unlink(skb, &b->out);
		sotto_stat_add(b->sa->ns, SOTTO_STAT_IN_DROP_REPLAY, segs - 1);
		sotto_drop(b->sa->ns, skb, SOTTO_STAT_IN_DROP_REPLAY);
	}
}

static void sotto_burst_end(struct sotto_burst *b)
{
	struct sotto_sa *sa = b->sa;
	struct sk_buff *skb;
	u64 newest = 0;

	sotto_burst_close(b);
	sotto_burst_page_done(b);
	if (b->c)
		sotto_crypt_free(b->c);
	consume_skb(b->skb);

	if (sotto_burst_account(b, &newest))
		sotto_burst_weed(b);
	if (newest && unlikely(sa->natted))
		sotto_nat_seen(sa, &b->p, newest);
	if (newest && !test_bit(SOTTO_SA_CONFIRMED, &sa->flags))
		sotto_sa_confirm(sa);
	if (b->forged)
		sotto_stat_add(sa->ns, SOTTO_STAT_IN_DROP_AUTH, b->forged);
	while (b->dummies--)
		sotto_open_dummy(sa, &b->p);
	if (b->probed)
		sotto_nat_probed(sa, &b->probe, &b->p);
	while ((skb = __skb_dequeue(&b->out)))
		sotto_open_up(sa, skb, &b->p, skb->data[b->p.nhoff], &b->state);
	kfree(b);
}

/* --- one segment after the other ------------------------------------------------------ */

static void sotto_burst_opened(struct sotto_burst *b, int err)
{
	if (!err) {
		sotto_burst_take(b);
		return;
	}
	b->seq[b->i] = 0;
	if (err == -EBADMSG)
		b->forged++;
	else
		sotto_stat_inc(b->sa->ns, err == -ENOMEM ? SOTTO_STAT_IN_DROP_NOMEM :
			       SOTTO_STAT_IN_DROP_CRYPTO);
	if (b->page)
		sotto_burst_restore(b);
}

/* The request for the current segment, which @c->src has. */
static int sotto_burst_request(struct sotto_burst *b, __be64 iv, crypto_completion_t done)
{
	unsigned int len = sotto_burst_len(b, b->i) - sizeof(struct sotto_esp_hdr);
	struct sotto_crypt *c = b->c;

	sg_set_page(&c->dst[1], b->page, sotto_burst_plain(b, b->i), b->at);
	sotto_crypt_set(c, b->sa->salt, b->sa->spi, b->seq[b->i], iv);
	/* What completed elsewhere may have made the request another's. */
	aead_request_set_tfm(c->req, b->sa->key.aead);
	aead_request_set_callback(c->req, 0, done, b);
	aead_request_set_ad(c->req, sizeof(c->aad));
	aead_request_set_crypt(c->req, c->src, c->dst, len, c->nonce);
	return crypto_aead_decrypt(c->req);
}

/* The current segment, whose text is at @src, at once. */
static int sotto_burst_chapoly(struct sotto_burst *b, struct sotto_chapoly *c, __be64 iv,
			       struct sotto_cursor *src)
{
	u8 *to = page_address(b->page) + b->at;
	unsigned int len = sotto_burst_plain(b, b->i);

	sotto_chapoly_packet(c, &b->sa->key, b->sa->salt, b->sa->spi, b->seq[b->i], iv, len);
	sotto_open_text(c, src, to, len);
	return sotto_open_icv(c, src);
}

/* The current segment. The cursor is behind it afterwards. */
static int sotto_burst_decrypt(struct sotto_burst *b, struct sotto_chapoly *chapoly,
			       crypto_completion_t done)
{
	unsigned int len = sotto_burst_len(b, b->i) - sizeof(struct sotto_esp_hdr);
	struct sotto_crypt *c = b->c;
	struct sotto_esp_hdr esp;
	int err = 0;

	/* The bytes are there: they were read before. */
	sotto_cursor_copy(&b->cur, &esp, sizeof(esp));
	if (!b->seq[b->i]) {
		err = -ESTALE;
	} else if (sotto_burst_repeats(b)) {
		sotto_burst_replayed(b);
		err = -ESTALE;
	} else if (!sotto_burst_place(b)) {
		err = -ENOMEM;
	}
	if (!err && !c)
		return sotto_burst_chapoly(b, chapoly, esp.iv, &b->cur);

	if (c)
		sg_unmark_end(&c->src[b->n_src]);
	b->n_src = sotto_cursor_sg(&b->cur, c ? c->src + 1 : NULL, len);
	if (c)
		sg_mark_end(&c->src[b->n_src]);
	return err ?: sotto_burst_request(b, esp.iv, done);
}

/* Return: false when it goes on elsewhere, or has already. */
static noinline_for_stack bool sotto_burst_segments(struct sotto_burst *b,
						    crypto_completion_t done)
{
	struct sotto_sa *sa = b->sa;
	struct sotto_chapoly c;
	int err;

	for (; b->i < b->n; b->i++) {
		err = sotto_burst_decrypt(b, &c, done);
		if (sotto_sa_later(sa, err))
			return false;
		if (err != -ESTALE)
			sotto_burst_opened(b, err);
	}
	if (!b->c)
		sotto_chapoly_wipe(&c);
	return true;
}

static bool sotto_burst_run(struct sotto_burst *b, crypto_completion_t done)
{
	if (!sotto_burst_segments(b, done))
		return false;
	sotto_burst_end(b);
	return true;
}

static void sotto_burst_done(SOTTO_CRYPTO_DATA *data, int err)
{
	struct sotto_burst *b = sotto_crypto_arg(data);
	struct net_device *dev = b->state.in;
	struct sotto_sa *sa = b->sa;
	bool ended;

	rcu_read_lock();
	local_bh_disable();
	sotto_burst_opened(b, err);
	b->i++;
	ended = sotto_burst_run(b, sotto_burst_done);
	local_bh_enable();
	rcu_read_unlock();
	if (!ended)
		return;
	dev_put(dev);
	sotto_sa_put(sa);
}

static void sotto_burst_begin(struct sotto_burst *b)
{
	struct net_device *dev = b->state.in;
	struct sotto_sa *sa = b->sa;

	if (sa->async)
		dev_hold(dev);
	if (!sotto_burst_run(b, sotto_burst_done))
		return;
	if (sa->async)
		dev_put(dev);
	sotto_sa_end_async(sa);
}

static struct sotto_burst *sotto_burst_alloc(struct sotto_sa *sa, struct sk_buff *skb,
					     const struct sotto_pkt *p,
					     const struct nf_hook_state *state)
{
	unsigned int hdr = p->l4 + sizeof(struct udphdr), size = skb_shinfo(skb)->gso_size;
	unsigned int n = DIV_ROUND_UP(skb->len - hdr, size);
	struct sotto_burst *b;
	int pieces;

	if (n > SOTTO_BURST_MAX || size > SOTTO_PIECE_MAX ||
	    skb->len - hdr - (n - 1) * size < SOTTO_ESP_MIN)
		return NULL;
	b = kmalloc(sizeof(*b), GFP_ATOMIC | __GFP_NOWARN);
	if (!b)
		return NULL;
	memset(b, 0, offsetof(struct sotto_burst, seq));
	b->sa = sa;
	b->skb = skb;
	b->state = *state;
	b->p = *p;
	b->n = n;
	b->size = size;
	b->last = skb->len - hdr - (n - 1) * size;
	__skb_queue_head_init(&b->out);
	sotto_cursor_init(&b->cur, skb, hdr);

	pieces = sotto_burst_read(b);
	if (pieces && sa->key.aead)
		b->c = sotto_crypt_alloc(sa->key.aead, 1 + pieces, 2);
	if (!pieces || (sa->key.aead && !b->c)) {
		kfree(b);
		return NULL;
	}
	return b;
}

bool sotto_open_burst(struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p, const struct nf_hook_state *state)
{
	struct sotto_burst *b;

	if (READ_ONCE(sa->late) || unlikely(sotto_open_shared(skb)) ||
	    !sotto_sa_begin_async(sa))
		return false;
	b = sotto_burst_alloc(sa, skb, p, state);
	if (!b) {
		sotto_sa_end_async(sa);
		return false;
	}
	sotto_burst_look(b);
	sotto_burst_begin(b);
	return true;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/open_burst.c"
#endif
