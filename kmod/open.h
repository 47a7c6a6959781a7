/* SPDX-License-Identifier: GPL-2.0 */
/* What the stages of the way in share: receive.c, open.c, open_burst.c. */
#ifndef _SOTTO_OPEN_H
#define _SOTTO_OPEN_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>

#include "skb.h"
#include "wire.h"

struct sotto_chapoly;
struct sotto_cursor;
struct sotto_sa;

/* The least that ESP can be, from its header to its ICV. */
#define SOTTO_ESP_MIN	(sizeof(struct sotto_esp_hdr) + SOTTO_TRAILER_LEN + SOTTO_ICV_LEN)

/**
 * sotto_open() - open one packet
 * @sa: found by its SPI, its addresses checked
 * @skb: consumed, but for a return value other than 0
 * @p: of @skb
 * @state: where the inner packet goes on
 *
 * Return: 0, or the counter of the drop.
 */
int sotto_open(struct sotto_sa *sa, struct sk_buff *skb, const struct sotto_pkt *p,
	       const struct nf_hook_state *state);

/**
 * sotto_open_burst() - open a GSO packet of equal segments
 * @sa: found by the SPI of the first, its addresses checked
 * @skb: consumed, but for a return value of false
 * @p: of @skb
 * @state: where the inner packets go on
 *
 * Return: false when it is not as a burst of one sender is; nothing was done.
 */
bool sotto_open_burst(struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p, const struct nf_hook_state *state);

/*
 * Can somebody write to its pages? Then it is copied before it is opened, or it could be changed
 * after it was found authentic, and before it is decrypted.
 */
bool sotto_open_shared(const struct sk_buff *skb);

/*
 * Open the next @len bytes at @src with ChaCha20-Poly1305 to @dst. Return: false when they
 * cannot be read.
 */
bool sotto_open_text(struct sotto_chapoly *c, struct sotto_cursor *src, u8 *dst,
		     unsigned int len);

/* The end of that. Return: 0 if it is authentic, or -EBADMSG. */
int sotto_open_icv(struct sotto_chapoly *c, struct sotto_cursor *src);

/* May an SA of its mode carry this next header? */
bool sotto_open_proto_ok(const struct sotto_sa *sa, const struct sk_buff *skb, u8 proto);

/* RFC 4303 section 2.4: does padding of @n bytes count up? */
bool sotto_open_pad_ok(const u8 *pad, unsigned int n);

/* A dummy was opened: answer it, if we owe that. */
void sotto_open_dummy(struct sotto_sa *sa, const struct sotto_pkt *p);

/**
 * sotto_open_up() - an inner packet goes on, its way is the one it came in
 * @sa: opened by
 * @skb: consumed; at its data is the IP header as it came, and @p->l4 bytes on begins
 *	what the sender sealed: UDP and ESP are out
 * @p: of the packet as it came
 * @nexthdr: of the ESP trailer
 * @state: where it goes on
 */
void sotto_open_up(struct sotto_sa *sa, struct sk_buff *skb, const struct sotto_pkt *p,
		   u8 nexthdr, struct nf_hook_state *state);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_open_selftest(void);
int sotto_open_burst_selftest(void);
#endif

#endif /* _SOTTO_OPEN_H */
