// SPDX-License-Identifier: GPL-2.0
/*
 * Has this host moved? What the kernel says of addresses and routes is only a
 * reason to look: the association is made anew if the way to the server now
 * begins at another address.
 */
#include "netwatch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tools/lib/log.h"
#include "agent.h"

#define DRAIN_BYTES	8192	/* contents don't matter, only that there are some */

static int open_netlink(void)
{
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct agent *ag = w->data;
	char spill[DRAIN_BYTES];

	(void)revents;
	/* ENOBUFS too only says that something changed */
	while (recv(w->fd, spill, sizeof(spill), 0) > 0 || errno == ENOBUFS)
		;
	if (!ev_is_active(&ag->netwatch.settle))
		ev_timer_start(loop, &ag->netwatch.settle);
}

static void on_settled(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	assoc_look_for_move(w->data);
}

void netwatch_start(struct agent *ag)
{
	struct netwatch *n = &ag->netwatch;

	n->fd = open_netlink();
	if (n->fd < 0) {
		sotto_warn("cannot watch addresses: %s; a move is noticed by silence",
			   strerror(errno));
		return;
	}
	ev_io_init(&n->io, on_readable, n->fd, EV_READ);
	n->io.data = ag;
	ev_io_start(ag->loop, &n->io);
	ev_timer_init(&n->settle, on_settled, NETWATCH_SETTLE_S, 0);
	n->settle.data = ag;
}

void netwatch_stop(struct agent *ag)
{
	struct netwatch *n = &ag->netwatch;

	if (n->fd <= 0)
		return;
	ev_io_stop(ag->loop, &n->io);
	ev_timer_stop(ag->loop, &n->settle);
	close(n->fd);
	n->fd = -1;
}
