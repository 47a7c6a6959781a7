// SPDX-License-Identifier: GPL-2.0
/*
 * The realm's policy, at the server: the whole of it as a text, and trials.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "lib/usock.h"
#include "print.h"
#include "realm_policy.h"

#define PIECE		10000	/* bytes in one request: in JSON six times as many at most */
#define APPLY_MS	300000	/* how long the server may take */

/** struct doc - a file on its way to the server */
struct doc {
	const char *path;
	FILE *f;
	struct sotto_uclient *uc;
	uint32_t seconds;	/* on trial; 0: for good */
	size_t at, have;	/* bytes that were sent, and that wait */
	char text[PIECE];
};

/* No character is cut in two: the last one, if it has several bytes, waits for the next piece. */
static size_t whole(const struct doc *d)
{
	size_t n = d->have - 1;

	while (n > d->have - 4 && (d->text[n] & 0xc0) == 0x80)
		n--;
	return d->text[n] & 0x80 ? n : d->have;
}

/* The next piece; *@n bytes of d->text are sent now. 0 or an exit code. */
static int read_piece(struct doc *d, size_t *n, bool *last)
{
	d->have += fread(d->text + d->have, 1, PIECE - d->have, d->f);
	if (ferror(d->f))
		return fail(EXIT_FAILED, "cannot read %s: %s", d->path, strerror(errno));
	if (memchr(d->text, 0, d->have))
		return fail(EXIT_FAILED, "%s is not a text", d->path);
	*last = d->have < PIECE;
	*n = *last ? d->have : whole(d);
	return 0;
}

static int send_piece(struct doc *d, size_t n, bool last, json_t **answer)
{
	json_t *req = json_pack("{s:s, s:s%, s:I}", "cmd", "policy.apply", "text", d->text, n,
				"at", (json_int_t)d->at);

	if (!req)
		return fail(EXIT_FAILED, "%s is not a text", d->path);
	if (!last)
		json_object_set_new(req, "more", json_true());
	else if (d->seconds)
		json_object_set_new(req, "confirm", json_integer(d->seconds));
	d->at += n;
	d->have -= n;
	memmove(d->text, d->text + n, d->have);
	return daemon_ask(d->uc, SERVER_SOCKET, req, last ? APPLY_MS : DAEMON_CALL_MS, answer);
}

static int send_doc(struct doc *d, json_t **answer)
{
	size_t n = 0;
	bool last;
	int ret;

	for (;;) {
		ret = read_piece(d, &n, &last);
		if (!ret)
			ret = send_piece(d, n, last, answer);
		if (ret || last)
			return ret;
		json_decref(*answer);
	}
}

static int apply(struct doc *d, json_t **answer)
{
	int ret;

	d->f = strcmp(d->path, "-") ? fopen(d->path, "r") : stdin;
	if (!d->f)
		return fail(EXIT_FAILED, "cannot open %s: %s", d->path, strerror(errno));
	daemon_lines_of(d->path);
	ret = daemon_open(SERVER_SOCKET, &d->uc);
	if (!ret)
		ret = send_doc(d, answer);
	sotto_uclient_close(d->uc);
	if (d->f != stdin)
		fclose(d->f);
	return ret;
}

static const char apply_usage[] =
"Usage: sotto policy apply [ --confirm TIME ] FILE\n";

static int apply_words(struct args *a, const char **path, uint32_t *seconds)
{
	const char *value;

	*path = NULL;
	while (a->n) {
		if (args_is(a, "--confirm")) {
			value = args_value(a, "--confirm");
			if (!value || parse_seconds(value, "time", seconds))
				return EXIT_USAGE;
		} else if (!*path) {
			*path = args_next(a);
		} else {
			return args_end(a, apply_usage);
		}
	}
	if (!*path)
		return usage_error(apply_usage, "give the file's name, - for standard input");
	return EXIT_OK;
}

static int show_json(json_t *answer)
{
	json_object_del(answer, "ok");
	print_json(answer);
	return EXIT_OK;
}

int policy_apply(struct args *a)
{
	struct doc d = { 0 };
	json_t *answer;
	int ret = apply_words(a, &d.path, &d.seconds);

	if (!ret)
		ret = apply(&d, &answer);
	if (ret)
		return ret;
	if (opts.json)
		return show_json(answer);
	printf("In force: %lld groups, %lld rules, %lld networks.\n",
	       number_of(answer, "groups"), number_of(answer, "rules"),
	       number_of(answer, "networks"));
	if (d.seconds)
		printf("The former policy comes back in %u s unless you say: sotto policy confirm\n",
		       d.seconds);
	json_decref(answer);
	return EXIT_OK;
}

static int bare(struct args *a, const char *cmd, const char *form)
{
	if (args_end(a, form))
		return EXIT_USAGE;
	return daemon_call(SERVER_SOCKET, json_pack("{s:s}", "cmd", cmd), NULL);
}

int policy_confirm(struct args *a)
{
	return bare(a, "policy.confirm", "Usage: sotto policy confirm\n");
}

int policy_revert(struct args *a)
{
	return bare(a, "policy.revert", "Usage: sotto policy revert\n");
}

int policy_export(struct args *a)
{
	json_t *answer;
	int ret;

	if (args_end(a, "Usage: sotto policy export\n"))
		return EXIT_USAGE;
	ret = daemon_call(SERVER_SOCKET, json_pack("{s:s}", "cmd", "policy.export"), &answer);
	if (ret)
		return ret;
	if (opts.json)
		return show_json(answer);
	fputs(text_of(answer, "text"), stdout);
	json_decref(answer);
	return EXIT_OK;
}
