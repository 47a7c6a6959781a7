// SPDX-License-Identifier: GPL-2.0
/*
 * The server's two processes: what each may do, and what each does not have.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>

#include "agentsim.h"
#include "server/authd.h"

static struct authd_run run;
static struct sim a;

/* The only child of @parent; 0 if there is none. */
static pid_t child_of(pid_t parent)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
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
	pid_t keeper;

	ASSERT(authd_start(&run, ""));
	keeper = child_of(run.pid);
	ASSERT(keeper);
	for (int i = 0; i < 2; i++) {
		pid_t pid = i ? keeper : run.pid;

		EXPECT(status_is(pid, "CapEff", "0000000000000000"));
		EXPECT(status_is(pid, "CapPrm", "0000000000000000"));
		EXPECT(status_is(pid, "CapInh", "0000000000000000"));
		EXPECT(status_is(pid, "CapAmb", "0000000000000000"));
		EXPECT(status_is(pid, "NoNewPrivs", "1"));
#ifndef SOTTO_DEBUG
		EXPECT(status_is(pid, "Seccomp", "2"));
#endif
	}
	authd_stop(&run);
}

/* The keeper has its socket and the standard three, nothing else. */
static void keeper_files(void)
{
	char path[64], target[128];
	int others = 0, sockets = 0;
	struct dirent *e;
	pid_t keeper;
	DIR *d;

	ASSERT(authd_start(&run, ""));
	keeper = child_of(run.pid);
	snprintf(path, sizeof(path), "/proc/%d/fd", keeper);
	d = opendir(path);
	ASSERT(d);
	while ((e = readdir(d))) {
		ssize_t n;

		if (e->d_name[0] == '.' || atoi(e->d_name) < 3)
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		if (!strncmp(target, "socket:", 7))
			sockets++;
		else
			others++;
	}
	closedir(d);
	EXPECT_EQ(sockets, 1);
	EXPECT_EQ(others, 0);
	authd_stop(&run);
}

static void secrets_are_elsewhere(void)
{
	uint8_t priv[32], token[32];
	pid_t keeper;

	if (geteuid())
		SKIP("only root may look into the server's memory");
	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(read_state("realm.key", priv, sizeof(priv)) == 32);
	keeper = child_of(run.pid);
	EXPECT(in_memory(keeper, priv, 32));
	EXPECT(!in_memory(run.pid, priv, 32));
	/* after a restart the member's secret is used, and not there either */
	EXPECT_EQ(authd_end(&run, SIGTERM), 0);
	ASSERT(authd_begin(&run));
	memcpy(token, a.token_secret, 32);
	ASSERT(sim_associate(&a));
	EXPECT(!in_memory(run.pid, token, 32));
	EXPECT(!in_memory(child_of(run.pid), token, 32));
	sim_free(&a);
	authd_stop(&run);
}

/* Without its keys the server ends, for the service manager to start it anew. */
static void keeper_dies(void)
{
	uint64_t end = sotto_now_ms() + 10000;
	int status = -1;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	EXPECT(!kill(child_of(run.pid), SIGKILL));
	while (waitpid(run.pid, &status, WNOHANG) != run.pid &&
	       sotto_now_ms() < end)
		usleep(5000);
	EXPECT_EQ(status, 1 << 8);
	run.pid = 0;
	sim_free(&a);
	authd_discard(&run);
}

/* And the keeper does not outlive the server. */
static void server_dies(void)
{
	uint64_t end = sotto_now_ms() + 10000;
	pid_t keeper;

	ASSERT(authd_start(&run, ""));
	keeper = child_of(run.pid);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	while (!kill(keeper, 0) && sotto_now_ms() < end)
		usleep(5000);
	EXPECT(kill(keeper, 0));
	authd_discard(&run);
}

/* ---- the filters themselves ---- */

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
	static void (*const both[])(void) = {
		try_open, try_socket, try_exec, try_fork,
	};

#ifdef SOTTO_DEBUG
	SKIP("sanitizers make calls of their own: no filter");
#endif
	for (size_t i = 0; i < 4; i++) {
		EXPECT_EQ(ends_by(sandbox_enter, both[i]), SIGSYS);
		EXPECT_EQ(ends_by(sandbox_keeper, both[i]), SIGSYS);
	}
	EXPECT_EQ(ends_by(sandbox_enter, try_send), 0);
	EXPECT_EQ(ends_by(sandbox_keeper, try_send), SIGSYS);
}

static const struct ktap_test tests[] = {
	{ "no_privileges", no_privileges },
	{ "keeper_files", keeper_files },
	{ "secrets_are_elsewhere", secrets_are_elsewhere },
	{ "keeper_dies", keeper_dies },
	{ "server_dies", server_dies },
	{ "forbidden_calls", forbidden_calls },
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
