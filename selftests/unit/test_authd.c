// SPDX-License-Identifier: GPL-2.0
/*
 * Small agents against the real server over loopback: enrolment, policy, the
 * administrator's socket, the disk.
 */
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>

#include "hostsrun.h"
#include "server/authd_limits.h"

static void add_fails(const char *error, const char *name, const char *a1,
		      const char *a2)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s, s:[s, s]}", "cmd",
				"member.add", "name", name, "addresses", a1, a2);

	EXPECT(!strcmp(authd_str(ans, "error"), error));
	EXPECT(*authd_str(ans, "message"));
	json_decref(ans);
}

static void admin(void)
{
	char line[SOTTO_LINE_MAX];
	json_t *ans;

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	add_fails("exists", "alice", "10.0.0.3", "10.0.0.4");
	add_fails("exists", "bob", "10.0.0.2", "10.0.0.1");
	add_fails("bad-input", "bob", "10.0.0.2", "10.0.0.2");
	add_fails("bad-input", "Bob", "10.0.0.2", "10.0.0.3");
	add_fails("bad-input", "bob", "10.0.0.2", "224.0.0.1");
	add_fails("bad-input", "bob", "10.0.0.2", "gw.example");
	ans = authd_ask(&run, "{s:s}", "cmd", "member.list");
	EXPECT_EQ(json_array_size(json_object_get(ans, "members")), 1);
	json_decref(ans);
	ans = authd_ask(&run, "{s:s, s:s, s:i}", "cmd", "member.show", "name",
			"alice", "more", 1);
	EXPECT(!strcmp(authd_str(ans, "error"), "bad-input"));
	json_decref(ans);
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.revoke", "name",
			"carol");
	EXPECT(!strcmp(authd_str(ans, "error"), "unknown"));
	json_decref(ans);
	ans = authd_ask(&run, "{s:s}", "cmd", "nonsense");
	EXPECT(!strcmp(authd_str(ans, "error"), "unknown"));
	json_decref(ans);
	ans = authd_ask(&run, "{s:s, s:i}", "cmd", "audit.list", "limit", 1);
	EXPECT(!strcmp(authd_str(json_array_get(json_object_get(ans, "audit"),
						0), "event"), "member.add"));
	json_decref(ans);
	stop(NULL, NULL);
}

static void enrolment(void)
{
	char line[SOTTO_LINE_MAX];
	uint8_t secret[32];

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	ASSERT(sim_open(&a, true) && sim_register(&a));
	EXPECT(!strcmp(a.name, "alice"));
	EXPECT_EQ(a.addrs.n, 1);
	memcpy(secret, a.answer.registered.token_secret, 32);
	EXPECT(!sodium_is_zero(secret, 32));
	/* the answer was lost: the same key asks again and gets the same */
	ASSERT(sim_open(&a, true) && sim_register(&a));
	EXPECT(!memcmp(secret, a.answer.registered.token_secret, 32));
	ASSERT(sim_associate(&a));
	/* another key with the same code */
	sim_new(&b, &run, line);
	ASSERT(sim_open(&b, true));
	EXPECT(!sim_register(&b));
	EXPECT_EQ(b.answer.error.reason, SOTTO_REFUSAL_CODE_USED);
	/* a code that never was, told by a hint only */
	b.code[0] ^= 1;
	EXPECT_EQ(sim_handshake(&b, true, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_REFUSED);
	stop(&a, &b);
}

/* In the database, which a server may have; the caller closes it. */
static sqlite3 *sql_open(const char *statement)
{
	sqlite3 *db;
	char path[192];

	snprintf(path, sizeof(path), "%s/state/authd/realm.db", run.top);
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 2000);
	EXPECT_EQ(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void sql(const char *statement)
{
	sqlite3_close(sql_open(statement));
}

static void expired_code(void)
{
	char line[SOTTO_LINE_MAX];
	json_t *ans;

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sql("UPDATE code SET expires = 1");
	sim_new(&a, &run, line);
	ASSERT(sim_open(&a, true));
	EXPECT(!sim_register(&a));
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_CODE_EXPIRED);
	/* still waiting for its enrolment; a new code works, the old is void */
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.code", "name",
			"alice");
	sim_new(&b, &run, authd_str(ans, "line"));
	json_decref(ans);
	EXPECT(sim_open(&b, true) && sim_register(&b));
	EXPECT_EQ(sim_handshake(&a, true, 10000), SOTTO_HS_HINTED);
	/* nobody can take two memberships with one key */
	sim_member_add(&run, "bob", "10.0.0.2", line);
	memcpy(a.priv, b.priv, 32);
	memcpy(a.pub, b.pub, 32);
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.code", "name", "bob");
	{
		struct sotto_errmsg err;
		struct sotto_enrol e;

		EXPECT_EQ(sotto_enrol_parse(&e, authd_str(ans, "line"), &err), 0);
		memcpy(a.code, e.code, 16);
	}
	json_decref(ans);
	EXPECT(sim_open(&a, true) && !sim_register(&a));
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_KEY_IN_USE);
	stop(&a, &b);
}

/* How often this is in the audit log. */
static int audited(const char *event)
{
	json_t *ans = authd_ask(&run, "{s:s, s:i}", "cmd", "audit.list", "limit", 1000);
	json_t *one;
	size_t i;
	int n = 0;

	json_array_foreach(json_object_get(ans, "audit"), i, one)
		n += !strcmp(authd_str(one, "event"), event);
	json_decref(ans);
	return n;
}

/* A code that is replaced while its host enrols is no fault of the disk. */
static void replaced_code(void)
{
	char line[SOTTO_LINE_MAX];
	json_t *ans;

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	ASSERT(sim_open(&a, true));
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.code", "name",
			"alice");
	json_decref(ans);
	EXPECT(!sim_register(&a));
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_CODE_EXPIRED);
	EXPECT_EQ(audited("member.register.refused"), 1);
	stop(&a, NULL);
}

/* Guessing codes is slowed down: after a burst there is only "busy". */
static void guessing(void)
{
	char line[SOTTO_LINE_MAX];
	int i, refused = 0, busy = 0;

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	for (i = 0; i < 50; i++) {
		randombytes_buf(a.code, 16);
		EXPECT_EQ(sim_handshake(&a, true, 10000), SOTTO_HS_HINTED);
		refused += a.hs_res.hint == SOTTO_HINT_REFUSED;
		busy += a.hs_res.hint == SOTTO_HINT_BUSY;
	}
	/* 20 that anybody can have sent, and 20 that are its own for sure */
	EXPECT_EQ(refused, 40);
	EXPECT_EQ(busy, 10);
	EXPECT(stat_of("cookies") >= 20);
	stop(&a, NULL);
}

/* So is trying a used one again and again, by who knows it. */
static void used_code_again(void)
{
	char line[SOTTO_LINE_MAX];
	int i;

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	ASSERT(sim_open(&a, true) && sim_register(&a));
	sim_new(&b, &run, line);
	for (i = 0; i < 20; i++) {
		ASSERT(sim_open(&b, true));
		EXPECT(!sim_register(&b));
	}
	EXPECT_EQ(sim_handshake(&b, true, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_BUSY);
	stop(&a, &b);
}

/* Nor does one association get round that. */
static void used_code_without_end(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_REGISTER };
	char line[SOTTO_LINE_MAX];
	int i;

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	ASSERT(sim_open(&a, true) && sim_register(&a));
	sim_new(&b, &run, line);
	ASSERT(sim_open(&b, true));
	for (i = 0; i < 50; i++)
		EXPECT_EQ(sim_call(&b, &m), SOTTO_MSG_ERROR);
	EXPECT_EQ(b.answer.error.reason, SOTTO_REFUSAL_LIMIT);
	EXPECT(audited("member.register.refused") <= 16);
	/* the right key's secret is given as seldom, whatever it is asked on */
	for (i = 0; i < 30; i++)
		EXPECT(sim_call(&a, &m));
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_LIMIT);
	stop(&a, &b);
}

static bool online(const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.show", "name", name);
	bool is = json_is_true(json_object_get(json_object_get(ans, "member"), "online"));

	json_decref(ans);
	return is;
}

/* One host after another enrols, until a secret is not to be had at once; its address in @addr. */
static bool enrol_too_many(int net, int pause_ms, char addr[32])
{
	char name[16], line[SOTTO_LINE_MAX];
	bool done = true;
	int i;

	for (i = 1; done && i < 250; i++) {
		snprintf(name, sizeof(name), "m%d-%d", net, i);
		snprintf(addr, 32, "10.%d.0.%d", net, i);
		sim_member_add(&run, name, addr, line);
		sim_wait(pause_ms);
		sim_new(&b, &run, line);
		done = sim_open(&b, true) && sim_register(&b);
		if (done)
			sim_free(&b);
	}
	return !done;
}

/* Their secrets come one after another; that they are members, and have new keys, is so at once. */
static void many_enrolments(void)
{
	char addr[32];
	json_t *ans;

	ASSERT(authd_start(&run, "[limits]\nsource_rate = 10000\ncookie_rate = 10000\n"));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(enrol_too_many(1, 0, addr));
	EXPECT_EQ(b.answer.error.reason, SOTTO_REFUSAL_LIMIT);
	sim_free(&b);
	/* alone, so that no other change is told with it */
	ASSERT(enrol_too_many(2, 100, addr));
	SIM_UNTIL(sim_told(&a, addr) == SOTTO_ACTION_PROTECT, 2000);
	EXPECT_EQ(sim_told(&a, addr), SOTTO_ACTION_PROTECT);
	/* alice's old key is dead, too */
	EXPECT(online("alice"));
	sim_free(&b);
	ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.rekey", "name", "alice");
	sim_new(&b, &run, authd_str(ans, "line"));
	json_decref(ans);
	ASSERT(sim_open(&b, true));
	while (sim_register(&b))
		;
	EXPECT_EQ(b.answer.error.reason, SOTTO_REFUSAL_LIMIT);
	SIM_UNTIL(!online("alice"), 2000);
	EXPECT(!online("alice"));
	/* and the same line gets it, a little later */
	sim_wait(1100);
	EXPECT(sim_register(&b) && sim_associate(&b));
	EXPECT(online("alice"));
	stop(&a, &b);
}

/* What makes the server work most is limited for each member by itself. */
static void beginnings(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_POLICY_GET };
	int i, done = 0;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(sim_member(&b, &run, "bob", "10.0.0.2"));
	for (i = 0; i < 400; i++)
		done += sim_hello(&a, 0);
	EXPECT(done >= 230 && done < 300);
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_LIMIT);
	for (i = 0, done = 0; i < 100; i++)
		done += sim_call(&a, &m) == SOTTO_MSG_ACK;
	EXPECT(done < 50);
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_LIMIT);
	EXPECT(stat_of("begin_limited") > 100);
	/* the others have theirs, and what is asked often it still gets */
	EXPECT(sim_hello(&b, 0));
	EXPECT_EQ(sim_call(&b, &m), SOTTO_MSG_ACK);
	m.type = SOTTO_MSG_KEEPALIVE;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ACK);
	stop(&a, &b);
}

static void not_permitted(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CLOSE };
	char line[SOTTO_LINE_MAX];

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	/* while enrolling, only to register */
	ASSERT(sim_open(&a, true));
	m.ids.ids.n = 1;
	m.ids.ids.id[0] = 7;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ERROR);
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_UNSUPPORTED);
	EXPECT(!sim_hello(&a, 0));
	ASSERT(sim_register(&a) && sim_associate(&a));
	/* a member cannot register, nor close what is not there */
	m.type = SOTTO_MSG_REGISTER;
	memset(&m.reg, 0, sizeof(m.reg));
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ERROR);
	m.type = SOTTO_MSG_SESSION_CLOSE;
	m.ids.ids.n = 1;
	m.ids.ids.id[0] = 7;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ACK);
	/* nor do the server's part */
	m.type = SOTTO_MSG_REVOKED;
	EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ERROR);
	stop(&a, NULL);
}

static void policy_cmd(const char *cmd, const char *prefix, const char *action)
{
	json_t *ans = action ?
		authd_ask(&run, "{s:s, s:s, s:s}", "cmd", cmd, "prefix", prefix,
			  "action", action) :
		authd_ask(&run, "{s:s, s:s}", "cmd", cmd, "prefix", prefix);

	EXPECT(json_is_true(json_object_get(ans, "ok")));
	json_decref(ans);
}

static uint64_t policy_version_now(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.show");
	uint64_t v = json_integer_value(json_object_get(ans, "policy_version"));

	json_decref(ans);
	return v;
}

static void policy(void)
{
	char text[64];
	uint64_t v;
	int i;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	SIM_UNTIL(sim_told(&a, "10.0.0.1/32") == SOTTO_ACTION_PROTECT, 10000);
	EXPECT(sim_told(&a, "10.0.0.1/32") == SOTTO_ACTION_PROTECT);
	/* a member that is added is told of once it has enrolled */
	ASSERT(sim_member(&b, &run, "bob", "fd00::2"));
	SIM_UNTIL(sim_told(&a, "fd00::2/128") == SOTTO_ACTION_PROTECT, 10000);
	EXPECT(sim_told(&a, "fd00::2/128") == SOTTO_ACTION_PROTECT);
	policy_cmd("policy.add", "10.9.0.0/16", "block");
	policy_cmd("policy.add", "10.0.0.1", "bypass");
	SIM_UNTIL(sim_told(&a, "10.0.0.1/32") == SOTTO_ACTION_BYPASS, 10000);
	EXPECT(sim_told(&a, "10.0.0.1/32") == SOTTO_ACTION_BYPASS);
	SIM_UNTIL(sim_told(&b, "10.9.0.0/16") == SOTTO_ACTION_BLOCK, 10000);
	EXPECT(sim_told(&b, "10.9.0.0/16") == SOTTO_ACTION_BLOCK);
	/* more than one message holds */
	for (i = 0; i < 150; i++) {
		snprintf(text, sizeof(text), "10.8.%d.0/24", i);
		policy_cmd("policy.add", text, "prefer");
	}
	SIM_UNTIL(sim_told(&a, text) == SOTTO_ACTION_PREFER, 10000);
	SIM_UNTIL(sim_told(&b, text) == SOTTO_ACTION_PREFER, 10000);
	SIM_UNTIL(a.policy_n == 153 && b.policy_n == 153, 10000);
	EXPECT_EQ(a.policy_n, 153);
	EXPECT_EQ(b.policy_n, 153);
	/* who has it already is not told again */
	v = policy_version_now();
	SIM_UNTIL(a.policy_version == v, 10000);
	sim_wait(100);
	a.policy_version = 0;
	ASSERT(sim_open(&a, false));
	a.policy_version = v;
	i = a.got_n;
	EXPECT(sim_hello(&a, 0));
	EXPECT_EQ(a.answer.hello_ack.policy_version, v);
	sim_wait(200);
	EXPECT_EQ(a.got_n, i);
	policy_cmd("policy.del", "10.0.0.1", NULL);
	SIM_UNTIL(sim_told(&a, "10.0.0.1/32") == SOTTO_ACTION_PROTECT, 10000);
	EXPECT(sim_told(&a, "10.0.0.1/32") == SOTTO_ACTION_PROTECT);
	SIM_UNTIL(a.policy_version > v, 10000);
	EXPECT(a.policy_version > v);
	stop(&a, &b);
}

static void fill(const char *path)
{
	char block[4096] = { 1 };
	FILE *f = fopen(path, "w");

	setvbuf(f, NULL, _IONBF, 0);
	while (fwrite(block, sizeof(block), 1, f) == 1)
		;
	fclose(f);
}

/* What goes on without the disk: bob and carol have a session; that its grant cannot be
 * logged is counted, and said.
 */
static void grant_on_full_disk(struct sim *bob, struct sim *carol)
{
	EXPECT_EQ(sim_session(bob, "10.0.0.3"), 0);
	EXPECT(sim_agree(&bob->asks[0], carol));
	SIM_UNTIL(stat_of("grants_lost"), 10000);
	EXPECT_EQ(stat_of("grants_lost"), 1);
	EXPECT(authd_said(&run, "grants not logged"));
}

static void on_full_disk(const char *filler)
{
	static struct sim bob, carol;
	char line[SOTTO_LINE_MAX], name[16], addr[32];
	json_t *ans = NULL;
	int i, added;

	ASSERT(sim_member(&bob, &run, "bob", "10.0.0.2") &&
	       sim_member(&carol, &run, "carol", "10.0.0.3"));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	fill(filler);
	/* what is left of the last page may still take some */
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		snprintf(addr, sizeof(addr), "10.1.0.%d", i + 1);
		ans = authd_ask(&run, "{s:s, s:s, s:[s]}", "cmd", "member.add",
				"name", name, "addresses", addr);
		if (!json_is_true(json_object_get(ans, "ok")))
			break;
		json_decref(ans);
	}
	EXPECT(!strcmp(authd_str(ans, "error"), "disk-full"));
	EXPECT(strstr(authd_str(ans, "message"), "nothing was changed"));
	json_decref(ans);
	EXPECT(authd_said(&run, "the disk is full"));
	/* the audit log has what was done, and nothing else */
	added = audited("member.add");
	EXPECT_EQ(added, 3 + i);
	grant_on_full_disk(&bob, &carol);
	/* an enrolment is told so, and the code is still good afterwards */
	sim_new(&a, &run, line);
	ASSERT(sim_open(&a, true));
	EXPECT(!sim_register(&a));
	EXPECT_EQ(a.answer.error.reason, SOTTO_REFUSAL_STORAGE);
	EXPECT(authd_said(&run, "enrolment failed"));
	EXPECT_EQ(audited("member.register"), 2);
	unlink(filler);
	EXPECT(sim_register(&a) && sim_associate(&a));
	EXPECT_EQ(audited("member.register"), 3);
	EXPECT_EQ(audited("member.add"), added);
	/* and so it is after a restart */
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	ASSERT(authd_begin(&run));
	EXPECT_EQ(audited("member.register"), 3);
	EXPECT_EQ(audited("member.add"), added);
	sim_free(&a);
	sim_free(&bob);
	sim_free(&carol);
}

static int said_so_often(const char *text)
{
	char path[160], line[512];
	int n = 0;
	FILE *f;

	authd_log_path(&run, path);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	if (f)
		fclose(f);
	return n;
}

/* Hellos without a ticket, and for most of them the disk is not asked. */
static void hellos_on_full_disk(struct sim *s)
{
	uint64_t begin = sotto_now_ms();
	int i;

	ASSERT(sim_open(s, false));
	for (i = 0; i < 100; i++)
		EXPECT(sim_hello(s, 0) && !s->ticket.n);
	printf("# 100 hellos in %d ms\n", (int)(sotto_now_ms() - begin));
	/* one when it started, too */
	EXPECT(said_so_often("no new key for tickets") <=
	       2 + (int)(sotto_now_ms() - begin) / AUTHD_TICKET_RETRY_MS);
}

/* A server that is started serves, though it can neither make keys for tickets nor take a
 * policy back: that it does once there is room.
 */
static void starts_on_full_disk(const char *filler)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s, s:i}", "cmd", "policy.apply",
				"text", "protect 10.0.0.0/8\n", "confirm", 5);
	static struct sim s;
	sqlite3 *db;

	ASSERT(sim_member(&s, &run, "bob", "10.0.0.2"));
	s.features = SOTTO_FEATURE_RESUME;
	EXPECT(json_is_true(json_object_get(ans, "ok")));
	json_decref(ans);
	/* kept open: who is the first to open it would need room for SQLite's own files */
	db = sql_open("DELETE FROM meta WHERE key = 'ticket_keys'");
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	fill(filler);
	usleep(5500000);
	EXPECT(authd_begin(&run));
	EXPECT(authd_said(&run, "no new key for tickets"));
	EXPECT(authd_said(&run, "cannot be taken back"));
	EXPECT(!authd_said(&run, "is in force again"));
	hellos_on_full_disk(&s);
	unlink(filler);
	SIM_UNTIL(authd_said(&run, "is in force again"), 10000);
	EXPECT(authd_said(&run, "is in force again"));
	EXPECT_EQ(audited("policy.expire"), 1);
	sim_wait(AUTHD_TICKET_RETRY_MS);
	EXPECT(sim_hello(&s, 0) && s.ticket.n);
	sim_free(&s);
	sqlite3_close(db);
}

/* In a file system of its own, seen by this process and its server alone. */
static void on_small_disk(void (*fn)(const char *filler))
{
	char dir[] = "/tmp/sotto-disk-XXXXXX", log[] = "/tmp/sotto-log-XXXXXX", filler[64];
	int fd;

	if (geteuid())
		SKIP("needs root to mount a small file system");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP("may not make a mount namespace here");
	ASSERT(mkdtemp(dir));
	if (mount("none", dir, "tmpfs", 0, "size=800k")) {
		rmdir(dir);
		SKIP("may not mount a small file system here");
	}
	fd = mkstemp(log);
	authd_tmp = dir;
	authd_log = log;
	snprintf(filler, sizeof(filler), "%s/filler", dir);
	if (authd_start(&run, ""))
		fn(filler);
	else
		EXPECT(!"the server starts");
	stop(NULL, NULL);
	authd_tmp = "/tmp";
	authd_log = NULL;
	EXPECT(!close(fd) && !unlink(log));
	EXPECT(!umount(dir) && !rmdir(dir));
}

static void full_disk(void)
{
	on_small_disk(on_full_disk);
}

static void full_disk_at_start(void)
{
	on_small_disk(starts_on_full_disk);
}

/* It says what to do, and leaves it as it is. */
static void newer_database(void)
{
	char line[SOTTO_LINE_MAX];

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	sql("PRAGMA user_version = 99");
	EXPECT_EQ(authd_wait(authd_spawn(&run, NULL)), 1);
	EXPECT(authd_said(&run, "made by a newer version (schema 99"));
	EXPECT(authd_said(&run, "install that version"));
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--rekey")), 1);
	sql("PRAGMA user_version = 4");
	ASSERT(authd_begin(&run));
	EXPECT_EQ(audited("member.add"), 1);
	EXPECT_EQ(audited("realm.rekey"), 0);
	stop(NULL, NULL);
}

/* The exit code of another program of this realm; -1: it was still there after a while. */
static int another(const char *arg)
{
	pid_t pid = authd_spawn(&run, arg);
	uint64_t end = sotto_now_ms() + 8000;
	int status;

	while (sotto_now_ms() < end) {
		usleep(5000);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
	}
	kill(pid, SIGKILL);
	authd_wait(pid);
	return -1;
}

/* Also one that does not see the other one's sockets: each would believe its own memory. */
static void second_server(void)
{
	char other[160], own[160];

	ASSERT(authd_start(&run, ""));
	EXPECT_EQ(another(NULL), 1);
	EXPECT_EQ(another("--init"), 1);
	snprintf(own, sizeof(own), "%s/run", run.top);
	snprintf(other, sizeof(other), "%s/run2", run.top);
	setenv("SOTTO_RUN", other, 1);
	EXPECT_EQ(another(NULL), 1);
	EXPECT_EQ(another("--rekey"), 1);
	EXPECT_EQ(another("--retire"), 1);
	setenv("SOTTO_RUN", own, 1);
	EXPECT(authd_said(&run, "another server has it"));
	EXPECT(authd_port(&run) > 0);
	/* that one gone, there is room for the next */
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	EXPECT(authd_begin(&run));
	stop(NULL, NULL);
}

/* Even by somebody who would share it: only the server's own workers may. */
static void port_taken(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(sin);

	ASSERT(authd_make(&run, ""));
	ASSERT(!setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	ASSERT(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	ASSERT(!getsockname(fd, (struct sockaddr *)&sin, &len));
	run.port = ntohs(sin.sin_port);
	authd_conf(&run, "");
	EXPECT(!authd_begin(&run));
	close(fd);
	run.port = ntohs(sin.sin_port);
	EXPECT(authd_begin(&run));
	stop(NULL, NULL);
}

static void bad_conf(void)
{
	char path[192];

	ASSERT(authd_make(&run, "[limits]\ncookie_rat = 1\n"));
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 1);
	EXPECT_EQ(authd_wait(authd_spawn(&run, NULL)), 1);
	authd_conf(&run, "[session]\nsoft_time = 2h\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 1);
	authd_conf(&run, "[session]\nciphers = des\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 1);
	authd_conf(&run, "[server]\nlisten = 127.0.0.1:99999\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 1);
	authd_conf(&run, "[server]\nlisten = gw.example\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 1);
	authd_conf(&run, "[server]\nendpoint = gw.example:0\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 1);
	authd_conf(&run, "[server]\nlisten = [::1]:7688, 127.0.0.1\nendpoint = gw.example, [fd00::1]:7000\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 0);
	authd_conf(&run, "[session]\nciphers = chacha20poly1305\n");
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 0);
	/* no file at all is fine */
	snprintf(path, sizeof(path), "%s/etc/authd.conf", run.top);
	unlink(path);
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--check")), 0);
	/* but not if it was named */
	EXPECT_EQ(authd_wait(authd_spawn(&run, "--config=/nonexistent/authd.conf")), 1);
	/* a realm key that others can read is not used */
	authd_conf(&run, "");
	snprintf(path, sizeof(path), "%s/state/authd/realm.key", run.top);
	chmod(path, 0644);
	EXPECT_EQ(authd_wait(authd_spawn(&run, NULL)), 1);
	chmod(path, 0600);
	stop(NULL, NULL);
}

static const struct ktap_test tests[] = {
	{ "admin", admin },
	{ "enrolment", enrolment },
	{ "expired_code", expired_code },
	{ "replaced_code", replaced_code },
	{ "guessing", guessing },
	{ "used_code_again", used_code_again },
	{ "used_code_without_end", used_code_without_end },
	{ "many_enrolments", many_enrolments },
	{ "beginnings", beginnings },
	{ "not_permitted", not_permitted },
	{ "policy", policy },
	{ "full_disk", full_disk },
	{ "full_disk_at_start", full_disk_at_start },
	{ "newer_database", newer_database },
	{ "second_server", second_server },
	{ "port_taken", port_taken },
	{ "bad_conf", bad_conf },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
