// SPDX-License-Identifier: GPL-2.0
/* Self-test of sealing a burst. */
#include "wipe.h"

#define SOTTO_BURST_TEST_SEGS	3
#define SOTTO_BURST_TEST_MSS	300
#define SOTTO_BURST_TEST_LEN	(sizeof(struct iphdr) + sizeof(struct tcphdr) + \
				 SOTTO_BURST_TEST_SEGS * SOTTO_BURST_TEST_MSS)

static bool sotto_burst_test_wipe(struct sotto_sa *sa, struct sk_buff *skb)
{
	struct sotto_pkt p = { .l4 = sizeof(struct iphdr), .proto = IPPROTO_TCP };
	struct sk_buff *out = alloc_skb(0, GFP_ATOMIC);
	struct sotto_burst b;
	bool clean;

	if (!out)
		return false;
	((struct tcphdr *)(skb->data + p.l4))->doff = sizeof(struct tcphdr) / 4;
	skb_shinfo(skb)->gso_size = SOTTO_BURST_TEST_MSS;
	sotto_burst_begin(&b, skb, &p, &p);
	b.seq = 1;
	clean = sotto_burst_fill(&b, sa, out, b.segs) == SOTTO_BURST_TEST_SEGS &&
		!sotto_chapoly_left(&sa->key.chapoly);
	skb_abort_seq_read(&b.st);
	kfree_skb(out);
	return clean;
}

int sotto_seal_burst_selftest(void)
{
	return sotto_wipe_test("seal_burst", SOTTO_BURST_TEST_LEN, sotto_burst_test_wipe);
}
