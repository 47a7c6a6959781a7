// SPDX-License-Identifier: GPL-2.0
/*
 * What both daemons need around libev.
 */
#define _GNU_SOURCE
#include "loop.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

uint64_t sotto_now_ms(void)
{
	struct timespec ts;

	/* as the kernel counts an SA's life: it goes on while the machine sleeps */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct sotto_signals *s = w->data;

	(void)loop;
	(void)revents;
	s->fn(s->arg, w->signum);
}

void sotto_signals_start(struct ev_loop *loop, struct sotto_signals *s,
			 void (*fn)(void *arg, int signum), void *arg)
{
	static const int nums[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;

	s->fn = fn;
	s->arg = arg;
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 3; i++) {
		ev_signal_init(&s->sig[i], on_signal, nums[i]);
		s->sig[i].data = s;
		ev_signal_start(loop, &s->sig[i]);
	}
}

void sotto_signals_stop(struct ev_loop *loop, struct sotto_signals *s)
{
	size_t i;

	for (i = 0; i < 3; i++)
		ev_signal_stop(loop, &s->sig[i]);
}

void sotto_timer_at(struct ev_loop *loop, ev_timer *t, uint64_t at_ms)
{
	uint64_t now = sotto_now_ms();

	ev_timer_stop(loop, t);
	if (at_ms == UINT64_MAX)
		return;
	/* one millisecond more, so that it is really due when it fires */
	ev_timer_set(t, at_ms > now ? (at_ms - now + 1) / 1000.0 : 0.0, 0.0);
	ev_now_update(loop);
	ev_timer_start(loop, t);
}

static int notify_fd = -1;

void sotto_notify_open(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = 0;
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd >= 0 &&
	    connect(notify_fd, (struct sockaddr *)&sun,
		    offsetof(struct sockaddr_un, sun_path) + len)) {
		close(notify_fd);
		notify_fd = -1;
	}
}

void sotto_notify(const char *state)
{
	if (notify_fd < 0)
		sotto_notify_open();
	if (notify_fd >= 0)
		(void)!send(notify_fd, state, strlen(state), MSG_NOSIGNAL);
}
