/* SPDX-License-Identifier: GPL-2.0 */
/* A place among a packet's bytes, that moves on: linear part, fragments, frag list. */
#ifndef _SOTTO_CURSOR_H
#define _SOTTO_CURSOR_H

#include <linux/scatterlist.h>
#include <linux/skbuff.h>

/**
 * struct sotto_cursor - a place among a packet's bytes
 * @skb: the packet, or one of its frag list
 * @next: the one of the list that follows
 * @frag: which of @skb's fragments; -1: its linear part
 * @off: in there
 *
 * Walking a packet of many pieces from its start for each segment would be quadratic.
 */
struct sotto_cursor {
	const struct sk_buff *skb, *next;
	int frag;
	unsigned int off;
};

/* @off: from skb->data, within the linear part. */
void sotto_cursor_init(struct sotto_cursor *cur, const struct sk_buff *skb,
		       unsigned int off);

/* Copy @len bytes to @to, and move behind them. Return: false when they cannot be read. */
bool sotto_cursor_copy(struct sotto_cursor *cur, void *to, unsigned int len);

/**
 * sotto_cursor_piece() - bytes that lie in one piece
 * @cur: moves behind them
 * @len: the most that are wanted, not 0
 * @n: how many they are
 *
 * Return: where they are, or NULL when they cannot be read.
 */
u8 *sotto_cursor_piece(struct sotto_cursor *cur, unsigned int len, unsigned int *n);

/**
 * sotto_cursor_sg() - a scatterlist of what follows
 * @cur: moves behind it
 * @sg: entries to fill; NULL only counts them
 * @len: bytes
 *
 * Return: how many entries, or -EINVAL when the bytes cannot be read.
 */
int sotto_cursor_sg(struct sotto_cursor *cur, struct scatterlist *sg, unsigned int len);

#ifdef CONFIG_SOTTO_SELFTEST
int sotto_cursor_selftest(void);
#endif

#endif /* _SOTTO_CURSOR_H */
