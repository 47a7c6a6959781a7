// SPDX-License-Identifier: GPL-2.0
/*
 * sotto: the command line. Options, and the table of commands.
 */
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
"where  COMMAND := { up | down | reload | status | enroll |\n"
"                    tunnel | policy | sa | addr | peer | monitor | trace | stats |\n"
"                    set | keylog |\n"
"                    realm | member | session }\n"
"       OPTIONS := { -j[son] | -s[tatistics] | -d[etails] | -4 | -6 |\n"
"                    -c[olor] | -h[elp] | -V[ersion] }\n"
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

int main(int argc, char **argv)
{
	struct args a = { .v = argv + 1 };

	opts.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	setvbuf(stderr, NULL, _IOLBF, 0);
	a.n = pick_options(a.v, argc - 1);
	if (a.n && is_word(a.v[0], "-V", "-version"))
		return show_version();
	if (a.n && a.v[0][0] == '-' && !wants_help(&a))
		return usage_error(usage, "there is no option \"%s\"", a.v[0]);
	return dispatch(&a, NULL, commands, NULL, usage);
}
