/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Logging to standard error, with the time (UTC) when it is a file; or, when the
 * journal listens, to it, with the field SOTTO_SESSION for lines about a session. Secrets are never passed in.
 */
#ifndef SOTTO_LOG_H
#define SOTTO_LOG_H

#include <stdint.h>

enum sotto_log_level {
	SOTTO_LOG_ERR = 3,	/* syslog's numbers */
	SOTTO_LOG_WARN = 4,
	SOTTO_LOG_NOTICE = 5,
	SOTTO_LOG_INFO = 6,
	SOTTO_LOG_DEBUG = 7,
};

/**
 * struct sotto_ratelimit - at most @burst lines per @interval_ms
 * Zero-initialised beyond the first two; counts what it left out.
 */
struct sotto_ratelimit {
	uint32_t interval_ms, burst;
	uint64_t begin_ms;
	uint32_t passed, missed;
};

#define SOTTO_RATELIMIT(ms, n) { .interval_ms = (ms), .burst = (n) }

/** sotto_log_init() - name that begins each line (kept by reference), level. */
void sotto_log_init(const char *ident, enum sotto_log_level max);
/** sotto_log_level() - "error", "warning", "notice", "info", "debug" or -1. */
int sotto_log_level(const char *name);
void sotto_log_set(enum sotto_log_level max);

/** sotto_log_apart() - in a child that keeps standard error alone of all files. */
void sotto_log_apart(void);

void sotto_log(enum sotto_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define sotto_err_log(...)	sotto_log(SOTTO_LOG_ERR, __VA_ARGS__)
#define sotto_warn(...)		sotto_log(SOTTO_LOG_WARN, __VA_ARGS__)
#define sotto_notice(...)	sotto_log(SOTTO_LOG_NOTICE, __VA_ARGS__)
#define sotto_info(...)		sotto_log(SOTTO_LOG_INFO, __VA_ARGS__)
#define sotto_debug(...)	sotto_log(SOTTO_LOG_DEBUG, __VA_ARGS__)

/** sotto_log_limited() - nothing beyond the limit; says how many it left out. */
void sotto_log_limited(struct sotto_ratelimit *rl, enum sotto_log_level level,
		       const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* SOTTO_LOG_H */
