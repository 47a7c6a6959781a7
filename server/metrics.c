// SPDX-License-Identifier: GPL-2.0
/*
 * Prometheus' text form of the counters, by HTTP: on a local socket, and on a
 * loopback port when the configuration asks for one. Whatever is asked for, the
 * answer is the same; nothing can be changed here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.h"
#include "paths.h"

#define CONNS_MAX	8	/* readers at a time */
#define PATIENCE_S	5	/* for a request, and for taking the answer */
#define REQUEST_MAX	4096	/* bytes that are read of one */

struct listener {
	ev_io io;
	struct authd *ad;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct reader {
	ev_io io;
	ev_timer timer;
	struct authd *ad;
	size_t got, sent, len;
	char tail[4];		/* of the request: ends with an empty line */
	char *answer;
};

struct metrics {
	struct listener on[2];
	unsigned int listeners_n, readers_n;
};

/* ---- the text ---- */

static void one_counter(void *arg, const char *name, uint64_t value)
{
	fprintf(arg, "# TYPE sotto_authd_%s_total counter\n"
		"sotto_authd_%s_total %llu\n", name, name,
		(unsigned long long)value);
}

static void gauge(FILE *f, const char *name, uint64_t value)
{
	fprintf(f, "# TYPE sotto_authd_%s gauge\nsotto_authd_%s %llu\n", name,
		name, (unsigned long long)value);
}

static char *metrics_text(struct authd *ad, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		return NULL;
	fputs("HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\r\n",
	      f);
	admin_each_stat(ad, one_counter, f);
	gauge(f, "members", ad->members_n);
	gauge(f, "members_online", ad->online_n);
	gauge(f, "sessions", ad->sessions_n);
	gauge(f, "sessions_pending", ad->pending_n);
	gauge(f, "half_open", ad->half_open_n);
	gauge(f, "enrolling", ad->enrolling_n);
	gauge(f, "policy_version", policy_version(ad));
	gauge(f, "uptime_seconds", (ad->now_ms - ad->started_ms) / 1000);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- readers ---- */

static void reader_end(struct reader *r)
{
	ev_io_stop(r->ad->loop, &r->io);
	ev_timer_stop(r->ad->loop, &r->timer);
	close(r->io.fd);
	r->ad->metrics->readers_n--;
	free(r->answer);
	free(r);
}

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	reader_end(w->data);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct reader *r = w->data;
	ssize_t n = send(w->fd, r->answer + r->sent, r->len - r->sent,
			 MSG_NOSIGNAL);

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->sent += n;
	if (n <= 0 || r->sent == r->len)
		reader_end(r);
}

static void begin_answer(struct reader *r)
{
	r->ad->now_ms = sotto_now_ms();
	r->answer = metrics_text(r->ad, &r->len);
	if (!r->answer) {
		reader_end(r);
		return;
	}
	ev_io_stop(r->ad->loop, &r->io);
	ev_io_init(&r->io, on_writable, r->io.fd, EV_WRITE);
	r->io.data = r;
	ev_io_start(r->ad->loop, &r->io);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct reader *r = w->data;
	char buf[512];
	ssize_t n = recv(w->fd, buf, sizeof(buf), 0), i;

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || r->got + n > REQUEST_MAX) {
		reader_end(r);
		return;
	}
	r->got += n;
	for (i = 0; i < n; i++) {
		memmove(r->tail, r->tail + 1, 3);
		r->tail[3] = buf[i];
		if (!memcmp(r->tail, "\r\n\r\n", 4) ||
		    !memcmp(r->tail + 2, "\n\n", 2)) {
			begin_answer(r);
			return;
		}
	}
}

static void on_connect(struct ev_loop *loop, ev_io *w, int revents)
{
	struct listener *l = w->data;
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct reader *r;

	(void)revents;
	if (fd < 0)
		return;
	r = l->ad->metrics->readers_n < CONNS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		close(fd);
		return;
	}
	l->ad->metrics->readers_n++;
	r->ad = l->ad;
	ev_io_init(&r->io, on_readable, fd, EV_READ);
	ev_timer_init(&r->timer, on_late, PATIENCE_S, 0.);
	r->io.data = r;
	r->timer.data = r;
	ev_io_start(loop, &r->io);
	ev_timer_start(loop, &r->timer);
}

/* ---- listening ---- */

static int add(struct authd *ad, int fd, const struct sockaddr *sa,
	       socklen_t len, const char *what, struct sotto_errmsg *err)
{
	struct listener *l = &ad->metrics->on[ad->metrics->listeners_n];
	mode_t mask = umask(0177);
	int rc = fd < 0 || bind(fd, sa, len) || listen(fd, CONNS_MAX) ?
		 sotto_err_errno(err, what) : 0;

	umask(mask);
	if (rc) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (sa->sa_family == AF_UNIX)
		strcpy(l->path, what);
	l->ad = ad;
	ev_io_init(&l->io, on_connect, fd, EV_READ);
	l->io.data = l;
	ev_io_start(ad->loop, &l->io);
	ad->metrics->listeners_n++;
	return 0;
}

static int add_local(struct authd *ad, struct sotto_errmsg *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[SOTTO_PATH_MAX];

	sotto_path(path, SOTTO_RUN, METRICS_SOCKET);
	if (strlen(path) >= sizeof(sun.sun_path))
		return sotto_err(err, SOTTO_E_VALUE,
				 "%s: too long for a socket's path", path);
	strcpy(sun.sun_path, path);
	unlink(path);
	return add(ad, socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
			      SOCK_CLOEXEC, 0), (struct sockaddr *)&sun,
		   sizeof(sun), path, err);
}

static int add_port(struct authd *ad, struct sotto_errmsg *err)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(ad->conf.metrics_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
				 SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return add(ad, fd, (struct sockaddr *)&sin, sizeof(sin),
		   "[server] metrics_port", err);
}

int metrics_open(struct authd *ad, struct sotto_errmsg *err)
{
	int rc;

	ad->metrics = calloc(1, sizeof(*ad->metrics));
	if (!ad->metrics)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = add_local(ad, err);
	if (!rc && ad->conf.metrics_port)
		rc = add_port(ad, err);
	return rc;
}

void metrics_leave(struct authd *ad)
{
	unsigned int i;

	for (i = 0; i < ad->metrics->listeners_n; i++)
		ad->metrics->on[i].path[0] = 0;
}

/* Readers that are still there end with the process. */
void metrics_close(struct authd *ad)
{
	unsigned int i;

	for (i = 0; ad->metrics && i < ad->metrics->listeners_n; i++) {
		struct listener *l = &ad->metrics->on[i];

		ev_io_stop(ad->loop, &l->io);
		close(l->io.fd);
		if (l->path[0])
			unlink(l->path);
	}
	free(ad->metrics);
	ad->metrics = NULL;
}
