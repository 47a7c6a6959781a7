// SPDX-License-Identifier: GPL-2.0
/*
 * sotto up: protect first, then ask for keys.
 *
 * The kept policy and addresses are in force before the agent starts, so that
 * at no moment anything leaves in the clear that did not before.
 */
#include "up.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../agent/conf.h"
#include "../agent/identity.h"
#include "daemon.h"
#include "guard.h"
#include "kernel.h"
#include "module.h"
#include "policy.h"
#include "print.h"

static const char usage[] =
"Usage: sotto up [ --timeout TIME ] [ --no-agent ]\n"
"Loads the module, puts the kept policy in force, starts the agent, and waits until\n"
"it is associated with the server. --no-agent stops before the agent: hosts keyed by\n"
"hand need none.\n"
" TIME := 90s, 15m, 2h, 1d.\n";

#define STEP_MS		50	/* between two looks at the agent */
#define PATIENCE_MS	1500	/* then say what is waited for */

static int set_port(struct sgenl *g, const struct conf *conf)
{
	struct sgenl_ns ns;
	int ret = sgenl_ns_get(g, &ns);

	if (!ret && !ns.up && ns.data_port != conf->data_port)
		ret = sgenl_ns_set(g, SOTTO_A_NS_DATA_PORT, conf->data_port);
	return ret ? kernel_fail(g, ret, "set the data port to %u", conf->data_port) : 0;
}

int kernel_up(const struct conf *conf, const char *parameters, bool *whole)
{
	struct sgenl *g;
	int ret = module_load(parameters);

	if (!ret)
		ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = set_port(g, conf);
	if (!ret)
		ret = policy_kept_up(g, whole);
	kernel_close(g);
	return ret;
}

enum standing { ASSOCIATED, WAITING, REVOKED };

/* The agent's state; @why has what it waits for. */
static enum standing standing(char *why, size_t size)
{
	json_t *status = agent_ask("status");
	json_t *assoc = json_object_get(status, "association");
	const char *state = text_of(assoc, "state");
	const char *message = text_of(assoc, "message");
	enum standing now = WAITING;

	if (!status)
		snprintf(why, size, "the agent does not answer; its log may say why");
	else
		snprintf(why, size, "%s", message[0] ? message : "the server's answer");
	if (!strcmp(state, "associated"))
		now = ASSOCIATED;
	else if (!strcmp(state, "revoked") || !strcmp(text_of(assoc, "error"), "revoked"))
		now = REVOKED;
	json_decref(status);
	return now;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* A host that never heard from its server has none yet. */
static const char *policy_stands(void)
{
	static const char none[] = "There is no policy yet: nothing is protected";
	struct sgenl_ns ns = { 0 };
	struct sgenl *g;

	if (sgenl_open(&g))
		return none;
	if (sgenl_ns_get(g, &ns))
		ns.num[SOTTO_A_NS_POLICIES] = 0;
	sgenl_close(g);
	return ns.num[SOTTO_A_NS_POLICIES] ? "Policy is in force" : none;
}

static int wait_associated(uint32_t timeout_s)
{
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	uint64_t begin = now_ms();
	enum standing now;
	bool told = false;
	char why[512];

	while ((now = standing(why, sizeof(why))) != ASSOCIATED) {
		uint64_t waited = now_ms() - begin;

		if (now == REVOKED)
			return fail(EXIT_FAILED,
				    "%s. %s; \"sotto status\" says what to do if that is a mistake",
				    why, policy_stands());
		if (waited > timeout_s * 1000ull)
			return fail(EXIT_FAILED,
				    "not associated after %us: %s. %s; the agent goes on trying, and \"sotto status\" shows how it stands",
				    timeout_s, why, policy_stands());
		if (waited > PATIENCE_MS && !told) {
			warn("waiting for: %s", why);
			told = true;
		}
		nanosleep(&step, NULL);
	}
	return EXIT_OK;
}

int agent_up(uint32_t timeout_s)
{
	int ret = agent_start();

	return ret ? ret : wait_associated(timeout_s);
}

int load_conf(struct conf *conf)
{
	struct sotto_errmsg err;

	if (conf_load(conf, NULL, &err))
		return fail(EXIT_FAILED, "%s", err.text);
	return EXIT_OK;
}

static int parse_words(struct args *a, uint32_t *timeout_s, bool *agent)
{
	const char *value;

	*agent = true;
	while (a->n) {
		if (args_is(a, "--no-agent")) {
			*agent = false;
		} else if (args_is(a, "--timeout")) {
			value = args_value(a, "--timeout");
			if (!value || parse_seconds(value, "time", timeout_s))
				return EXIT_USAGE;
		} else {
			return args_end(a, usage);
		}
	}
	return 0;
}

/* A reload that failed left the host closed: up does not open it by itself. */
static void tell_guard(void)
{
	if (guard_exists())
		warn("the guard of a reload that failed still drops what is protected; compare \"sotto policy show\" and open it with \"nft delete table inet " GUARD_TABLE "\"");
}

static void show_success(void)
{
	json_t *status = agent_ask("status");
	json_t *assoc = json_object_get(status, "association");

	if (opts.json)
		print_json(json_pack("{s:b, s:s, s:s}", "up", 1,
				     "name", text_of(status, "name"),
				     "server", text_of(assoc, "server")));
	else
		printf("Up: %s is associated with %s.\n", text_of(status, "name"),
		       text_of(assoc, "server"));
	json_decref(status);
}

int do_up(struct args *a)
{
	uint32_t timeout_s;
	struct conf conf;
	bool agent, whole;
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	ret = load_conf(&conf);
	if (ret)
		return ret;
	timeout_s = conf.up_timeout;
	if (parse_words(a, &timeout_s, &agent))
		return EXIT_USAGE;
	ret = agent ? state_readable() : EXIT_OK;
	if (ret)
		return ret;
	if (agent && !identity_exists())
		return fail(EXIT_FAILED,
			    "this host is not enrolled; run \"sotto enroll\" with the line that \"sotto member add\" printed on the gateway");
	ret = kernel_up(&conf, "", &whole);
	if (!ret)
		tell_guard();
	if (!ret && agent)
		ret = agent_up(timeout_s);
	if (!ret && agent)
		show_success();
	/* also with the realm's policy back again: what was added by hand may be missing */
	return ret || whole ? ret : EXIT_FAILED;
}
