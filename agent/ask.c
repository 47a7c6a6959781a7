// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions that somebody on this host wants: the initiator's side.
 */
#include "ask.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "install.h"
#include "requests.h"

#define ASK_WATCH_MS	250	/* between two looks whether there is a server */
#define SPI_KEEP_MS	20000	/* then the kernel may have let it lapse */

enum ask_state {
	ASK_WAITING,
	ASK_SENT,
	ASK_OFFERED,
};

struct waiter {
	struct waiter *next;
	uint64_t key;
	ask_done_fn fn;
	void *arg;
};

struct ask {
	struct ask *next;
	struct agent *ag;
	enum ask_state state;
	struct sotto_addr dst;
	uint64_t rekey_of;
	uint64_t made_ms, deadline_ms, sent_ms;
	uint64_t offer_id;		/* OFFERED: the session to come */
	bool over;			/* nobody waits: freed with the answer */
	bool put_off;			/* counted: others have to be answered first */
	struct sotto_msg_session_request request;
	uint8_t eph_priv[SOTTO_SECRET_LEN];
	uint64_t spi_ms;		/* when the SPI was reserved; 0 = none */
	struct waiter *waiters;
	ev_timer timer;
};

/* No SA took its SPI: the kernel need not keep it until it lapses. */
static void release_spi(struct ask *a)
{
	if (a->spi_ms)
		sgenl_sa_del(a->ag->kernel.req, SGENL_SA_BY_SPI, a->request.spi);
	a->spi_ms = 0;
}

static void ask_free(struct ask *a)
{
	struct ask **at = &a->ag->sessions.asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->ag->sessions.n_asks--;
	ev_timer_stop(a->ag->loop, &a->timer);
	release_spi(a);
	sotto_wipe(a, sizeof(*a));
	free(a);
}

/* All who wait are told, and the ask ends: at once, or with its answer. */
static void finish(struct ask *a, enum sotto_reason reason, uint32_t hold_ms)
{
	struct agent *ag = a->ag;
	struct waiter *w = a->waiters;

	a->waiters = NULL;
	a->over = true;
	ev_timer_stop(ag->loop, &a->timer);
	if (a->state != ASK_SENT)
		ask_free(a);
	while (w) {
		struct waiter *next = w->next;

		w->fn(ag, w->arg, reason, hold_ms);
		free(w);
		w = next;
	}
}

static void fail(struct ask *a, enum sotto_reason reason, uint32_t hold_ms)
{
	static struct sotto_ratelimit rl = SOTTO_RATELIMIT(5000, 20);
	char dst[SOTTO_ADDR_STR];

	/* of a session that cannot be replaced yet its own words are said */
	if (!a->rekey_of)
		sotto_log_limited(&rl, SOTTO_LOG_NOTICE, "no keys for %s: %s (%s)",
				  sotto_addr_str(&a->dst, dst), sgenl_reason_text(reason),
				  sgenl_reason_name(reason));
	finish(a, reason, hold_ms);
}

static enum sotto_reason reason_of(unsigned int refusal)
{
	switch (refusal) {
	case SOTTO_REFUSAL_NOT_MEMBER:
		return SOTTO_REASON_NOT_MEMBER;
	case SOTTO_REFUSAL_DENIED:
		return SOTTO_REASON_DENIED;
	case SOTTO_REFUSAL_PEER_OFFLINE:
		return SOTTO_REASON_PEER_OFFLINE;
	case SOTTO_REFUSAL_PEER_REFUSED:
	case SOTTO_REFUSAL_CIPHER:
		return SOTTO_REASON_PEER_REFUSED;
	case SOTTO_REFUSAL_REVOKED:
		return SOTTO_REASON_REVOKED;
	case SOTTO_REFUSAL_LIMIT:
		return SOTTO_REASON_LIMIT;
	case SOTTO_REFUSAL_PIN:
		return SOTTO_REASON_PIN;
	default:
		return SOTTO_REASON_INTERNAL;
	}
}

static void set_timer(struct ask *a, uint64_t at_ms)
{
	sotto_timer_at(a->ag->loop, &a->timer,
		       at_ms < a->deadline_ms ? at_ms : a->deadline_ms);
}

/* A fresh key pair and an SPI of the kernel's, kept when the question is repeated. */
static int make_keys(struct ask *a)
{
	struct agent *ag = a->ag;
	uint64_t now = sotto_now_ms();

	if (a->spi_ms && now - a->spi_ms < SPI_KEEP_MS)
		return 0;
	release_spi(a);
	if (sgenl_spi_alloc(ag->kernel.req, &a->request.spi)) {
		sotto_err_log("the kernel gives no SPI: %s", sgenl_error(ag->kernel.req));
		return SOTTO_E_IO;
	}
	noise_keypair(a->eph_priv, a->request.eph_pub);
	randombytes_buf(&a->request.request_id, sizeof(a->request.request_id));
	a->request.request_id |= 1;	/* never 0 */
	a->request.dst = a->dst;
	a->request.rekey_of = a->rekey_of;
	a->request.ciphers = ag->conf.ciphers;
	a->spi_ms = now;
	return 0;
}

static void ask_again(struct ask *a);

static void take_refusal(struct ask *a, const struct sotto_msg_session_refusal *r)
{
	static struct sotto_ratelimit rl = SOTTO_RATELIMIT(5000, 20);

	if (r->reason == SOTTO_REFUSAL_PENDING && r->session_id) {
		a->state = ASK_OFFERED;
		a->offer_id = r->session_id;
		if (session_find(a->ag, r->session_id))
			finish(a, SOTTO_REASON_NONE, 0);
		else
			set_timer(a, sotto_now_ms() + ASK_OFFER_MS);
		return;
	}
	if (r->session_id)	/* the server's log has it, and the peer's */
		sotto_log_limited(&rl, SOTTO_LOG_NOTICE, "session %016" PRIx64 " was refused: %s",
				  r->session_id, sotto_refusal_text(r->reason));
	a->state = ASK_WAITING;
	fail(a, reason_of(r->reason), r->hold_ms ? r->hold_ms : ASK_HOLD_MS);
}

static void take_grant(struct ask *a, const struct sotto_msg_session_grant *g)
{
	struct agent *ag = a->ag;
	enum sotto_refusal why = 0;
	struct session *s;

	a->state = ASK_WAITING;
	if (session_was_gone(ag, g->session_id)) {
		/* the same request makes another session, or is told why there is none */
		if (a->over)
			ask_free(a);
		else
			ask_again(a);
		return;
	}
	s = install_grant(ag, &a->request, a->eph_priv, g, &why);
	if (!s) {
		report_closed(ag, g->session_id, why);
		fail(a, reason_of(why), ASK_HOLD_MS);
		return;
	}
	a->spi_ms = 0;		/* the SA's now */
	finish(a, SOTTO_REASON_NONE, 0);
	ask_made(ag, s);
}

static void take_answer(struct ask *a, const struct sotto_msg *m)
{
	switch (m->type) {
	case SOTTO_MSG_SESSION_GRANT:
		take_grant(a, &m->grant);
		break;
	case SOTTO_MSG_SESSION_REFUSAL:
		take_refusal(a, &m->refusal);
		break;
	case SOTTO_MSG_ERROR:
		a->state = ASK_WAITING;
		fail(a, reason_of(m->error.reason), ASK_HOLD_MS);
		break;
	default:
		a->state = ASK_WAITING;
		fail(a, SOTTO_REASON_INTERNAL, ASK_HOLD_MS);
		break;
	}
}

static void on_answer(void *arg, int err, const struct sotto_msg *m)
{
	struct ask *a = arg;
	struct agent *ag = a->ag;

	ag->sessions.in_flight--;
	if (a->over && (err || m->type != SOTTO_MSG_SESSION_GRANT)) {
		ask_free(a);
	} else if (!err) {
		take_answer(a, m);
	} else {
		a->state = ASK_WAITING;
		if (err == SOTTO_E_CLOSED)
			ask_again(a);
		else
			fail(a, SOTTO_REASON_NO_SERVER, ASK_HOLD_MS);
	}
	ask_retry(ag);
}

static int send_request(struct ask *a)
{
	struct agent *ag = a->ag;
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REQUEST };
	uint64_t now = sotto_now_ms();
	uint64_t left = a->deadline_ms > now ? a->deadline_ms - now : 1;
	int ret;

	m.request = a->request;
	ret = sotto_chan_request(assoc_channel(ag), now, &m, left, on_answer, a, NULL);
	if (ret)
		return ret;
	ag->sessions.in_flight++;
	a->state = ASK_SENT;
	a->sent_ms = now;
	set_timer(a, now + ASSOC_DOUBT_MS);
	assoc_kick(ag);
	return 0;
}

/* Nothing can be sent now: wait for better, as long as there is hope. */
static void wait_more(struct ask *a)
{
	struct agent *ag = a->ag;
	uint64_t now = sotto_now_ms();

	a->state = ASK_WAITING;
	if (ag->assoc.revoked)
		fail(a, SOTTO_REASON_REVOKED, ASSOC_REVOKED_MS);
	else if (!assoc_reachable(ag))
		fail(a, SOTTO_REASON_NO_SERVER, ASK_HOLD_MS);
	else if (now >= a->deadline_ms)
		fail(a, SOTTO_REASON_LIMIT, ASK_HOLD_MS);
	else
		set_timer(a, ag->assoc.down_ms ? ag->assoc.down_ms + ASSOC_PATIENCE_MS :
			  UINT64_MAX);
}

static void put_off(struct ask *a)
{
	if (!a->put_off)
		a->ag->counters[COUNT_ASKS_PUT_OFF]++;
	a->put_off = true;
	wait_more(a);
}

static void ask_again(struct ask *a)
{
	struct agent *ag = a->ag;

	if (ag->assoc.down_ms || !assoc_channel(ag)) {
		wait_more(a);
		return;
	}
	if (ag->sessions.in_flight >= ASKS_IN_FLIGHT) {
		put_off(a);
		return;
	}
	if (make_keys(a)) {
		fail(a, SOTTO_REASON_LIMIT, ASK_HOLD_MS);
		return;
	}
	if (send_request(a))
		put_off(a);
}

/*
 * The channel ends a request at its deadline. Whoever waits is told earlier if
 * there is nobody at the other end.
 */
static void watch_silence(struct ask *a)
{
	struct agent *ag = a->ag;

	if (!assoc_reachable(ag)) {
		fail(a, SOTTO_REASON_NO_SERVER, ASK_HOLD_MS);
		return;
	}
	if (assoc_silent_ms(ag) >= ASSOC_DOUBT_MS)
		assoc_probe(ag);
	if (sotto_now_ms() < a->deadline_ms)
		set_timer(a, sotto_now_ms() + ASK_WATCH_MS);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ask *a = w->data;

	(void)loop;
	(void)revents;
	switch (a->state) {
	case ASK_SENT:
		watch_silence(a);
		break;
	case ASK_OFFERED:
		if (sotto_now_ms() >= a->deadline_ms)
			fail(a, SOTTO_REASON_TIMEOUT, ASK_HOLD_MS);
		else
			ask_again(a);
		break;
	default:
		ask_again(a);
		break;
	}
}

void ask_retry(struct agent *ag)
{
	struct ask *next;

	/* an ask may end here, but takes no other with it */
	for (struct ask *a = ag->sessions.asks; a; a = next) {
		next = a->next;
		if (a->state == ASK_WAITING && !a->over)
			ask_again(a);
	}
}

static struct ask *find(struct agent *ag, const struct sotto_addr *dst, uint64_t rekey_of)
{
	struct ask *a = ag->sessions.asks;

	while (a && (a->over || a->rekey_of != rekey_of || !sotto_addr_eq(&a->dst, dst)))
		a = a->next;
	return a;
}

static struct ask *make(struct agent *ag, const struct sotto_addr *dst,
			uint64_t rekey_of, uint32_t deadline_ms)
{
	struct ask *a;

	if (ag->sessions.n_asks >= ASKS_MAX) {
		ag->counters[COUNT_ASKS_REFUSED]++;
		return NULL;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->ag = ag;
	a->dst = *dst;
	a->rekey_of = rekey_of;
	a->made_ms = sotto_now_ms();
	a->deadline_ms = a->made_ms + deadline_ms;
	ev_init(&a->timer, on_timer);
	a->timer.data = a;
	a->next = ag->sessions.asks;
	ag->sessions.asks = a;
	ag->sessions.n_asks++;
	return a;
}

static bool waits_already(const struct ask *a, uint64_t key)
{
	const struct waiter *w = a->waiters;

	while (key && w && w->key != key)
		w = w->next;
	return key && w;
}

void ask_session(struct agent *ag, const struct sotto_addr *dst,
		 uint64_t rekey_of, uint32_t deadline_ms, uint64_t key,
		 ask_done_fn fn, void *arg)
{
	struct ask *a = find(ag, dst, rekey_of);
	struct waiter *w;
	bool first = !a;

	if (a && waits_already(a, key)) {
		free(arg);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (first)
		a = make(ag, dst, rekey_of, deadline_ms);
	if (!w || !a) {
		free(w);
		fn(ag, arg, SOTTO_REASON_LIMIT, ASK_HOLD_MS);
		return;
	}
	w->key = key;
	w->fn = fn;
	w->arg = arg;
	w->next = a->waiters;
	a->waiters = w;
	if (first)
		ask_again(a);
}

bool ask_rekeys(struct agent *ag, uint64_t id)
{
	const struct ask *a = ag->sessions.asks;

	while (a && (a->over || a->rekey_of != id))
		a = a->next;
	return a;
}

/* @s is what @a was asked for. */
static bool fits(const struct ask *a, const struct session *s)
{
	if (a->over)
		return false;
	if (a->state == ASK_OFFERED && a->offer_id == s->id)
		return true;
	if (a->rekey_of)
		return a->rekey_of == s->replaces;
	return session_covers(s, &a->dst);
}

void ask_made(struct agent *ag, const struct session *s)
{
	struct ask *a = ag->sessions.asks;

	while (a) {
		if (!fits(a, s)) {
			a = a->next;
			continue;
		}
		finish(a, SOTTO_REASON_NONE, 0);
		a = ag->sessions.asks;
	}
}

bool ask_wants(struct agent *ag, const struct sotto_addr *dst, uint64_t *for_ms)
{
	const struct ask *a = find(ag, dst, 0);

	*for_ms = a ? sotto_now_ms() - a->made_ms : 0;
	return a;
}

unsigned int ask_count(const struct agent *ag)
{
	return ag->sessions.n_asks;
}

void ask_stop(struct agent *ag)
{
	while (ag->sessions.asks) {
		struct ask *a = ag->sessions.asks;

		while (a->waiters) {
			struct waiter *w = a->waiters;

			a->waiters = w->next;
			free(w->arg);
			free(w);
		}
		ask_free(a);
	}
}
