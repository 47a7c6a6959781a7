// SPDX-License-Identifier: GPL-2.0
/*
 * Errors: "sotto: what was wrong; what to do".
 */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *place_file;
static unsigned long place_line;
static bool (*before)(void);

void error_place(const char *file, unsigned long line)
{
	place_file = file;
	place_line = line;
}

unsigned long error_line(void)
{
	return place_line;
}

void error_go(unsigned long line)
{
	place_line = line;
}

void error_before(bool (*fn)(void))
{
	before = fn;
}

/* C1 controls are two bytes in UTF-8; some terminals obey them like an escape. */
static size_t control(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
		return 1;
	return c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0 ? 2 : 0;
}

char *plain(char *text)
{
	for (char *at = text; *at; at++)
		for (size_t n = control(at); n; n--)
			at[n - 1] = '?';
	return text;
}

/* False: not said. */
static bool say(const char *fmt, va_list ap)
{
	char *text;

	if (before && !before())
		return false;
	if (vasprintf(&text, fmt, ap) < 0)
		out_of_memory();
	fflush(stdout);
	fputs("sotto: ", stderr);
	if (place_file)
		fprintf(stderr, "%s:%lu: ", place_file, place_line);
	fprintf(stderr, "%s\n", plain(text));
	free(text);
	return true;
}

int fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return code;
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int usage_error(const char *usage, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (say(fmt, ap))
		fputs(usage, stderr);
	va_end(ap);
	return EXIT_USAGE;
}

void out_of_memory(void)
{
	fputs("sotto: out of memory\n", stderr);
	exit(EXIT_FAILED);
}
