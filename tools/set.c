// SPDX-License-Identifier: GPL-2.0
/*
 * sotto set: settings and limits of the namespace.
 */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "kernel.h"

static const char usage[] =
"Usage: sotto set NAME VALUE\n"
"       NAME := { data-port            UDP port of encrypted packets; while down\n"
"               | max-tunnels          destinations known at one time\n"
"               | max-sas              SAs, both directions together\n"
"               | max-policies         prefixes\n"
"               | max-acquires         destinations that wait for keys at one time\n"
"               | max-queue-packets    packets that wait, per destination\n"
"               | max-queue-bytes      the same in bytes of memory\n"
"               | max-ns-queue-packets packets that wait, in all\n"
"               | max-ns-queue-bytes   the same in bytes of memory\n"
"               | acquire-timeout      milliseconds that a packet waits\n"
"               | event-rate           events per second to the agent\n"
"               | gso                  on: bursts leave as bursts; off: as packets\n"
"               | gro                  on: the kernel merges what comes in into bursts\n"
"               | control-port         UDP port of an authentication server here, whose\n"
"                                      packets pass in the clear; 0 for none\n"
"               | keepalive            seconds of silence until a NAT in front of us is\n"
"                                      reminded; 0 for never }\n"
"\"sotto status -d\" shows what is set. It lasts until the namespace or module goes.\n";

const struct setting settings[] = {
	{ "data-port", "data_port", SOTTO_A_NS_DATA_PORT, 1, 65535, "" },
	{ "max-tunnels", "max_tunnels", SOTTO_A_NS_MAX_TUNNELS, 1, UINT32_MAX, "" },
	{ "max-sas", "max_sas", SOTTO_A_NS_MAX_SAS, 1, UINT32_MAX, "" },
	{ "max-policies", "max_policies", SOTTO_A_NS_MAX_POLICIES, 1, UINT32_MAX, "" },
	{ "max-acquires", "max_acquires", SOTTO_A_NS_MAX_ACQUIRES, 1, UINT32_MAX, "" },
	{ "max-queue-packets", "max_queue_packets",
	  SOTTO_A_NS_MAX_QUEUE_PACKETS, 1, UINT32_MAX, "" },
	{ "max-queue-bytes", "max_queue_bytes",
	  SOTTO_A_NS_MAX_QUEUE_BYTES, 1, UINT32_MAX, "" },
	{ "max-ns-queue-packets", "max_ns_queue_packets",
	  SOTTO_A_NS_MAX_NS_QUEUE_PACKETS, 1, UINT32_MAX, "" },
	{ "max-ns-queue-bytes", "max_ns_queue_bytes",
	  SOTTO_A_NS_MAX_NS_QUEUE_BYTES, 1, UINT32_MAX, "" },
	{ "acquire-timeout", "acquire_timeout_ms",
	  SOTTO_A_NS_ACQUIRE_TIMEOUT, 1, UINT32_MAX, " ms" },
	{ "event-rate", "event_rate", SOTTO_A_NS_EVENT_RATE, 1, UINT32_MAX, " a second" },
	{ "gso", "gso", SOTTO_A_NS_GSO, 0, 1, "" },
	{ "gro", "gro", SOTTO_A_NS_GRO, 0, 1, "" },
	{ "control-port", "control_port", SOTTO_A_NS_CONTROL_PORT, 0, 65535, "" },
	{ "keepalive", "keepalive_s", SOTTO_A_NS_KEEPALIVE, 0, 3600, " s" },
	{ NULL, NULL, 0, 0, 0, NULL },
};

static const struct setting *find(const char *name)
{
	for (const struct setting *s = settings; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

static int unknown(const char *name)
{
	struct command names[SETTINGS_MAX + 1] = { 0 };
	const char *near;

	for (int i = 0; settings[i].name; i++)
		names[i].name = settings[i].name;
	near = suggest(name, names);
	if (near)
		return fail(EXIT_USAGE, "there is no setting \"%s\"; did you mean \"%s\"?",
			    name, near);
	return usage_error(usage, "there is no setting \"%s\"", name);
}

/* A switch is on or off, and everything else a number. */
static int parse_value(const struct setting *s, const char *text, uint64_t *value)
{
	if (s->max > 1)
		return parse_number(text, s->name, s->min, s->max, value);
	*value = !strcmp(text, "on");
	if (!*value && strcmp(text, "off"))
		return usage_error(usage, "%s takes \"on\" or \"off\", not \"%s\"", s->name,
				   text);
	return 0;
}

int do_set(struct args *a)
{
	const struct setting *s;
	const char *name, *text;
	struct sgenl *g;
	uint64_t value;
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	name = args_next(a);
	if (!name)
		return usage_error(usage, "say what to set");
	s = find(name);
	if (!s)
		return unknown(name);
	text = args_value(a, name);
	if (!text || parse_value(s, text, &value) ||
	    args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	return kernel_done(g, sgenl_ns_set(g, s->attr, value), "set %s to %s", name, text);
}
