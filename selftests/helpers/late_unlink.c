// SPDX-License-Identifier: GPL-2.0
/*
 * Loaded into a daemon, this makes a moment long: the one before it removes a file.
 */
#include <fcntl.h>
#include <unistd.h>

int unlink(const char *path)
{
	usleep(900000);
	return unlinkat(AT_FDCWD, path, 0);
}
