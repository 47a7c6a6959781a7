/* SPDX-License-Identifier: GPL-2.0 */
/* One IPv4 or IPv6 address, comparable and hashable as bytes. */
#ifndef _SOTTO_ADDR_H
#define _SOTTO_ADDR_H

#include <linux/netfilter.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <net/ipv6.h>

/**
 * struct sotto_addr - an address
 * @ip: in network order; what an IPv4 address leaves over is zero
 * @family: AF_INET or AF_INET6
 * @zero: always 0, so that the whole can be a hash key
 */
struct sotto_addr {
	union nf_inet_addr ip;
	u16 family;
	u16 zero;
};

static inline void sotto_addr_v4(struct sotto_addr *a, __be32 ip)
{
	memset(a, 0, sizeof(*a));
	a->ip.ip = ip;
	a->family = AF_INET;
}

static inline void sotto_addr_v6(struct sotto_addr *a, const struct in6_addr *ip)
{
	a->ip.in6 = *ip;
	a->family = AF_INET6;
	a->zero = 0;
}

static inline bool sotto_addr_equal(const struct sotto_addr *a,
				    const struct sotto_addr *b)
{
	return a->family == b->family &&
	       ipv6_addr_equal(&a->ip.in6, &b->ip.in6);
}

/* Length in bytes of the address itself: 4 or 16. */
static inline unsigned int sotto_addr_len(const struct sotto_addr *a)
{
	return a->family == AF_INET ? 4 : 16;
}

#endif /* _SOTTO_ADDR_H */
