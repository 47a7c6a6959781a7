/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the CLI share: options, arguments, errors, commands.
 */
#ifndef SOTTO_CLI_H
#define SOTTO_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* Exit codes, documented in sotto(8). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* refused or failed */
	EXIT_USAGE = 2,		/* the command line makes no sense */
	EXIT_PERM = 3,		/* not permitted: not root */
	EXIT_DOWN = 4,		/* module not loaded or daemon not running */
};

/** struct cli_opts - options before the object, as ip(8) has them */
struct cli_opts {
	bool json;		/* -j */
	bool stats;		/* -s */
	bool details;		/* -d */
	bool color;		/* -c, or standard output is a terminal */
	uint8_t family;		/* -4, -6: bytes of an address; 0 = both */
	bool batch;		/* the command is one of a batch's */
};

extern struct cli_opts opts;

/** struct args - the words of the command line that are not used up yet */
struct args {
	char **v;
	int n;
};

typedef int (*command_fn)(struct args *a);

/** struct command - one word of a table of commands; ends with a NULL name */
struct command {
	const char *name;
	command_fn fn;
};

/* Objects and plain commands, one file each. All return an exit code. */
int do_status(struct args *a);
int do_tunnel(struct args *a);
int do_policy(struct args *a);
int do_sa(struct args *a);
int do_addr(struct args *a);
int do_monitor(struct args *a);
int do_trace(struct args *a);
int do_stats(struct args *a);
int do_set(struct args *a);
int do_keylog(struct args *a);
int do_up(struct args *a);
int do_down(struct args *a);
int do_reload(struct args *a);
int do_enroll(struct args *a);
int do_realm(struct args *a);
int do_member(struct args *a);
int do_peer(struct args *a);
int do_session(struct args *a);

/* errors.c */

/**
 * plain() - what a terminal would obey becomes question marks; new lines and tabs stay
 * For what a server or a peer has said. Returns @text.
 */
char *plain(char *text);

/** fail() - print "sotto: …" on standard error and return @code */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** warn() - the same, without ending anything */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** error_place() - messages begin with this file and line from now on; NULL ends that */
void error_place(const char *file, unsigned long line);

/** error_line(), error_go() - that line, and another one instead */
unsigned long error_line(void);
void error_go(unsigned long line);

/** error_before() - @fn is called before each message, which is not said if it says false */
void error_before(bool (*fn)(void));

/** out_of_memory() - says so and ends the program */
_Noreturn void out_of_memory(void);

/* args.c */

/** args_next() - the next word, or NULL */
const char *args_next(struct args *a);

/** args_peek() - the next word without taking it, or NULL */
const char *args_peek(const struct args *a);

/** args_is() - take the next word if it is exactly @word */
bool args_is(struct args *a, const char *word);

/** args_value() - the word behind @name, or NULL after saying it is missing */
const char *args_value(struct args *a, const char *name);

/** args_the() - the same, of which is known @what it is: "a member's name" */
const char *args_the(struct args *a, const char *name, const char *what);

/** args_end() - 0, or a usage error that names the word left over */
int args_end(const struct args *a, const char *usage);

/** wants_help() - the next word is help, --help or -h */
bool wants_help(const struct args *a);

/** usage_error() - print the error, then @usage; returns EXIT_USAGE */
int usage_error(const char *usage, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * dispatch() - find the next word in @commands and run it
 * @object: for messages; NULL for the program itself
 * @first: runs when no word is left; NULL prints @usage as an error
 * A word that is not in the table is never completed or guessed; a near match
 * is suggested.
 */
int dispatch(struct args *a, const char *object, const struct command *commands,
	     command_fn first, const char *usage);

/*
 * Values: 0, or EXIT_USAGE after an error message that names @what.
 */
int parse_number(const char *text, const char *what, uint64_t min, uint64_t max,
		 uint64_t *value);
/* Decimal or 0x… */
int parse_spi(const char *text, uint32_t *spi);
/* "90", "90s", "15m", "2h", "1d": seconds */
int parse_seconds(const char *text, const char *what, uint32_t *seconds);
int parse_address(const char *text, struct sotto_addr *addr);
int parse_prefix(const char *text, struct sotto_prefix *prefix);

/* suggest.c */

/** suggest() - the name in @commands nearest to @word, or NULL if none is near */
const char *suggest(const char *word, const struct command *commands);
/** suggest_below() - where a @word that is no command stands among the commands' own, or NULL */
const char *suggest_below(const char *word);

#endif /* SOTTO_CLI_H */
