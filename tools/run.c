// SPDX-License-Identifier: GPL-2.0
/*
 * Running another program, with its output in hand.
 */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything is read, so that the program never blocks; the rest is dropped. */
static void read_output(int fd, char output[RUN_OUTPUT_MAX])
{
	char spill[512];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, spill, sizeof(spill))) > 0 || (n < 0 && errno == EINTR)) {
		size_t room = RUN_OUTPUT_MAX - 1 - len;
		size_t take;

		if (n < 0)
			continue;
		take = (size_t)n < room ? (size_t)n : room;
		memcpy(output + len, spill, take);
		len += take;
	}
	while (len && output[len - 1] == '\n')
		len--;
	output[len] = 0;
}

static void write_input(int fd, const char *input)
{
	size_t left = strlen(input);

	while (left) {
		ssize_t n = write(fd, input, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;	/* its exit status will say why */
		input += n;
		left -= n;
	}
}

static int spawn(const char *const argv[], int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	int ret;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, out, 2);
	ret = posix_spawnp(pid, argv[0], &fa, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return -ret;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_program(const char *const argv[], const char *input,
		char output[RUN_OUTPUT_MAX])
{
	int in[2], out[2];
	pid_t pid;
	int ret;

	output[0] = 0;
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(in, O_CLOEXEC))
		return -errno;
	if (pipe2(out, O_CLOEXEC)) {
		ret = -errno;
		close(in[0]);
		close(in[1]);
		return ret;
	}
	ret = spawn(argv, in[0], out[1], &pid);
	close(in[0]);
	close(out[1]);
	if (!ret && input)
		write_input(in[1], input);
	close(in[1]);
	if (!ret) {
		read_output(out[0], output);
		ret = wait_for(pid);
	}
	close(out[0]);
	return ret;
}
