// SPDX-License-Identifier: GPL-2.0
/*
 * authd.conf: every key has a default; an absent or empty file is fine.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "authd.h"
#include "conf.h"

#define DAY	86400u

static const char *const cipher_names[] = {
	[SOTTO_CIPHER_AES256_GCM] = "aes256gcm",
	[SOTTO_CIPHER_CHACHA20_POLY1305] = "chacha20poly1305",
};

static void defaults(struct authd_conf *c)
{
	*c = (struct authd_conf) {
		.log_level = SOTTO_LOG_INFO,
		.workers = 1,
		.code_lifetime = DAY,
		.cookie_rate = AUTHD_COOKIE_RATE,
		.source_rate = AUTHD_SOURCE_RATE,
		.protect_members = true,
		.ciphers = "aes256gcm, chacha20poly1305",
		.life = {
			.soft_s = 2700,
			.hard_s = 3600,
			.soft_packets = 1ull << 33,
			.hard_packets = 1ull << 34,
		},
	};
	snprintf(c->listen, sizeof(c->listen), "[::]:%d",
		 SOTTO_DEFAULT_CONTROL_PORT);
}

static int add_cipher(struct sotto_ciphers *cs, const char *name)
{
	unsigned int i;

	for (i = 1; i < __SOTTO_CIPHER_MAX; i++) {
		if (strcmp(name, cipher_names[i]))
			continue;
		if (!memchr(cs->c, i, cs->n))
			cs->c[cs->n++] = i;
		return 0;
	}
	return SOTTO_E_VALUE;
}

static int set_ciphers(const struct sotto_conf_key *k, const char *value,
		       char *want, size_t n)
{
	struct authd_conf *c = k->dst;
	char list[sizeof(c->ciphers)], *save = NULL, *one;

	snprintf(want, n, "aes256gcm, chacha20poly1305, or both");
	if (strlen(value) >= sizeof(list))
		return SOTTO_E_VALUE;
	strcpy(list, value);
	memset(&c->permitted, 0, sizeof(c->permitted));
	for (one = strtok_r(list, ", ", &save); one;
	     one = strtok_r(NULL, ", ", &save))
		if (add_cipher(&c->permitted, one))
			return SOTTO_E_VALUE;
	return c->permitted.n ? 0 : SOTTO_E_VALUE;
}

/* A list of places; @fits says which. -1: not all of them do, else how many there are. */
static int count_places(const char *value, bool (*fits)(const struct sotto_endpoint *ep))
{
	char list[sizeof(((struct authd_conf *)0)->endpoints)], *save = NULL, *one;
	struct sotto_endpoint ep;
	int n = 0;

	if (strlen(value) >= sizeof(list))
		return -1;
	strcpy(list, value);
	for (one = strtok_r(list, ", ", &save); one;
	     one = strtok_r(NULL, ", ", &save), n++)
		if (sotto_endpoint_parse(&ep, one, NULL) || !fits(&ep))
			return -1;
	return n;
}

static bool is_address(const struct sotto_endpoint *ep)
{
	struct sotto_addr addr;

	return !sotto_addr_parse(&addr, ep->host);
}

static bool has_port(const struct sotto_endpoint *ep)
{
	return ep->port;
}

static int set_listen(const struct sotto_conf_key *k, const char *value,
		      char *want, size_t n)
{
	snprintf(want, n, "addresses of this host, as 10.0.0.1 or [::]:7688");
	if (strlen(value) >= k->max || count_places(value, is_address) < 1)
		return SOTTO_E_VALUE;
	strcpy(k->dst, value);
	return 0;
}

static int set_endpoint(const struct sotto_conf_key *k, const char *value,
			char *want, size_t n)
{
	int places = count_places(value, has_port);

	snprintf(want, n, "up to %d hosts, as gw.example or [fd00::1]:7688",
		 SOTTO_SERVERS_MAX);
	if (strlen(value) >= k->max || places < 0 || places > SOTTO_SERVERS_MAX)
		return SOTTO_E_VALUE;
	strcpy(k->dst, value);
	return 0;
}

/* What members do with their sessions when no server answers. */
static int set_server_loss(const struct sotto_conf_key *k, const char *value,
			   char *want, size_t n)
{
	struct authd_conf *c = k->dst;
	const struct sotto_conf_key seconds = {
		.dst = &c->server_loss, .min = 1, .max = 30 * DAY,
	};

	if (strcmp(value, "keep"))
		return sotto_conf_seconds(&seconds, value, want, n);
	c->server_loss = 0;
	return 0;
}

static int check_life(const struct authd_conf *c, const char *path,
		      struct sotto_errmsg *err)
{
	const struct sotto_lifetimes *l = &c->life;

	if (l->soft_s > l->hard_s ||
	    (l->hard_packets && l->soft_packets > l->hard_packets) ||
	    (l->hard_bytes && l->soft_bytes > l->hard_bytes))
		return sotto_err(err, SOTTO_E_VALUE,
				 "%s: [session]: a soft limit is above its hard limit",
				 path);
	return 0;
}

int authd_conf_load(struct authd_conf *c, const char *path,
		    struct sotto_errmsg *err)
{
	const struct sotto_conf_key keys[] = {
		{ "server", "listen", set_listen, c->listen,
		  0, sizeof(c->listen) },
		{ "server", "endpoint", set_endpoint, c->endpoints,
		  0, sizeof(c->endpoints) },
		{ "server", "log_level", sotto_conf_log_level, &c->log_level,
		  0, 0 },
		{ "server", "metrics_port", sotto_conf_u32, &c->metrics_port,
		  0, 65535 },
		{ "server", "workers", sotto_conf_u32, &c->workers,
		  1, AUTHD_WORKERS_MAX },
		{ "limits", "cookie_rate", sotto_conf_u32, &c->cookie_rate,
		  0, 10000000 },
		{ "limits", "source_rate", sotto_conf_u32, &c->source_rate,
		  1, 10000000 },
		{ "realm", "code_lifetime", sotto_conf_seconds,
		  &c->code_lifetime, 60, 30 * DAY },
		{ "realm", "protect_members", sotto_conf_bool,
		  &c->protect_members, 0, 0 },
		{ "realm", "trust_on_first_use", sotto_conf_bool,
		  &c->first_use, 0, 0 },
		{ "session", "on_server_loss", set_server_loss, c, 0, 0 },
		{ "session", "ciphers", set_ciphers, c, 0, 0 },
		{ "session", "soft_time", sotto_conf_seconds, &c->life.soft_s,
		  5, 30 * DAY },
		{ "session", "hard_time", sotto_conf_seconds, &c->life.hard_s,
		  10, 30 * DAY },
		{ "session", "soft_packets", sotto_conf_u64,
		  &c->life.soft_packets, 0, 1ull << 62 },
		{ "session", "hard_packets", sotto_conf_u64,
		  &c->life.hard_packets, 0, 1ull << 62 },
		{ "session", "soft_bytes", sotto_conf_u64, &c->life.soft_bytes,
		  0, 1ull << 62 },
		{ "session", "hard_bytes", sotto_conf_u64, &c->life.hard_bytes,
		  0, 1ull << 62 },
	};
	const struct sotto_conf_key ciphers = { .dst = c };
	char want[64];
	int rc;

	defaults(c);
	set_ciphers(&ciphers, c->ciphers, want, sizeof(want));
	rc = sotto_conf_load(path, keys, sizeof(keys) / sizeof(keys[0]), err);
	return rc ? rc : check_life(c, path, err);
}
