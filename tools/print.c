// SPDX-License-Identifier: GPL-2.0
/*
 * Output: aligned tables for people, JSON for programs.
 */
#include "print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define GAP	2	/* blanks between columns */

struct cell {
	char *text;
	enum color color;
};

const char *color_on(enum color color)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "",
		[COLOR_GOOD] = "\033[32m",
		[COLOR_WARN] = "\033[33m",
		[COLOR_BAD] = "\033[31m",
		[COLOR_HEAD] = "\033[1m",
	};

	return opts.color ? codes[color] : "";
}

const char *color_off(enum color color)
{
	return opts.color && color != COLOR_NONE ? "\033[0m" : "";
}

void table_init(struct table *t, const struct column *columns, size_t n)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns;
	t->n_columns = n;
}

static struct cell *new_cell(struct table *t)
{
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct cell *cells = reallocarray(t->cells, cap, sizeof(*cells));

		if (!cells)
			out_of_memory();
		t->cells = cells;
		t->cap = cap;
	}
	return &t->cells[t->n_cells++];
}

void table_cell(struct table *t, enum color color, const char *fmt, ...)
{
	struct cell *c = new_cell(t);
	va_list ap;

	c->color = color;
	va_start(ap, fmt);
	if (vasprintf(&c->text, fmt, ap) < 0)
		out_of_memory();
	va_end(ap);
	plain(c->text);
}

/* Width of a column; 0 when every cell is blank. */
static size_t column_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n_cells; i += t->n_columns) {
		size_t len = strlen(t->cells[i].text);

		if (len > width)
			width = len;
	}
	if (width && width < strlen(t->columns[column].head))
		width = strlen(t->columns[column].head);
	return width;
}

static void print_cell(const char *text, enum color color, size_t width,
		       bool right, bool last)
{
	int pad = width - strlen(text);

	if (right)
		printf("%*s", pad, "");
	printf("%s%s%s", color_on(color), text, color_off(color));
	if (!last)
		printf("%*s", (right ? 0 : pad) + GAP, "");
}

static void print_row(const struct table *t, const size_t *widths,
		      const struct cell *row)
{
	size_t last = 0;

	/* no blanks at the end of a line */
	for (size_t i = 0; i < t->n_columns; i++)
		if (widths[i] && (!row || row[i].text[0]))
			last = i;
	for (size_t i = 0; i <= last; i++) {
		if (!widths[i])
			continue;
		print_cell(row ? row[i].text : t->columns[i].head,
			   row ? row[i].color : COLOR_HEAD, widths[i],
			   t->columns[i].right, i == last);
	}
	putchar('\n');
}

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	memset(t, 0, sizeof(*t));
}

void table_print(struct table *t)
{
	size_t *widths;

	if (!t->n_cells)
		return;
	widths = calloc(t->n_columns, sizeof(*widths));
	if (!widths)
		out_of_memory();
	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = column_width(t, i);
	print_row(t, widths, NULL);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, widths, &t->cells[i]);
	free(widths);
	table_free(t);
}

void print_json(json_t *root)
{
	if (!root)
		out_of_memory();
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(root);
}

json_t *json_addr(const struct sotto_addr *addr)
{
	char buf[SOTTO_ADDR_STR];

	return json_string(sotto_addr_str(addr, buf));
}

const char *human_bytes(uint64_t bytes, char buf[HUMAN_MAX])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	int unit = -1;

	if (bytes < 1024) {
		snprintf(buf, HUMAN_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	for (; value >= 1024 && unit < 5; unit++)
		value /= 1024;
	snprintf(buf, HUMAN_MAX, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

const char *human_count(uint64_t count, char buf[HUMAN_MAX])
{
	if (count < 100000)
		snprintf(buf, HUMAN_MAX, "%" PRIu64, count);
	else if (count < 10000000)
		snprintf(buf, HUMAN_MAX, "%.1fk", count / 1e3);
	else if (count < 10000000000)
		snprintf(buf, HUMAN_MAX, "%.1fM", count / 1e6);
	else
		snprintf(buf, HUMAN_MAX, "%.1fG", count / 1e9);
	return buf;
}

const char *human_ms(uint64_t ms, char buf[HUMAN_MAX])
{
	uint64_t s = ms / 1000;

	if (ms < 10000)
		snprintf(buf, HUMAN_MAX, "%.1fs", ms / 1e3);
	else if (s < 60)
		snprintf(buf, HUMAN_MAX, "%us", (unsigned int)s);
	else if (s < 3600)
		snprintf(buf, HUMAN_MAX, "%um%02us", (unsigned int)(s / 60),
			 (unsigned int)(s % 60));
	else if (s < 86400)
		snprintf(buf, HUMAN_MAX, "%uh%02um", (unsigned int)(s / 3600),
			 (unsigned int)(s % 3600 / 60));
	else
		snprintf(buf, HUMAN_MAX, "%" PRIu64 "d%02uh", s / 86400,
			 (unsigned int)(s % 86400 / 3600));
	return buf;
}

const char *human_us(uint64_t us, char buf[HUMAN_MAX])
{
	if (us < 1000)
		snprintf(buf, HUMAN_MAX, "%u us", (unsigned int)us);
	else if (us < 1000000)
		snprintf(buf, HUMAN_MAX, "%.1f ms", us / 1e3);
	else
		snprintf(buf, HUMAN_MAX, "%.2f s", us / 1e6);
	return buf;
}

const char *human_time(time_t seconds, int ms, char buf[HUMAN_MAX])
{
	char zone[8];
	struct tm tm;
	size_t n;

	localtime_r(&seconds, &tm);
	n = strftime(buf, HUMAN_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	if (ms >= 0)
		n += snprintf(buf + n, HUMAN_MAX - n, ".%03d", ms % 1000);
	snprintf(buf + n, HUMAN_MAX - n, "%.3s:%s", zone, zone + 3);
	return buf;
}
