// SPDX-License-Identifier: GPL-2.0
/*
 * Enrolment lines, endpoints, keys as text; strict JSON; names of errors.
 */
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "buf.h"
#include "enrol.h"
#include "jx.h"
#include "ktap.h"

static struct sotto_errmsg err;
static struct sotto_enrol e, back;
static char line[SOTTO_LINE_MAX];

static void make(const char *hosts[], int n)
{
	int i;

	memset(&e, 0, sizeof(e));
	for (i = 0; i < n; i++)
		EXPECT_EQ(sotto_endpoint_parse(&e.servers[i], hosts[i], &err), 0);
	e.n = n;
	randombytes_buf(e.server_key, 32);
	randombytes_buf(e.code, 16);
	EXPECT_EQ(sotto_enrol_format(&e, line), 0);
}

static void round_trip(void)
{
	const char *one[] = { "gw.example" };
	const char *many[] = { "gw-1.example:99", "10.0.0.1", "[fd00::1]:7000",
			       "fd00::2" };

	make(one, 1);
	EXPECT(!strncmp(line, "sotto://gw.example:7688/", 24));
	EXPECT_EQ(strlen(line), 24 + 43 + 1 + 24);
	EXPECT_EQ(sotto_enrol_parse(&back, line, &err), 0);
	EXPECT(!memcmp(&e, &back, sizeof(e)));
	make(many, 4);
	EXPECT(strstr(line, "://gw-1.example:99,10.0.0.1:7688,[fd00::1]:7000,[fd00::2]:7688/"));
	EXPECT_EQ(sotto_enrol_parse(&back, line, &err), 0);
	EXPECT(!memcmp(&e, &back, sizeof(e)));
}

static void white_space(void)
{
	char spaced[SOTTO_LINE_MAX + 16];
	const char *one[] = { "gw.example" };

	make(one, 1);
	snprintf(spaced, sizeof(spaced), "  %s\r\n\n", line);
	EXPECT_EQ(sotto_enrol_parse(&back, spaced, &err), 0);
	snprintf(spaced, sizeof(spaced), "%s x", line);
	EXPECT_EQ(sotto_enrol_parse(&back, spaced, &err), SOTTO_E_BAD);
}

/* Any character of key or code changed, dropped or doubled is found out. */
static void mistyped(void)
{
	const char *one[] = { "gw.example" };
	char typo[SOTTO_LINE_MAX + 2];
	size_t i, passed = 0, tries = 0;

	make(one, 1);
	for (i = 24; line[i]; i++) {
		strcpy(typo, line);
		typo[i] = typo[i] == 'A' ? 'B' : 'A';
		tries++;
		passed += !sotto_enrol_parse(&back, typo, &err);
		strcpy(typo + i, line + i + 1);
		EXPECT(sotto_enrol_parse(&back, typo, &err));
		strcpy(typo, line);
		memmove(typo + i + 1, typo + i, strlen(typo + i) + 1);
		EXPECT(sotto_enrol_parse(&back, typo, &err));
	}
	EXPECT(tries > 60);
	/* 16 bits of check: one in 65536 gets by */
	EXPECT_EQ(passed, 0);
	EXPECT(sodium_is_zero((uint8_t *)&back, sizeof(back)));
}

static void bad_line(const char *text, const char *word)
{
	EXPECT_EQ(sotto_enrol_parse(&back, text, &err), SOTTO_E_BAD);
	EXPECT(strstr(err.text, word));
	if (!strstr(err.text, word))
		printf("# said: %s\n", err.text);
}

static void bad_lines(void)
{
	const char *one[] = { "gw.example" };
	char text[SOTTO_LINE_MAX + 200];
	char *tail;

	make(one, 1);
	tail = strchr(line + 8, '/');
	bad_line("", "sotto://");
	bad_line("http://gw/x#y", "sotto://");
	bad_line("sotto://gw.example", "incomplete");
	bad_line("sotto://gw.example/short#code", "incomplete");
	snprintf(text, sizeof(text), "sotto://%s", tail);
	bad_line(text, "no server");
	snprintf(text, sizeof(text), "sotto://gw.example:0%s", tail);
	bad_line(text, "port 0");
	snprintf(text, sizeof(text), "sotto://gw.example:70000%s", tail);
	bad_line(text, "65535");
	snprintf(text, sizeof(text), "sotto://gw example%s", tail);
	bad_line(text, "something after");
	snprintf(text, sizeof(text), "sotto://gw;rm%s", tail);
	bad_line(text, "neither a host name");
	snprintf(text, sizeof(text), "sotto://[fd00::1%s", tail);
	bad_line(text, "[IPV6]");
	snprintf(text, sizeof(text), "%s", line);
	text[strlen(text) - 3] = '!';
	bad_line(text, "character");
	memset(text, 'a', sizeof(text));
	memcpy(text, "sotto://", 8);
	text[sizeof(text) - 1] = 0;
	bad_line(text, "too long");
	snprintf(text, sizeof(text), "sotto://a,b,c,d,e,f,g,h,i%s", tail);
	EXPECT_EQ(sotto_enrol_parse(&back, text, &err), SOTTO_E_LIMIT);
}

static void longest_line(void)
{
	char host[SOTTO_HOST_MAX];
	const char *many[SOTTO_SERVERS_MAX];
	int i;

	memset(host, 'h', sizeof(host));
	host[sizeof(host) - 1] = 0;
	for (i = 0; i < SOTTO_SERVERS_MAX; i++)
		many[i] = host;
	make(many, SOTTO_SERVERS_MAX);
	EXPECT(strlen(line) < SOTTO_LINE_MAX);
	EXPECT_EQ(sotto_enrol_parse(&back, line, &err), 0);
	EXPECT(!memcmp(&e, &back, sizeof(e)));
}

static void keys(void)
{
	uint8_t key[32], got[32];
	char text[44], hex[65];

	randombytes_buf(key, 32);
	EXPECT_EQ(strlen(sotto_key_text(text, key)), 43);
	EXPECT_EQ(sotto_key_parse(got, text), 0);
	EXPECT(!memcmp(key, got, 32));
	EXPECT_EQ(sotto_key_parse(got, sotto_hex(hex, key, 32)), 0);
	EXPECT(!memcmp(key, got, 32));
	EXPECT_EQ(sotto_key_parse(got, text + 1), SOTTO_E_BAD);
	EXPECT_EQ(sotto_key_parse(got, ""), SOTTO_E_BAD);
	hex[5] = 'g';
	EXPECT_EQ(sotto_key_parse(got, hex), SOTTO_E_BAD);
}

static void json_strict(void)
{
	static const char *const names[] = { "name", "n", NULL };
	json_t *o = json_pack("{s:s, s:s, s:i}", "cmd", "x", "name", "bob", "n",
			      -1);
	struct sotto_addr addr;
	const char *text;
	uint64_t n;

	EXPECT_EQ(sotto_jx_only(o, names, &err), 0);
	EXPECT_EQ(sotto_jx_only(o, names + 1, &err), SOTTO_E_BAD);
	EXPECT(strstr(err.text, "name"));
	EXPECT_EQ(sotto_jx_string(o, "name", &text, &err), 0);
	EXPECT_EQ(sotto_jx_string(o, "n", &text, &err), SOTTO_E_BAD);
	EXPECT_EQ(sotto_jx_string(o, "none", &text, &err), SOTTO_E_UNKNOWN);
	EXPECT_EQ(sotto_jx_u64(o, "n", 0, 5, &n, &err), SOTTO_E_BAD);
	EXPECT_EQ(sotto_jx_u64(o, "name", 0, 5, &n, &err), SOTTO_E_BAD);
	EXPECT_EQ(sotto_jx_addr(o, "name", &addr, &err), SOTTO_E_BAD);
	EXPECT(strstr(err.text, "bob"));
	json_decref(o);
	o = sotto_jx_id(0xabcull);
	EXPECT(!strcmp(json_string_value(o), "0000000000000abc"));
	json_decref(o);
}

static void errors(void)
{
	int i;

	EXPECT(!strcmp(sotto_err_name(SOTTO_E_FULL), "disk-full"));
	EXPECT(!strcmp(sotto_err_name(0), "ok"));
	EXPECT(!strcmp(sotto_err_name(-9999), "internal"));
	EXPECT(!strcmp(sotto_err_name(5), "internal"));
	for (i = 0; i < SOTTO_E_MAX_N; i++)
		EXPECT(*sotto_err_name(-i) && *sotto_err_text(-i));
}

static const struct ktap_test tests[] = {
	{ "round_trip", round_trip },
	{ "white_space", white_space },
	{ "mistyped", mistyped },
	{ "bad_lines", bad_lines },
	{ "longest_line", longest_line },
	{ "keys", keys },
	{ "json_strict", json_strict },
	{ "errors", errors },
};

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
