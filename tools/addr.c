// SPDX-License-Identifier: GPL-2.0
/*
 * sotto addr: which of this host's addresses are its own in the realm.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"
#include "print.h"

static const char usage[] =
"Usage: sotto addr [ show ]\n"
"       sotto addr { add | del } ADDRESS\n"
"Only from these addresses is anything sent to a protected destination. The agent\n"
"registers those that the realm knows this host by.\n";

static const struct column columns[] = { { "ADDRESS", false } };

static int by_address(const void *a, const void *b)
{
	return sotto_addr_cmp(a, b);
}

static void show_json(const struct sotto_addr *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i]))
			json_array_append_new(list, json_pack("{s:o}", "address",
							      json_addr(&v[i])));
	print_json(list);
}

static void show_text(const struct sotto_addr *v, size_t n)
{
	char buf[SOTTO_ADDR_STR];
	struct table t;

	if (!n) {
		puts("No addresses: nothing can be sent to a protected destination.");
		return;
	}
	table_init(&t, columns, 1);
	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i]))
			table_cell(&t, COLOR_NONE, "%s", sotto_addr_str(&v[i], buf));
	table_print(&t);
}

static int addr_show(struct args *a)
{
	struct sotto_addr *v;
	struct sgenl *g;
	size_t n;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = sgenl_list_addrs(g, &v, &n);
	if (!ret) {
		if (n)
			qsort(v, n, sizeof(*v), by_address);
		if (opts.json)
			show_json(v, n);
		else
			show_text(v, n);
		free(v);
	}
	return kernel_done(g, ret, "list the addresses");
}

static int change(struct args *a, const char *word,
		  int (*fn)(struct sgenl *, const struct sotto_addr *))
{
	const char *text = args_value(a, word);
	struct sotto_addr addr;
	struct sgenl *g;
	int ret;

	if (!text || parse_address(text, &addr) || args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	return kernel_done(g, fn(g, &addr), "%s the address %s",
			   *word == 'a' ? "add" : "delete", text);
}

static int addr_add(struct args *a)
{
	return change(a, "add", sgenl_addr_add);
}

static int addr_del(struct args *a)
{
	return change(a, "del", sgenl_addr_del);
}

static const struct command commands[] = {
	{ "show", addr_show },
	{ "list", addr_show },
	{ "add", addr_add },
	{ "del", addr_del },
	{ NULL, NULL },
};

int do_addr(struct args *a)
{
	return dispatch(a, "addr", commands, addr_show, usage);
}
