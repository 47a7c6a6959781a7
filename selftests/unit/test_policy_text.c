// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that one request does not hold: in pieces, whole or not at all, and what was
 * exported is applied again.
 */
#include <sqlite3.h>

#include "threerun.h"

#include "server/authd_limits.h"
#include "server/policydoc.h"

static struct sotto_errmsg err;

#define MEMBERS		2000
#define GROUPS		50
#define EACH		400	/* members of a group */
#define PIECE		10000

/* Members that never come. */
static bool with_members(void)
{
	char path[192], insert[512];
	sqlite3 *db;
	bool ok;

	if (!authd_make(&run, "[realm]\nprotect_members = no\n"))
		return false;
	snprintf(path, sizeof(path), "%s/state/authd/realm.db", run.top);
	snprintf(insert, sizeof(insert),
		 "INSERT INTO member(name, state, static_pub, token, created, registered)"
		 " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		 " SELECT printf('m%%04d', i), 1, CAST(printf('%%032d', i) AS BLOB), randomblob(72), 1, 1 FROM n;",
		 MEMBERS);
	ok = sqlite3_open(path, &db) == SQLITE_OK &&
	     sqlite3_exec(db, insert, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(db);
	return ok && authd_begin(&run) && sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2");
}

static void end(void)
{
	sim_free(&a);
	sim_free(&b);
	authd_stop(&run);
}

/* As it is exported, from member @first of each group on: @first differs, and all groups do. */
static const char *large(int first)
{
	static char text[1 << 20];
	int g, i, len = 0;

	for (g = 0; g < GROUPS; g++) {
		len += sprintf(text + len, "group g%02d%s", g, g ? "" : " alice");
		for (i = 0; i < EACH; i++) {
			if ((i + !g) % 16 == 0 && i + !g)
				len += sprintf(text + len, "\ngroup g%02d", g);
			len += sprintf(text + len, " m%04d", first + g * 30 + i);
		}
		len += sprintf(text + len, "\n");
	}
	sprintf(text + len, "deny @g%02d bob\ndefault allow\nblock 10.9.0.0/16 @g00\n",
		first == 1 ? 0 : 1);
	return text;
}

static char *exported(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "policy.export");
	char *text = strdup(authd_str(ans, "text"));

	json_decref(ans);
	return text;
}

static bool in_force(const char *text)
{
	char *now = exported();
	bool same = !strcmp(now, text);

	free(now);
	return same;
}

/* ---- one connection, several requests ---- */

static struct sotto_uclient *dial(void)
{
	struct sotto_uclient *uc;

	if (sotto_uclient_open(run.sock, &uc, &err))
		abort();
	return uc;
}

/* What it is refused with, or "". */
static const char *piece(struct sotto_uclient *uc, const char *text, size_t len, size_t at,
			 bool more, int confirm)
{
	json_t *ans, *req = json_pack("{s:s, s:s%, s:I}", "cmd", "policy.apply", "text", text,
				      len, "at", (json_int_t)at);
	static char name[64];

	if (more)
		json_object_set_new(req, "more", json_true());
	else if (confirm)
		json_object_set_new(req, "confirm", json_integer(confirm));
	sotto_uclient_call(uc, req, 20000, &ans, &err);
	snprintf(name, sizeof(name), "%s", ans ? authd_str(ans, "error") : "no answer");
	if (*name)
		printf("# %s\n", err.text);
	json_decref(ans);
	json_decref(req);
	return name;
}

/* All of @text but its last piece; where that begins. */
static size_t begin(struct sotto_uclient *uc, const char *text)
{
	size_t at = 0, len = strlen(text);

	for (; len - at > PIECE; at += PIECE)
		IS(piece(uc, text + at, PIECE, at, true, 0), "");
	return at;
}

static void in_pieces(const char *text, int confirm)
{
	struct sotto_uclient *uc = dial();
	size_t at = begin(uc, text);

	EXPECT(at >= 10 * PIECE);
	IS(piece(uc, text + at, strlen(text + at), at, false, confirm), "");
	sotto_uclient_close(uc);
}

static void goes_round(void)
{
	char *text;

	ASSERT(with_members());
	in_pieces(large(1), 0);
	IS(verdict("alice", "bob"), "denied by deny @g00 bob");
	IS(verdict("m0001", "bob"), "denied by deny @g00 bob");
	/* whom one line of it concerns hears of it, among thousands of changes */
	TOLD(&a, "10.9.0.0/16", SOTTO_ACTION_BLOCK);
	EXPECT(in_force(large(1)));
	text = exported();
	in_pieces(text, 0);
	EXPECT(in_force(text));
	free(text);
	end();
}

/* ---- half of one is none ---- */

static void no_half(void)
{
	struct sotto_uclient *uc;
	const char *text = large(2);
	size_t at;

	ASSERT(with_members());
	IS(apply("default deny\n", 0), "");
	uc = dial();
	at = begin(uc, text);
	EXPECT(in_force("default deny\n"));
	/* the connection ends */
	sotto_uclient_close(uc);
	EXPECT(in_force("default deny\n"));
	/* a piece is missing, twice, the beginning, all of it */
	uc = dial();
	begin(uc, text);
	IS(piece(uc, text + at, strlen(text + at), at + 1, false, 0), "bad-input");
	IS(piece(uc, text + at, strlen(text + at), at, false, 0), "bad-input");
	begin(uc, text);
	IS(piece(uc, text + at - PIECE, PIECE, at - PIECE, true, 0), "bad-input");
	IS(piece(uc, "default allow\n", 14, at, false, 0), "bad-input");
	EXPECT(in_force("default deny\n"));
	/* it begins anew, whatever there was, and is refused with the line's number */
	begin(uc, text);
	at = begin(uc, text);
	IS(piece(uc, "\nnonsense\n", 10, at, false, 0), "bad-input");
	EXPECT(strstr(err.text, "'nonsense' begins no line") && strstr(err.text, "line 1"));
	IS(piece(uc, text + at, strlen(text + at), at, false, 0), "bad-input");
	EXPECT(in_force("default deny\n"));
	sotto_uclient_close(uc);
	end();
}

static void limits(void)
{
	static char text[60000];
	struct sotto_uclient *uc[AUTHD_TEXTS_MAX + 1];
	size_t at;
	int i;

	ASSERT(with_members());
	IS(apply("default deny\n", 0), "");
	for (i = 0; i < AUTHD_TEXTS_MAX; i++) {
		uc[i] = dial();
		IS(piece(uc[i], "#", 1, 0, true, 0), "");
	}
	uc[i] = dial();
	IS(piece(uc[i], "#", 1, 0, true, 0), "limit");
	sotto_uclient_close(uc[0]);
	sim_wait(100);
	IS(piece(uc[i], "#", 1, 0, true, 0), "");
	/* 16 MiB and no more */
	memset(text, ' ', sizeof(text) - 1);
	for (at = 1; at + sizeof(text) - 1 <= AUTHD_TEXT_MAX; at += sizeof(text) - 1)
		IS(piece(uc[i], text, sizeof(text) - 1, at, true, 0), "");
	IS(piece(uc[i], text, sizeof(text) - 1, at, true, 0), "limit");
	EXPECT(strstr(err.text, "16 MiB"));
	IS(piece(uc[i], "default allow\n", 14, at, false, 0), "bad-input");
	EXPECT(in_force("default deny\n"));
	while (i)
		sotto_uclient_close(uc[i--]);
	end();
}

static bool is_any(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return true;
}

/* A few bytes can name a million members: no more than a realm of that size has. */
static void names_limit(void)
{
	static const struct policy_names all = { .has = is_any };
	size_t n = POLICY_NAMES_MAX, i;
	struct policy_doc doc;
	char *text = malloc(2 * n + 32), *p = text;

	ASSERT(text);
	p += sprintf(p, "group web");
	for (i = 0; i < n; i++)
		p += sprintf(p, " m");
	EXPECT_EQ(policy_doc_parse(&doc, text, &all, &err), 0);
	policy_doc_free(&doc);
	sprintf(p, "\n\ngroup ops m");
	EXPECT_EQ(policy_doc_parse(&doc, text, &all, &err), SOTTO_E_LIMIT);
	EXPECT(strstr(err.text, "line 3: more than"));
	/* what was in force before a trial comes back, however large */
	EXPECT_EQ(policy_doc_parse(&doc, text, NULL, &err), 0);
	policy_doc_free(&doc);
	free(text);
}

/* ---- trials ---- */

/* Of a large one against a large one: it ends by a word, and in a server that comes back. */
static void trial(void)
{
	const char *const before = strdup(large(1));

	ASSERT(with_members());
	in_pieces(before, 0);
	in_pieces(large(3), 60);
	EXPECT(in_force(large(3)));
	IS(say("policy.revert", NULL, NULL, NULL, NULL), "");
	EXPECT(in_force(before));
	in_pieces(large(3), 5);
	EXPECT_EQ(authd_end(&run, SIGKILL), 128 + SIGKILL);
	ASSERT(authd_begin(&run));
	EXPECT(in_force(large(3)));
	SIM_UNTIL(in_force(before), 20000);
	EXPECT(in_force(before));
	in_pieces(large(3), 60);
	IS(say("policy.confirm", NULL, NULL, NULL, NULL), "");
	EXPECT(in_force(large(3)));
	free((char *)before);
	end();
}

/* ---- the command ---- */

/* What @command says, with "sotto" for the program; the caller's. */
static char *cli(const char *command, int *status)
{
	char line[PATH_MAX + 300], *out = calloc(1, 1 << 20);
	FILE *f;

	snprintf(line, sizeof(line), "cd %s; sotto() { %.*ssotto \"$@\"; }; %s", run.top,
		 (int)(strrchr(authd_bin, '/') + 1 - authd_bin), authd_bin, command);
	f = popen(line, "r");
	if (!f || !out)
		abort();
	if (!fread(out, 1, (1 << 20) - 1, f) && ferror(f))
		abort();
	*status = pclose(f);
	return out;
}

/* Comments have characters of several bytes, wherever a piece ends. */
static void write_doc(const char *text)
{
	char path[192];
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "%s/doc", run.top);
	f = fopen(path, "w");
	if (!f)
		abort();
	for (i = 0; i < 9000; i++)
		fprintf(f, "#%.*s\u00e9\u20ac\U0001f512\n", i % 7, "       ");
	fputs(text, f);
	fclose(f);
}

static void by_command(void)
{
	int status;
	char *out;

	ASSERT(with_members());
	write_doc(large(1));
	out = cli("sotto policy apply doc 2>&1", &status);
	IS(out, "In force: 50 groups, 1 rules, 1 networks.\n");
	EXPECT_EQ(status, 0);
	free(out);
	out = cli("sotto policy export | tee exported", &status);
	IS(out, large(1));
	free(out);
	out = cli("sotto policy apply - <exported && sotto policy export | cmp - exported", &status);
	EXPECT_EQ(status, 0);
	free(out);
	out = cli("printf 'policy apply doc\\npolicy apply exported\\n' >words; sotto -b words 2>&1", &status);
	EXPECT_EQ(status, 0);
	IS(out, "In force: 50 groups, 1 rules, 1 networks.\nIn force: 50 groups, 1 rules, 1 networks.\n");
	free(out);
	out = cli("(cat exported; echo nonsense) >bad; sotto policy apply bad 2>&1; sotto policy export | cmp - exported",
		  &status);
	EXPECT(strstr(out, "bad:1") && strstr(out, "'nonsense' begins no line"));
	EXPECT_EQ(status, 0);
	free(out);
	out = cli("yes '# more' | sotto policy apply - 2>&1; sotto policy apply /bin/sh 2>&1; sotto policy export | cmp - exported",
		  &status);
	EXPECT(strstr(out, "16 MiB at most") && strstr(out, "/bin/sh is not a text"));
	EXPECT_EQ(status, 0);
	free(out);
	end();
}

static const struct ktap_test tests[] = {
	{ "goes_round", goes_round },
	{ "no_half", no_half },
	{ "limits", limits },
	{ "names_limit", names_limit },
	{ "trial", trial },
	{ "by_command", by_command },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
