// SPDX-License-Identifier: GPL-2.0
/*
 * The words of the command line, and the values in them.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/sotto.h>

const char *args_peek(const struct args *a)
{
	return a->n ? a->v[0] : NULL;
}

const char *args_next(struct args *a)
{
	if (!a->n)
		return NULL;
	a->n--;
	return *a->v++;
}

bool args_is(struct args *a, const char *word)
{
	if (!a->n || strcmp(a->v[0], word))
		return false;
	args_next(a);
	return true;
}

const char *args_the(struct args *a, const char *name, const char *what)
{
	const char *value = args_next(a);

	if (!value)
		fail(EXIT_USAGE, "\"%s\" needs %s behind it", name, what);
	return value;
}

const char *args_value(struct args *a, const char *name)
{
	return args_the(a, name, "a value");
}

int args_end(const struct args *a, const char *usage)
{
	if (!a->n)
		return 0;
	return usage_error(usage, "don't know what to do with \"%s\"", a->v[0]);
}

bool wants_help(const struct args *a)
{
	const char *word = args_peek(a);

	return word && (!strcmp(word, "help") || !strcmp(word, "--help") ||
			!strcmp(word, "-h"));
}

static int unknown_command(const char *word, const struct command *commands)
{
	const char *near = suggest_below(word);

	if (!near)
		near = suggest(word, commands);
	if (near)
		return fail(EXIT_USAGE, "there is no \"%s\"; did you mean \"sotto %s\"?",
			    word, near);
	return fail(EXIT_USAGE, "there is no \"%s\"; \"sotto help\" lists what there is",
		    word);
}

static int unknown_word(const char *object, const char *word,
			const struct command *commands, const char *usage)
{
	const char *near;

	if (!object)
		return unknown_command(word, commands);
	near = suggest(word, commands);
	if (near)
		return fail(EXIT_USAGE,
			    "there is no \"%s %s\"; did you mean \"sotto %s %s\"?",
			    object, word, object, near);
	return usage_error(usage, "there is no \"%s %s\"", object, word);
}

static const struct command *find_command(const struct command *commands,
					  const char *word)
{
	for (; commands->name; commands++)
		if (!strcmp(commands->name, word))
			return commands;
	return NULL;
}

static int show_usage(const char *usage)
{
	fputs(usage, stdout);
	return EXIT_OK;
}

int dispatch(struct args *a, const char *object, const struct command *commands,
	     command_fn first, const char *usage)
{
	const struct command *c;
	const char *word;

	if (wants_help(a))
		return show_usage(usage);
	word = args_next(a);
	if (!word)
		return first ? first(a) : usage_error(usage, "say what to do");
	c = find_command(commands, word);
	if (!c)
		return unknown_word(object, word, commands, usage);
	/* an object's words share its usage; the program's have their own */
	if (object && wants_help(a))
		return show_usage(usage);
	return c->fn(a);
}

static int bad_number(const char *text, const char *what, uint64_t min, uint64_t max)
{
	return fail(EXIT_USAGE,
		    "\"%s\" is no %s; give a number from %" PRIu64 " to %" PRIu64,
		    text, what, min, max);
}

int parse_number(const char *text, const char *what, uint64_t min, uint64_t max,
		 uint64_t *value)
{
	char *end;

	/* strtoull takes signs and spaces; we don't */
	if (!isdigit((unsigned char)text[0]))
		return bad_number(text, what, min, max);
	errno = 0;
	*value = strtoull(text, &end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
	if (errno || *end || *value < min || *value > max)
		return bad_number(text, what, min, max);
	return 0;
}

int parse_spi(const char *text, uint32_t *spi)
{
	uint64_t value;
	int ret = parse_number(text, "SPI", SOTTO_SPI_MIN, UINT32_MAX, &value);

	*spi = value;
	return ret;
}

static uint32_t unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	default:
		return 0;
	}
}

int parse_seconds(const char *text, const char *what, uint32_t *seconds)
{
	size_t len = strlen(text);
	char digits[12];
	uint32_t unit = 1;
	uint64_t value;

	if (len && !isdigit((unsigned char)text[len - 1]))
		unit = unit_seconds(text[--len]);
	if (!unit || !len || len >= sizeof(digits))
		return fail(EXIT_USAGE, "\"%s\" is no %s; write it as 90s, 15m, 2h or 1d",
			    text, what);
	memcpy(digits, text, len);
	digits[len] = 0;
	if (parse_number(digits, what, 1, UINT32_MAX / unit, &value))
		return EXIT_USAGE;
	*seconds = value * unit;
	return 0;
}

int parse_address(const char *text, struct sotto_addr *addr)
{
	if (!sotto_addr_parse(addr, text))
		return 0;
	return fail(EXIT_USAGE,
		    "\"%s\" is no IP address; write it as 10.0.0.1 or fd00::1 (names are not looked up)",
		    text);
}

int parse_prefix(const char *text, struct sotto_prefix *prefix)
{
	switch (sotto_prefix_parse(prefix, text)) {
	case 0:
		return 0;
	case -ERANGE:
		return fail(EXIT_USAGE,
			    "\"%s\" has bits set behind its length; write the network's address, e.g. 10.0.0.0/24",
			    text);
	default:
		return fail(EXIT_USAGE,
			    "\"%s\" is no prefix; write it as 10.0.0.0/24, fd00::/64, or an address",
			    text);
	}
}
