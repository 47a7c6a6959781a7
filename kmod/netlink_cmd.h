/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the generic netlink family share, and nobody else needs.
 *
 * netlink.c holds the family with its table of commands, netlink_attr.c what
 * every command does with attributes; the commands stand in a file for each
 * kind of object.
 *
 * DOC: commands
 *
 * A doit command runs between sotto_nl_pre() and sotto_nl_post(): it finds its
 * namespace in sotto_nl_ns(), and ns->config is held. It checks everything
 * before it changes anything (where it names many SAs: for each of them), and each
 * refusal carries a message and, where there is one, the attribute. A dump takes
 * ns->config itself where it needs it.
 */
#ifndef _SOTTO_NETLINK_CMD_H
#define _SOTTO_NETLINK_CMD_H

#include <net/genetlink.h>
#include <net/netlink.h>
#include <linux/sotto.h>

#include "addr.h"
#include "netns.h"

struct sotto_sa;
struct sotto_tunnel;

/* The highest that NS_SET accepts, whoever asks. Defaults are in wire.h. */
#define SOTTO_CEIL_TUNNELS		16777216	/* in a namespace */
#define SOTTO_CEIL_SAS			67108864	/* in a namespace */
#define SOTTO_CEIL_POLICIES		1048576	/* in a namespace */
#define SOTTO_CEIL_ACQUIRES		1048576	/* in a namespace */
#define SOTTO_CEIL_QUEUE_PACKETS	1048576	/* per tunnel or namespace */
#define SOTTO_CEIL_QUEUE_BYTES		1073741824	/* per tunnel or namespace */
#define SOTTO_CEIL_ACQUIRE_TIMEOUT_MS	600000		/* ten minutes */
#define SOTTO_CEIL_EVENT_RATE		1000000		/* hints per second */
#define SOTTO_CEIL_KEEPALIVE_S		3600	/* between two of them */

extern struct genl_family sotto_genl_family;

/* The only multicast group's index. */
#define SOTTO_NL_EVENTS		0

static inline struct sotto_net *sotto_nl_ns(struct genl_info *info)
{
	return info->user_ptr[0];
}

/* netlink.c: the family goes, and its numbers may be another's: say nothing. */
bool sotto_nl_closing(void);

/* Flags and reserved field. */
int sotto_nl_check_header(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack);

/* netlink_attr.c */

/**
 * sotto_nl_missing() - refuse a request for what it lacks
 * @extack: extended ack
 * @nest: nest that lacks it, NULL for the top level
 * @type: attribute
 * @msg: string constant
 *
 * Evaluates to -EINVAL.
 */
#define sotto_nl_missing(extack, nest, type, msg) ({		\
	struct netlink_ext_ack *__ea = (extack);		\
								\
	NL_SET_ERR_MSG(__ea, msg);				\
	NL_SET_ERR_ATTR_MISS(__ea, nest, type);			\
	-EINVAL;						\
})

/**
 * sotto_nl_refuse() - refuse a request for an attribute it has
 * @extack: extended ack
 * @attr: attribute
 * @err: negative errno
 * @msg: string constant
 *
 * Evaluates to @err.
 */
#define sotto_nl_refuse(extack, attr, err, msg) ({		\
	NL_SET_ERR_MSG_ATTR(extack, attr, msg);			\
	(err);							\
})

/**
 * sotto_nl_parse() - open the nest of a command's object
 * @info: request
 * @type: attribute of the nest
 * @tb: filled; @max + 1 entries
 * @max: highest attribute in the nest
 * @policy: of the nest
 * @many: bit N set: attribute N may be repeated
 *
 * Return: 0, or -EINVAL and others with the reason told.
 */
int sotto_nl_parse(struct genl_info *info, int type, struct nlattr *tb[], int max,
		   const struct nla_policy *policy, u64 many);

/* The same with the nest in hand. */
int sotto_nl_parse_nest(const struct nlattr *nest, struct nlattr *tb[], int max,
			const struct nla_policy *policy, u64 many,
			struct netlink_ext_ack *extack);

/* No attribute twice, but those in @many. */
int sotto_nl_once(const struct nlattr *head, int len, u64 many,
		  struct netlink_ext_ack *extack);

/* For NLA_POLICY_VALIDATE_FN(): 4 or 16 bytes. */
int sotto_nl_check_addr(const struct nlattr *attr, struct netlink_ext_ack *extack);

/* Likewise, and an address that one host can have. */
int sotto_nl_check_host(const struct nlattr *attr, struct netlink_ext_ack *extack);

#define SOTTO_NLA_ADDR	NLA_POLICY_VALIDATE_FN(NLA_BINARY, sotto_nl_check_addr)
#define SOTTO_NLA_HOST	NLA_POLICY_VALIDATE_FN(NLA_BINARY, sotto_nl_check_host)

void sotto_nl_get_addr(const struct nlattr *attr, struct sotto_addr *a);
int sotto_nl_put_addr(struct sk_buff *skb, int type, const struct sotto_addr *a);

/**
 * struct sotto_nl_reply - an answer that is being written
 * @skb: message
 * @hdr: its generic netlink header's end
 * @nest: nest of the object, or of the last of them
 */
struct sotto_nl_reply {
	struct sk_buff *skb;
	void *hdr;
	struct nlattr *nest;
};

/* Bytes of an answer that only says which SA it is about: thousands are under way at once. */
#define SOTTO_NL_NAME_ROOM	128

/**
 * sotto_nl_reply_begin() - allocate an answer and open the object's nest
 * @r: filled
 * @info: request; the answer carries its command
 * @type: attribute of the nest
 * @room: bytes of attributes; %SOTTO_NL_NAME_ROOM or GENLMSG_DEFAULT_SIZE
 *
 * To be called before anything is changed, so that no change goes unanswered.
 * Return: 0 or -ENOMEM.
 */
int sotto_nl_reply_begin(struct sotto_nl_reply *r, struct genl_info *info, int type,
			 size_t room);

/* Send, or free where @err says that it failed. Return: @err or of the sending. */
int sotto_nl_reply_end(struct sotto_nl_reply *r, struct genl_info *info, int err);

/* The namespace of a dump. */
struct sotto_net *sotto_nl_dump_ns(struct netlink_callback *cb);

/* A dump takes no attributes: it is of all objects. First in each dump. */
int sotto_nl_dump_check(struct netlink_callback *cb);

/**
 * struct sotto_nl_cursor - how far a dump of tunnels or SAs has come
 * @began_ns: boot time; what is younger is left out, so that a dump ends
 *	however fast others are added
 * @next: key to go on with
 * @table: which of several tables
 */
struct sotto_nl_cursor {
	u64 began_ns;
	unsigned long next;
	u8 table;
};

/* It is kept with the dump from one part to the next. */
struct sotto_nl_cursor *sotto_nl_dump_cursor(struct netlink_callback *cb);

/* Header of one object in a dump, with its nest. -EMSGSIZE: it does not fit. */
int sotto_nl_dump_begin(struct sotto_nl_reply *r, struct sk_buff *skb,
			struct netlink_callback *cb, u8 cmd, int type);

/* Ends it; where @err says that it did not fit takes it back. Return: @err. */
int sotto_nl_dump_end(struct sotto_nl_reply *r, int err);

/* netlink_ns.c */
extern const struct nla_policy sotto_nl_ns_policy[SOTTO_A_NS_ATTR_MAX + 1];
extern const struct nla_policy sotto_nl_agent_policy[SOTTO_A_AGENT_ATTR_MAX + 1];
int sotto_nl_ns_get(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_ns_set(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_stats_get(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_agent_register(struct sk_buff *skb, struct genl_info *info);
/* The socket with this port is closed: if it was the agent's, forget it. */
void sotto_nl_agent_gone(struct sotto_net *ns, u32 portid);

/* netlink_policy.c */
extern const struct nla_policy sotto_nl_policy_add_policy[SOTTO_A_POLICY_ATTR_MAX + 1];
extern const struct nla_policy sotto_nl_policy_del_policy[SOTTO_A_POLICY_ATTR_MAX + 1];
int sotto_nl_addr_add(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_addr_del(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_addr_dump(struct sk_buff *skb, struct netlink_callback *cb);
int sotto_nl_policy_add(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_policy_del(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_policy_dump(struct sk_buff *skb, struct netlink_callback *cb);
int sotto_nl_policy_flush(struct sk_buff *skb, struct genl_info *info);

/* netlink_tunnel.c */
extern const struct nla_policy sotto_nl_tunnel_policy[SOTTO_A_TUNNEL_ATTR_MAX + 1];
int sotto_nl_tunnel_get(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_tunnel_dump(struct sk_buff *skb, struct netlink_callback *cb);
int sotto_nl_tunnel_del(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_tunnel_flush(struct sk_buff *skb, struct genl_info *info);
/* Write a tunnel's attributes into an open nest. Under rcu_read_lock(). */
int sotto_nl_put_tunnel(struct sk_buff *skb, struct sotto_tunnel *t);
/* Where packets of that family go, if a NAT is between. rcu_read_lock(). */
int sotto_nl_put_endpoint(struct sk_buff *skb, const struct sotto_sa *sa, u16 family,
			  int type, int port_type);
/* What is left of its learnt path MTU, or 0. Caller holds t->lock. */
u32 sotto_nl_tunnel_pmtu(const struct sotto_tunnel *t);

/* netlink_sa.c */
extern const struct nla_policy sotto_nl_sa_select_policy[SOTTO_A_SA_ATTR_MAX + 1];
int sotto_nl_spi_alloc(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_sa_del(struct sk_buff *skb, struct genl_info *info);
int sotto_nl_sa_dump(struct sk_buff *skb, struct netlink_callback *cb);
/**
 * sotto_nl_sa_find() - the SA that a request names
 * @ns: namespace
 * @nest: of the SA
 * @tb: the same, parsed: SPI (inbound) or ID (outbound)
 * @extack: told why not
 *
 * Context: rcu_read_lock().
 * Return: the SA, ERR_PTR(-EINVAL), ERR_PTR(-ENOENT).
 */
struct sotto_sa *sotto_nl_sa_find(struct sotto_net *ns, struct nlattr *nest,
				  struct nlattr *tb[], struct netlink_ext_ack *extack);

/* How many SAs a request names; -EINVAL, -E2BIG. */
int sotto_nl_sa_count(struct genl_info *info);

/**
 * sotto_nl_sa_each() - do each of the SAs that a request names, in order
 * @info: request, which sotto_nl_sa_count() has counted
 * @fn: does the SA of @nest
 * @arg: for @fn
 *
 * Return: 0, or what @fn gave for the first that it refused; the extended ack says which.
 */
int sotto_nl_sa_each(struct genl_info *info,
		     int (*fn)(struct genl_info *info, struct nlattr *nest, void *arg),
		     void *arg);

/* netlink_sa_add.c */
int sotto_nl_sa_add(struct sk_buff *skb, struct genl_info *info);

/* netlink_keylog.c */
extern const struct nla_policy sotto_nl_keylog_policy[SOTTO_A_SA_ATTR_MAX + 1];
int sotto_nl_keylog_get(struct sk_buff *skb, struct genl_info *info);

/* netlink_trace.c */
extern const struct nla_policy sotto_nl_trace_policy[SOTTO_A_TRACE_ATTR_MAX + 1];
int sotto_nl_trace(struct sk_buff *skb, struct genl_info *info);

/* netlink_event.c */
extern const struct nla_policy sotto_nl_acquire_policy[SOTTO_A_ACQUIRE_ATTR_MAX + 1];
int sotto_nl_acquire_fail(struct sk_buff *skb, struct genl_info *info);

#endif /* _SOTTO_NETLINK_CMD_H */
