// SPDX-License-Identifier: GPL-2.0
/*
 * The storage process.
 *
 * A table says what is permitted; for anything else, and for anything malformed,
 * it ends, and the server with it. One thread: a request waits at most for the
 * batch of grants that is just being written, and goes before the next one.
 */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "authd.h"
#include "paths.h"
#include "storage_table.h"
#include "store_ask.h"

/* Its descriptors; the database's come behind. */
enum { STORAGE_FD = 3, STORAGE_LOG_FD };

#define LOCK_MS	3000	/* that the storage process of a server that was killed may take to die */

/* ---- requests ---- */

static bool gather(struct storage *s, const uint8_t *data, size_t len)
{
	size_t cap = s->cap ? s->cap : STORE_FRAME_MAX;
	uint8_t *more;

	if (len > STORE_REQUEST_MAX - s->len)
		return false;
	while (cap < s->len + len)
		cap *= 2;
	if (cap != s->cap) {
		more = realloc(s->request, cap);
		if (!more)
			return false;
		s->request = more;
		s->cap = cap;
	}
	memcpy(s->request + s->len, data, len);
	s->len += len;
	return true;
}

static void request_done(struct storage *s)
{
	s->len = 0;
	if (s->cap <= 2 * STORE_FRAME_MAX)
		return;
	free(s->request);
	s->request = NULL;
	s->cap = 0;
}

/* One frame of @n bytes, in s->frame. */
static bool take_frame(struct storage *s, size_t n)
{
	bool sound;

	if (n < STORE_FRAME_HEAD || n > STORE_FRAME_MAX ||
	    s->frame[0] >= STORE_OP_MAX || s->frame[1] > 1 ||
	    (s->len && s->frame[0] != s->op))
		return false;
	s->op = s->frame[0];
	if (!gather(s, s->frame + STORE_FRAME_HEAD, n - STORE_FRAME_HEAD))
		return false;
	if (!s->frame[1])
		return s->len;		/* not begun with nothing */
	sound = storage_handle(s);
	request_done(s);
	return sound;
}

/* ---- grants ---- */

static void tell_failed(struct storage *s)
{
	struct sotto_wbuf w;
	uint8_t buf[sizeof(s->why.text) + 8];

	sotto_wbuf_init(&w, buf, sizeof(buf));
	sotto_put_u32(&w, s->failed);
	store_put_text(&w, s->why.text);
	if (send(s->log_fd, buf, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		s->failed = 0;
}

/* What is young stays, whatever the server asks. */
static int64_t prune_before(int64_t asked)
{
	int64_t least = (int64_t)time(NULL) - AUTHD_GRANT_LOG_DAYS * 86400ll;

	return asked < least ? asked : least;
}

static bool take_grants(struct storage *s, size_t n)
{
	struct sotto_rbuf r;
	int64_t before;
	uint32_t i, count;

	if (n < STORE_FRAME_HEAD + 8 || n > STORE_FRAME_MAX ||
	    s->frame[0] != STORE_GRANTS || s->frame[1] != 1)
		return false;
	sotto_rbuf_init(&r, s->frame + STORE_FRAME_HEAD, n - STORE_FRAME_HEAD);
	before = sotto_get_u64(&r);
	count = r.left / STORE_GRANT_LEN;
	if (!count || count > AUTHD_GRANT_LOG_BATCH)
		return false;
	for (i = 0; i < count; i++)
		store_get_grant(&r, &s->grants[i]);
	if (!store_whole(&r))
		return false;
	if (sql_grants(s->log, s->grants, count, prune_before(before), &s->why))
		s->failed += count;
	if (s->failed)
		tell_failed(s);
	return true;
}

/* ---- the process ---- */

static ssize_t take(struct storage *s, int fd)
{
	return recv(fd, s->frame, sizeof(s->frame), MSG_DONTWAIT);
}

/* The server is gone when nothing more can come; what it sent is written. */
static bool drain_grants(struct storage *s)
{
	ssize_t n;

	while ((n = take(s, s->log_fd)) > 0)
		if (!take_grants(s, n))
			return false;
	return true;
}

/* 1: go on, 0: the server is gone, -1: it asked for what is not permitted. */
static int turn(struct storage *s)
{
	struct pollfd pfd[2] = {
		{ .fd = s->fd, .events = POLLIN },
		{ .fd = s->log_fd, .events = POLLIN },
	};
	ssize_t n;

	if (poll(pfd, 2, -1) < 0)
		return errno == EINTR ? 1 : -1;
	if (pfd[0].revents) {
		n = take(s, s->fd);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!n)
			return drain_grants(s) ? 0 : -1;
		return take_frame(s, n) ? !s->gone : -1;
	}
	n = take(s, s->log_fd);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	return take_grants(s, n) ? 1 : -1;
}

static void serve(struct storage *s)
{
	int rc;

	do {
		rc = turn(s);
	} while (rc > 0);
	if (rc < 0)
		sotto_err_log("the storage process was asked for what is not permitted");
}

static int open_files(struct storage *s, const char *path,
		      struct sotto_errmsg *err)
{
	struct sotto_errmsg why;
	int rc = store_lock(path, LOCK_MS, err);

	if (!rc)
		rc = sql_open(path, false, &s->sql, err);
	if (!rc)
		rc = sql_open_again(s->sql, &s->log, err);
	if (!rc)
		rc = sql_keep_folder(s->sql, err);
	/* what SQLite opens at its first write, it opens now */
	if (!rc && (sql_touch(s->sql, &why) || sql_touch(s->log, &why)))
		sotto_warn("%s", why.text);
	return rc;
}

static int storage_begin(struct storage *s, const char *path,
			 struct sotto_errmsg *err)
{
	int rc;

	/* it ends when the server closes its sockets, not before */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* or with a server that was killed: its successor is to find nobody here */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sotto-storage");
	rc = open_files(s, path, err);
	return rc ? rc : sandbox_storage(err);
}

/* The server itself could not: it has no files. */
static void remove_sockets(void)
{
	static const char *const names[] = { "authd.sock", METRICS_SOCKET };
	char path[SOTTO_PATH_MAX];

	for (int i = 0; i < 2; i++)
		unlink(sotto_path(path, SOTTO_RUN, names[i]));
}

static void keep_only(int fds[2])
{
	/* out of each other's way first */
	fds[0] = fcntl(fds[0], F_DUPFD, STORAGE_LOG_FD + 1);
	fds[1] = fcntl(fds[1], F_DUPFD, STORAGE_LOG_FD + 1);
	if (fds[0] < 0 || fds[1] < 0 || dup2(fds[0], STORAGE_FD) < 0 ||
	    dup2(fds[1], STORAGE_LOG_FD) < 0)
		_exit(1);
	close_range(STORAGE_LOG_FD + 1, ~0u, 0);
	sotto_log_apart();
}

static void __attribute__((noreturn)) storage_main(const char *path, int fds[2])
{
	struct storage *s = calloc(1, sizeof(*s));
	struct sotto_errmsg err = { 0 };

	keep_only(fds);
	err.code = s ? 0 : sotto_err(&err, SOTTO_E_NOMEM, "out of memory");
	if (s) {
		s->fd = STORAGE_FD;
		s->log_fd = STORAGE_LOG_FD;
		err.code = storage_begin(s, path, &err);
	}
	if (send(STORAGE_FD, &err, sizeof(err), MSG_NOSIGNAL) == sizeof(err) &&
	    !err.code) {
		serve(s);
		sql_close(s->log);
		sql_close(s->sql);
		if (s->started)
			remove_sockets();
	}
	_exit(err.code ? 1 : 0);
}

/* ---- the server's side ---- */

static void on_end(struct ev_loop *loop, ev_child *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	ask_lost();
}

void storage_watch(struct ev_loop *loop, const struct store *st)
{
	static ev_child child;

	ev_child_init(&child, on_end, st->pid, 0);
	ev_child_start(loop, &child);
}

int storage_started(struct store *st, struct sotto_errmsg *err)
{
	struct ask q;

	ask_begin(&q);
	return ask_plain(st, STORE_STARTED, &q, err);
}

static int take_welcome(struct store *st, struct sotto_errmsg *err)
{
	struct sotto_errmsg w;

	if (recv(st->fd, &w, sizeof(w), 0) != sizeof(w))
		return sotto_err(err, SOTTO_E_INTERNAL,
				 "the storage process does not start");
	if (w.code)
		*err = w;
	return w.code;
}

static int fork_storage(struct store *st, struct sotto_errmsg *err)
{
	int fds[2], log[2], type = SOCK_SEQPACKET | SOCK_CLOEXEC;

	if (socketpair(AF_UNIX, type, 0, fds))
		return sotto_err_errno(err, "socketpair");
	if (socketpair(AF_UNIX, type, 0, log)) {
		close(fds[0]);
		close(fds[1]);
		return sotto_err_errno(err, "socketpair");
	}
	st->pid = fork();
	if (!st->pid)
		storage_main(st->path, (int[]) { fds[1], log[1] });
	close(fds[1]);
	close(log[1]);
	st->fd = fds[0];
	st->log_fd = log[0];
	if (st->pid > 0)
		return take_welcome(st, err);
	close(fds[0]);
	close(log[0]);
	return sotto_err_errno(err, "fork");
}

int storage_start(const char *path, const struct seal_key *key,
		  struct store **out, struct sotto_errmsg *err)
{
	struct store *st = calloc(1, sizeof(*st));
	int rc;

	if (st)
		st->frame = malloc(STORE_FRAME_MAX + 1);
	if (!st || !st->frame) {
		free(st);
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	}
	st->key = *key;
	snprintf(st->path, sizeof(st->path), "%s", path);
	rc = fork_storage(st, err);
	if (rc)
		store_close(st);
	else
		*out = st;
	return rc;
}
