/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's limits, each with a counter of what was refused, put off or forgotten for it:
 * in "sotto status -d" and sottod(8). Where they stand:
 */
#ifndef SOTTO_AGENT_COUNTERS_H
#define SOTTO_AGENT_COUNTERS_H

#include <jansson.h>

struct agent;

enum counter {
	COUNT_ASKS_REFUSED,		/* ask.h: ASKS_MAX */
	COUNT_ASKS_PUT_OFF,		/* ASKS_IN_FLIGHT, params.h: SOTTO_CALLS_MAX */
	COUNT_OFFERS_REFUSED,		/* offer.h: OFFERS_FRESH_MAX */
	COUNT_OFFERS_PEER_REFUSED,	/* OFFERS_FRESH_PEER */
	COUNT_OFFERS_EARLY_REFUSED,	/* OFFERS_EARLY */
	COUNT_ANSWERS_IGNORED,		/* association.h: ASSOC_RESPS_MAX */
	COUNT_COOKIES_IGNORED,		/* ASSOC_COOKIES_MAX */
	COUNT_HINTS_IGNORED,		/* params.h: SOTTO_HINT_MS */
	COUNT_SPI_REPORTS_LEFT_OUT,	/* requests.h: SPI_REPORT_BURST */
	COUNT_ENDS_LEFT_OUT,		/* UNTOLD_MAX */
	COUNT_POLICIES_REFUSED,		/* policy.h: POLICY_PARTS_MAX */
	COUNT_REVOKED_FORGOTTEN,	/* session.h: SHUNNED_MAX */
	COUNT_ADDRESSES_LEFT_OUT,	/* params.h: SOTTO_ADDRS_MAX, of what a peer ever had */
	COUNTERS,
};

/** counters_json() - all of them, by name */
json_t *counters_json(const struct agent *ag);

#endif /* SOTTO_AGENT_COUNTERS_H */
