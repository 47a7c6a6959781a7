// SPDX-License-Identifier: GPL-2.0
/*
 * Static keys of members this host had sessions with, by name.
 */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tools/lib/enrol.h"
#include "../tools/lib/file.h"
#include "../tools/lib/log.h"
#include "../tools/lib/paths.h"
#include "../tools/lib/proto.h"

#define LINE_MAX_BYTES	128	/* a name, a key and what stands between */

/* Where @name is, or would be. */
static size_t position(const struct peers *p, const char *name)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(p->v[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct peer *find(const struct peers *p, const char *name)
{
	size_t i = position(p, name);

	return i < p->n && !strcmp(p->v[i].name, name) ? &p->v[i] : NULL;
}

static struct peer *insert(struct peers *p, const char *name)
{
	size_t i = position(p, name);

	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct peer *v = reallocarray(p->v, cap, sizeof(*v));

		if (!v)
			return NULL;
		p->v = v;
		p->cap = cap;
	}
	memmove(&p->v[i + 1], &p->v[i], (p->n - i) * sizeof(*p->v));
	p->n++;
	memset(&p->v[i], 0, sizeof(p->v[i]));
	snprintf(p->v[i].name, sizeof(p->v[i].name), "%s", name);
	return &p->v[i];
}

const uint8_t *peers_find(const struct peers *p, const char *name)
{
	const struct peer *peer = find(p, name);

	return peer ? peer->pub : NULL;
}

int peers_set(struct peers *p, const char *name, const uint8_t pub[SOTTO_PUB_LEN])
{
	struct peer *peer = find(p, name);

	if (!peer)
		peer = insert(p, name);
	if (!peer)
		return SOTTO_E_NOMEM;
	memcpy(peer->pub, pub, SOTTO_PUB_LEN);
	return 0;
}

void peers_remove(struct peers *p, const char *name)
{
	size_t i = position(p, name);

	if (i == p->n || strcmp(p->v[i].name, name))
		return;
	p->n--;
	memmove(&p->v[i], &p->v[i + 1], (p->n - i) * sizeof(*p->v));
}

static int take_line(struct peers *p, char *line)
{
	char *save = NULL;
	char *name = strtok_r(line, " \n", &save);
	char *key = strtok_r(NULL, " \n", &save);
	uint8_t pub[SOTTO_PUB_LEN];

	if (!key || !sotto_name_valid(name) || sotto_key_parse(pub, key))
		return SOTTO_E_BAD;
	return peers_set(p, name, pub);
}

int peers_load(struct peers *p, const char *file)
{
	char path[SOTTO_PATH_MAX], line[LINE_MAX_BYTES];
	FILE *f = fopen(sotto_path(path, SOTTO_STATE, file), "re");
	int ret = 0;

	if (!f)
		return errno == ENOENT ? 0 : SOTTO_E_IO;
	while (fgets(line, sizeof(line), f))
		if (take_line(p, line))
			ret = SOTTO_E_IO;
	fclose(f);
	return ret;
}

int peers_write(const struct peers *p, const char *file, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], key[44];
	char *text = malloc(p->n * LINE_MAX_BYTES + 1);
	size_t len = 0;
	int ret;

	if (!text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	for (size_t i = 0; i < p->n; i++)
		len += snprintf(text + len, LINE_MAX_BYTES, "%s %s\n", p->v[i].name,
				sotto_key_text(key, p->v[i].pub));
	ret = sotto_file_write(sotto_path(path, SOTTO_STATE, file), 0600, true, text, len,
			       err);
	free(text);
	return ret;
}

void peers_key(const struct peers *p, const char *name, uint8_t pub[SOTTO_PUB_LEN])
{
	const struct peer *peer = find(p, name);

	if (peer)
		memcpy(pub, peer->pub, SOTTO_PUB_LEN);
	else
		memset(pub, 0, SOTTO_PUB_LEN);
}

/* One short write with O_APPEND: whole or not at all, as far as it matters. */
static void append(const struct peer *peer)
{
	char path[SOTTO_PATH_MAX], line[LINE_MAX_BYTES], key[44];
	int len = snprintf(line, sizeof(line), "%s %s\n", peer->name,
			   sotto_key_text(key, peer->pub));
	int fd = open(sotto_path(path, SOTTO_STATE, PEERS_FILE),
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, len) != len)
		sotto_warn("cannot write %s; after a restart the key of %s is not known",
			   path, peer->name);
	if (fd >= 0)
		close(fd);
}

void peers_note(struct peers *p, const char *name, const uint8_t pub[SOTTO_PUB_LEN])
{
	struct peer *peer = find(p, name);

	if (peer && !memcmp(peer->pub, pub, SOTTO_PUB_LEN))
		return;
	if (!peers_set(p, name, pub))
		append(find(p, name));
}

void peers_free(struct peers *p)
{
	free(p->v);
	memset(p, 0, sizeof(*p));
}
