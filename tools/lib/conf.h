/* SPDX-License-Identifier: GPL-2.0 */
/*
 * INI files by a table of permitted keys. Anything else is an error that names
 * file and line.
 */
#ifndef SOTTO_CONF_H
#define SOTTO_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/**
 * struct sotto_conf_key - one permitted key
 * @section: "" for keys before the first section
 * @set: reads @value into @dst; returns 0, or a negative error with the
 *	expectation ("a number of seconds, 1-3600") in @want
 * @min, @max: for the numeric setters
 */
struct sotto_conf_key {
	const char *section, *key;
	int (*set)(const struct sotto_conf_key *k, const char *value,
		   char *want, size_t want_len);
	void *dst;
	uint64_t min, max;
};

/* Setters; the type of dst is in brackets. */
int sotto_conf_bool(const struct sotto_conf_key *k, const char *v,
		    char *want, size_t n);	/* [bool] yes/no/true/false/on/off */
int sotto_conf_u32(const struct sotto_conf_key *k, const char *v,
		   char *want, size_t n);	/* [uint32_t] min-max */
int sotto_conf_u64(const struct sotto_conf_key *k, const char *v,
		   char *want, size_t n);	/* [uint64_t] K, M, G, T accepted */
int sotto_conf_seconds(const struct sotto_conf_key *k, const char *v,
		       char *want, size_t n);	/* [uint32_t] 90, 90s, 15m, 8h, 7d */
int sotto_conf_string(const struct sotto_conf_key *k, const char *v,
		      char *want, size_t n);	/* [char[max]] */
int sotto_conf_log_level(const struct sotto_conf_key *k, const char *v,
			 char *want, size_t n);	/* [int] */

/** sotto_conf_line() - for a setter: the line of its value */
int sotto_conf_line(void);

/**
 * sotto_conf_load() - read @path; an absent file is an empty one
 * The same key twice: the last one counts. On an error nothing says which keys
 * were set already: the caller gives up.
 */
int sotto_conf_load(const char *path, const struct sotto_conf_key *keys,
		    size_t n, struct sotto_errmsg *err);

#endif /* SOTTO_CONF_H */
