// SPDX-License-Identifier: GPL-2.0
/* NAT between the ends: see nat.h. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/dst.h>

#include "nat.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "stats.h"
#include "tunnel.h"
#include "tunnel_mode.h"
#include "wire.h"

static const struct rhashtable_params sotto_nat_params = {
	.head_offset = offsetof(struct sotto_nat, by_spi),
	.key_offset = offsetof(struct sotto_nat, spi),
	.key_len = sizeof(u32),
	.automatic_shrinking = true,
};

static unsigned int sotto_nat_index(u16 family)
{
	return family == AF_INET6;
}

struct sotto_nat *sotto_nat_alloc(struct sotto_sa *sa, const struct sotto_sa_params *p,
				  int *err)
{
	struct sotto_endpoint *ep = NULL;
	struct sotto_nat *nat;

	*err = 0;
	if (p->dir != SOTTO_SA_OUT || (!p->nat && !p->keepalive))
		return NULL;
	nat = kzalloc(sizeof(*nat), GFP_KERNEL_ACCOUNT);
	if (p->endpoint.family)
		ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	if (!nat || (p->endpoint.family && !ep)) {
		kfree(nat);
		kfree(ep);
		*err = -ENOMEM;
		return NULL;
	}
	nat->sa = sa;
	nat->spi = p->spi;
	spin_lock_init(&nat->lock);
	INIT_LIST_HEAD(&nat->keep);
	if (ep) {
		ep->addr = p->endpoint;
		ep->port = p->dport ?: sa->ns->data_port;
		RCU_INIT_POINTER(nat->path[sotto_nat_index(ep->addr.family)].ep, ep);
	}
	return nat;
}

void sotto_nat_free(struct sotto_nat *nat)
{
	unsigned int i;

	for (i = 0; nat && i < ARRAY_SIZE(nat->path); i++)
		kfree(rcu_dereference_protected(nat->path[i].ep, 1));
	kfree(nat);
}

/* --- where to ------------------------------------------------------------------------ */

const struct sotto_endpoint *sotto_nat_endpoint(const struct sotto_sa *sa, u16 family)
{
	const struct sotto_nat *nat = sa->nat;

	return nat ? rcu_dereference(nat->path[sotto_nat_index(family)].ep) : NULL;
}

void sotto_nat_to(const struct sotto_sa *sa, const struct sotto_addr *dst,
		  struct sotto_addr *to)
{
	const struct sotto_endpoint *ep = sotto_nat_endpoint(sa, dst->family);

	if (!ep && sa->mode == SOTTO_SA_MODE_TUNNEL)
		ep = sotto_nat_endpoint(sa, dst->family == AF_INET ? AF_INET6 : AF_INET);
	*to = ep && ep->addr.family ? ep->addr : *dst;
}

struct sotto_sa *sotto_nat_find(struct sotto_net *ns, u32 spi, const struct sotto_addr *to)
{
	const struct sotto_endpoint *ep;
	struct rhlist_head *list, *pos;
	struct sotto_nat *nat;

	list = rhltable_lookup(&ns->natted, &spi, sotto_nat_params);
	rhl_for_each_entry_rcu(nat, pos, list, by_spi) {
		ep = sotto_nat_endpoint(nat->sa, to->family);
		if (ep && sotto_addr_equal(&ep->addr, to))
			return nat->sa;
	}
	return NULL;
}

bool sotto_nat_reroute(const struct sotto_sa *sa, struct sk_buff *skb,
		       const struct sotto_pkt *p)
{
	struct sotto_addr to, src = p->src;
	struct dst_entry *route;

	sotto_nat_to(sa, &p->dst, &to);
	if (sotto_addr_equal(&to, &p->dst))
		return true;
	route = sotto_route(sa->ns->net, skb, &src, &to);
	if (!route)
		return false;
	skb_dst_drop(skb);
	skb_dst_set(skb, route);
	skb->dev = route->dev;
	return true;
}

/* --- where from ---------------------------------------------------------------------- */

/* The first of the outer packet's family: by that the peer's own packets left. */
static const struct sotto_addr *sotto_nat_own(const struct sotto_sa *sa, u16 family)
{
	unsigned int i;

	for (i = 0; i < sa->n_peer; i++)
		if (sa->peer[i].family == family)
			return &sa->peer[i];
	return NULL;
}

/* IPv4's checksum is made anew when the packet is opened. */
static void sotto_nat_write(struct sk_buff *skb, const struct sotto_addr *src)
{
	if (src->family == AF_INET)
		ip_hdr(skb)->saddr = src->ip.ip;
	else
		ipv6_hdr(skb)->saddr = src->ip.in6;
}

int sotto_nat_restore(const struct sotto_sa *sa, struct sk_buff *skb, struct sotto_pkt *p)
{
	const struct sotto_addr *own;

	p->port = ((const struct udphdr *)(skb_network_header(skb) + p->l4))->source;
	if (sa->mode == SOTTO_SA_MODE_TUNNEL || sotto_sa_peer_is(sa, &p->src))
		return 0;
	own = sotto_nat_own(sa, p->src.family);
	if (!own)
		return SOTTO_STAT_IN_DROP_ADDRESS;
	if (skb_ensure_writable(skb, p->l4))
		return SOTTO_STAT_IN_DROP_NOMEM;
	sotto_nat_write(skb, own);
	return 0;
}

void sotto_nat_undo(struct sk_buff *skb, const struct sotto_pkt *p)
{
	sotto_nat_write(skb, &p->src);
}

/* In transport mode, what comes from the peer's own address has no other endpoint. */
static void sotto_nat_source(const struct sotto_sa *sa, const struct sotto_pkt *p,
			     struct sotto_addr *addr)
{
	*addr = p->src;
	if (sa->mode == SOTTO_SA_MODE_TRANSPORT && sotto_sa_peer_is(sa, &p->src))
		memset(addr, 0, sizeof(*addr));
}

static bool sotto_nat_is(const struct sotto_endpoint *ep, const struct sotto_addr *addr,
			 __be16 port)
{
	return ep && ep->port == port && sotto_addr_equal(&ep->addr, addr);
}

static bool sotto_nat_is_cand(const struct sotto_nat_path *path,
			      const struct sotto_addr *addr, __be16 port)
{
	return path->cand_port == port && sotto_addr_equal(&path->cand, addr);
}

/* Caller holds the lock. False without memory: the next packet may have more luck. */
static bool sotto_nat_move(struct sotto_nat *nat, struct sotto_nat_path *path,
			   const struct sotto_addr *addr, __be16 port)
{
	struct sotto_endpoint *ep = kzalloc(sizeof(*ep), GFP_ATOMIC | __GFP_NOWARN), *old;

	if (!ep)
		return false;
	ep->addr = *addr;
	ep->port = port;
	old = rcu_replace_pointer(path->ep, ep, lockdep_is_held(&nat->lock));
	path->cand_port = 0;
	if (old) {
		nat->changes++;
		sotto_stat_inc(nat->sa->ns, SOTTO_STAT_ENDPOINT_CHANGES);
		kfree_rcu(old, rcu);
	}
	return true;
}

static void sotto_nat_event(struct sotto_nat *nat, const struct sotto_pkt *p)
{
	struct sotto_sa *sa = nat->sa;
	struct sotto_event_info ev = {
		.type = SOTTO_EVENT_ENDPOINT, .src = &p->src, .port = p->port,
		.dst = &sa->peer[0], .spi = sa->spi, .dir = SOTTO_SA_OUT,
		.session = sa->session,
	};

	sotto_nl_event(sa->ns, &ev);
}

/*
 * An authentic packet, newer than all before, did not come from the endpoint. Caller
 * holds the lock. Return: it is the endpoint now.
 */
static bool sotto_nat_elsewhere(struct sotto_nat *nat, struct sotto_nat_path *path,
				const struct sotto_addr *addr, __be16 port, bool *challenge)
{
	unsigned long now = jiffies;

	if (!rcu_access_pointer(path->ep))
		return sotto_nat_move(nat, path, addr, port);
	if (!sotto_nat_is_cand(path, addr, port)) {
		path->cand = *addr;
		path->cand_port = port;
		path->since = now;
		get_random_bytes(&path->cookie, sizeof(path->cookie));
	} else if (time_after_eq(now, path->since + msecs_to_jiffies(SOTTO_ENDPOINT_QUIET_MS))) {
		return sotto_nat_move(nat, path, addr, port);
	} else if (time_before(now, path->challenged +
			       msecs_to_jiffies(SOTTO_ENDPOINT_CHALLENGE_MS))) {
		return false;
	}
	path->challenged = now;
	*challenge = true;
	return false;
}

static void sotto_nat_challenge(struct sotto_nat *nat, const struct sotto_pkt *p, u64 cookie)
{
	struct sotto_path_probe probe = {
		.magic = htonl(SOTTO_PATH_CHALLENGE), .cookie = cpu_to_be64(cookie),
	};

	sotto_send_probe(nat->sa, p, &probe);
}

void sotto_nat_seen(struct sotto_sa *sa, const struct sotto_pkt *p, u64 seq)
{
	struct sotto_sa *out = rcu_dereference(sa->pair);
	struct sotto_nat *nat = out ? out->nat : NULL;
	bool challenge = false, moved = false;
	struct sotto_nat_path *path;
	struct sotto_addr addr;
	u64 cookie;

	if (!nat || READ_ONCE(sa->replay->top) != seq)
		return;
	path = &nat->path[sotto_nat_index(p->src.family)];
	sotto_nat_source(sa, p, &addr);
	if (likely(sotto_nat_is(rcu_dereference(path->ep), &addr, p->port) &&
		   !READ_ONCE(path->cand_port)))
		return;

	spin_lock(&nat->lock);
	if (sotto_nat_is(rcu_dereference_protected(path->ep, lockdep_is_held(&nat->lock)),
			 &addr, p->port))
		path->cand_port = 0;
	else
		moved = sotto_nat_elsewhere(nat, path, &addr, p->port, &challenge);
	cookie = path->cookie;
	spin_unlock(&nat->lock);

	if (challenge)
		sotto_nat_challenge(nat, p, cookie);
	if (moved)
		sotto_nat_event(nat, p);
}

/* The peer has what was sent to where it seems to be now: there it is. */
static void sotto_nat_answered(struct sotto_sa *sa, struct sotto_nat *nat,
			       const struct sotto_pkt *p, u64 cookie)
{
	struct sotto_nat_path *path = &nat->path[sotto_nat_index(p->src.family)];
	struct sotto_addr addr;
	bool moved = false;

	sotto_nat_source(sa, p, &addr);
	spin_lock(&nat->lock);
	if (path->cand_port && path->cookie == cookie &&
	    sotto_nat_is_cand(path, &addr, p->port))
		moved = sotto_nat_move(nat, path, &addr, p->port);
	spin_unlock(&nat->lock);
	if (moved)
		sotto_nat_event(nat, p);
}

void sotto_nat_probed(struct sotto_sa *sa, struct sotto_path_probe *probe,
		      const struct sotto_pkt *p)
{
	struct sotto_sa *out = rcu_dereference(sa->pair);

	if (!out || !out->nat)
		return;
	if (probe->magic == htonl(SOTTO_PATH_CHALLENGE)) {
		probe->magic = htonl(SOTTO_PATH_ANSWER);
		sotto_send_probe(out, p, probe);
	} else if (probe->magic == htonl(SOTTO_PATH_ANSWER) && sa->natted) {
		sotto_nat_answered(sa, out->nat, p, be64_to_cpu(probe->cookie));
	}
}

void sotto_nat_dummy(struct sotto_sa *sa, const struct sk_buff *skb, unsigned int at,
		     const struct sotto_pkt *p)
{
	struct sotto_path_probe probe;

	if (skb->len - at == sizeof(probe) && !skb_copy_bits(skb, at, &probe, sizeof(probe)))
		sotto_nat_probed(sa, &probe, p);
}

/* --- keeping our NAT's mapping ----------------------------------------------------- */

/* Half the interval: so often is looked whether something was sent. */
static unsigned long sotto_keep_step(unsigned long interval)
{
	return max(interval / 2, 1UL);
}

/* Has @nat's SA been silent for so long? */
static bool sotto_keep_due(struct sotto_nat *nat, unsigned long interval)
{
	struct sotto_sa *sa = nat->sa, *in;
	u64 seq = atomic64_read(&sa->seq), rx = nat->rx;
	unsigned long now = jiffies;

	in = xa_load(&sa->ns->sas_in, sa->pair_spi);
	if (in && !xa_is_value(in))
		rx = READ_ONCE(in->rx_packets);
	if (seq != nat->seq || rx != nat->rx)
		nat->used = now;
	if (seq != nat->seq)	/* at some time since the last look */
		nat->quiet = now - sotto_keep_step(interval);
	nat->seq = seq;
	nat->rx = rx;
	return time_after_eq(now, nat->quiet + interval) &&
	       time_before(now, nat->used + SOTTO_KEEPALIVE_USED_S * HZ);
}

/* The next one that is due, held; or NULL. Looks at no more than @budget. */
static struct sotto_nat *sotto_keep_next(struct sotto_net *ns, unsigned long interval,
					 unsigned int *budget)
{
	struct sotto_nat *nat;

	lockdep_assert_held(&ns->lock);
	while (*budget) {
		nat = list_first_entry_or_null(&ns->keeping, struct sotto_nat, keep);
		if (!nat || time_before(jiffies, nat->checked + sotto_keep_step(interval)))
			return NULL;
		(*budget)--;
		nat->checked = jiffies;
		list_move_tail(&nat->keep, &ns->keeping);
		if (sotto_keep_due(nat, interval)) {
			refcount_inc(&nat->sa->refs);
			return nat;
		}
	}
	return NULL;
}

/*
 * Every third is a dummy packet: a NAT that gave us another mapping meanwhile is made
 * known to the other end by that, which a keepalive does not do.
 */
static void sotto_keep_send(struct sotto_nat *nat)
{
	struct sotto_sa *sa = nat->sa;

	rcu_read_lock();
	if (++nat->kept % SOTTO_KEEPALIVE_DUMMY)
		sotto_sa_send(sa, sotto_send_keepalive);
	else
		sotto_sa_send(sa, sotto_send_dummy);
	rcu_read_unlock();
	nat->seq = atomic64_read(&sa->seq);
	nat->quiet = jiffies;
	sotto_sa_put(sa);
}

/* Caller holds ns->lock. */
static void sotto_keep_arm(struct sotto_net *ns, unsigned long interval)
{
	struct sotto_nat *nat;
	unsigned long at;

	nat = list_first_entry_or_null(&ns->keeping, struct sotto_nat, keep);
	if (!nat || !interval)
		return;
	at = nat->checked + sotto_keep_step(interval);
	queue_delayed_work(system_wq, &ns->keep_work,
			   time_after(at, jiffies) ? at - jiffies : 0);
}

static void sotto_keep_work(struct work_struct *work)
{
	struct sotto_net *ns = container_of(to_delayed_work(work), struct sotto_net, keep_work);
	unsigned long interval = READ_ONCE(ns->limits.keepalive) * HZ;
	unsigned int budget = SOTTO_KEEPALIVE_BATCH;
	struct sotto_nat *nat;

	if (!interval)
		return;
	spin_lock_bh(&ns->lock);
	while ((nat = sotto_keep_next(ns, interval, &budget))) {
		spin_unlock_bh(&ns->lock);
		sotto_keep_send(nat);
		spin_lock_bh(&ns->lock);
	}
	sotto_keep_arm(ns, interval);	/* at once, if the budget is spent */
	spin_unlock_bh(&ns->lock);
}

int sotto_nat_link(struct sotto_sa *sa)
{
	struct sotto_nat *nat = sa->nat;
	struct sotto_net *ns = sa->ns;
	int err;

	lockdep_assert_held(&ns->lock);
	if (!nat)
		return 0;
	err = rhltable_insert(&ns->natted, &nat->by_spi, sotto_nat_params);
	if (err || !sa->keepalive)
		return err;
	nat->checked = jiffies;
	nat->quiet = jiffies;
	nat->used = jiffies;
	nat->seq = sa->first_seq;
	list_add_tail(&nat->keep, &ns->keeping);
	sotto_keep_arm(ns, READ_ONCE(ns->limits.keepalive) * HZ);
	return 0;
}

void sotto_nat_unlink(struct sotto_sa *sa)
{
	lockdep_assert_held(&sa->ns->lock);
	if (!sa->nat)
		return;
	rhltable_remove(&sa->ns->natted, &sa->nat->by_spi, sotto_nat_params);
	list_del_init(&sa->nat->keep);
}

int sotto_nat_init(struct sotto_net *ns)
{
	INIT_LIST_HEAD(&ns->keeping);
	INIT_DELAYED_WORK(&ns->keep_work, sotto_keep_work);
	return rhltable_init(&ns->natted, &sotto_nat_params);
}

void sotto_nat_exit(struct sotto_net *ns)
{
	cancel_delayed_work_sync(&ns->keep_work);
	rhltable_destroy(&ns->natted);
}

void sotto_nat_kick(struct sotto_net *ns)
{
	mod_delayed_work(system_wq, &ns->keep_work, 0);
}
