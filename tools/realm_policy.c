// SPDX-License-Identifier: GPL-2.0
/*
 * The realm's policy, at the server: groups, rules, networks, trials, verdicts.
 */
#include "realm_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "policy.h"
#include "print.h"

#define ACTIONS "       ACTION := { protect | prefer | bypass | block }\n"

static const char usage[] =
"Usage: sotto realm policy [ show ]                    networks, for all members\n"
"       sotto realm policy add PREFIX ACTION [ @GROUP ]     or for a group's\n"
"       sotto realm policy del PREFIX [ @GROUP ]\n"
"       sotto realm rule [ list ]                      who may open sessions to whom\n"
"       sotto realm rule add [ --at NUMBER ] { allow | deny } FROM TO\n"
"       sotto realm rule del NUMBER\n"
"       sotto realm rule default { allow | deny }      where no rule fits\n"
"       sotto realm group [ list ]\n"
"       sotto realm group add GROUP MEMBER...\n"
"       sotto realm group del GROUP [ MEMBER ]...\n"
ACTIONS
"       FROM := { all | @GROUP | MEMBER }    TO := { FROM | PREFIX behind a gateway }\n"
"All of it at once, as a text: sotto policy export, sotto policy apply.\n";

/* Who has mistyped one form wants to see that one. */
static const char net_show_usage[] = "Usage: sotto realm policy [ show ]\n";
static const char net_add_usage[] =
"Usage: sotto realm policy add PREFIX ACTION [ @GROUP ]\n" ACTIONS;
static const char net_del_usage[] = "Usage: sotto realm policy del PREFIX [ @GROUP ]\n";
static const char rule_list_usage[] = "Usage: sotto realm rule [ list ]\n";
static const char rule_add_usage[] =
"Usage: sotto realm rule add [ --at NUMBER ] { allow | deny } FROM TO\n"
"       FROM := { all | @GROUP | MEMBER }    TO := { FROM | PREFIX behind a gateway }\n";
static const char rule_del_usage[] = "Usage: sotto realm rule del NUMBER\n";
static const char rule_default_usage[] = "Usage: sotto realm rule default { allow | deny }\n";
static const char group_list_usage[] = "Usage: sotto realm group [ list ]\n";
static const char group_add_usage[] = "Usage: sotto realm group add GROUP MEMBER...\n";

/* @req, with the answer of no interest. */
static int tell(json_t *req)
{
	if (!req)
		out_of_memory();
	return daemon_call(SERVER_SOCKET, req, NULL);
}

static int ask(json_t *req, json_t **answer)
{
	if (!req)
		out_of_memory();
	return daemon_call(SERVER_SOCKET, req, answer);
}

static int show_json(json_t *answer)
{
	json_object_del(answer, "ok");
	print_json(answer);
	return EXIT_OK;
}

/* ---- networks ---- */

static const struct column net_columns[] = {
	{ "PREFIX", false }, { "ACTION", false }, { "FOR", false },
	{ "VIA", false }, { "FROM", false },
};

/* Configured here, a network behind a member, or a member's own address. */
static const char *policy_source(const json_t *p)
{
	const char *member = text_of(p, "member");

	return member[0] ? member : text_of(p, "source");
}

static void show_nets(const json_t *list)
{
	struct table t;

	table_init(&t, net_columns, 5);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *p = json_array_get(list, i);
		const char *group = text_of(p, "group");

		table_cell(&t, COLOR_NONE, "%s", text_of(p, "prefix"));
		table_cell(&t, COLOR_NONE, "%s", text_of(p, "action"));
		table_cell(&t, COLOR_NONE, "%s%s", group[0] ? "@" : "", group);
		table_cell(&t, COLOR_NONE, "%s", text_of(p, "via"));
		table_cell(&t, COLOR_NONE, "%s", policy_source(p));
	}
	table_print(&t);
}

static int net_show(struct args *a)
{
	long long until;
	json_t *answer, *list;
	int ret;

	if (args_end(a, net_show_usage))
		return EXIT_USAGE;
	ret = daemon_pages("policy.show", "policies", &answer);
	if (ret)
		return ret;
	list = json_object_get(answer, "policies");
	until = number_of(answer, "trial_until");
	if (opts.json)
		print_json(json_incref(list));
	else if (!json_array_size(list))
		puts("No policy: members protect nothing. \"sotto realm policy add 10.0.0.0/24 protect\" begins.");
	else
		show_nets(list);
	if (until && !opts.json)
		printf("On trial for %lld s more: \"sotto policy confirm\" keeps it.\n",
		       until - (long long)time(NULL));
	json_decref(answer);
	return EXIT_OK;
}

/* "@GROUP", where the words are not at their end. */
static int take_group(struct args *a, json_t *req, const char *form)
{
	const char *group = args_next(a);

	if (!group)
		return 0;
	if (group[0] != '@')
		return usage_error(form, "\"%s\" is no group; write it as @GROUP", group);
	json_object_set_new(req, "group", json_string(group + 1));
	return args_end(a, form);
}

static int send_net(json_t *req, struct args *a, const char *form)
{
	int ret;

	if (!req)
		out_of_memory();
	ret = take_group(a, req, form);
	if (!ret)
		return tell(req);
	json_decref(req);
	return ret;
}

static int net_add(struct args *a)
{
	char buf[SOTTO_PREFIX_STR];
	struct args first = { a->v, a->n < 2 ? a->n : 2 };
	struct sgenl_policy p;

	if (parse_policy_words(&first, &p, net_add_usage))
		return EXIT_USAGE;
	args_next(a);
	args_next(a);
	return send_net(json_pack("{s:s, s:s, s:s}", "cmd", "policy.add", "prefix",
				  sotto_prefix_str(&p.prefix, buf), "action",
				  sgenl_action_name(p.action)), a, net_add_usage);
}

static int net_del(struct args *a)
{
	const char *text = args_the(a, "del", "a prefix");
	char buf[SOTTO_PREFIX_STR];
	struct sotto_prefix prefix;

	if (!text || parse_prefix(text, &prefix))
		return EXIT_USAGE;
	return send_net(json_pack("{s:s, s:s}", "cmd", "policy.del", "prefix",
				  sotto_prefix_str(&prefix, buf)), a, net_del_usage);
}

static const struct command net_commands[] = {
	{ "show", net_show },
	{ "list", net_show },
	{ "add", net_add },
	{ "del", net_del },
	{ NULL, NULL },
};

int realm_policy(struct args *a)
{
	return dispatch(a, "realm policy", net_commands, net_show, usage);
}

/* ---- rules ---- */

static const struct column rule_columns[] = { { "NR", true }, { "RULE", false } };

static void show_rules(json_t *answer)
{
	json_t *list = json_object_get(answer, "rules");
	struct table t;

	table_init(&t, rule_columns, 2);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *r = json_array_get(list, i);
		const char *text = text_of(r, "rule");

		table_cell(&t, COLOR_NONE, "%lld", number_of(r, "number"));
		table_cell(&t, text[0] == 'a' ? COLOR_GOOD : COLOR_BAD, "%s", text);
	}
	table_cell(&t, COLOR_NONE, "%s", "");
	table_cell(&t, COLOR_NONE, "default %s", text_of(answer, "default"));
	table_print(&t);
}

static int rule_list(struct args *a)
{
	json_t *answer;
	int ret;

	if (args_end(a, rule_list_usage))
		return EXIT_USAGE;
	ret = ask(json_pack("{s:s}", "cmd", "rule.list"), &answer);
	if (ret)
		return ret;
	if (opts.json)
		return show_json(answer);
	show_rules(answer);
	json_decref(answer);
	return EXIT_OK;
}

static int rule_add(struct args *a)
{
	const char *verb, *from, *to;
	char text[256];
	uint64_t at = 0;
	json_t *req;

	if (args_is(a, "--at")) {
		const char *value = args_value(a, "--at");

		if (!value || parse_number(value, "rule's number", 1, 1024, &at))
			return EXIT_USAGE;
	}
	verb = args_next(a);
	from = args_next(a);
	to = args_next(a);
	if (!to)
		return usage_error(rule_add_usage, "say allow or deny, from whom, to whom");
	if (args_end(a, rule_add_usage))
		return EXIT_USAGE;
	snprintf(text, sizeof(text), "%s %s %s", verb, from, to);
	req = json_pack("{s:s, s:s}", "cmd", "rule.add", "rule", text);
	if (req && at)
		json_object_set_new(req, "at", json_integer(at));
	return tell(req);
}

static int rule_del(struct args *a)
{
	const char *text = args_the(a, "del", "a rule's number");
	uint64_t number;

	if (!text || parse_number(text, "rule's number", 1, 1024, &number) ||
	    args_end(a, rule_del_usage))
		return EXIT_USAGE;
	return tell(json_pack("{s:s, s:I}", "cmd", "rule.del", "number",
			      (json_int_t)number));
}

static int rule_default(struct args *a)
{
	bool allow = args_is(a, "allow");

	if (!allow && !args_is(a, "deny"))
		return usage_error(rule_default_usage, "the default is allow or deny");
	if (args_end(a, rule_default_usage))
		return EXIT_USAGE;
	return tell(json_pack("{s:s, s:b}", "cmd", "rule.default", "allow", allow));
}

static const struct command rule_commands[] = {
	{ "list", rule_list },
	{ "show", rule_list },
	{ "add", rule_add },
	{ "del", rule_del },
	{ "default", rule_default },
	{ NULL, NULL },
};

int realm_rule(struct args *a)
{
	return dispatch(a, "realm rule", rule_commands, rule_list, usage);
}

/* ---- groups ---- */

static const struct column group_columns[] = {
	{ "GROUP", false }, { "SIZE", true }, { "MEMBERS", false },
};

static int group_list(struct args *a)
{
	json_t *answer, *list;
	struct table t;
	int ret;

	if (args_end(a, group_list_usage))
		return EXIT_USAGE;
	ret = ask(json_pack("{s:s}", "cmd", "group.list"), &answer);
	if (ret)
		return ret;
	list = json_object_get(answer, "groups");
	if (opts.json) {
		print_json(json_incref(list));
		json_decref(answer);
		return EXIT_OK;
	}
	if (!json_array_size(list))
		puts("No groups. \"sotto realm group add web alice\" makes one.");
	table_init(&t, group_columns, 3);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *g = json_array_get(list, i);
		char *names = join(json_object_get(g, "members"));

		table_cell(&t, COLOR_NONE, "%s", text_of(g, "group"));
		table_cell(&t, COLOR_NONE, "%lld", number_of(g, "size"));
		table_cell(&t, COLOR_NONE, "%s", names);
		free(names);
	}
	table_print(&t);
	json_decref(answer);
	return EXIT_OK;
}

static int group_members(struct args *a, const char *cmd, const char *group)
{
	const char *name;
	int ret = 0;

	while (!ret && (name = args_next(a)))
		ret = tell(json_pack("{s:s, s:s, s:s}", "cmd", cmd, "group", group,
				     "name", name));
	return ret;
}

static int group_add(struct args *a)
{
	const char *group = args_the(a, "add", "a group's name");

	if (!group)
		return EXIT_USAGE;
	if (!a->n)
		return usage_error(group_add_usage, "say who comes into %s", group);
	return group_members(a, "group.add", group);
}

static int group_del(struct args *a)
{
	const char *group = args_the(a, "del", "a group's name");

	if (!group)
		return EXIT_USAGE;
	if (a->n)
		return group_members(a, "group.del", group);
	return tell(json_pack("{s:s, s:s}", "cmd", "group.del", "group", group));
}

static const struct command group_commands[] = {
	{ "list", group_list },
	{ "show", group_list },
	{ "add", group_add },
	{ "del", group_del },
	{ NULL, NULL },
};

int realm_group(struct args *a)
{
	return dispatch(a, "realm group", group_commands, group_list, usage);
}

/* ---- verdicts ---- */

static void show_verdict(const json_t *v)
{
	bool allowed = json_is_true(json_object_get(v, "allowed"));
	const char *net = text_of(v, "network"), *but = text_of(v, "obstacle");
	char *from = join(json_object_get(v, "from_groups"));
	char *to = join(json_object_get(v, "to_groups"));
	enum color c = allowed ? COLOR_GOOD : COLOR_BAD;
	long long rule = number_of(v, "rule");

	printf("%s -> %s%s%s: %s%s%s\n", text_of(v, "from"),
	       net[0] ? net : text_of(v, "to"), net[0] ? " via " : "",
	       net[0] ? text_of(v, "to") : "", color_on(c),
	       allowed ? "allowed" : "denied", color_off(c));
	if (rule)
		printf("by rule %lld: %s\n", rule, text_of(v, "text"));
	else
		printf("by %s: no rule fits\n", text_of(v, "text"));
	if (from[0])
		printf("groups of %s: %s\n", text_of(v, "from"), from);
	if (to[0])
		printf("groups of %s: %s\n", text_of(v, "to"), to);
	if (but[0])
		printf("but: %s\n", but);
	free(from);
	free(to);
}

int policy_check(struct args *a)
{
	const char *from = args_next(a), *to = args_next(a);
	json_t *answer;
	bool allowed;
	int ret;

	if (!to)
		return usage_error("Usage: sotto policy check FROM TO\n", "say from whom, and to whom");
	if (args_end(a, "Usage: sotto policy check FROM TO\n"))
		return EXIT_USAGE;
	ret = ask(json_pack("{s:s, s:s, s:s}", "cmd", "policy.check", "from", from,
			    "to", to), &answer);
	if (ret)
		return ret;
	json_object_del(answer, "ok");
	allowed = json_is_true(json_object_get(answer, "allowed"));
	if (opts.json) {
		print_json(answer);
	} else {
		show_verdict(answer);
		json_decref(answer);
	}
	return allowed ? EXIT_OK : EXIT_FAILED;
}
