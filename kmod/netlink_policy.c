// SPDX-License-Identifier: GPL-2.0
/* Commands of our own addresses and of the policy. */
#include <linux/inetdevice.h>

#include "netlink.h"
#include "netlink_cmd.h"
#include "policy.h"

const struct nla_policy sotto_nl_policy_add_policy[SOTTO_A_POLICY_ATTR_MAX + 1] = {
	[SOTTO_A_POLICY_PREFIX] = SOTTO_NLA_ADDR,
	[SOTTO_A_POLICY_PLEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[SOTTO_A_POLICY_ACTION] = NLA_POLICY_MAX(NLA_U8, __SOTTO_ACTION_MAX - 1),
};

const struct nla_policy sotto_nl_policy_del_policy[SOTTO_A_POLICY_ATTR_MAX + 1] = {
	[SOTTO_A_POLICY_PREFIX] = SOTTO_NLA_ADDR,
	[SOTTO_A_POLICY_PLEN] = NLA_POLICY_MAX(NLA_U8, 128),
};

static int sotto_nl_get_own(struct genl_info *info, struct sotto_addr *a)
{
	if (!info->attrs[SOTTO_A_ADDR])
		return sotto_nl_missing(info->extack, NULL, SOTTO_A_ADDR,
					"the address is missing");
	sotto_nl_get_addr(info->attrs[SOTTO_A_ADDR], a);
	return 0;
}

/* A refusal that is about an attribute, told by a function that knows none. */
static int sotto_nl_blame(struct genl_info *info, const struct nlattr *attr, int err)
{
	if (err && info->extack && !info->extack->bad_attr)
		NL_SET_BAD_ATTR(info->extack, attr);
	return err;
}

int sotto_nl_addr_add(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_addr a;
	int err;

	err = sotto_nl_get_own(info, &a);
	if (err)
		return err;
	err = sotto_local_add(sotto_nl_ns(info), &a, info->extack);
	return sotto_nl_blame(info, info->attrs[SOTTO_A_ADDR], err);
}

int sotto_nl_addr_del(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_addr a;
	int err;

	err = sotto_nl_get_own(info, &a);
	if (err)
		return err;
	err = sotto_local_del(sotto_nl_ns(info), &a, info->extack);
	return sotto_nl_blame(info, info->attrs[SOTTO_A_ADDR], err);
}

static int sotto_addr_cmp(const struct sotto_addr *a, const struct sotto_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(&a->ip, &b->ip, sizeof(a->ip));
}

/* The next of ours after @cur (.family 0 to begin), whatever came or went meanwhile. */
static bool sotto_nl_next_local(struct sotto_net *ns, struct sotto_addr *cur)
{
	const struct sotto_locals *locals;
	const struct sotto_addr *next = NULL;
	unsigned int i;

	locals = rcu_dereference(ns->locals);
	for (i = 0; locals && i < locals->n; i++)
		if (sotto_addr_cmp(&locals->addr[i], cur) > 0 &&
		    (!next || sotto_addr_cmp(&locals->addr[i], next) < 0))
			next = &locals->addr[i];
	if (!next)
		return false;
	*cur = *next;
	return true;
}

int sotto_nl_addr_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sotto_addr *done = (struct sotto_addr *)cb->ctx, cur = *done;
	struct sotto_net *ns = sotto_nl_dump_ns(cb);
	void *hdr;
	int err;

	BUILD_BUG_ON(sizeof(*done) > sizeof(cb->ctx));

	err = sotto_nl_dump_check(cb);
	if (err)
		return err;
	rcu_read_lock();
	while (sotto_nl_next_local(ns, &cur)) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &sotto_genl_family,
				  NLM_F_MULTI, SOTTO_CMD_ADDR_GET);
		if (!hdr)
			break;
		if (sotto_nl_put_addr(skb, SOTTO_A_ADDR, &cur)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		*done = cur;
	}
	rcu_read_unlock();
	return skb->len;
}

static int sotto_nl_get_prefix(struct sotto_policy *p, const struct nlattr *nest,
			       struct nlattr *tb[], struct netlink_ext_ack *extack)
{
	if (!tb[SOTTO_A_POLICY_PREFIX])
		return sotto_nl_missing(extack, nest, SOTTO_A_POLICY_PREFIX,
					"the prefix is missing");
	if (!tb[SOTTO_A_POLICY_PLEN])
		return sotto_nl_missing(extack, nest, SOTTO_A_POLICY_PLEN,
					"the prefix length is missing");
	sotto_nl_get_addr(tb[SOTTO_A_POLICY_PREFIX], &p->prefix);
	p->plen = nla_get_u8(tb[SOTTO_A_POLICY_PLEN]);
	if (p->plen > sotto_addr_len(&p->prefix) * BITS_PER_BYTE)
		return sotto_nl_refuse(extack, tb[SOTTO_A_POLICY_PLEN], -EINVAL,
				       "the prefix length is greater than the address is long");
	return 0;
}

static bool sotto_nl_host_bits(const struct sotto_policy *p)
{
	struct in6_addr cut;

	if (p->prefix.family == AF_INET)
		return p->prefix.ip.ip & ~inet_make_mask(p->plen);
	ipv6_addr_prefix(&cut, &p->prefix.ip.in6, p->plen);
	return !ipv6_addr_equal(&cut, &p->prefix.ip.in6);
}

static int sotto_nl_parse_prefix(struct genl_info *info, struct nlattr *tb[],
				 const struct nla_policy *policy, struct sotto_policy *p)
{
	struct nlattr *nest = info->attrs[SOTTO_A_POLICY];
	int err;

	err = sotto_nl_parse(info, SOTTO_A_POLICY, tb, SOTTO_A_POLICY_ATTR_MAX,
			     policy, 0) ?:
	      sotto_nl_get_prefix(p, nest, tb, info->extack);
	if (err)
		return err;
	if (sotto_nl_host_bits(p))
		return sotto_nl_refuse(info->extack, tb[SOTTO_A_POLICY_PREFIX], -EINVAL,
				       "the prefix has bits set past its length");
	return 0;
}

static void sotto_nl_policy_event(struct sotto_net *ns, const struct sotto_policy *p)
{
	struct sotto_event_info ev = {
		.type = SOTTO_EVENT_POLICY, .dst = p ? &p->prefix : NULL,
	};

	sotto_nl_event(ns, &ev);
}

int sotto_nl_policy_add(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_POLICY_ATTR_MAX + 1];
	struct sotto_net *ns = sotto_nl_ns(info);
	struct sotto_policy p = {};
	int err;

	err = sotto_nl_parse_prefix(info, tb, sotto_nl_policy_add_policy, &p);
	if (err)
		return err;
	if (!tb[SOTTO_A_POLICY_ACTION])
		return sotto_nl_missing(info->extack, info->attrs[SOTTO_A_POLICY],
					SOTTO_A_POLICY_ACTION, "the action is missing");
	p.action = nla_get_u8(tb[SOTTO_A_POLICY_ACTION]);

	err = sotto_policy_add(ns, &p, info->nlhdr->nlmsg_flags & NLM_F_REPLACE,
			       info->extack);
	if (err)
		return sotto_nl_blame(info, tb[SOTTO_A_POLICY_PREFIX], err);
	sotto_nl_policy_event(ns, &p);
	return 0;
}

int sotto_nl_policy_del(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_POLICY_ATTR_MAX + 1];
	struct sotto_net *ns = sotto_nl_ns(info);
	struct sotto_policy p = {};
	int err;

	err = sotto_nl_parse_prefix(info, tb, sotto_nl_policy_del_policy, &p);
	if (err)
		return err;
	err = sotto_policy_del(ns, &p, info->extack);
	if (err)
		return sotto_nl_blame(info, tb[SOTTO_A_POLICY_PREFIX], err);
	sotto_nl_policy_event(ns, &p);
	return 0;
}

int sotto_nl_policy_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_net *ns = sotto_nl_ns(info);

	if (!ns->policy.n)
		return 0;
	sotto_policy_flush(ns);
	sotto_nl_policy_event(ns, NULL);
	return 0;
}

static int sotto_nl_put_policy(struct sk_buff *skb, const struct sotto_policy *p)
{
	if (sotto_nl_put_addr(skb, SOTTO_A_POLICY_PREFIX, &p->prefix) ||
	    nla_put_u8(skb, SOTTO_A_POLICY_PLEN, p->plen) ||
	    nla_put_u8(skb, SOTTO_A_POLICY_ACTION, p->action))
		return -EMSGSIZE;
	return 0;
}

int sotto_nl_policy_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sotto_policy *done = (struct sotto_policy *)cb->ctx, cur = *done;
	struct sotto_net *ns = sotto_nl_dump_ns(cb);
	struct sotto_nl_reply r;
	int err;

	BUILD_BUG_ON(sizeof(*done) > sizeof(cb->ctx));

	err = sotto_nl_dump_check(cb);
	if (err)
		return err;
	mutex_lock(&ns->config);
	/* Zero would mean that there is no sequence to compare. */
	cb->seq = ns->policy.gen + 1 ?: 1;
	while (sotto_policy_next(ns, &cur)) {
		if (sotto_nl_dump_begin(&r, skb, cb, SOTTO_CMD_POLICY_GET,
					SOTTO_A_POLICY))
			break;
		if (sotto_nl_dump_end(&r, sotto_nl_put_policy(skb, &cur)))
			break;
		*done = cur;
	}
	mutex_unlock(&ns->config);
	return skb->len;
}
