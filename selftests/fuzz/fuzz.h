/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers share. Each is one file fuzz_<name>.c with the function that
 * libFuzzer and AFL++ call; it must survive any bytes, leak nothing, and hold
 * what MUST() states.
 */
#ifndef SOTTO_FUZZ_H
#define SOTTO_FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(x)								\
	do {								\
		if (!(x)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #x);				\
			abort();					\
		}							\
	} while (0)

/* Once: the library started, nothing logged below errors. */
static inline void fuzz_begin(void)
{
	static int begun;

	if (begun)
		return;
	begun = 1;
	sotto_log_init("fuzz", SOTTO_LOG_ERR);
	MUST(sodium_init() >= 0);
}

/* A copy with a NUL; its end is the heap's, so that a step beyond is seen. */
static inline char *fuzz_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	MUST(text);
	memcpy(text, data, len);
	text[len] = 0;
	return text;
}

/* The bytes as a file in memory, for parsers that take a path. */
static inline const char *fuzz_file(const uint8_t *data, size_t len)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	MUST(fd >= 0 && !ftruncate(fd, 0));
	MUST(pwrite(fd, data, len, 0) == (ssize_t)len);
	return path;
}

/* A folder of our own in memory, for what has its fixed places; removed by the
 * runner, with all of its kind.
 */
static inline void fuzz_folders(void)
{
	static const char *const envs[] = { "SOTTO_ETC", "SOTTO_STATE",
					    "SOTTO_RUN" };
	const char *top = getenv("FUZZ_TMP");
	char path[128];
	int i;

	snprintf(path, sizeof(path), "%s/run-XXXXXX", top ? top : "/dev/shm");
	MUST(mkdtemp(path));
	for (i = 0; i < 3; i++)
		MUST(!setenv(envs[i], path, 1));
}

#endif /* SOTTO_FUZZ_H */
