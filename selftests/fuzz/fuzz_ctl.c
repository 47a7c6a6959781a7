// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's local socket.
 */
#include "fuzz_sock.h"

#include "../../agent/agent.h"
#include "../../agent/ctl.h"

static struct agent ag;
static struct identity id;

void agent_stop(struct agent *a, int code)
{
	(void)code;
	a->leaving = false;
}

static void begin(void)
{
	struct sotto_errmsg err;

	fuzz_begin();
	fuzz_folders();
	ag.loop = ev_default_loop(0);
	ag.id = &id;
	strcpy(id.name, "alice");
	MUST(!ctl_start(&ag, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > SOTTO_USOCK_LINE_MAX + 64)
		return 0;
	if (!ag.loop)
		begin();
	fuzz_socket(ag.loop, CTL_SOCKET, data, len);
	return 0;
}
