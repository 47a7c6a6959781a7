/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory for secrets, and the process settings that keep them in it.
 */
#ifndef SOTTO_SECRET_H
#define SOTTO_SECRET_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/**
 * sotto_secret_process() - call first in a daemon
 * Starts libsodium, forbids core dumps and ptrace by others, and locks the
 * process's memory where the limits permit (a warning is logged otherwise).
 * Returns 0 or SOTTO_E_CRYPTO.
 */
int sotto_secret_process(void);

/**
 * sotto_secret_alloc() - zeroed, locked, guarded memory for a long-lived secret
 * Costs several pages. Freed (and wiped) with sotto_secret_free(). NULL if none.
 */
void *sotto_secret_alloc(size_t len);
void sotto_secret_free(void *p);

/** sotto_wipe() - zero memory so that no compiler leaves it out. */
static inline void sotto_wipe(void *p, size_t len)
{
	if (len)
		memset(p, 0, len);
	/* for all that the compiler knows, what is there now is read here */
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

/** sotto_secret_eq() - compare in constant time. */
static inline bool sotto_secret_eq(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

/** sotto_all_zero() - in constant time. */
static inline bool sotto_all_zero(const void *p, size_t len)
{
	return sodium_is_zero(p, len);
}

#endif /* SOTTO_SECRET_H */
