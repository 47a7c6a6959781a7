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
#define OFFERS_EARLY		16	/* that came before hello was answered */

/** struct early_offer - one that waits for the answer to hello */
struct early_offer {
	uint32_t id;
	struct sotto_msg_session_offer offer;
};

/** struct early_offers - of the next channel */
struct early_offers {
	struct early_offer v[OFFERS_EARLY];
	unsigned int n;
};

/** offers_now() - hello is answered on @ch: take what came before */
void offers_now(struct agent *ag, struct sotto_chan *ch);
/** offers_forget() - their channel is no more */
void offers_forget(struct agent *ag);

/** offer_take() - answer an offer by ACCEPT, with the SAs installed, or REFUSAL */
void offer_take(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		const struct sotto_msg_session_offer *o);

#endif /* SOTTO_AGENT_OFFER_H */
