// SPDX-License-Identifier: GPL-2.0
/*
 * many: tunnels by the hundred thousand, straight to the module, many in each request.
 *
 *   many [-c CIPHER] [-l SECONDS] [-s SECONDS] add FIRST COUNT   both directions of so many sessions,
 *                                                    with hard and soft lifetime
 *   many del FIRST COUNT                            the same sessions, by their ids
 *   many dump sa|tunnel                             take all of them
 *
 * Session N has the peer address fd0a::N, the SPI 65536+N both ways. Prints how many objects
 * it took or was told, and in how many microseconds: "200000 sas 1234567 us".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sotto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH		128	/* SAs in one request */
#define SPI_FIRST	65536
#define BUFFERS		(64 << 20)

static int sock;
static uint16_t family;
static uint8_t cipher = SOTTO_CIPHER_CHACHA20_POLY1305;
static uint32_t lifetime, soft;
static uint8_t out[BATCH * 512], in[BATCH][1 << 15];
static struct mmsghdr answers[BATCH];
static size_t filled;

static void die(const char *what)
{
	fprintf(stderr, "many: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *put(const void *data, size_t len)
{
	void *at = out + filled;

	if (filled + NLMSG_ALIGN(len) > sizeof(out)) {
		errno = EMSGSIZE;
		die("request");
	}
	memset(at, 0, NLMSG_ALIGN(len));
	if (data)
		memcpy(at, data, len);
	filled += NLMSG_ALIGN(len);
	return at;
}

static void attr(uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = NLA_HDRLEN + len, .nla_type = type };

	put(&a, sizeof(a));
	put(data, len);
}

static struct nlmsghdr *begin(uint16_t type, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags };
	struct genlmsghdr g = { .cmd = cmd, .version = 1 };
	struct nlmsghdr *at = put(&h, sizeof(h));

	put(&g, sizeof(g));
	return at;
}

static void end(struct nlmsghdr *h)
{
	h->nlmsg_len = out + filled - (uint8_t *)h;
}

/* Of the SA that is the @i-th of a request. */
static struct nlattr *begin_nest(uint32_t i)
{
	uint16_t type = i ? SOTTO_A_SA_MORE : SOTTO_A_SA;

	struct nlattr a = { .nla_type = type | NLA_F_NESTED };

	return put(&a, sizeof(a));
}

static void end_nest(struct nlattr *a)
{
	a->nla_len = out + filled - (uint8_t *)a;
}

static void flush(void)
{
	if (send(sock, out, filled, 0) < 0)
		die("send");
	filled = 0;
}

/* What stands in one datagram; *@done with the end of a dump. Returns how many. */
static unsigned long judge(const void *data, ssize_t len, bool *done)
{
	const struct nlmsghdr *h = data;
	unsigned long got = 0;

	for (; NLMSG_OK(h, len) && !*done; h = NLMSG_NEXT(h, len)) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_ERROR && e->error) {
			errno = -e->error;
			die("refused");
		}
		*done = h->nlmsg_type == NLMSG_DONE;
		got += !*done;
	}
	return got;
}

/* Replies until @n of them came, or (dumps) until their end. Returns how many. */
static unsigned long take(unsigned long n)
{
	unsigned long got = 0;
	bool done = false;

	while (got < n && !done) {
		int count = recvmmsg(sock, answers, BATCH, MSG_WAITFORONE, NULL);

		if (count < 0)
			die("recvmmsg");
		for (int i = 0; i < count; i++)
			got += judge(in[i], answers[i].msg_len, &done);
	}
	return got;
}

static void prepare(void)
{
	static struct iovec iov[BATCH];

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec) { .iov_base = in[i], .iov_len = sizeof(in[i]) };
		answers[i].msg_hdr = (struct msghdr) { .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
}

static void find_family(void)
{
	struct nlmsghdr *h = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	struct nlattr *a;

	attr(CTRL_ATTR_FAMILY_NAME, SOTTO_GENL_NAME, sizeof(SOTTO_GENL_NAME));
	end(h);
	flush();
	take(1);
	a = (struct nlattr *)(in[0] + NLMSG_HDRLEN + GENL_HDRLEN);
	while (a->nla_type != CTRL_ATTR_FAMILY_ID)
		a = (struct nlattr *)((uint8_t *)a + NLA_ALIGN(a->nla_len));
	memcpy(&family, (uint8_t *)a + NLA_HDRLEN, sizeof(family));
}

static void add_sa(uint32_t place, uint32_t i, uint8_t dir)
{
	struct nlattr *nest = begin_nest(place);
	uint8_t key[SOTTO_KEY_LEN] = { 1 }, peer[16] = { 0xfd, 0x0a };
	uint32_t spi = SPI_FIRST + i, n = htonl(i + 1);
	uint64_t session = i + 1;

	memcpy(key + 4, &i, sizeof(i));
	key[8] = dir;
	memcpy(peer + 12, &n, sizeof(n));
	attr(SOTTO_A_SA_DIR, &dir, 1);
	attr(SOTTO_A_SA_SPI, &spi, sizeof(spi));
	attr(SOTTO_A_SA_SESSION, &session, sizeof(session));
	attr(SOTTO_A_SA_CIPHER, &cipher, 1);
	attr(SOTTO_A_SA_KEY, key, sizeof(key));
	attr(SOTTO_A_SA_SALT, key, SOTTO_SALT_LEN);
	attr(SOTTO_A_SA_PEER_ADDR, peer, sizeof(peer));
	if (lifetime)
		attr(SOTTO_A_SA_HARD_SECONDS, &lifetime, sizeof(lifetime));
	if (soft)
		attr(SOTTO_A_SA_SOFT_SECONDS, &soft, sizeof(soft));
	end_nest(nest);
}

static void add_pair(uint32_t place, uint32_t i)
{
	add_sa(2 * place, i, SOTTO_SA_IN);
	add_sa(2 * place + 1, i, SOTTO_SA_OUT);
}

static void del_session(uint32_t place, uint32_t i)
{
	struct nlattr *nest = begin_nest(place);
	uint64_t session = i + 1;

	attr(SOTTO_A_SA_SESSION, &session, sizeof(session));
	end_nest(nest);
}

/* So many of them, @at_once in each request, which has one answer. */
static unsigned long each(uint8_t cmd, void (*put_one)(uint32_t place, uint32_t i),
			  uint32_t at_once, uint32_t first, uint32_t count)
{
	/* SA_ADD answers unasked */
	uint16_t flags = cmd == SOTTO_CMD_SA_ADD ? 0 : NLM_F_ACK;

	for (uint32_t i = 0; i < count; i += at_once) {
		uint32_t n = count - i < at_once ? count - i : at_once;
		struct nlmsghdr *h = begin(family, cmd, flags);

		for (uint32_t k = 0; k < n; k++)
			put_one(k, first + i + k);
		end(h);
		flush();
		take(1);
	}
	return 2UL * count;
}

static unsigned long dump(uint8_t cmd)
{
	end(begin(family, cmd, NLM_F_DUMP));
	flush();
	return take(-1UL);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static int usage(void)
{
	fputs("usage: many [-c CIPHER] [-l SECONDS] [-s SECONDS] add|del FIRST COUNT | dump sa|tunnel\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	int size = BUFFERS, on = 1, c;
	const char *unit = "sas";
	unsigned long n;
	uint64_t begin_us;

	while ((c = getopt(argc, argv, "c:l:s:")) != -1) {
		if (c == 'c')
			cipher = atoi(optarg);
		else if (c == 'l')
			lifetime = atoi(optarg);
		else if (c == 's')
			soft = atoi(optarg);
		else
			return usage();
	}
	argv += optind;
	argc -= optind;
	sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (sock < 0)
		die("socket");
	setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	prepare();
	find_family();
	begin_us = now_us();
	if (argc == 3 && !strcmp(argv[0], "add")) {
		n = each(SOTTO_CMD_SA_ADD, add_pair, BATCH / 2, atoi(argv[1]), atoi(argv[2]));
	} else if (argc == 3 && !strcmp(argv[0], "del")) {
		n = each(SOTTO_CMD_SA_DEL, del_session, BATCH, atoi(argv[1]), atoi(argv[2]));
	} else if (argc == 2 && !strcmp(argv[0], "dump")) {
		unit = argv[1];
		n = dump(*unit == 's' ? SOTTO_CMD_SA_GET : SOTTO_CMD_TUNNEL_GET);
	} else {
		return usage();
	}
	printf("%lu %s %llu us\n", n, unit, (unsigned long long)(now_us() - begin_us));
	return 0;
}
