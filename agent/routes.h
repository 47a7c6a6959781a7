/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Networks behind peers, and behind this host: what a tunnel-mode session leads to.
 *
 * While such a session stands, the kernel's policy for its networks says "via"
 * the peer; when the last one ends it says no more than the realm does, so that
 * the next packet asks the server, who may know of another gateway.
 */
#ifndef SOTTO_AGENT_ROUTES_H
#define SOTTO_AGENT_ROUTES_H

#include "../tools/lib/proto.h"

struct agent;
struct session;

/** routes_cover() - @addr is in one of @routes */
bool routes_cover(const struct sotto_prefixes *routes, const struct sotto_addr *addr);

/** routes_can_be() - none is of those that every link or every host has for itself */
bool routes_can_be(const struct sotto_prefixes *routes);

/** routes_made() - @s was installed; @own: networks behind us that it leads to */
void routes_made(struct agent *ag, const struct session *s,
		 const struct sotto_prefixes *own);

/**
 * routes_lead() - a session leads to @addr, and the kernel's policy says so now
 * False if there is none, or if @addr is the peer's own.
 */
bool routes_lead(struct agent *ag, const struct sotto_addr *addr);

/** routes_gone() - a session that led to @routes is no more */
void routes_gone(struct agent *ag, const struct sotto_prefixes *routes);

#endif /* SOTTO_AGENT_ROUTES_H */
