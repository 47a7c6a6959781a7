// SPDX-License-Identifier: GPL-2.0
/*
 * The storage when things go wrong: its disk is full, it is killed at any moment, or a server
 * that was taken over asks it.
 */
#include "storerun.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "server/store_msg.h"

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
	EXPECT_EQ(sqlite3_exec(db, "DROP TABLE grant_batch", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	EXPECT_EQ(store_grants(st, g, 7, 0, &err), 0);
	for (rc = 0; !rc && taken < 2000; taken++) {
		usleep(5000);
		rc = store_grants_failed(st, &err);
	}
	EXPECT_EQ(rc, 7);
	EXPECT(strstr(err.text, "grant_batch") && strstr(err.text, path));
	store_close(st);
	far = false;
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

	EXPECT_EQ(store_policy_load(st, &doc, true, &err), 0);
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

FAR(full_disk)
FAR(half_way)
FAR(crashes)

static const struct ktap_test tests[] = {
	{ "full_disk", full_disk },
	{ "read_only", read_only },
	{ "half_way", half_way },
	{ "crashes", crashes },
	{ "far_full_disk", far_full_disk },
	{ "far_half_way", far_half_way },
	{ "far_crashes", far_crashes },
	{ "slow_storage", slow_storage },
	{ "refused_requests", refused_requests },
	{ "refused_later", refused_later },
};

int main(void)
{
	return run_with_store(tests, sizeof(tests) / sizeof(tests[0]));
}
