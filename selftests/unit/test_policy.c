// SPDX-License-Identifier: GPL-2.0
/*
 * Groups, rules, networks and trials: the text form alone, then the real server
 * with agents that count what they are told.
 */
#include <sqlite3.h>
#include <sys/un.h>

#include "threerun.h"

#include "server/authd_limits.h"
#include "server/policydoc.h"

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

/* What the rules forbid ends at once, on both ends, by one message; the rest lives. */
static void rules_end_sessions(void)
{
	int gone_a, gone_c;

	ASSERT(three());
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
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
	EXPECT_EQ(c.last.ids.ids.n, 2);
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
	EXPECT_EQ(sim_told(&c, "10.1.0.0/16"), -1);
	/* of two groups the stricter counts, for all less than a group */
	json_decref(authd_ask(&run, "{s:s, s:s, s:s, s:s}", "cmd", "policy.add",
			      "prefix", "10.1.0.0/16", "action", "block",
			      "group", "ops"));
	TOLD(&b, "10.1.0.0/16", SOTTO_ACTION_BLOCK);
	TOLD(&c, "10.1.0.0/16", SOTTO_ACTION_BLOCK);
	IS(say("policy.add", "prefix", "10.1.0.0/16", "action", "protect"), "");
	sim_wait(200);
	EXPECT_EQ(sim_told(&a, "10.1.0.0/16"), SOTTO_ACTION_BYPASS);
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
	EXPECT_EQ(sim_told(&b, "10.0.0.0/8"), SOTTO_ACTION_PROTECT);
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
	EXPECT_EQ(sim_told(&a, "10.0.0.0/8"), -1);
	EXPECT_EQ(sim_told(&a, "12.0.0.0/8"), -1);
	EXPECT_EQ(sim_told(&a, "11.0.0.0/8"), SOTTO_ACTION_PROTECT);
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
	EXPECT_EQ(sim_told(&a, "13.0.0.0/8"), SOTTO_ACTION_PROTECT);
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
	EXPECT_EQ(sim_told(&c, "14.0.0.0/8"), SOTTO_ACTION_PROTECT);
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
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(a.last.ids.ids.n, 3);
	/* without a gateway there is nothing to protect */
	json_decref(authd_ask(&run, "{s:s, s:s, s:[]}", "cmd", "member.set",
			      "name", "carol", "routes"));
	TOLD(&a, "10.8.0.0/16", -1);
	EXPECT_EQ(sim_session(&a, "10.8.1.5"), SOTTO_REFUSAL_NOT_MEMBER);
	stop();
}

#define HOSTS	500

/* One rule for each host behind a gateway, and one before it that makes it void. */
static const char *host_rules(bool hidden)
{
	static char text[60000];
	int i, len = 0;

	for (i = 1; i <= HOSTS; i++)
		len += sprintf(text + len, "deny alice fd00:%x::%s\n"
			       "allow alice fd00:%x::1/128\n", i * 7,
			       hidden ? "/32" : "2/128", i * 7);
	sprintf(text + len, "allow alice fd00:8000::/17\ndefault deny\n");
	return text;
}

/* Each divides the network further, and one question has to come to an end of that. */
static void many_rules(void)
{
	ASSERT(three());
	json_decref(authd_ask(&run, "{s:s, s:s, s:[s]}", "cmd", "member.set",
			      "name", "carol", "routes", "fd00::/16"));
	IS(apply(host_rules(false), 0), "");
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
	EXPECT_EQ(a.asks[a.asks_n - 1].grant.routes.n, SOTTO_ROUTES_MAX);
	IS(apply(host_rules(true), 0), "");
	EXPECT_EQ(sim_session(&a, "10.0.0.3"), 0);
	EXPECT_EQ(a.asks[a.asks_n - 1].grant.routes.n, 1);
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

/* ---- a member with many sessions ---- */

#define PEERS		2990
#define EACH		8
#define LISTS		(PEERS * EACH / SOTTO_LIVE_MAX)

_Static_assert(LISTS * SOTTO_LIVE_MAX == PEERS * EACH, "lists that are full");

/* Members that never come. The key of the one with id i is i in digits. */
static bool with_peers(void)
{
	char path[192], insert[512];
	sqlite3 *db;
	bool ok;

	if (!authd_make(&run, ""))
		return false;
	snprintf(path, sizeof(path), "%s/state/authd/realm.db", run.top);
	snprintf(insert, sizeof(insert),
		 "INSERT INTO member(name, state, static_pub, token, created, registered)"
		 " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		 " SELECT 'm' || i, 1, CAST(printf('%%032d', i) AS BLOB), randomblob(72), 1, 1 FROM n;"
		 "INSERT INTO address SELECT CAST(char(1, id / 4096 + 1, id / 64 %% 64 + 1, id %% 64 + 1)"
		 " AS BLOB), id FROM member", PEERS);
	ok = sqlite3_open(path, &db) == SQLITE_OK &&
	     sqlite3_exec(db, insert, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(db);
	return ok && authd_begin(&run);
}

/* It says that it has as many with each of them as it may. */
static bool list_sessions(struct sim *s)
{
	struct sotto_msg m = { .type = SOTTO_MSG_LIVE };
	int i, k, n = 0;

	if (!sim_hello(s, PEERS * EACH))
		return false;
	for (i = 0; i < LISTS; i++) {
		m.live.listing = s->listing;
		m.live.live.n = SOTTO_LIVE_MAX;
		for (k = 0; k < SOTTO_LIVE_MAX; k++, n++) {
			struct sotto_live *l = &m.live.live.l[k];
			char digits[33];

			l->session_id = n + 1;
			l->spi = 1000 + n;
			snprintf(digits, sizeof(digits), "%032d", n / EACH + 1);
			memcpy(l->peer_key, digits, 32);
		}
		if (sim_call(s, &m) != SOTTO_MSG_ACK)
			return false;
	}
	return true;
}

/* A million members' addresses are no answer to make, nor to take, at once. */
static void shown_in_pages(void)
{
	json_int_t from = 0, n = 0;
	json_t *ans, *list;
	int pages = 0;

	ASSERT(with_peers());
	IS(say("policy.add", "prefix", "fd00::/8", "action", "protect"), "");
	do {
		ans = authd_ask(&run, "{s:s, s:I}", "cmd", "policy.show", "from", from);
		list = json_object_get(ans, "policies");
		EXPECT(json_array_size(list) && json_array_size(list) <= AUTHD_LIST_MAX + 1);
		n += json_array_size(list);
		from = json_integer_value(json_object_get(json_object_get(ans, "next"),
							  "from"));
		json_decref(ans);
	} while (++pages < 10 && from);
	EXPECT_EQ(pages, 3);
	EXPECT_EQ(n, PEERS + 1);
	authd_stop(&run);
}

static json_int_t rechecked(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	json_int_t n = json_integer_value(json_object_get(json_object_get(ans, "stats"),
							  "rechecked"));

	json_decref(ans);
	return n;
}

/* What concerns one member does not take a look at the sessions of all. */
static void many_sessions(void)
{
	int i, len = 0;
	static char text[60000];
	json_int_t before;

	ASSERT(with_peers());
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(sim_member(&b, &run, "bob", "10.0.0.2"));
	ASSERT(list_sessions(&a));
	for (i = 1; i < 1000; i++)
		len += sprintf(text + len, "deny bob m%d\n", i);
	len += sprintf(text + len, "group web alice\n");
	IS(apply(text, 0), "");
	/* what is for all is looked at in turns, while others are served */
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	SIM_UNTIL(rechecked() >= PEERS * EACH, 20000);
	sim_wait(100);
	before = rechecked();
	IS(say("group.add", "group", "web", "name", "bob"), "");
	EXPECT_EQ(rechecked(), before + 1);
	sim_free(&a);
	sim_free(&b);
	authd_stop(&run);
}

/* ---- what ends with thousands of sessions ends in turns ---- */

static json_int_t stat_sessions(const json_t *ans)
{
	return json_integer_value(json_object_get(json_object_get(ans, "stats"), "sessions"));
}

static json_int_t sessions_left(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	json_int_t n = stat_sessions(ans);

	json_decref(ans);
	return n;
}

/* How many there are in the moment after @request, before anything else has its turn. */
static json_int_t sessions_after(const char *request)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE *f = fdopen(fd, "r");
	json_int_t n = -1;
	char text[256];
	json_t *ans;
	int len;

	strcpy(sun.sun_path, run.sock);
	len = snprintf(text, sizeof(text), "%s\n{\"cmd\":\"realm.stats\"}\n", request);
	EXPECT(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	EXPECT_EQ(write(fd, text, len), len);
	ans = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	EXPECT(json_is_true(json_object_get(ans, "ok")));
	json_decref(ans);
	ans = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	n = stat_sessions(ans);
	json_decref(ans);
	fclose(f);
	return n;
}

static bool two_with_peers(void)
{
	return with_peers() && sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2");
}

static void stop_two(void)
{
	sim_free(&a);
	sim_free(&b);
	authd_stop(&run);
}

/* Who is told last is told, and who asks meanwhile gets nothing. */
static void revoked_in_turns(void)
{
	ASSERT(two_with_peers());
	EXPECT_EQ(sim_session(&b, "10.0.0.1"), 0);
	ASSERT(list_sessions(&a));
	EXPECT_EQ(sessions_left(), PEERS * EACH + 1);
	EXPECT(sessions_after("{\"cmd\":\"member.revoke\",\"name\":\"alice\"}") > 1);
	/* what it was granted a moment ago is not granted again */
	b.asks[0].done = b.asks[0].granted = false;
	sim_send_ask(&b, 0);
	SIM_UNTIL(b.asks[0].done, 10000);
	EXPECT_EQ(b.asks[0].reason, SOTTO_REFUSAL_REVOKED);
	SIM_UNTIL(sim_count(&b, SOTTO_MSG_PEER_GONE) && !sessions_left(), 20000);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_PEER_GONE), 1);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_REVOKED), 1);
	EXPECT_EQ(sessions_left(), 0);
	stop_two();
}

static void gateway_gone_in_turns(void)
{
	ASSERT(two_with_peers());
	leads("alice");
	ASSERT(list_sessions(&a));
	goes(&a, SOTTO_REFUSAL_CLOSED);
	EXPECT_EQ(sessions_left(), PEERS * EACH);
	EXPECT(sessions_after("{\"cmd\":\"member.set\",\"name\":\"bob\",\"routes\":[\"10.8.0.0/16\"]}") > 0);
	SIM_UNTIL(!sessions_left(), 20000);
	EXPECT_EQ(sessions_left(), 0);
	stop_two();
}

static void restarted_in_turns(void)
{
	ASSERT(two_with_peers());
	ASSERT(list_sessions(&a));
	a.instance++;
	ASSERT(sim_associate(&a));
	/* those of its new kernel stay */
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	SIM_UNTIL(sessions_left() == 1, 20000);
	sim_wait(100);
	EXPECT_EQ(sessions_left(), 1);
	stop_two();
}

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
	{ "many_rules", many_rules },
	{ "shown_in_pages", shown_in_pages },
	{ "many_sessions", many_sessions },
	{ "revoked_in_turns", revoked_in_turns },
	{ "gateway_gone_in_turns", gateway_gone_in_turns },
	{ "restarted_in_turns", restarted_in_turns },
	{ "trial", trial },
	{ "trial_and_crash", trial_and_crash },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
