/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family: the module's whole API. */
#ifndef _SOTTO_NETLINK_H
#define _SOTTO_NETLINK_H

#include <linux/sotto.h>

#include "addr.h"
#include "tunnel.h"

int sotto_netlink_init(void);
void sotto_netlink_exit(void);

/**
 * sotto_nl_acquire() - ask the agent for keys
 * @t: tunnel in state ACQUIRING; acquire_id, attempts, action and src are read
 *
 * Unicast to the agent, and a SOTTO_EVENT_ACQUIRE to the group on the first
 * attempt. Any context, no locks of ours held. A lost message is counted
 * (EVENTS_LOST) and repeated by the tunnel's timer.
 */
void sotto_nl_acquire(struct sotto_tunnel *t);

/* One event; zero or NULL fields are left out of the message. */
struct sotto_event_info {
	enum sotto_event type;
	const struct sotto_addr *src, *dst;
	__be16 port;		/* of @src */
	u32 spi;
	u8 dir;			/* sent when spi is */
	u64 session;
	enum sotto_reason reason;
	int stat;		/* enum sotto_stat, sent for SOTTO_EVENT_DROP only */
	u32 portid;		/* sent for SOTTO_EVENT_AGENT only */
	const struct sotto_policy *policy;	/* whose prefix @dst is */
	bool removed;		/* that policy was */
};

/**
 * sotto_nl_event() - to the "events" group, which the agent joins too
 * @ns: namespace
 * @ev: what happened
 *
 * UNKNOWN_SPI and DROP are hints and pass a token bucket (limits.event_rate);
 * what it swallows is counted (EVENTS_LOST) and told by the next event. Any
 * context.
 */
void sotto_nl_event(struct sotto_net *ns, const struct sotto_event_info *ev);

/*
 * Is it worth making a hint? Not when nobody listens; and under a flood none goes
 * until the next tick, which costs a look and is counted.
 */
bool sotto_nl_wants_hints(struct sotto_net *ns);

#endif /* _SOTTO_NETLINK_H */
