// SPDX-License-Identifier: GPL-2.0
/*
 * "sotto member set": what it asks the server for, and what it says.
 */
#include <stdlib.h>
#include <string.h>

#include "ktap.h"
#include "tools/cli.h"
#include "tools/daemon.h"
#include "tools/print.h"

struct cli_opts opts;

/* ---- in the place of daemon.c ---- */

static char asked[1024];	/* the last request; "" if there was none */
static const char *answer;	/* JSON */

int daemon_call(const char *socket, json_t *req, json_t **out)
{
	char *text = json_dumps(req, JSON_COMPACT);

	(void)socket;
	snprintf(asked, sizeof(asked), "%s", text);
	free(text);
	json_decref(req);
	if (out)
		*out = json_loads(answer, 0, NULL);
	return 0;
}

int daemon_show_list(const char *cmd, const char *name, const struct column *columns, size_t n,
		     void (*add_row)(struct table *t, const json_t *entry), const char *empty)
{
	(void)cmd;
	(void)name;
	(void)columns;
	(void)n;
	(void)add_row;
	(void)empty;
	return EXIT_FAILED;
}

const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

long long number_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

char *join(const json_t *list)
{
	char *out = calloc(1, 1024);
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		strcat(out, i ? ", " : "");
		strcat(out, json_string_value(v));
	}
	return out;
}

/* ---- the command ---- */

#define WORDS_MAX	16

static char said[1024];		/* on standard output */

/* "sotto member WORDS" */
static int run(const char *words)
{
	char copy[256], *v[WORDS_MAX], *save = NULL, *word;
	struct args a = { .v = v };
	FILE *out = tmpfile(), *was = stdout;
	int ret;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &save); word && a.n < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save))
		v[a.n++] = word;
	asked[0] = 0;
	stdout = out;
	ret = do_member(&a);
	stdout = was;
	rewind(out);
	said[fread(said, 1, sizeof(said) - 1, out)] = 0;
	fclose(out);
	return ret;
}

/* What "set bob WORDS" asks for, behind the name. */
static const char *asks(const char *words)
{
	static const char begin[] = "{\"cmd\":\"member.set\",\"name\":\"bob\"";
	char line[256];

	snprintf(line, sizeof(line), "set bob %s", words);
	EXPECT_EQ(run(line), EXIT_OK);
	if (strncmp(asked, begin, sizeof(begin) - 1))
		return asked;
	return asked + sizeof(begin) - 1;
}

#define IS(x, y)	EXPECT(!strcmp(x, y))

static void asked_for(void)
{
	answer = "{\"ok\":true,\"changed\":true,\"former\":[]}";
	IS(asks("--address 10.0.0.9"), ",\"addresses\":[\"10.0.0.9\"]}");
	IS(asks("--address fd00::9 --address 10.0.0.9"),
	   ",\"addresses\":[\"fd00::9\",\"10.0.0.9\"]}");
	IS(asks("--route 10.8.0.0/16 --route fd08::/64"),
	   ",\"routes\":[\"10.8.0.0/16\",\"fd08::/64\"]}");
	IS(asks("--no-routes"), ",\"routes\":[]}");
	/* in any order, together */
	IS(asks("--route 10.8.0.0/16 --address 10.0.0.9"),
	   ",\"routes\":[\"10.8.0.0/16\"],\"addresses\":[\"10.0.0.9\"]}");
	IS(asks("--address 10.0.0.9 --no-routes"), ",\"addresses\":[\"10.0.0.9\"],\"routes\":[]}");
	IS(said, "");
}

static const char *const wrong[] = {
	"set", "set bob", "set bob --address", "set bob --address 10.0.0", "set bob --address 10.0.0.0/24",
	"set bob --address bob", "set bob --route", "set bob --route 10.8.0.1/16",
	"set bob --no-routes --route 10.8.0.0/16", "set bob --route 10.8.0.0/16 --no-routes",
	"set bob --address 10.0.0.9 now", "set bob --addres 10.0.0.9", "set bob 10.0.0.9",
	"set bob --expires 1h", "sett bob --address 10.0.0.9",
};

static void mistyped(void)
{
	if (!freopen("/dev/null", "w", stderr))
		abort();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT_EQ(run(wrong[i]), EXIT_USAGE);
		IS(asked, "");
	}
}

static void told(void)
{
	answer = "{\"ok\":true,\"changed\":false,\"former\":[]}";
	asks("--address 10.0.0.2");
	IS(said, "bob has just these addresses; nothing is changed.\n");
	answer = "{\"ok\":true,\"changed\":true,\"former\":[\"10.0.0.2\",\"fd00::2\"]}";
	asks("--address 10.0.0.9");
	IS(said, "10.0.0.2, fd00::2: still protected, by a line each in \"sotto realm policy\", until you delete it.\n");
	opts.json = true;
	asks("--address 10.0.0.9");
	EXPECT(strstr(said, "\"changed\"") && strstr(said, "fd00::2") && !strstr(said, "ok"));
	opts.json = false;
	EXPECT_EQ(run("set --help"), EXIT_OK);
}

static const struct ktap_test tests[] = {
	{ "asked_for", asked_for },
	{ "mistyped", mistyped },
	{ "told", told },
};

KTAP_MAIN(tests)
