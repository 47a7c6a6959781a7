// SPDX-License-Identifier: GPL-2.0
/*
 * Control sockets: datagrams in and out in batches, answers from the address
 * that was asked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead.h"

#define CMSG_ROOM	CMSG_SPACE(sizeof(struct in6_pktinfo))
#define RECV_ROUNDS	16	/* batches per wake-up, then others have a turn */

struct packet {
	uint8_t data[SOTTO_DGRAM_MAX + 1];	/* one more: oversized shows */
	struct sockaddr_storage addr;
	struct iovec iov;
	_Alignas(struct cmsghdr) uint8_t ctl[CMSG_ROOM];
};

struct net_sock {
	struct authd *ad;
	int fd;
	bool v6;
	bool any;			/* of all addresses: which one, each says */
	uint8_t index;
	struct sotto_addr local;	/* else this one */
	ev_io io;
};

struct net {
	struct net_sock sock[AUTHD_LISTEN_MAX];
	unsigned int n;
	ev_prepare prepare;
	struct mmsghdr in_hdr[AUTHD_BATCH], out_hdr[AUTHD_BATCH];
	struct packet in[AUTHD_BATCH], out[AUTHD_BATCH];
	struct incoming batch[AUTHD_BATCH];
	unsigned int out_n;
	uint8_t out_sock;
};

/* ---- in ---- */

static bool is_link_local(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LINKLOCAL(a);
}

static void path_from(struct path *p, const struct net_sock *s,
		      struct msghdr *mh)
{
	const struct sockaddr_in6 *in6 = mh->msg_name;
	struct cmsghdr *c;

	memset(p, 0, sizeof(*p));
	p->sock = s->index;
	p->local = s->local;
	sotto_addr_from_sockaddr(&p->peer, &p->port, mh->msg_name);
	if (in6->sin6_family == AF_INET6 && is_link_local(&in6->sin6_addr))
		p->ifindex = in6->sin6_scope_id;
	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		struct in6_pktinfo pi6;
		struct in_pktinfo pi;

		if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&pi6, CMSG_DATA(c), sizeof(pi6));
			sotto_addr_set(&p->local, &pi6.ipi6_addr, 16);
		} else if (c->cmsg_level == IPPROTO_IP &&
			   c->cmsg_type == IP_PKTINFO) {
			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			sotto_addr_set(&p->local, &pi.ipi_addr, 4);
		}
	}
}

static void recv_setup(struct net *net, bool any)
{
	unsigned int i;

	for (i = 0; i < AUTHD_BATCH; i++) {
		struct packet *p = &net->in[i];
		struct msghdr *mh = &net->in_hdr[i].msg_hdr;

		p->iov.iov_base = p->data;
		p->iov.iov_len = sizeof(p->data);
		memset(mh, 0, sizeof(*mh));
		mh->msg_name = &p->addr;
		mh->msg_namelen = sizeof(p->addr);
		mh->msg_iov = &p->iov;
		mh->msg_iovlen = 1;
		mh->msg_control = any ? p->ctl : NULL;
		mh->msg_controllen = any ? sizeof(p->ctl) : 0;
	}
}

static int recv_batch(struct net_sock *s)
{
	struct authd *ad = s->ad;
	struct net *net = ad->net;
	unsigned int good = 0;
	int i, n;

	recv_setup(net, s->any);
	n = recvmmsg(s->fd, net->in_hdr, AUTHD_BATCH, MSG_DONTWAIT, NULL);
	ad->now_ms = sotto_now_ms();
	for (i = 0; i < n; i++) {
		struct incoming *in = &net->batch[good];

		ad->stats.dgrams_in++;
		if (net->in_hdr[i].msg_len > SOTTO_DGRAM_MAX) {
			ad->stats.malformed++;
			continue;
		}
		path_from(&in->from, s, &net->in_hdr[i].msg_hdr);
		in->dgram = net->in[i].data;
		in->len = net->in_hdr[i].msg_len;
		good++;
	}
	assoc_input(ad, net->batch, good);
	return n;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct net_sock *s = w->data;
	int round;

	(void)loop;
	(void)revents;
	for (round = 0; round < RECV_ROUNDS; round++)
		if (recv_batch(s) < AUTHD_BATCH)
			break;
}

/* ---- out ---- */

static void put_pktinfo(struct msghdr *mh, const struct path *to, bool v6)
{
	struct cmsghdr *c;

	mh->msg_controllen = v6 ? CMSG_SPACE(sizeof(struct in6_pktinfo)) :
				  CMSG_SPACE(sizeof(struct in_pktinfo));
	c = CMSG_FIRSTHDR(mh);
	if (v6) {
		struct in6_pktinfo pi = { .ipi6_ifindex = to->ifindex };

		memcpy(&pi.ipi6_addr, to->local.b, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
	} else {
		struct in_pktinfo pi = { 0 };

		memcpy(&pi.ipi_spec_dst, to->local.b, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
	}
}

/* A dual-stack socket wants IPv4 peers in IPv4-mapped form. */
static socklen_t put_name(struct sockaddr_storage *ss, const struct path *to,
			  bool v6)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	if (!v6 || to->peer.len == 16) {
		socklen_t len = sotto_addr_to_sockaddr(&to->peer, to->port, ss);

		if (v6)
			in6->sin6_scope_id = to->ifindex;
		return len;
	}
	memset(in6, 0, sizeof(*in6));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(to->port);
	in6->sin6_addr.s6_addr[10] = 0xff;
	in6->sin6_addr.s6_addr[11] = 0xff;
	memcpy(in6->sin6_addr.s6_addr + 12, to->peer.b, 4);
	return sizeof(*in6);
}

void net_flush(struct authd *ad)
{
	struct net *net = ad->net;
	unsigned int done = 0;

	while (done < net->out_n) {
		int n = sendmmsg(net->sock[net->out_sock].fd,
				 net->out_hdr + done, net->out_n - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* the first one cannot go; its sender repeats it */
			ad->stats.dgrams_lost++;
			done++;
			continue;
		}
		ad->stats.dgrams_out += n;
		done += n;
	}
	net->out_n = 0;
}

void net_send(struct authd *ad, const struct path *to, const uint8_t *dgram,
	      size_t len)
{
	struct net *net = ad->net;
	const struct net_sock *s = &net->sock[to->sock];
	struct packet *p;
	struct msghdr *mh;

	if (net->out_n == AUTHD_BATCH || net->out_sock != to->sock)
		net_flush(ad);
	net->out_sock = to->sock;
	p = &net->out[net->out_n];
	mh = &net->out_hdr[net->out_n].msg_hdr;
	net->out_n++;
	memcpy(p->data, dgram, len);
	p->iov.iov_base = p->data;
	p->iov.iov_len = len;
	memset(mh, 0, sizeof(*mh));
	mh->msg_name = &p->addr;
	mh->msg_namelen = put_name(&p->addr, to, s->v6);
	mh->msg_iov = &p->iov;
	mh->msg_iovlen = 1;
	if (!s->any || !to->local.len)
		return;
	memset(p->ctl, 0, sizeof(p->ctl));
	mh->msg_control = p->ctl;
	put_pktinfo(mh, to, s->v6);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct authd *ad = w->data;

	(void)loop;
	(void)revents;
	net_flush(ad);
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

static int add_socket(struct authd *ad, const struct sotto_addr *addr,
		      uint16_t port)
{
	struct net_sock *s = &ad->net->sock[ad->net->n];
	struct sockaddr_storage ss;
	socklen_t len = sotto_addr_to_sockaddr(addr, port, &ss);

	s->v6 = addr->len == 16;
	s->any = sotto_all_zero(addr->b, addr->len);
	s->local = *addr;
	if (s->any)
		memset(&s->local, 0, sizeof(s->local));
	s->fd = socket(s->v6 ? AF_INET6 : AF_INET,
		       SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -1;
	if (set_options(s->fd, s->v6, s->any) ||
	    bind(s->fd, (struct sockaddr *)&ss, len)) {
		int e = errno;

		close(s->fd);
		errno = e;
		return -1;
	}
	s->ad = ad;
	s->index = ad->net->n++;
	ev_io_init(&s->io, on_readable, s->fd, EV_READ);
	s->io.data = s;
	ev_io_start(ad->loop, &s->io);
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
		if (ad->net->n == AUTHD_LISTEN_MAX)
			return sotto_err(err, SOTTO_E_LIMIT,
					 "listen: more than %d addresses",
					 AUTHD_LISTEN_MAX);
		rc = listen_on(ad, one, err);
	}
	if (!rc && !ad->net->n)
		rc = sotto_err(err, SOTTO_E_VALUE, "listen: no address");
	return rc;
}

int net_open(struct authd *ad, struct sotto_errmsg *err)
{
	int rc;

	ad->net = calloc(1, sizeof(*ad->net));
	if (!ad->net)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	ev_prepare_init(&ad->net->prepare, on_prepare);
	ad->net->prepare.data = ad;
	ev_prepare_start(ad->loop, &ad->net->prepare);
	rc = listen_all(ad, err);
	if (rc)
		net_close(ad);
	return rc;
}

void net_close(struct authd *ad)
{
	unsigned int i;

	if (!ad->net)
		return;
	for (i = 0; i < ad->net->n; i++) {
		ev_io_stop(ad->loop, &ad->net->sock[i].io);
		close(ad->net->sock[i].fd);
	}
	ev_prepare_stop(ad->loop, &ad->net->prepare);
	sotto_wipe(ad->net, sizeof(*ad->net));
	free(ad->net);
	ad->net = NULL;
}

json_t *net_listening(struct authd *ad)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < ad->net->n; i++) {
		char addr[SOTTO_ADDR_STR], text[SOTTO_ADDR_STR + 16];
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct sotto_addr a = { 0 };
		uint16_t port = 0;

		if (!getsockname(ad->net->sock[i].fd, (struct sockaddr *)&ss,
				 &len))
			sotto_addr_from_sockaddr(&a, &port, &ss);
		snprintf(text, sizeof(text), a.len == 16 ? "[%s]:%u" : "%s:%u",
			 sotto_addr_str(&a, addr), port);
		json_array_append_new(list, json_string(text));
	}
	return list;
}
