// SPDX-License-Identifier: GPL-2.0
/*
 * What the server asks of an agent, and what an agent tells of itself.
 */
#include "requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "offer.h"

#define LISTING_IN_FLIGHT	8	/* unanswered messages of it */
#define HELLO_MS	5000	/* the first answer on a new channel */

static void on_gone(struct agent *ag, const struct sotto_msg_session_ids *m)
{
	for (unsigned int i = 0; i < m->ids.n; i++)
		session_gone(ag, m->ids.id[i], m->reason);
}

static void on_peer_gone(struct agent *ag, const struct sotto_msg_peer_gone *m)
{
	unsigned int n = session_peer_gone(ag, m->name, m->static_pub);

	if (m->reason == SOTTO_REFUSAL_REVOKED)
		session_shun(ag, m->static_pub);
	sotto_notice("peer %s: gone (%s); %u sessions dropped", m->name,
		     sotto_refusal_name(m->reason), n);
}

static void on_revoked(struct agent *ag)
{
	sotto_err_log("this host was revoked: all sessions are dropped, policy stays in force");
	session_drop_all(ag);
	assoc_revoked(ag);
}

void handle_request(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		    const struct sotto_msg *m)
{
	uint64_t now = sotto_now_ms();

	switch (m->type) {
	case SOTTO_MSG_SESSION_OFFER:
		offer_take(ag, ch, id, &m->offer);
		return;
	case SOTTO_MSG_SESSION_GONE:
		on_gone(ag, &m->ids);
		break;
	case SOTTO_MSG_POLICY:
		policy_take(ag, &m->policy);
		break;
	case SOTTO_MSG_PEER_GONE:
		on_peer_gone(ag, &m->peer_gone);
		break;
	case SOTTO_MSG_REVOKED:
		/* the answer first: afterwards this association is not used */
		sotto_chan_ack(ch, now, id);
		on_revoked(ag);
		return;
	case SOTTO_MSG_KEEPALIVE:
		break;
	default:
		sotto_chan_error(ch, now, id, SOTTO_REFUSAL_UNSUPPORTED, "");
		return;
	}
	sotto_chan_ack(ch, now, id);
}

static void add_live(struct session *s, void *arg)
{
	struct listing *l = arg;

	l->v[l->n].session_id = s->id;
	l->v[l->n].spi = s->spi_in;
	memcpy(l->v[l->n++].peer_key, s->peer_pub, SOTTO_PUB_LEN);
}

/*
 * What the kernel holds now. The count in HELLO and the list that follows must
 * agree, whatever happens to sessions meanwhile. The list before goes on until
 * that HELLO is answered: perhaps it never is.
 */
static void take_listing(struct agent *ag)
{
	struct listing *l = &ag->next_listing;

	free(l->v);
	memset(l, 0, sizeof(*l));
	randombytes_buf(&l->id, sizeof(l->id));
	l->id |= 1;	/* never 0 */
	l->v = calloc(session_count(ag) + 1, sizeof(*l->v));
	if (l->v)
		session_each(ag, add_live, l);
}

int request_hello(struct agent *ag, struct sotto_chan *ch, sotto_answer_fn fn)
{
	struct sotto_msg m = { .type = SOTTO_MSG_HELLO };

	take_listing(ag);
	policy_anew(ag);
	m.hello.instance = ag->kernel.instance;
	m.hello.listing = ag->next_listing.id;
	m.hello.live_count = ag->next_listing.n;
	m.hello.policy_version = ag->policy.kept.realm_version;
	m.hello.ciphers = ag->conf.ciphers;
	m.hello.data_port = ag->kernel.data_port;
	snprintf(m.hello.version, sizeof(m.hello.version), "%s", SOTTO_VERSION);
	assoc_local(ag->assoc.sock, &m.hello.local);
	return sotto_chan_request(ch, sotto_now_ms(), &m, HELLO_MS, fn, ag, NULL);
}

static void on_ack(void *arg, int err, const struct sotto_msg *m)
{
	(void)arg;
	if (!err && m->type == SOTTO_MSG_ERROR)
		sotto_warn("the server does not take a report: %s",
			   m->error.text[0] ? m->error.text :
			   sotto_refusal_text(m->error.reason));
}

static void on_live_ack(void *arg, int err, const struct sotto_msg *m)
{
	struct agent *ag = arg;

	on_ack(arg, err, m);
	ag->live_out--;
	/* of an association that is gone, or will be: the next one lists anew */
	if (err == SOTTO_E_TIMEOUT) {
		assoc_doubt(ag);
	} else if (err != SOTTO_E_CLOSED) {
		report_more(ag);
		report_untold(ag);
	}
}

/* A few messages at a time, in order. */
void report_more(struct agent *ag)
{
	struct listing *l = &ag->listing;

	while (assoc_channel(ag) && l->sent < l->n && ag->live_out < LISTING_IN_FLIGHT) {
		struct sotto_msg m = { .type = SOTTO_MSG_LIVE };
		size_t n = l->n - l->sent;

		m.live.listing = l->id;
		m.live.live.n = n < SOTTO_LIVE_MAX ? n : SOTTO_LIVE_MAX;
		memcpy(m.live.live.l, l->v + l->sent, m.live.live.n * sizeof(*l->v));
		if (sotto_chan_request(assoc_channel(ag), sotto_now_ms(), &m, 0,
				       on_live_ack, ag, NULL)) {
			sotto_warn("cannot report live sessions: too much is unanswered");
			return;
		}
		l->sent += m.live.live.n;
		ag->live_out++;
	}
	assoc_kick(ag);
}

void report_dropped(struct agent *ag)
{
	for (size_t i = 0; i < ag->next_listing.n; i++)
		ag->next_listing.v[i].session_id = 0;
}

void report_live(struct agent *ag)
{
	free(ag->listing.v);
	ag->listing = ag->next_listing;
	memset(&ag->next_listing, 0, sizeof(ag->next_listing));
	report_more(ag);
}

void report_free(struct agent *ag)
{
	free(ag->listing.v);
	free(ag->next_listing.v);
}

void request_policy(struct agent *ag)
{
	struct sotto_msg m = { .type = SOTTO_MSG_POLICY_GET };

	policy_anew(ag);
	if (assoc_channel(ag))
		sotto_chan_request(assoc_channel(ag), sotto_now_ms(), &m, 0, on_ack, ag, NULL);
}

static bool may_report_spi(struct agent *ag, uint64_t now)
{
	/* the time at which all that was reported would have been permitted */
	if (ag->spi_report_ms < now)
		ag->spi_report_ms = now;
	if (ag->spi_report_ms - now > (SPI_REPORT_BURST - 1) * SPI_REPORT_MS) {
		ag->counters[COUNT_SPI_REPORTS_LEFT_OUT]++;
		return false;
	}
	ag->spi_report_ms += SPI_REPORT_MS;
	return true;
}

void report_spi_unknown(struct agent *ag, uint32_t spi, const struct sotto_addr *src)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SPI_UNKNOWN };
	struct sotto_chan *ch = assoc_channel(ag);
	uint64_t now = sotto_now_ms();

	if (!ch || ag->assoc.down_ms || spi < SOTTO_SPI_MIN || !src->len ||
	    !may_report_spi(ag, now))
		return;
	m.spi_unknown.spi = spi;
	m.spi_unknown.src = *src;
	sotto_chan_request(ch, now, &m, 0, on_ack, ag, NULL);
	assoc_kick(ag);
}

/* What the server does not know would stay at the other end: the next list tells it. */
static void on_closed_ack(void *arg, int err, const struct sotto_msg *m)
{
	on_ack(arg, err, m);
	if (err == SOTTO_E_TIMEOUT)
		assoc_doubt(arg);
}

/* Those in front that ended for one reason, as many as one message takes. */
static unsigned int fill_close(const struct untold *u, struct sotto_msg_session_ids *m)
{
	unsigned int n = 0;

	m->reason = u->v[0].why;
	for (; n < u->n && n < SOTTO_IDS_MAX && u->v[n].why == m->reason; n++)
		m->ids.id[n] = u->v[n].id;
	m->ids.n = n;
	return n;
}

/* A server that is new would take over what is listed after it was closed. */
static bool is_listing(const struct agent *ag)
{
	return ag->assoc.state == ASSOC_HELLO || ag->live_out ||
	       ag->listing.sent < ag->listing.n;
}

void report_untold(struct agent *ag)
{
	struct sotto_chan *ch = assoc_channel(ag);
	struct untold *u = &ag->untold;

	while (ch && !ag->assoc.down_ms && u->n && !is_listing(ag)) {
		struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CLOSE };
		unsigned int n = fill_close(u, &m.ids);

		if (sotto_chan_request(ch, sotto_now_ms(), &m, 0, on_closed_ack, ag, NULL))
			break;
		u->n -= n;
		memmove(u->v, u->v + n, u->n * sizeof(*u->v));
	}
	u->retry_ms = sotto_now_ms() + UNTOLD_RETRY_MS;
	assoc_kick(ag);
}

/* They wait while too much is unanswered. */
static void add_untold(struct agent *ag, uint64_t session, enum sotto_refusal why)
{
	struct untold *u = &ag->untold;

	if (u->n == UNTOLD_MAX)
		report_untold(ag);
	if (u->n == UNTOLD_MAX) {
		ag->counters[COUNT_ENDS_LEFT_OUT]++;
		assoc_doubt(ag);	/* the next list tells it */
		return;
	}
	u->v[u->n].id = session;
	u->v[u->n++].why = why;
}

/* Without an association the next list of live sessions tells it, if that is not made yet. */
static bool is_told_by_list(struct agent *ag)
{
	return (!assoc_channel(ag) || ag->assoc.down_ms) && ag->assoc.state != ASSOC_HELLO;
}

void report_closed(struct agent *ag, uint64_t session, enum sotto_refusal why)
{
	if (is_told_by_list(ag))
		return;
	add_untold(ag, session, why);
	report_untold(ag);
}

void report_vanished(struct agent *ag, const uint64_t *ids, unsigned int n)
{
	if (is_told_by_list(ag))
		return;
	for (unsigned int i = 0; i < n; i++)
		add_untold(ag, ids[i], SOTTO_REFUSAL_CLOSED);
	report_untold(ag);
}

unsigned int report_closed_part(struct agent *ag, const uint64_t *ids, unsigned int n,
				sotto_answer_fn fn)
{
	struct sotto_chan *ch = assoc_channel(ag);
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CLOSE };

	if (!ch || is_listing(ag))
		return 0;
	if (n > SOTTO_IDS_MAX)
		n = SOTTO_IDS_MAX;
	m.ids.reason = SOTTO_REFUSAL_CLOSED;
	m.ids.ids.n = n;
	memcpy(m.ids.ids.id, ids, n * sizeof(*ids));
	return sotto_chan_request(ch, sotto_now_ms(), &m, 0, fn, ag, NULL) ? 0 : n;
}
