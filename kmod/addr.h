/* SPDX-License-Identifier: GPL-2.0 */
/* One IPv4 or IPv6 address, comparable and hashable as bytes; and a network. */
#ifndef _SOTTO_ADDR_H
#define _SOTTO_ADDR_H

#include <linux/inetdevice.h>
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

/**
 * struct sotto_prefix - a network
 * @addr: bits past @plen are zero
 * @plen: 0-32 or 0-128
 */
struct sotto_prefix {
	struct sotto_addr addr;
	u8 plen;
};

static inline bool sotto_prefix_covers(const struct sotto_prefix *p,
				       const struct sotto_addr *a)
{
	if (a->family != p->addr.family)
		return false;
	if (a->family == AF_INET)
		return !((p->addr.ip.ip ^ a->ip.ip) & inet_make_mask(p->plen));
	return ipv6_prefix_equal(&p->addr.ip.in6, &a->ip.in6, p->plen);
}

/* Is it all zero past its length? */
static inline bool sotto_prefix_is_clean(const struct sotto_prefix *p)
{
	struct in6_addr cut;

	if (p->addr.family == AF_INET)
		return !(p->addr.ip.ip & ~inet_make_mask(p->plen));
	ipv6_addr_prefix(&cut, &p->addr.ip.in6, p->plen);
	return ipv6_addr_equal(&cut, &p->addr.ip.in6);
}

static inline bool sotto_prefix_is_host(const struct sotto_prefix *p)
{
	return p->plen == sotto_addr_len(&p->addr) * BITS_PER_BYTE;
}

#endif /* _SOTTO_ADDR_H */
