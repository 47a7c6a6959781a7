// SPDX-License-Identifier: GPL-2.0
/*
 * sotto trace: what would happen to a packet, and why.
 */
#include "cli.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "kernel.h"
#include "print.h"
#include "trace.h"
#include "tunnel.h"

static const char usage[] =
"Usage: sotto trace ADDRESS [ from ADDRESS ]\n"
"Says what would happen to a packet to ADDRESS, on the whole way to its key: policy,\n"
"agent, association, what the server says of the peer; and what is wrong first. No\n"
"packet is sent, and no key is asked for.\n";

static void print_policy(const struct sgenl_trace *t)
{
	char buf[SOTTO_PREFIX_STR], gateway[SOTTO_ADDR_STR];

	if (!t->has_policy) {
		printf("  policy    none fits: bypass\n");
		return;
	}
	printf("  policy    %s %s", sotto_prefix_str(&t->policy.prefix, buf),
	       sgenl_action_name(t->policy.action));
	if (t->policy.gateway.len)
		printf(" via %s", sotto_addr_str(&t->policy.gateway, gateway));
	putchar('\n');
}

static void print_tunnel(const struct sgenl_tunnel *t)
{
	char buf[HUMAN_MAX], peer[sizeof(t->peer)];

	printf("  tunnel    %s", sgenl_state_name(t->state));
	if (t->peer[0])
		printf(" with %s", plain(strcpy(peer, t->peer)));
	if (t->state == SOTTO_TUNNEL_UP)
		printf(", %s mode, %s, spi 0x%08x", sgenl_mode_name(t->mode),
		       sgenl_cipher_name(t->cipher), t->spi_out);
	if (t->reason)
		printf(": %s", sgenl_reason_text(t->reason));
	if (t->hold_ms)
		printf(" (asks again in %s)", human_ms(t->hold_ms, buf));
	if (t->queued)
		printf(", %u packets wait", t->queued);
	putchar('\n');
}

static const char *device(uint32_t oif, char buf[IF_NAMESIZE])
{
	return oif && if_indextoname(oif, buf) ? buf : NULL;
}

static json_t *ask_agent(const struct sotto_addr *dst)
{
	json_t *req = json_pack("{s:s, s:o}", "cmd", "trace", "address", json_addr(dst));

	return agent_asked(req);
}

static void print_way(const json_t *a)
{
	const json_t *s = json_object_get(a, "session");
	char buf[HUMAN_MAX];

	if (!a)
		return;
	printf("  agent     %s%s%s\n", text_of(a, "association"),
	       strcmp(text_of(a, "association"), "associated") ? ", server " : " with ",
	       text_of(a, "server"));
	if (json_is_object(s))
		printf("  session   %s with %s, %s, made %s ago\n", text_of(s, "id"),
		       text_of(s, "peer"), json_is_true(json_object_get(s, "confirmed")) ?
		       "confirmed" : "not confirmed yet",
		       human_ms(number_of(s, "age_ms"), buf));
	if (text_of(a, "verdict")[0])
		printf("  server    %s: %s\n", text_of(a, "verdict"), text_of(a, "verdict_text"));
}

static void print_fault(const struct trace_fault *f)
{
	printf("  %swrong%s     %s: %s (%s)\n", color_on(COLOR_BAD), color_off(COLOR_BAD),
	       f->where, f->text, f->what);
	if (f->advice[0])
		printf("  next      %s\n", f->advice);
}

static void print_text(const struct sgenl_trace *t, const json_t *a)
{
	struct trace_fault f;
	char dst[SOTTO_ADDR_STR], src[SOTTO_ADDR_STR], dev[IF_NAMESIZE];
	unsigned int v = t->verdict;

	printf("A packet to %s", sotto_addr_str(&t->dst, dst));
	if (t->src.len)
		printf(" from %s", sotto_addr_str(&t->src, src));
	if (!trace_verdict(v)) {
		printf(": this program does not know verdict %u\n", v);
		return;
	}
	printf("\n  %s%s%s\n", color_on(trace_verdict(v)->color),
	       trace_verdict(v)->text, color_off(trace_verdict(v)->color));
	if (device(t->oif, dev))
		printf("  device    %s\n", dev);
	print_policy(t);
	if (t->has_tunnel)
		print_tunnel(&t->tunnel);
	if (t->mtu)
		printf("  mtu       %u bytes fit without fragmenting\n", t->mtu);
	print_way(a);
	if (trace_first_fault(t, a, &f))
		print_fault(&f);
}

static void show_json(const struct sgenl_trace *t, json_t *a)
{
	struct trace_fault f;
	json_t *o = json_pack("{s:o, s:s}", "destination", json_addr(&t->dst),
			      "verdict", sgenl_verdict_name(t->verdict));
	char dev[IF_NAMESIZE], buf[SOTTO_PREFIX_STR];

	if (!o)
		out_of_memory();
	if (t->src.len)
		json_object_set_new(o, "source", json_addr(&t->src));
	if (device(t->oif, dev))
		json_object_set_new(o, "device", json_string(dev));
	if (t->has_policy)
		json_object_set_new(o, "policy", json_pack("{s:s, s:s}",
			"prefix", sotto_prefix_str(&t->policy.prefix, buf),
			"action", sgenl_action_name(t->policy.action)));
	if (t->policy.gateway.len)
		json_object_set_new(o, "gateway", json_addr(&t->policy.gateway));
	if (t->has_tunnel)
		json_object_set_new(o, "tunnel", tunnel_json(&t->tunnel));
	if (t->mtu)
		json_object_set_new(o, "mtu", json_integer(t->mtu));
	if (a)
		json_object_set(o, "agent", a);
	if (trace_first_fault(t, a, &f))
		json_object_set_new(o, "wrong", json_pack("{s:s, s:s, s:s, s:s*}",
			"where", f.where, "what", f.what, "text", f.text,
			"next", f.advice[0] ? f.advice : NULL));
	print_json(o);
}

static int ask(const struct sotto_addr *dst, const struct sotto_addr *src,
	       const char *text)
{
	struct sgenl_trace t;
	struct sgenl *g;
	json_t *a;
	int ret = kernel_open(&g);

	if (ret)
		return ret;
	a = ask_agent(dst);
	json_object_del(a, "ok");
	ret = sgenl_trace(g, dst, src, &t);
	if (!ret && opts.json)
		show_json(&t, a);
	else if (!ret)
		print_text(&t, a);
	json_decref(a);
	return kernel_done(g, ret, "trace a packet to %s", text);
}

int do_trace(struct args *a)
{
	struct sotto_addr dst, src;
	const char *to, *from;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	to = args_next(a);
	if (!to)
		return usage_error(usage, "say an address");
	if (parse_address(to, &dst))
		return EXIT_USAGE;
	if (!args_is(a, "from"))
		return args_end(a, usage) ? EXIT_USAGE : ask(&dst, NULL, to);
	from = args_value(a, "from");
	if (!from || parse_address(from, &src) || args_end(a, usage))
		return EXIT_USAGE;
	if (src.len != dst.len)
		return fail(EXIT_USAGE, "%s and %s are of different families", to, from);
	return ask(&dst, &src, to);
}
