/* SPDX-License-Identifier: GPL-2.0 */
/* Security associations: one direction of a session each (RFC 4301 section 4.1). */
#ifndef _SOTTO_SA_H
#define _SOTTO_SA_H

#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/timer.h>
#include <linux/timerqueue.h>
#include <linux/workqueue.h>
#include <linux/sotto.h>

#include "addr.h"
#include "crypto.h"
#include "replay.h"
#include "wire.h"

struct sotto_nat;
struct sotto_net;
struct sotto_tunnel;

/* What SA_ADD carries. The caller wipes it. */
struct sotto_sa_params {
	u8 dir;			/* enum sotto_sa_dir */
	u8 cipher;		/* enum sotto_cipher */
	u8 mode;		/* enum sotto_sa_mode */
	u32 spi;
	u64 session;
	u8 key[SOTTO_KEY_LEN];
	u8 salt[SOTTO_SALT_LEN];
	char name[SOTTO_NAME_MAX];
	struct sotto_addr peer[SOTTO_ADDRS_MAX];
	struct sotto_addr local[SOTTO_ADDRS_MAX];
	struct sotto_prefix behind[SOTTO_PREFIXES_MAX];	/* in, tunnel mode */
	struct sotto_prefix reach[SOTTO_PREFIXES_MAX];	/* the same; none = all behind us */
	u8 n_peer, n_local, n_behind, n_reach;
	__be16 sport, dport;	/* 0 = flow hash, data port */
	u64 seq;
	u32 soft_seconds, hard_seconds;
	u64 soft_packets, hard_packets;
	u64 soft_bytes, hard_bytes;
	u32 pair_spi;
	bool confirm;		/* out: bound once pair_spi authenticated */
	bool probe;		/* out: dummies until pair_spi authenticated */
	bool nat;		/* the peer is behind a NAT */
	bool keepalive;		/* out: we are */
	struct sotto_addr endpoint;	/* out, nat: where it is, .family 0: to be learnt */
	u32 confirm_seconds;	/* in */
};

enum sotto_sa_flags {
	SOTTO_SA_DEAD,		/* unlinked; set under ns->lock */
	SOTTO_SA_CONFIRMED,	/* in: has authenticated a packet; out: bound */
	SOTTO_SA_SOFT_SENT,	/* the soft event was sent */
	SOTTO_SA_ANSWER,	/* in: dummies are answered through @pair */
};

struct sotto_probe;

/**
 * struct sotto_sa - one direction of a session
 * @ns: its namespace
 * @key: what it encrypts with
 * @async: it may complete later, in another context
 * @late: its last request did: no bursts until one completes at once
 * @inline_req: a CPU's own memory is enough for its requests
 * @peer: @n_peer addresses, then @n_local of ours, @n_behind networks, and the name
 * @seq: out: last number handed out
 * @probe: out: sends dummies for the key confirmation, NULL before and after
 * @lock: in: protects @replay, @packets, @bytes
 * @natted: the peer is behind a NAT: in: so its packets may come from anywhere
 * @keepalive: out: we are, so our NAT is to remember us
 * @nat: out: with a NAT between the ends, else NULL
 * @pair: in: the outbound SA that waits for us or answers through us (RCU,
 *	written under ns->lock, not counted: cleared before that one goes)
 * @due: in ns->due, while something is to be done at some time
 * @refs: one of the tables, one of ns->due, one of a pending probe, one of each
 *	request in flight
 * @replay: in
 *
 * Reached under rcu_read_lock() through ns->sas_in, ns->sas_out or a tunnel. There may
 * be millions: what is read for each packet stands in front, and each direction has a
 * slab of its own.
 */
struct sotto_sa {
	struct sotto_net *ns;
	struct sotto_key key;
	u32 spi;
	u8 salt[SOTTO_SALT_LEN];
	u8 dir;
	u8 cipher;
	u8 mode;
	u8 n_peer, n_local, n_behind, n_reach;
	bool async, late, inline_req;
	bool natted, keepalive;
	struct sotto_nat *nat;
	struct sotto_addr *peer, *local;
	struct sotto_prefix *behind, *reach;
	unsigned long flags;
	u64 soft_ns, hard_ns;		/* boot time; 0 = never */
	u64 soft_packets, hard_packets;
	u64 soft_bytes, hard_bytes;

	union {
		struct {		/* out */
			atomic64_t seq;
			atomic64_t tx_bytes;
			u64 first_seq;
			struct sotto_probe *probe;
			u32 pair_spi;
			u32 id;
			__be16 sport, dport;
			bool confirm;
		};
		struct {		/* in */
			spinlock_t lock;	/* replay and counters */
			u64 rx_packets, rx_bytes;
			u64 replays, auth_failures;
			struct sotto_sa __rcu *pair;
			u64 confirm_ns;		/* boot time; 0 = never */
		};
	};

	refcount_t refs;
	u64 session;
	struct rhlist_head by_session;	/* in ns->sessions, unless @session is 0 */
	u64 born_ns;			/* boot time */
	union {
		struct timerqueue_node due;
		struct rcu_head rcu;		/* after the last reference */
		struct work_struct free_work;	/* after that */
	};
	const char *name;
	u8 *keylog_key;		/* SOTTO_KEY_LEN bytes, with keylog=1 only */
	struct sotto_replay replay[];	/* in: one */
};

int sotto_sa_init(void);
void sotto_sa_exit(void);
/* Waits for SAs being freed. May sleep. */
void sotto_sa_sync(void);

/**
 * sotto_spi_alloc() - reserve an inbound SPI
 * @ns: namespace
 * @spi: filled
 * @extack: told why not
 *
 * It lapses by itself after %SOTTO_SPI_LAPSE_S seconds. May sleep.
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int sotto_spi_alloc(struct sotto_net *ns, u32 *spi, struct netlink_ext_ack *extack);

/**
 * sotto_spi_release() - take back a reservation that no SA will use
 * @ns: namespace
 * @spi: the SPI
 *
 * Return: true if it was reserved, and is not now.
 */
bool sotto_spi_release(struct sotto_net *ns, u32 spi);

/**
 * sotto_sa_add() - install one direction of a session
 * @ns: namespace; the caller holds ns->config
 * @p: parameters, validated in form by the caller (lengths, ranges)
 * @id: filled with the kernel's id of the SA
 * @extack: told why not
 *
 * Binds an outbound SA and flushes the queues of its tunnels, or leaves it to
 * the confirmation. May sleep.
 * Return: 0, -EEXIST (SPI in use), -ENOENT (no such pair_spi), -EINVAL,
 * -ENOSPC (limit), -ENOMEM, or what the cipher's allocation gives.
 */
int sotto_sa_add(struct sotto_net *ns, const struct sotto_sa_params *p, u32 *id,
		 struct netlink_ext_ack *extack);

/**
 * sotto_sa_delete() - unlink, wipe after a grace period
 * @sa: under rcu_read_lock() or with a reference
 * @event: SOTTO_EVENT_SA_DELETED or SOTTO_EVENT_SA_HARD, or 0 for silence
 *
 * Any context with BH off or on, not in hard interrupts. Idempotent.
 */
void sotto_sa_delete(struct sotto_sa *sa, enum sotto_event event);

/* The tables of a namespace; the second when they are empty. */
int sotto_sas_init(struct sotto_net *ns);
void sotto_sas_exit(struct sotto_net *ns);

/* Delete all of a session. The caller holds ns->config. Return: how many. */
unsigned int sotto_sa_delete_session(struct sotto_net *ns, u64 session);
/* Delete all there are, silently. May sleep. */
void sotto_sa_flush(struct sotto_net *ns);

void sotto_sa_put(struct sotto_sa *sa);

/**
 * sotto_sa_later() - does this request complete later?
 * @sa: whose; under rcu_read_lock(), for the request may be gone already
 * @err: what its submission gave
 *
 * The packets that follow stand behind this one in the transform's queue, but not
 * behind the rest of a burst, which is submitted one segment after the other: so
 * a transform that makes packets wait gets no bursts.
 */
static inline bool sotto_sa_later(struct sotto_sa *sa, int err)
{
	if (!sa->async)
		return false;
	if (err == -EINPROGRESS) {
		WRITE_ONCE(sa->late, true);
		return true;
	}
	if (!err && READ_ONCE(sa->late))
		WRITE_ONCE(sa->late, false);
	return false;
}

static inline bool sotto_sa_get(struct sotto_sa *sa)
{
	return refcount_inc_not_zero(&sa->refs);
}

/*
 * What may complete elsewhere outlives this RCU section. Return: false when @sa, which was found in
 * it, is just going.
 */
static inline bool sotto_sa_begin_async(struct sotto_sa *sa)
{
	return !sa->async || sotto_sa_get(sa);
}

/* It has not, or will not any more. */
static inline void sotto_sa_end_async(struct sotto_sa *sa)
{
	if (sa->async)
		sotto_sa_put(sa);
}

/**
 * sotto_sa_take_seq() - hand out sequence numbers, never twice
 * @sa: outbound
 * @n: how many in a row
 * @seq: filled with the first
 *
 * Return: false when the SA is used up (RFC 4303 section 3.3.3).
 */
bool sotto_sa_take_seq(struct sotto_sa *sa, unsigned int n, u64 *seq);

/* Time and volume: has this SA reached a hard limit? Sends the soft event. */
bool sotto_sa_expired(struct sotto_sa *sa);

/* A tunnel has left @sa for another: the last one to leave deletes it. */
void sotto_sa_unbound(struct sotto_sa *sa);

/* A dummy, or something like it, to where @sa is used. rcu_read_lock(). */
void sotto_sa_send(struct sotto_sa *sa,
		   void (*send)(struct sotto_sa *sa, const struct sotto_addr *src,
				const struct sotto_addr *dst));

/* An inbound SA authenticated a packet for the first time. BH off. */
void sotto_sa_confirm(struct sotto_sa *sa);

/* Is @a an address of the peer / one that the SA was made for on our side? */
bool sotto_sa_peer_is(const struct sotto_sa *sa, const struct sotto_addr *a);
bool sotto_sa_local_is(const struct sotto_sa *sa, const struct sotto_addr *a);
/* In tunnel mode: may the peer send in the name of @a / to @a, in a network behind us? */
bool sotto_sa_inner_is(const struct sotto_sa *sa, const struct sotto_addr *a);
bool sotto_sa_reach_is(const struct sotto_sa *sa, const struct sotto_addr *a);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_sa_selftest(void);
#endif

#endif /* _SOTTO_SA_H */
