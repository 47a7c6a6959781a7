// SPDX-License-Identifier: GPL-2.0
/*
 * Workers: threads that share the port (SO_REUSEPORT), each with sockets of its own.
 * The first one is the event loop, which has timers and local sockets, too.
 *
 * A batch of datagrams goes through five steps: received; found out whose they are,
 * under the lock; opened; handled, under the lock; what came of it sealed and sent.
 * What begins associations takes two more before the last: answered; entered, under the lock.
 * System calls and ciphers are most of the work, and none of them is under the lock.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define RECV_ROUNDS	16	/* batches per wake-up, then others have a turn */

/* ---- the lock ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void lock_slowly(struct worker *w, struct net *net)
{
	uint64_t begin = now_ns();

	pthread_mutex_lock(&net->lock);
	w->waits++;
	w->waited_ns += now_ns() - begin;
}

void state_lock(struct worker *w)
{
	struct net *net = w->ad->net;

	if (pthread_mutex_trylock(&net->lock))
		lock_slowly(w, net);
	net->holder = w;
	w->ad->now_ms = sotto_now_ms();
}

void state_unlock(struct worker *w)
{
	struct authd *ad = w->ad;

	session_gone_flush(ad);
	/* it may be asleep, until something that is due later */
	if (w->index && (ad->woken || ad->wheel.early)) {
		ad->wheel.early = false;
		ev_async_send(ad->loop, &ad->net->wake);
	}
	ad->woken = false;
	pthread_mutex_unlock(&ad->net->lock);
}

void net_wake(struct authd *ad)
{
	ad->woken = true;
}

/* ---- a batch ---- */

/* Public-key work, which is not under the lock either. */
static void begin_associations(struct worker *w, unsigned int n)
{
	assoc_answer(w->batch, n);
	state_lock(w);
	assoc_begin(w->ad, w->batch, n);
	state_unlock(w);
}

static int serve_batch(struct worker *w, struct net_sock *s)
{
	struct authd *ad = w->ad;
	unsigned int good;
	int n = batch_receive(w, s, &good);
	uint64_t freed;
	bool begin;

	if (n <= 0)
		return n;
	state_lock(w);
	w->received += n;
	ad->stats.dgrams_in += n;
	ad->stats.malformed += n - good;
	freed = assoc_find(ad, w->batch, good);
	state_unlock(w);
	assoc_open(w->batch, good);
	state_lock(w);
	begin = assoc_input(ad, w->batch, good, freed);
	state_unlock(w);
	if (begin)
		begin_associations(w, good);
	batch_send(w);
	return n;
}

void worker_serve(struct worker *w, struct net_sock *s)
{
	int round;

	for (round = 0; round < RECV_ROUNDS; round++)
		if (serve_batch(w, s) < AUTHD_BATCH)
			break;
}

/* ---- threads ---- */

/* Until the pipe is closed at its other end. */
static void serve(struct worker *w)
{
	struct pollfd pfd[AUTHD_LISTEN_MAX + 1] = { 0 };
	unsigned int i;

	for (i = 0; i < w->sock_n; i++) {
		pfd[i].fd = w->sock[i].fd;
		pfd[i].events = POLLIN;
	}
	pfd[i].fd = w->ad->net->end[0];
	while (!pfd[w->sock_n].revents) {
		poll(pfd, w->sock_n + 1, -1);
		for (i = 0; i < w->sock_n; i++)
			if (pfd[i].revents)
				worker_serve(w, &w->sock[i]);
	}
}

static void *thread_main(void *arg)
{
	struct worker *w = arg;
	struct sotto_errmsg err;
	int rc = sandbox_thread(&err);

	if (rc)
		sotto_err_log("%s", err.text);
	/* what the sandbox forbids is done: it may begin */
	pthread_barrier_wait(&w->ad->net->ready);
	if (!rc)
		serve(w);
	return NULL;
}

static int start_threads(struct net *net)
{
	unsigned int i;
	int rc = 0;

	for (i = 1; i < net->workers_n && !rc; i++) {
		struct worker *w = net->worker[i];

		rc = pthread_create(&w->thread, NULL, thread_main, w);
		net->threads_n += !rc;
	}
	return rc;
}

int net_start(struct authd *ad, struct sotto_errmsg *err)
{
	struct net *net = ad->net;
	sigset_t all, before;
	int rc;

	if (net->workers_n == 1)
		return 0;
	if (pipe2(net->end, O_CLOEXEC))
		return sotto_err_errno(err, "pipe");
	/* heaps of threads have the C library read a file when they shrink */
	mallopt(M_ARENA_MAX, 1);
	pthread_barrier_init(&net->ready, NULL, net->workers_n);
	/* signals are for the event loop */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = start_threads(net);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		/* those that were started wait for ever, and end with the process */
		net->threads_n = 0;
		return sotto_err(err, SOTTO_E_NOMEM, "cannot start a thread");
	}
	pthread_barrier_wait(&net->ready);
	return 0;
}

void net_stop(struct authd *ad)
{
	struct net *net = ad->net;
	unsigned int i;

	if (!net || !net->threads_n)
		return;
	close(net->end[1]);
	state_unlock(net->worker[0]);
	for (i = 1; i <= net->threads_n; i++)
		pthread_join(net->worker[i]->thread, NULL);
	state_lock(net->worker[0]);
	close(net->end[0]);
	pthread_barrier_destroy(&net->ready);
	net->threads_n = 0;
}

/* ---- the event loop's turn ---- */

static void on_wake(struct ev_loop *loop, ev_async *a, int revents)
{
	/* that it woke up is all */
	(void)loop;
	(void)a;
	(void)revents;
}

static void before_sleep(struct ev_loop *loop) EV_THROW
{
	struct authd *ad = ev_userdata(loop);

	state_unlock(ad->net->worker[0]);
	batch_send(ad->net->worker[0]);
}

static void after_sleep(struct ev_loop *loop) EV_THROW
{
	struct authd *ad = ev_userdata(loop);

	state_lock(ad->net->worker[0]);
}

void loop_setup(struct authd *ad)
{
	pthread_mutex_init(&ad->net->lock, NULL);
	state_lock(ad->net->worker[0]);
	ad->wheel.work = &ad->net->worker[0]->placed;
	ev_set_userdata(ad->loop, ad);
	ev_set_loop_release_cb(ad->loop, before_sleep, after_sleep);
	ev_async_init(&ad->net->wake, on_wake);
	ev_async_start(ad->loop, &ad->net->wake);
}

void loop_teardown(struct authd *ad)
{
	ad->wheel.work = NULL;
	ev_async_stop(ad->loop, &ad->net->wake);
	ev_set_loop_release_cb(ad->loop, NULL, NULL);
	state_unlock(ad->net->worker[0]);
	pthread_mutex_destroy(&ad->net->lock);
}

/* ---- counters ---- */

static void one_worker(struct worker *w, uint64_t sent,
		       void (*fn)(void *arg, const char *name, uint64_t value),
		       void *arg)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "in", w->received }, { "out", sent },
		{ "waits", w->waits }, { "waited_us", w->waited_ns / 1000 },
	};
	char name[32];
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		snprintf(name, sizeof(name), "worker%u_%s", w->index,
			 counts[i].name);
		fn(arg, name, counts[i].value);
	}
}

void net_each_count(struct authd *ad,
		    void (*fn)(void *arg, const char *name, uint64_t value),
		    void *arg)
{
	const struct net *net = ad->net;
	uint64_t each[AUTHD_WORKERS_MAX], sent = 0, lost = 0;
	unsigned int i;

	/* they go on sending: looked at once, so that it adds up */
	for (i = 0; i < net->workers_n; i++) {
		each[i] = atomic_load(&net->worker[i]->sent);
		sent += each[i];
		lost += atomic_load(&net->worker[i]->lost);
	}
	fn(arg, "dgrams_out", sent);
	fn(arg, "dgrams_lost", lost);
	for (i = 0; i < net->workers_n && net->workers_n > 1; i++)
		one_worker(net->worker[i], each[i], fn, arg);
}
