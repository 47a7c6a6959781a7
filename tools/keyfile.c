// SPDX-License-Identifier: GPL-2.0
/*
 * Secrets that a person hands over: from a file, standard input or a prompt.
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "lib/buf.h"
#include "lib/secret.h"

/* Read one line without stdio: its buffers would keep a copy. */
static int read_line(int fd, const char *what, char *out, size_t size)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, out + len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(EXIT_FAILED, "cannot read the %s: %s", what,
				    strerror(errno));
		if (!n || out[len] == '\n')
			break;
		if (++len == size)
			return fail(EXIT_FAILED, "the %s is too long", what);
	}
	while (len && (out[len - 1] == '\r' || out[len - 1] == ' '))
		len--;
	out[len] = 0;
	if (!len)
		return fail(EXIT_FAILED, "the %s is empty", what);
	return EXIT_OK;
}

/* The terminal as it was, for whoever ends this program while it hides what is typed. */
static struct termios shown;

static void show_again(int signum)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	raise(signum);		/* by now as it was before us */
}

static const int ends[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP };

#define N_ENDS	(sizeof(ends) / sizeof(ends[0]))

/* Not stopped, either: the shell would show what is typed once it goes on. */
static void catch_ends(struct sigaction old[N_ENDS])
{
	struct sigaction sa = { .sa_flags = SA_RESETHAND | SA_NODEFER };

	for (size_t i = 0; i < N_ENDS; i++) {
		sa.sa_handler = ends[i] == SIGTSTP ? SIG_IGN : show_again;
		sigaction(ends[i], NULL, &old[i]);
		if (old[i].sa_handler != SIG_IGN)
			sigaction(ends[i], &sa, NULL);
	}
}

static bool hide(struct sigaction old[N_ENDS])
{
	struct termios quiet;

	if (tcgetattr(STDIN_FILENO, &shown))
		return false;
	quiet = shown;
	quiet.c_lflag &= ~ECHO;
	catch_ends(old);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	return true;
}

static int read_prompt(const char *prompt, const char *what, char *out, size_t size)
{
	struct sigaction old[N_ENDS];
	bool hidden = hide(old);
	int ret;

	fprintf(stderr, "%s: ", prompt);
	fflush(stderr);
	ret = read_line(STDIN_FILENO, what, out, size);
	if (hidden) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		for (size_t i = 0; i < N_ENDS; i++)
			sigaction(ends[i], &old[i], NULL);
	}
	fputc('\n', stderr);
	return ret;
}

static void check_mode(int fd, const char *file)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 077))
		warn("others may read %s; \"chmod 600 %s\" keeps the secret", file, file);
}

int read_secret(const char *file, const char *prompt, const char *what,
		char *out, size_t size)
{
	int ret, fd;

	if (!strcmp(file, "-")) {
		if (isatty(STDIN_FILENO))
			return read_prompt(prompt, what, out, size);
		return read_line(STDIN_FILENO, what, out, size);
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(EXIT_FAILED, "cannot open %s: %s", file, strerror(errno));
	check_mode(fd, file);
	ret = read_line(fd, what, out, size);
	close(fd);
	return ret;
}

int parse_sa_key(const char *text, struct sgenl_sa *sa)
{
	uint8_t bytes[SOTTO_KEY_LEN + SOTTO_SALT_LEN];

	if (!strncmp(text, "0x", 2))
		text += 2;
	if (strlen(text) != 2 * sizeof(bytes) ||
	    sotto_unhex(bytes, sizeof(bytes), text)) {
		sotto_wipe(bytes, sizeof(bytes));
		return fail(EXIT_USAGE,
			    "the key must be 0x and 72 hex digits: 32 bytes of key, then 4 of salt");
	}
	memcpy(sa->key, bytes, SOTTO_KEY_LEN);
	memcpy(sa->salt, bytes + SOTTO_KEY_LEN, SOTTO_SALT_LEN);
	sotto_wipe(bytes, sizeof(bytes));
	return EXIT_OK;
}
