// SPDX-License-Identifier: GPL-2.0
/*
 * sotto realm: the realm itself, on the gateway.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "lib/paths.h"
#include "policy.h"
#include "print.h"

static const char usage[] =
"Usage: sotto realm init [ --address HOST[:PORT] ]...\n"
"       sotto realm [ show ]\n"
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
	printf("members    %lld\n", number_of(answer, "members"));
	printf("sessions   %lld\n", number_of(answer, "sessions"));
	printf("version    %s\n", text_of(answer, "version"));
	free(listen);
	json_decref(answer);
	return EXIT_OK;
}

static const struct column policy_columns[] = {
	{ "PREFIX", false }, { "ACTION", false },
};

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
		table_init(&t, policy_columns, 2);
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *p = json_array_get(list, i);

			table_cell(&t, COLOR_NONE, "%s", text_of(p, "prefix"));
			table_cell(&t, COLOR_NONE, "%s", text_of(p, "action"));
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

static const struct command commands[] = {
	{ "init", realm_init },
	{ "show", realm_show },
	{ "policy", realm_policy },
	{ NULL, NULL },
};

int do_realm(struct args *a)
{
	return dispatch(a, "realm", commands, realm_show, usage);
}
