/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's part of "sotto trace": association, session, and what the server would
 * say to a request. No session is asked for.
 */
#ifndef SOTTO_AGENT_TRACE_H
#define SOTTO_AGENT_TRACE_H

#include "../tools/lib/addr.h"
#include "../tools/lib/usock.h"

struct agent;

#define TRACE_MS	3000	/* so long the server has for its verdict */

/** trace_path() - answer @conn, now or when the server has spoken */
void trace_path(struct agent *ag, struct sotto_usock_conn *conn,
		const struct sotto_addr *dst);

/** trace_closed() - @conn is gone */
void trace_closed(struct sotto_usock_conn *conn);

#endif /* SOTTO_AGENT_TRACE_H */
