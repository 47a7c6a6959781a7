// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's local socket, for the CLI.
 */
#include "ctl.h"

#include <string.h>
#include <unistd.h>

#include "../tools/lib/jx.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/paths.h"
#include "../tools/lib/usock.h"
#include "agent.h"
#include "ask.h"
#include "trace.h"

static void put_trouble(json_t *o, const struct assoc_trouble *t)
{
	if (!t->error[0])
		return;
	json_object_set_new(o, "error", json_string(t->error));
	json_object_set_new(o, "message", json_string(t->message));
	if (t->advice[0])
		json_object_set_new(o, "advice", json_string(t->advice));
}

/* Also while it stands. */
static void put_twin(json_t *o, const struct sotto_addr *twin)
{
	char buf[SOTTO_ADDR_STR];

	if (!twin)
		return;
	json_object_set_new(o, "twin", json_string(sotto_addr_str(twin, buf)));
	json_object_set_new(o, "advice", json_string(TWIN_ADVICE));
}

static json_t *association_json(struct agent *ag)
{
	const struct association *a = &ag->assoc;
	uint64_t now = sotto_now_ms();
	json_t *o = json_pack("{s:s, s:s}", "state", assoc_state_name(ag),
			      "server", assoc_server_text(ag));

	if (!a->down_ms) {
		json_object_set_new(o, "since_ms", json_integer(now - a->since_ms));
		json_object_set_new(o, "last_heard_ms", json_integer(assoc_silent_ms(ag)));
		json_object_set_new(o, "server_version", json_string(a->server_version));
	} else {
		json_object_set_new(o, "down_ms", json_integer(now - a->down_ms));
	}
	put_trouble(o, &a->trouble);
	put_twin(o, assoc_twin(ag));
	return o;
}

static json_t *addresses_json(struct agent *ag)
{
	json_t *list = json_array();
	char buf[SOTTO_ADDR_STR];

	for (unsigned int i = 0; i < ag->id->addrs.n; i++)
		json_array_append_new(list, json_string(
			sotto_addr_str(&ag->id->addrs.a[i], buf)));
	return list;
}

static json_t *status_json(struct agent *ag)
{
	char key[44];

	return json_pack("{s:i, s:s, s:I, s:s, s:s, s:o, s:o, s:i, s:i, s:o, s:I}",
			 "pid", (int)getpid(), "version", SOTTO_VERSION,
			 "uptime_ms", (json_int_t)(sotto_now_ms() - ag->started_ms),
			 "name", ag->id->name,
			 "static_key", sotto_key_text(key, ag->id->static_pub),
			 "addresses", addresses_json(ag),
			 "association", association_json(ag),
			 "sessions", (int)session_count(ag),
			 "asks", (int)ask_count(ag),
			 "limits", counters_json(ag),
			 "policy_version", (json_int_t)ag->policy.kept.realm_version);
}

static void add_session(struct session *s, void *arg)
{
	char buf[SOTTO_ADDR_STR];

	json_array_append_new(arg, json_pack("{s:o, s:s, s:s, s:s, s:s, s:b, s:b, s:I}",
		"id", sotto_jx_id(s->id), "peer", s->peer,
		"destination", sotto_addr_str(&s->dst, buf),
		"cipher", sgenl_cipher_name(s->cipher),
		"role", s->initiator ? "initiator" : "responder",
		"confirmed", s->confirmed, "retired", s->retired,
		"age_ms", (json_int_t)(sotto_now_ms() - s->since_ms)));
}

static json_t *sessions_json(struct agent *ag)
{
	json_t *list = json_array();

	session_each(ag, add_session, list);
	return json_pack("{s:o}", "sessions", list);
}

static int get_name(const json_t *req, const char **name, struct sotto_errmsg *err)
{
	int ret = sotto_jx_string(req, "name", name, err);

	if (!ret && !sotto_name_valid(*name))
		ret = sotto_err(err, SOTTO_E_BAD, "\"%s\" is no member's name", *name);
	return ret;
}

/* Absent is none. */
static int get_addrs(const json_t *req, struct sotto_addrs *addrs, struct sotto_errmsg *err)
{
	const json_t *list = json_object_get(req, "addresses"), *v;
	size_t i;

	if ((list && !json_is_array(list)) || json_array_size(list) > SOTTO_ADDRS_MAX)
		return sotto_err(err, SOTTO_E_BAD, "at most %d addresses", SOTTO_ADDRS_MAX);
	json_array_foreach(list, i, v) {
		const char *text = json_string_value(v);

		if (!text || sotto_addr_parse(&addrs->a[addrs->n++], text))
			return sotto_err(err, SOTTO_E_BAD, "\"%s\" is no address",
					 text ? text : "");
	}
	return 0;
}

static int peer_pin(struct agent *ag, const json_t *req, struct sotto_errmsg *err)
{
	struct sotto_addrs addrs = { 0 };
	uint8_t pub[SOTTO_PUB_LEN];
	const char *name, *key = NULL;
	int ret = get_name(req, &name, err);

	if (ret)
		return ret;
	if (!json_object_get(req, "key"))
		return pins_add(ag, name, NULL, NULL, err);
	ret = sotto_jx_string(req, "key", &key, err);
	if (!ret && sotto_key_parse(pub, key))
		ret = sotto_err(err, SOTTO_E_BAD, "that is no key: 43 characters, or 64 hex digits");
	if (!ret)
		ret = get_addrs(req, &addrs, err);
	return ret ? ret : pins_add(ag, name, pub, &addrs, err);
}

static int peer_unpin(struct agent *ag, const json_t *req, struct sotto_errmsg *err)
{
	const char *name;
	int ret = get_name(req, &name, err);

	return ret ? ret : pins_del(ag, name, err);
}

static int renew(struct agent *ag, const json_t *req, struct sotto_errmsg *err)
{
	(void)req;
	(void)err;
	session_replace_all(ag, false);
	return 0;
}

/* Commands that take words, and answer no more than that they were done. */
static const struct {
	const char *cmd;
	const char *const words[4];
	int (*fn)(struct agent *ag, const json_t *req, struct sotto_errmsg *err);
} acts[] = {
	{ "peer.pin", { "name", "key", "addresses", NULL }, peer_pin },
	{ "peer.unpin", { "name", NULL }, peer_unpin },
	{ "renew", { NULL }, renew },
};

static bool act(struct agent *ag, struct sotto_usock_conn *conn, const char *cmd,
		const json_t *req)
{
	struct sotto_errmsg err;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(cmd, acts[i].cmd))
			continue;
		if (sotto_jx_only(req, acts[i].words, &err) || acts[i].fn(ag, req, &err))
			sotto_usock_fail_err(conn, &err);
		else
			sotto_usock_ok(conn, NULL);
		return true;
	}
	return false;
}

static void trace(struct agent *ag, struct sotto_usock_conn *conn, const json_t *req)
{
	static const char *const words[] = { "address", NULL };
	struct sotto_errmsg err;
	struct sotto_addr dst;

	if (sotto_jx_only(req, words, &err) || sotto_jx_addr(req, "address", &dst, &err))
		sotto_usock_fail_err(conn, &err);
	else
		trace_path(ag, conn, &dst);
}

static void on_closed(void *arg, struct sotto_usock_conn *conn)
{
	(void)arg;
	trace_closed(conn);
}

static void on_request(void *arg, struct sotto_usock_conn *conn, const json_t *req)
{
	static const char *const only_cmd[] = { NULL };
	struct agent *ag = arg;
	struct sotto_errmsg err;
	const char *cmd;

	if (sotto_jx_string(req, "cmd", &cmd, &err)) {
		sotto_usock_fail_err(conn, &err);
		return;
	}
	if (act(ag, conn, cmd, req))
		return;
	if (!strcmp(cmd, "trace")) {
		trace(ag, conn, req);
		return;
	}
	if (sotto_jx_only(req, only_cmd, &err)) {
		sotto_usock_fail_err(conn, &err);
	} else if (!strcmp(cmd, "status")) {
		sotto_usock_ok(conn, status_json(ag));
	} else if (!strcmp(cmd, "sessions")) {
		sotto_usock_ok(conn, sessions_json(ag));
	} else if (!strcmp(cmd, "peers")) {
		sotto_usock_ok(conn, pins_json(ag));
	} else if (!strcmp(cmd, "stop")) {
		sotto_usock_ok(conn, NULL);
		agent_stop(ag, 0);
	} else if (!strcmp(cmd, "leave")) {
		sotto_usock_ok(conn, NULL);
		session_leave(ag);
	} else {
		sotto_usock_fail(conn, "unknown-command",
				 "the agent has no command \"%s\"; do sotto and sottod fit?",
				 cmd);
	}
}

static const struct sotto_usock_ops ops = { .request = on_request, .closed = on_closed };

int ctl_start(struct agent *ag, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];

	return sotto_usock_listen(ag->loop, sotto_path(path, SOTTO_RUN, CTL_SOCKET),
				  &ops, ag, &ag->ctl, err);
}

void ctl_stop(struct agent *ag)
{
	sotto_usock_close(ag->ctl);
	ag->ctl = NULL;
}
