// SPDX-License-Identifier: GPL-2.0
/*
 * sotto -batch: many commands from one file, in one process.
 */
#include "batch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "kernel.h"
#include "lib/secret.h"

#define BATCH_BUFFER	65536	/* bytes read at a time */
#define BATCH_LINE_MAX	65535	/* bytes of a command, with the lines that it goes on in */

/* The lines may hold keys: what they are read into is wiped. */
struct reader {
	FILE *f;
	const char *name;
	unsigned long number;	/* of the last line read */
	char line[BATCH_LINE_MAX + 1];
	char buffer[BATCH_BUFFER];
};

/* One word, its quotes taken away in place. Returns what follows, NULL if a quote is open. */
static char *take_word(char *at)
{
	char *to = at, quote = 0;

	for (; *at && (quote || !isspace((unsigned char)*at)); at++) {
		if (quote && *at == quote)
			quote = 0;
		else if (!quote && (*at == '"' || *at == '\''))
			quote = *at;
		else
			*to++ = *at;
	}
	if (quote)
		return NULL;
	if (*at)
		at++;
	*to = 0;
	return at;
}

int batch_words(char *line, char *v[BATCH_WORDS_MAX])
{
	int n = 0;

	for (char *at = line;;) {
		at += strspn(at, " \t\r\n\v\f");
		if (!*at || *at == '#')
			return n;
		if (n == BATCH_WORDS_MAX)
			return -1;
		v[n++] = at;
		at = take_word(at);
		if (!at)
			return -1;
	}
}

/* One line, or less at the end of the file. Returns 0, EOF, or an exit code. */
static int read_line(struct reader *r, size_t *have)
{
	int c = getc_unlocked(r->f);

	if (c == EOF)
		return EOF;
	r->number++;
	for (; c != EOF && c != '\n'; c = getc_unlocked(r->f)) {
		if (*have == BATCH_LINE_MAX || !c)
			return fail(EXIT_USAGE, !c ? "the line holds a zero byte" :
				    "the command is longer than %d bytes", BATCH_LINE_MAX);
		r->line[(*have)++] = c;
	}
	r->line[*have] = 0;
	return 0;
}

/* Does the line go on in the next one? The backslash is taken away. */
static bool goes_on(char *line, size_t *len)
{
	if (*len && line[*len - 1] == '\r')
		line[--*len] = 0;
	if (!*len || line[*len - 1] != '\\')
		return false;
	line[--*len] = 0;
	return true;
}

/* The next command, with the lines that it goes on in. Returns as read_line(). */
static int read_command(struct reader *r)
{
	size_t have = 0;
	int ret;

	error_place(r->name, r->number + 1);
	ret = read_line(r, &have);
	while (!ret && goes_on(r->line, &have))
		ret = read_line(r, &have) > 0 ? EXIT_USAGE : 0;
	return ret;
}

/*
 * Standard input is the batch's alone: a command that wants a secret from there would
 * else take the next lines for it.
 */
static FILE *open_input(const char *file)
{
	int fd, null;

	if (strcmp(file, "-"))
		return fopen(file, "re");
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
		return NULL;
	close(null);
	return fdopen(fd, "r");
}

/* These leave the kernel's socket as they found it, so that the next one can have it. */
static bool leaves_socket(const char *word)
{
	return !strcmp(word, "sa") || !strcmp(word, "policy") || !strcmp(word, "tunnel") ||
	       !strcmp(word, "addr");
}

static int run_command(struct reader *r, int (*run)(char **v, int n))
{
	struct cli_opts kept = opts;
	char *v[BATCH_WORDS_MAX];
	int n, ret;

	n = batch_words(r->line, v);
	if (n < 0)
		return fail(EXIT_USAGE, "a quote is not closed, or there are more than %d words",
			    BATCH_WORDS_MAX);
	if (!n)
		return EXIT_OK;
	ret = run(v, n);
	if (!leaves_socket(v[0]))
		kernel_keep(true);
	opts = kept;
	return ret;
}

static int run_all(struct reader *r, bool force, int (*run)(char **v, int n))
{
	int first = EXIT_OK, ret;

	for (;;) {
		ret = read_command(r);
		if (ret == EOF)
			break;
		if (!ret)
			ret = run_command(r, run);
		else
			force = false;	/* where the next command begins is not known */
		if (!first)
			first = ret;
		if (ret && !force)
			break;
	}
	error_place(NULL, 0);
	if (ferror(r->f))
		return fail(EXIT_FAILED, "cannot read %s: %s", r->name, strerror(errno));
	return first;
}

int batch_run(const struct batch *b, int (*run)(char **v, int n))
{
	struct reader *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		out_of_memory();
	r->name = b->file;
	r->f = open_input(b->file);
	if (!r->f) {
		free(r);
		return fail(EXIT_FAILED, "cannot open %s: %s", b->file, strerror(errno));
	}
	setvbuf(r->f, r->buffer, _IOFBF, sizeof(r->buffer));
	opts.batch = true;
	kernel_keep(true);
	ret = run_all(r, b->force, run);
	kernel_keep(false);
	fclose(r->f);
	sotto_wipe(r, sizeof(*r));
	free(r);
	return ret;
}
