/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the agent gives up once it has opened what it needs.
 */
#ifndef SOTTO_AGENT_SANDBOX_H
#define SOTTO_AGENT_SANDBOX_H

#include "../tools/lib/err.h"

/** sandbox_limits() - before memory is locked: afterwards too little may be allowed */
void sandbox_limits(void);

/**
 * sandbox_enter() - no new privileges, of all capabilities CAP_NET_ADMIN alone, and
 * no system call that the agent does not make
 * Files stay within reach as far as they are our user's own.
 */
int sandbox_enter(struct sotto_errmsg *err);

#endif /* SOTTO_AGENT_SANDBOX_H */
