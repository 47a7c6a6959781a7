// SPDX-License-Identifier: GPL-2.0
/*
 * The storage process.
 *
 * A table says what is permitted; for anything else, and for anything malformed,
 * it ends, and the server with it. One thread: a request waits at most for the
 * batch of grants that is just being written, and goes before the next one.
 */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "authd.h"
#include "paths.h"
#include "store_ask.h"

#define NOT_PERMITTED	1	/* of a handler */

/* Its descriptors; the database's come behind. */
enum { STORAGE_FD = 3, STORAGE_LOG_FD };

struct storage {
	struct sql *sql, *log;		/* log: for the grants */
	int fd, log_fd;
	bool started;			/* the server has its sockets */
	bool gone;			/* nobody takes answers any more */
	/* the request */
	uint8_t op;
	uint8_t *request;
	size_t len, cap;
	struct sotto_rbuf in;
	/* its answer: items that were not sent yet, and results */
	struct sotto_wbuf out, results;
	uint8_t items[STORE_FRAME_DATA];
	uint8_t results_buf[STORE_ITEM_MAX];
	/* grants that could not be written, and were not told of */
	uint32_t failed;
	struct sotto_errmsg why;
	uint8_t frame[STORE_FRAME_MAX + 1];
	struct store_grant grants[AUTHD_GRANT_LOG_BATCH];
};

/* ---- answering ---- */

static void send_items(struct storage *s, size_t len, bool last)
{
	s->frame[0] = s->op;
	s->frame[1] = last;
	if (send(s->fd, s->frame, STORE_FRAME_HEAD + len, MSG_NOSIGNAL) < 0)
		s->gone = true;
}

static void flush_items(struct storage *s)
{
	memcpy(s->frame + STORE_FRAME_HEAD, s->items, s->out.len);
	send_items(s, s->out.len, false);
	s->out.len = 0;
}

/* For one more item; NULL: nobody is there. */
static struct sotto_wbuf *room(void *arg)
{
	struct storage *s = arg;

	if (s->out.cap - s->out.len < STORE_ITEM_MAX)
		flush_items(s);
	return s->gone ? NULL : &s->out;
}

static void answer(struct storage *s, int rc, const struct sotto_errmsg *err)
{
	struct sotto_wbuf w;

	if (s->out.len)
		flush_items(s);
	sotto_wbuf_init(&w, s->frame + STORE_FRAME_HEAD, STORE_FRAME_DATA);
	sotto_put_u8(&w, -rc);
	store_put_text(&w, rc ? err->text : "");
	if (!rc || rc == SOTTO_E_REFUSED)
		sotto_put_bytes(&w, s->results.base, s->results.len);
	send_items(s, w.len, true);
}

/* ---- what is permitted ---- */

/* Whole, and without anything else. */
static bool sound(const struct storage *s)
{
	return store_whole(&s->in);
}


/* Who does it: at the most a host's address. */
static void get_actor(struct storage *s, char actor[SOTTO_NAME_MAX])
{
	store_get_text(&s->in, actor, SOTTO_NAME_MAX);
}

static int one_member(void *arg, const struct store_member *m)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	store_put_member(w, m);
	return 0;
}

static int do_each_member(struct storage *s, struct sotto_errmsg *err)
{
	return sound(s) ? sql_each_member(s->sql, one_member, s, err) :
			  NOT_PERMITTED;
}

struct new_code {
	uint8_t id[SOTTO_CODE_ID_LEN], sealed[STORE_SEALED];
	int64_t expires;
};

static void get_code(struct storage *s, struct new_code *c)
{
	sotto_get_bytes(&s->in, c->id, sizeof(c->id));
	sotto_get_bytes(&s->in, c->sealed, sizeof(c->sealed));
	c->expires = sotto_get_u64(&s->in);
}

static int do_member_add(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], name[SOTTO_NAME_MAX];
	struct sotto_addrs addrs;
	struct new_code c;
	int64_t now, id = 0;
	int rc;

	get_actor(s, actor);
	store_get_name(&s->in, name);
	store_get_addrs(&s->in, &addrs);
	now = sotto_get_u64(&s->in);
	get_code(s, &c);
	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_member_add(s->sql, actor, name, &addrs, now, c.id, c.sealed,
			    c.expires, &id, err);
	sotto_put_u64(&s->results, id);
	return rc;
}

static int do_code_new(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	struct new_code c;
	int64_t id, now;
	bool rekey;

	get_actor(s, actor);
	id = sotto_get_u64(&s->in);
	rekey = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	get_code(s, &c);
	if (!sound(s))
		return NOT_PERMITTED;
	return sql_code_new(s->sql, actor, id, rekey, now, c.id, c.sealed,
			    c.expires, err);
}

static int do_code_find(struct storage *s, struct sotto_errmsg *err)
{
	uint8_t id[SOTTO_CODE_ID_LEN];
	struct store_code c;
	int rc;

	sotto_get_bytes(&s->in, id, sizeof(id));
	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_code_find(s->sql, id, &c, err);
	sotto_put_u64(&s->results, c.member_id);
	sotto_put_u64(&s->results, c.expires);
	sotto_put_u64(&s->results, c.used);
	sotto_put_bytes(&s->results, c.used_by, sizeof(c.used_by));
	sotto_put_bytes(&s->results, c.sealed, sizeof(c.sealed));
	return rc;
}

static int do_register(struct storage *s, struct sotto_errmsg *err)
{
	enum sotto_refusal refusal = SOTTO_REFUSAL_INTERNAL;
	struct sql_registration reg;
	struct store_member m = { 0 };
	int rc;

	sotto_get_bytes(&s->in, reg.code_id, sizeof(reg.code_id));
	sotto_get_bytes(&s->in, reg.static_pub, sizeof(reg.static_pub));
	sotto_get_bytes(&s->in, reg.token, sizeof(reg.token));
	reg.now = sotto_get_u64(&s->in);
	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_register(s->sql, &reg, &m, &refusal, err);
	if (rc)
		sotto_put_u8(&s->results, refusal);
	else
		store_put_member(&s->results, &m);
	return rc;
}

static int do_member_revoke(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	int64_t id, now;

	get_actor(s, actor);
	id = sotto_get_u64(&s->in);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_member_revoke(s->sql, actor, id, now, err) :
			  NOT_PERMITTED;
}

static int do_policy_load(struct storage *s, struct sotto_errmsg *err)
{
	struct policy_doc doc;
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_policy_load(s->sql, &doc, err);
	if (rc)
		return rc;
	store_each_item(&doc, room, s);
	policy_doc_free(&doc);
	return 0;
}

static bool is_event(const char *event)
{
	return !strcmp(event, "policy.apply") ||
	       !strcmp(event, "policy.revert") || !strcmp(event, "policy.expire");
}

/* A copy with a NUL; NULL without memory, or if it has one already. */
static char *get_previous(struct storage *s)
{
	size_t len = sotto_get_u32(&s->in);
	const uint8_t *p = sotto_get_ptr(&s->in, len);

	return p && !memchr(p, 0, len) ? strndup((const char *)p, len) : NULL;
}

static int get_trial(struct storage *s, struct store_trial *t, bool *given)
{
	*given = store_get_bool(&s->in);
	if (!*given)
		return 0;
	t->until = sotto_get_u64(&s->in);
	t->seconds = sotto_get_u64(&s->in);
	t->previous = get_previous(s);
	return t->previous ? 0 : NOT_PERMITTED;
}

static int get_doc(struct storage *s, struct policy_doc *doc)
{
	int rc = 0;

	while (!rc && !s->in.err && s->in.left)
		rc = store_get_item(&s->in, doc);
	return rc;
}

static int do_policy_apply(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], event[SOTTO_NAME_MAX];
	struct store_trial t = { 0 };
	struct policy_doc doc = { 0 };
	bool lenient, trial;
	int64_t now;
	int rc;

	get_actor(s, actor);
	store_get_text(&s->in, event, sizeof(event));
	lenient = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	rc = get_trial(s, &t, &trial);
	if (!rc)
		rc = get_doc(s, &doc);
	if (rc < 0)
		sotto_err(err, rc, "out of memory");
	else if (rc || !sound(s) || !is_event(event))
		rc = NOT_PERMITTED;
	else
		rc = sql_policy_apply(s->sql, actor, event, &doc,
				      trial ? &t : NULL, lenient, now, err);
	policy_doc_free(&doc);
	free(t.previous);
	return rc;
}

static int do_policy_net(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	struct policy_net n;
	int64_t now;
	bool add;

	get_actor(s, actor);
	store_get_net(&s->in, &n);
	add = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_policy_net(s->sql, actor, &n, add, now, err) :
			  NOT_PERMITTED;
}

static int get_rules(struct storage *s, struct policy_doc *doc)
{
	struct policy_rule rule, *to;

	while (!s->in.err && s->in.left) {
		store_get_rule(&s->in, &rule);
		to = policy_doc_rule(doc);
		if (!to)
			return doc->rules_n == POLICY_RULES_MAX ?
			       NOT_PERMITTED : SOTTO_E_NOMEM;
		*to = rule;
	}
	return 0;
}

static int do_policy_rules(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], detail[STORE_TEXT_MAX];
	struct policy_doc doc = { 0 };
	int64_t now;
	int rc;

	get_actor(s, actor);
	store_get_text(&s->in, detail, sizeof(detail));
	doc.deny_rest = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	rc = get_rules(s, &doc);
	if (rc < 0)
		sotto_err(err, rc, "out of memory");
	else if (rc || !sound(s))
		rc = NOT_PERMITTED;
	else
		rc = sql_policy_rules(s->sql, actor, doc.rules, doc.rules_n,
				      doc.deny_rest, detail, now, err);
	policy_doc_free(&doc);
	return rc;
}

static int do_group_member(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], group[SOTTO_NAME_MAX], name[SOTTO_NAME_MAX];
	int64_t member, now;
	bool add;

	get_actor(s, actor);
	store_get_name(&s->in, group);
	member = sotto_get_u64(&s->in);
	store_get_name(&s->in, name);
	add = store_get_bool(&s->in);
	now = sotto_get_u64(&s->in);
	if (!sound(s))
		return NOT_PERMITTED;
	return sql_group_member(s->sql, actor, group, member, name, add, now,
				err);
}

static int do_group_del(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], group[SOTTO_NAME_MAX];
	int64_t now;

	get_actor(s, actor);
	store_get_name(&s->in, group);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_group_del(s->sql, actor, group, now, err) :
			  NOT_PERMITTED;
}

static int do_routes_set(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], name[SOTTO_NAME_MAX];
	struct sotto_prefixes routes;
	int64_t member, now;
	int i;

	get_actor(s, actor);
	member = sotto_get_u64(&s->in);
	store_get_name(&s->in, name);
	now = sotto_get_u64(&s->in);
	routes.n = store_get_up_to(&s->in, SOTTO_ROUTES_MAX);
	for (i = 0; i < routes.n; i++)
		store_get_prefix(&s->in, &routes.p[i], false);
	if (!sound(s))
		return NOT_PERMITTED;
	return sql_routes_set(s->sql, actor, member, name, &routes, now, err);
}

static int one_route(void *arg, const struct store_route *r)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, r->member);
	store_put_prefix(w, &r->prefix);
	return 0;
}

static int do_each_route(struct storage *s, struct sotto_errmsg *err)
{
	return sound(s) ? sql_each_route(s->sql, one_route, s, err) :
			  NOT_PERMITTED;
}

static int one_change(void *arg, const struct store_change *c)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, c->version);
	sotto_put_u8(w, c->kind);
	sotto_put_u64(w, c->grp);
	sotto_put_u64(w, c->member);
	store_put_prefix(w, &c->prefix);
	return 0;
}

static int do_each_change(struct storage *s, struct sotto_errmsg *err)
{
	uint64_t after = sotto_get_u64(&s->in);

	return sound(s) ? sql_each_change(s->sql, after, one_change, s, err) :
			  NOT_PERMITTED;
}

/* In pieces, each of which is a text. */
static void put_long(struct storage *s, const char *text)
{
	struct sotto_wbuf *w;
	size_t len = strlen(text), n;

	do {
		w = room(s);
		if (!w)
			return;
		store_put_text(w, text);
		n = len < STORE_TEXT_MAX ? len : STORE_TEXT_MAX - 1;
		text += n;
		len -= n;
	} while (len);
}

static int do_trial_get(struct storage *s, struct sotto_errmsg *err)
{
	struct store_trial t;
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_trial_get(s->sql, &t, err);
	if (!rc && t.previous)
		put_long(s, t.previous);
	free(t.previous);
	sotto_put_u64(&s->results, t.until);
	sotto_put_u64(&s->results, t.seconds);
	return rc;
}

static int do_trial_end(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX];
	int64_t now;

	get_actor(s, actor);
	now = sotto_get_u64(&s->in);
	return sound(s) ? sql_trial_end(s->sql, actor, now, err) :
			  NOT_PERMITTED;
}

static int do_policy_version(struct storage *s, struct sotto_errmsg *err)
{
	uint64_t version = 0;
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_policy_version(s->sql, &version, err);
	sotto_put_u64(&s->results, version);
	return rc;
}

static int do_endpoints(struct storage *s, struct sotto_errmsg *err)
{
	char list[STORE_TEXT_MAX];
	int rc;

	if (!sound(s))
		return NOT_PERMITTED;
	rc = sql_endpoints(s->sql, list, sizeof(list), err);
	store_put_text(&s->results, list);
	return rc;
}

/* Lines of their own are about one thing; the others come with what they tell of. */
static int do_audit(struct storage *s, struct sotto_errmsg *err)
{
	char actor[SOTTO_NAME_MAX], event[SOTTO_NAME_MAX];
	char subject[SOTTO_NAME_MAX], detail[SOTTO_NAME_MAX];
	int64_t now;

	get_actor(s, actor);
	store_get_text(&s->in, event, sizeof(event));
	store_get_text(&s->in, subject, sizeof(subject));
	store_get_text(&s->in, detail, sizeof(detail));
	now = sotto_get_u64(&s->in);
	if (!sound(s) || strcmp(event, "member.register.refused"))
		return NOT_PERMITTED;
	return sql_audit_line(s->sql, actor, event, subject, detail, now, err);
}

static int one_audit(void *arg, const struct store_audit *a)
{
	struct sotto_wbuf *w = room(arg);

	if (!w)
		return SOTTO_E_CLOSED;
	sotto_put_u64(w, a->id);
	sotto_put_u64(w, a->at);
	store_put_text(w, a->actor);
	store_put_text(w, a->event);
	store_put_text(w, a->subject);
	store_put_text(w, a->detail);
	return 0;
}

static int do_each_audit(struct storage *s, struct sotto_errmsg *err)
{
	uint32_t limit = sotto_get_u32(&s->in);

	return sound(s) && limit <= AUTHD_LIST_MAX ?
	       sql_each_audit(s->sql, limit, one_audit, s, err) : NOT_PERMITTED;
}

/* The one that there is; other names are settings. */
static bool get_secret_name(struct storage *s, char name[SOTTO_NAME_MAX])
{
	store_get_text(&s->in, name, SOTTO_NAME_MAX);
	return !strcmp(name, "ticket_keys");
}

static int do_secret_get(struct storage *s, struct sotto_errmsg *err)
{
	uint8_t sealed[STORE_SECRET_MAX + SEAL_OVERHEAD] = { 0 };
	char name[SOTTO_NAME_MAX];
	bool known = get_secret_name(s, name);
	size_t len = sotto_get_u16(&s->in);
	int rc;

	if (!sound(s) || !known || len > sizeof(sealed))
		return NOT_PERMITTED;
	rc = sql_secret_get(s->sql, name, sealed, len, err);
	sotto_put_bytes(&s->results, sealed, len);
	return rc;
}

static int do_secret_set(struct storage *s, struct sotto_errmsg *err)
{
	char name[SOTTO_NAME_MAX];
	bool known = get_secret_name(s, name);
	size_t len = s->in.left;
	const uint8_t *p = sotto_get_ptr(&s->in, len);

	if (!sound(s) || !known || len > STORE_SECRET_MAX + SEAL_OVERHEAD)
		return NOT_PERMITTED;
	return sql_secret_set(s->sql, name, p, len, err);
}

static int do_started(struct storage *s, struct sotto_errmsg *err)
{
	(void)err;
	s->started = true;
	return sound(s) ? 0 : NOT_PERMITTED;
}

static const struct {
	int (*fn)(struct storage *s, struct sotto_errmsg *err);
	bool start;			/* until the server has started only */
} permitted[STORE_OP_MAX] = {
	[STORE_EACH_MEMBER] = { do_each_member, true },
	[STORE_MEMBER_ADD] = { do_member_add, false },
	[STORE_CODE_NEW] = { do_code_new, false },
	[STORE_CODE_FIND] = { do_code_find, false },
	[STORE_REGISTER] = { do_register, false },
	[STORE_MEMBER_REVOKE] = { do_member_revoke, false },
	[STORE_POLICY_LOAD] = { do_policy_load, false },
	[STORE_POLICY_APPLY] = { do_policy_apply, false },
	[STORE_POLICY_NET] = { do_policy_net, false },
	[STORE_POLICY_RULES] = { do_policy_rules, false },
	[STORE_GROUP_MEMBER] = { do_group_member, false },
	[STORE_GROUP_DEL] = { do_group_del, false },
	[STORE_ROUTES_SET] = { do_routes_set, false },
	[STORE_EACH_ROUTE] = { do_each_route, false },
	[STORE_EACH_CHANGE] = { do_each_change, false },
	[STORE_TRIAL_GET] = { do_trial_get, true },
	[STORE_TRIAL_END] = { do_trial_end, false },
	[STORE_POLICY_VERSION] = { do_policy_version, false },
	[STORE_ENDPOINTS] = { do_endpoints, false },
	[STORE_AUDIT] = { do_audit, false },
	[STORE_EACH_AUDIT] = { do_each_audit, false },
	[STORE_SECRET_GET] = { do_secret_get, true },
	[STORE_SECRET_SET] = { do_secret_set, false },
	[STORE_STARTED] = { do_started, true },
};

/* ---- requests ---- */

/* False: it is nothing that a sound server asks. */
static bool handle(struct storage *s)
{
	struct sotto_errmsg err = { 0 };
	int rc;

	if (!permitted[s->op].fn || (permitted[s->op].start && s->started))
		return false;
	sotto_rbuf_init(&s->in, s->request, s->len);
	sotto_wbuf_init(&s->out, s->items, sizeof(s->items));
	sotto_wbuf_init(&s->results, s->results_buf, sizeof(s->results_buf));
	rc = permitted[s->op].fn(s, &err);
	if (rc == NOT_PERMITTED)
		return false;
	answer(s, rc, &err);
	return true;
}

static bool gather(struct storage *s, const uint8_t *data, size_t len)
{
	size_t cap = s->cap ? s->cap : STORE_FRAME_MAX;
	uint8_t *more;

	if (len > STORE_REQUEST_MAX - s->len)
		return false;
	while (cap < s->len + len)
		cap *= 2;
	if (cap != s->cap) {
		more = realloc(s->request, cap);
		if (!more)
			return false;
		s->request = more;
		s->cap = cap;
	}
	memcpy(s->request + s->len, data, len);
	s->len += len;
	return true;
}

static void request_done(struct storage *s)
{
	s->len = 0;
	if (s->cap <= 2 * STORE_FRAME_MAX)
		return;
	free(s->request);
	s->request = NULL;
	s->cap = 0;
}

/* One frame of @n bytes, in s->frame. */
static bool take_frame(struct storage *s, size_t n)
{
	bool sound;

	if (n < STORE_FRAME_HEAD || n > STORE_FRAME_MAX ||
	    s->frame[0] >= STORE_OP_MAX || s->frame[1] > 1 ||
	    (s->len && s->frame[0] != s->op))
		return false;
	s->op = s->frame[0];
	if (!gather(s, s->frame + STORE_FRAME_HEAD, n - STORE_FRAME_HEAD))
		return false;
	if (!s->frame[1])
		return s->len;		/* not begun with nothing */
	sound = handle(s);
	request_done(s);
	return sound;
}

/* ---- grants ---- */

static void tell_failed(struct storage *s)
{
	struct sotto_wbuf w;
	uint8_t buf[sizeof(s->why.text) + 8];

	sotto_wbuf_init(&w, buf, sizeof(buf));
	sotto_put_u32(&w, s->failed);
	store_put_text(&w, s->why.text);
	if (send(s->log_fd, buf, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		s->failed = 0;
}

/* What is young stays, whatever the server asks. */
static int64_t prune_before(int64_t asked)
{
	int64_t least = (int64_t)time(NULL) - AUTHD_GRANT_LOG_DAYS * 86400ll;

	return asked < least ? asked : least;
}

static bool take_grants(struct storage *s, size_t n)
{
	struct sotto_rbuf r;
	int64_t before;
	uint32_t i, count;

	if (n < STORE_FRAME_HEAD + 8 || n > STORE_FRAME_MAX ||
	    s->frame[0] != STORE_GRANTS || s->frame[1] != 1)
		return false;
	sotto_rbuf_init(&r, s->frame + STORE_FRAME_HEAD, n - STORE_FRAME_HEAD);
	before = sotto_get_u64(&r);
	count = r.left / STORE_GRANT_LEN;
	if (!count || count > AUTHD_GRANT_LOG_BATCH)
		return false;
	for (i = 0; i < count; i++)
		store_get_grant(&r, &s->grants[i]);
	if (!store_whole(&r))
		return false;
	if (sql_grants(s->log, s->grants, count, prune_before(before), &s->why))
		s->failed += count;
	if (s->failed)
		tell_failed(s);
	return true;
}

/* ---- the process ---- */

static ssize_t take(struct storage *s, int fd)
{
	return recv(fd, s->frame, sizeof(s->frame), MSG_DONTWAIT);
}

/* The server is gone when nothing more can come; what it sent is written. */
static bool drain_grants(struct storage *s)
{
	ssize_t n;

	while ((n = take(s, s->log_fd)) > 0)
		if (!take_grants(s, n))
			return false;
	return true;
}

/* 1: go on, 0: the server is gone, -1: it asked for what is not permitted. */
static int turn(struct storage *s)
{
	struct pollfd pfd[2] = {
		{ .fd = s->fd, .events = POLLIN },
		{ .fd = s->log_fd, .events = POLLIN },
	};
	ssize_t n;

	if (poll(pfd, 2, -1) < 0)
		return errno == EINTR ? 1 : -1;
	if (pfd[0].revents) {
		n = take(s, s->fd);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!n)
			return drain_grants(s) ? 0 : -1;
		return take_frame(s, n) ? !s->gone : -1;
	}
	n = take(s, s->log_fd);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	return take_grants(s, n) ? 1 : -1;
}

static void serve(struct storage *s)
{
	int rc;

	do {
		rc = turn(s);
	} while (rc > 0);
	if (rc < 0)
		sotto_err_log("the storage process was asked for what is not permitted");
}

static int open_files(struct storage *s, const char *path,
		      struct sotto_errmsg *err)
{
	struct sotto_errmsg why;
	int rc = sql_open(path, false, &s->sql, err);

	if (!rc)
		rc = sql_open_again(s->sql, &s->log, err);
	if (!rc)
		rc = sql_keep_folder(s->sql, err);
	/* what SQLite opens at its first write, it opens now */
	if (!rc && (sql_touch(s->sql, &why) || sql_touch(s->log, &why)))
		sotto_warn("%s", why.text);
	return rc;
}

static int storage_begin(struct storage *s, const char *path,
			 struct sotto_errmsg *err)
{
	int rc;

	/* it ends when the server closes its sockets, not before */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* or with a server that was killed: its successor is to find nobody here */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sotto-storage");
	rc = open_files(s, path, err);
	return rc ? rc : sandbox_storage(err);
}

/* The server itself could not: it has no files. */
static void remove_sockets(void)
{
	static const char *const names[] = { "authd.sock", METRICS_SOCKET };
	char path[SOTTO_PATH_MAX];

	for (int i = 0; i < 2; i++)
		unlink(sotto_path(path, SOTTO_RUN, names[i]));
}

static void keep_only(int fds[2])
{
	/* out of each other's way first */
	fds[0] = fcntl(fds[0], F_DUPFD, STORAGE_LOG_FD + 1);
	fds[1] = fcntl(fds[1], F_DUPFD, STORAGE_LOG_FD + 1);
	if (fds[0] < 0 || fds[1] < 0 || dup2(fds[0], STORAGE_FD) < 0 ||
	    dup2(fds[1], STORAGE_LOG_FD) < 0)
		_exit(1);
	close_range(STORAGE_LOG_FD + 1, ~0u, 0);
	sotto_log_apart();
}

static void __attribute__((noreturn)) storage_main(const char *path, int fds[2])
{
	struct storage *s = calloc(1, sizeof(*s));
	struct sotto_errmsg err = { 0 };

	keep_only(fds);
	err.code = s ? 0 : sotto_err(&err, SOTTO_E_NOMEM, "out of memory");
	if (s) {
		s->fd = STORAGE_FD;
		s->log_fd = STORAGE_LOG_FD;
		err.code = storage_begin(s, path, &err);
	}
	if (send(STORAGE_FD, &err, sizeof(err), MSG_NOSIGNAL) == sizeof(err) &&
	    !err.code) {
		serve(s);
		sql_close(s->log);
		sql_close(s->sql);
		if (s->started)
			remove_sockets();
	}
	_exit(err.code ? 1 : 0);
}

/* ---- the server's side ---- */

static void on_end(struct ev_loop *loop, ev_child *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	ask_lost();
}

void storage_watch(struct ev_loop *loop, const struct store *st)
{
	static ev_child child;

	ev_child_init(&child, on_end, st->pid, 0);
	ev_child_start(loop, &child);
}

int storage_started(struct store *st, struct sotto_errmsg *err)
{
	struct ask q;

	ask_begin(&q);
	return ask_plain(st, STORE_STARTED, &q, err);
}

static int take_welcome(struct store *st, struct sotto_errmsg *err)
{
	struct sotto_errmsg w;

	if (recv(st->fd, &w, sizeof(w), 0) != sizeof(w))
		return sotto_err(err, SOTTO_E_INTERNAL,
				 "the storage process does not start");
	if (w.code)
		*err = w;
	return w.code;
}

static int fork_storage(struct store *st, struct sotto_errmsg *err)
{
	int fds[2], log[2], type = SOCK_SEQPACKET | SOCK_CLOEXEC;

	if (socketpair(AF_UNIX, type, 0, fds))
		return sotto_err_errno(err, "socketpair");
	if (socketpair(AF_UNIX, type, 0, log)) {
		close(fds[0]);
		close(fds[1]);
		return sotto_err_errno(err, "socketpair");
	}
	st->pid = fork();
	if (!st->pid)
		storage_main(st->path, (int[]) { fds[1], log[1] });
	close(fds[1]);
	close(log[1]);
	st->fd = fds[0];
	st->log_fd = log[0];
	if (st->pid > 0)
		return take_welcome(st, err);
	close(fds[0]);
	close(log[0]);
	return sotto_err_errno(err, "fork");
}

int storage_start(const char *path, const struct seal_key *key,
		  struct store **out, struct sotto_errmsg *err)
{
	struct store *st = calloc(1, sizeof(*st));
	int rc;

	if (st)
		st->frame = malloc(STORE_FRAME_MAX + 1);
	if (!st || !st->frame) {
		free(st);
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	}
	st->key = *key;
	snprintf(st->path, sizeof(st->path), "%s", path);
	rc = fork_storage(st, err);
	if (rc)
		store_close(st);
	else
		*out = st;
	return rc;
}
