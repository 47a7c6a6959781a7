// SPDX-License-Identifier: GPL-2.0
/*
 * What is to be done, in order, from the command line.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

struct load ld;

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void usage(void)
{
	fputs("Usage: load realm N                   a realm of N members in $SOTTO_STATE\n"
	      "       load run N PORT PIDS STEP...    N members against 127.0.0.1:PORT; PIDS:\n"
	      "                                       of the server, commas between\n"
	      "STEP: full=COUNT[,WINDOW]     associate members, from the first on\n"
	      "      resume=COUNT[,WINDOW]   the same, with the tickets that they have\n"
	      "      sessions=SECONDS,WINDOW mediate as many as will go\n"
	      "      paced=SECONDS,RATE      mediate RATE a second\n"
	      "      half=SECONDS            at half the rate of the last sessions step\n"
	      "      reboot                  all members boot again, and have no session any more\n"
	      "      idle=SECONDS            keepalives only\n"
	      "      mutate=SECONDS[,SEED]   conversations spoilt at random\n"
	      "      revoke=COUNT,ADDRESS    sessions of the first COUNT members with the one at\n"
	      "                              ADDRESS; then, once somebody revokes it, when each\n"
	      "                              was told\n"
	      "Each step prints a line of JSON.\n", stderr);
	exit(2);
}

static void idle(double seconds)
{
	uint64_t begin = now_us(), n = ld.answered;
	struct usage u = usage_now();

	while (now_us() - begin < seconds * 1e6) {
		peer_alive();
		wire_poll(1000);
	}
	report("idle", ld.answered - n, seconds, &u);
}

static void until_quiet(void)
{
	uint64_t n;

	do {
		n = ld.answered;
		wire_poll(LOAD_QUIET_US);	/* waits for it, and leaves it */
		wire_poll(0);
	} while (ld.answered != n);
}

/* A part at a time: the server tells all other ends, and nobody is to lose anything. */
static void reboot(void)
{
	uint32_t i, part = 1 + (uint64_t)ld.up_n * LOAD_ENDS / (ld.held + 1);

	peer_boot();
	for (i = 0; i < ld.up_n; i++) {
		if (ld.peer[i].up)
			peer_hello(i);
		if (i % part == part - 1)
			until_quiet();
	}
	until_quiet();
	ld.held = 0;
}

static void step(const char *text)
{
	double x = 0, y = 0;
	char address[64];

	if (sscanf(text, "full=%lf,%lf", &x, &y) >= 1)
		assoc_run(ASSOC_FULL, 0, x, y ? y : 64);
	else if (sscanf(text, "resume=%lf,%lf", &x, &y) >= 1)
		assoc_run(ASSOC_RESUME, 0, x, y ? y : 256);
	else if (sscanf(text, "sessions=%lf,%lf", &x, &y) == 2)
		mediate_run(x, y, 0);
	else if (sscanf(text, "paced=%lf,%lf", &x, &y) == 2)
		mediate_run(x, UINT32_MAX, y);
	else if (sscanf(text, "half=%lf", &x) == 1 && ld.session_rate > 1)
		mediate_run(x, UINT32_MAX, ld.session_rate / 2);
	else if (sscanf(text, "mutate=%lf,%lf", &x, &y) >= 1)
		mutate_run(x, y);
	else if (!strcmp(text, "reboot"))
		reboot();
	else if (sscanf(text, "idle=%lf", &x) == 1)
		idle(x);
	else if (sscanf(text, "revoke=%lf,%63s", &x, address) == 2 &&
		 x >= 1 && x <= ld.members)
		revoke_run(x, address);
	else
		usage();
}

static void run(int argc, char **argv)
{
	int i;

	ld.pids = argv[2];
	ld.peer = calloc(ld.members, sizeof(*ld.peer));
	if (!ld.peer)
		die("out of memory");
	ld.alive_us = now_us();
	realm_open();
	peer_setup();
	wire_open("127.0.0.1", argv[1]);
	for (i = 3; i < argc; i++)
		step(argv[i]);
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0)
		die("libsodium cannot be started");
	if (argc < 3)
		usage();
	ld.members = atoi(argv[2]);
	if (!ld.members || ld.members > 1000000)
		die("1 to 1,000,000 members");
	if (!strcmp(argv[1], "realm") && argc == 3)
		realm_make(ld.members);
	else if (!strcmp(argv[1], "run") && argc > 5)
		run(argc - 2, argv + 2);
	else
		usage();
	return 0;
}
