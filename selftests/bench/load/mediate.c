// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: a random member asks for another, which accepts.
 */
#include <sodium.h>
#include <string.h>

#include "load.h"

static uint8_t request[SOTTO_BODY_MAX], accept_[SOTTO_BODY_MAX];
static size_t request_len, accept_len;
static uint8_t *request_dst, *request_id, *request_eph, *accept_id;
static uint64_t asked;			/* in all: makes request ids unique */
static uint32_t under_way;
static uint64_t done;

static void encode(struct sotto_msg *m, uint8_t *body, size_t *len)
{
	if (sotto_msg_encode(m, body, SOTTO_BODY_MAX, len))
		die("a message cannot be encoded");
}

static void encode_templates(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REQUEST };

	m.request.request_id = 1;
	keys_address(0, &m.request.dst);
	randombytes_buf(m.request.eph_pub, SOTTO_PUB_LEN);
	m.request.spi = 4096;
	m.request.ciphers.n = 1;
	m.request.ciphers.c[0] = SOTTO_CIPHER_AES256_GCM;
	encode(&m, request, &request_len);
	request_dst = (uint8_t *)attr_find(request, request_len,
					   SOTTO_ATTR_DESTINATION, NULL) + 1;
	request_id = (uint8_t *)attr_find(request, request_len,
					  SOTTO_ATTR_REQUEST_ID, NULL);
	request_eph = (uint8_t *)attr_find(request, request_len,
					   SOTTO_ATTR_EPHEMERAL, NULL);
	memset(&m, 0, sizeof(m));
	m.type = SOTTO_MSG_SESSION_ACCEPT;
	m.accept.session_id = 1;
	randombytes_buf(m.accept.eph_pub, SOTTO_PUB_LEN);
	m.accept.spi = 4097;
	encode(&m, accept_, &accept_len);
	accept_id = (uint8_t *)attr_find(accept_, accept_len,
					 SOTTO_ATTR_SESSION_ID, NULL);
}

static uint32_t some_member(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (x >> 16) % ld.up_n;
}

static void ask(uint32_t a, const struct sotto_addr *dst, uint64_t now)
{
	asked++;
	memcpy(request_dst, dst->b, 4);
	memcpy(request_id, &asked, 8);
	memcpy(request_eph, &asked, 8);
	ld.peer[a].asked_us = now;
	ld.peer[a].asked_id = peer_request(a, SOTTO_MSG_SESSION_REQUEST,
					   request, request_len);
	under_way++;
}

/* Never both of the other: one of the two would only double what was just made. */
static bool asks(uint32_t a, uint32_t b)
{
	uint32_t ahead = (b + ld.up_n - a) % ld.up_n;

	return ahead && ahead <= ld.up_n / 2;
}

static bool ask_one(uint64_t now)
{
	uint32_t a = some_member(), b = some_member();
	struct sotto_addr dst;

	if (!asks(a, b) || ld.peer[a].asked_id || !ld.peer[a].up ||
	    !ld.peer[b].up)
		return false;
	keys_address(b, &dst);
	ask(a, &dst, now);
	return true;
}

void mediate_offer(uint32_t member, uint32_t id, const uint8_t *body,
		   size_t len)
{
	const uint8_t *sid = attr_find(body, len, SOTTO_ATTR_SESSION_ID, NULL);

	ld.offers++;
	/* of a run before this one, perhaps */
	if (!sid || !accept_len)
		return;
	memcpy(accept_id, sid, 8);
	peer_answer(member, id, SOTTO_MSG_SESSION_ACCEPT, accept_, accept_len);
}

void mediate_answer(uint32_t member, uint16_t type)
{
	struct peer *p = &ld.peer[member];

	p->asked_id = 0;
	under_way--;
	if (type != SOTTO_MSG_SESSION_GRANT) {
		ld.refused++;
		return;
	}
	done++;
	p->granted = true;
	ld.grants++;
	ld.held++;
	sample_add(now_us() - p->asked_us);
}

/* Nothing is repeated: what is lost is counted, and given up. */
static void give_up(uint64_t now)
{
	static uint64_t last;
	uint32_t i;

	if (now - last < LOAD_GIVE_UP_US)
		return;
	last = now;
	for (i = 0; i < ld.members; i++) {
		if (!ld.peer[i].asked_id ||
		    now - ld.peer[i].asked_us < LOAD_GIVE_UP_US)
			continue;
		ld.peer[i].asked_id = 0;
		under_way--;
		ld.timeouts++;
	}
}

static void ask_more(uint64_t now, uint64_t begin, uint64_t before,
		     uint32_t window, uint32_t rate)
{
	uint64_t due = rate ? before + (now - begin) * rate / 1000000 : UINT64_MAX;
	int tries = 4 * LOAD_BATCH;

	while (tries-- && under_way < window && asked < due)
		ask_one(now);
}

static void drain(void)
{
	uint64_t end = now_us() + LOAD_GIVE_UP_US;

	while (under_way && now_us() < end)
		wire_poll(10000);
}

void mediate_run(double seconds, uint32_t window, uint32_t rate)
{
	uint64_t begin = now_us(), before, now, last, end;
	struct usage u = usage_now();

	if (!request_len)
		encode_templates();
	before = asked;
	done = 0;
	last = begin;
	end = begin + (uint64_t)(seconds * 1e6);
	while ((now = now_us()) < end) {
		if (now - last > ld.turn_max_us)
			ld.turn_max_us = now - last;
		last = now;
		ask_more(now, begin, before, window, rate);
		peer_alive();
		/* who never sleeps is made to, for much longer, at real-time priority */
		wire_poll(rate ? LOAD_PACE_US : 0);
		give_up(now);
	}
	if (!rate)
		ld.session_rate = done / ((now - begin) / 1e6);
	report(rate ? "sessions_paced" : "sessions", done,
	       (now - begin) / 1e6, &u);
	drain();
}

/* Those that have none yet, in turn; true once all have. */
static bool ask_rest(const struct sotto_addr *dst, uint32_t n, uint64_t now)
{
	uint32_t i, left = 0;

	for (i = 0; i < n; i++) {
		if (ld.peer[i].granted)
			continue;
		left++;
		if (!ld.peer[i].asked_id && under_way < LOAD_WITH_ONE)
			ask(i, dst, now);
	}
	return !left;
}

void mediate_with(const struct sotto_addr *dst, uint32_t n)
{
	uint64_t end = now_us() + 4 * LOAD_GIVE_UP_US;
	uint32_t i;

	if (!request_len)
		encode_templates();
	for (i = 0; i < n; i++)
		ld.peer[i].granted = false;
	while (!ask_rest(dst, n, now_us())) {
		if (now_us() > end)
			die("not all members get a session");
		wire_poll(1000);
		give_up(now_us());
	}
}
