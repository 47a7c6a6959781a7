// SPDX-License-Identifier: GPL-2.0
/*
 * Sealed datagrams of the members, in and out.
 */
#include <string.h>

#include "buf.h"
#include "load.h"
#include "noise.h"

#define FRAME_HEADER	8
#define REQUEST		1
#define ANSWER		2

static uint8_t hello_body[SOTTO_BODY_MAX];
static size_t hello_len;
static uint64_t boots = 1;

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

void peer_say(uint32_t member, uint8_t kind, uint32_t id, uint16_t type,
	      const uint8_t *body, size_t len)
{
	uint8_t dgram[SOTTO_DGRAM_MAX], frame[SOTTO_DGRAM_MAX];
	struct peer *p = &ld.peer[member];
	struct sotto_wbuf w;

	sotto_wbuf_init(&w, frame, sizeof(frame));
	sotto_put_u8(&w, kind);
	sotto_put_u8(&w, 0);
	sotto_put_u16(&w, type);
	sotto_put_u32(&w, id);
	sotto_put_bytes(&w, body, len);
	sotto_wbuf_init(&w, dgram, sizeof(dgram));
	sotto_put_u8(&w, SOTTO_DGRAM_DATA);
	sotto_put_u8(&w, SOTTO_PROTO_VERSION);
	sotto_put_u16(&w, 0);
	sotto_put_u32(&w, p->remote);
	sotto_put_u64(&w, p->counter);
	len = mutate_frame(frame, FRAME_HEADER + len,
			   FRAME_HEADER + SOTTO_BODY_MAX);
	noise_seal(p->tx, p->counter++, dgram, SOTTO_DATA_HEADER, frame, len,
		   dgram + SOTTO_DATA_HEADER);
	p->spoke_s = now_us() / 1000000;
	wire_send(member, dgram, SOTTO_DATA_HEADER + len + SOTTO_TAG_LEN);
}

uint32_t peer_request(uint32_t member, uint16_t type, const uint8_t *body,
		      size_t len)
{
	uint32_t id = ld.peer[member].next_id++;

	peer_say(member, REQUEST, id, type, body, len);
	return id;
}

void peer_answer(uint32_t member, uint32_t id, uint16_t type,
		 const uint8_t *body, size_t len)
{
	peer_say(member, ANSWER, id, type, body, len);
}

const uint8_t *attr_find(const uint8_t *body, size_t len, uint8_t attr,
			 size_t *value_len)
{
	while (len >= 3) {
		size_t n = body[1] << 8 | body[2];

		if (n + 3 > len)
			return NULL;
		if (body[0] == attr) {
			if (value_len)
				*value_len = n;
			return body + 3;
		}
		body += n + 3;
		len -= n + 3;
	}
	return NULL;
}

static void encode_hello(uint64_t policy_version)
{
	struct sotto_msg m = { .type = SOTTO_MSG_HELLO };

	m.hello.instance = boots;
	m.hello.listing = 1;
	m.hello.policy_version = policy_version;
	m.hello.ciphers.n = 2;
	m.hello.ciphers.c[0] = SOTTO_CIPHER_AES256_GCM;
	m.hello.ciphers.c[1] = SOTTO_CIPHER_CHACHA20_POLY1305;
	m.hello.data_port = 7689;
	strcpy(m.hello.version, "load");
	if (sotto_msg_encode(&m, hello_body, sizeof(hello_body), &hello_len))
		die("hello cannot be encoded");
	ld.policy_version = policy_version;
}

void peer_setup(void)
{
	encode_hello(1);
}

void peer_boot(void)
{
	boots++;
	encode_hello(ld.policy_version);
}

void peer_hello(uint32_t member)
{
	peer_request(member, SOTTO_MSG_HELLO, hello_body, hello_len);
}

void peer_alive(void)
{
	uint64_t now = now_us();
	uint64_t due = (now - ld.alive_us) * ld.up_n / (LOAD_ALIVE_S * 1000000ull);

	if (!due)
		return;
	ld.alive_us = now;
	while (due--) {
		uint32_t i = ld.alive_next++ % ld.up_n;

		if (ld.peer[i].up &&
		    now / 1000000 - ld.peer[i].spoke_s >= LOAD_ALIVE_S / 2)
			peer_request(i, SOTTO_MSG_KEEPALIVE, NULL, 0);
	}
}

static void hello_acked(uint32_t member, const uint8_t *body, size_t len)
{
	size_t n;
	const uint8_t *v = attr_find(body, len, SOTTO_ATTR_POLICY_VERSION, &n);

	/* the others need not be sent the policy */
	if (v && n == 8) {
		uint64_t version = (uint64_t)get32(v) << 32 | get32(v + 4);

		if (version != ld.policy_version)
			encode_hello(version);
	}
	assoc_hello_acked(member, body, len);
}

static void acknowledge(uint32_t member, uint32_t id, uint16_t type)
{
	if (type == SOTTO_MSG_PEER_GONE)
		revoke_gone(member);
	peer_answer(member, id, SOTTO_MSG_ACK, NULL, 0);
}

static void input_frame(uint32_t member, const uint8_t *f, size_t len)
{
	uint16_t type = f[2] << 8 | f[3];
	uint32_t id = get32(f + 4);

	len -= FRAME_HEADER;
	if (f[0] == REQUEST && type == SOTTO_MSG_SESSION_OFFER)
		mediate_offer(member, id, f + FRAME_HEADER, len);
	else if (f[0] == REQUEST)
		acknowledge(member, id, type);
	else if (type == SOTTO_MSG_HELLO_ACK)
		hello_acked(member, f + FRAME_HEADER, len);
	else if (ld.peer[member].asked_id == id && id)
		mediate_answer(member, type);
}

void wire_input(const uint8_t *dgram, size_t len)
{
	uint8_t frame[SOTTO_DGRAM_MAX];
	uint32_t index;
	enum sotto_dgram type = sotto_dgram_index(dgram, len, &index);

	if (index >= ld.members) {
		ld.strays++;
		return;
	}
	if (type != SOTTO_DGRAM_DATA) {
		assoc_input(index, dgram, len);
		return;
	}
	if (len < SOTTO_DATA_MIN ||
	    noise_open(ld.peer[index].rx, (uint64_t)get32(dgram + 8) << 32 |
		       get32(dgram + 12), dgram, SOTTO_DATA_HEADER,
		       dgram + SOTTO_DATA_HEADER, len - SOTTO_DATA_HEADER,
		       frame)) {
		ld.strays++;
		return;
	}
	ld.answered++;
	input_frame(index, frame, len - SOTTO_DATA_HEADER - SOTTO_TAG_LEN);
}
