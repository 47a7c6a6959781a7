// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's limits: what they cost.
 */
#include "counters.h"

#include "agent.h"

static const char *const names[COUNTERS] = {
	[COUNT_ASKS_REFUSED] = "asks_refused",
	[COUNT_ASKS_PUT_OFF] = "asks_put_off",
	[COUNT_OFFERS_REFUSED] = "offers_refused",
	[COUNT_OFFERS_PEER_REFUSED] = "offers_peer_refused",
	[COUNT_OFFERS_EARLY_REFUSED] = "offers_early_refused",
	[COUNT_ANSWERS_IGNORED] = "answers_ignored",
	[COUNT_COOKIES_IGNORED] = "cookies_ignored",
	[COUNT_HINTS_IGNORED] = "hints_ignored",
	[COUNT_SPI_REPORTS_LEFT_OUT] = "spi_reports_left_out",
	[COUNT_ENDS_LEFT_OUT] = "ends_left_out",
	[COUNT_POLICIES_REFUSED] = "policies_refused",
	[COUNT_REVOKED_FORGOTTEN] = "revoked_forgotten",
	[COUNT_ADDRESSES_LEFT_OUT] = "addresses_left_out",
};

json_t *counters_json(const struct agent *ag)
{
	json_t *o = json_object();

	for (int i = 0; i < COUNTERS; i++)
		json_object_set_new(o, names[i], json_integer(ag->counters[i]));
	return o;
}
