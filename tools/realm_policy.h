/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The realm's policy, at the server: what sotto policy and sotto realm share.
 */
#ifndef SOTTO_CLI_REALM_POLICY_H
#define SOTTO_CLI_REALM_POLICY_H

#include "cli.h"

/* sotto policy */
int policy_check(struct args *a);
int policy_apply(struct args *a);
int policy_confirm(struct args *a);
int policy_revert(struct args *a);
int policy_export(struct args *a);

/* sotto realm */
int realm_policy(struct args *a);
int realm_rule(struct args *a);
int realm_group(struct args *a);

#endif /* SOTTO_CLI_REALM_POLICY_H */
