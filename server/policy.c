// SPDX-License-Identifier: GPL-2.0
/*
 * What members are told to protect: the configured prefixes, and (unless the
 * configuration says otherwise) every member's addresses.
 *
 * A revoked member's addresses stay protected until they are given to another:
 * traffic to them must not begin to flow in the clear.
 */
#include <stdlib.h>
#include <string.h>

#include "authd.h"

struct policy_view {		/* one version, shared by those it is sent to */
	unsigned int refs;
	uint64_t version;
	uint32_t n, cap;
	struct policy_item {
		struct sotto_policy_entry e;
		bool configured;
	} *items;
};

static const char *const action_names[] = {
	[SOTTO_ACTION_BYPASS] = "bypass",
	[SOTTO_ACTION_PROTECT] = "protect",
	[SOTTO_ACTION_PREFER] = "prefer",
	[SOTTO_ACTION_BLOCK] = "block",
};

const char *policy_action_name(unsigned int action)
{
	return action < __SOTTO_ACTION_MAX ? action_names[action] : "unknown";
}

int policy_action_by_name(const char *name)
{
	int i;

	for (i = 0; i < __SOTTO_ACTION_MAX; i++)
		if (!strcmp(name, action_names[i]))
			return i;
	return -1;
}

bool policy_permits(const struct member *a, const struct member *b)
{
	/* without rules every member may talk to every other */
	(void)a;
	(void)b;
	return true;
}

/* ---- views ---- */

static void view_put(struct policy_view *v)
{
	if (!v || --v->refs)
		return;
	free(v->items);
	free(v);
}

static int view_add(struct policy_view *v, const struct sotto_prefix *p,
		    uint8_t action, bool configured)
{
	if (v->n == v->cap) {
		uint32_t cap = v->cap ? v->cap * 2 : 64;
		void *items = realloc(v->items, cap * sizeof(*v->items));

		if (!items)
			return SOTTO_E_NOMEM;
		v->items = items;
		v->cap = cap;
	}
	v->items[v->n++] = (struct policy_item) {
		.e = { .prefix = *p, .action = action },
		.configured = configured,
	};
	return 0;
}

static int add_configured(void *arg, const struct store_policy *p)
{
	return view_add(arg, &p->prefix, p->action, true);
}

static int add_members(struct authd *ad, struct policy_view *v)
{
	const struct member *m;
	int i, rc = 0;

	for (m = ad->members; m && !rc; m = m->next) {
		if (!m->registered)
			continue;
		for (i = 0; i < m->addrs_n && !rc; i++) {
			struct sotto_prefix p = {
				.addr = m->addrs[i].addr,
				.plen = m->addrs[i].addr.len * 8,
			};

			rc = view_add(v, &p, SOTTO_ACTION_PROTECT, false);
		}
	}
	return rc;
}

static int by_prefix(const void *x, const void *y)
{
	const struct policy_item *a = x, *b = y;
	int c = sotto_addr_cmp(&a->e.prefix.addr, &b->e.prefix.addr);

	if (!c)
		c = (int)a->e.prefix.plen - b->e.prefix.plen;
	return c ? c : (int)b->configured - a->configured;
}

/* Of two for one prefix the configured one stands first, and stays. */
static void drop_doubles(struct policy_view *v)
{
	uint32_t i, n = 0;

	qsort(v->items, v->n, sizeof(*v->items), by_prefix);
	for (i = 0; i < v->n; i++) {
		const struct sotto_prefix *p = &v->items[i].e.prefix;

		if (n && v->items[n - 1].e.prefix.plen == p->plen &&
		    sotto_addr_eq(&v->items[n - 1].e.prefix.addr, &p->addr))
			continue;
		v->items[n++] = v->items[i];
	}
	v->n = n;
}

static int view_build(struct authd *ad, struct policy_view **out,
		      struct sotto_errmsg *err)
{
	struct policy_view *v = calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	v->refs = 1;
	sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = store_policy_version(ad->store, &v->version, err);
	if (!rc)
		rc = store_each_policy(ad->store, add_configured, v, err);
	if (!rc && ad->conf.protect_members)
		rc = add_members(ad, v);
	if (rc) {
		view_put(v);
		return rc;
	}
	if (v->n)
		drop_doubles(v);
	*out = v;
	return 0;
}

/* ---- pushing ---- */

struct part_call {
	struct authd *ad;
	struct member *member;
	uint32_t gen;
};

static uint16_t parts_of(const struct policy_view *v)
{
	return v->n ? (v->n + SOTTO_POLICIES_MAX - 1) / SOTTO_POLICIES_MAX : 1;
}

static void fill_part(struct sotto_msg_policy *p, const struct policy_view *v,
		      uint16_t part)
{
	uint32_t at = part * SOTTO_POLICIES_MAX;

	p->version = v->version;
	p->part = part;
	p->parts = parts_of(v);
	while (at < v->n && p->entries.n < SOTTO_POLICIES_MAX)
		p->entries.e[p->entries.n++] = v->items[at++].e;
}

static void push_more(struct authd *ad, struct member *m);

static void part_acked(struct part_call *pc)
{
	struct member *m = pc->member;

	if (!m->policy || m->policy_gen != pc->gen)
		return;		/* of a sending that was overtaken */
	m->policy_inflight--;
	if (++m->policy_acked == parts_of(m->policy)) {
		m->policy_version = m->policy->version;
		view_put(m->policy);
		m->policy = NULL;
	}
	push_more(pc->ad, m);
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
	free(pc);
}

static bool push_part(struct authd *ad, struct member *m)
{
	struct sotto_msg msg = { .type = SOTTO_MSG_POLICY };
	struct part_call *pc = malloc(sizeof(*pc));

	if (!pc)
		return false;
	*pc = (struct part_call) { ad, m, m->policy_gen };
	fill_part(&msg.policy, m->policy, m->policy_next);
	if (sotto_chan_request(&m->current->chan, ad->now_ms, &msg,
			       AUTHD_PUSH_MS, on_part, pc, NULL)) {
		free(pc);
		return false;
	}
	m->policy_next++;
	m->policy_inflight++;
	return true;
}

static void push_more(struct authd *ad, struct member *m)
{
	if (!m->current)
		return;
	if (!m->policy || m->policy->version != ad->policy->version) {
		policy_forget(m);
		if (m->policy_version == ad->policy->version)
			return;
		m->policy = ad->policy;
		m->policy->refs++;
	}
	while (m->policy_inflight < AUTHD_POLICY_WINDOW &&
	       m->policy_next < parts_of(m->policy))
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
	push_more(ad, m);
}

void policy_get(struct authd *ad, struct member *m)
{
	policy_hello(ad, m, 0);
}

uint64_t policy_version(struct authd *ad)
{
	return ad->policy->version;
}

/* ---- changes ---- */

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct authd *ad = w->data;
	struct policy_view *v;
	struct sotto_errmsg err;
	struct member *m;

	(void)loop;
	(void)revents;
	ad->now_ms = sotto_now_ms();
	if (view_build(ad, &v, &err)) {
		sotto_err_log("the changed policy cannot be pushed: %s",
			      err.text);
		return;
	}
	view_put(ad->policy);
	ad->policy = v;
	for (m = ad->members; m; m = m->next)
		push_more(ad, m);
}

void policy_changed(struct authd *ad)
{
	if (ev_is_active(&ad->policy_timer))
		return;
	ev_timer_set(&ad->policy_timer, AUTHD_POLICY_DELAY_MS / 1000., 0.);
	ev_timer_start(ad->loop, &ad->policy_timer);
}

int policy_setup(struct authd *ad, struct sotto_errmsg *err)
{
	ev_timer_init(&ad->policy_timer, on_timer, 0., 0.);
	ad->policy_timer.data = ad;
	return view_build(ad, &ad->policy, err);
}

void policy_teardown(struct authd *ad)
{
	ev_timer_stop(ad->loop, &ad->policy_timer);
	view_put(ad->policy);
	ad->policy = NULL;
}
