/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Error codes. Functions return 0 or a negative SOTTO_E_*; where a person will
 * read it, a struct sotto_errmsg says what was wrong and what to do.
 */
#ifndef SOTTO_ERR_H
#define SOTTO_ERR_H

#include <stddef.h>

/* code, stable name (JSON "error"), default text */
#define SOTTO_ERRORS(_)							\
	_(SHORT, "short", "the input ends too early")			\
	_(SPACE, "space", "the output does not fit")			\
	_(BAD, "bad-input", "the input is malformed")			\
	_(VALUE, "bad-value", "a value is out of range")		\
	_(UNKNOWN, "unknown", "no such thing is known")			\
	_(EXISTS, "exists", "it exists already")			\
	_(AUTH, "auth", "authentication failed")			\
	_(REPLAY, "replay", "this was received before")			\
	_(STATE, "state", "not possible in this state")			\
	_(TIMEOUT, "timeout", "no answer in time")			\
	_(CLOSED, "closed", "the channel was closed")			\
	_(LIMIT, "limit", "a limit is reached")				\
	_(NOMEM, "no-memory", "out of memory")				\
	_(IO, "io", "input or output failed")				\
	_(FULL, "disk-full", "the disk is full")			\
	_(READONLY, "read-only", "the storage is read-only")		\
	_(PERM, "permission", "permission denied")			\
	_(VERSION, "version", "the version is not supported")		\
	_(REFUSED, "refused", "the other side refused")			\
	_(CRYPTO, "crypto", "a cryptographic operation failed")		\
	_(INTERNAL, "internal", "internal error")

#define SOTTO_ERR_ENUM(sym, name, text) SOTTO_E_##sym##_N,
enum { SOTTO_E_NONE_N, SOTTO_ERRORS(SOTTO_ERR_ENUM) SOTTO_E_MAX_N };
#undef SOTTO_ERR_ENUM

#define SOTTO_E_SHORT		(-SOTTO_E_SHORT_N)
#define SOTTO_E_SPACE		(-SOTTO_E_SPACE_N)
#define SOTTO_E_BAD		(-SOTTO_E_BAD_N)
#define SOTTO_E_VALUE		(-SOTTO_E_VALUE_N)
#define SOTTO_E_UNKNOWN		(-SOTTO_E_UNKNOWN_N)
#define SOTTO_E_EXISTS		(-SOTTO_E_EXISTS_N)
#define SOTTO_E_AUTH		(-SOTTO_E_AUTH_N)
#define SOTTO_E_REPLAY		(-SOTTO_E_REPLAY_N)
#define SOTTO_E_STATE		(-SOTTO_E_STATE_N)
#define SOTTO_E_TIMEOUT		(-SOTTO_E_TIMEOUT_N)
#define SOTTO_E_CLOSED		(-SOTTO_E_CLOSED_N)
#define SOTTO_E_LIMIT		(-SOTTO_E_LIMIT_N)
#define SOTTO_E_NOMEM		(-SOTTO_E_NOMEM_N)
#define SOTTO_E_IO		(-SOTTO_E_IO_N)
#define SOTTO_E_FULL		(-SOTTO_E_FULL_N)
#define SOTTO_E_READONLY	(-SOTTO_E_READONLY_N)
#define SOTTO_E_PERM		(-SOTTO_E_PERM_N)
#define SOTTO_E_VERSION		(-SOTTO_E_VERSION_N)
#define SOTTO_E_REFUSED		(-SOTTO_E_REFUSED_N)
#define SOTTO_E_CRYPTO		(-SOTTO_E_CRYPTO_N)
#define SOTTO_E_INTERNAL	(-SOTTO_E_INTERNAL_N)

/** struct sotto_errmsg - an error for a person: code and sentence. */
struct sotto_errmsg {
	int code;
	char text[512];
};

/** sotto_err_name() - stable name of a code ("disk-full"); "ok" for 0. */
const char *sotto_err_name(int code);

/** sotto_err_text() - default sentence of a code. */
const char *sotto_err_text(int code);

/**
 * sotto_err() - fill @err (may be NULL) and return @code
 * An empty @fmt uses the code's default text.
 */
int sotto_err(struct sotto_errmsg *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** sotto_err_errno() - the same from errno: "@what: strerror". */
int sotto_err_errno(struct sotto_errmsg *err, const char *what);

#endif /* SOTTO_ERR_H */
