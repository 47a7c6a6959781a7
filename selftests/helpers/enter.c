// SPDX-License-Identifier: GPL-2.0
/*
 * enter: run a program in a network namespace.
 *
 *   enter FILE PROGRAM [ARGUMENT…]
 *
 * As nsenter --net=FILE does, which takes several times as long to start: it is linked with
 * what it needs to look at security labels. Scripts do this thousands of times, and some of
 * them on kernels where starting a program is what takes the time. Exit status as nsenter's,
 * but that 125 says that there is no such namespace.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failed(const char *what, int status)
{
	fprintf(stderr, "enter: %s: %s\n", what, strerror(errno));
	return status;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 3) {
		fputs("usage: enter FILE PROGRAM [ARGUMENT...]\n", stderr);
		return 125;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return failed(argv[1], 125);
	execvp(argv[2], argv + 2);
	return failed(argv[2], errno == ENOENT ? 127 : 126);
}
