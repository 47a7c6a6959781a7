// SPDX-License-Identifier: GPL-2.0
/*
 * Local control sockets, the command line's side: blocking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "params.h"
#include "loop.h"
#include "secret.h"
#include "usock.h"

struct sotto_uclient {
	int fd;
	char *buf;
	size_t len, cap;
};

static int connect_error(const char *path, struct sotto_errmsg *err)
{
	if (errno == ENOENT || errno == ECONNREFUSED)
		return sotto_err(err, SOTTO_E_CLOSED,
				 "%s: nobody listens there; is the daemon running?",
				 path);
	if (errno == EACCES || errno == EPERM)
		return sotto_err(err, SOTTO_E_PERM,
				 "%s: permission denied; run this as root", path);
	return sotto_err_errno(err, path);
}

int sotto_uclient_open(const char *path, struct sotto_uclient **out,
		       struct sotto_errmsg *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct sotto_uclient *uc;
	int rc;

	if (strlen(path) >= sizeof(sun.sun_path))
		return sotto_err(err, SOTTO_E_VALUE,
				 "%s: too long for a socket's path", path);
	strcpy(sun.sun_path, path);
	uc = calloc(1, sizeof(*uc));
	if (!uc)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	uc->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (uc->fd >= 0 &&
	    !connect(uc->fd, (struct sockaddr *)&sun, sizeof(sun))) {
		*out = uc;
		return 0;
	}
	rc = connect_error(path, err);
	if (uc->fd >= 0)
		close(uc->fd);
	free(uc);
	return rc;
}

void sotto_uclient_close(struct sotto_uclient *uc)
{
	if (!uc)
		return;
	close(uc->fd);
	if (uc->buf)
		sotto_wipe(uc->buf, uc->cap);
	free(uc->buf);
	free(uc);
}

int sotto_uclient_fd(const struct sotto_uclient *uc)
{
	return uc->fd;
}

static int send_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

int sotto_uclient_send(struct sotto_uclient *uc, const json_t *req,
		       struct sotto_errmsg *err)
{
	char *text = json_dumps(req, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	int rc = 0;

	if (!text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	if (len >= SOTTO_USOCK_LINE_MAX)
		rc = sotto_err(err, SOTTO_E_LIMIT,
			       "the request is longer than %d bytes",
			       SOTTO_USOCK_LINE_MAX);
	else if (send_all(uc->fd, text, len) || send_all(uc->fd, "\n", 1))
		rc = sotto_err(err, SOTTO_E_CLOSED,
			       "the daemon closed the connection");
	sotto_wipe(text, len);
	free(text);
	return rc;
}

static int grow_in(struct sotto_uclient *uc)
{
	size_t cap = uc->cap ? uc->cap * 2 : 4096;
	char *buf;

	if (uc->len < uc->cap)
		return 0;
	if (cap > SOTTO_USOCK_ANSWER_MAX)
		return SOTTO_E_LIMIT;
	buf = malloc(cap);
	if (!buf)
		return SOTTO_E_NOMEM;
	if (uc->buf) {
		memcpy(buf, uc->buf, uc->len);
		sotto_wipe(uc->buf, uc->cap);
		free(uc->buf);
	}
	uc->buf = buf;
	uc->cap = cap;
	return 0;
}

static int read_more(struct sotto_uclient *uc, uint64_t until_ms,
		     struct sotto_errmsg *err)
{
	struct pollfd p = { .fd = uc->fd, .events = POLLIN };
	uint64_t now = sotto_now_ms();
	int wait = until_ms == UINT64_MAX ? -1 :
		   until_ms > now ? (int)(until_ms - now) : 0;
	ssize_t n;
	int rc = grow_in(uc);

	if (rc)
		return sotto_err(err, rc, "the daemon's answer is too long");
	rc = poll(&p, 1, wait);
	if (rc < 0 && errno == EINTR)
		return 0;
	if (rc == 0)
		return sotto_err(err, SOTTO_E_TIMEOUT,
				 "the daemon did not answer in time");
	n = recv(uc->fd, uc->buf + uc->len, uc->cap - uc->len, 0);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return sotto_err(err, SOTTO_E_CLOSED,
				 "the daemon closed the connection");
	uc->len += n;
	return 0;
}

static int take_line(struct sotto_uclient *uc, char *nl, json_t **out,
		     struct sotto_errmsg *err)
{
	size_t used = nl - uc->buf + 1;

	*out = json_loadb(uc->buf, used - 1, 0, NULL);
	uc->len -= used;
	memmove(uc->buf, uc->buf + used, uc->len);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return sotto_err(err, SOTTO_E_BAD, "the daemon's answer is not JSON");
}

int sotto_uclient_recv(struct sotto_uclient *uc, int timeout_ms, json_t **out,
		       struct sotto_errmsg *err)
{
	uint64_t until = timeout_ms < 0 ? UINT64_MAX :
			 sotto_now_ms() + timeout_ms;
	char *nl;
	int rc;

	*out = NULL;
	for (;;) {
		nl = uc->len ? memchr(uc->buf, '\n', uc->len) : NULL;
		if (nl)
			return take_line(uc, nl, out, err);
		rc = read_more(uc, until, err);
		if (rc)
			return rc;
	}
}

static int check_ok(const json_t *ans, struct sotto_errmsg *err)
{
	const char *message = json_string_value(json_object_get(ans, "message"));

	if (json_is_true(json_object_get(ans, "ok")))
		return 0;
	return sotto_err(err, SOTTO_E_REFUSED, "%s",
			 message ? message : "the daemon refused");
}

int sotto_uclient_call(struct sotto_uclient *uc, const json_t *req, int timeout_ms,
		       json_t **out, struct sotto_errmsg *err)
{
	int rc;

	*out = NULL;
	rc = sotto_uclient_send(uc, req, err);
	if (!rc)
		rc = sotto_uclient_recv(uc, timeout_ms, out, err);
	return rc ? rc : check_ok(*out, err);
}

int sotto_usock_call(const char *path, const json_t *req, int timeout_ms,
		     json_t **out, struct sotto_errmsg *err)
{
	struct sotto_uclient *uc;
	int rc;

	*out = NULL;
	rc = sotto_uclient_open(path, &uc, err);
	if (rc)
		return rc;
	rc = sotto_uclient_call(uc, req, timeout_ms, out, err);
	sotto_uclient_close(uc);
	return rc;
}
