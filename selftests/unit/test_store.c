// SPDX-License-Identifier: GPL-2.0
/*
 * The storage: what is acknowledged lasts, what fails changes nothing, and the
 * file alone gives no secret away.
 */
#include "storerun.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "server/authd_limits.h"
#include "server/store_msg.h"

static void life(void)
{
	enum sotto_refusal why;
	struct store_member m, again;
	struct store_code sc;
	uint8_t pub[32], other[32];
	struct code c, c2;
	int64_t id, id2;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	EXPECT_EQ(add("alice", "10.0.0.2", &c2, &id2), SOTTO_E_EXISTS);
	EXPECT(strstr(err.text, "alice"));
	EXPECT_EQ(add("bob", "10.0.0.1", &c2, &id2), SOTTO_E_EXISTS);
	EXPECT(strstr(err.text, "10.0.0.1"));
	EXPECT_EQ(members(), 1);
	EXPECT_EQ(found[0].code_expires, 2000);
	EXPECT_EQ(store_code_find(st, c.id, &sc, &err), 0);
	EXPECT(!memcmp(sc.psk, c.psk, 32) && sc.member_id == id);
	EXPECT_EQ(store_code_find(st, c.code, &sc, &err), SOTTO_E_UNKNOWN);

	randombytes_buf(pub, 32);
	randombytes_buf(other, 32);
	EXPECT_EQ(store_register(st, c.id, pub, 2000, &m, &why, &err),
		  SOTTO_E_REFUSED);
	EXPECT_EQ(why, SOTTO_REFUSAL_CODE_EXPIRED);
	EXPECT_EQ(store_register(st, c.id, pub, 1999, &m, &why, &err), 0);
	EXPECT(m.state == MEMBER_ACTIVE && !strcmp(m.name, "alice"));
	EXPECT(!sodium_is_zero(m.token_secret, 32));
	/* again, even when it has expired; but not by another key */
	EXPECT_EQ(store_register(st, c.id, pub, 9999, &again, &why, &err), 0);
	EXPECT(!memcmp(m.token_secret, again.token_secret, 32));
	EXPECT_EQ(again.registered, 1999);
	EXPECT_EQ(store_register(st, c.id, other, 1999, &m, &why, &err),
		  SOTTO_E_REFUSED);
	EXPECT_EQ(why, SOTTO_REFUSAL_CODE_USED);
	EXPECT_EQ(store_code_new(st, "test", id, false, 1, c2.id, c2.psk, 2, &err),
		  SOTTO_E_STATE);
	/* one key, one member */
	EXPECT_EQ(add("bob", "10.0.0.2", &c2, &id2), 0);
	EXPECT_EQ(store_register(st, c2.id, pub, 1500, &m, &why, &err),
		  SOTTO_E_REFUSED);
	EXPECT_EQ(why, SOTTO_REFUSAL_KEY_IN_USE);
	/* all of it is still there */
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(members(), 2);
	EXPECT(!memcmp(found[0].static_pub, pub, 32));
	EXPECT(!memcmp(found[0].token_secret, again.token_secret, 32));
	EXPECT_EQ(found[1].state, MEMBER_PENDING);

	EXPECT_EQ(store_member_revoke(st, "test", id, 3000, &err), 0);
	EXPECT_EQ(members(), 2);
	EXPECT_EQ(found[0].state, MEMBER_REVOKED);
	EXPECT(sodium_is_zero(found[0].token_secret, 32));
	EXPECT_EQ(store_code_find(st, c.id, &sc, &err), SOTTO_E_UNKNOWN);
	/* name and address can be given again, the key cannot */
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id2), 0);
	EXPECT_EQ(members(), 3);
	EXPECT_EQ(found[0].addrs.n, 0);
	EXPECT_EQ(found[2].addrs.n, 1);
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err),
		  SOTTO_E_REFUSED);
	EXPECT_EQ(why, SOTTO_REFUSAL_KEY_IN_USE);
	EXPECT_EQ(store_member_revoke(st, "test", 99, 1, &err), SOTTO_E_UNKNOWN);
	store_close(st);
}

static int count_audit(void *arg, const struct store_audit *a)
{
	int *n = arg;

	if ((*n)++ == 0)
		EXPECT(!strcmp(a->event, "policy.del"));
	return 0;
}

static void policies(void)
{
	struct policy_net p = { .action = SOTTO_ACTION_PREFER };
	struct policy_doc doc;
	uint64_t before, after;
	char text[64];
	int n = 0;

	fresh();
	sotto_prefix_parse(&p.prefix, "fd00::/16");
	EXPECT_EQ(store_policy_version(st, &before, &err), 0);
	EXPECT_EQ(store_policy_net(st, "test", &p, true, 1, &err), 0);
	p.action = SOTTO_ACTION_BLOCK;
	EXPECT_EQ(store_policy_net(st, "test", &p, true, 1, &err), 0);
	EXPECT_EQ(store_policy_load(st, &doc, true, &err), 0);
	EXPECT_EQ(doc.nets_n, 1);
	EXPECT_EQ(doc.nets[0].action, SOTTO_ACTION_BLOCK);
	policy_doc_free(&doc);
	EXPECT_EQ(store_policy_version(st, &after, &err), 0);
	EXPECT_EQ(after, before + 2);
	EXPECT_EQ(store_policy_net(st, "test", &p, false, 1, &err), 0);
	EXPECT_EQ(store_policy_net(st, "test", &p, false, 1, &err),
		  SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_policy_version(st, &after, &err), 0);
	EXPECT_EQ(after, before + 3);
	n = 0;
	EXPECT_EQ(store_each_audit(st, 2, count_audit, &n, &err), 0);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(store_endpoints(st, text, sizeof(text), &err), 0);
	EXPECT(!*text);
	EXPECT_EQ(store_endpoints_set(st, "gw:1,gw:2", &err),
		  far ? SOTTO_E_STATE : 0);
	EXPECT_EQ(store_endpoints(st, text, sizeof(text), &err), 0);
	EXPECT(far || !strcmp(text, "gw:1,gw:2"));
	store_close(st);
}

static int count_change(void *arg, const struct store_change *c)
{
	int *n = arg;

	*n += c->kind == CHANGE_NET && c->prefix.addr.len == 4;
	return 0;
}

#define MANY	3000

/* Larger than any frame between the server and its storage process. */
static void whole_policy(void)
{
	struct store_trial t = { .until = 5, .seconds = 6 }, got;
	struct policy_doc doc = { 0 }, back;
	struct policy_group *g = NULL;
	struct policy_net *net;
	struct policy_rule *r;
	char text[64];
	int i, n = 0;

	fresh();
	for (i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "group-%04d", i / 3);
		g = i % 3 ? g : policy_doc_group(&doc, text);
		snprintf(text, sizeof(text), "a-member-of-a-group-%d", i);
		ASSERT(g && !policy_group_add(g, text));
		net = policy_doc_net(&doc);
		snprintf(text, sizeof(text), "10.%d.%d.0/24", i / 250, i % 250);
		ASSERT(net && !sotto_prefix_parse(&net->prefix, text));
		net->action = SOTTO_ACTION_BLOCK;
		strcpy(net->group, g->name);
	}
	for (i = 0; i < POLICY_RULES_MAX; i++) {
		r = policy_doc_rule(&doc);
		snprintf(text, sizeof(text), "allow @group-%04d 10.%d.0.0/16",
			 i % 1000, i % 250);
		ASSERT(r && !policy_rule_parse(r, text, &err));
	}
	doc.deny_rest = true;
	t.previous = policy_doc_text(&doc);
	EXPECT(strlen(t.previous) > STORE_FRAME_MAX);
	EXPECT_EQ(store_policy_apply(st, "test", "policy.apply", &doc, &t,
				     true, 1, &err), 0);
	EXPECT_EQ(store_policy_load(st, &back, true, &err), 0);
	EXPECT_EQ(back.groups_n, MANY / 3);
	EXPECT(back.groups_n && back.groups[back.groups_n - 1].id);
	EXPECT_EQ(back.nets_n, MANY);
	EXPECT(!strcmp(back.nets[MANY - 1].group, "group-0999"));
	EXPECT_EQ(back.rules_n, POLICY_RULES_MAX);
	EXPECT(back.rules[7].dst.kind == SIDE_NET && back.deny_rest);
	EXPECT_EQ(store_each_change(st, 0, count_change, &n, &err), 0);
	EXPECT_EQ(n, MANY);
	back.deny_rest = false;
	EXPECT_EQ(store_policy_rules(st, "test", &back, 1, &err), 0);
	policy_doc_free(&back);
	EXPECT_EQ(store_trial_get(st, &got, &err), 0);
	EXPECT(got.until == 5 && got.seconds == 6);
	EXPECT(got.previous && !strcmp(got.previous, t.previous));
	free(got.previous);
	EXPECT_EQ(store_trial_end(st, "test", 1, &err), 0);
	EXPECT_EQ(store_trial_get(st, &got, &err), 0);
	EXPECT(!got.previous);
	free(t.previous);
	policy_doc_free(&doc);
	store_close(st);
}

static char said[128];

static int last_audit(void *arg, const struct store_audit *a)
{
	(void)arg;
	snprintf(said, sizeof(said), "%s %s: %s", a->event, a->subject, a->detail);
	return 0;
}

/* What the audit log says last. */
static const char *audit(void)
{
	EXPECT_EQ(store_each_audit(st, 1, last_audit, NULL, &err), 0);
	return said;
}

static int set_rules(const char *text)
{
	struct policy_doc doc;
	int rc;

	EXPECT_EQ(policy_doc_parse(&doc, text, NULL, &err), 0);
	rc = store_policy_rules(st, "test", &doc, 1, &err);
	policy_doc_free(&doc);
	return rc;
}

/* The audit log says what happens, not what the one who asks for it says that it is. */
static void audited_truly(void)
{
	struct sotto_prefixes routes = { .n = 1 };
	struct store_set set = { .routes = &routes };
	struct code c;
	int64_t id, other;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	EXPECT_EQ(add("bob", "10.0.0.2", &c, &other), 0);
	sotto_prefix_parse(&routes.p[0], "10.8.0.0/16");
	EXPECT_EQ(store_group_member(st, "test", "web", id, "bob", true, 1, &err), SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_group_member(st, "test", "web", id, "alice", true, 1, &err), 0);
	EXPECT_EQ(store_group_member(st, "test", "web", id, "bob", false, 1, &err), SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_member_set(st, "test", other, "alice", &set, 1, &err), SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_group_member(st, "test", "web", 77, "bob", true, 1, &err), SOTTO_E_UNKNOWN);
	EXPECT(!strcmp(audit(), "group.add web: alice"));
	EXPECT_EQ(set_rules("deny alice all"), 0);
	EXPECT(!strcmp(audit(), "policy.rules : deny alice all"));
	EXPECT_EQ(set_rules("allow bob all\ndeny alice all"), 0);
	EXPECT(!strcmp(audit(), "policy.rules : allow bob all"));
	EXPECT_EQ(set_rules("allow bob all\ndeny alice all\ndefault deny"), 0);
	EXPECT(!strcmp(audit(), "policy.rules : default deny"));
	EXPECT_EQ(set_rules("allow bob all\ndefault deny"), 0);
	EXPECT(!strcmp(audit(), "policy.rules : not: deny alice all"));
	EXPECT_EQ(set_rules("allow bob all\nallow all all\ndefault allow"), 0);
	EXPECT(!strcmp(audit(), "policy.rules : 2 rules, default allow"));
	EXPECT_EQ(set_rules("deny all bob\nallow all all"), 0);
	EXPECT(!strcmp(audit(), "policy.rules : 2 rules, default allow"));
	store_close(st);
}

static int set_addrs(int64_t id, const char *name, const char *one, const char *two,
		     const struct sotto_prefixes *routes)
{
	struct sotto_addrs addrs = { .n = two ? 2 : 1 };
	const struct store_set set = { .addrs = &addrs, .routes = routes, .protect = true };

	EXPECT_EQ(sotto_addr_parse(&addrs.a[0], one), 0);
	EXPECT(!two || !sotto_addr_parse(&addrs.a[1], two));
	return store_member_set(st, "test", id, name, &set, 1, &err);
}

static int is_change(void *arg, const struct store_change *c)
{
	int *n = arg;

	*n += (c->kind == CHANGE_ADDRESS || c->kind == CHANGE_NET) && c->prefix.addr.len == 4;
	return 0;
}

/* Prefixes of IPv4 that were changed since then. */
static int changed_since(uint64_t version)
{
	int n = 0;

	EXPECT_EQ(store_each_change(st, version, is_change, &n, &err), 0);
	return n;
}

/* The line of the policy for @prefix, if there is one; else -1. */
static int line_for(const char *prefix)
{
	struct sotto_prefix p;
	struct policy_doc doc;
	int action = -1;

	EXPECT_EQ(sotto_prefix_parse(&p, prefix), 0);
	EXPECT_EQ(store_policy_load(st, &doc, false, &err), 0);
	for (uint32_t i = 0; i < doc.nets_n; i++)
		if (!memcmp(&doc.nets[i].prefix, &p, sizeof(p)) && !doc.nets[i].group[0])
			action = doc.nets[i].action;
	policy_doc_free(&doc);
	return action;
}

static bool in_audit_file(const char *text)
{
	char name[100], line[1024];
	bool said = false;
	FILE *f;

	snprintf(name, sizeof(name), "%s.audit", path);
	f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f))
		said |= strstr(line, text) != NULL;
	if (f)
		fclose(f);
	return said;
}

static bool has_addrs(int64_t id, int n, const char *one)
{
	struct sotto_addr a;

	members();
	sotto_addr_parse(&a, one);
	return found[id - 1].addrs.n == n && sotto_addrs_have(&found[id - 1].addrs, &a);
}

/* Other addresses, all or none; what is given up stays protected until it is said otherwise. */
static void readdressed(void)
{
	struct policy_net bypass = { .action = SOTTO_ACTION_BYPASS };
	struct sotto_prefixes routes = { .n = 1 };
	enum sotto_refusal why;
	struct store_member m;
	uint64_t before, after;
	uint8_t pub[32];
	int64_t id, other, third;
	struct code c;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	/* of one that waits nobody was told */
	EXPECT_EQ(store_policy_version(st, &before, &err), 0);
	EXPECT_EQ(set_addrs(id, "alice", "10.0.0.11", "fd00::1", NULL), 0);
	EXPECT_EQ(store_policy_version(st, &after, &err), 0);
	EXPECT_EQ(before, after);
	EXPECT_EQ(line_for("10.0.0.1/32"), -1);
	EXPECT(!strcmp(audit(), "member.addresses alice: 10.0.0.1 -> 10.0.0.11 fd00::1"));
	randombytes_buf(pub, 32);
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err), 0);
	EXPECT_EQ(m.addrs.n, 2);
	EXPECT_EQ(add("bob", "10.0.0.2", &c, &other), 0);
	randombytes_buf(pub, 32);
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err), 0);
	/* one that is taken: neither that nor the rest */
	EXPECT_EQ(store_policy_version(st, &before, &err), 0);
	sotto_prefix_parse(&routes.p[0], "10.8.0.0/16");
	EXPECT_EQ(set_addrs(other, "bob", "10.0.0.3", "10.0.0.11", &routes), SOTTO_E_EXISTS);
	EXPECT(strstr(err.text, "10.0.0.11 belongs to member 'alice'"));
	EXPECT_EQ(set_addrs(77, "bob", "10.0.0.3", NULL, NULL), SOTTO_E_UNKNOWN);
	EXPECT_EQ(set_addrs(id, "bob", "10.0.0.3", NULL, NULL), SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_policy_version(st, &after, &err), 0);
	EXPECT_EQ(before, after);
	EXPECT(has_addrs(other, 1, "10.0.0.2"));
	EXPECT_EQ(sql_int("SELECT count(*) FROM route"), 0);
	EXPECT(strstr(audit(), "member.register bob"));
	/* both, and what members are told of it: the new one, the former one, its line; the net */
	EXPECT_EQ(set_addrs(other, "bob", "10.0.0.3", NULL, &routes), 0);
	EXPECT(!strcmp(audit(), "member.routes bob: 10.8.0.0/16"));
	EXPECT(in_audit_file("\"event\":\"member.addresses\",\"subject\":\"bob\","
			     "\"detail\":\"10.0.0.2 -> 10.0.0.3\""));
	EXPECT_EQ(changed_since(before), 4);
	EXPECT_EQ(line_for("10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(reopen(), 0);
	EXPECT(has_addrs(other, 1, "10.0.0.3"));
	EXPECT_EQ(sql_int("SELECT count(*) FROM route"), 1);
	/* what the administrator has said of the former one stands */
	sotto_prefix_parse(&bypass.prefix, "10.0.0.3/32");
	EXPECT_EQ(store_policy_net(st, "test", &bypass, true, 1, &err), 0);
	EXPECT_EQ(set_addrs(other, "bob", "10.0.0.4", NULL, NULL), 0);
	EXPECT_EQ(line_for("10.0.0.3/32"), SOTTO_ACTION_BYPASS);
	/* it goes to another one, and comes back from a revoked one */
	EXPECT_EQ(add("carol", "10.0.0.2", &c, &third), 0);
	EXPECT_EQ(set_addrs(other, "bob", "10.0.0.2", NULL, NULL), SOTTO_E_EXISTS);
	EXPECT_EQ(store_member_revoke(st, "test", third, 1, &err), 0);
	EXPECT_EQ(set_addrs(third, "carol", "10.0.0.9", NULL, NULL), SOTTO_E_STATE);
	EXPECT_EQ(set_addrs(other, "bob", "10.0.0.2", NULL, NULL), 0);
	EXPECT(has_addrs(other, 1, "10.0.0.2"));
	EXPECT_EQ(sql_int("SELECT count(*) FROM address"), 3);
	store_close(st);
}

static int same_route(void *arg, const struct store_route *r)
{
	int *n = arg;

	*n += r->member == 1 && r->prefix.plen == 16;
	return 0;
}

/* What none of the others does. */
static void small_things(void)
{
	struct sotto_prefixes routes = { .n = 2 };
	struct store_set set = { .routes = &routes };
	uint8_t secret[100], back[100];
	struct code c;
	int64_t id;
	int n = 0;

	fresh();
	EXPECT_EQ(add("alice", "fd00::1", &c, &id), 0);
	EXPECT_EQ(store_group_member(st, "test", "web", id, "alice", true, 1,
				     &err), 0);
	EXPECT_EQ(store_group_member(st, "test", "web", id, "alice", true, 1,
				     &err), SOTTO_E_EXISTS);
	EXPECT_EQ(store_group_del(st, "test", "web", 1, &err), 0);
	EXPECT_EQ(store_group_del(st, "test", "web", 1, &err), SOTTO_E_UNKNOWN);
	sotto_prefix_parse(&routes.p[0], "10.8.0.0/16");
	sotto_prefix_parse(&routes.p[1], "fd00:8::/16");
	EXPECT_EQ(store_member_set(st, "test", id, "alice", &set, 1, &err), 0);
	EXPECT_EQ(store_each_route(st, same_route, &n, &err), 0);
	EXPECT_EQ(n, 2);
	randombytes_buf(secret, sizeof(secret));
	EXPECT_EQ(store_secret_get(st, "ticket_keys", back, 100, &err),
		  SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_secret_set(st, "ticket_keys", secret, 100, &err), 0);
	EXPECT_EQ(store_secret_get(st, "ticket_keys", back, 99, &err),
		  SOTTO_E_BAD);
	EXPECT_EQ(store_secret_get(st, "ticket_keys", back, 100, &err), 0);
	EXPECT(!memcmp(secret, back, 100));
	EXPECT_EQ(store_audit(st, "10.0.0.1", "member.register.refused", "",
			      "code-used", 1, &err), 0);
	store_close(st);
}

/* One more than can be loaded would leave a realm that does not start. */
static void full_realm(void)
{
	struct policy_net p = { .action = SOTTO_ACTION_PREFER };
	struct policy_doc doc;
	struct code c;
	int64_t id;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	sql_int("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1024)"
		" INSERT INTO grp(name) SELECT 'g' || i FROM n");
	sql_int("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65536)"
		" INSERT INTO policy SELECT CAST(char(i / 4096 + 1, i / 64 % 64 + 1, i % 64 + 1, 1) AS BLOB),"
		" 32, 0, 1 FROM n");
	EXPECT_EQ(sql_int("SELECT count(*) FROM policy"), POLICY_NETS_MAX);
	EXPECT_EQ(store_group_member(st, "test", "g1", id, "alice", true, 1, &err), 0);
	EXPECT_EQ(store_group_member(st, "test", "one-more", id, "alice", true, 1, &err),
		  SOTTO_E_LIMIT);
	sotto_prefix_parse(&p.prefix, "fd00::/16");
	EXPECT_EQ(store_policy_net(st, "test", &p, true, 1, &err), SOTTO_E_LIMIT);
	EXPECT(strstr(err.text, "65536 networks"));
	/* no room for the line of a former address: it is not given up */
	sql_int("UPDATE member SET registered = 1");
	EXPECT_EQ(set_addrs(id, "alice", "10.0.0.9", NULL, NULL), SOTTO_E_LIMIT);
	EXPECT(strstr(err.text, "65536 networks"));
	EXPECT(has_addrs(id, 1, "10.0.0.1"));
	/* another action for one that there is */
	sotto_prefix_parse(&p.prefix, "1.1.2.1/32");
	EXPECT_EQ(store_policy_net(st, "test", &p, true, 1, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(store_policy_load(st, &doc, true, &err), 0);
	EXPECT_EQ(doc.groups_n, POLICY_GROUPS_MAX);
	EXPECT_EQ(doc.nets_n, POLICY_NETS_MAX);
	policy_doc_free(&doc);
	store_close(st);
}

static void grants(void)
{
	struct store_grant g[3] = {
		{ .at = 10, .session_id = 1, .a = 1, .b = 2, .cipher = 1 },
		{ .at = 20, .session_id = UINT64_MAX, .a = 1, .b = 2 },
		{ .at = 30, .session_id = 3, .a = 2, .b = 1 },
	};

	fresh();
	EXPECT_EQ(store_grants(st, g, 2, 0, &err), 0);
	EXPECT_EQ(store_grants(st, g + 2, 1, 0, &err), 0);
	EXPECT_EQ(reopen(), 0);		/* what was taken is written before the end */
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 3);
	g[0].at = 40;
	EXPECT_EQ(store_grants(st, g, 1, 25, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 2);
	EXPECT_EQ(sql_int("SELECT min(at) FROM grant_log"), 30);
	/* of what was written at once all stays as long as its last one */
	g[1].at = 50;
	EXPECT_EQ(store_grants(st, g, 2, 45, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 2);
	EXPECT_EQ(sql_int("SELECT min(at) FROM grant_log"), 40);
	store_close(st);
}

/* All in one row; each comes once, and as it was, also when the clock went back. */
static void many_grants(void)
{
	struct store_grant g[37] = { 0 };
	int n = sizeof(g) / sizeof(g[0]), i;

	for (i = 0; i < n; i++)
		g[i] = (struct store_grant){ .at = 100 - i, .session_id = (0xabull << 56) + i,
					     .a = 100 + i, .b = INT64_MAX - i, .cipher = i % 3 };
	g[n - 1].at = 1000;
	fresh();
	EXPECT_EQ(store_grants(st, g, n, 0, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), n);
	EXPECT_EQ(sql_int("SELECT count(DISTINCT a) FROM grant_log WHERE at = iif(a = 136, 1000, 200 - a)"
			  " AND b = 9223372036854775807 - (a - 100) AND cipher = (a - 100) % 3 AND"
			  " session = printf('ab%014x', a - 100)"), n);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_batch"), 1);
	store_close(st);
}

/* What a clock that was wrong for a while leaves in the log, and takes from it. */
static void clock_jumps(void)
{
	struct store_grant g[200] = { 0 };
	int64_t now = time(NULL), month = AUTHD_GRANT_LOG_DAYS * 86400ll;
	int i;

	for (i = 0; i < 200; i++)
		g[i] = (struct store_grant) { .at = i < 10 ? now + 10 * month : now - i };
	fresh();
	EXPECT_EQ(store_grants(st, g, 10, now - month, &err), 0);
	for (i = 10; i < 200; i += 10)
		EXPECT_EQ(store_grants(st, g + i, 10, now - month, &err), 0);
	EXPECT_EQ(reopen(), 0);
	/* those of a time to come keep nothing from being deleted in its time */
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 190);
	/* where the clock is a month ahead, the log is not gone with one grant */
	if (!far) {
		EXPECT_EQ(store_grants(st, g + 10, 1, now + month, &err), 0);
		EXPECT(sql_int("SELECT count(*) FROM grant_log") > 100);
		EXPECT(sql_int("SELECT count(*) FROM grant_log") < 190);
	}
	store_close(st);
}

/* Is @what in the database file or its log, as it is? */
static bool in_file(const void *what, size_t len)
{
	static const char *const ends[] = { "", "-wal" };
	static uint8_t buf[1 << 20];
	bool hit = false;

	for (int i = 0; i < 2; i++) {
		char name[100];
		size_t n;
		FILE *f;

		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		f = fopen(name, "r");
		n = f ? fread(buf, 1, sizeof(buf), f) : 0;
		hit |= memmem(buf, n, what, len) != NULL;
		if (f)
			fclose(f);
	}
	return hit;
}

static void sealed_at_rest(void)
{
	struct seal_key wrong = key;
	enum sotto_refusal why;
	struct store_member m;
	struct stat sb;
	uint8_t pub[32];
	struct code c;
	int64_t id;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	randombytes_buf(pub, 32);
	EXPECT(in_file(c.id, 16));	/* the search itself works */
	EXPECT(!in_file(c.code, 16));
	EXPECT(!in_file(c.psk, 32));
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err), 0);
	EXPECT(in_file(pub, 32));
	EXPECT(!in_file(m.token_secret, 32));
	EXPECT(!stat(path, &sb) && (sb.st_mode & 0777) == 0600);
	/* another realm's key opens nothing */
	store_close(st);
	wrong.k[0] ^= 1;
	EXPECT_EQ(store_open(path, false, &wrong, &st, &err), 0);
	EXPECT_EQ(store_each_member(st, collect, NULL, &err), SOTTO_E_BAD);
	EXPECT(strstr(err.text, "realm.key"));
	store_close(st);
}

static void versions(void)
{
	fresh();
	store_close(st);
	EXPECT_EQ(store_open(path, true, &key, &st, &err), SOTTO_E_EXISTS);
	EXPECT_EQ(sql_int("PRAGMA user_version"), 4);
	sql_int("PRAGMA user_version = 99");
	EXPECT_EQ(store_open(path, false, &key, &st, &err), SOTTO_E_VERSION);
	EXPECT(strstr(err.text, "newer"));
	EXPECT_EQ(sql_int("PRAGMA user_version"), 99);
	remove_db();
	EXPECT_EQ(store_open(path, false, &key, &st, &err), SOTTO_E_IO);
	{
		FILE *f = fopen(path, "w");

		fputs("this is not a database, whatever its name may say\n", f);
		fclose(f);
	}
	EXPECT_EQ(store_open(path, false, &key, &st, &err), SOTTO_E_BAD);
	remove_db();
	sql_int("PRAGMA user_version");
	EXPECT_EQ(store_open(path, false, &key, &st, &err), SOTTO_E_BAD);
}

/* ---- a database of the first version ---- */

static void run_file(sqlite3 *db, const char *name)
{
	const char *top = getenv("SOTTO_TOP");
	char file[512], text[16384];
	size_t n;
	FILE *f;

	snprintf(file, sizeof(file), "%s/selftests/vectors/%s",
		 top ? top : ".", name);
	f = fopen(file, "r");
	ASSERT(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	EXPECT_EQ(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
}

static int find_old(void *arg, const struct store_member *m)
{
	int *n = arg;

	(*n)++;
	EXPECT_EQ(m->addrs.n, 2);
	if (!strcmp(m->name, "alice")) {
		EXPECT_EQ(m->state, MEMBER_ACTIVE);
		EXPECT(!sodium_is_zero(m->token_secret, 32));
	} else if (!strcmp(m->name, "bob")) {
		EXPECT_EQ(m->state, MEMBER_REVOKED);
	} else {
		EXPECT_EQ(m->state, MEMBER_PENDING);
		EXPECT_EQ(m->code_expires, 1900000000);
	}
	return 0;
}

/* Made by the first version; its realm key is 32 times 07. */
static void migrates(void)
{
	struct store_grant g = { .at = 1700000500, .session_id = 5, .a = 1, .b = 2, .cipher = 1 };
	struct policy_net n = { .action = SOTTO_ACTION_BYPASS };
	uint8_t priv[32];
	struct policy_doc doc;
	struct seal_key old;
	char text[64];
	sqlite3 *db;
	int i, members = 0;

	remove_db();
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	run_file(db, "realm-v1.sql");
	sqlite3_close(db);
	memset(priv, 7, sizeof(priv));
	seal_key_derive(&old, priv);
	/* twice: what was migrated is opened as it is */
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(store_open(path, false, &old, &st, &err), 0);
		members = 0;
		EXPECT_EQ(store_each_member(st, find_old, &members, &err), 0);
		EXPECT_EQ(members, 3);
		EXPECT_EQ(store_policy_load(st, &doc, true, &err), 0);
		EXPECT_EQ(doc.nets_n, 2);
		EXPECT(!doc.deny_rest);
		EXPECT_EQ(doc.nets[0].action, SOTTO_ACTION_PROTECT);
		EXPECT_EQ(doc.nets[1].action, SOTTO_ACTION_PREFER);
		EXPECT(!doc.nets[0].group[0]);
		policy_doc_free(&doc);
		EXPECT_EQ(store_endpoints(st, text, sizeof(text), &err), 0);
		EXPECT(!strcmp(text, "gw.example:7688"));
		store_close(st);
	}
	EXPECT_EQ(sql_int("PRAGMA user_version"), 4);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 1);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log WHERE at = 1700000400 AND"
			  " session = '000000000000004d' AND a = 1 AND b = 3 AND cipher = 1"), 1);
	EXPECT_EQ(store_open(path, false, &old, &st, &err), 0);
	sotto_prefix_parse(&n.prefix, "10.0.0.0/8");
	EXPECT_EQ(store_policy_net(st, "test", &n, true, 1, &err), 0);
	/* what was logged before is read with the rest, and ends as it would have */
	EXPECT_EQ(store_grants(st, &g, 1, 1700000400, &err), 0);
	store_close(st);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 2);
	EXPECT_EQ(store_open(path, false, &old, &st, &err), 0);
	EXPECT_EQ(store_grants(st, &g, 1, 1700000401, &err), 0);
	store_close(st);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 2);
	EXPECT_EQ(sql_int("SELECT min(at) FROM grant_log"), 1700000500);
	/* a migration that was broken off begins anew */
	EXPECT_EQ(sql_int("SELECT count(*) FROM policy"), 2);
}

/* A backup that was made before the realm's key could be rolled over. */
static void old_backup(void)
{
	struct realm_keys keys = { 0 };
	struct store_backup b;
	char file[100];
	struct seal_key old;
	sqlite3 *db;
	int n = 0;

	remove_db();
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	run_file(db, "realm-v1.sql");
	sqlite3_close(db);
	memset(keys.priv, 7, sizeof(keys.priv));
	seal_key_derive(&old, keys.priv);
	snprintf(file, sizeof(file), "%s/backup", dir);
	EXPECT_EQ(store_backup(path, file, &keys, 5, &err), 0);
	EXPECT_EQ(sqlite3_open(file, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_exec(db, "ALTER TABLE backup DROP COLUMN storage;"
			       "ALTER TABLE backup DROP COLUMN former",
			       NULL, NULL, NULL), SQLITE_OK);
	EXPECT_EQ(store_backup_read(file, &b, &err), 0);
	EXPECT_EQ(b.at, 5);
	EXPECT(!memcmp(b.keys.priv, keys.priv, sizeof(keys.priv)));
	EXPECT(!memcmp(b.keys.storage, old.k, sizeof(old.k)));
	EXPECT(sodium_is_zero(b.keys.former, sizeof(b.keys.former)));
	remove_db();
	EXPECT_EQ(store_restore(file, path, &err), 0);
	EXPECT_EQ(store_open(path, false, &old, &st, &err), 0);
	EXPECT_EQ(store_each_member(st, find_old, &n, &err), 0);
	EXPECT_EQ(n, 3);
	store_close(st);
	/* one without any key is none, nor is one of a version to come */
	EXPECT_EQ(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	EXPECT_EQ(store_backup_read(file, &b, &err), SOTTO_E_VERSION);
	EXPECT(strstr(err.text, "newer"));
	EXPECT_EQ(sqlite3_exec(db, "DROP TABLE backup", NULL, NULL, NULL), SQLITE_OK);
	EXPECT_EQ(store_backup_read(file, &b, &err), SOTTO_E_BAD);
	EXPECT(strstr(err.text, "not a backup"));
	sqlite3_close(db);
	unlink(file);
}

/* The realm's key is in it: it is not written into what somebody else has put there. */
static void private_backup(void)
{
	struct realm_keys keys = { 0 };
	char file[100], part[120], target[100];
	struct stat sb;
	int i, fd;

	snprintf(file, sizeof(file), "%s/backup", dir);
	snprintf(part, sizeof(part), "%s.part", file);
	snprintf(target, sizeof(target), "%s/target", dir);
	fresh();
	for (i = 0; i < 2; i++) {
		fd = open(i ? target : part, O_WRONLY | O_CREAT, 0666);
		EXPECT(fd >= 0 && !fchmod(fd, 0666));
		close(fd);
		EXPECT(!i || !symlink(target, part));
		EXPECT_EQ(store_backup(path, file, &keys, 5, &err), 0);
		EXPECT(!lstat(file, &sb) && S_ISREG(sb.st_mode));
		EXPECT_EQ(sb.st_mode & 0777, 0600);
		unlink(file);
	}
	EXPECT(!stat(target, &sb));
	EXPECT_EQ(sb.st_size, 0);
	unlink(target);
	store_close(st);
}

/* A copy from before somebody enrolled, who was revoked since: the code that it has of
 * him is as little good as his key, however long a line of the log there is before.
 */
static void revoked_since(void)
{
	struct realm_keys keys = { 0 };
	enum sotto_refusal why;
	struct store_member m;
	struct store_code sc;
	uint8_t pub[32];
	struct code c, c2, c3;
	int64_t id, id2, id3;
	char file[100], detail[4000];

	snprintf(file, sizeof(file), "%s/backup", dir);
	memset(detail, '"', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = 0;
	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	EXPECT_EQ(add("bob", "10.0.0.2", &c2, &id2), 0);
	EXPECT_EQ(add("carol", "10.0.0.3", &c3, &id3), 0);
	EXPECT_EQ(store_backup(path, file, &keys, 5, &err), 0);
	randombytes_buf(pub, 32);
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err), 0);
	EXPECT_EQ(store_audit(st, "test", "test", "", detail, 1550, &err), 0);
	EXPECT_EQ(store_member_revoke(st, "test", id, 1600, &err), 0);
	EXPECT_EQ(store_member_revoke(st, "test", id2, 1600, &err), 0);
	store_close(st);
	EXPECT_EQ(store_restore(file, path, &err), 0);
	EXPECT_EQ(store_open(path, false, &key, &st, &err), 0);
	EXPECT_EQ(members(), 3);
	EXPECT_EQ(found[0].state, MEMBER_REVOKED);
	EXPECT_EQ(found[1].state, MEMBER_REVOKED);
	EXPECT_EQ(found[2].state, MEMBER_PENDING);
	EXPECT_EQ(store_code_find(st, c.id, &sc, &err), SOTTO_E_UNKNOWN);
	EXPECT_EQ(store_code_find(st, c3.id, &sc, &err), 0);
	store_close(st);
	unlink(file);
}

FAR(life)
FAR(policies)
FAR(whole_policy)
FAR(small_things)
FAR(full_realm)
FAR(audited_truly)
FAR(readdressed)
FAR(grants)
FAR(clock_jumps)
FAR(sealed_at_rest)

static const struct ktap_test tests[] = {
	{ "life", life },
	{ "policies", policies },
	{ "whole_policy", whole_policy },
	{ "small_things", small_things },
	{ "full_realm", full_realm },
	{ "audited_truly", audited_truly },
	{ "readdressed", readdressed },
	{ "grants", grants },
	{ "many_grants", many_grants },
	{ "clock_jumps", clock_jumps },
	{ "sealed_at_rest", sealed_at_rest },
	{ "versions", versions },
	{ "migrates", migrates },
	{ "old_backup", old_backup },
	{ "revoked_since", revoked_since },
	{ "private_backup", private_backup },
	{ "far_life", far_life },
	{ "far_policies", far_policies },
	{ "far_whole_policy", far_whole_policy },
	{ "far_small_things", far_small_things },
	{ "far_full_realm", far_full_realm },
	{ "far_audited_truly", far_audited_truly },
	{ "far_readdressed", far_readdressed },
	{ "far_grants", far_grants },
	{ "far_clock_jumps", far_clock_jumps },
	{ "far_sealed_at_rest", far_sealed_at_rest },
};

int main(void)
{
	return run_with_store(tests, sizeof(tests) / sizeof(tests[0]));
}
