// SPDX-License-Identifier: GPL-2.0
/*
 * The CLI's way to the module, with errors told to the user.
 */
#include "kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define WHAT_MAX	256	/* bytes of "cannot …" */

static struct sgenl *kept;
static bool keeping;

void kernel_close(struct sgenl *g)
{
	if (g != kept)
		sgenl_close(g);
}

void kernel_keep(bool keep)
{
	sgenl_close(kept);
	kept = NULL;
	keeping = keep;
}

int kernel_open(struct sgenl **g)
{
	int ret = 0;

	*g = kept;
	if (!kept)
		ret = sgenl_open(g);
	if (keeping)
		kept = *g;
	switch (ret) {
	case 0:
		return EXIT_OK;
	case -ENOENT:
		return fail(EXIT_DOWN,
			    "the kernel module sotto is not loaded; \"sotto up\" loads it");
	case -EPERM:
	case -EACCES:
		return fail(EXIT_PERM, "not permitted to talk to the kernel; run it as root");
	default:
		return fail(EXIT_FAILED, "cannot talk to the kernel: %s", strerror(-ret));
	}
}

static int vfail(const struct sgenl *g, int err, const char *fmt, va_list ap)
{
	char what[WHAT_MAX];

	vsnprintf(what, sizeof(what), fmt, ap);
	if (err == -EPERM)
		return fail(EXIT_PERM,
			    "cannot %s: not permitted; run it as root (CAP_NET_ADMIN)",
			    what);
	return fail(EXIT_FAILED, "cannot %s: %s", what, sgenl_error(g));
}

int kernel_fail(const struct sgenl *g, int err, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vfail(g, err, fmt, ap);
	va_end(ap);
	return ret;
}

int kernel_done(struct sgenl *g, int err, const char *fmt, ...)
{
	int ret = EXIT_OK;
	va_list ap;

	va_start(ap, fmt);
	if (err)
		ret = vfail(g, err, fmt, ap);
	va_end(ap);
	kernel_close(g);
	return ret;
}

int kernel_run(int (*fn)(struct sgenl *), const char *what)
{
	struct sgenl *g;
	int ret = kernel_open(&g);

	return ret ? ret : kernel_done(g, fn(g), "%s", what);
}

bool family_wanted(const struct sotto_addr *addr)
{
	return !opts.family || !addr->len || addr->len == opts.family;
}
