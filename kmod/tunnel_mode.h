/* SPDX-License-Identifier: GPL-2.0 */
/* Tunnel mode (RFC 4303 section 3.1.2): a whole packet, of either family, inside. */
#ifndef _SOTTO_TUNNEL_MODE_H
#define _SOTTO_TUNNEL_MODE_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>

#include "skb.h"

struct dst_entry;
struct sotto_sa;
struct sotto_tunnel;

/**
 * sotto_encap_send() - seal a packet whole and send it to the tunnel's other end
 * @t: tunnel
 * @sa: its SA, in tunnel mode
 * @skb: consumed
 * @p: of it
 *
 * Context: rcu_read_lock(), BH off.
 */
void sotto_encap_send(struct sotto_tunnel *t, struct sotto_sa *sa, struct sk_buff *skb,
		      const struct sotto_pkt *p);

/**
 * sotto_route() - a route to @dst for the sealed form of @skb
 * @net: namespace
 * @skb: its mark and its device's VRF count
 * @src: from where; filled if it is left open
 * @dst: of the same family
 *
 * Return: held, or NULL.
 */
struct dst_entry *sotto_route(struct net *net, const struct sk_buff *skb,
			      struct sotto_addr *src, const struct sotto_addr *dst);

/**
 * sotto_decap_up() - the packet inside goes on, as if it had come by itself
 * @sa: opened by, in tunnel mode
 * @skb: consumed; as for sotto_open_up()
 * @p: of the packet as it came
 * @nexthdr: IPPROTO_IPIP or IPPROTO_IPV6
 * @state: of the hook where it came in
 *
 * Context: rcu_read_lock(), BH off.
 */
void sotto_decap_up(struct sotto_sa *sa, struct sk_buff *skb, const struct sotto_pkt *p,
		    u8 nexthdr, const struct nf_hook_state *state);

/*
 * Is a packet inside of the two ends themselves? Then it was authentic all the way, and its own
 * checksum says nothing that is not known.
 */
bool sotto_decap_vouched(const struct sotto_sa *sa, const struct sotto_addr *src,
			 const struct sotto_addr *dst);

#endif /* _SOTTO_TUNNEL_MODE_H */
