/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is on the wire, and every limit of the data path.
 *
 * ESP in UDP: RFC 4303 (ESP), RFC 3948 (UDP encapsulation), RFC 4106 (AES-GCM),
 * RFC 7634 (ChaCha20-Poly1305), extended sequence numbers always.
 */
#ifndef _SOTTO_WIRE_H
#define _SOTTO_WIRE_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>

/* RFC 4303 section 2, with the explicit IV of RFC 4106 section 3.1. */
struct sotto_esp_hdr {
	__be32 spi;
	__be32 seq_lo;
	__be64 iv;
} __packed;

/* RFC 4106 section 5, figure 4: the AAD with extended sequence numbers. */
struct sotto_esp_aad {
	__be32 spi;
	__be32 seq_hi;
	__be32 seq_lo;
} __packed;

/* In a dummy packet: is the peer really there (nat.h)? */
struct sotto_path_probe {
	__be32 magic;
	__be64 cookie;		/* random; repeated in the answer */
} __packed;

#define SOTTO_PATH_CHALLENGE	0x50617468	/* "Path" */
#define SOTTO_PATH_ANSWER	0x50617448	/* "PatH" */

static_assert(sizeof(struct sotto_esp_hdr) == 16);
static_assert(sizeof(struct sotto_esp_aad) == 12);
static_assert(sizeof(struct sotto_path_probe) == 12);

#define SOTTO_ICV_LEN		16	/* bytes */
#define SOTTO_NONCE_LEN		12	/* bytes: salt, then the IV */
#define SOTTO_TRAILER_LEN	2	/* bytes: pad length, next header */
#define SOTTO_ENCAP_LEN		(sizeof(struct udphdr) + sizeof(struct sotto_esp_hdr))
#define SOTTO_KEEPALIVE_BYTE	0xff	/* RFC 3948 section 2.3 */

/* The outer source port's range when it carries the flow hash. */
#define SOTTO_SPORT_MIN		49152
#define SOTTO_SPORT_MAX		65535

/* Largest overhead: encapsulation, trailer, ICV and up to three bytes of pad. */
#define SOTTO_OVERHEAD_MAX	(SOTTO_ENCAP_LEN + 3 + SOTTO_TRAILER_LEN + SOTTO_ICV_LEN)

/* Per SA. Nothing is sealed past this number, whatever the lifetimes say. */
#define SOTTO_SEQ_MAX		BIT_ULL(60)	/* packets */
#define SOTTO_REPLAY_WINDOW	2048		/* packets, at least */

/* Defaults of what NS_SET can change. */
#define SOTTO_MAX_TUNNELS		1048576	/* tunnels in a namespace */
#define SOTTO_MAX_SAS			4194304	/* SAs in a namespace, both directions */
#define SOTTO_MAX_POLICIES		65536	/* prefixes in a namespace */
#define SOTTO_MAX_ACQUIRES		1024	/* outstanding in a namespace */
#define SOTTO_MAX_QUEUE_PACKETS		64	/* waiting in one tunnel */
#define SOTTO_MAX_QUEUE_BYTES		(1024 * 1024) /* truesize, in one tunnel */
#define SOTTO_MAX_NS_QUEUE_PACKETS	4096	/* waiting in a namespace */
#define SOTTO_MAX_NS_QUEUE_BYTES	(16 * 1024 * 1024) /* truesize, in a namespace */
#define SOTTO_ACQUIRE_TIMEOUT_MS	10000	/* a queue lives this long */
#define SOTTO_EVENT_RATE		100	/* hints per second */
#define SOTTO_KEEPALIVE_S		20	/* of silence: our NAT is reminded (RFC 3948) */

/* Fixed ones. */
#define SOTTO_BURST_MAX		128	/* packets of a burst that are opened as one */
#define SOTTO_MAX_SPREAD	512	/* bursts that wait for another CPU, per queue */
#define SOTTO_UDP_SEGS_MAX	64	/* datagrams in an inner burst, as the stack's GRO has it */
#define SOTTO_EXPIRE_BATCH	256	/* SAs whose time has come, taken care of at once */
#define SOTTO_EXPIRE_PAUSE_MS	10	/* before the next of them */
#define SOTTO_SOFT_RATE		4096	/* soft expiries told per second */
#define SOTTO_SOFT_RETRY_S	1	/* for the others */
#define SOTTO_ACQUIRE_RATE	4096	/* questions to the agent per second */
#define SOTTO_DRAIN_ROUNDS	8	/* queues full of waiting packets that keep their order */
#define SOTTO_MAX_LOCAL_ADDRS	64	/* addresses of ours in a namespace */
#define SOTTO_ACQUIRE_REPEAT_MS	1000	/* the agent is asked again */
#define SOTTO_HOLD_TIMEOUT_MS	1000	/* after a time-out, before asking anew */
#define SOTTO_HOLD_MAX_MS	3600000	/* longest refusal remembered */
#define SOTTO_SPI_LAPSE_S	30	/* of an SPI allocated and not used */
#define SOTTO_PROBE_FIRST_MS	50	/* first repeat of a key-confirmation dummy */
#define SOTTO_PROBE_MAX		8	/* repeats, each after twice the time */
#define SOTTO_ENDPOINT_QUIET_MS	1000	/* a peer that answers no challenge is elsewhere */
#define SOTTO_ENDPOINT_CHALLENGE_MS	100	/* between two challenges of one SA */
#define SOTTO_KEEPALIVE_BATCH	64	/* SAs looked at before other work has its turn */
#define SOTTO_KEEPALIVE_USED_S	3600	/* an SA unused for so long is not kept alive */
#define SOTTO_KEEPALIVE_DUMMY	3	/* of so many keepalives one is a dummy packet */
#define SOTTO_PMTU_LIFETIME_S	600	/* RFC 1981 section 5.3, as the stack has it */
#define SOTTO_PMTU_MIN		576	/* bytes: a smaller claim is ignored (IPv4) */
#define SOTTO_PMTU_SEQ_SLACK	(1024 * 1024) /* packets: how old a quoted one may be */

#endif /* _SOTTO_WIRE_H */
