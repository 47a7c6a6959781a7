// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's part of "sotto trace".
 */
#include "trace.h"

#include <stdlib.h>

#include "../tools/lib/jx.h"
#include "../tools/lib/loop.h"
#include "agent.h"
#include "ask.h"

/* A question to the server; @conn is NULL when nobody wants to know any more. */
struct trace {
	struct agent *ag;
	struct sotto_usock_conn *conn;
	json_t *answer;
};

struct search {
	const struct sotto_addr *dst;
	struct session *found;
};

static void look(struct session *s, void *arg)
{
	struct search *f = arg;

	if (!s->retired && session_covers(s, f->dst))
		f->found = s;
}

static json_t *session_json(struct agent *ag, const struct sotto_addr *dst)
{
	struct search f = { .dst = dst };

	session_each(ag, look, &f);
	if (!f.found)
		return json_null();
	return json_pack("{s:o, s:s, s:b, s:I}", "id", sotto_jx_id(f.found->id),
			 "peer", f.found->peer, "confirmed", f.found->confirmed,
			 "age_ms", (json_int_t)(sotto_now_ms() - f.found->since_ms));
}

static void set_verdict(json_t *o, unsigned int reason)
{
	json_object_set_new(o, "verdict",
			    json_string(reason ? sotto_refusal_name(reason) : "granted"));
	json_object_set_new(o, "verdict_text",
			    json_string(reason ? sotto_refusal_text(reason) :
					"the server would grant a session"));
}

static void on_verdict(void *arg, int err, const struct sotto_msg *m)
{
	struct trace *t = arg;

	if (!err && m->type == SOTTO_MSG_ACK)
		set_verdict(t->answer, 0);
	else if (!err && m->type == SOTTO_MSG_SESSION_REFUSAL)
		set_verdict(t->answer, m->refusal.reason);
	else if (!err && m->type == SOTTO_MSG_ERROR)
		set_verdict(t->answer, m->error.reason);
	if (t->conn) {
		sotto_usock_set_data(t->conn, NULL);
		sotto_usock_ok(t->conn, json_incref(t->answer));
	}
	json_decref(t->answer);
	free(t);
}

static int ask_server(struct agent *ag, struct trace *t, const struct sotto_addr *dst)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_CHECK };
	int ret;

	if (!assoc_channel(ag) || ag->assoc.down_ms)
		return SOTTO_E_STATE;
	m.check.dst = *dst;
	ret = sotto_chan_request(assoc_channel(ag), sotto_now_ms(), &m, TRACE_MS,
				 on_verdict, t, NULL);
	assoc_kick(ag);
	return ret;
}

void trace_path(struct agent *ag, struct sotto_usock_conn *conn,
		const struct sotto_addr *dst)
{
	const struct association *a = &ag->assoc;
	struct trace *t = calloc(1, sizeof(*t));
	char pin[PINS_ADVICE_MAX], buf[SOTTO_ADDR_STR];
	const struct sotto_addr *twin;
	uint64_t asked_ms;
	bool asking;

	if (!t || sotto_usock_data(conn)) {
		free(t);
		sotto_usock_fail(conn, "busy", "one trace at a time");
		return;
	}
	t->ag = ag;
	t->conn = conn;
	pins_advice(ag, dst, pin);
	asking = ask_wants(ag, dst, &asked_ms);
	t->answer = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:o}",
			      "association", assoc_state_name(ag),
			      "server", assoc_server_text(ag), "trouble", a->trouble.message,
			      "advice", a->trouble.advice, "pin_advice", pin,
			      "asking", asking, "asking_ms", (json_int_t)asked_ms,
			      "session", session_json(ag, dst));
	twin = assoc_twin(ag);
	if (twin) {
		json_object_set_new(t->answer, "twin", json_string(sotto_addr_str(twin, buf)));
		json_object_set_new(t->answer, "advice", json_string(TWIN_ADVICE));
	}
	sotto_usock_set_data(conn, t);
	if (ask_server(ag, t, dst))
		on_verdict(t, SOTTO_E_STATE, NULL);
}

void trace_closed(struct sotto_usock_conn *conn)
{
	struct trace *t = sotto_usock_data(conn);

	if (t)
		t->conn = NULL;
}
