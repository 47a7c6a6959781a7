/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Static keys and addresses of members this host had sessions with, by name. The
 * kernel knows a session's peer by name only; after a restart of the agent this
 * file has the key that the server is told.
 */
#ifndef SOTTO_AGENT_PEERS_H
#define SOTTO_AGENT_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "../tools/lib/err.h"
#include "../tools/lib/params.h"
#include "../tools/lib/proto.h"

#define PEERS_FILE	"agent/peers"	/* under $SOTTO_STATE: "NAME KEY [ADDRESS,…]" lines */

struct peer {
	char name[SOTTO_NAME_MAX];
	uint8_t pub[SOTTO_PUB_LEN];
	struct sotto_addrs addrs;	/* all that it ever had with this key */
};

/* Sorted by name. */
struct peers {
	struct peer *v;
	size_t n, cap;
	bool unsaved;			/* the file lacks some of them */
};

/**
 * peers_load() - read @file, under $SOTTO_STATE; an absent one is empty
 * Returns 0, or SOTTO_E_IO if it cannot be read or has a line that makes no
 * sense; the other lines are there all the same. A last line without an end was
 * being written when the machine stopped: what is whole of it counts.
 */
int peers_load(struct peers *p, const char *file);

/** peers_find() - the key of @name, or NULL */
const uint8_t *peers_find(const struct peers *p, const char *name);

/** peers_addrs() - the addresses of @name, if its key is @pub; else NULL */
const struct sotto_addrs *peers_addrs(const struct peers *p, const char *name,
				      const uint8_t pub[SOTTO_PUB_LEN]);

/** peers_key() - the key of @name into @pub; zero if it is not known */
void peers_key(const struct peers *p, const char *name, uint8_t pub[SOTTO_PUB_LEN]);

/** peers_set(), peers_remove() - in memory alone; SOTTO_E_NOMEM */
int peers_set(struct peers *p, const char *name, const uint8_t pub[SOTTO_PUB_LEN]);
void peers_remove(struct peers *p, const char *name);

/** peers_add_addrs() - @name, who is there, has these, too; whether any of them is news */
bool peers_add_addrs(struct peers *p, const char *name, const struct sotto_addrs *addrs);

/** peers_write() - all of it in the place of @file */
int peers_write(struct peers *p, const char *file, struct sotto_errmsg *err);

/** peers_append() - @name, who has news, at the end of @file; on the disk when this returns 0 */
int peers_append(struct peers *p, const char *file, const char *name, struct sotto_errmsg *err);

/** peers_keep() - write @file, if that failed before */
void peers_keep(struct peers *p, const char *file);

/**
 * peers_note() - remember, and append to PEERS_FILE if it is news
 * Returns whether it was.
 */
bool peers_note(struct peers *p, const char *name, const uint8_t pub[SOTTO_PUB_LEN],
		const struct sotto_addrs *addrs);

void peers_free(struct peers *p);

#endif /* SOTTO_AGENT_PEERS_H */
