/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the realm wants protected: taken from the server in parts, put into the
 * kernel, and kept on disk for the next start.
 */
#ifndef SOTTO_AGENT_POLICY_H
#define SOTTO_AGENT_POLICY_H

#include <sys/stat.h>

#include "../tools/lib/genl_saved.h"
#include "../tools/lib/proto.h"

struct agent;

#define POLICY_PARTS_MAX	2048	/* parts of one version: past the kernel's prefixes */

/**
 * struct realm_policy - what is in force, and what is being put together
 * @kept: as on disk
 * @next: the version under construction
 * @file: as it was read or written last
 */
struct realm_policy {
	struct saved kept;
	struct saved next;
	struct stat file;
	bool unsaved;				/* the disk did not take it */
	bool late;				/* the file lacks what pins added; they have it */
	uint64_t next_base;			/* 0: it is whole, not a change */
	uint64_t newest;			/* version seen since hello, or policy-get */
	size_t n_local;				/* entries that it began with */
	uint16_t parts, have;
	uint8_t got[POLICY_PARTS_MAX / 8];	/* bit per part */
};

/**
 * policy_start() - put the kept policy and this host's addresses into the kernel
 * A file that cannot be read is set aside.
 */
int policy_start(struct agent *ag, struct sotto_errmsg *err);

/** policy_take() - one part of a version */
void policy_take(struct agent *ag, const struct sotto_msg_policy *m);

/** policy_anew() - the realm is about to say all of it: perhaps by an older version at first */
void policy_anew(struct agent *ag);

/** policy_hello() - the server has @version: ask for all of it, if this host has that in part */
void policy_hello(struct agent *ag, uint64_t version);

/** policy_own_addrs() - the identity's addresses changed */
void policy_own_addrs(struct agent *ag);

/**
 * policy_pinned() - a pinned peer has @addrs: they are protected from now on
 * In the kernel at once; the file is long, and has them with the next policy_keep(). If the
 * machine stops before, the pins have them.
 */
void policy_pinned(struct agent *ag, const struct sotto_addrs *addrs);

/** policy_all_pinned() - at the start: what the kept policy does not know of pins */
void policy_all_pinned(struct agent *ag);

/** policy_keep() - write it, if that failed before, or is late */
void policy_keep(struct agent *ag);

void policy_free(struct agent *ag);

#endif /* SOTTO_AGENT_POLICY_H */
