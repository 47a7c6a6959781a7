// SPDX-License-Identifier: GPL-2.0
/*
 * What agents ask, by the state of their association: a table of what is
 * permitted; everything else is refused.
 */
#include <stdio.h>
#include <string.h>

#include "authd.h"

static void answer(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	sotto_chan_answer(&as->chan, as->ad->now_ms, id, m);
}

/* The fewer are there, the sooner each notices that the server is gone. */
static uint32_t keepalive_s(const struct authd *ad)
{
	uint32_t s = ad->online_n / AUTHD_KEEPALIVE_RATE;

	if (s < AUTHD_KEEPALIVE_MIN_S)
		return AUTHD_KEEPALIVE_MIN_S;
	return s < SOTTO_KEEPALIVE_MS / 1000 ? s : SOTTO_KEEPALIVE_MS / 1000;
}

/* Each takes more than itself: a ticket, lists that are gone through, all of the policy. */
static bool may_begin(struct assoc *as, uint32_t id)
{
	enum sotto_refusal why = SOTTO_REFUSAL_LIMIT;
	struct authd *ad = as->ad;

	if (bucket_take(&as->member->beginnings, ad->now_ms, AUTHD_BEGIN_RATE_MIN,
			AUTHD_BEGIN_BURST))
		return true;
	ad->stats.begin_limited++;
	sotto_chan_error(&as->chan, ad->now_ms, id, why, sotto_refusal_text(why));
	return false;
}

static void on_hello(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	const struct sotto_msg_hello *h = &m->hello;
	struct sotto_msg ack = { .type = SOTTO_MSG_HELLO_ACK };
	struct member *mb = as->member;
	struct authd *ad = as->ad;

	if (!may_begin(as, id))
		return;
	as->local = h->local;
	mb->ciphers = h->ciphers;
	mb->data_port = h->data_port;
	mb->version = member_software(ad, h->version);
	strcpy(ack.hello_ack.name, mb->name);
	member_addrs(mb, &ack.hello_ack.addrs);
	ack.hello_ack.policy_version = policy_version(ad);
	ack.hello_ack.seen_addr = as->path.peer;
	ack.hello_ack.seen_port = as->path.port;
	ack.hello_ack.keepalive_s = mb->routes ? AUTHD_GATEWAY_KEEPALIVE_S :
				    keepalive_s(ad);
	ack.hello_ack.first_use = ad->conf.first_use;
	ack.hello_ack.server_loss_s = ad->conf.server_loss;
	ack.hello_ack.rekey_s = SOTTO_ASSOC_REKEY_MS / 1000;
	strcpy(ack.hello_ack.version, SOTTO_VERSION);
	if (as->former)
		memcpy(ack.hello_ack.realm_key, ad->realm->pub, SOTTO_PUB_LEN);
	twin_hello(as, h->instance);
	twin_seen(ad, mb, NULL, &ack.hello_ack.twin);
	assoc_ticket(as, &ack.hello_ack);
	answer(as, id, &ack);
	sotto_wipe(&ack, sizeof(ack));
	reconcile_hello(ad, mb, h);
	session_member_here(ad, mb);
	if (mb->routes)
		takeover_look(ad);
	policy_hello(ad, mb, h->policy_version);
}

static void on_live(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	sotto_chan_ack(&as->chan, as->ad->now_ms, id);
	reconcile_live(as->ad, as->member, &m->live);
}

static void on_keepalive(struct assoc *as, uint32_t id,
			 const struct sotto_msg *m)
{
	struct sotto_msg ack = { .type = SOTTO_MSG_ACK, .ack.seen = as->path.peer };

	(void)m;
	answer(as, id, &ack);
}

static void on_session(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	session_request(as, id, &m->request);
}

static void on_check(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	session_check(as, id, &m->check.dst);
}

static void on_close(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	sotto_chan_ack(&as->chan, as->ad->now_ms, id);
	session_close(as->ad, as->member, &m->ids);
}

static void on_spi_unknown(struct assoc *as, uint32_t id,
			   const struct sotto_msg *m)
{
	sotto_chan_ack(&as->chan, as->ad->now_ms, id);
	session_spi_unknown(as->ad, as->member, &m->spi_unknown);
}

static void on_policy_get(struct assoc *as, uint32_t id,
			  const struct sotto_msg *m)
{
	(void)m;
	if (!may_begin(as, id))
		return;
	sotto_chan_ack(&as->chan, as->ad->now_ms, id);
	policy_get(as->ad, as->member);
}

#define MEMBER_ONLY	(1 << ASSOC_CURRENT)
#define MEMBER_ANY	(1 << ASSOC_CURRENT | 1 << ASSOC_OLD)
#define ENROLLING	(1 << ASSOC_ENROLLING)

static const struct {
	uint16_t type;
	unsigned int states;
	void (*fn)(struct assoc *as, uint32_t id, const struct sotto_msg *m);
} permitted[] = {
	{ SOTTO_MSG_HELLO, MEMBER_ONLY, on_hello },
	{ SOTTO_MSG_LIVE, MEMBER_ONLY, on_live },
	{ SOTTO_MSG_KEEPALIVE, MEMBER_ANY | ENROLLING, on_keepalive },
	{ SOTTO_MSG_REGISTER, ENROLLING, register_request },
	{ SOTTO_MSG_SESSION_REQUEST, MEMBER_ANY, on_session },
	{ SOTTO_MSG_SESSION_CLOSE, MEMBER_ANY, on_close },
	{ SOTTO_MSG_SESSION_CHECK, MEMBER_ANY, on_check },
	{ SOTTO_MSG_SPI_UNKNOWN, MEMBER_ANY, on_spi_unknown },
	{ SOTTO_MSG_POLICY_GET, MEMBER_ONLY, on_policy_get },
};

void request_input(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct assoc *as = arg;
	enum sotto_refusal why = as->state == ASSOC_ENDING ?
				 SOTTO_REFUSAL_REVOKED :
				 SOTTO_REFUSAL_UNSUPPORTED;
	size_t i;

	for (i = 0; i < sizeof(permitted) / sizeof(permitted[0]); i++) {
		if (permitted[i].type == m->type &&
		    permitted[i].states & 1u << as->state) {
			permitted[i].fn(as, id, m);
			return;
		}
	}
	sotto_chan_error(&as->chan, as->ad->now_ms, id, why,
			 sotto_refusal_text(why));
}

void request_note(void *arg, const struct sotto_msg *m)
{
	struct assoc *as = arg;

	if (m->type != SOTTO_MSG_BYE)
		return;
	if (m->bye.reason == SOTTO_REFUSAL_RESTARTED && as->member &&
	    as->member->current == as)
		member_returns(as->ad, as->member);
	assoc_end(as);
}
