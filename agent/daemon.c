// SPDX-License-Identifier: GPL-2.0
/*
 * Going into the background, and the pid file.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tools/lib/file.h"
#include "../tools/lib/log.h"
#include "../tools/lib/paths.h"

static int ready_fd = -1;	/* the parent waits for a byte; -1 = no parent */

/* A byte says ready; without one the child has died, and said why itself. */
static _Noreturn void wait_for_child(int fd, pid_t pid)
{
	char byte;
	int status;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int daemon_fork(struct sotto_errmsg *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return sotto_err_errno(err, "cannot make a pipe");
	pid = fork();
	if (pid < 0)
		return sotto_err_errno(err, "cannot fork");
	if (pid) {
		close(fds[1]);
		wait_for_child(fds[0], pid);
	}
	close(fds[0]);
	ready_fd = fds[1];
	setsid();
	return 0;
}

static int open_log(void)
{
	char path[SOTTO_PATH_MAX];

	return open(sotto_path(path, SOTTO_RUN, LOG_FILE),
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void daemon_ready(void)
{
	int null, log;

	if (ready_fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	log = open_log();
	if (log < 0)
		sotto_warn("cannot write a log: %s", strerror(errno));
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(log >= 0 ? log : null, STDERR_FILENO);
	}
	if (null > 2)
		close(null);
	if (log > 2)
		close(log);
	if (chdir("/"))
		sotto_warn("cannot change to /: %s", strerror(errno));
	(void)!write(ready_fd, "", 1);
	close(ready_fd);
	ready_fd = -1;
}

int daemon_write_pid(struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], text[16];
	int len = snprintf(text, sizeof(text), "%d\n", getpid());

	return sotto_file_write(sotto_path(path, SOTTO_RUN, PID_FILE), 0644, true,
				text, len, err);
}

void daemon_remove_pid(void)
{
	char path[SOTTO_PATH_MAX];

	unlink(sotto_path(path, SOTTO_RUN, PID_FILE));
}
