/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's local socket, for the CLI.
 *
 *   {"cmd": "status"}    pid, version, name, association, counts
 *   {"cmd": "sessions"}  {"sessions": [...]}
 *   {"cmd": "renew"}     all sessions are replaced in a while: new keys, say
 *   {"cmd": "stop"}      the agent ends; sessions in the kernel live on
 *   {"cmd": "leave"}     sessions are dropped, peers are told, the agent ends
 */
#ifndef SOTTO_AGENT_CTL_H
#define SOTTO_AGENT_CTL_H

#include "../tools/lib/err.h"

struct agent;

#define CTL_SOCKET	"agent.sock"	/* under $SOTTO_RUN */

int ctl_start(struct agent *ag, struct sotto_errmsg *err);
void ctl_stop(struct agent *ag);

#endif /* SOTTO_AGENT_CTL_H */
