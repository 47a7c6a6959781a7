// SPDX-License-Identifier: GPL-2.0
/*
 * Memory for secrets.
 */
#define _GNU_SOURCE
#include "secret.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "err.h"
#include "log.h"

/* A sanitizer's shadow memory is far larger than any machine's. */
#if defined(__SANITIZE_ADDRESS__)
#define CAN_LOCK 0
#else
#define CAN_LOCK 1
#endif

/*
 * All memory, present and future; but only without a limit: with one, a later
 * allocation beyond it would fail, and a daemon would die of its caution.
 */
static void lock_memory(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (!CAN_LOCK)
		return;
	setrlimit(RLIMIT_MEMLOCK, &all);
	if (!getrlimit(RLIMIT_MEMLOCK, &all) && all.rlim_cur == RLIM_INFINITY &&
	    !mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return;
	sotto_warn("memory is not locked: secrets could reach swap; raise RLIMIT_MEMLOCK to unlimited");
}

int sotto_secret_process(void)
{
	struct rlimit no_core = { 0, 0 };

	if (sodium_init() < 0)
		return SOTTO_E_CRYPTO;
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	lock_memory();
	return 0;
}

void *sotto_secret_alloc(size_t len)
{
	void *p = sodium_malloc(len);

	if (p)
		memset(p, 0, len);
	return p;
}

void sotto_secret_free(void *p)
{
	sodium_free(p);
}
