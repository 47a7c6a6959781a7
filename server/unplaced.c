// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions that one end lists with a key that nobody has: those of a server that is no
 * more, with a member that has got new keys since, or was another one's. Whose the other
 * end is shows when that one lists it, too; if none does in time, it is taken back.
 */
#include <stdlib.h>

#include "session.h"
#include "unplaced.h"

struct unplaced {
	struct authd *ad;
	struct hnode by_id;
	struct wheel_timer timer;
	struct member *m;
	uint64_t id, listing;
};

static uint64_t hash_id(struct authd *ad, uint64_t id)
{
	return htab_hash(&ad->unplaced, &id, sizeof(id));
}

static struct unplaced *find(struct authd *ad, uint64_t id)
{
	struct hnode *n;

	htab_for_hash(&ad->unplaced, n, hash_id(ad, id)) {
		struct unplaced *u = container_of(n, struct unplaced, by_id);

		if (u->id == id)
			return u;
	}
	return NULL;
}

static void forget(struct unplaced *u)
{
	htab_del(&u->ad->unplaced, &u->by_id);
	wheel_del(&u->ad->wheel, &u->timer);
	free(u);
}

static void on_timer(struct wheel_timer *t)
{
	struct unplaced *u = container_of(t, struct unplaced, timer);

	session_tell_gone(u->ad, u->m, u->id, SOTTO_REFUSAL_REVOKED);
	forget(u);
}

bool unplaced_keep(struct authd *ad, struct member *m, uint64_t id)
{
	struct unplaced *u = find(ad, id);

	if (!u && ad->unplaced.n >= AUTHD_UNPLACED_MAX)
		ad->stats.unplaced_full++;
	else if (!u)
		u = calloc(1, sizeof(*u));
	if (!u || (u->m && u->m != m))
		return false;
	u->listing = m->listing;
	if (u->m)
		return true;
	u->ad = ad;
	u->m = m;
	u->id = id;
	u->timer.fn = on_timer;
	htab_add(&ad->unplaced, &u->by_id, hash_id(ad, id));
	wheel_set(&ad->wheel, &u->timer, ad->now_ms + AUTHD_UNPLACED_MS);
	return true;
}

struct member *unplaced_other(struct authd *ad, const struct member *m, uint64_t id)
{
	const struct unplaced *u = find(ad, id);

	return u && u->m != m && u->listing == u->m->listing ? u->m : NULL;
}

void unplaced_forget(struct authd *ad, const struct member *m, uint64_t id)
{
	struct unplaced *u = find(ad, id);

	if (u && u->m == m)
		forget(u);
}

int unplaced_setup(struct authd *ad)
{
	return htab_init(&ad->unplaced) ? SOTTO_E_NOMEM : 0;
}

void unplaced_teardown(struct authd *ad)
{
	struct hnode *n;
	size_t i = 0;

	htab_settle(&ad->unplaced);
	while ((n = htab_any(&ad->unplaced, &i)))
		forget(container_of(n, struct unplaced, by_id));
	htab_free(&ad->unplaced);
}
