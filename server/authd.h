/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sotto-authd: what its parts share.
 *
 * All state hangs off struct authd, under one lock. Who has it: the event loop's
 * thread but while it sleeps, or a worker (worker.c), twice for a batch of datagrams.
 * A worker receives, opens, seals and sends without it, and does the public-key work of
 * handshakes. Beside them are two processes: the keeper (keeper.h), and the storage
 * process (storage.h), which alone has files.
 *
 * Functions of store.h are called by whoever has the lock, and by nobody else; they wait
 * for an answer, and meanwhile all workers handle nothing: two messages for a code that is
 * looked up, a commit on the disk for what changes the database. So mediation calls
 * nothing of it but store_grants(), which does not wait.
 */
#ifndef SOTTO_AUTHD_H
#define SOTTO_AUTHD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "authd_limits.h"
#include "chan.h"
#include "enrol.h"
#include "handshake.h"
#include "htab.h"
#include "keeper.h"
#include "limiter.h"
#include "log.h"
#include "loop.h"
#include "pool.h"
#include "secret.h"
#include "store.h"
#include "ticket.h"
#include "usock.h"
#include "wheel.h"

/** struct authd_conf - authd.conf; conf.c has the defaults. */
struct authd_conf {
	char listen[512];		/* addresses and ports, commas between */
	char endpoints[1024];		/* for enrolment lines, likewise */
	int log_level;
	uint32_t code_lifetime;		/* seconds */
	uint32_t cookie_rate;		/* INITs per second without a cookie */
	uint32_t metrics_port;		/* on loopback; 0 = none */
	uint32_t workers;		/* threads that serve the network */
	uint32_t source_rate;		/* handshakes per second and source */
	bool first_use;			/* members pin whom they meet */
	uint32_t server_loss;		/* seconds; 0 = sessions last as long as they may */
	bool protect_members;		/* policy: protect each member's addresses */
	char ciphers[64];		/* permitted, names */
	struct sotto_ciphers permitted;
	struct sotto_lifetimes life;	/* of sessions */
};

int authd_conf_load(struct authd_conf *conf, const char *path,
		    struct sotto_errmsg *err);

/** struct path - where datagrams come from and go to. */
struct path {
	struct sotto_addr peer, local;
	uint16_t port;			/* the peer's */
	uint8_t sock;			/* index of the socket */
	uint32_t ifindex;		/* link-local peers only, else 0 */
};

struct member;
struct assoc;
struct session;
struct policy;
struct grantlog;
struct metrics;
struct policy_view;
struct rules;
struct net;

struct authd_stats {
	uint64_t dgrams_in, malformed;
	uint64_t inits, init_bad_mac, init_refused, init_limited;
	uint64_t cookies, cookies_missing, hints, half_open_full, unplaced_full;
	uint64_t resumed, resume_refused;
	uint64_t assocs, enrolments, enrolments_refused;
	uint64_t requests, offers, grants, refusals, begin_limited;
	uint64_t spi_unknown, sessions_gone, revocations, pushes_failed, grants_lost;
	uint64_t rechecked;
	uint64_t policy_parts;
	uint64_t policy_views;
	uint64_t twins;
};

/* of sessions that have ended, and who is to be told */
struct gone_list {
	struct gone *gone;
	size_t at, sorted, n, room;	/* told, in order, all, and room for */
	struct wheel_timer timer;	/* there are more than were told */
};

/* of sessions that may have to end, see recheck.c */
struct recheck {
	ev_timer timer;
	struct session_link *at;	/* the next one; see unlink_from() */
	struct member *m;		/* whose it is */
	bool of_all;			/* from the list of all members */
	struct member *rest;		/* of which these come next */
	struct member **queue;		/* but first these */
	uint32_t queue_n, queue_cap;
};

struct authd {
	struct ev_loop *loop;
	struct authd_conf conf;
	struct realm *realm;
	struct store *store;
	struct net *net;
	struct sotto_usock *admin;
	struct metrics *metrics;
	struct sotto_usock_conn *watchers[AUTHD_WATCHERS_MAX];
	unsigned int watchers_n;
	unsigned int texts_n;		/* policies that are just coming in pieces */
	struct sotto_signals signals;
	uint64_t now_ms;		/* monotonic, when the lock was taken */
	uint64_t started_ms;
	bool stopping;
	bool woken;			/* the loop has something new to wait for */
	struct wheel wheel;		/* timers of associations and sessions */
	struct pools pools;		/* what is asked, answered and under way */

	/* association.c */
	const struct path *from;	/* of the datagram in hand; NULL: it was overtaken */
	uint8_t mac_key[32], former_mac_key[32];
	struct sotto_cookies cookies;
	struct htab assocs;		/* by local index */
	struct pool assoc_pool;
	uint64_t assocs_freed;		/* so many until now */
	struct htab half_by_echo;
	struct half_open *half_open, **half_open_end; /* oldest first */
	struct tickets *tickets;	/* in secret memory */
	uint64_t tickets_ms;		/* until then none are given: there is no key */
	unsigned int half_open_n, enrolling_n;
	struct limiter sources, failures;
	struct bucket inits, resumes, hints, cookies_given;

	/* member.c */
	struct htab members_by_key, members_by_name, members_by_addr,
		    members_by_id;
	struct member *members, **members_end;	/* in order of id */
	struct arena member_arena;		/* they stay, revoked ones too */
	struct software *software;	/* versions that agents named */
	struct htab twins;		/* see twin.c; by member */
	unsigned int members_n, online_n;

	/* session*.c */
	struct htab sessions, pairs, asked;	/* asked: by asker and request id */
	struct htab unplaced;		/* listed with keys that nobody has */
	struct pool session_pool, mediation_pool;
	unsigned int sessions_n, pending_n;
	uint64_t next_id;		/* of the session after the next */
	uint64_t notice;
	struct grantlog *grantlog;
	struct gone_list gone;		/* to be told */
	struct wheel_timer takeover;	/* gateways may return until then */
	struct recheck recheck;

	/* policy.c, rules.c */
	struct policy *policy;
	struct rules *rules;
	ev_timer policy_timer;

	struct authd_stats stats;
};

/* Wall-clock seconds, for what is stored. */
int64_t authd_wall(void);

/* ---- net.c, batch.c, worker.c: sockets, batches, and who serves them ---- */

/** net_open() - bind all of conf.listen; the caller has the lock from here on. */
int net_open(struct authd *ad, struct sotto_errmsg *err);
void net_close(struct authd *ad);
/** net_start() - begin the threads; before the sandbox. */
int net_start(struct authd *ad, struct sotto_errmsg *err);
/** net_stop() - end them. */
void net_stop(struct authd *ad);
/** net_send() - put a datagram into the batch; sent when the lock is given back. */
void net_send(struct authd *ad, const struct path *to, const uint8_t *dgram,
	      size_t len);
/** net_send_open() - the same, sealed when it is sent. */
void net_send_open(struct authd *ad, const struct path *to,
		   const struct sotto_sealing *sealing, const uint8_t *frame,
		   size_t len);
/** net_flush() - send the batch now. */
void net_flush(struct authd *ad);
/** net_wake() - call it where a callback of the loop was started or stopped. */
void net_wake(struct authd *ad);
/** net_each_count() - counters of sending, and of each worker. */
void net_each_count(struct authd *ad,
		    void (*fn)(void *arg, const char *name, uint64_t value),
		    void *arg);
/** net_listening() - bound addresses as JSON strings. */
json_t *net_listening(struct authd *ad);

/* ---- association.c ---- */

enum assoc_state {
	ASSOC_HALF_OPEN,	/* message 2 sent, nothing valid received yet */
	ASSOC_CURRENT,		/* its member's only one that is used for asking */
	ASSOC_OLD,		/* replaced; still answers for a while */
	ASSOC_ENROLLING,	/* confirmed, by a one-time code: REGISTER only */
	ASSOC_ENDING,		/* revoked: lives until its notice is acknowledged */
};

/** struct half_open - what is only needed until the agent confirms, and while
 * it enrols.
 */
struct half_open {
	struct assoc *as;
	struct half_open *next, **prev;
	struct hnode by_echo;
	uint8_t echo[SOTTO_ECHO_LEN];		/* of its INIT, for repeats */
	uint8_t code_id[SOTTO_CODE_ID_LEN];	/* enrolling */
	uint8_t static_pub[SOTTO_PUB_LEN];	/* likewise */
	uint8_t registers;			/* likewise: asked for */
	struct sotto_addr source;		/* where message 2 went */
	bool proven;				/* that it is there, by a cookie */
	uint16_t resp_len;
	uint8_t resp[];				/* message 2 */
};

/** struct assoc - one association; owned by association.c. */
struct assoc {
	struct authd *ad;
	struct sotto_chan chan;
	struct hnode by_index;
	struct member *member;			/* NULL while enrolling */
	struct wheel_timer timer;
	uint64_t end_ms;			/* dies at the latest */
	struct path path;
	enum assoc_state state : 8;
	bool dead : 1;				/* to be freed after this turn */
	bool resumed : 1;			/* by a ticket */
	bool former : 1;			/* by the realm's former key */
	struct sotto_addr local;		/* where it says that its datagrams leave from */
	struct assoc *next;			/* of the same member */
	struct half_open *half;			/* while half open or enrolling */
};

int assoc_setup(struct authd *ad);
void assoc_teardown(struct authd *ad);
struct incoming;
/* A batch of datagrams from the network; see ahead.h. */

/** assoc_find() - whose are they? Returns what assoc_input() wants as @freed. */
uint64_t assoc_find(struct authd *ad, struct incoming *in, unsigned int n);
/** assoc_open() - open what is sealed, read what begins; needs no lock. */
void assoc_open(struct incoming *in, unsigned int n);
/** assoc_input() - handle them. True: some begin an association, which takes two steps more. */
bool assoc_input(struct authd *ad, struct incoming *in, unsigned int n,
		 uint64_t freed);
/** assoc_answer() - make their answers; needs no lock. */
void assoc_answer(struct incoming *in, unsigned int n);
/** assoc_begin() - they are half open. */
void assoc_begin(struct authd *ad, struct incoming *in, unsigned int n);

/* For begin.c. */

/** assoc_free_index() - one that no association has. */
uint32_t assoc_free_index(struct authd *ad);
/** assoc_repeat() - the half-open association that this very INIT or RESUME made. */
struct half_open *assoc_repeat(struct authd *ad,
			       const struct sotto_init_view *v);
/** assoc_half_open() - make one, and send @resp; @m is NULL for who enrols. */
struct assoc *assoc_half_open(struct authd *ad, struct member *m,
			      const struct path *from,
			      const struct sotto_init_view *v,
			      const struct sotto_chan_keys *keys,
			      const uint8_t *resp, size_t len);

/** assoc_half_open_full() - another one of @m would push one out. */
bool assoc_half_open_full(const struct member *m);
/** assoc_by_index() - NULL if there is none. */
struct assoc *assoc_by_index(struct authd *ad, uint32_t index);
/** assoc_hash(), assoc_by_hash() - the same in two steps. */
uint64_t assoc_hash(const struct authd *ad, uint32_t index);
struct assoc *assoc_by_hash(struct authd *ad, uint64_t hash, uint32_t index);
/** assoc_push() - a request to @m's agent that wants only an ACK; when it does
 * not come, the association ends, and the next one is reconciled by LIVE.
 * Does nothing for a member who is offline.
 */
void assoc_push(struct authd *ad, struct member *m,
		const struct sotto_msg *msg);
/** assoc_ticket() - a ticket for the agent's next association, if it wants one. */
bool assoc_ticket(struct assoc *as, struct sotto_msg_hello_ack *ack);
/** assoc_natted() - its datagrams come from elsewhere than it sent them from. */
bool assoc_natted(const struct assoc *as);
/** assoc_rearm() - after requests were made on as->chan. */
void assoc_rearm(struct assoc *as);
/** assoc_end() - wiped and freed after the present event. */
void assoc_end(struct assoc *as);
/** assoc_member_rekeyed() - end what it made with its old key; sessions live on. */
void assoc_member_rekeyed(struct authd *ad, struct member *m);
/** assoc_member_readdressed() - make it begin another one, whose hello-ack says what it has now.
 * Not from inside one of its associations.
 */
void assoc_member_readdressed(struct authd *ad, struct member *m);
/** assoc_member_revoked() - tell the agent REVOKED, then end all it has. */
void assoc_member_revoked(struct authd *ad, struct member *m);

/* ---- request.c: what a member's agent asks ---- */

void request_input(void *arg, uint32_t id, const struct sotto_msg *m);
void request_note(void *arg, const struct sotto_msg *m);

/* ---- register.c ---- */

/** register_psk() - psk of the code @id; false if it is not known. */
bool register_psk(struct authd *ad, const uint8_t id[SOTTO_CODE_ID_LEN],
		  uint8_t psk[SOTTO_SECRET_LEN]);
void register_request(struct assoc *as, uint32_t id, const struct sotto_msg *m);

/* ---- member.c ---- */

struct member_addr {
	struct hnode by_addr;
	struct member *member;
	struct sotto_addr addr;
};

struct session_link {			/* a session in one member's list */
	struct session_link *next, **prev;
	struct session *session;
};

enum live_state {
	LIVE_UNKNOWN,	/* no HELLO since the server began */
	LIVE_LISTING,	/* HELLO came, LIVE messages follow */
	LIVE_KNOWN,	/* the list was complete: what it lacks is gone */
	LIVE_AWAY,	/* it went: what it holds now was perhaps made at another server */
};

/* A million of them: what is small stands together at its end. */
struct member {
	struct hnode by_key, by_name, by_id;
	struct member *next;
	int64_t id;
	uint8_t static_pub[SOTTO_PUB_LEN];
	uint8_t token[KEEPER_SEALED];	/* its secret, as it is at rest */
	struct member_addr *addrs;
	/* association */
	struct assoc *current, *assocs;	/* all of them, newest first */
	uint64_t instance;
	const char *version;		/* of its software; shared, or NULL */
	/* reconciliation with the sessions that its kernel holds */
	uint64_t hello_ms;		/* of its last one; or when it went, to return */
	uint64_t listing;
	uint64_t notice;		/* the last one it was told; its own once it is revoked */
	/* sessions */
	struct session_link *sessions;
	struct bucket requests;
	struct bucket beginnings;	/* HELLO and POLICY_GET */
	/* policy */
	uint32_t *groups;		/* count, then ids in order; NULL = none */
	struct sotto_prefixes *routes;	/* networks behind it; NULL = none */
	uint64_t policy_version;	/* acknowledged in full; 0 = none */
	struct policy_view *policy;	/* being sent */
	uint32_t policy_gen;		/* of the sending in progress */
	/* wall clock, seconds, until 2106; 0 = never, not registered, offline and so on */
	uint32_t created, registered, revoked, code_expires;
	uint32_t online_since;
	uint32_t live_expected, live_seen;
	uint32_t sessions_n, asked_n, offered_n;
	uint16_t policy_next, policy_acked;
	uint16_t data_port;
	struct sotto_ciphers ciphers;
	uint8_t policy_inflight;
	uint8_t addrs_n;
	enum member_state state : 4;
	enum live_state live_state : 4;
	bool restarted : 1;
	bool returns : 1;		/* it went for a moment */
	bool rolled : 1;		/* has come by the realm's present key */
	bool queued : 1;		/* in recheck.c's queue */
	char name[];
};

/** member_software() - the one copy of @text; beyond a number of them, "other". */
const char *member_software(struct authd *ad, const char *text);
int member_setup(struct authd *ad, struct sotto_errmsg *err);
void member_teardown(struct authd *ad);
struct member *member_by_key(struct authd *ad, const uint8_t *key);
struct member *member_by_name(struct authd *ad, const char *name);
struct member *member_by_addr(struct authd *ad, const struct sotto_addr *a);
struct member *member_by_hash(struct authd *ad, uint64_t hash,
			      const struct sotto_addr *a);
struct member *member_by_id(struct authd *ad, int64_t id);
/** member_load() - put a stored member into memory, or bring it up to date. */
int member_load(struct authd *ad, const struct store_member *sm);
/** member_returns() - it goes, or has gone, for a moment: who asks for it may wait */
void member_returns(struct authd *ad, struct member *m);
/** member_revoke() - in the store, then in memory, then on the wire. */
int member_revoke(struct authd *ad, struct member *m, const char *actor,
		  struct sotto_errmsg *err);
/** member_readdress() - it has @set's addresses, in the store (with all else that @set
 * says), then in memory; what was made for others ends, and it is told on its next association.
 */
int member_readdress(struct authd *ad, struct member *m, const char *actor,
		     const struct store_set *set, struct sotto_errmsg *err);
void member_addrs(const struct member *m, struct sotto_addrs *out);
bool member_has_addr(const struct member *m, const struct sotto_addr *a);
/** member_is_here() - it is online, and has said HELLO once. */
bool member_is_here(const struct member *m);

/* ---- session*.c; session.h has what only they use ---- */

enum session_state {
	SESSION_OFFERED,	/* B was asked, or is when it is back */
	SESSION_LIVE,		/* granted */
};

/* What is small stands together at its end. */
struct session {
	struct authd *ad;
	struct hnode by_id, by_pair;
	uint64_t id;
	struct member *a, *b;			/* A asked */
	struct session_link link_a, link_b;
	uint64_t listed_a, listed_b;		/* the listing it was last in */
	uint64_t linked_ms;			/* when it came into the lists */
	uint64_t made_ms;			/* granted; 0 = before the server began */
	int64_t made;				/* wall clock, seconds; for people */
	struct wheel_timer timer;		/* grant's wiping, then hard expiry */
	struct mediation *mediation;		/* until the grant is forgotten */
	uint64_t networks;			/* mark of those behind its ends; 0 = none */
	uint32_t spi_a, spi_b;
	enum session_state state : 8;
	uint8_t cipher;
	bool waits;				/* OFFERED: for B to come back */
	bool either;				/* B may have begun it: a rekey, or taken over */
	struct sotto_addr dst;
};

/** struct mediation - what a session takes from A's request until its repeats are over. */
struct mediation {
	struct hnode by_request;
	struct session *session;
	struct sotto_msg_session_request request;
	struct offer_call *offer;		/* to B, unanswered */
	uint32_t call;				/* A's request on its channel */
	uint32_t call_index;			/* that channel's local index */
	uint8_t *grant;				/* encoded, for the offer; NULL before it */
	uint16_t len;				/* of it */
	uint16_t eph, spi;			/* where B's are to be put */
	uint8_t room[AUTHD_GRANT_ROOM];		/* for the grant, if it is short */
};

/** struct offer_call - an offer's answer may come when its session is gone. */
struct offer_call {
	struct authd *ad;
	struct session *session;		/* NULL: gone */
	struct member *member;
	uint64_t id;				/* the session's */
	uint64_t at_ms;				/* when it was made */
};

/** session_setup() - with the memory that associations use, too */
int session_setup(struct authd *ad);
/** session_teardown() - after assoc_teardown() */
void session_teardown(struct authd *ad);
void session_request(struct assoc *as, uint32_t id,
		     const struct sotto_msg_session_request *req);
void session_close(struct authd *ad, struct member *m,
		   const struct sotto_msg_session_ids *ids);
/** session_check() - say what a request for @dst would get; mediate nothing */
void session_check(struct assoc *as, uint32_t id, const struct sotto_addr *dst);
/** session_offered_by() - that our request @id on @ch offers; NULL: none. */
struct session *session_offered_by(const struct sotto_chan *ch, uint32_t id);
/** session_spi_unknown() - @m got a packet whose keys it lacks: if they are of a
 * session here, it is over, and both ends are told.
 */
void session_spi_unknown(struct authd *ad, struct member *m,
			 const struct sotto_msg_spi_unknown *u);
/** session_member_here() - @m has said HELLO: make the offers that wait for it. */
void session_member_here(struct authd *ad, struct member *m);
/** session_member_revoked() - end all sessions of @m, and tell each peer once: some, and the
 * others in turns.
 */
void session_member_revoked(struct authd *ad, struct member *m);
/** session_member_readdressed() - end those of @m, which were made for other addresses; what is
 * under way is made anew when @m is back.
 */
void session_member_readdressed(struct member *m);

/* ---- takeover.c: gateways that stand in for each other ---- */

/** takeover_look() - one came or went, or the networks changed: sessions with those that
 * are away end where another one leads to one of their networks.
 */
void takeover_look(struct authd *ad);
/** takeover_happened() - @m is away, and another one leads to one of its networks. */
bool takeover_happened(struct authd *ad, const struct member *m);
/** takeover_setup() - after the start all may return; then it is looked. */
void takeover_setup(struct authd *ad);

/* ---- twin.c: two hosts with one member's keys ---- */

/** twin_hello() - before reconcile_hello(): was this one here before? */
void twin_hello(struct assoc *as, uint64_t instance);
/** twin_seen() - lately? @here, @there: where both are; each may be NULL */
bool twin_seen(const struct authd *ad, const struct member *m,
	       struct sotto_addr *here, struct sotto_addr *there);
/** twin_forget() - @m has new keys */
void twin_forget(struct authd *ad, const struct member *m);
int twin_setup(struct authd *ad);
void twin_teardown(struct authd *ad);

/* ---- reconcile.c: with the sessions that an agent's kernel holds ---- */

void reconcile_hello(struct authd *ad, struct member *m,
		     const struct sotto_msg_hello *hello);
void reconcile_live(struct authd *ad, struct member *m,
		    const struct sotto_msg_live *live);
/** session_lost_by() - @m's list is complete, and lacks @s. */
bool session_lost_by(const struct session *s, const struct member *m);

/* for it, and for ahead.c */
uint64_t pair_hash(struct authd *ad, const struct member *x,
		   const struct member *y);
uint64_t request_hash(struct authd *ad, const struct member *m,
		      uint64_t request_id);
struct session *session_new(struct authd *ad, struct member *a,
			    struct member *b, uint64_t id);
void session_free(struct session *s);
struct member *session_peer(const struct session *s, const struct member *m);
/** session_tell_gone() - push SESSION_GONE to @m, when the lock is given back. */
void session_tell_gone(struct authd *ad, struct member *m, uint64_t id,
		       enum sotto_refusal reason);
/** session_gone_flush() - some of them. */
void session_gone_flush(struct authd *ad);
struct session *session_by_id(struct authd *ad, uint64_t id);
const char *session_state_name(const struct session *s);

/* ---- grantlog.c ---- */

int grantlog_start(struct authd *ad, struct sotto_errmsg *err);
/** grantlog_add() - does not wait. */
void grantlog_add(struct session *s);
/** grantlog_stop() - hand over what is left. */
void grantlog_stop(struct authd *ad);

/* ---- policy.c ---- */

int policy_setup(struct authd *ad, struct sotto_errmsg *err);
void policy_teardown(struct authd *ad);
/** policy_changed() - gather, then push to those concerned. */
void policy_changed(struct authd *ad);
/** policy_hello() - the agent holds @version; push if it is not ours. */
void policy_hello(struct authd *ad, struct member *m, uint64_t version);
/** policy_get() - push all of it. */
void policy_get(struct authd *ad, struct member *m);
void policy_forget(struct member *m);	/* its association ended */
uint64_t policy_version(struct authd *ad);
/** policy_permits() - may @a open sessions to @b? */
bool policy_permits(struct authd *ad, const struct member *a,
		    const struct member *b);

/* ---- admin.c, realm.c, sandbox.c ---- */

/* ---- monitor.c, metrics.c ---- */

/* To those who watch; nothing is made when nobody does. */
void monitor_session(struct authd *ad, const char *name, const struct session *s,
		     enum sotto_refusal reason);
void monitor_refusal(struct authd *ad, const struct member *a,
		     const struct sotto_addr *dst, enum sotto_refusal reason);
void monitor_member(struct authd *ad, const char *name, const struct member *m);
/** monitor_addresses() - those that @m has now */
void monitor_addresses(struct authd *ad, const struct member *m);
#define METRICS_SOCKET	"authd-metrics.sock"
int metrics_open(struct authd *ad, struct sotto_errmsg *err);
/** metrics_leave() - the socket's file is another's to remove. */
void metrics_leave(struct authd *ad);
void metrics_close(struct authd *ad);

int admin_open(struct authd *ad, struct sotto_errmsg *err);
/** admin_endpoints() - servers for an enrolment line. */
int admin_endpoints(struct authd *ad, struct sotto_enrol *e,
		    struct sotto_errmsg *err);

/* Under $SOTTO_STATE; see rollover.c. */
#define REALM_KEY		"authd/realm.key"
#define REALM_FORMER_KEY	"authd/realm.key.former"
#define REALM_STORAGE_KEY	"authd/storage.key"

int realm_init(const char *endpoints, struct sotto_errmsg *err);
/** realm_backup() - the realm into one file; the server may be running. */
int realm_backup(const char *out, struct sotto_errmsg *err);
/** realm_restore() - the reverse; @force: whatever it may overwrite or forget. */
int realm_restore(const char *file, bool force, struct sotto_errmsg *err);
/** realm_rekey() - a new key; the present one becomes the former. */
int realm_rekey(struct sotto_errmsg *err);
/** realm_retire() - the former key is good no more. */
int realm_retire(struct sotto_errmsg *err);
/** realm_refuse_running() - 0 if no server uses this realm. */
int realm_refuse_running(struct sotto_errmsg *err);
/** realm_put_keys(), realm_keys() - onto the disk; of a realm in memory. */
int realm_put_keys(const struct realm_keys *k, struct sotto_errmsg *err);
void realm_keys(const struct realm *r, struct realm_keys *k);
int realm_load(struct realm **out, struct sotto_errmsg *err);
void realm_free(struct realm *r);
/** sandbox_enter() - no capabilities from here on, and no way back to them. */
int sandbox_enter(struct sotto_errmsg *err);
/** sandbox_thread() - a thread's capabilities are its own to give up, at its start. */
int sandbox_thread(struct sotto_errmsg *err);
/** sandbox_keeper() - the same for the keeper, which needs less. */
int sandbox_keeper(struct sotto_errmsg *err);
/** sandbox_storage() - and for the storage process, which has files. */
int sandbox_storage(struct sotto_errmsg *err);

#endif /* SOTTO_AUTHD_H */
