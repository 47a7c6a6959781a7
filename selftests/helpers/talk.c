// SPDX-License-Identifier: GPL-2.0
/*
 * talk: traffic that goes on whatever happens to the hosts, and says how it goes.
 *
 * Its state is in a file, rewritten all the time. A source has one line for each flow:
 *	udp 10.7.1.2 sent 120 failed 3 last EHOSTUNREACH
 * (failed counts what the kernel reported; last names the last such error), a sink
 *	udp4 120 udp6 119 tcp4 61440 tcp6 60416
 * (datagrams, and bytes). Exit status: 1 something failed at the start, 2 wrong call.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOWS_MAX	8	/* of a source */
#define CONNS_MAX	32	/* of a sink */
#define UDP_SIZE	256	/* bytes of a datagram */
#define TCP_SIZE	2048	/* bytes written to a connection at one time */
#define TICK_MS		50	/* sink: how often the file is rewritten */
#define STUCK_MS	1500	/* a connection that gets nothing through so long is given up */
#define INJECT_PORT	4321

static const char usage[] =
"usage: talk source MARKER FILE PORT GAP_MS ADDR…   send to UDP and TCP PORT of each ADDR\n"
"       talk sink PORT FILE                         receive on UDP and TCP PORT\n"
"       talk inject DEV MAC SRC DST MARKER COUNT    UDP by a packet socket\n";

static void die(const char *what)
{
	fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void fill(char *buf, size_t size, const char *marker)
{
	for (size_t i = 0, n = strlen(marker); i < size; i++)
		buf[i] = marker[i % n];
}

static int open_state(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		die(path);
	return fd;
}

/* In one write, so that a reader never sees a part. */
static void put_state(int fd, const char *text)
{
	if (pwrite(fd, text, strlen(text), 0) < 0)
		die("writing the state");
}

/* --- source ----------------------------------------------------------------- */

struct flow {
	const char *addr;
	struct sockaddr_storage to;
	socklen_t len;
	int type;		/* SOCK_DGRAM, SOCK_STREAM */
	int fd;			/* -1: none */
	unsigned long sent, failed;
	int last;		/* errno */
};

static void resolve(struct flow *f, const char *addr, const char *port, int type)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = type };
	struct addrinfo *res;

	if (getaddrinfo(addr, port, &hints, &res)) {
		fprintf(stderr, "talk: %s port %s is no address\n", addr, port);
		exit(2);
	}
	*f = (struct flow) { .addr = addr, .len = res->ai_addrlen, .type = type, .fd = -1 };
	memcpy(&f->to, res->ai_addr, res->ai_addrlen);
	freeaddrinfo(res);
}

static void gave_error(struct flow *f, int err)
{
	if (err == EAGAIN || err == EINPROGRESS || err == EALREADY || err == EINTR)
		return;
	f->failed++;
	f->last = err;
	if (f->type == SOCK_STREAM) {
		close(f->fd);
		f->fd = -1;
	}
}

static void open_flow(struct flow *f)
{
	int on = 1, stuck = STUCK_MS;

	f->fd = socket(f->to.ss_family, f->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		die("socket");
	if (f->type == SOCK_DGRAM) {
		setsockopt(f->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		if (f->to.ss_family == AF_INET6)
			setsockopt(f->fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	} else {
		setsockopt(f->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stuck, sizeof(stuck));
	}
	if (connect(f->fd, (struct sockaddr *)&f->to, f->len) && errno != EINPROGRESS)
		gave_error(f, errno);
}

static void send_once(struct flow *f, const char *buf)
{
	size_t size = f->type == SOCK_DGRAM ? UDP_SIZE : TCP_SIZE;
	int err = 0;
	socklen_t len = sizeof(err);

	if (f->fd < 0) {
		open_flow(f);
		return;
	}
	/* what ICMP reported stands here, or is send()'s error */
	if (!getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &err, &len) && err) {
		gave_error(f, err);
		return;
	}
	if (send(f->fd, buf, size, MSG_NOSIGNAL) < 0)
		gave_error(f, errno);
	else
		f->sent++;
}

static void put_flows(int fd, const struct flow *flows, int n)
{
	char text[FLOWS_MAX * 160];
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		const struct flow *f = &flows[i];

		len += snprintf(text + len, sizeof(text) - len,
				"%s %s sent %lu failed %lu last %-14s\n",
				f->type == SOCK_DGRAM ? "udp" : "tcp", f->addr, f->sent,
				f->failed, f->last ? strerrorname_np(f->last) : "none");
	}
	put_state(fd, text);
}

static int source(int argc, char **argv)
{
	struct flow flows[FLOWS_MAX];
	char buf[TCP_SIZE];
	int n = 0, gap, fd;

	if (argc < 5 || 2 * (argc - 4) > FLOWS_MAX)
		return 2;
	fill(buf, sizeof(buf), argv[0]);
	gap = atoi(argv[3]);
	for (int i = 4; i < argc; i++) {
		resolve(&flows[n++], argv[i], argv[2], SOCK_DGRAM);
		resolve(&flows[n++], argv[i], argv[2], SOCK_STREAM);
	}
	fd = open_state(argv[1]);
	for (;;) {
		for (int i = 0; i < n; i++)
			send_once(&flows[i], buf);
		put_flows(fd, flows, n);
		usleep(gap * 1000);
	}
}

/* --- sink -------------------------------------------------------------------- */

struct sink {
	struct pollfd p[CONNS_MAX + 2];	/* UDP, the listener, connections */
	bool v6[CONNS_MAX + 2];
	int n;
	unsigned long udp[2], tcp[2];	/* IPv4, IPv6 */
};

static int listen_any(int type, const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), off = 0, on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, CONNS_MAX))
		die("listen");
	return fd;
}

static bool is_v6(const struct sockaddr_in6 *from)
{
	return !IN6_IS_ADDR_V4MAPPED(&from->sin6_addr);
}

static void take_datagrams(struct sink *s)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char buf[UDP_SIZE];

	while (recvfrom(s->p[0].fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len) >= 0) {
		s->udp[is_v6(&from)]++;
		len = sizeof(from);
	}
}

static void close_conn(struct sink *s, int i)
{
	close(s->p[i].fd);
	s->n--;
	s->p[i] = s->p[s->n];
	s->v6[i] = s->v6[s->n];
}

/* The oldest goes when there is no room: its peer may have forgotten it. */
static void take_connection(struct sink *s)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	int fd = accept4(s->p[1].fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (s->n == CONNS_MAX + 2)
		close_conn(s, 2);
	s->p[s->n] = (struct pollfd) { .fd = fd, .events = POLLIN };
	s->v6[s->n++] = is_v6(&from);
}

static void take_bytes(struct sink *s, int i)
{
	static char buf[65536];
	ssize_t n;

	while ((n = read(s->p[i].fd, buf, sizeof(buf))) > 0)
		s->tcp[s->v6[i]] += n;
	if (!n || errno != EAGAIN)
		close_conn(s, i);
}

static void put_sink(int fd, const struct sink *s)
{
	char text[160];

	snprintf(text, sizeof(text), "udp4 %lu udp6 %lu tcp4 %lu tcp6 %lu\n",
		 s->udp[0], s->udp[1], s->tcp[0], s->tcp[1]);
	put_state(fd, text);
}

static int sink(int argc, char **argv)
{
	static struct sink s = { .n = 2 };
	int fd;

	if (argc != 2)
		return 2;
	s.p[0] = (struct pollfd) { .fd = listen_any(SOCK_DGRAM, argv[0]), .events = POLLIN };
	s.p[1] = (struct pollfd) { .fd = listen_any(SOCK_STREAM, argv[0]), .events = POLLIN };
	fd = open_state(argv[1]);
	for (;;) {
		int ready = poll(s.p, s.n, TICK_MS);

		for (int i = s.n - 1; ready > 0 && i >= 2; i--)
			if (s.p[i].revents)
				take_bytes(&s, i);
		if (ready > 0 && s.p[1].revents)
			take_connection(&s);
		if (ready > 0 && s.p[0].revents)
			take_datagrams(&s);
		put_sink(fd, &s);
	}
}

/* --- inject -------------------------------------------------------------------- */

/* Checksums are left out: whoever sees it on a wire has seen enough. */
static size_t make_packet(uint8_t *pkt, const char *src, const char *dst, const char *marker)
{
	struct udphdr udp = { .source = htons(INJECT_PORT), .dest = htons(INJECT_PORT),
			      .len = htons(sizeof(udp) + UDP_SIZE), .check = 0xffff };
	struct iphdr v4 = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			    .tot_len = htons(sizeof(v4) + sizeof(udp) + UDP_SIZE) };
	struct ip6_hdr v6 = { .ip6_vfc = 6 << 4, .ip6_nxt = IPPROTO_UDP, .ip6_hlim = 64,
			      .ip6_plen = htons(sizeof(udp) + UDP_SIZE) };
	size_t head;

	if (inet_pton(AF_INET, src, &v4.saddr) == 1 && inet_pton(AF_INET, dst, &v4.daddr) == 1) {
		head = sizeof(v4);
		memcpy(pkt, &v4, head);
	} else if (inet_pton(AF_INET6, src, &v6.ip6_src) == 1 &&
		   inet_pton(AF_INET6, dst, &v6.ip6_dst) == 1) {
		head = sizeof(v6);
		memcpy(pkt, &v6, head);
	} else {
		exit(2);
	}
	memcpy(pkt + head, &udp, sizeof(udp));
	fill((char *)pkt + head + sizeof(udp), UDP_SIZE, marker);
	return head + sizeof(udp) + UDP_SIZE;
}

static int inject(int argc, char **argv)
{
	uint8_t pkt[sizeof(struct ip6_hdr) + sizeof(struct udphdr) + UDP_SIZE];
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	size_t len;
	int fd, sent = 0;

	if (argc != 6)
		return 2;
	len = make_packet(pkt, argv[2], argv[3], argv[4]);
	to.sll_ifindex = if_nametoindex(argv[0]);
	to.sll_protocol = htons(strchr(argv[3], ':') ? ETH_P_IPV6 : ETH_P_IP);
	if (sscanf(argv[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to.sll_addr[0], &to.sll_addr[1],
		   &to.sll_addr[2], &to.sll_addr[3], &to.sll_addr[4], &to.sll_addr[5]) != 6)
		return 2;
	fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("packet socket");
	for (int i = 0; i < atoi(argv[5]); i++)
		if (sendto(fd, pkt, len, 0, (struct sockaddr *)&to, sizeof(to)) >= 0)
			sent++;
	/* what a guard drops may be reported as sent, or as ENOBUFS */
	printf("sent %d\n", sent);
	return 0;
}

int main(int argc, char **argv)
{
	int ret = 2;

	if (argc > 1 && !strcmp(argv[1], "source"))
		ret = source(argc - 2, argv + 2);
	else if (argc > 1 && !strcmp(argv[1], "sink"))
		ret = sink(argc - 2, argv + 2);
	else if (argc > 1 && !strcmp(argv[1], "inject"))
		ret = inject(argc - 2, argv + 2);
	if (ret == 2)
		fputs(usage, stderr);
	return ret;
}
