/* SPDX-License-Identifier: GPL-2.0 */
/* Sealing: what one packet (seal.c) and a burst (seal_burst.c) have in common. */
#ifndef _SOTTO_SEAL_H
#define _SOTTO_SEAL_H

#include <linux/scatterlist.h>
#include <linux/skbuff.h>

#include "crypto.h"
#include "skb.h"
#include "wire.h"

struct sotto_net;
struct sotto_sa;
struct sotto_tunnel;

struct sotto_seal_cpu;

/**
 * struct sotto_seal - a packet or a burst being encrypted
 * @cpu: whose memory it is, or NULL: its own
 * @aad: first entry of @sg
 * @nonce: salt and IV
 * @sa: whose transform it is
 * @skb: written in full but for the encryption, which works in place
 * @to: whose tunnel it goes through, which may be gone by the end; .family 0: a dummy
 *	(RFC 4303 section 2.6), which goes through none
 * @mtu: of the outer path
 * @seq: number of the segment under way
 * @left: segments that are not sealed yet, that one included
 * @n: segments in all
 * @seg_len: ESP length of each but the last; 0: one packet, @sg says where it is
 * @frag: page fragment that has the segment under way
 * @off: where in that fragment
 * @req: in the memory that follows
 * @sg: AAD, then what is encrypted
 *
 * Plaintext, headers and checksums are in @skb already, so that nothing else has to
 * live for as long as a transform may take.
 */
struct sotto_seal {
	struct sotto_seal_cpu *cpu;
	struct sotto_esp_aad aad;
	u8 nonce[SOTTO_NONCE_LEN];
	struct sotto_sa *sa;
	struct sk_buff *skb;
	struct sotto_addr to;
	unsigned int mtu;

	u64 seq;
	unsigned int left, n;
	unsigned int seg_len;
	unsigned int frag, off;

	struct aead_request *req;
	struct scatterlist sg[2 + MAX_SKB_FRAGS];
};

int sotto_seal_init(void);
void sotto_seal_exit(void);

/**
 * sotto_seal_get() - a context for one packet or burst
 * @t: tunnel it goes through, or NULL: a dummy
 * @sa: outbound
 *
 * With BH off. It is this CPU's own memory if that is large enough and free. Return: NULL when
 * there is none.
 */
struct sotto_seal *sotto_seal_get(const struct sotto_tunnel *t, struct sotto_sa *sa);
void sotto_seal_put(struct sotto_seal *s);

/*
 * Encrypt, unless ChaCha20-Poly1305 has, and send. Consumes @s; @s->skb, @n and @seq are
 * set.
 */
void sotto_seal_start(struct sotto_seal *s);

/* This CPU's page for bursts. BH off. */
struct page_frag *sotto_seal_pages(void);

/* Conntrack leaves it alone, and the egress guard knows it as ours. */
void sotto_seal_untracked(struct sk_buff *skb);

/* Take over what every sealed packet inherits of @skb, but for its owner. */
void sotto_seal_inherit(struct sk_buff *out, struct sk_buff *skb);

/*
 * Write IP, as it was but for length and protocol, and UDP. The device completes
 * the checksum. @out->len is final; but for the headers @out may still be unwritten.
 */
void sotto_seal_outer(struct sotto_sa *sa, struct sk_buff *out,
		      const struct sk_buff *skb, const struct sotto_pkt *p);

/* Write the ESP header at @at. */
void sotto_seal_esp(const struct sotto_sa *sa, void *at, u64 seq);

/* Write pad and trailer behind @len bytes at @at. Return: what there is then. */
unsigned int sotto_seal_trailer(u8 *at, unsigned int len, u8 nexthdr);

/* Length of ESP around @len bytes. */
static inline unsigned int sotto_esp_len(unsigned int len)
{
	return sizeof(struct sotto_esp_hdr) + ALIGN(len + SOTTO_TRAILER_LEN, 4) +
	       SOTTO_ICV_LEN;
}

/* Does a TCP socket pay for this packet? */
bool sotto_owner_is_tcp(const struct sk_buff *skb);

/* Who asked when @from leaves is told when @to does, which was made of it. */
void sotto_seal_stamp(struct sk_buff *to, const struct sk_buff *from);

/* The socket goes on paying until the packet has left (TSQ): @to was made of @from. */
void sotto_seal_own(struct sk_buff *to, struct sk_buff *from);

/*
 * The same for all packets but the last that are made of @from. @segmented: the stack
 * will segment @to.
 */
void sotto_seal_share(struct sk_buff *to, const struct sk_buff *from, bool segmented);

/**
 * sotto_seal_packet() - seal one packet
 * @t: tunnel it goes through, or NULL: count it as a dummy
 * @sa: outbound
 * @skb: the packet, consumed on success
 * @p: of it
 * @mtu: of the outer path
 *
 * Return: 0 when the packet is on its way, or the counter of what went wrong.
 */
int sotto_seal_packet(const struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p, unsigned int mtu);

/* seal_burst.c. Can this GSO packet be sealed as it is? */
bool sotto_burst_can(struct sk_buff *skb, const struct sotto_pkt *p);

/**
 * sotto_burst_seal() - seal a GSO packet as few of the same kind
 * @t: tunnel it goes through
 * @sa: outbound
 * @skb: one that sotto_burst_can() was true of; in tunnel mode the outer header is in front
 * @p: of it
 * @in: of the packet that is sealed, which in tunnel mode is inside; else @p
 * @mtu: of the outer path
 *
 * Return: 0 when it is consumed, or the counter of what went wrong before any of
 * it was sent.
 */
int sotto_burst_seal(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		     const struct sotto_pkt *p, const struct sotto_pkt *in, unsigned int mtu);

/*
 * send.c: a GSO packet is taken apart by the stack; consumes @skb. Return: its packets,
 * seen as such, or NULL: it was dropped.
 */
struct sk_buff *sotto_seal_segments(struct sotto_tunnel *t, struct sk_buff *skb);
/* send.c: @packets of @len bytes in all have been sealed. */
void sotto_seal_count(struct sotto_tunnel *t, struct sotto_sa *sa,
		      unsigned int packets, unsigned int len);
/* send.c: a sealed packet or burst goes to the wire. */
void sotto_xmit(struct net *net, struct sk_buff *skb, unsigned int mtu);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_seal_selftest(void);
int sotto_seal_burst_selftest(void);
#endif

#endif /* _SOTTO_SEAL_H */
