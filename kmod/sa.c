// SPDX-License-Identifier: GPL-2.0
/* Security associations: their tables, their beginning and their end. */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "compat.h"
#include "crypto.h"
#include "nat.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "sa_life.h"
#include "skb.h"
#include "tunnel.h"

/**
 * struct sotto_probe - the key confirmation of an outbound SA that is under way
 * @timer: sends the next dummy; holds a reference to @sa
 * @sa: whose
 * @n: how many were sent
 */
struct sotto_probe {
	struct timer_list timer;
	struct sotto_sa *sa;
	u8 n;
};

struct workqueue_struct *sotto_sa_wq;
static struct kmem_cache *sotto_sa_caches[2];	/* by enum sotto_sa_dir */

static void sotto_sa_caches_destroy(void)
{
	kmem_cache_destroy(sotto_sa_caches[SOTTO_SA_IN]);
	kmem_cache_destroy(sotto_sa_caches[SOTTO_SA_OUT]);
}

int sotto_sa_init(void)
{
	sotto_sa_caches[SOTTO_SA_IN] =
		kmem_cache_create("sotto_sa_in", sizeof(struct sotto_sa) +
				  sizeof(struct sotto_replay), 0, SLAB_ACCOUNT, NULL);
	sotto_sa_caches[SOTTO_SA_OUT] =
		kmem_cache_create("sotto_sa_out", sizeof(struct sotto_sa), 0,
				  SLAB_ACCOUNT, NULL);
	sotto_sa_wq = alloc_workqueue("sotto", WQ_UNBOUND, 0);
	if (!sotto_sa_caches[SOTTO_SA_IN] || !sotto_sa_caches[SOTTO_SA_OUT] || !sotto_sa_wq)
		goto err;
	sotto_crypto_init();
	return 0;
err:
	if (sotto_sa_wq)
		destroy_workqueue(sotto_sa_wq);
	sotto_sa_caches_destroy();
	return -ENOMEM;
}

void sotto_sa_sync(void)
{
	rcu_barrier();
	flush_workqueue(sotto_sa_wq);
}

void sotto_sa_exit(void)
{
	sotto_crypto_exit();
	destroy_workqueue(sotto_sa_wq);
	sotto_sa_caches_destroy();
}

static int sotto_session_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct sotto_sa *sa = obj;

	return sa->session != *(const u64 *)arg->key;
}

static const struct rhashtable_params sotto_session_params = {
	.head_offset = offsetof(struct sotto_sa, by_session),
	.key_offset = offsetof(struct sotto_sa, session),
	.key_len = sizeof(u64),
	.obj_cmpfn = sotto_session_cmp,
	.automatic_shrinking = true,
};

int sotto_sas_init(struct sotto_net *ns)
{
	int err;

	xa_init_flags(&ns->sas_in, XA_FLAGS_ALLOC | XA_FLAGS_LOCK_BH);
	xa_init_flags(&ns->sas_out, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
	timerqueue_init_head(&ns->due);
	INIT_DELAYED_WORK(&ns->expire, sotto_sa_expire);
	err = rhltable_init(&ns->sessions, &sotto_session_params);
	if (err)
		return err;
	err = sotto_nat_init(ns);
	if (err)
		rhltable_destroy(&ns->sessions);
	return err;
}

void sotto_sas_exit(struct sotto_net *ns)
{
	cancel_delayed_work_sync(&ns->expire);
	sotto_nat_exit(ns);
	rhltable_destroy(&ns->sessions);
	xa_destroy(&ns->sas_in);
	xa_destroy(&ns->sas_out);
}

bool sotto_sa_peer_is(const struct sotto_sa *sa, const struct sotto_addr *a)
{
	unsigned int i;

	for (i = 0; i < sa->n_peer; i++)
		if (sotto_addr_equal(&sa->peer[i], a))
			return true;
	return false;
}

bool sotto_sa_local_is(const struct sotto_sa *sa, const struct sotto_addr *a)
{
	unsigned int i;

	for (i = 0; i < sa->n_local; i++)
		if (sotto_addr_equal(&sa->local[i], a))
			return true;
	return !sa->n_local;
}

bool sotto_sa_inner_is(const struct sotto_sa *sa, const struct sotto_addr *a)
{
	unsigned int i;

	for (i = 0; i < sa->n_behind; i++)
		if (sotto_prefix_covers(&sa->behind[i], a))
			return true;
	return sotto_sa_peer_is(sa, a);
}

bool sotto_sa_reach_is(const struct sotto_sa *sa, const struct sotto_addr *a)
{
	unsigned int i;

	for (i = 0; i < sa->n_reach; i++)
		if (sotto_prefix_covers(&sa->reach[i], a))
			break;
	return (i < sa->n_reach || !sa->n_reach) && sotto_behind_is(sa->ns, a);
}

/* Nothing is left of it, nor of what it has. Return: where its memory is from. */
static struct kmem_cache *sotto_sa_wipe(struct sotto_sa *sa)
{
	struct kmem_cache *cache = sotto_sa_caches[sa->dir];

	sotto_key_wipe(&sa->key);
	kfree_sensitive(sa->keylog_key);
	kfree(sa->peer);
	sotto_nat_free(sa->nat);
	memzero_explicit(sa, sizeof(*sa));
	return cache;
}

/* What is allocated for an SA, itself too. */
static void sotto_sa_release(struct sotto_sa *sa)
{
	struct kmem_cache *cache = sotto_sa_wipe(sa);

	kmem_cache_free(cache, sa);
}

static void sotto_sa_free(struct sotto_sa *sa)
{
	struct sotto_net *ns = sa->ns;

	sotto_sa_release(sa);
	if (atomic_dec_and_test(&ns->sas_alive))
		wake_up(&ns->wait);
}

static void sotto_sa_free_work(struct work_struct *work)
{
	sotto_sa_free(container_of(work, struct sotto_sa, free_work));
}

/* The exit of a transform may sleep, so that is a worker's job. */
static void sotto_sa_free_rcu(struct rcu_head *rcu)
{
	struct sotto_sa *sa = container_of(rcu, struct sotto_sa, rcu);

	if (!sa->key.aead) {
		sotto_sa_free(sa);
		return;
	}
	INIT_WORK(&sa->free_work, sotto_sa_free_work);
	queue_work(sotto_sa_wq, &sa->free_work);
}

void sotto_sa_put(struct sotto_sa *sa)
{
	if (refcount_dec_and_test(&sa->refs))
		call_rcu(&sa->rcu, sotto_sa_free_rcu);
}

bool sotto_sa_take_seq(struct sotto_sa *sa, unsigned int n, u64 *seq)
{
	u64 last = atomic64_add_return(n, &sa->seq);

	if (unlikely(last > SOTTO_SEQ_MAX)) {
		atomic64_set(&sa->seq, SOTTO_SEQ_MAX);
		return false;
	}
	*seq = last - n + 1;
	return true;
}

void sotto_sa_event(struct sotto_sa *sa, enum sotto_event type)
{
	struct sotto_event_info ev = {
		.type = type, .spi = sa->spi, .dir = sa->dir,
		.session = sa->session, .dst = &sa->peer[0],
	};

	sotto_nl_event(sa->ns, &ev);
}

/* Make an outbound SA the one in use for all its peer's addresses. */
static void sotto_sa_bind(struct sotto_sa *sa)
{
	struct sotto_tunnel *t;
	unsigned int i;

	set_bit(SOTTO_SA_CONFIRMED, &sa->flags);
	rcu_read_lock();
	local_bh_disable();
	for (i = 0; i < sa->n_peer; i++) {
		t = sotto_tunnel_get(sa->ns, &sa->peer[i]);
		if (!IS_ERR(t))
			sotto_tunnel_bind(t, sa);
	}
	local_bh_enable();
	rcu_read_unlock();
}

void sotto_sa_unbound(struct sotto_sa *sa)
{
	struct sotto_tunnel *t;
	unsigned int i;

	for (i = 0; i < sa->n_peer; i++) {
		t = sotto_tunnel_lookup(sa->ns, &sa->peer[i]);
		if (t && rcu_access_pointer(t->sa) == sa)
			return;
	}
	sotto_sa_delete(sa, SOTTO_EVENT_SA_DELETED);
}

void sotto_sa_confirm(struct sotto_sa *sa)
{
	struct sotto_sa *out;

	if (test_and_set_bit(SOTTO_SA_CONFIRMED, &sa->flags))
		return;
	sotto_sa_event(sa, SOTTO_EVENT_CONFIRMED);

	out = rcu_dereference(sa->pair);
	if (!out)
		return;
	if (out->confirm)
		sotto_sa_bind(out);
	/* Both wait to be confirmed, and neither answers: so the other gets one more. */
	if (out->confirm && READ_ONCE(out->probe))
		sotto_sa_send(out, sotto_send_dummy);
}

void sotto_sa_send(struct sotto_sa *sa,
		   void (*send)(struct sotto_sa *sa, const struct sotto_addr *src,
				const struct sotto_addr *dst))
{
	struct sotto_tunnel *t;
	unsigned int i;

	for (i = 0; i < sa->n_peer; i++) {
		t = sotto_tunnel_lookup(sa->ns, &sa->peer[i]);
		if (t && t->src.family) {
			/* with a NAT between, we may be elsewhere by now */
			send(sa, sa->nat ? NULL : &t->src, &t->dst);
			return;
		}
	}
	send(sa, NULL, &sa->peer[0]);
}

/* Key confirmation: a dummy, until the other direction has authenticated one. */
static bool sotto_probe_send(struct sotto_sa *sa, unsigned int n)
{
	struct sotto_sa *in = xa_load(&sa->ns->sas_in, sa->pair_spi);

	if (!in || xa_is_value(in) || n > SOTTO_PROBE_MAX ||
	    test_bit(SOTTO_SA_CONFIRMED, &in->flags))
		return false;
	sotto_sa_send(sa, sotto_send_dummy);
	return true;
}

static void sotto_probe_timer(struct timer_list *timer)
{
	struct sotto_probe *probe = timer_container_of(probe, timer, timer);
	struct sotto_sa *sa = probe->sa;
	bool more;

	rcu_read_lock();
	more = sotto_probe_send(sa, probe->n);
	rcu_read_unlock();

	spin_lock_bh(&sa->ns->lock);
	if (test_bit(SOTTO_SA_DEAD, &sa->flags))
		more = false;
	if (more)
		mod_timer(&probe->timer, jiffies + 1 +
			  msecs_to_jiffies(SOTTO_PROBE_FIRST_MS << probe->n++));
	else
		WRITE_ONCE(sa->probe, NULL);
	spin_unlock_bh(&sa->ns->lock);
	if (!more) {
		kfree(probe);
		sotto_sa_put(sa);
	}
}

/* Caller holds ns->lock. Return: the probe if it is not under way at this moment. */
static struct sotto_probe *sotto_probe_stop(struct sotto_sa *sa)
{
	struct sotto_probe *probe = sa->dir == SOTTO_SA_OUT ? sa->probe : NULL;

	if (!probe || !timer_delete(&probe->timer))
		return NULL;
	WRITE_ONCE(sa->probe, NULL);
	return probe;
}

/* Caller holds ns->lock. */
static void sotto_sa_unlink(struct sotto_sa *sa)
{
	struct sotto_net *ns = sa->ns;
	struct sotto_sa *in;

	if (sa->dir == SOTTO_SA_IN) {
		xa_erase(&ns->sas_in, sa->spi);
		RCU_INIT_POINTER(sa->pair, NULL);
	} else {
		xa_erase(&ns->sas_out, sa->id);
		sotto_nat_unlink(sa);
		in = sa->pair_spi ? xa_load(&ns->sas_in, sa->pair_spi) : NULL;
		if (in && !xa_is_value(in) && rcu_access_pointer(in->pair) == sa)
			RCU_INIT_POINTER(in->pair, NULL);
	}
	if (sa->session)
		rhltable_remove(&ns->sessions, &sa->by_session, sotto_session_params);
	atomic_dec(&ns->n_sas);
}

void sotto_sa_delete(struct sotto_sa *sa, enum sotto_event event)
{
	struct sotto_net *ns = sa->ns;
	struct sotto_probe *probe;
	struct sotto_tunnel *t;
	unsigned int i;
	bool armed;

	spin_lock_bh(&ns->lock);
	if (test_and_set_bit(SOTTO_SA_DEAD, &sa->flags)) {
		spin_unlock_bh(&ns->lock);
		return;
	}
	sotto_sa_unlink(sa);
	armed = sotto_sa_disarm(sa);
	probe = sotto_probe_stop(sa);
	spin_unlock_bh(&ns->lock);

	if (armed)
		sotto_sa_put(sa);
	if (probe)
		sotto_sa_put(sa);
	kfree(probe);
	if (event)
		sotto_sa_event(sa, event);
	if (sa->dir == SOTTO_SA_OUT) {
		rcu_read_lock();
		for (i = 0; i < sa->n_peer; i++) {
			t = sotto_tunnel_lookup(ns, &sa->peer[i]);
			if (t)
				sotto_tunnel_unbind(t, sa);
		}
		rcu_read_unlock();
	}
	sotto_sa_put(sa);
}

unsigned int sotto_sa_delete_session(struct sotto_net *ns, u64 session)
{
	struct rhlist_head *list, *pos;
	struct sotto_sa *sa;
	unsigned int n = 0;

	rcu_read_lock();
	list = rhltable_lookup(&ns->sessions, &session, sotto_session_params);
	rhl_for_each_entry_rcu(sa, pos, list, by_session) {
		sotto_sa_delete(sa, SOTTO_EVENT_SA_DELETED);
		n++;
	}
	rcu_read_unlock();
	return n;
}

void sotto_sa_flush(struct sotto_net *ns)
{
	struct sotto_sa *sa;
	unsigned long i;

	rcu_read_lock();
	xa_for_each(&ns->sas_out, i, sa) {
		sotto_sa_delete(sa, 0);
		cond_resched_rcu();
	}
	xa_for_each(&ns->sas_in, i, sa) {
		if (!xa_is_value(sa))
			sotto_sa_delete(sa, 0);
		else if (xa_erase_bh(&ns->sas_in, i))
			atomic_dec(&ns->n_sas);
		cond_resched_rcu();
	}
	rcu_read_unlock();
}

/*
 * Reserved SPIs are value entries that hold the second they lapse in; marked, so
 * that looking for them costs nothing among a million SAs.
 */
#define SOTTO_SPI_RESERVED	XA_MARK_1

static void sotto_spi_reap(struct sotto_net *ns)
{
	unsigned long spi, now = ktime_get_boottime_seconds();
	void *entry;

	spin_lock_bh(&ns->lock);
	xa_for_each_marked(&ns->sas_in, spi, entry, SOTTO_SPI_RESERVED) {
		if (!xa_is_value(entry) || xa_to_value(entry) > now)
			continue;
		xa_erase(&ns->sas_in, spi);
		atomic_dec(&ns->n_sas);
	}
	spin_unlock_bh(&ns->lock);
}

bool sotto_spi_release(struct sotto_net *ns, u32 spi)
{
	bool reserved;

	spin_lock_bh(&ns->lock);
	reserved = xa_is_value(xa_load(&ns->sas_in, spi)) && xa_erase(&ns->sas_in, spi);
	if (reserved)
		atomic_dec(&ns->n_sas);
	spin_unlock_bh(&ns->lock);
	return reserved;
}

int sotto_spi_alloc(struct sotto_net *ns, u32 *spi, struct netlink_ext_ack *extack)
{
	unsigned long lapse = ktime_get_boottime_seconds() + SOTTO_SPI_LAPSE_S;
	int err;

	sotto_spi_reap(ns);
	if (atomic_inc_return(&ns->n_sas) > READ_ONCE(ns->limits.max_sas)) {
		atomic_dec(&ns->n_sas);
		NL_SET_ERR_MSG(extack, "the namespace has as many SAs as max-sas allows");
		return -ENOSPC;
	}
	err = xa_alloc_cyclic_bh(&ns->sas_in, spi, xa_mk_value(lapse),
				 XA_LIMIT(SOTTO_SPI_MIN, U32_MAX),
				 &ns->spi_next, GFP_KERNEL);
	if (err < 0) {
		atomic_dec(&ns->n_sas);
		return err;
	}
	spin_lock_bh(&ns->lock);
	xa_set_mark(&ns->sas_in, *spi, SOTTO_SPI_RESERVED);
	spin_unlock_bh(&ns->lock);
	return 0;
}

static u64 sotto_sa_deadline(u64 born, u32 seconds)
{
	return seconds ? born + seconds * (u64)NSEC_PER_SEC : 0;
}

/* Addresses, networks and name: in one piece, and no longer than they are. */
static int sotto_sa_names(struct sotto_sa *sa, const struct sotto_sa_params *p)
{
	size_t addrs = (p->n_peer + p->n_local) * sizeof(*sa->peer);
	size_t behind = p->n_behind * sizeof(*sa->behind);
	size_t reach = p->n_reach * sizeof(*sa->reach);
	char *name;

	sa->peer = kzalloc(addrs + behind + reach + strlen(p->name) + 1, GFP_KERNEL_ACCOUNT);
	if (!sa->peer)
		return -ENOMEM;
	sa->local = sa->peer + p->n_peer;
	sa->behind = (struct sotto_prefix *)(sa->local + p->n_local);
	sa->reach = sa->behind + p->n_behind;
	name = (char *)(sa->reach + p->n_reach);
	memcpy(sa->peer, p->peer, p->n_peer * sizeof(*sa->peer));
	memcpy(sa->local, p->local, p->n_local * sizeof(*sa->local));
	memcpy(sa->behind, p->behind, behind);
	memcpy(sa->reach, p->reach, reach);
	strcpy(name, p->name);
	sa->name = name;
	return 0;
}

static int sotto_sa_parts(struct sotto_sa *sa, const struct sotto_sa_params *p)
{
	if (sotto_keylog) {
		sa->keylog_key = kmemdup(p->key, sizeof(p->key), GFP_KERNEL_ACCOUNT);
		if (!sa->keylog_key)
			return -ENOMEM;
	}
	if (p->probe) {
		sa->probe = kzalloc(sizeof(*sa->probe), GFP_KERNEL_ACCOUNT);
		if (!sa->probe)
			return -ENOMEM;
		sa->probe->sa = sa;
		timer_setup(&sa->probe->timer, sotto_probe_timer, 0);
	}
	return sotto_sa_names(sa, p);
}

static void sotto_sa_fill(struct sotto_sa *sa, const struct sotto_sa_params *p)
{
	sa->spi = p->spi;
	sa->dir = p->dir;
	sa->cipher = p->cipher;
	sa->mode = p->mode;
	sa->n_peer = p->n_peer;
	sa->n_local = p->n_local;
	sa->n_behind = p->n_behind;
	sa->n_reach = p->n_reach;
	sa->natted = p->nat;
	sa->keepalive = p->keepalive;
	memcpy(sa->salt, p->salt, sizeof(sa->salt));
	refcount_set(&sa->refs, 1);
	timerqueue_init(&sa->due);
	if (p->dir == SOTTO_SA_IN) {
		spin_lock_init(&sa->lock);
		sotto_replay_init(sa->replay, p->seq);
	} else {
		atomic64_set(&sa->seq, p->seq);
		sa->first_seq = p->seq;
		sa->sport = p->sport;
		sa->dport = p->dport ?: sa->ns->data_port;
		if (!sa->sport && (p->nat || p->keepalive))	/* a NAT's mapping is of one port */
			sa->sport = sa->ns->data_port;
		sa->pair_spi = p->pair_spi;
		sa->confirm = p->confirm;
	}

	sa->soft_packets = p->soft_packets;
	sa->hard_packets = p->hard_packets;
	sa->soft_bytes = p->soft_bytes;
	sa->hard_bytes = p->hard_bytes;
	sa->session = p->session;

	sa->born_ns = ktime_get_boottime_ns();
	sa->soft_ns = sotto_sa_deadline(sa->born_ns, p->soft_seconds);
	sa->hard_ns = sotto_sa_deadline(sa->born_ns, p->hard_seconds);
	if (p->dir == SOTTO_SA_IN)
		sa->confirm_ns = sotto_sa_deadline(sa->born_ns, p->confirm_seconds);
}

/* One that nobody uses, and nobody will find. */
static void sotto_sa_discard(struct sotto_sa *sa)
{
	if (sa->dir == SOTTO_SA_OUT)
		kfree(sa->probe);
	sotto_sa_release(sa);
}

static struct sotto_sa *sotto_sa_new(struct sotto_net *ns, const struct sotto_sa_params *p,
				     struct netlink_ext_ack *extack)
{
	struct sotto_sa *sa = kmem_cache_zalloc(sotto_sa_caches[p->dir], GFP_KERNEL);
	int err;

	if (!sa)
		return ERR_PTR(-ENOMEM);
	sa->ns = ns;
	sotto_sa_fill(sa, p);
	err = sotto_sa_parts(sa, p);
	if (err)
		goto err_sa;
	sa->nat = sotto_nat_alloc(sa, p, &err);
	if (err)
		goto err_sa;
	err = sotto_key_init(&sa->key, p->cipher, p->key);
	if (err) {
		NL_SET_ERR_MSG(extack, "the kernel's crypto API does not give this cipher");
		goto err_sa;
	}
	sa->async = sa->key.aead &&
		    crypto_aead_alg(sa->key.aead)->base.cra_flags & CRYPTO_ALG_ASYNC;
	sa->inline_req = !sa->key.aead ||
			 sotto_crypto_req_len(sa->key.aead) <= SOTTO_CRYPT_CPU_REQ;
	return sa;

err_sa:
	sotto_sa_discard(sa);
	return ERR_PTR(err);
}

/* Caller holds ns->lock; the SPI's slot has its memory already. */
static int sotto_sa_link_in(struct sotto_net *ns, struct sotto_sa *sa,
			    struct netlink_ext_ack *extack)
{
	void *old = xa_load(&ns->sas_in, sa->spi);

	if (old && !xa_is_value(old)) {
		NL_SET_ERR_MSG(extack, "an inbound SA with this SPI exists");
		return -EEXIST;
	}
	old = xa_store(&ns->sas_in, sa->spi, sa, GFP_ATOMIC);
	if (xa_is_err(old))
		return xa_err(old);
	xa_clear_mark(&ns->sas_in, sa->spi, SOTTO_SPI_RESERVED);
	if (!old)	/* a reserved one was counted when it was */
		atomic_inc(&ns->n_sas);
	return 0;
}

/* Caller holds ns->lock. */
static int sotto_sa_link_out(struct sotto_net *ns, struct sotto_sa *sa,
			     struct netlink_ext_ack *extack)
{
	struct sotto_sa *in = NULL;
	int err;

	if (sa->confirm || sa->probe || sa->nat) {
		in = xa_load(&ns->sas_in, sa->pair_spi);
		if (!in || xa_is_value(in)) {
			NL_SET_ERR_MSG(extack, "no inbound SA with this pair SPI");
			return -ENOENT;
		}
	}
	err = xa_alloc_cyclic(&ns->sas_out, &sa->id, sa, xa_limit_32b,
			      &ns->sa_next_id, GFP_ATOMIC);
	if (err < 0)
		return err;
	err = sotto_nat_link(sa);
	if (err) {
		xa_erase(&ns->sas_out, sa->id);
		return err;
	}
	atomic_inc(&ns->n_sas);
	if (sa->confirm || sa->nat)
		rcu_assign_pointer(in->pair, sa);
	if (sa->confirm && !sa->probe)
		set_bit(SOTTO_SA_ANSWER, &in->flags);
	return 0;
}

/* Caller holds ns->lock. */
static int sotto_sa_link_tables(struct sotto_net *ns, struct sotto_sa *sa,
				struct netlink_ext_ack *extack)
{
	int err = 0;

	if (sa->session)
		err = rhltable_insert(&ns->sessions, &sa->by_session,
				      sotto_session_params);
	if (err)
		return err;
	if (sa->dir == SOTTO_SA_IN)
		err = sotto_sa_link_in(ns, sa, extack);
	else
		err = sotto_sa_link_out(ns, sa, extack);
	if (err && sa->session)
		rhltable_remove(&ns->sessions, &sa->by_session, sotto_session_params);
	return err;
}

static int sotto_sa_link(struct sotto_net *ns, struct sotto_sa *sa,
			 struct netlink_ext_ack *extack)
{
	int err;

	spin_lock_bh(&ns->lock);
	err = sotto_sa_link_tables(ns, sa, extack);
	if (!err) {
		atomic_inc(&ns->sas_alive);
		refcount_inc(&sa->refs);	/* the caller's */
		if (sotto_sa_arm(sa, ktime_get_boottime_ns()))
			refcount_inc(&sa->refs);
		if (sa->dir == SOTTO_SA_OUT && sa->probe) {
			refcount_inc(&sa->refs);
			mod_timer(&sa->probe->timer, jiffies + 1);
		}
	}
	spin_unlock_bh(&ns->lock);
	return err;
}

/*
 * Is an outbound SA to be bound at once? One that waits for its inbound SA's first packet is, too,
 * if that came before the two were a pair. Both may be so: the other looks at the pair last.
 */
static bool sotto_sa_is_ready(struct sotto_sa *sa)
{
	struct sotto_sa *in;
	bool ready;

	if (sa->dir != SOTTO_SA_OUT || !sa->confirm)
		return sa->dir == SOTTO_SA_OUT;
	smp_mb();	/* ->pair was written; pairs with test_and_set_bit() in sotto_sa_confirm() */
	rcu_read_lock();
	in = xa_load(&sa->ns->sas_in, sa->pair_spi);
	ready = in && !xa_is_value(in) && test_bit(SOTTO_SA_CONFIRMED, &in->flags);
	rcu_read_unlock();
	return ready;
}

static int sotto_sa_check(struct sotto_net *ns, const struct sotto_sa_params *p,
			  struct netlink_ext_ack *extack)
{
	if (p->dir == SOTTO_SA_IN && (p->confirm || p->probe)) {
		NL_SET_ERR_MSG(extack, "confirm and probe are for outbound SAs");
		return -EINVAL;
	}
	if (p->dir == SOTTO_SA_OUT && p->confirm_seconds) {
		NL_SET_ERR_MSG(extack, "confirm-seconds is for inbound SAs");
		return -EINVAL;
	}
	if ((p->confirm || p->probe) && !p->pair_spi) {
		NL_SET_ERR_MSG(extack, "confirm and probe need a pair SPI");
		return -EINVAL;
	}
	if (p->seq >= SOTTO_SEQ_MAX) {
		NL_SET_ERR_MSG(extack, "sequence number leaves no room");
		return -EINVAL;
	}
	if (atomic_read(&ns->n_sas) >= READ_ONCE(ns->limits.max_sas) &&
	    !(p->dir == SOTTO_SA_IN && xa_load(&ns->sas_in, p->spi))) {
		NL_SET_ERR_MSG(extack, "the namespace has as many SAs as max-sas allows");
		return -ENOSPC;
	}
	return 0;
}

int sotto_sa_add(struct sotto_net *ns, const struct sotto_sa_params *p, u32 *id,
		 struct netlink_ext_ack *extack)
{
	struct sotto_sa *sa;
	int err;

	lockdep_assert_held(&ns->config);

	err = sotto_sa_check(ns, p, extack);
	if (err)
		return err;
	sa = sotto_sa_new(ns, p, extack);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	err = sotto_sa_link(ns, sa, extack);
	if (err) {
		synchronize_rcu();	/* it was in a table for a moment: a dump may look at it */
		sotto_sa_discard(sa);
		return err;
	}

	*id = sa->dir == SOTTO_SA_OUT ? sa->id : 0;
	if (sotto_sa_is_ready(sa))
		sotto_sa_bind(sa);
	sotto_sa_put(sa);
	return 0;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/sa.c"
#endif
