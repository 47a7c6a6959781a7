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

static unsigned int sotto_burst_test_max(struct sotto_burst *b, struct net_device *dev,
					 unsigned int size, unsigned int segs)
{
	dev->gso_max_size = size;
	dev->gso_max_segs = segs;
	return sotto_burst_max(b);
}

/* As many as the device takes; and always one, be it that it takes less than a header. */
static bool sotto_burst_test_device(struct sk_buff *skb, struct net_device *dev)
{
	struct sotto_pkt p = { .l4 = sizeof(struct ipv6hdr) };
	struct sotto_burst b = { .skb = skb, .p = &p, .seg_len = 1000 };
	unsigned int hdr = p.l4 + sizeof(struct udphdr), link = LL_RESERVED_SPACE(dev);

	return sotto_burst_test_max(&b, dev, 0, U16_MAX) == 1 &&
	       sotto_burst_test_max(&b, dev, link - 1, U16_MAX) == 1 &&
	       sotto_burst_test_max(&b, dev, link + hdr - 1, U16_MAX) == 1 &&
	       sotto_burst_test_max(&b, dev, link + hdr + 2 * b.seg_len - 1, U16_MAX) == 1 &&
	       sotto_burst_test_max(&b, dev, link + hdr + 2 * b.seg_len, U16_MAX) == 2 &&
	       sotto_burst_test_max(&b, dev, U16_MAX + 1, U16_MAX) == SOTTO_BURST_SEGS &&
	       sotto_burst_test_max(&b, dev, U16_MAX + 1, 3) == 3 &&
	       sotto_burst_test_max(&b, dev, U16_MAX + 1, 0) == 1;
}

static int sotto_burst_test_devices(void)
{
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	struct sk_buff *skb = alloc_skb(0, GFP_KERNEL);
	int err = -ENOMEM;

	if (dev && skb) {
		dev->hard_header_len = ETH_HLEN;
		skb->dev = dev;
		skb->protocol = htons(ETH_P_IPV6);
		err = sotto_burst_test_device(skb, dev) ? 0 : -EINVAL;
	}
	if (err == -EINVAL)
		pr_err("sotto: selftest: bursts are not of what the device takes\n");
	kfree_skb(skb);
	kfree(dev);
	return err;
}

int sotto_seal_burst_selftest(void)
{
	return sotto_burst_test_devices() ?:
	       sotto_wipe_test("seal_burst", SOTTO_BURST_TEST_LEN, sotto_burst_test_wipe);
}
