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

static const char usage[] =
"Usage: sotto enroll [ --force ] [ FILE | - ]\n"
"Registers this host by the line that \"sotto member add\" printed on the gateway. The\n"
"line is asked for, or is the first one of FILE or of standard input (-). --force puts\n"
"the new enrolment in the place of one that exists.\n";

/* All that is secret, in one place that is wiped on every way out. */
struct enrolment {
	char line[SOTTO_LINE_MAX];
	struct sotto_enrol e;
	struct identity id;
	struct sotto_msg_registered answer;
	uint8_t code_id[SOTTO_CODE_ID_LEN];
	uint8_t code_psk[SOTTO_SECRET_LEN];
};

static int check_state(bool force)
{
	char path[SOTTO_PATH_MAX];
	json_t *status;

	sotto_path(path, SOTTO_STATE, "");
	if (geteuid() && access(path, W_OK))
		return fail(EXIT_PERM, "not permitted to write below %s; run it as root", path);
	if (identity_exists() && !force)
		return fail(EXIT_FAILED,
			    "this host is enrolled already; \"sotto enroll --force\" puts a new enrolment in its place");
	status = agent_ask("status");
	json_decref(status);
	if (status)
		return fail(EXIT_FAILED,
			    "the agent runs with the old enrolment; \"sotto down\" stops it first");
	return EXIT_OK;
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
 * What an earlier realm had protected stays protected until the new one has
 * spoken; version 0 makes its server tell everything.
 */
static void forget_realm_version(void)
{
	struct saved kept;

	if (!saved_read(&kept, NULL) && kept.realm_version) {
		kept.realm_version = 0;
		saved_write(&kept, NULL);
	}
	saved_free(&kept);
}

static int make_member(struct enrolment *n)
{
	struct sotto_errmsg err;

	if (identity_pending_key(n->code_id, n->id.static_priv, &err))
		return fail(EXIT_FAILED, "cannot keep the new key: %s", err.text);
	if (register_host(&n->e, n->id.static_priv, &n->answer, n->id.resolved, &err))
		return fail(EXIT_FAILED, "cannot enrol: %s", err.text);
	fill_identity(n);
	if (identity_commit(&n->id, n->answer.token_secret, n->code_id, &err))
		return fail(EXIT_FAILED,
			    "registered, but the enrolment cannot be written: %s. Repair that and give the same line again",
			    err.text);
	forget_realm_version();
	return EXIT_OK;
}

static void show_success(const struct identity *id)
{
	json_t *list = json_array();
	char *addrs;

	for (unsigned int i = 0; i < id->addrs.n; i++)
		json_array_append_new(list, json_addr(&id->addrs.a[i]));
	if (opts.json) {
		print_json(json_pack("{s:s, s:o, s:s}", "name", id->name,
				     "addresses", list, "server", id->servers[0].host));
		return;
	}
	addrs = join(list);
	printf("Enrolled as %s (%s) with %s.\nNext: sotto up\n", id->name, addrs,
	       id->servers[0].host);
	free(addrs);
	json_decref(list);
}

static int enroll(struct enrolment *n, const char *file)
{
	int ret = read_secret(file, "Enrolment line (not shown)", "enrolment line",
			      n->line, sizeof(n->line));

	if (!ret)
		ret = parse_line(n);
	if (!ret)
		ret = make_member(n);
	if (!ret)
		show_success(&n->id);
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
	ret = check_state(force);
	if (ret)
		return ret;
	if (sodium_init() < 0)
		return fail(EXIT_FAILED, "libsodium does not start");
	n = sotto_secret_alloc(sizeof(*n));
	if (!n)
		out_of_memory();
	ret = enroll(n, file);
	sotto_secret_free(n);
	return ret;
}
