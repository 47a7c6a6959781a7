/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the storage process: what the functions of store.h share.
 */
#ifndef SOTTO_STORE_ASK_H
#define SOTTO_STORE_ASK_H

#include "store_msg.h"
#include "store_sql.h"

/** struct ask - a request, and its answer's results */
struct ask {
	struct sotto_wbuf w;
	struct sotto_rbuf r;
	uint8_t small[STORE_ITEM_MAX];
};

/** typedef ask_item_fn - read one item of the answer; an error skips the rest. */
typedef int (*ask_item_fn)(void *arg, struct sotto_rbuf *r);

/** ask_begin() - then fill in q->w. */
struct sotto_wbuf *ask_begin(struct ask *q);
/** ask() - send it, and wait for the answer: its return value and @err.
 * @item: called with @arg for each item; NULL: there are none
 * Read results from q->r if it is 0, then ask_end().
 */
int ask(struct store *st, enum store_op op, struct ask *q, ask_item_fn item,
	void *arg, struct sotto_errmsg *err);
/** ask_end() - nothing is left. */
void ask_end(const struct ask *q);
/** ask_plain() - both, where there are no results. */
int ask_plain(struct store *st, enum store_op op, struct ask *q,
	      struct sotto_errmsg *err);
/** ask_lost() - the storage process is gone, or talks nonsense: end. */
__attribute__((noreturn)) void ask_lost(void);

#endif /* SOTTO_STORE_ASK_H */
