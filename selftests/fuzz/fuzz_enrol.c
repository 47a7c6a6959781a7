// SPDX-License-Identifier: GPL-2.0
/*
 * What a person types or pastes: enrolment lines, endpoints, keys, addresses,
 * prefixes. What is understood is written again, and read again as the same.
 */
#include "fuzz.h"

#include "addr.h"
#include "enrol.h"

static void line(const char *text)
{
	struct sotto_enrol e, again;
	struct sotto_errmsg err;
	char out[SOTTO_LINE_MAX];

	memset(&e, 0, sizeof(e));
	memset(&again, 0, sizeof(again));
	if (sotto_enrol_parse(&e, text, &err) || sotto_enrol_format(&e, out))
		return;
	MUST(!sotto_enrol_parse(&again, out, &err));
	MUST(e.n == again.n && !memcmp(e.code, again.code, sizeof(e.code)));
}

static void words(const char *text)
{
	struct sotto_endpoint ep;
	struct sotto_prefix p, p2;
	struct sotto_addr a, a2;
	struct sotto_errmsg err;
	uint8_t key[SOTTO_PUB_LEN];
	char buf[SOTTO_PREFIX_STR];

	sotto_endpoint_parse(&ep, text, &err);
	sotto_key_parse(key, text);
	if (!sotto_addr_parse(&a, text))
		MUST(!sotto_addr_parse(&a2, sotto_addr_str(&a, buf)) &&
		     sotto_addr_eq(&a, &a2));
	if (!sotto_prefix_parse(&p, text))
		MUST(!sotto_prefix_parse(&p2, sotto_prefix_str(&p, buf)) &&
		     sotto_addr_eq(&p.addr, &p2.addr) && p.plen == p2.plen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	fuzz_begin();
	if (len > 2 * SOTTO_LINE_MAX)
		return 0;
	text = fuzz_text(data, len);
	line(text);
	words(text);
	free(text);
	return 0;
}
