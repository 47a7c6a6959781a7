// SPDX-License-Identifier: GPL-2.0
/*
 * Datagrams of the control port before there is a channel, on both sides: as
 * they come, and with what authentication would keep out put right, so that the
 * code behind it is reached.
 */
#include "fuzz.h"

#include "handshake.h"
#include "noise.h"

static uint8_t server[32], server_pub[32], member[32], member_pub[32];
static uint8_t mac_key[32], secret[32], code[SOTTO_CODE_LEN];
static struct sotto_token *token;

static void begin(void)
{
	if (token)
		return;
	fuzz_begin();
	noise_keypair(server, server_pub);
	noise_keypair(member, member_pub);
	sotto_hs_mac_key(server_pub, mac_key);
	token = sotto_token_memory(secret);
}

static void read_init(const struct sotto_init_view *v)
{
	struct sotto_chan_keys keys;
	uint8_t out[SOTTO_DGRAM_MAX];
	struct noise_hs hs;
	struct sotto_msg m;
	size_t n;

	if (v->kind == SOTTO_HS_RESUME) {
		sotto_hs_server_resume(v, secret, token, 1, out, &n, &keys);
		return;
	}
	if (!sotto_hs_server_read(&hs, v, server, &m)) {
		sotto_hs_server_member(&hs, token);
		sotto_hs_server_write(&hs, v->index, 1, 0, out, &n, &keys);
	}
	noise_wipe(&hs);
}

static void as_server(const uint8_t *dgram, size_t len)
{
	struct sotto_addr from = { .len = 4 };
	struct sotto_init_view v;
	struct sotto_cookies ck;
	uint32_t index;

	sotto_dgram_index(dgram, len, &index);
	if (sotto_init_parse(&v, dgram, len))
		return;
	sotto_init_mac_valid(&v, mac_key);
	sotto_cookies_init(&ck, 0);
	sotto_cookie_valid(&ck, 0, &from, 1, v.cookie);
	read_init(&v);
}

static void as_agent(const uint8_t *dgram, size_t len, bool resume)
{
	struct sotto_ticket ticket = { .n = SOTTO_TICKET_MIN };
	struct sotto_hs_client c;
	struct sotto_hs_result res;
	uint8_t copy[SOTTO_DGRAM_MAX];

	if (resume)
		sotto_hs_client_resume(&c, server_pub, &ticket, secret, token, 1);
	else
		sotto_hs_client_member(&c, server_pub, member, token, 0);
	sotto_hs_client_input(&c, dgram, len, &res);
	/* the same, as if it were an answer to this very handshake */
	if (len >= 24 && len <= sizeof(copy)) {
		memcpy(copy, dgram, len);
		copy[4] = c.index >> 24;
		copy[5] = c.index >> 16;
		copy[6] = c.index >> 8;
		copy[7] = c.index;
		memcpy(copy + 8, c.dgram + 8, 16);
		sotto_hs_client_input(&c, copy, len, &res);
	}
	sotto_hs_client_wipe(&c);
}

/* A message 1 of ours, whose every byte the input changes. */
static void changed_init(const uint8_t *data, size_t len)
{
	struct sotto_hs_client c;
	struct sotto_init_view v;
	size_t i;

	sotto_hs_client_enrol(&c, server_pub, member, code, 0);
	for (i = 0; i < len && i < c.len; i++)
		c.dgram[i] ^= data[i];
	if (!sotto_init_parse(&v, c.dgram, c.len))
		read_init(&v);
	sotto_hs_client_wipe(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	begin();
	if (len > SOTTO_DGRAM_MAX)
		return 0;
	as_server(data, len);
	as_agent(data, len, false);
	as_agent(data, len, true);
	changed_init(data, len);
	return 0;
}
