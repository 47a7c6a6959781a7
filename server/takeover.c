// SPDX-License-Identifier: GPL-2.0
/*
 * Gateways that stand in for each other.
 *
 * Who has a session with a gateway that is away asks for another one when that session
 * ends. So it ends once another one leads to the same network, whichever comes first: that
 * one goes, or this one comes. One that may return (its agent was restarted, or the server)
 * is waited for: what its kernel holds goes on.
 */
#include "rules.h"
#include "session.h"

static void wait_until(struct authd *ad, uint64_t ms)
{
	if (!ad->takeover.prev || ms < ad->takeover.at_ms)
		wheel_set(&ad->wheel, &ad->takeover, ms);
}

static void left(struct authd *ad, struct member *m)
{
	uint64_t until = session_returns_until(ad, m);
	struct session_link *l;

	if (until > ad->now_ms) {
		wait_until(ad, until);
		return;
	}
	sotto_notice("gateway %s is gone: %u sessions move to another", m->name,
		     m->sessions_n);
	while ((l = m->sessions))
		session_end_both(l->session, SOTTO_REFUSAL_PEER_OFFLINE);
}

/* How many routes, which are sorted, are to the network of the one at @at; @here: one of them is
 * of somebody who is here.
 */
static uint32_t network(const struct rules *rs, uint32_t at, bool *here)
{
	uint32_t i;

	*here = false;
	for (i = at; i < rs->routes_n &&
	     !prefix_cmp(&rs->routes[i].prefix, &rs->routes[at].prefix); i++)
		*here = *here || member_is_here(rs->routes[i].member);
	return i - at;
}

static void look(struct authd *ad, const struct route_item *r, uint32_t n)
{
	for (; n--; r++)
		if (r->member->sessions && !member_is_here(r->member))
			left(ad, r->member);
}

void takeover_look(struct authd *ad)
{
	const struct rules *rs = ad->rules;
	uint32_t at, n;
	bool here;

	for (at = 0; at < rs->routes_n; at += n) {
		n = network(rs, at, &here);
		if (here)
			look(ad, &rs->routes[at], n);
	}
}

static bool leads(const struct member *m, const struct sotto_prefix *net)
{
	int i;

	for (i = 0; m->routes && i < m->routes->n; i++)
		if (!prefix_cmp(&m->routes->p[i], net))
			return true;
	return false;
}

bool takeover_happened(struct authd *ad, const struct member *m)
{
	const struct rules *rs = ad->rules;
	uint32_t i;

	if (!m->routes || member_is_here(m) || session_may_return(ad, m))
		return false;
	for (i = 0; i < rs->routes_n; i++)
		if (member_is_here(rs->routes[i].member) &&
		    leads(m, &rs->routes[i].prefix))
			return true;
	return false;
}

static void on_timer(struct wheel_timer *t)
{
	struct authd *ad = container_of(t, struct authd, takeover);

	ad->now_ms = sotto_now_ms();
	takeover_look(ad);
}

void takeover_setup(struct authd *ad)
{
	ad->takeover.fn = on_timer;
	wait_until(ad, ad->started_ms + AUTHD_RETURN_MS);
}
