/* SPDX-License-Identifier: GPL-2.0 */
/* A store in a folder of its own, for the tests of it: here, or with a storage process. */
#ifndef STORERUN_H
#define STORERUN_H

#include <sodium.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "handshake.h"
#include "ktap.h"
#include "server/storage.h"

static char dir[] = "/tmp/sotto-store-XXXXXX";
static char path[80];
static struct seal_key key;
static struct sotto_errmsg err;
static struct store *st;

static void remove_db(void)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[100];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

static bool far;			/* a storage process has the database */

static int open_again(void)
{
	st = NULL;
	return far ? storage_start(path, &key, &st, &err) :
		     store_open(path, false, &key, &st, &err);
}

static void fresh(void)
{
	remove_db();
	st = NULL;
	EXPECT_EQ(store_open(path, true, &key, &st, &err), 0);
	if (far) {
		store_close(st);
		EXPECT_EQ(open_again(), 0);
	}
}

static int reopen(void)
{
	store_close(st);
	return open_again();
}

struct code {
	uint8_t code[16], id[16], psk[32];
};

static int add(const char *name, const char *addr, struct code *c, int64_t *id)
{
	struct sotto_addrs addrs = { .n = 1 };

	sotto_addr_parse(&addrs.a[0], addr);
	randombytes_buf(c->code, 16);
	sotto_code_derive(c->code, c->id, c->psk);
	return store_member_add(st, "test", name, &addrs, 1000, c->id, c->psk,
				2000, id, &err);
}

static struct store_member found[8];
static int found_n;

static int collect(void *arg, const struct store_member *m)
{
	(void)arg;
	if (found_n < 8)
		found[found_n] = *m;
	found_n++;
	return 0;
}

static int members(void)
{
	found_n = 0;
	EXPECT_EQ(store_each_member(st, collect, NULL, &err), 0);
	return found_n;
}

static int sql_int(const char *sql)
{
	sqlite3_stmt *s;
	sqlite3 *db;
	int n = -1;

	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	EXPECT_EQ(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

/* Also where a storage process has the database. */
#define FAR(fn)			\
static void far_##fn(void)	\
{				\
	far = true;		\
	fn();			\
	far = false;		\
}

static int run_with_store(const struct ktap_test *tests, int n)
{
	int rc;

	if (sodium_init() < 0 || !mkdtemp(dir))
		return 1;
	randombytes_buf(key.k, sizeof(key.k));
	snprintf(path, sizeof(path), "%s/realm.db", dir);
	rc = ktap_run(tests, n);
	remove_db();
	rmdir(dir);
	return rc;
}

#endif /* STORERUN_H */
