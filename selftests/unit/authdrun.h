/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs the real sotto-authd on a realm of its own, for tests: temporary folders,
 * a port that the kernel chooses, the administrator's socket.
 */
#ifndef SOTTO_AUTHDRUN_H
#define SOTTO_AUTHDRUN_H

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "loop.h"
#include "usock.h"

struct authd_run {
	char top[128], sock[160];
	pid_t pid;
	int port;
};

static char authd_bin[PATH_MAX + 32];
static const char *authd_tmp = "/tmp";
static const char *authd_log;	/* instead of "log" in the run's folder */

/* $SOTTO_AUTHD, or where it was built beside this test. */
static inline void authd_find(void)
{
	const char *env = getenv("SOTTO_AUTHD");
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (env) {
		snprintf(authd_bin, sizeof(authd_bin), "%s", env);
		return;
	}
	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	snprintf(authd_bin, sizeof(authd_bin), "%s/../sotto-authd", self);
}

static inline void authd_log_path(struct authd_run *r, char path[160])
{
	if (authd_log)
		snprintf(path, 160, "%s", authd_log);
	else
		snprintf(path, 160, "%s/log", r->top);
}

static inline pid_t authd_spawn(struct authd_run *r, const char *arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* never outlives its test */
	if (!getenv("SOTTO_TEST_VERBOSE")) {
		char log[160];

		authd_log_path(r, log);
		if (!freopen(log, "a", stderr) || !freopen(log, "a", stdout))
			_exit(126);
	}
	execl(authd_bin, "sotto-authd", arg, NULL);
	_exit(127);
}

static inline int authd_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

static inline void authd_conf(struct authd_run *r, const char *text)
{
	const char *workers = getenv("SOTTO_TEST_WORKERS");
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/etc/authd.conf", r->top);
	f = fopen(path, "w");
	fprintf(f, "[server]\nlisten = 127.0.0.1:%d\nendpoint = 127.0.0.1:1\nlog_level = debug\nworkers = %s\n%s",
		r->port, workers ? workers : "2", text);
	fclose(f);
}

/* One request; the answer is the caller's. */
static inline json_t *authd_ask(struct authd_run *r, const char *fmt, ...)
{
	struct sotto_errmsg err;
	json_t *req, *ans;
	va_list ap;

	va_start(ap, fmt);
	req = json_vpack_ex(NULL, 0, fmt, ap);
	va_end(ap);
	/* a server that is just starting has bound, and does not listen yet */
	if (sotto_usock_call(r->sock, req, 5000, &ans, &err) && !ans &&
	    err.code != SOTTO_E_CLOSED)
		printf("# authd.sock: %s\n", err.text);
	json_decref(req);
	return ans;
}

static const char *authd_str(const json_t *ans, const char *name)
{
	const char *s = json_string_value(json_object_get(ans, name));

	return s ? s : "";
}

static inline int authd_port(struct authd_run *r)
{
	json_t *ans = authd_ask(r, "{s:s}", "cmd", "realm.show");
	const char *text = json_string_value(json_array_get(
				json_object_get(ans, "listen"), 0));
	int port = text ? atoi(strrchr(text, ':') + 1) : 0;

	json_decref(ans);
	return port;
}

static inline bool authd_begin(struct authd_run *r)
{
	uint64_t end = sotto_now_ms() + 10000;

	r->pid = authd_spawn(r, NULL);
	r->port = 0;
	while (!r->port && sotto_now_ms() < end) {
		usleep(5000);
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid)
			return false;
		if (!access(r->sock, F_OK))
			r->port = authd_port(r);
	}
	return r->port > 0;
}

/* The next authd_begin() takes the same port again. */
static inline int authd_end(struct authd_run *r, int signum)
{
	int rc;

	kill(r->pid, signum);
	rc = authd_wait(r->pid);
	r->pid = 0;
	unlink(r->sock);
	authd_conf(r, "");
	return rc;
}

static inline int rm_one(const char *path, const struct stat *st, int flag,
		  struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* What a test that ended early left behind. */
static inline void authd_discard(struct authd_run *r)
{
	if (r->pid) {
		kill(r->pid, SIGKILL);
		authd_wait(r->pid);
	}
	if (*r->top)
		nftw(r->top, rm_one, 16, FTW_DEPTH | FTW_PHYS);
	memset(r, 0, sizeof(*r));
}

static inline bool authd_make(struct authd_run *r, const char *conf)
{
	static const char *const dirs[] = { "etc", "state", "run" };
	static const char *const envs[] = { "SOTTO_ETC", "SOTTO_STATE",
					    "SOTTO_RUN" };
	char path[160];
	int i;

	authd_discard(r);
	memset(r, 0, sizeof(*r));
	snprintf(r->top, sizeof(r->top), "%s/sotto-unit-XXXXXX", authd_tmp);
	if (!mkdtemp(r->top))
		return false;
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", r->top, dirs[i]);
		if (mkdir(path, 0700))
			return false;
		setenv(envs[i], path, 1);
	}
	snprintf(r->sock, sizeof(r->sock), "%s/run/authd.sock", r->top);
	authd_conf(r, conf);
	return authd_wait(authd_spawn(r, "--init")) == 0;
}

static inline bool authd_start(struct authd_run *r, const char *conf)
{
	return authd_make(r, conf) && authd_begin(r);
}

static inline void authd_show_log(struct authd_run *r)
{
	char path[160], line[512];
	FILE *f;

	authd_log_path(r, path);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("# authd: %s", line);
	if (f)
		fclose(f);
}

/* Has it said this? */
static inline bool authd_said(struct authd_run *r, const char *text)
{
	char path[160], line[512];
	bool said = false;
	FILE *f;

	authd_log_path(r, path);
	f = fopen(path, "r");
	while (f && !said && fgets(line, sizeof(line), f))
		said = strstr(line, text) != NULL;
	if (f)
		fclose(f);
	return said;
}

/* A server that a sanitizer ended, or that does not stop cleanly, is a failure. */
static inline void authd_stop(struct authd_run *r)
{
	if (r->pid)
		EXPECT_EQ(authd_end(r, SIGTERM), 0);
	if (ktap_failed)
		authd_show_log(r);
	r->pid = 0;
	authd_discard(r);
}

/* All of @tests, whose server is @r. */
static inline int authd_tests(struct authd_run *r, const struct ktap_test *tests, int n)
{
	int rc;

	if (sodium_init() < 0)
		return 1;
	authd_find();
	rc = ktap_run(tests, n);
	authd_discard(r);
	return rc;
}

#endif /* SOTTO_AUTHDRUN_H */
