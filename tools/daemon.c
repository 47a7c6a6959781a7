// SPDX-License-Identifier: GPL-2.0
/*
 * The CLI's way to the daemons: asking them over their local sockets.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/err.h"
#include "lib/paths.h"
#include "lib/usock.h"
#include "print.h"

static const char *file;	/* whose lines the server speaks of; NULL: of none */

void daemon_lines_of(const char *path)
{
	file = path;
}

/* "line 3: …" of the server is "FILE:3: …", as in all other errors of a file. */
static int refused(const char *text)
{
	unsigned long line;
	int len = 0;

	if (file && sscanf(text, "line %lu: %n", &line, &len) == 1 && len)
		return fail(EXIT_FAILED, "%s:%lu: %s", file, line, text + len);
	return fail(EXIT_FAILED, "%s", text);
}

int daemon_fail(const char *socket, int ret, const struct sotto_errmsg *err)
{
	bool agent = !strcmp(socket, AGENT_SOCKET);

	switch (ret) {
	case SOTTO_E_CLOSED:
		if (agent)
			return fail(EXIT_DOWN, "the agent sottod is not running; \"sotto up\" starts it");
		return fail(EXIT_DOWN,
			    "the server sotto-authd is not running here; start it (\"systemctl start sotto-authd\", or sotto-authd)");
	case SOTTO_E_PERM:
		return fail(EXIT_PERM, "not permitted to talk to %s; run it as root",
			    agent ? "sottod" : "sotto-authd");
	default:
		return refused(err->text);
	}
}

json_t *plain_json(json_t *o)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(o)) {
		char *text = strdup(json_string_value(o));

		if (!text || json_string_set(o, plain(text)))
			out_of_memory();
		free(text);
	}
	json_object_foreach(o, name, value)
		plain_json(value);
	json_array_foreach(o, i, value)
		plain_json(value);
	return o;
}

int daemon_open(const char *socket, struct sotto_uclient **uc)
{
	char path[SOTTO_PATH_MAX];
	struct sotto_errmsg err = { 0 };
	int ret = sotto_uclient_open(sotto_path(path, SOTTO_RUN, socket), uc, &err);

	return ret ? daemon_fail(socket, ret, &err) : EXIT_OK;
}

int daemon_ask(struct sotto_uclient *uc, const char *socket, json_t *req, int timeout_ms,
	       json_t **out)
{
	struct sotto_errmsg err = { 0 };
	json_t *answer = NULL;
	int ret;

	if (!req)
		out_of_memory();
	ret = sotto_uclient_call(uc, req, timeout_ms, &answer, &err);
	json_decref(req);
	if (ret || !out) {
		json_decref(answer);
		return ret ? daemon_fail(socket, ret, &err) : EXIT_OK;
	}
	*out = opts.json ? answer : plain_json(answer);
	return EXIT_OK;
}

int daemon_call(const char *socket, json_t *req, json_t **out)
{
	struct sotto_uclient *uc;
	int ret = daemon_open(socket, &uc);

	if (ret) {
		json_decref(req);
		return ret;
	}
	ret = daemon_ask(uc, socket, req, DAEMON_CALL_MS, out);
	sotto_uclient_close(uc);
	return ret;
}

json_t *agent_ask(const char *cmd)
{
	return agent_asked(json_pack("{s:s}", "cmd", cmd));
}

json_t *agent_asked(json_t *req)
{
	char path[SOTTO_PATH_MAX];
	json_t *answer = NULL;
	int ret;

	ret = sotto_usock_call(sotto_path(path, SOTTO_RUN, AGENT_SOCKET), req,
			       DAEMON_CALL_MS, &answer, NULL);
	json_decref(req);
	if (ret) {
		json_decref(answer);
		return NULL;
	}
	return opts.json ? answer : plain_json(answer);
}

int state_readable(void)
{
	char path[SOTTO_PATH_MAX];

	if (!access(sotto_path(path, SOTTO_STATE, "agent"), X_OK) || errno != EACCES)
		return EXIT_OK;
	return fail(EXIT_PERM, "not permitted to look into %s; run it as root", path);
}

int daemon_pages(const char *cmd, const char *name, json_t **first)
{
	json_t *page = NULL, *next = NULL;
	int ret = 0;

	*first = NULL;
	do {
		json_t *req = json_pack("{s:s}", "cmd", cmd);

		json_object_update(req, next);
		json_decref(page);
		page = NULL;
		ret = daemon_call(SERVER_SOCKET, req, &page);
		if (ret)
			break;
		if (!*first)
			*first = json_incref(page);
		else
			json_array_extend(json_object_get(*first, name),
					  json_object_get(page, name));
		next = json_object_get(page, "next");
	} while (json_is_object(next));
	json_decref(page);
	if (ret) {
		json_decref(*first);
		*first = NULL;
	}
	return ret;
}

int daemon_show_list(const char *cmd, const char *name, const struct column *columns, size_t n,
		     void (*add_row)(struct table *t, const json_t *entry), const char *empty)
{
	struct table t;
	json_t *answer, *list;
	int ret = daemon_pages(cmd, name, &answer);

	if (ret)
		return ret;
	list = json_incref(json_object_get(answer, name));
	json_decref(answer);
	if (opts.json) {
		print_json(list);
		return EXIT_OK;
	}
	if (!json_array_size(list)) {
		puts(empty);
	} else {
		table_init(&t, columns, n);
		for (size_t i = 0; i < json_array_size(list); i++)
			add_row(&t, json_array_get(list, i));
		table_print(&t);
	}
	json_decref(list);
	return EXIT_OK;
}

const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

long long number_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

char *join(const json_t *list)
{
	size_t n = json_array_size(list), len = 1;
	char *out;

	for (size_t i = 0; i < n; i++)
		len += json_string_length(json_array_get(list, i)) + 2;
	out = calloc(1, len);
	if (!out)
		out_of_memory();
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (i)
			strcat(out, ", ");
		strcat(out, text ? text : "");
	}
	return out;
}
