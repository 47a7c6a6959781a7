// SPDX-License-Identifier: GPL-2.0
/* Commands of the security associations, but for their installation. */
#include <linux/ktime.h>

#include "nat.h"
#include "netlink_cmd.h"
#include "sa.h"

const struct nla_policy sotto_nl_sa_select_policy[SOTTO_A_SA_ATTR_MAX + 1] = {
	[SOTTO_A_SA_DIR] = NLA_POLICY_MAX(NLA_U8, SOTTO_SA_OUT),
	[SOTTO_A_SA_SPI] = NLA_POLICY_MIN(NLA_U32, SOTTO_SPI_MIN),
	[SOTTO_A_SA_ID] = { .type = NLA_U32 },
	[SOTTO_A_SA_SESSION] = NLA_POLICY_MIN(NLA_U64, 1),
};

int sotto_nl_sa_count(struct genl_info *info)
{
	const struct nlattr *attr;
	int rem, n = 0;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (!n && nla_type(attr) != SOTTO_A_SA)
			break;
		if (++n > SOTTO_SAS_MAX)
			return sotto_nl_refuse(info->extack, attr, -E2BIG,
					       "more SAs than one request can have");
	}
	if (n)
		return n;
	return sotto_nl_missing(info->extack, NULL, SOTTO_A_SA,
				"the nest of the command's object is missing, or not the first");
}

int sotto_nl_sa_each(struct genl_info *info,
		     int (*fn)(struct genl_info *info, struct nlattr *nest, void *arg),
		     void *arg)
{
	struct nlattr *nest;
	int rem, err;

	nlmsg_for_each_attr(nest, info->nlhdr, GENL_HDRLEN, rem) {
		err = fn(info, nest, arg);
		if (!err)
			continue;
		if (!info->extack->bad_attr)
			NL_SET_BAD_ATTR(info->extack, nest);
		return err;
	}
	return 0;
}

int sotto_nl_spi_alloc(struct sk_buff *skb, struct genl_info *info)
{
	struct sotto_nl_reply r;
	u32 spi;
	int err;

	err = sotto_nl_reply_begin(&r, info, SOTTO_A_SA, SOTTO_NL_NAME_ROOM);
	if (err)
		return err;
	err = sotto_spi_alloc(sotto_nl_ns(info), &spi, info->extack);
	if (!err)	/* there is room: nothing else is in it */
		err = nla_put_u32(r.skb, SOTTO_A_SA_SPI, spi);
	return sotto_nl_reply_end(&r, info, err);
}

/* SPI names an inbound SA and ID an outbound one; DIR may say so again. */
static int sotto_nl_check_select(struct nlattr *nest, struct nlattr *tb[],
				 struct netlink_ext_ack *extack)
{
	const struct nlattr *spi = tb[SOTTO_A_SA_SPI], *id = tb[SOTTO_A_SA_ID];
	const struct nlattr *session = tb[SOTTO_A_SA_SESSION], *dir = tb[SOTTO_A_SA_DIR];

	if (!spi && !id && !session)
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_SPI,
					"which SA is not said: SPI (inbound) or ID (outbound) is missing");
	if (!!spi + !!id + !!session > 1)
		return sotto_nl_refuse(extack, session ?: id, -EINVAL,
				       "SPI, ID and session exclude each other");
	if (dir && session)
		return sotto_nl_refuse(extack, dir, -EINVAL,
				       "a session has both directions");
	if (dir && nla_get_u8(dir) != (spi ? SOTTO_SA_IN : SOTTO_SA_OUT))
		return sotto_nl_refuse(extack, dir, -EINVAL,
				       "inbound SAs are named by SPI, outbound ones by ID");
	return 0;
}

struct sotto_sa *sotto_nl_sa_find(struct sotto_net *ns, struct nlattr *nest,
				  struct nlattr *tb[], struct netlink_ext_ack *extack)
{
	const struct nlattr *attr = tb[SOTTO_A_SA_SPI] ?: tb[SOTTO_A_SA_ID];
	struct sotto_sa *sa;
	int err;

	err = sotto_nl_check_select(nest, tb, extack);
	if (err)
		return ERR_PTR(err);
	if (tb[SOTTO_A_SA_SPI])
		sa = xa_load(&ns->sas_in, nla_get_u32(attr));
	else
		sa = xa_load(&ns->sas_out, nla_get_u32(attr));
	if (sa && !xa_is_value(sa))	/* a value is a reserved SPI */
		return sa;
	err = sotto_nl_refuse(extack, attr, -ENOENT, "no such SA");
	return ERR_PTR(err);
}

static int sotto_nl_sa_del_session(struct sotto_net *ns, const struct nlattr *attr,
				   struct netlink_ext_ack *extack)
{
	if (sotto_sa_delete_session(ns, nla_get_u64(attr)))
		return 0;
	return sotto_nl_refuse(extack, attr, -ENOENT, "no SA of this session");
}

static int sotto_nl_sa_del_one(struct genl_info *info, struct nlattr *nest, void *arg)
{
	struct nlattr *tb[SOTTO_A_SA_ATTR_MAX + 1];
	struct sotto_net *ns = sotto_nl_ns(info);
	struct sotto_sa *sa;
	int err;

	err = sotto_nl_parse_nest(nest, tb, SOTTO_A_SA_ATTR_MAX, sotto_nl_sa_select_policy, 0,
				  info->extack) ?:
	      sotto_nl_check_select(nest, tb, info->extack);
	if (err)
		return err;
	if (tb[SOTTO_A_SA_SESSION])
		return sotto_nl_sa_del_session(ns, tb[SOTTO_A_SA_SESSION], info->extack);
	if (tb[SOTTO_A_SA_SPI] && sotto_spi_release(ns, nla_get_u32(tb[SOTTO_A_SA_SPI])))
		return 0;
	rcu_read_lock();
	sa = sotto_nl_sa_find(ns, nest, tb, info->extack);
	if (!IS_ERR(sa))
		sotto_sa_delete(sa, SOTTO_EVENT_SA_DELETED);
	rcu_read_unlock();
	return PTR_ERR_OR_ZERO(sa);
}

int sotto_nl_sa_del(struct sk_buff *skb, struct genl_info *info)
{
	int n = sotto_nl_sa_count(info);

	return n < 0 ? n : sotto_nl_sa_each(info, sotto_nl_sa_del_one, NULL);
}

static int sotto_nl_put_addrs(struct sk_buff *skb, int type,
			      const struct sotto_addr *a, unsigned int n)
{
	while (n--)
		if (sotto_nl_put_addr(skb, type, a++))
			return -EMSGSIZE;
	return 0;
}

static int sotto_nl_put_prefixes(struct sk_buff *skb, int type,
				 const struct sotto_prefix *p, unsigned int n)
{
	struct nlattr *attr;
	unsigned int len;

	for (; n--; p++) {
		len = sotto_addr_len(&p->addr);
		attr = nla_reserve(skb, type, len + 1);
		if (!attr)
			return -EMSGSIZE;
		memcpy(nla_data(attr), &p->addr.ip, len);
		((u8 *)nla_data(attr))[len] = p->plen;
	}
	return 0;
}

static int sotto_nl_put_sa_names(struct sk_buff *skb, const struct sotto_sa *sa)
{
	if (nla_put_u8(skb, SOTTO_A_SA_DIR, sa->dir) ||
	    nla_put_u32(skb, SOTTO_A_SA_SPI, sa->spi) ||
	    (sa->dir == SOTTO_SA_OUT && nla_put_u32(skb, SOTTO_A_SA_ID, sa->id)) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_SESSION, sa->session, SOTTO_A_SA_PAD) ||
	    nla_put_u8(skb, SOTTO_A_SA_CIPHER, sa->cipher) ||
	    nla_put_u8(skb, SOTTO_A_SA_MODE, sa->mode) ||
	    (sa->name[0] && nla_put_string(skb, SOTTO_A_SA_PEER_NAME, sa->name)) ||
	    sotto_nl_put_addrs(skb, SOTTO_A_SA_PEER_ADDR, sa->peer, sa->n_peer) ||
	    sotto_nl_put_addrs(skb, SOTTO_A_SA_LOCAL_ADDR, sa->local, sa->n_local) ||
	    sotto_nl_put_prefixes(skb, SOTTO_A_SA_PEER_PREFIX, sa->behind, sa->n_behind) ||
	    sotto_nl_put_prefixes(skb, SOTTO_A_SA_LOCAL_PREFIX, sa->reach, sa->n_reach))
		return -EMSGSIZE;
	return 0;
}

/* A lifetime, as it was given. */
static u32 sotto_nl_seconds(const struct sotto_sa *sa, u64 deadline_ns)
{
	return deadline_ns ? div_u64(deadline_ns - sa->born_ns, NSEC_PER_SEC) : 0;
}

static int sotto_nl_put_sa_limits(struct sk_buff *skb, const struct sotto_sa *sa)
{
	if (nla_put_u32(skb, SOTTO_A_SA_SOFT_SECONDS,
			sotto_nl_seconds(sa, sa->soft_ns)) ||
	    nla_put_u32(skb, SOTTO_A_SA_HARD_SECONDS,
			sotto_nl_seconds(sa, sa->hard_ns)) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_SOFT_PACKETS, sa->soft_packets,
			      SOTTO_A_SA_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_HARD_PACKETS, sa->hard_packets,
			      SOTTO_A_SA_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_SOFT_BYTES, sa->soft_bytes,
			      SOTTO_A_SA_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_HARD_BYTES, sa->hard_bytes,
			      SOTTO_A_SA_PAD))
		return -EMSGSIZE;
	return 0;
}

static int sotto_nl_put_sa_counters(struct sk_buff *skb, u64 seq, u64 packets, u64 bytes)
{
	if (nla_put_u64_64bit(skb, SOTTO_A_SA_SEQ, seq, SOTTO_A_SA_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_PACKETS, packets, SOTTO_A_SA_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_BYTES, bytes, SOTTO_A_SA_PAD))
		return -EMSGSIZE;
	return 0;
}

static int sotto_nl_put_sa_out(struct sk_buff *skb, const struct sotto_sa *sa)
{
	u64 seq = atomic64_read(&sa->seq);

	if (nla_put_u16(skb, SOTTO_A_SA_SPORT, ntohs(sa->sport)) ||
	    nla_put_u16(skb, SOTTO_A_SA_DPORT, ntohs(sa->dport)) ||
	    (sa->pair_spi && nla_put_u32(skb, SOTTO_A_SA_PAIR_SPI, sa->pair_spi)) ||
	    (sa->confirm && nla_put_flag(skb, SOTTO_A_SA_CONFIRM)) ||
	    (READ_ONCE(sa->probe) && nla_put_flag(skb, SOTTO_A_SA_PROBE)) ||
	    (sa->keepalive && nla_put_flag(skb, SOTTO_A_SA_KEEPALIVE)) ||
	    sotto_nl_put_endpoint(skb, sa, sa->peer[0].family, SOTTO_A_SA_ENDPOINT,
				  SOTTO_A_SA_ENDPOINT_PORT) ||
	    (sa->nat && nla_put_u32(skb, SOTTO_A_SA_ENDPOINT_CHANGES,
				    READ_ONCE(sa->nat->changes))))
		return -EMSGSIZE;
	return sotto_nl_put_sa_counters(skb, seq, seq - sa->first_seq,
					atomic64_read(&sa->tx_bytes));
}

static int sotto_nl_put_sa_in(struct sk_buff *skb, struct sotto_sa *sa)
{
	u64 top, packets, bytes, replays, failures;

	spin_lock_bh(&sa->lock);
	top = sa->replay->top;
	packets = sa->rx_packets;
	bytes = sa->rx_bytes;
	replays = sa->replays;
	failures = sa->auth_failures;
	spin_unlock_bh(&sa->lock);

	if (nla_put_u32(skb, SOTTO_A_SA_CONFIRM_SECONDS,
			sotto_nl_seconds(sa, sa->confirm_ns)) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_REPLAYS, replays, SOTTO_A_SA_PAD) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_AUTH_FAILURES, failures,
			      SOTTO_A_SA_PAD))
		return -EMSGSIZE;
	return sotto_nl_put_sa_counters(skb, top, packets, bytes);
}

static int sotto_nl_put_sa(struct sk_buff *skb, struct sotto_sa *sa)
{
	u64 age_ms = div_u64(ktime_get_boottime_ns() - sa->born_ns, NSEC_PER_MSEC);
	int err;

	err = sotto_nl_put_sa_names(skb, sa) ?: sotto_nl_put_sa_limits(skb, sa);
	if (err)
		return err;
	if (nla_put_u8(skb, SOTTO_A_SA_CONFIRMED,
		       test_bit(SOTTO_SA_CONFIRMED, &sa->flags)) ||
	    (sa->natted && nla_put_flag(skb, SOTTO_A_SA_NAT)) ||
	    nla_put_u64_64bit(skb, SOTTO_A_SA_AGE_MS, age_ms, SOTTO_A_SA_PAD))
		return -EMSGSIZE;
	return sa->dir == SOTTO_SA_OUT ? sotto_nl_put_sa_out(skb, sa) :
					 sotto_nl_put_sa_in(skb, sa);
}

/* From the cursor on; false when the message is full. */
static bool sotto_nl_sa_dump_table(struct sk_buff *skb, struct netlink_callback *cb,
				   struct xarray *table, struct sotto_nl_cursor *cursor)
{
	struct sotto_nl_reply r;
	unsigned long key;
	struct sotto_sa *sa;

	xa_for_each_start(table, key, sa, cursor->next) {
		if (xa_is_value(sa) || sa->born_ns > cursor->began_ns)
			continue;
		if (sotto_nl_dump_begin(&r, skb, cb, SOTTO_CMD_SA_GET, SOTTO_A_SA))
			return false;
		if (sotto_nl_dump_end(&r, sotto_nl_put_sa(skb, sa)))
			return false;
		cursor->next = key + 1;
	}
	return true;
}

int sotto_nl_sa_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sotto_nl_cursor *cursor = sotto_nl_dump_cursor(cb);
	struct sotto_net *ns = sotto_nl_dump_ns(cb);
	int err;

	err = sotto_nl_dump_check(cb);
	if (err)
		return err;
	rcu_read_lock();
	if (!cursor->table &&
	    sotto_nl_sa_dump_table(skb, cb, &ns->sas_in, cursor)) {
		cursor->table = 1;
		cursor->next = 0;
	}
	if (cursor->table)
		sotto_nl_sa_dump_table(skb, cb, &ns->sas_out, cursor);
	rcu_read_unlock();
	return skb->len;
}
