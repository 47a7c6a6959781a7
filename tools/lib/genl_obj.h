/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's objects as C structures, and their names as text.
 */
#ifndef SOTTO_GENL_OBJ_H
#define SOTTO_GENL_OBJ_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/sotto.h>
#include <netlink/attr.h>

#include "addr.h"

#define SGENL_VERSION_MAX	32	/* bytes of the module's version, with NUL */

/** struct sgenl_ns - a namespace's state, settings and limits (NS_GET) */
struct sgenl_ns {
	bool up;
	bool keylog;
	uint16_t data_port;
	uint64_t instance;
	uint32_t agent_portid;		/* 0 = no agent */
	char version[SGENL_VERSION_MAX];
	/* by enum sotto_ns_attr, for those that are u32 */
	uint32_t num[SOTTO_A_NS_ATTR_MAX + 1];
};

struct sgenl_policy {
	struct sotto_prefix prefix;
	uint8_t action;			/* enum sotto_action */
	struct sotto_addr gateway;	/* len 0 = none */
};

struct sgenl_tunnel {
	struct sotto_addr dst;
	uint8_t state;			/* enum sotto_tunnel_state */
	uint8_t mode;			/* enum sotto_sa_mode */
	uint8_t reason;			/* enum sotto_reason */
	uint8_t cipher;			/* enum sotto_cipher */
	char peer[SOTTO_NAME_MAX];
	uint64_t session;
	uint32_t spi_out;
	uint32_t hold_ms;
	uint32_t queued;		/* packets */
	uint32_t first_us;
	uint32_t pmtu;			/* bytes; 0 = not learnt */
	struct sotto_addr endpoint;	/* behind a NAT; len 0 = none, or not learnt */
	uint16_t endpoint_port;
	uint64_t age_ms;
	uint64_t idle_ms;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t drops;
};

/** struct sgenl_sa - one SA, to be installed (with keys) or shown (without) */
struct sgenl_sa {
	uint8_t dir;			/* enum sotto_sa_dir */
	uint8_t cipher;			/* enum sotto_cipher */
	uint8_t mode;			/* enum sotto_sa_mode */
	uint32_t spi;
	uint32_t id;			/* the kernel's own */
	uint64_t session;
	uint8_t key[SOTTO_KEY_LEN];	/* SA_ADD only; the caller wipes */
	uint8_t salt[SOTTO_SALT_LEN];
	char peer[SOTTO_NAME_MAX];
	struct sotto_addr peer_addrs[SOTTO_ADDRS_MAX];
	unsigned int n_peer_addrs;
	struct sotto_addr local_addrs[SOTTO_ADDRS_MAX];
	unsigned int n_local_addrs;
	struct sotto_prefix peer_prefixes[SOTTO_PREFIXES_MAX];	/* in, tunnel mode */
	unsigned int n_peer_prefixes;
	struct sotto_prefix local_prefixes[SOTTO_PREFIXES_MAX];	/* the same; none = all */
	unsigned int n_local_prefixes;
	uint16_t sport, dport;
	uint64_t seq;
	uint32_t soft_seconds, hard_seconds;
	uint64_t soft_packets, hard_packets;
	uint64_t soft_bytes, hard_bytes;
	uint32_t pair_spi;
	uint32_t confirm_seconds;
	bool confirm, probe;		/* SA_ADD only */
	bool nat;			/* the peer is behind a NAT */
	bool keepalive;			/* out: we are */
	struct sotto_addr endpoint;	/* out; SA_ADD: with dport; len 0 = none */
	uint16_t endpoint_port;
	uint32_t endpoint_changes;
	bool confirmed;
	uint64_t packets, bytes;
	uint64_t age_ms;
	uint64_t replays, auth_failures;
};

struct sgenl_event {
	uint8_t type;			/* enum sotto_event */
	struct sotto_addr src, dst;	/* len 0 = not said */
	uint16_t port;			/* of src; 0 = not said */
	uint32_t spi;			/* 0 = not said */
	bool has_dir;
	uint8_t dir;			/* enum sotto_sa_dir */
	uint64_t session;
	uint8_t reason;			/* enum sotto_reason */
	bool has_stat;
	uint16_t stat;			/* enum sotto_stat */
	bool has_portid;
	uint32_t portid;
	uint32_t lost;			/* events left out before this one */
	uint8_t plen;			/* of dst, a policy's prefix */
	bool has_action;		/* else the policy was removed */
	uint8_t action;			/* enum sotto_action */
};

struct sgenl_acquire {
	uint32_t id;
	struct sotto_addr dst, src;
	uint8_t proto;
	uint8_t action;			/* enum sotto_action */
	uint32_t attempt;
};

struct sgenl_trace {
	struct sotto_addr dst, src;
	uint8_t verdict;		/* enum sotto_verdict */
	uint32_t oif;
	bool has_policy;
	struct sgenl_policy policy;
	bool has_tunnel;
	struct sgenl_tunnel tunnel;
	uint32_t mtu;
};

/*
 * sgenl_parse_*() - take a top-level attribute apart
 * All return 0, -EINVAL for a missing nest (@nest is NULL) or -EBADMSG for one
 * that makes no sense.
 */
int sgenl_parse_ns(struct nlattr *nest, struct sgenl_ns *ns);
int sgenl_parse_policy(struct nlattr *nest, struct sgenl_policy *p);
int sgenl_parse_tunnel(struct nlattr *nest, struct sgenl_tunnel *t);
int sgenl_parse_sa(struct nlattr *nest, struct sgenl_sa *sa);
int sgenl_parse_event(struct nlattr *nest, struct sgenl_event *e);
int sgenl_parse_acquire(struct nlattr *nest, struct sgenl_acquire *a);
int sgenl_parse_trace(struct nlattr *nest, struct sgenl_trace *t);
int sgenl_parse_addr(struct nlattr *attr, struct sotto_addr *addr);
/* Of ADDR_GET: without a length it is one host. */
int sgenl_parse_local(struct nlattr *addr, struct nlattr *plen, struct sotto_prefix *p);
int sgenl_parse_stats(struct nlattr *nest, uint64_t stats[__SOTTO_STAT_MAX]);

/*
 * Names of enumerated values: stable words that JSON output uses too.
 * A value that this program does not know is "unknown".
 */
const char *sgenl_action_name(unsigned int action);
const char *sgenl_state_name(unsigned int state);
const char *sgenl_cipher_name(unsigned int cipher);
const char *sgenl_dir_name(unsigned int dir);
const char *sgenl_mode_name(unsigned int mode);
const char *sgenl_reason_name(unsigned int reason);
const char *sgenl_event_name(unsigned int event);
const char *sgenl_verdict_name(unsigned int verdict);
const char *sgenl_stat_name(unsigned int stat);

/** sgenl_reason_text() - a sentence that says it to a person. */
const char *sgenl_reason_text(unsigned int reason);

/** sgenl_mode_parse() - enum sotto_sa_mode, or -EINVAL. */
int sgenl_mode_parse(const char *name);

/** sgenl_action_parse() - enum sotto_action, or -EINVAL. */
int sgenl_action_parse(const char *name);

/** sgenl_cipher_parse() - enum sotto_cipher, or -EINVAL. */
int sgenl_cipher_parse(const char *name);

#endif /* SOTTO_GENL_OBJ_H */
