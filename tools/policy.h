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
 * policy_load_kept() - put the kept policy and addresses into the kernel
 * @n: how many policies there are (0 also when nothing was kept)
 * Returns 0 or an exit code after a message.
 */
int policy_load_kept(struct sgenl *g, size_t *n);

#endif /* SOTTO_CLI_POLICY_H */
