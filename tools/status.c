// SPDX-License-Identifier: GPL-2.0
/*
 * sotto status: how it stands, from the module to the server, and what to do.
 *
 * The exit code says it too: 0 all well, 1 not associated, 4 something does not
 * run.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../agent/identity.h"
#include "daemon.h"
#include "kernel.h"
#include "module.h"
#include "print.h"
#include "settings.h"

static const char usage[] =
"Usage: sotto status\n"
"-d adds the limits, and how many ends of sessions the server could not be told of at once.\n"
"Exit code: 0 all well; 1 not associated, or another host has this one's identity; 4 something\n"
"that should run does not.\n";

#define STATES 4	/* enum sotto_tunnel_state */

/* All that is shown, gathered first. */
struct status {
	bool module;			/* loaded */
	const char *refusal;		/* why it could not be, or NULL */
	struct sgenl_ns ns;
	unsigned int tunnels[STATES];
	json_t *agent;			/* its answer, or NULL */
	json_t *addresses;		/* strings */
	json_t *absent;			/* those of them that no device here has */
	int code;			/* exit code */
	const char *next;		/* what to do, or NULL */
};

/* What the realm knows this host by, and it has not got (any more). */
static bool is_absent(const struct sotto_prefix *p)
{
	struct sockaddr_storage ss;
	socklen_t len = sotto_addr_to_sockaddr(&p->addr, 0, &ss);
	bool absent;
	int fd;

	if (p->plen != p->addr.len * 8)
		return false;	/* a network behind it */
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	absent = fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) && errno == EADDRNOTAVAIL;
	if (fd >= 0)
		close(fd);
	return absent;
}

static int gather_kernel(struct status *s)
{
	struct sgenl_tunnel *tunnels = NULL;
	struct sotto_prefix *addrs = NULL;
	size_t n_tunnels = 0, n_addrs = 0;
	char buf[SOTTO_PREFIX_STR];
	struct sgenl *g;
	int ret = kernel_open(&g);

	if (ret)
		return ret;
	s->module = true;
	ret = sgenl_ns_get(g, &s->ns);
	if (!ret)
		ret = sgenl_list_tunnels(g, &tunnels, &n_tunnels);
	if (!ret)
		ret = sgenl_list_locals(g, &addrs, &n_addrs);
	for (size_t i = 0; i < n_tunnels; i++)
		if (tunnels[i].state < STATES)
			s->tunnels[tunnels[i].state]++;
	for (size_t i = 0; i < n_addrs; i++) {
		sotto_prefix_brief(&addrs[i], buf);
		json_array_append_new(s->addresses, json_string(buf));
		if (is_absent(&addrs[i]))
			json_array_append_new(s->absent, json_string(buf));
	}
	free(tunnels);
	free(addrs);
	return kernel_done(g, ret, "read the state");
}

static const json_t *association(const struct status *s)
{
	return json_object_get(s->agent, "association");
}

static bool associated(const struct status *s)
{
	return !strcmp(text_of(association(s), "state"), "associated");
}

/* The first thing that is off decides. */
static void judge(struct status *s)
{
	const char *advice = text_of(association(s), "advice");
	bool enrolled = identity_exists();

	s->code = EXIT_DOWN;
	if (!enrolled && !s->agent && (!s->module || !s->ns.up))
		s->next = "sotto enroll, with the line that \"sotto member add\" printed on the gateway";
	else if (s->refusal)
		s->next = "see \"When the module is refused\" in operations.md, then \"sotto up\"";
	else if (!s->module || !s->ns.up)
		s->next = "sotto up";
	else if (!s->agent && !enrolled)
		s->next = "keys by hand only (\"sotto sa add\"); \"sotto enroll\" makes this host a member";
	else if (!s->agent)
		s->next = "sotto up: without the agent no new keys come";
	else
		s->code = EXIT_FAILED;
	if (s->next)
		return;
	if (associated(s) && !text_of(association(s), "twin")[0]) {
		s->code = EXIT_OK;
		return;
	}
	s->next = advice[0] ? advice : "the agent goes on trying; its log says more";
}

static void show_module(const struct status *s)
{
	if (!s->module) {
		printf("module   %snot loaded%s%s%s\n", color_on(COLOR_BAD), color_off(COLOR_BAD),
		       s->refusal ? ": " : "", s->refusal ? s->refusal : "");
		return;
	}
	printf("module   loaded, version %s, shim %s%s%s, data port %u%s\n", s->ns.version,
	       color_on(s->ns.up ? COLOR_GOOD : COLOR_BAD), s->ns.up ? "up" : "down",
	       color_off(COLOR_BAD), s->ns.data_port,
	       s->ns.keylog ? ", keys can be logged" : "");
}

/* What the agent refused, put off or forgot for its limits: sottod(8) has which. */
static void show_counters(json_t *limits)
{
	const char *name;
	json_t *n;

	json_object_foreach(limits, name, n)
		printf("beyond   %s %lld\n", name, (long long)json_integer_value(n));
}

static void show_agent(const struct status *s)
{
	if (!s->agent)
		printf("agent    %snot running%s\n", color_on(COLOR_BAD), color_off(COLOR_BAD));
	else
		printf("agent    running, pid %lld, version %s\n"
		       "member   %s, static key %s\n",
		       number_of(s->agent, "pid"), text_of(s->agent, "version"),
		       text_of(s->agent, "name"), text_of(s->agent, "static_key"));
	if (s->agent && opts.details)
		show_counters(json_object_get(s->agent, "limits"));
}

static void show_server(const struct status *s)
{
	const json_t *a = association(s);
	char since[HUMAN_MAX], heard[HUMAN_MAX];

	if (!a)
		return;
	if (associated(s)) {
		printf("server   %s, %sassociated%s for %s, last heard %s ago\n",
		       text_of(a, "server"), color_on(COLOR_GOOD), color_off(COLOR_GOOD),
		       human_ms(number_of(a, "since_ms"), since),
		       human_ms(number_of(a, "last_heard_ms"), heard));
		if (text_of(a, "twin")[0])
			printf("twin     %sanother host, at %s, has this host's identity%s: each pushes the other out\n",
			       color_on(COLOR_BAD), text_of(a, "twin"), color_off(COLOR_BAD));
		return;
	}
	printf("server   %s, %s%s%s", text_of(a, "server"), color_on(COLOR_BAD),
	       text_of(a, "state"), color_off(COLOR_BAD));
	if (text_of(a, "message")[0])
		printf(": %s", text_of(a, "message"));
	if (text_of(a, "error")[0])
		printf(" (%s)", text_of(a, "error"));
	putchar('\n');
}

static void show_limits(const struct status *s)
{
	for (const struct setting *set = settings; set->name; set++)
		if (set->max == 1)
			printf("setting  %s %s\n", set->name,
			       s->ns.num[set->attr] ? "on" : "off");
		else if (set->attr != SOTTO_A_NS_DATA_PORT)
			printf("%s  %s %u%s\n", strncmp(set->name, "max-", 4) ?
			       "setting" : "limit  ", set->name, s->ns.num[set->attr],
			       set->unit);
}

static void show_kernel(const struct status *s)
{
	char *addrs, *absent;

	if (!s->module)
		return;
	addrs = join(s->addresses);
	absent = join(s->absent);
	printf("address  %s\n", addrs[0] ? addrs : "none");
	if (absent[0])
		printf("         %son no device here%s: %s\n", color_on(COLOR_WARN),
		       color_off(COLOR_WARN), absent);
	free(absent);
	free(addrs);
	if (s->ns.num[SOTTO_A_NS_POLICIES])
		printf("policy   %u prefixes\n", s->ns.num[SOTTO_A_NS_POLICIES]);
	else
		puts("policy   none: nothing is protected");
	printf("tunnels  %u up, %u acquiring, %u failed, %u clear; %u SAs\n",
	       s->tunnels[SOTTO_TUNNEL_UP], s->tunnels[SOTTO_TUNNEL_ACQUIRING],
	       s->tunnels[SOTTO_TUNNEL_FAILED], s->tunnels[SOTTO_TUNNEL_CLEAR],
	       s->ns.num[SOTTO_A_NS_SAS]);
	if (s->ns.num[SOTTO_A_NS_QUEUED_PACKETS])
		printf("waiting  %u packets, %u bytes of memory\n",
		       s->ns.num[SOTTO_A_NS_QUEUED_PACKETS],
		       s->ns.num[SOTTO_A_NS_QUEUED_BYTES]);
	if (opts.details)
		show_limits(s);
}

static void show_text(const struct status *s)
{
	show_module(s);
	show_agent(s);
	show_server(s);
	show_kernel(s);
	if (s->next)
		printf("next     %s\n", s->next);
}

static json_t *module_json(const struct status *s)
{
	json_t *o;

	if (!s->module)
		return json_pack("{s:b, s:s*}", "loaded", 0, "refusal", s->refusal);
	o = json_pack("{s:b, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:i}", "loaded", 1,
		      "version", s->ns.version, "up", s->ns.up, "keylog", s->ns.keylog,
		      "policies", (int)s->ns.num[SOTTO_A_NS_POLICIES],
		      "sas", (int)s->ns.num[SOTTO_A_NS_SAS],
		      "acquires", (int)s->ns.num[SOTTO_A_NS_ACQUIRES],
		      "queued_packets", (int)s->ns.num[SOTTO_A_NS_QUEUED_PACKETS],
		      "queued_bytes", (int)s->ns.num[SOTTO_A_NS_QUEUED_BYTES]);
	json_object_set_new(o, "data_port", json_integer(s->ns.data_port));
	for (const struct setting *set = settings; set->name; set++)
		if (set->attr != SOTTO_A_NS_DATA_PORT)
			json_object_set_new(o, set->json, set->max == 1 ?
					    json_boolean(s->ns.num[set->attr]) :
					    json_integer(s->ns.num[set->attr]));
	return o;
}

static void show_json(const struct status *s)
{
	json_t *o = json_pack("{s:b, s:b, s:o, s:O, s:O, s:{s:i, s:i, s:i, s:i}}",
		"healthy", s->code == EXIT_OK, "enrolled", identity_exists(),
		"module", module_json(s), "addresses", s->addresses, "absent", s->absent, "tunnels",
		"up", (int)s->tunnels[SOTTO_TUNNEL_UP],
		"acquiring", (int)s->tunnels[SOTTO_TUNNEL_ACQUIRING],
		"failed", (int)s->tunnels[SOTTO_TUNNEL_FAILED],
		"clear", (int)s->tunnels[SOTTO_TUNNEL_CLEAR]);
	json_t *agent = s->agent ? json_copy(s->agent) : json_object();

	json_object_del(agent, "ok");
	json_object_set_new(agent, "running", json_boolean(s->agent));
	json_object_set_new(o, "agent", agent);
	if (s->next)
		json_object_set_new(o, "next", json_string(s->next));
	print_json(o);
}

int do_status(struct args *a)
{
	struct status s = { 0 };
	int ret = EXIT_OK;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	if (args_end(a, usage))
		return EXIT_USAGE;
	s.addresses = json_array();
	s.absent = json_array();
	if (sgenl_loaded())
		ret = gather_kernel(&s);
	else
		s.refusal = module_refusal();
	if (!ret)
		ret = state_readable();
	if (!ret) {
		s.agent = agent_ask("status");
		judge(&s);
		if (opts.json)
			show_json(&s);
		else
			show_text(&s);
		ret = s.code;
	}
	json_decref(s.agent);
	json_decref(s.addresses);
	json_decref(s.absent);
	return ret;
}
