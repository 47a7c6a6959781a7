// SPDX-License-Identifier: GPL-2.0
/*
 * Error codes and their messages.
 */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_entry {
	const char *name, *text;
};

#define ERR_ENTRY(sym, name, text) [SOTTO_E_##sym##_N] = { name, text },
static const struct err_entry entries[] = {
	[SOTTO_E_NONE_N] = { "ok", "no error" },
	SOTTO_ERRORS(ERR_ENTRY)
};

static const struct err_entry *entry(int code)
{
	if (code > 0 || -code >= SOTTO_E_MAX_N)
		code = SOTTO_E_INTERNAL;
	return &entries[-code];
}

const char *sotto_err_name(int code)
{
	return entry(code)->name;
}

const char *sotto_err_text(int code)
{
	return entry(code)->text;
}

int sotto_err(struct sotto_errmsg *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	if (!*fmt) {
		snprintf(err->text, sizeof(err->text), "%s",
			 sotto_err_text(code));
		return code;
	}
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

static int code_of_errno(int e)
{
	switch (e) {
	case ENOENT:
		return SOTTO_E_UNKNOWN;
	case EEXIST:
		return SOTTO_E_EXISTS;
	case ENOSPC:
	case EDQUOT:
		return SOTTO_E_FULL;
	case EROFS:
		return SOTTO_E_READONLY;
	case EACCES:
	case EPERM:
		return SOTTO_E_PERM;
	case ENOMEM:
		return SOTTO_E_NOMEM;
	default:
		return SOTTO_E_IO;
	}
}

int sotto_err_errno(struct sotto_errmsg *err, const char *what)
{
	int e = errno;

	return sotto_err(err, code_of_errno(e), "%s: %s", what, strerror(e));
}
