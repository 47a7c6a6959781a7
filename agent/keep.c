// SPDX-License-Identifier: GPL-2.0
/*
 * What the disk would not take.
 */
#include "keep.h"

#include "../tools/lib/log.h"
#include "agent.h"

void keep_identity(struct agent *ag, const char *what)
{
	struct sotto_errmsg err;

	ag->id_unsaved = identity_keep(ag->id, &err);
	if (ag->id_unsaved)
		sotto_err_log("cannot keep %s for the next start: %s", what, err.text);
}

static bool is_unsaved(const struct agent *ag)
{
	return ag->id_unsaved || ag->policy.unsaved || ag->peers.unsaved || ag->pins.unsaved;
}

void keep_again(struct agent *ag)
{
	uint64_t now = sotto_now_ms();

	if (ag->policy.late)
		policy_keep(ag);
	if (!is_unsaved(ag) || now < ag->keep_ms)
		return;
	ag->keep_ms = now + KEEP_RETRY_MS;
	if (ag->id_unsaved)
		ag->id_unsaved = identity_keep(ag->id, NULL);
	policy_keep(ag);
	peers_keep(&ag->peers, PEERS_FILE);
	peers_keep(&ag->pins, PINS_FILE);
	if (!is_unsaved(ag))
		sotto_notice("what could not be kept for the next start is on the disk now");
}
