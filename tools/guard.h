/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The nftables table that keeps a host closed while no module does.
 */
#ifndef SOTTO_CLI_GUARD_H
#define SOTTO_CLI_GUARD_H

#include <stdbool.h>

#include "lib/genl_obj.h"

#define GUARD_TABLE	"sotto_guard"	/* of family inet */

/**
 * guard_add() - drop both directions of all prefixes but bypassed ones
 * @v: sorted by the call, longest prefix first
 * Returns 0 or an exit code after a message.
 */
int guard_add(struct sgenl_policy *v, size_t n);

/** guard_remove() - 0 or an exit code after a message */
int guard_remove(void);

/** guard_exists() - a reload that failed left it */
bool guard_exists(void);

#endif /* SOTTO_CLI_GUARD_H */
