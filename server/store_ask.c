// SPDX-License-Identifier: GPL-2.0
/*
 * Asking the storage process, and waiting for what it answers.
 */
#include "store_ask.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* What it was about to store is not acknowledged; the server is started anew. */
void ask_lost(void)
{
	sotto_err_log("the storage process is gone");
	_exit(1);
}

struct sotto_wbuf *ask_begin(struct ask *q)
{
	sotto_wbuf_init(&q->w, q->small, sizeof(q->small));
	return &q->w;
}

/* True: it was the last one. */
static bool take_frame(struct store *st, enum store_op op, struct sotto_rbuf *r)
{
	ssize_t n;

	do {
		n = recv(st->fd, st->frame, STORE_FRAME_MAX + 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n < STORE_FRAME_HEAD || n > STORE_FRAME_MAX ||
	    st->frame[0] != op || st->frame[1] > 1)
		ask_lost();
	sotto_rbuf_init(r, st->frame + STORE_FRAME_HEAD, n - STORE_FRAME_HEAD);
	return st->frame[1];
}

static int take_items(struct sotto_rbuf *r, ask_item_fn item, void *arg)
{
	int rc = 0;

	if (!item)
		ask_lost();
	while (!rc && r->left) {
		rc = item(arg, r);
		if (r->err)
			ask_lost();
	}
	return rc;
}

static int take_outcome(struct sotto_rbuf *r, struct sotto_errmsg *err)
{
	struct sotto_errmsg why;

	why.code = -(int)store_get_up_to(r, SOTTO_E_MAX_N - 1);
	store_get_text(r, why.text, sizeof(why.text));
	if (r->err)
		ask_lost();
	if (why.code)
		*err = why;
	return why.code;
}

int ask(struct store *st, enum store_op op, struct ask *q, ask_item_fn item,
	void *arg, struct sotto_errmsg *err)
{
	int rc = 0, outcome;

	if (q->w.err || q->w.len > STORE_REQUEST_MAX)
		return sotto_err(err, SOTTO_E_LIMIT, "more than %u MiB at once",
				 STORE_REQUEST_MAX >> 20);
	if (store_send(st->fd, op, q->w.base, q->w.len, st->frame, 0))
		ask_lost();
	while (!take_frame(st, op, &q->r))
		if (!rc)
			rc = take_items(&q->r, item, arg);
	outcome = take_outcome(&q->r, err);
	return rc ? rc : outcome;
}

void ask_end(const struct ask *q)
{
	if (!store_whole(&q->r))
		ask_lost();
}

int ask_plain(struct store *st, enum store_op op, struct ask *q,
	      struct sotto_errmsg *err)
{
	int rc = ask(st, op, q, NULL, NULL, err);

	if (!rc)
		ask_end(q);
	return rc;
}
