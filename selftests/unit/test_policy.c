// SPDX-License-Identifier: GPL-2.0
/*
 * Groups, rules, networks and trials: the text form alone, then the real server
 * with agents that count what they are told.
 */
#include "agentsim.h"
#include "secret.h"

#include <sys/un.h>

#include "server/policydoc.h"

static struct authd_run run;
static struct sim a, b, c;
static struct sotto_errmsg err;

/* ---- the text ---- */

static void text_form(void)
{
	static const char in[] =
		"# a comment\n"
		"default deny\n\n"
		"group web alice   bob # two\n"
		"\tgroup web carol\r\n"
		"group empty\n"
		"allow @web all\n"
		"deny alice 10.8.0.0/16\n"
		"allow all @empty\n"
		"protect fd00::/8\n"
		"bypass 10.1.0.0/16 @web\n"
		"protect 10.1.0.0/16\n";
	static const char out[] =
		"group web alice bob carol\n"
		"group empty\n"
		"allow @web all\n"
		"deny alice 10.8.0.0/16\n"
		"allow all @empty\n"
		"default deny\n"
		"protect 10.1.0.0/16\n"
		"bypass 10.1.0.0/16 @web\n"
		"protect fd00::/8\n";
	struct policy_doc doc;
	char *text;
	int i;

	ASSERT(!policy_doc_parse(&doc, in, NULL, &err));
	for (i = 0; i < 2; i++) {
		text = policy_doc_text(&doc);
		EXPECT(!strcmp(text, out));
		policy_doc_free(&doc);
		EXPECT_EQ(policy_doc_parse(&doc, text, NULL, &err), 0);
		free(text);
	}
	policy_doc_free(&doc);
}

static void bad_text(void)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "permit all all", "line 1: 'permit' begins no line" },
		{ "\n\nallow alice", "line 3: a rule says who" },
		{ "allow alice bob carol", "'carol' is too much" },
		{ "default deny\nallow @web all", "line 2: there is no group 'web'" },
		{ "\ndeny all @web", "line 2: there is no group 'web'" },
		{ "allow all Bob", "'Bob' is neither all" },
		{ "allow 10.0.0.0/8 all", "neither all, @GROUP nor a member" },
		{ "allow all 10.8.0.1/16", "bits set behind" },
		{ "allow all 10.8.0/16", "is not a network" },
		{ "default perhaps", "'allow' or 'deny'" },
		{ "group", "its name and its members" },
		{ "group web @x", "'@x' is not a member's name" },
		{ "protect", "a network stands behind" },
		{ "protect 10.0.0.0/8 web", "'web' is not a group" },
		{ "#\n#\nprotect 10.0.0.0/8 @web", "line 3: there is no group 'web'" },
		{ "protect 10.0.0.0/8\n\nblock 10.0.0.0/8",
		  "lines 1 and 3 both say what to do with 10.0.0.0/8" },
		{ "block 10.0.0.0/8\nprotect fd00::/8\nprotect 10.0.0.0/8",
		  "lines 1 and 3 both say what to do with 10.0.0.0/8" },
		{ "protect 10.0.0.0/8 @a b", "'b' is too much" },
	};
	struct policy_doc doc;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT(policy_doc_parse(&doc, bad[i].text, NULL, &err));
		if (!strstr(err.text, bad[i].says)) {
			printf("# %s: %s\n", bad[i].text, err.text);
			EXPECT(false);
		}
	}
}

static bool is_alice(void *arg, const char *name)
{
	(void)arg;
	return !strcmp(name, "alice");
}

/* Who is no member is perhaps mistyped, and a rule for him would hold for nobody. */
static void unknown_names(void)
{
	static const struct policy_names names = { .has = is_alice };
	static const char *const bad[] = {
		"group web alice\n\ngroup web bob\n",
		"deny bob all\n",
		"allow alice all\ndeny all bob\n",
	};
	static const char *const says[] = {
		"line 3: there is no member 'bob'",
		"line 1: there is no member 'bob'",
		"line 2: there is no member 'bob'",
	};
	struct policy_doc doc;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(policy_doc_parse(&doc, bad[i], &names, &err),
			  SOTTO_E_UNKNOWN);
		EXPECT(!strcmp(err.text, says[i]));
	}
	EXPECT(!policy_doc_parse(&doc, "group web alice\nallow alice @web\n",
				 &names, &err));
	policy_doc_free(&doc);
}

/* ---- the server ---- */

/* The answer's error name, "" when it is ok. */
static const char *apply(const char *text, int confirm)
{
	static char name[64];
	json_t *ans = confirm ?
		authd_ask(&run, "{s:s, s:s, s:i}", "cmd", "policy.apply",
			  "text", text, "confirm", confirm) :
		authd_ask(&run, "{s:s, s:s}", "cmd", "policy.apply", "text",
			  text);

	snprintf(name, sizeof(name), "%s", authd_str(ans, "error"));
	if (*name)
		printf("# %s\n", authd_str(ans, "message"));
	json_decref(ans);
	return name;
}

static const char *say(const char *cmd, const char *k1, const char *v1,
		       const char *k2, const char *v2)
{
	static char name[64];
	json_t *ans = authd_ask(&run, "{s:s, s:s*, s:s*}", "cmd", cmd,
				k1 ? k1 : "-", v1, k2 ? k2 : "-", v2);

	snprintf(name, sizeof(name), "%s", authd_str(ans, "error"));
	json_decref(ans);
	return name;
}

/* "allowed by TEXT" or "denied by TEXT" */
static const char *verdict(const char *from, const char *to)
{
	static char text[512];
	json_t *ans = authd_ask(&run, "{s:s, s:s, s:s}", "cmd", "policy.check",
				"from", from, "to", to);

	if (*authd_str(ans, "error"))
		snprintf(text, sizeof(text), "%s", authd_str(ans, "error"));
	else
		snprintf(text, sizeof(text), "%s by %s",
			 json_is_true(json_object_get(ans, "allowed")) ?
			 "allowed" : "denied", authd_str(ans, "text"));
	json_decref(ans);
	return text;
}

#define IS(x, y)	EXPECT(!strcmp(x, y))

static bool three(void)
{
	return authd_start(&run, "[realm]\nprotect_members = no\n") &&
	       sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2") &&
	       sim_member(&c, &run, "carol", "10.0.0.3");
}

static void stop(void)
{
	sim_free(&a);
	sim_free(&b);
	sim_free(&c);
	authd_stop(&run);
}

static int told(const struct sim *s, const char *prefix)
{
	struct sotto_prefix p;
	int i;

	sotto_prefix_parse(&p, prefix);
	for (i = 0; i < s->policy_n; i++)
		if (sotto_addr_eq(&s->policy[i].prefix.addr, &p.addr) &&
		    s->policy[i].prefix.plen == p.plen)
			return s->policy[i].action;
	return -1;
}

#define TOLD(s, prefix, action)						\
	do {								\
		SIM_UNTIL(told(s, prefix) == (action), 10000);		\
		EXPECT_EQ(told(s, prefix), (action));			\
	} while (0)

static void rules(void)
{
	ASSERT(three());
	IS(verdict("alice", "bob"), "allowed by default allow");
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	IS(apply("group web alice bob\nallow @web @web\ndeny alice all\n"
		 "allow carol alice\ndefault deny\n", 0), "");
	IS(verdict("alice", "bob"), "allowed by allow @web @web");
	IS(verdict("10.0.0.1", "10.0.0.2"), "allowed by allow @web @web");
	IS(verdict("alice", "carol"), "denied by deny alice all");
	IS(verdict("carol", "alice"), "allowed by allow carol alice");
	IS(verdict("carol", "bob"), "denied by default deny");
	IS(verdict("bob", "carol"), "denied by default deny");
	IS(verdict("alice", "dave"), "unknown");
	IS(verdict("alice", "10.8.0.1"), "unknown");
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), SOTTO_REFUSAL_DENIED);
	EXPECT_EQ(sim_session(&c, "10.0.0.1"), 0);
	EXPECT_EQ(sim_session(&c, "10.0.0.2"), SOTTO_REFUSAL_DENIED);
	/* what is refused changes nothing */
	IS(apply("group web alice nobody\n", 0), "unknown");
	IS(apply("deny alice nobody\n", 0), "unknown");
	IS(apply("allow nonsense\n", 0), "bad-input");
	IS(verdict("alice", "bob"), "allowed by allow @web @web");
	/* one at a time, and by number */
	IS(say("rule.add", "rule", "deny alice bob", NULL, NULL), "");
	IS(verdict("alice", "bob"), "allowed by allow @web @web");
	json_decref(authd_ask(&run, "{s:s, s:s, s:i}", "cmd", "rule.add",
			      "rule", "deny bob alice", "at", 1));
	IS(verdict("bob", "alice"), "denied by deny bob alice");
	json_decref(authd_ask(&run, "{s:s, s:i}", "cmd", "rule.del", "number",
			      1));
	IS(verdict("bob", "alice"), "allowed by allow @web @web");
	IS(say("rule.add", "rule", "deny @nowhere bob", NULL, NULL), "unknown");
	IS(say("group.del", "group", "web", NULL, NULL), "state");
	IS(say("group.del", "group", "web", "name", "bob"), "");
	IS(verdict("alice", "bob"), "denied by deny alice all");
	IS(say("group.add", "group", "web", "name", "carol"), "");
	IS(verdict("alice", "carol"), "allowed by allow @web @web");
	stop();
}

/* What the rules forbid ends at once, on both ends; the rest lives. */
static void rules_end_sessions(void)
{
	int gone_a, gone_c;

	ASSERT(three());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
	gone_a = sim_count(&a, SOTTO_MSG_SESSION_GONE);
	gone_c = sim_count(&c, SOTTO_MSG_SESSION_GONE);
	IS(apply("deny alice carol\n", 0), "");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) > gone_a &&
		  sim_count(&c, SOTTO_MSG_SESSION_GONE) > gone_c, 5000);
	sim_wait(200);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), gone_a + 1);
	EXPECT_EQ(sim_count(&c, SOTTO_MSG_SESSION_GONE), gone_c + 1);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(c.last.ids.reason, SOTTO_REFUSAL_DENIED);
	stop();
}

/* Bob may not begin one, but replace it: that one is as right as what it replaced, and so it is
 * to a server that has only heard of it.
 */
static void rules_spare_rekeys(void)
{
	uint64_t id;
	int n;

	ASSERT(three());
	IS(apply("default deny\nallow alice bob\n", 0), "");
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&b, "10.0.0.1"), SOTTO_REFUSAL_DENIED);
	n = sim_ask_rekey(&b, "10.0.0.1", a.asks[0].session_id);
	SIM_UNTIL(b.asks[n].done, 10000);
	ASSERT(b.asks[n].granted);
	EXPECT(sim_agree(&b.asks[n], &a));
	id = b.asks[n].session_id;
	IS(say("policy.add", "prefix", "10.0.0.0/8", "action", "protect"), "");
	TOLD(&b, "10.0.0.0/8", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1) && sim_live(&b, id, a.pub));
	ASSERT(sim_open(&a, false) && sim_hello(&a, 1) && sim_live(&a, id, b.pub));
	IS(say("policy.add", "prefix", "11.0.0.0/8", "action", "protect"), "");
	TOLD(&b, "11.0.0.0/8", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	IS(apply("default deny\n", 0), "");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_DENIED);
	stop();
}

/* A change goes to those whom it concerns, and only the change. */
static void deltas(void)
{
	int pushes[3], entries, i;
	char text[64];

	ASSERT(three());
	IS(apply("group web alice bob\ngroup ops bob carol\n"
		 "protect 10.0.0.0/8\n", 0), "");
	for (i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "12.0.%d.0/24", i);
		IS(say("policy.add", "prefix", text, "action", "prefer"), "");
	}
	TOLD(&a, text, SOTTO_ACTION_PREFER);
	TOLD(&b, text, SOTTO_ACTION_PREFER);
	TOLD(&c, text, SOTTO_ACTION_PREFER);
	sim_wait(200);
	EXPECT_EQ(a.policy_n, 201);
	pushes[0] = a.policy_pushes;
	pushes[1] = b.policy_pushes;
	pushes[2] = c.policy_pushes;
	entries = a.policy_entries;
	json_decref(authd_ask(&run, "{s:s, s:s, s:s, s:s}", "cmd", "policy.add",
			      "prefix", "10.1.0.0/16", "action", "bypass",
			      "group", "web"));
	TOLD(&a, "10.1.0.0/16", SOTTO_ACTION_BYPASS);
	TOLD(&b, "10.1.0.0/16", SOTTO_ACTION_BYPASS);
	sim_wait(200);
	EXPECT_EQ(a.policy_pushes, pushes[0] + 1);
	EXPECT_EQ(b.policy_pushes, pushes[1] + 1);
	EXPECT_EQ(c.policy_pushes, pushes[2]);
	EXPECT_EQ(a.policy_entries, entries + 1);
	EXPECT_EQ(told(&c, "10.1.0.0/16"), -1);
	/* of two groups the stricter counts, for all less than a group */
	json_decref(authd_ask(&run, "{s:s, s:s, s:s, s:s}", "cmd", "policy.add",
			      "prefix", "10.1.0.0/16", "action", "block",
			      "group", "ops"));
	TOLD(&b, "10.1.0.0/16", SOTTO_ACTION_BLOCK);
	TOLD(&c, "10.1.0.0/16", SOTTO_ACTION_BLOCK);
	IS(say("policy.add", "prefix", "10.1.0.0/16", "action", "protect"), "");
	sim_wait(200);
	EXPECT_EQ(told(&a, "10.1.0.0/16"), SOTTO_ACTION_BYPASS);
	/* who leaves a group loses what was for it: alone */
	pushes[2] = c.policy_pushes;
	IS(say("group.del", "group", "web", "name", "alice"), "");
	TOLD(&a, "10.1.0.0/16", SOTTO_ACTION_PROTECT);
	IS(say("policy.del", "prefix", "10.1.0.0/16", NULL, NULL), "");
	TOLD(&a, "10.1.0.0/16", -1);
	TOLD(&c, "10.1.0.0/16", SOTTO_ACTION_BLOCK);
	stop();
}

/* A line for a group goes, and at once the group, too: who was in it is told all the same,
 * whether it is there or away.
 */
static void group_gone(void)
{
	ASSERT(three());
	IS(apply("group web alice bob\nprotect 10.0.0.0/8\nbypass 10.1.0.0/16 @web\n", 0),
	   "");
	TOLD(&a, "10.1.0.0/16", SOTTO_ACTION_BYPASS);
	TOLD(&b, "10.1.0.0/16", SOTTO_ACTION_BYPASS);
	sim_wait(100);
	sim_close_chan(&b);
	json_decref(authd_ask(&run, "{s:s, s:s, s:s}", "cmd", "policy.del",
			      "prefix", "10.1.0.0/16", "group", "web"));
	IS(say("group.del", "group", "web", NULL, NULL), "");
	TOLD(&a, "10.1.0.0/16", -1);
	sim_connect(&b, run.port);
	ASSERT(sim_associate(&b));
	TOLD(&b, "10.1.0.0/16", -1);
	EXPECT_EQ(told(&b, "10.0.0.0/8"), SOTTO_ACTION_PROTECT);
	stop();
}

/* Away while things changed: on coming back, the difference; after a restart too. */
static void away(void)
{
	int entries;

	ASSERT(three());
	IS(apply("group web alice\nprotect 10.0.0.0/8\nprotect 11.0.0.0/8\n"
		 "block 12.0.0.0/8 @web\n", 0), "");
	TOLD(&a, "12.0.0.0/8", SOTTO_ACTION_BLOCK);
	TOLD(&c, "11.0.0.0/8", SOTTO_ACTION_PROTECT);
	sim_wait(100);
	sim_close_chan(&a);
	IS(say("policy.del", "prefix", "10.0.0.0/8", NULL, NULL), "");
	IS(say("policy.add", "prefix", "13.0.0.0/8", "action", "prefer"), "");
	/* left the group, and then the group's line goes */
	IS(say("group.del", "group", "web", "name", "alice"), "");
	json_decref(authd_ask(&run, "{s:s, s:s, s:s}", "cmd", "policy.del",
			      "prefix", "12.0.0.0/8", "group", "web"));
	sim_wait(200);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	authd_conf(&run, "[realm]\nprotect_members = no\n");
	ASSERT(authd_begin(&run));
	sim_connect(&a, run.port);
	entries = a.policy_entries;
	ASSERT(sim_associate(&a));
	TOLD(&a, "13.0.0.0/8", SOTTO_ACTION_PREFER);
	EXPECT_EQ(told(&a, "10.0.0.0/8"), -1);
	EXPECT_EQ(told(&a, "12.0.0.0/8"), -1);
	EXPECT_EQ(told(&a, "11.0.0.0/8"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(a.policy_entries, entries + 3);
	/* one from a future that was never: all of it */
	sim_close_chan(&a);
	a.policy_version += 1000;
	a.policy_n = 0;
	ASSERT(sim_associate(&a));
	TOLD(&a, "11.0.0.0/8", SOTTO_ACTION_PROTECT);
	stop();
}

/* Whole views are kept; but nobody gets one from before what he has, not even for a moment. */
static void no_way_back(void)
{
	struct sotto_msg all = { .type = SOTTO_MSG_POLICY_GET };
	int pushes;

	ASSERT(three());
	IS(apply("protect 10.0.0.0/8\n", 0), "");
	TOLD(&b, "10.0.0.0/8", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_call(&b, &all), SOTTO_MSG_ACK);
	sim_wait(200);
	IS(say("policy.add", "prefix", "13.0.0.0/8", "action", "protect"), "");
	TOLD(&a, "13.0.0.0/8", SOTTO_ACTION_PROTECT);
	sim_wait(200);
	EXPECT_EQ(sim_call(&a, &all), SOTTO_MSG_ACK);
	sim_wait(200);
	EXPECT_EQ(told(&a, "13.0.0.0/8"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(a.policy_back, 0);
	/* a version that never was: the newest at once, and no kept one and then the change */
	IS(say("policy.add", "prefix", "14.0.0.0/8", "action", "protect"), "");
	TOLD(&c, "14.0.0.0/8", SOTTO_ACTION_PROTECT);
	sim_wait(200);
	sim_close_chan(&c);
	c.policy_version += 1000;
	pushes = c.policy_pushes;
	ASSERT(sim_associate(&c));
	sim_wait(200);
	EXPECT_EQ(c.policy_pushes, pushes + 1);
	EXPECT_EQ(told(&c, "14.0.0.0/8"), SOTTO_ACTION_PROTECT);
	stop();
}

static long long views_built(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	long long n = json_integer_value(json_object_get(json_object_get(ans, "stats"),
							 "policy_views"));

	json_decref(ans);
	return n;
}

/* Whatever version an agent says that it has, whole views are made once for all. */
static void views_are_shared(void)
{
	struct sotto_msg all = { .type = SOTTO_MSG_POLICY_GET };
	long long built;

	ASSERT(three());
	IS(apply("protect 10.0.0.0/8\n", 0), "");
	TOLD(&b, "10.0.0.0/8", SOTTO_ACTION_PROTECT);
	sim_wait(200);
	sim_close_chan(&a);
	a.policy_version = 1ull << 62;
	ASSERT(sim_associate(&a));
	sim_wait(200);
	built = views_built();
	for (int i = 0; i < 4; i++) {
		sim_close_chan(&a);
		a.policy_version = 1ull << 62;
		ASSERT(sim_open(&a, false) && sim_hello(&a, 0));
		EXPECT_EQ(sim_call(&a, &all), SOTTO_MSG_ACK);
	}
	EXPECT_EQ(views_built(), built);
	stop();
}

static void networks(void)
{
	struct sim_ask *ask;

	ASSERT(three());
	json_decref(authd_ask(&run, "{s:s, s:s, s:[s, s]}", "cmd", "member.set",
			      "name", "carol", "routes", "10.8.0.0/16",
			      "fd08::/64"));
	TOLD(&a, "10.8.0.0/16", SOTTO_ACTION_PROTECT);
	TOLD(&b, "fd08::/64", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(a.policy_vias, 2);
	/* the gateway itself goes there in the clear */
	TOLD(&c, "10.8.0.0/16", SOTTO_ACTION_BYPASS);
	IS(apply("allow alice 10.8.0.0/16\ndeny bob 10.8.5.0/24\n"
		 "allow bob 10.8.4.0/22\ndefault deny\n", 0), "");
	IS(verdict("alice", "10.8.1.5"), "allowed by allow alice 10.8.0.0/16");
	IS(verdict("bob", "10.8.1.5"), "denied by default deny");
	IS(verdict("bob", "10.8.5.1"), "denied by deny bob 10.8.5.0/24");
	/* between such two, either way, it is that rule, too */
	IS(verdict("alice", "carol"), "allowed by allow alice 10.8.0.0/16");
	IS(verdict("carol", "alice"), "allowed by allow alice 10.8.0.0/16");
	IS(verdict("bob", "carol"), "allowed by allow bob 10.8.4.0/22");
	IS(verdict("alice", "bob"), "denied by default deny");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	ask = &a.asks[a.asks_n - 1];
	EXPECT_EQ(ask->grant.mode, SOTTO_MODE_TUNNEL);
	EXPECT_EQ(ask->grant.routes.n, 1);
	EXPECT_EQ(ask->grant.own_routes.n, 0);
	IS(ask->grant.name, "carol");
	EXPECT(sim_agree(ask, &c));
	/* the gateway itself, by its address: in the same way */
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
	EXPECT_EQ(a.asks[a.asks_n - 1].grant.mode, SOTTO_MODE_TUNNEL);
	/* what may be used of it is said exactly: 4/24, 6/23 */
	EXPECT_EQ(sim_session(&b, "10.8.1.5"), SOTTO_REFUSAL_DENIED);
	EXPECT_EQ(sim_session(&b, "10.8.5.1"), SOTTO_REFUSAL_DENIED);
	EXPECT_EQ(sim_session(&b, "10.8.6.1"), 0);
	ask = &b.asks[b.asks_n - 1];
	EXPECT_EQ(ask->grant.routes.n, 2);
	EXPECT_EQ(ask->grant.routes.p[0].plen, 24);
	EXPECT_EQ(ask->grant.routes.p[1].plen, 23);
	/* the way back, and no glare: the gateway asks, with the same networks */
	sim_wait(2200);
	EXPECT_EQ(sim_session(&c, "10.0.0.1"), 0);
	ask = &c.asks[c.asks_n - 1];
	EXPECT_EQ(ask->grant.own_routes.n, 1);
	EXPECT_EQ(ask->grant.routes.n, 0);
	EXPECT(sim_agree(ask, &a));
	/* nobody else may use it: those sessions end */
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	IS(apply("default deny\n", 0), "");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) == 3, 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 3);
	/* without a gateway there is nothing to protect */
	json_decref(authd_ask(&run, "{s:s, s:s, s:[]}", "cmd", "member.set",
			      "name", "carol", "routes"));
	TOLD(&a, "10.8.0.0/16", -1);
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), SOTTO_REFUSAL_NOT_MEMBER);
	stop();
}

/* Two gateways for one network; the first one goes. */
static void two_gateways(void)
{
	const char *const names[] = { "bob", "carol" };
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE };
	int i, gone;

	ASSERT(three());
	for (i = 0; i < 2; i++)
		json_decref(authd_ask(&run, "{s:s, s:s, s:[s]}", "cmd",
				      "member.set", "name", names[i], "routes",
				      "10.8.0.0/16"));
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	IS(a.asks[a.asks_n - 1].grant.name, "bob");
	gone = sim_count(&a, SOTTO_MSG_SESSION_GONE);
	bye.bye.reason = SOTTO_REFUSAL_CLOSED;
	sotto_chan_note(&b.chan, &bye);
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) > gone, 10000);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_PEER_OFFLINE);
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), 0);
	IS(a.asks[a.asks_n - 1].grant.name, "carol");
	/* a revoked gateway's network stays protected when it was the last */
	IS(say("member.revoke", "name", "bob", NULL, NULL), "");
	IS(say("member.revoke", "name", "carol", NULL, NULL), "");
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), SOTTO_REFUSAL_NOT_MEMBER);
	sim_wait(200);
	EXPECT_EQ(told(&a, "10.8.0.0/16"), SOTTO_ACTION_PROTECT);
	stop();
}

/* ---- trials ---- */

static void trial(void)
{
	ASSERT(three());
	IS(apply("group web alice\nallow @web all\nprotect 10.0.0.0/8\n", 0),
	   "");
	IS(apply("default deny\nblock 10.0.0.0/8\n", 60), "");
	TOLD(&a, "10.0.0.0/8", SOTTO_ACTION_BLOCK);
	IS(verdict("alice", "bob"), "denied by default deny");
	/* meanwhile nothing else is changed */
	IS(say("policy.add", "prefix", "11.0.0.0/8", "action", "block"),
	   "state");
	IS(apply("default allow\n", 0), "state");
	IS(say("policy.revert", NULL, NULL, NULL, NULL), "");
	TOLD(&a, "10.0.0.0/8", SOTTO_ACTION_PROTECT);
	IS(verdict("alice", "bob"), "allowed by allow @web all");
	IS(say("policy.revert", NULL, NULL, NULL, NULL), "state");
	IS(say("policy.confirm", NULL, NULL, NULL, NULL), "state");
	/* confirmed, it stays */
	IS(apply("default deny\n", 5), "");
	IS(say("policy.confirm", NULL, NULL, NULL, NULL), "");
	IS(apply("default allow\n", 5), "");
	IS(verdict("alice", "bob"), "allowed by default allow");
	/* not confirmed, it goes by itself */
	SIM_UNTIL(!strcmp(verdict("alice", "bob"), "denied by default deny"),
		  20000);
	IS(verdict("alice", "bob"), "denied by default deny");
	stop();
}

/* The server dies during a trial, with a member of a group revoked meanwhile. */
static void trial_and_crash(void)
{
	int i;

	ASSERT(three());
	IS(apply("group web alice bob\nallow @web all\ndefault deny\n", 0), "");
	for (i = 0; i < 2; i++) {
		IS(apply("deny alice all\n", i ? 10 : 5), "");
		if (i)
			IS(say("member.revoke", "name", "bob", NULL, NULL), "");
		EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
		/* first: time is over when it comes back; then: not yet */
		if (!i)
			sleep(6);
		ASSERT(authd_begin(&run));
		if (i) {
			IS(verdict("alice", "carol"), "denied by deny alice all");
			SIM_UNTIL(!strcmp(verdict("alice", "carol"),
					  "allowed by allow @web all"), 20000);
		}
		IS(verdict("alice", "carol"), "allowed by allow @web all");
		IS(say("policy.confirm", NULL, NULL, NULL, NULL), "state");
	}
	stop();
}

/* ---- new keys for a member ---- */

static void rekey(void)
{
	json_t *ans;
	static struct sim n;
	int gone;

	ASSERT(three());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	gone = sim_count(&a, SOTTO_MSG_SESSION_GONE);
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.rekey", "name", "bob");
	ASSERT(*authd_str(ans, "line"));
	/* until the line is used, nothing has changed */
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	sim_new(&n, &run, authd_str(ans, "line"));
	json_decref(ans);
	n.instance = b.instance;
	ASSERT(sim_open(&n, true) && sim_register(&n));
	IS(n.name, "bob");
	EXPECT_EQ(n.addrs.n, 1);
	/* the old key is of no use from here on */
	EXPECT(sim_handshake(&b, false, 1500) != SOTTO_HS_DONE);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_REFUSED);
	/* who asks for it now waits until it is back */
	EXPECT_EQ(sim_ask(&a, "10.0.0.2"), 2);
	sim_wait(300);
	EXPECT(!a.asks[2].done);
	/* the host is back, with the sessions that its kernel holds */
	ASSERT(sim_open(&n, false) && sim_hello(&n, 2));
	EXPECT(sim_live(&n, a.asks[0].session_id, a.pub));
	EXPECT(sim_live(&n, a.asks[1].session_id, a.pub));
	sim_wait(300);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), gone);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_PEER_GONE), 0);
	/* new sessions are with the new key */
	EXPECT(a.asks[2].granted);
	EXPECT(!memcmp(a.asks[2].grant.static_pub, n.pub, 32));
	EXPECT(sim_agree(&a.asks[2], &n));
	/* and a peer that comes back with the old one's session keeps it */
	ASSERT(sim_open(&a, false) && sim_hello(&a, 1));
	EXPECT(sim_live(&a, a.asks[0].session_id, b.pub));
	sim_wait(300);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), gone);
	IS(say("member.rekey", "name", "dave", NULL, NULL), "unknown");
	sim_free(&n);
	stop();
}

/* ---- seeing ---- */

/* What a request on @fd is answered, until the other side closes. */
static size_t http(int fd, const char *request, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	(void)!write(fd, request, strlen(request));
	while (len < cap - 1 && (n = read(fd, out + len, cap - 1 - len)) > 0)
		len += n;
	out[len] = 0;
	close(fd);
	return len;
}

static int metrics_socket(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path),
		 "%.60s/run/authd-metrics.sock", run.top);
	EXPECT(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

static void metrics(void)
{
	static char text[65536];
	json_t *ans, *stats, *value;
	const char *name;
	char line[128];

	ASSERT(three());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	http(metrics_socket(), "GET /metrics HTTP/1.0\r\n\r\n", text,
	     sizeof(text));
	EXPECT(!strncmp(text, "HTTP/1.0 200 OK\r\n", 17));
	EXPECT(strstr(text, "\nsotto_authd_grants_total 1\n"));
	EXPECT(strstr(text, "\nsotto_authd_members_online 3\n"));
	EXPECT(strstr(text, "\nsotto_authd_sessions 1\n"));
	/* every counter is there */
	ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	stats = json_object_get(ans, "stats");
	EXPECT(json_object_size(stats) > 20);
	json_object_foreach(stats, name, value) {
		snprintf(line, sizeof(line), "sotto_authd_%s", name);
		EXPECT(strstr(text, line) || !strcmp(name, "pending"));
	}
	json_decref(ans);
	/* no request, and one without an end */
	EXPECT_EQ(http(metrics_socket(), "\n\n", text, sizeof(text)) > 0, 1);
	memset(text, 'x', 5000);
	text[5000] = 0;
	{
		static char big[8192];

		strcpy(big, text);
		EXPECT_EQ(http(metrics_socket(), big, text, sizeof(text)), 0);
	}
	stop();
}

static bool next_event(struct sotto_uclient *uc, const char *name, json_t **o)
{
	int i;

	for (i = 0; i < 50; i++) {
		if (sotto_uclient_recv(uc, 5000, o, &err))
			return false;
		if (!strcmp(authd_str(*o, "event"), name))
			return true;
		json_decref(*o);
	}
	return false;
}

static void monitor(void)
{
	struct sotto_uclient *uc;
	json_t *req = json_pack("{s:s}", "cmd", "realm.monitor"), *o;
	char id[32];

	ASSERT(three());
	IS(apply("deny alice carol\n", 0), "");
	ASSERT(!sotto_uclient_open(run.sock, &uc, &err));
	EXPECT_EQ(sotto_uclient_send(uc, req, &err), 0);
	EXPECT_EQ(sotto_uclient_recv(uc, 5000, &o, &err), 0);
	json_decref(o);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	ASSERT(next_event(uc, "granted", &o));
	IS(authd_str(o, "from"), "alice");
	IS(authd_str(o, "to"), "bob");
	/* the id that both ends log, too */
	snprintf(id, sizeof(id), "%016llx",
		 (unsigned long long)a.asks[0].session_id);
	IS(authd_str(o, "session"), id);
	json_decref(o);
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), SOTTO_REFUSAL_DENIED);
	ASSERT(next_event(uc, "refused", &o));
	IS(authd_str(o, "reason"), "denied");
	IS(authd_str(o, "destination"), "10.0.0.3");
	json_decref(o);
	IS(say("member.revoke", "name", "bob", NULL, NULL), "");
	ASSERT(next_event(uc, "revoked", &o));
	IS(authd_str(o, "member"), "bob");
	json_decref(o);
	sotto_uclient_close(uc);
	json_decref(req);
	/* who went is forgotten, and the server lives */
	EXPECT_EQ(sim_session(&c, "10.0.0.1"), 0);
	stop();
}

/* ---- backup and restore ---- */

static int command(const char *option, const char *file, const char *more)
{
	pid_t pid = fork();

	if (!pid) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
		if (!freopen("/dev/null", "w", stdout))
			_exit(126);
		execl(authd_bin, "sotto-authd", option, file, more, NULL);
		_exit(127);
	}
	return authd_wait(pid);
}

static const char *state_of(const char *name)
{
	static char text[64];
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.show", "name",
				name);
	json_t *m = json_object_get(ans, "member");

	snprintf(text, sizeof(text), "%s", m ? authd_str(m, "state") :
		 authd_str(ans, "error"));
	json_decref(ans);
	return text;
}

static void backup(void)
{
	char file[200], audit[200], kept[200], db[200];
	uint64_t version;

	ASSERT(three());
	IS(apply("group web alice bob\ndeny bob alice\nprotect 10.0.0.0/8\n", 0),
	   "");
	TOLD(&a, "10.0.0.0/8", SOTTO_ACTION_PROTECT);
	snprintf(file, sizeof(file), "%s/backup", run.top);
	EXPECT_EQ(command("--backup", file, NULL), 0);
	EXPECT_EQ(command("--backup", file, NULL), 1);	/* it exists */
	EXPECT_EQ(command("--restore", file, NULL), 1);	/* it runs */
	/* since then: one revoked, one added, the policy changed */
	IS(say("member.revoke", "name", "bob", NULL, NULL), "");
	IS(apply("default allow\nblock 11.0.0.0/8\n", 0), "");
	TOLD(&a, "11.0.0.0/8", SOTTO_ACTION_BLOCK);
	version = a.policy_version;
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	EXPECT_EQ(command("--restore", file, NULL), 0);
	ASSERT(authd_begin(&run));
	IS(state_of("alice"), "active");
	IS(state_of("bob"), "unknown");		/* revoked: no name */
	IS(verdict("alice", "carol"), "allowed by default allow");
	sim_connect(&a, run.port);
	ASSERT(sim_associate(&a));
	TOLD(&a, "10.0.0.0/8", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(told(&a, "11.0.0.0/8"), -1);
	EXPECT(a.policy_version > version);
	sim_connect(&b, run.port);
	EXPECT(sim_handshake(&b, false, 1500) != SOTTO_HS_DONE);
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	/* without the audit log it is not known who was revoked */
	snprintf(audit, sizeof(audit), "%s/state/authd/realm.db.audit", run.top);
	snprintf(kept, sizeof(kept), "%s/kept", run.top);
	EXPECT(!rename(audit, kept));
	EXPECT_EQ(command("--restore", file, NULL), 1);
	EXPECT_EQ(command("--restore", file, "--force"), 0);
	ASSERT(authd_begin(&run));
	IS(state_of("bob"), "active");
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	/* with it, even an old copy of the database alone is seen through */
	EXPECT(!rename(kept, audit));
	ASSERT(authd_begin(&run));
	IS(state_of("bob"), "unknown");
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	/* what is no backup, and what is of another realm */
	snprintf(db, sizeof(db), "%s/state/authd/realm.db", run.top);
	EXPECT_EQ(command("--restore", db, NULL), 1);
	EXPECT_EQ(command("--restore", "/dev/null", NULL), 1);
	snprintf(kept, sizeof(kept), "%s/state/authd/realm.key", run.top);
	{
		FILE *f = fopen(kept, "r+");

		fputc('x', f);
		fclose(f);
	}
	EXPECT_EQ(command("--restore", file, NULL), 1);
	EXPECT_EQ(command("--restore", file, "--force"), 0);
	ASSERT(authd_begin(&run));
	stop();
}

/* ---- roll-over of the realm's key ---- */

static bool again(struct sim *s)
{
	bool ok;

	sim_connect(s, run.port);
	ok = sim_associate(s);
	sim_wait(100);	/* for the policy */
	return ok;
}

/* Told nothing of another key. */
static bool content(struct sim *s)
{
	return again(s) && sotto_all_zero(s->answer.hello_ack.realm_key, 32);
}

static int behind(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.show");
	json_t *o = json_object_get(ans, "rollover");
	int n = json_is_null(o) ? -1 : json_integer_value(json_object_get(o, "behind"));

	json_decref(ans);
	return n;
}

static void restart_with(const char *option, const char *file)
{
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	EXPECT_EQ(command(option, file, NULL), 0);
	ASSERT(authd_begin(&run));
}

static void rollover(void)
{
	uint8_t former[32], next[32];
	char file[200];

	ASSERT(three());
	a.features = SOTTO_FEATURES;
	ASSERT(again(&a));
	EXPECT_EQ(command("--rekey", NULL, NULL), 1);	/* it runs */
	EXPECT_EQ(behind(), -1);
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	EXPECT_EQ(command("--retire", NULL, NULL), 1);	/* nothing to end */
	EXPECT_EQ(command("--rekey", NULL, NULL), 0);
	EXPECT_EQ(command("--rekey", NULL, NULL), 1);	/* under way */
	ASSERT(authd_begin(&run));
	EXPECT_EQ(behind(), 3);
	memcpy(former, a.server_key, 32);
	/* by the former key, a ticket too: told of the present one */
	a.resume = true;
	ASSERT(again(&a));
	a.resume = false;
	memcpy(next, a.answer.hello_ack.realm_key, 32);
	EXPECT(!sotto_all_zero(next, 32) && memcmp(next, former, 32));
	EXPECT_EQ(behind(), 3);
	memcpy(a.server_key, next, 32);
	EXPECT(content(&a));
	EXPECT_EQ(behind(), 2);
	ASSERT(again(&b));
	EXPECT(!memcmp(b.answer.hello_ack.realm_key, next, 32));
	memcpy(b.server_key, next, 32);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT(sim_agree(&a.asks[a.asks_n - 1], &b));
	/* a copy of it has both keys, and still opens its secrets */
	snprintf(file, sizeof(file), "%s/copy", run.top);
	EXPECT_EQ(command("--backup", file, NULL), 0);
	restart_with("--restore", file);
	EXPECT(content(&a));
	EXPECT(again(&b) && again(&c));
	EXPECT(!memcmp(c.answer.hello_ack.realm_key, next, 32));
	/* the end: c has not heard */
	restart_with("--retire", NULL);
	EXPECT_EQ(behind(), -1);
	EXPECT(content(&a));
	EXPECT(content(&b));
	sim_connect(&c, run.port);
	EXPECT_EQ(sim_handshake(&c, false, 1500), SOTTO_HS_HINTED);
	EXPECT_EQ(c.hs_res.hint, SOTTO_HINT_KEY);
	/* and another one goes like the first */
	restart_with("--rekey", NULL);
	ASSERT(again(&a));
	EXPECT(memcmp(a.answer.hello_ack.realm_key, next, 32) &&
	       memcmp(a.answer.hello_ack.realm_key, former, 32) &&
	       !sotto_all_zero(a.answer.hello_ack.realm_key, 32));
	stop();
}

int main(void)
{
	static const struct ktap_test tests[] = {
		{ "text_form", text_form },
		{ "bad_text", bad_text },
		{ "unknown_names", unknown_names },
		{ "rules", rules },
		{ "rules_end_sessions", rules_end_sessions },
		{ "rules_spare_rekeys", rules_spare_rekeys },
		{ "deltas", deltas },
		{ "away", away },
		{ "group_gone", group_gone },
		{ "no_way_back", no_way_back },
		{ "views_are_shared", views_are_shared },
		{ "networks", networks },
		{ "two_gateways", two_gateways },
		{ "trial", trial },
		{ "rekey", rekey },
		{ "metrics", metrics },
		{ "monitor", monitor },
		{ "backup", backup },
		{ "rollover", rollover },
		{ "trial_and_crash", trial_and_crash },
	};
	int rc;

	if (sodium_init() < 0)
		return 1;
	authd_find();
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	authd_discard(&run);
	return rc;
}
