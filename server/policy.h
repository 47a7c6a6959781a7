/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The policy in memory: what policy.c, trial.c and admin_policy.c share.
 */
#ifndef SOTTO_AUTHD_POLICY_H
#define SOTTO_AUTHD_POLICY_H

#include "rules.h"

struct policy {
	uint64_t version;		/* of the log's last change */
	uint64_t log_from;		/* what came after it is all in the log */
	uint32_t log_n, log_cap;
	struct store_change *log;	/* oldest first */
	struct policy_view *views;	/* whole ones, newest first */
	ev_timer push_timer;
	struct member *push_at;		/* the next one to be told; NULL: the first */
	uint32_t push_left;		/* so many from it on, round the list */
	/* trial.c */
	ev_timer trial_timer;
	char *previous;			/* NULL: nothing is on trial */
	int64_t trial_until;
};

/** policy_rules_changed() - read the rules anew, end what they now forbid; so do the others. */
int policy_rules_changed(struct authd *ad, struct sotto_errmsg *err);
/** policy_replaced() - groups may have other members, too. */
int policy_replaced(struct authd *ad, struct sotto_errmsg *err);
/** policy_routes_changed() - @m leads to other networks. */
int policy_routes_changed(struct authd *ad, struct member *m, struct sotto_errmsg *err);

/* ---- trial.c: a change that is taken back unless it is confirmed ---- */

/** trial_setup() - go on with a trial that a restart interrupted. */
int trial_setup(struct authd *ad, struct sotto_errmsg *err);
void trial_teardown(struct authd *ad);
/** trial_left() - seconds until the former policy comes back; -1: nothing is on trial */
int64_t trial_left(const struct authd *ad);
/** trial_refuse() - SOTTO_E_STATE while a change is on trial. */
int trial_refuse(struct authd *ad, struct sotto_errmsg *err);
/** trial_apply() - @doc in the place of all; @seconds 0: for good. */
int trial_apply(struct authd *ad, const char *actor,
		const struct policy_doc *doc, uint32_t seconds,
		struct sotto_errmsg *err);
int trial_confirm(struct authd *ad, const char *actor,
		  struct sotto_errmsg *err);
int trial_revert(struct authd *ad, const char *actor, struct sotto_errmsg *err);

#endif /* SOTTO_AUTHD_POLICY_H */
