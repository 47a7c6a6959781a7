/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the test program `traffic` share. */
#ifndef SOTTO_TEST_TRAFFIC_H
#define SOTTO_TEST_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Options in front of the command. */
struct options {
	const char *source;	/* -s ADDR: bind to it */
	int source_port;	/* -p PORT: and to it */
	int timeout_ms;		/* -t MS: how long to wait for anything */
	int gap_us;		/* -g US: between two datagrams */
	bool df;		/* -d: never fragment */
	bool background;	/* -b: go on in the background once ready */
	const char *output;	/* -o FILE: standard output of the background */
};

extern struct options opt;

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
	bool v6;
};

/* All end the program with a message when something is wrong. */
void die(const char *what);
void parse(struct address *a, const char *host, const char *port);
int make_socket(const struct address *to, int type);
int listen_any(int type, const char *port);
/* Say that we are ready: fork, print the pid, and end the parent. */
void ready(void);
/* Wait for @events; false past the time limit. */
bool wait_for(int fd, short events, int timeout_ms);
/* Fill with bytes that depend on @seed and position. */
void fill(uint8_t *buf, size_t len, uint32_t seed);
/* "EHOSTUNREACH" and the like. */
const char *errno_name(int err);

/* Commands: see usage in traffic.c. */
int udp_echo(char **argv);
int udp_check(char **argv);
int udp_send(char **argv);
int udp_burst(char **argv);
int udp_recv(char **argv);
int udp_try(char **argv);
int udp_pmtu(char **argv);
int udp_splice(char **argv);
int udp_encap(char **argv);
int tcp_recv(char **argv);
int tcp_send(char **argv);
int tcp_try(char **argv);

#endif /* SOTTO_TEST_TRAFFIC_H */
