// SPDX-License-Identifier: GPL-2.0
/*
 * INI files by a table of permitted keys, over inih.
 */
#include "conf.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define WANT_MAX	128	/* bytes of an expectation, with the NUL */
#define LIST_MAX	320	/* the same of a list of keys */

static int reading;	/* the line that a setter sees */

struct load {
	const char *path;
	const struct sotto_conf_key *keys;
	size_t n;
	struct sotto_errmsg *err;
	int rc;
	int line;		/* being read; after an error of ours, its line */
};

int sotto_conf_line(void)
{
	return reading;
}

int sotto_conf_bool(const struct sotto_conf_key *k, const char *v,
		    char *want, size_t n)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	size_t i;

	for (i = 0; i < 4; i++) {
		if (!strcmp(v, yes[i]) || !strcmp(v, no[i])) {
			*(bool *)k->dst = !strcmp(v, yes[i]);
			return 0;
		}
	}
	snprintf(want, n, "yes or no");
	return SOTTO_E_VALUE;
}

/* Decimal digits and one unit letter of @units, whose factors are given. */
static int parse_number(const char *v, const char *units,
			const uint64_t *factors, uint64_t *out)
{
	const char *unit;
	uint64_t n = 0;

	if (*v < '0' || *v > '9')
		return SOTTO_E_VALUE;
	for (; *v >= '0' && *v <= '9'; v++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*v - '0'), &n))
			return SOTTO_E_VALUE;
	}
	if (*v) {
		unit = strchr(units, *v);
		if (!unit || v[1] ||
		    __builtin_mul_overflow(n, factors[unit - units], &n))
			return SOTTO_E_VALUE;
	}
	*out = n;
	return 0;
}

static int in_range(const struct sotto_conf_key *k, uint64_t n)
{
	return n >= k->min && n <= k->max ? 0 : SOTTO_E_VALUE;
}

int sotto_conf_u32(const struct sotto_conf_key *k, const char *v,
		   char *want, size_t n)
{
	uint64_t num;

	if (parse_number(v, "", NULL, &num) || in_range(k, num)) {
		snprintf(want, n, "a number, %llu-%llu",
			 (unsigned long long)k->min, (unsigned long long)k->max);
		return SOTTO_E_VALUE;
	}
	*(uint32_t *)k->dst = num;
	return 0;
}

int sotto_conf_u64(const struct sotto_conf_key *k, const char *v,
		   char *want, size_t n)
{
	static const uint64_t factors[] = { 1ull << 10, 1ull << 20, 1ull << 30,
					    1ull << 40 };
	uint64_t num;

	if (parse_number(v, "KMGT", factors, &num) || in_range(k, num)) {
		snprintf(want, n, "a number, %llu-%llu, K, M, G, T permitted",
			 (unsigned long long)k->min, (unsigned long long)k->max);
		return SOTTO_E_VALUE;
	}
	*(uint64_t *)k->dst = num;
	return 0;
}

int sotto_conf_seconds(const struct sotto_conf_key *k, const char *v,
		       char *want, size_t n)
{
	static const uint64_t factors[] = { 1, 60, 3600, 86400 };
	uint64_t num;

	if (parse_number(v, "smhd", factors, &num) || in_range(k, num)) {
		snprintf(want, n, "a time such as 90s, 15m, 8h or 7d, %llu-%llu seconds",
			 (unsigned long long)k->min, (unsigned long long)k->max);
		return SOTTO_E_VALUE;
	}
	*(uint32_t *)k->dst = num;
	return 0;
}

int sotto_conf_string(const struct sotto_conf_key *k, const char *v,
		      char *want, size_t n)
{
	if (strlen(v) >= k->max) {
		snprintf(want, n, "at most %llu characters",
			 (unsigned long long)k->max - 1);
		return SOTTO_E_VALUE;
	}
	strcpy(k->dst, v);
	return 0;
}

int sotto_conf_log_level(const struct sotto_conf_key *k, const char *v,
			 char *want, size_t n)
{
	int level = sotto_log_level(v);

	if (level < 0) {
		snprintf(want, n, "error, warning, notice, info or debug");
		return SOTTO_E_VALUE;
	}
	*(int *)k->dst = level;
	return 0;
}

static bool known_section(const struct load *l, const char *section)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (!strcmp(l->keys[i].section, section))
			return true;
	return false;
}

static void add_word(char *list, size_t size, const char *word)
{
	size_t at = strlen(list);

	snprintf(list + at, size - at, "%s%s", at ? ", " : "", word);
}

/* What is permitted: the keys of @section, or, without one, the sections. */
static const char *permitted(const struct load *l, const char *section, char *list, size_t size)
{
	const char *last = "";
	size_t i;

	*list = 0;
	for (i = 0; i < l->n; i++) {
		const struct sotto_conf_key *k = &l->keys[i];

		if (section && !strcmp(k->section, section))
			add_word(list, size, k->key);
		else if (!section && *k->section && strcmp(k->section, last))
			add_word(list, size, k->section);
		last = k->section;
	}
	return list;
}

static int unknown_key(struct load *l, const char *section, const char *name)
{
	char list[LIST_MAX];

	if (!*section)
		return sotto_err(l->err, SOTTO_E_UNKNOWN,
				 "%s:%d: '%s' is not a known key outside a section; the sections are: %s",
				 l->path, l->line, name, permitted(l, NULL, list, sizeof(list)));
	if (!known_section(l, section))
		return sotto_err(l->err, SOTTO_E_UNKNOWN,
				 "%s:%d: [%s] is not a known section; there are: %s",
				 l->path, l->line, section, permitted(l, NULL, list, sizeof(list)));
	return sotto_err(l->err, SOTTO_E_UNKNOWN,
			 "%s:%d: '%s' is not a known key of [%s], which has: %s",
			 l->path, l->line, name, section,
			 permitted(l, section, list, sizeof(list)));
}

static int take_key(struct load *l, const char *section, const char *name,
		    const char *value)
{
	char want[WANT_MAX] = "something else";
	size_t i;
	int rc;

	for (i = 0; i < l->n; i++)
		if (!strcmp(l->keys[i].section, section) &&
		    !strcmp(l->keys[i].key, name))
			break;
	if (i == l->n)
		return unknown_key(l, section, name);
	reading = l->line;
	rc = l->keys[i].set(&l->keys[i], value, want, sizeof(want));
	if (!rc)
		return 0;
	return sotto_err(l->err, rc, "%s:%d: %s = %s: wanted %s", l->path,
			 l->line, name, value, want);
}

/* inih numbers lines by its own errors only: count what it reads. A line longer
 * than its buffer comes in pieces.
 */
struct reader {
	FILE *file;
	struct load *load;
	bool inside;
};

static char *read_line(char *buf, int size, void *stream)
{
	struct reader *r = stream;
	char *line = fgets(buf, size, r->file);

	if (!line)
		return NULL;
	if (!r->inside && !r->load->rc)
		r->load->line++;
	r->inside = !strchr(line, '\n');
	return line;
}


static int on_key(void *user, const char *section, const char *name,
		  const char *value)
{
	struct load *l = user;

	if (!l->rc)
		l->rc = take_key(l, section, name, value);
	return l->rc == 0;
}

/* The first error is told of: ours, or a line that inih cannot read. */
static int verdict(struct load *l, int ini_rc, bool unreadable)
{
	if (ini_rc > 0 && (!l->rc || ini_rc < l->line))
		return sotto_err(l->err, SOTTO_E_BAD,
				 "%s:%d: neither [section] nor key = value (or longer than a line may be)",
				 l->path, ini_rc);
	if (l->rc)
		return l->rc;
	if (ini_rc < 0 || unreadable)
		return sotto_err(l->err, SOTTO_E_IO,
				 "%s: cannot be read; is it a file?", l->path);
	return 0;
}

int sotto_conf_load(const char *path, const struct sotto_conf_key *keys,
		    size_t n, struct sotto_errmsg *err)
{
	struct load l = { .path = path, .keys = keys, .n = n, .err = err };
	struct reader r = { .load = &l };
	int rc;

	r.file = fopen(path, "re");
	if (!r.file)
		return errno == ENOENT ? 0 : sotto_err_errno(err, path);
	rc = ini_parse_stream(read_line, &r, on_key, &l);
	rc = verdict(&l, rc, ferror(r.file));
	fclose(r.file);
	return rc;
}
