// SPDX-License-Identifier: GPL-2.0
/*
 * $SOTTO_ETC/sotto.conf.
 */
#include "conf.h"

#include <stdio.h>
#include <string.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "../tools/lib/conf.h"
#include "../tools/lib/enrol.h"
#include "../tools/lib/genl_obj.h"
#include "../tools/lib/log.h"
#include "../tools/lib/paths.h"

#define UP_TIMEOUT_S	15	/* default of up_timeout */
#define VALUE_MAX	512	/* bytes of a value that is taken apart */

/* Without instructions for it, AES is several times slower than ChaCha20. */
static bool cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes");
#elif defined(__aarch64__)
	return getauxval(AT_HWCAP) & HWCAP_AES;
#else
	return false;
#endif
}

static void default_ciphers(struct sotto_ciphers *c)
{
	bool aes = cpu_has_aes();

	c->n = 2;
	c->c[0] = aes ? SOTTO_CIPHER_AES256_GCM : SOTTO_CIPHER_CHACHA20_POLY1305;
	c->c[1] = aes ? SOTTO_CIPHER_CHACHA20_POLY1305 : SOTTO_CIPHER_AES256_GCM;
}

static bool has_cipher(const struct sotto_ciphers *c, int cipher)
{
	return memchr(c->c, cipher, c->n) != NULL;
}

static int read_ciphers(struct sotto_ciphers *c, char *words)
{
	char *save = NULL;

	c->n = 0;
	for (char *w = strtok_r(words, " ,\t", &save); w;
	     w = strtok_r(NULL, " ,\t", &save)) {
		int cipher = sgenl_cipher_parse(w);

		if (cipher < 0 || has_cipher(c, cipher) || c->n == SOTTO_CIPHERS_MAX)
			return SOTTO_E_VALUE;
		c->c[c->n++] = cipher;
	}
	return c->n ? 0 : SOTTO_E_VALUE;
}

static int set_ciphers(const struct sotto_conf_key *k, const char *v,
		       char *want, size_t n)
{
	char words[VALUE_MAX];

	snprintf(want, n, "auto, or a list of aes256gcm and chacha20poly1305");
	if (!strcmp(v, "auto")) {
		default_ciphers(k->dst);
		return 0;
	}
	snprintf(words, sizeof(words), "%s", v);
	return read_ciphers(k->dst, words);
}

static struct conf_pin *find_pin(struct conf *conf, const char *name)
{
	for (unsigned int i = 0; i < conf->n_pins; i++)
		if (!strcmp(conf->pins[i].name, name))
			return &conf->pins[i];
	return NULL;
}

/* May stand several times: each adds one. Which of two keys is meant cannot be known. */
static int set_pin(const struct sotto_conf_key *k, const char *v,
		   char *want, size_t n)
{
	struct conf *conf = k->dst;
	struct conf_pin *pin = &conf->pins[conf->n_pins], *other;
	char words[VALUE_MAX];
	char *save = NULL, *name, *key;

	snprintf(want, n, "a member's name and its static key, at most %d times",
		 CONF_PINS_MAX);
	snprintf(words, sizeof(words), "%s", v);
	name = strtok_r(words, " \t", &save);
	key = strtok_r(NULL, " \t", &save);
	if (!key || strtok_r(NULL, " \t", &save) || !sotto_name_valid(name) ||
	    conf->n_pins == CONF_PINS_MAX || sotto_key_parse(pin->key, key))
		return SOTTO_E_VALUE;
	other = find_pin(conf, name);
	if (other && memcmp(other->key, pin->key, sizeof(pin->key))) {
		snprintf(want, n, "one key for %s: line %d has another", name, other->line);
		return SOTTO_E_VALUE;
	}
	snprintf(pin->name, sizeof(pin->name), "%s", name);
	pin->line = sotto_conf_line();
	conf->n_pins++;
	return 0;
}

const uint8_t *conf_pin(const struct conf *conf, const char *name)
{
	const struct conf_pin *pin = find_pin((struct conf *)conf, name);

	return pin ? pin->key : NULL;
}

int conf_load(struct conf *conf, const char *path, struct sotto_errmsg *err)
{
	const struct sotto_conf_key keys[] = {
		{ "agent", "log_level", sotto_conf_log_level, &conf->log_level, 0, 0 },
		{ "agent", "ciphers", set_ciphers, &conf->ciphers, 0, 0 },
		{ "agent", "pin", set_pin, conf, 0, 0 },
		{ "agent", "trust_on_first_use", sotto_conf_bool, &conf->first_use, 0, 0 },
		{ "agent", "up_timeout", sotto_conf_seconds, &conf->up_timeout, 1, 3600 },
		{ "network", "data_port", sotto_conf_u32, &conf->data_port, 1, 65535 },
	};
	char usual[SOTTO_PATH_MAX];

	memset(conf, 0, sizeof(*conf));
	conf->log_level = SOTTO_LOG_INFO;
	conf->data_port = SOTTO_DEFAULT_DATA_PORT;
	conf->up_timeout = UP_TIMEOUT_S;
	default_ciphers(&conf->ciphers);
	if (!path)
		path = sotto_path(usual, SOTTO_ETC, CONF_FILE);
	return sotto_conf_load(path, keys, sizeof(keys) / sizeof(keys[0]), err);
}
