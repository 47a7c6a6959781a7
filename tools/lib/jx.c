// SPDX-License-Identifier: GPL-2.0
/*
 * Strict reading of JSON requests.
 */
#include "jx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool permitted(const char *name, const char *const *names)
{
	if (!strcmp(name, "cmd"))
		return true;
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

int sotto_jx_only(const json_t *obj, const char *const *names,
		  struct sotto_errmsg *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)obj, name, value) {
		if (!permitted(name, names))
			return sotto_err(err, SOTTO_E_BAD,
					 "\"%.60s\" is not known in this request",
					 name);
	}
	return 0;
}

static int absent(const char *name, struct sotto_errmsg *err)
{
	return sotto_err(err, SOTTO_E_UNKNOWN, "\"%s\" is missing", name);
}

int sotto_jx_string(const json_t *obj, const char *name, const char **out,
		    struct sotto_errmsg *err)
{
	const json_t *v = json_object_get(obj, name);

	if (!v)
		return absent(name, err);
	if (!json_is_string(v))
		return sotto_err(err, SOTTO_E_BAD, "\"%s\" must be a string",
				 name);
	*out = json_string_value(v);
	return 0;
}

int sotto_jx_u64(const json_t *obj, const char *name, uint64_t min,
		 uint64_t max, uint64_t *out, struct sotto_errmsg *err)
{
	const json_t *v = json_object_get(obj, name);
	json_int_t n;

	if (!v)
		return absent(name, err);
	n = json_integer_value(v);
	if (!json_is_integer(v) || n < 0 || (uint64_t)n < min ||
	    (uint64_t)n > max)
		return sotto_err(err, SOTTO_E_BAD,
				 "\"%s\" must be a whole number, %" PRIu64 "-%" PRIu64,
				 name, min, max);
	*out = n;
	return 0;
}

int sotto_jx_bool(const json_t *obj, const char *name, bool *out,
		  struct sotto_errmsg *err)
{
	const json_t *v = json_object_get(obj, name);

	if (!v)
		return absent(name, err);
	if (!json_is_boolean(v))
		return sotto_err(err, SOTTO_E_BAD,
				 "\"%s\" must be true or false", name);
	*out = json_is_true(v);
	return 0;
}

int sotto_jx_addr(const json_t *obj, const char *name, struct sotto_addr *out,
		  struct sotto_errmsg *err)
{
	const char *text;
	int rc = sotto_jx_string(obj, name, &text, err);

	if (!rc && sotto_addr_parse(out, text))
		rc = sotto_err(err, SOTTO_E_BAD,
			       "'%.100s' is not an IPv4 or IPv6 address", text);
	return rc;
}

int sotto_jx_prefix(const json_t *obj, const char *name,
		    struct sotto_prefix *out, struct sotto_errmsg *err)
{
	const char *text;
	int rc = sotto_jx_string(obj, name, &text, err);

	if (!rc && sotto_prefix_parse(out, text))
		rc = sotto_err(err, SOTTO_E_BAD,
			       "'%.100s' is not ADDRESS or ADDRESS/LENGTH with the rest zero",
			       text);
	return rc;
}

json_t *sotto_jx_id(uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	return json_string(text);
}
