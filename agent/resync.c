// SPDX-License-Identifier: GPL-2.0
/*
 * Taking stock: the kernel's dump says which sessions there are. After a start
 * it is all that is known; after lost events it is what counts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "agent.h"
#include "requests.h"

static void take_addrs(struct session *s, const struct sgenl_sa *sa)
{
	s->peer_addrs.n = sa->n_peer_addrs;
	memcpy(s->peer_addrs.a, sa->peer_addrs, sizeof(s->peer_addrs.a));
	if (!s->dst.len && sa->n_peer_addrs)
		s->dst = sa->peer_addrs[0];
}

static void take_routes(struct session *s, const struct sgenl_sa *sa)
{
	unsigned int n = sa->n_peer_prefixes;

	if (n > SOTTO_ROUTES_MAX)
		n = SOTTO_ROUTES_MAX;
	s->peer_routes.n = n;
	memcpy(s->peer_routes.p, sa->peer_prefixes, n * sizeof(s->peer_routes.p[0]));
}

static void take_peer(struct agent *ag, struct session *s, const struct sgenl_sa *sa)
{
	memcpy(s->peer, sa->peer, sizeof(s->peer));
	peers_key(&ag->peers, s->peer, s->peer_pub);
}

static struct session *adopt(struct agent *ag, const struct sgenl_sa *sa)
{
	struct session *s = session_new(ag, sa->session);

	if (!s)
		return NULL;
	s->since_ms -= sa->age_ms < s->since_ms ? sa->age_ms : s->since_ms;
	s->cipher = sa->cipher;
	s->nat |= sa->nat;
	take_peer(ag, s, sa);
	take_addrs(s, sa);
	return s;
}

/* The kernel says it once, and perhaps there was nobody to hear. */
static bool past_soft(const struct sgenl_sa *sa)
{
	return (sa->soft_seconds && sa->age_ms / 1000 >= sa->soft_seconds) ||
	       (sa->soft_packets && sa->packets >= sa->soft_packets) ||
	       (sa->soft_bytes && sa->bytes >= sa->soft_bytes);
}

static void take_sa(struct agent *ag, const struct sgenl_sa *sa)
{
	struct session *s = session_find(ag, sa->session);

	if (!s)
		s = adopt(ag, sa);
	if (!s)
		return;
	s->seen = true;
	s->past_soft |= past_soft(sa);
	if (sa->dir == SOTTO_SA_OUT) {
		s->spi_out = sa->spi;
		return;
	}
	s->spi_in = sa->spi;
	take_routes(s, sa);
	if (sa->confirmed && !s->confirmed)
		session_confirmed(ag, s->id);
}

static void forget_seen(struct session *s, void *arg)
{
	(void)arg;
	s->seen = false;
	s->past_soft = false;
	s->spi_out = 0;
}

static void go_on(struct session *s, void *arg)
{
	(void)arg;
	/* the way out is another's already: an overlap that a restart cut short */
	if (!s->spi_out)
		session_retire(s);
	else if (s->past_soft && s->confirmed)
		session_soft(s->ag, s->id);
}

/* Entries without an SA in the dump, collected: the table must not change. */
struct vanished {
	uint64_t *ids;
	unsigned int n;
};

static void collect_vanished(struct session *s, void *arg)
{
	struct vanished *v = arg;

	if (!s->seen)
		v->ids[v->n++] = s->id;
}

static void drop_vanished(struct agent *ag)
{
	struct vanished v = { .ids = calloc(ag->sessions.n + 1, sizeof(uint64_t)) };

	if (!v.ids)
		return;	/* entries too many do no harm until the next time */
	session_each(ag, collect_vanished, &v);
	for (unsigned int i = 0; i < v.n; i++)
		session_free(session_find(ag, v.ids[i]));
	if (v.n)
		sotto_info("%u sessions are gone from the kernel", v.n);
	report_vanished(ag, v.ids, v.n);
	free(v.ids);
}

void session_resync(struct agent *ag, const struct sgenl_sa *v, size_t n)
{
	session_each(ag, forget_seen, NULL);
	for (size_t i = 0; i < n; i++)
		if (v[i].session)
			take_sa(ag, &v[i]);
	drop_vanished(ag);
	session_each(ag, go_on, NULL);
	sotto_debug("the kernel holds %u sessions", session_count(ag));
}
