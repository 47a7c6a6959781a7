// SPDX-License-Identifier: GPL-2.0
/*
 * Secrets that a person hands over: from a file, standard input or a prompt.
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
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

static int read_prompt(const char *prompt, const char *what, char *out, size_t size)
{
	struct termios old, quiet;
	bool hidden = !tcgetattr(STDIN_FILENO, &old);
	int ret;

	if (hidden) {
		quiet = old;
		quiet.c_lflag &= ~ECHO;
		hidden = !tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	fprintf(stderr, "%s: ", prompt);
	fflush(stderr);
	ret = read_line(STDIN_FILENO, what, out, size);
	if (hidden)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
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
