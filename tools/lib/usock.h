/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Local control sockets: JSON objects, one to a line, over AF_UNIX streams.
 *
 * Request {"cmd":"…", …}; answer {"ok":true, …} or
 * {"ok":false,"error":"<stable-code>","message":"<what was wrong, what to do>"}.
 * Only uid 0 and the daemon's own uid are served.
 */
#ifndef SOTTO_USOCK_H
#define SOTTO_USOCK_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

#include "err.h"

struct sotto_usock;
struct sotto_usock_conn;

struct sotto_usock_ops {
	/* One request; it stays the caller's. Reply now, or keep @conn and reply
	 * later. Requests on one connection are handed over one after another,
	 * whether answered or not.
	 */
	void (*request)(void *arg, struct sotto_usock_conn *conn,
			const json_t *req);
	/* @conn is about to be freed; drop references. May be NULL. */
	void (*closed)(void *arg, struct sotto_usock_conn *conn);
};

/**
 * sotto_usock_listen() - make the socket @path (mode 0600) and serve it
 * A stale socket is replaced; one that answers is SOTTO_E_EXISTS.
 */
int sotto_usock_listen(struct ev_loop *loop, const char *path,
		       const struct sotto_usock_ops *ops, void *arg,
		       struct sotto_usock **out, struct sotto_errmsg *err);
/** sotto_usock_close() - close all, remove the socket. NULL is fine. */
void sotto_usock_close(struct sotto_usock *us);
/** sotto_usock_leave() - the socket's file is another's to remove. */
void sotto_usock_leave(struct sotto_usock *us);

/**
 * sotto_usock_send() - one line; takes over the reference to @obj
 * A dead connection or too much unsent output ends @conn: outside a request
 * callback it may be gone when this returns (closed() was called then).
 */
void sotto_usock_send(struct sotto_usock_conn *conn, json_t *obj);
/** sotto_usock_ok() - adds "ok":true to @obj (NULL: empty) and sends it. */
void sotto_usock_ok(struct sotto_usock_conn *conn, json_t *obj);
/** sotto_usock_fail() - the error answer. */
void sotto_usock_fail(struct sotto_usock_conn *conn, const char *error,
		      const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** sotto_usock_fail_err() - the error answer from an errmsg. */
void sotto_usock_fail_err(struct sotto_usock_conn *conn,
			  const struct sotto_errmsg *err);

/** sotto_usock_set_data(), sotto_usock_data() - the owner's pointer. */
void sotto_usock_set_data(struct sotto_usock_conn *conn, void *data);
void *sotto_usock_data(const struct sotto_usock_conn *conn);

/* ---- client: blocking ---- */

struct sotto_uclient;

/** sotto_uclient_open() - connect; SOTTO_E_CLOSED says that nobody listens. */
int sotto_uclient_open(const char *path, struct sotto_uclient **out,
		       struct sotto_errmsg *err);
void sotto_uclient_close(struct sotto_uclient *uc);
/** sotto_uclient_fd() - to poll for more lines. */
int sotto_uclient_fd(const struct sotto_uclient *uc);
/** sotto_uclient_send() - one request; it stays the caller's. */
int sotto_uclient_send(struct sotto_uclient *uc, const json_t *req,
		       struct sotto_errmsg *err);
/** sotto_uclient_recv() - the next line; @timeout_ms -1 waits for ever.
 * The answer is the caller's. SOTTO_E_TIMEOUT, SOTTO_E_CLOSED, SOTTO_E_BAD.
 */
int sotto_uclient_recv(struct sotto_uclient *uc, int timeout_ms, json_t **out,
		       struct sotto_errmsg *err);
/**
 * sotto_uclient_call() - ask, and take one answer
 * Returns 0 with *@out on {"ok":true}; SOTTO_E_REFUSED with the answer's message
 * in @err and the answer itself in *@out (so that "error" can be looked at).
 */
int sotto_uclient_call(struct sotto_uclient *uc, const json_t *req, int timeout_ms,
		       json_t **out, struct sotto_errmsg *err);
/** sotto_usock_call() - the same, with a connection of its own */
int sotto_usock_call(const char *path, const json_t *req, int timeout_ms,
		     json_t **out, struct sotto_errmsg *err);

#endif /* SOTTO_USOCK_H */
