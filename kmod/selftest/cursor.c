// SPDX-License-Identifier: GPL-2.0
/*
 * Self-test of the cursor, run when the module is loaded: where a packet ends, or goes on in a way
 * that cannot be read, nothing comes however often it is asked for.
 */
#include <linux/printk.h>

#define SOTTO_CURSOR_TEST_LEN	16	/* of each piece */

/* Behind what it has lies what an earlier packet may have left there. */
static struct sk_buff *sotto_cursor_test_skb(struct page *left)
{
	struct sk_buff *skb = alloc_skb(SOTTO_CURSOR_TEST_LEN, GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_put_zero(skb, SOTTO_CURSOR_TEST_LEN);
	skb_fill_page_desc(skb, 0, left, 0, SOTTO_CURSOR_TEST_LEN);
	skb_shinfo(skb)->nr_frags = 0;
	return skb;
}

/* The first piece, and no more. */
static bool sotto_cursor_test_ends(const struct sk_buff *skb)
{
	struct sotto_cursor cur;
	unsigned int n, i;

	sotto_cursor_init(&cur, skb, 0);
	if (sotto_cursor_piece(&cur, 2 * SOTTO_CURSOR_TEST_LEN, &n) != skb->data ||
	    n != SOTTO_CURSOR_TEST_LEN)
		return false;
	for (i = 0; i < 3; i++)
		if (sotto_cursor_piece(&cur, 1, &n) || sotto_cursor_sg(&cur, NULL, 1) >= 0)
			return false;
	return true;
}

int sotto_cursor_selftest(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct sk_buff *skb[3] = {};
	int err = page ? 0 : -ENOMEM;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(skb) && !err; i++) {
		skb[i] = sotto_cursor_test_skb(page);
		err = skb[i] ? 0 : -ENOMEM;
	}
	if (!err && !sotto_cursor_test_ends(skb[0]))
		err = -EINVAL;
	if (!err) {	/* a list within a list; what is in one goes with it */
		skb_shinfo(skb[1])->frag_list = skb[2];
		skb_shinfo(skb[0])->frag_list = skb[1];
		skb[1] = NULL;
		skb[2] = NULL;
		if (!sotto_cursor_test_ends(skb[0]))
			err = -EINVAL;
	}
	for (i = 0; i < ARRAY_SIZE(skb); i++)
		kfree_skb(skb[i]);
	if (page)
		put_page(page);
	if (err)
		pr_err("sotto: selftest: cursor failed (error %d)\n", err);
	else
		pr_info("sotto: selftest: cursor passed\n");
	return err;
}
