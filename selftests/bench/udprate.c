// SPDX-License-Identifier: GPL-2.0
/*
 * How many UDP packets per second get through: poured out and taken in 64 at a
 * time, so that system calls do not hide what the packets cost.
 *
 *   udprate receive PORT          prints "packets/s" once, when the flow has ended
 *   udprate send ADDRESS PORT SIZE SECONDS
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
#define BUFFER		(8 << 20)	/* bytes of socket buffer */
#define FIRST_S		20		/* seconds until the flow must have begun */
#define LAST_MS		300		/* of silence: it has ended */

static unsigned char data[BATCH][SIZE_MAX_UDP];
static struct mmsghdr msgs[BATCH];
static struct iovec iovs[BATCH];

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
		msgs[i].msg_hdr = (struct msghdr) { .msg_iov = &iovs[i], .msg_iovlen = 1 };
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

/* Return: 0 when nothing came for as long as the socket has patience. */
static int take(int fd)
{
	int n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("recvmmsg");
	return n < 0 ? 0 : n;
}

static int receive(const struct sockaddr_in *sin)
{
	int fd = udp_socket(sin, true);
	uint64_t first, last, packets;
	int n;

	prepare(SIZE_MAX_UDP);
	set_patience(fd, FIRST_S, 0);
	packets = take(fd);
	first = last = now_ns();
	if (!packets) {
		fprintf(stderr, "udprate: nothing came within %d s\n", FIRST_S);
		return 1;
	}
	set_patience(fd, 0, LAST_MS);
	while ((n = take(fd))) {
		packets += n;
		last = now_ns();
	}
	if (last == first) {
		fputs("udprate: one handful came, and no more\n", stderr);
		return 1;
	}
	printf("%.0f\n", packets * 1e9 / (last - first));
	return 0;
}

static int pour(const struct sockaddr_in *sin, size_t size, unsigned int seconds)
{
	int fd = udp_socket(sin, false);
	uint64_t end = now_ns() + seconds * 1000000000ull;

	prepare(size);
	while (now_ns() < end)
		if (sendmmsg(fd, msgs, BATCH, 0) < 0 && errno != EINTR &&
		    errno != ENOBUFS && errno != EAGAIN)
			die("sendmmsg");
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (argc == 3 && !strcmp(argv[1], "receive")) {
		sin.sin_port = htons(atoi(argv[2]));
		return receive(&sin);
	}
	if (argc == 6 && !strcmp(argv[1], "send") &&
	    inet_pton(AF_INET, argv[2], &sin.sin_addr) == 1 &&
	    atoi(argv[4]) > 0 && atoi(argv[4]) <= SIZE_MAX_UDP) {
		sin.sin_port = htons(atoi(argv[3]));
		return pour(&sin, atoi(argv[4]), atoi(argv[5]));
	}
	fputs("usage: udprate receive PORT | udprate send ADDRESS PORT SIZE SECONDS\n", stderr);
	return 2;
}
