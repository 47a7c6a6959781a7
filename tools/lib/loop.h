/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both daemons need around libev.
 */
#ifndef SOTTO_LOOP_H
#define SOTTO_LOOP_H

#include <ev.h>
#include <stdint.h>

#include "err.h"

/** sotto_now_ms() - milliseconds, never set; a machine's sleep counts. */
uint64_t sotto_now_ms(void);

/** struct sotto_signals - SIGINT, SIGTERM, SIGHUP on a loop. */
struct sotto_signals {
	ev_signal sig[3];
	void (*fn)(void *arg, int signum);
	void *arg;
};

/** sotto_signals_start() - call @fn for each; SIGPIPE is ignored. */
void sotto_signals_start(struct ev_loop *loop, struct sotto_signals *s,
			 void (*fn)(void *arg, int signum), void *arg);
void sotto_signals_stop(struct ev_loop *loop, struct sotto_signals *s);

/** sotto_timer_at() - (re)start @t to fire at monotonic @at_ms; UINT64_MAX stops. */
void sotto_timer_at(struct ev_loop *loop, ev_timer *t, uint64_t at_ms);

/** sotto_notify_open() - reach systemd while sockets may still be made. */
void sotto_notify_open(void);
/** sotto_notify() - tell systemd, if it listens ("READY=1"). */
void sotto_notify(const char *state);

#endif /* SOTTO_LOOP_H */
