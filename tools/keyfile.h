/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Secrets that a person hands over: from a file, standard input or a prompt.
 */
#ifndef SOTTO_CLI_KEYFILE_H
#define SOTTO_CLI_KEYFILE_H

#include <stddef.h>

#include "lib/genl_obj.h"

/**
 * read_secret() - the first line of @file ("-": standard input)
 * @prompt: asked, without echo, when standard input is a terminal
 * @what: "key", "enrolment line": for messages
 * Returns 0 or an exit code after a message. The caller wipes @out.
 */
int read_secret(const char *file, const char *prompt, const char *what,
		char *out, size_t size);

/**
 * parse_sa_key() - 36 bytes as hex, key and salt (as ip xfrm has them)
 * Returns 0 or EXIT_USAGE after a message, which never shows the text.
 */
int parse_sa_key(const char *text, struct sgenl_sa *sa);

#endif /* SOTTO_CLI_KEYFILE_H */
