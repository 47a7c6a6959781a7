// SPDX-License-Identifier: GPL-2.0
/*
 * fuzzpkt: packets that no honest stack sends, made from what honest ones sent.
 *
 *   fuzzpkt wire HEARD DEV MAC SECONDS SEED   sealed packets that come in at the device HEARD,
 *                       damaged in every way, out of DEV to MAC
 *   fuzzpkt bursts SRC DST PORT SECONDS SEED  bursts (UDP_SEGMENT) of such rubbish
 *   fuzzpkt inner DST SECONDS SEED            raw packets with transport headers that lie, to
 *                       be sealed by this host and opened by the other
 *
 * Prints how many it sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define POOL		256
#define MAX_LEN		4000
#define UDP_SEGMENT	103
#define SOL_UDP		17

struct packet {
	size_t len;
	uint8_t data[MAX_LEN];
};

static struct packet pool[POOL];
static unsigned int pooled;
static uint64_t state, sent;
static time_t until;

static void die(const char *what)
{
	fprintf(stderr, "fuzzpkt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (state >> 16) % below : 0;
}

static int over(void)
{
	return time(NULL) >= until;
}

/* Values at which something changes. */
static uint32_t edge(void)
{
	static const uint32_t edges[] = {
		0, 1, 2, 7, 8, 20, 40, 59, 64, 127, 128, 254, 255, 256, 257, 1280, 1500, 2047, 2048,
		0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
	};

	return rnd(4) ? edges[rnd(sizeof(edges) / sizeof(*edges))] : rnd(0);
}

static void put_value(struct packet *p, size_t at)
{
	uint32_t v = htonl(edge());
	size_t size = 1u << rnd(3);

	if (at + size <= p->len)
		memcpy(p->data + at, (uint8_t *)&v + 4 - size, size);
}

static void insert(struct packet *p, size_t at, size_t n)
{
	if (at > p->len || p->len + n > MAX_LEN)
		return;
	memmove(p->data + at + n, p->data + at, p->len - at);
	for (size_t i = 0; i < n; i++)
		p->data[at + i] = rnd(256);
	p->len += n;
}

/* An IPv6 extension header in front of what there is, or options in IPv4's. */
static void extend_header(struct packet *p)
{
	static const uint8_t kinds[] = { 0, 43, 44, 60, 51, 59, 135 };

	if (p->len < 40)
		return;
	if (p->data[0] >> 4 == 4) {
		insert(p, 20, 4 * (1 + rnd(10)));
		p->data[0] = 0x40 | (5 + rnd(11));
		return;
	}
	insert(p, 40, 8 * (1 + rnd(3)));
	p->data[40] = p->data[6];
	p->data[41] = rnd(3);
	p->data[6] = kinds[rnd(sizeof(kinds))];
}

static void fragment_fields(struct packet *p)
{
	if (p->len < 40)
		return;
	if (p->data[0] >> 4 == 4) {
		p->data[6] = rnd(256);
		p->data[7] = rnd(4) ? 0 : rnd(256);
		return;
	}
	insert(p, 40, 8);
	p->data[40] = p->data[6];
	p->data[41] = 0;
	p->data[6] = 44;
}

static void splice(struct packet *p)
{
	const struct packet *q = &pool[rnd(pooled)];
	size_t at = rnd(p->len), from = rnd(q->len), n = q->len - from;

	if (at + n > MAX_LEN)
		n = MAX_LEN - at;
	memcpy(p->data + at, q->data + from, n);
	p->len = at + n;
}

/* Make what is left look right again, as far as IP goes. */
static void mend(struct packet *p)
{
	uint32_t sum = 0;
	size_t hlen;

	if (p->len < 40)
		return;
	if (p->data[0] >> 4 == 6) {
		p->data[4] = (p->len - 40) >> 8;
		p->data[5] = p->len - 40;
		return;
	}
	hlen = (p->data[0] & 15) * 4;
	if (hlen < 20 || hlen > p->len)
		return;
	p->data[2] = p->len >> 8;
	p->data[3] = p->len;
	p->data[10] = p->data[11] = 0;
	for (size_t i = 0; i < hlen; i += 2)
		sum += p->data[i] << 8 | p->data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p->data[10] = ~sum >> 8;
	p->data[11] = ~sum;
}

static void mutate(struct packet *p)
{
	for (unsigned int n = 1 + rnd(3); n && p->len; n--) {
		/* Most of what is looked at stands in the first 100 bytes, or the last. */
		size_t near = rnd(p->len < 100 ? p->len : 100);

		switch (rnd(10)) {
		case 0: p->data[near] ^= 1 << rnd(8); break;
		case 1: p->data[rnd(p->len)] ^= 1 << rnd(8); break;
		case 2: p->data[p->len - 1 - rnd(p->len < 20 ? p->len : 20)] ^= 1 << rnd(8); break;
		case 3:
		case 4: put_value(p, near); break;
		case 5: p->len = rnd(4) ? p->len - rnd(p->len < 40 ? p->len : 40) : rnd(p->len); break;
		case 6: insert(p, p->len, rnd(64)); break;
		case 7: extend_header(p); break;
		case 8: fragment_fields(p); break;
		default: splice(p); break;
		}
	}
	if (rnd(4))
		mend(p);
}

static int packet_socket(const char *dev, int proto)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(proto),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(proto));

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(dev);
	return fd;
}

/* Take what came in meanwhile; wait for the first ones. */
static void hear(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, pooled ? 0 : 1000) > 0) {
		struct packet *q = &pool[pooled < POOL ? pooled : rnd(POOL)];
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, q->data, sizeof(q->data), 0, (struct sockaddr *)&from, &len);

		if (n < 60 || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		q->len = n;
		pooled += pooled < POOL;
	}
}

static void wire(char **argv)
{
	int in = packet_socket(argv[0], ETH_P_ALL), out = packet_socket(argv[1], 0);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1]), .sll_halen = 6,
	};

	if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to.sll_addr[0], &to.sll_addr[1],
		   &to.sll_addr[2], &to.sll_addr[3], &to.sll_addr[4], &to.sll_addr[5]) != 6)
		die(argv[2]);
	while (!over()) {
		struct packet p;

		if (!(sent % 64))
			hear(in);
		if (!pooled)
			continue;
		p = pool[rnd(pooled)];
		to.sll_protocol = htons(p.data[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
		if (rnd(8))
			mutate(&p);
		if (sendto(out, p.data, p.len, 0, (struct sockaddr *)&to, sizeof(to)) > 0)
			sent++;
		else if (errno == ENOBUFS)
			usleep(1000);
		else
			sent += errno == EMSGSIZE || errno == EINVAL;
	}
}

static void parse(struct sockaddr_in6 *sa, const char *text, int port)
{
	char mapped[64];

	memset(sa, 0, sizeof(*sa));
	sa->sin6_family = AF_INET6;
	sa->sin6_port = htons(port);
	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	if (inet_pton(AF_INET6, mapped, &sa->sin6_addr) != 1)
		die(text);
}

/* What looks like ESP of a live SA: PORT's SPI is told by the caller as the first bytes. */
static void bursts(char **argv)
{
	static uint8_t data[65000];
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), on = 1, size;
	struct sockaddr_in6 from, to;
	uint32_t spi = htonl(strtoul(argv[2], NULL, 0));

	parse(&from, argv[0], 0);
	parse(&to, argv[1], 7689);
	setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die(argv[0]);
	while (!over()) {
		size_t len;

		size = 1 + rnd(rnd(2) ? 100 : 1400);
		len = (size_t)size * (1 + rnd(44)) + rnd(size);
		len = len > sizeof(data) ? sizeof(data) : len;
		for (size_t i = 0; i + 4 <= len; i += size) {
			memcpy(data + i, &spi, 4);
			data[i + rnd(size)] = edge();
		}
		setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
		if (sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)) > 0)
			sent++;
		else
			usleep(1000);
	}
}

static void inner(char **argv)
{
	static const uint8_t protos[] = { 6, 17, 6, 17, 1, 58, 59, 4, 41, 50, 0, 60, 44, 132, 254 };
	struct sockaddr_in6 to;
	struct packet p;
	int fds[sizeof(protos)], v6 = !!strchr(argv[0], ':');
	struct sockaddr_in to4 = { .sin_family = AF_INET };

	parse(&to, argv[0], 0);
	memcpy(&to4.sin_addr, to.sin6_addr.s6_addr + 12, 4);
	for (size_t i = 0; i < sizeof(protos); i++)
		fds[i] = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW, protos[i]);
	while (!over()) {
		size_t i = rnd(sizeof(protos));

		p.len = rnd(rnd(4) ? 60 : 2500);
		for (size_t k = 0; k < p.len; k++)
			p.data[k] = rnd(2) ? edge() : 0;
		if (p.len > 12 && rnd(2))
			p.data[12] = rnd(16) << 4;	/* TCP's header length */
		if (sendto(fds[i], p.data, p.len, MSG_DONTWAIT,
			   v6 ? (struct sockaddr *)&to : (struct sockaddr *)&to4,
			   v6 ? sizeof(to) : sizeof(to4)) >= 0)
			sent++;
		else if (errno == EAGAIN || errno == ENOBUFS)
			usleep(1000);
	}
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **argv);
} modes[] = {
	{ "wire", 3, wire }, { "bursts", 3, bursts }, { "inner", 1, inner },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(argv[1], modes[i].name) || argc != modes[i].args + 4)
			continue;
		until = time(NULL) + atoi(argv[argc - 2]);
		state = strtoull(argv[argc - 1], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
		modes[i].run(argv + 2);
		printf("%llu sent\n", (unsigned long long)sent);
		return 0;
	}
	fputs("usage: fuzzpkt wire HEARD DEV MAC | bursts SRC DST SPI | inner DST, each with SECONDS SEED\n",
	      stderr);
	return 2;
}
