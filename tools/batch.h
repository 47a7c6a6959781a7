/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sotto -batch: many commands from one file, in one process.
 */
#ifndef SOTTO_CLI_BATCH_H
#define SOTTO_CLI_BATCH_H

#include <stdbool.h>

#define BATCH_WORDS_MAX	256	/* words in one line */

/** struct batch - what the options in front of the first word say */
struct batch {
	const char *file;	/* NULL: no batch; "-": standard input */
	bool force;		/* go on after errors */
};

/** batch_words() - split @line in place as a shell would: blanks, quotes, #
 *
 * Returns how many words are in @v, or -1 when a quote is not closed or there are more than
 * %BATCH_WORDS_MAX.
 */
int batch_words(char *line, char *v[BATCH_WORDS_MAX]);

/** batch_run() - run the file's lines by @run; returns an exit code
 *
 * That is the first failed command's. Messages name file and line.
 */
int batch_run(const struct batch *b, int (*run)(char **v, int n));

#endif /* SOTTO_CLI_BATCH_H */
