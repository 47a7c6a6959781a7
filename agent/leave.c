// SPDX-License-Identifier: GPL-2.0
/*
 * sotto down: this host goes, and its peers are told, so that none of them goes
 * on sending what nobody here can open.
 */
#include <stdlib.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "agent.h"
#include "requests.h"

#define LEAVE_RETRY_MS	50	/* for room on the channel */

static void leave_end(struct agent *ag)
{
	ev_timer_stop(ag->loop, &ag->leave.timer);
	free(ag->leave.ids);
	ag->leave.ids = NULL;
	ag->leave.n = 0;
	ag->leave.told = 0;
	agent_stop(ag, 0);
}

static void on_heard(void *arg, int err, const struct sotto_msg *m);

/* As many as there is room for. */
static void tell_more(struct agent *ag)
{
	struct leaving *l = &ag->leave;
	unsigned int n;

	while (l->told < l->n) {
		n = report_closed_part(ag, l->ids + l->told, l->n - l->told, on_heard);
		if (!n)
			break;
		l->told += n;
		l->unanswered++;
	}
	assoc_kick(ag);
}

static bool all_heard(const struct leaving *l)
{
	return l->told == l->n && !l->unanswered;
}

static void on_heard(void *arg, int err, const struct sotto_msg *m)
{
	struct agent *ag = arg;

	(void)m;
	ag->leave.unanswered--;
	if (err == SOTTO_E_CLOSED)
		return;
	tell_more(ag);
	if (all_heard(&ag->leave))
		leave_end(ag);
}

static void on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct agent *ag = w->data;

	(void)loop;
	(void)revents;
	if (sotto_now_ms() < ag->leave.end_ms) {
		tell_more(ag);
		return;
	}
	sotto_notice("the server has not heard that this host goes; going all the same");
	leave_end(ag);
}

static void collect(struct session *s, void *arg)
{
	struct leaving *l = arg;

	l->ids[l->n++] = s->id;
}

/* All that live, and those that ended before and waited to be told. */
static void collect_all(struct agent *ag)
{
	struct leaving *l = &ag->leave;

	l->ids = calloc(session_count(ag) + ag->untold.n + 1, sizeof(*l->ids));
	if (!l->ids)
		return;
	session_each(ag, collect, l);
	for (unsigned int i = 0; i < ag->untold.n; i++)
		l->ids[l->n++] = ag->untold.v[i].id;
	ag->untold.n = 0;
}

void session_leave(struct agent *ag)
{
	if (ag->leaving)
		return;
	ag->leaving = true;
	sotto_notice("leaving: %u sessions are dropped", session_count(ag));
	collect_all(ag);
	session_drop_all(ag);
	ag->leave.end_ms = sotto_now_ms() + SESSION_LEAVE_MS;
	ev_timer_init(&ag->leave.timer, on_time, LEAVE_RETRY_MS / 1000.0, LEAVE_RETRY_MS / 1000.0);
	ag->leave.timer.data = ag;
	ev_timer_start(ag->loop, &ag->leave.timer);
	if (assoc_channel(ag) && !ag->assoc.down_ms)
		tell_more(ag);
	else
		ag->leave.n = 0;	/* there is nobody to tell */
	if (all_heard(&ag->leave))
		leave_end(ag);
}
