// SPDX-License-Identifier: GPL-2.0
/*
 * sotto-authd: start and stop.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "authd.h"
#include "buf.h"
#include "file.h"
#include "paths.h"
#include "rng.h"
#include "storage.h"

struct options {
	bool init, json, check;
	bool force, rekey, retire;
	const char *conf, *backup, *restore;
	unsigned int endpoints_n;
	char endpoints[sizeof(((struct authd_conf *)0)->endpoints)];
};

int64_t authd_wall(void)
{
	return time(NULL);
}

static void usage(FILE *to)
{
	fputs("Usage: sotto-authd [-c FILE]            run the authentication server\n"
	      "       sotto-authd --init [-j] [--address HOST[:PORT]]...\n"
	      "                                        make a realm; --address: where members\n"
	      "                                        will find this server\n"
	      "       sotto-authd --check [-c FILE]    check the configuration file\n"
	      "       sotto-authd --backup FILE        copy the realm, key and all, while it runs\n"
	      "       sotto-authd --restore FILE [--force]   put such a copy in its place\n"
	      "       sotto-authd --rekey              a new realm key; the present one stays good\n"
	      "       sotto-authd --retire             until the former key is taken away\n"
	      "       sotto-authd --version | --help\n",
	      to);
}

static int add_endpoint(struct options *o, const char *text,
			struct sotto_errmsg *err)
{
	size_t len = strlen(o->endpoints);
	struct sotto_endpoint ep;
	int rc = sotto_endpoint_parse(&ep, text, err);

	if (rc)
		return rc;
	if (!ep.port)
		return sotto_err(err, SOTTO_E_VALUE, "'%.100s': nobody can be found at port 0",
				 text);
	if (++o->endpoints_n > SOTTO_SERVERS_MAX ||
	    len + strlen(text) + 2 > sizeof(o->endpoints))
		return sotto_err(err, SOTTO_E_LIMIT, "more than %d addresses",
				 SOTTO_SERVERS_MAX);
	sprintf(o->endpoints + len, "%s%s", len ? "," : "", text);
	return 0;
}

/* Returns -1 to go on, else the program's exit code. */
static int parse_args(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "init", no_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'k' },
		{ "config", required_argument, NULL, 'c' },
		{ "address", required_argument, NULL, 'a' },
		{ "backup", required_argument, NULL, 'b' },
		{ "restore", required_argument, NULL, 'r' },
		{ "force", no_argument, NULL, 'f' },
		{ "rekey", no_argument, NULL, 'n' },
		{ "retire", no_argument, NULL, 'o' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct sotto_errmsg err;
	int c;

	while ((c = getopt_long(argc, argv, "jc:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'i':
			o->init = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'k':
			o->check = true;
			break;
		case 'c':
			o->conf = optarg;
			break;
		case 'a':
			if (!add_endpoint(o, optarg, &err))
				break;
			fprintf(stderr, "sotto-authd: --address: %s\n", err.text);
			return 2;
		case 'b':
			o->backup = optarg;
			break;
		case 'r':
			o->restore = optarg;
			break;
		case 'f':
			o->force = true;
			break;
		case 'n':
			o->rekey = true;
			break;
		case 'o':
			o->retire = true;
			break;
		case 'V':
			puts("sotto-authd " SOTTO_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc)
		fprintf(stderr, "sotto-authd: don't know what to do with \"%s\"\n",
			argv[optind]);
	else if (o->endpoints[0] && !o->init)
		fputs("sotto-authd: --address goes with --init\n", stderr);
	else
		return -1;
	usage(stderr);
	return 2;
}

/* Returns the exit code, after saying what went wrong. */
static int failed(const struct sotto_errmsg *err)
{
	bool permission = err->code == SOTTO_E_PERM;

	fprintf(stderr, "sotto-authd: %s%s\n", err->text,
		permission && geteuid() ? "; run it as root" : "");
	return permission ? 3 : 1;
}

/* ---- making a realm ---- */

static int show_realm(const struct options *o)
{
	char hex[2 * SOTTO_PUB_LEN + 1], text[44], path[SOTTO_PATH_MAX];
	struct sotto_errmsg err;
	struct realm *r;

	if (realm_load(&r, &err))
		return failed(&err);
	sotto_hex(hex, r->pub, SOTTO_PUB_LEN);
	sotto_key_text(text, r->pub);
	realm_free(r);
	if (o->json)
		printf("{\"ok\":true,\"realm_key\":\"%s\"}\n", hex);
	else
		printf("Realm made in %s\n"
		       "Realm key: %s\n"
		       "Back this folder up: without it every member has to be enrolled anew.\n",
		       sotto_path(path, SOTTO_STATE, "authd"), text);
	return 0;
}

static int init_realm(const struct options *o)
{
	struct sotto_errmsg err;

	if (!realm_init(o->endpoints, &err))
		return show_realm(o);
	if (o->json) {
		json_t *j = json_pack("{s:b, s:s, s:s}", "ok", 0, "error",
				      sotto_err_name(err.code), "message",
				      err.text);

		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(j);
	}
	return failed(&err);
}

static int copy_realm(const struct options *o)
{
	struct sotto_errmsg err;
	int rc = o->backup ? realm_backup(o->backup, &err) :
			     realm_restore(o->restore, o->force, &err);

	if (rc)
		return failed(&err);
	if (o->json)
		return 0;
	if (o->backup)
		printf("%s holds the realm with its key: keep it as you would the key.\n",
		       o->backup);
	else
		printf("The realm is that of %s. Start sotto-authd.\n", o->restore);
	return 0;
}

static int roll_over(const struct options *o)
{
	struct sotto_errmsg err;
	int rc = o->rekey ? realm_rekey(&err) : realm_retire(&err);

	if (rc)
		return failed(&err);
	if (o->json)
		return 0;
	if (o->rekey)
		puts("The realm has a new key. Start sotto-authd: members learn of the new key by the former one.\n"
		     "\"sotto realm\" says how many have not come yet; \"sotto realm retire\" ends the former key.");
	else
		puts("The former key is good no more. Start sotto-authd.");
	return 0;
}

/* ---- running ---- */

static void on_signal(void *arg, int signum)
{
	struct authd *ad = arg;

	if (signum == SIGHUP) {
		sotto_notice("SIGHUP: restart the server to read a changed configuration");
		return;
	}
	sotto_notice("stopping");
	ev_break(ad->loop, EVBREAK_ALL);
}

static int start_parts(struct authd *ad, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	int rc = keeper_start(&ad->realm, err);

	if (!rc)
		rc = storage_start(sotto_path(path, SOTTO_STATE,
					      "authd/realm.db"),
				   &ad->realm->seal, &ad->store, err);
	if (!rc)
		rc = member_setup(ad, err);
	if (!rc)
		rc = policy_setup(ad, err);
	if (!rc && (assoc_setup(ad) || session_setup(ad)))
		rc = sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	if (!rc)
		rc = tickets_load(ad->tickets, ad->store, authd_wall(), err);
	if (rc)
		return rc;
	rc = grantlog_start(ad, err);
	if (rc)
		return rc;
	/* the socket first: it tells whether another one is running */
	rc = admin_open(ad, err);
	if (!rc)
		rc = metrics_open(ad, err);
	if (!rc)
		rc = net_open(ad, err);
	keeper_watch(ad->loop, ad->realm);
	storage_watch(ad->loop, ad->store);
	sotto_notify_open();
	if (!rc)
		rc = net_start(ad, err);
	if (!rc)
		rc = storage_started(ad->store, err);
	if (rc)
		return rc;
	/* the storage process removes them: it has files */
	sotto_usock_leave(ad->admin);
	metrics_leave(ad);
	return sandbox_enter(err);
}

static void stop_parts(struct authd *ad)
{
	net_stop(ad);
	sotto_usock_close(ad->admin);
	metrics_close(ad);
	if (ad->net) {
		assoc_teardown(ad);
		net_flush(ad);
	}
	if (ad->sessions.bucket)
		session_teardown(ad);
	net_close(ad);
	grantlog_stop(ad);
	policy_teardown(ad);
	member_teardown(ad);
	store_close(ad->store);
	realm_free(ad->realm);
}

static void log_ready(struct authd *ad)
{
	json_t *list = net_listening(ad);
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		sotto_notice("listening on %s",
			     json_string_value(json_array_get(list, i)));
	json_decref(list);
	sotto_notice("ready, %u members", ad->members_n);
	sotto_notify("READY=1");
}

static int run(const struct authd_conf *conf)
{
	struct authd *ad = calloc(1, sizeof(*ad));
	struct sotto_errmsg err;
	int rc;

	if (!ad)
		return 1;
	ad->conf = *conf;
	sotto_rng_start();
	ad->loop = ev_default_loop(EVFLAG_AUTO);
	wheel_init(&ad->wheel, ad->loop);
	ad->now_ms = sotto_now_ms();
	ad->started_ms = ad->now_ms;
	rc = start_parts(ad, &err);
	if (rc) {
		sotto_err_log("%s", err.text);
	} else {
		sotto_signals_start(ad->loop, &ad->signals, on_signal, ad);
		log_ready(ad);
		ev_run(ad->loop, 0);
		sotto_notify("STOPPING=1");
		sotto_signals_stop(ad->loop, &ad->signals);
	}
	stop_parts(ad);
	wheel_stop(&ad->wheel);
	sotto_wipe(ad, sizeof(*ad));
	free(ad);
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct authd_conf conf;
	struct sotto_errmsg err;
	char path[SOTTO_PATH_MAX];
	int rc = parse_args(argc, argv, &o);

	if (rc >= 0)
		return rc;
	/* what whoever started it had open is none of its business */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	sotto_log_init("sotto-authd", SOTTO_LOG_INFO);
	if (sotto_secret_process()) {
		fputs("sotto-authd: libsodium cannot be started\n", stderr);
		return 1;
	}
	if (o.init)
		return init_realm(&o);
	if (o.backup || o.restore)
		return copy_realm(&o);
	if (o.rekey || o.retire)
		return roll_over(&o);
	sotto_path(path, SOTTO_ETC, "authd.conf");
	/* only the usual one may be absent */
	if (o.conf && access(o.conf, R_OK)) {
		sotto_err_errno(&err, o.conf);
		return failed(&err);
	}
	if (authd_conf_load(&conf, o.conf ? o.conf : path, &err))
		return failed(&err);
	if (o.check)
		return 0;
	sotto_log_set(conf.log_level);
	return run(&conf);
}
