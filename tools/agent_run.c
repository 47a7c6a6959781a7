// SPDX-License-Identifier: GPL-2.0
/*
 * Starting and stopping the agent: through systemd where it rules this
 * namespace, else as a daemon of our own.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "module.h"

#define STOP_MS		10000	/* the agent may take so long to end */
#define STEP_MS		50	/* between two looks */
#define PID_FILE	"sottod.pid"

const char *program_path(const char *name, char *out)
{
	char self[SOTTO_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		if (slash && (size_t)(slash - self) + strlen(name) + 2 <= sizeof(self)) {
			strcpy(slash + 1, name);
			if (!access(self, X_OK))
				return strcpy(out, self);
		}
	}
	return strcpy(out, name);
}

static bool overridden(void)
{
	return getenv("SOTTO_ETC") || getenv("SOTTO_STATE") || getenv("SOTTO_RUN");
}

/* systemd starts its services in its own network namespace only. */
static bool systemd_rules(void)
{
	const char *argv[] = { "systemctl", "cat", "sottod.service", NULL };
	char ours[64], inits[64], output[RUN_OUTPUT_MAX];
	ssize_t a, b;

	if (overridden() || access("/run/systemd/system", F_OK))
		return false;
	a = readlink("/proc/self/ns/net", ours, sizeof(ours));
	b = readlink("/proc/1/ns/net", inits, sizeof(inits));
	if (a < 0 || a != b || memcmp(ours, inits, a))
		return false;
	return run_program(argv, NULL, output) == 0;
}

static bool agent_runs(void)
{
	json_t *answer = agent_ask("status");

	json_decref(answer);
	return answer != NULL;
}

/* Of a log line, what it says: no time stamp, no "sottod: error:". */
static const char *last_words(const char *output)
{
	const char *words = output, *at = output;

	while ((at = strstr(at, "error: "))) {
		at += strlen("error: ");
		words = at;
	}
	return words[0] ? words : "it gave no reason";
}

int agent_start(void)
{
	char path[SOTTO_PATH_MAX], output[RUN_OUTPUT_MAX];
	const char *direct[] = { path, NULL };
	const char *service[] = { "systemctl", "start", "sottod.service", NULL };
	bool systemd;
	int ret;

	if (agent_runs())
		return EXIT_OK;
	program_path("sottod", path);
	systemd = systemd_rules();
	ret = run_program(systemd ? service : direct, NULL, output);
	if (ret == -ENOENT)
		return fail(EXIT_FAILED,
			    "there is no program sottod beside this one or in PATH; is Sotto installed completely?");
	if (ret < 0)
		return fail(EXIT_FAILED, "cannot run sottod: %s", strerror(-ret));
	if (ret)
		return fail(ret == EXIT_PERM || ret == EXIT_DOWN ? ret : EXIT_FAILED,
			    "the agent did not start: %s%s",
			    last_words(output),
			    systemd ? "; \"journalctl -u sottod\" says more" : "");
	return EXIT_OK;
}

static pid_t pid_from_file(void)
{
	char path[SOTTO_PATH_MAX], text[32];
	size_t len;
	long pid;

	sotto_path(path, SOTTO_RUN, PID_FILE);
	if (sotto_file_read(path, false, text, sizeof(text) - 1, &len, NULL))
		return 0;
	text[len] = 0;
	pid = strtol(text, NULL, 10);
	return pid > 1 ? pid : 0;
}

/* A pid can be another program's by now: look at its name. */
static bool is_sottod(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = 0;
	fclose(f);
	return !strcmp(name, "sottod\n");
}

static bool wait_gone(pid_t pid)
{
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

	for (int i = 0; i < STOP_MS / STEP_MS; i++) {
		if (!is_sottod(pid))
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

static int stop_pid(pid_t pid)
{
	if (kill(pid, SIGTERM) && errno == EPERM)
		return fail(EXIT_PERM, "not permitted to stop the agent; run it as root");
	if (wait_gone(pid))
		return EXIT_OK;
	warn("the agent (pid %d) does not end; killing it", pid);
	kill(pid, SIGKILL);
	return wait_gone(pid) ? EXIT_OK :
		fail(EXIT_FAILED, "the agent (pid %d) cannot be killed", pid);
}

/* systemd would start again what is stopped behind its back. */
static void stop_service(void)
{
	const char *service[] = { "systemctl", "stop", "sottod.service", NULL };
	char output[RUN_OUTPUT_MAX];

	if (systemd_rules())
		run_program(service, NULL, output);
}

int agent_stop(bool leave)
{
	json_t *status = agent_ask("status");
	pid_t pid = number_of(status, "pid");

	json_decref(status);
	if (pid && leave) {
		json_decref(agent_ask("leave"));
		wait_gone(pid);
	}
	if (!pid)
		pid = pid_from_file();
	stop_service();
	if (!pid || !is_sottod(pid))
		return EXIT_OK;
	return stop_pid(pid);
}
