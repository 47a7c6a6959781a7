// SPDX-License-Identifier: GPL-2.0
/*
 * The log of grants: gathered, and written in batches by a thread of its own,
 * which has a connection to the database of its own, so that a slow disk makes
 * no agent wait. Two buffers: one is filled while the other one is written. Up to
 * AUTHD_GRANT_LOG_MS of the log is lost when the server dies.
 *
 * Its lock guards what the thread has in hand (writing, writing_n, failed, err,
 * began, stop); everything else is guarded by that of all state.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "authd.h"

struct grantlog {
	struct authd *ad;
	struct store *store;		/* the thread's */
	struct store_grant *filling;
	unsigned int n;
	ev_timer timer;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct store_grant *writing;
	unsigned int writing_n;		/* 0: the thread waits */
	unsigned int failed;		/* grants that could not be written */
	struct sotto_errmsg err;
	bool began;			/* and has no capability any more */
	bool stop;
	struct store_grant buffer[2][AUTHD_GRANT_LOG_MAX];
};

static struct sotto_ratelimit limit_lost = SOTTO_RATELIMIT(60000, 1);

/* ---- the thread ---- */

static void write_out(struct grantlog *gl)
{
	int64_t prune = authd_wall() - AUTHD_GRANT_LOG_DAYS * 86400ll;
	unsigned int n = gl->writing_n;
	struct sotto_errmsg err;
	int rc;

	pthread_mutex_unlock(&gl->lock);
	rc = store_grants(gl->store, gl->writing, n, prune, &err);
	pthread_mutex_lock(&gl->lock);
	if (rc) {
		gl->failed += n;
		gl->err = err;
	}
	gl->writing_n = 0;
	pthread_cond_broadcast(&gl->change);
}

static void *thread_main(void *arg)
{
	struct grantlog *gl = arg;
	struct sotto_errmsg err;

	if (sandbox_thread(&err))
		sotto_err_log("%s", err.text);
	pthread_mutex_lock(&gl->lock);
	gl->began = true;
	pthread_cond_broadcast(&gl->change);
	while (!gl->stop) {
		if (gl->writing_n)
			write_out(gl);
		else
			pthread_cond_wait(&gl->change, &gl->lock);
	}
	pthread_mutex_unlock(&gl->lock);
	return NULL;
}

/* ---- the event loop ---- */

static void count_lost(struct grantlog *gl, unsigned int n, const char *why)
{
	if (!n)
		return;
	gl->ad->stats.grants_lost += n;
	sotto_log_limited(&limit_lost, SOTTO_LOG_ERR, "%u grants not logged: %s",
			  n, why);
}

/* Under the lock, when the thread waits. */
static void hand_over(struct grantlog *gl)
{
	struct store_grant *empty = gl->writing;

	count_lost(gl, gl->failed, gl->err.text);
	gl->failed = 0;
	gl->writing = gl->filling;
	gl->writing_n = gl->n;
	gl->filling = empty;
	gl->n = 0;
	pthread_cond_broadcast(&gl->change);
}

/* False: there was nothing to do. */
static bool try_hand_over(struct grantlog *gl)
{
	bool busy;

	pthread_mutex_lock(&gl->lock);
	busy = gl->writing_n || gl->n || gl->failed;
	if (!gl->writing_n)
		hand_over(gl);
	pthread_mutex_unlock(&gl->lock);
	return busy;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct grantlog *gl = w->data;

	(void)revents;
	/* once more after the last batch, to hear how it went */
	if (!try_hand_over(gl))
		ev_timer_stop(loop, w);
}

void grantlog_add(struct session *s)
{
	struct grantlog *gl = s->ad->grantlog;

	if (gl->n == AUTHD_GRANT_LOG_MAX) {
		count_lost(gl, 1, "the disk is too slow");
		return;
	}
	gl->filling[gl->n++] = (struct store_grant) {
		.at = s->made,
		.session_id = s->id,
		.a = s->a->id,
		.b = s->b->id,
		.cipher = s->cipher,
	};
	if (!(gl->n % AUTHD_GRANT_LOG_BATCH))
		try_hand_over(gl);
	if (!ev_is_active(&gl->timer)) {
		ev_now_update(gl->ad->loop);
		ev_timer_again(gl->ad->loop, &gl->timer);
		net_wake(gl->ad);
	}
}

/* ---- beginning and end ---- */

/*
 * Signals are for the event loop. A heap of its own would have the C library read
 * a file when it shrinks, which the sandbox forbids.
 */
static int start_thread(struct grantlog *gl)
{
	sigset_t all, before;
	int rc;

	mallopt(M_ARENA_MAX, 1);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&gl->thread, NULL, thread_main, gl);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* before the sandbox, which would forbid its first steps */
	pthread_mutex_lock(&gl->lock);
	while (!rc && !gl->began)
		pthread_cond_wait(&gl->change, &gl->lock);
	pthread_mutex_unlock(&gl->lock);
	return rc;
}

int grantlog_start(struct authd *ad, struct sotto_errmsg *err)
{
	struct grantlog *gl = calloc(1, sizeof(*gl));
	int rc;

	if (!gl)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = store_open_again(ad->store, &gl->store, err);
	/* what SQLite opens at its first write, it opens now */
	if (!rc && store_touch(gl->store, err))
		sotto_warn("%s", err->text);
	if (rc) {
		free(gl);
		return rc;
	}
	gl->ad = ad;
	gl->filling = gl->buffer[0];
	gl->writing = gl->buffer[1];
	pthread_mutex_init(&gl->lock, NULL);
	pthread_cond_init(&gl->change, NULL);
	ev_timer_init(&gl->timer, on_timer, 0., AUTHD_GRANT_LOG_MS / 1000.);
	gl->timer.data = gl;
	if (start_thread(gl)) {
		store_close(gl->store);
		free(gl);
		return sotto_err(err, SOTTO_E_NOMEM, "cannot start a thread");
	}
	ad->grantlog = gl;
	return 0;
}

static void wait_written(struct grantlog *gl)
{
	while (gl->writing_n)
		pthread_cond_wait(&gl->change, &gl->lock);
}

void grantlog_stop(struct authd *ad)
{
	struct grantlog *gl = ad->grantlog;

	if (!gl)
		return;
	ev_timer_stop(ad->loop, &gl->timer);
	pthread_mutex_lock(&gl->lock);
	wait_written(gl);
	hand_over(gl);
	wait_written(gl);
	count_lost(gl, gl->failed, gl->err.text);
	gl->stop = true;
	pthread_cond_broadcast(&gl->change);
	pthread_mutex_unlock(&gl->lock);
	pthread_join(gl->thread, NULL);
	pthread_cond_destroy(&gl->change);
	pthread_mutex_destroy(&gl->lock);
	store_close(gl->store);
	free(gl);
	ad->grantlog = NULL;
}
