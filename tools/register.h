/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Registration with a server: one handshake and one request, blocking.
 */
#ifndef SOTTO_CLI_REGISTER_H
#define SOTTO_CLI_REGISTER_H

#include "lib/enrol.h"
#include "lib/err.h"
#include "lib/proto.h"

/**
 * register_host() - present the one-time code, and get name and token secret
 * @e: the enrolment line; its servers are tried in turn
 * @priv: this host's static private key; a repeat with the same one gets the
 *	same answer
 * @out: what the server said; holds the token secret
 * @resolved: addresses of e->servers as far as they were looked up
 *
 * Returns 0, or an error whose text says what to do.
 */
int register_host(const struct sotto_enrol *e,
		  const uint8_t priv[SOTTO_SECRET_LEN],
		  struct sotto_msg_registered *out,
		  struct sotto_addr resolved[SOTTO_SERVERS_MAX],
		  struct sotto_errmsg *err);

#endif /* SOTTO_CLI_REGISTER_H */
