// SPDX-License-Identifier: GPL-2.0
/*
 * The enrolment line.
 */
#include "enrol.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "buf.h"
#include "secret.h"

#define SCHEME		"sotto://"
#define KEY_TEXT	43	/* characters of base64url */
#define CODE_TEXT	24
#define CHECK_LEN	2	/* bytes */
#define B64		sodium_base64_VARIANT_URLSAFE_NO_PADDING

char *sotto_key_text(char out[44], const uint8_t key[SOTTO_PUB_LEN])
{
	return sodium_bin2base64(out, 44, key, SOTTO_PUB_LEN, B64);
}

static int from_base64(uint8_t *out, size_t len, const char *text,
		       size_t text_len)
{
	size_t got;

	if (sodium_base642bin(out, len, text, text_len, NULL, &got, NULL, B64))
		return SOTTO_E_BAD;
	return got == len ? 0 : SOTTO_E_BAD;
}

int sotto_key_parse(uint8_t key[SOTTO_PUB_LEN], const char *text)
{
	if (strlen(text) == 2 * SOTTO_PUB_LEN)
		return sotto_unhex(key, SOTTO_PUB_LEN, text);
	return from_base64(key, SOTTO_PUB_LEN, text, strlen(text));
}

static void line_check(const struct sotto_enrol *e, uint8_t out[CHECK_LEN])
{
	crypto_generichash_state st;
	uint8_t full[16];

	crypto_generichash_init(&st, NULL, 0, sizeof(full));
	crypto_generichash_update(&st, e->server_key, sizeof(e->server_key));
	crypto_generichash_update(&st, e->code, sizeof(e->code));
	crypto_generichash_final(&st, full, sizeof(full));
	memcpy(out, full, CHECK_LEN);
	sotto_wipe(&st, sizeof(st));
	sotto_wipe(full, sizeof(full));
}

static bool host_valid(const char *host)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	struct sotto_addr addr;

	if (!sotto_addr_parse(&addr, host))
		return true;
	return *host && host[strspn(host, ok)] == 0;
}

static int parse_port(const char *text, uint16_t *port)
{
	unsigned int n = 0, digits = 0;

	for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++)
		n = n * 10 + (*text - '0');
	if (*text || !digits || n > 65535)
		return SOTTO_E_BAD;
	*port = n;
	return 0;
}

/* Finds where the host ends; a bare IPv6 address has colons of its own. */
static const char *split_host(const char *text, const char **host, size_t *len)
{
	const char *colon, *end;

	*host = text;
	if (*text == '[') {
		*host = text + 1;
		end = strchr(text, ']');
		*len = end ? (size_t)(end - *host) : 0;
		return end ? end + 1 : NULL;
	}
	colon = strchr(text, ':');
	if (!colon || strchr(colon + 1, ':'))
		colon = text + strlen(text);
	*len = colon - text;
	return colon;
}

int sotto_endpoint_parse(struct sotto_endpoint *ep, const char *text,
			 struct sotto_errmsg *err)
{
	const char *host, *rest;
	size_t len;

	rest = split_host(text, &host, &len);
	if (!rest || len == 0 || len >= sizeof(ep->host))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.100s' is not HOST, HOST:PORT or [IPV6]:PORT",
				 text);
	memcpy(ep->host, host, len);
	ep->host[len] = 0;
	ep->port = SOTTO_DEFAULT_CONTROL_PORT;
	if (!host_valid(ep->host))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.100s' is neither a host name nor an address",
				 ep->host);
	if (*rest && (*rest != ':' || parse_port(rest + 1, &ep->port)))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.100s': the port is a number up to 65535", text);
	return 0;
}

static int parse_servers(struct sotto_enrol *e, char *list,
			 struct sotto_errmsg *err)
{
	char *save = NULL, *one;
	int rc;

	for (one = strtok_r(list, ",", &save); one;
	     one = strtok_r(NULL, ",", &save)) {
		if (e->n == SOTTO_SERVERS_MAX)
			return sotto_err(err, SOTTO_E_LIMIT,
					 "the enrolment line names more than %d servers",
					 SOTTO_SERVERS_MAX);
		rc = sotto_endpoint_parse(&e->servers[e->n], one, err);
		if (rc)
			return rc;
		if (!e->servers[e->n].port)
			return sotto_err(err, SOTTO_E_BAD,
					 "the enrolment line has a server at port 0");
		e->n++;
	}
	if (!e->n)
		return sotto_err(err, SOTTO_E_BAD,
				 "the enrolment line names no server");
	return 0;
}

static int parse_secrets(struct sotto_enrol *e, const char *text,
			 struct sotto_errmsg *err)
{
	uint8_t code[SOTTO_CODE_LEN + CHECK_LEN], check[CHECK_LEN];
	int rc = 0;

	if (strlen(text) != KEY_TEXT + 1 + CODE_TEXT || text[KEY_TEXT] != '#')
		return sotto_err(err, SOTTO_E_BAD,
				 "the enrolment line is incomplete: after the server come /KEY#CODE, %d and %d characters",
				 KEY_TEXT, CODE_TEXT);
	if (from_base64(e->server_key, sizeof(e->server_key), text, KEY_TEXT) ||
	    from_base64(code, sizeof(code), text + KEY_TEXT + 1, CODE_TEXT))
		rc = sotto_err(err, SOTTO_E_BAD,
			       "the enrolment line has a character that cannot be in it");
	if (!rc) {
		memcpy(e->code, code, sizeof(e->code));
		line_check(e, check);
		if (memcmp(check, code + SOTTO_CODE_LEN, CHECK_LEN))
			rc = sotto_err(err, SOTTO_E_BAD,
				       "the enrolment line is mistyped: key and code don't fit each other");
	}
	sotto_wipe(code, sizeof(code));
	return rc;
}

static int parse_copy(struct sotto_enrol *e, char *line,
		      struct sotto_errmsg *err)
{
	char *slash;
	int rc;

	if (strncmp(line, SCHEME, strlen(SCHEME)))
		return sotto_err(err, SOTTO_E_BAD,
				 "an enrolment line begins with " SCHEME);
	line += strlen(SCHEME);
	slash = strchr(line, '/');
	if (!slash)
		return sotto_err(err, SOTTO_E_BAD,
				 "the enrolment line is incomplete: after the server come /KEY#CODE");
	*slash = 0;
	rc = parse_secrets(e, slash + 1, err);
	return rc ? rc : parse_servers(e, line, err);
}

int sotto_enrol_parse(struct sotto_enrol *e, const char *line,
		      struct sotto_errmsg *err)
{
	static const char space[] = " \t\r\n";
	char copy[SOTTO_LINE_MAX];
	size_t len;
	int rc;

	memset(e, 0, sizeof(*e));
	line += strspn(line, space);
	len = strcspn(line, space);
	if (len >= sizeof(copy))
		return sotto_err(err, SOTTO_E_BAD,
				 "the enrolment line is too long");
	if (line[len + strspn(line + len, space)])
		return sotto_err(err, SOTTO_E_BAD,
				 "there is something after the enrolment line");
	memcpy(copy, line, len);
	copy[len] = 0;
	rc = parse_copy(e, copy, err);
	if (rc)
		sotto_wipe(e, sizeof(*e));
	sotto_wipe(copy, sizeof(copy));
	return rc;
}

static size_t format_server(char *out, size_t cap,
			    const struct sotto_endpoint *ep, bool first)
{
	bool v6 = strchr(ep->host, ':');

	return snprintf(out, cap, "%s%s%s%s:%u", first ? "" : ",",
			v6 ? "[" : "", ep->host, v6 ? "]" : "", ep->port);
}

int sotto_enrol_format(const struct sotto_enrol *e, char *out)
{
	uint8_t code[SOTTO_CODE_LEN + CHECK_LEN];
	size_t at = strlen(SCHEME);
	int i;

	if (!e->n || e->n > SOTTO_SERVERS_MAX)
		return SOTTO_E_VALUE;
	strcpy(out, SCHEME);
	for (i = 0; i < e->n; i++) {
		at += format_server(out + at, SOTTO_LINE_MAX - at,
				    &e->servers[i], i == 0);
		if (at + KEY_TEXT + CODE_TEXT + 3 > SOTTO_LINE_MAX)
			return SOTTO_E_SPACE;
	}
	out[at++] = '/';
	sotto_key_text(out + at, e->server_key);
	at += KEY_TEXT;
	out[at++] = '#';
	memcpy(code, e->code, SOTTO_CODE_LEN);
	line_check(e, code + SOTTO_CODE_LEN);
	sodium_bin2base64(out + at, CODE_TEXT + 1, code, sizeof(code), B64);
	sotto_wipe(code, sizeof(code));
	return 0;
}
