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
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define LINE_MAX_BYTES	1024
#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#define SESSION_DIGITS	16

static const char *log_ident = "sotto";
static enum sotto_log_level log_max = SOTTO_LOG_INFO;
static enum { LOG_PLAIN, LOG_STAMPED, LOG_JOURNAL } log_form;
static int journal_fd = -1;	/* for lines with fields; -1 = standard error will do */

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

static void open_journal(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };

	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal_fd < 0 || !connect(journal_fd, (struct sockaddr *)&sa, sizeof(sa)))
		return;
	close(journal_fd);
	journal_fd = -1;
}

void sotto_log_init(const char *ident, enum sotto_log_level max)
{
	log_ident = ident;
	log_max = max;
	if (getenv("JOURNAL_STREAM")) {
		log_form = LOG_JOURNAL;
		open_journal();
	} else {
		log_form = isatty(STDERR_FILENO) ? LOG_PLAIN : LOG_STAMPED;
	}
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

void sotto_log_apart(void)
{
	journal_fd = -1;
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

/* The id of the session that a line is about, as all three logs have it; or "". */
static const char *session_of(const char *text, char out[SESSION_DIGITS + 1])
{
	const char *p = strstr(text, "session ");

	out[0] = 0;
	if (p && strspn(p + 8, "0123456789abcdef") == SESSION_DIGITS) {
		memcpy(out, p + 8, SESSION_DIGITS);
		out[SESSION_DIGITS] = 0;
	}
	return out;
}

/* A write, for a process that may be forbidden all else. */
static bool to_journal(enum sotto_log_level level, const char *text)
{
	char line[LINE_MAX_BYTES + 256], id[SESSION_DIGITS + 1];
	int n;

	if (journal_fd < 0)
		return false;
	n = snprintf(line, sizeof(line), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n",
		     level, log_ident, text);
	if (session_of(text, id)[0])
		n += snprintf(line + n, sizeof(line) - n, "SOTTO_SESSION=%s\n", id);
	return write(journal_fd, line, n) == n;
}

static void clean(char *p)
{
	/* what came from elsewhere must not forge a second line, or a field */
	for (; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

static void log_line(enum sotto_log_level level, char *text)
{
	char line[LINE_MAX_BYTES + 64], when[32];
	int n;

	clean(text);
	if (to_journal(level, text))
		return;
	if (log_form == LOG_JOURNAL)
		n = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
	else
		n = snprintf(line, sizeof(line), "%s%s: %s: %s\n",
			     stamp(when), log_ident, level_word(level), text);
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
