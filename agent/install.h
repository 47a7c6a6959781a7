/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a mediated session to two SAs in the kernel.
 */
#ifndef SOTTO_AGENT_INSTALL_H
#define SOTTO_AGENT_INSTALL_H

#include "../tools/lib/proto.h"

struct agent;
struct session;

/*
 * Both check what the server says against what this host knows (own addresses,
 * pins, ciphers), derive the keys, install the inbound SA and then the outbound
 * one, wipe the keys, and return the session; or NULL with the reason in @why.
 */

/** install_grant() - we asked (A): traffic may go out at once, and is probed */
struct session *install_grant(struct agent *ag,
			      const struct sotto_msg_session_request *request,
			      const uint8_t eph_priv[SOTTO_SECRET_LEN],
			      const struct sotto_msg_session_grant *g,
			      enum sotto_refusal *why);

/** install_offer() - we were asked (B): out only after A's first packet
 * @accept: our part of it, to be sent afterwards
 */
struct session *install_offer(struct agent *ag,
			      const struct sotto_msg_session_offer *o,
			      struct sotto_msg_session_accept *accept,
			      enum sotto_refusal *why);

#endif /* SOTTO_AGENT_INSTALL_H */
