// SPDX-License-Identifier: GPL-2.0
/* Commands of our own addresses and of the policy. */
#include <linux/inetdevice.h>

#include "netlink.h"
#include "netlink_cmd.h"
#include "policy.h"
#include "tunnel.h"

const struct nla_policy sotto_nl_policy_add_policy[SOTTO_A_POLICY_ATTR_MAX + 1] = {
	[SOTTO_A_POLICY_PREFIX] = SOTTO_NLA_ADDR,
	[SOTTO_A_POLICY_PLEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[SOTTO_A_POLICY_ACTION] = NLA_POLICY_MAX(NLA_U8, __SOTTO_ACTION_MAX - 1),
	[SOTTO_A_POLICY_GATEWAY] = SOTTO_NLA_HOST,
};

const struct nla_policy sotto_nl_policy_del_policy[SOTTO_A_POLICY_ATTR_MAX + 1] = {
	[SOTTO_A_POLICY_PREFIX] = SOTTO_NLA_ADDR,
	[SOTTO_A_POLICY_PLEN] = NLA_POLICY_MAX(NLA_U8, 128),
};

/* One host, or with a length a network. */
static int sotto_nl_get_own(struct genl_info *info, struct sotto_prefix *p)
{
	const struct nlattr *addr = info->attrs[SOTTO_A_ADDR];
	const struct nlattr *plen = info->attrs[SOTTO_A_ADDR_PLEN];
	unsigned int bits;

	if (!addr)
		return sotto_nl_missing(info->extack, NULL, SOTTO_A_ADDR,
					"the address is missing");
	sotto_nl_get_addr(addr, &p->addr);
	bits = sotto_addr_len(&p->addr) * BITS_PER_BYTE;
	p->plen = plen ? nla_get_u8(plen) : bits;
	if (p->plen > bits)
		return sotto_nl_refuse(info->extack, plen, -EINVAL,
				       "the prefix length is greater than the address is long");
	if (sotto_prefix_is_host(p))
		return sotto_nl_check_host(addr, info->extack);
	if (!sotto_prefix_is_clean(p))
		return sotto_nl_refuse(info->extack, addr, -EINVAL,
				       "the prefix has bits set past its length");
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
	struct sotto_prefix p;
	int err;

	err = sotto_nl_get_own(info, &p);
	if (err)
		return err;
	err = sotto_local_add(sotto_nl_ns(info), &p, info->extack);
	return sotto_nl_blame(info, info->attrs[SOTTO_A_ADDR], err);
}

int sotto_nl_addr_del(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_prefix p;
	int err;

	err = sotto_nl_get_own(info, &p);
	if (err)
		return err;
	err = sotto_local_del(sotto_nl_ns(info), &p, info->extack);
	return sotto_nl_blame(info, info->attrs[SOTTO_A_ADDR], err);
}

static int sotto_prefix_cmp(const struct sotto_prefix *a, const struct sotto_prefix *b)
{
	int order;

	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	order = memcmp(&a->addr.ip, &b->addr.ip, sizeof(a->addr.ip));
	return order ?: a->plen - b->plen;
}

/* The next of ours after @cur (.family 0 to begin), whatever came or went meanwhile. */
static bool sotto_nl_next_local(struct sotto_net *ns, struct sotto_prefix *cur)
{
	const struct sotto_locals *locals;
	const struct sotto_prefix *next = NULL;
	unsigned int i;

	locals = rcu_dereference(ns->locals);
	for (i = 0; locals && i < locals->n; i++)
		if (sotto_prefix_cmp(&locals->prefix[i], cur) > 0 &&
		    (!next || sotto_prefix_cmp(&locals->prefix[i], next) < 0))
			next = &locals->prefix[i];
	if (!next)
		return false;
	*cur = *next;
	return true;
}

int sotto_nl_addr_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sotto_prefix *done = (struct sotto_prefix *)cb->ctx, cur = *done;
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
		if (sotto_nl_put_addr(skb, SOTTO_A_ADDR, &cur.addr) ||
		    (!sotto_prefix_is_host(&cur) &&
		     nla_put_u8(skb, SOTTO_A_ADDR_PLEN, cur.plen))) {
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

static int sotto_nl_parse_prefix(struct genl_info *info, struct nlattr *tb[],
				 const struct nla_policy *policy, struct sotto_policy *p)
{
	struct nlattr *nest = info->attrs[SOTTO_A_POLICY];
	struct sotto_prefix prefix;
	int err;

	err = sotto_nl_parse(info, SOTTO_A_POLICY, tb, SOTTO_A_POLICY_ATTR_MAX,
			     policy, 0) ?:
	      sotto_nl_get_prefix(p, nest, tb, info->extack);
	if (err)
		return err;
	prefix.addr = p->prefix;
	prefix.plen = p->plen;
	if (!sotto_prefix_is_clean(&prefix))
		return sotto_nl_refuse(info->extack, tb[SOTTO_A_POLICY_PREFIX], -EINVAL,
				       "the prefix has bits set past its length");
	return 0;
}

static void sotto_nl_policy_event(struct sotto_net *ns, const struct sotto_policy *p,
				  bool removed)
{
	struct sotto_event_info ev = {
		.type = SOTTO_EVENT_POLICY, .dst = p ? &p->prefix : NULL,
		.policy = p, .removed = removed,
	};

	sotto_nl_event(ns, &ev);
}

/* Only what is sealed goes through a gateway. */
static int sotto_nl_get_gateway(struct genl_info *info, const struct nlattr *attr,
				struct sotto_policy *p)
{
	if (!attr)
		return 0;
	if (p->action != SOTTO_ACTION_PROTECT && p->action != SOTTO_ACTION_PREFER)
		return sotto_nl_refuse(info->extack, attr, -EINVAL,
				       "only protect and prefer have a gateway");
	sotto_nl_get_addr(attr, &p->gateway);
	return 0;
}

/*
 * Whoever was refused there asks anew: it was a stranger's address, and is a member's now, say.
 * A network's members, which may be many, wait for the end of their hold time.
 */
static void sotto_nl_policy_news(struct sotto_net *ns, const struct sotto_policy *p)
{
	struct sotto_tunnel *t;

	if (p->plen != sotto_addr_len(&p->prefix) * BITS_PER_BYTE)
		return;
	rcu_read_lock();
	t = sotto_tunnel_lookup(ns, &p->prefix);
	if (t && sotto_tunnel_is_refused(t))
		sotto_tunnel_forget(t, SOTTO_STAT_OUT_DROP_REFUSED);
	rcu_read_unlock();
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
	err = sotto_nl_get_gateway(info, tb[SOTTO_A_POLICY_GATEWAY], &p);
	if (err)
		return err;

	err = sotto_policy_add(ns, &p, info->nlhdr->nlmsg_flags & NLM_F_REPLACE,
			       info->extack);
	if (err)
		return sotto_nl_blame(info, tb[SOTTO_A_POLICY_PREFIX], err);
	sotto_nl_policy_news(ns, &p);
	sotto_nl_policy_event(ns, &p, false);
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
	sotto_nl_policy_event(ns, &p, true);
	return 0;
}

int sotto_nl_policy_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_net *ns = sotto_nl_ns(info);

	if (!ns->policy.n)
		return 0;
	sotto_policy_flush(ns);
	sotto_nl_policy_event(ns, NULL, true);
	return 0;
}

static int sotto_nl_put_policy(struct sk_buff *skb, const struct sotto_policy *p)
{
	if (sotto_nl_put_addr(skb, SOTTO_A_POLICY_PREFIX, &p->prefix) ||
	    nla_put_u8(skb, SOTTO_A_POLICY_PLEN, p->plen) ||
	    nla_put_u8(skb, SOTTO_A_POLICY_ACTION, p->action) ||
	    (p->gateway.family &&
	     sotto_nl_put_addr(skb, SOTTO_A_POLICY_GATEWAY, &p->gateway)))
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
