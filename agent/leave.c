// SPDX-License-Identifier: GPL-2.0
/*
 * sotto down: this host goes, and its peers are told, so that none of them goes
 * on sending what nobody here can open.
 */
#include <stdlib.h>

#include "../tools/lib/log.h"
#include "agent.h"
#include "requests.h"

static void on_heard(void *arg, int err, const struct sotto_msg *m)
{
	struct agent *ag = arg;

	(void)err;
	(void)m;
	if (!--ag->leave_out)
		agent_stop(ag, 0);
}

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	sotto_notice("the server has not heard that this host goes; going all the same");
	agent_stop(w->data, 0);
}

struct ids {
	uint64_t *v;
	unsigned int n;
};

static void collect(struct session *s, void *arg)
{
	struct ids *ids = arg;

	ids->v[ids->n++] = s->id;
}

void session_leave(struct agent *ag)
{
	struct ids ids = { .v = calloc(session_count(ag) + 1, sizeof(uint64_t)) };

	if (ag->leaving)
		return;
	ag->leaving = true;
	sotto_notice("leaving: %u sessions are dropped", session_count(ag));
	if (ids.v)
		session_each(ag, collect, &ids);
	session_drop_all(ag);
	ag->leave_out = report_closed_all(ag, ids.v, ids.n, on_heard);
	free(ids.v);
	if (!ag->leave_out) {
		agent_stop(ag, 0);
		return;
	}
	ev_timer_init(&ag->leave_timer, on_late, SESSION_LEAVE_MS / 1000.0, 0);
	ag->leave_timer.data = ag;
	ev_timer_start(ag->loop, &ag->leave_timer);
}
