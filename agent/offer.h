/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions that another member asked for: the responder's side.
 */
#ifndef SOTTO_AGENT_OFFER_H
#define SOTTO_AGENT_OFFER_H

#include "../tools/lib/chan.h"

struct agent;

#define OFFERS_FRESH_MAX	1024	/* sessions not confirmed yet, in all */
#define OFFERS_FRESH_PEER	8	/* the same with one member */

/** offer_take() - answer an offer by ACCEPT, with the SAs installed, or REFUSAL */
void offer_take(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		const struct sotto_msg_session_offer *o);

#endif /* SOTTO_AGENT_OFFER_H */
