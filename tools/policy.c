// SPDX-License-Identifier: GPL-2.0
/*
 * sotto policy: which destinations are protected in this kernel.
 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel.h"
#include "module.h"
#include "print.h"
#include "realm_policy.h"

static const char usage[] =
"Usage: sotto policy [ show ]\n"
"       sotto policy { add | replace } PREFIX ACTION [ via GATEWAY ]\n"
"       sotto policy del PREFIX\n"
"       sotto policy flush\n"
"       sotto policy save       keep what the kernel has for the next start\n"
"       sotto policy restore    load what was kept (with neither agent nor server)\n"
"       sotto policy check FROM TO              what the realm says, and why\n"
"       sotto policy apply [ --confirm TIME ] FILE     the whole of it, at the server\n"
"       sotto policy { confirm | revert | export }\n"
"       ACTION := { protect | prefer | bypass | block }\n"
"The longest prefix that fits a destination decides. With a gateway packets go in\n"
"tunnel mode to that member, which forwards them. What the realm says for all\n"
"its members is under \"sotto realm policy\", on the server; check, apply, confirm,\n"
"revert and export are for it, too: a file with groups, rules and networks.\n";

static const struct column columns[] = {
	{ "PREFIX", false }, { "ACTION", false }, { "VIA", false }, { "FROM", false },
};

static enum color action_color(uint8_t action)
{
	switch (action) {
	case SOTTO_ACTION_PROTECT:
		return COLOR_GOOD;
	case SOTTO_ACTION_PREFER:
		return COLOR_WARN;
	case SOTTO_ACTION_BLOCK:
		return COLOR_BAD;
	default:
		return COLOR_NONE;
	}
}

/* Who put it there: the file knows what came from the realm. */
static const char *origin(const struct saved *kept, const struct sgenl_policy *p)
{
	const struct saved_policy *k = saved_find_policy(kept, &p->prefix);

	return k && k->origin == SAVED_REALM ? "realm" : "local";
}

static json_t *policy_json(const struct sgenl_policy *p, const struct saved *kept)
{
	char buf[SOTTO_PREFIX_STR];
	json_t *o = json_pack("{s:s, s:s, s:s}",
			      "prefix", sotto_prefix_str(&p->prefix, buf),
			      "action", sgenl_action_name(p->action),
			      "from", origin(kept, p));

	if (p->gateway.len)
		json_object_set_new(o, "gateway", json_addr(&p->gateway));
	return o;
}

static void show_json(const struct sgenl_policy *v, size_t n, const struct saved *kept)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i].prefix.addr))
			json_array_append_new(list, policy_json(&v[i], kept));
	print_json(list);
}

static void show_text(const struct sgenl_policy *v, size_t n, const struct saved *kept)
{
	char buf[SOTTO_PREFIX_STR], gateway[SOTTO_ADDR_STR];
	struct table t;

	if (!n) {
		puts("No policy: nothing is protected. The realm's policy comes with \"sotto up\";");
		puts("\"sotto policy add 10.0.0.0/24 protect\" adds one by hand.");
		return;
	}
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < n; i++) {
		if (!family_wanted(&v[i].prefix.addr))
			continue;
		table_cell(&t, COLOR_NONE, "%s", sotto_prefix_str(&v[i].prefix, buf));
		table_cell(&t, action_color(v[i].action), "%s",
			   sgenl_action_name(v[i].action));
		table_cell(&t, COLOR_NONE, "%s", v[i].gateway.len ?
			   sotto_addr_str(&v[i].gateway, gateway) : "");
		table_cell(&t, COLOR_NONE, "%s", origin(kept, &v[i]));
	}
	table_print(&t);
}

static int by_prefix(const void *a, const void *b)
{
	const struct sgenl_policy *x = a, *y = b;
	int order = sotto_addr_cmp(&x->prefix.addr, &y->prefix.addr);

	return order ? order : x->prefix.plen - y->prefix.plen;
}

static void ignore_bad(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* What can be read of it: it is only asked who put a policy there. */
static void read_origins(struct saved *kept)
{
	struct sotto_errmsg err;

	saved_salvage(kept, ignore_bad, NULL, &err);
}

static void show(struct sgenl_policy *v, size_t n)
{
	struct saved kept;

	read_origins(&kept);
	if (n)
		qsort(v, n, sizeof(*v), by_prefix);
	if (opts.json)
		show_json(v, n, &kept);
	else
		show_text(v, n, &kept);
	saved_free(&kept);
}

static int policy_show(struct args *a)
{
	struct sgenl_policy *v;
	struct sgenl *g;
	size_t n;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = sgenl_list_policies(g, &v, &n);
	if (!ret) {
		show(v, n);
		free(v);
	}
	return kernel_done(g, ret, "list the policy");
}

int parse_policy_words(struct args *a, struct sgenl_policy *p, const char *help)
{
	const char *prefix = args_next(a);
	const char *action = args_next(a);
	int value;

	if (!prefix || !action)
		return usage_error(help, "give a prefix and an action");
	if (parse_prefix(prefix, &p->prefix))
		return EXIT_USAGE;
	value = sgenl_action_parse(action);
	if (value < 0)
		return fail(EXIT_USAGE,
			    "\"%s\" is no action; it is protect, prefer, bypass or block",
			    action);
	p->action = value;
	memset(&p->gateway, 0, sizeof(p->gateway));
	if (args_is(a, "via")) {
		const char *gateway = args_value(a, "via");

		if (!gateway || parse_address(gateway, &p->gateway))
			return EXIT_USAGE;
	}
	return args_end(a, help);
}

static int set_policy(struct args *a, bool replace)
{
	char buf[SOTTO_PREFIX_STR];
	struct sgenl_policy p;
	struct sgenl *g;
	int ret = parse_policy_words(a, &p, usage);

	if (ret)
		return ret;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	return kernel_done(g, sgenl_policy_add(g, &p, replace), "add the policy %s %s",
			   sotto_prefix_str(&p.prefix, buf), sgenl_action_name(p.action));
}

static int policy_add(struct args *a)
{
	return set_policy(a, false);
}

static int policy_replace(struct args *a)
{
	return set_policy(a, true);
}

static int policy_del(struct args *a)
{
	const char *text = args_the(a, "del", "a prefix");
	struct sotto_prefix prefix;
	struct sgenl *g;
	int ret;

	if (!text || parse_prefix(text, &prefix) || args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	return kernel_done(g, sgenl_policy_del(g, &prefix), "delete the policy %s", text);
}

static int policy_flush(struct args *a)
{
	if (args_end(a, usage))
		return EXIT_USAGE;
	return kernel_run(sgenl_policy_flush, "flush the policy");
}

/* What the kernel has, with the origins that the old file knows. */
static int collect(struct sgenl *g, const struct saved *old, struct saved *now)
{
	struct sgenl_policy *policies = NULL;
	struct sotto_prefix *addrs = NULL;
	size_t n_policies, n_addrs;
	int ret = sgenl_list_policies(g, &policies, &n_policies);

	if (!ret)
		ret = sgenl_list_locals(g, &addrs, &n_addrs);
	for (size_t i = 0; !ret && i < n_policies; i++) {
		const struct saved_policy *k = saved_find_policy(old, &policies[i].prefix);

		if (saved_add_policy(now, &policies[i], k ? k->origin : SAVED_LOCAL))
			out_of_memory();
	}
	for (size_t i = 0; !ret && i < n_addrs; i++) {
		const struct saved_addr *k = saved_find_local(old, &addrs[i]);

		if (saved_add_local(now, &addrs[i], k ? k->origin : SAVED_LOCAL))
			out_of_memory();
	}
	free(policies);
	free(addrs);
	return ret;
}

static int policy_save(struct args *a)
{
	struct saved old, now = { 0 };
	struct sotto_errmsg err;
	struct sgenl *g;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	read_origins(&old);
	ret = collect(g, &old, &now);
	now.realm_version = old.realm_version;
	now.partial = old.partial;
	saved_free(&old);
	ret = kernel_done(g, ret, "read the policy");
	if (!ret && saved_write(&now, &err))
		ret = fail(EXIT_FAILED, "cannot keep the policy: %s", err.text);
	saved_free(&now);
	return ret;
}

#define BAD_SHOWN	20	/* things that are wrong are named, and then counted */

/* @n: how many there were */
static void tell_bad(size_t *n, const char *text)
{
	if (++*n <= BAD_SHOWN)
		fail(EXIT_FAILED, "%s", text);
}

static void on_bad(void *arg, const char *text)
{
	tell_bad(arg, text);
}

static void tell_refused(struct sgenl *g, size_t *bad, const struct sotto_prefix *p, int ret)
{
	char buf[SOTTO_PREFIX_STR], text[512];

	snprintf(text, sizeof(text), "the kernel does not take the kept %s: %s (%s)",
		 sotto_prefix_str(p, buf), sgenl_error(g), strerror(-ret));
	tell_bad(bad, text);
}

/* Policies first, and each for itself: one that is refused leaves the others in force. */
static void load(struct sgenl *g, const struct saved *kept, size_t *bad)
{
	int ret;

	for (size_t i = 0; i < kept->n_policies; i++) {
		ret = saved_add_to_kernel(g, &kept->policies[i]);
		if (ret)
			tell_refused(g, bad, &kept->policies[i].policy.prefix, ret);
	}
	for (size_t i = 0; i < kept->n_addrs; i++) {
		ret = sgenl_local_add(g, &kept->addrs[i].prefix);
		if (ret && ret != -EEXIST)
			tell_refused(g, bad, &kept->addrs[i].prefix, ret);
	}
}

/* False after messages: not all of it was good. */
static bool load_kept(struct sgenl *g)
{
	struct sotto_errmsg err;
	struct saved kept;
	size_t bad = 0;

	if (saved_salvage(&kept, on_bad, &bad, &err) == SOTTO_E_UNKNOWN)
		return true;
	load(g, &kept, &bad);
	if (bad > BAD_SHOWN)
		warn("and %zu more", bad - BAD_SHOWN);
	if (bad)
		warn("the rest of the kept policy is in force: %zu prefixes; repair what is named above, or have the agent ask the realm with \"sotto up\"",
		     kept.n_policies);
	saved_free(&kept);
	return !bad;
}

int policy_kept_up(struct sgenl *g, bool *whole)
{
	int ret;

	*whole = load_kept(g);
	ret = sgenl_ns_set(g, SOTTO_A_NS_UP, 1);
	return ret ? kernel_fail(g, ret, "bring the shim up") : EXIT_OK;
}

static int policy_restore(struct args *a)
{
	struct sgenl *g;
	bool whole;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = module_load("");
	if (!ret)
		ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = policy_kept_up(g, &whole);
	kernel_close(g);
	return ret || whole ? ret : EXIT_FAILED;
}

static const struct command commands[] = {
	{ "show", policy_show },
	{ "list", policy_show },
	{ "add", policy_add },
	{ "replace", policy_replace },
	{ "del", policy_del },
	{ "flush", policy_flush },
	{ "save", policy_save },
	{ "restore", policy_restore },
	{ "check", policy_check },
	{ "apply", policy_apply },
	{ "confirm", policy_confirm },
	{ "revert", policy_revert },
	{ "export", policy_export },
	{ NULL, NULL },
};

int do_policy(struct args *a)
{
	return dispatch(a, "policy", commands, policy_show, usage);
}
