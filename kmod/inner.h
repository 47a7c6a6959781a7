/* SPDX-License-Identifier: GPL-2.0 */
/* IP's headers inside, as tunnel mode has them: what packets of a burst are merged by. */
#ifndef _SOTTO_INNER_H
#define _SOTTO_INNER_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>

#include "addr.h"

/* Of either family, aligned. */
union sotto_inner {
	struct iphdr v4;
	struct ipv6hdr v6;
};

/**
 * sotto_inner_len() - the length of a header that can be merged by
 * @ip: header of a packet, in so far as there is one
 * @len: of that packet
 * @nexthdr: its family, as ESP's trailer has it
 * @proto: filled with what is behind it
 *
 * Return: 0 where there is anything out of the ordinary: options, fragments, a length that is
 * not @len, or a wrong checksum.
 */
unsigned int sotto_inner_len(const union sotto_inner *ip, unsigned int len, u8 nexthdr,
			     u8 *proto);

/*
 * Does @next say the same as @first, but that its identification, where it has one, is @n more
 * than that one's?
 */
bool sotto_inner_follows(const union sotto_inner *first, const union sotto_inner *next,
			 unsigned int n);

/*
 * Do the first two packets of a sender say that it has one identification for all? RFC 6864
 * section 4.1: of what may not be fragmented it says nothing.
 */
bool sotto_inner_fixed_id(const union sotto_inner *first, const union sotto_inner *next);

void sotto_inner_addrs(const union sotto_inner *ip, struct sotto_addr *src,
		       struct sotto_addr *dst);

/* It has @len bytes now, header included. */
void sotto_inner_set_len(union sotto_inner *ip, unsigned int len);

/* Checksum of the pseudo header for @len bytes of @proto, which sum up to @sum. */
__sum16 sotto_inner_sum(const union sotto_inner *ip, unsigned int len, u8 proto, __wsum sum);

#endif /* _SOTTO_INNER_H */
