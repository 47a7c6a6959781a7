// SPDX-License-Identifier: GPL-2.0
/* The netfilter hooks. Verdicts are returned here and nowhere else. */
#include <linux/bpf-cgroup.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/igmp.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include <linux/uidgid.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/mld.h>
#include <net/ndisc.h>
#include <net/netfilter/ipv4/nf_defrag_ipv4.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "netns.h"
#include "policy.h"
#include "skb.h"
#include "spread.h"
#include "tunnel.h"

/* Just behind defragmentation, before raw and conntrack. */
#define SOTTO_PRI_IN	(NF_IP_PRI_CONNTRACK_DEFRAG + 1)

static unsigned int sotto_hook_out(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state);
static unsigned int sotto_hook_in(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state);
static unsigned int sotto_bridge_up(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state);
static unsigned int sotto_bridge_forward(void *priv, struct sk_buff *skb,
					 const struct nf_hook_state *state);

static const struct nf_hook_ops sotto_hook_ops[] = {
	{
		.hook = sotto_hook_in, .pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING, .priority = SOTTO_PRI_IN,
	}, {
		.hook = sotto_hook_in, .pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING, .priority = SOTTO_PRI_IN,
	}, {
		.hook = sotto_hook_out, .pf = NFPROTO_IPV4,
		.hooknum = NF_INET_POST_ROUTING, .priority = NF_IP_PRI_LAST,
	}, {
		.hook = sotto_hook_out, .pf = NFPROTO_IPV6,
		.hooknum = NF_INET_POST_ROUTING, .priority = NF_IP6_PRI_LAST,
	},
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	{
		.hook = sotto_bridge_up, .pf = NFPROTO_BRIDGE,
		.hooknum = NF_BR_LOCAL_IN, .priority = NF_BR_PRI_LAST,
	}, {
		.hook = sotto_bridge_forward, .pf = NFPROTO_BRIDGE,
		.hooknum = NF_BR_FORWARD, .priority = NF_BR_PRI_LAST,
	},
#endif
};

/*
 * The entries behind our own. Another one of the same priority (conntrack's
 * confirmation) stands before or behind us, as modules were loaded: so we run
 * what is behind first, and then do our part.
 */
static int sotto_run_behind(struct sk_buff *skb, struct nf_hook_state *state,
			    nf_hookfn *own)
{
	const struct nf_hook_entries *e;
	unsigned int i;

	if (state->pf == NFPROTO_IPV4)
		e = rcu_dereference(state->net->nf.hooks_ipv4[state->hook]);
	else
		e = rcu_dereference(state->net->nf.hooks_ipv6[state->hook]);
	for (i = 0; e && i < e->num_hook_entries; i++)
		if (e->hooks[i].hook == own)
			return nf_hook_slow(skb, state, e, i + 1);
	kfree_skb(skb);		/* we were just unregistered */
	return -EPERM;
}

void sotto_resume(struct sk_buff *skb, struct nf_hook_state *state)
{
	if (sotto_run_behind(skb, state, sotto_hook_in) == 1)
		state->okfn(state->net, state->sk, skb);
}

/* A frame on its way through a bridge, from port to port, that br_netfilter shows us. */
static bool sotto_is_bridged(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	return nf_bridge_get_physoutdev(skb);
#else
	return false;
#endif
}

/*
 * Neighbour discovery, and who listens to which group: the link's own business. No router forwards
 * it, and by its hop limit one knows (RFC 4861, RFC 3810).
 */
static bool sotto_is_nd(u8 type, u8 hop_limit)
{
	switch (type) {
	case NDISC_ROUTER_SOLICITATION:
	case NDISC_ROUTER_ADVERTISEMENT:
	case NDISC_NEIGHBOUR_SOLICITATION:
	case NDISC_NEIGHBOUR_ADVERTISEMENT:
	case NDISC_REDIRECT:
		return hop_limit == 255;
	case ICMPV6_MGM_QUERY:
	case ICMPV6_MGM_REPORT:
	case ICMPV6_MGM_REDUCTION:
	case ICMPV6_MLD2_REPORT:
		return hop_limit == 1;
	default:
		return false;
	}
}

static bool sotto_is_dhcp(u16 family, __be16 sport, __be16 dport)
{
	u16 s = ntohs(sport), d = ntohs(dport);

	if (family == AF_INET)
		return (s == 68 && d == 67) || (s == 67 && d == 68);
	return (s == 546 && d == 547) || (s == 547 && d == 546);
}

static bool sotto_is_control(struct sotto_net *ns, const struct sotto_pkt *p,
			     const struct udphdr *uh, bool out)
{
	const struct sotto_agent *a = rcu_dereference(ns->agent);

	if (!a || !a->has_flow)
		return false;
	if (out)
		return uh->source == a->local_port && uh->dest == a->remote_port &&
		       sotto_addr_equal(&p->src, &a->local) &&
		       sotto_addr_equal(&p->dst, &a->remote);
	return uh->source == a->remote_port && uh->dest == a->local_port &&
	       sotto_addr_equal(&p->src, &a->remote) &&
	       sotto_addr_equal(&p->dst, &a->local);
}

/* Root's, whatever privilege it has dropped since. */
static bool sotto_is_roots(const struct net *net, const struct sock *sk)
{
	return sk && sk_fullsock(sk) && uid_eq(sk->sk_uid, make_kuid(net->user_ns, 0));
}

/*
 * An authentication server here: members that have no keys yet must reach it, and
 * its answers find them.
 */
static bool sotto_is_server(struct sotto_net *ns, const struct sk_buff *skb,
			    const struct sotto_pkt *p, const struct udphdr *uh, bool out)
{
	u32 port = READ_ONCE(ns->limits.control_port);

	if (!port)
		return false;
	if (out)
		return ntohs(uh->source) == port && sotto_local_is(ns, &p->src) &&
		       sotto_is_roots(ns->net, skb->sk);
	return ntohs(uh->dest) == port && sotto_local_is(ns, &p->dst);
}

static bool sotto_is_group(const struct sk_buff *skb, const struct sotto_pkt *p)
{
	if (p->dst.family == AF_INET6)
		return ipv6_addr_is_multicast(&p->dst.ip.in6);
	return ipv4_is_multicast(p->dst.ip.ip) || ipv4_is_lbcast(p->dst.ip.ip);
}

/* A subnet's broadcast address: the route knows, or on the way in the table. */
static bool sotto_is_broadcast(struct net *net, const struct sk_buff *skb,
			       const struct sotto_pkt *p, bool out)
{
	if (p->dst.family != AF_INET)
		return false;
	if (out && skb_valid_dst(skb))
		return skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST);
	return inet_addr_type(net, p->dst.ip.ip) == RTN_BROADCAST;
}

/*
 * What no policy touches: multicast and broadcast, neighbour discovery and its
 * like, DHCP, the agent's control flow, and others' sealed packets in transit.
 */
bool sotto_exempt(struct sotto_net *ns, struct sk_buff *skb,
		  const struct sotto_pkt *p, bool out)
{
	const struct udphdr *uh;
	struct udphdr buf;
	u8 type;

	if (sotto_is_group(skb, p) || sotto_is_broadcast(ns->net, skb, p, out))
		return true;
	if (p->fragment)
		return false;
	if (p->proto == IPPROTO_IGMP && p->dst.family == AF_INET)
		return true;
	if (p->proto == IPPROTO_ICMPV6 && p->dst.family == AF_INET6)
		return !skb_copy_bits(skb, p->l4, &type, 1) &&
		       sotto_is_nd(type, ipv6_hdr(skb)->hop_limit);
	if (p->proto != IPPROTO_UDP)
		return false;

	uh = skb_header_pointer(skb, p->l4, sizeof(buf), &buf);
	if (!uh)
		return false;
	if (sotto_is_dhcp(p->dst.family, uh->source, uh->dest) ||
	    sotto_is_control(ns, p, uh, out) || sotto_is_server(ns, skb, p, uh, out))
		return true;
	if (uh->dest != ns->data_port)
		return false;
	if (out)
		return !skb->sk && skb->skb_iif && !sotto_local_is(ns, &p->src) &&
		       !sotto_behind_is(ns, &p->src);
	return !sotto_local_is(ns, &p->dst) && !sotto_behind_is(ns, &p->dst);
}

void sotto_out(struct sotto_net *ns, struct sk_buff *skb)
{
	u8 pf = skb->protocol == htons(ETH_P_IP) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	const struct sotto_addr *to;
	enum sotto_action action;
	struct sotto_pkt p;

	if (!sotto_pkt_parse(skb, pf, &p)) {
		sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_HEADER);
		return;
	}
	action = sotto_policy_route(ns, &p.dst, &to);
	if (action == SOTTO_ACTION_BLOCK)
		sotto_refuse(ns, skb, SOTTO_STAT_OUT_DROP_BLOCK);
	else if (action == SOTTO_ACTION_BYPASS)
		sotto_send_clear(ns, skb);
	else
		sotto_send(ns, skb, &p, to, action);
}

/* Behind everybody else: now it is decided. Consumes @skb. */
static int sotto_out_ok(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct sotto_net *ns = sotto_net(net);

	rcu_read_lock();
	local_bh_disable();
	sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
	sotto_out(ns, skb);
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}

static unsigned int sotto_out_pass(struct sotto_net *ns)
{
	sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
	sotto_stat_inc(ns, SOTTO_STAT_OUT_PASSED);
	return NF_ACCEPT;
}

#ifdef CONFIG_XFRM
/* xfrm (IPsec) shall change this packet, address for address, and show it us again. */
static bool sotto_xfrm_comes_again(const struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (!dst->xfrm)
		return false;
	for (; dst->xfrm; dst = xfrm_dst_child(dst))
		if (dst->xfrm->props.mode != XFRM_MODE_TRANSPORT)
			return false;
	return true;
}

/* What xfrm made of this packet was here already, from the same source. */
static bool sotto_xfrm_was_here(const struct sk_buff *skb)
{
	const struct sec_path *sp = skb_sec_path(skb);
	int i;

	for (i = 0; sp && i < sp->len; i++)
		if (sp->xvec[i]->props.mode != XFRM_MODE_TRANSPORT)
			return false;
	return sp && sp->len;
}

/*
 * xfrm has left the encryption to what is below us: a device, or in its place a module
 * (esp4_offload) once the device is known. So what is in there is not what is to be sent.
 */
static bool sotto_xfrm_waits(struct sk_buff *skb)
{
	const struct xfrm_offload *xo = xfrm_offload(skb);

	/* On its way in it was decrypted so, and is forwarded. */
	return xo && !(xo->flags & (XFRM_GRO | XFRM_XMIT)) &&
	       xfrm_input_state(skb)->xso.dir != XFRM_DEV_OFFLOAD_IN;
}
#else
static bool sotto_xfrm_waits(struct sk_buff *skb)
{
	return false;
}

static bool sotto_xfrm_comes_again(const struct sk_buff *skb)
{
	return false;
}

static bool sotto_xfrm_was_here(const struct sk_buff *skb)
{
	return false;
}
#endif

/*
 * The programs of a control group (systemd's IPAddressDeny=, say) judge what has passed
 * POST_ROUTING. It is what is inside that they are to see; what was sealed they don't.
 */
static bool sotto_cgroup_refuses(const struct nf_hook_state *state, struct sk_buff *skb)
{
	struct sock *sk __maybe_unused = state->sk;	/* by its name the macro knows it */
	int ret = BPF_CGROUP_RUN_PROG_INET_EGRESS(sk, skb);

	return ret && ret != NET_XMIT_CN;
}

static unsigned int sotto_hook_out(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	struct sotto_net *ns = sotto_net(state->net);
	struct nf_hook_state behind = *state;
	struct sotto_pkt p;
	int ret;

	/* A VRF's packets come again below; loopback and bridged ones don't leave. */
	if (netif_is_l3_master(state->out) || (state->out->flags & IFF_LOOPBACK) ||
	    sotto_is_bridged(skb) || sotto_xfrm_comes_again(skb))
		return NF_ACCEPT;
	if (!READ_ONCE(ns->policy.n))
		return sotto_out_pass(ns);

	if (!sotto_pkt_parse(skb, state->pf, &p)) {
		sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
		sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_HEADER);
		return NF_STOLEN;
	}
	if (sotto_policy_lookup(ns, &p.dst, NULL) == SOTTO_ACTION_BYPASS ||
	    sotto_exempt(ns, skb, &p, true))
		return sotto_out_pass(ns);
	if (sotto_xfrm_waits(skb)) {
		sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
		sotto_drop(ns, skb, SOTTO_STAT_OUT_DROP_OFFLOAD);
		return NF_STOLEN;
	}
	if (sotto_cgroup_refuses(state, skb)) {
		sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
		sotto_stat_inc(ns, SOTTO_STAT_OUT_DROP_FILTERED);
		return NF_DROP;		/* the sender is told EPERM */
	}

	if (!skb->dev)		/* on its way into an xfrm tunnel */
		skb->dev = state->out;
	behind.okfn = sotto_out_ok;
	ret = sotto_run_behind(skb, &behind, sotto_hook_out);
	if (ret == 1) {
		sotto_out_ok(state->net, state->sk, skb);
	} else if (ret < 0) {
		sotto_stat_inc(ns, SOTTO_STAT_OUT_SEEN);
		sotto_stat_inc(ns, SOTTO_STAT_OUT_DROP_FILTERED);
	}
	return NF_STOLEN;
}

/* Must this packet have come sealed? Return: 0, or the counter of the drop. */
static int sotto_enforce(struct sotto_net *ns, struct sk_buff *skb,
			 const struct sotto_pkt *p)
{
	const struct sotto_addr *to;
	enum sotto_action action = sotto_policy_route(ns, &p->src, &to);
	const struct sotto_tunnel *t;
	bool icmp = p->proto == (p->src.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	/* Path MTU news count whoever sends them, if they quote what we sent. */
	if (icmp && sotto_icmp_error(ns, skb, p))
		return 0;
	if (sotto_xfrm_was_here(skb))
		return 0;
	if (action == SOTTO_ACTION_BYPASS || sotto_exempt(ns, skb, p, false))
		return 0;
	if (action == SOTTO_ACTION_BLOCK)
		return SOTTO_STAT_IN_DROP_BLOCK;
	if (action == SOTTO_ACTION_PREFER) {
		t = sotto_tunnel_lookup(ns, to);
		if (!t || !rcu_access_pointer(t->sa))
			return 0;
	}
	return SOTTO_STAT_IN_DROP_PLAINTEXT;
}

/* A packet that did not come sealed. Return: 0, or the counter of its drop. */
static int sotto_in_plain(struct sotto_net *ns, struct sk_buff *skb,
			  const struct sotto_pkt *p)
{
	int why = READ_ONCE(ns->policy.n) ? sotto_enforce(ns, skb, p) : 0;

	if (!why)
		sotto_stat_inc(ns, SOTTO_STAT_IN_PASSED);
	return why;
}

/*
 * br_netfilter shows frames that come to a bridge to PRE_ROUTING, and does not show it
 * those again that then go up to this host. So a sealed packet of ours is kept from
 * everybody here, and sotto_bridge_up() sees to it that it comes again; of others we
 * don't know yet whether they are for us.
 */
static unsigned int sotto_bridge_in(struct sotto_net *ns, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	struct sotto_pkt p;

	if (!sotto_pkt_parse(skb, state->pf, &p) || !sotto_is_data(ns, skb, &p))
		return NF_ACCEPT;
	state->okfn(state->net, state->sk, skb);
	return NF_STOLEN;
}

static unsigned int sotto_hook_in(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	struct sotto_net *ns = sotto_net(state->net);
	struct sotto_pkt p;
	bool parsed;
	int why;

	if (netif_is_l3_master(state->in) || (state->in->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	if (nf_bridge_in_prerouting(skb))
		return sotto_bridge_in(ns, skb, state);

	sotto_stat_inc(ns, SOTTO_STAT_IN_SEEN);
	parsed = sotto_pkt_parse(skb, state->pf, &p);
	if (parsed && sotto_is_data(ns, skb, &p)) {
		sotto_spread(ns, skb, &p, state);
		return NF_STOLEN;
	}
	why = parsed ? sotto_in_plain(ns, skb, &p) : SOTTO_STAT_IN_DROP_MALFORMED;
	if (!why)
		return NF_ACCEPT;
	sotto_drop(ns, skb, why);
	return NF_STOLEN;
}

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
/* Frames that a bridge hands to this host, and that have been in PRE_ROUTING there. */
static unsigned int sotto_bridge_up(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	u8 pf = skb->protocol == htons(ETH_P_IP) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct sotto_net *ns = sotto_net(state->net);
	struct sotto_pkt p;
	bool parsed;
	int why;

	/* Below a VRF they come again anyhow; what is for others goes no further. */
	if (!nf_bridge_info_exists(skb) || netif_is_l3_slave(skb->dev) ||
	    skb->pkt_type == PACKET_OTHERHOST)
		return NF_ACCEPT;
	if (skb->protocol != htons(ETH_P_IP) && skb->protocol != htons(ETH_P_IPV6)) {
		skb_ext_del(skb, SKB_EXT_BRIDGE_NF);	/* PPPoE, say: IP comes later */
		return NF_ACCEPT;
	}

	parsed = sotto_pkt_parse(skb, pf, &p);
	if (parsed && sotto_is_data(ns, skb, &p)) {
		skb_ext_del(skb, SKB_EXT_BRIDGE_NF);
		return NF_ACCEPT;
	}
	sotto_stat_inc(ns, SOTTO_STAT_IN_SEEN);
	why = parsed ? sotto_in_plain(ns, skb, &p) : SOTTO_STAT_IN_DROP_MALFORMED;
	if (!why)
		return NF_ACCEPT;
	sotto_drop(ns, skb, why);
	return NF_STOLEN;
}

/* The guard knows what we sealed by its being untracked; and no bridged frame is that. */
static unsigned int sotto_bridge_forward(void *priv, struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	if (skb_get_nfct(skb) == IP_CT_UNTRACKED)
		nf_reset_ct(skb);
	return NF_ACCEPT;
}
#endif

int sotto_hooks_register(struct sotto_net *ns)
{
	int err;

	err = nf_defrag_ipv4_enable(ns->net);
	if (err)
		return err;
	err = nf_defrag_ipv6_enable(ns->net);
	if (err)
		goto err_defrag4;
	err = nf_register_net_hooks(ns->net, sotto_hook_ops, ARRAY_SIZE(sotto_hook_ops));
	if (err)
		goto err_defrag6;
	return 0;

err_defrag6:
	nf_defrag_ipv6_disable(ns->net);
err_defrag4:
	nf_defrag_ipv4_disable(ns->net);
	return err;
}

void sotto_hooks_unregister(struct sotto_net *ns)
{
	nf_unregister_net_hooks(ns->net, sotto_hook_ops, ARRAY_SIZE(sotto_hook_ops));
	nf_defrag_ipv6_disable(ns->net);
	nf_defrag_ipv4_disable(ns->net);
	/* Nobody is in a hook any more, nor in what it called. */
	synchronize_net();
}
