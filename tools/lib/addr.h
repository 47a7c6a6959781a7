/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IP addresses and prefixes of either family, in one type.
 */
#ifndef SOTTO_ADDR_H
#define SOTTO_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that hold any address as text, with the NUL. */
#define SOTTO_ADDR_STR		INET6_ADDRSTRLEN
/* The same for a prefix: address, slash, up to three digits. */
#define SOTTO_PREFIX_STR	(INET6_ADDRSTRLEN + 4)

/**
 * struct sotto_addr - an IPv4 or IPv6 address
 * @len: 4 or 16; 0 = no address
 * @b: network order; bytes past @len are zero, so that memcmp compares
 */
struct sotto_addr {
	uint8_t len;
	uint8_t b[16];
};

/**
 * struct sotto_prefix - a network
 * @addr: its address, bits past @plen are zero
 * @plen: 0-32 or 0-128
 */
struct sotto_prefix {
	struct sotto_addr addr;
	uint8_t plen;
};

/**
 * sotto_addr_parse() - read an address in its usual text form
 * Returns 0, or -EINVAL (names are never looked up).
 */
int sotto_addr_parse(struct sotto_addr *addr, const char *text);

/**
 * sotto_addr_set() - make an address of raw bytes
 * Returns 0, or -EINVAL when @len is neither 4 nor 16.
 */
int sotto_addr_set(struct sotto_addr *addr, const void *bytes, size_t len);

/** sotto_addr_str() - write the address into @buf and return it. */
const char *sotto_addr_str(const struct sotto_addr *addr,
			   char buf[SOTTO_ADDR_STR]);

/** sotto_addr_eq() - same family and same bytes. */
bool sotto_addr_eq(const struct sotto_addr *a, const struct sotto_addr *b);

/** sotto_addr_cmp() - order for sorting: IPv4 first, then by value. */
int sotto_addr_cmp(const struct sotto_addr *a, const struct sotto_addr *b);

/**
 * sotto_addr_is_unicast() - may stand for one host
 * False for the unspecified address, loopback, multicast and broadcast.
 */
bool sotto_addr_is_unicast(const struct sotto_addr *addr);

/**
 * sotto_prefix_parse() - read "ADDRESS[/PLEN]"
 * Without a length it is one host. Returns 0, -EINVAL for text that is no
 * prefix, or -ERANGE when bits past the length are set.
 */
int sotto_prefix_parse(struct sotto_prefix *prefix, const char *text);

/** sotto_prefix_str() - write "ADDRESS/PLEN" into @buf and return it. */
const char *sotto_prefix_str(const struct sotto_prefix *prefix,
			     char buf[SOTTO_PREFIX_STR]);

/** sotto_prefix_host() - the prefix that is one host */
struct sotto_prefix sotto_prefix_host(const struct sotto_addr *addr);

/** sotto_prefix_brief() - the same text, but one host without its length */
const char *sotto_prefix_brief(const struct sotto_prefix *prefix,
			       char buf[SOTTO_PREFIX_STR]);

/** sotto_prefix_contains() - @addr lies in @prefix (same family). */
bool sotto_prefix_contains(const struct sotto_prefix *prefix,
			   const struct sotto_addr *addr);

/** sotto_addr_to_sockaddr() - fill @ss, and return its length (0: no address). */
socklen_t sotto_addr_to_sockaddr(const struct sotto_addr *addr, uint16_t port,
				 struct sockaddr_storage *ss);

/**
 * sotto_addr_from_sockaddr() - take address and port out of @ss
 * An IPv4-mapped IPv6 address becomes IPv4. @port (host order) may be NULL.
 * Returns 0, or -EAFNOSUPPORT.
 */
int sotto_addr_from_sockaddr(struct sotto_addr *addr, uint16_t *port,
			     const struct sockaddr_storage *ss);

#endif /* SOTTO_ADDR_H */
