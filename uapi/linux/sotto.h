/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Sotto: the generic netlink interface of sotto.ko.
 *
 * This header is the whole kernel ABI. Documentation/netlink/specs/sotto.yaml
 * describes the same in YNL, and a test holds the two against each other.
 *
 * All integers are in host byte order; addresses are 4 or 16 bytes in network
 * order, and their length tells the family. All commands need CAP_NET_ADMIN in
 * the user namespace that owns the network namespace they act on.
 */
#ifndef _UAPI_LINUX_SOTTO_H
#define _UAPI_LINUX_SOTTO_H

#define SOTTO_GENL_NAME		"sotto"
#define SOTTO_GENL_VERSION	1
#define SOTTO_MCGRP_EVENTS	"events"

#define SOTTO_DEFAULT_CONTROL_PORT	7688	/* UDP */
#define SOTTO_DEFAULT_DATA_PORT		7689	/* UDP */

/* Sizes and limits that both sides know. */
#define SOTTO_KEY_LEN		32	/* bytes; both ciphers */
#define SOTTO_SALT_LEN		4	/* bytes; RFC 4106 and RFC 7634 */
#define SOTTO_SPI_MIN		256	/* RFC 4303 section 2.1: 1-255 are reserved */
#define SOTTO_ADDRS_MAX		16	/* addresses of one peer in one SA */
#define SOTTO_SAS_MAX		256	/* SAs in one request */
#define SOTTO_PREFIXES_MAX	64	/* networks behind one end in one SA */
#define SOTTO_NAME_MAX		64	/* bytes of a peer's name, with the NUL */

/**
 * enum sotto_cmd - generic netlink commands and events
 * @SOTTO_CMD_NS_GET: do: state, settings and limits of the namespace
 * @SOTTO_CMD_NS_SET: do: change settings (%SOTTO_A_NS_UP, ports, limits)
 * @SOTTO_CMD_AGENT_REGISTER: do: the sending socket becomes the namespace's
 *	agent (a second one is refused with -EBUSY); a repeat by the same socket
 *	updates the exempt control flow. Forgotten when the socket closes.
 * @SOTTO_CMD_ADDR_ADD: do: register one of our own protected addresses, or (with
 *	%SOTTO_A_ADDR_PLEN) a network behind us, whose hosts we send and receive
 *	for in tunnel mode
 * @SOTTO_CMD_ADDR_DEL: do: take it back
 * @SOTTO_CMD_ADDR_GET: dump
 * @SOTTO_CMD_POLICY_ADD: do: add a prefix (NLM_F_REPLACE allows changing one)
 * @SOTTO_CMD_POLICY_DEL: do: delete a prefix
 * @SOTTO_CMD_POLICY_GET: dump
 * @SOTTO_CMD_POLICY_FLUSH: do: delete every prefix
 * @SOTTO_CMD_TUNNEL_GET: do (by %SOTTO_A_TUNNEL_DST) and dump
 * @SOTTO_CMD_TUNNEL_DEL: do: delete one tunnel, with its queue (by destination)
 * @SOTTO_CMD_TUNNEL_FLUSH: do: delete all tunnels and all SAs
 * @SOTTO_CMD_SPI_ALLOC: do: reserve an SPI for an inbound SA; it is returned in
 *	the reply and lapses after 30 s unless SA_ADD uses it
 * @SOTTO_CMD_SA_ADD: do: install one direction of a session
 * @SOTTO_CMD_SA_DEL: do: delete one SA: inbound by %SOTTO_A_SA_SPI, outbound by
 *	%SOTTO_A_SA_ID; or both directions of %SOTTO_A_SA_SESSION; or release a
 *	reserved %SOTTO_A_SA_SPI
 * @SOTTO_CMD_SA_GET: dump, without keys
 * @SOTTO_CMD_STATS_GET: do: the namespace's counters
 * @SOTTO_CMD_TRACE: do: what would happen to a packet to %SOTTO_A_TRACE_DST
 * @SOTTO_CMD_KEYLOG_GET: do: the Wireshark ESP key line of one SA; refused
 *	unless the module was loaded with keylog=1
 * @SOTTO_CMD_ACQUIRE_FAIL: do: the agent's answer that no keys will come
 * @SOTTO_CMD_ACQUIRE: event to the agent alone: keys wanted
 * @SOTTO_CMD_EVENT: event to the "events" group and the agent
 */
enum sotto_cmd {
	SOTTO_CMD_UNSPEC,
	SOTTO_CMD_NS_GET,
	SOTTO_CMD_NS_SET,
	SOTTO_CMD_AGENT_REGISTER,
	SOTTO_CMD_ADDR_ADD,
	SOTTO_CMD_ADDR_DEL,
	SOTTO_CMD_ADDR_GET,
	SOTTO_CMD_POLICY_ADD,
	SOTTO_CMD_POLICY_DEL,
	SOTTO_CMD_POLICY_GET,
	SOTTO_CMD_POLICY_FLUSH,
	SOTTO_CMD_TUNNEL_GET,
	SOTTO_CMD_TUNNEL_DEL,
	SOTTO_CMD_TUNNEL_FLUSH,
	SOTTO_CMD_SPI_ALLOC,
	SOTTO_CMD_SA_ADD,
	SOTTO_CMD_SA_DEL,
	SOTTO_CMD_SA_GET,
	SOTTO_CMD_STATS_GET,
	SOTTO_CMD_TRACE,
	SOTTO_CMD_KEYLOG_GET,
	SOTTO_CMD_ACQUIRE_FAIL,
	SOTTO_CMD_ACQUIRE,
	SOTTO_CMD_EVENT,

	__SOTTO_CMD_MAX,
	SOTTO_CMD_MAX = __SOTTO_CMD_MAX - 1
};

/**
 * enum sotto_attr - top-level attributes: one nest per object
 *
 * A command carries exactly the nest of its object; a reply carries the same. Behind
 * it SA_ADD and SA_DEL take any number of SA_MORE, up to %SOTTO_SAS_MAX SAs in all. They
 * are done in order, up to the first that is refused: the extended ack's offset lies in
 * its nest, and those before it are done.
 */
enum sotto_attr {
	SOTTO_A_UNSPEC,
	SOTTO_A_NS,		/* nest: enum sotto_ns_attr */
	SOTTO_A_AGENT,		/* nest: enum sotto_agent_attr */
	SOTTO_A_ADDR,		/* binary, 4 or 16: ADDR_ADD/DEL/GET */
	SOTTO_A_POLICY,		/* nest: enum sotto_policy_attr */
	SOTTO_A_TUNNEL,		/* nest: enum sotto_tunnel_attr */
	SOTTO_A_SA,		/* nest: enum sotto_sa_attr */
	SOTTO_A_STATS,		/* nest: one u64 per enum sotto_stat, attr = value + 1 */
	SOTTO_A_TRACE,		/* nest: enum sotto_trace_attr */
	SOTTO_A_ACQUIRE,	/* nest: enum sotto_acquire_attr */
	SOTTO_A_EVENT,		/* nest: enum sotto_event_attr */
	SOTTO_A_KEYLOG,		/* string: the key line */
	SOTTO_A_PAD,
	SOTTO_A_ADDR_PLEN,	/* u8: ADDR_ADD/DEL/GET: a network; absent: one host */
	SOTTO_A_SA_MORE,	/* nest: enum sotto_sa_attr: SA_ADD/DEL: more SAs (repeated) */

	__SOTTO_A_MAX,
	SOTTO_A_MAX = __SOTTO_A_MAX - 1
};

/* NS_GET, NS_SET. (set) marks what NS_SET takes. */
enum sotto_ns_attr {
	SOTTO_A_NS_UNSPEC,
	SOTTO_A_NS_UP,			/* u8 (set): hooks active, data port held */
	SOTTO_A_NS_DATA_PORT,		/* u16 (set, while down), host order */
	SOTTO_A_NS_INSTANCE,		/* u64: random, new at each module load */
	SOTTO_A_NS_AGENT_PORTID,	/* u32: 0 without an agent */
	SOTTO_A_NS_VERSION,		/* string: module version */
	SOTTO_A_NS_KEYLOG,		/* u8: the keylog call is permitted */
	SOTTO_A_NS_TUNNELS,		/* u32: now */
	SOTTO_A_NS_SAS,			/* u32: now, both directions */
	SOTTO_A_NS_POLICIES,		/* u32: now */
	SOTTO_A_NS_ACQUIRES,		/* u32: outstanding now */
	SOTTO_A_NS_QUEUED_PACKETS,	/* u32: now */
	SOTTO_A_NS_QUEUED_BYTES,	/* u32: now */
	SOTTO_A_NS_MAX_TUNNELS,		/* u32 (set) */
	SOTTO_A_NS_MAX_SAS,		/* u32 (set) */
	SOTTO_A_NS_MAX_POLICIES,	/* u32 (set) */
	SOTTO_A_NS_MAX_ACQUIRES,	/* u32 (set) */
	SOTTO_A_NS_MAX_QUEUE_PACKETS,	/* u32 (set): per tunnel */
	SOTTO_A_NS_MAX_QUEUE_BYTES,	/* u32 (set): per tunnel, truesize */
	SOTTO_A_NS_MAX_NS_QUEUE_PACKETS, /* u32 (set): per namespace */
	SOTTO_A_NS_MAX_NS_QUEUE_BYTES,	/* u32 (set): per namespace, truesize */
	SOTTO_A_NS_ACQUIRE_TIMEOUT,	/* u32 ms (set): queue lives this long */
	SOTTO_A_NS_EVENT_RATE,		/* u32 (set): events per second at most */
	SOTTO_A_NS_PAD,
	SOTTO_A_NS_GSO,			/* u32 (set): 1 = bursts leave as bursts, 0 = as packets */
	SOTTO_A_NS_GRO,			/* u32 (set): 1 = the stack merges what comes in for us */
	SOTTO_A_NS_CONTROL_PORT,	/* u32 (set): UDP port of an authentication server
					 * here: what root's socket sends from it at our
					 * addresses, and what comes to it, is exempt;
					 * 0 = none
					 */
	SOTTO_A_NS_KEEPALIVE,		/* u32 seconds (set): of silence until a NAT in front
					 * of us is reminded; 0 = never
					 */

	__SOTTO_A_NS_MAX,
	SOTTO_A_NS_ATTR_MAX = __SOTTO_A_NS_MAX - 1
};

/* AGENT_REGISTER: the control flow that is exempt from policy, as an exact
 * five-tuple (UDP). All four or none: without them nothing is exempt.
 */
enum sotto_agent_attr {
	SOTTO_A_AGENT_UNSPEC,
	SOTTO_A_AGENT_LOCAL,		/* binary, 4 or 16 */
	SOTTO_A_AGENT_LOCAL_PORT,	/* u16, host order */
	SOTTO_A_AGENT_REMOTE,		/* binary, 4 or 16, same family */
	SOTTO_A_AGENT_REMOTE_PORT,	/* u16, host order */

	__SOTTO_A_AGENT_MAX,
	SOTTO_A_AGENT_ATTR_MAX = __SOTTO_A_AGENT_MAX - 1
};

/**
 * enum sotto_action - what a policy says of a destination
 * @SOTTO_ACTION_BYPASS: passes in the clear (also the default without a match)
 * @SOTTO_ACTION_PROTECT: must be encrypted, both ways
 * @SOTTO_ACTION_PREFER: encrypted if the other end is a member
 * @SOTTO_ACTION_BLOCK: dropped, both ways
 */
enum sotto_action {
	SOTTO_ACTION_BYPASS,
	SOTTO_ACTION_PROTECT,
	SOTTO_ACTION_PREFER,
	SOTTO_ACTION_BLOCK,

	__SOTTO_ACTION_MAX
};

enum sotto_policy_attr {
	SOTTO_A_POLICY_UNSPEC,
	SOTTO_A_POLICY_PREFIX,		/* binary, 4 or 16; bits past PLEN are zero */
	SOTTO_A_POLICY_PLEN,		/* u8: 0-32, 0-128 */
	SOTTO_A_POLICY_ACTION,		/* u8: enum sotto_action */
	SOTTO_A_POLICY_GATEWAY,		/* binary, 4 or 16: protect and prefer only: the
					 * tunnel to this address is used instead of one
					 * to the destination; it must be in tunnel mode
					 */

	__SOTTO_A_POLICY_MAX,
	SOTTO_A_POLICY_ATTR_MAX = __SOTTO_A_POLICY_MAX - 1
};

/**
 * enum sotto_tunnel_state - life of a tunnel
 * @SOTTO_TUNNEL_ACQUIRING: packets wait, the agent was asked
 * @SOTTO_TUNNEL_UP: has an outbound SA
 * @SOTTO_TUNNEL_FAILED: refused or timed out; packets are dropped with an ICMP
 *	error until the hold time is over
 * @SOTTO_TUNNEL_CLEAR: prefer policy, and the server said "not a member"
 *
 * Behind a gateway there may be both what is protected and what is preferred. The state is
 * that of whoever asked; a refusal is everybody's: after "not a member" what is preferred
 * passes, and what is protected is dropped, in either state.
 */
enum sotto_tunnel_state {
	SOTTO_TUNNEL_ACQUIRING,
	SOTTO_TUNNEL_UP,
	SOTTO_TUNNEL_FAILED,
	SOTTO_TUNNEL_CLEAR,
};

enum sotto_tunnel_attr {
	SOTTO_A_TUNNEL_UNSPEC,
	SOTTO_A_TUNNEL_DST,		/* binary, 4 or 16 */
	SOTTO_A_TUNNEL_STATE,		/* u8: enum sotto_tunnel_state */
	SOTTO_A_TUNNEL_REASON,		/* u8: enum sotto_reason, if there is one */
	SOTTO_A_TUNNEL_HOLD_MS,		/* u32: with REASON, what is left */
	SOTTO_A_TUNNEL_PEER,		/* string: peer's name, from its SA */
	SOTTO_A_TUNNEL_SESSION,		/* u64 */
	SOTTO_A_TUNNEL_SPI_OUT,		/* u32 */
	SOTTO_A_TUNNEL_CIPHER,		/* u8: enum sotto_cipher */
	SOTTO_A_TUNNEL_QUEUED,		/* u32 packets */
	SOTTO_A_TUNNEL_AGE_MS,		/* u64 */
	SOTTO_A_TUNNEL_IDLE_MS,		/* u64: since the last packet to DST */
	SOTTO_A_TUNNEL_FIRST_US,	/* u32: how long the first packet waited */
	SOTTO_A_TUNNEL_PMTU,		/* u32: learnt outer path MTU, 0 if none */
	SOTTO_A_TUNNEL_TX_PACKETS,	/* u64: given to the cipher */
	SOTTO_A_TUNNEL_TX_BYTES,	/* u64: inner IP bytes of these */
	SOTTO_A_TUNNEL_DROPS,		/* u64: packets dropped here, or by the cipher */
	SOTTO_A_TUNNEL_PAD,
	SOTTO_A_TUNNEL_MODE,		/* u8: enum sotto_sa_mode of its SA */
	SOTTO_A_TUNNEL_ENDPOINT,	/* binary, 4 or 16: where its packets go to, if a NAT is
					 * between and it is known
					 */
	SOTTO_A_TUNNEL_ENDPOINT_PORT,	/* u16, with ENDPOINT */

	__SOTTO_A_TUNNEL_MAX,
	SOTTO_A_TUNNEL_ATTR_MAX = __SOTTO_A_TUNNEL_MAX - 1
};

enum sotto_cipher {
	SOTTO_CIPHER_UNSPEC,
	SOTTO_CIPHER_AES256_GCM,	/* RFC 4106, 16-byte ICV */
	SOTTO_CIPHER_CHACHA20_POLY1305,	/* RFC 7634 */

	__SOTTO_CIPHER_MAX
};

enum sotto_sa_dir {
	SOTTO_SA_IN,
	SOTTO_SA_OUT,
};

/**
 * enum sotto_sa_mode - what an SA carries (RFC 4303 section 3.1)
 * @SOTTO_SA_MODE_TRANSPORT: what follows the IP header of a packet between the two
 *	hosts themselves
 * @SOTTO_SA_MODE_TUNNEL: whole IP packets, of either family, between the hosts or
 *	networks behind them
 */
enum sotto_sa_mode {
	SOTTO_SA_MODE_TRANSPORT,
	SOTTO_SA_MODE_TUNNEL,

	__SOTTO_SA_MODE_MAX
};

/*
 * SA_ADD needs DIR, SPI, CIPHER, KEY, SALT and at least one PEER_ADDR.
 * An outbound SA is bound at once to the tunnels of all its peer addresses,
 * whose queues are flushed in order, and replaces the SA they had; unless it has
 * CONFIRM: then it is bound only when the inbound SA of PAIR_SPI has authenticated
 * its first packet, if it has not yet. With PROBE, the kernel repeats a dummy packet
 * (RFC 4303 section 2.6) with back-off until PAIR_SPI has authenticated one.
 *
 * In tunnel mode the outer packet goes from LOCAL_ADDR (of the family of the
 * tunnel's destination; left out, the route chooses one of ours) to the tunnel's
 * destination. An inner packet is accepted if its source is a PEER_ADDR or in a
 * PEER_PREFIX, and its destination registered as ours (ADDR_ADD), be it as an
 * address or as a network, which is also in a LOCAL_PREFIX if there are any.
 *
 * With NAT, a packet to the inbound SA may come from any address and port; in
 * transport mode the first PEER_ADDR of its family is put in its place. The
 * outbound SA, whose PAIR_SPI names the inbound one, sends to where that comes
 * from: to the endpoint. With NAT or KEEPALIVE both ports are fixed: SPORT is the
 * data port by default.
 */
enum sotto_sa_attr {
	SOTTO_A_SA_UNSPEC,
	SOTTO_A_SA_DIR,			/* u8: enum sotto_sa_dir */
	SOTTO_A_SA_SPI,			/* u32, host order */
	SOTTO_A_SA_ID,			/* u32: kernel's own id, in dumps and SA_DEL (out) */
	SOTTO_A_SA_SESSION,		/* u64: 0 = installed by hand */
	SOTTO_A_SA_CIPHER,		/* u8: enum sotto_cipher */
	SOTTO_A_SA_KEY,			/* binary, 32; SA_ADD only */
	SOTTO_A_SA_SALT,		/* binary, 4; SA_ADD only */
	SOTTO_A_SA_PEER_NAME,		/* string */
	SOTTO_A_SA_PEER_ADDR,		/* binary, 4 or 16; repeated */
	SOTTO_A_SA_LOCAL_ADDR,		/* binary, 4 or 16; repeated; none = any of ours */
	SOTTO_A_SA_SPORT,		/* u16: outer source port; 0 = flow hash (out) */
	SOTTO_A_SA_DPORT,		/* u16: outer destination port; default data port (out) */
	SOTTO_A_SA_SEQ,			/* u64: last number used (out) or seen (in) */
	SOTTO_A_SA_SOFT_SECONDS,	/* u32: 0 = none */
	SOTTO_A_SA_HARD_SECONDS,	/* u32: 0 = none */
	SOTTO_A_SA_SOFT_PACKETS,	/* u64: 0 = none */
	SOTTO_A_SA_HARD_PACKETS,	/* u64: 0 = none */
	SOTTO_A_SA_SOFT_BYTES,		/* u64: 0 = none */
	SOTTO_A_SA_HARD_BYTES,		/* u64: 0 = none */
	SOTTO_A_SA_PAIR_SPI,		/* u32: inbound SPI of the same session (out) */
	SOTTO_A_SA_CONFIRM,		/* flag: bind only once PAIR_SPI authenticated (out) */
	SOTTO_A_SA_PROBE,		/* flag: send dummies until PAIR_SPI authenticated (out) */
	SOTTO_A_SA_CONFIRM_SECONDS,	/* u32: unconfirmed inbound SA dies then; 0 = never (in) */
	SOTTO_A_SA_CONFIRMED,		/* u8: has authenticated a packet (in, dump) / is bound (out, dump) */
	SOTTO_A_SA_PACKETS,		/* u64 */
	SOTTO_A_SA_BYTES,		/* u64: inner IP bytes */
	SOTTO_A_SA_AGE_MS,		/* u64 */
	SOTTO_A_SA_REPLAYS,		/* u64 (in) */
	SOTTO_A_SA_AUTH_FAILURES,	/* u64 (in) */
	SOTTO_A_SA_PAD,
	SOTTO_A_SA_MODE,		/* u8: enum sotto_sa_mode; default transport */
	SOTTO_A_SA_PEER_PREFIX,		/* binary, 5 or 17: address, then prefix length: a
					 * network behind the peer; repeated (in, tunnel)
					 */
	SOTTO_A_SA_NAT,			/* flag: the peer is behind a NAT (in, out) */
	SOTTO_A_SA_KEEPALIVE,		/* flag: we are (out) */
	SOTTO_A_SA_ENDPOINT,		/* binary, 4 or 16: where the peer is (out, NAT); in SA_ADD
					 * with DPORT; left out, it is to be learnt
					 */
	SOTTO_A_SA_ENDPOINT_PORT,	/* u16, with ENDPOINT (out, dump) */
	SOTTO_A_SA_ENDPOINT_CHANGES,	/* u32: endpoints that gave way to others (out, dump) */
	SOTTO_A_SA_LOCAL_PREFIX,	/* binary, as PEER_PREFIX: a network behind us that the peer
					 * may reach; repeated; none = all of them (in, tunnel)
					 */

	__SOTTO_A_SA_MAX,
	SOTTO_A_SA_ATTR_MAX = __SOTTO_A_SA_MAX - 1
};

/**
 * enum sotto_reason - why keys don't come (ACQUIRE_FAIL, tunnels, events)
 */
enum sotto_reason {
	SOTTO_REASON_NONE,
	SOTTO_REASON_TIMEOUT,		/* no answer in time */
	SOTTO_REASON_NO_AGENT,		/* no agent is registered */
	SOTTO_REASON_NO_SERVER,		/* the agent cannot reach the server */
	SOTTO_REASON_NOT_MEMBER,	/* the server knows no such address */
	SOTTO_REASON_DENIED,		/* the realm's rules forbid it */
	SOTTO_REASON_PEER_OFFLINE,	/* the peer has no association */
	SOTTO_REASON_PEER_REFUSED,	/* the peer's agent or kernel said no */
	SOTTO_REASON_REVOKED,		/* we or the peer were revoked */
	SOTTO_REASON_LIMIT,		/* a limit of server or agent was reached */
	SOTTO_REASON_PIN,		/* peer's key differs from its pin */
	SOTTO_REASON_INTERNAL,		/* the agent failed; its log says more */
	SOTTO_REASON_REROUTE,		/* ACQUIRE_FAIL: no failure: policy now has a gateway,
					 * so the waiting packets ask it again
					 */

	__SOTTO_REASON_MAX
};

enum sotto_acquire_attr {
	SOTTO_A_ACQUIRE_UNSPEC,
	SOTTO_A_ACQUIRE_ID,		/* u32: to be repeated in ACQUIRE_FAIL */
	SOTTO_A_ACQUIRE_DST,		/* binary, 4 or 16 */
	SOTTO_A_ACQUIRE_SRC,		/* binary, 4 or 16: of the first packet */
	SOTTO_A_ACQUIRE_PROTO,		/* u8: of the first packet */
	SOTTO_A_ACQUIRE_ACTION,		/* u8: enum sotto_action, protect or prefer */
	SOTTO_A_ACQUIRE_ATTEMPT,	/* u32: 0 for the first, then repeats */
	SOTTO_A_ACQUIRE_REASON,		/* u8: enum sotto_reason (ACQUIRE_FAIL) */
	SOTTO_A_ACQUIRE_HOLD_MS,	/* u32: remember the refusal (ACQUIRE_FAIL) */

	__SOTTO_A_ACQUIRE_MAX,
	SOTTO_A_ACQUIRE_ATTR_MAX = __SOTTO_A_ACQUIRE_MAX - 1
};

/**
 * enum sotto_event - what SOTTO_CMD_EVENT reports
 * @SOTTO_EVENT_ACQUIRE: keys wanted for DST (the agent gets SOTTO_CMD_ACQUIRE)
 * @SOTTO_EVENT_KEYED: tunnel DST uses a first outbound SA
 * @SOTTO_EVENT_REKEYED: tunnel DST changed to another outbound SA
 * @SOTTO_EVENT_CONFIRMED: inbound SA authenticated its first packet
 * @SOTTO_EVENT_REFUSED: tunnel DST failed, with REASON
 * @SOTTO_EVENT_SA_SOFT: SA reached a soft limit: rekey wanted
 * @SOTTO_EVENT_SA_HARD: SA reached a hard limit and is gone
 * @SOTTO_EVENT_SA_DELETED: SA deleted by request or unconfirmed in time; without an
 *	SPI: all of them, by TUNNEL_FLUSH
 * @SOTTO_EVENT_UNKNOWN_SPI: a packet with an unknown SPI came (a hint only)
 * @SOTTO_EVENT_DROP: packets dropped, with STAT telling why (rate-limited)
 * @SOTTO_EVENT_AGENT: agent registered or (PORTID 0) gone
 * @SOTTO_EVENT_POLICY: the policy of DST and PLEN was added or changed to ACTION or,
 *	without that, removed; without DST: all were, by POLICY_FLUSH
 * @SOTTO_EVENT_ENDPOINT: the peer DST of an outbound SA is at SRC and PORT now
 */
enum sotto_event {
	SOTTO_EVENT_UNSPEC,
	SOTTO_EVENT_ACQUIRE,
	SOTTO_EVENT_KEYED,
	SOTTO_EVENT_REKEYED,
	SOTTO_EVENT_CONFIRMED,
	SOTTO_EVENT_REFUSED,
	SOTTO_EVENT_SA_SOFT,
	SOTTO_EVENT_SA_HARD,
	SOTTO_EVENT_SA_DELETED,
	SOTTO_EVENT_UNKNOWN_SPI,
	SOTTO_EVENT_DROP,
	SOTTO_EVENT_AGENT,
	SOTTO_EVENT_POLICY,
	SOTTO_EVENT_ENDPOINT,

	__SOTTO_EVENT_MAX
};

enum sotto_event_attr {
	SOTTO_A_EVENT_UNSPEC,
	SOTTO_A_EVENT_TYPE,		/* u8: enum sotto_event */
	SOTTO_A_EVENT_SRC,		/* binary, 4 or 16 */
	SOTTO_A_EVENT_DST,		/* binary, 4 or 16 */
	SOTTO_A_EVENT_SPI,		/* u32 */
	SOTTO_A_EVENT_DIR,		/* u8: enum sotto_sa_dir */
	SOTTO_A_EVENT_SESSION,		/* u64 */
	SOTTO_A_EVENT_REASON,		/* u8: enum sotto_reason */
	SOTTO_A_EVENT_STAT,		/* u16: enum sotto_stat */
	SOTTO_A_EVENT_PORTID,		/* u32 */
	SOTTO_A_EVENT_LOST,		/* u32: events left out before this one */
	SOTTO_A_EVENT_PAD,
	SOTTO_A_EVENT_PORT,		/* u16: UDP port of SRC */
	SOTTO_A_EVENT_PLEN,		/* u8: DST is a prefix so long (POLICY) */
	SOTTO_A_EVENT_ACTION,		/* u8: enum sotto_action (POLICY) */

	__SOTTO_A_EVENT_MAX,
	SOTTO_A_EVENT_ATTR_MAX = __SOTTO_A_EVENT_MAX - 1
};

/**
 * enum sotto_verdict - SOTTO_CMD_TRACE's answer
 */
enum sotto_verdict {
	SOTTO_VERDICT_PASS_DOWN,	/* the shim is not up here */
	SOTTO_VERDICT_PASS_EXEMPT,	/* multicast, broadcast, loopback, local */
	SOTTO_VERDICT_PASS_BYPASS,	/* policy bypass, or no policy */
	SOTTO_VERDICT_PASS_CLEAR,	/* prefer, and not a member */
	SOTTO_VERDICT_SEAL,		/* has keys */
	SOTTO_VERDICT_QUEUE,		/* would wait for keys */
	SOTTO_VERDICT_DROP_BLOCK,	/* policy block */
	SOTTO_VERDICT_DROP_SOURCE,	/* source is not registered as ours */
	SOTTO_VERDICT_DROP_FAILED,	/* keys were refused, hold time runs */
	SOTTO_VERDICT_DROP_LIMIT,	/* a limit is reached */
	SOTTO_VERDICT_NO_ROUTE,		/* no route to it: no packet would be made */
};

enum sotto_trace_attr {
	SOTTO_A_TRACE_UNSPEC,
	SOTTO_A_TRACE_DST,		/* binary, 4 or 16 */
	SOTTO_A_TRACE_SRC,		/* binary, 4 or 16: optional; replied as used */
	SOTTO_A_TRACE_VERDICT,		/* u8: enum sotto_verdict */
	SOTTO_A_TRACE_OIF,		/* u32: output device's index */
	SOTTO_A_TRACE_PREFIX,		/* binary: matching policy, if any */
	SOTTO_A_TRACE_PLEN,		/* u8 */
	SOTTO_A_TRACE_ACTION,		/* u8: enum sotto_action */
	SOTTO_A_TRACE_TUNNEL,		/* nest: enum sotto_tunnel_attr, if any */
	SOTTO_A_TRACE_MTU,		/* u32: largest inner packet that fits unfragmented */
	SOTTO_A_TRACE_GATEWAY,		/* binary, 4 or 16: of the matching policy, if any */

	__SOTTO_A_TRACE_MAX,
	SOTTO_A_TRACE_ATTR_MAX = __SOTTO_A_TRACE_MAX - 1
};

/*
 * Counters. In SOTTO_A_STATS counter N is attribute N + 1 (u64). These hold at
 * any quiet moment, in each namespace:
 *
 *   OUT_SEEN = OUT_PASSED + OUT_SEALED + OUT_QUEUED + sum of OUT_DROP_*
 *   IN_SEEN  = IN_PASSED + IN_OPENED + IN_DUMMY + IN_KEEPALIVE
 *              + sum of IN_DROP_*
 *
 * They count packets as they are on the wire: a GSO packet counts as its
 * segments once it is cut or sealed. OUT_BURSTS counts sealed GSO packets, each
 * of which is in OUT_SEALED as its segments. OUT_QUEUED is a gauge. The kernel's own dummies are
 * OUT_DUMMY alone, its keepalives OUT_KEEPALIVE.
 *
 * SOTTO_STATS(_) lists them once: the enum, and the names that `sotto -s`
 * prints, both come from it.
 */
#define SOTTO_STATS(_)							\
	_(OUT_SEEN, "out_seen")						\
	_(OUT_PASSED, "out_passed")					\
	_(OUT_SEALED, "out_sealed")					\
	_(OUT_QUEUED, "out_queued")					\
	_(OUT_DUMMY, "out_dummy")					\
	_(OUT_DROP_BLOCK, "out_drop_block")				\
	_(OUT_DROP_SOURCE, "out_drop_source")				\
	_(OUT_DROP_FRAGMENT, "out_drop_fragment")			\
	_(OUT_DROP_HEADER, "out_drop_header")				\
	_(OUT_DROP_TOO_BIG, "out_drop_too_big")				\
	_(OUT_DROP_REFUSED, "out_drop_refused")				\
	_(OUT_DROP_TIMEOUT, "out_drop_timeout")				\
	_(OUT_DROP_TUNNEL_QUEUE, "out_drop_tunnel_queue")		\
	_(OUT_DROP_NS_QUEUE, "out_drop_ns_queue")			\
	_(OUT_DROP_MAX_TUNNELS, "out_drop_max_tunnels")			\
	_(OUT_DROP_MAX_ACQUIRES, "out_drop_max_acquires")		\
	_(OUT_DROP_SEQ_EXHAUSTED, "out_drop_seq_exhausted")		\
	_(OUT_DROP_EXPIRED, "out_drop_expired")				\
	_(OUT_DROP_CRYPTO, "out_drop_crypto")				\
	_(OUT_DROP_NOMEM, "out_drop_nomem")				\
	_(OUT_DROP_ROUTE, "out_drop_route")				\
	_(OUT_DROP_FILTERED, "out_drop_filtered")			\
	_(OUT_DROP_DOWN, "out_drop_down")				\
	_(OUT_DROP_BENEATH, "out_drop_beneath")				\
	_(IN_SEEN, "in_seen")						\
	_(IN_PASSED, "in_passed")					\
	_(IN_OPENED, "in_opened")					\
	_(IN_DUMMY, "in_dummy")						\
	_(IN_KEEPALIVE, "in_keepalive")					\
	_(IN_DROP_PLAINTEXT, "in_drop_plaintext")			\
	_(IN_DROP_BLOCK, "in_drop_block")				\
	_(IN_DROP_MALFORMED, "in_drop_malformed")			\
	_(IN_DROP_UNKNOWN_SPI, "in_drop_unknown_spi")			\
	_(IN_DROP_REPLAY, "in_drop_replay")				\
	_(IN_DROP_AUTH, "in_drop_auth")					\
	_(IN_DROP_PADDING, "in_drop_padding")				\
	_(IN_DROP_PROTOCOL, "in_drop_protocol")				\
	_(IN_DROP_ADDRESS, "in_drop_address")				\
	_(IN_DROP_EXPIRED, "in_drop_expired")				\
	_(IN_DROP_CRYPTO, "in_drop_crypto")				\
	_(IN_DROP_NOMEM, "in_drop_nomem")				\
	_(PMTU_UPDATES, "pmtu_updates")					\
	_(PMTU_IGNORED, "pmtu_ignored")					\
	_(MSS_CLAMPED, "mss_clamped")					\
	_(ICMP_SENT, "icmp_sent")					\
	_(ACQUIRES, "acquires")						\
	_(ACQUIRE_REPEATS, "acquire_repeats")				\
	_(EVENTS_LOST, "events_lost")					\
	_(OUT_DROP_MODE, "out_drop_mode")				\
	_(IN_DROP_ECN, "in_drop_ecn")				\
	_(IN_BURSTS, "in_bursts")					\
	_(OUT_BURSTS, "out_bursts")					\
	_(IN_SPREAD, "in_spread")					\
	_(IN_DROP_SPREAD, "in_drop_spread")				\
	_(OUT_KEEPALIVE, "out_keepalive")				\
	_(ENDPOINT_CHANGES, "endpoint_changes")			\
	_(SOFT_DEFERRED, "soft_deferred")				\
	_(OUT_DROP_OFFLOAD, "out_drop_offload")

#define SOTTO_STAT_ENUM(sym, name)	SOTTO_STAT_##sym,
enum sotto_stat {
	SOTTO_STATS(SOTTO_STAT_ENUM)
	__SOTTO_STAT_MAX
};
#undef SOTTO_STAT_ENUM

#endif /* _UAPI_LINUX_SOTTO_H */
