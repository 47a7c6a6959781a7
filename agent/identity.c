// SPDX-License-Identifier: GPL-2.0
/*
 * Who this host is in its realm.
 */
#include "identity.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tools/lib/buf.h"
#include "../tools/lib/file.h"
#include "../tools/lib/jx.h"
#include "../tools/lib/noise.h"
#include "../tools/lib/paths.h"
#include "../tools/lib/secret.h"

#define ENROLMENT_VERSION	1
#define ENROLMENT_MAX		(64 << 10)	/* bytes of enrolment.json */
#define NAME_MAX_BYTES		64		/* of a key file's name */

static const char enrolment_file[] = "agent/enrolment.json";

bool identity_exists(void)
{
	char path[SOTTO_PATH_MAX];

	return !access(sotto_path(path, SOTTO_STATE, enrolment_file), F_OK);
}

/* "static-1a2b3c4d.key": named by the key pair, so that old and new never meet. */
static const char *key_path(char *path, const char *kind,
			    const uint8_t pub[SOTTO_PUB_LEN])
{
	char name[NAME_MAX_BYTES], hex[9];

	snprintf(name, sizeof(name), "agent/%s-%s.key", kind, sotto_hex(hex, pub, 4));
	return sotto_path(path, SOTTO_STATE, name);
}

static const char *pending_path(char *path, const uint8_t code_id[SOTTO_CODE_ID_LEN])
{
	char name[NAME_MAX_BYTES], hex[17];

	snprintf(name, sizeof(name), "agent/pending-%s.key", sotto_hex(hex, code_id, 8));
	return sotto_path(path, SOTTO_STATE, name);
}

static int read_key(const char *path, uint8_t key[SOTTO_SECRET_LEN],
		    struct sotto_errmsg *err)
{
	size_t len;
	int ret = sotto_file_read(path, true, key, SOTTO_SECRET_LEN, &len, err);

	if (!ret && len != SOTTO_SECRET_LEN)
		ret = sotto_err(err, SOTTO_E_BAD, "%s is damaged: it has %zu bytes, not %d",
				path, len, SOTTO_SECRET_LEN);
	return ret;
}

static int get_name(struct identity *id, const json_t *o, struct sotto_errmsg *err)
{
	const char *name;
	int ret = sotto_jx_string(o, "name", &name, err);

	if (ret)
		return ret;
	if (!sotto_name_valid(name))
		return sotto_err(err, SOTTO_E_BAD, "\"name\" is no member's name");
	snprintf(id->name, sizeof(id->name), "%s", name);
	return 0;
}

static int get_key(const json_t *o, const char *name, uint8_t key[SOTTO_PUB_LEN],
		   struct sotto_errmsg *err)
{
	const char *text;
	int ret = sotto_jx_string(o, name, &text, err);

	if (!ret && sotto_key_parse(key, text))
		ret = sotto_err(err, SOTTO_E_BAD, "\"%s\" is no key", name);
	return ret;
}

static int get_addresses(struct identity *id, const json_t *o, struct sotto_errmsg *err)
{
	const json_t *list = json_object_get(o, "addresses");
	size_t n = json_array_size(list);

	if (!n || n > SOTTO_ADDRS_MAX)
		return sotto_err(err, SOTTO_E_BAD, "\"addresses\" has %zu entries", n);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || sotto_addr_parse(&id->addrs.a[i], text))
			return sotto_err(err, SOTTO_E_BAD, "an address is malformed");
	}
	id->addrs.n = n;
	return 0;
}

static int get_server(struct identity *id, const json_t *o, struct sotto_errmsg *err)
{
	struct sotto_endpoint *ep = &id->servers[id->n_servers];
	const char *host, *resolved;
	uint64_t port;
	int ret = sotto_jx_string(o, "host", &host, err);

	if (!ret)
		ret = sotto_jx_u64(o, "port", 1, 65535, &port, err);
	if (ret)
		return ret;
	if (strlen(host) >= sizeof(ep->host))
		return sotto_err(err, SOTTO_E_BAD, "\"host\" is too long");
	strcpy(ep->host, host);
	ep->port = port;
	resolved = json_string_value(json_object_get(o, "resolved"));
	if (resolved && sotto_addr_parse(&id->resolved[id->n_servers], resolved))
		return sotto_err(err, SOTTO_E_BAD, "\"resolved\" is no address");
	id->n_servers++;
	return 0;
}

static int get_servers(struct identity *id, const json_t *o, struct sotto_errmsg *err)
{
	const json_t *list = json_object_get(o, "servers");
	size_t n = json_array_size(list);
	int ret = 0;

	if (!n || n > SOTTO_SERVERS_MAX)
		return sotto_err(err, SOTTO_E_BAD, "\"servers\" has %zu entries", n);
	for (size_t i = 0; !ret && i < n; i++)
		ret = get_server(id, json_array_get(list, i), err);
	return ret;
}

/* Absent: the realm says nothing of it. */
static int get_loss(struct identity *id, const json_t *o, struct sotto_errmsg *err)
{
	uint64_t s = 0;
	int ret = 0;

	if (json_object_get(o, "server_loss_s"))
		ret = sotto_jx_u64(o, "server_loss_s", 0, UINT32_MAX, &s, err);
	id->server_loss_s = s;
	return ret;
}

static int parse(struct identity *id, const json_t *o, struct sotto_errmsg *err)
{
	uint64_t version;
	int ret = sotto_jx_u64(o, "version", ENROLMENT_VERSION, ENROLMENT_VERSION,
			       &version, err);

	if (!ret)
		ret = get_name(id, o, err);
	if (!ret)
		ret = get_key(o, "server_key", id->server_key, err);
	if (!ret)
		ret = get_key(o, "static_key", id->static_pub, err);
	if (!ret)
		ret = get_addresses(id, o, err);
	if (!ret)
		ret = get_servers(id, o, err);
	if (!ret)
		ret = get_loss(id, o, err);
	return ret;
}

static int load_file(struct identity *id, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], text[ENROLMENT_MAX];
	struct sotto_errmsg why = { 0 };
	json_error_t at;
	json_t *o;
	size_t len;
	int ret;

	sotto_path(path, SOTTO_STATE, enrolment_file);
	ret = sotto_file_read(path, false, text, sizeof(text), &len, err);
	if (ret)
		return ret;
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!o)
		return sotto_err(err, SOTTO_E_BAD, "%s: line %d: %s", path, at.line, at.text);
	ret = parse(id, o, &why);
	json_decref(o);
	/* a member that is absent is damage, not the absence of an enrolment */
	return ret ? sotto_err(err, SOTTO_E_BAD, "%s: %.400s", path, why.text) : 0;
}

static int load_keys(struct identity *id, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	uint8_t pub[SOTTO_PUB_LEN];
	int ret = read_key(key_path(path, "static", id->static_pub), id->static_priv, err);

	if (ret)
		return ret;
	if (crypto_scalarmult_base(pub, id->static_priv) ||
	    memcmp(pub, id->static_pub, sizeof(pub)))
		return sotto_err(err, SOTTO_E_BAD,
				 "%s does not belong to this enrolment; enrol again with --force",
				 path);
	return sotto_token_file(key_path(path, "token", id->static_pub), &id->token, err);
}

int identity_load(struct identity **out, struct sotto_errmsg *err)
{
	struct identity *id = sotto_secret_alloc(sizeof(*id));
	int ret;

	*out = NULL;
	if (!id)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	ret = load_file(id, err);
	if (ret == SOTTO_E_UNKNOWN)
		sotto_err(err, ret, "this host is not enrolled; run \"sotto enroll\" with the line that the server printed");
	if (!ret)
		ret = load_keys(id, err);
	if (ret)
		identity_free(id);
	else
		*out = id;
	return ret;
}

void identity_free(struct identity *id)
{
	if (!id)
		return;
	sotto_token_close(id->token);
	sotto_secret_free(id);
}

int identity_pending_key(const uint8_t code_id[SOTTO_CODE_ID_LEN],
			 uint8_t priv[SOTTO_SECRET_LEN], struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	uint8_t pub[SOTTO_PUB_LEN];
	int ret = sotto_mkdirs(sotto_path(path, SOTTO_STATE, "agent"), 0700, err);

	if (ret)
		return ret;
	ret = read_key(pending_path(path, code_id), priv, err);
	if (ret != SOTTO_E_UNKNOWN)
		return ret;
	noise_keypair(priv, pub);
	return sotto_file_write(path, 0600, false, priv, SOTTO_SECRET_LEN, err);
}

static json_t *addresses_json(const struct identity *id)
{
	json_t *list = json_array();
	char buf[SOTTO_ADDR_STR];

	for (unsigned int i = 0; i < id->addrs.n; i++)
		json_array_append_new(list, json_string(
			sotto_addr_str(&id->addrs.a[i], buf)));
	return list;
}

static json_t *servers_json(const struct identity *id)
{
	json_t *list = json_array();
	char buf[SOTTO_ADDR_STR];

	for (unsigned int i = 0; i < id->n_servers; i++) {
		json_t *o = json_pack("{s:s, s:i}", "host", id->servers[i].host,
				      "port", (int)id->servers[i].port);

		if (id->resolved[i].len)
			json_object_set_new(o, "resolved", json_string(
				sotto_addr_str(&id->resolved[i], buf)));
		json_array_append_new(list, o);
	}
	return list;
}

int identity_keep(const struct identity *id, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], server_key[44], static_key[44];
	json_t *o;
	char *text;
	int ret;

	sotto_key_text(server_key, id->server_key);
	sotto_key_text(static_key, id->static_pub);
	o = json_pack("{s:i, s:s, s:s, s:s, s:o, s:o}",
		      "version", ENROLMENT_VERSION, "name", id->name,
		      "server_key", server_key, "static_key", static_key,
		      "addresses", addresses_json(id), "servers", servers_json(id));
	if (o && id->server_loss_s)
		json_object_set_new(o, "server_loss_s", json_integer(id->server_loss_s));
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	sotto_path(path, SOTTO_STATE, enrolment_file);
	ret = sotto_file_write(path, 0600, true, text, strlen(text), err);
	free(text);
	return ret;
}

/* Key files that no enrolment names any more; failing to remove one costs little. */
static void remove_others(const struct identity *id)
{
	char path[SOTTO_PATH_MAX], hex[9], keep_static[NAME_MAX_BYTES],
		keep_token[NAME_MAX_BYTES];
	struct dirent *d;
	DIR *dir;

	sotto_hex(hex, id->static_pub, 4);
	snprintf(keep_static, sizeof(keep_static), "static-%s.key", hex);
	snprintf(keep_token, sizeof(keep_token), "token-%s.key", hex);
	dir = opendir(sotto_path(path, SOTTO_STATE, "agent"));
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		size_t len = strlen(d->d_name);
		bool ours = !strncmp(d->d_name, "static-", 7) ||
			    !strncmp(d->d_name, "token-", 6) ||
			    !strncmp(d->d_name, "pending-", 8);

		if (ours && len > 4 && !strcmp(d->d_name + len - 4, ".key") &&
		    strcmp(d->d_name, keep_static) && strcmp(d->d_name, keep_token))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
}

int identity_commit(const struct identity *id,
		    const uint8_t secret[SOTTO_SECRET_LEN],
		    const uint8_t code_id[SOTTO_CODE_ID_LEN],
		    struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	int ret;

	key_path(path, "static", id->static_pub);
	ret = sotto_file_write(path, 0600, true, id->static_priv, SOTTO_SECRET_LEN, err);
	if (!ret)
		ret = sotto_token_file_create(key_path(path, "token", id->static_pub),
					      true, secret, err);
	if (!ret)
		ret = identity_keep(id, err);
	if (ret)
		return ret;
	unlink(pending_path(path, code_id));
	remove_others(id);
	return 0;
}
