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
#include "tunnel.h"

static const char usage[] =
"Usage: sotto trace ADDRESS [ from ADDRESS ]\n"
"Says what would happen to a packet to ADDRESS, on the whole way to its key: policy,\n"
"agent, association, what the server says of the peer; and what is wrong first. No\n"
"packet is sent, and no key is asked for.\n";

/* Verdict, sentence and advice, by enum sotto_verdict. */
static const struct {
	enum color color;
	const char *text;
	const char *advice;
} verdicts[] = {
	[SOTTO_VERDICT_PASS_DOWN] = { COLOR_WARN,
		"leaves in the clear: the shim is down here",
		"\"sotto up\" brings it up" },
	[SOTTO_VERDICT_PASS_EXEMPT] = { COLOR_NONE,
		"passes: multicast, broadcast and local traffic is exempt", NULL },
	[SOTTO_VERDICT_PASS_BYPASS] = { COLOR_NONE,
		"leaves in the clear: policy does not ask for protection", NULL },
	[SOTTO_VERDICT_PASS_CLEAR] = { COLOR_WARN,
		"leaves in the clear: encryption is preferred, but the other end is no member",
		NULL },
	[SOTTO_VERDICT_SEAL] = { COLOR_GOOD, "is encrypted: keys are there", NULL },
	[SOTTO_VERDICT_QUEUE] = { COLOR_WARN,
		"waits until keys are there, then is encrypted",
		"\"sotto status\" says whether the agent can get keys" },
	[SOTTO_VERDICT_DROP_BLOCK] = { COLOR_BAD, "is dropped: policy blocks it",
		"\"sotto policy show\" has the prefix" },
	[SOTTO_VERDICT_DROP_SOURCE] = { COLOR_BAD,
		"is dropped: its source address is not one of this host in the realm",
		"compare \"sotto addr show\"; a source can be given with \"from\"" },
	[SOTTO_VERDICT_DROP_FAILED] = { COLOR_BAD, "is dropped: keys were refused",
		"it is tried again when the hold time is over; \"sotto tunnel del\" does so now" },
	[SOTTO_VERDICT_DROP_LIMIT] = { COLOR_BAD, "is dropped: a limit is reached",
		"\"sotto status -d\" shows the limits, \"sotto set\" changes them" },
	[SOTTO_VERDICT_NO_ROUTE] = { COLOR_BAD, "is never made: there is no route to it",
		"look at \"ip route get\"" },
};

#define N_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

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

/* ---- the way of a key ---- */

/** struct fault - the first thing on the way that is wrong */
struct fault {
	const char *where;	/* "shim", "policy", "agent", "association", "server", "tunnel" */
	const char *what;	/* stable name */
	const char *text, *advice;
};

static bool kernel_fault(const struct sgenl_trace *t, struct fault *f)
{
	unsigned int v = t->verdict;

	*f = (struct fault){ .what = sgenl_verdict_name(v) };
	switch (v) {
	case SOTTO_VERDICT_PASS_DOWN:
		f->where = "shim";
		break;
	case SOTTO_VERDICT_PASS_BYPASS:
	case SOTTO_VERDICT_DROP_BLOCK:
	case SOTTO_VERDICT_DROP_SOURCE:
		f->where = "policy";
		break;
	case SOTTO_VERDICT_NO_ROUTE:
		f->where = "route";
		break;
	default:
		return false;
	}
	f->text = verdicts[v].text;
	f->advice = verdicts[v].advice;
	return true;
}

static bool agent_fault(const json_t *a, struct fault *f)
{
	const char *state = text_of(a, "association"), *verdict = text_of(a, "verdict");

	*f = (struct fault){ 0 };
	if (!a) {
		f->where = "agent";
		f->what = "not_running";
		f->text = "the agent does not run here";
		f->advice = "\"sotto up\" starts it";
	} else if (strcmp(state, "associated")) {
		f->where = "association";
		f->what = state;
		f->text = text_of(a, "trouble");
		f->advice = text_of(a, "advice");
	} else if (strcmp(verdict, "granted")) {
		f->where = "server";
		f->what = verdict[0] ? verdict : "no_answer";
		f->text = verdict[0] ? text_of(a, "verdict_text") : "it does not answer";
	}
	return f->where;
}

/* The pin that does not fit is here, or there. */
static const char *pin_advice(const json_t *a)
{
	const char *here = text_of(a, "pin_advice");

	return here[0] ? here : "the other host has pinned another key of this one: "
	       "\"sotto peer pin\" there, with the name and key that \"sotto status\" shows here";
}

static bool tunnel_fault(const struct sgenl_trace *t, const json_t *a, struct fault *f)
{
	*f = (struct fault){ 0 };
	if (!t->has_tunnel || t->tunnel.state != SOTTO_TUNNEL_FAILED)
		return false;
	f->where = "tunnel";
	f->what = sgenl_reason_name(t->tunnel.reason);
	f->text = sgenl_reason_text(t->tunnel.reason);
	f->advice = t->tunnel.reason == SOTTO_REASON_PIN ? pin_advice(a) : NULL;
	return true;
}

/* From here to the peer; keys that are there need nobody's leave. */
static bool first_fault(const struct sgenl_trace *t, const json_t *a, struct fault *f)
{
	if (kernel_fault(t, f))
		return true;
	if (t->verdict == SOTTO_VERDICT_SEAL || t->verdict == SOTTO_VERDICT_PASS_EXEMPT ||
	    t->verdict == SOTTO_VERDICT_PASS_CLEAR)
		return false;
	return agent_fault(a, f) || tunnel_fault(t, a, f);
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
	printf("  agent     %s with %s\n", text_of(a, "association"), text_of(a, "server"));
	if (json_is_object(s))
		printf("  session   %s with %s, %s, made %s ago\n", text_of(s, "id"),
		       text_of(s, "peer"), json_is_true(json_object_get(s, "confirmed")) ?
		       "confirmed" : "not confirmed yet",
		       human_ms(number_of(s, "age_ms"), buf));
	if (text_of(a, "verdict")[0])
		printf("  server    %s: %s\n", text_of(a, "verdict"), text_of(a, "verdict_text"));
}

static void print_fault(const struct fault *f)
{
	printf("  %swrong%s     %s: %s (%s)\n", color_on(COLOR_BAD), color_off(COLOR_BAD),
	       f->where, f->text, f->what);
	if (f->advice && f->advice[0])
		printf("  next      %s\n", f->advice);
}

static void print_text(const struct sgenl_trace *t, const json_t *a)
{
	struct fault f;
	char dst[SOTTO_ADDR_STR], src[SOTTO_ADDR_STR], dev[IF_NAMESIZE];
	unsigned int v = t->verdict;

	printf("A packet to %s", sotto_addr_str(&t->dst, dst));
	if (t->src.len)
		printf(" from %s", sotto_addr_str(&t->src, src));
	if (v >= N_VERDICTS || !verdicts[v].text) {
		printf(": this program does not know verdict %u\n", v);
		return;
	}
	printf("\n  %s%s%s\n", color_on(verdicts[v].color), verdicts[v].text,
	       color_off(verdicts[v].color));
	if (device(t->oif, dev))
		printf("  device    %s\n", dev);
	print_policy(t);
	if (t->has_tunnel)
		print_tunnel(&t->tunnel);
	if (t->mtu)
		printf("  mtu       %u bytes fit without fragmenting\n", t->mtu);
	print_way(a);
	if (first_fault(t, a, &f))
		print_fault(&f);
}

static void show_json(const struct sgenl_trace *t, json_t *a)
{
	struct fault f;
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
	if (first_fault(t, a, &f))
		json_object_set_new(o, "wrong", json_pack("{s:s, s:s, s:s, s:s*}",
			"where", f.where, "what", f.what, "text", f.text,
			"next", f.advice && f.advice[0] ? f.advice : NULL));
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
