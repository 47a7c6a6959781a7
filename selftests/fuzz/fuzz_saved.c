// SPDX-License-Identifier: GPL-2.0
/*
 * The kept policy of a host, as a file that something damaged.
 */
#include "fuzz.h"

#include <sys/stat.h>

#include "file.h"
#include "genl_saved.h"
#include "paths.h"

static void put_file(const uint8_t *data, size_t len)
{
	static char path[SOTTO_PATH_MAX];
	char dir[SOTTO_PATH_MAX];
	int fd;

	if (!*path) {
		fuzz_folders();
		mkdir(sotto_path(dir, SOTTO_STATE, "agent"), 0700);
		sotto_path(path, SOTTO_STATE, SAVED_FILE);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static void on_bad(void *arg, const char *text)
{
	(void)text;
	++*(unsigned int *)arg;
}

/* What is good of it is told apart from what is not, and can be kept. */
static void salvage(void)
{
	struct saved s, again;
	struct sotto_errmsg err;
	unsigned int bad = 0;
	int ret = saved_salvage(&s, on_bad, &bad, &err);

	MUST(ret ? bad && s.partial : !bad);
	for (size_t i = 0; i < s.n_policies; i++)
		MUST(!s.policies[i].guessed ||
		     (ret && s.policies[i].policy.action != SOTTO_ACTION_BYPASS));
	MUST(!saved_write(&s, &err) && !saved_read(&again, &err));
	MUST(s.n_policies == again.n_policies && s.n_addrs == again.n_addrs);
	saved_free(&s);
	saved_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sotto_errmsg err;
	struct saved s, again;

	fuzz_begin();
	if (len > 65536)
		return 0;
	put_file(data, len);
	salvage();
	put_file(data, len);
	if (saved_read(&s, &err))
		return 0;
	MUST(!saved_write(&s, &err) && !saved_read(&again, &err));
	MUST(s.n_policies == again.n_policies && s.n_addrs >= again.n_addrs);
	saved_free(&s);
	saved_free(&again);
	return 0;
}
