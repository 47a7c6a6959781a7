// SPDX-License-Identifier: GPL-2.0
/*
 * The server's three processes: what each may do, and what each does not have.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mman.h>

#include "agentsim.h"
#include "server/authd.h"

static struct authd_run run;
static struct sim a;

static bool is_storage(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%31s", name) != 1)
		name[0] = 0;
	if (f)
		fclose(f);
	return !strcmp(name, "sotto-storage");
}

/* The storage process of @server, or its other child; 0 if there is none. */
static pid_t child_of(pid_t server, bool storage)
{
	char path[64];
	int pid, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", server, server);
	f = fopen(path, "r");
	while (f && fscanf(f, "%d", &pid) == 1)
		if (is_storage(pid) == storage)
			found = pid;
	if (f)
		fclose(f);
	return found;
}

static pid_t keeper_of(pid_t server)
{
	return child_of(server, false);
}

static pid_t storage_of(pid_t server)
{
	return child_of(server, true);
}

static bool thread_is(pid_t pid, const char *tid, const char *name,
		      const char *want)
{
	char path[320], line[256], value[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ": %63s", value);
	if (f)
		fclose(f);
	if (strcmp(value, want))
		printf("# %s of %d, thread %s, is %s\n", name, pid, tid, value);
	return !strcmp(value, want);
}

/* In all threads: the kernel keeps it for each. */
static bool status_is(pid_t pid, const char *name, const char *want)
{
	bool all = true;
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.') {
			all &= thread_is(pid, e->d_name, name, want);
			n++;
		}
	if (d)
		closedir(d);
	return all && n;
}

static bool in_range(int mem, unsigned long from, unsigned long to,
		     const uint8_t *what, size_t len)
{
	bool found = false;
	uint8_t *p;
	ssize_t n;

	if (to - from > 64ul << 20)
		return false;
	p = malloc(to - from);
	n = pread(mem, p, to - from, from);
	if (n > 0)
		found = memmem(p, n, what, len);
	free(p);
	return found;
}

/* Is it anywhere in the memory of @pid? */
static bool in_memory(pid_t pid, const uint8_t *what, size_t len)
{
	char path[64], line[512], perm[8];
	unsigned long from, to;
	bool found = false;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	while (mem >= 0 && maps && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perm) == 3 &&
		    perm[0] == 'r')
			found = in_range(mem, from, to, what, len);
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	return found;
}

static size_t read_state(const char *name, uint8_t *out, size_t cap)
{
	char path[192];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/state/authd/%s", run.top, name);
	f = fopen(path, "r");
	if (f) {
		n = fread(out, 1, cap, f);
		fclose(f);
	}
	return n;
}

static void no_privileges(void)
{
	pid_t pids[3];

	ASSERT(authd_start(&run, ""));
	pids[0] = run.pid;
	pids[1] = keeper_of(run.pid);
	pids[2] = storage_of(run.pid);
	ASSERT(pids[1] && pids[2]);
	for (int i = 0; i < 3; i++) {
		EXPECT(status_is(pids[i], "CapEff", "0000000000000000"));
		EXPECT(status_is(pids[i], "CapPrm", "0000000000000000"));
		EXPECT(status_is(pids[i], "CapInh", "0000000000000000"));
		EXPECT(status_is(pids[i], "CapAmb", "0000000000000000"));
		EXPECT(status_is(pids[i], "NoNewPrivs", "1"));
#ifndef SOTTO_DEBUG
		EXPECT(status_is(pids[i], "Seccomp", "2"));
#endif
	}
	authd_stop(&run);
}

struct open_files {
	int sockets, database, others;	/* others: neither, nor of the event loop */
	int folder;			/* the one that the database is in */
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

/* Beside the standard three. */
static struct open_files files_of(pid_t pid)
{
	struct open_files of = { 0 };
	char path[64], target[256];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		ssize_t n;

		if (e->d_name[0] == '.' || atoi(e->d_name) < 3)
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		if (!strncmp(target, "socket:", 7))
			of.sockets++;
		else if (strstr(target, "/authd/realm.db"))
			of.database++;
		else if (ends_with(target, "/authd"))
			of.folder++;
		else if (strcmp(target, "/dev/null") &&
			 strncmp(target, "pipe:", 5) &&
			 strncmp(target, "anon_inode:", 11))
			of.others++;
	}
	if (d)
		closedir(d);
	return of;
}

static bool maps_database(pid_t pid)
{
	char path[64], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	EXPECT(f);
	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "/authd/realm.db") != NULL;
	if (f)
		fclose(f);
	return found;
}

/* The keeper has its socket, the storage process two and the database with its folder, and
 * the server no file, whatever it did until then, and whatever it was born with.
 */
static void who_has_files(void)
{
	int inherited = open("/etc/passwd", O_RDONLY);
	struct open_files of;
	pid_t storage;

	ASSERT(inherited > STDERR_FILENO && authd_start(&run, ""));
	close(inherited);
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	of = files_of(keeper_of(run.pid));
	EXPECT(of.sockets == 1 && !of.database && !of.folder && !of.others);
	storage = storage_of(run.pid);
	of = files_of(storage);
	EXPECT(of.sockets == 2 && of.database >= 3 && of.folder == 1 && !of.others);
	EXPECT(maps_database(storage));
	of = files_of(run.pid);
	EXPECT(of.sockets >= 3);
	EXPECT_EQ(of.database, 0);
	EXPECT_EQ(of.folder, 0);
	EXPECT_EQ(of.others, 0);
	EXPECT(!maps_database(run.pid));
	EXPECT(!maps_database(keeper_of(run.pid)));
	sim_free(&a);
	authd_stop(&run);
}

/* The server cannot remove its sockets, and still they go. */
static void sockets_go(void)
{
	char metrics[192];

	ASSERT(authd_start(&run, ""));
	snprintf(metrics, sizeof(metrics), "%s/run/authd-metrics.sock", run.top);
	EXPECT(!access(metrics, F_OK) && !access(run.sock, F_OK));
	kill(run.pid, SIGTERM);
	EXPECT_EQ(authd_wait(run.pid), 0);
	run.pid = 0;
	EXPECT(access(metrics, F_OK) && access(run.sock, F_OK));
	authd_discard(&run);
}

static void secrets_are_elsewhere(void)
{
	uint8_t priv[32], token[32];
	pid_t keeper, storage;

	if (geteuid())
		SKIP("only root may look into the server's memory");
	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(read_state("realm.key", priv, sizeof(priv)) == 32);
	keeper = keeper_of(run.pid);
	storage = storage_of(run.pid);
	EXPECT(in_memory(keeper, priv, 32));
	EXPECT(!in_memory(run.pid, priv, 32));
	EXPECT(in_memory(storage, a.pub, 32));
	EXPECT(!in_memory(storage, priv, 32));
	EXPECT(!in_memory(storage, a.token_secret, 32));
	/* after a restart the member's secret is used, and not there either */
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	ASSERT(authd_begin(&run));
	memcpy(token, a.token_secret, 32);
	ASSERT(sim_associate(&a));
	EXPECT(!in_memory(run.pid, token, 32));
	EXPECT(!in_memory(keeper_of(run.pid), token, 32));
	EXPECT(!in_memory(storage_of(run.pid), token, 32));
	sim_free(&a);
	authd_stop(&run);
}

/* Without one of the others the server ends, for the service manager to start it anew. */
static void dies_with(pid_t (*other)(pid_t server))
{
	uint64_t end = sotto_now_ms() + 10000;
	int status = -1;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	/* it has nothing to ask any more */
	usleep(300000);
	EXPECT(!kill(other(run.pid), SIGKILL));
	while (waitpid(run.pid, &status, WNOHANG) != run.pid &&
	       sotto_now_ms() < end)
		usleep(5000);
	EXPECT_EQ(status, 1 << 8);
	run.pid = 0;
	sim_free(&a);
	authd_discard(&run);
}

static void keeper_dies(void)
{
	dies_with(keeper_of);
}

static void storage_dies(void)
{
	dies_with(storage_of);
}

/* Mediation does not wait for it, and no grant is missing when it goes on. */
static void storage_stands_still(void)
{
	static struct sim b;
	char path[192];
	sqlite3_stmt *s;
	pid_t storage;
	sqlite3 *db;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(sim_member(&b, &run, "bob", "10.0.0.2"));
	/* policy is pushed, and read for that, shortly after */
	sim_wait(300);
	storage = storage_of(run.pid);
	kill(storage, SIGSTOP);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	/* the grant is handed over meanwhile, too */
	sim_wait(AUTHD_GRANT_LOG_MS + 300);
	EXPECT_EQ(sim_session(&a, "10.0.0.2"), 0);
	kill(storage, SIGCONT);
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/state/authd/realm.db", run.top);
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_prepare_v2(db, "SELECT count(*) FROM grant_log", -1,
				     &s, NULL), SQLITE_OK);
	EXPECT_EQ(sqlite3_step(s), SQLITE_ROW);
	EXPECT_EQ(sqlite3_column_int(s, 0), 2);
	sqlite3_finalize(s);
	sqlite3_close(db);
	sim_free(&a);
	sim_free(&b);
	authd_discard(&run);
}

/* And they do not outlive the server. */
static void server_dies(void)
{
	uint64_t end = sotto_now_ms() + 10000;
	pid_t keeper, storage;

	ASSERT(authd_start(&run, ""));
	keeper = keeper_of(run.pid);
	storage = storage_of(run.pid);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	while ((!kill(keeper, 0) || !kill(storage, 0)) && sotto_now_ms() < end)
		usleep(5000);
	EXPECT(kill(keeper, 0));
	EXPECT(kill(storage, 0));
	authd_discard(&run);
}

/* ---- the filters themselves ---- */

/* Sanitizers make calls of their own: builds with them have no filter. */
#ifndef SOTTO_DEBUG
static void try_open(void)
{
	(void)!open("/etc/passwd", O_RDONLY);
}

static void try_socket(void)
{
	(void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void try_exec(void)
{
	static char *const argv[] = { "true", NULL };

	execv("/bin/true", argv);
}

static void try_fork(void)
{
	if (!fork())
		_exit(0);
}

static void try_send(void)
{
	(void)!sendmmsg(-1, NULL, 0, 0);
}

static void try_read(void)
{
	char c;

	(void)!pread(-1, &c, 1, 0);
}

static void try_write(void)
{
	(void)!pwrite(-1, "", 1, 0);
}

static void try_sync(void)
{
	fsync(-1);
}

static void try_datasync(void)
{
	fdatasync(-1);
}

static void try_cut(void)
{
	(void)!ftruncate(-1, 0);
}

static void try_lock(void)
{
	struct flock l = { .l_type = F_WRLCK };

	fcntl(0, F_SETLK, &l);
}

static void try_map(void)
{
	mmap(NULL, 4096, PROT_READ, MAP_SHARED, -1, 0);
}

static void try_remove(void)
{
	unlink("/nonexistent");
}

static void try_look(void)
{
	struct stat sb;

	(void)!stat("/", &sb);
}

static void try_privileges(void)
{
	prctl(PR_SET_KEEPCAPS, 1);
}

static void try_libcap(void)
{
	prctl(PR_CAPBSET_READ, 0);
}

/* The signal that ends a process which does that behind the filter. */
static int ends_by(int (*enter)(struct sotto_errmsg *err), void (*fn)(void))
{
	struct sotto_errmsg err;
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		(void)!freopen("/dev/null", "w", stderr);
		if (enter(&err))
			_exit(100);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void forbidden_calls(void)
{
	static void (*const all[])(void) = {
		try_open, try_socket, try_exec, try_fork, try_privileges,
	};
	/* of SQLite */
	static void (*const files[])(void) = {
		try_read, try_write, try_sync, try_datasync, try_cut, try_lock,
		try_map, try_remove, try_look,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		EXPECT_EQ(ends_by(sandbox_enter, all[i]), SIGSYS);
		EXPECT_EQ(ends_by(sandbox_keeper, all[i]), SIGSYS);
		EXPECT_EQ(ends_by(sandbox_storage, all[i]), SIGSYS);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		EXPECT_EQ(ends_by(sandbox_enter, files[i]), SIGSYS);
		EXPECT_EQ(ends_by(sandbox_keeper, files[i]), SIGSYS);
		EXPECT_EQ(ends_by(sandbox_storage, files[i]), 0);
	}
	EXPECT_EQ(ends_by(sandbox_enter, try_libcap), 0);
	EXPECT_EQ(ends_by(sandbox_enter, try_send), 0);
	EXPECT_EQ(ends_by(sandbox_keeper, try_send), SIGSYS);
	EXPECT_EQ(ends_by(sandbox_storage, try_send), SIGSYS);
}
#endif

static const struct ktap_test tests[] = {
	{ "no_privileges", no_privileges },
	{ "who_has_files", who_has_files },
	{ "sockets_go", sockets_go },
	{ "secrets_are_elsewhere", secrets_are_elsewhere },
	{ "keeper_dies", keeper_dies },
	{ "storage_dies", storage_dies },
	{ "storage_stands_still", storage_stands_still },
	{ "server_dies", server_dies },
#ifndef SOTTO_DEBUG
	{ "forbidden_calls", forbidden_calls },
#endif
};

int main(void)
{
	int rc;

	if (sodium_init() < 0)
		return 1;
	authd_find();
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	authd_discard(&run);
	return rc;
}
