// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's socket: a table of commands, one JSON object each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "file.h"
#include "jx.h"
#include "paths.h"

/* ---- enrolment lines ---- */

static int parse_endpoints(const char *list, struct sotto_enrol *e,
			   struct sotto_errmsg *err)
{
	char copy[sizeof(((struct authd_conf *)0)->endpoints)];
	char *save = NULL, *one;
	int rc = 0;

	snprintf(copy, sizeof(copy), "%s", list);
	for (one = strtok_r(copy, ", ", &save); one && !rc;
	     one = strtok_r(NULL, ", ", &save)) {
		if (e->n == SOTTO_SERVERS_MAX)
			return sotto_err(err, SOTTO_E_LIMIT,
					 "more than %d endpoints",
					 SOTTO_SERVERS_MAX);
		rc = sotto_endpoint_parse(&e->servers[e->n], one, err);
		if (!rc && !e->servers[e->n].port)
			rc = sotto_err(err, SOTTO_E_VALUE,
				       "an endpoint cannot have port 0");
		e->n++;
	}
	return rc;
}

int admin_endpoints(struct authd *ad, struct sotto_enrol *e,
		    struct sotto_errmsg *err)
{
	char list[sizeof(ad->conf.endpoints)];
	int rc = 0;

	strcpy(list, ad->conf.endpoints);
	if (!*list)
		rc = store_endpoints(ad->store, list, sizeof(list), err);
	if (!rc && !*list && gethostname(list, SOTTO_HOST_MAX - 1))
		rc = sotto_err_errno(err, "the host's name");
	return rc ? rc : parse_endpoints(list, e, err);
}

struct code {
	uint8_t code[SOTTO_CODE_LEN], id[SOTTO_CODE_ID_LEN];
	uint8_t psk[SOTTO_SECRET_LEN];
	int64_t now, expires;
};

static int make_code(struct authd *ad, const json_t *req, struct code *c,
		     struct sotto_errmsg *err)
{
	uint64_t life = ad->conf.code_lifetime;

	if (json_object_get(req, "expires") &&
	    sotto_jx_u64(req, "expires", 60, 30 * 86400, &life, err))
		return sotto_err(err, SOTTO_E_BAD,
				 "a one-time code lives from 60 seconds to 30 days");
	randombytes_buf(c->code, sizeof(c->code));
	sotto_code_derive(c->code, c->id, c->psk);
	c->now = authd_wall();
	c->expires = c->now + life;
	return 0;
}

/* The line is shown this once: only what it hashes to is kept. */
static void answer_line(struct authd *ad, struct sotto_usock_conn *conn,
			struct sotto_enrol *e, const struct code *c)
{
	char line[SOTTO_LINE_MAX];

	memcpy(e->server_key, ad->realm->pub, sizeof(e->server_key));
	memcpy(e->code, c->code, sizeof(e->code));
	if (sotto_enrol_format(e, line))
		sotto_usock_fail(conn, "limit", "the endpoints are too long");
	else
		sotto_usock_ok(conn, json_pack("{s:s, s:I}", "line", line,
					       "expires_at",
					       (json_int_t)c->expires));
	sotto_wipe(line, sizeof(line));
}

/* ---- members ---- */

static int one_addr(struct sotto_addrs *out, const json_t *v,
		    struct sotto_errmsg *err)
{
	const char *text = json_string_value(v);
	struct sotto_addr a;
	int i;

	if (!text || sotto_addr_parse(&a, text) || !sotto_addr_is_unicast(&a))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.60s' is not a host's IPv4 or IPv6 address",
				 text ? text : "?");
	for (i = 0; i < out->n; i++)
		if (sotto_addr_eq(&out->a[i], &a))
			return sotto_err(err, SOTTO_E_BAD,
					 "the address %s is given twice", text);
	out->a[out->n++] = a;
	return 0;
}

int admin_get_addrs(const json_t *req, struct sotto_addrs *out,
		    struct sotto_errmsg *err)
{
	const json_t *list = json_object_get(req, "addresses"), *v;
	size_t i, n = json_array_size(list);
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (!json_is_array(list) || n == 0 || n > SOTTO_ADDRS_MAX)
		return sotto_err(err, SOTTO_E_BAD,
				 "a member has 1 to %d addresses",
				 SOTTO_ADDRS_MAX);
	for (i = 0; i < n && !rc; i++) {
		v = json_array_get(list, i);
		rc = one_addr(out, v, err);
	}
	return rc;
}

static int get_name(const json_t *req, const char **name,
		    struct sotto_errmsg *err)
{
	int rc = sotto_jx_string(req, "name", name, err);

	if (!rc && (!sotto_name_valid(*name) || !strcmp(*name, "all")))
		rc = sotto_err(err, SOTTO_E_BAD,
			       "'%.70s' is not a member's name: 1-63 of a-z, 0-9, '-' and '.', beginning with letter or digit",
			       *name);
	return rc;
}

static bool was_revoked(struct authd *ad, const char *name)
{
	const struct member *m;

	for (m = ad->members; m; m = m->next)
		if (m->state == MEMBER_REVOKED && !strcmp(m->name, name))
			return true;
	return false;
}

int admin_get_member(struct authd *ad, const json_t *req, struct member **m,
		     struct sotto_errmsg *err)
{
	const char *name;
	int rc = get_name(req, &name, err);

	if (rc)
		return rc;
	*m = member_by_name(ad, name);
	if (*m)
		return 0;
	return sotto_err(err, SOTTO_E_UNKNOWN, was_revoked(ad, name) ?
			 "member '%s' is revoked; a new one of this name: sotto member add" :
			 "there is no member '%s'; see: sotto member list", name);
}

static int add_member(struct authd *ad, const char *name,
		      const struct sotto_addrs *addrs, const struct code *c,
		      struct sotto_errmsg *err)
{
	struct store_member sm = { .state = MEMBER_PENDING };
	int rc = store_member_add(ad->store, ADMIN_ACTOR, name, addrs, c->now,
				  c->id, c->psk, c->expires, &sm.id, err);

	if (rc)
		return rc;
	strcpy(sm.name, name);
	sm.addrs = *addrs;
	sm.created = c->now;
	sm.code_expires = c->expires;
	if (member_load(ad, &sm))
		return sotto_err(err, SOTTO_E_NOMEM,
				 "out of memory; restart the server");
	policy_changed(ad);
	sotto_notice("member %s added", name);
	return 0;
}

static int cmd_member_add(struct authd *ad, struct sotto_usock_conn *conn,
			  const json_t *req, struct sotto_errmsg *err)
{
	struct sotto_enrol e = { 0 };
	struct sotto_addrs addrs;
	struct code c;
	const char *name;
	int rc = get_name(req, &name, err);

	if (!rc)
		rc = admin_get_addrs(req, &addrs, err);
	if (!rc)
		rc = make_code(ad, req, &c, err);
	if (!rc)
		rc = admin_endpoints(ad, &e, err);
	if (!rc)
		rc = add_member(ad, name, &addrs, &c, err);
	if (!rc)
		answer_line(ad, conn, &e, &c);
	sotto_wipe(&c, sizeof(c));
	sotto_wipe(&e, sizeof(e));
	return rc;
}

static int give_code(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, bool rekey, struct sotto_errmsg *err)
{
	struct sotto_enrol e = { 0 };
	struct member *m;
	struct code c;
	int rc = admin_get_member(ad, req, &m, err);

	if (!rc)
		rc = make_code(ad, req, &c, err);
	if (!rc)
		rc = admin_endpoints(ad, &e, err);
	if (!rc)
		rc = store_code_new(ad->store, ADMIN_ACTOR, m->id, rekey,
				    c.now, c.id, c.psk, c.expires, err);
	if (!rc) {
		m->code_expires = c.expires;
		answer_line(ad, conn, &e, &c);
	}
	sotto_wipe(&c, sizeof(c));
	sotto_wipe(&e, sizeof(e));
	return rc;
}

static int cmd_member_code(struct authd *ad, struct sotto_usock_conn *conn,
			   const json_t *req, struct sotto_errmsg *err)
{
	return give_code(ad, conn, req, false, err);
}

/* New keys for a member, who works with the old ones until they are there. */
static int cmd_member_rekey(struct authd *ad, struct sotto_usock_conn *conn,
			    const json_t *req, struct sotto_errmsg *err)
{
	return give_code(ad, conn, req, true, err);
}

static int cmd_member_revoke(struct authd *ad, struct sotto_usock_conn *conn,
			     const json_t *req, struct sotto_errmsg *err)
{
	struct member *m;
	int rc = admin_get_member(ad, req, &m, err);

	if (!rc)
		rc = member_revoke(ad, m, ADMIN_ACTOR, err);
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

static int cmd_member_show(struct authd *ad, struct sotto_usock_conn *conn,
			   const json_t *req, struct sotto_errmsg *err)
{
	struct member *m;
	int rc = admin_get_member(ad, req, &m, err);

	if (!rc)
		sotto_usock_ok(conn, json_pack("{s:o}", "member",
					       admin_member_json(ad, m)));
	return rc;
}

/* ---- dispatch ---- */

static const struct admin_cmd {
	const char *name;
	const char *args[6];
	int (*fn)(struct authd *ad, struct sotto_usock_conn *conn,
		  const json_t *req, struct sotto_errmsg *err);
} cmds[] = {
	{ "realm.show", { NULL }, admin_realm_show },
	{ "realm.stats", { NULL }, admin_realm_stats },
	{ "realm.monitor", { NULL }, admin_monitor },
	{ "member.add", { "name", "addresses", "expires" }, cmd_member_add },
	{ "member.code", { "name", "expires" }, cmd_member_code },
	{ "member.rekey", { "name", "expires" }, cmd_member_rekey },
	{ "member.list", { "from", "skip", "session", "limit" }, admin_member_list },
	{ "member.show", { "name" }, cmd_member_show },
	{ "member.revoke", { "name" }, cmd_member_revoke },
	{ "member.set", { "name", "addresses", "routes" }, admin_member_set },
	{ "session.list", { "from", "skip", "session", "limit" }, admin_session_list },
	{ "policy.show", { "from", "skip", "session", "limit" }, admin_policy_show },
	{ "policy.add", { "prefix", "action", "group" }, admin_policy_add },
	{ "policy.del", { "prefix", "group" }, admin_policy_del },
	{ "policy.export", { NULL }, admin_policy_export },
	{ "policy.apply", { "text", "at", "more", "confirm" }, admin_policy_apply },
	{ "policy.confirm", { NULL }, admin_policy_confirm },
	{ "policy.revert", { NULL }, admin_policy_revert },
	{ "policy.check", { "from", "to" }, admin_policy_check },
	{ "rule.list", { NULL }, admin_rule_list },
	{ "rule.add", { "rule", "at" }, admin_rule_add },
	{ "rule.del", { "number" }, admin_rule_del },
	{ "rule.default", { "allow" }, admin_rule_default },
	{ "group.list", { NULL }, admin_group_list },
	{ "group.add", { "group", "name" }, admin_group_add },
	{ "group.del", { "group", "name" }, admin_group_del },
	{ "audit.list", { "limit" }, admin_audit_list },
};

static int run(struct authd *ad, struct sotto_usock_conn *conn,
	       const json_t *req, struct sotto_errmsg *err)
{
	const char *cmd;
	size_t i;
	int rc = sotto_jx_string(req, "cmd", &cmd, err);

	if (rc)
		return rc;
	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		if (strcmp(cmds[i].name, cmd))
			continue;
		rc = sotto_jx_only(req, cmds[i].args, err);
		return rc ? rc : cmds[i].fn(ad, conn, req, err);
	}
	return sotto_err(err, SOTTO_E_UNKNOWN, "'%.40s' is not a command", cmd);
}

static struct sotto_ratelimit limit_full = SOTTO_RATELIMIT(10000, 3);

static void on_request(void *arg, struct sotto_usock_conn *conn,
		       const json_t *req)
{
	struct sotto_errmsg err = { 0 };
	struct authd *ad = arg;
	int rc;

	ad->now_ms = sotto_now_ms();
	rc = run(ad, conn, req, &err);
	/* not only for who asked: the audit log cannot say it */
	if (rc == SOTTO_E_FULL)
		sotto_log_limited(&limit_full, SOTTO_LOG_ERR, "%s", err.text);
	if (rc)
		sotto_usock_fail_err(conn, &err);
}

static const struct sotto_usock_ops ops = {
	.request = on_request,
	.closed = admin_closed,
};

int admin_open(struct authd *ad, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], dir[SOTTO_PATH_MAX];
	int rc;

	sotto_path(dir, SOTTO_RUN, "");
	sotto_path(path, SOTTO_RUN, "authd.sock");
	rc = sotto_mkdirs(dir, 0755, err);
	if (rc)
		return rc;
	return sotto_usock_listen(ad->loop, path, &ops, ad, &ad->admin, err);
}
