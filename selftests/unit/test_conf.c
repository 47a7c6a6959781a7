// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration files: what is wrong is refused, by file and line.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "ktap.h"
#include "log.h"

static char path[] = "/tmp/sotto-conf-XXXXXX";
static struct sotto_errmsg err;

static struct {
	bool flag;
	uint32_t count, seconds;
	uint64_t bytes;
	char text[8];
	int level;
} c;

static const struct sotto_conf_key keys[] = {
	{ "", "top", sotto_conf_bool, &c.flag, 0, 0 },
	{ "one", "flag", sotto_conf_bool, &c.flag, 0, 0 },
	{ "one", "count", sotto_conf_u32, &c.count, 1, 100 },
	{ "two", "seconds", sotto_conf_seconds, &c.seconds, 10, 86400 },
	{ "two", "bytes", sotto_conf_u64, &c.bytes, 0, UINT64_MAX },
	{ "two", "text", sotto_conf_string, &c.text, 0, sizeof(c.text) },
	{ "two", "log_level", sotto_conf_log_level, &c.level, 0, 0 },
};

static int load(const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	memset(&err, 0, sizeof(err));
	return sotto_conf_load(path, keys, sizeof(keys) / sizeof(keys[0]), &err);
}

/* Refused, with ":LINE:" and @word in the message. */
static void bad(const char *text, int code, int line, const char *word)
{
	char where[64];

	EXPECT_EQ(load(text), code);
	snprintf(where, sizeof(where), "%s:%d:", path, line);
	EXPECT(strstr(err.text, where));
	EXPECT(strstr(err.text, word));
	if (!strstr(err.text, where) || !strstr(err.text, word))
		printf("# said: %s\n", err.text);
}

static void good(void)
{
	EXPECT_EQ(load(""), 0);
	EXPECT_EQ(load("# nothing\n\n; here\n[one]\n"), 0);
	EXPECT_EQ(load("[one]\nflag = yes\ncount = 7 ; why not\n"
		       "[two]\nseconds=2h\nbytes = 3M\ntext = hello\n"
		       "log_level = debug\n"), 0);
	EXPECT(c.flag);
	EXPECT_EQ(c.count, 7);
	EXPECT_EQ(c.seconds, 7200);
	EXPECT_EQ(c.bytes, 3 << 20);
	EXPECT(!strcmp(c.text, "hello"));
	EXPECT_EQ(c.level, SOTTO_LOG_DEBUG);
	EXPECT_EQ(load("[one]\ncount = 1\ncount = 2\n"), 0);
	EXPECT_EQ(c.count, 2);
	EXPECT_EQ(load("top = no\n[one]\n"), 0);
	EXPECT(!c.flag);
}

static void unknown(void)
{
	bad("[one]\nflag = yes\nflga = yes\n", SOTTO_E_UNKNOWN, 3, "flga");
	bad("[one]\nflag = yes\n\n# x\n[three]\nflag = yes\n", SOTTO_E_UNKNOWN,
	    6, "[three]");
	bad("flag = yes\n", SOTTO_E_UNKNOWN, 1, "flag");
	bad("[one]\nseconds = 60\n", SOTTO_E_UNKNOWN, 2, "[one]");
	/* and what would have been right */
	bad("[one]\nseconds = 60\n", SOTTO_E_UNKNOWN, 2, "which has: flag, count");
	bad("[three]\nflag = yes\n", SOTTO_E_UNKNOWN, 2, "there are: one, two");
}

static void values(void)
{
	bad("[one]\nflag = maybe\n", SOTTO_E_VALUE, 2, "yes or no");
	bad("[one]\ncount = 101\n", SOTTO_E_VALUE, 2, "1-100");
	bad("[one]\ncount = 0\n", SOTTO_E_VALUE, 2, "1-100");
	bad("[one]\ncount = -1\n", SOTTO_E_VALUE, 2, "1-100");
	bad("[one]\ncount = 1x\n", SOTTO_E_VALUE, 2, "1-100");
	bad("[one]\ncount =\n", SOTTO_E_VALUE, 2, "1-100");
	bad("[one]\ncount = 99999999999999999999999\n", SOTTO_E_VALUE, 2, "1-100");
	bad("[two]\n\nseconds = 9\n", SOTTO_E_VALUE, 3, "90s");
	bad("[two]\nseconds = 2d\n", SOTTO_E_VALUE, 2, "90s");
	bad("[two]\nseconds = 1hh\n", SOTTO_E_VALUE, 2, "90s");
	bad("[two]\nbytes = 99999999T\n", SOTTO_E_VALUE, 2, "K, M, G, T");
	bad("[two]\ntext = too long\n", SOTTO_E_VALUE, 2, "at most 7");
	bad("[two]\nlog_level = loud\n", SOTTO_E_VALUE, 2, "debug");
}

static void syntax(void)
{
	char line[600];

	bad("[one]\nwhat is this\n", SOTTO_E_BAD, 2, "key = value");
	bad("[one\nflag = yes\n", SOTTO_E_BAD, 1, "[section]");
	/* lines are counted right behind one that is longer than a buffer */
	memset(line, '#', sizeof(line));
	strcpy(line + 500, "\n[one]\nflga = yes\n");
	bad(line, SOTTO_E_UNKNOWN, 3, "flga");
}

static void files(void)
{
	EXPECT_EQ(sotto_conf_load("/nonexistent/sotto.conf", keys, 1, &err), 0);
	EXPECT(sotto_conf_load("/tmp", keys, 1, &err) < 0);
	EXPECT(strstr(err.text, "/tmp"));
}

static const struct ktap_test tests[] = {
	{ "good", good },
	{ "unknown", unknown },
	{ "values", values },
	{ "syntax", syntax },
	{ "files", files },
};

int main(void)
{
	int rc, fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	unlink(path);
	return rc;
}
