// SPDX-License-Identifier: GPL-2.0
/*
 * Gateways that stand in for each other.
 *
 * Who has a session with a gateway that is away asks for another one when that session
 * ends. So it ends once another one leads to the same network, whichever comes first: that
 * one goes, or this one comes. Its packets wait for the new keys, so that nothing is lost
 * even if the first one was to return in a moment. Only after the server's start those who
 * have not come yet are waited for: what their kernels hold goes on.
 */
#include "recheck.h"
#include "session.h"

static bool is_away(const struct authd *ad, const struct member *m)
{
	return !member_is_here(m) &&
	       (m->live_state != LIVE_UNKNOWN ||
		ad->now_ms - ad->started_ms >= AUTHD_RETURN_MS);
}

/* There may be thousands, which end in turns. */
static void left(struct authd *ad, struct member *m)
{
	if (m->state == MEMBER_REVOKED || m->queued)
		return;
	sotto_notice("gateway %s is gone: %u sessions move to another", m->name,
		     m->sessions_n);
	recheck_member(ad, m);
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
		if (r->member->sessions && is_away(ad, r->member))
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

	if (!m->routes || !is_away(ad, m))
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
	wheel_set(&ad->wheel, &ad->takeover, ad->started_ms + AUTHD_RETURN_MS);
}
