// SPDX-License-Identifier: GPL-2.0
/*
 * sotto enroll: become a member by the line that the server printed.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../agent/identity.h"
#include "daemon.h"
#include "keyfile.h"
#include "lib/genl_saved.h"
#include "lib/handshake.h"
#include "lib/paths.h"
#include "lib/secret.h"
#include "print.h"
#include "register.h"
#include "up.h"

static const char usage[] =
"Usage: sotto enroll [ --force ] [ FILE | - ]\n"
"Registers this host by the line that \"sotto member add\" printed on the gateway. The\n"
"line is asked for, or is the first one of FILE or of standard input (-). With a line of\n"
"\"sotto member rekey\" it gets new keys; an agent that runs goes on with them, and its\n"
"sessions live on. --force makes it another member, or one of another realm.\n";

/* All that is secret, in one place that is wiped on every way out. */
struct enrolment {
	char line[SOTTO_LINE_MAX];
	struct sotto_enrol e;
	struct identity id;
	struct sotto_msg_registered answer;
	uint8_t code_id[SOTTO_CODE_ID_LEN];
	uint8_t code_psk[SOTTO_SECRET_LEN];
	struct identity *old;	/* who this host is so far; NULL: nobody, or not to be read */
	bool was_up;		/* with an agent, which was stopped for this */
	struct conf conf;	/* if it was */
};

static int check_state(void)
{
	char path[SOTTO_PATH_MAX];

	sotto_path(path, SOTTO_STATE, "");
	if (geteuid() && access(path, W_OK))
		return fail(EXIT_PERM, "not permitted to write below %s; run it as root", path);
	return EXIT_OK;
}

static bool same_realm(const struct enrolment *n)
{
	return n->old && !memcmp(n->old->server_key, n->e.server_key, SOTTO_PUB_LEN);
}

/* New keys are wanted every so often; to leave a realm is worth a word more. */
static int look_at_old(struct enrolment *n, bool force)
{
	struct sotto_errmsg err;

	if (!identity_exists())
		return EXIT_OK;
	if (identity_load(&n->old, &err) && !force)
		return fail(EXIT_FAILED,
			    "this host is enrolled already, but not to be read: %s; \"sotto enroll --force\" puts the new enrolment in its place",
			    err.text);
	if (!same_realm(n) && !force)
		return fail(EXIT_FAILED,
			    "this host is enrolled already, as %s, and the line is of a realm with another key; \"sotto enroll --force\" puts the new enrolment in the old one's place",
			    n->old->name);
	return EXIT_OK;
}

/*
 * It has the old keys, and the kernel's exemption for what is said to the server. Its
 * sessions live on without it, which is of use within a realm only.
 */
static int stop_agent(struct enrolment *n)
{
	json_t *status = agent_ask("status");
	int ret;

	json_decref(status);
	if (!status)
		return EXIT_OK;
	if (!same_realm(n))
		return fail(EXIT_FAILED,
			    "the agent runs, and the line is of a realm with another key; \"sotto down\" ends what this host has with the present one first");
	ret = load_conf(&n->conf);
	if (ret)
		return ret;
	n->was_up = true;
	return agent_stop(false);
}

static int parse_line(struct enrolment *n)
{
	struct sotto_errmsg err;

	if (sotto_enrol_parse(&n->e, n->line, &err))
		return fail(EXIT_FAILED, "that is no enrolment line: %s", err.text);
	sotto_code_derive(n->e.code, n->code_id, n->code_psk);
	return EXIT_OK;
}

static void fill_identity(struct enrolment *n)
{
	struct identity *id = &n->id;

	snprintf(id->name, sizeof(id->name), "%s", n->answer.name);
	id->addrs = n->answer.addrs;
	memcpy(id->server_key, n->e.server_key, sizeof(id->server_key));
	id->n_servers = n->e.n;
	memcpy(id->servers, n->e.servers, sizeof(id->servers));
	crypto_scalarmult_base(id->static_pub, id->static_priv);
}

/*
 * What was protected stays so until the realm has said everything: what it said so far
 * may have been for another member, or by another realm.
 */
static int doubt_policy(void)
{
	struct sotto_errmsg err;
	struct saved kept;
	int ret = 0;

	if (!saved_read(&kept, NULL) && kept.realm_version && !kept.partial) {
		kept.partial = true;
		ret = saved_write(&kept, &err);
	}
	saved_free(&kept);
	return ret ? fail(EXIT_FAILED, "cannot keep the policy: %s", err.text) : EXIT_OK;
}

static int ask_server(struct enrolment *n)
{
	struct sotto_errmsg err;

	if (identity_pending_key(n->code_id, n->id.static_priv, &err))
		return fail(EXIT_FAILED, "cannot keep the new key: %s", err.text);
	if (!register_host(&n->e, n->id.static_priv, &n->answer, n->id.resolved, &err))
		return EXIT_OK;
	if (n->old)
		return fail(EXIT_FAILED, "cannot enrol: %s. This host is enrolled, as %s, and stays so",
			    err.text, n->old->name);
	return fail(EXIT_FAILED, "cannot enrol: %s", err.text);
}

/* Whose keys the line is for, only the server knows. */
static int check_name(const struct enrolment *n, bool force)
{
	if (!n->old || force || !strcmp(n->old->name, n->answer.name))
		return EXIT_OK;
	return fail(EXIT_FAILED,
		    "the line is for %s, and this host is %s: it stays that; \"sotto enroll --force\" with the same line makes it %s",
		    n->answer.name, n->old->name, n->answer.name);
}

static int keep(struct enrolment *n)
{
	struct sotto_errmsg err;

	fill_identity(n);
	if (identity_commit(&n->id, n->answer.token_secret, n->code_id, &err))
		return fail(EXIT_FAILED,
			    "registered, but the enrolment cannot be written: %s. Repair that and give the same line again",
			    err.text);
	return EXIT_OK;
}

static int make_member(struct enrolment *n, bool force)
{
	int ret = doubt_policy();

	if (!ret)
		ret = ask_server(n);
	if (!ret)
		ret = check_name(n, force);
	return ret ? ret : keep(n);
}

/* After a failure with the old keys; else sessions come by the new ones, in a while. */
static int start_agent(const struct enrolment *n, int ret)
{
	if (!n->was_up)
		return ret;
	if (ret) {
		agent_start();
		return ret;
	}
	ret = agent_up(n->conf.up_timeout);
	if (!ret)
		json_decref(agent_ask("renew"));
	return ret;
}

static void show_success(const struct enrolment *n)
{
	const struct identity *id = &n->id;
	json_t *list = json_array();
	char *addrs, key[44];

	for (unsigned int i = 0; i < id->addrs.n; i++)
		json_array_append_new(list, json_addr(&id->addrs.a[i]));
	sotto_key_text(key, id->static_pub);
	if (opts.json) {
		print_json(json_pack("{s:s, s:s, s:o, s:s}", "name", id->name, "key", key,
				     "addresses", list, "server", id->servers[0].host));
		return;
	}
	addrs = join(list);
	printf("Enrolled as %s (%s) with %s.\n", id->name, addrs, id->servers[0].host);
	if (n->old)
		printf("Its new key: %s. Peers that have pinned the old one need\nsotto peer pin %s %s\n",
		       key, id->name, key);
	puts(n->was_up ? "The agent goes on with it." : "Next: sotto up");
	free(addrs);
	json_decref(list);
}

static int enroll(struct enrolment *n, const char *file, bool force)
{
	int ret = read_secret(file, "Enrolment line (not shown)", "enrolment line",
			      n->line, sizeof(n->line));

	if (!ret)
		ret = parse_line(n);
	if (!ret)
		ret = look_at_old(n, force);
	if (!ret)
		ret = stop_agent(n);
	if (!ret)
		ret = make_member(n, force);
	ret = start_agent(n, ret);
	if (!ret)
		show_success(n);
	identity_free(n->old);
	return ret;
}

static int warn_argv(const char *word)
{
	if (strncmp(word, "sotto://", 8))
		return EXIT_OK;
	return fail(EXIT_USAGE,
		    "the line on the command line can be read by every user of this machine; run \"sotto enroll\" and paste it, or pipe it to \"sotto enroll -\"");
}

static int parse_words(struct args *a, bool *force, const char **file)
{
	*file = NULL;
	while (a->n) {
		if (args_is(a, "--force"))
			*force = true;
		else if (!*file)
			*file = args_next(a);
		else
			return args_end(a, usage);
	}
	if (!*file)
		*file = "-";
	if (strcmp(*file, "-") && (*file)[0] == '-')
		return usage_error(usage, "there is no option \"%s\"", *file);
	return warn_argv(*file);
}

int do_enroll(struct args *a)
{
	struct enrolment *n;
	bool force = false;
	const char *file;
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	if (parse_words(a, &force, &file))
		return EXIT_USAGE;
	ret = check_state();
	if (ret)
		return ret;
	if (sodium_init() < 0)
		return fail(EXIT_FAILED, "libsodium does not start");
	n = sotto_secret_alloc(sizeof(*n));
	if (!n)
		out_of_memory();
	ret = enroll(n, file, force);
	sotto_secret_free(n);
	return ret;
}
