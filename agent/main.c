// SPDX-License-Identifier: GPL-2.0
/*
 * sottod: the agent. Options, and the order of starting and stopping.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tools/lib/file.h"
#include "../tools/lib/log.h"
#include "../tools/lib/loop.h"
#include "../tools/lib/paths.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "ask.h"
#include "ctl.h"
#include "daemon.h"
#include "requests.h"
#include "sandbox.h"

/* As the CLI has them. */
enum exit_code {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_PERM,
	EXIT_DOWN,
};

static const char usage[] =
"Usage: sottod [ --foreground ] [ --config FILE ] [ -v ]\n"
"       sottod { --help | --version }\n"
"The agent of a Sotto host; \"sotto up\" starts it.\n"
"  -f, --foreground   stay, and log on standard error\n"
"  -c, --config FILE  instead of /etc/sotto/sotto.conf\n"
"  -v, --verbose      log more; given twice, everything\n";

struct options {
	const char *config;
	bool foreground;
	int verbose;
};

static int exit_code_of(int err)
{
	switch (err) {
	case SOTTO_E_PERM:
		return EXIT_PERM;
	case SOTTO_E_UNKNOWN:
		return EXIT_DOWN;
	default:
		return EXIT_FAILED;
	}
}

/* 0, or an exit code + 1. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "fc:vhV", longs, NULL)) != -1) {
		if (c == 'f') {
			o->foreground = true;
		} else if (c == 'c') {
			o->config = optarg;
		} else if (c == 'v') {
			o->verbose++;
		} else if (c == 'h') {
			fputs(usage, stdout);
			return EXIT_OK + 1;
		} else if (c == 'V') {
			puts("sottod " SOTTO_VERSION);
			return EXIT_OK + 1;
		} else {
			fputs(usage, stderr);
			return EXIT_USAGE + 1;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "sottod: don't know what to do with \"%s\"\n%s", argv[optind], usage);
	return EXIT_USAGE + 1;
}

void agent_stop(struct agent *ag, int code)
{
	ag->exit_code = code;
	ev_break(ag->loop, EVBREAK_ALL);
}

static void set_log_level(const struct agent *ag, int verbose)
{
	int level = ag->conf.log_level + verbose;

	sotto_log_set(level < SOTTO_LOG_DEBUG ? level : SOTTO_LOG_DEBUG);
}

static void read_conf_again(struct agent *ag)
{
	struct conf conf;
	struct sotto_errmsg err;

	if (conf_load(&conf, ag->conf_path, &err)) {
		sotto_err_log("%s; the old configuration stays", err.text);
		return;
	}
	ag->conf = conf;
	set_log_level(ag, 0);
	for (unsigned int i = 0; i < conf.n_pins; i++)
		pins_news(ag, conf.pins[i].name);
	sotto_notice("configuration read again");
}

static void on_signal(void *arg, int signum)
{
	struct agent *ag = arg;

	if (signum == SIGHUP) {
		read_conf_again(ag);
		return;
	}
	sotto_notice("ending on signal %d; sessions in the kernel live on", signum);
	agent_stop(ag, EXIT_OK);
}

static int make_dirs(struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	int ret = sotto_mkdirs(sotto_path(path, SOTTO_STATE, "agent"), 0700, err);

	return ret ? ret : sotto_mkdirs(sotto_path(path, SOTTO_RUN, ""), 0755, err);
}

/* All that can fail before anybody is told that the agent is there. */
static int start(struct agent *ag, struct sotto_errmsg *err)
{
	int ret = identity_load(&ag->id, err);

	if (ret)	/* an enrolment that is missing is no missing module */
		return ret == SOTTO_E_UNKNOWN ? SOTTO_E_STATE : ret;
	ret = make_dirs(err);
	/* the kernel has one agent: who comes second has touched nothing of the first one's */
	if (!ret)
		ret = kernel_open(ag, err);
	if (!ret)
		ret = ctl_start(ag, err);
	if (!ret)
		ret = policy_start(ag, err);
	if (!ret)
		ret = daemon_write_pid(err);
	if (!ret)
		ret = pins_load(ag, err);
	if (ret)
		return ret;
	if (peers_load(&ag->peers, PEERS_FILE))
		sotto_warn("%s cannot be read as a whole", PEERS_FILE);
	policy_all_pinned(ag);
	ret = sandbox_enter(err);
	return ret ? ret : kernel_resync(ag);
}

static void stop(struct agent *ag)
{
	netwatch_stop(ag);
	if (ag->id && ag->kernel.ev)
		assoc_stop(ag);
	ask_stop(ag);
	sessions_free(ag);
	kernel_close(ag);
	if (ag->ctl)
		daemon_remove_pid();
	ctl_stop(ag);
	if (ag->policy.late)
		policy_keep(ag);
	policy_free(ag);
	peers_free(&ag->peers);
	peers_free(&ag->pins);
	report_free(ag);
	identity_free(ag->id);
}

static int run(struct agent *ag)
{
	struct sotto_errmsg err = { 0 };
	int ret;

	ag->loop = ev_loop_new(EVFLAG_AUTO);
	assoc_init(ag);
	ag->started_ms = sotto_now_ms();
	ret = start(ag, &err);
	if (ret) {
		sotto_err_log("%s", err.text[0] ? err.text : sotto_err_text(ret));
		ag->exit_code = exit_code_of(ret);
	} else {
		sotto_signals_start(ag->loop, &ag->signals, on_signal, ag);
		sotto_notice("version %s, member %s, module %s", SOTTO_VERSION,
			     ag->id->name, ag->kernel.version);
		assoc_start(ag);
		netwatch_start(ag);
		daemon_ready();
		sotto_notify("READY=1");
		ev_run(ag->loop, 0);
		sotto_notify("STOPPING=1");
		sotto_signals_stop(ag->loop, &ag->signals);
	}
	stop(ag);
	ev_loop_destroy(ag->loop);
	return ag->exit_code;
}

int main(int argc, char **argv)
{
	static struct agent ag;
	struct options o = { 0 };
	struct sotto_errmsg err;
	int ret = parse_options(argc, argv, &o);

	if (ret)
		return ret - 1;
	umask(077);
	sotto_log_init("sottod", SOTTO_LOG_INFO);
	ag.conf_path = o.config;
	/* only the usual one may be absent */
	if (o.config && access(o.config, R_OK)) {
		sotto_err_log("%s: %s", o.config, strerror(errno));
		return EXIT_FAILED;
	}
	if (conf_load(&ag.conf, o.config, &err)) {
		sotto_err_log("%s", err.text);
		return EXIT_FAILED;
	}
	set_log_level(&ag, o.verbose);
	if (!o.foreground && daemon_fork(&err)) {
		sotto_err_log("%s", err.text);
		return EXIT_FAILED;
	}
	/* after the fork: locks on memory are not inherited */
	sandbox_limits();
	if (sotto_secret_process()) {
		sotto_err_log("libsodium does not start");
		return EXIT_FAILED;
	}
	return run(&ag);
}
