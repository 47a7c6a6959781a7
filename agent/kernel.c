// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's side of sotto.ko: registration, events in, resync by dump.
 *
 * Events are hints. A lost acquire is repeated by the kernel's timer; after any
 * other loss (ENOBUFS) the sessions are taken from a dump.
 */
#include "kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "agent.h"
#include "ask.h"
#include "keep.h"
#include "requests.h"

static int on_acquire(struct agent *ag, struct nlattr *nest)
{
	struct sgenl_acquire a;
	char dst[SOTTO_ADDR_STR];

	if (sgenl_parse_acquire(nest, &a)) {
		sotto_warn("the kernel's acquire cannot be read; do module and agent fit?");
		return 0;
	}
	sotto_debug("acquire %u: keys wanted for %s (attempt %u)", a.id,
		    sotto_addr_str(&a.dst, dst), a.attempt);
	ask_for_kernel(ag, &a);
	return 0;
}

static void on_sa_event(struct agent *ag, const struct sgenl_event *e)
{
	if (e->type == SOTTO_EVENT_SA_DELETED && !e->spi)
		kernel_resync(ag);	/* all at once */
	if (!e->session)
		return;	/* installed by hand */
	switch (e->type) {
	case SOTTO_EVENT_CONFIRMED:
		session_confirmed(ag, e->session);
		break;
	case SOTTO_EVENT_SA_SOFT:
		session_soft(ag, e->session);
		break;
	case SOTTO_EVENT_SA_HARD:
		session_lost(ag, e->session, SOTTO_REFUSAL_EXPIRED);
		break;
	case SOTTO_EVENT_SA_DELETED:
		session_sa_deleted(ag, e->session, e->has_dir ? e->dir : SOTTO_SA_IN);
		break;
	default:
		break;
	}
}

static int on_event(uint8_t cmd, struct nlattr **tb, void *arg)
{
	struct agent *ag = arg;
	struct sgenl_event e;

	if (cmd == SOTTO_CMD_ACQUIRE)
		return on_acquire(ag, tb[SOTTO_A_ACQUIRE]);
	if (sgenl_parse_event(tb[SOTTO_A_EVENT], &e))
		return 0;
	if (e.type == SOTTO_EVENT_UNKNOWN_SPI)
		report_spi_unknown(ag, e.spi, &e.src);
	else
		on_sa_event(ag, &e);
	return 0;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct agent *ag = w->data;
	int ret = sgenl_read_events(ag->kernel.ev);

	(void)loop;
	(void)revents;
	if (!ret)
		return;
	if (ret != -ENOBUFS) {
		sotto_err_log("cannot receive from the kernel: %s", strerror(-ret));
		agent_stop(ag, 1);
		return;
	}
	sotto_warn("kernel events were lost; taking stock by a dump");
	kernel_resync(ag);
}

/* Group the SAs of a dump by session. */
int kernel_resync(struct agent *ag)
{
	struct sgenl_sa *v;
	size_t n;
	int ret = sgenl_list_sas(ag->kernel.req, &v, &n);

	ag->kernel.unknown = ret;
	if (ret) {
		sotto_err_log("cannot list the kernel's SAs: %s",
			      sgenl_error(ag->kernel.req));
		return SOTTO_E_IO;
	}
	session_resync(ag, v, n);
	free(v);
	return 0;
}

static int read_ns(struct agent *ag, struct sotto_errmsg *err)
{
	struct kernel *k = &ag->kernel;
	struct sgenl_ns ns;
	int ret = sgenl_ns_get(k->req, &ns);

	if (ret == -EPERM)
		return sotto_err(err, SOTTO_E_PERM,
				 "not permitted to configure the kernel; run it as root (CAP_NET_ADMIN)");
	if (ret)
		return sotto_err(err, SOTTO_E_IO, "the kernel does not answer: %s",
				 sgenl_error(k->req));
	if (!ns.up)
		sotto_warn("the shim is down in this namespace: nothing is encrypted until \"sotto up\"");
	k->instance = ns.instance;
	k->data_port = ns.data_port;
	k->acquire_ms = ns.num[SOTTO_A_NS_ACQUIRE_TIMEOUT];
	memcpy(k->version, ns.version, sizeof(k->version));
	return 0;
}

static int open_socket(struct sgenl **g, struct sotto_errmsg *err)
{
	int ret = sgenl_open(g);

	switch (ret) {
	case 0:
		return 0;
	case -ENOENT:
		return sotto_err(err, SOTTO_E_UNKNOWN,
				 "the kernel module sotto is not loaded; \"sotto up\" loads it");
	case -EPERM:
		return sotto_err(err, SOTTO_E_PERM,
				 "not permitted to talk to the kernel; run it as root");
	default:
		return sotto_err(err, SOTTO_E_IO, "cannot talk to the kernel: %s",
				 strerror(-ret));
	}
}

static int register_agent(struct kernel *k, struct sotto_errmsg *err)
{
	int ret = sgenl_agent_register(k->ev, NULL, 0, NULL, 0);

	if (ret == -EBUSY)
		return sotto_err(err, SOTTO_E_EXISTS,
				 "another agent is registered in this network namespace; stop it first");
	if (ret)
		return sotto_err(err, ret == -EPERM ? SOTTO_E_PERM : SOTTO_E_IO,
				 "the kernel refuses the agent: %s", sgenl_error(k->ev));
	return 0;
}

/* The module can be unloaded or exchanged under our feet; then start anew. */
static void on_check(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct agent *ag = w->data;
	struct sgenl_ns ns;
	int ret = sgenl_ns_get(ag->kernel.req, &ns);

	(void)loop;
	(void)revents;
	if (ret) {
		sotto_err_log("the kernel module does not answer any more (%s); was it unloaded?",
			      sgenl_error(ag->kernel.req));
		agent_stop(ag, 4);
	} else if (ns.instance != ag->kernel.instance) {
		sotto_err_log("the kernel module was loaded anew; this agent belongs to the old one");
		agent_stop(ag, 4);
	} else {
		ag->kernel.acquire_ms = ns.num[SOTTO_A_NS_ACQUIRE_TIMEOUT];
		/* timers stand still while the machine sleeps */
		assoc_kick(ag);
		keep_again(ag);
		if (ag->kernel.unknown)
			kernel_resync(ag);
	}
}

static void watch(struct agent *ag)
{
	struct kernel *k = &ag->kernel;

	ev_io_init(&k->io, on_readable, sgenl_fd(k->ev), EV_READ);
	k->io.data = ag;
	ev_io_start(ag->loop, &k->io);
	ev_timer_init(&k->check, on_check, KERNEL_CHECK_S, KERNEL_CHECK_S);
	k->check.data = ag;
	ev_timer_start(ag->loop, &k->check);
}

int kernel_open(struct agent *ag, struct sotto_errmsg *err)
{
	struct kernel *k = &ag->kernel;
	int ret = open_socket(&k->req, err);

	if (!ret)
		ret = open_socket(&k->ev, err);
	if (!ret)
		ret = read_ns(ag, err);
	if (ret)
		return ret;
	sgenl_on_event(k->ev, on_event, ag);
	/* the group first: what happens from the registration on is heard */
	if (sgenl_listen(k->ev))
		return sotto_err(err, SOTTO_E_IO, "cannot listen to the kernel's events: %s",
				 sgenl_error(k->ev));
	ret = register_agent(k, err);
	if (ret)
		return ret;
	watch(ag);
	return 0;
}

void kernel_close(struct agent *ag)
{
	struct kernel *k = &ag->kernel;

	if (k->ev && ev_is_active(&k->io)) {
		ev_io_stop(ag->loop, &k->io);
		ev_timer_stop(ag->loop, &k->check);
	}
	sgenl_close(k->ev);
	sgenl_close(k->req);
	k->ev = NULL;
	k->req = NULL;
}

static int flow_of(int fd, struct sotto_addr *local, uint16_t *lport,
		   struct sotto_addr *remote, uint16_t *rport)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    sotto_addr_from_sockaddr(local, lport, &ss))
		return SOTTO_E_IO;
	len = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) ||
	    sotto_addr_from_sockaddr(remote, rport, &ss))
		return SOTTO_E_IO;
	return 0;
}

int kernel_exempt(struct agent *ag, int fd)
{
	struct kernel *k = &ag->kernel;
	struct sotto_addr local, remote;
	uint16_t lport, rport;
	int ret;

	if (flow_of(fd, &local, &lport, &remote, &rport))
		return SOTTO_E_IO;
	ret = sgenl_agent_register(k->ev, &local, lport, &remote, rport);
	if (sgenl_lost(k->ev))
		ev_feed_event(ag->loop, &k->io, EV_READ);
	if (ret) {
		sotto_err_log("the kernel refuses to exempt the control flow: %s",
			      sgenl_error(k->ev));
		return SOTTO_E_IO;
	}
	return 0;
}
