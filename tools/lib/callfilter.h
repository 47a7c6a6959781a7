/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A list of the system calls that a daemon makes from now on; any other kills it.
 */
#ifndef SOTTO_CALLFILTER_H
#define SOTTO_CALLFILTER_H

#include <stddef.h>

#include "err.h"

/**
 * sotto_seccomp() - permit @calls, and what every program here needs
 * @calls: numbers, SCMP_SYS(name) of <seccomp.h>
 * Needs no_new_privs. What every program needs: memory, time, signals, waiting,
 * reading and writing what is open, ending; mmap() of memory, fcntl() of flags and
 * fstat() only, where @calls do not have these. Threads that run already are
 * included. Anything else ends the process by SIGSYS, with a line in the log
 * that names the call.
 */
int sotto_seccomp(const int *calls, size_t n, struct sotto_errmsg *err);

#endif /* SOTTO_CALLFILTER_H */
