/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small files: read whole, written whole and atomically.
 */
#ifndef SOTTO_FILE_H
#define SOTTO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"

/**
 * sotto_file_read() - read a regular file of at most @cap bytes into @out
 * @private: refuse one that group or others can read, or that is not ours
 * Returns 0, SOTTO_E_UNKNOWN when absent, or another error; *@len bytes were read.
 */
int sotto_file_read(const char *path, bool private, void *out, size_t cap,
		    size_t *len, struct sotto_errmsg *err);

/**
 * sotto_file_write() - temporary file, fsync, rename, fsync of the folder
 * @mode: permissions, e.g. 0600
 * @replace: false refuses an existing file (SOTTO_E_EXISTS)
 */
int sotto_file_write(const char *path, mode_t mode, bool replace,
		     const void *data, size_t len, struct sotto_errmsg *err);

/** sotto_write_all() - all of it, in as many turns as it takes. 0, or -1 with errno. */
int sotto_write_all(int fd, const void *data, size_t len);

/** sotto_sync_folder() - of @path: a rename or a removal lasts only once that is on
 * the disk. 0, or -1 with errno.
 */
int sotto_sync_folder(const char *path);

/** sotto_mkdirs() - make a folder and its parents, the last with @mode. */
int sotto_mkdirs(const char *path, mode_t mode, struct sotto_errmsg *err);

#endif /* SOTTO_FILE_H */
