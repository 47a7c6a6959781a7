/* SPDX-License-Identifier: GPL-2.0 */
/*
 * NAT between the ends: where a peer really is, and keeping our own NAT's mapping.
 *
 * DOC: endpoints
 *
 * A peer behind a NAT is known by its own addresses, the SA's; where its packets are to
 * be sent to is learnt from where they come from. A packet moves that endpoint only if
 * it is authentic, not a replay, and newer than all before it. That alone would let
 * somebody on the path move it who holds a packet back and sends it from elsewhere. So:
 *
 *   no endpoint yet     the first such packet says where it is
 *   from the endpoint   all is well; what else was considered is forgotten
 *   from elsewhere      a challenge goes there: a dummy packet with a random cookie.
 *                       The authentic answer with this cookie, from there, moves the
 *                       endpoint. A peer that does not know challenges (xfrm) is
 *                       believed once a second packet comes from there, a second
 *                       later and with none from the endpoint between.
 *
 * Until then packets go on to the old endpoint. There is one for each family outside.
 */
#ifndef _SOTTO_NAT_H
#define _SOTTO_NAT_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "addr.h"
#include "skb.h"

struct dst_entry;
struct sotto_net;
struct sotto_sa;
struct sotto_sa_params;

/**
 * struct sotto_endpoint - where a peer is
 * @addr: .family 0: its own address
 * @port: UDP
 */
struct sotto_endpoint {
	struct sotto_addr addr;
	__be16 port;
	struct rcu_head rcu;
};

/**
 * struct sotto_nat_path - of one family outside
 * @ep: endpoint (RCU, written under the lock), NULL: not learnt
 * @cand: considered; .port 0: none
 * @cookie: of the challenge that is under way
 * @since: when @cand was first seen, jiffies
 * @challenged: when it was last challenged, jiffies
 */
struct sotto_nat_path {
	struct sotto_endpoint __rcu *ep;
	struct sotto_addr cand;
	__be16 cand_port;
	u64 cookie;
	unsigned long since, challenged;
};

/**
 * struct sotto_nat - of an outbound SA with a NAT between the ends
 * @sa: it
 * @lock: a leaf: what follows, but for what keeps the mapping
 * @path: IPv4, IPv6
 * @changes: endpoints that gave way to another one
 * @spi: the SA's
 * @by_spi: in ns->natted
 * @keep: in ns->keeping if we are behind a NAT (ns->lock), in the order of @checked
 * @checked: when it was last looked at, jiffies
 * @quiet: since when nothing was sent, jiffies
 * @used: when something was last sent or received, jiffies
 * @seq: sent by then
 * @rx: received by then
 * @kept: keepalives sent
 */
struct sotto_nat {
	struct sotto_sa *sa;
	spinlock_t lock;	/* see DOC: endpoints */
	struct sotto_nat_path path[2];
	u32 changes;

	u32 spi;
	struct rhlist_head by_spi;
	struct list_head keep;
	unsigned long checked, quiet, used;
	u64 seq, rx;
	u32 kept;
};

/* NULL without memory, or if @p does not ask for one: see @err. */
struct sotto_nat *sotto_nat_alloc(struct sotto_sa *sa, const struct sotto_sa_params *p,
				  int *err);
void sotto_nat_free(struct sotto_nat *nat);

/* @sa is linked, or not any more. Caller holds ns->lock. */
int sotto_nat_link(struct sotto_sa *sa);
void sotto_nat_unlink(struct sotto_sa *sa);

/* What a namespace has of this. */
int sotto_nat_init(struct sotto_net *ns);
void sotto_nat_exit(struct sotto_net *ns);
/* The interval is another one. */
void sotto_nat_kick(struct sotto_net *ns);

/**
 * sotto_nat_restore() - a packet of a peer behind a NAT came in
 * @sa: inbound, .natted
 * @skb: not authentic yet
 * @p: of it; told the port that it came from
 *
 * In transport mode the IP header gets the address by which the peer knows itself.
 * Return: 0 or the counter of the drop.
 */
int sotto_nat_restore(const struct sotto_sa *sa, struct sk_buff *skb, struct sotto_pkt *p);

/* It is to be parsed anew after all. */
void sotto_nat_undo(struct sk_buff *skb, const struct sotto_pkt *p);

/**
 * sotto_nat_seen() - it was authentic
 * @sa: inbound, .natted
 * @p: as restore() left it
 * @seq: its sequence number, which the window has taken
 *
 * Context: rcu_read_lock(), BH off.
 */
void sotto_nat_seen(struct sotto_sa *sa, const struct sotto_pkt *p, u64 seq);

/* What a dummy had inside: a challenge is answered (in @probe), an answer judged. */
void sotto_nat_probed(struct sotto_sa *sa, struct sotto_path_probe *probe,
		      const struct sotto_pkt *p);
/* The same of a dummy that has it at @at, if it has. */
void sotto_nat_dummy(struct sotto_sa *sa, const struct sk_buff *skb, unsigned int at,
		     const struct sotto_pkt *p);

/*
 * Where packets to @dst are sent: to the endpoint of its family; in tunnel mode, if there
 * is none, to that of the other one.
 */
void sotto_nat_to(const struct sotto_sa *sa, const struct sotto_addr *dst,
		  struct sotto_addr *to);

/* The SA with that SPI whose peer has that endpoint, or NULL. rcu_read_lock(). */
struct sotto_sa *sotto_nat_find(struct sotto_net *ns, u32 spi, const struct sotto_addr *to);

/* The endpoint of that family, or NULL. rcu_read_lock(). */
const struct sotto_endpoint *sotto_nat_endpoint(const struct sotto_sa *sa, u16 family);

/* In transport mode: a route to the endpoint for @skb. False: there is none. */
bool sotto_nat_reroute(const struct sotto_sa *sa, struct sk_buff *skb,
		       const struct sotto_pkt *p);

#endif /* _SOTTO_NAT_H */
