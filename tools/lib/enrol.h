/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The enrolment line:
 *   sotto://host:port[,host:port…]/<server key>#<code>
 *
 * The key is 32 bytes and the code 16 bytes with a 2-byte check over both, in
 * base64url without padding: 43 and 24 characters. IPv6 hosts stand in brackets;
 * ":port" may be left out (7688). The check tells a mistyped line on the spot.
 */
#ifndef SOTTO_ENROL_H
#define SOTTO_ENROL_H

#include <stdint.h>

#include "err.h"
#include "params.h"

struct sotto_endpoint {
	char host[SOTTO_HOST_MAX];	/* name or address, without brackets */
	uint16_t port;
};

/** struct sotto_enrol - an enrolment line taken apart; holds a secret. */
struct sotto_enrol {
	uint8_t n;
	struct sotto_endpoint servers[SOTTO_SERVERS_MAX];
	uint8_t server_key[SOTTO_PUB_LEN];
	uint8_t code[SOTTO_CODE_LEN];
};

/** sotto_enrol_parse() - white space around the line is ignored. */
int sotto_enrol_parse(struct sotto_enrol *e, const char *line,
		      struct sotto_errmsg *err);

/** sotto_enrol_format() - into @out of SOTTO_LINE_MAX bytes. */
int sotto_enrol_format(const struct sotto_enrol *e, char *out);

/**
 * sotto_endpoint_parse() - "host", "host:port", "[v6]:port", or a bare v6
 * Without a port it is 7688. Port 0 is taken (a listener's "any").
 */
int sotto_endpoint_parse(struct sotto_endpoint *ep, const char *text,
			 struct sotto_errmsg *err);

/** sotto_key_text() - 43 characters of base64url and NUL into @out[44]. */
char *sotto_key_text(char out[44], const uint8_t key[SOTTO_PUB_LEN]);
/** sotto_key_parse() - the reverse; also takes 64 hex digits. */
int sotto_key_parse(uint8_t key[SOTTO_PUB_LEN], const char *text);

#endif /* SOTTO_ENROL_H */
