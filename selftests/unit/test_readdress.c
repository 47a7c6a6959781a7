// SPDX-License-Identifier: GPL-2.0
/*
 * A member that gets other addresses: its peers, its agent, its sessions, its policy, and what
 * is refused.
 */
#include "tworun.h"

#define IS(x, y)	EXPECT(!strcmp(x, y))
#define TOLD(s, prefix, action)						\
	do {								\
		SIM_UNTIL(sim_told(s, prefix) == (action), 10000);	\
		EXPECT_EQ(sim_told(s, prefix), (action));		\
	} while (0)

static char said[256];		/* what the last answer said of it */

/* Sets what the JSON text @members says of @name; the answer is the caller's. */
static json_t *set(const char *name, const char *members)
{
	json_t *req = json_loads(members, 0, NULL), *ans;

	json_object_set_new(req, "cmd", json_string("member.set"));
	json_object_set_new(req, "name", json_string(name));
	ans = authd_ask(&run, "O", req);
	json_decref(req);
	snprintf(said, sizeof(said), "%s", authd_str(ans, "message"));
	return ans;
}

/* The error's name, "" for a change, "same" without one. */
static const char *result(const char *name, const char *members)
{
	static char text[64];
	json_t *ans = set(name, members);

	snprintf(text, sizeof(text), "%s", authd_str(ans, "error"));
	if (json_is_false(json_object_get(ans, "changed")))
		strcpy(text, "same");
	json_decref(ans);
	return text;
}

static bool three(const char *conf)
{
	return authd_start(&run, conf) && sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2") &&
	       sim_member(&c, &run, "carol", "10.0.0.3");
}

/* "10.0.0.1 fd00::1", by member.show */
static const char *addresses(const char *name)
{
	static char text[512];
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.show", "name", name), *v;
	size_t i;

	text[0] = 0;
	json_array_foreach(json_object_get(json_object_get(ans, "member"), "addresses"), i, v) {
		strcat(text, i ? " " : "");
		strcat(text, json_string_value(v));
	}
	json_decref(ans);
	return text;
}

/* Where policy.show says that @prefix comes from. */
static const char *source(const char *prefix)
{
	static char text[32];
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "policy.show"), *v;
	size_t i;

	text[0] = 0;
	json_array_foreach(json_object_get(ans, "policies"), i, v)
		if (!strcmp(authd_str(v, "prefix"), prefix))
			snprintf(text, sizeof(text), "%s", authd_str(v, "source"));
	json_decref(ans);
	return text;
}

static void forget_line(const char *prefix)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "policy.del", "prefix", prefix);

	EXPECT(json_is_true(json_object_get(ans, "ok")));
	json_decref(ans);
}

static bool is_addr(const struct sotto_addrs *addrs, int n, const char *text)
{
	struct sotto_addr addr;

	sotto_addr_parse(&addr, text);
	return addrs->n == n && sotto_addrs_have(addrs, &addr);
}

static struct sim_ask *last_ask(struct sim *s)
{
	return &s->asks[s->asks_n - 1];
}

static void online(void)
{
	json_t *ans;
	int waits;

	ASSERT(three(""));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	TOLD(&a, "10.0.0.2/32", SOTTO_ACTION_PROTECT);
	ans = set("bob", "{\"addresses\": [\"fd00::12\", \"10.0.0.12\"]}");
	EXPECT(json_is_true(json_object_get(ans, "changed")));
	EXPECT_EQ(json_array_size(json_object_get(ans, "former")), 1);
	json_decref(ans);
	/* both are told that it is over, and it is to come again */
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) && b.byes, 10000);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_READDRESSED);
	EXPECT(a.last.ids.ids.id[0] == a.asks[0].session_id);
	EXPECT_EQ(b.byes, 1);
	EXPECT_EQ(sessions(), 0);
	IS(addresses("bob"), "fd00::12 10.0.0.12");
	/* the others protect the new ones, and go on doing so with the former one */
	TOLD(&a, "10.0.0.12/32", SOTTO_ACTION_PROTECT);
	TOLD(&a, "fd00::12/128", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_told(&a, "10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	IS(source("10.0.0.2/32"), "configured");
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), SOTTO_REFUSAL_NOT_MEMBER);
	/* who asks for a new one at once waits until it is there */
	waits = sim_ask(&a, "10.0.0.12");
	sim_wait(200);
	EXPECT(!a.asks[waits].done);
	ASSERT(sim_associate(&b));
	EXPECT(is_addr(&b.answer.hello_ack.addrs, 2, "10.0.0.12"));
	SIM_UNTIL(a.asks[waits].done, 10000);
	EXPECT(a.asks[waits].granted);
	EXPECT(is_addr(&a.asks[waits].grant.addrs, 2, "fd00::12"));
	EXPECT(sim_agree(&a.asks[waits], &b));
	/* it holds for the one who got them as well, and for who comes later */
	TOLD(&b, "10.0.0.2/32", SOTTO_ACTION_PROTECT);
	c.policy_version = 0;
	ASSERT(sim_associate(&c));
	TOLD(&c, "10.0.0.2/32", SOTTO_ACTION_PROTECT);
	/* until the administrator says otherwise */
	forget_line("10.0.0.2/32");
	TOLD(&a, "10.0.0.2/32", -1);
	stop();
}

/* It was away, with a session in its kernel, and so was the server meanwhile. */
static void offline(void)
{
	int gone;

	ASSERT(three(""));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	sim_note_bye(&b, SOTTO_REFUSAL_CLOSED);
	gone = sim_count(&a, SOTTO_MSG_SESSION_GONE);
	IS(result("bob", "{\"addresses\": [\"10.0.0.12\", \"10.0.0.2\"]}"), "");
	SIM_UNTIL(sim_count(&a, SOTTO_MSG_SESSION_GONE) > gone, 10000);
	EXPECT_EQ(a.last.ids.reason, SOTTO_REFUSAL_READDRESSED);
	TOLD(&a, "10.0.0.12/32", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	IS(addresses("bob"), "10.0.0.2 10.0.0.12");
	ASSERT(sim_open(&a, false) && sim_hello(&a, 0));
	ASSERT(sim_open(&b, false) && sim_hello(&b, 1));
	EXPECT(is_addr(&b.answer.hello_ack.addrs, 2, "10.0.0.12"));
	EXPECT(sim_live(&b, a.asks[0].session_id, a.pub));
	SIM_UNTIL(sim_count(&b, SOTTO_MSG_SESSION_GONE), 10000);
	EXPECT_EQ(sim_count(&b, SOTTO_MSG_SESSION_GONE), 1);
	EXPECT_EQ(sim_session(&a, "10.0.0.12"), 0);
	stop();
}

/* What is under way in that moment comes to its end, by the new addresses. */
static void under_way(void)
{
	struct sim_ask *to_bob, *of_bob, *nowhere;

	ASSERT(three(""));
	IS(result("bob", "{\"addresses\": [\"10.0.0.2\", \"10.0.0.22\"]}"), "");
	ASSERT(sim_associate(&b));
	b.mute = true;
	to_bob = &a.asks[sim_ask(&a, "10.0.0.2")];
	nowhere = &c.asks[sim_ask(&c, "10.0.0.22")];
	SIM_UNTIL(b.offers_seen == 2, 10000);
	IS(result("bob", "{\"addresses\": [\"10.0.0.2\", \"10.0.0.12\"]}"), "");
	SIM_UNTIL(nowhere->done, 10000);
	EXPECT_EQ(nowhere->reason, SOTTO_REFUSAL_NOT_MEMBER);
	EXPECT(!to_bob->done);
	b.mute = false;
	ASSERT(sim_associate(&b));
	SIM_UNTIL(to_bob->done, 10000);
	EXPECT(to_bob->granted && is_addr(&to_bob->grant.addrs, 2, "10.0.0.12"));
	EXPECT(sim_agree(to_bob, &b));
	/* the other way round: its agent asks once more, and is not taken for a repeat */
	c.mute = true;
	of_bob = &b.asks[sim_ask(&b, "10.0.0.3")];
	SIM_UNTIL(c.offers_seen, 10000);
	IS(result("bob", "{\"addresses\": [\"10.0.0.2\"]}"), "");
	c.mute = false;
	ASSERT(sim_associate(&b));
	of_bob->done = false;
	sim_send_ask(&b, b.asks_n - 1);
	SIM_UNTIL(of_bob->done, 10000);
	EXPECT(of_bob->granted && is_addr(&of_bob->grant.own_addrs, 1, "10.0.0.2"));
	EXPECT(sim_agree(of_bob, &c));
	EXPECT_EQ(pending(), 0);
	stop();
}

/* The former address is given to another one; its line is in nobody's way, nor is its end. */
static void given_again(void)
{
	static struct sim d;

	ASSERT(three(""));
	IS(result("bob", "{\"addresses\": [\"10.0.0.12\"]}"), "");
	ASSERT(sim_associate(&b));
	ASSERT(sim_member(&d, &run, "dave", "10.0.0.2"));
	TOLD(&a, "10.0.0.2/32", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	IS(last_ask(&a)->grant.name, "dave");
	EXPECT(sim_agree(last_ask(&a), &d));
	forget_line("10.0.0.2/32");
	sim_wait(200);
	EXPECT_EQ(sim_told(&a, "10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_session(&a, "10.0.0.12"), 0);
	IS(last_ask(&a)->grant.name, "bob");
	IS(result("bob", "{\"addresses\": [\"10.0.0.2\"]}"), "exists");
	revoke_member("dave");
	IS(result("bob", "{\"addresses\": [\"10.0.0.2\"]}"), "");
	ASSERT(sim_associate(&b));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	IS(last_ask(&a)->grant.name, "bob");
	stop();
}

/* What the administrator said of it before stands, and is not told otherwise. */
static void said_before(void)
{
	json_t *ans;

	ASSERT(three(""));
	ans = authd_ask(&run, "{s:s, s:s, s:s}", "cmd", "policy.add", "prefix", "10.0.0.2/32",
			"action", "bypass");
	json_decref(ans);
	ans = set("bob", "{\"addresses\": [\"10.0.0.12\"]}");
	EXPECT(json_is_true(json_object_get(ans, "changed")));
	EXPECT_EQ(json_array_size(json_object_get(ans, "former")), 0);
	json_decref(ans);
	TOLD(&a, "10.0.0.12/32", SOTTO_ACTION_PROTECT);
	EXPECT_EQ(sim_told(&a, "10.0.0.2/32"), SOTTO_ACTION_BYPASS);
	stop();
}

/* Where members' addresses are not protected as such, the former ones are not either. */
static void not_protected(void)
{
	json_t *ans;

	ASSERT(three("[realm]\nprotect_members = no\n"));
	ans = set("bob", "{\"addresses\": [\"10.0.0.12\"]}");
	EXPECT_EQ(json_array_size(json_object_get(ans, "former")), 0);
	json_decref(ans);
	IS(source("10.0.0.2/32"), "");
	ASSERT(sim_associate(&b));
	EXPECT_EQ(sim_session(&a, "10.0.0.12"), 0);
	stop();
}

static const struct {
	const char *name, *members, *error, *message;
} refused[] = {
	{ "bob", "{}", "bad-input", "say which" },
	{ "bob", "{\"addresses\": []}", "bad-input", "1 to 16 addresses" },
	{ "bob", "{\"addresses\": \"10.0.0.9\"}", "bad-input", "1 to 16 addresses" },
	{ "bob", "{\"addresses\": [\"10.0.0\"]}", "bad-input", "'10.0.0' is not" },
	{ "bob", "{\"addresses\": [\"127.0.0.1\"]}", "bad-input", "'127.0.0.1' is not" },
	{ "bob", "{\"addresses\": [\"ff02::1\"]}", "bad-input", "'ff02::1' is not" },
	{ "bob", "{\"addresses\": [\"10.0.0.9\", \"10.0.0.9\"]}", "bad-input", "10.0.0.9 is given twice" },
	{ "bob", "{\"addresses\": [\"10.0.0.9\", \"10.0.0.3\"]}", "exists",
	  "10.0.0.3 belongs to member 'carol'" },
	{ "bob", "{\"addresses\": [\"10.0.0.9\"], \"routes\": [\"10.8.0.1/16\"]}", "bad-input",
	  "'10.8.0.1/16' is not a network" },
	{ "bob", "{\"addresses\": [\"10.0.0.9\"], \"routes\": 1}", "bad-input", "is a list" },
	{ "bob", "{\"addresses\": [\"10.0.0.3\"], \"routes\": [\"10.8.0.0/16\"]}", "exists",
	  "10.0.0.3 belongs to member 'carol'" },
	{ "bob", "{\"address\": [\"10.0.0.9\"]}", "bad-input", "address" },
	{ "dave", "{\"addresses\": [\"10.0.0.9\"]}", "unknown", "no member 'dave'" },
	{ "Bob", "{\"addresses\": [\"10.0.0.9\"]}", "bad-input", "'Bob' is not a member's name" },
};

static const char *seventeen(void)
{
	static char text[512];
	int i, len = sprintf(text, "{\"addresses\": [");

	for (i = 0; i < 17; i++)
		len += sprintf(text + len, "%s\"10.1.0.%d\"", i ? ", " : "", i + 1);
	strcpy(text + len, "]}");
	return text;
}

/* What is wrong is named, and nothing of it happens. */
static void refusals(void)
{
	json_t *ans;
	size_t i;

	ASSERT(three(""));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *got = result(refused[i].name, refused[i].members);

		IS(got, refused[i].error);
		EXPECT(strstr(said, refused[i].message));
		if (strcmp(got, refused[i].error) || !strstr(said, refused[i].message))
			printf("# %s: %s: %s\n", refused[i].members, got, said);
	}
	IS(result("bob", seventeen()), "bad-input");
	EXPECT(strstr(said, "1 to 16 addresses"));
	/* a policy on trial comes back without the line */
	ans = authd_ask(&run, "{s:s, s:s, s:i}", "cmd", "policy.apply", "text", "", "confirm", 60);
	json_decref(ans);
	IS(result("bob", "{\"addresses\": [\"10.0.0.9\"]}"), "state");
	EXPECT(strstr(said, "on trial"));
	/* what is so already is no change, and takes no session along */
	IS(result("bob", "{\"addresses\": [\"10.0.0.2\"]}"), "same");
	sim_wait(200);
	EXPECT_EQ(sim_count(&a, SOTTO_MSG_SESSION_GONE), 0);
	EXPECT_EQ(b.byes, 0);
	IS(addresses("bob"), "10.0.0.2");
	EXPECT_EQ(sessions(), 1);
	EXPECT_EQ(sim_session(&a, "10.8.0.1"), SOTTO_REFUSAL_NOT_MEMBER);
	revoke_member("bob");
	IS(result("bob", "{\"addresses\": [\"10.0.0.9\"]}"), "unknown");
	EXPECT(strstr(said, "is revoked"));
	stop();
}

/* One that leads to a network, in one step with that. */
static void gateway(void)
{
	int waits;

	ASSERT(three(""));
	IS(result("carol", "{\"addresses\": [\"10.0.0.13\"], \"routes\": [\"10.8.0.0/16\"]}"), "");
	TOLD(&a, "10.8.0.0/16", SOTTO_ACTION_PROTECT);
	TOLD(&a, "10.0.0.13/32", SOTTO_ACTION_PROTECT);
	ASSERT(sim_associate(&c));
	EXPECT_EQ(sim_session(&a, "10.8.0.1"), 0);
	EXPECT(is_addr(&last_ask(&a)->grant.addrs, 1, "10.0.0.13"));
	EXPECT_EQ(last_ask(&a)->grant.routes.n, 1);
	/* the network behind it is waited for, too, and stays where it is */
	IS(result("carol", "{\"addresses\": [\"10.0.0.23\"]}"), "");
	waits = sim_ask(&a, "10.8.0.1");
	sim_wait(200);
	EXPECT(!a.asks[waits].done);
	ASSERT(sim_associate(&c));
	SIM_UNTIL(a.asks[waits].done, 10000);
	EXPECT(a.asks[waits].granted);
	EXPECT(is_addr(&a.asks[waits].grant.addrs, 1, "10.0.0.23"));
	EXPECT_EQ(a.asks[waits].grant.routes.n, 1);
	stop();
}

/* One that has not enrolled: it gets them with its line. */
static void before_it_enrols(void)
{
	char line[SOTTO_LINE_MAX];
	static struct sim d;

	ASSERT(three(""));
	sim_member_add(&run, "dave", "10.0.0.4", line);
	IS(result("dave", "{\"addresses\": [\"10.0.0.14\"]}"), "");
	IS(source("10.0.0.4/32"), "");
	sim_new(&d, &run, line);
	ASSERT(sim_open(&d, true) && sim_register(&d));
	EXPECT(is_addr(&d.addrs, 1, "10.0.0.14"));
	ASSERT(sim_associate(&d));
	EXPECT_EQ(sim_session(&a, "10.0.0.14"), 0);
	EXPECT_EQ(sim_session(&a, "10.0.0.4"), SOTTO_REFUSAL_NOT_MEMBER);
	stop();
}

static void monitored(void)
{
	struct sotto_uclient *uc;
	struct sotto_errmsg err;
	json_t *req = json_pack("{s:s}", "cmd", "realm.monitor"), *o = NULL;
	int i;

	ASSERT(three(""));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	ASSERT(!sotto_uclient_open(run.sock, &uc, &err));
	EXPECT_EQ(sotto_uclient_send(uc, req, &err), 0);
	EXPECT_EQ(sotto_uclient_recv(uc, 5000, &o, &err), 0);
	json_decref(o);
	IS(result("bob", "{\"addresses\": [\"10.0.0.12\"]}"), "");
	EXPECT_EQ(sotto_uclient_recv(uc, 5000, &o, &err), 0);
	IS(authd_str(o, "event"), "addresses");
	IS(authd_str(o, "member"), "bob");
	EXPECT_EQ(json_array_size(json_object_get(o, "addresses")), 1);
	for (i = 0; i < 10 && strcmp(authd_str(o, "event"), "ended"); i++) {
		json_decref(o);
		o = NULL;
		EXPECT_EQ(sotto_uclient_recv(uc, 5000, &o, &err), 0);
	}
	IS(authd_str(o, "reason"), "readdressed");
	json_decref(o);
	json_decref(req);
	sotto_uclient_close(uc);
	stop();
}

static const struct ktap_test tests[] = {
	{ "online", online },
	{ "offline", offline },
	{ "under_way", under_way },
	{ "given_again", given_again },
	{ "said_before", said_before },
	{ "not_protected", not_protected },
	{ "refusals", refusals },
	{ "gateway", gateway },
	{ "before_it_enrols", before_it_enrols },
	{ "monitored", monitored },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
