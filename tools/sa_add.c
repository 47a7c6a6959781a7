// SPDX-License-Identifier: GPL-2.0
/*
 * sotto sa add: install one direction of a session by hand.
 */
#include "sa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "keyfile.h"
#include "lib/secret.h"

#define KEY_TEXT_MAX	128	/* bytes of a key file's first line */

/* What is filled in while the words are read. */
struct sa_request {
	struct sgenl_sa sa;
	bool has_key;
};

int parse_session(const char *text, uint64_t *session)
{
	char *end;

	/* ids are printed as 16 hex digits; anything shorter is a number */
	if (strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16) {
		*session = strtoull(text, &end, 16);
		return 0;
	}
	return parse_number(text, "session id", 1, UINT64_MAX, session);
}

static int parse_addrs(char *text, struct sotto_addr *v, unsigned int *n)
{
	char *save = NULL;

	for (char *one = strtok_r(text, ",", &save); one;
	     one = strtok_r(NULL, ",", &save)) {
		if (*n == SOTTO_ADDRS_MAX)
			return fail(EXIT_USAGE, "an SA has at most %d addresses",
				    SOTTO_ADDRS_MAX);
		if (parse_address(one, &v[(*n)++]))
			return EXIT_USAGE;
	}
	return 0;
}

static int take_addrs(const char *value, struct sotto_addr *v, unsigned int *n)
{
	char *copy = strdup(value);
	int ret;

	if (!copy)
		out_of_memory();
	ret = parse_addrs(copy, v, n);
	free(copy);
	return ret;
}

static int parse_prefixes(char *text, struct sotto_prefix *list, unsigned int *n)
{
	char *save = NULL;

	for (char *one = strtok_r(text, ",", &save); one;
	     one = strtok_r(NULL, ",", &save)) {
		if (*n == SOTTO_PREFIXES_MAX)
			return fail(EXIT_USAGE, "an SA has at most %d networks behind an end",
				    SOTTO_PREFIXES_MAX);
		if (parse_prefix(one, &list[(*n)++]))
			return EXIT_USAGE;
	}
	return 0;
}

static int take_prefixes(const char *value, struct sotto_prefix *list, unsigned int *n)
{
	char *copy = strdup(value);
	int ret;

	if (!copy)
		out_of_memory();
	ret = parse_prefixes(copy, list, n);
	free(copy);
	return ret;
}

static int take_mode(struct sa_request *r, const char *value)
{
	int mode = sgenl_mode_parse(value);

	if (mode < 0)
		return fail(EXIT_USAGE, "\"%s\" is no mode; it is transport or tunnel", value);
	r->sa.mode = mode;
	return 0;
}

static int take_key_file(struct sa_request *r, const char *file)
{
	char text[KEY_TEXT_MAX];
	int ret = read_secret(file, "Key (0x and 72 hex digits)", "key", text,
			      sizeof(text));

	if (!ret)
		ret = parse_sa_key(text, &r->sa);
	sotto_wipe(text, sizeof(text));
	r->has_key = !ret;
	return ret;
}

static int take_key(struct sa_request *r, const char *value)
{
	int ret = parse_sa_key(value, &r->sa);

	if (!opts.batch)
		warn("the key on the command line can be read by every user of this machine; use key-file");
	r->has_key = !ret;
	return ret;
}

static int take_cipher(struct sa_request *r, const char *value)
{
	int cipher = sgenl_cipher_parse(value);

	if (cipher < 0)
		return fail(EXIT_USAGE,
			    "\"%s\" is no cipher; it is aes256gcm or chacha20poly1305",
			    value);
	r->sa.cipher = cipher;
	return 0;
}

static int take_name(struct sa_request *r, const char *value)
{
	if (strlen(value) >= sizeof(r->sa.peer))
		return fail(EXIT_USAGE, "the name is too long; at most %d bytes",
			    SOTTO_NAME_MAX - 1);
	strcpy(r->sa.peer, value);
	return 0;
}

/* Words with a number behind them. */
static int take_number(struct sa_request *r, const char *word, const char *value,
		       bool *known)
{
	struct sgenl_sa *sa = &r->sa;
	const struct {
		const char *word;
		void *dst;
		int size;
		uint64_t max;
	} numbers[] = {
		{ "sport", &sa->sport, 2, UINT16_MAX },
		{ "dport", &sa->dport, 2, UINT16_MAX },
		{ "seq", &sa->seq, 8, UINT64_MAX },
		{ "soft-seconds", &sa->soft_seconds, 4, UINT32_MAX },
		{ "hard-seconds", &sa->hard_seconds, 4, UINT32_MAX },
		{ "soft-packets", &sa->soft_packets, 8, UINT64_MAX },
		{ "hard-packets", &sa->hard_packets, 8, UINT64_MAX },
		{ "soft-bytes", &sa->soft_bytes, 8, UINT64_MAX },
		{ "hard-bytes", &sa->hard_bytes, 8, UINT64_MAX },
		{ "confirm-seconds", &sa->confirm_seconds, 4, UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t v;

		if (strcmp(word, numbers[i].word))
			continue;
		*known = true;
		if (parse_number(value, word, 0, numbers[i].max, &v))
			return EXIT_USAGE;
		if (numbers[i].size == 2)
			*(uint16_t *)numbers[i].dst = v;
		else if (numbers[i].size == 4)
			*(uint32_t *)numbers[i].dst = v;
		else
			*(uint64_t *)numbers[i].dst = v;
		return 0;
	}
	*known = false;
	return 0;
}

static int take_value(struct sa_request *r, const char *word, const char *value)
{
	bool known;
	int ret;

	if (!strcmp(word, "spi"))
		return parse_spi(value, &r->sa.spi);
	if (!strcmp(word, "pair-spi"))
		return parse_spi(value, &r->sa.pair_spi);
	if (!strcmp(word, "peer"))
		return take_addrs(value, r->sa.peer_addrs, &r->sa.n_peer_addrs);
	if (!strcmp(word, "local"))
		return take_addrs(value, r->sa.local_addrs, &r->sa.n_local_addrs);
	if (!strcmp(word, "endpoint"))
		return parse_address(value, &r->sa.endpoint);
	if (!strcmp(word, "cipher"))
		return take_cipher(r, value);
	if (!strcmp(word, "mode"))
		return take_mode(r, value);
	if (!strcmp(word, "behind"))
		return take_prefixes(value, r->sa.peer_prefixes, &r->sa.n_peer_prefixes);
	if (!strcmp(word, "reach"))
		return take_prefixes(value, r->sa.local_prefixes, &r->sa.n_local_prefixes);
	if (!strcmp(word, "key-file"))
		return take_key_file(r, value);
	if (!strcmp(word, "key"))
		return take_key(r, value);
	if (!strcmp(word, "name"))
		return take_name(r, value);
	if (!strcmp(word, "session"))
		return parse_session(value, &r->sa.session);
	ret = take_number(r, word, value, &known);
	return known ? ret : usage_error(sa_usage, "don't know what to do with \"%s\"", word);
}

static bool take_flag(struct sgenl_sa *sa, const char *word)
{
	const struct {
		const char *word;
		bool *dst;
	} flags[] = {
		{ "confirm", &sa->confirm }, { "probe", &sa->probe },
		{ "nat", &sa->nat }, { "keepalive", &sa->keepalive },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(word, flags[i].word)) {
			*flags[i].dst = true;
			return true;
		}
	return false;
}

static int take_words(struct args *a, struct sa_request *r)
{
	const char *word, *value;
	int ret = 0;

	while (!ret && (word = args_next(a))) {
		if (take_flag(&r->sa, word))
			continue;
		value = args_value(a, word);
		ret = value ? take_value(r, word, value) : EXIT_USAGE;
	}
	return ret;
}

static int check_complete(const struct sa_request *r)
{
	const char *missing = NULL;

	if (!r->has_key)
		missing = "key-file";
	if (!r->sa.cipher)
		missing = "cipher";
	if (!r->sa.n_peer_addrs)
		missing = "peer";
	if (!r->sa.spi)
		missing = "spi";
	if (missing)
		return usage_error(sa_usage, "\"%s\" is missing", missing);
	return 0;
}

int sa_add(struct args *a)
{
	struct sa_request r = { 0 };
	int ret;

	if (args_is(a, "out"))
		r.sa.dir = SOTTO_SA_OUT;
	else if (args_is(a, "in"))
		r.sa.dir = SOTTO_SA_IN;
	else
		return usage_error(sa_usage, "say the direction: in or out");
	ret = take_words(a, &r);
	if (!ret)
		ret = check_complete(&r);
	if (!ret)
		ret = gather_add(&r.sa);
	sotto_wipe(&r, sizeof(r));
	return ret;
}
