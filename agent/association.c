// SPDX-License-Identifier: GPL-2.0
/*
 * The association with the server: its channel, its renewal, its loss.
 *
 *   state      | event                       | what follows
 *   RESTING    | retry_ms                    | RESOLVING or HANDSHAKE
 *   RESOLVING  | address                     | HANDSHAKE
 *   RESOLVING  | none, or ASSOC_RESOLVE_MS   | HANDSHAKE with the last one, else RESTING
 *   HANDSHAKE  | message 2                   | HELLO
 *   HANDSHAKE  | ASSOC_TRY_MS                | RESTING, next server
 *   HELLO      | HELLO_ACK                   | STEADY: new channel in the old's place
 *   HELLO      | time-out                    | RESTING, next server
 *   STEADY     | renew_ms, doubt, hint       | HANDSHAKE beside the old channel
 *
 * The old channel stays open until a new one is confirmed; what was asked on it
 * moves over. down_ms says since when nothing stands at all.
 */
#include "association.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tools/lib/enrol.h"
#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "ask.h"
#include "keep.h"
#include "requests.h"

#define DEFAULT_RENEW_MS	SOTTO_ASSOC_REKEY_MS

static struct assoc_chan *current(struct agent *ag)
{
	return &ag->assoc.chans[ag->assoc.current];
}

static struct assoc_chan *next(struct agent *ag)
{
	return &ag->assoc.chans[!ag->assoc.current];
}

bool assoc_is_current(struct agent *ag, const struct sotto_chan *ch)
{
	return assoc_channel(ag) == ch;
}

struct sotto_chan *assoc_channel(struct agent *ag)
{
	return current(ag)->open ? &current(ag)->ch : NULL;
}

uint64_t assoc_silent_ms(struct agent *ag)
{
	const struct sotto_chan *ch = assoc_channel(ag);

	return ch ? sotto_now_ms() - ch->rx_ms : UINT64_MAX;
}

bool assoc_reachable(const struct agent *ag)
{
	const struct association *a = &ag->assoc;

	if (a->revoked)
		return false;
	return !a->down_ms || sotto_now_ms() - a->down_ms < ASSOC_PATIENCE_MS;
}

const char *assoc_state_name(const struct agent *ag)
{
	const struct association *a = &ag->assoc;

	if (a->revoked)
		return "revoked";
	if (!a->down_ms)
		return "associated";
	switch (a->state) {
	case ASSOC_RESOLVING:
		return "resolving";
	case ASSOC_RESTING:
		return "waiting";
	default:
		return "connecting";
	}
}

const char *assoc_server_text(const struct agent *ag)
{
	const struct association *a = &ag->assoc;

	return a->down_ms || !a->home_text[0] ? a->server_text : a->home_text;
}

/* There is a channel, and no reason to think that nobody hears. */
static bool stands(struct agent *ag)
{
	const struct association *a = &ag->assoc;
	const struct sotto_chan *ch = assoc_channel(ag);

	return ch && !a->down_ms && (!a->doubted || ch->rx_ms > a->hs_begun_ms);
}

void assoc_trouble(struct agent *ag, const char *error, const char *advice,
		   const char *fmt, ...)
{
	struct assoc_trouble *t = &ag->assoc.trouble;
	static struct sotto_ratelimit rl = SOTTO_RATELIMIT(60000, 10);
	bool news = strcmp(t->error, error);
	va_list ap;

	if (stands(ag))
		return;	/* what fails is only an attempt beside it */
	t->at_ms = sotto_now_ms();
	snprintf(t->error, sizeof(t->error), "%s", error);
	snprintf(t->advice, sizeof(t->advice), "%s", advice);
	va_start(ap, fmt);
	vsnprintf(t->message, sizeof(t->message), fmt, ap);
	va_end(ap);
	if (news)	/* of several servers each may have its own, in turn */
		sotto_log_limited(&rl, SOTTO_LOG_WARN, "server %s: %s (%s)",
				  ag->assoc.server_text, t->message, error);
}

bool assoc_explained(const struct agent *ag)
{
	const struct association *a = &ag->assoc;

	return a->trouble.error[0] && a->trouble.at_ms >= a->hs_begun_ms;
}

void assoc_close_sock(struct assoc_sock *s)
{
	if (!s || s->fd < 0)
		return;
	ev_io_stop(s->ag->loop, &s->io);
	close(s->fd);
	s->fd = -1;
}

void assoc_send(struct assoc_sock *s, const uint8_t *dgram, size_t len)
{
	struct agent *ag = s->ag;

	if (s->fd < 0 || send(s->fd, dgram, len, MSG_DONTWAIT) >= 0)
		return;
	if (errno == ECONNREFUSED)
		assoc_trouble(ag, "refused", "start sotto-authd on the gateway",
			      "nothing listens on %s", ag->assoc.server_text);
	else if (errno != EAGAIN && errno != ENOBUFS)
		assoc_trouble(ag, "unreachable", "look at \"ip route get\"",
			      "cannot reach %s: %s", ag->assoc.server_text,
			      strerror(errno));
}

static void chan_send(void *arg, const uint8_t *dgram, size_t len)
{
	struct assoc_chan *c = arg;

	sotto_sent_keep(&c->sent, dgram);
	assoc_send(c->sock, dgram, len);
}

static void chan_request(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct assoc_chan *c = arg;

	handle_request(c->ag, &c->ch, id, m);
}

static void chan_note(void *arg, const struct sotto_msg *m)
{
	struct assoc_chan *c = arg;

	/* the server goes, or has news for the next one: don't wait until it is missed */
	if (m->type == SOTTO_MSG_BYE && c == current(c->ag)) {
		sotto_notice(m->bye.reason == SOTTO_REFUSAL_READDRESSED ?
			     "the server knows this host by other addresses now" :
			     "the server says good-bye");
		assoc_doubt(c->ag);
	}
}

static const struct sotto_chan_ops chan_ops = {
	.send = chan_send,
	.request = chan_request,
	.note = chan_note,
};

/* ---- loss and renewal ---- */

static bool attempt_runs(const struct association *a)
{
	return a->state != ASSOC_STEADY && a->state != ASSOC_RESTING;
}

void assoc_doubt(struct agent *ag)
{
	struct association *a = &ag->assoc;

	if (a->revoked)
		return;
	a->doubted = true;
	if (attempt_runs(a))
		return;
	if (a->state == ASSOC_RESTING && a->down_ms)
		return;	/* its time comes */
	handshake_begin(ag);
	assoc_kick(ag);
}

/* The realm wants no sessions that it cannot take back. */
static void look_for_loss(struct agent *ag, uint64_t now)
{
	struct association *a = &ag->assoc;

	if (!a->loss_at_ms || now < a->loss_at_ms)
		return;
	a->loss_at_ms = 0;
	sotto_warn("no server for so long that the realm wants no sessions: %u are dropped",
		   session_count(ag));
	session_drop_all(ag);
}

static void begin_loss(struct agent *ag)
{
	struct association *a = &ag->assoc;

	if (ag->id->server_loss_s)
		a->loss_at_ms = a->down_ms + ag->id->server_loss_s * 1000ull;
}

/* @since: in ms; what waits for an answer fails ASSOC_PATIENCE_MS later */
static void mark_down(struct agent *ag, uint64_t since)
{
	struct association *a = &ag->assoc;

	if (a->down_ms)
		return;
	a->down_ms = since;
	if (!a->revoked)
		sotto_warn("server %s: association lost; sessions that stand live on",
			   a->server_text);
	begin_loss(ag);
	ask_retry(ag);
}

void assoc_look_for_move(struct agent *ag)
{
	struct association *a = &ag->assoc;

	if (a->revoked || a->state == ASSOC_RESOLVING)
		return;
	if (a->state == ASSOC_RESTING) {
		/* perhaps what was missing is there now */
		a->retry_ms = sotto_now_ms();
	} else if (handshake_moved(ag)) {
		sotto_notice("server %s: this host's address changed", a->server_text);
		a->moved = true;
		a->doubted = true;
		handshake_begin(ag);
	}
	assoc_kick(ag);
}

/* An attempt beside a channel that stands has failed: the channel goes on. */
static void stay(struct agent *ag, uint64_t now)
{
	struct association *a = &ag->assoc;

	/* another one, which may have moved: else all who came from there never go back */
	if (a->server != a->home)
		a->stale |= 1u << a->server;
	a->server = a->home;
	handshake_drop_socket(ag);
	a->state = ASSOC_STEADY;
	a->doubted = false;
	a->home_ms = now + ASSOC_HOME_MS;
	if (a->renew_ms < now + ASSOC_HOME_MS)
		a->renew_ms = now + ASSOC_HOME_MS;
}

/* Each server at once, then a rest before the next round. */
static uint32_t pause_before_next(struct association *a, unsigned int n_servers)
{
	uint32_t wait = a->revoked ? ASSOC_REVOKED_MS : a->backoff_ms;

	if (++a->tried % n_servers && !a->revoked)
		return 0;
	a->backoff_ms *= 2;
	if (a->backoff_ms > ASSOC_BACKOFF_MAX_MS)
		a->backoff_ms = ASSOC_BACKOFF_MAX_MS;
	return wait / 2 + randombytes_uniform(wait);
}

void handshake_failed(struct agent *ag)
{
	struct association *a = &ag->assoc;
	uint64_t now = sotto_now_ms();

	if (stands(ag)) {
		stay(ag, now);
		return;
	}
	mark_down(ag, a->hs_begun_ms ? a->hs_begun_ms : now);
	a->state = ASSOC_RESTING;
	a->stale |= 1u << a->server;
	a->retry_ms = now + pause_before_next(a, ag->id->n_servers);
	a->server = (a->server + 1) % ag->id->n_servers;
	ask_retry(ag);
}

void assoc_say_revoked(struct agent *ag)
{
	assoc_trouble(ag, "revoked",
		      "if that is a mistake: \"sotto member add\" on the gateway, \"sotto enroll --force\" here",
		      "this host was revoked");
}

void assoc_revoked(struct agent *ag)
{
	struct association *a = &ag->assoc;

	a->revoked = true;
	mark_down(ag, sotto_now_ms());
	assoc_say_revoked(ag);
}

/* With the address that it had last, or on to the next server. */
static void resolved(struct agent *ag, const char *why)
{
	struct association *a = &ag->assoc;

	a->stale &= ~(1u << a->server);
	if (ag->id->resolved[a->server].len) {
		handshake_begin(ag);
		return;
	}
	assoc_trouble(ag, "dns", "an address instead of a name needs no name server",
		      "cannot look up %s: %s", ag->id->servers[a->server].host, why);
	handshake_failed(ag);
}

/* It was waited for no longer: the next attempt is by the new address, and comes now. */
static void resolved_late(struct agent *ag, unsigned int server)
{
	struct association *a = &ag->assoc;

	if (a->server != server)
		return;
	if (a->state == ASSOC_RESTING) {
		a->retry_ms = sotto_now_ms();
	} else if (a->state == ASSOC_HANDSHAKE) {
		a->moved = true;
		handshake_begin(ag);
	}
}

void resolve_done(struct agent *ag, unsigned int server,
		  const struct sotto_addr *addr, const char *why)
{
	struct sotto_addr *known = &ag->id->resolved[server];
	struct association *a = &ag->assoc;
	bool news = addr->len && !sotto_addr_eq(addr, known);

	a->stale &= ~(1u << server);
	if (news) {
		*known = *addr;
		keep_identity(ag, "the server's new address");
	}
	if (a->state == ASSOC_RESOLVING && a->server == server)
		resolved(ag, why);
	else if (a->state == ASSOC_RESOLVING)
		resolve_start(ag, a->server);
	else if (news)
		resolved_late(ag, server);
	assoc_kick(ag);
}

/* ---- a new channel ---- */

/* Kept, so that it holds for an agent that starts while there is no server. */
static void take_loss(struct agent *ag, const struct sotto_msg_hello_ack *ack)
{
	if (ag->id->server_loss_s == ack->server_loss_s)
		return;
	ag->id->server_loss_s = ack->server_loss_s;
	keep_identity(ag, "how long sessions may last without a server");
}

/* The same ones, in any order. */
static bool same_addrs(const struct sotto_addrs *a, const struct sotto_addrs *b)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (!sotto_addrs_have(b, &a->a[i]))
			return false;
	return a->n == b->n;
}

/* Sessions for other addresses would carry what nobody believes: no first packet waits for that. */
static void take_own_name(struct agent *ag, const struct sotto_msg_hello_ack *ack)
{
	struct identity *id = ag->id;
	bool moved = !same_addrs(&id->addrs, &ack->addrs);

	/* without any there would be nothing to read back at the next start */
	if ((!moved && !strcmp(id->name, ack->name)) || !ack->addrs.n)
		return;
	if (moved) {
		session_drop_all(ag);
		report_dropped(ag);
	}
	sotto_notice("the server knows this host as %s with %u addresses now",
		     ack->name, ack->addrs.n);
	snprintf(id->name, sizeof(id->name), "%s", ack->name);
	id->addrs = ack->addrs;
	keep_identity(ag, "this host's new addresses");
	policy_own_addrs(ag);
}

/*
 * Said under the key that is believed: from here on only the new one is. The
 * association that stands goes on; a new one proves the new key soon.
 */
static void take_realm_key(struct agent *ag, const uint8_t key[SOTTO_PUB_LEN])
{
	struct identity *id = ag->id;
	struct association *a = &ag->assoc;
	char text[44];

	if (sotto_all_zero(key, SOTTO_PUB_LEN) || !memcmp(id->server_key, key, SOTTO_PUB_LEN))
		return;
	memcpy(id->server_key, key, SOTTO_PUB_LEN);
	sotto_notice("the realm has a new key, %s; the former one is not believed any more",
		     sotto_key_text(text, key));
	keep_identity(ag, "the realm's new key");
	sotto_wipe(&a->ticket, sizeof(a->ticket));
	a->renew_ms = sotto_now_ms() + randombytes_uniform(ASSOC_ROLL_MS);
}

/* 0, and what comes too late to be of use, is as if nothing was said. */
static uint32_t said_ms(uint32_t s, uint32_t most_ms, uint32_t usual_ms)
{
	return s && s <= most_ms / 1000 ? s * 1000 : usual_ms;
}

static uint32_t renew_after(uint32_t rekey_s)
{
	uint32_t ms = said_ms(rekey_s, SOTTO_ASSOC_HARD_MS, DEFAULT_RENEW_MS);

	/* up to a tenth earlier, so that not all members come at once */
	return ms - randombytes_uniform(ms / 10 + 1);
}

static void say_bye(struct assoc_chan *c, enum sotto_refusal why)
{
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE, .bye.reason = why };

	sotto_chan_note(&c->ch, &bye);
}

/* The new channel takes the old one's place, and what was asked on it. */
static void promote(struct agent *ag, const struct sotto_msg_hello_ack *ack)
{
	struct association *a = &ag->assoc;
	uint64_t now = sotto_now_ms();
	bool was_down = a->down_ms || a->home != a->server;

	if (current(ag)->open) {
		sotto_chan_adopt(&next(ag)->ch, &current(ag)->ch, now);
		/* or it would believe for a while that it knows our sessions */
		if (a->home != a->server)
			say_bye(current(ag), SOTTO_REFUSAL_CLOSED);
		sotto_chan_close(&current(ag)->ch);
		current(ag)->open = false;
	}
	a->current = !a->current;
	for (int i = 0; i < 2; i++)
		if (&a->socks[i] != current(ag)->sock)
			assoc_close_sock(&a->socks[i]);
	a->state = ASSOC_STEADY;
	a->down_ms = 0;
	a->home = a->server;
	strcpy(a->home_text, a->server_text);
	a->tried = 0;
	a->doubted = false;
	a->home_ms = now + ASSOC_HOME_MS;
	a->revoked = false;
	a->backoff_ms = ASSOC_BACKOFF_FIRST_MS;
	/* a resumption puts nothing off */
	if (!a->resumed || a->renew_ms <= now)
		a->renew_ms = now + renew_after(ack->rekey_s);
	a->ticket = ack->ticket;
	memcpy(a->ticket_secret, ack->ticket_secret, sizeof(a->ticket_secret));
	a->keepalive_ms = said_ms(ack->keepalive_s, SOTTO_ASSOC_DEAD_MS, SOTTO_KEEPALIVE_MS);
	a->keepalive_out = false;
	a->loss_at_ms = 0;
	pins_realm(ag, ack->first_use);
	memset(&a->trouble, 0, sizeof(a->trouble));
	snprintf(a->server_version, sizeof(a->server_version), "%s", ack->version);
	if (!was_down)
		return;
	a->since_ms = now;
	sotto_notice("server %s: associated as %s", a->server_text, ack->name);
}

/* Whether there is a NAT, and where the ends are, was settled when a session was made. */
static void look_for_nat(struct agent *ag, const struct sotto_addr *addr)
{
	struct association *a = &ag->assoc;
	char seen[SOTTO_ADDR_STR];
	struct sotto_addr ours;
	bool natted, moved;

	/* that of the channel which brought this: another one may be tried beside it */
	if (!assoc_local(current(ag)->sock, &ours))
		return;
	natted = !sotto_addr_eq(&ours, addr);
	moved = !sotto_addr_eq(&a->seen, addr);
	if (natted && (moved || !a->natted))
		sotto_notice("this host is behind a NAT, whose address is %s",
			     sotto_addr_str(addr, seen));
	else if (!natted && a->natted)
		sotto_notice("this host is not behind a NAT any more");
	if (a->seen.len && (moved || natted != a->natted))
		session_replace_all(ag, natted == a->natted);
	a->natted = natted;
	a->seen = *addr;
}

const struct sotto_addr *assoc_twin(const struct agent *ag)
{
	const struct association *a = &ag->assoc;

	return a->twin.len && sotto_now_ms() - a->twin_ms < ASSOC_TWIN_MS ? &a->twin : NULL;
}

/* The server saw another host with our keys; both come back again and again. */
static void take_twin(struct agent *ag, const struct sotto_addr *twin)
{
	static struct sotto_ratelimit rl = SOTTO_RATELIMIT(60000, 1);
	char buf[SOTTO_ADDR_STR];

	if (!twin->len)
		return;
	ag->assoc.twin = *twin;
	ag->assoc.twin_ms = sotto_now_ms();
	sotto_log_limited(&rl, SOTTO_LOG_ERR,
			  "another host, at %s, has this host's identity, and each pushes the other out: cloned, or the keys are stolen (" TWIN_ADVICE ")",
			  sotto_addr_str(twin, buf));
}

static void on_hello(void *arg, int err, const struct sotto_msg *m)
{
	struct agent *ag = arg;

	if (err || m->type != SOTTO_MSG_HELLO_ACK) {
		if (err != SOTTO_E_CLOSED)
			ag->assoc.hello_failed = true;
		if (!err && m->type == SOTTO_MSG_ERROR)
			assoc_trouble(ag, sotto_refusal_name(m->error.reason), "",
				      "the server refuses: %s", m->error.text[0] ?
				      m->error.text : sotto_refusal_text(m->error.reason));
		return;
	}
	promote(ag, &m->hello_ack);
	take_own_name(ag, &m->hello_ack);
	take_loss(ag, &m->hello_ack);
	take_realm_key(ag, m->hello_ack.realm_key);
	look_for_nat(ag, &m->hello_ack.seen_addr);
	take_twin(ag, &m->hello_ack.twin);
	policy_hello(ag, m->hello_ack.policy_version);
	offers_now(ag, assoc_channel(ag));
	report_live(ag);
	ask_retry(ag);
}

void handshake_done(struct agent *ag, struct sotto_hs_result *res)
{
	struct association *a = &ag->assoc;
	struct assoc_chan *c = next(ag);
	uint64_t now = sotto_now_ms();

	if (c->open)
		sotto_chan_close(&c->ch);
	offers_forget(ag);
	c->ag = ag;
	c->open = true;
	c->sock = a->sock;
	c->sent.any = false;
	sotto_chan_init(&c->ch, &res->keys, &chan_ops, c, now);
	a->state = ASSOC_HELLO;
	if (request_hello(ag, &c->ch, on_hello))
		a->hello_failed = true;
}

/* Channels must not be closed under their own callbacks: here they may. */
void assoc_settle(struct agent *ag)
{
	struct association *a = &ag->assoc;

	if (!a->hello_failed)
		return;
	a->hello_failed = false;
	if (next(ag)->open) {
		sotto_chan_close(&next(ag)->ch);
		next(ag)->open = false;
	}
	offers_forget(ag);
	if (!assoc_explained(ag))
		assoc_trouble(ag, "no_answer", "the agent goes on trying",
			      "%s went silent", a->server_text);
	handshake_failed(ag);
}

/* ---- time ---- */

static void on_keepalive(void *arg, int err, const struct sotto_msg *m)
{
	struct agent *ag = arg;

	ag->assoc.keepalive_out = false;
	if (!err && m->type == SOTTO_MSG_ACK && m->ack.seen.len)
		look_for_nat(ag, &m->ack.seen);
	if (!err)
		report_more(ag);
	if (err == SOTTO_E_TIMEOUT)
		assoc_doubt(ag);
}

static uint64_t keepalive_due(struct agent *ag)
{
	const struct sotto_chan *ch = assoc_channel(ag);

	if (!ch || ag->assoc.keepalive_out || ag->assoc.down_ms)
		return UINT64_MAX;
	/* nothing more can be asked, and what is unanswered says as much */
	if (ch->calls_n >= SOTTO_CALLS_MAX)
		return UINT64_MAX;
	return ch->rx_ms + ag->assoc.keepalive_ms;
}

static void ask_keepalive(struct agent *ag, uint64_t now)
{
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };

	ag->assoc.keepalive_out = !sotto_chan_request(assoc_channel(ag), now, &m,
						      ASSOC_PROBE_MS, on_keepalive, ag, NULL);
}

static void keepalive(struct agent *ag, uint64_t now)
{
	if (now >= keepalive_due(ag))
		ask_keepalive(ag, now);
}

void assoc_probe(struct agent *ag)
{
	if (keepalive_due(ag) == UINT64_MAX)
		return;
	ask_keepalive(ag, sotto_now_ms());
	assoc_kick(ag);
}

/* The list is in the order of preference, for all members: so that all meet at one. */
static void go_home(struct agent *ag, uint64_t now)
{
	struct association *a = &ag->assoc;

	a->home_ms = now + ASSOC_HOME_MS;
	a->server = 0;
	a->moved = true;
	handshake_begin(ag);
}

static void attempt_tick(struct agent *ag, uint64_t now)
{
	struct association *a = &ag->assoc;

	switch (a->state) {
	case ASSOC_RESTING:
		if (now >= a->retry_ms)
			handshake_begin(ag);
		break;
	case ASSOC_RESOLVING:
		if (now >= a->resolve_ms)
			resolved(ag, "no answer yet");
		break;
	case ASSOC_HANDSHAKE:
		handshake_tick(ag, now);
		break;
	case ASSOC_STEADY:
		if (now >= a->renew_ms)
			handshake_begin(ag);
		else if (a->home && now >= a->home_ms)
			go_home(ag, now);
		break;
	default:
		break;
	}
	/* the old channel may still work, but nobody should count on it */
	if ((a->state == ASSOC_HANDSHAKE || a->state == ASSOC_HELLO) &&
	    now - a->hs_begun_ms >= ASSOC_PATIENCE_MS && !stands(ag))
		mark_down(ag, a->hs_begun_ms);
}

/* No renewal came to an end for so long: the keys do not outlive that. */
static void wipe_overdue(struct agent *ag, uint64_t now)
{
	struct assoc_chan *c = current(ag);

	if (!c->open || now - c->ch.made_ms < SOTTO_ASSOC_HARD_MS)
		return;
	c->open = false;
	sotto_chan_close(&c->ch);
	mark_down(ag, now);
	ag->assoc.renew_ms = now;
}

static uint64_t min_ms(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t attempt_due(const struct agent *ag)
{
	const struct association *a = &ag->assoc;

	switch (a->state) {
	case ASSOC_RESTING:
		return a->retry_ms;
	case ASSOC_RESOLVING:
		return a->resolve_ms;
	case ASSOC_STEADY:
		return a->home ? min_ms(a->renew_ms, a->home_ms) : a->renew_ms;
	case ASSOC_HANDSHAKE:
		return min_ms(a->hs_resend_ms, handshake_ends(ag));
	default:
		return UINT64_MAX;
	}
}

void assoc_kick(struct agent *ag)
{
	struct association *a = &ag->assoc;
	uint64_t at;

	at = min_ms(attempt_due(ag), keepalive_due(ag));
	if (current(ag)->open)
		at = min_ms(at, current(ag)->ch.made_ms + SOTTO_ASSOC_HARD_MS);
	if (a->loss_at_ms)
		at = min_ms(at, a->loss_at_ms);
	if (ag->untold.n && assoc_channel(ag) && !a->down_ms)
		at = min_ms(at, ag->untold.retry_ms);
	for (int i = 0; i < 2; i++)
		if (a->chans[i].open)
			at = min_ms(at, sotto_chan_next(&a->chans[i].ch));
	sotto_timer_at(ag->loop, &a->timer, at);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct agent *ag = w->data;
	struct association *a = &ag->assoc;
	uint64_t now = sotto_now_ms();

	(void)loop;
	(void)revents;
	for (int i = 0; i < 2; i++)
		if (a->chans[i].open)
			sotto_chan_tick(&a->chans[i].ch, now);
	assoc_settle(ag);
	wipe_overdue(ag, now);
	look_for_loss(ag, now);
	keepalive(ag, now);
	if (ag->untold.n && now >= ag->untold.retry_ms)
		report_untold(ag);
	attempt_tick(ag, now);
	assoc_kick(ag);
}

void assoc_init(struct agent *ag)
{
	struct association *a = &ag->assoc;

	for (int i = 0; i < 2; i++) {
		a->socks[i].ag = ag;
		a->socks[i].fd = -1;
	}
	a->sock = &a->socks[0];
}

void assoc_start(struct agent *ag)
{
	struct association *a = &ag->assoc;

	a->backoff_ms = ASSOC_BACKOFF_FIRST_MS;
	a->keepalive_ms = SOTTO_KEEPALIVE_MS;
	a->down_ms = sotto_now_ms();
	begin_loss(ag);
	ev_init(&a->timer, on_timer);
	a->timer.data = ag;
	handshake_begin(ag);
	assoc_kick(ag);
}

void assoc_stop(struct agent *ag)
{
	struct association *a = &ag->assoc;

	/* whoever asks for this host meanwhile may wait, if its sessions live on */
	if (assoc_channel(ag))
		say_bye(current(ag), ag->leaving || a->revoked ? SOTTO_REFUSAL_CLOSED :
							SOTTO_REFUSAL_RESTARTED);
	resolve_stop(ag);
	for (int i = 0; i < 2; i++)
		if (a->chans[i].open) {
			a->chans[i].open = false;
			sotto_chan_close(&a->chans[i].ch);
		}
	sotto_hs_client_wipe(&a->hs);
	sotto_wipe(&a->ticket, sizeof(a->ticket));
	sotto_wipe(a->ticket_secret, sizeof(a->ticket_secret));
	ev_timer_stop(ag->loop, &a->timer);
	for (int i = 0; i < 2; i++)
		assoc_close_sock(&a->socks[i]);
}
