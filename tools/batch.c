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
#include "gather.h"
#include "kernel.h"
#include "lib/secret.h"

#define BATCH_BUFFER	65536	/* bytes read at a time */
#define BATCH_LINE_MAX	65535	/* bytes of a command, with the lines that it goes on in */

/* The lines may hold keys: what they are read into is wiped. */
struct reader {
	int fd;
	int error;		/* errno of a read that failed */
	const char *name;
	unsigned long number;	/* of the last line read */
	size_t at, end;		/* of what is left in @buffer */
	char line[BATCH_LINE_MAX + 1];
	char buffer[BATCH_BUFFER];
};

/* How the run stands. */
static struct {
	bool force;
	int first;		/* exit code of the first command that failed */
} run;

static void note(int ret)
{
	if (!run.first)
		run.first = ret;
}

/* Is the run to end here? */
static bool over(void)
{
	return run.first && !run.force;
}

/* What was gathered comes before what follows. Returns false if that is not to be. */
static bool catch_up(void)
{
	note(gather_send());
	return !over();
}

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

/*
 * More input: there may be none for a while, and what was asked for is not to wait for it.
 * Returns false at the end.
 */
static bool fill(struct reader *r)
{
	ssize_t n;

	if (!catch_up())
		return false;
	do {
		n = read(r->fd, r->buffer, sizeof(r->buffer));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		r->error = errno;
	r->at = 0;
	r->end = n > 0 ? n : 0;
	return n > 0;
}

static int next_byte(struct reader *r)
{
	if (r->at == r->end && !fill(r))
		return EOF;
	return (unsigned char)r->buffer[r->at++];
}

/* One line, or less at the end of the file. Returns 0, EOF, or an exit code. */
static int read_line(struct reader *r, size_t *have)
{
	int c = next_byte(r);

	if (c == EOF)
		return EOF;
	r->number++;
	for (; c != EOF && c != '\n'; c = next_byte(r)) {
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
static int open_input(const char *file)
{
	int fd, null;

	if (strcmp(file, "-"))
		return open(file, O_RDONLY | O_CLOEXEC);
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -1;
	close(null);
	return fd;
}

/* These leave the kernel's socket as they found it, so that the next one can have it. */
static bool leaves_socket(const char *word)
{
	return !strcmp(word, "sa") || !strcmp(word, "policy") || !strcmp(word, "tunnel") ||
	       !strcmp(word, "addr");
}

/* These are gathered; the others must find them done. */
static bool is_gathered(char **v, int n)
{
	return n >= 2 && !strcmp(v[0], "sa") && (!strcmp(v[1], "add") || !strcmp(v[1], "del"));
}

static int run_command(struct reader *r, int (*fn)(char **v, int n))
{
	struct cli_opts kept = opts;
	char *v[BATCH_WORDS_MAX];
	int n, ret;

	n = batch_words(r->line, v);
	if (n < 0)
		return fail(EXIT_USAGE, "a quote is not closed, or there are more than %d words",
			    BATCH_WORDS_MAX);
	if (!n || (!is_gathered(v, n) && !catch_up()))
		return EXIT_OK;
	ret = fn(v, n);
	if (!leaves_socket(v[0]) && catch_up())
		kernel_keep(true);
	opts = kept;
	return ret;
}

static void run_all(struct reader *r, int (*fn)(char **v, int n))
{
	int ret;

	while (!over()) {
		ret = read_command(r);
		if (ret == EOF || r->error || over())	/* what there is may be half a line */
			break;
		if (ret)
			run.force = false;	/* where the next command begins is not known */
		else
			ret = run_command(r, fn);
		note(ret);
	}
	if (!over())
		catch_up();
	error_place(NULL, 0);
	if (r->error)
		note(fail(EXIT_FAILED, "cannot read %s: %s", r->name, strerror(r->error)));
}

int batch_run(const struct batch *b, int (*fn)(char **v, int n))
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		out_of_memory();
	run.force = b->force;
	run.first = EXIT_OK;
	r->name = b->file;
	r->fd = open_input(b->file);
	if (r->fd < 0) {
		free(r);
		return fail(EXIT_FAILED, "cannot open %s: %s", b->file, strerror(errno));
	}
	opts.batch = true;
	kernel_keep(true);
	gather_begin(b->force);
	error_before(catch_up);
	run_all(r, fn);
	error_before(NULL);
	gather_end();
	kernel_keep(false);
	close(r->fd);
	sotto_wipe(r, sizeof(*r));
	free(r);
	return run.first;
}
