/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tunnel as JSON, for tunnel show and trace.
 */
#ifndef SOTTO_CLI_TUNNEL_H
#define SOTTO_CLI_TUNNEL_H

#include "lib/genl_obj.h"
#include "print.h"

/** tunnel_json() - never NULL */
json_t *tunnel_json(const struct sgenl_tunnel *t);

#endif /* SOTTO_CLI_TUNNEL_H */
