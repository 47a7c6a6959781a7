// SPDX-License-Identifier: GPL-2.0
/*
 * How many UDP packets per second get through: poured out and taken in 64 at a
 * time, so that system calls do not hide what the packets cost.
 *
 *   udprate receive PORT [gro]    prints "packets/s bytes/s" once, when the flow has ended
 *   udprate send ADDRESS PORT SIZE SECONDS [gso]
 *
 * With gso a system call sends one buffer that the kernel cuts into datagrams of
 * SIZE (UDP_SEGMENT, as QUIC does); with gro they may come in the same way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH		64		/* datagrams in one system call */
#define SIZE_MAX_UDP	1400		/* bytes of payload */
#define ROOM		65536		/* for datagrams that come as one */
#define BUFFER		(8 << 20)	/* bytes of socket buffer */
#define FIRST_S		20		/* seconds until the flow must have begun */
#define LAST_MS		300		/* of silence: it has ended */
#define SEGMENTS	48		/* in one buffer: sealed, they still fit 64 KiB */
#define UDP_SEGMENT	103
#define UDP_GRO		104

static unsigned char data[BATCH][ROOM];
static struct mmsghdr msgs[BATCH];
static struct iovec iovs[BATCH];
static struct {
	_Alignas(struct cmsghdr) unsigned char bytes[CMSG_SPACE(sizeof(int))];
} ctrl[BATCH];

static void die(const char *what)
{
	fprintf(stderr, "udprate: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void prepare(size_t size)
{
	for (int i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec) { .iov_base = data[i], .iov_len = size };
		msgs[i].msg_hdr = (struct msghdr) {
			.msg_iov = &iovs[i], .msg_iovlen = 1,
			.msg_control = ctrl[i].bytes, .msg_controllen = 0
		};
	}
}

static int udp_socket(const struct sockaddr_in *sin, bool listens)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = BUFFER;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (listens ? bind(fd, (const void *)sin, sizeof(*sin))
		    : connect(fd, (const void *)sin, sizeof(*sin)))
		die(listens ? "bind" : "connect");
	return fd;
}

static void set_patience(int fd, int s, int ms)
{
	struct timeval tv = { .tv_sec = s, .tv_usec = ms * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

/* How many datagrams came as this one. */
static uint64_t merged(struct mmsghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
	int size;

	if (!c || c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
		return 1;
	memcpy(&size, CMSG_DATA(c), sizeof(size));
	return (m->msg_len + size - 1) / size;
}

/* Count what comes. Return: false when nothing did for as long as the socket has patience. */
static bool take(int fd, uint64_t *packets, uint64_t *bytes)
{
	int n;

	for (int i = 0; i < BATCH; i++)
		msgs[i].msg_hdr.msg_controllen = sizeof(ctrl[i].bytes);
	n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("recvmmsg");
	for (int i = 0; i < n; i++) {
		*packets += merged(&msgs[i]);
		*bytes += msgs[i].msg_len;
	}
	return n > 0;
}

static int receive(const struct sockaddr_in *sin, int gro)
{
	int fd = udp_socket(sin, true);
	uint64_t first, last, packets = 0, bytes = 0;

	if (gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &gro, sizeof(gro)))
		die("UDP_GRO");
	prepare(ROOM);
	set_patience(fd, FIRST_S, 0);
	if (!take(fd, &packets, &bytes)) {
		fprintf(stderr, "udprate: nothing came within %d s\n", FIRST_S);
		return 1;
	}
	first = last = now_ns();
	set_patience(fd, 0, LAST_MS);
	while (take(fd, &packets, &bytes))
		last = now_ns();
	if (last == first) {
		fputs("udprate: one handful came, and no more\n", stderr);
		return 1;
	}
	printf("%.0f %.0f %llu\n", packets * 1e9 / (last - first), bytes * 1e9 / (last - first),
	       (unsigned long long)bytes);
	return 0;
}

static int pour(const struct sockaddr_in *sin, int size, unsigned int seconds, bool gso)
{
	int fd = udp_socket(sin, false);
	uint64_t end = now_ns() + seconds * 1000000000ull;

	if (gso && size * SEGMENTS > ROOM) {
		errno = EMSGSIZE;
		die("gso");
	}
	if (gso && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)))
		die("UDP_SEGMENT");
	prepare(gso ? size * SEGMENTS : size);
	while (now_ns() < end)
		if (sendmmsg(fd, msgs, gso ? 1 : BATCH, 0) < 0 && errno != EINTR &&
		    errno != ENOBUFS && errno != EAGAIN)
			die("sendmmsg");
	return 0;
}

static bool word(int argc, char **argv, int n, const char *text)
{
	return argc == n + 1 && !strcmp(argv[n], text);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	bool gro = word(argc, argv, 3, "gro"), gso = word(argc, argv, 6, "gso");

	if ((argc == 3 || gro) && !strcmp(argv[1], "receive")) {
		sin.sin_port = htons(atoi(argv[2]));
		return receive(&sin, gro);
	}
	if ((argc == 6 || gso) && !strcmp(argv[1], "send") &&
	    inet_pton(AF_INET, argv[2], &sin.sin_addr) == 1 &&
	    atoi(argv[4]) > 0 && atoi(argv[4]) <= SIZE_MAX_UDP) {
		sin.sin_port = htons(atoi(argv[3]));
		return pour(&sin, atoi(argv[4]), atoi(argv[5]), gso);
	}
	fputs("usage: udprate receive PORT [gro] | udprate send ADDRESS PORT SIZE SECONDS [gso]\n",
	      stderr);
	return 2;
}
