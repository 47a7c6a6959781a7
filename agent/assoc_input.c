// SPDX-License-Identifier: GPL-2.0
/*
 * Datagrams from the server: which channel or handshake they belong to.
 */
#include <errno.h>
#include <sys/socket.h>

#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "agent.h"

#define DGRAMS_PER_WAKE		64	/* then others in the loop have their turn */

/* Anybody can send what makes it look whether the server is there. */
static bool may_look(struct agent *ag)
{
	uint64_t now = sotto_now_ms();

	if (now - ag->assoc.hint_ms < SOTTO_HINT_MS) {
		ag->counters[COUNT_HINTS_IGNORED]++;
		return false;
	}
	ag->assoc.hint_ms = now;
	return true;
}

/* "No such association": only an echo of what we sent last is looked at. */
static void on_hint(struct agent *ag, const uint8_t *dgram, size_t len, uint32_t index)
{
	struct association *a = &ag->assoc;
	const struct assoc_chan *c = &a->chans[a->current];
	uint8_t echo[SOTTO_ECHO_LEN], low, high;
	enum sotto_hint hint;

	if (!c->open || index != c->ch.keys.remote_index ||
	    !sotto_hint_parse(dgram, len, &hint, echo, &low, &high) ||
	    hint != SOTTO_HINT_INDEX || !sotto_sent_last(&c->sent, echo))
		return;
	if (!may_look(ag))
		return;
	sotto_info("server %s: has forgotten this association (restarted?)", a->server_text);
	assoc_doubt(ag);
}

/* An ICMP error: anybody can send one. It is a reason to look, at most once a second. */
static void on_refused(struct agent *ag)
{
	struct association *a = &ag->assoc;

	assoc_trouble(ag, "refused", "start sotto-authd on the gateway",
		      "nothing listens on %s", a->server_text);
	if (!may_look(ag))
		return;
	assoc_doubt(ag);
}

static void on_data(struct agent *ag, const uint8_t *dgram, size_t len, uint32_t index)
{
	struct association *a = &ag->assoc;

	for (int i = 0; i < 2; i++) {
		struct assoc_chan *c = &a->chans[i];

		if (c->open && index == c->ch.keys.local_index) {
			sotto_chan_input(&c->ch, sotto_now_ms(), dgram, len);
			return;
		}
	}
}

static void on_dgram(struct agent *ag, const uint8_t *dgram, size_t len)
{
	struct association *a = &ag->assoc;
	uint32_t index;
	enum sotto_dgram type = sotto_dgram_index(dgram, len, &index);

	switch (type) {
	case SOTTO_DGRAM_DATA:
		on_data(ag, dgram, len, index);
		break;
	case SOTTO_DGRAM_RESP:
	case SOTTO_DGRAM_RESUMED:
	case SOTTO_DGRAM_COOKIE:
	case SOTTO_DGRAM_HINT:
		if (a->state == ASSOC_HANDSHAKE && index == a->hs.index)
			handshake_input(ag, dgram, len);
		else if (type == SOTTO_DGRAM_HINT)
			on_hint(ag, dgram, len, index);
		break;
	default:
		break;
	}
}

void assoc_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct assoc_sock *s = w->data;
	struct agent *ag = s->ag;
	uint8_t dgram[SOTTO_DGRAM_MAX + 1];

	(void)loop;
	(void)revents;
	for (int i = 0; i < DGRAMS_PER_WAKE && s->fd >= 0; i++) {
		ssize_t n = recv(s->fd, dgram, sizeof(dgram), MSG_DONTWAIT);

		if (n < 0 && errno == ECONNREFUSED) {
			on_refused(ag);
			continue;
		}
		if (n < 0)
			break;
		if (n <= SOTTO_DGRAM_MAX)
			on_dgram(ag, dgram, n);
	}
	assoc_settle(ag);
	assoc_kick(ag);
}
