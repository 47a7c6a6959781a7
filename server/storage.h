/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The storage process: it alone has the database's files, and no network, no
 * capability and no key. It answers the requests of a table (storage_table.c), which are
 * those of store.h. It can neither be asked to run SQL nor to open a file; what it
 * stores of secrets is sealed before it comes there.
 */
#ifndef SOTTO_STORAGE_H
#define SOTTO_STORAGE_H

#include <ev.h>

#include "store.h"

/**
 * storage_start() - fork the storage process; it opens the database @path itself
 * @key: for this side, which seals and opens
 * @out: a store that asks it. The child never returns.
 */
int storage_start(const char *path, const struct seal_key *key,
		  struct store **out, struct sotto_errmsg *err);

/** storage_watch() - end when it does. */
void storage_watch(struct ev_loop *loop, const struct store *st);

/**
 * storage_started() - what only the start needs is refused from now on
 * And when the server stops, the storage process removes its local sockets.
 */
int storage_started(struct store *st, struct sotto_errmsg *err);

#endif /* SOTTO_STORAGE_H */
