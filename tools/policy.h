/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What others need of sotto policy.
 */
#ifndef SOTTO_CLI_POLICY_H
#define SOTTO_CLI_POLICY_H

#include "cli.h"
#include "lib/genl_saved.h"

/** parse_policy_words() - PREFIX ACTION; 0 or EXIT_USAGE after a message */
int parse_policy_words(struct args *a, struct sgenl_policy *p, const char *help);

/**
 * policy_kept_up() - put the kept policy and addresses into the kernel, and the shim up
 * @whole: false after messages that name what was bad; what was good is in force all the same
 * Returns 0 or an exit code after a message.
 */
int policy_kept_up(struct sgenl *g, bool *whole);

#endif /* SOTTO_CLI_POLICY_H */
