// SPDX-License-Identifier: GPL-2.0
/*
 * The log of grants: gathered, and written in batches. Up to AUTHD_GRANT_LOG_MS
 * of it is lost when the server dies.
 */
#include "authd.h"

static struct sotto_ratelimit limit_lost = SOTTO_RATELIMIT(60000, 1);

void grantlog_flush(struct authd *ad)
{
	int64_t prune = authd_wall() - AUTHD_GRANT_LOG_DAYS * 86400ll;
	struct sotto_errmsg err;

	if (!ad->grant_log_n)
		return;
	if (store_grants(ad->store, ad->grant_log, ad->grant_log_n, prune,
			 &err)) {
		ad->stats.grants_lost += ad->grant_log_n;
		sotto_log_limited(&limit_lost, SOTTO_LOG_ERR,
				  "%u grants not logged: %s", ad->grant_log_n,
				  err.text);
	}
	ad->grant_log_n = 0;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	grantlog_flush(w->data);
}

void grantlog_setup(struct authd *ad)
{
	ev_timer_init(&ad->grant_timer, on_timer, AUTHD_GRANT_LOG_MS / 1000.,
		      0.);
	ad->grant_timer.data = ad;
}

void grantlog_add(struct session *s)
{
	struct authd *ad = s->ad;

	ad->grant_log[ad->grant_log_n++] = (struct store_grant) {
		.at = s->made,
		.session_id = s->id,
		.a = s->a->id,
		.b = s->b->id,
		.cipher = s->cipher,
	};
	if (ad->grant_log_n == AUTHD_GRANT_LOG_MAX) {
		ev_timer_stop(ad->loop, &ad->grant_timer);
		grantlog_flush(ad);
	} else if (!ev_is_active(&ad->grant_timer)) {
		ev_timer_set(&ad->grant_timer, AUTHD_GRANT_LOG_MS / 1000., 0.);
		ev_timer_start(ad->loop, &ad->grant_timer);
	}
}
