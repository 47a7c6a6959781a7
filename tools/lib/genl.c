// SPDX-License-Identifier: GPL-2.0
/*
 * The transport to sotto.ko: generic netlink requests, dumps and events.
 *
 * libnl builds messages and takes attributes apart; receiving is done here,
 * because extended acks, interrupted dumps and ENOBUFS must all be seen.
 */
#include "genl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#define RECV_BUF	(96 << 10) /* bytes: an attribute is at most 64 KiB */
#define ERROR_MAX	256	/* bytes of an error's text */

struct sgenl {
	struct nl_sock *sk;
	int family;
	uint32_t seq;
	sgenl_fn event_fn;
	void *event_arg;
	bool lost;		/* events, and nobody was told yet */
	char error[ERROR_MAX];
	uint32_t error_at;
	uint8_t buf[RECV_BUF] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* One request under way. */
struct call {
	uint32_t seq;
	sgenl_fn fn;
	void *arg;
	bool done;
	bool interrupted;	/* a dump changed under our hands */
	int result;
};

bool sgenl_loaded(void)
{
	/* Asking for the family instead could load the module on the way. */
	return access("/sys/module", F_OK) || !access("/sys/module/sotto", F_OK);
}

const char *sgenl_error(const struct sgenl *g)
{
	return g && g->error[0] ? g->error : "no reason given";
}

uint32_t sgenl_error_at(const struct sgenl *g)
{
	return g->error_at;
}

int sgenl_fd(const struct sgenl *g)
{
	return nl_socket_get_fd(g->sk);
}

static void clear_error(struct sgenl *g)
{
	g->error[0] = 0;
	g->error_at = 0;
}

static int set_error(struct sgenl *g, int err)
{
	snprintf(g->error, sizeof(g->error), "%s", strerror(-err));
	return err;
}

static int nl_to_errno(int nlerr)
{
	switch (-nlerr) {
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_PERM:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AF_NOSUPPORT:
		return -EAFNOSUPPORT;
	default:
		return -EIO;
	}
}

static int connect_family(struct sgenl *g)
{
	int one = 1;
	int ret;

	ret = genl_connect(g->sk);
	if (ret < 0)
		return nl_to_errno(ret);
	g->family = genl_ctrl_resolve(g->sk, SOTTO_GENL_NAME);
	if (g->family < 0)
		return nl_to_errno(g->family);
	/* Both are old enough for every kernel the module builds for. */
	if (setsockopt(sgenl_fd(g), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    setsockopt(sgenl_fd(g), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)))
		return -errno;
	return 0;
}

int sgenl_open(struct sgenl **gp)
{
	struct sgenl *g;
	int ret;

	*gp = NULL;
	if (!sgenl_loaded())
		return -ENOENT;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->sk = nl_socket_alloc();
	if (!g->sk) {
		free(g);
		return -ENOMEM;
	}
	ret = connect_family(g);
	if (ret) {
		sgenl_close(g);
		return ret;
	}
	*gp = g;
	return 0;
}

void sgenl_close(struct sgenl *g)
{
	if (!g)
		return;
	nl_socket_free(g->sk);
	explicit_bzero(g->buf, sizeof(g->buf));
	free(g);
}

struct nl_msg *sgenl_msg(struct sgenl *g, uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, g->family, 0,
				 NLM_F_REQUEST | flags, cmd, SOTTO_GENL_VERSION)) {
		fputs("sotto: out of memory\n", stderr);
		abort();
	}
	return msg;
}

void sgenl_msg_free(struct nl_msg *msg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);

	explicit_bzero(nlh, nlh->nlmsg_len);
	nlmsg_free(msg);
}

/* With a sequence number of its own each time. */
static int send_msg(struct sgenl *g, struct nlmsghdr *nlh)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	ssize_t n;

	nlh->nlmsg_pid = nl_socket_get_local_port(g->sk);
	nlh->nlmsg_seq = ++g->seq;
	do {
		n = sendto(sgenl_fd(g), nlh, nlh->nlmsg_len, 0,
			   (struct sockaddr *)&to, sizeof(to));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static ssize_t receive(struct sgenl *g, int flags)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = g->buf, .iov_len = sizeof(g->buf) };
	struct msghdr mh = { .msg_name = &from, .msg_namelen = sizeof(from),
			     .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		n = recvmsg(sgenl_fd(g), &mh, flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (mh.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	/* Other processes may send to our port; only the kernel is heard. */
	return from.nl_pid ? 0 : n;
}

/* The extended ack's text, @off bytes behind the header. */
static void take_ext_ack(struct sgenl *g, struct nlmsghdr *nlh, int off)
{
	int left = nlmsg_datalen(nlh) - NLMSG_ALIGN(off);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	struct nlattr *head;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || left <= 0)
		return;
	head = (struct nlattr *)((char *)nlmsg_data(nlh) + NLMSG_ALIGN(off));
	if (nla_parse(tb, NLMSGERR_ATTR_MAX, head, left, NULL) < 0)
		return;
	if (tb[NLMSGERR_ATTR_MSG])
		nla_strlcpy(g->error, tb[NLMSGERR_ATTR_MSG], sizeof(g->error));
	if (tb[NLMSGERR_ATTR_OFFS])
		g->error_at = nla_get_u32(tb[NLMSGERR_ATTR_OFFS]);
}

static void take_error(struct sgenl *g, struct nlmsghdr *nlh, struct call *c)
{
	struct nlmsgerr *e = nlmsg_data(nlh);
	int off = sizeof(*e);

	c->done = true;
	if (nlmsg_datalen(nlh) < (int)sizeof(*e)) {
		c->result = -EBADMSG;
		return;
	}
	c->result = e->error;
	if (!e->error)
		return;
	set_error(g, e->error);
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += e->msg.nlmsg_len - NLMSG_HDRLEN;
	take_ext_ack(g, nlh, off);
}

static void take_done(struct sgenl *g, struct nlmsghdr *nlh, struct call *c)
{
	c->done = true;
	if (nlmsg_datalen(nlh) >= (int)sizeof(int))
		c->result = *(int *)nlmsg_data(nlh);
	if (c->result >= 0)
		return;
	set_error(g, c->result);
	take_ext_ack(g, nlh, sizeof(int));
}

static bool is_event(uint8_t cmd)
{
	return cmd == SOTTO_CMD_ACQUIRE || cmd == SOTTO_CMD_EVENT;
}

/* One message of our family: an event, or an answer to @c. */
static int take_object(struct sgenl *g, struct nlmsghdr *nlh, struct call *c)
{
	struct nlattr *tb[SOTTO_A_MAX + 1];
	struct genlmsghdr *gh;
	int ret;

	if (nlh->nlmsg_type != g->family || !genlmsg_valid_hdr(nlh, 0))
		return 0;
	gh = genlmsg_hdr(nlh);
	ret = genlmsg_parse(nlh, 0, tb, SOTTO_A_MAX, NULL);
	if (ret < 0)
		return -EBADMSG;
	if (is_event(gh->cmd))
		return g->event_fn ? g->event_fn(gh->cmd, tb, g->event_arg) : 0;
	if (!c || nlh->nlmsg_seq != c->seq || !c->fn)
		return 0;
	return c->fn(gh->cmd, tb, c->arg);
}

static int take_message(struct sgenl *g, struct nlmsghdr *nlh, struct call *c)
{
	if (c && nlh->nlmsg_seq == c->seq) {
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			c->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			take_error(g, nlh, c);
			return 0;
		}
		if (nlh->nlmsg_type == NLMSG_DONE) {
			take_done(g, nlh, c);
			return 0;
		}
	}
	return take_object(g, nlh, c);
}

/* Take one datagram apart. */
static int take_datagram(struct sgenl *g, int len, struct call *c)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)g->buf;
	int first = 0;

	for (; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
		int ret = take_message(g, nlh, c);

		if (ret && !first)
			first = ret;
	}
	return first;
}

static int wait_readable(struct sgenl *g)
{
	struct pollfd pfd = { .fd = sgenl_fd(g), .events = POLLIN };
	int n;

	do {
		n = poll(&pfd, 1, SGENL_TIMEOUT_MS);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* Receive until the call is done. A callback's error is kept, and the rest
 * of the answer still read, so that the next call finds a clean socket.
 */
static int finish(struct sgenl *g, struct call *c)
{
	int failed = 0;

	while (!c->done) {
		ssize_t n = receive(g, MSG_DONTWAIT);	/* most answers are there already */
		int ret;

		if (n == -EAGAIN)
			n = wait_readable(g) ?: receive(g, 0);
		if (n == -ENOBUFS && g->event_fn) {
			g->lost = true;	/* an event, not our answer */
			continue;
		}
		if (n < 0)
			return set_error(g, n);
		ret = take_datagram(g, n, c);
		if (ret && !failed)
			failed = set_error(g, ret);
	}
	return c->result ? c->result : failed;
}

int sgenl_ask(struct sgenl *g, struct nl_msg *msg, sgenl_fn fn, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct call c = { .fn = fn, .arg = arg };
	int ret;

	nlh->nlmsg_flags |= NLM_F_ACK;
	clear_error(g);
	ret = send_msg(g, nlh);
	if (ret)
		return set_error(g, ret);
	c.seq = nlh->nlmsg_seq;
	return finish(g, &c);
}

int sgenl_call(struct sgenl *g, struct nl_msg *msg, sgenl_fn fn, void *arg)
{
	int ret = sgenl_ask(g, msg, fn, arg);

	sgenl_msg_free(msg);
	return ret;
}

static int dump_once(struct sgenl *g, uint8_t cmd, struct call *c)
{
	struct nl_msg *msg = sgenl_msg(g, cmd, NLM_F_DUMP);
	int ret = send_msg(g, nlmsg_hdr(msg));

	c->seq = nlmsg_hdr(msg)->nlmsg_seq;
	sgenl_msg_free(msg);
	return ret ? set_error(g, ret) : finish(g, c);
}

int sgenl_dump(struct sgenl *g, uint8_t cmd, sgenl_fn fn,
	       void (*reset)(void *arg), void *arg)
{
	clear_error(g);
	for (int i = 0; i < SGENL_DUMP_RETRIES; i++) {
		struct call c = { .fn = fn, .arg = arg };
		int ret = dump_once(g, cmd, &c);

		if (ret || !c.interrupted)
			return ret;
		reset(arg);
	}
	snprintf(g->error, sizeof(g->error),
		 "the list changed faster than it could be read");
	return -EINTR;
}

void sgenl_on_event(struct sgenl *g, sgenl_fn fn, void *arg)
{
	int size = SGENL_EVENT_RCVBUF;

	g->event_fn = fn;
	g->event_arg = arg;
	/* FORCE needs a capability; without it the default size must do. */
	setsockopt(sgenl_fd(g), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

int sgenl_listen(struct sgenl *g)
{
	int group = genl_ctrl_resolve_grp(g->sk, SOTTO_GENL_NAME,
					  SOTTO_MCGRP_EVENTS);

	if (group < 0)
		return set_error(g, nl_to_errno(group));
	if (setsockopt(sgenl_fd(g), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
		       &group, sizeof(group)))
		return set_error(g, -errno);
	return 0;
}

bool sgenl_lost(const struct sgenl *g)
{
	return g->lost;
}

int sgenl_read_events(struct sgenl *g)
{
	if (g->lost) {
		g->lost = false;
		return set_error(g, -ENOBUFS);
	}
	for (int i = 0; i < SGENL_EVENTS_PER_CALL; i++) {
		ssize_t n = receive(g, MSG_DONTWAIT);
		int ret;

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return set_error(g, n);
		ret = take_datagram(g, n, NULL);
		if (ret)
			return set_error(g, ret);
	}
	return 0;
}
