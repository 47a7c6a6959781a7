// SPDX-License-Identifier: GPL-2.0
/* Security associations: their tables, lifetimes and end. */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "compat.h"
#include "crypto.h"
#include "nat.h"
#include "netlink.h"
#include "netns.h"
#include "sa.h"
#include "skb.h"
#include "tunnel.h"

static struct workqueue_struct *sotto_sa_wq;

int sotto_sa_init(void)
{
	sotto_sa_wq = alloc_workqueue("sotto", WQ_UNBOUND, 0);
	if (!sotto_sa_wq)
		return -ENOMEM;
	sotto_crypto_init();
	return 0;
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
}

static const struct rhashtable_params sotto_session_params = {
	.head_offset = offsetof(struct sotto_sa, by_session),
	.key_offset = offsetof(struct sotto_sa, session),
	.key_len = sizeof(u64),
	.automatic_shrinking = true,
};

int sotto_sas_init(struct sotto_net *ns)
{
	xa_init_flags(&ns->sas_in, XA_FLAGS_ALLOC | XA_FLAGS_LOCK_BH);
	xa_init_flags(&ns->sas_out, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
	return rhltable_init(&ns->sessions, &sotto_session_params);
}

void sotto_sas_exit(struct sotto_net *ns)
{
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

/* Crypto may sleep in its exit, so this is a worker's job. */
static void sotto_sa_free(struct work_struct *work)
{
	struct sotto_sa *sa = container_of(to_rcu_work(work), struct sotto_sa,
					   free_work);
	struct sotto_net *ns = sa->ns;

	sotto_key_wipe(&sa->key);
	kfree_sensitive(sa->keylog_key);
	kfree(sa->replay);
	kfree(sa->peer);
	sotto_nat_free(sa->nat);
	kfree_sensitive(sa);
	if (atomic_dec_and_test(&ns->sas_alive))
		wake_up(&ns->wait);
}

void sotto_sa_put(struct sotto_sa *sa)
{
	if (!refcount_dec_and_test(&sa->refs))
		return;
	INIT_RCU_WORK(&sa->free_work, sotto_sa_free);
	queue_rcu_work(sotto_sa_wq, &sa->free_work);
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

static void sotto_sa_event(struct sotto_sa *sa, enum sotto_event type)
{
	struct sotto_event_info ev = {
		.type = type, .spi = sa->spi, .dir = sa->dir,
		.session = sa->session, .dst = &sa->peer[0],
	};

	sotto_nl_event(sa->ns, &ev);
}

static void sotto_sa_soft(struct sotto_sa *sa)
{
	if (!test_and_set_bit(SOTTO_SA_SOFT_SENT, &sa->flags))
		sotto_sa_event(sa, SOTTO_EVENT_SA_SOFT);
}

static bool sotto_past(u64 limit, u64 value)
{
	return limit && value >= limit;
}

bool sotto_sa_expired(struct sotto_sa *sa)
{
	u64 now = ktime_get_coarse_boottime_ns();
	u64 packets, bytes;

	if (sa->dir == SOTTO_SA_OUT) {
		packets = atomic64_read(&sa->seq) - sa->first_seq;
		bytes = atomic64_read(&sa->tx_bytes);
	} else {
		packets = READ_ONCE(sa->rx_packets);
		bytes = READ_ONCE(sa->rx_bytes);
	}

	if (sotto_past(sa->hard_ns, now) ||
	    sotto_past(sa->hard_packets, packets) ||
	    sotto_past(sa->hard_bytes, bytes))
		return true;
	if (sotto_past(sa->soft_ns, now) ||
	    sotto_past(sa->soft_packets, packets) ||
	    sotto_past(sa->soft_bytes, bytes))
		sotto_sa_soft(sa);
	return false;
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

/* When the timer is wanted next, in boot time; 0 = never. */
static u64 sotto_sa_wakeup(struct sotto_sa *sa)
{
	u64 at = 0;

	if (sa->soft_ns && !test_bit(SOTTO_SA_SOFT_SENT, &sa->flags))
		at = sa->soft_ns;
	if (sa->hard_ns && (!at || sa->hard_ns < at))
		at = sa->hard_ns;
	if (sa->confirm_ns && !test_bit(SOTTO_SA_CONFIRMED, &sa->flags) &&
	    (!at || sa->confirm_ns < at))
		at = sa->confirm_ns;
	if (sa->probe && (!at || sa->probe_ns < at))
		at = sa->probe_ns;
	return at;
}

/*
 * The timer wheel may be an eighth late: far expiries are approached in steps.
 * Caller holds ns->lock. True if it will fire.
 */
static bool sotto_sa_arm(struct sotto_sa *sa)
{
	u64 at = sotto_sa_wakeup(sa), now = ktime_get_boottime_ns(), wait;

	if (!at || test_bit(SOTTO_SA_DEAD, &sa->flags))
		return false;
	wait = at > now ? at - now : 0;
	if (wait > 16 * NSEC_PER_SEC)
		wait -= wait / 8;
	mod_timer(&sa->timer, jiffies + 1 + nsecs_to_jiffies(wait));
	return true;
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
static void sotto_sa_probe(struct sotto_sa *sa, u64 now)
{
	struct sotto_sa *in = xa_load(&sa->ns->sas_in, sa->pair_spi);

	if (!in || xa_is_value(in) || sa->probes > SOTTO_PROBE_MAX ||
	    test_bit(SOTTO_SA_CONFIRMED, &in->flags)) {
		sa->probe = false;
		return;
	}
	sa->probe_ns = now + ((u64)SOTTO_PROBE_FIRST_MS << sa->probes++) * NSEC_PER_MSEC;
	sotto_sa_send(sa, sotto_send_dummy);
}

static void sotto_sa_timer(struct timer_list *timer)
{
	struct sotto_sa *sa = timer_container_of(sa, timer, timer);
	u64 now = ktime_get_boottime_ns();
	bool armed;

	rcu_read_lock();
	if (sotto_past(sa->hard_ns, now)) {
		sotto_sa_delete(sa, SOTTO_EVENT_SA_HARD);
	} else if (sotto_past(sa->confirm_ns, now) &&
		   !test_bit(SOTTO_SA_CONFIRMED, &sa->flags)) {
		sotto_sa_delete(sa, SOTTO_EVENT_SA_DELETED);
	} else {
		if (sotto_past(sa->soft_ns, now))
			sotto_sa_soft(sa);
		if (sa->probe && now >= sa->probe_ns)
			sotto_sa_probe(sa, now);
	}
	rcu_read_unlock();

	spin_lock_bh(&sa->ns->lock);
	armed = sotto_sa_arm(sa);
	spin_unlock_bh(&sa->ns->lock);
	if (!armed)
		sotto_sa_put(sa);
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
	struct sotto_tunnel *t;
	unsigned int i;

	spin_lock_bh(&ns->lock);
	if (test_and_set_bit(SOTTO_SA_DEAD, &sa->flags)) {
		spin_unlock_bh(&ns->lock);
		return;
	}
	sotto_sa_unlink(sa);
	spin_unlock_bh(&ns->lock);

	if (timer_delete(&sa->timer))
		sotto_sa_put(sa);
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

static struct sotto_sa *sotto_sa_alloc(struct sotto_net *ns,
				       const struct sotto_sa_params *p)
{
	struct sotto_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL_ACCOUNT);

	if (!sa)
		return NULL;
	sa->peer = kzalloc((p->n_peer + p->n_local) * sizeof(*sa->peer) +
			   p->n_behind * sizeof(*sa->behind), GFP_KERNEL_ACCOUNT);
	if (sotto_keylog)
		sa->keylog_key = kmemdup(p->key, sizeof(p->key), GFP_KERNEL_ACCOUNT);
	if (p->dir == SOTTO_SA_IN)
		sa->replay = kmalloc(sizeof(*sa->replay), GFP_KERNEL_ACCOUNT);
	if (!sa->peer || (p->dir == SOTTO_SA_IN && !sa->replay) ||
	    (sotto_keylog && !sa->keylog_key)) {
		kfree_sensitive(sa->keylog_key);
		kfree(sa->replay);
		kfree(sa->peer);
		kfree(sa);
		return NULL;
	}
	if (sa->replay)
		sotto_replay_init(sa->replay, p->seq);
	sa->local = sa->peer + p->n_peer;
	memcpy(sa->peer, p->peer, p->n_peer * sizeof(*sa->peer));
	memcpy(sa->local, p->local, p->n_local * sizeof(*sa->local));
	sa->behind = (struct sotto_prefix *)(sa->local + p->n_local);
	memcpy(sa->behind, p->behind, p->n_behind * sizeof(*sa->behind));
	sa->ns = ns;
	return sa;
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
	sa->sport = p->sport;
	sa->dport = p->dport ?: sa->ns->data_port;
	sa->natted = p->nat;
	sa->keepalive = p->keepalive;
	if (!sa->sport && (p->nat || p->keepalive))	/* a NAT's mapping is of one port */
		sa->sport = sa->ns->data_port;
	memcpy(sa->salt, p->salt, sizeof(sa->salt));
	refcount_set(&sa->refs, 1);
	spin_lock_init(&sa->lock);
	timer_setup(&sa->timer, sotto_sa_timer, 0);
	strscpy(sa->name, p->name, sizeof(sa->name));

	atomic64_set(&sa->seq, p->seq);
	sa->first_seq = p->seq;
	sa->soft_packets = p->soft_packets;
	sa->hard_packets = p->hard_packets;
	sa->soft_bytes = p->soft_bytes;
	sa->hard_bytes = p->hard_bytes;
	sa->session = p->session;
	sa->pair_spi = p->pair_spi;
	sa->confirm = p->confirm;
	sa->probe = p->probe;

	sa->born_ns = ktime_get_boottime_ns();
	sa->probe_ns = sa->born_ns;
	sa->soft_ns = sotto_sa_deadline(sa->born_ns, p->soft_seconds);
	sa->hard_ns = sotto_sa_deadline(sa->born_ns, p->hard_seconds);
	sa->confirm_ns = sotto_sa_deadline(sa->born_ns, p->confirm_seconds);
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
	atomic_inc(&ns->n_sas);
	sotto_nat_link(sa);
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
		refcount_inc(&sa->refs);	/* the timer's */
		if (!sotto_sa_arm(sa))
			refcount_dec(&sa->refs);
		refcount_inc(&sa->refs);	/* the caller's */
	}
	spin_unlock_bh(&ns->lock);
	return err;
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
	sa = sotto_sa_alloc(ns, p);
	if (!sa)
		return -ENOMEM;
	sotto_sa_fill(sa, p);
	sa->nat = sotto_nat_alloc(sa, p, &err);
	if (err)
		goto err_free;

	err = sotto_key_init(&sa->key, p->cipher, p->key);
	if (err) {
		NL_SET_ERR_MSG(extack, "the kernel's crypto API does not give this cipher");
		goto err_free;
	}
	sa->async = sa->key.aead &&
		    crypto_aead_alg(sa->key.aead)->base.cra_flags & CRYPTO_ALG_ASYNC;
	sa->inline_req = !sa->key.aead || (!sa->async &&
			 sotto_crypto_req_len(sa->key.aead) <= SOTTO_CRYPT_CPU_REQ);

	err = sotto_sa_link(ns, sa, extack);
	if (err)
		goto err_key;

	*id = sa->dir == SOTTO_SA_OUT ? sa->id : 0;
	if (sa->dir == SOTTO_SA_OUT && !sa->confirm)
		sotto_sa_bind(sa);
	sotto_sa_put(sa);
	return 0;

err_key:
	sotto_key_wipe(&sa->key);
err_free:
	sotto_nat_free(sa->nat);
	kfree_sensitive(sa->keylog_key);
	kfree(sa->replay);
	kfree(sa->peer);
	kfree_sensitive(sa);
	return err;
}
