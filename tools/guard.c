// SPDX-License-Identifier: GPL-2.0
/*
 * The nftables table that keeps a host closed while no module does.
 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "module.h"

static int run_nft(const char *script)
{
	const char *argv[] = { "nft", "-f", "-", NULL };
	char output[RUN_OUTPUT_MAX];
	int ret = run_program(argv, script, output);

	if (ret == -ENOENT)
		return fail(EXIT_FAILED,
			    "reload needs the program nft to guard the gap; install nftables");
	if (ret < 0)
		return fail(EXIT_FAILED, "cannot run nft: %s", strerror(-ret));
	if (ret)
		return fail(EXIT_FAILED, "nft refused the guard: %s", output);
	return EXIT_OK;
}

static void put_rule(FILE *f, const struct sgenl_policy *p, const char *match)
{
	char buf[SOTTO_PREFIX_STR];

	fprintf(f, "    %s %s %s %s\n", p->prefix.addr.len == 4 ? "ip" : "ip6", match,
		sotto_prefix_str(&p->prefix, buf),
		p->action == SOTTO_ACTION_BYPASS ? "accept" : "drop");
}

static void put_chain(FILE *f, const char *name, const char *hook, const char *dev,
		      const char *match, const struct sgenl_policy *v, size_t n)
{
	fprintf(f, "  chain %s {\n    type filter hook %s;\n    %s \"lo\" accept\n",
		name, hook, dev);
	for (size_t i = 0; i < n; i++)
		put_rule(f, &v[i], match);
	fputs("  }\n", f);
}

/* Longest first, as the policy decides; the first rule that fits counts. */
static int longest_first(const void *a, const void *b)
{
	const struct sgenl_policy *x = a, *y = b;

	return y->prefix.plen - x->prefix.plen;
}

static char *guard_script(struct sgenl_policy *v, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		out_of_memory();
	if (n)
		qsort(v, n, sizeof(*v), longest_first);
	fputs("table inet " GUARD_TABLE "\ndelete table inet " GUARD_TABLE "\n", f);
	fputs("table inet " GUARD_TABLE " {\n", f);
	put_chain(f, "out", "postrouting priority 300", "oifname", "daddr", v, n);
	put_chain(f, "in", "prerouting priority -350", "iifname", "saddr", v, n);
	fputs("}\n", f);
	if (fclose(f))
		out_of_memory();
	return text;
}

int guard_add(struct sgenl_policy *v, size_t n)
{
	char *script = guard_script(v, n);
	int ret = run_nft(script);

	free(script);
	return ret;
}

int guard_remove(void)
{
	return run_nft("delete table inet " GUARD_TABLE "\n");
}

bool guard_exists(void)
{
	const char *argv[] = { "nft", "list", "table", "inet", GUARD_TABLE, NULL };
	char output[RUN_OUTPUT_MAX];

	return run_program(argv, NULL, output) == 0;
}
