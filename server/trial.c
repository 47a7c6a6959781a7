// SPDX-License-Identifier: GPL-2.0
/*
 * A policy on trial: an administrator who locks himself out cannot confirm it,
 * and the one before comes back by itself, whether the server was restarted
 * meanwhile or not.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

#define TRIAL_RETRY_S	5	/* when taking back fails: the disk may be full */

static void forget(struct authd *ad)
{
	ev_timer_stop(ad->loop, &ad->policy->trial_timer);
	free(ad->policy->previous);
	ad->policy->previous = NULL;
	ad->policy->trial_until = 0;
}

static int take_back(struct authd *ad, const char *actor, const char *event,
		     struct sotto_errmsg *err)
{
	struct policy_doc doc;
	int rc = policy_doc_parse(&doc, ad->policy->previous, NULL, err);

	if (rc)
		return rc;
	rc = store_policy_apply(ad->store, actor, event, &doc, NULL, true,
				authd_wall(), err);
	policy_doc_free(&doc);
	if (rc)
		return rc;
	forget(ad);
	return policy_replaced(ad, err);
}

static void arm(struct authd *ad, double seconds)
{
	ev_timer_set(&ad->policy->trial_timer, seconds, 0.);
	ev_timer_start(ad->loop, &ad->policy->trial_timer);
}

static void expire(struct authd *ad)
{
	struct sotto_errmsg err;

	if (take_back(ad, "server", "policy.expire", &err)) {
		sotto_err_log("a policy on trial cannot be taken back: %s",
			      err.text);
		arm(ad, TRIAL_RETRY_S);
		return;
	}
	sotto_warn("the policy on trial was not confirmed in time: the one before is in force again");
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct authd *ad = w->data;

	(void)loop;
	(void)revents;
	ad->now_ms = sotto_now_ms();
	expire(ad);
}

int trial_setup(struct authd *ad, struct sotto_errmsg *err)
{
	struct store_trial t;
	int64_t left;
	int rc = store_trial_get(ad->store, &t, err);

	ev_timer_init(&ad->policy->trial_timer, on_timer, 0., 0.);
	ad->policy->trial_timer.data = ad;
	if (rc || !t.previous)
		return rc;
	ad->policy->previous = t.previous;
	ad->policy->trial_until = t.until;
	left = t.until - authd_wall();
	if (left <= 0) {
		expire(ad);
		return 0;
	}
	/* a clock that was set back prolongs nothing beyond the whole time */
	arm(ad, left < t.seconds ? left : t.seconds);
	return 0;
}

void trial_teardown(struct authd *ad)
{
	forget(ad);
}

int64_t trial_left(const struct authd *ad)
{
	int64_t left = ad->policy->trial_until - authd_wall();

	if (!ad->policy->previous)
		return -1;
	/* past its end it is there as long as it cannot be taken back */
	return left > 0 ? left : 0;
}

int trial_refuse(struct authd *ad, struct sotto_errmsg *err)
{
	int64_t left = trial_left(ad);

	if (left < 0)
		return 0;
	return sotto_err(err, SOTTO_E_STATE,
			 "a policy is on trial for %" PRId64 " s more: first sotto policy confirm, or sotto policy revert",
			 left);
}

static int begin(struct authd *ad, const char *actor,
		 const struct policy_doc *doc, uint32_t seconds,
		 struct store_trial *t, struct sotto_errmsg *err)
{
	struct policy_doc now;
	int rc = store_policy_load(ad->store, &now, true, err);

	if (rc)
		return rc;
	t->seconds = seconds;
	t->until = authd_wall() + seconds;
	t->previous = policy_doc_text(&now);
	policy_doc_free(&now);
	if (!t->previous)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	return store_policy_apply(ad->store, actor, "policy.apply", doc, t,
				  false, authd_wall(), err);
}

int trial_apply(struct authd *ad, const char *actor,
		const struct policy_doc *doc, uint32_t seconds,
		struct sotto_errmsg *err)
{
	struct store_trial t = { 0 };
	int rc = trial_refuse(ad, err);

	if (rc)
		return rc;
	if (seconds)
		rc = begin(ad, actor, doc, seconds, &t, err);
	else
		rc = store_policy_apply(ad->store, actor, "policy.apply", doc,
					NULL, false, authd_wall(), err);
	if (rc) {
		free(t.previous);
		return rc;
	}
	if (seconds) {
		ad->policy->previous = t.previous;
		ad->policy->trial_until = t.until;
		arm(ad, seconds);
	}
	return policy_replaced(ad, err);
}

static int need_trial(struct authd *ad, struct sotto_errmsg *err)
{
	return ad->policy->previous ? 0 :
	       sotto_err(err, SOTTO_E_STATE, "no policy is on trial");
}

int trial_confirm(struct authd *ad, const char *actor, struct sotto_errmsg *err)
{
	int rc = need_trial(ad, err);

	if (!rc)
		rc = store_trial_end(ad->store, actor, authd_wall(), err);
	if (!rc)
		forget(ad);
	return rc;
}

int trial_revert(struct authd *ad, const char *actor, struct sotto_errmsg *err)
{
	int rc = need_trial(ad, err);

	return rc ? rc : take_back(ad, actor, "policy.revert", err);
}
