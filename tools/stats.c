// SPDX-License-Identifier: GPL-2.0
/*
 * sotto stats: the namespace's counters, one to each cause of a drop.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "print.h"

static const char usage[] =
"Usage: sotto stats\n"
"Prints the counters of this network namespace that are not zero; -s prints all.\n"
"They add up: seen = passed + sealed or opened + queued + the sum of the drops.\n";

static const struct column columns[] = { { "COUNTER", false }, { "VALUE", true } };

static void show_json(const uint64_t stats[__SOTTO_STAT_MAX])
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < __SOTTO_STAT_MAX; i++)
		json_object_set_new(o, sgenl_stat_name(i),
				    json_integer((json_int_t)stats[i]));
	print_json(o);
}

static void show_text(const uint64_t stats[__SOTTO_STAT_MAX])
{
	struct table t;

	table_init(&t, columns, 2);
	for (unsigned int i = 0; i < __SOTTO_STAT_MAX; i++) {
		const char *name = sgenl_stat_name(i);
		bool drop = stats[i] && strstr(name, "_drop_");

		if (!stats[i] && !opts.stats)
			continue;
		table_cell(&t, COLOR_NONE, "%s", name);
		table_cell(&t, drop ? COLOR_BAD : COLOR_NONE, "%" PRIu64, stats[i]);
	}
	if (t.n_cells)
		table_print(&t);
	else
		puts("All counters are zero.");
}

int do_stats(struct args *a)
{
	uint64_t stats[__SOTTO_STAT_MAX];
	struct sgenl *g;
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	args_is(a, "show");
	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = sgenl_stats_get(g, stats);
	if (!ret && opts.json)
		show_json(stats);
	else if (!ret)
		show_text(stats);
	return kernel_done(g, ret, "read the counters");
}
