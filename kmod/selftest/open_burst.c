// SPDX-License-Identifier: GPL-2.0
/* Self-test of opening a burst, of which all is forged. */
#include "wipe.h"

#define SOTTO_BURST_TEST_SEGS	3
#define SOTTO_BURST_TEST_SIZE	300
#define SOTTO_BURST_TEST_LEN	(sizeof(struct iphdr) + sizeof(struct udphdr) + \
				 SOTTO_BURST_TEST_SEGS * SOTTO_BURST_TEST_SIZE)

static bool sotto_burst_test_wipe(struct sotto_sa *sa, struct sk_buff *skb)
{
	const struct nf_hook_state state = { .pf = NFPROTO_IPV4 };
	const struct sotto_pkt p = { .l4 = sizeof(struct iphdr) };
	struct sotto_burst *b;
	bool clean;

	skb_shinfo(skb)->gso_size = SOTTO_BURST_TEST_SIZE;
	b = sotto_burst_alloc(sa, skb, &p, &state);
	if (!b)
		return false;
	for (b->i = 0; b->i < b->n; b->i++)
		b->seq[b->i] = b->i + 1;
	b->i = 0;
	clean = sotto_burst_segments(b, sotto_burst_done) && b->forged == SOTTO_BURST_TEST_SEGS &&
		!sotto_chapoly_left(&sa->key.chapoly);
	sotto_burst_page_done(b);
	kfree(b);
	return clean;
}

int sotto_open_burst_selftest(void)
{
	return sotto_wipe_test("open_burst", SOTTO_BURST_TEST_LEN, sotto_burst_test_wipe);
}
