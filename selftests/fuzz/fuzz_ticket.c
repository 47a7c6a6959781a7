// SPDX-License-Identifier: GPL-2.0
/*
 * Resumption tickets: as they come, and true ones of which some bytes are changed:
 * such a one must not open, and one that is untouched must.
 */
#include "fuzz.h"

#include "../../server/ticket.h"

#define NOW	1000000000

static struct tickets keys = {
	.key = { { .id = 1, .since = NOW, .k = { 1 } }, { .id = 2, .since = NOW, .k = { 2 } } },
};

static void as_it_comes(const uint8_t *data, size_t len)
{
	uint8_t copy[SOTTO_TICKET_MAX];
	struct ticket_content c;

	if (len > sizeof(copy))
		len = sizeof(copy);
	memcpy(copy, data, len);
	ticket_open(&keys, copy, len, NOW, &c);
	/* under a key that there is */
	if (len > 4) {
		memcpy(copy, &keys.key[copy[0] & 1].id, 4);
		ticket_open(&keys, copy, len, NOW, &c);
	}
}

static void changed(const uint8_t *data, size_t len)
{
	struct ticket_content c = { .member = 7, .made = NOW }, got;
	struct sotto_ticket t = { 0 };
	bool same = true;
	size_t i;

	ticket_make(&keys, &c, &t);
	for (i = 0; i < t.n && i < len; i++) {
		t.b[i] ^= data[i];
		same = same && !data[i];
	}
	MUST(!ticket_open(&keys, t.b, t.n, NOW, &got) == same);
	MUST(!same || !memcmp(&got, &c, sizeof(c)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_begin();
	as_it_comes(data, len);
	changed(data, len);
	return 0;
}
