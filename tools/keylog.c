// SPDX-License-Identifier: GPL-2.0
/*
 * sotto keylog: the key lines that let Wireshark open a capture.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "lib/secret.h"

static const char usage[] =
"Usage: sotto keylog { SPI | all }\n"
"Prints lines for Wireshark's esp_sa file. They hold the session's keys: whoever has\n"
"them reads its traffic. Only for debugging: the module must have been loaded with\n"
"keylog=1.\n";

static int refused(void)
{
	return fail(EXIT_FAILED,
		    "the kernel gives no keys away; to debug, load it anew with \"sotto down && rmmod sotto && modprobe sotto keylog=1 && sotto up\"");
}

/* The lines of all SAs that fit; @n counts them. */
static int print_lines(struct sgenl *g, const struct sgenl_sa *v, size_t n_sas,
		       uint32_t spi, unsigned int *n)
{
	static char lines[SGENL_KEYLOG_MAX];
	size_t len;
	int ret = 0;

	for (size_t i = 0; !ret && i < n_sas; i++) {
		if (spi && v[i].spi != spi)
			continue;
		ret = sgenl_keylog(g, &v[i], lines);
		len = ret ? 0 : strlen(lines);
		while (len && lines[len - 1] == '\n')
			lines[--len] = 0;
		if (len)
			puts(lines);
		(*n)++;
	}
	sotto_wipe(lines, sizeof(lines));
	return ret;
}

static int keylog(struct sgenl *g, uint32_t spi)
{
	struct sgenl_ns ns;
	struct sgenl_sa *v;
	unsigned int found = 0;
	size_t n;
	int ret = sgenl_ns_get(g, &ns);

	if (ret)
		return kernel_fail(g, ret, "ask for keys");
	if (!ns.keylog)
		return refused();
	ret = sgenl_list_sas(g, &v, &n);
	if (ret)
		return kernel_fail(g, ret, "list the SAs");
	ret = print_lines(g, v, n, spi, &found);
	free(v);
	if (ret)
		return kernel_fail(g, ret, "get the key line");
	if (spi && !found)
		return fail(EXIT_FAILED,
			    "there is no SA with SPI 0x%08x; \"sotto sa show\" lists them",
			    spi);
	return EXIT_OK;
}

int do_keylog(struct args *a)
{
	const char *text;
	uint32_t spi = 0;
	struct sgenl *g;
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	text = args_next(a);
	if (!text)
		return usage_error(usage, "say an SPI, or all");
	if (strcmp(text, "all") && parse_spi(text, &spi))
		return EXIT_USAGE;
	if (args_end(a, usage))
		return EXIT_USAGE;
	if (opts.json)
		return fail(EXIT_USAGE, "keylog prints lines for Wireshark, and no JSON");
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = keylog(g, spi);
	kernel_close(g);
	return ret;
}
