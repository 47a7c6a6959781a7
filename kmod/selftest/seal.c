// SPDX-License-Identifier: GPL-2.0
/* Self-test of sealing one packet. */
#include "wipe.h"

#define SOTTO_SEAL_TEST_LEN	300

static bool sotto_seal_test_wipe(struct sotto_sa *sa, struct sk_buff *skb)
{
	return !sotto_seal_pieces(sa, 1, skb, sizeof(struct iphdr) + SOTTO_ENCAP_LEN) &&
	       !sotto_chapoly_left(&sa->key.chapoly);
}

int sotto_seal_selftest(void)
{
	return sotto_wipe_test("seal", SOTTO_SEAL_TEST_LEN, sotto_seal_test_wipe);
}
