// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions that are looked at again, since they may have to end: after a change of the rules;
 * when a member is revoked, a gateway is gone, or a host was restarted.
 *
 * Only those of members whom it concerns are looked at, and no more than some at a time:
 * mediation goes on between. What begins meanwhile is judged by the new rules, and stands in
 * lists before what is still to be looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "recheck.h"
#include "session.h"

#define WORK		65536	/* rules that are looked at in one turn of the loop, about */
#define WORK_SESSION	16	/* what a session takes without any */
#define WORK_END	64	/* and at least when it ends, and somebody is told */
#define QUEUE_FIRST	64	/* members; doubled when it is short */

/* What the rules say of a live session now. */
static bool still_right(struct authd *ad, const struct session *s)
{
	struct sotto_msg_session_grant g = { 0 };

	rules_networks(ad, s->a, s->b, &g.routes);
	rules_networks(ad, s->b, s->a, &g.own_routes);
	if (g.routes.n || g.own_routes.n)
		g.mode = SOTTO_MODE_TUNNEL;
	/* one that was taken over after a restart: its networks are not known */
	if (s->networks != session_networks_mark(&g) && s->made_ms)
		return false;
	return policy_permits(ad, s->a, s->b) ||
	       (s->either && policy_permits(ad, s->b, s->a));
}

/* Of one that goes for a moment its next list tells. */
static bool lost(const struct session *s, const struct member *m)
{
	return !m->returns && session_lost_by(s, m);
}

/* 0, or why it ends. */
static unsigned int judge(struct authd *ad, const struct session *s)
{
	if (lost(s, s->a) || lost(s, s->b))
		return SOTTO_REFUSAL_RESTARTED;
	if (takeover_happened(ad, s->a) || takeover_happened(ad, s->b))
		return SOTTO_REFUSAL_PEER_OFFLINE;
	return still_right(ad, s) ? 0 : SOTTO_REFUSAL_DENIED;
}

/* As many entries are gone through, about. */
static int work(const struct authd *ad, const struct session *s)
{
	return WORK_SESSION + ad->rules->rules_n +
	       (s->a->routes || s->b->routes ? ad->rules->routes_n : 0);
}

static void begin_member(struct recheck *rc, struct member *m, bool of_all)
{
	rc->of_all = of_all;
	rc->m = m;
	rc->at = m->sessions;
}

static bool next_member(struct authd *ad)
{
	struct recheck *rc = &ad->recheck;
	struct member *m = rc->rest;

	if (rc->queue_n) {
		m = rc->queue[--rc->queue_n];
		m->queued = false;
		begin_member(rc, m, false);
		return true;
	}
	if (!m)
		return false;
	rc->rest = m->next;
	begin_member(rc, m, true);
	return true;
}

/* Of all members, each session is looked at with the one that asked for it. Returns the work. */
static int look(struct authd *ad)
{
	struct recheck *rc = &ad->recheck;
	unsigned int reason;
	struct session *s;
	int n;

	if (!rc->at)
		return WORK_SESSION;
	s = rc->at->session;
	rc->at = rc->at->next;
	if (rc->of_all && s->a != rc->m)
		return WORK_SESSION;
	if (session_end_revoked(s))
		return WORK_END;
	ad->stats.rechecked++;
	n = work(ad, s);
	reason = judge(ad, s);
	if (!reason)
		return n;
	session_end_both(s, reason);
	return n > WORK_END ? n : WORK_END;
}

static void some(struct authd *ad)
{
	struct recheck *rc = &ad->recheck;
	int one = ad->rules->rules_n + WORK_SESSION, left = WORK;

	while (rc->at || next_member(ad)) {
		left -= look(ad);
		if (left < one)
			break;
	}
	if (rc->at || rc->rest || rc->queue_n) {
		ev_timer_set(&rc->timer, 0., 0.);
		ev_timer_start(ad->loop, &rc->timer);
		net_wake(ad);
		return;
	}
	free(rc->queue);
	rc->queue = NULL;
	rc->queue_cap = 0;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct authd *ad = w->data;

	(void)loop;
	(void)revents;
	ad->now_ms = sotto_now_ms();
	some(ad);
}

static void begin(struct authd *ad)
{
	if (!ev_is_active(&ad->recheck.timer))
		some(ad);
}

void recheck_all(struct authd *ad)
{
	struct recheck *rc = &ad->recheck;

	rc->rest = ad->members;
	if (rc->of_all)
		rc->at = NULL;
	begin(ad);
}

/* False without memory. */
static bool enqueue(struct recheck *rc, struct member *m)
{
	uint32_t cap = rc->queue_cap ? 2 * rc->queue_cap : QUEUE_FIRST;
	struct member **queue;

	if (m->queued)
		return true;
	if (rc->queue_n == rc->queue_cap) {
		queue = reallocarray(rc->queue, cap, sizeof(struct member *));
		if (!queue)
			return false;
		rc->queue = queue;
		rc->queue_cap = cap;
	}
	rc->queue[rc->queue_n++] = m;
	m->queued = true;
	return true;
}

void recheck_member(struct authd *ad, struct member *m)
{
	if (enqueue(&ad->recheck, m))
		begin(ad);
	else
		recheck_all(ad);
}

void recheck_first(struct authd *ad, struct member *m)
{
	struct recheck *rc = &ad->recheck;

	/* whose turn is interrupted has it once more */
	if (rc->at && (rc->of_all || !enqueue(rc, rc->m)))
		rc->rest = rc->of_all ? rc->m : ad->members;
	begin_member(rc, m, false);
	begin(ad);
}

/* How many members a side names: UINT32_MAX: it cannot be said. */
static uint32_t count(struct authd *ad, const struct policy_side *s, int64_t grp)
{
	const struct group *g = rules_group_by_id(ad, grp);

	if (s->kind == SIDE_MEMBER)
		return 1;
	if (s->kind == SIDE_GROUP)
		return g ? g->n : 0;
	return UINT32_MAX;
}

static bool enqueue_side(struct authd *ad, const struct policy_side *s, int64_t grp)
{
	const struct group *g = rules_group_by_id(ad, grp);
	struct member *m;
	uint32_t i;

	if (s->kind == SIDE_MEMBER) {
		m = member_by_name(ad, s->name);
		return !m || enqueue(&ad->recheck, m);
	}
	for (i = 0; g && i < g->n; i++)
		if (!enqueue(&ad->recheck, g->members[i]))
			return false;
	return true;
}

/* A rule concerns sessions that have both of its sides: the one with fewer members will do.
 * False: all of them.
 */
static bool enqueue_rule(struct authd *ad, const struct rule *r)
{
	uint32_t src = count(ad, &r->r.src, r->src_grp);
	uint32_t dst = count(ad, &r->r.dst, r->dst_grp);

	if (src == UINT32_MAX && dst == UINT32_MAX)
		return false;
	return src <= dst ? enqueue_side(ad, &r->r.src, r->src_grp) :
			    enqueue_side(ad, &r->r.dst, r->dst_grp);
}

static bool same_side(const struct policy_side *a, const struct policy_side *b)
{
	return a->kind == b->kind && !strcmp(a->name, b->name) &&
	       (a->kind != SIDE_NET || !prefix_cmp(&a->net, &b->net));
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	return a->r.allow == b->r.allow && a->src_grp == b->src_grp &&
	       a->dst_grp == b->dst_grp && same_side(&a->r.src, &b->r.src) &&
	       same_side(&a->r.dst, &b->r.dst);
}

/* Where no rule of those that differ fits, what stands before and behind them decides as ever. */
static bool enqueue_changed(struct authd *ad, const struct rule *old, uint32_t old_n)
{
	const struct rule *new = ad->rules->rules;
	uint32_t new_n = ad->rules->rules_n, from = 0, i;

	while (from < old_n && from < new_n && same_rule(&old[from], &new[from]))
		from++;
	while (old_n > from && new_n > from && same_rule(&old[old_n - 1], &new[new_n - 1])) {
		old_n--;
		new_n--;
	}
	for (i = from; i < old_n; i++)
		if (!enqueue_rule(ad, &old[i]))
			return false;
	for (i = from; i < new_n; i++)
		if (!enqueue_rule(ad, &new[i]))
			return false;
	return true;
}

void recheck_changed(struct authd *ad, const struct rule *old, uint32_t old_n,
		     bool old_deny_rest)
{
	if (old && old_deny_rest == ad->rules->deny_rest && enqueue_changed(ad, old, old_n))
		begin(ad);
	else
		recheck_all(ad);
}

void recheck_setup(struct authd *ad)
{
	ev_timer_init(&ad->recheck.timer, on_timer, 0., 0.);
	ad->recheck.timer.data = ad;
}

void recheck_teardown(struct authd *ad)
{
	ev_timer_stop(ad->loop, &ad->recheck.timer);
	free(ad->recheck.queue);
	memset(&ad->recheck, 0, sizeof(ad->recheck));
}
