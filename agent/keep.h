/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the disk would not take. It counts all the same until the agent ends; at the next
 * start, perhaps months later, policy would be missing, or a key, and nobody would know why.
 */
#ifndef SOTTO_AGENT_KEEP_H
#define SOTTO_AGENT_KEEP_H

struct agent;

#define KEEP_RETRY_MS	30000

/** keep_identity() - write it, for the sake of @what; or else later */
void keep_identity(struct agent *ag, const char *what);

/** keep_again() - what could not be written, or was not yet: identity, policy, peers and pins */
void keep_again(struct agent *ag);

#endif /* SOTTO_AGENT_KEEP_H */
