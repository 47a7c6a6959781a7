// SPDX-License-Identifier: GPL-2.0
/*
 * Small files, read whole and written atomically.
 */
#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "secret.h"

static int check_private(int fd, const char *path, bool private,
			 struct sotto_errmsg *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return sotto_err_errno(err, path);
	if (!S_ISREG(st.st_mode))
		return sotto_err(err, SOTTO_E_BAD, "%s: not a regular file",
				 path);
	if (!private)
		return 0;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return sotto_err(err, SOTTO_E_PERM,
				 "%s: belongs to another user; chown it to the one who runs this",
				 path);
	if (st.st_mode & 077)
		return sotto_err(err, SOTTO_E_PERM,
				 "%s: others can read this secret; chmod 600 it",
				 path);
	return 0;
}

static int read_all(int fd, const char *path, void *out, size_t cap,
		    size_t *len, struct sotto_errmsg *err)
{
	uint8_t extra;

	for (;;) {
		bool full = *len == cap;
		ssize_t n = read(fd, full ? (void *)&extra : (char *)out + *len,
				 full ? 1 : cap - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sotto_err_errno(err, path);
		if (n && full)
			return sotto_err(err, SOTTO_E_BAD,
					 "%s: longer than %zu bytes", path, cap);
		if (!n)
			return 0;
		*len += n;
	}
}

int sotto_file_read(const char *path, bool private, void *out, size_t cap,
		    size_t *len, struct sotto_errmsg *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	*len = 0;
	if (fd < 0)
		return sotto_err_errno(err, path);
	rc = check_private(fd, path, private, err);
	if (!rc)
		rc = read_all(fd, path, out, cap, len, err);
	close(fd);
	return rc;
}

int sotto_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static void folder_of(const char *path, char *out)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(out, ".");
	else
		snprintf(out, SOTTO_PATH_MAX, "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
}

int sotto_sync_folder(const char *path)
{
	char dir[SOTTO_PATH_MAX];
	int fd, rc;

	folder_of(path, dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* link() is the rename that refuses to replace. */
static int put_in_place(const char *tmp, const char *path, bool replace)
{
	if (replace)
		return rename(tmp, path);
	if (link(tmp, path))
		return -1;
	return unlink(tmp);
}

int sotto_file_write(const char *path, mode_t mode, bool replace,
		     const void *data, size_t len, struct sotto_errmsg *err)
{
	char tmp[SOTTO_PATH_MAX];
	int fd, rc = 0;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return sotto_err(err, SOTTO_E_VALUE, "%s: path too long", path);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return sotto_err_errno(err, path);
	if (fchmod(fd, mode) || sotto_write_all(fd, data, len) || fsync(fd))
		rc = sotto_err_errno(err, path);
	if (close(fd) && !rc)
		rc = sotto_err_errno(err, path);
	if (!rc && put_in_place(tmp, path, replace))
		rc = sotto_err_errno(err, path);
	if (rc) {
		unlink(tmp);
		return rc;
	}
	return sotto_sync_folder(path) ? sotto_err_errno(err, path) : 0;
}

int sotto_mkdirs(const char *path, mode_t mode, struct sotto_errmsg *err)
{
	char buf[SOTTO_PATH_MAX];
	char *p;

	if (snprintf(buf, sizeof(buf), "%s", path) >= (int)sizeof(buf))
		return sotto_err(err, SOTTO_E_VALUE, "%s: path too long", path);
	for (p = buf + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(buf, 0755) && errno != EEXIST)
			return sotto_err_errno(err, buf);
		*p = '/';
	}
	if (mkdir(buf, mode) && errno != EEXIST)
		return sotto_err_errno(err, buf);
	return 0;
}
