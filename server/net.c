// SPDX-License-Identifier: GPL-2.0
/*
 * Control sockets: opening and closing those of all workers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct net_sock *s = io->data;

	(void)loop;
	(void)revents;
	state_unlock(s->worker);
	worker_serve(s->worker, s);
	state_lock(s->worker);
}

/* ---- opening ---- */

static int set_options(int fd, bool v6, bool any)
{
	int one = 1, only = !any, size = 4 << 20;

	/* as much as the system permits, or more; not having it is no error */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)))
		return -1;
	if (!any)
		return 0;
	if (!v6)
		return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one,
			  sizeof(one));
}

static int bind_one(struct net_sock *s, const struct sotto_addr *addr,
		    uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = sotto_addr_to_sockaddr(addr, port, &ss);
	int one = 1;

	s->v6 = addr->len == 16;
	s->any = sotto_all_zero(addr->b, addr->len);
	s->local = *addr;
	if (s->any)
		memset(&s->local, 0, sizeof(s->local));
	s->fd = socket(s->v6 ? AF_INET6 : AF_INET,
		       SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -1;
	/* the first worker shares only after it is bound: so another server is noticed */
	if (!set_options(s->fd, s->v6, s->any) &&
	    (!s->worker->index || !setsockopt(s->fd, SOL_SOCKET, SO_REUSEPORT,
					      &one, sizeof(one))) &&
	    !bind(s->fd, (struct sockaddr *)&ss, len) &&
	    (s->worker->ad->net->workers_n == 1 ||
	     !setsockopt(s->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one))))
		return 0;
	one = errno;
	close(s->fd);
	errno = one;
	return -1;
}

static int add_to(struct worker *w, const struct sotto_addr *addr, uint16_t port)
{
	struct net_sock *s = &w->sock[w->sock_n];

	s->worker = w;
	if (bind_one(s, addr, port))
		return -1;
	s->index = w->sock_n++;
	if (w->index)
		return 0;
	ev_io_init(&s->io, on_readable, s->fd, EV_READ);
	s->io.data = s;
	ev_io_start(w->ad->loop, &s->io);
	return 0;
}

/* The port that the kernel chose, if it was to. */
static uint16_t bound_port(const struct worker *w)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct sotto_addr a;
	uint16_t port = 0;

	if (!getsockname(w->sock[w->sock_n - 1].fd, (struct sockaddr *)&ss, &len))
		sotto_addr_from_sockaddr(&a, &port, &ss);
	return port;
}

static int add_socket(struct authd *ad, const struct sotto_addr *addr,
		      uint16_t port)
{
	unsigned int i;

	for (i = 0; i < ad->net->workers_n; i++) {
		if (add_to(ad->net->worker[i], addr, port))
			return -1;
		if (!port)
			port = bound_port(ad->net->worker[i]);
	}
	return 0;
}

static int listen_on(struct authd *ad, const char *text,
		     struct sotto_errmsg *err)
{
	struct sotto_endpoint ep;
	struct sotto_addr addr, any4 = { .len = 4 }, any6 = { .len = 16 };
	int rc = sotto_endpoint_parse(&ep, text, err);
	char what[SOTTO_HOST_MAX + 64];

	if (rc)
		return rc;
	if (sotto_addr_parse(&addr, ep.host))
		return sotto_err(err, SOTTO_E_VALUE,
				 "listen: '%s' is not an address", ep.host);
	if (!add_socket(ad, &addr, ep.port))
		return 0;
	/* no IPv6 on this host: then all of IPv4 is what was meant */
	if (errno == EAFNOSUPPORT && sotto_addr_eq(&addr, &any6) &&
	    !add_socket(ad, &any4, ep.port))
		return 0;
	snprintf(what, sizeof(what), "cannot listen on %s port %u", ep.host,
		 ep.port);
	return sotto_err_errno(err, what);
}

/* ":0" lets the kernel choose a port, for tests. */
static int listen_all(struct authd *ad, struct sotto_errmsg *err)
{
	char list[sizeof(ad->conf.listen)], *save = NULL, *one;
	int rc = 0;

	strcpy(list, ad->conf.listen);
	for (one = strtok_r(list, ", ", &save); one && !rc;
	     one = strtok_r(NULL, ", ", &save)) {
		if (ad->net->worker[0]->sock_n == AUTHD_LISTEN_MAX)
			return sotto_err(err, SOTTO_E_LIMIT,
					 "listen: more than %d addresses",
					 AUTHD_LISTEN_MAX);
		rc = listen_on(ad, one, err);
	}
	if (!rc && !ad->net->worker[0]->sock_n)
		rc = sotto_err(err, SOTTO_E_VALUE, "listen: no address");
	return rc;
}

/* One large page: every datagram lies in a small one of its own, nearly. */
#define WORKER_BYTES	((size_t)2 << 20)

_Static_assert(sizeof(struct worker) <= WORKER_BYTES, "a worker fits");

static void free_workers(struct net *net)
{
	unsigned int i;

	for (i = 0; i < net->workers_n; i++) {
		sotto_wipe(net->worker[i], sizeof(*net->worker[i]));
		pages_put(net->worker[i], WORKER_BYTES);
	}
	free(net);
}

static struct net *new_workers(struct authd *ad)
{
	struct net *net = calloc(1, sizeof(*net));

	while (net && net->workers_n < ad->conf.workers) {
		struct worker *w = pages_get(WORKER_BYTES);

		if (!w) {
			free_workers(net);
			return NULL;
		}
		w->ad = ad;
		w->index = net->workers_n;
		net->worker[net->workers_n++] = w;
	}
	return net;
}

int net_open(struct authd *ad, struct sotto_errmsg *err)
{
	int rc;

	ad->net = new_workers(ad);
	if (!ad->net)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	loop_setup(ad);
	rc = listen_all(ad, err);
	if (rc)
		net_close(ad);
	return rc;
}

static void close_sockets(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->sock_n; i++) {
		if (!w->index)
			ev_io_stop(w->ad->loop, &w->sock[i].io);
		close(w->sock[i].fd);
	}
}

void net_close(struct authd *ad)
{
	unsigned int i;

	if (!ad->net)
		return;
	loop_teardown(ad);
	for (i = 0; i < ad->net->workers_n; i++)
		close_sockets(ad->net->worker[i]);
	free_workers(ad->net);
	ad->net = NULL;
}

json_t *net_listening(struct authd *ad)
{
	const struct worker *w = ad->net->worker[0];
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < w->sock_n; i++) {
		char addr[SOTTO_ADDR_STR], text[SOTTO_ADDR_STR + 16];
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct sotto_addr a = { 0 };
		uint16_t port = 0;

		if (!getsockname(w->sock[i].fd, (struct sockaddr *)&ss, &len))
			sotto_addr_from_sockaddr(&a, &port, &ss);
		snprintf(text, sizeof(text), a.len == 16 ? "[%s]:%u" : "%s:%u",
			 sotto_addr_str(&a, addr), port);
		json_array_append_new(list, json_string(text));
	}
	return list;
}
