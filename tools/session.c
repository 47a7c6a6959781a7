// SPDX-License-Identifier: GPL-2.0
/*
 * sotto session: what the server has mediated, on the gateway.
 */
#include "cli.h"

#include <stdio.h>
#include <time.h>

#include "daemon.h"
#include "print.h"

static const char usage[] =
"Usage: sotto session [ list ]\n"
"Lists the sessions that the server mediated and that are not over. The server has\n"
"none of their keys.\n";

static const struct column columns[] = {
	{ "ID", false }, { "FROM", false }, { "TO", false }, { "DESTINATION", false },
	{ "CIPHER", false }, { "STATE", false }, { "AGE", true }, { "ENDS IN", true },
};

static void add_row(struct table *t, const json_t *s)
{
	long long now = time(NULL);
	long long age = now - number_of(s, "created_at");
	long long left = number_of(s, "hard_at") - now;
	char buf[HUMAN_MAX];

	table_cell(t, COLOR_NONE, "%s", text_of(s, "id"));
	table_cell(t, COLOR_NONE, "%s", text_of(s, "initiator"));
	table_cell(t, COLOR_NONE, "%s", text_of(s, "responder"));
	table_cell(t, COLOR_NONE, "%s", text_of(s, "destination"));
	table_cell(t, COLOR_NONE, "%s", text_of(s, "cipher"));
	table_cell(t, COLOR_NONE, "%s", text_of(s, "state"));
	table_cell(t, COLOR_NONE, "%s", human_ms((age > 0 ? age : 0) * 1000, buf));
	table_cell(t, COLOR_NONE, "%s", human_ms((left > 0 ? left : 0) * 1000, buf));
}

static int session_list(struct args *a)
{
	if (args_end(a, usage))
		return EXIT_USAGE;
	return daemon_show_list("session.list", "sessions", columns,
				sizeof(columns) / sizeof(columns[0]), add_row, "No sessions.");
}

static const struct command commands[] = {
	{ "list", session_list },
	{ "show", session_list },
	{ NULL, NULL },
};

int do_session(struct args *a)
{
	return dispatch(a, "session", commands, session_list, usage);
}
