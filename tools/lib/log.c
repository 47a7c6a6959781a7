// SPDX-License-Identifier: GPL-2.0
/*
 * Logging to standard error.
 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define LINE_MAX_BYTES	1024

static const char *log_ident = "sotto";
static enum sotto_log_level log_max = SOTTO_LOG_INFO;
static enum { LOG_PLAIN, LOG_STAMPED, LOG_JOURNAL } log_form;

static const struct {
	const char *name;
	enum sotto_log_level level;
} levels[] = {
	{ "error", SOTTO_LOG_ERR },
	{ "warning", SOTTO_LOG_WARN },
	{ "notice", SOTTO_LOG_NOTICE },
	{ "info", SOTTO_LOG_INFO },
	{ "debug", SOTTO_LOG_DEBUG },
};

void sotto_log_init(const char *ident, enum sotto_log_level max)
{
	log_ident = ident;
	log_max = max;
	if (getenv("JOURNAL_STREAM"))
		log_form = LOG_JOURNAL;
	else
		log_form = isatty(STDERR_FILENO) ? LOG_PLAIN : LOG_STAMPED;
}

int sotto_log_level(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(name, levels[i].name))
			return levels[i].level;
	return -1;
}

void sotto_log_set(enum sotto_log_level max)
{
	log_max = max;
}

static const char *level_word(enum sotto_log_level level)
{
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (levels[i].level == level)
			return levels[i].name;
	return "";
}

/* A file has no clock of its own, the journal and a person have. */
static const char *stamp(char out[32])
{
	struct timespec ts;
	struct tm tm;

	out[0] = 0;
	if (log_form != LOG_STAMPED)
		return out;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	snprintf(out + strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm), 8,
		 ".%03uZ ", (unsigned int)(ts.tv_nsec / 1000000) % 1000);
	return out;
}

static void log_line(enum sotto_log_level level, const char *text)
{
	char line[LINE_MAX_BYTES + 64], when[32];
	char *p;
	int n;

	if (log_form == LOG_JOURNAL)
		n = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
	else
		n = snprintf(line, sizeof(line), "%s%s: %s: %s\n",
			     stamp(when), log_ident, level_word(level), text);
	/* what came from elsewhere must not forge a second line */
	for (p = line; p < line + n - 1; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	/* one write, so that lines of several processes don't mix */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

static void vlog(enum sotto_log_level level, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES];

	if (level > log_max)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	log_line(level, text);
}

void sotto_log(enum sotto_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(level, fmt, ap);
	va_end(ap);
}

static bool ratelimit_pass(struct sotto_ratelimit *rl, uint32_t *missed)
{
	uint64_t now = sotto_now_ms();

	*missed = 0;
	if (!rl->begin_ms || now - rl->begin_ms >= rl->interval_ms) {
		*missed = rl->missed;
		rl->begin_ms = now;
		rl->passed = 0;
		rl->missed = 0;
	}
	if (rl->passed >= rl->burst) {
		rl->missed++;
		return false;
	}
	rl->passed++;
	return true;
}

void sotto_log_limited(struct sotto_ratelimit *rl, enum sotto_log_level level,
		       const char *fmt, ...)
{
	uint32_t missed;
	va_list ap;

	if (level > log_max || !ratelimit_pass(rl, &missed))
		return;
	if (missed)
		sotto_log(level, "%u similar lines were left out", missed);
	va_start(ap, fmt);
	vlog(level, fmt, ap);
	va_end(ap);
}
