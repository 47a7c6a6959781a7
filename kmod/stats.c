// SPDX-License-Identifier: GPL-2.0
/* Counters. */
#include "netns.h"
#include "stats.h"

void sotto_stat_add(struct sotto_net *ns, enum sotto_stat stat, u32 n)
{
	struct sotto_stats *s;

	local_bh_disable();
	s = this_cpu_ptr(ns->stats);
	u64_stats_update_begin(&s->sync);
	u64_stats_add(&s->counter[stat], n);
	u64_stats_update_end(&s->sync);
	local_bh_enable();
}

static void sotto_stats_read(const struct sotto_stats *s, u64 one[__SOTTO_STAT_MAX])
{
	unsigned int start;
	int i;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		for (i = 0; i < __SOTTO_STAT_MAX; i++)
			one[i] = u64_stats_read(&s->counter[i]);
	} while (u64_stats_fetch_retry(&s->sync, start));
}

void sotto_stats_sum(struct sotto_net *ns, u64 out[__SOTTO_STAT_MAX])
{
	u64 one[__SOTTO_STAT_MAX];
	int cpu, i;

	memset(out, 0, sizeof(*out) * __SOTTO_STAT_MAX);
	for_each_possible_cpu(cpu) {
		sotto_stats_read(per_cpu_ptr(ns->stats, cpu), one);
		for (i = 0; i < __SOTTO_STAT_MAX; i++)
			out[i] += one[i];
	}
	out[SOTTO_STAT_OUT_QUEUED] = atomic_read(&ns->queued_packets);
}
