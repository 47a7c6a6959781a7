// SPDX-License-Identifier: GPL-2.0
/*
 * sotto member: the realm's hosts, on the gateway.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "print.h"

static const char usage[] =
"Usage: sotto member [ list ]\n"
"       sotto member add NAME --address ADDRESS [ --address ADDRESS ]...\n"
"                        [ --expires TIME ]\n"
"       sotto member code NAME [ --expires TIME ]     a new line for a host\n"
"       sotto member rekey NAME [ --expires TIME ]    the same for new keys of a member\n"
"       sotto member show NAME\n"
"       sotto member set NAME [ --address ADDRESS ]... [ --route PREFIX ]...\n"
"       sotto member set NAME [ --address ADDRESS ]... --no-routes\n"
"       sotto member revoke NAME\n"
"add prints the line that \"sotto enroll\" on the host takes. It holds a one-time code:\n"
"hand it over as you would a password. set gives a member other addresses in the place of\n"
"those it has, or makes it the way into networks.\n"
" TIME := 90s, 15m, 2h, 1d.\n";

static const char a_name[] = "a member's name";

static const struct column columns[] = {
	{ "NAME", false }, { "STATE", false }, { "ADDRESSES", false },
	{ "ONLINE", false }, { "SEEN AT", false }, { "SINCE", true },
};

static enum color state_color(const char *state)
{
	if (!strcmp(state, "active"))
		return COLOR_GOOD;
	return strcmp(state, "revoked") ? COLOR_WARN : COLOR_BAD;
}

static const char *since(const json_t *m, char buf[HUMAN_MAX])
{
	long long at = number_of(m, "since"), now = time(NULL);

	if (!at || !json_is_true(json_object_get(m, "online")))
		return "";
	return human_ms((now > at ? now - at : 0) * 1000, buf);
}

static void add_row(struct table *t, const json_t *m)
{
	bool online = json_is_true(json_object_get(m, "online"));
	char *addrs = join(json_object_get(m, "addresses"));
	char buf[HUMAN_MAX];

	table_cell(t, COLOR_NONE, "%s", text_of(m, "name"));
	table_cell(t, state_color(text_of(m, "state")), "%s", text_of(m, "state"));
	table_cell(t, COLOR_NONE, "%s", addrs);
	if (json_object_get(m, "twins"))
		table_cell(t, COLOR_BAD, "twice");
	else
		table_cell(t, online ? COLOR_GOOD : COLOR_NONE, "%s", online ? "yes" : "no");
	table_cell(t, COLOR_NONE, "%s", online ? text_of(m, "address_seen") : "");
	table_cell(t, COLOR_NONE, "%s", since(m, buf));
	free(addrs);
}

static int member_list(struct args *a)
{
	if (args_end(a, usage))
		return EXIT_USAGE;
	return daemon_show_list("member.list", "members", columns,
				sizeof(columns) / sizeof(columns[0]), add_row,
				"No members yet. \"sotto member add alice --address 10.0.0.1\" adds one.");
}

static void show_times(const json_t *m)
{
	long long expires = number_of(m, "code_expires_at"), now = time(NULL);
	char buf[HUMAN_MAX];

	if (expires > now)
		printf("code        open for %s\n", human_ms((expires - now) * 1000, buf));
	else if (expires)
		puts("code        expired; \"sotto member code\" makes a new line");
}

static void show_routes(const json_t *m)
{
	char *routes = join(json_object_get(m, "routes"));

	if (routes[0])
		printf("leads to    %s\n", routes);
	free(routes);
}

static void show_twins(const json_t *m)
{
	char *twins = join(json_object_get(m, "twins"));

	if (twins[0])
		printf("twins       %stwo hosts have its identity%s, at %s: \"sotto member rekey\", and\n"
		       "            \"sotto enroll\" on the one that is to stay it, shuts the other out\n",
		       color_on(COLOR_BAD), color_off(COLOR_BAD), twins);
	free(twins);
}

static int member_show(struct args *a)
{
	const char *name = args_the(a, "show", a_name);
	json_t *answer, *m;
	char *addrs;
	int ret;

	if (!name || args_end(a, usage))
		return EXIT_USAGE;
	ret = daemon_call(SERVER_SOCKET, json_pack("{s:s, s:s}", "cmd", "member.show",
						   "name", name), &answer);
	if (ret)
		return ret;
	m = json_object_get(answer, "member");
	if (opts.json) {
		print_json(json_incref(m));
	} else {
		addrs = join(json_object_get(m, "addresses"));
		printf("name        %s\nstate       %s\naddresses   %s\n",
		       text_of(m, "name"), text_of(m, "state"), addrs);
		if (text_of(m, "static_key_text")[0])
			printf("static key  %s\n", text_of(m, "static_key_text"));
		show_routes(m);
		printf("online      %s\n", json_is_true(json_object_get(m, "online")) ?
		       text_of(m, "address_seen") : "no");
		show_twins(m);
		show_times(m);
		free(addrs);
	}
	json_decref(answer);
	return EXIT_OK;
}

/* The line alone on standard output, so that it can be piped; the rest beside it. */
static int show_line(json_t *answer)
{
	long long left = number_of(answer, "expires_at") - time(NULL);
	char buf[HUMAN_MAX];

	json_object_del(answer, "ok");
	if (opts.json) {
		print_json(answer);
		return EXIT_OK;
	}
	puts(text_of(answer, "line"));
	fflush(stdout);
	fprintf(stderr, "Give this line to \"sotto enroll\" on the host within %s. It works once.\n",
		human_ms((left > 0 ? left : 0) * 1000, buf));
	json_decref(answer);
	return EXIT_OK;
}

static int take_expires(struct args *a, json_t *req)
{
	const char *value = args_value(a, "--expires");
	uint32_t seconds;

	if (!value || parse_seconds(value, "time", &seconds))
		return EXIT_USAGE;
	json_object_set_new(req, "expires", json_integer(seconds));
	return 0;
}

static int take_address(struct args *a, json_t *list)
{
	const char *value = args_value(a, "--address");
	struct sotto_addr addr;

	if (!value || parse_address(value, &addr))
		return EXIT_USAGE;
	json_array_append_new(list, json_addr(&addr));
	return 0;
}

/* Words behind the name. @addresses is NULL where none are taken. */
static int take_words(struct args *a, json_t *req, json_t *addresses)
{
	int ret = 0;

	while (a->n && !ret) {
		if (args_is(a, "--expires"))
			ret = take_expires(a, req);
		else if (addresses && args_is(a, "--address"))
			ret = take_address(a, addresses);
		else
			ret = args_end(a, usage);
	}
	return ret;
}

static int ask_line(json_t *req)
{
	json_t *answer;
	int ret = daemon_call(SERVER_SOCKET, req, &answer);

	return ret ? ret : show_line(answer);
}

static int member_add(struct args *a)
{
	const char *name = args_next(a);
	json_t *req, *addresses;
	int ret;

	if (!name || name[0] == '-')
		return usage_error(usage, "say the member's name first");
	req = json_pack("{s:s, s:s, s:[]}", "cmd", "member.add", "name", name,
			"addresses");
	if (!req)
		out_of_memory();
	addresses = json_object_get(req, "addresses");
	ret = take_words(a, req, addresses);
	if (!ret && !json_array_size(addresses))
		ret = usage_error(usage, "give at least one --address: it is what others know %s by",
				  name);
	if (!ret)
		return ask_line(req);
	json_decref(req);
	return ret;
}

static int line_for(struct args *a, const char *word, const char *cmd)
{
	const char *name = args_the(a, word, a_name);
	json_t *req;
	int ret;

	if (!name)
		return EXIT_USAGE;
	req = json_pack("{s:s, s:s}", "cmd", cmd, "name", name);
	if (!req)
		out_of_memory();
	ret = take_words(a, req, NULL);
	if (!ret)
		return ask_line(req);
	json_decref(req);
	return ret;
}

static int member_code(struct args *a)
{
	return line_for(a, "code", "member.code");
}

static int member_rekey(struct args *a)
{
	return line_for(a, "rekey", "member.rekey");
}

static const char set_help[] =
"Usage: sotto member set NAME [ --address ADDRESS ]... [ --route PREFIX ]...\n"
"       sotto member set NAME [ --address ADDRESS ]... --no-routes\n"
"The addresses given take the place of all that the member has; the networks likewise: it is\n"
"the gateway of these, and of no others from now on. What is not given stays as it is.\n";

/* Makes the list @name in @req, if it is not there. */
static json_t *list_in(json_t *req, const char *name)
{
	if (!json_object_get(req, name))
		json_object_set_new(req, name, json_array());
	return json_object_get(req, name);
}

static int take_route(struct args *a, json_t *req)
{
	const char *value = args_value(a, "--route");
	char buf[SOTTO_PREFIX_STR];
	struct sotto_prefix p;

	if (!value || parse_prefix(value, &p))
		return EXIT_USAGE;
	json_array_append_new(list_in(req, "routes"), json_string(sotto_prefix_str(&p, buf)));
	return 0;
}

static int take_set(struct args *a, json_t *req)
{
	bool none = false;
	int ret = 0;

	while (a->n && !ret) {
		if (args_is(a, "--address"))
			ret = take_address(a, list_in(req, "addresses"));
		else if (args_is(a, "--route"))
			ret = take_route(a, req);
		else if (args_is(a, "--no-routes"))
			none = list_in(req, "routes");
		else
			ret = args_end(a, set_help);
	}
	if (ret)
		return ret;
	if (none && json_array_size(json_object_get(req, "routes")))
		return usage_error(set_help, "--route and --no-routes contradict each other");
	if (json_object_get(req, "addresses") || json_object_get(req, "routes"))
		return 0;
	return usage_error(set_help, "give at least one --address or --route, or --no-routes");
}

/* What may surprise: that nothing changed, or what goes on being protected. */
static void print_set(const char *name, const json_t *answer)
{
	char *former = join(json_object_get(answer, "former"));

	if (json_is_false(json_object_get(answer, "changed")))
		printf("%s has just these addresses; nothing is changed.\n", name);
	if (former[0])
		printf("%s: still protected, by a line each in \"sotto realm policy\", until you delete it.\n",
		       former);
	free(former);
}

static int ask_set(const char *name, json_t *req)
{
	json_t *answer;
	int ret = daemon_call(SERVER_SOCKET, req, &answer);

	if (ret)
		return ret;
	json_object_del(answer, "ok");
	if (opts.json) {
		print_json(answer);
		return EXIT_OK;
	}
	print_set(name, answer);
	json_decref(answer);
	return EXIT_OK;
}

static int member_set(struct args *a)
{
	const char *name = args_the(a, "set", a_name);
	json_t *req;
	int ret;

	if (!name)
		return EXIT_USAGE;
	req = json_pack("{s:s, s:s}", "cmd", "member.set", "name", name);
	if (!req)
		out_of_memory();
	ret = take_set(a, req);
	if (!ret)
		return ask_set(name, req);
	json_decref(req);
	return ret;
}

static int member_revoke(struct args *a)
{
	const char *name = args_the(a, "revoke", a_name);
	int ret;

	if (!name || args_end(a, usage))
		return EXIT_USAGE;
	ret = daemon_call(SERVER_SOCKET, json_pack("{s:s, s:s}", "cmd", "member.revoke",
						   "name", name), NULL);
	if (!ret && !opts.json)
		printf("%s is revoked; its peers drop their keys with it now.\n", name);
	return ret;
}

static const struct command commands[] = {
	{ "list", member_list },
	{ "show", member_show },
	{ "add", member_add },
	{ "code", member_code },
	{ "rekey", member_rekey },
	{ "set", member_set },
	{ "revoke", member_revoke },
	{ NULL, NULL },
};

int do_member(struct args *a)
{
	return dispatch(a, "member", commands, member_list, usage);
}
