// SPDX-License-Identifier: GPL-2.0
/* What every command does with attributes: open nests, addresses, answers. */
#include <linux/ktime.h>
#include <linux/limits.h>
#include <net/ipv6.h>

#include "netlink_cmd.h"

int sotto_nl_once(const struct nlattr *head, int len, u64 many,
		  struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	u64 seen = 0;
	int rem;

	nla_for_each_attr(attr, head, len, rem) {
		int type = nla_type(attr);

		if (type >= BITS_PER_TYPE(seen))
			continue;	/* no policy of ours knows it */
		if (seen & ~many & BIT_ULL(type))
			return sotto_nl_refuse(extack, attr, -EINVAL,
					       "attribute is given twice");
		seen |= BIT_ULL(type);
	}
	return 0;
}

int sotto_nl_parse_nest(const struct nlattr *nest, struct nlattr *tb[], int max,
			const struct nla_policy *policy, u64 many,
			struct netlink_ext_ack *extack)
{
	return nla_parse_nested(tb, max, nest, policy, extack) ?:
	       sotto_nl_once(nla_data(nest), nla_len(nest), many, extack);
}

int sotto_nl_parse(struct genl_info *info, int type, struct nlattr *tb[], int max,
		   const struct nla_policy *policy, u64 many)
{
	struct nlattr *nest = info->attrs[type];

	if (!nest)
		return sotto_nl_missing(info->extack, NULL, type,
					"the nest of the command's object is missing");
	return sotto_nl_parse_nest(nest, tb, max, policy, many, info->extack);
}

int sotto_nl_check_addr(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == sizeof(struct in_addr) ||
	    nla_len(attr) == sizeof(struct in6_addr))
		return 0;
	return sotto_nl_refuse(extack, attr, -EINVAL,
			       "an address has 4 or 16 bytes");
}

static bool sotto_is_host4(__be32 ip)
{
	return !ipv4_is_zeronet(ip) && !ipv4_is_loopback(ip) &&
	       !ipv4_is_multicast(ip) && !ipv4_is_lbcast(ip);
}

static bool sotto_is_host6(const struct in6_addr *ip)
{
	return !ipv6_addr_any(ip) && !ipv6_addr_loopback(ip) &&
	       !ipv6_addr_is_multicast(ip) && !ipv6_addr_v4mapped(ip);
}

int sotto_nl_check_host(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct sotto_addr a;
	int err = sotto_nl_check_addr(attr, extack);

	if (err)
		return err;
	sotto_nl_get_addr(attr, &a);
	if (a.family == AF_INET ? sotto_is_host4(a.ip.ip) :
				  sotto_is_host6(&a.ip.in6))
		return 0;
	return sotto_nl_refuse(extack, attr, -EINVAL,
			       "not the address of one host: unspecified, loopback, multicast or broadcast");
}

void sotto_nl_get_addr(const struct nlattr *attr, struct sotto_addr *a)
{
	struct in6_addr in6;

	if (nla_len(attr) == sizeof(struct in_addr)) {
		sotto_addr_v4(a, nla_get_in_addr(attr));
	} else {
		in6 = nla_get_in6_addr(attr);
		sotto_addr_v6(a, &in6);
	}
}

int sotto_nl_put_addr(struct sk_buff *skb, int type, const struct sotto_addr *a)
{
	return nla_put(skb, type, sotto_addr_len(a), &a->ip);
}

int sotto_nl_reply_begin(struct sotto_nl_reply *r, struct genl_info *info, int type,
			 size_t room)
{
	r->skb = genlmsg_new(room, GFP_KERNEL);
	if (!r->skb)
		return -ENOMEM;
	/* An empty message has room for both. */
	r->hdr = genlmsg_put_reply(r->skb, info, &sotto_genl_family, 0,
				   info->genlhdr->cmd);
	r->nest = nla_nest_start(r->skb, type);
	return 0;
}

int sotto_nl_reply_end(struct sotto_nl_reply *r, struct genl_info *info, int err)
{
	if (err) {
		nlmsg_free(r->skb);
		return err;
	}
	nla_nest_end(r->skb, r->nest);
	genlmsg_end(r->skb, r->hdr);
	return genlmsg_reply(r->skb, info);
}

struct sotto_net *sotto_nl_dump_ns(struct netlink_callback *cb)
{
	return sotto_net(sock_net(cb->skb->sk));
}

int sotto_nl_dump_check(struct netlink_callback *cb)
{
	if (nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "a dump is of all objects and takes no attributes");
		return -EINVAL;
	}
	return sotto_nl_check_header(cb->nlh, cb->extack);
}

struct sotto_nl_cursor *sotto_nl_dump_cursor(struct netlink_callback *cb)
{
	struct sotto_nl_cursor *cursor = (struct sotto_nl_cursor *)cb->ctx;

	BUILD_BUG_ON(sizeof(*cursor) > sizeof(cb->ctx));
	if (!cursor->began_ns)
		cursor->began_ns = ktime_get_boottime_ns();
	return cursor;
}

int sotto_nl_dump_begin(struct sotto_nl_reply *r, struct sk_buff *skb,
			struct netlink_callback *cb, u8 cmd, int type)
{
	r->skb = skb;
	r->hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			     &sotto_genl_family, NLM_F_MULTI, cmd);
	if (!r->hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, r->hdr);
	r->nest = nla_nest_start(skb, type);
	if (r->nest)
		return 0;
	genlmsg_cancel(skb, r->hdr);
	return -EMSGSIZE;
}

int sotto_nl_dump_end(struct sotto_nl_reply *r, int err)
{
	if (err) {
		genlmsg_cancel(r->skb, r->hdr);
		return err;
	}
	nla_nest_end(r->skb, r->nest);
	genlmsg_end(r->skb, r->hdr);
	return 0;
}
