/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's side of sotto.ko.
 */
#ifndef SOTTO_AGENT_KERNEL_H
#define SOTTO_AGENT_KERNEL_H

#include <ev.h>
#include <stdint.h>

#include "../tools/lib/err.h"
#include "../tools/lib/genl_req.h"

struct agent;

/* How often the agent looks whether the kernel still knows it. */
#define KERNEL_CHECK_S		5.0

/**
 * struct kernel - two sockets, so that no event comes between question and answer
 * @req: requests
 * @ev: the agent's registered socket: ACQUIRE and events
 * @instance: of the namespace, new after each load of the module
 * @acquire_ms: how long the kernel holds packets for an acquire
 * @unknown: what there is; taking stock failed, and is tried again
 */
struct kernel {
	struct sgenl *req, *ev;
	ev_io io;
	ev_timer check;
	uint64_t instance;
	uint32_t acquire_ms;
	bool unknown;
	uint16_t data_port;
	char version[SGENL_VERSION_MAX];
};

/** kernel_open() - open both sockets, register as the agent, watch events
 * Returns 0; SOTTO_E_UNKNOWN (module not loaded), SOTTO_E_PERM, SOTTO_E_EXISTS
 * (another agent) or another error.
 */
int kernel_open(struct agent *ag, struct sotto_errmsg *err);
void kernel_close(struct agent *ag);

/** kernel_exempt() - let the control flow of @fd, a connected socket, pass */
int kernel_exempt(struct agent *ag, int fd);

/** kernel_resync() - take the sessions from a dump of the SAs */
int kernel_resync(struct agent *ag);

#endif /* SOTTO_AGENT_KERNEL_H */
