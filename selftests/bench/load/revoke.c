// SPDX-License-Identifier: GPL-2.0
/*
 * A revocation, as the peers of the revoked member see it: when each is told.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "load.h"

#define WAIT_US		240000000	/* for somebody to revoke it */

static uint64_t *told_us;		/* wall clock, by member; 0 = not yet */
static uint32_t told, again;

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void revoke_gone(uint32_t member)
{
	if (!told_us || !ld.peer[member].granted)
		return;
	if (told_us[member]) {
		again++;
		return;
	}
	told_us[member] = wall_us();
	told++;
}

static void print_told(uint32_t n)
{
	uint32_t i;

	printf("{\"what\":\"revoked\",\"peers\":%u,\"told\":%u,\"again\":%u,\"at_us\":[", n,
	       told, again);
	for (i = 0; i < n; i++)
		printf("%s%" PRIu64, i ? "," : "", told_us[i]);
	printf("]}\n");
	fflush(stdout);
}

void revoke_run(uint32_t n, const char *address)
{
	struct sotto_addr dst;
	uint64_t end;

	if (sotto_addr_parse(&dst, address) || dst.len != 4)
		die("%s: not an IPv4 address", address);
	free(told_us);
	told_us = calloc(ld.members, sizeof(*told_us));
	if (!told_us)
		die("out of memory");
	told = 0;
	again = 0;
	mediate_with(&dst, n);
	printf("{\"what\":\"granted\",\"peers\":%u,\"victim\":\"%s\"}\n", n, address);
	fflush(stdout);
	end = now_us() + WAIT_US;
	while (told < n && now_us() < end) {
		peer_alive();
		wire_poll(1000);
	}
	print_told(n);
}
