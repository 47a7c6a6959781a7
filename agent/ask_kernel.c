// SPDX-License-Identifier: GPL-2.0
/*
 * Two who ask for sessions: the kernel, by an acquire, and a session that is to
 * be replaced.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "agent.h"
#include "ask.h"
#include "routes.h"

#define ACQUIRE_SHARE	80	/* percent of the kernel's time: the answer must come first */
#define ACQUIRE_MAX_MS	8000	/* longer waits help nobody */

/* With an SA installed, the kernel has answered itself. */
static void acquire_done(struct agent *ag, void *arg, enum sotto_reason reason,
			 uint32_t hold_ms)
{
	struct sgenl_acquire *a = arg;
	char dst[SOTTO_ADDR_STR];
	int ret = 0;

	/* the session is with a gateway: policy says so now, and is asked again */
	if (reason == SOTTO_REASON_NONE && routes_lead(ag, &a->dst))
		reason = SOTTO_REASON_REROUTE;
	if (reason != SOTTO_REASON_NONE)
		ret = sgenl_acquire_fail(ag->kernel.req, a, reason, hold_ms);
	/* not outstanding any more: it timed out, or the tunnel is gone */
	if (ret && ret != -ENOENT)
		sotto_err_log("cannot answer the acquire for %s: %s",
			      sotto_addr_str(&a->dst, dst), sgenl_error(ag->kernel.req));
	free(a);
}

void ask_for_kernel(struct agent *ag, const struct sgenl_acquire *acquire)
{
	uint32_t deadline = ag->kernel.acquire_ms / 100 * ACQUIRE_SHARE;
	struct sgenl_acquire *a;

	/* the peer asked first, and its first packet is on the way */
	if (ag->leaving || session_fresh(ag, &acquire->dst, ASK_FRESH_MS))
		return;
	a = malloc(sizeof(*a));
	if (!a)
		return;	/* the kernel asks again */
	*a = *acquire;
	if (routes_lead(ag, &a->dst)) {
		acquire_done(ag, a, SOTTO_REASON_NONE, 0);
		return;
	}
	if (deadline > ACQUIRE_MAX_MS)
		deadline = ACQUIRE_MAX_MS;
	ask_session(ag, &a->dst, 0, deadline, a->id, acquire_done, a);
}

static void rekey_done(struct agent *ag, void *arg, enum sotto_reason reason,
		       uint32_t hold_ms)
{
	uint64_t *id = arg;
	struct session *s = session_find(ag, *id);

	(void)hold_ms;
	if (s && reason == SOTTO_REASON_NONE) {
		session_rekey_done(s);
	} else if (s) {
		sotto_warn("peer %s: session %016" PRIx64 " cannot be replaced yet: %s",
			   s->peer, s->id, sgenl_reason_text(reason));
		session_rekey_failed(s);
	}
	free(id);
}

void ask_rekey(struct agent *ag, struct session *s)
{
	uint64_t *id = malloc(sizeof(*id));

	if (!id) {
		session_rekey_failed(s);
		return;
	}
	*id = s->id;
	ask_session(ag, &s->dst, s->id, ASK_REKEY_MS, s->id, rekey_done, id);
}
