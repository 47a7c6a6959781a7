// SPDX-License-Identifier: GPL-2.0
/* Self-test of what a tunnel loses, run when the module is loaded. */

/* A packet of a burst that cannot be read to its transport header. */
static bool sotto_send_test_header(struct sotto_net *ns, struct sotto_tunnel *t, u64 *sum)
{
	struct sk_buff *skb = alloc_skb(sizeof(struct iphdr), GFP_KERNEL);

	if (!skb)
		return false;
	skb_reset_network_header(skb);
	skb_put_zero(skb, sizeof(struct iphdr) - 1);
	skb->protocol = htons(ETH_P_IP);
	sotto_send_segment(t, NULL, skb, IPV6_MIN_MTU);
	sotto_stats_sum(ns, sum);
	return atomic64_read(&t->drops) == 1 && sum[SOTTO_STAT_OUT_DROP_HEADER] == 1;
}

int sotto_send_selftest(void)
{
	struct sotto_net *ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	u64 *sum = kcalloc(__SOTTO_STAT_MAX, sizeof(*sum), GFP_KERNEL);
	struct sotto_tunnel t = { .ns = ns };
	int err = -ENOMEM;

	if (ns)
		ns->stats = alloc_percpu(struct sotto_stats);
	if (ns && ns->stats && sum) {
		ns->net = &init_net;
		err = sotto_send_test_header(ns, &t, sum) ? 0 : -EINVAL;
	}
	if (ns)
		free_percpu(ns->stats);
	kfree(sum);
	kfree(ns);
	if (err)
		pr_err("sotto: selftest: send: what was lost is not counted (error %d)\n", err);
	else
		pr_info("sotto: selftest: send passed\n");
	return err;
}
