/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All state of one network namespace: a namespace is a whole host.
 *
 * DOC: locking
 *
 * The data path reads everything under rcu_read_lock() and takes no lock, but
 * for the two leaves below. Writers:
 *
 *   ns->config   mutex: settings, addresses, policy, agent, up and down. Taken
 *                by netlink commands, may sleep.
 *   RTNL         which devices are guarded.
 *   ns->lock     spinlock, BH off: which tunnels and SAs exist, which SA a tunnel
 *                is bound to, and which SAs are due when.
 *   tunnel->lock spinlock, BH off: its state, its queue, its timer.
 *   sa->lock     spinlock, BH off: replay window and counters of an inbound SA.
 *
 *   nat->lock    spinlock, BH off: where a peer behind a NAT is; a leaf, too.
 *
 *   spread's queue lock, BH off: packets that another CPU opens; a leaf, too.
 *   bucket->lock spinlock, BH off: what may still be done in this second; a leaf.
 *
 * Order: config, RTNL, ns->lock, tunnel->lock. sa->lock is a leaf, and nothing is
 * sent, and no netlink message made, under tunnel->lock or sa->lock.
 */
#ifndef _SOTTO_NETNS_H
#define _SOTTO_NETNS_H

#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/net_namespace.h>
#include <linux/sotto.h>

#include "addr.h"
#include "bucket.h"
#include "policy.h"
#include "stats.h"

struct socket;

/* What NS_SET can change; defaults in wire.h. Read locklessly. */
struct sotto_limits {
	u32 max_tunnels;
	u32 max_sas;
	u32 max_policies;
	u32 max_acquires;
	u32 max_queue_packets;
	u32 max_queue_bytes;
	u32 max_ns_queue_packets;
	u32 max_ns_queue_bytes;
	u32 acquire_timeout_ms;
	u32 event_rate;
	u32 gso;
	u32 gro;
	u32 control_port;	/* of a server here; 0 = none */
	u32 keepalive;		/* seconds; 0 = none are sent */
};

/* Our own protected addresses, and the networks behind us: copied on write. */
struct sotto_locals {
	struct rcu_head rcu;
	unsigned int n;
	struct sotto_prefix prefix[];
};

/* The agent, and the control flow that no policy touches. */
struct sotto_agent {
	struct rcu_head rcu;
	u32 portid;
	bool has_flow;
	struct sotto_addr local, remote;
	__be16 local_port, remote_port;
};

/**
 * struct sotto_net - one namespace
 * @net: back pointer, not counted: we go before it does
 * @up: hooks are registered and the data port is held
 * @data_port: UDP, network order
 * @instance: random, new at each module load and namespace
 * @config: see DOC: locking
 * @lock: see DOC: locking
 * @limits: settings
 * @stats: per CPU
 * @policy: longest-prefix table
 * @locals: our addresses (RCU)
 * @agent: registered agent or NULL (RCU)
 * @tunnels: by destination
 * @tunnel_ids: the same by a small id: dumps walk it, so that they survive change
 * @sas_in: inbound SAs by SPI; a zero entry is a reserved SPI
 * @sas_out: outbound SAs by their id
 * @sessions: SAs by the session that they are of
 * @n_tunnels: entries in @tunnels
 * @n_sas: SAs, both directions
 * @n_acquires: tunnels in state ACQUIRING
 * @acquire_id: last acquire id handed out
 * @queued_packets: in all tunnels' queues
 * @queued_bytes: truesize of them
 * @sas_alive: SAs whose memory is not released yet; @wait is woken at zero
 * @natted: outbound SAs with a NAT between, by SPI
 * @keeping: outbound SAs whose mapping in our NAT is kept
 * @keep_work: sends the keepalives
 * @due: SAs by the time that something is to be done about them, under @lock
 * @expire: does it
 * @hints: events that may be left out
 * @softs: soft expiries told
 * @asks: questions to the agent
 */
struct sotto_net {
	struct net *net;
	bool up;
	bool pinned;
	bool guarded;
	__be16 data_port;
	u64 instance;

	struct mutex config;		/* see DOC: locking */
	spinlock_t lock;		/* see DOC: locking */
	struct sotto_limits limits;
	struct sotto_stats __percpu *stats;

	struct sotto_policy_table policy;
	struct sotto_locals __rcu *locals;
	struct sotto_agent __rcu *agent;
	struct socket *sock4, *sock6;
	struct list_head guards;	/* RTNL */

	struct rhashtable tunnels;
	struct xarray tunnel_ids;
	u32 tunnel_next_id;
	struct xarray sas_in;
	u32 spi_next;
	struct xarray sas_out;
	u32 sa_next_id;
	struct rhltable sessions;

	atomic_t n_tunnels;
	atomic_t n_sas;
	atomic_t n_acquires;
	atomic_t acquire_id;
	atomic_t queued_packets;
	atomic_t queued_bytes;

	atomic_t sas_alive;
	atomic_t tunnels_alive;
	wait_queue_head_t wait;

	struct timerqueue_head due;
	struct delayed_work expire;

	struct sotto_bucket hints, softs, asks;
	atomic_t hints_lost;

	struct rhltable natted;		/* under @lock */
	struct list_head keeping;	/* nat.h; under @lock */
	struct delayed_work keep_work;
};

extern unsigned int sotto_net_id;
extern bool sotto_keylog;

struct sotto_net *sotto_net(const struct net *net);

/* Registers and unregisters the per-namespace operations. */
int sotto_netns_init(void);
void sotto_netns_exit(void);

/**
 * sotto_netns_up() - take the data port and register the hooks
 * @ns: namespace; the caller holds ns->config
 * @extack: told why not
 *
 * Return: 0 (also when it is up already), -EADDRINUSE and whatever the hooks'
 * registration gives.
 */
int sotto_netns_up(struct sotto_net *ns, struct netlink_ext_ack *extack);

/**
 * sotto_netns_down() - the reverse; tunnels and SAs are gone afterwards
 * @ns: namespace; the caller holds ns->config
 * @extack: told why not
 *
 * Return: 0, or -EBUSY while a protect or block policy exists.
 */
int sotto_netns_down(struct sotto_net *ns, struct netlink_ext_ack *extack);

/* Tell the sockets of the data port what limits.gro says; the caller holds ns->config. */
void sotto_netns_gro(struct sotto_net *ns);

/*
 * Our own addresses, and networks behind us. Writers hold ns->config.
 * -EEXIST, -ENOENT, -ENOSPC, -ENOMEM
 */
int sotto_local_add(struct sotto_net *ns, const struct sotto_prefix *p,
		    struct netlink_ext_ack *extack);
int sotto_local_del(struct sotto_net *ns, const struct sotto_prefix *p,
		    struct netlink_ext_ack *extack);
/* Is it an address of ours? Under rcu_read_lock(). */
bool sotto_local_is(struct sotto_net *ns, const struct sotto_addr *a);
/* Or that of a host behind us? Under rcu_read_lock(). */
bool sotto_behind_is(struct sotto_net *ns, const struct sotto_addr *a);

/**
 * sotto_netns_pin() - hold the module while a protect or block policy exists
 * @ns: namespace; the caller holds ns->config
 *
 * To be called after each change of policy.
 */
void sotto_netns_pin(struct sotto_net *ns);

/* hook.c */
int sotto_hooks_register(struct sotto_net *ns);
void sotto_hooks_unregister(struct sotto_net *ns);

#endif /* _SOTTO_NETNS_H */
