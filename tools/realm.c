// SPDX-License-Identifier: GPL-2.0
/*
 * sotto realm: the realm itself, on the gateway.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "lib/paths.h"
#include "policy.h"
#include "print.h"

static const char usage[] =
"Usage: sotto realm init [ --address HOST[:PORT] ]...\n"
"       sotto realm [ show ]\n"
"       sotto realm audit [ COUNT ]      what was done here, newest first\n"
"       sotto realm stats                the server's counters\n"
"       sotto realm policy [ show ]\n"
"       sotto realm policy add PREFIX { protect | prefer | bypass | block }\n"
"       sotto realm policy del PREFIX\n"
"init makes the realm's key and database; --address says where hosts reach this\n"
"server, as it stands in the enrolment lines. The policy is for all members.\n";

#define INIT_ARGS_MAX	64	/* words for sotto-authd */

/* The database is made by the server's own program: it alone knows its form. */
static int realm_init(struct args *a)
{
	char path[SOTTO_PATH_MAX];
	const char *argv[INIT_ARGS_MAX + 4] = { path, "--init" };
	int n = 2;

	if (opts.json)
		argv[n++] = "-j";
	while (a->n) {
		const char *value;

		if (!args_is(a, "--address"))
			return args_end(a, usage);
		value = args_value(a, "--address");
		if (!value)
			return EXIT_USAGE;
		if (n + 2 > INIT_ARGS_MAX)
			return fail(EXIT_USAGE, "too many addresses");
		argv[n++] = "--address";
		argv[n++] = value;
	}
	fflush(stdout);
	execvp(program_path("sotto-authd", path), (char *const *)argv);
	return fail(EXIT_FAILED, "cannot run sotto-authd: %s; is it installed?",
		    strerror(errno));
}

static int realm_show(struct args *a)
{
	json_t *answer;
	char *listen;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = daemon_call(SERVER_SOCKET, json_pack("{s:s}", "cmd", "realm.show"), &answer);
	if (ret)
		return ret;
	json_object_del(answer, "ok");
	if (opts.json) {
		print_json(answer);
		return EXIT_OK;
	}
	listen = join(json_object_get(answer, "listen"));
	printf("realm key  %s\n", text_of(answer, "realm_key"));
	printf("listens    %s\n", listen);
	printf("members    %lld, %lld online\n", number_of(answer, "members"),
	       number_of(answer, "online"));
	printf("sessions   %lld\n", number_of(answer, "sessions"));
	printf("version    %s\n", text_of(answer, "version"));
	free(listen);
	json_decref(answer);
	return EXIT_OK;
}

static const struct column policy_columns[] = {
	{ "PREFIX", false }, { "ACTION", false }, { "FROM", false },
};

/* Configured here, or a member's own address. */
static const char *policy_source(const json_t *p)
{
	const char *member = text_of(p, "member");

	return member[0] ? member : text_of(p, "source");
}

static int policy_show(struct args *a)
{
	json_t *answer, *list;
	struct table t;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = daemon_call(SERVER_SOCKET, json_pack("{s:s}", "cmd", "policy.show"), &answer);
	if (ret)
		return ret;
	list = json_object_get(answer, "policies");
	if (opts.json) {
		print_json(json_incref(list));
	} else if (!json_array_size(list)) {
		puts("No policy: members protect nothing. \"sotto realm policy add 10.0.0.0/24 protect\" begins.");
	} else {
		table_init(&t, policy_columns, 3);
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *p = json_array_get(list, i);

			table_cell(&t, COLOR_NONE, "%s", text_of(p, "prefix"));
			table_cell(&t, COLOR_NONE, "%s", text_of(p, "action"));
			table_cell(&t, COLOR_NONE, "%s", policy_source(p));
		}
		table_print(&t);
	}
	json_decref(answer);
	return EXIT_OK;
}

static int policy_add(struct args *a)
{
	char buf[SOTTO_PREFIX_STR];
	struct sgenl_policy p;

	if (parse_policy_words(a, &p, usage))
		return EXIT_USAGE;
	if (p.gateway.len)
		return usage_error(usage, "the realm's policy has no gateways");
	return daemon_call(SERVER_SOCKET,
			   json_pack("{s:s, s:s, s:s}", "cmd", "policy.add",
				     "prefix", sotto_prefix_str(&p.prefix, buf),
				     "action", sgenl_action_name(p.action)), NULL);
}

static int policy_del(struct args *a)
{
	const char *text = args_value(a, "del");
	char buf[SOTTO_PREFIX_STR];
	struct sotto_prefix prefix;

	if (!text || parse_prefix(text, &prefix) || args_end(a, usage))
		return EXIT_USAGE;
	return daemon_call(SERVER_SOCKET,
			   json_pack("{s:s, s:s}", "cmd", "policy.del",
				     "prefix", sotto_prefix_str(&prefix, buf)), NULL);
}

static const struct command policy_commands[] = {
	{ "show", policy_show },
	{ "list", policy_show },
	{ "add", policy_add },
	{ "del", policy_del },
	{ NULL, NULL },
};

static int realm_policy(struct args *a)
{
	return dispatch(a, "realm policy", policy_commands, policy_show, usage);
}

static const struct column audit_columns[] = {
	{ "TIME", false }, { "ACTOR", false }, { "EVENT", false }, { "SUBJECT", false },
	{ "DETAIL", false },
};

static void add_audit(struct table *t, const json_t *entry)
{
	time_t at = number_of(entry, "at");
	char when[32];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	table_cell(t, COLOR_NONE, "%s", when);
	table_cell(t, COLOR_NONE, "%s", text_of(entry, "actor"));
	table_cell(t, COLOR_NONE, "%s", text_of(entry, "event"));
	table_cell(t, COLOR_NONE, "%s", text_of(entry, "subject"));
	table_cell(t, COLOR_NONE, "%s", text_of(entry, "detail"));
}

static void show_audit(const json_t *list)
{
	struct table t;

	if (!json_array_size(list)) {
		puts("The audit log is empty.");
		return;
	}
	table_init(&t, audit_columns, sizeof(audit_columns) / sizeof(audit_columns[0]));
	for (size_t i = 0; i < json_array_size(list); i++)
		add_audit(&t, json_array_get(list, i));
	table_print(&t);
}

static int realm_audit(struct args *a)
{
	json_t *req = json_pack("{s:s}", "cmd", "audit.list");
	const char *count = args_next(a);
	uint64_t limit;
	json_t *answer;
	int ret;

	if (!req)
		out_of_memory();
	if ((count && parse_number(count, "count", 1, 1000, &limit)) || args_end(a, usage)) {
		json_decref(req);
		return EXIT_USAGE;
	}
	if (count)
		json_object_set_new(req, "limit", json_integer(limit));
	ret = daemon_call(SERVER_SOCKET, req, &answer);
	if (ret)
		return ret;
	if (opts.json)
		print_json(json_incref(json_object_get(answer, "audit")));
	else
		show_audit(json_object_get(answer, "audit"));
	json_decref(answer);
	return EXIT_OK;
}

static const struct column stats_columns[] = { { "COUNTER", false }, { "VALUE", true } };

static int realm_stats(struct args *a)
{
	const char *name;
	json_t *answer, *stats, *value;
	struct table t;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = daemon_call(SERVER_SOCKET, json_pack("{s:s}", "cmd", "realm.stats"), &answer);
	if (ret)
		return ret;
	stats = json_object_get(answer, "stats");
	if (opts.json) {
		print_json(json_incref(stats));
	} else {
		table_init(&t, stats_columns, 2);
		json_object_foreach(stats, name, value) {
			table_cell(&t, COLOR_NONE, "%s", name);
			table_cell(&t, COLOR_NONE, "%lld", json_integer_value(value));
		}
		table_print(&t);
	}
	json_decref(answer);
	return EXIT_OK;
}

static const struct command commands[] = {
	{ "init", realm_init },
	{ "show", realm_show },
	{ "audit", realm_audit },
	{ "stats", realm_stats },
	{ "policy", realm_policy },
	{ NULL, NULL },
};

int do_realm(struct args *a)
{
	return dispatch(a, "realm", commands, realm_show, usage);
}
