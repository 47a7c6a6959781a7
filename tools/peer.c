// SPDX-License-Identifier: GPL-2.0
/*
 * sotto peer: whom this host has met, and whose key it insists on.
 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "print.h"

static const char usage[] =
"Usage: sotto peer [ show ]\n"
"       sotto peer pin NAME [ KEY [ ADDRESS... ] ]\n"
"       sotto peer unpin NAME\n"
"A pinned peer's static key must be this one, whatever the server says: a session\n"
"with any other is refused. Without KEY it is the one that the peer had last; compare\n"
"it with what \"sotto status\" says on the peer. ADDRESSes are its own, and nobody else's:\n"
"say them of a peer that this host has not met.\n";

static const struct column columns[] = {
	{ "PEER", false }, { "KEY", false }, { "PINNED", false },
};

static void add_row(struct table *t, const json_t *p)
{
	const char *key = text_of(p, "key"), *pin = text_of(p, "pin");
	bool other = key[0] && pin[0] && strcmp(key, pin);

	table_cell(t, COLOR_NONE, "%s", text_of(p, "name"));
	table_cell(t, COLOR_NONE, "%s", pin[0] ? pin : key);
	table_cell(t, other ? COLOR_BAD : pin[0] ? COLOR_GOOD : COLOR_NONE, "%s%s",
		   pin[0] ? text_of(p, "by") : "no", other ? ", had another" : "");
}

static int peer_show(struct args *a)
{
	json_t *answer, *list;
	struct table t;
	int ret;

	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = daemon_call(AGENT_SOCKET, json_pack("{s:s}", "cmd", "peers"), &answer);
	if (ret)
		return ret;
	list = json_object_get(answer, "peers");
	if (opts.json) {
		print_json(json_incref(list));
	} else if (!json_array_size(list)) {
		puts("No peers yet.");
	} else {
		table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
		for (size_t i = 0; i < json_array_size(list); i++)
			add_row(&t, json_array_get(list, i));
		table_print(&t);
	}
	json_decref(answer);
	return EXIT_OK;
}

static int peer_pin(struct args *a)
{
	const char *name = args_the(a, "pin", "a member's name"), *key = NULL;
	json_t *req, *addrs;

	if (!name)
		return EXIT_USAGE;
	if (a->n)
		key = args_next(a);
	addrs = json_array();
	while (a->n)
		json_array_append_new(addrs, json_string(args_next(a)));
	req = json_pack("{s:s, s:s, s:o}", "cmd", "peer.pin", "name", name, "addresses", addrs);
	if (key)
		json_object_set_new(req, "key", json_string(key));
	return daemon_call(AGENT_SOCKET, req, NULL);
}

static int peer_unpin(struct args *a)
{
	const char *name = args_the(a, "unpin", "a member's name");

	if (!name || args_end(a, usage))
		return EXIT_USAGE;
	return daemon_call(AGENT_SOCKET, json_pack("{s:s, s:s}", "cmd", "peer.unpin",
						   "name", name), NULL);
}

static const struct command commands[] = {
	{ "show", peer_show },
	{ "list", peer_show },
	{ "pin", peer_pin },
	{ "unpin", peer_unpin },
	{ NULL, NULL },
};

int do_peer(struct args *a)
{
	return dispatch(a, "peer", commands, peer_show, usage);
}
