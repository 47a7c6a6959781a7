// SPDX-License-Identifier: GPL-2.0
/*
 * The sealed channel: datagrams as they come, and frames that the other end
 * sealed. Input: records of {length (2, the top bit: raw), bytes}.
 */
#include "fuzz.h"

#include "chan.h"
#include "handshake.h"

static struct sotto_chan ch;
static uint64_t tx;
static unsigned int depth;

static void on_send(void *arg, const uint8_t *dgram, size_t len)
{
	(void)arg;
	(void)dgram;
	MUST(len <= SOTTO_DGRAM_MAX);
}

static void on_answer(void *arg, int err, const struct sotto_msg *m)
{
	(void)arg;
	MUST(err || m);
}

static void on_request(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct sotto_msg keepalive = { .type = SOTTO_MSG_KEEPALIVE };

	(void)arg;
	if (m->type == SOTTO_MSG_HELLO)
		return;			/* never answered */
	if (m->type == SOTTO_MSG_LIVE)
		sotto_chan_error(&ch, 2, id, SOTTO_REFUSAL_LIMIT, "no");
	else
		sotto_chan_ack(&ch, 2, id);
	if (depth++ < 4)
		sotto_chan_request(&ch, 2, &keepalive, 0, on_answer, NULL,
				   NULL);
}

static const struct sotto_chan_ops ops = {
	.send = on_send,
	.request = on_request,
};

static void put64(uint8_t *p, uint64_t v, int little)
{
	int i;

	for (i = 0; i < 8; i++)
		p[i] = v >> 8 * (little ? i : 7 - i);
}

/* As Documentation/protocol.md has it, section 4. */
static void input_sealed(const uint8_t *frame, size_t len)
{
	uint8_t d[SOTTO_DGRAM_MAX] = { SOTTO_DGRAM_DATA, 1, 0, 0, 0, 0, 0, 7 };
	uint8_t nonce[12] = { 0 };
	unsigned long long n;

	if (len + SOTTO_DATA_HEADER + SOTTO_TAG_LEN > sizeof(d))
		return;
	put64(d + 8, tx, 0);
	put64(nonce + 4, tx++, 1);
	crypto_aead_chacha20poly1305_ietf_encrypt(d + SOTTO_DATA_HEADER, &n,
						  frame, len, d,
						  SOTTO_DATA_HEADER, NULL,
						  nonce, ch.keys.rx);
	MUST(sotto_chan_input(&ch, 2, d, SOTTO_DATA_HEADER + n) !=
	     SOTTO_E_AUTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sotto_chan_keys keys = { .local_index = 7, .remote_index = 8 };
	struct sotto_msg hello = { .type = SOTTO_MSG_KEEPALIVE };

	fuzz_begin();
	tx = 0;
	depth = 0;
	memset(keys.rx, 1, sizeof(keys.rx));
	sotto_chan_init(&ch, &keys, &ops, NULL, 1);
	sotto_chan_request(&ch, 1, &hello, 0, on_answer, NULL, NULL);
	while (len >= 2) {
		size_t n = (data[0] & 0x7f) << 8 | data[1];
		int raw = data[0] >> 7;

		data += 2;
		len -= 2;
		n = n < len ? n : len;
		if (raw)
			sotto_chan_input(&ch, 2, data, n);
		else
			input_sealed(data, n);
		data += n;
		len -= n;
	}
	sotto_chan_tick(&ch, 500);
	sotto_chan_close(&ch);
	return 0;
}
