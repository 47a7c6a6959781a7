// SPDX-License-Identifier: GPL-2.0
/*
 * Members that are told of ended sessions. One cause may end thousands of them (a rule, a
 * gateway, a host that was restarted), and a member with many peers has part in all: so
 * what ends while the state is locked once is told together, as many as fit a message; and
 * so that others are served between, to some members at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define FIRST_ROOM	64		/* doubled when it is short */
#define KEPT_ROOM	4096		/* more is given back */

struct gone {
	struct member *m;
	uint64_t id;
	uint16_t reason;
};

static bool make_room(struct gone_list *l)
{
	size_t room = l->room ? 2 * l->room : FIRST_ROOM;
	struct gone *gone;

	if (l->n < l->room)
		return true;
	gone = realloc(l->gone, room * sizeof(*gone));
	if (!gone)
		return false;
	l->gone = gone;
	l->room = room;
	return true;
}

static void start_message(struct sotto_msg *msg, const struct gone *g)
{
	msg->type = SOTTO_MSG_SESSION_GONE;
	msg->ids.reason = g->reason;
	msg->ids.ids.n = 1;
	msg->ids.ids.id[0] = g->id;
}

void session_tell_gone(struct authd *ad, struct member *m, uint64_t id,
		       enum sotto_refusal reason)
{
	struct gone g = { .m = m, .id = id, .reason = reason };
	struct sotto_msg msg;

	ad->stats.sessions_gone++;
	if (make_room(&ad->gone)) {
		ad->gone.gone[ad->gone.n++] = g;
		return;
	}
	start_message(&msg, &g);
	assoc_push(ad, m, &msg);
}

static int by_member(const void *x, const void *y)
{
	const struct gone *a = x, *b = y;

	if (a->m != b->m)
		return a->m->id < b->m->id ? -1 : 1;
	return (a->reason > b->reason) - (a->reason < b->reason);
}

/* One message of those from @i on; returns where the next one begins. */
static size_t tell_some(struct authd *ad, size_t i, size_t n)
{
	struct gone first = ad->gone.gone[i];
	struct sotto_msg msg;

	start_message(&msg, &first);
	while (++i < n && msg.ids.ids.n < SOTTO_IDS_MAX &&
	       !by_member(&first, &ad->gone.gone[i]))
		msg.ids.ids.id[msg.ids.ids.n++] = ad->gone.gone[i].id;
	assoc_push(ad, first.m, &msg);
	return i;
}

/* It is enough that the loop has a turn: that ends with a flush. */
static void on_timer(struct wheel_timer *t)
{
	(void)t;
}

/* A member that cannot be told any more is offline: that may end others. */
void session_gone_flush(struct authd *ad)
{
	struct gone_list *l = &ad->gone;
	unsigned int left = AUTHD_GONE_TURN;

	if (!l->n)
		return;
	for (; l->at < l->n && left; left--) {
		if (l->at == l->sorted) {
			qsort(l->gone + l->at, l->n - l->at, sizeof(*l->gone), by_member);
			l->sorted = l->n;
		}
		l->at = tell_some(ad, l->at, l->sorted);
	}
	if (l->at < l->n) {
		l->timer.fn = on_timer;
		wheel_set(&ad->wheel, &l->timer, ad->now_ms);
		return;
	}
	l->n = 0;
	l->at = 0;
	l->sorted = 0;
	if (l->room > KEPT_ROOM)
		session_gone_forget(ad);
}

void session_gone_forget(struct authd *ad)
{
	wheel_del(&ad->wheel, &ad->gone.timer);
	free(ad->gone.gone);
	memset(&ad->gone, 0, sizeof(ad->gone));
}
