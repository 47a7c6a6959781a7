// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: how they are found, and the life of each.
 *
 * Documentation/state-tables.md has the states and events as a table. A's request is
 * session_request.c, B's part session_offer.c; what ends them is session_end.c.
 */

#include "session.h"
#include "unplaced.h"

uint64_t pair_hash(struct authd *ad, const struct member *x,
		   const struct member *y)
{
	bool ordered = x->id < y->id;

	return htab_hash_own(&ad->pairs, ordered ? x->id : y->id, ordered ? y->id : x->id);
}

bool session_is_pair(const struct session *s, const struct member *x,
		    const struct member *y)
{
	return (s->a == x && s->b == y) || (s->a == y && s->b == x);
}

struct session *session_by_id(struct authd *ad, uint64_t id)
{
	uint64_t hash = htab_hash(&ad->sessions, &id, sizeof(id));
	struct hnode *n;

	htab_for_hash(&ad->sessions, n, hash) {
		struct session *s = container_of(n, struct session, by_id);

		if (s->id == id)
			return s;
	}
	return NULL;
}

struct member *session_peer(const struct session *s, const struct member *m)
{
	return s->a == m ? s->b : s->a;
}

const char *session_state_name(const struct session *s)
{
	return s->state == SESSION_OFFERED ? "offered" : "live";
}

static void link_to(struct session_link *l, struct session *s, struct member *m)
{
	l->session = s;
	l->next = m->sessions;
	l->prev = &m->sessions;
	if (l->next)
		l->next->prev = &l->next;
	m->sessions = l;
	m->sessions_n++;
}

static void unlink_from(struct session_link *l, struct member *m)
{
	struct recheck *rc = &l->session->ad->recheck;

	if (rc->at == l)
		rc->at = l->next;
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	m->sessions_n--;
}

/* With the seed in it. */
void session_forget_offer(struct mediation *md)
{
	if (md->grant)
		sotto_wipe(md->grant, md->len);
	if (md->grant != md->room)
		pools_put(&md->session->ad->pools, md->grant, md->len);
	md->grant = NULL;
}

/* What could be granted again. */
static void forget_grant(struct session *s)
{
	struct mediation *md = s->mediation;

	if (!md)
		return;
	htab_del(&s->ad->asked, &md->by_request);
	if (md->offer)
		md->offer->session = NULL;
	session_forget_offer(md);
	pool_put(&s->ad->mediation_pool, md);
	s->mediation = NULL;
}

/* Its ends count by a clock that does not jump, and so do we: who is forgotten too
 * early is not told when the other one is revoked.
 */
static uint64_t hard_ms(const struct session *s)
{
	uint64_t begin = s->made_ms ? s->made_ms : s->linked_ms;

	return begin + (s->ad->conf.life.hard_s + 1) * 1000ull;
}

static void on_timer(struct wheel_timer *t)
{
	struct session *s = container_of(t, struct session, timer);

	if (s->state == SESSION_OFFERED) {
		session_fail(s, SOTTO_REFUSAL_PEER_OFFLINE);
		return;
	}
	forget_grant(s);
	if (hard_ms(s) <= sotto_now_ms())
		session_free(s);
	else
		wheel_set(&s->ad->wheel, t, hard_ms(s));
}

static void put_by_id(struct session *s, uint64_t id)
{
	s->id = id;
	htab_add(&s->ad->sessions, &s->by_id,
		 htab_hash(&s->ad->sessions, &id, sizeof(id)));
}

struct session *session_new(struct authd *ad, struct member *a,
			    struct member *b, uint64_t id)
{
	struct session *s = pool_get(&ad->session_pool);

	if (!s)
		return NULL;
	s->ad = ad;
	s->a = a;
	s->b = b;
	s->linked_ms = ad->now_ms;
	s->made = authd_wall();
	s->timer.fn = on_timer;
	link_to(&s->link_a, s, a);
	link_to(&s->link_b, s, b);
	put_by_id(s, id);
	htab_add(&ad->pairs, &s->by_pair, pair_hash(ad, a, b));
	ad->sessions_n++;
	return s;
}

void session_not_pending(struct session *s)
{
	s->a->asked_n--;
	s->b->offered_n--;
	s->ad->pending_n--;
}

void session_free(struct session *s)
{
	struct authd *ad = s->ad;

	if (s->state == SESSION_OFFERED)
		session_not_pending(s);
	wheel_del(&ad->wheel, &s->timer);
	unlink_from(&s->link_a, s->a);
	unlink_from(&s->link_b, s->b);
	htab_del(&ad->sessions, &s->by_id);
	htab_del(&ad->pairs, &s->by_pair);
	ad->sessions_n--;
	forget_grant(s);
	sotto_wipe(s, sizeof(*s));
	pool_put(&ad->session_pool, s);
}

/* Drawn one ahead, so that the table's place for it is there when it is needed. */
uint64_t session_draw_id(struct authd *ad)
{
	uint64_t id;

	do {
		id = ad->next_id;
		randombytes_buf(&ad->next_id, sizeof(ad->next_id));
	} while (!id || session_by_id(ad, id));
	htab_fetch(&ad->sessions, htab_hash(&ad->sessions, &ad->next_id,
					    sizeof(ad->next_id)));
	return id;
}

void session_renumber(struct session *s)
{
	uint64_t id = session_draw_id(s->ad);

	htab_del(&s->ad->sessions, &s->by_id);
	put_by_id(s, id);
}

int session_setup(struct authd *ad)
{
	pools_init(&ad->pools);
	pool_init(&ad->session_pool, sizeof(struct session));
	pool_init(&ad->mediation_pool, sizeof(struct mediation));
	takeover_setup(ad);
	return htab_init(&ad->sessions) || htab_init(&ad->pairs) ||
	       htab_init(&ad->asked) ? SOTTO_E_NOMEM : unplaced_setup(ad);
}

void session_teardown(struct authd *ad)
{
	struct hnode *n;
	size_t i = 0;

	htab_settle(&ad->sessions);
	while ((n = htab_any(&ad->sessions, &i)))
		session_free(container_of(n, struct session, by_id));
	htab_free(&ad->sessions);
	htab_free(&ad->pairs);
	htab_free(&ad->asked);
	unplaced_teardown(ad);
	session_gone_forget(ad);
	pool_free(&ad->session_pool);
	pool_free(&ad->mediation_pool);
	pools_free(&ad->pools);
}
