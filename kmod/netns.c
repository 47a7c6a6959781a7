// SPDX-License-Identifier: GPL-2.0
/* A namespace's state: made, brought up, taken down. */
#include <linux/module.h>
#include <linux/net.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/netns/generic.h>
#include <net/udp_tunnel.h>

#include "compat.h"
#include "guard.h"
#include "netns.h"
#include "sa.h"
#include "spread.h"
#include "tunnel.h"
#include "wire.h"

unsigned int sotto_net_id;

struct sotto_net *sotto_net(const struct net *net)
{
	return net_generic(net, sotto_net_id);
}

/* What comes here was sent to an address that is not a protected one of ours. */
static int sotto_encap_rcv(struct sock *sk, struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

/* Have the stack merge what comes in for us, as it does for TCP. */
static int sotto_sock_gro(struct socket *sock, int on)
{
	return sock->ops->setsockopt(sock, SOL_UDP, UDP_GRO, KERNEL_SOCKPTR(&on), sizeof(on));
}

static int sotto_sock_open(struct sotto_net *ns, u8 family, struct socket **sock)
{
	struct udp_tunnel_sock_cfg cfg = {
		.encap_type = 1, .encap_rcv = sotto_encap_rcv,
	};
	struct udp_port_cfg port = {
		.family = family, .local_udp_port = ns->data_port,
		.use_udp_checksums = 1, .ipv6_v6only = 1,
		.use_udp6_tx_checksums = 1, .use_udp6_rx_checksums = 1,
	};
	int err;

	err = udp_sock_create(ns->net, &port, sock);
	if (err)
		return err;
	setup_udp_tunnel_sock(ns->net, sotto_tunnel_sock(*sock), &cfg);
	return sotto_sock_gro(*sock, ns->limits.gro);
}

static void sotto_socks_close(struct sotto_net *ns)
{
	if (ns->sock4)
		udp_tunnel_sock_release(sotto_tunnel_sock(ns->sock4));
	if (ns->sock6)
		udp_tunnel_sock_release(sotto_tunnel_sock(ns->sock6));
	ns->sock4 = NULL;
	ns->sock6 = NULL;
}

/* The data port is ours, so that nobody else can sit on it. */
static int sotto_socks_open(struct sotto_net *ns)
{
	int err;

	err = sotto_sock_open(ns, AF_INET, &ns->sock4);
	if (!err)
		err = sotto_sock_open(ns, AF_INET6, &ns->sock6);
	if (err == -EAFNOSUPPORT)	/* booted with ipv6.disable=1 */
		err = 0;
	if (err)
		sotto_socks_close(ns);
	return err;
}

void sotto_netns_gro(struct sotto_net *ns)
{
	lockdep_assert_held(&ns->config);
	if (ns->sock4)
		sotto_sock_gro(ns->sock4, ns->limits.gro);
	if (ns->sock6)
		sotto_sock_gro(ns->sock6, ns->limits.gro);
}

int sotto_netns_up(struct sotto_net *ns, struct netlink_ext_ack *extack)
{
	int err;

	lockdep_assert_held(&ns->config);
	if (ns->up)
		return 0;
	err = sotto_socks_open(ns);
	if (err) {
		NL_SET_ERR_MSG(extack, "the data port cannot be taken; is something else bound to it?");
		return err;
	}
	err = sotto_hooks_register(ns);
	if (err) {
		NL_SET_ERR_MSG(extack, "the netfilter hooks cannot be registered");
		goto err_socks;
	}
	err = sotto_guard_up(ns);
	if (err) {
		NL_SET_ERR_MSG(extack, "a device's egress hook cannot be registered");
		goto err_hooks;
	}
	ns->up = true;
	return 0;

err_hooks:
	sotto_hooks_unregister(ns);
err_socks:
	sotto_socks_close(ns);
	return err;
}

static void sotto_netns_stop(struct sotto_net *ns)
{
	if (ns->up) {
		sotto_guard_down(ns);
		sotto_hooks_unregister(ns);
		sotto_spread_sync();
		sotto_socks_close(ns);
		ns->up = false;
	}
	sotto_tunnel_flush(ns);
}

int sotto_netns_down(struct sotto_net *ns, struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&ns->config);
	if (ns->policy.n_strict) {
		NL_SET_ERR_MSG(extack, "protect or block policies are in force; flush them first");
		return -EBUSY;
	}
	sotto_netns_stop(ns);
	return 0;
}

void sotto_netns_pin(struct sotto_net *ns)
{
	bool pin = ns->policy.n_strict;

	if (pin && !ns->pinned)
		__module_get(THIS_MODULE);
	else if (!pin && ns->pinned)
		module_put(THIS_MODULE);
	ns->pinned = pin;
}

bool sotto_local_is(struct sotto_net *ns, const struct sotto_addr *a)
{
	const struct sotto_locals *l = rcu_dereference(ns->locals);
	unsigned int i;

	for (i = 0; l && i < l->n; i++)
		if (sotto_addr_equal(&l->prefix[i].addr, a) &&
		    sotto_prefix_is_host(&l->prefix[i]))
			return true;
	return false;
}

bool sotto_behind_is(struct sotto_net *ns, const struct sotto_addr *a)
{
	const struct sotto_locals *l = rcu_dereference(ns->locals);
	unsigned int i;

	for (i = 0; l && i < l->n; i++)
		if (!sotto_prefix_is_host(&l->prefix[i]) &&
		    sotto_prefix_covers(&l->prefix[i], a))
			return true;
	return false;
}

static struct sotto_locals *sotto_locals_get(struct sotto_net *ns)
{
	return rcu_dereference_protected(ns->locals, lockdep_is_held(&ns->config));
}

static int sotto_locals_find(const struct sotto_locals *l, const struct sotto_prefix *p)
{
	unsigned int i;

	for (i = 0; l && i < l->n; i++)
		if (l->prefix[i].plen == p->plen &&
		    sotto_addr_equal(&l->prefix[i].addr, &p->addr))
			return i;
	return -1;
}

/* Replace the list by a copy without entry @skip (-1: none) and with @add. */
static int sotto_locals_copy(struct sotto_net *ns, int skip, const struct sotto_prefix *add)
{
	struct sotto_locals *old = sotto_locals_get(ns), *new;
	unsigned int n = old ? old->n : 0, i;

	new = kzalloc(struct_size(new, prefix, n + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (i != skip)
			new->prefix[new->n++] = old->prefix[i];
	if (add)
		new->prefix[new->n++] = *add;
	rcu_assign_pointer(ns->locals, new);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

int sotto_local_add(struct sotto_net *ns, const struct sotto_prefix *p,
		    struct netlink_ext_ack *extack)
{
	struct sotto_locals *l = sotto_locals_get(ns);

	if (sotto_locals_find(l, p) >= 0) {
		NL_SET_ERR_MSG(extack, "address is registered already");
		return -EEXIST;
	}
	if (l && l->n >= SOTTO_MAX_LOCAL_ADDRS) {
		NL_SET_ERR_MSG(extack, "64 addresses are registered; no more are taken");
		return -ENOSPC;
	}
	return sotto_locals_copy(ns, -1, p);
}

int sotto_local_del(struct sotto_net *ns, const struct sotto_prefix *p,
		    struct netlink_ext_ack *extack)
{
	int i = sotto_locals_find(sotto_locals_get(ns), p);

	if (i < 0) {
		NL_SET_ERR_MSG(extack, "address is not registered");
		return -ENOENT;
	}
	return sotto_locals_copy(ns, i, NULL);
}

static void sotto_limits_default(struct sotto_limits *l)
{
	l->max_tunnels = SOTTO_MAX_TUNNELS;
	l->max_sas = SOTTO_MAX_SAS;
	l->max_policies = SOTTO_MAX_POLICIES;
	l->max_acquires = SOTTO_MAX_ACQUIRES;
	l->max_queue_packets = SOTTO_MAX_QUEUE_PACKETS;
	l->max_queue_bytes = SOTTO_MAX_QUEUE_BYTES;
	l->max_ns_queue_packets = SOTTO_MAX_NS_QUEUE_PACKETS;
	l->max_ns_queue_bytes = SOTTO_MAX_NS_QUEUE_BYTES;
	l->acquire_timeout_ms = SOTTO_ACQUIRE_TIMEOUT_MS;
	l->event_rate = SOTTO_EVENT_RATE;
	l->gso = 1;
	l->gro = 1;
	l->keepalive = SOTTO_KEEPALIVE_S;
}

static int __net_init sotto_net_init(struct net *net)
{
	struct sotto_net *ns = sotto_net(net);
	int cpu, err;

	ns->net = net;
	ns->data_port = htons(SOTTO_DEFAULT_DATA_PORT);
	ns->instance = get_random_u64();
	ns->spi_next = SOTTO_SPI_MIN + (get_random_u32() >> 1);
	atomic_set(&ns->acquire_id, get_random_u32());
	mutex_init(&ns->config);
	spin_lock_init(&ns->lock);
	INIT_LIST_HEAD(&ns->guards);
	init_waitqueue_head(&ns->wait);
	sotto_limits_default(&ns->limits);
	sotto_bucket_init(&ns->hints, ns->limits.event_rate);
	sotto_bucket_init(&ns->softs, SOTTO_SOFT_RATE);
	sotto_bucket_init(&ns->asks, SOTTO_ACQUIRE_RATE);

	ns->stats = alloc_percpu(struct sotto_stats);
	if (!ns->stats)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(ns->stats, cpu)->sync);
	err = sotto_tunnels_init(ns);
	if (err)
		goto err_stats;
	err = sotto_sas_init(ns);
	if (err)
		goto err_tunnels;
	return 0;

err_tunnels:
	sotto_tunnels_exit(ns);
err_stats:
	free_percpu(ns->stats);
	return err;
}

static bool sotto_net_idle(struct sotto_net *ns)
{
	return !atomic_read(&ns->sas_alive) && !atomic_read(&ns->tunnels_alive);
}

static void __net_exit sotto_net_exit(struct net *net)
{
	struct sotto_net *ns = sotto_net(net);

	mutex_lock(&ns->config);
	sotto_policy_flush(ns);
	sotto_netns_stop(ns);
	mutex_unlock(&ns->config);

	/* Requests in flight, timers and grace periods end by themselves. */
	wait_event(ns->wait, sotto_net_idle(ns));
	sotto_sa_sync();	/* the one who woke us is done with @ns */

	kfree(rcu_dereference_protected(ns->locals, 1));
	kfree(rcu_dereference_protected(ns->agent, 1));
	sotto_sas_exit(ns);
	sotto_tunnels_exit(ns);
	free_percpu(ns->stats);
}

static struct pernet_operations sotto_net_ops = {
	.init = sotto_net_init,
	.exit = sotto_net_exit,
	.id = &sotto_net_id,
	.size = sizeof(struct sotto_net),
};

int sotto_netns_init(void)
{
	return register_pernet_subsys(&sotto_net_ops);
}

void sotto_netns_exit(void)
{
	unregister_pernet_subsys(&sotto_net_ops);
}
