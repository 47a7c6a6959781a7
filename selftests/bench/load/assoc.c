// SPDX-License-Identifier: GPL-2.0
/*
 * Associations: many handshakes at once, each to the answered HELLO.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "token.h"

/* A handshake under way. */
struct flight {
	uint32_t member;
	bool busy, keyed;		/* keyed: HELLO was sent */
	uint64_t begun_us, sent_us;
	uint8_t token_secret[SOTTO_SECRET_LEN];
	struct sotto_borrowed_token token;
	struct sotto_hs_client hs;
};

static struct flight flight[LOAD_FLIGHT];
static int16_t *flight_of;		/* by member: its flight, or -1 */
static unsigned int flying;
static uint64_t done;

/*
 * A handshake's index is chosen at random; here it is the member's number, by
 * which answers are found.
 */
static uint32_t next_index;

static const char *index_name(void)
{
	return "load";
}

static uint32_t index_random(void)
{
	return next_index;
}

static void setup(void)
{
	static struct randombytes_implementation impl;

	impl = randombytes_sysrandom_implementation;
	impl.implementation_name = index_name;
	impl.random = index_random;
	impl.uniform = NULL;
	randombytes_set_implementation(&impl);
	flight_of = malloc(ld.members * sizeof(*flight_of));
	if (!flight_of)
		die("out of memory");
	memset(flight_of, 0xff, ld.members * sizeof(*flight_of));
}

static void flight_end(struct flight *f)
{
	f->busy = false;
	flight_of[f->member] = -1;
	flying--;
}

static int begin_full(struct flight *f, struct sotto_token *token)
{
	uint8_t priv[SOTTO_SECRET_LEN];

	keys_private(f->member, priv);
	return sotto_hs_client_member(&f->hs, ld.realm_pub, priv, token,
				      SOTTO_FEATURES);
}

static int begin_resume(struct flight *f, struct sotto_token *token)
{
	uint8_t secret[SOTTO_SECRET_LEN];
	struct sotto_ticket ticket;

	keys_ticket(f->member, &ticket, secret);
	return sotto_hs_client_resume(&f->hs, ld.realm_pub, &ticket, secret,
				      token, SOTTO_FEATURES);
}

static void flight_begin(struct flight *f, enum assoc_how how, uint32_t member)
{
	struct sotto_token *token;

	f->member = member;
	f->busy = true;
	f->keyed = false;
	f->begun_us = now_us();
	f->sent_us = f->begun_us;
	flight_of[member] = f - flight;
	flying++;
	ld.peer[member].up = false;
	next_index = member;
	keys_token(member, f->token_secret);
	token = sotto_token_borrow(&f->token, f->token_secret);
	if (how == ASSOC_FULL ? begin_full(f, token) : begin_resume(f, token))
		die("a handshake cannot be begun");
	wire_send(member, f->hs.dgram, f->hs.len);
}

static void keyed(struct flight *f, const struct sotto_chan_keys *k)
{
	struct peer *p = &ld.peer[f->member];

	memcpy(p->tx, k->tx, 32);
	memcpy(p->rx, k->rx, 32);
	p->remote = k->remote_index;
	p->counter = 0;
	p->next_id = 1;
	p->asked_id = 0;
	f->keyed = true;
	f->sent_us = now_us();
	peer_hello(f->member);
}

void assoc_input(uint32_t index, const uint8_t *dgram, size_t len)
{
	struct sotto_hs_result res;
	struct flight *f;

	if (!flight_of || flight_of[index] < 0)
		return;
	f = &flight[flight_of[index]];
	if (f->keyed)
		return;
	switch (sotto_hs_client_input(&f->hs, dgram, len, &res)) {
	case SOTTO_HS_DONE:
		keyed(f, &res.keys);
		break;
	case SOTTO_HS_RESEND:
		f->sent_us = now_us();
		wire_send(index, f->hs.dgram, f->hs.len);
		break;
	case SOTTO_HS_HINTED:
		ld.refused++;
		break;
	case SOTTO_HS_FAILED:
		if (ld.mad)
			break;
		die("member %u: the server's answer does not open", index);
	default:
		break;
	}
}

void assoc_hello_acked(uint32_t member, const uint8_t *body, size_t len)
{
	struct flight *f;

	(void)body;
	(void)len;
	if (!flight_of || flight_of[member] < 0)
		return;
	f = &flight[flight_of[member]];
	ld.peer[member].up = true;
	sample_add(now_us() - f->begun_us);
	done++;
	flight_end(f);
}

static void resend(enum assoc_how how, uint64_t now, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct flight *f = &flight[i];

		if (!f->busy || now - f->sent_us < LOAD_RESEND_US)
			continue;
		f->sent_us = now;
		ld.timeouts++;
		/* half open too long: the server has forgotten it */
		if (ld.mad || now - f->begun_us > LOAD_GIVE_UP_US) {
			flight_end(f);
			flight_begin(f, how, f->member);
		} else if (f->keyed) {
			peer_hello(f->member);
		} else {
			wire_send(f->member, f->hs.dgram, f->hs.len);
		}
	}
}

static uint32_t begin_more(enum assoc_how how, uint32_t next, uint32_t end,
			   uint32_t n)
{
	uint32_t i;
	int begun = 0;

	for (i = 0; i < n && next < end && begun < LOAD_BATCH; i++) {
		if (flight[i].busy)
			continue;
		flight_begin(&flight[i], how, next++);
		begun++;
	}
	return next;
}

void assoc_run(enum assoc_how how, uint32_t first, uint32_t n, uint32_t window)
{
	uint64_t begin = now_us();
	uint32_t next = first, end = first + n;
	struct usage u = usage_now();
	int ms = 0;

	if (!flight_of)
		setup();
	if (window > LOAD_FLIGHT)
		window = LOAD_FLIGHT;
	done = 0;
	while (done < n) {
		next = begin_more(how, next, end, window);
		if (next > ld.up_n)
			ld.up_n = next;
		wire_poll(1000);
		peer_alive();
		if (!(++ms % 256))
			resend(how, now_us(), window);
		if (now_us() - begin > 290000000ull)
			die("associations take too long: %u of %u", (unsigned int)done, n);
	}
	report(how == ASSOC_FULL ? "associate_full" : "associate_resumed", done,
	       (now_us() - begin) / 1e6, &u);
}
