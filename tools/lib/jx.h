/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Strict reading of JSON requests, over jansson.
 */
#ifndef SOTTO_JX_H
#define SOTTO_JX_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"

/**
 * sotto_jx_only() - refuse members of @obj that are not in @names (NULL ends)
 * "cmd" is always permitted.
 */
int sotto_jx_only(const json_t *obj, const char *const *names,
		  struct sotto_errmsg *err);

/* Each returns 0, or SOTTO_E_BAD / SOTTO_E_UNKNOWN (absent) with a message that
 * names the member.
 */
int sotto_jx_string(const json_t *obj, const char *name, const char **out,
		    struct sotto_errmsg *err);
int sotto_jx_u64(const json_t *obj, const char *name, uint64_t min,
		 uint64_t max, uint64_t *out, struct sotto_errmsg *err);
int sotto_jx_bool(const json_t *obj, const char *name, bool *out,
		  struct sotto_errmsg *err);
int sotto_jx_addr(const json_t *obj, const char *name, struct sotto_addr *out,
		  struct sotto_errmsg *err);
int sotto_jx_prefix(const json_t *obj, const char *name,
		    struct sotto_prefix *out, struct sotto_errmsg *err);

/** sotto_jx_id() - a session id as JSON: 16 hex digits (JSON has no u64). */
json_t *sotto_jx_id(uint64_t id);

#endif /* SOTTO_JX_H */
