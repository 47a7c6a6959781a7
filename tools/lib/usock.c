// SPDX-License-Identifier: GPL-2.0
/*
 * Local control sockets, the daemons' side.
 */
#define _GNU_SOURCE
#include "usock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "params.h"
#include "log.h"
#include "secret.h"

struct sotto_usock_conn {
	struct sotto_usock_conn *next;
	struct sotto_usock *us;
	int fd;
	bool dead, busy;	/* to be freed; inside a callback */
	ev_io in, out;
	void *data;
	size_t in_len;
	char *out_buf;
	size_t out_len, out_cap;
	char in_buf[SOTTO_USOCK_LINE_MAX];
};

struct sotto_usock {
	struct ev_loop *loop;
	const struct sotto_usock_ops *ops;
	void *arg;
	int fd;
	ev_io accept;
	unsigned int n;
	struct sotto_usock_conn *conns;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void free_conn(struct sotto_usock_conn *c)
{
	struct sotto_usock_conn **at = &c->us->conns;

	if (c->us->ops->closed)
		c->us->ops->closed(c->us->arg, c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->us->n--;
	ev_io_stop(c->us->loop, &c->in);
	ev_io_stop(c->us->loop, &c->out);
	close(c->fd);
	if (c->out_buf)
		sotto_wipe(c->out_buf, c->out_cap);
	free(c->out_buf);
	sotto_wipe(c, sizeof(*c));
	free(c);
}

/* Frees at once, or after the callback that is running on @c. */
static void end_conn(struct sotto_usock_conn *c)
{
	c->dead = true;
	if (!c->busy)
		free_conn(c);
}

/* Returns false when the connection is over. */
static bool flush_out(struct sotto_usock_conn *c)
{
	while (c->out_len) {
		ssize_t n = send(c->fd, c->out_buf, c->out_len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		c->out_len -= n;
		memmove(c->out_buf, c->out_buf + n, c->out_len);
	}
	if (c->out_len)
		ev_io_start(c->us->loop, &c->out);
	else
		ev_io_stop(c->us->loop, &c->out);
	return true;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sotto_usock_conn *c = w->data;

	(void)loop;
	(void)revents;
	if (!flush_out(c))
		end_conn(c);
}

static bool grow_out(struct sotto_usock_conn *c, size_t more)
{
	size_t cap = c->out_cap ? c->out_cap : 4096;
	char *buf;

	if (c->out_len + more > SOTTO_USOCK_OUT_MAX)
		return false;
	while (cap < c->out_len + more)
		cap *= 2;
	if (cap == c->out_cap)
		return true;
	buf = malloc(cap);
	if (!buf)
		return false;
	if (c->out_buf) {
		memcpy(buf, c->out_buf, c->out_len);
		sotto_wipe(c->out_buf, c->out_cap);	/* may hold a code */
		free(c->out_buf);
	}
	c->out_buf = buf;
	c->out_cap = cap;
	return true;
}

void sotto_usock_send(struct sotto_usock_conn *c, json_t *obj)
{
	char *text = obj ? json_dumps(obj, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(obj);
	if (!text || c->dead || !grow_out(c, len + 1)) {
		end_conn(c);
	} else {
		memcpy(c->out_buf + c->out_len, text, len);
		c->out_buf[c->out_len + len] = '\n';
		c->out_len += len + 1;
		if (!flush_out(c))
			end_conn(c);
	}
	if (text)
		sotto_wipe(text, len);
	free(text);
}

void sotto_usock_ok(struct sotto_usock_conn *c, json_t *obj)
{
	json_t *full = json_pack("{s:b}", "ok", 1);

	if (obj)
		json_object_update(full, obj);
	json_decref(obj);
	sotto_usock_send(c, full);
}

/* A message that quotes what was asked may end in the middle of a character. */
static json_t *any_text(const char *text)
{
	char ascii[sizeof(((struct sotto_errmsg *)0)->text)];
	json_t *s = json_string(text);
	char *p;

	if (s)
		return s;
	snprintf(ascii, sizeof(ascii), "%s", text);
	for (p = ascii; *p; p++)
		if (*p & 0x80)
			*p = '?';
	return json_string(ascii);
}

static void send_error(struct sotto_usock_conn *c, const char *error,
		       const char *text)
{
	sotto_usock_send(c, json_pack("{s:b, s:s, s:o}", "ok", 0, "error", error,
				      "message", any_text(text)));
}

void sotto_usock_fail(struct sotto_usock_conn *c, const char *error,
		      const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_error(c, error, text);
}

void sotto_usock_fail_err(struct sotto_usock_conn *c,
			  const struct sotto_errmsg *err)
{
	send_error(c, sotto_err_name(err->code), err->text);
}

void sotto_usock_set_data(struct sotto_usock_conn *c, void *data)
{
	c->data = data;
}

void *sotto_usock_data(const struct sotto_usock_conn *c)
{
	return c->data;
}

static void one_line(struct sotto_usock_conn *c, const char *line, size_t len)
{
	json_error_t je;
	json_t *req = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je);

	if (!json_is_object(req))
		sotto_usock_fail(c, "bad-input",
				 "the request is not a JSON object: %s",
				 req ? "another value" : je.text);
	else
		c->us->ops->request(c->us->arg, c, req);
	json_decref(req);
}

static void take_lines(struct sotto_usock_conn *c)
{
	char *nl;

	while (!c->dead && (nl = memchr(c->in_buf, '\n', c->in_len))) {
		size_t used = nl - c->in_buf + 1;

		one_line(c, c->in_buf, used - 1);
		c->in_len -= used;
		memmove(c->in_buf, c->in_buf + used, c->in_len);
		sotto_wipe(c->in_buf + c->in_len, used);
	}
	if (!c->dead && c->in_len == sizeof(c->in_buf)) {
		sotto_usock_fail(c, "limit", "the request is longer than %d bytes",
				 SOTTO_USOCK_LINE_MAX);
		c->dead = true;
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sotto_usock_conn *c = w->data;
	ssize_t n = recv(c->fd, c->in_buf + c->in_len,
			 sizeof(c->in_buf) - c->in_len, 0);

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_conn(c);
		return;
	}
	c->in_len += n;
	c->busy = true;
	take_lines(c);
	c->busy = false;
	if (c->dead)
		free_conn(c);
}

static bool peer_permitted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

static void add_conn(struct sotto_usock *us, int fd)
{
	struct sotto_usock_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->us = us;
	c->fd = fd;
	c->next = us->conns;
	us->conns = c;
	us->n++;
	ev_io_init(&c->in, on_readable, fd, EV_READ);
	ev_io_init(&c->out, on_writable, fd, EV_WRITE);
	c->in.data = c;
	c->out.data = c;
	ev_io_start(us->loop, &c->in);
}

static void on_connect(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sotto_usock *us = w->data;
	int fd = accept4(us->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)loop;
	(void)revents;
	if (fd < 0)
		return;
	if (!peer_permitted(fd) || us->n >= SOTTO_USOCK_CONNS_MAX)
		close(fd);
	else
		add_conn(us, fd);
}

/* Somebody who answers keeps his socket; a leftover is removed. */
static int clear_path(const struct sockaddr_un *sun, struct sotto_errmsg *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
	struct stat st;

	if (fd < 0)
		return sotto_err_errno(err, "socket");
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	close(fd);
	if (!rc)
		return sotto_err(err, SOTTO_E_EXISTS,
				 "%s: another one is running and answers there",
				 sun->sun_path);
	if (!lstat(sun->sun_path, &st) && !S_ISSOCK(st.st_mode))
		return sotto_err(err, SOTTO_E_EXISTS,
				 "%s: exists and is not a socket; move it away",
				 sun->sun_path);
	unlink(sun->sun_path);
	return 0;
}

static int bind_path(struct sotto_usock *us, const struct sockaddr_un *sun,
		     struct sotto_errmsg *err)
{
	mode_t mask;
	int rc;

	us->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (us->fd < 0)
		return sotto_err_errno(err, "socket");
	mask = umask(0177);
	rc = bind(us->fd, (const struct sockaddr *)sun, sizeof(*sun));
	umask(mask);
	if (!rc)
		rc = listen(us->fd, 16);
	if (!rc)
		return 0;
	rc = sotto_err_errno(err, sun->sun_path);
	close(us->fd);
	return rc;
}

int sotto_usock_listen(struct ev_loop *loop, const char *path,
		       const struct sotto_usock_ops *ops, void *arg,
		       struct sotto_usock **out, struct sotto_errmsg *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct sotto_usock *us;
	int rc;

	if (strlen(path) >= sizeof(sun.sun_path))
		return sotto_err(err, SOTTO_E_VALUE,
				 "%s: too long for a socket's path (%zu bytes)",
				 path, sizeof(sun.sun_path) - 1);
	strcpy(sun.sun_path, path);
	rc = clear_path(&sun, err);
	if (rc)
		return rc;
	us = calloc(1, sizeof(*us));
	if (!us)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = bind_path(us, &sun, err);
	if (rc) {
		free(us);
		return rc;
	}
	us->loop = loop;
	us->ops = ops;
	us->arg = arg;
	strcpy(us->path, path);
	ev_io_init(&us->accept, on_connect, us->fd, EV_READ);
	us->accept.data = us;
	ev_io_start(loop, &us->accept);
	*out = us;
	return 0;
}

void sotto_usock_close(struct sotto_usock *us)
{
	if (!us)
		return;
	while (us->conns)
		free_conn(us->conns);
	ev_io_stop(us->loop, &us->accept);
	/* while it is listened on nobody else puts his own there */
	if (us->path[0])
		unlink(us->path);
	close(us->fd);
	free(us);
}

void sotto_usock_leave(struct sotto_usock *us)
{
	us->path[0] = 0;
}
