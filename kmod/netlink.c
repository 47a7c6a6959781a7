// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: which commands there are, who may use them, and
 * what is done before and after each.
 */
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/string.h>

#include "compat.h"
#include "netlink.h"
#include "netlink_cmd.h"

/* For commands that take nothing: every attribute is unsupported. */
static const struct nla_policy sotto_nl_none_top[SOTTO_A_NS + 1];

static const struct nla_policy sotto_nl_addr_top[SOTTO_A_ADDR_PLEN + 1] = {
	[SOTTO_A_ADDR] = SOTTO_NLA_ADDR,
	[SOTTO_A_ADDR_PLEN] = NLA_POLICY_MAX(NLA_U8, 128),
};

#define SOTTO_NL_TOP(_name, _attr, _policy)				\
	static const struct nla_policy _name[] = {			\
		[_attr] = NLA_POLICY_NESTED(_policy),			\
	}

SOTTO_NL_TOP(sotto_nl_ns_top, SOTTO_A_NS, sotto_nl_ns_policy);
SOTTO_NL_TOP(sotto_nl_agent_top, SOTTO_A_AGENT, sotto_nl_agent_policy);
SOTTO_NL_TOP(sotto_nl_policy_add_top, SOTTO_A_POLICY, sotto_nl_policy_add_policy);
SOTTO_NL_TOP(sotto_nl_policy_del_top, SOTTO_A_POLICY, sotto_nl_policy_del_policy);
SOTTO_NL_TOP(sotto_nl_tunnel_top, SOTTO_A_TUNNEL, sotto_nl_tunnel_policy);
SOTTO_NL_TOP(sotto_nl_keylog_top, SOTTO_A_SA, sotto_nl_keylog_policy);
SOTTO_NL_TOP(sotto_nl_trace_top, SOTTO_A_TRACE, sotto_nl_trace_policy);
SOTTO_NL_TOP(sotto_nl_acquire_top, SOTTO_A_ACQUIRE, sotto_nl_acquire_policy);

/* The nests are looked at one by one: see sotto_nl_sa_each(). */
static const struct nla_policy sotto_nl_sa_select_top[SOTTO_A_SA_MORE + 1] = {
	[SOTTO_A_SA] = { .type = NLA_NESTED },
	[SOTTO_A_SA_MORE] = { .type = NLA_NESTED },
};

#define SOTTO_NL_OP(_cmd, _doit, _dumpit, _policy, _attr)		\
	{ .cmd = (_cmd), .doit = (_doit), .dumpit = (_dumpit),		\
	  .flags = GENL_UNS_ADMIN_PERM,					\
	  .policy = (_policy), .maxattr = (_attr) }

static const struct genl_ops sotto_nl_ops[] = {
	SOTTO_NL_OP(SOTTO_CMD_NS_GET, sotto_nl_ns_get, NULL,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_NS_SET, sotto_nl_ns_set, NULL, sotto_nl_ns_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_AGENT_REGISTER, sotto_nl_agent_register, NULL,
		    sotto_nl_agent_top, SOTTO_A_AGENT),
	SOTTO_NL_OP(SOTTO_CMD_ADDR_ADD, sotto_nl_addr_add, NULL,
		    sotto_nl_addr_top, SOTTO_A_ADDR_PLEN),
	SOTTO_NL_OP(SOTTO_CMD_ADDR_DEL, sotto_nl_addr_del, NULL,
		    sotto_nl_addr_top, SOTTO_A_ADDR_PLEN),
	SOTTO_NL_OP(SOTTO_CMD_ADDR_GET, NULL, sotto_nl_addr_dump,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_POLICY_ADD, sotto_nl_policy_add, NULL,
		    sotto_nl_policy_add_top, SOTTO_A_POLICY),
	SOTTO_NL_OP(SOTTO_CMD_POLICY_DEL, sotto_nl_policy_del, NULL,
		    sotto_nl_policy_del_top, SOTTO_A_POLICY),
	SOTTO_NL_OP(SOTTO_CMD_POLICY_GET, NULL, sotto_nl_policy_dump,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_POLICY_FLUSH, sotto_nl_policy_flush, NULL,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_TUNNEL_GET, sotto_nl_tunnel_get, sotto_nl_tunnel_dump,
		    sotto_nl_tunnel_top, SOTTO_A_TUNNEL),
	SOTTO_NL_OP(SOTTO_CMD_TUNNEL_DEL, sotto_nl_tunnel_del, NULL,
		    sotto_nl_tunnel_top, SOTTO_A_TUNNEL),
	SOTTO_NL_OP(SOTTO_CMD_TUNNEL_FLUSH, sotto_nl_tunnel_flush, NULL,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_SPI_ALLOC, sotto_nl_spi_alloc, NULL,
		    sotto_nl_none_top, SOTTO_A_NS),
	/* Parsed by itself: see netlink_sa_add.c. */
	{ .cmd = SOTTO_CMD_SA_ADD, .doit = sotto_nl_sa_add,
	  .flags = GENL_UNS_ADMIN_PERM },
	SOTTO_NL_OP(SOTTO_CMD_SA_DEL, sotto_nl_sa_del, NULL,
		    sotto_nl_sa_select_top, SOTTO_A_SA_MORE),
	SOTTO_NL_OP(SOTTO_CMD_SA_GET, NULL, sotto_nl_sa_dump,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_STATS_GET, sotto_nl_stats_get, NULL,
		    sotto_nl_none_top, SOTTO_A_NS),
	SOTTO_NL_OP(SOTTO_CMD_TRACE, sotto_nl_trace, NULL,
		    sotto_nl_trace_top, SOTTO_A_TRACE),
	SOTTO_NL_OP(SOTTO_CMD_KEYLOG_GET, sotto_nl_keylog_get, NULL,
		    sotto_nl_keylog_top, SOTTO_A_SA),
	SOTTO_NL_OP(SOTTO_CMD_ACQUIRE_FAIL, sotto_nl_acquire_fail, NULL,
		    sotto_nl_acquire_top, SOTTO_A_ACQUIRE),
};

static const struct genl_multicast_group sotto_nl_groups[] = {
	[SOTTO_NL_EVENTS] = {
		.name = SOTTO_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

int sotto_nl_check_header(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	const struct genlmsghdr *hdr = nlmsg_data(nlh);
	u16 flags = nlh->nlmsg_flags & ~(NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO);

	if ((flags & NLM_F_DUMP) == NLM_F_DUMP)
		flags &= ~NLM_F_DUMP;
	if (hdr->cmd == SOTTO_CMD_POLICY_ADD)
		flags &= ~(NLM_F_CREATE | NLM_F_EXCL | NLM_F_REPLACE);
	if (flags) {
		NL_SET_ERR_MSG(extack, "the message has flags that its command does not know");
		return -EINVAL;
	}
	if (hdr->reserved) {
		NL_SET_ERR_MSG(extack, "the reserved field of the header is not 0");
		return -EINVAL;
	}
	return 0;
}

/* A key can be anywhere in a malformed message: all attributes go. */
static void sotto_nl_wipe(struct genl_info *info)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)info->nlhdr;

	memzero_explicit(nlmsg_attrdata(nlh, GENL_HDRLEN),
			 nlmsg_attrlen(nlh, GENL_HDRLEN));
}

static int sotto_nl_pre(const struct genl_split_ops *ops, struct sk_buff *skb,
			struct genl_info *info)
{
	struct sotto_net *ns = sotto_net(genl_info_net(info));
	int err;

	err = sotto_nl_check_header(info->nlhdr, info->extack) ?:
	      sotto_nl_once(nlmsg_attrdata(info->nlhdr, GENL_HDRLEN),
			    nlmsg_attrlen(info->nlhdr, GENL_HDRLEN),
			    BIT_ULL(SOTTO_A_SA_MORE), info->extack);
	if (err) {
		if (ops->cmd == SOTTO_CMD_SA_ADD)
			sotto_nl_wipe(info);
		return err;
	}
	info->user_ptr[0] = ns;
	mutex_lock(&ns->config);
	return 0;
}

static void sotto_nl_post(const struct genl_split_ops *ops, struct sk_buff *skb,
			  struct genl_info *info)
{
	mutex_unlock(&sotto_nl_ns(info)->config);
	if (ops->cmd == SOTTO_CMD_SA_ADD)
		sotto_nl_wipe(info);
}

/*
 * Commands of one namespace wait for each other at ns->config, not for all of
 * generic netlink. The core's own check of the header is not used, for it knows
 * no NLM_F_REPLACE and would refuse SA_ADD before its key can be wiped:
 * sotto_nl_check_header() says the same.
 */
struct genl_family sotto_genl_family __ro_after_init = {
	.name = SOTTO_GENL_NAME,
	.version = SOTTO_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.resv_start_op = __SOTTO_CMD_MAX,
	.pre_doit = sotto_nl_pre,
	.post_doit = sotto_nl_post,
	.ops = sotto_nl_ops,
	.n_ops = ARRAY_SIZE(sotto_nl_ops),
	.mcgrps = sotto_nl_groups,
	.n_mcgrps = ARRAY_SIZE(sotto_nl_groups),
};

static bool sotto_nl_is_closing;

bool sotto_nl_closing(void)
{
	return READ_ONCE(sotto_nl_is_closing);
}

/* A socket was closed: perhaps an agent's. */
static int sotto_nl_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct netlink_notify *n = data;

	if (event == NETLINK_URELEASE && n->protocol == NETLINK_GENERIC)
		sotto_nl_agent_gone(sotto_net(n->net), n->portid);
	return NOTIFY_DONE;
}

static struct notifier_block sotto_nl_notifier = {
	.notifier_call = sotto_nl_notify,
};

int __init sotto_netlink_init(void)
{
	int err;

	err = netlink_register_notifier(&sotto_nl_notifier);
	if (err)
		return err;
	err = genl_register_family(&sotto_genl_family);
	if (err)
		netlink_unregister_notifier(&sotto_nl_notifier);
	return err;
}

void sotto_netlink_exit(void)
{
	WRITE_ONCE(sotto_nl_is_closing, true);
	synchronize_rcu();	/* events are sent under RCU */
	genl_unregister_family(&sotto_genl_family);
	netlink_unregister_notifier(&sotto_nl_notifier);
}
