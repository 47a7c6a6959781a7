// SPDX-License-Identifier: GPL-2.0
/*
 * Loaded into a daemon, this makes a hole in it: at SIGUSR2 it tries to run a program.
 */
#include <signal.h>
#include <unistd.h>

static void run_something(int signum)
{
	char *argv[] = { "true", NULL };

	(void)signum;
	execve("/bin/true", argv, NULL);
	_exit(42);
}

__attribute__((constructor)) static void make_hole(void)
{
	signal(SIGUSR2, run_something);
}
