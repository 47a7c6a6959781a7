/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps of sotto up and sotto down, which sotto reload takes too.
 */
#ifndef SOTTO_CLI_UP_H
#define SOTTO_CLI_UP_H

#include "../agent/conf.h"
#include "cli.h"

/* All return 0 or an exit code after a message. */

/** load_conf() - read sotto.conf */
int load_conf(struct conf *conf);

/** kernel_up() - module loaded, kept policy in force, hooks active
 * @parameters: of the module, if it is to be loaded
 * @whole: false after messages, if not all of the kept policy was good
 */
int kernel_up(const struct conf *conf, const char *parameters, bool *whole);

/** agent_up() - agent running and associated within @timeout_s */
int agent_up(uint32_t timeout_s);

/** kernel_down() - tunnels, policy and addresses gone, hooks away */
int kernel_down(void);

#endif /* SOTTO_CLI_UP_H */
