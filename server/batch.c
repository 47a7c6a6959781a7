// SPDX-License-Identifier: GPL-2.0
/*
 * Batches: datagrams in and out by one system call for many, answers from the
 * address that was asked. All of it is one worker's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"

/* ---- in ---- */

static void path_from(struct path *p, const struct net_sock *s,
		      struct msghdr *mh)
{
	const struct sockaddr_in6 *in6 = mh->msg_name;
	struct cmsghdr *c;

	memset(p, 0, sizeof(*p));
	p->sock = s->index;
	p->local = s->local;
	sotto_addr_from_sockaddr(&p->peer, &p->port, mh->msg_name);
	if (in6->sin6_family == AF_INET6 &&
	    IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
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

static void recv_setup(struct worker *w, bool any)
{
	unsigned int i;

	for (i = 0; i < AUTHD_BATCH; i++) {
		struct packet *p = &w->in[i];
		struct msghdr *mh = &w->in_hdr[i].msg_hdr;

		p->iov.iov_base = w->in_data[i];
		p->iov.iov_len = sizeof(w->in_data[i]);
		memset(mh, 0, sizeof(*mh));
		mh->msg_name = &p->addr;
		mh->msg_namelen = sizeof(p->addr);
		mh->msg_iov = &p->iov;
		mh->msg_iovlen = 1;
		mh->msg_control = any ? p->ctl : NULL;
		mh->msg_controllen = any ? sizeof(p->ctl) : 0;
	}
}

int batch_receive(struct worker *w, struct net_sock *s, unsigned int *good)
{
	int i, n;

	recv_setup(w, s->any);
	n = recvmmsg(s->fd, w->in_hdr, AUTHD_BATCH, MSG_DONTWAIT, NULL);
	*good = 0;
	for (i = 0; i < n; i++) {
		struct incoming *in = &w->batch[*good];

		if (w->in_hdr[i].msg_len > SOTTO_DGRAM_MAX)
			continue;
		path_from(&in->from, s, &w->in_hdr[i].msg_hdr);
		in->dgram = w->in_data[i];
		in->len = w->in_hdr[i].msg_len;
		(*good)++;
	}
	return n;
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

static void put_header(const struct net_sock *s, struct outgoing *o,
		       struct packet *p, struct msghdr *mh)
{
	if (o->open) {
		o->len = sotto_sealing_run(&o->sealing, o->data, o->len);
		sotto_wipe(&o->sealing, sizeof(o->sealing));
	}
	p->iov.iov_base = o->data;
	p->iov.iov_len = o->len;
	memset(mh, 0, sizeof(*mh));
	mh->msg_name = &p->addr;
	mh->msg_namelen = put_name(&p->addr, &o->to, s->v6);
	mh->msg_iov = &p->iov;
	mh->msg_iovlen = 1;
	if (!s->any || !o->to.local.len)
		return;
	memset(p->ctl, 0, sizeof(p->ctl));
	mh->msg_control = p->ctl;
	put_pktinfo(mh, &o->to, s->v6);
}

static void transmit(struct worker *w, int fd, unsigned int n)
{
	unsigned int done = 0;

	while (done < n) {
		int sent = sendmmsg(fd, w->out_hdr + done, n - done, 0);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) {
			/* the first one cannot go; its sender repeats it */
			atomic_fetch_add_explicit(&w->lost, 1,
						  memory_order_relaxed);
			done++;
			continue;
		}
		atomic_fetch_add_explicit(&w->sent, sent, memory_order_relaxed);
		done += sent;
	}
}

/* As many as go by one socket, one after another. */
static unsigned int send_some(struct worker *w, struct outgoing *o,
			      unsigned int left)
{
	const struct net_sock *s = &w->sock[o->to.sock];
	unsigned int n = 0;

	while (n < left && n < AUTHD_BATCH && o[n].to.sock == o->to.sock) {
		put_header(s, &o[n], &w->out[n], &w->out_hdr[n].msg_hdr);
		n++;
	}
	transmit(w, s->fd, n);
	return n;
}

void batch_send(struct worker *w)
{
	unsigned int done = 0;

	while (done < w->waiting_n)
		done += send_some(w, &w->waiting[done], w->waiting_n - done);
	w->waiting_n = 0;
}

static struct outgoing *place(struct authd *ad, const struct path *to)
{
	struct worker *w = ad->net->holder;
	struct outgoing *o;

	if (w->waiting_n == AUTHD_OUT_BATCH)
		batch_send(w);
	w->placed++;
	o = &w->waiting[w->waiting_n++];
	o->to = *to;
	return o;
}

void net_send(struct authd *ad, const struct path *to, const uint8_t *dgram,
	      size_t len)
{
	struct outgoing *o = place(ad, to);

	o->open = false;
	o->len = len;
	memcpy(o->data, dgram, len);
}

void net_send_open(struct authd *ad, const struct path *to,
		   const struct sotto_sealing *sealing, const uint8_t *frame,
		   size_t len)
{
	struct outgoing *o = place(ad, to);

	o->open = true;
	o->sealing = *sealing;
	o->len = len;
	memcpy(o->data + SOTTO_DATA_HEADER, frame, len);
}

void net_flush(struct authd *ad)
{
	batch_send(ad->net->holder);
}
