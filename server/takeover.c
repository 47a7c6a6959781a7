// SPDX-License-Identifier: GPL-2.0
/*
 * Gateways that stand in for each other.
 *
 * Who has a session with a gateway that is away asks for another one when that session
 * ends. So it ends once another one leads to the same network, whichever comes first: that
 * one goes, or this one comes. One that may return (its agent was restarted, or the server)
 * is waited for: what its kernel holds goes on.
 */
#include "recheck.h"
#include "session.h"

static void wait_until(struct authd *ad, uint64_t ms)
{
	if (!ad->takeover.prev || ms < ad->takeover.at_ms)
		wheel_set(&ad->wheel, &ad->takeover, ms);
}

static void left(struct authd *ad, struct member *m)
{
	uint64_t until = session_returns_until(ad, m);

	if (until > ad->now_ms) {
		wait_until(ad, until);
		return;
	}
	/* there may be thousands, which end in turns */
	if (m->state == MEMBER_REVOKED || m->queued)
		return;
	sotto_notice("gateway %s is gone: %u sessions move to another", m->name,
		     m->sessions_n);
	recheck_member(ad, m);
}

/* How many there are of the network of @r, which are sorted; @here: one leads there now. */
static uint32_t network(const struct route_item *r, uint32_t n, bool *here)
{
	uint32_t i;

	*here = false;
	for (i = 0; i < n && !prefix_cmp(&r[i].prefix, &r->prefix); i++)
		*here = *here || member_is_here(r[i].member);
	return i;
}

void takeover_look(struct authd *ad)
{
	const struct rules *rs = ad->rules;
	const struct route_item *r = rs->routes, *end = rs->routes_n ? r + rs->routes_n : r;
	uint32_t n;
	bool here;

	for (; r < end; r += n) {
		n = network(r, end - r, &here);
		for (uint32_t i = 0; here && i < n; i++)
			if (r[i].member->sessions && !member_is_here(r[i].member))
				left(ad, r[i].member);
	}
}

bool takeover_happened(struct authd *ad, const struct member *m)
{
	const struct rules *rs = ad->rules;
	const struct route_item *r = rs->routes, *end = rs->routes_n ? r + rs->routes_n : r;
	uint32_t n;
	bool here;

	if (!m->routes || member_is_here(m) || session_may_return(ad, m))
		return false;
	for (; r < end; r += n) {
		n = network(r, end - r, &here);
		for (uint32_t i = 0; here && i < n; i++)
			if (r[i].member == m)
				return true;
	}
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
