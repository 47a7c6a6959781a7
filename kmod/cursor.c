// SPDX-License-Identifier: GPL-2.0
/* A place among a packet's bytes, that moves on. */
#include <linux/mm.h>

#include "cursor.h"
#include "wire.h"

void sotto_cursor_init(struct sotto_cursor *cur, const struct sk_buff *skb,
		       unsigned int off)
{
	cur->skb = skb;
	cur->next = skb_shinfo(skb)->frag_list;
	cur->frag = -1;
	cur->off = off;
}

static unsigned int sotto_cursor_size(const struct sotto_cursor *cur)
{
	if (cur->frag < 0)
		return skb_headlen(cur->skb);
	return skb_frag_size(&skb_shinfo(cur->skb)->frags[cur->frag]);
}

/* Move to a piece that has bytes left; where there is none, be behind the last one. */
static bool sotto_cursor_settle(struct sotto_cursor *cur)
{
	while (cur->off == sotto_cursor_size(cur)) {
		cur->off = 0;
		if (++cur->frag < skb_shinfo(cur->skb)->nr_frags)
			continue;
		if (!cur->next || skb_has_frag_list(cur->next)) {
			/* lists within lists are nobody's GRO */
			cur->frag--;
			cur->off = sotto_cursor_size(cur);
			return false;
		}
		cur->skb = cur->next;
		cur->next = cur->next->next;
		cur->frag = -1;
	}
	return true;
}

/* The page of a fragment, which we must be able to read. */
static struct page *sotto_cursor_page(const struct sotto_cursor *cur)
{
	struct page *page = skb_frag_page(&skb_shinfo(cur->skb)->frags[cur->frag]);

	return page && !PageHighMem(page) ? page : NULL;
}

u8 *sotto_cursor_piece(struct sotto_cursor *cur, unsigned int len, unsigned int *n)
{
	u8 *at;

	if (!sotto_cursor_settle(cur))
		return NULL;
	if (cur->frag < 0)
		at = cur->skb->data;
	else if (sotto_cursor_page(cur))
		at = skb_frag_address(&skb_shinfo(cur->skb)->frags[cur->frag]);
	else
		return NULL;
	at += cur->off;
	*n = min(len, sotto_cursor_size(cur) - cur->off);
	cur->off += *n;
	return at;
}

bool sotto_cursor_copy(struct sotto_cursor *cur, void *to, unsigned int len)
{
	const u8 *from;
	unsigned int n;

	for (; len; len -= n, to += n) {
		from = sotto_cursor_piece(cur, len, &n);
		if (!from)
			return false;
		if (likely(n == SOTTO_ICV_LEN))	/* an ESP header's length, too: no call */
			memcpy(to, from, SOTTO_ICV_LEN);
		else
			memcpy(to, from, n);
	}
	return true;
}

static bool sotto_cursor_set(const struct sotto_cursor *cur, struct scatterlist *sg,
			     unsigned int len)
{
	struct page *page;

	if (cur->frag < 0) {
		if (sg)
			sg_set_buf(sg, cur->skb->data + cur->off, len);
		return true;
	}
	page = sotto_cursor_page(cur);
	if (page && sg)
		sg_set_page(sg, page, len, cur->off +
			    skb_frag_off(&skb_shinfo(cur->skb)->frags[cur->frag]));
	return page;
}

int sotto_cursor_sg(struct sotto_cursor *cur, struct scatterlist *sg, unsigned int len)
{
	unsigned int size;
	int n = 0;

	/* Most often it lies within a piece. */
	if (!sg && len <= sotto_cursor_size(cur) - cur->off &&
	    (cur->frag < 0 || sotto_cursor_page(cur))) {
		cur->off += len;
		return 1;
	}
	for (; len; len -= size, cur->off += size, n++) {
		if (!sotto_cursor_settle(cur))
			return -EINVAL;
		size = min(len, sotto_cursor_size(cur) - cur->off);
		if (!sotto_cursor_set(cur, sg ? sg + n : NULL, size))
			return -EINVAL;
	}
	return n;
}

#ifdef CONFIG_SOTTO_SELFTEST
#include "selftest/cursor.c"
#endif
