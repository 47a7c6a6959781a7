// SPDX-License-Identifier: GPL-2.0
/*
 * The sessions that this host's kernel holds, until they end.
 */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "ask.h"
#include "requests.h"
#include "routes.h"

static struct session **bucket(struct agent *ag, uint64_t id)
{
	/* ids are the server's random numbers, but it need not be honest */
	uint64_t h = id * 0x9e3779b97f4a7c15ull;

	return &ag->sessions.buckets[h >> 54 & (SESSION_BUCKETS - 1)];
}

struct session *session_find(struct agent *ag, uint64_t id)
{
	struct session *s = *bucket(ag, id);

	while (s && s->id != id)
		s = s->next;
	return s;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents);

struct session *session_new(struct agent *ag, uint64_t id)
{
	struct session **head = bucket(ag, id);
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ag = ag;
	s->id = id;
	s->since_ms = sotto_now_ms();
	s->rekey_wait_ms = SESSION_REKEY_FIRST_MS;
	ev_init(&s->timer, on_timer);
	s->timer.data = s;
	s->next = *head;
	*head = s;
	ag->sessions.n++;
	s->fresh_next = ag->sessions.fresh;
	ag->sessions.fresh = s;
	ag->sessions.n_fresh++;
	return s;
}

/* No longer fresh: confirmed, or gone. */
static void leave_fresh(struct session *s)
{
	struct session **at = &s->ag->sessions.fresh;

	while (*at && *at != s)
		at = &(*at)->fresh_next;
	if (!*at)
		return;
	*at = s->fresh_next;
	s->ag->sessions.n_fresh--;
}

void session_free(struct session *s)
{
	struct session **at = bucket(s->ag, s->id);
	struct sotto_prefixes routes = s->peer_routes;
	struct agent *ag = s->ag;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	ag->sessions.n--;
	leave_fresh(s);
	ev_timer_stop(ag->loop, &s->timer);
	free(s);
	routes_gone(ag, &routes);
}

void sessions_free(struct agent *ag)
{
	for (int i = 0; i < SESSION_BUCKETS; i++)
		while (ag->sessions.buckets[i]) {
			/* the kernel's policy stays as it is, too */
			ag->sessions.buckets[i]->peer_routes.n = 0;
			session_free(ag->sessions.buckets[i]);
		}
}

unsigned int session_count(const struct agent *ag)
{
	return ag->sessions.n;
}

void session_each(struct agent *ag, void (*fn)(struct session *s, void *arg),
		  void *arg)
{
	for (int i = 0; i < SESSION_BUCKETS; i++)
		for (struct session *s = ag->sessions.buckets[i]; s; s = s->next)
			fn(s, arg);
}

bool session_has_addr(const struct session *s, const struct sotto_addr *addr)
{
	for (unsigned int i = 0; i < s->peer_addrs.n; i++)
		if (sotto_addr_eq(&s->peer_addrs.a[i], addr))
			return true;
	return false;
}

bool session_covers(const struct session *s, const struct sotto_addr *addr)
{
	return session_has_addr(s, addr) || routes_cover(&s->peer_routes, addr);
}

bool session_fresh(struct agent *ag, const struct sotto_addr *addr, uint32_t ms)
{
	uint64_t now = sotto_now_ms();

	for (struct session *s = ag->sessions.fresh; s; s = s->fresh_next)
		if (now - s->since_ms < ms && session_covers(s, addr))
			return true;
	return false;
}

unsigned int session_fresh_with(struct agent *ag, const char *name)
{
	unsigned int n = 0;

	for (struct session *s = ag->sessions.fresh; s; s = s->fresh_next)
		n += !strcmp(s->peer, name);
	return n;
}

/* Out of the kernel and out of the table. */
static void drop(struct session *s)
{
	int ret = sgenl_sa_del(s->ag->kernel.req, SGENL_SA_BY_SESSION, s->id);

	if (ret && ret != -ENOENT)
		sotto_err_log("peer %s: cannot delete session %016" PRIx64 ": %s", s->peer,
			      s->id, sgenl_error(s->ag->kernel.req));
	session_free(s);
}

static void start_timer(struct session *s, uint32_t ms)
{
	ev_timer_stop(s->ag->loop, &s->timer);
	ev_timer_set(&s->timer, ms / 1000.0, 0.0);
	ev_timer_start(s->ag->loop, &s->timer);
}

void session_retire(struct session *s)
{
	if (s->retired)
		return;
	s->retired = true;
	start_timer(s, SESSION_OVERLAP_MS);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct session *s = w->data;
	struct agent *ag = s->ag;
	uint64_t id = s->id;

	(void)loop;
	(void)revents;
	if (!s->retired) {
		session_soft(ag, id);
		return;
	}
	sotto_debug("peer %s: session %016" PRIx64 " retired", s->peer, id);
	drop(s);
	report_closed(ag, id, SOTTO_REFUSAL_CLOSED);
}

void session_confirmed(struct agent *ag, uint64_t id)
{
	struct session *s = session_find(ag, id);
	struct session *old;

	if (!s || s->confirmed)
		return;
	s->confirmed = true;
	leave_fresh(s);
	sotto_info("peer %s: session %016" PRIx64 " confirmed", s->peer, id);
	old = s->replaces ? session_find(ag, s->replaces) : NULL;
	if (old)
		session_retire(old);
}

void session_soft(struct agent *ag, uint64_t id)
{
	struct session *s = session_find(ag, id);

	/* each direction has its soft limit, and says so once; one try is enough */
	if (!s || s->retired || ev_is_active(&s->timer) || ask_rekeys(ag, id))
		return;
	/* the kernel counts whole seconds: many reach theirs together */
	if (!s->due) {
		s->due = true;
		start_timer(s, randombytes_uniform(SESSION_SPREAD_MS));
		return;
	}
	sotto_info("peer %s: session %016" PRIx64 " is to be replaced", s->peer, id);
	ask_rekey(ag, s);
}

static void replace_one(struct session *s, void *with_nat)
{
	if (s->nat || !*(bool *)with_nat)
		session_soft(s->ag, s->id);
}

void session_replace_all(struct agent *ag, bool with_nat)
{
	session_each(ag, replace_one, &with_nat);
}

void session_doubt(struct session *s)
{
	if (s->retired || s->doubted)
		return;
	sotto_warn("peer %s: session %016" PRIx64 " is older than a pin that forbids it; it is to be replaced",
		   s->peer, s->id);
	s->doubted = true;
	s->due = true;
	/* not at once: whoever calls this may be among the table's entries */
	start_timer(s, 0);
}

void session_rekey_done(struct session *s)
{
	if (s->doubted)
		session_retire(s);
}

void session_rekey_failed(struct session *s)
{
	if (s->retired)
		return;
	if (s->doubted) {
		session_lost(s->ag, s->id, SOTTO_REFUSAL_PIN);
		return;
	}
	start_timer(s, s->rekey_wait_ms);
	s->rekey_wait_ms *= 2;
	if (s->rekey_wait_ms > SESSION_REKEY_MAX_MS)
		s->rekey_wait_ms = SESSION_REKEY_MAX_MS;
}

void session_lost(struct agent *ag, uint64_t id, enum sotto_refusal why)
{
	struct session *s = session_find(ag, id);

	if (!s)
		return;
	if (!s->retired)
		sotto_info("peer %s: session %016" PRIx64 " ended: %s", s->peer, id,
			   sotto_refusal_text(why));
	/* one direction reached its limit: the other is of no use alone */
	drop(s);
	report_closed(ag, id, why);
}

void session_sa_deleted(struct agent *ag, uint64_t id, uint8_t dir)
{
	struct session *s = session_find(ag, id);

	if (!s)
		return;
	if (dir == SOTTO_SA_OUT) {
		/* the kernel uses another one now: let what is under way arrive */
		session_retire(s);
		return;
	}
	if (!s->confirmed)
		sotto_warn("peer %s: session %016" PRIx64 " was never used by the peer; dropped",
			   s->peer, id);
	session_lost(ag, id, SOTTO_REFUSAL_CLOSED);
}

void session_gone(struct agent *ag, uint64_t id, unsigned int reason)
{
	struct session *s = session_find(ag, id);

	if (!s) {
		if (ag->sessions.in_flight)	/* its grant comes, perhaps */
			ag->sessions.gone[ag->sessions.n_gone++ % GONE_MAX] = id;
		return;
	}
	/* one that is retired anyway is no news */
	sotto_log(s->retired ? SOTTO_LOG_DEBUG : SOTTO_LOG_NOTICE,
		  "peer %s: session %016" PRIx64 " ended by the server: %s", s->peer, id,
		  sotto_refusal_text(reason));
	drop(s);
}

bool session_was_gone(const struct agent *ag, uint64_t id)
{
	const struct sessions *all = &ag->sessions;

	for (unsigned int i = 0; i < all->n_gone && i < GONE_MAX; i++)
		if (all->gone[i] == id)
			return true;
	return false;
}

/* Sessions to be dropped, collected first: the table must not change meanwhile. */
struct doomed {
	const char *name;
	const uint8_t *pub;
	uint64_t *ids;
	unsigned int n;
};

static void collect_doomed(struct session *s, void *arg)
{
	struct doomed *d = arg;

	if (d->name && strcmp(s->peer, d->name) &&
	    memcmp(s->peer_pub, d->pub, SOTTO_PUB_LEN))
		return;
	d->ids[d->n++] = s->id;
}

static unsigned int drop_doomed(struct agent *ag, struct doomed *d)
{
	d->ids = calloc(ag->sessions.n + 1, sizeof(*d->ids));
	if (!d->ids) {
		/* better none at all than one too many */
		sotto_err_log("out of memory: all sessions are dropped");
		sgenl_tunnel_flush(ag->kernel.req);
		return 0;
	}
	session_each(ag, collect_doomed, d);
	for (unsigned int i = 0; i < d->n; i++)
		drop(session_find(ag, d->ids[i]));
	free(d->ids);
	return d->n;
}

unsigned int session_peer_gone(struct agent *ag, const char *name,
			       const uint8_t pub[SOTTO_PUB_LEN])
{
	struct doomed d = { .name = name, .pub = pub };

	return drop_doomed(ag, &d);
}

void session_shun(struct agent *ag, const uint8_t pub[SOTTO_PUB_LEN])
{
	if (ag->sessions.n_shunned >= SHUNNED_MAX)
		ag->counters[COUNT_REVOKED_FORGOTTEN]++;
	memcpy(ag->sessions.shunned[ag->sessions.n_shunned++ % SHUNNED_MAX], pub,
	       SOTTO_PUB_LEN);
}

bool session_shunned(const struct agent *ag, const uint8_t pub[SOTTO_PUB_LEN])
{
	const struct sessions *all = &ag->sessions;

	for (unsigned int i = 0; i < all->n_shunned && i < SHUNNED_MAX; i++)
		if (!memcmp(all->shunned[i], pub, SOTTO_PUB_LEN))
			return true;
	return false;
}

void session_drop_all(struct agent *ag)
{
	struct doomed d = { 0 };

	drop_doomed(ag, &d);
}
