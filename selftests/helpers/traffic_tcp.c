// SPDX-License-Identifier: GPL-2.0
/* traffic: streams. */
#define _GNU_SOURCE
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define CHUNK	65536	/* bytes */

/* Reading and writing end with an error once nothing moves for as long as -t says. */
static void limit(int fd)
{
	struct timeval t = {
		.tv_sec = opt.timeout_ms / 1000, .tv_usec = opt.timeout_ms % 1000 * 1000,
	};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)))
		die("SO_RCVTIMEO");
}

/* Copy until the end of @from. */
static void copy(int from, int to)
{
	static char buf[CHUNK];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf)))) {
		if (n < 0)
			die("read");
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(to, buf + done, n - done);
			if (w < 0)
				die("write");
		}
	}
}

int tcp_recv(char **argv)
{
	int fd = listen_any(SOCK_STREAM, argv[0]), conn;

	ready();
	if (!wait_for(fd, POLLIN, opt.timeout_ms)) {
		fprintf(stderr, "traffic: nobody connected\n");
		return 1;
	}
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		die("accept");
	limit(conn);
	copy(conn, STDOUT_FILENO);
	return 0;
}

int tcp_send(char **argv)
{
	struct address to;
	char byte;
	int fd;

	parse(&to, argv[0], argv[1]);
	fd = make_socket(&to, SOCK_STREAM);
	limit(fd);
	if (connect(fd, (struct sockaddr *)&to.sa, to.len))
		die("connect");
	copy(STDIN_FILENO, fd);
	/* Gone only when the other side has everything. */
	shutdown(fd, SHUT_WR);
	if (!wait_for(fd, POLLIN, opt.timeout_ms) || read(fd, &byte, 1)) {
		fprintf(stderr, "traffic: the receiver did not take all of it\n");
		return 1;
	}
	return 0;
}

int tcp_try(char **argv)
{
	socklen_t len = sizeof(int);
	struct address to;
	int fd, err = 0;

	parse(&to, argv[0], argv[1]);
	fd = make_socket(&to, SOCK_STREAM);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!connect(fd, (struct sockaddr *)&to.sa, to.len)) {
		puts("ok");
		return 0;
	}
	if (errno != EINPROGRESS)
		err = errno;
	else if (!wait_for(fd, POLLOUT, opt.timeout_ms))
		err = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		die("SO_ERROR");
	puts(err ? errno_name(err) : "ok");
	return 0;
}
