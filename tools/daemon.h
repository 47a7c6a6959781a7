/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CLI's way to the daemons: local sockets, starting and stopping.
 */
#ifndef SOTTO_CLI_DAEMON_H
#define SOTTO_CLI_DAEMON_H

#include <stdbool.h>

#include <jansson.h>

#define AGENT_SOCKET	"agent.sock"	/* under $SOTTO_RUN */
#define SERVER_SOCKET	"authd.sock"
#define DAEMON_CALL_MS	10000		/* how long an answer may take */

struct column;
struct sotto_errmsg;
struct sotto_uclient;
struct table;

/** daemon_fail() - tell why a daemon cannot be spoken to (@ret, @err); an exit code */
int daemon_fail(const char *socket, int ret, const struct sotto_errmsg *err);

/**
 * daemon_call() - ask a daemon, and tell the user if it fails
 * @socket: AGENT_SOCKET or SERVER_SOCKET
 * @req: taken over
 * @out: the answer, the caller's; or NULL if it is not wanted
 * Returns 0 or an exit code.
 */
int daemon_call(const char *socket, json_t *req, json_t **out);

/** daemon_open() - a connection for several requests; 0, or an exit code after a message */
int daemon_open(const char *socket, struct sotto_uclient **uc);

/** daemon_ask() - as daemon_call(), on such a one */
int daemon_ask(struct sotto_uclient *uc, const char *socket, json_t *req, int timeout_ms,
	       json_t **out);

/**
 * daemon_pages() - ask the server for a list that comes in pages
 * @cmd: "member.list", …
 * @name: member of the answer that has the list
 * @answer: the first page with what is in the others; the caller's
 * Returns 0 or an exit code.
 */
int daemon_pages(const char *cmd, const char *name, json_t **answer);

/**
 * daemon_show_list() - the same, and show it
 * @columns: of the table, @n of them; @add_row puts an entry into it
 * @empty: what to say if there is none
 * Returns 0 or an exit code.
 */
int daemon_show_list(const char *cmd, const char *name, const struct column *columns, size_t n,
		     void (*add_row)(struct table *t, const json_t *entry), const char *empty);

/** daemon_lines_of() - the server is given the text of this file, and may name its lines */
void daemon_lines_of(const char *path);

/** plain_json() - plain() for all strings in it; returns @o */
json_t *plain_json(json_t *o);

/** agent_ask() - as daemon_call() on the agent, silently: NULL if it fails */
json_t *agent_ask(const char *cmd);
/** agent_asked() - the same with more words; @req is taken over */
json_t *agent_asked(json_t *req);

/**
 * program_path() - where a program of ours is: beside this one, else by PATH
 * @out: SOTTO_PATH_MAX bytes
 */
const char *program_path(const char *name, char *out);

/** state_readable() - 0, or an exit code where only root may see this host's enrolment */
int state_readable(void);

/** agent_start() - 0 (also when it runs already), or an exit code */
int agent_start(void);

/**
 * agent_stop() - 0 (also when it does not run), or an exit code
 * @leave: its sessions are dropped and the peers told; else they live on
 */
int agent_stop(bool leave);

/** text_of(), number_of() - a member of an answer, "" or 0 where absent */
const char *text_of(const json_t *o, const char *name);
long long number_of(const json_t *o, const char *name);

/** join() - a list of strings with commas between; the caller frees */
char *join(const json_t *list);

#endif /* SOTTO_CLI_DAEMON_H */
