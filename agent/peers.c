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

#define LINE_MAX_BYTES	(128 + SOTTO_ADDRS_MAX * SOTTO_ADDR_STR) /* a name, a key, addresses */

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
	/* another key is another peer: nothing of the former's is its own */
	if (memcmp(peer->pub, pub, SOTTO_PUB_LEN))
		memset(&peer->addrs, 0, sizeof(peer->addrs));
	memcpy(peer->pub, pub, SOTTO_PUB_LEN);
	return 0;
}

const struct sotto_addrs *peers_addrs(const struct peers *p, const char *name,
				      const uint8_t pub[SOTTO_PUB_LEN])
{
	struct peer *peer = find(p, name);

	return peer && !memcmp(peer->pub, pub, SOTTO_PUB_LEN) ? &peer->addrs : NULL;
}

bool peers_add_addrs(struct peers *p, const char *name, const struct sotto_addrs *addrs)
{
	struct peer *peer = find(p, name);
	bool news = false;

	for (unsigned int i = 0; i < addrs->n; i++) {
		if (sotto_addrs_have(&peer->addrs, &addrs->a[i]) ||
		    peer->addrs.n == SOTTO_ADDRS_MAX)
			continue;
		peer->addrs.a[peer->addrs.n++] = addrs->a[i];
		news = true;
	}
	return news;
}

void peers_remove(struct peers *p, const char *name)
{
	size_t i = position(p, name);

	if (i == p->n || strcmp(p->v[i].name, name))
		return;
	p->n--;
	memmove(&p->v[i], &p->v[i + 1], (p->n - i) * sizeof(*p->v));
}

static int take_addrs(struct sotto_addrs *addrs, char *list)
{
	char *save = NULL;

	for (char *a = strtok_r(list, ",", &save); a; a = strtok_r(NULL, ",", &save))
		if (addrs->n == SOTTO_ADDRS_MAX || sotto_addr_parse(&addrs->a[addrs->n++], a))
			return SOTTO_E_BAD;
	return 0;
}

/* Of a line that was cut off the last address may be a part of one. */
static int take_line(struct peers *p, char *line, bool cut)
{
	char *save = NULL;
	char *name = strtok_r(line, " \n", &save);
	char *key = strtok_r(NULL, " \n", &save);
	char *list = cut ? NULL : strtok_r(NULL, " \n", &save);
	struct sotto_addrs addrs = { 0 };
	uint8_t pub[SOTTO_PUB_LEN];
	int ret;

	if (!key || !sotto_name_valid(name) || sotto_key_parse(pub, key) ||
	    (list && take_addrs(&addrs, list)))
		return SOTTO_E_BAD;
	ret = peers_set(p, name, pub);
	if (!ret)
		peers_add_addrs(p, name, &addrs);
	return ret;
}

static int put_line(const struct peer *peer, char line[LINE_MAX_BYTES])
{
	char key[44], buf[SOTTO_ADDR_STR];
	int len = snprintf(line, LINE_MAX_BYTES, "%s %s", peer->name,
			   sotto_key_text(key, peer->pub));

	for (unsigned int i = 0; i < peer->addrs.n; i++)
		len += snprintf(line + len, LINE_MAX_BYTES - len, "%c%s", i ? ',' : ' ',
				sotto_addr_str(&peer->addrs.a[i], buf));
	return len + snprintf(line + len, LINE_MAX_BYTES - len, "\n");
}

int peers_load(struct peers *p, const char *file)
{
	char path[SOTTO_PATH_MAX], line[LINE_MAX_BYTES];
	FILE *f = fopen(sotto_path(path, SOTTO_STATE, file), "re");
	bool cut = false;
	int ret = 0;

	if (!f)
		return errno == ENOENT ? 0 : SOTTO_E_IO;
	while (fgets(line, sizeof(line), f)) {
		cut = !strchr(line, '\n') && feof(f);
		if (take_line(p, line, cut) && !cut)
			ret = SOTTO_E_IO;
	}
	fclose(f);
	if (cut) {
		sotto_warn("%s: the last line was cut off, by a power failure perhaps; what is not whole is left out",
			   path);
		p->unsaved = true;
	}
	return ret;
}

int peers_write(struct peers *p, const char *file, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	char *text = malloc((p->n + 1) * LINE_MAX_BYTES);
	size_t len = 0;
	int ret;

	if (!text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	for (size_t i = 0; i < p->n; i++)
		len += put_line(&p->v[i], text + len);
	ret = sotto_file_write(sotto_path(path, SOTTO_STATE, file), 0600, true, text, len,
			       err);
	free(text);
	p->unsaved = ret;
	return ret;
}

void peers_keep(struct peers *p, const char *file)
{
	if (p->unsaved)
		peers_write(p, file, NULL);
}

void peers_key(const struct peers *p, const char *name, uint8_t pub[SOTTO_PUB_LEN])
{
	const struct peer *peer = find(p, name);

	if (peer)
		memcpy(pub, peer->pub, SOTTO_PUB_LEN);
	else
		memset(pub, 0, SOTTO_PUB_LEN);
}

/* A full disk, or the end of the machine, left a part of a line: what follows is its own. */
static bool end_line(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last = '\n';

	if (end > 0 && pread(fd, &last, 1, end - 1) != 1)
		return false;
	return last == '\n' || write(fd, "\n", 1) == 1;
}

static bool append(const struct peer *peer, const char *path, bool sync)
{
	char line[LINE_MAX_BYTES];
	int len = put_line(peer, line);
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	bool written = fd >= 0 && end_line(fd) && write(fd, line, len) == len &&
		       (!sync || !fdatasync(fd));
	int why = errno;

	if (fd >= 0)
		close(fd);
	errno = why;
	return written;
}

/* A file that is new needs its folder written, too, and one that lacks some all of it. */
int peers_append(struct peers *p, const char *file, const char *name, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];

	if (p->unsaved || access(sotto_path(path, SOTTO_STATE, file), F_OK))
		return peers_write(p, file, err);
	if (append(find(p, name), path, true))
		return 0;
	p->unsaved = true;
	return sotto_err_errno(err, path);
}

bool peers_note(struct peers *p, const char *name, const uint8_t pub[SOTTO_PUB_LEN],
		const struct sotto_addrs *addrs)
{
	bool known = peers_addrs(p, name, pub);
	char path[SOTTO_PATH_MAX];

	if (peers_set(p, name, pub) || (!peers_add_addrs(p, name, addrs) && known))
		return false;
	if (!append(find(p, name), sotto_path(path, SOTTO_STATE, PEERS_FILE), false)) {
		sotto_warn("cannot write %s; after a restart the key of %s is not known",
			   path, name);
		p->unsaved = true;
	}
	return true;
}

void peers_free(struct peers *p)
{
	free(p->v);
	memset(p, 0, sizeof(*p));
}
