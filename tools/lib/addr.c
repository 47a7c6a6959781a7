// SPDX-License-Identifier: GPL-2.0
/*
 * IP addresses and prefixes of either family, in one type.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int sotto_addr_set(struct sotto_addr *addr, const void *bytes, size_t len)
{
	if (len != 4 && len != 16)
		return -EINVAL;
	memset(addr, 0, sizeof(*addr));
	addr->len = len;
	memcpy(addr->b, bytes, len);
	return 0;
}

int sotto_addr_parse(struct sotto_addr *addr, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return sotto_addr_set(addr, bytes, 4);
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return sotto_addr_set(addr, bytes, 16);
	return -EINVAL;
}

const char *sotto_addr_str(const struct sotto_addr *addr,
			   char buf[SOTTO_ADDR_STR])
{
	int family = addr->len == 4 ? AF_INET : AF_INET6;

	if (!addr->len || !inet_ntop(family, addr->b, buf, SOTTO_ADDR_STR))
		strcpy(buf, "-");
	return buf;
}

bool sotto_addr_eq(const struct sotto_addr *a, const struct sotto_addr *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

int sotto_addr_cmp(const struct sotto_addr *a, const struct sotto_addr *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->b, b->b, a->len);
}

static bool v4_is_unicast(const uint8_t *b)
{
	/* 0/8, 127/8, and class D and E with the broadcast address */
	return b[0] != 0 && b[0] != 127 && b[0] < 224;
}

static bool v6_is_unicast(const uint8_t *b)
{
	static const uint8_t zero[15];

	if (b[0] == 0xff)
		return false;
	return memcmp(b, zero, 15) || b[15] > 1;
}

bool sotto_addr_is_unicast(const struct sotto_addr *addr)
{
	if (addr->len == 4)
		return v4_is_unicast(addr->b);
	return addr->len == 16 && v6_is_unicast(addr->b);
}

static void mask_bytes(const struct sotto_addr *addr, unsigned int plen,
		       struct sotto_addr *out)
{
	*out = *addr;
	for (unsigned int i = 0; i < addr->len; i++) {
		unsigned int keep = plen > i * 8 ? plen - i * 8 : 0;

		if (keep < 8)
			out->b[i] &= (uint8_t)(0xff00 >> keep);
	}
}

/* Decimal digits only: strtoul would take spaces and signs. */
static int parse_plen(const char *text, unsigned int max)
{
	unsigned int value = 0;

	if (!*text || strlen(text) > 3)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (*text - '0');
	}
	return value <= max ? (int)value : -EINVAL;
}

int sotto_prefix_parse(struct sotto_prefix *prefix, const char *text)
{
	char buf[SOTTO_ADDR_STR];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct sotto_addr masked;
	int plen;

	if (len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = 0;
	if (sotto_addr_parse(&prefix->addr, buf))
		return -EINVAL;
	plen = prefix->addr.len * 8;
	if (slash)
		plen = parse_plen(slash + 1, plen);
	if (plen < 0)
		return plen;
	prefix->plen = plen;
	mask_bytes(&prefix->addr, plen, &masked);
	return sotto_addr_eq(&masked, &prefix->addr) ? 0 : -ERANGE;
}

const char *sotto_prefix_str(const struct sotto_prefix *prefix,
			     char buf[SOTTO_PREFIX_STR])
{
	char addr[SOTTO_ADDR_STR];

	snprintf(buf, SOTTO_PREFIX_STR, "%s/%u",
		 sotto_addr_str(&prefix->addr, addr), prefix->plen);
	return buf;
}

struct sotto_prefix sotto_prefix_host(const struct sotto_addr *addr)
{
	return (struct sotto_prefix){ .addr = *addr, .plen = addr->len * 8 };
}

const char *sotto_prefix_brief(const struct sotto_prefix *prefix,
			       char buf[SOTTO_PREFIX_STR])
{
	if (prefix->plen == prefix->addr.len * 8)
		return sotto_addr_str(&prefix->addr, buf);
	return sotto_prefix_str(prefix, buf);
}

bool sotto_prefix_contains(const struct sotto_prefix *prefix,
			   const struct sotto_addr *addr)
{
	struct sotto_addr masked;

	if (prefix->addr.len != addr->len)
		return false;
	mask_bytes(addr, prefix->plen, &masked);
	return sotto_addr_eq(&masked, &prefix->addr);
}

socklen_t sotto_addr_to_sockaddr(const struct sotto_addr *addr, uint16_t port,
				 struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (addr->len == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr->b, 4);
		return sizeof(*in);
	}
	if (addr->len == 16) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, addr->b, 16);
		return sizeof(*in6);
	}
	return 0;
}

int sotto_addr_from_sockaddr(struct sotto_addr *addr, uint16_t *port,
			     const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET) {
		if (port)
			*port = ntohs(in->sin_port);
		return sotto_addr_set(addr, &in->sin_addr, 4);
	}
	if (ss->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	if (port)
		*port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return sotto_addr_set(addr, in6->sin6_addr.s6_addr + 12, 4);
	return sotto_addr_set(addr, &in6->sin6_addr, 16);
}
