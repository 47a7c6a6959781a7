/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part that holds the keys: a process of its own, without network, files or
 * capabilities, which answers a few kinds of requests about the realm's private
 * key and the key of secrets at rest, and gives neither away.
 *
 * A realm that is not remote does the same in this process (tools, tests).
 */
#ifndef SOTTO_KEEPER_H
#define SOTTO_KEEPER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "params.h"
#include "seal.h"
#include "token.h"

#define KEEPER_SEALED	(SOTTO_SECRET_LEN + SEAL_OVERHEAD) /* a token secret at rest */
#define KEEPER_REVEAL_RATE	60	/* token secrets given out, per minute */
#define KEEPER_REVEAL_BURST	100

/** struct realm - the realm's keys; in secret memory. */
struct realm {
	bool remote;			/* a keeper has the keys, at fd */
	int fd;
	pid_t pid;			/* the keeper's */
	bool counted;			/* in the keeper: token secrets given out */
	uint8_t priv[SOTTO_SECRET_LEN];	/* zero where a keeper has it */
	uint8_t pub[SOTTO_PUB_LEN];
	struct seal_key seal;
	bool has_former;		/* a roll-over is under way: both are good */
	uint8_t former_priv[SOTTO_SECRET_LEN];
	uint8_t former_pub[SOTTO_PUB_LEN];
};

/**
 * keeper_start() - fork the keeper; it reads the realm's key itself
 * @out: a realm whose secrets are in the keeper. The child never returns.
 */
int keeper_start(struct realm **out, struct sotto_errmsg *err);

/** keeper_watch() - end when the keeper does. */
void keeper_watch(struct ev_loop *loop, const struct realm *r);

/** keeper_dh() - X25519 of the realm's private key; a noise_dh_fn. */
int keeper_dh(void *realm, const uint8_t pub[SOTTO_PUB_LEN],
	      uint8_t out[SOTTO_SECRET_LEN]);

/** keeper_dh_former() - the same by the key before the present one. */
int keeper_dh_former(void *realm, const uint8_t pub[SOTTO_PUB_LEN],
		     uint8_t out[SOTTO_SECRET_LEN]);

/** struct keeper_token - a member's token, by its sealed secret. */
struct keeper_token {
	struct sotto_token token;
	const struct realm *realm;
	const uint8_t *sealed;
};

/** keeper_token() - for one operation; not closed. */
struct sotto_token *keeper_token(struct keeper_token *kt,
				 const struct realm *r,
				 const uint8_t sealed[KEEPER_SEALED]);

#endif /* SOTTO_KEEPER_H */
