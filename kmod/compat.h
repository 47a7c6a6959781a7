/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between the kernels we build for, 6.1 to 7.x. */
#ifndef _SOTTO_COMPAT_H
#define _SOTTO_COMPAT_H

#include <linux/crypto.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <net/genetlink.h>

/* 6.2 renamed del_timer(); 6.15 removed the old names. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete(t)			del_timer(t)
#define timer_delete_sync(t)		del_timer_sync(t)
#endif

/* 6.16 renamed from_timer(). */
#ifndef timer_container_of
#define timer_container_of(var, callback_timer, timer_fieldname) \
	from_timer(var, callback_timer, timer_fieldname)
#endif

/* 6.3 hands completions their data instead of the request. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define SOTTO_CRYPTO_DATA		struct crypto_async_request
#define sotto_crypto_arg(req)		((req)->data)
#else
#define SOTTO_CRYPTO_DATA		void
#define sotto_crypto_arg(arg)		(arg)
#endif

/* That the checksum is SCTP's is said only where there is SCTP. */
#include <linux/skbuff.h>
static inline void sotto_csum_is_inet(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IP_SCTP)
	skb->csum_not_inet = 0;
#endif
}

/* 6.7 gave comparing in constant time and XOR a header of their own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#include <crypto/utils.h>
#else
#include <crypto/algapi.h>
#endif

/* 6.12 moved unaligned access. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* 6.16 gave ChaCha's state a type. */
#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
struct chacha_state {
	u32 x[CHACHA_STATE_WORDS];
};

#define chacha_init(state, key, iv)	chacha_init((state)->x, key, iv)
#define chacha20_crypt(state, dst, src, len) \
	chacha20_crypt((state)->x, dst, src, len)
#define chacha20_block(state, stream)	chacha20_block((state)->x, stream)
#endif

/* 6.5 moved software segmentation to a header of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#else
#include <linux/netdevice.h>
#endif

/* 6.3 gave IPv4 a limit of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define sotto_gso_max_size(dev, skb)	netif_get_gso_max_size(dev, skb)
#else
#define sotto_gso_max_size(dev, skb)	READ_ONCE((dev)->gso_max_size)
#endif

/* cond_resched_rcu() has moved since. */
#include <linux/sched.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>

/* 6.2 gave the handlers around a command another view of it; .cmd is in both. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define genl_split_ops			genl_ops
#endif

/* 6.7 (and 6.1.68) gave multicast groups a flag of their own. */
#ifndef GENL_MCAST_CAP_NET_ADMIN
#define GENL_MCAST_CAP_NET_ADMIN	GENL_UNS_ADMIN_PERM
#endif

/* 7.x hands the tunnel helpers the sock instead of the socket. */
#include <linux/net.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define sotto_tunnel_sock(sock)		((sock)->sk)
#else
#define sotto_tunnel_sock(sock)		(sock)
#endif

/* 6.13 wants the DSCP in a type of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#include <net/ip.h>
#define sotto_route_input4(skb, iph)	ip_route_input_noref(skb, (iph)->daddr, \
					(iph)->saddr, ip4h_dscp(iph), (skb)->dev)
#else
#define sotto_route_input4(skb, iph)	ip_route_input_noref(skb, (iph)->daddr, \
					(iph)->saddr, (iph)->tos, (skb)->dev)
#endif

/* 7.x has IPv6 built in, and no table of its functions for those outside. */
#include <linux/netfilter_ipv6.h>
#include <net/ip6_route.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define sotto_ip6_fragment(net, sk, skb, output) ip6_fragment(net, sk, skb, output)
static inline int sotto_route_input6(struct sk_buff *skb)
{
	ip6_route_input(skb);
	return 0;
}
#else
static inline int sotto_ip6_fragment(struct net *net, struct sock *sk, struct sk_buff *skb,
				     int (*output)(struct net *, struct sock *,
						   struct sk_buff *))
{
	const struct nf_ipv6_ops *ops = nf_get_ipv6_ops();

	if (ops)
		return ops->fragment(net, sk, skb, output);
	kfree_skb(skb);
	return -EAFNOSUPPORT;
}

static inline int sotto_route_input6(struct sk_buff *skb)
{
	const struct nf_ipv6_ops *ops = nf_get_ipv6_ops();

	if (!ops)
		return -EAFNOSUPPORT;
	ops->route_input(skb);
	return 0;
}
#endif

#endif /* _SOTTO_COMPAT_H */
