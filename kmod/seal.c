// SPDX-License-Identifier: GPL-2.0
/* Sealing: from a packet of any kind to ESP in UDP. */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/udp.h>

#include "compat.h"
#include "cursor.h"
#include "nat.h"
#include "netns.h"
#include "sa.h"
#include "seal.h"
#include "skb.h"
#include "tunnel.h"

/*
 * Of each CPU. A transform needs its memory for as long as a call lasts, or longer where it
 * completes later. Not of the per-CPU allocator: that may take it from vmalloc(), and
 * scatterlists point into it.
 */
struct sotto_seal_cpu {
	struct page_frag pages;
	bool busy;	/* set by this CPU with BH off, cleared by whoever is done with @mem */
	void *mem;
};

static DEFINE_PER_CPU(struct sotto_seal_cpu, sotto_seal_cpu);

static size_t sotto_seal_req_at(void)
{
	return ALIGN(sizeof(struct sotto_seal), CRYPTO_MINALIGN);
}

int sotto_seal_init(void)
{
	size_t len = sotto_seal_req_at() + SOTTO_CRYPT_CPU_REQ;
	void *mem;
	int cpu;

	for_each_possible_cpu(cpu) {
		mem = kmalloc_node(len, GFP_KERNEL, cpu_to_node(cpu));
		if (!mem) {
			sotto_seal_exit();
			return -ENOMEM;
		}
		per_cpu(sotto_seal_cpu, cpu).mem = mem;
	}
	return 0;
}

void sotto_seal_exit(void)
{
	struct sotto_seal_cpu *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(&sotto_seal_cpu, cpu);
		if (c->pages.page)
			put_page(c->pages.page);
		kfree_sensitive(c->mem);
	}
}

struct page_frag *sotto_seal_pages(void)
{
	return &this_cpu_ptr(&sotto_seal_cpu)->pages;
}

struct sotto_seal *sotto_seal_get(const struct sotto_tunnel *t, struct sotto_sa *sa)
{
	struct sotto_seal_cpu *cpu = this_cpu_ptr(&sotto_seal_cpu);
	/* Who had it last, maybe elsewhere, is done: see sotto_seal_put(). */
	bool own = sa->inline_req && !smp_load_acquire(&cpu->busy);
	size_t at = sotto_seal_req_at(), len = at;
	struct sotto_seal *s;

	if (sa->key.aead)
		len += sotto_crypto_req_len(sa->key.aead);
	s = own ? cpu->mem : kmalloc(len, GFP_ATOMIC | __GFP_NOWARN);
	if (!s)
		return NULL;
	if (own)
		WRITE_ONCE(cpu->busy, true);
	s->cpu = own ? cpu : NULL;
	s->sa = sa;
	s->req = (void *)s + at;
	s->to.family = 0;
	if (t)
		s->to = t->dst;
	memcpy(s->nonce, sa->salt, SOTTO_SALT_LEN);
	s->aad.spi = htonl(sa->spi);
	return s;
}

void sotto_seal_put(struct sotto_seal *s)
{
	memzero_explicit(s->nonce, sizeof(s->nonce));
	if (s->cpu)	/* pairs with sotto_seal_get() */
		smp_store_release(&s->cpu->busy, false);
	else
		kfree(s);
}

/* The tunnel counts what is lost, if it is still there. */
static void sotto_seal_lost(const struct sotto_seal *s)
{
	struct sotto_tunnel *t = s->to.family ? sotto_tunnel_lookup(s->sa->ns, &s->to) : NULL;

	if (t)
		atomic64_add(s->n, &t->drops);
}

static void sotto_seal_finish(struct sotto_seal *s, int err)
{
	struct sotto_net *ns = s->sa->ns;
	struct sk_buff *skb = s->skb;
	unsigned int mtu = s->mtu, n = s->n;
	bool dummy = !s->to.family;
	enum sotto_stat why;

	if (unlikely(err))
		sotto_seal_lost(s);
	sotto_seal_put(s);
	if (likely(!err)) {
		if (skb_is_gso(skb))
			sotto_stat_inc(ns, SOTTO_STAT_OUT_BURSTS);
		sotto_stat_add(ns, dummy ? SOTTO_STAT_OUT_DUMMY : SOTTO_STAT_OUT_SEALED, n);
		sotto_xmit(ns->net, skb, mtu);
	} else if (dummy) {
		kfree_skb(skb);
	} else {
		why = err == -EHOSTUNREACH ? SOTTO_STAT_OUT_DROP_ROUTE :
		      err == -ESTALE ? SOTTO_STAT_OUT_DROP_EXPIRED :
				       SOTTO_STAT_OUT_DROP_CRYPTO;
		sotto_stat_add(ns, why, n - 1);
		sotto_drop(ns, skb, why);
	}
}

/* Encrypt one packet with ChaCha20-Poly1305, but for its first @hdr bytes, in pieces. */
static noinline_for_stack int sotto_seal_pieces(const struct sotto_sa *sa, u64 seq,
						struct sk_buff *skb, unsigned int hdr)
{
	unsigned int left = skb->len - hdr - SOTTO_ICV_LEN, n;
	u8 tag[SOTTO_ICV_LEN], *text;
	struct sotto_cursor cur;
	struct sotto_chapoly c;

	sotto_cursor_init(&cur, skb, hdr);
	sotto_chapoly_packet(&c, &sa->key, sa->salt, sa->spi, seq, cpu_to_be64(seq), left);
	while (left) {
		text = sotto_cursor_piece(&cur, left, &n);
		left -= n;
		sotto_chapoly_seal(&c, text, text, n);
	}
	sotto_chapoly_tag(&c, tag);
	sotto_chapoly_wipe(&c);
	return skb_store_bits(skb, skb->len - SOTTO_ICV_LEN, tag, sizeof(tag));
}

/* Of a burst: where the segment under way is, and what comes behind it. */
static void sotto_seal_segment(struct sotto_seal *s)
{
	const skb_frag_t *frag = &skb_shinfo(s->skb)->frags[s->frag];
	unsigned int len = min(s->seg_len, skb_frag_size(frag) - s->off);

	sg_set_buf(&s->sg[1], skb_frag_address(frag) + s->off + sizeof(struct sotto_esp_hdr),
		   len - sizeof(struct sotto_esp_hdr));
	s->off += len;
	if (s->off == skb_frag_size(frag)) {
		s->frag++;
		s->off = 0;
	}
}

static int sotto_seal_one(struct sotto_seal *s, crypto_completion_t done)
{
	__be64 iv = cpu_to_be64(s->seq);
	unsigned int len;

	if (s->seg_len)
		sotto_seal_segment(s);
	len = s->seg_len ? s->sg[1].length : s->skb->len - s->off;
	s->aad.seq_hi = htonl(upper_32_bits(s->seq));
	s->aad.seq_lo = htonl(lower_32_bits(s->seq));
	memcpy(s->nonce + SOTTO_SALT_LEN, &iv, sizeof(iv));

	/* Some transforms leave a request other than they found it. */
	aead_request_set_tfm(s->req, s->sa->key.aead);
	aead_request_set_callback(s->req, 0, done, s);
	aead_request_set_ad(s->req, sizeof(s->aad));
	aead_request_set_crypt(s->req, s->sg, s->sg, len - SOTTO_ICV_LEN, s->nonce);
	return crypto_aead_encrypt(s->req);
}

/* Return: false when the rest follows in another context. */
static bool sotto_seal_walk(struct sotto_seal *s, crypto_completion_t done)
{
	struct sotto_sa *sa = s->sa;
	int err;

	do {
		err = sotto_seal_one(s, done);
		if (sotto_sa_later(sa, err))
			return false;
		s->seq++;
	} while (!err && --s->left);
	sotto_seal_finish(s, err);
	return true;
}

static void sotto_seal_done(SOTTO_CRYPTO_DATA *data, int err)
{
	struct sotto_seal *s = sotto_crypto_arg(data);
	struct sotto_sa *sa = s->sa;
	bool over = true;

	rcu_read_lock();
	local_bh_disable();
	s->skb->dev = skb_dst(s->skb)->dev;	/* the old one may be gone */
	s->seq++;
	if (!err && --s->left)
		over = sotto_seal_walk(s, sotto_seal_done);
	else
		sotto_seal_finish(s, err);
	local_bh_enable();
	rcu_read_unlock();
	if (over)
		sotto_sa_put(sa);
}

void sotto_seal_start(struct sotto_seal *s)
{
	struct sotto_sa *sa = s->sa;

	s->left = s->n;
	if (!sa->key.aead) {
		sotto_seal_finish(s, 0);
		return;
	}
	if (!sa->async) {
		sotto_seal_walk(s, sotto_seal_done);
		return;
	}
	/* What completes elsewhere outlives this RCU section. */
	if (!skb_dst_force(s->skb)) {
		sotto_seal_finish(s, -EHOSTUNREACH);
		return;
	}
	if (!sotto_sa_begin_async(sa)) {
		sotto_seal_finish(s, -ESTALE);
		return;
	}
	if (sotto_seal_walk(s, sotto_seal_done))
		sotto_sa_put(sa);
}

void sotto_seal_untracked(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	skb_set_nfct(skb, IP_CT_UNTRACKED);
#endif
}

void sotto_seal_inherit(struct sk_buff *out, struct sk_buff *skb)
{
	/* Conntrack knows inner flows only; and the guard knows us by this. */
	nf_reset_ct(skb);
	skb_copy_header(out, skb);
	skb_shinfo(out)->gso_size = 0;
	skb_shinfo(out)->gso_segs = 0;
	skb_shinfo(out)->gso_type = 0;
	skb_reset_network_header(out);
	out->encapsulation = 0;
	sotto_csum_is_inet(out);
	sotto_seal_untracked(out);
}

bool sotto_owner_is_tcp(const struct sk_buff *skb)
{
	return skb->sk && sk_fullsock(skb->sk) && skb->sk->sk_protocol == IPPROTO_TCP &&
	       skb->destructor && skb->destructor != sock_edemux &&
	       skb->destructor != sock_efree;
}

void sotto_seal_share(struct sk_buff *to, const struct sk_buff *from, bool segmented)
{
	/* Of the others nobody knows what they do besides. */
	if (from->destructor != sock_wfree && !sotto_owner_is_tcp(from))
		return;
	refcount_add(to->truesize, &from->sk->sk_wmem_alloc);
	to->sk = from->sk;
	to->destructor = segmented ? sock_wfree : from->destructor;
}

void sotto_seal_stamp(struct sk_buff *to, const struct sk_buff *from)
{
	skb_shinfo(to)->tx_flags |= skb_shinfo(from)->tx_flags & SKBTX_ANY_TSTAMP;
	skb_shinfo(to)->tskey = skb_shinfo(from)->tskey;
}

void sotto_seal_own(struct sk_buff *to, struct sk_buff *from)
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

void sotto_seal_esp(const struct sotto_sa *sa, void *at, u64 seq)
{
	struct sotto_esp_hdr *esp = at;

	esp->spi = htonl(sa->spi);
	esp->seq_lo = htonl(lower_32_bits(seq));
	esp->iv = cpu_to_be64(seq);
}

unsigned int sotto_seal_trailer(u8 *at, unsigned int len, u8 nexthdr)
{
	unsigned int pad = ALIGN(len + SOTTO_TRAILER_LEN, 4) - len - SOTTO_TRAILER_LEN;
	unsigned int i;

	for (i = 0; i < pad; i++)
		at[len++] = i + 1;	/* RFC 4303 section 2.4 */
	at[len++] = pad;
	at[len++] = nexthdr;
	return len;
}

static __be16 sotto_sport(const struct sotto_sa *sa, const struct sk_buff *skb)
{
	if (sa->sport)
		return sa->sport;
	return udp_flow_src_port(sa->ns->net, (struct sk_buff *)skb, SOTTO_SPORT_MIN,
				 SOTTO_SPORT_MAX, false);
}

void sotto_seal_outer(struct sotto_sa *sa, struct sk_buff *out,
		      const struct sk_buff *skb, const struct sotto_pkt *p)
{
	const struct sotto_endpoint *ep = NULL;
	unsigned int len = out->len - p->l4;
	struct iphdr *iph;
	struct ipv6hdr *ip6h;
	struct udphdr *uh;

	if (unlikely(sa->nat) && !p->port)
		ep = sotto_nat_endpoint(sa, p->dst.family);
	skb_copy_from_linear_data(skb, out->data, p->l4);
	out->data[p->nhoff] = IPPROTO_UDP;
	skb_set_transport_header(out, p->l4);

	uh = udp_hdr(out);
	uh->source = sotto_sport(sa, skb);
	uh->dest = p->port ?: ep ? ep->port : sa->dport;
	uh->len = htons(len);
	if (p->dst.family == AF_INET) {
		iph = ip_hdr(out);
		iph->tot_len = htons(out->len);
		if (ep && ep->addr.family)
			iph->daddr = ep->addr.ip.ip;
		ip_send_check(iph);
		uh->check = ~csum_tcpudp_magic(iph->saddr, iph->daddr, len, IPPROTO_UDP, 0);
	} else {
		ip6h = ipv6_hdr(out);
		ip6h->payload_len = htons(out->len - sizeof(*ip6h));
		if (ep && ep->addr.family)
			ip6h->daddr = ep->addr.ip.in6;
		uh->check = ~csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len,
					     IPPROTO_UDP, 0);
	}
	out->ip_summed = CHECKSUM_PARTIAL;
	out->csum_start = skb_transport_header(out) - out->head;
	out->csum_offset = offsetof(struct udphdr, check);
}

/* Copy what is behind @from, and complete its checksum on the way. */
static int sotto_seal_copy(struct sk_buff *skb, unsigned int from, u8 *to)
{
	int start = skb_checksum_start_offset(skb);
	__sum16 sum;

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return skb_copy_bits(skb, from, to, skb->len - from);
	if (skb_csum_is_sctp(skb) || start < (int)from ||
	    start + skb->csum_offset + sizeof(sum) > skb->len)
		return skb_csum_hwoffload_help(skb, 0) ?:
		       skb_copy_bits(skb, from, to, skb->len - from);
	if (skb_copy_bits(skb, from, to, start - from))
		return -EFAULT;
	to += start - from;
	sum = csum_fold(skb_copy_and_csum_bits(skb, start, to, skb->len - start));
	*(__sum16 *)(to + skb->csum_offset) = sum ?: CSUM_MANGLED_0;
	return 0;
}

/* The same, where the sealed packet does not lie in one piece. */
static int sotto_seal_copy_pages(struct sk_buff *out, unsigned int hdr,
				 struct sk_buff *skb, unsigned int from)
{
	unsigned int left, n = min(skb_headlen(out) - hdr, skb->len - from);
	const skb_frag_t *frag = skb_shinfo(out)->frags;

	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_csum_hwoffload_help(skb, 0))
		return -ENOMEM;
	if (skb_copy_bits(skb, from, out->data + hdr, n))
		return -EFAULT;
	for (left = skb->len - from - n; left; left -= n, frag++) {
		n = min(left, skb_frag_size(frag));
		if (skb_copy_bits(skb, skb->len - left, skb_frag_address(frag), n))
			return -EFAULT;
	}
	return 0;
}

/* Write what is to be encrypted: all of @skb behind its IP headers, and the trailer. */
static int sotto_seal_fill(struct sk_buff *out, struct sk_buff *skb, const struct sotto_pkt *p)
{
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN, plain = skb->len - p->l4;
	u8 tail[3 + 3 + SOTTO_TRAILER_LEN];
	int n;

	if (!skb_is_nonlinear(out)) {
		if (sotto_seal_copy(skb, p->l4, out->data + hdr))
			return -ENOMEM;
		sotto_seal_trailer(out->data + hdr, plain, p->proto);
		return 0;
	}

	if (sotto_seal_copy_pages(out, hdr, skb, p->l4))
		return -ENOMEM;
	n = sotto_seal_trailer(tail, plain % 4, p->proto) - plain % 4;
	return skb_store_bits(out, hdr + plain, tail + plain % 4, n);
}

/* Say in @s where it is. */
static int sotto_seal_map(struct sotto_seal *s, unsigned int hdr)
{
	struct sk_buff *out = s->skb;
	int n;

	s->seg_len = 0;
	s->off = hdr;
	sg_init_table(s->sg, 1 + sotto_skb_nsg(out));
	sg_set_buf(&s->sg[0], &s->aad, sizeof(s->aad));
	n = skb_to_sgvec(out, s->sg + 1, hdr, out->len - hdr);
	return n < 0 ? n : 0;
}

/* Fresh memory: the source pages belong to a retransmit queue or a page cache. */
static struct sk_buff *sotto_seal_alloc(struct sk_buff *skb, const struct sotto_pkt *p)
{
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	unsigned int len = sotto_sealed_len(skb->len, p->l4) - hdr;
	struct sk_buff *out;

	out = sotto_skb_alloc(LL_RESERVED_SPACE(skb->dev), hdr, len);
	if (out)
		sotto_seal_inherit(out, skb);
	return out;
}

int sotto_seal_packet(const struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p, unsigned int mtu)
{
	unsigned int hdr = p->l4 + SOTTO_ENCAP_LEN;
	int why = SOTTO_STAT_OUT_DROP_NOMEM;
	struct sotto_seal *s;
	struct sk_buff *out;
	u64 seq;

	if (sotto_sealed_len(skb->len, p->l4) >
	    (p->dst.family == AF_INET ? IP_MAX_MTU : IP6_MAX_MTU))
		return SOTTO_STAT_OUT_DROP_TOO_BIG;
	out = sotto_seal_alloc(skb, p);
	if (!out)
		return why;
	s = sotto_seal_get(t, sa);
	if (!s)
		goto err_out;
	s->skb = out;
	s->mtu = mtu;
	s->n = 1;
	if (sotto_seal_fill(out, skb, p) || (sa->key.aead && sotto_seal_map(s, hdr)))
		goto err_seal;
	if (!sotto_sa_take_seq(sa, 1, &seq)) {
		why = SOTTO_STAT_OUT_DROP_SEQ_EXHAUSTED;
		goto err_seal;
	}

	s->seq = seq;
	if (!sa->key.aead && sotto_seal_pieces(sa, seq, out, hdr))
		goto err_seal;
	sotto_seal_outer(sa, out, skb, p);
	sotto_seal_esp(sa, out->data + p->l4 + sizeof(struct udphdr), seq);
	sotto_seal_stamp(out, skb);
	sotto_seal_own(out, skb);
	consume_skb(skb);
	sotto_seal_start(s);
	return 0;

err_seal:
	sotto_seal_put(s);
err_out:
	kfree_skb(out);
	return why;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/seal.c"
#endif
