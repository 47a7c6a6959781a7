// SPDX-License-Identifier: GPL-2.0
/*
 * sotto sa: security associations, one direction of a session each.
 */
#include "sa.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "gather.h"
#include "kernel.h"
#include "print.h"

const char sa_usage[] =
"Usage: sotto sa [ show ]\n"
"       sotto sa add { in | out } spi SPI peer ADDRESS[,ADDRESS...] cipher CIPHER\n"
"                    key-file { FILE | - } [ OPTIONS ]\n"
"       sotto sa del { in spi SPI | out id ID | session SESSION }\n"
"       CIPHER  := { aes256gcm | chacha20poly1305 }\n"
"       OPTIONS := [ mode { transport | tunnel } ] [ behind PREFIX[,PREFIX...] ]\n"
"                  [ reach PREFIX[,PREFIX...] ]\n"
"                  [ name NAME ] [ local ADDRESS[,...] ] [ session SESSION ]\n"
"                  [ sport PORT ] [ dport PORT ] [ seq NUMBER ]\n"
"                  [ soft-seconds N ] [ hard-seconds N ]\n"
"                  [ soft-packets N ] [ hard-packets N ]\n"
"                  [ soft-bytes N ] [ hard-bytes N ]\n"
"                  [ pair-spi SPI ] [ confirm ] [ probe ] [ confirm-seconds N ]\n"
"                  [ nat ] [ endpoint ADDRESS ] [ keepalive ]\n"
"The key file's first line is 0x and 72 hex digits: 32 bytes of key and 4 of salt,\n"
"as ip-xfrm(8) takes them. \"key 0x...\" works too, but every user of the machine\n"
"can read it while the command runs. In tunnel mode whole packets are carried; those\n"
"of an inbound SA may come from the peer's addresses and the networks behind it,\n"
"and go to ours and those behind us, of these only to \"reach\" if that is given.\n"
"\"nat\" on both SAs says that the peer is behind a NAT, \"keepalive\" that we are.\n";

static const struct column columns[] = {
	{ "DIR", false }, { "SPI", false }, { "ID", true }, { "PEER", false },
	{ "ADDRESSES", false }, { "MODE", false }, { "BEHIND", false },
	{ "CIPHER", false }, { "SESSION", false },
	{ "STATE", false }, { "SEQ", true }, { "PACKETS", true }, { "BYTES", true },
	{ "REPLAYS", true }, { "FORGED", true }, { "AGE", true }, { "EXPIRES", true },
};

static void addr_list(const struct sotto_addr *v, unsigned int n, char *out, size_t size)
{
	char buf[SOTTO_ADDR_STR];
	size_t len = 0;

	out[0] = 0;
	for (unsigned int i = 0; i < n && len < size; i++)
		len += snprintf(out + len, size - len, "%s%s", i ? "," : "",
				sotto_addr_str(&v[i], buf));
}

static void prefix_list(const struct sgenl_sa *sa, char *out, size_t size)
{
	char buf[SOTTO_PREFIX_STR];
	size_t len = 0;

	out[0] = 0;
	for (unsigned int i = 0; i < sa->n_peer_prefixes && len < size; i++)
		len += snprintf(out + len, size - len, "%s%s", i ? "," : "",
				sotto_prefix_str(&sa->peer_prefixes[i], buf));
}

static void add_counters(struct table *t, const struct sgenl_sa *sa)
{
	char buf[HUMAN_MAX];
	bool in = sa->dir == SOTTO_SA_IN;

	if (!opts.stats) {
		for (int i = 0; i < 5; i++)
			table_cell(t, COLOR_NONE, "%s", "");
		return;
	}
	table_cell(t, COLOR_NONE, "%" PRIu64, sa->seq);
	table_cell(t, COLOR_NONE, "%s", human_count(sa->packets, buf));
	table_cell(t, COLOR_NONE, "%s", human_bytes(sa->bytes, buf));
	table_cell(t, COLOR_NONE, in ? "%" PRIu64 : "", sa->replays);
	table_cell(t, COLOR_NONE, in ? "%" PRIu64 : "", sa->auth_failures);
}

static const char *sa_state(const struct sgenl_sa *sa)
{
	if (sa->dir == SOTTO_SA_IN)
		return sa->confirmed ? "confirmed" : "waiting";
	return sa->confirmed ? "in use" : "waiting";
}

static void add_row(struct table *t, const struct sgenl_sa *sa)
{
	char buf[HUMAN_MAX], addrs[SOTTO_ADDRS_MAX * SOTTO_ADDR_STR];
	char behind[SOTTO_PREFIXES_MAX * SOTTO_PREFIX_STR];
	bool out = sa->dir == SOTTO_SA_OUT;
	uint64_t hard_ms = sa->hard_seconds * 1000ull;

	addr_list(sa->peer_addrs, sa->n_peer_addrs, addrs, sizeof(addrs));
	table_cell(t, COLOR_NONE, "%s", sgenl_dir_name(sa->dir));
	table_cell(t, COLOR_NONE, "0x%08x", sa->spi);
	table_cell(t, COLOR_NONE, out ? "%u" : "", sa->id);
	table_cell(t, COLOR_NONE, "%s", sa->peer[0] ? sa->peer : "-");
	table_cell(t, COLOR_NONE, "%s", addrs);
	table_cell(t, COLOR_NONE, "%s", sgenl_mode_name(sa->mode));
	prefix_list(sa, behind, sizeof(behind));
	table_cell(t, COLOR_NONE, "%s", behind);
	table_cell(t, COLOR_NONE, "%s", sgenl_cipher_name(sa->cipher));
	if (sa->session)
		table_cell(t, COLOR_NONE, "%016" PRIx64, sa->session);
	else
		table_cell(t, COLOR_NONE, "by hand");
	table_cell(t, sa->confirmed ? COLOR_GOOD : COLOR_WARN, "%s", sa_state(sa));
	add_counters(t, sa);
	table_cell(t, COLOR_NONE, "%s", human_ms(sa->age_ms, buf));
	table_cell(t, COLOR_NONE, "%s", !hard_ms ? "" : human_ms(
		   hard_ms > sa->age_ms ? hard_ms - sa->age_ms : 0, buf));
}

static json_t *addrs_json(const struct sotto_addr *v, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_addr(&v[i]));
	return list;
}

static json_t *prefixes_json(const struct sotto_prefix *p, unsigned int n)
{
	json_t *list = json_array();
	char buf[SOTTO_PREFIX_STR];

	for (; n--; p++)
		json_array_append_new(list, json_string(sotto_prefix_str(p, buf)));
	return list;
}

static void put_limits(json_t *o, const struct sgenl_sa *sa)
{
	const struct {
		const char *name;
		uint64_t value;
	} limits[] = {
		{ "soft_seconds", sa->soft_seconds }, { "hard_seconds", sa->hard_seconds },
		{ "soft_packets", sa->soft_packets }, { "hard_packets", sa->hard_packets },
		{ "soft_bytes", sa->soft_bytes }, { "hard_bytes", sa->hard_bytes },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].value)
			json_object_set_new(o, limits[i].name,
					    json_integer((json_int_t)limits[i].value));
}

static void put_direction(json_t *o, const struct sgenl_sa *sa)
{
	char spi[16];

	if (sa->dir == SOTTO_SA_IN) {
		json_object_set_new(o, "replays", json_integer(sa->replays));
		json_object_set_new(o, "auth_failures", json_integer(sa->auth_failures));
		return;
	}
	json_object_set_new(o, "id", json_integer(sa->id));
	json_object_set_new(o, "sport", json_integer(sa->sport));
	json_object_set_new(o, "dport", json_integer(sa->dport));
	if (sa->pair_spi) {
		snprintf(spi, sizeof(spi), "0x%08x", sa->pair_spi);
		json_object_set_new(o, "pair_spi", json_string(spi));
	}
	if (sa->keepalive)
		json_object_set_new(o, "keepalive", json_true());
	if (!sa->endpoint.len)
		return;
	json_object_set_new(o, "endpoint", json_addr(&sa->endpoint));
	json_object_set_new(o, "endpoint_port", json_integer(sa->endpoint_port));
	json_object_set_new(o, "endpoint_changes", json_integer(sa->endpoint_changes));
}

static json_t *sa_json(const struct sgenl_sa *sa)
{
	char spi[16], session[24];
	json_t *o;

	snprintf(spi, sizeof(spi), "0x%08x", sa->spi);
	snprintf(session, sizeof(session), "%016" PRIx64, sa->session);
	o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:b, s:I, s:I, s:I, s:I}",
		      "dir", sgenl_dir_name(sa->dir), "spi", spi,
		      "session", session, "peer", sa->peer,
		      "peer_addresses", addrs_json(sa->peer_addrs, sa->n_peer_addrs),
		      "local_addresses", addrs_json(sa->local_addrs, sa->n_local_addrs),
		      "cipher", sgenl_cipher_name(sa->cipher),
		      "confirmed", sa->confirmed,
		      "seq", (json_int_t)sa->seq,
		      "packets", (json_int_t)sa->packets,
		      "bytes", (json_int_t)sa->bytes,
		      "age_ms", (json_int_t)sa->age_ms);
	if (!o)
		out_of_memory();
	json_object_set_new(o, "mode", json_string(sgenl_mode_name(sa->mode)));
	if (sa->nat)
		json_object_set_new(o, "nat", json_true());
	if (sa->n_peer_prefixes)
		json_object_set_new(o, "peer_prefixes",
				    prefixes_json(sa->peer_prefixes, sa->n_peer_prefixes));
	if (sa->n_local_prefixes)
		json_object_set_new(o, "local_prefixes",
				    prefixes_json(sa->local_prefixes, sa->n_local_prefixes));
	put_limits(o, sa);
	put_direction(o, sa);
	return o;
}

static bool sa_wanted(const struct sgenl_sa *sa)
{
	for (unsigned int i = 0; i < sa->n_peer_addrs; i++)
		if (family_wanted(&sa->peer_addrs[i]))
			return true;
	return !sa->n_peer_addrs;
}

static void show_json(const struct sgenl_sa *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (sa_wanted(&v[i]))
			json_array_append_new(list, sa_json(&v[i]));
	print_json(list);
}

static void show_text(const struct sgenl_sa *v, size_t n)
{
	struct table t;

	if (!n) {
		puts("No security associations.");
		return;
	}
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < n; i++)
		if (sa_wanted(&v[i]))
			add_row(&t, &v[i]);
	table_print(&t);
}

/* Both directions of a session stand together. */
static int by_session(const void *a, const void *b)
{
	const struct sgenl_sa *x = a, *y = b;

	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	if (x->dir != y->dir)
		return x->dir - y->dir;
	return x->spi < y->spi ? -1 : x->spi > y->spi;
}

static int sa_show(struct args *a)
{
	struct sgenl_sa *v;
	struct sgenl *g;
	size_t n;
	int ret;

	if (args_end(a, sa_usage))
		return EXIT_USAGE;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = sgenl_list_sas(g, &v, &n);
	if (!ret) {
		if (n)
			qsort(v, n, sizeof(*v), by_session);
		if (opts.json)
			show_json(v, n);
		else
			show_text(v, n);
		free(v);
	}
	return kernel_done(g, ret, "list the SAs");
}

static int del_in(const char *text)
{
	uint32_t spi;

	if (parse_spi(text, &spi))
		return EXIT_USAGE;
	return gather_del(SGENL_SA_BY_SPI, spi, "the SA in", text);
}

static int del_out(const char *text)
{
	uint64_t id;

	if (parse_number(text, "SA id", 0, UINT32_MAX, &id))
		return EXIT_USAGE;
	return gather_del(SGENL_SA_BY_ID, id, "the SA out", text);
}

static int del_session(const char *text)
{
	uint64_t session;

	if (parse_session(text, &session))
		return EXIT_USAGE;
	return gather_del(SGENL_SA_BY_SESSION, session, "the SAs of session", text);
}

static int run_del(struct args *a, int (*fn)(const char *), const char *name)
{
	const char *text = args_value(a, name);

	if (!text || args_end(a, sa_usage))
		return EXIT_USAGE;
	return fn(text);
}

static int sa_del(struct args *a)
{
	if (args_is(a, "session"))
		return run_del(a, del_session, "session");
	if (args_is(a, "in")) {
		if (args_is(a, "spi"))
			return run_del(a, del_in, "spi");
		return usage_error(sa_usage, "an inbound SA is deleted by its \"spi\"");
	}
	if (args_is(a, "out")) {
		if (args_is(a, "id"))
			return run_del(a, del_out, "id");
		return usage_error(sa_usage, "an outbound SA is deleted by its \"id\"");
	}
	return usage_error(sa_usage, "say which SA: in, out or session");
}

static const struct command commands[] = {
	{ "show", sa_show },
	{ "list", sa_show },
	{ "add", sa_add },
	{ "del", sa_del },
	{ NULL, NULL },
};

int do_sa(struct args *a)
{
	return dispatch(a, "sa", commands, sa_show, sa_usage);
}
