// SPDX-License-Identifier: GPL-2.0
/* Self-test of opening one packet, which is a forged one. */
#include "wipe.h"

#define SOTTO_OPEN_TEST_LEN	300

static bool sotto_open_test_wipe(struct sotto_sa *sa, struct sk_buff *skb)
{
	unsigned int hdr = sizeof(struct iphdr) + SOTTO_ENCAP_LEN;

	return sotto_open_chapoly(sa, skb, skb, hdr, 1, cpu_to_be64(1)) == -EBADMSG &&
	       !sotto_chapoly_left(&sa->key.chapoly);
}

int sotto_open_selftest(void)
{
	return sotto_wipe_test("open", SOTTO_OPEN_TEST_LEN, sotto_open_test_wipe);
}
