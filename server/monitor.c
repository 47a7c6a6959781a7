// SPDX-License-Identifier: GPL-2.0
/*
 * What the server does, as it does it, to those who watch on the
 * administrator's socket: one JSON object a line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin.h"
#include "jx.h"

int admin_monitor(struct authd *ad, struct sotto_usock_conn *conn,
		  const json_t *req, struct sotto_errmsg *err)
{
	int i;

	(void)req;
	for (i = 0; i < AUTHD_WATCHERS_MAX; i++)
		if (ad->watchers[i] == conn)
			return sotto_err(err, SOTTO_E_EXISTS,
					 "this connection is watching already");
	for (i = 0; i < AUTHD_WATCHERS_MAX; i++) {
		if (ad->watchers[i])
			continue;
		ad->watchers[i] = conn;
		ad->watchers_n++;
		sotto_usock_ok(conn, NULL);
		return 0;
	}
	return sotto_err(err, SOTTO_E_LIMIT, "%d are watching already",
			 AUTHD_WATCHERS_MAX);
}

void monitor_closed(void *arg, struct sotto_usock_conn *conn)
{
	struct authd *ad = arg;
	int i;

	for (i = 0; i < AUTHD_WATCHERS_MAX; i++) {
		if (ad->watchers[i] != conn)
			continue;
		ad->watchers[i] = NULL;
		ad->watchers_n--;
	}
}

static void tell_all(struct authd *ad, json_t *o)
{
	int i;

	for (i = 0; i < AUTHD_WATCHERS_MAX; i++)
		if (ad->watchers[i])
			sotto_usock_send(ad->watchers[i], json_incref(o));
	net_wake(ad);
	json_decref(o);
}

static json_t *event(const char *name)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return json_pack("{s:s, s:I}", "event", name, "at_ms",
			 (json_int_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

void monitor_session(struct authd *ad, const char *name, const struct session *s,
		     enum sotto_refusal reason)
{
	json_t *o;

	if (!ad->watchers_n)
		return;
	o = event(name);
	json_object_set_new(o, "session", sotto_jx_id(s->id));
	json_object_set_new(o, "from", json_string(s->a->name));
	json_object_set_new(o, "to", json_string(s->b->name));
	if (reason)
		json_object_set_new(o, "reason", json_string(
					sotto_refusal_name(reason)));
	tell_all(ad, o);
}

void monitor_refusal(struct authd *ad, const struct member *a,
		     const struct sotto_addr *dst, enum sotto_refusal reason)
{
	char text[SOTTO_ADDR_STR];
	json_t *o;

	if (!ad->watchers_n)
		return;
	o = event("refused");
	json_object_set_new(o, "from", json_string(a->name));
	json_object_set_new(o, "destination", json_string(
				sotto_addr_str(dst, text)));
	json_object_set_new(o, "reason", json_string(
				sotto_refusal_name(reason)));
	tell_all(ad, o);
}

void monitor_addresses(struct authd *ad, const struct member *m)
{
	json_t *o;

	if (!ad->watchers_n)
		return;
	o = event("addresses");
	json_object_set_new(o, "member", json_string(m->name));
	json_object_set_new(o, "addresses", admin_addrs_json(m));
	tell_all(ad, o);
}

void monitor_member(struct authd *ad, const char *name, const struct member *m)
{
	json_t *o;

	if (!ad->watchers_n)
		return;
	o = event(name);
	json_object_set_new(o, "member", json_string(m->name));
	tell_all(ad, o);
}
