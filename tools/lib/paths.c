// SPDX-License-Identifier: GPL-2.0
/*
 * Where things are.
 */
#include "paths.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *env, *path;
} roots[] = {
	[SOTTO_ETC] = { "SOTTO_ETC", "/etc/sotto" },
	[SOTTO_STATE] = { "SOTTO_STATE", "/var/lib/sotto" },
	[SOTTO_RUN] = { "SOTTO_RUN", "/run/sotto" },
};

const char *sotto_path(char *buf, enum sotto_root root, const char *name)
{
	const char *base = getenv(roots[root].env);
	int n;

	if (!base || !*base)
		base = roots[root].path;
	n = snprintf(buf, SOTTO_PATH_MAX, "%s%s%s", base, *name ? "/" : "",
		     name);
	if (n >= SOTTO_PATH_MAX) {
		fprintf(stderr, "sotto: $%s is too long\n", roots[root].env);
		exit(1);
	}
	return buf;
}
