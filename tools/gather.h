/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests about SAs that go to the kernel many at a time.
 */
#ifndef SOTTO_CLI_GATHER_H
#define SOTTO_CLI_GATHER_H

#include <stdbool.h>

#include "lib/genl_req.h"

/**
 * gather_begin() - keep requests until gather_send()
 * @force: a refused one keeps none of the others from being sent
 *
 * Before, each is sent at once.
 */
void gather_begin(bool force);

/** gather_end() - no longer; what is there is wiped, and not sent */
void gather_end(void);

/**
 * gather_send() - send what is there
 *
 * Errors name the line in which the request stood. Returns the exit code of the first one;
 * what stood behind it is sent only if they are forced.
 */
int gather_send(void);

/** gather_add() - an SA to be added; returns an exit code */
int gather_add(const struct sgenl_sa *sa);

/**
 * gather_del() - SAs to be deleted
 * @what: whose name, for errors: "the SA in"
 * @name: as the user wrote it
 */
int gather_del(enum sgenl_sa_by by, uint64_t value, const char *what, const char *name);

#endif /* SOTTO_CLI_GATHER_H */
