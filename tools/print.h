/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output: aligned tables for people, JSON for programs.
 */
#ifndef SOTTO_PRINT_H
#define SOTTO_PRINT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "lib/addr.h"

enum color {
	COLOR_NONE,
	COLOR_GOOD,		/* green */
	COLOR_WARN,		/* yellow */
	COLOR_BAD,		/* red */
	COLOR_HEAD,		/* bold */
};

/** color_on() - escape sequence that begins @color, or "" without colours */
const char *color_on(enum color color);
/** color_off() - the one that ends it */
const char *color_off(enum color color);

/** struct column - @right: numbers stand at the right */
struct column {
	const char *head;
	bool right;
};

struct cell;

/** struct table - rows that are printed once their widths are known */
struct table {
	const struct column *columns;
	size_t n_columns;
	struct cell *cells;
	size_t n_cells, cap;
};

void table_init(struct table *t, const struct column *columns, size_t n);

/** table_cell() - the next cell, row by row; "" leaves it blank */
void table_cell(struct table *t, enum color color, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** table_print() - print and free; columns that are blank throughout are left out */
void table_print(struct table *t);

/** print_json() - print @root on standard output and release it */
void print_json(json_t *root);

/** json_addr() - an address as a JSON string */
json_t *json_addr(const struct sotto_addr *addr);

/*
 * Human units. Each returns @buf.
 */
#define HUMAN_MAX	32	/* bytes */
const char *human_bytes(uint64_t bytes, char buf[HUMAN_MAX]);	/* 1.5 MiB */
const char *human_count(uint64_t count, char buf[HUMAN_MAX]);	/* 12.3k */
const char *human_ms(uint64_t ms, char buf[HUMAN_MAX]);		/* 2h 5m */
const char *human_us(uint64_t us, char buf[HUMAN_MAX]);		/* 3.2 ms */
/** human_time() - RFC 3339, local time; @ms: -1 leaves the milliseconds out */
const char *human_time(time_t seconds, int ms, char buf[HUMAN_MAX]);

#endif /* SOTTO_PRINT_H */
