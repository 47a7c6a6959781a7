// SPDX-License-Identifier: GPL-2.0
/*
 * traffic: what ordinary programs send and receive, checked to the last byte.
 *
 * Servers are ready when the call with -b returns: it prints the pid of the process that
 * stays. Exit status: 0 all was well, 1 it was not, 2 the call was wrong.
 */
#define _GNU_SOURCE
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options opt = { .timeout_ms = 5000 };

static const char usage[] =
"usage: traffic [-s ADDR] [-p PORT] [-t MS] [-g US] [-d] [-b] [-o FILE] COMMAND\n"
"  udp-echo PORT                      send everything back\n"
"  udp-check ADDR PORT FIRST LAST STEP [COUNT]\n"
"                                     datagrams of each size, there and back, compared\n"
"  udp-send ADDR PORT COUNT SIZE      numbered datagrams\n"
"  udp-burst ADDR PORT COUNT SIZE EACH  the same, EACH of them in one call (UDP_SEGMENT)\n"
"  udp-recv PORT COUNT                say which of them came, how often and in what order\n"
"  udp-try ADDR PORT SIZE             one datagram: print \"ok\", or the error that came\n"
"  udp-pmtu ADDR PORT SIZE            with DF: EMSGSIZE, then what fits; print the path MTU\n"
"  udp-splice FILE ADDR PORT HEX COUNT  HEX, then pages of FILE, as one datagram\n"
"  udp-encap PORT                     hold the socket that feeds ESP in UDP to xfrm\n"
"  tcp-recv PORT                      one connection to standard output\n"
"  tcp-send ADDR PORT                 standard input to a connection\n"
"  tcp-try ADDR PORT                  connect: print \"ok\", or the error\n";

static const struct {
	const char *name;
	int args;		/* at least */
	int (*run)(char **argv);
} commands[] = {
	{ "udp-echo", 1, udp_echo }, { "udp-check", 5, udp_check },
	{ "udp-send", 4, udp_send }, { "udp-recv", 2, udp_recv },
	{ "udp-burst", 5, udp_burst },
	{ "udp-try", 3, udp_try }, { "udp-pmtu", 3, udp_pmtu },
	{ "udp-splice", 5, udp_splice }, { "udp-encap", 1, udp_encap },
	{ "tcp-recv", 1, tcp_recv }, { "tcp-send", 2, tcp_send },
	{ "tcp-try", 2, tcp_try },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "unknown";
}

void parse(struct address *a, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_DGRAM };
	struct addrinfo *res;
	int err = getaddrinfo(host, port, &hints, &res);

	if (err) {
		fprintf(stderr, "traffic: %s port %s: %s\n", host, port, gai_strerror(err));
		exit(2);
	}
	memset(a, 0, sizeof(*a));
	memcpy(&a->sa, res->ai_addr, res->ai_addrlen);
	a->len = res->ai_addrlen;
	a->v6 = res->ai_family == AF_INET6;
	freeaddrinfo(res);
}

static void set_df(int fd, bool v6)
{
	int on = 1, v4_do = IP_PMTUDISC_DO, v6_do = IPV6_PMTUDISC_DO;

	if (v6) {
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6_do, sizeof(v6_do)) ||
		    setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &on, sizeof(on)))
			die("IPV6_MTU_DISCOVER");
	} else if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4_do, sizeof(v4_do))) {
		die("IP_MTU_DISCOVER");
	}
}

static void bind_source(int fd, bool v6)
{
	struct address from;
	char port[8];

	snprintf(port, sizeof(port), "%d", opt.source_port);
	parse(&from, opt.source ? opt.source : v6 ? "::" : "0.0.0.0", port);
	if (bind(fd, (struct sockaddr *)&from.sa, from.len))
		die("bind");
}

int make_socket(const struct address *to, int type)
{
	int fd = socket(to->v6 ? AF_INET6 : AF_INET, type, 0), on = 1;

	if (fd < 0)
		die("socket");
	if (opt.source || opt.source_port)
		bind_source(fd, to->v6);
	if (opt.df)
		set_df(fd, to->v6);
	if (type != SOCK_DGRAM)
		return fd;
	/* Errors that ICMP reports are what some tests wait for. */
	if (setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) && !to->v6)
		die("IP_RECVERR");
	if (to->v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)))
		die("IPV6_RECVERR");
	return fd;
}

int listen_any(int type, const char *port)
{
	struct address any;
	int fd, off = 0, on = 1, size = 8 << 20;

	parse(&any, "::", port);
	fd = socket(AF_INET6, type, 0);
	if (fd < 0)
		die("socket");
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("setsockopt");
	/* Only a full queue of the shim itself is to lose anything. */
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&any.sa, any.len))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 1))
		die("listen");
	return fd;
}

void ready(void)
{
	int out;
	pid_t pid;

	if (!opt.background)
		return;
	/* Before our caller goes on: he is not to read what an earlier one left there. */
	out = open(opt.output ? opt.output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (out < 0)
		die(opt.output);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		printf("%d\n", pid);
		exit(0);
	}
	setsid();
	dup2(out, STDOUT_FILENO);
	if (!opt.output)
		dup2(out, STDERR_FILENO);
	close(out);
}

bool wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		die("poll");
	return n > 0;
}

void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 12345;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = x >> 24;
	}
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+s:p:t:g:dbo:")) != -1) {
		switch (c) {
		case 's': opt.source = optarg; break;
		case 'p': opt.source_port = atoi(optarg); break;
		case 't': opt.timeout_ms = atoi(optarg); break;
		case 'g': opt.gap_us = atoi(optarg); break;
		case 'd': opt.df = true; break;
		case 'b': opt.background = true; break;
		case 'o': opt.output = optarg; break;
		default: exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	argv += optind;
	argc -= optind;
	for (size_t i = 0; argc && i < N_COMMANDS; i++)
		if (!strcmp(argv[0], commands[i].name) && argc > commands[i].args)
			return commands[i].run(argv + 1);
	fputs(usage, stderr);
	return 2;
}
