// SPDX-License-Identifier: GPL-2.0
/*
 * Looking a server's name up, in a thread, so that a dead name server does not
 * stop the loop. The thread knows nothing but its job.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

struct resolve_job {
	struct ev_loop *loop;
	ev_async *done;
	unsigned int server;
	char host[SOTTO_HOST_MAX];
	struct sotto_addr failed;	/* the one that was tried last; len 0 = none */
	struct sotto_addr addr;		/* answer; len 0 = none */
	char why[128];
};

/* The first; but of several addresses the one behind that which has failed. */
static void take_next(struct resolve_job *job, const struct addrinfo *ai)
{
	bool next = false;

	for (; ai; ai = ai->ai_next) {
		struct sockaddr_storage ss = { 0 };
		struct sotto_addr addr;

		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		if (sotto_addr_from_sockaddr(&addr, NULL, &ss))
			continue;
		if (!job->addr.len || next)
			job->addr = addr;
		if (next)
			return;
		next = sotto_addr_eq(&addr, &job->failed);
	}
}

static void *run(void *arg)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct resolve_job *job = arg;
	struct addrinfo *list;
	int ret = getaddrinfo(job->host, NULL, &hints, &list);

	if (ret) {
		snprintf(job->why, sizeof(job->why), "%s", gai_strerror(ret));
	} else {
		take_next(job, list);
		freeaddrinfo(list);
	}
	ev_async_send(job->loop, job->done);
	return NULL;
}

static void on_done(struct ev_loop *loop, ev_async *w, int revents)
{
	struct agent *ag = w->data;
	struct association *a = &ag->assoc;
	struct resolve_job *job = a->job;

	(void)loop;
	(void)revents;
	pthread_join(a->resolver, NULL);
	a->resolver_runs = false;
	a->job = NULL;
	ev_async_stop(ag->loop, &a->resolved);
	resolve_done(ag, job->server, &job->addr, job->why);
	free(job);
}

void resolve_start(struct agent *ag, unsigned int server)
{
	static const struct sotto_addr none;
	struct association *a = &ag->assoc;
	struct resolve_job *job;

	if (a->resolver_runs)
		return;
	job = calloc(1, sizeof(*job));
	if (!job) {
		resolve_done(ag, server, &none, "out of memory");
		return;
	}
	ev_async_init(&a->resolved, on_done);
	a->resolved.data = ag;
	ev_async_start(ag->loop, &a->resolved);
	job->loop = ag->loop;
	job->done = &a->resolved;
	job->server = server;
	snprintf(job->host, sizeof(job->host), "%s", ag->id->servers[server].host);
	job->failed = ag->id->resolved[server];
	a->job = job;
	a->resolver_runs = !pthread_create(&a->resolver, NULL, run, job);
	if (!a->resolver_runs) {
		ev_async_stop(ag->loop, &a->resolved);
		a->job = NULL;
		free(job);
		resolve_done(ag, server, &none, "cannot make a thread");
	}
}

void resolve_stop(struct agent *ag)
{
	struct association *a = &ag->assoc;

	if (!a->resolver_runs)
		return;
	/* it may hang in the C library for long, and the process ends now */
	pthread_detach(a->resolver);
	a->resolver_runs = false;
}
