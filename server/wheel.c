// SPDX-License-Identifier: GPL-2.0
/*
 * The timer wheel.
 */
#include "wheel.h"

#include <string.h>

#include "loop.h"

#define BITS		8
#define MASK		(WHEEL_SLOTS - 1)
#define SPAN		((1ull << (BITS * WHEEL_LEVELS)) - 1)

_Static_assert(WHEEL_SLOTS == 1 << BITS, "slots");

static uint64_t tick_of(uint64_t ms)
{
	return (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
}

static void link_at(struct wheel_timer **slot, struct wheel_timer *t)
{
	t->next = *slot;
	t->prev = slot;
	if (t->next)
		t->next->prev = &t->next;
	*slot = t;
}

static void unlink_timer(struct wheel_timer *t)
{
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->prev = NULL;
}

static void place(struct wheel *w, struct wheel_timer *t)
{
	uint64_t at = tick_of(t->at_ms), ahead;
	int level = 0;

	if (at <= w->now)
		at = w->now + 1;
	if (at - w->now > SPAN)
		at = w->now + SPAN;
	for (ahead = at - w->now; ahead >> (BITS * (level + 1)); level++)
		;
	link_at(&w->slot[level][at >> (BITS * level) & MASK], t);
}

static struct wheel_timer **due(struct wheel *w)
{
	return &w->slot[0][w->now & MASK];
}

/* When to look next: at the next timer, or where level 0 is filled again. */
static void on_prepare(struct ev_loop *loop, ev_prepare *p, int revents)
{
	struct wheel *w = p->data;
	uint64_t now = sotto_now_ms(), at = w->now + 1;

	(void)revents;
	if (*due(w))
		at = w->now;	/* the last turn had enough */
	while (!w->slot[0][at & MASK] && at & MASK)
		at++;
	w->early = false;
	if (!w->n)
		w->armed = UINT64_MAX;
	if (!w->n || (ev_is_active(&w->timer) && at == w->armed))
		return;
	w->armed = at;
	at *= WHEEL_TICK_MS;
	ev_timer_stop(loop, &w->timer);
	ev_timer_set(&w->timer, at > now ? (at - now) / 1000. : 0., 0.);
	ev_timer_start(loop, &w->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	wheel_run(t->data, sotto_now_ms());
}

void wheel_init(struct wheel *w, struct ev_loop *loop)
{
	memset(w, 0, sizeof(*w));
	w->loop = loop;
	w->now = sotto_now_ms() / WHEEL_TICK_MS;
	ev_timer_init(&w->timer, on_timer, 0., 0.);
	ev_prepare_init(&w->prepare, on_prepare);
	w->timer.data = w;
	w->prepare.data = w;
	ev_prepare_start(loop, &w->prepare);
}

void wheel_stop(struct wheel *w)
{
	if (!w->loop)
		return;
	ev_prepare_stop(w->loop, &w->prepare);
	ev_timer_stop(w->loop, &w->timer);
}

void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t at_ms)
{
	if (t->prev)
		unlink_timer(t);
	else
		w->n++;
	t->at_ms = at_ms;
	w->early |= tick_of(at_ms) < w->armed;
	place(w, t);
}

void wheel_del(struct wheel *w, struct wheel_timer *t)
{
	if (!t->prev)
		return;
	unlink_timer(t);
	w->n--;
}

static void cascade(struct wheel *w, int level)
{
	struct wheel_timer **slot =
		&w->slot[level][w->now >> (BITS * level) & MASK], *t;
	struct wheel_timer *list = *slot;

	*slot = NULL;
	while ((t = list)) {
		list = t->next;
		place(w, t);
	}
}

/* True: it is enough for now. A callback may set, move and stop any timer, its own too. */
static bool run_slot(struct wheel *w, struct wheel_timer **slot, uint64_t enough)
{
	struct wheel_timer *t;

	while ((t = *slot)) {
		if (w->work && *w->work >= enough)
			return true;
		if (t->next)
			__builtin_prefetch(t->next->next);
		wheel_del(w, t);
		t->fn(t);
	}
	return false;
}

static void advance(struct wheel *w)
{
	int level;

	w->now++;
	for (level = 1; level < WHEEL_LEVELS &&
	     !(w->now >> (BITS * (level - 1)) & MASK); level++)
		;
	while (--level)
		cascade(w, level);
}

void wheel_run(struct wheel *w, uint64_t now_ms)
{
	uint64_t end = now_ms / WHEEL_TICK_MS;
	uint64_t enough = w->work ? *w->work + WHEEL_WORK : 0;

	while (!run_slot(w, due(w), enough) && w->now < end)
		advance(w);
}
