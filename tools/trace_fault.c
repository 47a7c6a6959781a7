// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong first on the way from a packet to its key, and what to do about it.
 */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../uapi/linux/sotto.h"
#include "daemon.h"

#define SILENT_MS 2000	/* so long a peer may take, from anywhere */

/* Verdict, sentence and advice, by enum sotto_verdict. */
static const struct trace_verdict verdicts[] = {
	[SOTTO_VERDICT_PASS_DOWN] = { COLOR_WARN,
		"leaves in the clear: the shim is down here",
		"\"sotto up\" brings it up" },
	[SOTTO_VERDICT_PASS_EXEMPT] = { COLOR_NONE,
		"passes: multicast, broadcast and local traffic is exempt", NULL },
	[SOTTO_VERDICT_PASS_BYPASS] = { COLOR_NONE,
		"leaves in the clear: policy does not ask for protection",
		"if it should: \"sotto realm policy add PREFIX protect\" on the gateway" },
	[SOTTO_VERDICT_PASS_CLEAR] = { COLOR_WARN,
		"leaves in the clear: encryption is preferred, but the other end is no member",
		NULL },
	[SOTTO_VERDICT_SEAL] = { COLOR_GOOD, "is encrypted: keys are there", NULL },
	[SOTTO_VERDICT_QUEUE] = { COLOR_WARN,
		"waits until keys are there, then is encrypted",
		"\"sotto status\" says whether the agent can get keys" },
	[SOTTO_VERDICT_DROP_BLOCK] = { COLOR_BAD, "is dropped: policy blocks it",
		"\"sotto policy show\" says whose the prefix is: the realm's, or this host's" },
	[SOTTO_VERDICT_DROP_SOURCE] = { COLOR_BAD,
		"is dropped: its source address is not one of this host in the realm",
		"compare \"sotto addr show\": if this host has got another address, give it that one "
		"by \"sotto member set\" on the gateway, or give the route a source (\"src\") that "
		"is there" },
	[SOTTO_VERDICT_DROP_FAILED] = { COLOR_BAD, "is dropped: keys were refused",
		"it is tried again when the hold time is over; \"sotto tunnel del\" does so now" },
	[SOTTO_VERDICT_DROP_LIMIT] = { COLOR_BAD, "is dropped: a limit is reached",
		"\"sotto status -d\" shows the limits, \"sotto set\" changes them" },
	[SOTTO_VERDICT_NO_ROUTE] = { COLOR_BAD, "is never made: there is no route to it",
		"look at \"ip route get\"" },
};

const struct trace_verdict *trace_verdict(unsigned int verdict)
{
	if (verdict >= sizeof(verdicts) / sizeof(verdicts[0]) || !verdicts[verdict].text)
		return NULL;
	return &verdicts[verdict];
}

__attribute__((format(printf, 2, 3)))
static void advise(struct trace_fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->advice, sizeof(f->advice), fmt, ap);
	va_end(ap);
}

static bool kernel_fault(const struct sgenl_trace *t, struct trace_fault *f)
{
	const struct trace_verdict *v = trace_verdict(t->verdict);

	switch (t->verdict) {
	case SOTTO_VERDICT_PASS_DOWN:
		f->where = "shim";
		break;
	case SOTTO_VERDICT_PASS_BYPASS:
		if (t->has_policy)
			return false;	/* somebody wanted that */
		f->where = "policy";
		break;
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
	f->what = sgenl_verdict_name(t->verdict);
	f->text = v->text;
	advise(f, "%s", v->advice ? v->advice : "");
	return true;
}

/* What the server's refusals call for, by their stable names. */
static const struct {
	const char *name, *advice;	/* with the destination, for a %s */
} remedies[] = {
	{ "not-a-member", "\"sotto member add\" on the gateway, if %s is to be a member; "
		"else \"sotto realm policy add %s bypass\"" },
	{ "denied", "on the gateway, \"sotto policy check\" with this host's name and %s "
		"says which rule" },
	{ "peer-offline", "\"sotto status\" on the host that has %s; it wants \"sotto up\", perhaps" },
	{ "revoked", "if that is a mistake: \"sotto member add\" on the gateway for the host that "
		"has %s, \"sotto down\", \"sotto enroll --force\" and \"sotto up\" there" },
	{ "twin", "\"sotto member show\" on the gateway says where they are, for the member that has "
		"%s; \"sotto member rekey\" gives new keys to the one that is to stay it" },
	{ "limit", "\"sotto realm stats\" and the log on the gateway" },
	{ "no-common-cipher", "\"ciphers\" in sotto.conf, here and on the host that has %s, and in "
		"authd.conf" },
	{ "own-address", "nothing: what a host says to itself stays in it" },
	{ "no_answer", "\"sotto status\" says whether the server was heard since" },
};

/* Never more than the two that the longest has. */
static void advise_server(struct trace_fault *f, const struct sotto_addr *dst)
{
	char buf[SOTTO_ADDR_STR];

	sotto_addr_str(dst, buf);
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (!strcmp(remedies[i].name, f->what))
			advise(f, remedies[i].advice, buf, buf);
}

/* The pin that does not fit is here, or there. */
static void advise_pin(struct trace_fault *f, const json_t *a)
{
	const char *here = text_of(a, "pin_advice");

	advise(f, "%s", here[0] ? here : "the other host has pinned another key of this one: "
	       "\"sotto peer pin\" there, with the name and key that \"sotto status\" shows here");
}

static bool agent_fault(const json_t *a, const struct sotto_addr *dst, struct trace_fault *f)
{
	const char *state = text_of(a, "association"), *verdict = text_of(a, "verdict");

	if (!a) {
		f->where = "agent";
		f->what = "not_running";
		f->text = "the agent does not run here";
		advise(f, "\"sotto up\" starts it");
	} else if (strcmp(state, "associated")) {
		f->where = "association";
		f->what = state;
		f->text = text_of(a, "trouble");
		advise(f, "%s", text_of(a, "advice"));
	} else if (text_of(a, "twin")[0]) {
		f->where = "association";
		f->what = "twin";
		f->text = "another host has this host's identity, and each pushes the other out";
		advise(f, "that is at %s; %s", text_of(a, "twin"), text_of(a, "advice"));
	} else if (strcmp(verdict, "granted")) {
		f->where = "server";
		f->what = verdict[0] ? verdict : "no_answer";
		f->text = verdict[0] ? text_of(a, "verdict_text") : "it does not answer";
		advise_server(f, dst);
	}
	return f->where;
}

static bool tunnel_fault(const struct sgenl_trace *t, const json_t *a, struct trace_fault *f)
{
	char buf[SOTTO_ADDR_STR];

	if (!t->has_tunnel || t->tunnel.state != SOTTO_TUNNEL_FAILED)
		return false;
	f->where = "tunnel";
	f->what = sgenl_reason_name(t->tunnel.reason);
	f->text = sgenl_reason_text(t->tunnel.reason);
	if (t->tunnel.reason == SOTTO_REASON_PIN)
		advise_pin(f, a);
	else
		advise(f, "the log of the agent, here and on the host that has %s; \"sotto tunnel del %s\" "
		       "has it tried again at once", sotto_addr_str(&t->dst, buf), buf);
	return true;
}

/* Its keys last, and nobody may be there to open what is sealed. */
static bool peer_left(const struct sgenl_trace *t, const json_t *a, struct trace_fault *f)
{
	char buf[SOTTO_ADDR_STR];

	if (t->verdict != SOTTO_VERDICT_SEAL || strcmp(text_of(a, "verdict"), "peer-offline"))
		return false;
	f->where = "peer";
	f->what = "offline";
	f->text = "keys are there, but the other end is not with the server any more";
	advise(f, "\"sotto status\" on the host that has %s, or leads there: if it is down, packets "
	       "are sealed for nobody until the keys end or it is back", sotto_addr_str(&t->dst, buf));
	return true;
}

/* The server knows of nothing, and yet: who should answer does not. */
static bool peer_fault(const struct sgenl_trace *t, const json_t *a, struct trace_fault *f)
{
	const json_t *s = json_object_get(a, "session");
	char buf[SOTTO_ADDR_STR];

	sotto_addr_str(&t->dst, buf);
	if (t->verdict == SOTTO_VERDICT_SEAL && json_is_false(json_object_get(s, "confirmed")) &&
	    number_of(s, "age_ms") >= SILENT_MS) {
		if (agent_fault(a, &t->dst, f))
			return true;
		f->where = "peer";
		f->what = "unconfirmed";
		f->text = "it has the keys, but nothing that it sealed has come yet";
		advise(f, "does something between here and %s drop the encrypted packets? Each host must "
		       "get UDP to its data port (7689, or what \"sotto status\" there shows)", buf);
		return true;
	}
	if (t->verdict == SOTTO_VERDICT_QUEUE && number_of(a, "asking_ms") >= SILENT_MS) {
		f->where = "peer";
		f->what = "silent";
		f->text = "it is online, but its agent does not answer";
		advise(f, "\"sotto status\" on the host that has %s", buf);
		return true;
	}
	return false;
}

static bool find_fault(const struct sgenl_trace *t, const json_t *a, struct trace_fault *f)
{
	if (kernel_fault(t, f))
		return true;
	if (t->verdict == SOTTO_VERDICT_PASS_BYPASS || t->verdict == SOTTO_VERDICT_PASS_EXEMPT ||
	    t->verdict == SOTTO_VERDICT_PASS_CLEAR)
		return false;
	/* keys that are there need nobody's leave */
	if (t->verdict != SOTTO_VERDICT_SEAL &&
	    (agent_fault(a, &t->dst, f) || tunnel_fault(t, a, f)))
		return true;
	return peer_fault(t, a, f) || peer_left(t, a, f);
}

bool trace_first_fault(const struct sgenl_trace *t, const json_t *a, struct trace_fault *f)
{
	*f = (struct trace_fault){ 0 };
	return find_fault(t, a, f);
}
