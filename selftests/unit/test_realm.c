// SPDX-License-Identifier: GPL-2.0
/*
 * A realm as its administrator has it: new keys for members and for the realm, what is to be
 * seen of it, backups.
 */
#include "threerun.h"

#include <inttypes.h>
#include <sys/un.h>

#include "secret.h"

static struct sotto_errmsg err;

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
	EXPECT_EQ(sim_told(&a, "11.0.0.0/8"), -1);
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

/* ---- lists ---- */

/* How many entries a list has when it comes one by one; in how many pages. */
static int walk(const char *cmd, const char *name, int *pages)
{
	json_int_t from = 0, skip = 0;
	int n = 0;

	for (*pages = 0; *pages < 100; ) {
		json_t *ans = authd_ask(&run, "{s:s, s:i, s:I, s:I}", "cmd", cmd,
					"limit", 1, "from", from, "skip", skip);
		const json_t *next = json_object_get(ans, "next");

		++*pages;
		n += json_array_size(json_object_get(ans, name));
		from = json_integer_value(json_object_get(next, "from"));
		skip = json_integer_value(json_object_get(next, "skip"));
		json_decref(ans);
		if (!from)
			break;
	}
	return n;
}

/* One that begins, or ends, between two pages changes nothing for the others. */
static void pages_meet(void)
{
	char second[17];
	json_t *ans, *next;
	int i;

	ASSERT(authd_start(&run, "") && sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	ans = authd_ask(&run, "{s:s, s:i}", "cmd", "session.list", "limit", 1);
	next = json_incref(json_object_get(ans, "next"));
	json_decref(ans);
	snprintf(second, sizeof(second), "%016" PRIx64, a.asks[1].session_id);
	EXPECT(!strcmp(authd_str(next, "session"), second));
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	for (i = 0; i < 2; i++) {
		struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CLOSE };
		json_t *list;

		json_object_set_new(next, "cmd", json_string("session.list"));
		ans = authd_ask(&run, "O", next);
		list = json_object_get(ans, "sessions");
		/* its first one has ended meanwhile: as many are skipped as were before it */
		EXPECT_EQ(json_array_size(list), 2);
		EXPECT(!strcmp(authd_str(json_array_get(list, 0), "id"), second) == !i);
		json_decref(ans);
		m.ids.reason = SOTTO_REFUSAL_CLOSED;
		m.ids.ids.n = 1;
		m.ids.ids.id[0] = a.asks[1].session_id;
		EXPECT_EQ(sim_call(&a, &m), SOTTO_MSG_ACK);
	}
	json_decref(next);
	sim_free(&a);
	sim_free(&b);
	authd_stop(&run);
}

static void lists(void)
{
	int i, pages;

	ASSERT(authd_start(&run, "") && sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2") &&
	       sim_member(&c, &run, "carol", "10.0.0.3"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	EXPECT_EQ(sim_session(&c, "10.0.0.1"), 0);
	EXPECT_EQ(walk("member.list", "members", &pages), 3);
	EXPECT_EQ(pages, 3);
	EXPECT_EQ(walk("session.list", "sessions", &pages), 4);
	EXPECT_EQ(pages, 4);
	/* a line of a network stands on the first page, and only there */
	json_decref(authd_ask(&run, "{s:s, s:s, s:s}", "cmd", "policy.add", "prefix",
			      "10.0.0.0/8", "action", "protect"));
	EXPECT_EQ(walk("policy.show", "policies", &pages), 4);
	EXPECT_EQ(pages, 3);
	stop();
}

static const struct ktap_test tests[] = {
	{ "lists", lists },
	{ "pages_meet", pages_meet },
	{ "rekey", rekey },
	{ "metrics", metrics },
	{ "monitor", monitor },
	{ "backup", backup },
	{ "rollover", rollover },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
