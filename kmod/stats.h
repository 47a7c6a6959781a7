/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters, per CPU and per namespace. <uapi/linux/sotto.h> lists them, with
 * the two sums that always hold.
 */
#ifndef _SOTTO_STATS_H
#define _SOTTO_STATS_H

#include <linux/percpu.h>
#include <linux/u64_stats_sync.h>
#include <linux/sotto.h>

struct sotto_net;

struct sotto_stats {
	u64_stats_t counter[__SOTTO_STAT_MAX];
	struct u64_stats_sync sync;
};

/**
 * sotto_stat_add() - count
 * @ns: namespace
 * @stat: which counter
 * @n: how many
 *
 * Any context but hard interrupts.
 */
void sotto_stat_add(struct sotto_net *ns, enum sotto_stat stat, u32 n);

static inline void sotto_stat_inc(struct sotto_net *ns, enum sotto_stat stat)
{
	sotto_stat_add(ns, stat, 1);
}

/* Fill @out with the sums over all CPUs; OUT_QUEUED is read from its gauge. */
void sotto_stats_sum(struct sotto_net *ns, u64 out[__SOTTO_STAT_MAX]);

#endif /* _SOTTO_STATS_H */
