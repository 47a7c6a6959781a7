// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets, in batches.
 */
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

struct sock {
	int fd;
	unsigned int n;
	struct mmsghdr hdr[LOAD_BATCH];
	struct iovec iov[LOAD_BATCH];
	uint8_t data[LOAD_BATCH][SOTTO_DGRAM_MAX];
};

static struct sock sock[LOAD_SOCKETS];
static struct pollfd pfd[LOAD_SOCKETS];
static struct mmsghdr in_hdr[LOAD_BATCH];
static struct iovec in_iov[LOAD_BATCH];
static uint8_t in_data[LOAD_BATCH][SOTTO_DGRAM_MAX];

static void open_one(struct sock *s, const struct addrinfo *ai)
{
	int size = 16 << 20;

	s->fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || connect(s->fd, ai->ai_addr, ai->ai_addrlen))
		die("cannot connect to the server");
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

void wire_open(const char *server, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_NUMERICHOST }, *ai;
	int i;

	if (getaddrinfo(server, port, &hints, &ai))
		die("%s port %s: not an address", server, port);
	for (i = 0; i < LOAD_SOCKETS; i++) {
		open_one(&sock[i], ai);
		pfd[i].fd = sock[i].fd;
		pfd[i].events = POLLIN;
	}
	freeaddrinfo(ai);
	for (i = 0; i < LOAD_BATCH; i++) {
		in_iov[i].iov_base = in_data[i];
		in_iov[i].iov_len = SOTTO_DGRAM_MAX;
		in_hdr[i].msg_hdr.msg_iov = &in_iov[i];
		in_hdr[i].msg_hdr.msg_iovlen = 1;
	}
}

static void flush_one(struct sock *s)
{
	unsigned int done = 0;

	while (done < s->n) {
		int n = sendmmsg(s->fd, s->hdr + done, s->n - done, 0);

		/* what cannot go is lost, as on a wire */
		done += n > 0 ? n : 1;
	}
	s->n = 0;
}

void wire_flush(void)
{
	int i;

	for (i = 0; i < LOAD_SOCKETS; i++)
		flush_one(&sock[i]);
}

void wire_send(uint32_t member, const uint8_t *dgram, size_t len)
{
	struct sock *s = &sock[member % LOAD_SOCKETS];

	if (s->n == LOAD_BATCH)
		flush_one(s);
	memcpy(s->data[s->n], dgram, len);
	s->iov[s->n].iov_base = s->data[s->n];
	s->iov[s->n].iov_len = mutate_dgram(s->data[s->n], len, SOTTO_DGRAM_MAX);
	s->hdr[s->n].msg_hdr.msg_iov = &s->iov[s->n];
	s->hdr[s->n].msg_hdr.msg_iovlen = 1;
	s->n++;
}

static int take(struct sock *s)
{
	int i, n = recvmmsg(s->fd, in_hdr, LOAD_BATCH, MSG_DONTWAIT, NULL);

	for (i = 0; i < n; i++)
		wire_input(in_data[i], in_hdr[i].msg_len);
	return n > 0 ? n : 0;
}

void wire_poll(uint32_t wait_us)
{
	const struct timespec ts = {
		.tv_sec = wait_us / 1000000,
		.tv_nsec = wait_us % 1000000 * 1000,
	};
	int i, got = 0;

	wire_flush();
	for (i = 0; i < LOAD_SOCKETS; i++)
		got += take(&sock[i]);
	if (!got && wait_us)
		ppoll(pfd, LOAD_SOCKETS, &ts, NULL);
}
