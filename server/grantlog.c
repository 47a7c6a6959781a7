// SPDX-License-Identifier: GPL-2.0
/*
 * The log of grants: gathered, and handed to the storage process in batches, without
 * waiting for it: a slow disk makes no agent wait. What it has no room for stays
 * here, up to AUTHD_GRANT_LOG_MAX; beyond that grants are lost, and counted, as are
 * those that it could not write. Up to AUTHD_GRANT_LOG_MS of the log is lost when
 * the server dies.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "authd.h"

#define LAST_TRIES	200	/* when the server stops: as many times 10 ms */

struct grantlog {
	struct authd *ad;
	ev_timer timer;
	unsigned int n;
	bool asked;			/* nothing was handed over since */
	struct store_grant grant[AUTHD_GRANT_LOG_MAX];
};

static struct sotto_ratelimit limit_lost = SOTTO_RATELIMIT(60000, 1);

static void count_lost(struct grantlog *gl, unsigned int n, const char *why)
{
	if (!n)
		return;
	gl->ad->stats.grants_lost += n;
	sotto_log_limited(&limit_lost, SOTTO_LOG_ERR, "%u grants not logged: %s",
			  n, why);
}

static void hear_failed(struct grantlog *gl)
{
	struct sotto_errmsg err;
	unsigned int failed = store_grants_failed(gl->ad->store, &err);

	if (failed)
		count_lost(gl, failed, err.text);
}

/* False: some are left. */
static bool hand_over(struct grantlog *gl)
{
	int64_t prune = authd_wall() - AUTHD_GRANT_LOG_DAYS * 86400ll;
	unsigned int done = 0, n;
	struct sotto_errmsg err;
	int rc = 0;

	while (!rc && done < gl->n) {
		n = gl->n - done;
		if (n > AUTHD_GRANT_LOG_BATCH)
			n = AUTHD_GRANT_LOG_BATCH;
		rc = store_grants(gl->ad->store, gl->grant + done, n, prune,
				  &err);
		if (rc == SOTTO_E_LIMIT)
			break;
		if (rc)
			count_lost(gl, n, err.text);
		done += n;
	}
	gl->n -= done;
	memmove(gl->grant, gl->grant + done, gl->n * sizeof(gl->grant[0]));
	return !gl->n;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct grantlog *gl = w->data;

	(void)revents;
	hear_failed(gl);
	/* once more after the last batch, to hear how it went */
	if (!gl->n && gl->asked)
		ev_timer_stop(loop, w);
	gl->asked = !gl->n;
	hand_over(gl);
}

void grantlog_add(struct session *s)
{
	struct grantlog *gl = s->ad->grantlog;

	if (gl->n == AUTHD_GRANT_LOG_MAX) {
		count_lost(gl, 1, "the storage process lags behind");
		return;
	}
	gl->grant[gl->n++] = (struct store_grant) {
		.at = s->made,
		.session_id = s->id,
		.a = s->a->id,
		.b = s->b->id,
		.cipher = s->cipher,
	};
	gl->asked = false;
	if (!(gl->n % AUTHD_GRANT_LOG_BATCH))
		hand_over(gl);
	if (!ev_is_active(&gl->timer)) {
		ev_now_update(gl->ad->loop);
		ev_timer_again(gl->ad->loop, &gl->timer);
		net_wake(gl->ad);
	}
}

int grantlog_start(struct authd *ad, struct sotto_errmsg *err)
{
	struct grantlog *gl = calloc(1, sizeof(*gl));

	if (!gl)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	gl->ad = ad;
	ev_timer_init(&gl->timer, on_timer, 0., AUTHD_GRANT_LOG_MS / 1000.);
	gl->timer.data = gl;
	ad->grantlog = gl;
	return 0;
}

void grantlog_stop(struct authd *ad)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct grantlog *gl = ad->grantlog;
	int i;

	if (!gl)
		return;
	ev_timer_stop(ad->loop, &gl->timer);
	for (i = 0; i < LAST_TRIES && !hand_over(gl); i++)
		nanosleep(&pause, NULL);
	hear_failed(gl);
	count_lost(gl, gl->n, "the storage process lags behind");
	free(gl);
	ad->grantlog = NULL;
}
