/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The settings of a namespace, for sotto set and sotto status -d.
 */
#ifndef SOTTO_CLI_SETTINGS_H
#define SOTTO_CLI_SETTINGS_H

#include <stdint.h>

#define SETTINGS_MAX	20	/* entries of the table, with the last */

/**
 * struct setting - one that NS_SET takes
 * @name: on the command line
 * @json: in JSON output
 * @attr: enum sotto_ns_attr
 * @min, @max: what is permitted; the kernel checks further. A @max of 1: a switch.
 * @unit: behind the number, for people, unless the name says it
 */
struct setting {
	const char *name;
	const char *json;
	int attr;
	uint64_t min, max;
	const char *unit;
};

/* Ends with a NULL name. */
extern const struct setting settings[];

#endif /* SOTTO_CLI_SETTINGS_H */
