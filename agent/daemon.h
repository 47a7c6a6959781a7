/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Going into the background, and the pid file.
 */
#ifndef SOTTO_AGENT_DAEMON_H
#define SOTTO_AGENT_DAEMON_H

#include "../tools/lib/err.h"

#define PID_FILE	"sottod.pid"	/* under $SOTTO_RUN */
#define LOG_FILE	"sottod.log"	/* the same; of an agent without a journal */

/**
 * daemon_fork() - the parent waits until the child is ready or has failed
 * Returns in the child; the parent exits with the child's word.
 */
int daemon_fork(struct sotto_errmsg *err);

/** daemon_ready() - let the parent go, and log into LOG_FILE from now on */
void daemon_ready(void);

/** daemon_write_pid(), daemon_remove_pid() */
int daemon_write_pid(struct sotto_errmsg *err);
void daemon_remove_pid(void);

#endif /* SOTTO_AGENT_DAEMON_H */
