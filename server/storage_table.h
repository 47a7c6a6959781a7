/* SPDX-License-Identifier: GPL-2.0 */
/* Within the storage process: its state, and the table of what it may be asked. */
#ifndef SOTTO_STORAGE_TABLE_H
#define SOTTO_STORAGE_TABLE_H

#include "authd.h"
#include "store_msg.h"
#include "store_sql.h"

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

/**
 * storage_handle() - answer the request that is there, if the table has it
 *
 * Return: false, it is nothing that a sound server asks.
 */
bool storage_handle(struct storage *s);

#endif /* SOTTO_STORAGE_TABLE_H */
