// SPDX-License-Identifier: GPL-2.0
/*
 * Members that go mad: true conversations in which some frames are spoilt before
 * they are sealed, and some datagrams after. Between them come messages of every
 * type, made from the protocol's tables, so that what lies behind the
 * authentication is reached.
 */
#include <string.h>

#include "buf.h"
#include "load.h"

#define ROUND_US	1000000	/* then all associate anew */
#define ATTR_MAX	80	/* bytes of a made-up value */

static uint64_t state;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % below;
}

static size_t spoil(uint8_t *p, size_t len, size_t cap)
{
	static const uint8_t edge[] = { 0, 1, 127, 128, 255 };
	size_t at = rnd(len), n;

	switch (rnd(6)) {
	case 0:			/* cut off */
		return at;
	case 1:			/* longer */
		n = rnd(cap - len + 1);
		memset(p + len, rnd(256), n);
		return len + n;
	case 2:			/* a value at the edge */
		p[at] = edge[rnd(sizeof(edge))];
		return len;
	case 3:			/* a piece twice */
		n = rnd(len - at) + 1;
		memmove(p + rnd(len - n + 1), p + at, n);
		return len;
	default:
		p[at] ^= 1 << rnd(8);
		return len;
	}
}

size_t mutate_frame(uint8_t *frame, size_t len, size_t cap)
{
	return ld.mad && !rnd(4) ? spoil(frame, len, cap) : len;
}

size_t mutate_dgram(uint8_t *dgram, size_t len, size_t cap)
{
	return ld.mad && !rnd(12) ? spoil(dgram, len, cap) : len;
}

/* A sound value where that is easily had, so that what follows is looked at. */
static size_t value(const struct sotto_field *f, uint8_t out[ATTR_MAX])
{
	struct sotto_addr a;
	size_t i, n = f->len < ATTR_MAX ? f->len : ATTR_MAX;

	switch (f->form) {
	case SOTTO_FORM_ADDR:
	case SOTTO_FORM_ADDRS:
		keys_address(rnd(ld.members + 2), &a);
		out[0] = a.len;
		memcpy(out + 1, a.b, a.len);
		return 1 + a.len;
	case SOTTO_FORM_NAME:
	case SOTTO_FORM_TEXT:
		memset(out, 'a' + rnd(26), ATTR_MAX);
		return 1 + rnd(40);
	case SOTTO_FORM_CIPHERS:
		n = 1 + rnd(3);
		break;
	case SOTTO_FORM_LIVES:
		n = 40 * rnd(3);
		break;
	case SOTTO_FORM_IDS:
		n = 8 * rnd(5);
		break;
	case SOTTO_FORM_POLICIES:
	case SOTTO_FORM_PREFIXES:
	case SOTTO_FORM_VIAS:
	case SOTTO_FORM_TICKET:
		n = rnd(ATTR_MAX);
		break;
	default:
		break;
	}
	for (i = 0; i < n; i++)
		out[i] = f->form == SOTTO_FORM_CIPHERS ? 1 + rnd(3) : rnd(256);
	return n;
}

static size_t make_body(const struct sotto_msg_desc *d, uint8_t *out, size_t cap)
{
	uint8_t v[ATTR_MAX];
	struct sotto_wbuf w;
	int i;

	sotto_wbuf_init(&w, out, cap);
	for (i = 0; i < d->n; i++) {
		size_t n;

		if (d->fields[i].optional && rnd(2))
			continue;
		n = value(&d->fields[i], v);
		sotto_put_u8(&w, d->fields[i].attr);
		sotto_put_u16(&w, n);
		sotto_put_bytes(&w, v, n);
	}
	return w.len;
}

/* As a request mostly; now and then as the answer to what nobody asked. */
static void say_something(void)
{
	static uint64_t turn;
	uint8_t body[SOTTO_BODY_MAX];
	const struct sotto_msg_desc *d;
	uint32_t member = rnd(ld.members);
	size_t n;

	d = &sotto_msg_descs(&n)[0];
	d += turn++ % n;
	n = make_body(d, body, sizeof(body));
	if (rnd(8))
		peer_request(member, d->type, body, n);
	else
		peer_say(member, rnd(5), 1 + rnd(64), d->type, body, n);
}

/*
 * All come back, one way or the other, while the others go on. What a spoilt
 * handshake leaves is cleared by the next round; the tables must not fill.
 */
void mutate_run(double seconds, uint64_t seed)
{
	uint64_t begin = now_us(), said = 0, end;
	struct usage u = usage_now();
	int i, full = 0;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	assoc_run(ASSOC_FULL, 0, ld.members, 64);
	mediate_run(.2, 16, 0);
	while (now_us() - begin < seconds * 1e6) {
		ld.mad = true;
		assoc_run(full++ % 8 ? ASSOC_RESUME : ASSOC_FULL, 0, ld.members, 64);
		for (end = now_us() + ROUND_US; now_us() < end; said += i) {
			for (i = 0; i < LOAD_BATCH; i++)
				say_something();
			wire_poll(1000);
			peer_alive();
		}
		ld.mad = false;
	}
	report("mutate", said, (now_us() - begin) / 1e6, &u);
}
