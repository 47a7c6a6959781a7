// SPDX-License-Identifier: GPL-2.0
/*
 * What a mistyped word was perhaps meant to be. Never acted upon.
 */
#include "cli.h"

#include <string.h>

#define WORD_MAX	24	/* longer words are not looked at */
#define DISTANCE_MAX	2	/* edits that still count as a slip */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, one row at a time. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1];
	size_t n = strlen(b);

	if (strlen(a) > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		unsigned int diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= n; j++) {
			unsigned int up = row[j];

			row[j] = min3(row[j] + 1, row[j - 1] + 1,
				      diagonal + (a[i] != b[j - 1]));
			diagonal = up;
		}
	}
	return row[n];
}

const char *suggest(const char *word, const struct command *commands)
{
	const char *best = NULL;
	unsigned int least = DISTANCE_MAX + 1;

	for (; commands->name; commands++) {
		unsigned int d = distance(word, commands->name);
		bool begins = word[0] && !strncmp(commands->name, word, strlen(word));

		if (begins && d > 1)
			d = 1;
		if (d < least && d < strlen(commands->name)) {
			least = d;
			best = commands->name;
		}
	}
	return best;
}

/* What is asked for at the top as often as where it stands. */
static const struct {
	const char *word, *path;
} below[] = {
	{ "audit", "realm audit" },
	{ "backup", "realm backup" },
	{ "group", "realm group" },
	{ "init", "realm init" },
	{ "log", "realm audit" },
	{ "pin", "peer pin" },
	{ "restore", "realm restore" },
	{ "revoke", "member revoke" },
	{ "rule", "realm rule" },
	{ "code", "member code" },
};

const char *suggest_below(const char *word)
{
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		if (!strcmp(word, below[i].word))
			return below[i].path;
	return NULL;
}
