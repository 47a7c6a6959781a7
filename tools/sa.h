/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two files of sotto sa share.
 */
#ifndef SOTTO_CLI_SA_H
#define SOTTO_CLI_SA_H

#include "cli.h"

extern const char sa_usage[];

/** sa_add() - sotto sa add …; returns an exit code */
int sa_add(struct args *a);

/** parse_session() - a session id: 16 hex digits, or a number; 0 or EXIT_USAGE */
int parse_session(const char *text, uint64_t *session);

#endif /* SOTTO_CLI_SA_H */
