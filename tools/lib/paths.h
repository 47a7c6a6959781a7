/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where things are. Each root has an environment variable, so that several
 * hosts can live on one machine, one to a network namespace.
 */
#ifndef SOTTO_PATHS_H
#define SOTTO_PATHS_H

#include <stddef.h>

enum sotto_root {
	SOTTO_ETC,	/* $SOTTO_ETC, else /etc/sotto */
	SOTTO_STATE,	/* $SOTTO_STATE, else /var/lib/sotto */
	SOTTO_RUN,	/* $SOTTO_RUN, else /run/sotto */
};

#define SOTTO_PATH_MAX	4096	/* bytes, with the NUL */

/**
 * sotto_path() - @root / @name into @buf (SOTTO_PATH_MAX bytes), and return it
 * @name may be "" for the root itself. Ends the program on an overlong root.
 */
const char *sotto_path(char *buf, enum sotto_root root, const char *name);

#endif /* SOTTO_PATHS_H */
