/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Limits of the server alone, once, with their units. Those of the protocol are
 * in tools/lib/params.h. Documentation/protocol.md lists both.
 */
#ifndef SOTTO_AUTHD_LIMITS_H
#define SOTTO_AUTHD_LIMITS_H

#define AUTHD_BATCH		64	/* datagrams per recvmmsg/sendmmsg */
#define AUTHD_OUT_BATCH		256	/* datagrams of one worker that wait to be sent */
#define AUTHD_WORKERS_MAX	16	/* threads that serve the network */
#define AUTHD_LISTEN_MAX	8	/* control sockets */
#define AUTHD_HALF_OPEN_MAX	4096	/* unconfirmed handshakes, all members */
#define AUTHD_HALF_OPEN_MEMBER	4	/* unconfirmed handshakes of one member */
#define AUTHD_ENROLLING_MAX	256	/* associations of enrolling hosts */
#define AUTHD_ENROL_MS		60000	/* such an association's life */
#define AUTHD_REGISTERS		16	/* registrations that it may ask for */
#define AUTHD_COOKIE_RATE	200	/* INITs per second beyond which cookies are asked for */
#define AUTHD_RESUME_RATE	20000	/* and RESUMEs beside that: they cost no Diffie-Hellman */
#define AUTHD_SOURCE_RATE	50	/* handshakes per second of one source (IPv6: /64) */
#define AUTHD_SOURCE_BURST	4	/* seconds of that at once */
#define AUTHD_TICKET_RETRY_MS	5000	/* no key for tickets could be stored: once more */
#define AUTHD_FAIL_RATE_MIN	6	/* failed enrolments per minute of one source */
#define AUTHD_FAIL_BURST	20
#define AUTHD_HINT_RATE		200	/* hints per second */
#define AUTHD_COOKIES_RATE	20000	/* cookies given per second: less than was sent for them */
#define AUTHD_SOURCES		4096	/* sources remembered for these limits */
#define AUTHD_PENDING_MEMBER	256	/* mediations that one member asked for */
#define AUTHD_OFFERS_MEMBER	192	/* mediations offered to one member */
#define AUTHD_PAIR_SESSIONS	8	/* live sessions of one pair */
#define AUTHD_UNPLACED_MAX	4096	/* live sessions listed with keys that nobody has */
#define AUTHD_UNPLACED_MS	10000	/* such a one waits for its other end to list it */
#define AUTHD_REQUEST_RATE	500	/* session requests per second of one member */
#define AUTHD_REQUEST_BURST	1000
#define AUTHD_BEGIN_RATE_MIN	60	/* hellos and policy-gets per minute of one member */
#define AUTHD_BEGIN_BURST	240
#define AUTHD_RETURN_MS		30000	/* after its start the server waits for members to return */
#define AUTHD_AGENT_MS		5000	/* the same for one whose agent is restarted */
#define AUTHD_RETURN_WAIT_MS	5000	/* so long does a session-request wait for one */
#define AUTHD_GRANT_ROOM	258	/* bytes of a grant that needs no memory of its own */
#define AUTHD_JUST_MADE_MS	2000	/* both asked at once: the second one gets the first's */
#define AUTHD_KEEPALIVE_RATE	5000	/* keepalives per second, all members */
#define AUTHD_KEEPALIVE_MIN_S	3	/* seconds between those of one member, at least */
#define AUTHD_PUSH_MS		30000	/* a push is acknowledged or the association ends */
#define AUTHD_POLICY_DELAY_MS	50	/* policy changes are gathered that long */
#define AUTHD_GONE_TURN		64	/* messages about ended sessions in one turn */
#define AUTHD_SWEEP_TURN	1024	/* sessions that a list lacks and end at once; others in turns */
#define AUTHD_POLICY_RETRY_MS	1000	/* they could not be read: once more */
#define AUTHD_POLICY_TURN	64	/* members that get a change in one turn of the loop */
#define AUTHD_POLICY_FEW	512	/* changes whose members are sought one by one */
#define AUTHD_DELTA_MAX		4096	/* prefixes; beyond it a member gets all of the policy */
#define AUTHD_VIEWS_MAX		16	/* whole policies that are kept ready */
#define AUTHD_VIEW_BEHIND	1024	/* versions that such a one may be behind */
#define AUTHD_GATEWAY_KEEPALIVE_S 3	/* a gateway's agent */
#define AUTHD_GATEWAY_DEAD_MS	10000	/* its silent association ends */
#define AUTHD_LATE_MS		1000	/* a timer so late ends nothing; its association gets half of it more */
#define AUTHD_POLICY_WINDOW	4	/* POLICY messages on their way to one member */
#define AUTHD_TWIN_MS		600000	/* two hosts with one member's keys: shown so long */
#define AUTHD_TWIN_SAY_MS	60000	/* and told to the log once in */
#define AUTHD_REVOKED_MS	3000	/* a revoked member's association lives on */
#define AUTHD_GRANT_LOG_MS	1000	/* grants reach the database that late */
#define AUTHD_GRANT_LOG_BATCH	1024	/* or when so many wait */
#define AUTHD_GRANT_LOG_MAX	8192	/* beyond that they are lost, and counted */
#define AUTHD_GRANT_LOG_DAYS	30	/* then they are deleted */
#define AUTHD_SOFTWARES		64	/* different versions of agents that are told apart */
#define AUTHD_WATCHERS_MAX	8	/* sotto realm monitor at a time */
#define AUTHD_TEXT_MAX		(16 << 20) /* bytes of a policy as a text */
#define AUTHD_TEXTS_MAX		4	/* such that come in pieces, at a time */
#define AUTHD_LIST_MAX		1000	/* entries of one list answer */
#define AUTHD_LIST_LOOK		65536	/* members and sessions that are looked at for one */

/* What a refused agent is told to remember it for, milliseconds. */
#define AUTHD_HOLD_NOT_MEMBER	30000
#define AUTHD_HOLD_DENIED	30000
#define AUTHD_HOLD_OFFLINE	2000
#define AUTHD_HOLD_BUSY		1000
#define AUTHD_HOLD_OTHER	5000

#endif /* SOTTO_AUTHD_LIMITS_H */
