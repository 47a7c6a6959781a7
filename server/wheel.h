/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A timer wheel: setting, moving and stopping a timer costs the same with a
 * million of them. Timers are late by two ticks at most, never early.
 */
#ifndef SOTTO_WHEEL_H
#define SOTTO_WHEEL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS	8
#define WHEEL_SLOTS	256	/* of each level */
#define WHEEL_WORK	1024	/* of the timers of one turn, as @work counts it */
#define WHEEL_LEVELS	3	/* 2 s, 9 min, 37 h; what is later goes round again */

struct wheel_timer {
	struct wheel_timer *next, **prev;	/* prev NULL: not set */
	uint64_t at_ms;
	void (*fn)(struct wheel_timer *t);
};

struct wheel {
	struct ev_loop *loop;
	ev_timer timer;
	ev_prepare prepare;			/* sets the timer before a sleep */
	uint64_t armed;				/* the tick it is set for */
	bool early;				/* a timer is due before */
	uint64_t now;				/* ticks that were run */
	uint64_t n;				/* timers set */
	const uint64_t *work;			/* counts what timers do; NULL: nobody does */
	struct wheel_timer *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, struct ev_loop *loop);
/** wheel_stop() - before its timers are freed. */
void wheel_stop(struct wheel *w);
/** wheel_set() - call t->fn at @at_ms, monotonic; at the next tick if it is past. */
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t at_ms);
void wheel_del(struct wheel *w, struct wheel_timer *t);
/**
 * wheel_run() - what is due at @now_ms; libev calls it, and tests do
 * What is left when @work has grown by WHEEL_WORK is done by the next call: others
 * have their turn between. What came meanwhile may answer what would be repeated.
 */
void wheel_run(struct wheel *w, uint64_t now_ms);

#endif /* SOTTO_WHEEL_H */
