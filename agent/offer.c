// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions that another member asked for: the responder's side.
 */
#include "offer.h"

#include <inttypes.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "ask.h"
#include "install.h"

static void answer(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		   const struct sotto_msg *m)
{
	if (sotto_chan_answer(ch, sotto_now_ms(), id, m))
		sotto_warn("an offer's answer cannot be sent");
	assoc_kick(ag);
}

static void refuse(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		   const struct sotto_msg_session_offer *o, enum sotto_refusal why)
{
	static struct sotto_ratelimit rl = SOTTO_RATELIMIT(5000, 20);
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REFUSAL };

	sotto_log_limited(&rl, SOTTO_LOG_NOTICE, "peer %s: session %016" PRIx64 " refused: %s", o->name,
			  o->session_id, sotto_refusal_text(why));
	m.refusal.reason = why;
	m.refusal.hold_ms = ASK_HOLD_MS;
	m.refusal.session_id = o->session_id;
	answer(ag, ch, id, &m);
}

static void accept_offer(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		   const struct sotto_msg_session_accept *part)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_ACCEPT };

	m.accept = *part;
	answer(ag, ch, id, &m);
}

/*
 * The same offer over a new association: the same answer, or both ends would
 * have different keys.
 */
static void repeat(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		   const struct sotto_msg_session_offer *o, const struct session *s)
{
	struct sotto_msg_session_accept part = { .session_id = s->id, .spi = s->spi_in };

	if (s->initiator || sotto_all_zero(s->eph_pub, sizeof(s->eph_pub))) {
		refuse(ag, ch, id, o, SOTTO_REFUSAL_REQUEST);
		return;
	}
	memcpy(part.eph_pub, s->eph_pub, sizeof(part.eph_pub));
	accept_offer(ag, ch, id, &part);
}

static bool wait_for_hello(struct agent *ag, uint32_t id,
			   const struct sotto_msg_session_offer *o)
{
	struct early_offers *early = &ag->early;

	if (early->n == OFFERS_EARLY) {
		ag->counters[COUNT_OFFERS_EARLY_REFUSED]++;
		return false;
	}
	early->v[early->n].id = id;
	early->v[early->n++].offer = *o;
	return true;
}

void offers_forget(struct agent *ag)
{
	sotto_wipe(&ag->early, sizeof(ag->early));
}

void offers_now(struct agent *ag, struct sotto_chan *ch)
{
	for (unsigned int i = 0; i < ag->early.n; i++)
		offer_take(ag, ch, ag->early.v[i].id, &ag->early.v[i].offer);
	offers_forget(ag);
}

static bool too_many(struct agent *ag, const char *name)
{
	if (ag->sessions.n_fresh >= OFFERS_FRESH_MAX)
		ag->counters[COUNT_OFFERS_REFUSED]++;
	else if (session_fresh_with(ag, name) >= OFFERS_FRESH_PEER)
		ag->counters[COUNT_OFFERS_PEER_REFUSED]++;
	else
		return false;
	return true;
}

void offer_take(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		const struct sotto_msg_session_offer *o)
{
	struct session *s = session_find(ag, o->session_id);
	struct sotto_msg_session_accept part;
	enum sotto_refusal why;

	if (s) {
		repeat(ag, ch, id, o, s);
		return;
	}
	/* HELLO's answer may bring the realm's new key, which session keys depend on */
	if (!assoc_is_current(ag, ch)) {
		if (!wait_for_hello(ag, id, o))
			refuse(ag, ch, id, o, SOTTO_REFUSAL_LIMIT);
		return;
	}
	if (ag->leaving) {
		refuse(ag, ch, id, o, SOTTO_REFUSAL_CLOSED);
		return;
	}
	if (too_many(ag, o->name)) {
		refuse(ag, ch, id, o, SOTTO_REFUSAL_LIMIT);
		return;
	}
	s = install_offer(ag, o, &part, &why);
	if (!s) {
		refuse(ag, ch, id, o, why);
		return;
	}
	accept_offer(ag, ch, id, &part);
	ask_made(ag, s);
}
