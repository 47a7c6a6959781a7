// SPDX-License-Identifier: GPL-2.0
/*
 * The storage: what is acknowledged lasts, what fails changes nothing, and the
 * file alone gives no secret away.
 */
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handshake.h"
#include "ktap.h"
#include "server/storage.h"
#include "server/store_msg.h"

static char dir[] = "/tmp/sotto-store-XXXXXX";
static char path[80];
static struct seal_key key;
static struct sotto_errmsg err;
static struct store *st;

static void remove_db(void)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[100];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

static bool far;			/* a storage process has the database */

static int open_again(void)
{
	st = NULL;
	return far ? storage_start(path, &key, &st, &err) :
		     store_open(path, false, &key, &st, &err);
}

static void fresh(void)
{
	remove_db();
	st = NULL;
	EXPECT_EQ(store_open(path, true, &key, &st, &err), 0);
	if (far) {
		store_close(st);
		EXPECT_EQ(open_again(), 0);
	}
}

static int reopen(void)
{
	store_close(st);
	return open_again();
}

struct code {
	uint8_t code[16], id[16], psk[32];
};

static int add(const char *name, const char *addr, struct code *c, int64_t *id)
{
	struct sotto_addrs addrs = { .n = 1 };

	sotto_addr_parse(&addrs.a[0], addr);
	randombytes_buf(c->code, 16);
	sotto_code_derive(c->code, c->id, c->psk);
	return store_member_add(st, "test", name, &addrs, 1000, c->id, c->psk,
				2000, id, &err);
}

static struct store_member found[8];
static int found_n;

static int collect(void *arg, const struct store_member *m)
{
	(void)arg;
	if (found_n < 8)
		found[found_n] = *m;
	found_n++;
	return 0;
}

static int members(void)
{
	found_n = 0;
	EXPECT_EQ(store_each_member(st, collect, NULL, &err), 0);
	return found_n;
}

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
	EXPECT_EQ(store_policy_load(st, &doc, &err), 0);
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
	EXPECT_EQ(store_policy_load(st, &back, &err), 0);
	EXPECT_EQ(back.groups_n, MANY / 3);
	EXPECT(back.groups_n && back.groups[back.groups_n - 1].id);
	EXPECT_EQ(back.nets_n, MANY);
	EXPECT(!strcmp(back.nets[MANY - 1].group, "group-0999"));
	EXPECT_EQ(back.rules_n, POLICY_RULES_MAX);
	EXPECT(back.rules[7].dst.kind == SIDE_NET && back.deny_rest);
	EXPECT_EQ(store_each_change(st, 0, count_change, &n, &err), 0);
	EXPECT_EQ(n, MANY);
	EXPECT_EQ(store_policy_rules(st, "test", back.rules, back.rules_n,
				     false, "all of them", 1, &err), 0);
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
	EXPECT_EQ(store_routes_set(st, "test", id, "alice", &routes, 1, &err),
		  0);
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

static int sql_int(const char *sql)
{
	sqlite3_stmt *s;
	sqlite3 *db;
	int n = -1;

	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
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
	/* another action for one that there is */
	sotto_prefix_parse(&p.prefix, "1.1.2.1/32");
	EXPECT_EQ(store_policy_net(st, "test", &p, true, 1, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(store_policy_load(st, &doc, &err), 0);
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
	EXPECT_EQ(store_grants(st, g, 3, 0, &err), 0);
	EXPECT_EQ(reopen(), 0);		/* what was taken is written before the end */
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 3);
	g[0].at = 40;
	EXPECT_EQ(store_grants(st, g, 1, 25, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 2);
	EXPECT_EQ(sql_int("SELECT min(at) FROM grant_log"), 30);
	store_close(st);
}

/* A storage process that stands still is not waited for, and loses nothing that it
 * was given; what it cannot write it says.
 */
static void slow_storage(void)
{
	static struct store_grant g[1024];
	int taken = 0, rc = 0;
	sqlite3 *db;

	far = true;
	fresh();
	kill(st->pid, SIGSTOP);
	while (!rc && taken < 1000) {
		rc = store_grants(st, g, 1024, 0, &err);
		taken += !rc;
	}
	EXPECT_EQ(rc, SOTTO_E_LIMIT);
	EXPECT(taken > 0);
	kill(st->pid, SIGCONT);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), taken * 1024);
	EXPECT_EQ(store_grants_failed(st, &err), 0);
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_exec(db, "DROP TABLE grant_log", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	EXPECT_EQ(store_grants(st, g, 7, 0, &err), 0);
	for (rc = 0; !rc && taken < 2000; taken++) {
		usleep(5000);
		rc = store_grants_failed(st, &err);
	}
	EXPECT_EQ(rc, 7);
	EXPECT(strstr(err.text, "grant_log") && strstr(err.text, path));
	store_close(st);
	far = false;
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
	EXPECT_EQ(sql_int("PRAGMA user_version"), 3);
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
		EXPECT_EQ(store_policy_load(st, &doc, &err), 0);
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
	EXPECT_EQ(sql_int("PRAGMA user_version"), 3);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grant_log"), 1);
	EXPECT_EQ(store_open(path, false, &old, &st, &err), 0);
	sotto_prefix_parse(&n.prefix, "10.0.0.0/8");
	EXPECT_EQ(store_policy_net(st, "test", &n, true, 1, &err), 0);
	store_close(st);
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
	EXPECT_EQ(store_policy_rules(st, "test", NULL, 0, false, detail, 1550, &err), 0);
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

/* A real full disk: a small tmpfs of our own. */
static bool small_disk(const char *where)
{
	if (geteuid() || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return !mount("none", where, "tmpfs", 0, "size=300k");
}

static void fill_disk(void)
{
	char name[100], block[4096] = { 1 };
	FILE *f;

	snprintf(name, sizeof(name), "%s/filler", dir);
	f = fopen(name, "w");
	setvbuf(f, NULL, _IONBF, 0);
	while (fwrite(block, sizeof(block), 1, f) == 1)
		;
	fclose(f);
}

static int in_small_disk(void)
{
	struct sotto_errmsg first;
	enum sotto_refusal why;
	struct store_member m;
	struct code c, c2;
	uint8_t pub[32] = { 7 };
	char name[100];
	int64_t id;
	int rc = 0, i, before;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	fill_disk();
	/* what is left of the log's last page may still take some */
	for (i = 0; i < 200 && !rc; i++) {
		char who[16], addr[32];

		snprintf(who, sizeof(who), "m%d", i);
		snprintf(addr, sizeof(addr), "10.1.0.%d", i);
		rc = add(who, addr, &c2, &id);
	}
	first = err;
	EXPECT_EQ(rc, SOTTO_E_FULL);
	EXPECT(strstr(first.text, "full"));
	before = members();
	EXPECT_EQ(before, i);
	/* nothing half done: a registration leaves the code as it was */
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err),
		  SOTTO_E_FULL);
	EXPECT_EQ(members(), before);
	EXPECT_EQ(found[0].state, MEMBER_PENDING);
	EXPECT_EQ(store_member_revoke(st, "test", 1, 1, &err), SOTTO_E_FULL);
	/* with room again it goes on */
	snprintf(name, sizeof(name), "%s/filler", dir);
	unlink(name);
	EXPECT_EQ(store_register(st, c.id, pub, 1500, &m, &why, &err), 0);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(members(), before);
	EXPECT_EQ(found[0].state, MEMBER_ACTIVE);
	store_close(st);
	return ktap_failed ? 1 : 0;
}

static int in_read_only_disk(void)
{
	struct code c;
	int64_t id;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	store_close(st);
	EXPECT(!mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, "size=300k"));
	EXPECT(store_open(path, false, &key, &st, &err) < 0);
	EXPECT(strstr(err.text, "may be written") ||
	       strstr(err.text, "cannot be written"));
	EXPECT(!mount(NULL, dir, NULL, MS_REMOUNT, "size=300k"));
	EXPECT_EQ(store_open(path, false, &key, &st, &err), 0);
	EXPECT_EQ(members(), 1);
	store_close(st);
	return ktap_failed ? 1 : 0;
}

static void on_small_disk(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		int rc = small_disk(dir) ? fn() : 4;

		fflush(stdout);
		_exit(rc);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
		SKIP("needs root to mount a small file system");
	EXPECT_EQ(status, 0);
}

static void full_disk(void)
{
	on_small_disk(in_small_disk);
}

static void read_only(void)
{
	on_small_disk(in_read_only_disk);
}

/* A statement that fails in the middle takes all before it back. */
static void half_way(void)
{
	struct code c;
	int64_t id;
	sqlite3 *db;

	fresh();
	EXPECT_EQ(add("alice", "10.0.0.1", &c, &id), 0);
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_exec(db, "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
			       NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	EXPECT_EQ(add("bob", "10.0.0.2", &c, &id), SOTTO_E_IO);
	EXPECT_EQ(store_member_revoke(st, "test", 1, 1, &err), SOTTO_E_IO);
	EXPECT_EQ(members(), 1);
	EXPECT_EQ(found[0].state, MEMBER_PENDING);
	EXPECT_EQ(found[0].code_expires, 2000);
	store_close(st);
}

/* ---- killed at any moment, nothing that was acknowledged is lost ---- */

#define ROUNDS		50
#define STRESS_ROUNDS	1000

/* What a child says once it is acknowledged. */
struct done {
	enum { DONE_ADD, DONE_REGISTER, DONE_NET, DONE_GROUP, DONE_REVOKE } what;
	int64_t id;
};

static int register_one(struct code *c, int64_t id, int round)
{
	enum sotto_refusal why;
	struct store_member sm;
	uint8_t pub[32] = { 1 };

	memcpy(pub + 1, &id, sizeof(id));
	pub[31] = round;
	return store_register(st, c->id, pub, 1500, &sm, &why, &err);
}

static int change_net(int64_t id)
{
	struct policy_net n = { .action = SOTTO_ACTION_PREFER };
	char text[64];

	snprintf(text, sizeof(text), "11.%d.%d.%d", (int)(id >> 16),
		 (int)(id >> 8) & 255, (int)id & 255);
	sotto_prefix_parse(&n.prefix, text);
	return store_policy_net(st, "test", &n, true, 1, &err);
}

static int change(int what, const char *name, const char *addr, struct code *c,
		  int64_t *id, int round)
{
	switch (what) {
	case DONE_ADD:
		return add(name, addr, c, id);
	case DONE_REGISTER:
		return register_one(c, *id, round);
	case DONE_NET:
		return change_net(*id);
	case DONE_GROUP:
		return store_group_member(st, "test", "everyone", *id, name,
					  true, 1, &err);
	default:
		/* some leave: their groups, too */
		return *id % 3 ? 0 : store_member_revoke(st, "test", *id, 1600,
							 &err);
	}
}

static void child(int fd, int round)
{
	struct done d = { 0 };

	if (far && !freopen("/dev/null", "w", stderr))
		_exit(2);

	for (int i = 0;; i++) {
		char name[32], addr[32];
		struct code c;

		snprintf(name, sizeof(name), "m%d-%d", round, i);
		snprintf(addr, sizeof(addr), "10.%d.%d.%d", round % 256,
			 round / 256 * 64 + i / 250, i % 250 + 1);
		for (int what = DONE_ADD; what <= DONE_REVOKE; what++) {
			d.what = what;
			if (change(what, name, addr, &c, &d.id, round) ||
			    write(fd, &d, sizeof(d)) != sizeof(d)) {
				fprintf(stderr, "%s\n", err.text);
				_exit(1);
			}
		}
	}
}

static uint8_t seen[1 << 20];		/* bits of what is there, by id */

static int mark(void *arg, const struct store_member *m)
{
	(void)arg;
	EXPECT_EQ(m->addrs.n, 1);
	if (m->id < (int64_t)sizeof(seen))
		seen[m->id] = 1 << DONE_ADD |
			      (m->state != MEMBER_PENDING) << DONE_REGISTER |
			      (m->state == MEMBER_REVOKED) << DONE_REVOKE;
	return 0;
}

static void mark_policy(void)
{
	struct policy_doc doc;
	uint32_t i;
	int64_t id;

	EXPECT_EQ(store_policy_load(st, &doc, &err), 0);
	for (i = 0; i < doc.nets_n; i++) {
		const uint8_t *b = doc.nets[i].prefix.addr.b;

		id = b[1] << 16 | b[2] << 8 | b[3];
		if (id < (int64_t)sizeof(seen))
			seen[id] |= 1 << DONE_NET;
	}
	policy_doc_free(&doc);
}

static void check_done(const struct done *d)
{
	uint8_t has = d->id < (int64_t)sizeof(seen) ? seen[d->id] : 0;

	if (d->what == DONE_GROUP)
		return;		/* counted below */
	if (d->what == DONE_REVOKE && d->id % 3)
		return;
	EXPECT(has & 1 << d->what);
}

static int kill_once(int round)
{
	static struct done acked[8192];
	int fds[2], n = 0, status, groups = 0;
	pid_t pid;

	EXPECT(!pipe(fds));
	EXPECT_EQ(reopen(), 0);
	pid = fork();
	if (!pid)
		child(fds[1], round);
	close(fds[1]);
	usleep(10000 + randombytes_uniform(70000));
	kill(far ? st->pid : pid, SIGKILL);
	waitpid(pid, &status, 0);
	/* who asks a storage process that was killed ends, and acknowledges nothing */
	EXPECT_EQ(status, far ? 1 << 8 : SIGKILL);
	while (n < 8192 && read(fds[0], &acked[n], sizeof(acked[0])) ==
			   sizeof(acked[0]))
		n++;
	close(fds[0]);
	EXPECT_EQ(reopen(), 0);
	EXPECT_EQ(store_each_member(st, mark, NULL, &err), 0);
	mark_policy();
	for (int i = 0; i < n; i++) {
		check_done(&acked[i]);
		/* the last two may or may not have been taken out again */
		groups += acked[i].what == DONE_GROUP && acked[i].id % 3;
	}
	EXPECT(sql_int("SELECT count(*) FROM grp_member") >= groups);
	EXPECT_EQ(sql_int("SELECT count(*) FROM grp_member x JOIN member m ON m.id = x.member WHERE m.state = 2"), 0);
	return n;
}

static void crashes(void)
{
	int total = 0, rounds = getenv("SOTTO_STRESS") ? STRESS_ROUNDS : ROUNDS;

	fresh();
	for (int round = 0; round < rounds; round++)
		total += kill_once(round);
	EXPECT(total > rounds);
	EXPECT_EQ(sql_int("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
	printf("# %d changes acknowledged, killed %d times\n", total, rounds);
	store_close(st);
}

/* ---- what a server that was taken over may not ask ---- */

/* The storage process ends, and its socket with it. */
static bool ends_after(const void *frame, size_t len)
{
	uint8_t in[64];
	ssize_t n;
	int status;

	far = true;
	if (open_again())
		return false;
	n = send(st->fd, frame, len, MSG_NOSIGNAL) == (ssize_t)len ?
	    recv(st->fd, in, sizeof(in), 0) : -1;
	/* it lives, if it is of that opinion */
	if (n)
		kill(st->pid, SIGKILL);
	waitpid(st->pid, &status, 0);
	store_close(st);
	far = false;
	return !n && !WIFSIGNALED(status);
}

static size_t frame_of(uint8_t *buf, enum store_op op, const struct sotto_wbuf *w)
{
	buf[0] = op;
	buf[1] = 1;
	return STORE_FRAME_HEAD + w->len;
}

static void refused_requests(void)
{
	uint8_t buf[512], copy[512];
	struct sotto_wbuf w;
	size_t len, cut;
	int n = 0;

	fresh();
	store_close(st);
	sotto_wbuf_init(&w, buf + STORE_FRAME_HEAD, 256);
	store_put_text(&w, "admin");
	sotto_put_u64(&w, 1);
	sotto_put_u64(&w, 1);
	len = frame_of(buf, STORE_MEMBER_REVOKE, &w);
	/* as it is, it is answered */
	EXPECT(!ends_after(buf, len));
	for (cut = 1; cut <= len; cut++) {
		/* one byte too few, or too many */
		memcpy(copy, buf, len);
		copy[len] = 0;
		EXPECT(ends_after(copy, cut == len ? len + 1 : cut));
	}
	/* a text with a NUL, an operation that there is not, a third kind of frame */
	memcpy(copy, buf, len);
	copy[6] = 0;
	EXPECT(ends_after(copy, len));
	for (n = STORE_GRANTS; n < 256; n += 57) {
		memcpy(copy, buf, len);
		copy[0] = n;
		EXPECT(ends_after(copy, len));
	}
	memcpy(copy, buf, len);
	copy[1] = 2;
	EXPECT(ends_after(copy, len));
	/* other secrets are settings, other audit lines those of what is done */
	sotto_wbuf_init(&w, buf + STORE_FRAME_HEAD, 256);
	store_put_text(&w, "policy_version");
	sotto_put_u64(&w, 99);
	EXPECT(ends_after(buf, frame_of(buf, STORE_SECRET_SET, &w)));
	sotto_wbuf_init(&w, buf + STORE_FRAME_HEAD, 256);
	store_put_text(&w, "admin");
	store_put_text(&w, "member.revoke");
	store_put_text(&w, "alice");
	store_put_text(&w, "id 1 key -");
	sotto_put_u64(&w, 1);
	EXPECT(ends_after(buf, frame_of(buf, STORE_AUDIT, &w)));
	EXPECT_EQ(sql_int("SELECT count(*) FROM audit"), 0);
}

/* What is for its start is refused when the server has started. */
static void refused_later(void)
{
	static const struct {
		enum store_op op;
		bool refused;
	} ops[] = {
		{ STORE_EACH_MEMBER, true }, { STORE_TRIAL_GET, true },
		{ STORE_STARTED, true }, { STORE_POLICY_VERSION, false },
	};
	uint8_t frame[2] = { 0, 1 }, in[64];

	fresh();
	store_close(st);
	far = true;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		ASSERT(!open_again());
		EXPECT_EQ(members(), 0);
		EXPECT_EQ(storage_started(st, &err), 0);
		frame[0] = ops[i].op;
		EXPECT_EQ(send(st->fd, frame, 2, 0), 2);
		EXPECT_EQ(recv(st->fd, in, sizeof(in), 0) <= 0, ops[i].refused);
		store_close(st);
	}
	far = false;
}

/* Also where a storage process has the database. */
#define FAR(fn)			\
static void far_##fn(void)	\
{				\
	far = true;		\
	fn();			\
	far = false;		\
}

FAR(life)
FAR(policies)
FAR(whole_policy)
FAR(small_things)
FAR(full_realm)
FAR(grants)
FAR(sealed_at_rest)
FAR(full_disk)
FAR(half_way)
FAR(crashes)

static const struct ktap_test tests[] = {
	{ "life", life },
	{ "policies", policies },
	{ "whole_policy", whole_policy },
	{ "small_things", small_things },
	{ "full_realm", full_realm },
	{ "grants", grants },
	{ "sealed_at_rest", sealed_at_rest },
	{ "versions", versions },
	{ "migrates", migrates },
	{ "old_backup", old_backup },
	{ "revoked_since", revoked_since },
	{ "full_disk", full_disk },
	{ "read_only", read_only },
	{ "half_way", half_way },
	{ "crashes", crashes },
	{ "far_life", far_life },
	{ "far_policies", far_policies },
	{ "far_whole_policy", far_whole_policy },
	{ "far_small_things", far_small_things },
	{ "far_full_realm", far_full_realm },
	{ "far_grants", far_grants },
	{ "far_sealed_at_rest", far_sealed_at_rest },
	{ "far_full_disk", far_full_disk },
	{ "far_half_way", far_half_way },
	{ "far_crashes", far_crashes },
	{ "slow_storage", slow_storage },
	{ "refused_requests", refused_requests },
	{ "refused_later", refused_later },
};

int main(void)
{
	int rc;

	if (sodium_init() < 0 || !mkdtemp(dir))
		return 1;
	randombytes_buf(key.k, sizeof(key.k));
	snprintf(path, sizeof(path), "%s/realm.db", dir);
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	remove_db();
	rmdir(dir);
	return rc;
}
