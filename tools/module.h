/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loading and unloading sotto.ko, and running other programs.
 */
#ifndef SOTTO_CLI_MODULE_H
#define SOTTO_CLI_MODULE_H

#include <stddef.h>

#define RUN_OUTPUT_MAX	1024	/* bytes kept of a program's output */

/**
 * run_program() - run @argv (searched in PATH), and wait for it
 * @input: text for its standard input, or NULL
 * @output: its standard output and error, cut to RUN_OUTPUT_MAX; the last
 *	newline is taken off
 * Returns its exit status (128 + signal), or -errno when it could not be run.
 */
int run_program(const char *const argv[], const char *input,
		char output[RUN_OUTPUT_MAX]);

/** module_load() - 0 (also when it is loaded), or an exit code after a message
 * @parameters: "keylog=1 …", or ""
 */
int module_load(const char *parameters);

/** module_refusal() - why this kernel would not load the module, or NULL if that is not known */
const char *module_refusal(void);

/** module_unload() - 0, or an exit code after a message */
int module_unload(void);

/** module_parameters() - those in effect, as module_load() takes them */
void module_parameters(char *out, size_t size);

#endif /* SOTTO_CLI_MODULE_H */
