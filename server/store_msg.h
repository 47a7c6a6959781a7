/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the server and its storage process say to each other.
 *
 * Frames are datagrams on a socket pair: what it is about, whether it is the last
 * one, and contents. A request is one or more frames, which are put together. An
 * answer is any number of frames of whole items, and a last one: how it went, and
 * results. Neither side believes the other: each field has its bounds, nothing may
 * be left over, and for anything else the process that got it ends.
 *
 * Numbers are in network order. A text is its length (u16) and its bytes.
 */
#ifndef SOTTO_STORE_MSG_H
#define SOTTO_STORE_MSG_H

#include <sys/types.h>

#include "buf.h"
#include "store.h"

#define STORE_FRAME_HEAD	2	/* bytes: enum store_op; 1 if it is the last */
#define STORE_FRAME_DATA	65534	/* bytes behind it, at most */
#define STORE_FRAME_MAX		(STORE_FRAME_HEAD + STORE_FRAME_DATA)
#define STORE_REQUEST_MAX	(64u << 20) /* bytes of a request's frames together */
#define STORE_TEXT_MAX		4096	/* bytes of a text, with a NUL */
#define STORE_ITEM_MAX		(5 * STORE_TEXT_MAX) /* bytes of an item, or of results */
#define STORE_GRANT_LEN		33	/* bytes of a grant */

enum store_op {
	STORE_EACH_MEMBER,
	STORE_MEMBER_ADD,
	STORE_CODE_NEW,
	STORE_CODE_FIND,
	STORE_REGISTER,
	STORE_MEMBER_REVOKE,
	STORE_POLICY_LOAD,
	STORE_POLICY_APPLY,
	STORE_POLICY_NET,
	STORE_POLICY_RULES,
	STORE_GROUP_MEMBER,
	STORE_GROUP_DEL,
	STORE_MEMBER_SET,
	STORE_EACH_ROUTE,
	STORE_EACH_CHANGE,
	STORE_TRIAL_GET,
	STORE_TRIAL_END,
	STORE_POLICY_VERSION,
	STORE_ENDPOINTS,
	STORE_AUDIT,
	STORE_EACH_AUDIT,
	STORE_SECRET_GET,
	STORE_SECRET_SET,
	STORE_STARTED,			/* what is for the start only is refused now */
	STORE_GRANTS,			/* on a pair of its own */
	STORE_OP_MAX,
};

/** struct store - where the storage is; store.c */
struct store {
	struct sql *sql;		/* in this process; NULL: not here */
	struct seal_key key;
	char path[4096];		/* of the database, for errors */
	/* the storage process; its sockets, for requests and for grants */
	pid_t pid;
	int fd, log_fd;
	uint8_t *frame;			/* STORE_FRAME_MAX + 1 */
};

/* Of STORE_MEMBER_SET: what follows, and how it is meant. */
#define STORE_SET_ADDRS		1
#define STORE_SET_ROUTES	2
#define STORE_SET_PROTECT	4
#define STORE_SET_ALL		7

/* Of an item of a policy: what it is. */
enum store_policy_item {
	ITEM_GROUP,			/* id, name */
	ITEM_MEMBER,			/* name, in the group before */
	ITEM_RULE,
	ITEM_NET,
	ITEM_REST,			/* what if no rule fits */
	ITEM_MAX,
};

/* Writing: w->err if there is no room. Reading: r->err for what must not be. */

/** store_whole() - nothing was wrong, and nothing is left. */
static inline bool store_whole(const struct sotto_rbuf *r)
{
	return !r->err && !r->left;
}

void store_put_text(struct sotto_wbuf *w, const char *text);
void store_get_text(struct sotto_rbuf *r, char *out, size_t cap);
/** store_get_name() - a name of a member or group. */
void store_get_name(struct sotto_rbuf *r, char out[SOTTO_NAME_MAX]);
/** store_get_bool() - 0 or 1. */
bool store_get_bool(struct sotto_rbuf *r);
/** store_get_up_to() - one byte, of at most @max. */
uint8_t store_get_up_to(struct sotto_rbuf *r, uint8_t max);
void store_put_prefix(struct sotto_wbuf *w, const struct sotto_prefix *p);
/** store_get_prefix() - @none: or none. */
void store_get_prefix(struct sotto_rbuf *r, struct sotto_prefix *p, bool none);
void store_put_addrs(struct sotto_wbuf *w, const struct sotto_addrs *a);
void store_get_addrs(struct sotto_rbuf *r, struct sotto_addrs *a);
void store_put_member(struct sotto_wbuf *w, const struct store_member *m);
void store_get_member(struct sotto_rbuf *r, struct store_member *m);
void store_put_rule(struct sotto_wbuf *w, const struct policy_rule *rule);
void store_get_rule(struct sotto_rbuf *r, struct policy_rule *rule);
void store_put_net(struct sotto_wbuf *w, const struct policy_net *n);
void store_get_net(struct sotto_rbuf *r, struct policy_net *n);
void store_put_grant(struct sotto_wbuf *w, const struct store_grant *g);
void store_get_grant(struct sotto_rbuf *r, struct store_grant *g);

/** store_each_item() - of a policy, until @fn refuses. */
int store_each_item(const struct policy_doc *doc,
		    struct sotto_wbuf *(*room)(void *arg), void *arg);
/** store_get_item() - the next one; 0, or SOTTO_E_NOMEM. */
int store_get_item(struct sotto_rbuf *r, struct policy_doc *doc);

/** store_send() - @len bytes, in as many frames as they need; @frame: room for
 * one. @flags as of send().
 */
int store_send(int fd, enum store_op op, const void *data, size_t len,
	       uint8_t *frame, int flags);

#endif /* SOTTO_STORE_MSG_H */
