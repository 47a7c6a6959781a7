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
"       sotto addr { add | del } { ADDRESS | PREFIX }\n"
"Only from these addresses is anything sent to a protected destination. The agent\n"
"registers those that the realm knows this host by. A prefix is a network behind\n"
"this gateway: its hosts' packets are sent and received in tunnel mode.\n";

static const struct column columns[] = { { "ADDRESS", false } };

static int by_address(const void *a, const void *b)
{
	const struct sotto_prefix *x = a, *y = b;
	int order = sotto_addr_cmp(&x->addr, &y->addr);

	return order ? order : x->plen - y->plen;
}

static void show_json(const struct sotto_prefix *v, size_t n)
{
	json_t *list = json_array();
	char buf[SOTTO_PREFIX_STR];

	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i].addr))
			json_array_append_new(list, json_pack("{s:s}", "address",
				sotto_prefix_brief(&v[i], buf)));
	print_json(list);
}

static void show_text(const struct sotto_prefix *v, size_t n)
{
	char buf[SOTTO_PREFIX_STR];
	struct table t;

	if (!n) {
		puts("No addresses: nothing can be sent to a protected destination.");
		return;
	}
	table_init(&t, columns, 1);
	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i].addr))
			table_cell(&t, COLOR_NONE, "%s", sotto_prefix_brief(&v[i], buf));
	table_print(&t);
}

static int addr_show(struct args *a)
{
	struct sotto_prefix *v;
	struct sgenl *g;
	size_t n;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = sgenl_list_locals(g, &v, &n);
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
		  int (*fn)(struct sgenl *, const struct sotto_prefix *))
{
	const char *text = args_the(a, word, "an address or a prefix");
	struct sotto_prefix prefix;
	struct sgenl *g;
	int ret;

	if (!text || parse_prefix(text, &prefix) || args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	return kernel_done(g, fn(g, &prefix), "%s the address %s",
			   *word == 'a' ? "add" : "delete", text);
}

static int addr_add(struct args *a)
{
	return change(a, "add", sgenl_local_add);
}

static int addr_del(struct args *a)
{
	return change(a, "del", sgenl_local_del);
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
