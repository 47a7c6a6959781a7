// SPDX-License-Identifier: GPL-2.0
/*
 * sotto monitor: what happens, as it happens.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel.h"
#include "print.h"

static const char usage[] =
"Usage: sotto monitor\n"
"Prints events of this network namespace until it is interrupted: keys asked for,\n"
"come, changed and gone, drops and their causes. -j prints one JSON object a line.\n";

static const char *stamp(char buf[HUMAN_MAX])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return human_time(ts.tv_sec, ts.tv_nsec / 1000000, buf);
}

static enum color event_color(uint8_t type)
{
	switch (type) {
	case SOTTO_EVENT_KEYED:
	case SOTTO_EVENT_REKEYED:
	case SOTTO_EVENT_CONFIRMED:
		return COLOR_GOOD;
	case SOTTO_EVENT_REFUSED:
	case SOTTO_EVENT_DROP:
	case SOTTO_EVENT_SA_HARD:
		return COLOR_BAD;
	case SOTTO_EVENT_ACQUIRE:
	case SOTTO_EVENT_UNKNOWN_SPI:
	case SOTTO_EVENT_SA_SOFT:
		return COLOR_WARN;
	default:
		return COLOR_NONE;
	}
}

static void print_addrs(const struct sgenl_event *e)
{
	char buf[SOTTO_ADDR_STR];

	if (e->src.len)
		printf(" from %s", sotto_addr_str(&e->src, buf));
	if (e->port)
		printf(" port %u", e->port);
	if (e->dst.len)
		printf(" to %s", sotto_addr_str(&e->dst, buf));
}

static const char *policy_change(const struct sgenl_event *e)
{
	return e->has_action ? sgenl_action_name(e->action) : "removed";
}

static const char *event_prefix(const struct sgenl_event *e, char buf[SOTTO_PREFIX_STR])
{
	struct sotto_prefix p = { .addr = e->dst, .plen = e->plen };

	return sotto_prefix_str(&p, buf);
}

static void print_policy(const struct sgenl_event *e)
{
	char buf[SOTTO_PREFIX_STR];

	printf(" %s %s", e->dst.len ? event_prefix(e, buf) : "all", policy_change(e));
}

static void print_text(const struct sgenl_event *e)
{
	char when[HUMAN_MAX];
	enum color c = event_color(e->type);

	printf("%s %s%s%s", stamp(when), color_on(c), sgenl_event_name(e->type),
	       color_off(c));
	if (e->type == SOTTO_EVENT_POLICY)
		print_policy(e);
	else
		print_addrs(e);
	if (e->type == SOTTO_EVENT_SA_DELETED && !e->spi)
		printf(" all");		/* they may be a million */
	if (e->spi)
		printf(" spi 0x%08x", e->spi);
	if (e->has_dir)
		printf(" %s", sgenl_dir_name(e->dir));
	if (e->session)
		printf(" session %016" PRIx64, e->session);
	if (e->has_stat)
		printf(" %s", sgenl_stat_name(e->stat));
	if (e->reason)
		printf(": %s", sgenl_reason_text(e->reason));
	if (e->has_portid)
		printf(e->portid ? " registered (netlink port %u)" : " gone", e->portid);
	if (e->lost)
		printf(" (%u events before this one were left out)", e->lost);
	putchar('\n');
}

static void put_numbers(json_t *o, const struct sgenl_event *e)
{
	char buf[24];

	if (e->spi) {
		snprintf(buf, sizeof(buf), "0x%08x", e->spi);
		json_object_set_new(o, "spi", json_string(buf));
	}
	if (e->session) {
		snprintf(buf, sizeof(buf), "%016" PRIx64, e->session);
		json_object_set_new(o, "session", json_string(buf));
	}
	if (e->port)
		json_object_set_new(o, "source_port", json_integer(e->port));
	if (e->has_portid)
		json_object_set_new(o, "portid", json_integer(e->portid));
	if (e->lost)
		json_object_set_new(o, "lost", json_integer(e->lost));
}

static void put_policy(json_t *o, const struct sgenl_event *e)
{
	char buf[SOTTO_PREFIX_STR];

	if (e->dst.len)
		json_object_set_new(o, "prefix", json_string(event_prefix(e, buf)));
	json_object_set_new(o, "action", json_string(policy_change(e)));
}

static void print_line(const struct sgenl_event *e)
{
	char when[HUMAN_MAX];
	json_t *o = json_pack("{s:s, s:s}", "time", stamp(when),
			      "event", sgenl_event_name(e->type));

	if (!o)
		out_of_memory();
	if (e->src.len)
		json_object_set_new(o, "source", json_addr(&e->src));
	if (e->dst.len && e->type != SOTTO_EVENT_POLICY)
		json_object_set_new(o, "destination", json_addr(&e->dst));
	if (e->has_dir)
		json_object_set_new(o, "dir", json_string(sgenl_dir_name(e->dir)));
	if (e->has_stat)
		json_object_set_new(o, "stat", json_string(sgenl_stat_name(e->stat)));
	if (e->reason)
		json_object_set_new(o, "reason", json_string(sgenl_reason_name(e->reason)));
	if (e->type == SOTTO_EVENT_POLICY)
		put_policy(o, e);
	put_numbers(o, e);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static int on_event(uint8_t cmd, struct nlattr **tb, void *arg)
{
	struct sgenl_event e;

	(void)arg;
	/* one that makes no sense to this program does not end the monitor */
	if (cmd != SOTTO_CMD_EVENT || sgenl_parse_event(tb[SOTTO_A_EVENT], &e))
		return 0;
	if (!family_wanted(e.dst.len ? &e.dst : &e.src))
		return 0;
	if (opts.json)
		print_line(&e);
	else
		print_text(&e);
	fflush(stdout);
	return 0;
}

static int follow(struct sgenl *g)
{
	struct pollfd pfd = { .fd = sgenl_fd(g), .events = POLLIN };

	for (;;) {
		int ret;

		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return fail(EXIT_FAILED, "cannot wait for events: %s",
				    strerror(errno));
		ret = sgenl_read_events(g);
		if (ret == -ENOBUFS)
			warn("events were lost: this program could not keep up");
		else if (ret)
			return kernel_fail(g, ret, "receive events");
	}
}

int do_monitor(struct args *a)
{
	struct sgenl *g;
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	sgenl_on_event(g, on_event, NULL);
	ret = sgenl_listen(g);
	ret = ret ? kernel_fail(g, ret, "listen to events") : follow(g);
	kernel_close(g);
	return ret;
}
