// SPDX-License-Identifier: GPL-2.0
/* traffic: datagrams. */
#define _GNU_SOURCE
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_ENCAP
#define UDP_ENCAP 100
#endif
#ifndef UDP_ENCAP_ESPINUDP
#define UDP_ENCAP_ESPINUDP 2
#endif

#define DATAGRAM_MAX	65536	/* bytes */
#define NUMBERED_MAX	1000000	/* datagrams of one udp-recv */
#define LOSSES_MAX	3	/* answers that udp-check waits for in vain */
#define QUIET_MS	300	/* udp-recv: how long a second copy may take */

/* Answers come from the address that was asked: a host may have several. */
int udp_echo(char **argv)
{
	static uint8_t buf[DATAGRAM_MAX];
	uint8_t ctl[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct sockaddr_storage from;
	struct iovec iov = { .iov_base = buf };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from,
			    .msg_control = ctl };
	int fd = listen_any(SOCK_DGRAM, argv[0]), on = 1;
	ssize_t n;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)))
		die("IPV6_RECVPKTINFO");
	ready();
	for (;;) {
		iov.iov_len = sizeof(buf);
		m.msg_namelen = sizeof(from);
		m.msg_controllen = sizeof(ctl);
		n = recvmsg(fd, &m, 0);
		if (n < 0)
			continue;
		iov.iov_len = n;
		sendmsg(fd, &m, 0);
	}
}

static int udp_connect(char **argv)
{
	struct address to;
	int fd;

	parse(&to, argv[0], argv[1]);
	fd = make_socket(&to, SOCK_DGRAM);
	if (connect(fd, (struct sockaddr *)&to.sa, to.len))
		die("connect");
	return fd;
}

/* One datagram there and back. */
static bool round_trip(int fd, size_t size, uint32_t seed)
{
	static uint8_t out[DATAGRAM_MAX], in[DATAGRAM_MAX];
	ssize_t n;

	fill(out, size, seed);
	if (send(fd, out, size, 0) != (ssize_t)size) {
		fprintf(stderr, "traffic: sending %zu bytes: %s\n", size, strerror(errno));
		return false;
	}
	do {
		if (!wait_for(fd, POLLIN, opt.timeout_ms)) {
			fprintf(stderr, "traffic: no answer to %zu bytes\n", size);
			return false;
		}
		n = recv(fd, in, sizeof(in), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		fprintf(stderr, "traffic: after %zu bytes: %s\n", size, strerror(errno));
		return false;
	}
	if ((size_t)n != size || memcmp(in, out, size)) {
		fprintf(stderr, "traffic: %zu bytes came back as %zd others\n", size, n);
		return false;
	}
	return true;
}

int udp_check(char **argv)
{
	unsigned long first = atol(argv[2]), last = atol(argv[3]), step = atol(argv[4]);
	unsigned long count = argv[5] ? atol(argv[5]) : 1, good = 0, bad = 0;
	int fd = udp_connect(argv);

	for (unsigned long size = first; size <= last && bad < LOSSES_MAX; size += step)
		for (unsigned long i = 0; i < count && bad < LOSSES_MAX; i++)
			if (round_trip(fd, size, size + i))
				good++;
			else
				bad++;
	printf("good %lu bad %lu\n", good, bad);
	return bad || !good;
}

static void pause_us(int us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	if (us)
		nanosleep(&t, NULL);
}

int udp_send(char **argv)
{
	static uint8_t buf[DATAGRAM_MAX];
	uint32_t count = atol(argv[2]), size = atol(argv[3]), n, failed = 0;
	int fd = udp_connect(argv);

	if (size < sizeof(n))
		size = sizeof(n);
	for (uint32_t i = 0; i < count; i++) {
		fill(buf, size, i);
		n = htonl(i);
		memcpy(buf, &n, sizeof(n));
		if (send(fd, buf, size, 0) < 0)
			failed++;
		pause_us(opt.gap_us);
	}
	printf("sent %u failed %u\n", count - failed, failed);
	return 0;
}

/* The last datagram of each burst is shorter, by another length each time. */
int udp_burst(char **argv)
{
	static uint8_t buf[DATAGRAM_MAX];
	uint32_t count = atol(argv[2]), size = atol(argv[3]), each = atol(argv[4]);
	int fd = udp_connect(argv), segment = size;
	uint32_t bursts = 0, n;

	if (size < 2 * sizeof(n) || !each || size * each > sizeof(buf))
		return 2;
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		die("UDP_SEGMENT");
	for (uint32_t i = 0; i < count; bursts++) {
		uint32_t in_it = count - i < each ? count - i : each;
		size_t len = in_it * size - bursts % (size / 2);

		for (uint32_t k = 0; k < in_it; k++, i++) {
			fill(buf + k * size, size, i);
			n = htonl(i);
			memcpy(buf + k * size, &n, sizeof(n));
		}
		if (send(fd, buf, len, 0) != (ssize_t)len)
			die("send");
		pause_us(opt.gap_us);
	}
	printf("sent %u in %u\n", count, bursts);
	return 0;
}

struct numbered {
	uint8_t *seen;
	uint32_t count, got, twice, late, damaged, last;
};

static void take_numbered(struct numbered *r, const uint8_t *buf, size_t len)
{
	static uint8_t want[DATAGRAM_MAX];
	uint32_t i;

	if (len < sizeof(i)) {
		r->damaged++;
		return;
	}
	memcpy(&i, buf, sizeof(i));
	i = ntohl(i);
	fill(want, len, i);
	if (i >= r->count || memcmp(want + sizeof(i), buf + sizeof(i), len - sizeof(i))) {
		r->damaged++;
		return;
	}
	if (r->seen[i]) {
		r->twice++;
		return;
	}
	r->seen[i] = 1;
	if (r->got && i < r->last)
		r->late++;
	else
		r->last = i;
	r->got++;
}

int udp_recv(char **argv)
{
	static uint8_t buf[DATAGRAM_MAX];
	struct numbered r = { .count = atol(argv[1]) };
	int fd = listen_any(SOCK_DGRAM, argv[0]);
	uint32_t first = 0;

	if (!r.count || r.count > NUMBERED_MAX)
		return 2;
	r.seen = calloc(r.count, 1);
	ready();
	/* Past the last one, wait a little for what must not come. */
	while (wait_for(fd, POLLIN, r.got < r.count ? opt.timeout_ms : QUIET_MS)) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n >= 0)
			take_numbered(&r, buf, n);
	}
	while (first < r.count && !r.seen[first])
		first++;
	printf("got %u twice %u late %u damaged %u first %u last %u\n", r.got, r.twice,
	       r.late, r.damaged, first, r.last);
	free(r.seen);
	return 0;
}

/* The error that ICMP left in the socket's error queue, or 0. */
static int pending_error(int fd)
{
	uint8_t ctl[512], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	struct sock_extended_err e;
	int err = 0;

	while (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_type != IP_RECVERR && c->cmsg_type != IPV6_RECVERR)
				continue;
			memcpy(&e, CMSG_DATA(c), sizeof(e));
			err = e.ee_errno;
		}
		m.msg_controllen = sizeof(ctl);
	}
	return err;
}

/* As the next call would get it, and forgotten. */
static void forget_error(int fd)
{
	socklen_t len = sizeof(int);
	int err;

	pending_error(fd);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
}

int udp_try(char **argv)
{
	static uint8_t buf[DATAGRAM_MAX];
	size_t size = atol(argv[2]);
	int fd = udp_connect(argv), err = 0;

	fill(buf, size, 1);
	if (send(fd, buf, size, 0) < 0)
		err = errno;
	else if (wait_for(fd, POLLIN, opt.timeout_ms))
		err = pending_error(fd);
	else
		err = ETIMEDOUT;
	puts(err ? errno_name(err) : "ok");
	return 0;
}

static int path_mtu(int fd)
{
	socklen_t len = sizeof(int);
	int mtu = 0;

	if (getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len) &&
	    getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len))
		die("IP_MTU");
	return mtu;
}

int udp_pmtu(char **argv)
{
	static uint8_t buf[DATAGRAM_MAX];
	size_t size = atol(argv[2]), header = strchr(argv[0], ':') ? 48 : 28;
	int fd, mtu;

	opt.df = true;
	fd = udp_connect(argv);
	/* The first one leaves the socket; what comes back is the ICMP error. */
	if (send(fd, buf, size, 0) < 0)
		die("first datagram");
	if (!wait_for(fd, POLLIN, opt.timeout_ms) || pending_error(fd) != EMSGSIZE) {
		fprintf(stderr, "traffic: no EMSGSIZE for %zu bytes\n", size);
		return 1;
	}
	forget_error(fd);
	if (send(fd, buf, size, 0) >= 0 || errno != EMSGSIZE) {
		fprintf(stderr, "traffic: the second datagram was not refused\n");
		return 1;
	}
	forget_error(fd);
	mtu = path_mtu(fd);
	printf("%d\n", mtu);
	return !round_trip(fd, mtu - header, 7);
}

static size_t unhex(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;
	unsigned int byte;

	for (; hex[0] && hex[1] && n < max; hex += 2) {
		if (sscanf(hex, "%2x", &byte) != 1)
			break;
		out[n++] = byte;
	}
	return n;
}

/* The file's own pages become part of the datagram: nobody copies them. */
int udp_splice(char **argv)
{
	uint8_t head[256];
	size_t n = unhex(argv[3], head, sizeof(head));
	unsigned long count = atol(argv[4]);
	int file = open(argv[0], O_RDONLY), fd = udp_connect(argv + 1), pipes[2];

	if (file < 0 || pipe(pipes))
		die(argv[0]);
	for (unsigned long i = 0; i < count; i++) {
		loff_t at = 0;

		if (splice(file, &at, pipes[1], NULL, 1024, 0) != 1024)
			die("splice from the file");
		if (send(fd, head, n, MSG_MORE) < 0)
			die("send");
		if (splice(pipes[0], NULL, fd, NULL, 1024, 0) != 1024)
			die("splice to the socket");
		pause_us(opt.gap_us);
	}
	return 0;
}

static int encap_socket(int family, const char *port)
{
	int fd = socket(family, SOCK_DGRAM, 0), on = 1, type = UDP_ENCAP_ESPINUDP;
	struct address any;

	if (fd < 0)
		die("socket");
	parse(&any, family == AF_INET6 ? "::" : "0.0.0.0", port);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any.sa, any.len))
		die("bind");
	if (setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type)))
		die("UDP_ENCAP");
	return fd;
}

int udp_encap(char **argv)
{
	encap_socket(AF_INET, argv[0]);
	encap_socket(AF_INET6, argv[0]);
	ready();
	for (;;)
		pause();
}
