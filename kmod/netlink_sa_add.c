// SPDX-License-Identifier: GPL-2.0
/*
 * Installing a security association.
 *
 * The key is in the request's own buffer, in the parsed parameters, and in the
 * cipher. The parameters are wiped here; the request is wiped by
 * sotto_nl_post() whatever became of it, for which generic netlink's core must
 * not refuse it before we see it: it is given no policy for this command, and
 * the whole message is checked here.
 */
#include <linux/slab.h>

#include "netlink_cmd.h"
#include "sa.h"

/* These may be repeated. */
#define SOTTO_NL_SA_MANY	(BIT_ULL(SOTTO_A_SA_PEER_ADDR) | \
				 BIT_ULL(SOTTO_A_SA_LOCAL_ADDR) | \
				 BIT_ULL(SOTTO_A_SA_PEER_PREFIX) | \
				 BIT_ULL(SOTTO_A_SA_LOCAL_PREFIX))

/* An address and a byte of prefix length. */
static int sotto_nl_check_prefix(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	int len = nla_len(attr) - 1;

	if (len != sizeof(struct in_addr) && len != sizeof(struct in6_addr))
		return sotto_nl_refuse(extack, attr, -EINVAL,
				       "a network has 5 or 17 bytes: address and prefix length");
	if (((const u8 *)nla_data(attr))[len] > len * BITS_PER_BYTE)
		return sotto_nl_refuse(extack, attr, -EINVAL,
				       "the prefix length is greater than the address is long");
	return 0;
}

static const struct nla_policy sotto_nl_sa_add_policy[SOTTO_A_SA_ATTR_MAX + 1] = {
	[SOTTO_A_SA_DIR] = NLA_POLICY_MAX(NLA_U8, SOTTO_SA_OUT),
	[SOTTO_A_SA_SPI] = NLA_POLICY_MIN(NLA_U32, SOTTO_SPI_MIN),
	[SOTTO_A_SA_SESSION] = { .type = NLA_U64 },
	[SOTTO_A_SA_CIPHER] = NLA_POLICY_RANGE(NLA_U8, SOTTO_CIPHER_UNSPEC + 1,
					       __SOTTO_CIPHER_MAX - 1),
	[SOTTO_A_SA_KEY] = NLA_POLICY_EXACT_LEN(SOTTO_KEY_LEN),
	[SOTTO_A_SA_SALT] = NLA_POLICY_EXACT_LEN(SOTTO_SALT_LEN),
	[SOTTO_A_SA_PEER_NAME] = { .type = NLA_NUL_STRING, .len = SOTTO_NAME_MAX - 1 },
	[SOTTO_A_SA_PEER_ADDR] = SOTTO_NLA_HOST,
	[SOTTO_A_SA_LOCAL_ADDR] = SOTTO_NLA_HOST,
	[SOTTO_A_SA_SPORT] = { .type = NLA_U16 },
	[SOTTO_A_SA_DPORT] = { .type = NLA_U16 },
	[SOTTO_A_SA_SEQ] = { .type = NLA_U64 },
	[SOTTO_A_SA_SOFT_SECONDS] = { .type = NLA_U32 },
	[SOTTO_A_SA_HARD_SECONDS] = { .type = NLA_U32 },
	[SOTTO_A_SA_SOFT_PACKETS] = { .type = NLA_U64 },
	[SOTTO_A_SA_HARD_PACKETS] = { .type = NLA_U64 },
	[SOTTO_A_SA_SOFT_BYTES] = { .type = NLA_U64 },
	[SOTTO_A_SA_HARD_BYTES] = { .type = NLA_U64 },
	[SOTTO_A_SA_PAIR_SPI] = NLA_POLICY_MIN(NLA_U32, SOTTO_SPI_MIN),
	[SOTTO_A_SA_CONFIRM] = { .type = NLA_FLAG },
	[SOTTO_A_SA_PROBE] = { .type = NLA_FLAG },
	[SOTTO_A_SA_CONFIRM_SECONDS] = { .type = NLA_U32 },
	[SOTTO_A_SA_MODE] = NLA_POLICY_MAX(NLA_U8, __SOTTO_SA_MODE_MAX - 1),
	[SOTTO_A_SA_PEER_PREFIX] = NLA_POLICY_VALIDATE_FN(NLA_BINARY, sotto_nl_check_prefix),
	[SOTTO_A_SA_LOCAL_PREFIX] = NLA_POLICY_VALIDATE_FN(NLA_BINARY, sotto_nl_check_prefix),
	[SOTTO_A_SA_NAT] = { .type = NLA_FLAG },
	[SOTTO_A_SA_KEEPALIVE] = { .type = NLA_FLAG },
	[SOTTO_A_SA_ENDPOINT] = SOTTO_NLA_HOST,
};

static const struct nla_policy sotto_nl_sa_top_policy[SOTTO_A_MAX + 1] = {
	[SOTTO_A_SA] = { .type = NLA_NESTED },
	[SOTTO_A_SA_MORE] = { .type = NLA_NESTED },
};

/* What each direction cannot have. */
static const u16 sotto_nl_out_only[] = {
	SOTTO_A_SA_SPORT, SOTTO_A_SA_DPORT, SOTTO_A_SA_PAIR_SPI,
	SOTTO_A_SA_CONFIRM, SOTTO_A_SA_PROBE, SOTTO_A_SA_KEEPALIVE,
	SOTTO_A_SA_ENDPOINT,
};

static u32 sotto_nl_u32(const struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static u64 sotto_nl_u64(const struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static int sotto_nl_sa_require(struct nlattr *nest, struct nlattr *tb[],
			       struct netlink_ext_ack *extack)
{
	if (!tb[SOTTO_A_SA_DIR])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_DIR,
					"the direction is missing");
	if (!tb[SOTTO_A_SA_SPI])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_SPI,
					"the SPI is missing");
	if (!tb[SOTTO_A_SA_CIPHER])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_CIPHER,
					"the cipher is missing");
	if (!tb[SOTTO_A_SA_KEY])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_KEY,
					"the key is missing");
	if (!tb[SOTTO_A_SA_SALT])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_SALT,
					"the salt is missing");
	if (!tb[SOTTO_A_SA_PEER_ADDR])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_PEER_ADDR,
					"an SA needs at least one address of the peer");
	return 0;
}

static int sotto_nl_sa_direction(struct nlattr *nest, struct nlattr *tb[],
				 struct netlink_ext_ack *extack)
{
	const struct nlattr *attr = NULL;
	unsigned int i;

	if (nla_get_u8(tb[SOTTO_A_SA_DIR]) == SOTTO_SA_IN) {
		for (i = 0; i < ARRAY_SIZE(sotto_nl_out_only) && !attr; i++)
			attr = tb[sotto_nl_out_only[i]];
		return attr ? sotto_nl_refuse(extack, attr, -EINVAL,
					      "attribute is for outbound SAs only") : 0;
	}
	attr = tb[SOTTO_A_SA_CONFIRM_SECONDS] ?: tb[SOTTO_A_SA_PEER_PREFIX] ?:
	       tb[SOTTO_A_SA_LOCAL_PREFIX];
	if (attr)
		return sotto_nl_refuse(extack, attr, -EINVAL,
				       "attribute is for inbound SAs only");
	if (tb[SOTTO_A_SA_ENDPOINT] && !tb[SOTTO_A_SA_NAT])
		return sotto_nl_refuse(extack, tb[SOTTO_A_SA_ENDPOINT], -EINVAL,
				       "only a peer behind a NAT has an endpoint of its own");
	if ((tb[SOTTO_A_SA_CONFIRM] || tb[SOTTO_A_SA_PROBE] || tb[SOTTO_A_SA_NAT] ||
	     tb[SOTTO_A_SA_KEEPALIVE]) && !tb[SOTTO_A_SA_PAIR_SPI])
		return sotto_nl_missing(extack, nest, SOTTO_A_SA_PAIR_SPI,
					"confirm, probe, nat and keepalive need the SPI of the inbound SA");
	return 0;
}

/* A soft limit that the hard one forestalls would never be told. */
static int sotto_nl_sa_lifetimes(struct sotto_sa_params *p, struct nlattr *tb[],
				 struct netlink_ext_ack *extack)
{
	p->soft_seconds = sotto_nl_u32(tb[SOTTO_A_SA_SOFT_SECONDS]);
	p->hard_seconds = sotto_nl_u32(tb[SOTTO_A_SA_HARD_SECONDS]);
	p->soft_packets = sotto_nl_u64(tb[SOTTO_A_SA_SOFT_PACKETS]);
	p->hard_packets = sotto_nl_u64(tb[SOTTO_A_SA_HARD_PACKETS]);
	p->soft_bytes = sotto_nl_u64(tb[SOTTO_A_SA_SOFT_BYTES]);
	p->hard_bytes = sotto_nl_u64(tb[SOTTO_A_SA_HARD_BYTES]);

	if (p->hard_seconds && p->soft_seconds > p->hard_seconds)
		return sotto_nl_refuse(extack, tb[SOTTO_A_SA_SOFT_SECONDS], -EINVAL,
				       "soft limit is above the hard one");
	if (p->hard_packets && p->soft_packets > p->hard_packets)
		return sotto_nl_refuse(extack, tb[SOTTO_A_SA_SOFT_PACKETS], -EINVAL,
				       "soft limit is above the hard one");
	if (p->hard_bytes && p->soft_bytes > p->hard_bytes)
		return sotto_nl_refuse(extack, tb[SOTTO_A_SA_SOFT_BYTES], -EINVAL,
				       "soft limit is above the hard one");
	return 0;
}

/* All addresses of one @type, none twice. */
static int sotto_nl_sa_addrs(struct nlattr *nest, int type, struct sotto_addr *a,
			     u8 *n, struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	unsigned int i;
	int rem;

	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) != type)
			continue;
		if (*n == SOTTO_ADDRS_MAX)
			return sotto_nl_refuse(extack, attr, -E2BIG,
					       "more addresses than one SA can have");
		sotto_nl_get_addr(attr, &a[*n]);
		for (i = 0; i < *n; i++)
			if (sotto_addr_equal(&a[i], &a[*n]))
				return sotto_nl_refuse(extack, attr, -EINVAL,
						       "address is given twice");
		++*n;
	}
	return 0;
}

static int sotto_nl_sa_prefix(const struct nlattr *attr, struct sotto_prefix *b,
			      struct netlink_ext_ack *extack)
{
	struct in6_addr in6;

	b->plen = ((const u8 *)nla_data(attr))[nla_len(attr) - 1];
	memset(&in6, 0, sizeof(in6));
	memcpy(&in6, nla_data(attr), nla_len(attr) - 1);
	if (nla_len(attr) - 1 == sizeof(struct in_addr))
		sotto_addr_v4(&b->addr, in6.s6_addr32[0]);
	else
		sotto_addr_v6(&b->addr, &in6);
	if (!sotto_prefix_is_clean(b))
		return sotto_nl_refuse(extack, attr, -EINVAL,
				       "the prefix has bits set past its length");
	return 0;
}

/* The networks behind an end, in tunnel mode. */
static int sotto_nl_sa_prefixes(struct nlattr *nest, int type, u8 mode,
				struct sotto_prefix *list, u8 *n,
				struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	int rem, err;

	nla_for_each_nested(attr, nest, rem) {
		if (nla_type(attr) != type)
			continue;
		if (mode != SOTTO_SA_MODE_TUNNEL)
			return sotto_nl_refuse(extack, attr, -EINVAL,
					       "only in tunnel mode is there a network behind an end");
		if (*n == SOTTO_PREFIXES_MAX)
			return sotto_nl_refuse(extack, attr, -E2BIG,
					       "more networks than one SA can have");
		err = sotto_nl_sa_prefix(attr, &list[(*n)++], extack);
		if (err)
			return err;
	}
	return 0;
}

static void sotto_nl_sa_values(struct sotto_sa_params *p, struct nlattr *tb[])
{
	p->dir = nla_get_u8(tb[SOTTO_A_SA_DIR]);
	p->spi = nla_get_u32(tb[SOTTO_A_SA_SPI]);
	p->cipher = nla_get_u8(tb[SOTTO_A_SA_CIPHER]);
	p->session = sotto_nl_u64(tb[SOTTO_A_SA_SESSION]);
	p->seq = sotto_nl_u64(tb[SOTTO_A_SA_SEQ]);
	p->pair_spi = sotto_nl_u32(tb[SOTTO_A_SA_PAIR_SPI]);
	p->confirm = tb[SOTTO_A_SA_CONFIRM];
	p->probe = tb[SOTTO_A_SA_PROBE];
	p->nat = tb[SOTTO_A_SA_NAT];
	p->keepalive = tb[SOTTO_A_SA_KEEPALIVE];
	if (tb[SOTTO_A_SA_ENDPOINT])
		sotto_nl_get_addr(tb[SOTTO_A_SA_ENDPOINT], &p->endpoint);
	p->confirm_seconds = sotto_nl_u32(tb[SOTTO_A_SA_CONFIRM_SECONDS]);
	if (tb[SOTTO_A_SA_SPORT])
		p->sport = htons(nla_get_u16(tb[SOTTO_A_SA_SPORT]));
	if (tb[SOTTO_A_SA_DPORT])
		p->dport = htons(nla_get_u16(tb[SOTTO_A_SA_DPORT]));
	if (tb[SOTTO_A_SA_PEER_NAME])
		nla_strscpy(p->name, tb[SOTTO_A_SA_PEER_NAME], sizeof(p->name));
	memcpy(p->key, nla_data(tb[SOTTO_A_SA_KEY]), sizeof(p->key));
	memcpy(p->salt, nla_data(tb[SOTTO_A_SA_SALT]), sizeof(p->salt));
}

static int sotto_nl_sa_params(struct nlattr *nest, struct sotto_sa_params *p,
			      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[SOTTO_A_SA_ATTR_MAX + 1];
	int err;

	err = nla_parse_nested(tb, SOTTO_A_SA_ATTR_MAX, nest, sotto_nl_sa_add_policy,
			       extack);
	if (err)
		return err;
	if (tb[SOTTO_A_SA_MODE])
		p->mode = nla_get_u8(tb[SOTTO_A_SA_MODE]);
	err =
	      sotto_nl_once(nla_data(nest), nla_len(nest), SOTTO_NL_SA_MANY, extack) ?:
	      sotto_nl_sa_require(nest, tb, extack) ?:
	      sotto_nl_sa_direction(nest, tb, extack) ?:
	      sotto_nl_sa_lifetimes(p, tb, extack) ?:
	      sotto_nl_sa_addrs(nest, SOTTO_A_SA_PEER_ADDR, p->peer, &p->n_peer,
				extack) ?:
	      sotto_nl_sa_addrs(nest, SOTTO_A_SA_LOCAL_ADDR, p->local, &p->n_local,
				extack) ?:
	      sotto_nl_sa_prefixes(nest, SOTTO_A_SA_PEER_PREFIX, p->mode, p->behind,
				   &p->n_behind, extack) ?:
	      sotto_nl_sa_prefixes(nest, SOTTO_A_SA_LOCAL_PREFIX, p->mode, p->reach,
				   &p->n_reach, extack);
	if (err)
		return err;
	sotto_nl_sa_values(p, tb);
	if (p->seq >= SOTTO_SEQ_MAX)
		return sotto_nl_refuse(extack, tb[SOTTO_A_SA_SEQ], -EINVAL,
				       "no sequence number is left after this one");
	return 0;
}

/**
 * struct sotto_nl_adding - SAs being installed
 * @p: the one at hand
 * @answer: says of each what a later SA_DEL must name
 */
struct sotto_nl_adding {
	struct sotto_sa_params *p;
	struct sotto_nl_reply answer;
};

/* What the answer has of one SA. */
#define SOTTO_NL_NAME_SIZE						\
	(nla_total_size(0) + nla_total_size(sizeof(u8)) + 2 * nla_total_size(sizeof(u32)))

/* There is room for it. */
static void sotto_nl_sa_answer(struct sotto_nl_reply *r, int type,
			       const struct sotto_sa_params *p, u32 id)
{
	if (type == SOTTO_A_SA_MORE) {
		nla_nest_end(r->skb, r->nest);
		r->nest = nla_nest_start(r->skb, type);
	}
	nla_put_u8(r->skb, SOTTO_A_SA_DIR, p->dir);
	nla_put_u32(r->skb, SOTTO_A_SA_SPI, p->spi);
	if (p->dir == SOTTO_SA_OUT)
		nla_put_u32(r->skb, SOTTO_A_SA_ID, id);
}

static int sotto_nl_sa_add_one(struct genl_info *info, struct nlattr *nest, void *arg)
{
	struct sotto_nl_adding *a = arg;
	int err;
	u32 id;

	memset(a->p, 0, sizeof(*a->p));
	err = sotto_nl_sa_params(nest, a->p, info->extack) ?:
	      sotto_sa_add(sotto_nl_ns(info), a->p, &id, info->extack);
	if (!err)
		sotto_nl_sa_answer(&a->answer, nla_type(nest), a->p, id);
	return err;
}

static int sotto_nl_sa_add_all(struct genl_info *info, int n)
{
	struct sotto_nl_adding a;
	int err;

	a.p = kmalloc(sizeof(*a.p), GFP_KERNEL);
	if (!a.p)
		return -ENOMEM;
	err = sotto_nl_reply_begin(&a.answer, info, SOTTO_A_SA, n * SOTTO_NL_NAME_SIZE);
	if (!err) {
		err = sotto_nl_sa_each(info, sotto_nl_sa_add_one, &a);
		err = sotto_nl_reply_end(&a.answer, info, err);
	}
	kfree_sensitive(a.p);
	return err;
}

int sotto_nl_sa_add(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tb[SOTTO_A_MAX + 1];
	int err;

	err = genlmsg_parse(info->nlhdr, &sotto_genl_family, tb, SOTTO_A_MAX,
			    sotto_nl_sa_top_policy, info->extack);
	if (err)
		return err;
	err = sotto_nl_sa_count(info);
	return err < 0 ? err : sotto_nl_sa_add_all(info, err);
}
