// SPDX-License-Identifier: GPL-2.0
/*
 * Messages: a type, then attributes. What is understood is written again, and
 * read again as the same.
 */
#include "fuzz.h"

#include "proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct sotto_msg m, again;
	uint8_t body[SOTTO_BODY_MAX];
	size_t n;

	if (len < 2 || len - 2 > SOTTO_BODY_MAX)
		return 0;
	if (sotto_msg_decode(&m, data[0] << 8 | data[1], data + 2, len - 2))
		return 0;
	MUST(!sotto_msg_encode(&m, body, sizeof(body), &n));
	MUST(n <= len - 2);
	MUST(!sotto_msg_decode(&again, m.type, body, n));
	MUST(!memcmp(&m, &again, sotto_msg_desc(m.type)->size));
	return 0;
}
