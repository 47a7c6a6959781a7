// SPDX-License-Identifier: GPL-2.0
/*
 * Sealing bursts. A GSO packet of TCP or UDP becomes as few of UDP as its sealed
 * form fits: equal ESP segments in fresh pages, one trip through the rest of the
 * stack. The inner packets exist only here, so their headers and checksums are made
 * here, as segmentation would have made them; in tunnel mode those of IP, too.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/tcp.h>

#include "compat.h"
#include "netns.h"
#include "sa.h"
#include "seal.h"
#include "skb.h"
#include "tunnel.h"

/* What UDP's own segmentation and GRO take. */
#define SOTTO_BURST_SEGS	64

/**
 * struct sotto_burst - what is left of a GSO packet
 * @skb: the packet
 * @p: of it
 * @head: what each segment begins with: its transport header, and before that in tunnel mode
 *	IP's
 * @head_len: length of that
 * @ip_len: of IP's header in there, 0 in transport mode
 * @proto: the transport protocol
 * @mss: payload in each segment but the last
 * @seg_len: ESP length of each but the last
 * @segs: segments left
 * @left: payload left
 * @first: the next segment is the first of all
 * @stamp: who sent it wants to know when it leaves, and none that was sealed yet tells
 * @id: what IPv4's identification of the next segment is more than the first one's
 * @tcp_seq: of the next segment
 * @pseudo: sum of the pseudo header without the length
 * @st: reads the payload
 * @consumed: how much of it was read
 * @avail: bytes at @data
 * @data: what @st gave last
 * @seq: ESP's number of the next segment
 * @done: segments that were sealed before the packet under way
 */
struct sotto_burst {
	struct sk_buff *skb;
	const struct sotto_pkt *p;
	const void *head;
	unsigned int head_len, ip_len, mss, seg_len;
	unsigned int segs, left;
	u8 proto;
	bool first, stamp;
	u16 id;
	u32 tcp_seq;
	__wsum pseudo;

	struct skb_seq_state st;
	unsigned int consumed, avail;
	const u8 *data;
	u64 seq;
	unsigned int done;
};

/* Of the transport header; 0 where there is none that we know. */
static unsigned int sotto_burst_l4_len(struct sk_buff *skb, const struct sotto_pkt *p)
{
	const struct tcphdr *th;

	if (p->proto == IPPROTO_UDP)
		return sizeof(struct udphdr);
	if (!pskb_may_pull(skb, p->l4 + sizeof(*th)))
		return 0;
	th = (const void *)skb_network_header(skb) + p->l4;
	return th->doff * 4 < sizeof(*th) ? 0 : th->doff * 4;
}

bool sotto_burst_can(struct sk_buff *skb, const struct sotto_pkt *p)
{
	unsigned int mss = skb_shinfo(skb)->gso_size, type = skb_shinfo(skb)->gso_type;
	unsigned int known, field, len;

	if (p->proto == IPPROTO_TCP) {
		known = p->dst.family == AF_INET ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
		field = offsetof(struct tcphdr, check);
	} else if (p->proto == IPPROTO_UDP) {
		known = SKB_GSO_UDP_L4;
		field = offsetof(struct udphdr, check);
	} else {
		return false;
	}
	/* Anything that says more than this is for the stack to segment. */
	if (!(type & known) ||
	    (type & ~(known | SKB_GSO_DODGY | SKB_GSO_TCP_ECN | SKB_GSO_TCP_FIXEDID)))
		return false;
	if (mss == GSO_BY_FRAGS || skb->len > IP_MAX_MTU || skb_dst(skb)->lwtstate)
		return false;
	if (skb->ip_summed != CHECKSUM_PARTIAL || skb->csum_offset != field ||
	    skb_checksum_start_offset(skb) != p->l4)
		return false;

	len = sotto_burst_l4_len(skb, p);
	return len && pskb_may_pull(skb, p->l4 + len) && skb->len > p->l4 + len + mss;
}

static void sotto_burst_begin(struct sotto_burst *b, struct sk_buff *skb,
			      const struct sotto_pkt *p, const struct sotto_pkt *in)
{
	unsigned int len = skb->len - in->l4;
	const void *l4 = skb->data + in->l4;
	__sum16 check;

	b->skb = skb;
	b->p = p;
	b->proto = in->proto;
	b->ip_len = in->l4 - p->l4;
	b->head = skb->data + p->l4;
	b->head_len = b->ip_len + sotto_burst_l4_len(skb, in);
	b->mss = skb_shinfo(skb)->gso_size;
	b->seg_len = sotto_esp_len(b->head_len + b->mss);
	b->left = skb->len - p->l4 - b->head_len;
	b->segs = DIV_ROUND_UP(b->left, b->mss);
	b->first = true;
	b->stamp = skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP;
	b->id = 0;
	b->tcp_seq = 0;
	if (in->proto == IPPROTO_TCP) {
		b->tcp_seq = ntohl(((const struct tcphdr *)l4)->seq);
		check = ((const struct tcphdr *)l4)->check;
	} else {
		check = ((const struct udphdr *)l4)->check;
	}
	b->pseudo = csum_sub(csum_unfold(check), (__force __wsum)htonl(len));

	skb_prepare_seq_read(skb, p->l4 + b->head_len, skb->len, &b->st);
	b->consumed = 0;
	b->avail = 0;
	b->done = 0;
}

/* Segments that fit one burst. Beyond a device's own limits it would fall apart. */
static unsigned int sotto_burst_max(const struct sotto_burst *b)
{
	const struct net_device *dev = b->skb->dev;
	unsigned int segs, hdr = b->p->l4 + sizeof(struct udphdr);
	unsigned int len = sotto_gso_max_size(dev, b->skb), link = LL_RESERVED_SPACE(dev);

	len = len > link ? min_t(unsigned int, IP_MAX_MTU, len - link) : 0;
	segs = min_t(unsigned int, SOTTO_BURST_SEGS, READ_ONCE(dev->gso_max_segs));
	if (len < hdr + b->seg_len)
		return 1;
	return clamp_t(unsigned int, (len - hdr) / b->seg_len, 1, segs ?: 1);
}

/*
 * TCP makes bursts as long as the device takes, of which the sealed form is two of half the
 * length, and each of those costs what a whole one does. So let it fill what fits one. It asks
 * the device again when its route changes.
 */
static void sotto_burst_advise(const struct sotto_burst *b, unsigned int max)
{
	unsigned int len = max * b->mss;
	struct sock *sk = b->skb->sk;

	if (b->segs > max && sotto_owner_is_tcp(b->skb) && READ_ONCE(sk->sk_gso_max_size) > len)
		WRITE_ONCE(sk->sk_gso_max_size, len);
}

/* Return: the sum of what was copied. */
static __wsum sotto_burst_copy(struct sotto_burst *b, u8 *to, unsigned int len)
{
	unsigned int n, done = 0;
	__wsum sum = 0;

	while (done < len) {
		if (!b->avail)
			b->avail = skb_seq_read(b->consumed, &b->data, &b->st);
		if (WARN_ON_ONCE(!b->avail))
			break;
		n = min(len - done, b->avail);
		sum = csum_block_add(sum, csum_partial_copy_nocheck(b->data, to + done, n),
				     done);
		b->data += n;
		b->avail -= n;
		b->consumed += n;
		done += n;
	}
	return sum;
}

/* The next @len bytes, if they lie in one piece of memory. */
static const u8 *sotto_burst_piece(struct sotto_burst *b, unsigned int len)
{
	const u8 *at;

	if (!b->avail)
		b->avail = skb_seq_read(b->consumed, &b->data, &b->st);
	if (b->avail < len)
		return NULL;
	at = b->data;
	b->data += len;
	b->avail -= len;
	b->consumed += len;
	return at;
}

/* CWR is the first one's, FIN and PSH are the last one's. */
static void sotto_burst_tcp(struct sotto_burst *b, struct tcphdr *th, unsigned int hlen,
			    unsigned int len, __wsum sum)
{
	th->seq = htonl(b->tcp_seq);
	b->tcp_seq += len;
	if (!b->first)
		th->cwr = 0;
	if (b->left) {
		th->fin = 0;
		th->psh = 0;
	}
	th->check = 0;
	th->check = csum_fold(csum_partial(th, hlen, sum));
}

static void sotto_burst_udp(struct udphdr *uh, unsigned int len, __wsum sum)
{
	uh->len = htons(sizeof(*uh) + len);
	uh->check = 0;
	uh->check = csum_fold(csum_partial(uh, sizeof(*uh), sum)) ?: CSUM_MANGLED_0;
}

/* Tunnel mode: IP's header of a segment of @len bytes in all. */
static void sotto_burst_ip(struct sotto_burst *b, void *at, unsigned int len)
{
	struct ipv6hdr *ip6h = at;
	struct iphdr *iph = at;

	if (iph->version == 6) {
		ip6h->payload_len = htons(len - sizeof(*ip6h));
		return;
	}
	iph->tot_len = htons(len);
	iph->id = htons(ntohs(iph->id) + b->id);
	if (!(skb_shinfo(b->skb)->gso_type & SKB_GSO_TCP_FIXEDID))
		b->id++;
	ip_send_check(iph);
}

/*
 * Encrypt @n bytes at @head, of which the @len behind the transport header are at @text still:
 * they go from there to where they belong. A program may change them under us (sendfile(),
 * MSG_ZEROCOPY), as under any checksum in software: then the checksum inside is wrong. The ICV
 * is not, for it is of what was written.
 */
static void sotto_burst_encrypt(struct sotto_burst *b, struct sotto_sa *sa,
				struct sotto_chapoly *c, u64 seq, u8 *head,
				const u8 *text, unsigned int len, unsigned int n)
{
	u8 *to = head + b->head_len, *end = to + len;

	sotto_chapoly_packet(c, &sa->key, sa->salt, sa->spi, seq, cpu_to_be64(seq), n);
	sotto_chapoly_crypt(c, head, head, b->head_len);
	sotto_chapoly_crypt(c, to, text, len);
	sotto_chapoly_crypt(c, end, end, head + n - end);
	sotto_chapoly_auth(c, head, n);
	sotto_chapoly_tag(c, head + n);
}

/*
 * Write the next segment. ChaCha20-Poly1305 encrypts it at once, while it is in the nearest
 * cache, and copies on the way. Return: its ESP length.
 */
static unsigned int sotto_burst_segment(struct sotto_burst *b, struct sotto_sa *sa,
					struct sotto_chapoly *c, u8 *at)
{
	unsigned int len = min(b->mss, b->left), hlen = b->head_len - b->ip_len, n;
	u8 *head = at + sizeof(struct sotto_esp_hdr), *l4 = head + b->ip_len;
	u64 seq = b->seq++;
	const u8 *text;
	__wsum sum;

	sotto_seal_esp(sa, at, seq);
	for (n = 0; n < b->head_len; n += sizeof(u32))	/* too few for a call */
		put_unaligned(get_unaligned((const u32 *)(b->head + n)), (u32 *)(head + n));
	text = sa->key.aead ? NULL : sotto_burst_piece(b, len);
	sum = text ? csum_partial(text, len, 0) : sotto_burst_copy(b, head + b->head_len, len);
	sum = csum_add(sum, csum_add(b->pseudo, (__force __wsum)htonl(hlen + len)));
	b->left -= len;
	b->segs--;
	if (b->proto == IPPROTO_TCP)
		sotto_burst_tcp(b, (struct tcphdr *)l4, hlen, len, sum);
	else
		sotto_burst_udp((struct udphdr *)l4, len, sum);
	if (b->ip_len)
		sotto_burst_ip(b, head, b->head_len + len);
	b->first = false;
	n = sotto_seal_trailer(head, b->head_len + len, b->p->proto);
	if (!sa->key.aead)
		sotto_burst_encrypt(b, sa, c, seq, head, text ?: head + b->head_len, len, n);
	return sotto_esp_len(b->head_len + len);
}

/*
 * Write up to @n segments. No segment lies in two fragments, so that each is one
 * piece of memory to the cipher. Return: how many there is memory for.
 */
static noinline_for_stack unsigned int
sotto_burst_fill(struct sotto_burst *b, struct sotto_sa *sa, struct sk_buff *out, unsigned int n)
{
	struct page_frag *pages = sotto_seal_pages();
	unsigned int done = 0, len, i;
	struct sotto_chapoly c;
	u8 *at;

	for (i = 0; i < MAX_SKB_FRAGS && done < n; i++) {
		if (!skb_page_frag_refill(b->seg_len, pages, GFP_ATOMIC | __GFP_NOWARN) ||
		    pages->offset + b->seg_len > pages->size)
			break;
		at = page_address(pages->page) + pages->offset;
		len = 0;
		while (done < n && pages->offset + len + b->seg_len <= pages->size) {
			len += sotto_burst_segment(b, sa, &c, at + len);
			done++;
		}
		get_page(pages->page);
		skb_fill_page_desc(out, i, pages->page, pages->offset, len);
		pages->offset += ALIGN(len, SMP_CACHE_BYTES);
		out->len += len;
		out->data_len += len;
		out->truesize += len;
	}
	if (!sa->key.aead)
		sotto_chapoly_wipe(&c);
	return done;
}

static struct sk_buff *sotto_burst_alloc(struct sk_buff *skb, const struct sotto_pkt *p)
{
	unsigned int hdr = p->l4 + sizeof(struct udphdr);
	unsigned int reserve = LL_RESERVED_SPACE(skb->dev);
	struct sk_buff *out = alloc_skb(reserve + hdr, GFP_ATOMIC | __GFP_NOWARN);

	if (!out)
		return NULL;
	skb_reserve(out, reserve);
	skb_put(out, hdr);
	sotto_seal_inherit(out, skb);
	return out;
}

/* IPv4's identification goes on from one packet to the next, as the stack would have it. */
static void sotto_burst_ident(struct sotto_burst *b, struct sk_buff *out, unsigned int n)
{
	struct iphdr *iph = ip_hdr(out);

	if (b->done && b->p->dst.family == AF_INET) {
		iph->id = htons(ntohs(iph->id) + b->done);
		ip_send_check(iph);
	}
	b->done += n;
}

/* Of TCP that is told of the byte that was sent last, as tcp_gso_tstamp() has it. */
static void sotto_burst_stamp(struct sotto_burst *b, struct sk_buff *out)
{
	if (b->proto == IPPROTO_TCP && !before(skb_shinfo(b->skb)->tskey, b->tcp_seq))
		return;
	sotto_seal_stamp(out, b->skb);
	b->stamp = false;
}

/* One packet with up to @n segments. Return: its context, or NULL without memory. */
static struct sotto_seal *sotto_burst_make(struct sotto_burst *b, const struct sotto_tunnel *t,
					   struct sotto_sa *sa, unsigned int n)
{
	struct sotto_seal *s = sotto_seal_get(t, sa);

	if (!s)
		return NULL;
	s->skb = sotto_burst_alloc(b->skb, b->p);
	if (!s->skb)
		goto err_seal;
	s->seq = b->seq;
	s->n = sotto_burst_fill(b, sa, s->skb, n);
	if (!s->n)
		goto err_skb;
	sotto_seal_outer(sa, s->skb, b->skb, b->p);
	sotto_burst_ident(b, s->skb, s->n);
	if (unlikely(b->stamp))
		sotto_burst_stamp(b, s->skb);
	if (s->n > 1) {
		skb_shinfo(s->skb)->gso_type = SKB_GSO_UDP_L4;
		skb_shinfo(s->skb)->gso_size = b->seg_len;
		skb_shinfo(s->skb)->gso_segs = s->n;
	}
	s->seg_len = b->seg_len;
	s->frag = 0;
	s->off = 0;
	sg_init_table(s->sg, 2);
	sg_set_buf(&s->sg[0], &s->aad, sizeof(s->aad));
	return s;

err_skb:
	kfree_skb(s->skb);
err_seal:
	sotto_seal_put(s);
	return NULL;
}

/*
 * Where the stack is to segment below us, it hands the owner on to the segments only
 * if that is sock_wfree(), which does not wake TCP's small queues. So these bursts
 * carry sock_wfree(), and the last segment goes behind them as a packet of its own,
 * with TCP's own destructor: the credit comes back as the segments leave, and the
 * wake-up with the last of them.
 */
static bool sotto_burst_last_alone(const struct sk_buff *skb)
{
	return !(skb->dev->features & NETIF_F_GSO_UDP_L4) && sotto_owner_is_tcp(skb);
}

/* Bytes of all packets inside, with the headers that are each one's own. */
static unsigned int sotto_burst_bytes(const struct sotto_burst *b)
{
	unsigned int outer = b->ip_len ? 0 : b->p->l4;

	return b->left + b->segs * (outer + b->head_len);
}

int sotto_burst_seal(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		     const struct sotto_pkt *p, const struct sotto_pkt *in, unsigned int mtu)
{
	unsigned int segs, each, max, len, n;
	struct sotto_net *ns = sa->ns;
	bool alone;
	struct sotto_burst b;
	struct sotto_seal *s;

	sotto_burst_begin(&b, skb, p, in);
	segs = b.segs;
	len = sotto_burst_bytes(&b);
	max = sotto_burst_max(&b);
	sotto_burst_advise(&b, max);
	each = DIV_ROUND_UP(segs, DIV_ROUND_UP(segs, max));
	if (!sotto_sa_take_seq(sa, segs, &b.seq)) {
		skb_abort_seq_read(&b.st);
		return SOTTO_STAT_OUT_DROP_SEQ_EXHAUSTED;
	}

	alone = sotto_burst_last_alone(skb);
	while (b.segs) {
		n = min(each, b.segs);
		if (alone && n > 1 && n == b.segs)
			n--;
		s = sotto_burst_make(&b, t, sa, n);
		if (!s)
			break;
		s->mtu = mtu;
		if (b.segs)
			sotto_seal_share(s->skb, skb, alone);
		else
			sotto_seal_own(s->skb, skb);
		sotto_seal_start(s);
	}
	skb_abort_seq_read(&b.st);
	if (b.segs == segs)
		return SOTTO_STAT_OUT_DROP_NOMEM;

	sotto_seal_count(t, sa, segs - b.segs, len - sotto_burst_bytes(&b));
	sotto_stat_add(ns, SOTTO_STAT_OUT_SEEN, segs - 1);
	if (b.segs) {
		atomic64_add(b.segs, &t->drops);
		sotto_stat_add(ns, SOTTO_STAT_OUT_DROP_NOMEM, b.segs - 1);
		sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_NOMEM);
	} else {
		consume_skb(skb);
	}
	return 0;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/seal_burst.c"
#endif
