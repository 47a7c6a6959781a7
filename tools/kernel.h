/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CLI's way to the module, with errors told to the user.
 */
#ifndef SOTTO_CLI_KERNEL_H
#define SOTTO_CLI_KERNEL_H

#include "lib/genl_req.h"

/** kernel_open() - 0, or an exit code after an error message */
int kernel_open(struct sgenl **g);

/** kernel_close() - what kernel_open() gave; NULL is fine */
void kernel_close(struct sgenl *g);

/**
 * kernel_keep() - have one socket serve all commands, or no longer
 *
 * One that was kept is closed, so that this also begins anew.
 */
void kernel_keep(bool keep);

/**
 * kernel_fail() - tell that a request failed, and return the exit code
 * @what: "cannot <what>", e.g. "add the policy 10.0.0.0/24"
 */
int kernel_fail(const struct sgenl *g, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * kernel_done() - close @g and return the exit code of a request
 * 0 stays 0; an error is told as kernel_fail() does.
 */
int kernel_done(struct sgenl *g, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** kernel_run() - one request without arguments; @what as for kernel_fail() */
int kernel_run(int (*fn)(struct sgenl *), const char *what);

/** family_wanted() - the address passes -4 and -6 */
bool family_wanted(const struct sotto_addr *addr);

#endif /* SOTTO_CLI_KERNEL_H */
