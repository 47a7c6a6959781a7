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
#include "lib/usock.h"
#include "print.h"
#include "realm_policy.h"

static const char usage[] =
"Usage: sotto realm init [ --address HOST[:PORT] ]...\n"
"       sotto realm [ show ]\n"
"       sotto realm audit [ COUNT ]      what was done here, newest first\n"
"       sotto realm stats                the server's counters\n"
"       sotto realm monitor              mediation, live\n"
"       sotto realm backup FILE          all of it with its key, while it runs\n"
"       sotto realm restore FILE [ --force ]\n"
"       sotto realm rekey                a new realm key; the present one stays good\n"
"       sotto realm retire               until its end\n"
"       sotto realm { policy | rule | group } help\n"
"init makes the realm's key and database; --address says where hosts reach this\n"
"server, as it stands in the enrolment lines.\n";

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

static int run_server_program(const char *option, const char *file, bool force)
{
	char path[SOTTO_PATH_MAX];
	const char *argv[] = { path, option, file, NULL, NULL, NULL };
	int n = file ? 3 : 2;

	if (force)
		argv[n++] = "--force";
	if (opts.json)
		argv[n++] = "-j";

	fflush(stdout);
	execvp(program_path("sotto-authd", path), (char *const *)argv);
	return fail(EXIT_FAILED, "cannot run sotto-authd: %s; is it installed?",
		    strerror(errno));
}

static int realm_backup(struct args *a)
{
	const char *file = args_the(a, "backup", "a file's name");

	if (!file || args_end(a, usage))
		return EXIT_USAGE;
	return run_server_program("--backup", file, false);
}

static int realm_restore(struct args *a)
{
	const char *file = args_the(a, "restore", "a file's name");
	bool force = args_is(a, "--force");

	if (!file || args_end(a, usage))
		return EXIT_USAGE;
	return run_server_program("--restore", file, force);
}

static int realm_rekey(struct args *a)
{
	return args_end(a, usage) ? EXIT_USAGE : run_server_program("--rekey", NULL, false);
}

static int realm_retire(struct args *a)
{
	return args_end(a, usage) ? EXIT_USAGE : run_server_program("--retire", NULL, false);
}

/* A roll-over of the realm's key. */
static void print_rollover(const json_t *o)
{
	if (!json_is_object(o))
		return;
	printf("former key %s, good until \"sotto realm retire\"\n", text_of(o, "former_key_text"));
	printf("           %lld members have not come by the new one since the server began\n",
	       number_of(o, "behind"));
}

/* Who finds the policy changed should not have to ask who did it. */
static void print_trial(const json_t *left_s)
{
	if (json_is_integer(left_s))
		printf("policy     %son trial%s: the former one comes back in %lld s; \"sotto policy confirm\" or \"revert\"\n",
		       color_on(COLOR_WARN), color_off(COLOR_WARN),
		       (long long)json_integer_value(left_s));
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
	printf("realm key  %s\n", text_of(answer, "realm_key_text"));
	print_rollover(json_object_get(answer, "rollover"));
	printf("listens    %s\n", listen);
	printf("members    %lld, %lld online\n", number_of(answer, "members"),
	       number_of(answer, "online"));
	printf("sessions   %lld\n", number_of(answer, "sessions"));
	print_trial(json_object_get(answer, "trial_left_s"));
	printf("version    %s\n", text_of(answer, "version"));
	free(listen);
	json_decref(answer);
	return EXIT_OK;
}

static const struct column audit_columns[] = {
	{ "TIME", false }, { "ACTOR", false }, { "EVENT", false }, { "SUBJECT", false },
	{ "DETAIL", false },
};

static void add_audit(struct table *t, const json_t *entry)
{
	char when[HUMAN_MAX];

	table_cell(t, COLOR_NONE, "%s", human_time(number_of(entry, "at"), -1, when));
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

static void print_event(const json_t *o)
{
	long long at = number_of(o, "at_ms");
	char when[HUMAN_MAX];
	const char *key;
	json_t *value;

	printf("%s %s", human_time(at / 1000, at % 1000, when), text_of(o, "event"));
	json_object_foreach((json_t *)o, key, value) {
		char *list = json_is_array(value) ? join(value) : NULL;

		if (list)
			printf(" %s %s", key, list);
		else if (json_is_string(value) && strcmp(key, "event"))
			printf(" %s %s", key, json_string_value(value));
		free(list);
	}
	putchar('\n');
}

static void print_line(const json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
}

/* Until the server ends, or this program is interrupted. */
static int realm_monitor(struct args *a)
{
	char path[SOTTO_PATH_MAX];
	struct sotto_uclient *uc;
	struct sotto_errmsg err;
	bool first = true;
	json_t *req, *o;
	int rc;

	if (args_end(a, usage))
		return EXIT_USAGE;
	rc = sotto_uclient_open(sotto_path(path, SOTTO_RUN, SERVER_SOCKET), &uc, &err);
	if (rc)
		return daemon_fail(SERVER_SOCKET, rc, &err);
	req = json_pack("{s:s}", "cmd", "realm.monitor");
	rc = sotto_uclient_send(uc, req, &err);
	json_decref(req);
	while (!rc) {
		rc = sotto_uclient_recv(uc, -1, &o, &err);
		if (rc)
			break;
		if (first && !json_is_true(json_object_get(o, "ok")))
			rc = sotto_err(&err, SOTTO_E_REFUSED, "%s", text_of(o, "message"));
		else if (!first && opts.json)
			print_line(o);
		else if (!first)
			print_event(plain_json(o));
		first = false;
		fflush(stdout);
		json_decref(o);
	}
	sotto_uclient_close(uc);
	return daemon_fail(SERVER_SOCKET, rc, &err);
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
	{ "monitor", realm_monitor },
	{ "backup", realm_backup },
	{ "restore", realm_restore },
	{ "rekey", realm_rekey },
	{ "retire", realm_retire },
	{ "policy", realm_policy },
	{ "rule", realm_rule },
	{ "group", realm_group },
	{ NULL, NULL },
};

int do_realm(struct args *a)
{
	/* these have words, and a usage, of their own */
	if (args_is(a, "policy"))
		return realm_policy(a);
	if (args_is(a, "rule"))
		return realm_rule(a);
	if (args_is(a, "group"))
		return realm_group(a);
	return dispatch(a, "realm", commands, realm_show, usage);
}
