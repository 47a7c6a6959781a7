// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's socket: the whole policy as a text, and trials.
 *
 * A text that one request does not hold comes in pieces, on one connection: each says
 * where it begins, and that more come. Nothing is looked at before the last one is
 * there, and all of it is forgotten with an error, or when the connection ends.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "jx.h"
#include "policy.h"

int admin_policy_export(struct authd *ad, struct sotto_usock_conn *conn,
			const json_t *req, struct sotto_errmsg *err)
{
	struct policy_doc doc;
	char *text;
	int rc = store_policy_load(ad->store, &doc, true, err);

	(void)req;
	if (rc)
		return rc;
	text = policy_doc_text(&doc);
	policy_doc_free(&doc);
	if (!text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	/* what is exported can be applied */
	if (strlen(text) > AUTHD_TEXT_MAX)
		rc = sotto_err(err, SOTTO_E_LIMIT,
			       "as a text the policy is longer than %d MiB: see sotto realm group, rule and policy",
			       AUTHD_TEXT_MAX >> 20);
	else
		sotto_usock_ok(conn, json_pack("{s:s}", "text", text));
	free(text);
	return rc;
}

/* ---- pieces ---- */

/** struct admin_text - what came of one, up to its last piece */
struct admin_text {
	size_t len, cap;
	char *text;		/* with a NUL */
};

static void forget(struct authd *ad, struct sotto_usock_conn *conn)
{
	struct admin_text *t = sotto_usock_data(conn);

	if (!t)
		return;
	sotto_usock_set_data(conn, NULL);
	ad->texts_n--;
	free(t->text);
	free(t);
}

void admin_closed(void *arg, struct sotto_usock_conn *conn)
{
	monitor_closed(arg, conn);
	forget(arg, conn);
}

static int begin(struct authd *ad, struct sotto_usock_conn *conn,
		 struct admin_text **t, struct sotto_errmsg *err)
{
	if (ad->texts_n == AUTHD_TEXTS_MAX)
		return sotto_err(err, SOTTO_E_LIMIT, "%d policies are being sent already",
				 AUTHD_TEXTS_MAX);
	*t = calloc(1, sizeof(**t));
	if (!*t)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	sotto_usock_set_data(conn, *t);
	ad->texts_n++;
	return 0;
}

static int append(struct admin_text *t, const char *piece, struct sotto_errmsg *err)
{
	size_t len = strlen(piece), cap = t->cap ? t->cap : SOTTO_USOCK_LINE_MAX;
	char *more;

	if (len > AUTHD_TEXT_MAX - t->len)
		return sotto_err(err, SOTTO_E_LIMIT, "a policy is a text of %d MiB at most",
				 AUTHD_TEXT_MAX >> 20);
	while (cap <= t->len + len)
		cap *= 2;
	if (cap != t->cap) {
		more = realloc(t->text, cap);
		if (!more)
			return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
		t->text = more;
		t->cap = cap;
	}
	memcpy(t->text + t->len, piece, len + 1);
	t->len += len;
	return 0;
}

/* A piece that was refused is missed by the next one: half a policy is none. */
static int take_piece(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err)
{
	struct admin_text *t;
	const char *piece;
	uint64_t at = 0;
	int rc = sotto_jx_string(req, "text", &piece, err);

	if (!rc && json_object_get(req, "at"))
		rc = sotto_jx_u64(req, "at", 0, AUTHD_TEXT_MAX, &at, err);
	if (rc)
		return rc;
	if (!at)
		forget(ad, conn);
	t = sotto_usock_data(conn);
	if (at != (t ? t->len : 0))
		return sotto_err(err, SOTTO_E_BAD, "%zu bytes of the text came, and this is to follow %" PRIu64,
				 t ? t->len : 0, at);
	if (!t)
		rc = begin(ad, conn, &t, err);
	return rc ? rc : append(t, piece, err);
}

/* ---- applying ---- */

static bool is_member(void *arg, const char *name)
{
	return member_by_name(arg, name) != NULL;
}

static int apply(struct authd *ad, struct sotto_usock_conn *conn,
		 uint32_t seconds, struct sotto_errmsg *err)
{
	const struct policy_names names = { is_member, ad };
	const struct admin_text *t = sotto_usock_data(conn);
	struct policy_doc doc;
	int rc = policy_doc_parse(&doc, t->text, &names, err);

	if (rc)
		return rc;
	rc = trial_apply(ad, ADMIN_ACTOR, &doc, seconds, err);
	if (!rc)
		sotto_usock_ok(conn, json_pack("{s:i, s:i, s:i}",
					       "groups", (int)doc.groups_n,
					       "rules", (int)doc.rules_n,
					       "networks", (int)doc.nets_n));
	policy_doc_free(&doc);
	return rc;
}

int admin_policy_apply(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err)
{
	uint64_t seconds = 0;
	bool more = false;
	int rc = 0;

	if (json_object_get(req, "more"))
		rc = sotto_jx_bool(req, "more", &more, err);
	if (!rc && json_object_get(req, "confirm") &&
	    sotto_jx_u64(req, "confirm", 5, 86400, &seconds, err))
		rc = sotto_err(err, SOTTO_E_BAD, "a trial lasts from 5 seconds to 1 day");
	if (!rc)
		rc = take_piece(ad, conn, req, err);
	if (!rc && more) {
		sotto_usock_ok(conn, NULL);
		return 0;
	}
	if (!rc)
		rc = apply(ad, conn, seconds, err);
	forget(ad, conn);
	return rc;
}

int admin_policy_confirm(struct authd *ad, struct sotto_usock_conn *conn,
			 const json_t *req, struct sotto_errmsg *err)
{
	int rc = trial_confirm(ad, ADMIN_ACTOR, err);

	(void)req;
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}

int admin_policy_revert(struct authd *ad, struct sotto_usock_conn *conn,
			const json_t *req, struct sotto_errmsg *err)
{
	int rc = trial_revert(ad, ADMIN_ACTOR, err);

	(void)req;
	if (!rc)
		sotto_usock_ok(conn, NULL);
	return rc;
}
