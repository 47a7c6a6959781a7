// SPDX-License-Identifier: GPL-2.0
/*
 * What members are told to do with packets to a network: the configured lines
 * (for all, or for a group), the networks behind gateways, and (unless the
 * configuration says otherwise) every member's addresses.
 *
 * A member who holds a version gets what changed since for it (a delta); others
 * get a view, which members of the same groups share, and then the delta to it.
 * Whom a change does not concern is not told.
 *
 * A revoked member's addresses and networks stay protected until they are given
 * to another: traffic to them must not begin to flow in the clear.
 */
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "recheck.h"

struct policy_item {
	struct sotto_policy_entry e;
	const struct member *via;
};

struct policy_view {		/* shared by those it is sent to */
	unsigned int refs;
	uint64_t version, base;	/* base 0: all of it */
	uint32_t n, cap, parts_n;
	struct policy_item *items;
	uint32_t *parts;	/* where each begins */
	uint32_t *groups;	/* whom it is for, as in struct member */
	int64_t gateway;
	struct policy_view *next;
};

bool policy_permits(struct authd *ad, const struct member *a,
		    const struct member *b)
{
	struct sotto_prefixes nets;

	if (rules_judge(ad, a, b).allow)
		return true;
	/* those who may reach what is behind a gateway reach it, and it them */
	rules_networks(ad, a, b, &nets);
	if (!nets.n)
		rules_networks(ad, b, a, &nets);
	return nets.n;
}

/* ---- what holds for one member and one network ---- */

static bool same_prefix(const struct sotto_prefix *a,
			const struct sotto_prefix *b)
{
	return a->plen == b->plen && sotto_addr_eq(&a->addr, &b->addr);
}

/* The strictest of a member's groups counts. */
static int strictness(int action)
{
	static const int order[] = {
		[SOTTO_ACTION_BYPASS] = 0,
		[SOTTO_ACTION_PREFER] = 1,
		[SOTTO_ACTION_PROTECT] = 2,
		[SOTTO_ACTION_BLOCK] = 3,
	};

	return action < 0 ? -1 : order[action];
}

/* The first item at or behind @p of a sorted list; each begins with its prefix. */
static uint32_t lower_bound(const void *list, uint32_t n, size_t size,
			    const struct sotto_prefix *p)
{
	uint32_t low = 0;

	while (low < n) {
		uint32_t mid = low + (n - low) / 2;

		if (prefix_cmp((const void *)((const char *)list + mid * size),
			       p) < 0)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

_Static_assert(offsetof(struct net_item, prefix) == 0 &&
	       offsetof(struct route_item, prefix) == 0, "lower_bound()");

static int configured(const struct rules *rs, const struct member *m,
		      const struct sotto_prefix *p)
{
	uint32_t i = lower_bound(rs->nets, rs->nets_n, sizeof(*rs->nets), p);
	int all = -1, group = -1;

	for (; i < rs->nets_n && same_prefix(&rs->nets[i].prefix, p); i++) {
		const struct net_item *n = &rs->nets[i];

		if (!n->grp)
			all = n->action;
		else if (rules_in_group(m, n->grp) &&
			 strictness(n->action) > strictness(group))
			group = n->action;
	}
	return group >= 0 ? group : all;
}

/* A gateway does not protect what is behind it. */
static int routed(const struct rules *rs, const struct member *m,
		  const struct sotto_prefix *p, const struct member **via)
{
	uint32_t i = lower_bound(rs->routes, rs->routes_n, sizeof(*rs->routes),
				 p);
	int action = -1;

	for (; i < rs->routes_n && same_prefix(&rs->routes[i].prefix, p); i++) {
		if (rs->routes[i].member == m)
			return SOTTO_ACTION_BYPASS;
		if (!*via && rs->routes[i].member->state == MEMBER_ACTIVE)
			*via = rs->routes[i].member;
		action = SOTTO_ACTION_PROTECT;
	}
	return action;
}

static int addressed(struct authd *ad, const struct sotto_prefix *p)
{
	const struct member *m;

	if (!ad->conf.protect_members || p->plen != p->addr.len * 8)
		return -1;
	m = member_by_addr(ad, &p->addr);
	return m && m->registered ? SOTTO_ACTION_PROTECT : -1;
}

/* -1: nothing is said. */
static int effective(struct authd *ad, const struct member *m,
		     const struct sotto_prefix *p, const struct member **via)
{
	int route, action;

	*via = NULL;
	route = routed(ad->rules, m, p, via);
	if (route == SOTTO_ACTION_BYPASS)
		return route;
	action = configured(ad->rules, m, p);
	if (action >= 0) {
		if (action != SOTTO_ACTION_PROTECT)
			*via = NULL;
		return action;
	}
	return route >= 0 ? route : addressed(ad, p);
}

/* ---- views ---- */

static void view_put(struct policy_view *v)
{
	if (!v || --v->refs)
		return;
	free(v->items);
	free(v->parts);
	free(v->groups);
	free(v);
}

static int view_add(struct policy_view *v, const struct sotto_prefix *p)
{
	if (v->n == v->cap) {
		uint32_t cap = v->cap ? v->cap * 2 : 64;
		void *items = realloc(v->items, cap * sizeof(*v->items));

		if (!items)
			return SOTTO_E_NOMEM;
		v->items = items;
		v->cap = cap;
	}
	memset(&v->items[v->n], 0, sizeof(*v->items));
	v->items[v->n++].e.prefix = *p;
	return 0;
}

static int by_prefix(const void *x, const void *y)
{
	const struct policy_item *a = x, *b = y;

	return prefix_cmp(&a->e.prefix, &b->e.prefix);
}

/* From prefixes to what holds for @m; in a delta, what does not is removed. */
static void decide(struct authd *ad, const struct member *m,
		   struct policy_view *v)
{
	uint32_t i, n = 0;

	if (v->n)
		qsort(v->items, v->n, sizeof(*v->items), by_prefix);
	for (i = 0; i < v->n; i++) {
		struct policy_item it = v->items[i];
		int action;

		if (n && same_prefix(&v->items[n - 1].e.prefix, &it.e.prefix))
			continue;
		action = effective(ad, m, &it.e.prefix, &it.via);
		if (action < 0 && !v->base)
			continue;
		it.e.action = action < 0 ? SOTTO_POLICY_REMOVE : action;
		v->items[n++] = it;
	}
	v->n = n;
}

/* A part ends where a message is full. */
static int divide(struct policy_view *v)
{
	uint32_t i, in_part = 0, vias = 0;

	v->parts = malloc((v->n + 1) * sizeof(*v->parts));
	if (!v->parts)
		return SOTTO_E_NOMEM;
	v->parts[v->parts_n++] = 0;
	for (i = 0; i < v->n; i++) {
		bool via = v->items[i].via;

		if (in_part == SOTTO_POLICIES_MAX ||
		    (via && vias == SOTTO_VIAS_MAX)) {
			v->parts[v->parts_n++] = i;
			in_part = 0;
			vias = 0;
		}
		in_part++;
		vias += via;
	}
	return v->parts_n > UINT16_MAX ? SOTTO_E_LIMIT : 0;
}

static struct policy_view *view_new(struct authd *ad, uint64_t base)
{
	struct policy_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->refs = 1;
	v->version = ad->policy->version;
	v->base = base;
	return v;
}

static int all_prefixes(struct authd *ad, struct policy_view *v)
{
	const struct rules *rs = ad->rules;
	const struct member *m;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < rs->nets_n && !rc; i++)
		rc = view_add(v, &rs->nets[i].prefix);
	for (i = 0; i < rs->routes_n && !rc; i++)
		rc = view_add(v, &rs->routes[i].prefix);
	if (!ad->conf.protect_members)
		return rc;
	for (m = ad->members; m && !rc; m = m->next) {
		for (i = 0; m->registered && i < m->addrs_n && !rc; i++) {
			struct sotto_prefix p = {
				.addr = m->addrs[i].addr,
				.plen = m->addrs[i].addr.len * 8,
			};

			rc = view_add(v, &p);
		}
	}
	return rc;
}

static uint32_t *copy_groups(const uint32_t *groups)
{
	size_t len = groups ? (groups[0] + 1) * sizeof(*groups) : 0;
	uint32_t *copy = len ? malloc(len) : NULL;

	if (copy)
		memcpy(copy, groups, len);
	return copy;
}

static bool is_for(const struct policy_view *v, const struct member *m)
{
	if (v->gateway != (m->routes ? m->id : 0))
		return false;
	if (!m->groups || !v->groups)
		return !m->groups && !v->groups;
	return m->groups[0] == v->groups[0] &&
	       !memcmp(m->groups, v->groups,
		       (m->groups[0] + 1) * sizeof(*m->groups));
}

static struct policy_view *build_full(struct authd *ad, const struct member *m)
{
	struct policy_view *v = view_new(ad, 0);
	int rc;

	if (!v)
		return NULL;
	v->gateway = m->routes ? m->id : 0;
	v->groups = copy_groups(m->groups);
	rc = !v->groups && m->groups ? SOTTO_E_NOMEM : all_prefixes(ad, v);
	if (!rc) {
		decide(ad, m, v);
		rc = divide(v);
	}
	if (rc) {
		sotto_err_log("the policy for %s cannot be made: %s", m->name,
			      sotto_err_text(rc));
		view_put(v);
		return NULL;
	}
	ad->stats.policy_views++;
	return v;
}

/* Which views are worth to be kept: those not far behind. */
static bool is_fresh(const struct policy *ps, const struct policy_view *v)
{
	return v->version >= ps->log_from &&
	       ps->version - v->version <= AUTHD_VIEW_BEHIND;
}

/*
 * The view of @m's kind, of version @least or later; a reference is the caller's. Who has a
 * later one would give up what came since, and be without it until the change from this
 * one arrives. Of a version that never was nothing is known: the newest.
 */
static struct policy_view *full_view(struct authd *ad, const struct member *m,
				     uint64_t least)
{
	struct policy *ps = ad->policy;
	struct policy_view **at = &ps->views, *v;
	unsigned int n = 0;

	if (least > ps->version)
		least = ps->version;
	while ((v = *at)) {
		bool mine = is_for(v, m);

		if (mine && is_fresh(ps, v) && v->version >= least) {
			v->refs++;
			return v;
		}
		if (mine || !is_fresh(ps, v) || n == AUTHD_VIEWS_MAX - 1) {
			*at = v->next;
			view_put(v);
			continue;
		}
		n++;
		at = &v->next;
	}
	v = build_full(ad, m);
	if (v) {
		v->next = ps->views;
		ps->views = v;
		v->refs++;
	}
	return v;
}

/* ---- deltas ---- */

/* The first logged change after version @v. */
static uint32_t log_after(const struct policy *ps, uint64_t v)
{
	uint32_t low = 0, high = ps->log_n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (ps->log[mid].version <= v)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Groups that one member came into or left. */
struct moves {
	uint32_t n;
	int64_t grp[16];
};

static bool moved(const struct moves *mv, int64_t grp)
{
	uint32_t i;

	for (i = 0; i < mv->n; i++)
		if (mv->grp[i] == grp)
			return true;
	return false;
}

/* Once for a delta: the log is long. SOTTO_E_LIMIT: too many. */
static int find_moves(const struct policy *ps, uint32_t from,
		      const struct member *m, struct moves *mv)
{
	for (mv->n = 0; from < ps->log_n; from++) {
		const struct store_change *c = &ps->log[from];

		if (c->kind != CHANGE_MEMBERSHIP || c->member != m->id ||
		    moved(mv, c->grp))
			continue;
		if (mv->n == sizeof(mv->grp) / sizeof(mv->grp[0]))
			return SOTTO_E_LIMIT;
		mv->grp[mv->n++] = c->grp;
	}
	return 0;
}

static int add_group(struct authd *ad, struct policy_view *v, int64_t grp)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < ad->rules->nets_n && !rc; i++)
		if (ad->rules->nets[i].grp == grp)
			rc = view_add(v, &ad->rules->nets[i].prefix);
	return rc;
}

static int add_change(struct authd *ad, struct policy_view *v,
		      const struct member *m, const struct moves *mv,
		      const struct store_change *c)
{
	switch (c->kind) {
	case CHANGE_ADDRESS:
		return ad->conf.protect_members ? view_add(v, &c->prefix) : 0;
	case CHANGE_NET:
		if (c->grp && !rules_in_group(m, c->grp) &&
		    !moved(mv, c->grp))
			return 0;
		return view_add(v, &c->prefix);
	case CHANGE_MEMBERSHIP:
		return c->member == m->id ? add_group(ad, v, c->grp) : 0;
	default:
		return 0;
	}
}

/* NULL: too much has changed, or no memory. */
static struct policy_view *delta(struct authd *ad, const struct member *m)
{
	const struct policy *ps = ad->policy;
	uint32_t from = log_after(ps, m->policy_version), i;
	struct policy_view *v = view_new(ad, m->policy_version);
	struct moves mv;
	int rc = v ? find_moves(ps, from, m, &mv) : SOTTO_E_NOMEM;

	for (i = from; i < ps->log_n && !rc; i++) {
		rc = add_change(ad, v, m, &mv, &ps->log[i]);
		if (!rc && v->n > AUTHD_DELTA_MAX)
			rc = SOTTO_E_LIMIT;
	}
	if (!rc) {
		decide(ad, m, v);
		rc = divide(v);
	}
	if (!rc)
		return v;
	view_put(v);
	return NULL;
}

/* ---- pushing ---- */

struct part_call {
	struct authd *ad;
	struct member *member;
	uint32_t gen;
};

static void fill_part(struct sotto_msg_policy *p, const struct policy_view *v,
		      uint16_t part)
{
	uint32_t end = part + 1u < v->parts_n ? v->parts[part + 1] : v->n, i;

	p->version = v->version;
	p->base = v->base;
	p->part = part;
	p->parts = v->parts_n;
	for (i = v->parts[part]; i < end; i++) {
		const struct policy_item *it = &v->items[i];

		if (it->via) {
			struct sotto_via *via = &p->vias.v[p->vias.n++];

			via->entry = p->entries.n;
			strcpy(via->name, it->via->name);
		}
		p->entries.e[p->entries.n++] = it->e;
	}
}

static void push_more(struct authd *ad, struct member *m, bool always);

static void part_acked(struct part_call *pc)
{
	struct member *m = pc->member;

	if (!m->policy || m->policy_gen != pc->gen)
		return;		/* of a sending that was overtaken */
	m->policy_inflight--;
	if (++m->policy_acked == m->policy->parts_n) {
		m->policy_version = m->policy->version;
		policy_forget(m);
	}
	push_more(pc->ad, m, false);
}

static void on_part(void *arg, int err, const struct sotto_msg *msg)
{
	struct part_call *pc = arg;

	(void)msg;
	if (!err) {
		part_acked(pc);
	} else if (err != SOTTO_E_CLOSED && pc->member->current) {
		pc->ad->stats.pushes_failed++;
		assoc_end(pc->member->current);
	}
	pools_put(&pc->ad->pools, pc, sizeof(*pc));
}

static bool push_part(struct authd *ad, struct member *m)
{
	struct sotto_msg msg = { .type = SOTTO_MSG_POLICY };
	struct part_call *pc = pools_get(&ad->pools, sizeof(*pc));

	if (!pc)
		return false;
	*pc = (struct part_call) { ad, m, m->policy_gen };
	fill_part(&msg.policy, m->policy, m->policy_next);
	if (sotto_chan_request(&m->current->chan, ad->now_ms, &msg,
			       AUTHD_PUSH_MS, on_part, pc, NULL)) {
		pools_put(&ad->pools, pc, sizeof(*pc));
		return false;
	}
	ad->stats.policy_parts++;
	m->policy_next++;
	m->policy_inflight++;
	return true;
}

/* What @m is to be sent next; NULL: nothing. @always: even that nothing changed. */
static struct policy_view *choose(struct authd *ad, struct member *m,
				  bool always)
{
	const struct policy *ps = ad->policy;
	struct policy_view *v = NULL;

	if (m->policy_version == ps->version)
		return NULL;
	if (m->policy_version >= ps->log_from &&
	    m->policy_version < ps->version)
		v = delta(ad, m);
	if (!v)
		return full_view(ad, m, m->policy_version);
	if (v->n || always)
		return v;
	view_put(v);
	return NULL;
}

static void push_more(struct authd *ad, struct member *m, bool always)
{
	if (!m->current)
		return;
	if (!m->policy)
		m->policy = choose(ad, m, always);
	if (!m->policy)
		return;
	while (m->policy_inflight < AUTHD_POLICY_WINDOW &&
	       m->policy_next < m->policy->parts_n)
		if (!push_part(ad, m))
			break;
	assoc_rearm(m->current);
}

void policy_forget(struct member *m)
{
	view_put(m->policy);
	m->policy = NULL;
	m->policy_gen++;
	m->policy_next = 0;
	m->policy_acked = 0;
	m->policy_inflight = 0;
}

void policy_hello(struct authd *ad, struct member *m, uint64_t version)
{
	policy_forget(m);
	m->policy_version = version;
	push_more(ad, m, true);
}

void policy_get(struct authd *ad, struct member *m)
{
	uint64_t least = m->policy_version;

	policy_forget(m);
	m->policy_version = 0;
	if (ad->policy->version)
		m->policy = full_view(ad, m, least);
	push_more(ad, m, true);
}

uint64_t policy_version(struct authd *ad)
{
	return ad->policy->version;
}

/* ---- changes ---- */

static int take_change(void *arg, const struct store_change *c)
{
	struct policy *ps = arg;
	void *more;

	if (ps->log_n == ps->log_cap) {
		uint32_t cap = ps->log_cap ? ps->log_cap * 2 : 256;

		more = reallocarray(ps->log, cap, sizeof(*ps->log));
		if (!more)
			return SOTTO_E_NOMEM;
		ps->log = more;
		ps->log_cap = cap;
	}
	ps->log[ps->log_n++] = *c;
	return 0;
}

/* The older half goes; who needs it gets a whole view. */
static void trim_log(struct policy *ps)
{
	uint32_t drop = ps->log_n / 2;

	if (ps->log_n < 2 * STORE_CHANGES_MAX)
		return;
	ps->log_from = ps->log[drop - 1].version;
	ps->log_n -= drop;
	memmove(ps->log, ps->log + drop, ps->log_n * sizeof(*ps->log));
}

static int read_changes(struct authd *ad, struct sotto_errmsg *err)
{
	struct policy *ps = ad->policy;
	uint64_t version;
	uint32_t n;
	int rc = store_policy_version(ad->store, &version, err);

	if (rc)
		return rc;
	trim_log(ps);
	n = ps->log_n;
	sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = store_each_change(ad->store, ps->version, take_change, ps, err);
	if (rc)
		ps->log_n = n;	/* the next time they all come again */
	else
		ps->version = version;
	return rc;
}

/* Of those to be told, some, and others have their turn between. */
static void push_some(struct authd *ad)
{
	struct policy *ps = ad->policy;
	uint32_t n = AUTHD_POLICY_TURN;

	for (; n && ps->push_left; n--, ps->push_left--) {
		if (!ps->push_at)
			ps->push_at = ad->members;
		push_more(ad, ps->push_at, false);
		ps->push_at = ps->push_at->next;
	}
	if (!ps->push_left)
		return;
	ev_timer_set(&ps->push_timer, 0., 0.);
	ev_timer_start(ad->loop, &ps->push_timer);
}

static void on_push_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct authd *ad = w->data;

	(void)loop;
	(void)revents;
	ad->now_ms = sotto_now_ms();
	push_some(ad);
}

/* Once round, from where it is: so nobody waits for ever when changes don't end. */
static void push_all(struct authd *ad)
{
	ad->policy->push_left = ad->members_n;
	if (!ev_is_active(&ad->policy->push_timer))
		push_some(ad);
}

static bool is_for_all(const struct authd *ad, const struct store_change *c)
{
	return (c->kind == CHANGE_NET && !c->grp) ||
	       (c->kind == CHANGE_ADDRESS && ad->conf.protect_members);
}

/* Those in a large group stand in the list of all, too, which does not change meanwhile. */
static void push_group(struct authd *ad, const struct group *g)
{
	uint32_t i;

	if (g->n > AUTHD_POLICY_TURN) {
		push_all(ad);
		return;
	}
	for (i = 0; i < g->n; i++)
		push_more(ad, g->members[i], false);
}

/* To those whom the changes from @i on concern, and to nobody else: all have their turn if many do. */
static void push_changes(struct authd *ad, uint32_t i)
{
	const struct policy *ps = ad->policy;

	if (ps->log_n - i > AUTHD_POLICY_FEW) {
		push_all(ad);
		return;
	}
	for (; i < ps->log_n; i++) {
		const struct store_change *c = &ps->log[i];
		struct member *m = c->kind == CHANGE_MEMBERSHIP ?
				   member_by_id(ad, c->member) : NULL;
		const struct group *g = c->kind == CHANGE_NET && c->grp ?
					rules_group_by_id(ad, c->grp) : NULL;

		if (is_for_all(ad, c)) {
			push_all(ad);
			return;
		}
		if (m)
			push_more(ad, m, false);
		if (g)
			push_group(ad, g);
	}
}

static void policy_timer(struct authd *ad, uint32_t ms)
{
	ev_timer_set(&ad->policy_timer, ms / 1000., 0.);
	ev_timer_start(ad->loop, &ad->policy_timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct authd *ad = w->data;
	struct sotto_errmsg err;
	uint32_t n = ad->policy->log_n;

	(void)loop;
	(void)revents;
	ad->now_ms = sotto_now_ms();
	if (read_changes(ad, &err)) {
		sotto_err_log("the changed policy cannot be pushed, for now: %s",
			      err.text);
		policy_timer(ad, AUTHD_POLICY_RETRY_MS);
		return;
	}
	push_changes(ad, n < ad->policy->log_n ? n : 0);
}

void policy_changed(struct authd *ad)
{
	if (ev_is_active(&ad->policy_timer))
		return;
	ev_now_update(ad->loop);
	policy_timer(ad, AUTHD_POLICY_DELAY_MS);
	net_wake(ad);
}

int policy_rules_changed(struct authd *ad, struct sotto_errmsg *err)
{
	uint32_t n = ad->rules->rules_n;
	bool deny_rest = ad->rules->deny_rest;
	struct rule *old = malloc((n + 1) * sizeof(*old));
	int rc;

	if (old && n)
		memcpy(old, ad->rules->rules, n * sizeof(*old));
	rc = rules_load(ad, err);
	recheck_changed(ad, old, n, deny_rest);
	free(old);
	if (!rc)
		policy_changed(ad);
	return rc;
}

int policy_replaced(struct authd *ad, struct sotto_errmsg *err)
{
	int rc = rules_load_members(ad, err);

	recheck_all(ad);
	if (!rc)
		policy_changed(ad);
	return rc;
}

int policy_routes_changed(struct authd *ad, struct member *m, struct sotto_errmsg *err)
{
	int rc = rules_load_routes(ad, err);

	recheck_member(ad, m);
	takeover_look(ad);
	if (!rc)
		policy_changed(ad);
	return rc;
}

int policy_setup(struct authd *ad, struct sotto_errmsg *err)
{
	struct policy *ps = calloc(1, sizeof(*ps));
	int rc;

	recheck_setup(ad);
	ev_timer_init(&ad->policy_timer, on_timer, 0., 0.);
	ad->policy_timer.data = ad;
	ad->policy = ps;
	if (!ps)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	ev_timer_init(&ps->push_timer, on_push_timer, 0., 0.);
	ps->push_timer.data = ad;
	rc = rules_setup(ad, err);
	if (!rc)
		rc = read_changes(ad, err);
	if (rc)
		return rc;
	/* of the first version that is kept, some may be gone */
	ps->log_from = ps->log_n ? ps->log[0].version : ps->version;
	return trial_setup(ad, err);
}

void policy_teardown(struct authd *ad)
{
	struct policy_view *v;

	recheck_teardown(ad);
	ev_timer_stop(ad->loop, &ad->policy_timer);
	if (ad->policy) {
		ev_timer_stop(ad->loop, &ad->policy->push_timer);
		trial_teardown(ad);
		while ((v = ad->policy->views)) {
			ad->policy->views = v->next;
			view_put(v);
		}
		free(ad->policy->log);
	}
	free(ad->policy);
	ad->policy = NULL;
	rules_free(ad);
}
