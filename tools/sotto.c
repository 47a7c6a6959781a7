// SPDX-License-Identifier: GPL-2.0
/*
 * sotto: the command line. Options, and the table of commands.
 */
#include "batch.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SOTTO_VERSION
#define SOTTO_VERSION "unknown"
#endif

struct cli_opts opts;

static const char usage[] =
"Usage: sotto [ OPTIONS ] COMMAND { ... | help }\n"
"       sotto [ OPTIONS ] [ -force ] -batch { FILE | - }\n"
"where  COMMAND := { up | down | reload | status | enroll |\n"
"                    tunnel | policy | sa | addr | peer | monitor | trace | stats |\n"
"                    set | keylog |\n"
"                    realm | member | session }\n"
"       OPTIONS := { -j[son] | -s[tatistics] | -d[etails] | -4 | -6 |\n"
"                    -c[olor] | -h[elp] | -V[ersion] }\n"
"-batch runs a file's commands, one in each line; with -force errors don't end it.\n"
"\n"
"On a host:    enroll   register with a realm by the line that its server printed\n"
"              up, down start and stop; status says how it stands\n"
"              tunnel   who is spoken to, and how       monitor  live events\n"
"              policy   what must be protected          trace    why it goes where it goes\n"
"On a gateway: realm    the realm itself                member   its hosts\n"
"              session  keys that were mediated\n"
"\n"
"\"sotto COMMAND help\" says more; the whole story is in sotto(8).\n";

static const struct command commands[] = {
	{ "status", do_status },
	{ "up", do_up },
	{ "down", do_down },
	{ "reload", do_reload },
	{ "enroll", do_enroll },
	{ "tunnel", do_tunnel },
	{ "policy", do_policy },
	{ "sa", do_sa },
	{ "addr", do_addr },
	{ "monitor", do_monitor },
	{ "trace", do_trace },
	{ "peer", do_peer },
	{ "stats", do_stats },
	{ "set", do_set },
	{ "keylog", do_keylog },
	{ "realm", do_realm },
	{ "member", do_member },
	{ "session", do_session },
	{ NULL, NULL },
};

static int show_version(void)
{
	puts("sotto " SOTTO_VERSION);
	return EXIT_OK;
}

/* One option, spelled out or not; true if it is one. */
static bool take_option(const char *o)
{
	if (!strcmp(o, "-j") || !strcmp(o, "-json") || !strcmp(o, "--json"))
		opts.json = true;
	else if (!strcmp(o, "-s") || !strcmp(o, "-statistics") || !strcmp(o, "--statistics"))
		opts.stats = true;
	else if (!strcmp(o, "-d") || !strcmp(o, "-details") || !strcmp(o, "--details"))
		opts.details = true;
	else if (!strcmp(o, "-4"))
		opts.family = 4;
	else if (!strcmp(o, "-6"))
		opts.family = 16;
	else if (!strcmp(o, "-c") || !strcmp(o, "-color") || !strcmp(o, "--color"))
		opts.color = true;
	else
		return false;
	return true;
}

static bool is_word(const char *o, const char *s, const char *l)
{
	return !strcmp(o, s) || !strcmp(o, l) ||
	       (o[0] == '-' && !strcmp(o + 1, l));
}

/*
 * Options stand anywhere before a word that takes a value of its own, so that
 * "sotto tunnel show -j" works as "sotto -j tunnel show" does. They are picked
 * out of @argv, which keeps the rest in order.
 */
static int pick_options(char **argv, int argc)
{
	int kept = 0;
	bool only_words = false;

	for (int i = 0; i < argc; i++) {
		if (!only_words && !strcmp(argv[i], "--"))
			only_words = true;
		else if (only_words || !take_option(argv[i]))
			argv[kept++] = argv[i];
	}
	return kept;
}

static int run(char **v, int n)
{
	struct args a = { .v = v };

	a.n = pick_options(v, n);
	if (a.n && is_word(a.v[0], "-V", "-version"))
		return show_version();
	if (a.n && a.v[0][0] == '-' && !wants_help(&a))
		return usage_error(usage, "there is no option \"%s\"", a.v[0]);
	return dispatch(&a, NULL, commands, NULL, usage);
}

/*
 * Those that only stand in front of everything: they say where the commands are.
 * Returns an exit code.
 */
static int pick_batch(char ***v, int *n, struct batch *b)
{
	for (; *n; ++*v, --*n) {
		const char *o = (*v)[0];

		if (!strcmp(o, "-force")) {
			b->force = true;
		} else if (!strcmp(o, "-b") || is_word(o, "-batch", "--batch")) {
			if (*n < 2)
				return usage_error(usage, "\"%s\" needs a file behind it", o);
			b->file = (*v)[1];
			++*v;
			--*n;
		} else if (!take_option(o)) {
			break;
		}
	}
	if (b->force && !b->file)
		return usage_error(usage, "-force is for -batch");
	if (b->file && *n)
		return usage_error(usage, "don't know what to do with \"%s\" behind -batch",
				   (*v)[0]);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct batch b = { .file = NULL };
	char **v = argv + 1;
	int n = argc - 1;
	int ret;

	opts.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	setvbuf(stderr, NULL, _IOLBF, 0);
	ret = pick_batch(&v, &n, &b);
	if (ret)
		return ret;
	return b.file ? batch_run(&b, run) : run(v, n);
}
