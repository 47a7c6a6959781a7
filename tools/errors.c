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

/* False: not said. */
static bool say(const char *fmt, va_list ap)
{
	if (before && !before())
		return false;
	fflush(stdout);
	fputs("sotto: ", stderr);
	if (place_file)
		fprintf(stderr, "%s:%lu: ", place_file, place_line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
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
