/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Has this host moved? Watching addresses and routes as the kernel tells them.
 */
#ifndef SOTTO_AGENT_NETWATCH_H
#define SOTTO_AGENT_NETWATCH_H

#include <ev.h>

struct agent;

#define NETWATCH_SETTLE_S	0.5	/* changes come in flocks */

struct netwatch {
	int fd;				/* -1 = none */
	ev_io io;
	ev_timer settle;
};

/** netwatch_start() - without it a move is only noticed by silence */
void netwatch_start(struct agent *ag);
void netwatch_stop(struct agent *ag);

#endif /* SOTTO_AGENT_NETWATCH_H */
