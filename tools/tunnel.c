// SPDX-License-Identifier: GPL-2.0
/*
 * sotto tunnel: what the kernel holds for each destination.
 */
#include "tunnel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "kernel.h"

static const char usage[] =
"Usage: sotto tunnel [ show [ ADDRESS ] ]\n"
"       sotto tunnel del ADDRESS\n"
"       sotto tunnel flush\n"
"-s adds packets, bytes and drops; -d the session, path MTU and first packet's wait.\n";

static const struct column columns[] = {
	{ "DESTINATION", false }, { "PEER", false }, { "STATE", false },
	{ "CIPHER", false }, { "SPI", false }, { "ENDPOINT", false }, { "QUEUED", true },
	{ "PACKETS", true }, { "BYTES", true }, { "DROPS", true },
	{ "SESSION", false }, { "PMTU", true }, { "FIRST", true },
	{ "AGE", true }, { "IDLE", true }, { "WHY", false },
};

static enum color state_color(uint8_t state)
{
	switch (state) {
	case SOTTO_TUNNEL_UP:
		return COLOR_GOOD;
	case SOTTO_TUNNEL_FAILED:
		return COLOR_BAD;
	default:
		return COLOR_WARN;
	}
}

static bool has_reason(const struct sgenl_tunnel *t)
{
	return t->reason != SOTTO_REASON_NONE;
}

static void add_counters(struct table *tab, const struct sgenl_tunnel *t)
{
	char buf[HUMAN_MAX];

	if (!opts.stats) {
		for (int i = 0; i < 3; i++)
			table_cell(tab, COLOR_NONE, "%s", "");
		return;
	}
	table_cell(tab, COLOR_NONE, "%s", human_count(t->tx_packets, buf));
	table_cell(tab, COLOR_NONE, "%s", human_bytes(t->tx_bytes, buf));
	table_cell(tab, t->drops ? COLOR_WARN : COLOR_NONE, "%" PRIu64, t->drops);
}

static void add_details(struct table *tab, const struct sgenl_tunnel *t)
{
	char buf[HUMAN_MAX];

	if (!opts.details) {
		for (int i = 0; i < 3; i++)
			table_cell(tab, COLOR_NONE, "%s", "");
		return;
	}
	table_cell(tab, COLOR_NONE, t->session ? "%016" PRIx64 : "", t->session);
	table_cell(tab, COLOR_NONE, t->pmtu ? "%u" : "", t->pmtu);
	table_cell(tab, COLOR_NONE, "%s", t->first_us ? human_us(t->first_us, buf) : "");
}

static void add_why(struct table *tab, const struct sgenl_tunnel *t)
{
	char buf[HUMAN_MAX];

	if (!has_reason(t))
		table_cell(tab, COLOR_NONE, "%s", "");
	else
		table_cell(tab, COLOR_NONE, "%s; %s in %s", sgenl_reason_text(t->reason),
			   t->state == SOTTO_TUNNEL_ACQUIRING ? "gives up" : "asks again",
			   human_ms(t->hold_ms, buf));
}

/* Where a peer behind a NAT is. */
static void add_endpoint(struct table *tab, const struct sgenl_tunnel *t)
{
	char addr[SOTTO_ADDR_STR];

	if (t->endpoint.len)
		table_cell(tab, COLOR_NONE, t->endpoint.len == 4 ? "%s:%u" : "[%s]:%u",
			   sotto_addr_str(&t->endpoint, addr), t->endpoint_port);
	else
		table_cell(tab, COLOR_NONE, "%s", "");
}

static void add_row(struct table *tab, const struct sgenl_tunnel *t)
{
	char addr[SOTTO_ADDR_STR], buf[HUMAN_MAX];
	bool up = t->state == SOTTO_TUNNEL_UP;

	table_cell(tab, COLOR_NONE, "%s", sotto_addr_str(&t->dst, addr));
	table_cell(tab, COLOR_NONE, "%s", t->peer[0] ? t->peer : "-");
	table_cell(tab, state_color(t->state), "%s", sgenl_state_name(t->state));
	table_cell(tab, COLOR_NONE, "%s", up ? sgenl_cipher_name(t->cipher) : "");
	table_cell(tab, COLOR_NONE, up ? "0x%08x" : "", t->spi_out);
	add_endpoint(tab, t);
	table_cell(tab, COLOR_NONE, t->queued ? "%u" : "", t->queued);
	add_counters(tab, t);
	add_details(tab, t);
	table_cell(tab, COLOR_NONE, "%s", human_ms(t->age_ms, buf));
	table_cell(tab, COLOR_NONE, "%s", human_ms(t->idle_ms, buf));
	add_why(tab, t);
}

json_t *tunnel_json(const struct sgenl_tunnel *t)
{
	char spi[16], session[24];
	json_t *o = json_pack("{s:o, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I}",
			      "destination", json_addr(&t->dst),
			      "state", sgenl_state_name(t->state),
			      "queued_packets", (int)t->queued,
			      "age_ms", (json_int_t)t->age_ms,
			      "idle_ms", (json_int_t)t->idle_ms,
			      "first_packet_us", (json_int_t)t->first_us,
			      "tx_packets", (json_int_t)t->tx_packets,
			      "tx_bytes", (json_int_t)t->tx_bytes,
			      "drops", (json_int_t)t->drops);

	if (!o)
		out_of_memory();
	if (t->peer[0])
		json_object_set_new(o, "peer", json_string(t->peer));
	if (has_reason(t)) {
		json_object_set_new(o, "reason", json_string(sgenl_reason_name(t->reason)));
		json_object_set_new(o, "hold_ms", json_integer(t->hold_ms));
	}
	if (t->pmtu)
		json_object_set_new(o, "pmtu", json_integer(t->pmtu));
	if (t->endpoint.len) {
		json_object_set_new(o, "endpoint", json_addr(&t->endpoint));
		json_object_set_new(o, "endpoint_port", json_integer(t->endpoint_port));
	}
	if (t->state == SOTTO_TUNNEL_UP) {
		snprintf(spi, sizeof(spi), "0x%08x", t->spi_out);
		snprintf(session, sizeof(session), "%016" PRIx64, t->session);
		json_object_set_new(o, "spi_out", json_string(spi));
		json_object_set_new(o, "session", json_string(session));
		json_object_set_new(o, "cipher", json_string(sgenl_cipher_name(t->cipher)));
		json_object_set_new(o, "mode", json_string(sgenl_mode_name(t->mode)));
	}
	return o;
}

static int by_destination(const void *a, const void *b)
{
	const struct sgenl_tunnel *x = a, *y = b;

	return sotto_addr_cmp(&x->dst, &y->dst);
}

static void show_json(const struct sgenl_tunnel *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i].dst))
			json_array_append_new(list, tunnel_json(&v[i]));
	print_json(list);
}

static void show_text(const struct sgenl_tunnel *v, size_t n)
{
	struct table tab;

	if (!n) {
		puts("No tunnels: no protected destination is spoken to now.");
		return;
	}
	table_init(&tab, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < n; i++)
		if (family_wanted(&v[i].dst))
			add_row(&tab, &v[i]);
	table_print(&tab);
}

static int show_one(const char *text)
{
	struct sotto_addr dst;
	struct sgenl_tunnel t;
	struct sgenl *g;
	int ret;

	if (parse_address(text, &dst))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = sgenl_tunnel_get(g, &dst, &t);
	if (!ret && opts.json)
		show_json(&t, 1);
	else if (!ret)
		show_text(&t, 1);
	return kernel_done(g, ret, "show the tunnel to %s", text);
}

static int show_all(void)
{
	struct sgenl_tunnel *v;
	struct sgenl *g;
	size_t n;
	int ret = kernel_open(&g);

	if (ret)
		return ret;
	ret = sgenl_list_tunnels(g, &v, &n);
	if (!ret) {
		if (n)
			qsort(v, n, sizeof(*v), by_destination);
		if (opts.json)
			show_json(v, n);
		else
			show_text(v, n);
		free(v);
	}
	return kernel_done(g, ret, "list the tunnels");
}

static int tunnel_show(struct args *a)
{
	const char *text = args_next(a);

	if (args_end(a, usage))
		return EXIT_USAGE;
	return text ? show_one(text) : show_all();
}

static int tunnel_del(struct args *a)
{
	const char *text = args_the(a, "del", "an address");
	struct sotto_addr dst;
	struct sgenl *g;
	int ret;

	if (!text || parse_address(text, &dst) || args_end(a, usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	return kernel_done(g, sgenl_tunnel_del(g, &dst), "delete the tunnel to %s", text);
}

static int tunnel_flush(struct args *a)
{
	if (args_end(a, usage))
		return EXIT_USAGE;
	return kernel_run(sgenl_tunnel_flush, "flush the tunnels");
}

static const struct command commands[] = {
	{ "show", tunnel_show },
	{ "list", tunnel_show },
	{ "del", tunnel_del },
	{ "flush", tunnel_flush },
	{ NULL, NULL },
};

int do_tunnel(struct args *a)
{
	return dispatch(a, "tunnel", commands, tunnel_show, usage);
}
