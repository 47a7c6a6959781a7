// SPDX-License-Identifier: GPL-2.0
/*
 * Many commands from one file: how lines become words, and when the run ends.
 */
#include <string.h>
#include <unistd.h>

#include "ktap.h"
#include "tools/batch.h"
#include "tools/cli.h"
#include "tools/gather.h"
#include "tools/kernel.h"

struct cli_opts opts;

/* What the runs of test_run() took. */
static char seen[256];

void kernel_keep(bool keep)
{
	(void)keep;
}

/* What "sa add N" leaves to be sent, which then ends with N. */
static int gathered;

void gather_begin(bool force)
{
	(void)force;
	gathered = -1;
}

void gather_end(void)
{
	gathered = -1;
}

int gather_send(void)
{
	int ret = gathered;

	gathered = -1;
	if (ret < 0)
		return EXIT_OK;
	strcat(seen, "sent|");
	return ret ? fail(ret, "refused") : EXIT_OK;
}

static int words(const char *text, char *v[BATCH_WORDS_MAX])
{
	static char line[4096];

	strcpy(line, text);
	return batch_words(line, v);
}

static void test_words(void)
{
	char *v[BATCH_WORDS_MAX];

	EXPECT_EQ(words("", v), 0);
	EXPECT_EQ(words("  \t ", v), 0);
	EXPECT_EQ(words("# all of it", v), 0);
	EXPECT_EQ(words(" sa  show # the rest", v), 2);
	EXPECT(!strcmp(v[0], "sa") && !strcmp(v[1], "show"));
	EXPECT_EQ(words("name \"a b\" 'c d'e x#y", v), 4);
	EXPECT(!strcmp(v[1], "a b") && !strcmp(v[2], "c de") && !strcmp(v[3], "x#y"));
	EXPECT_EQ(words("name \"\" \"it's\"", v), 3);
	EXPECT(!strcmp(v[1], "") && !strcmp(v[2], "it's"));
	EXPECT_EQ(words("name \"open", v), -1);
	EXPECT_EQ(words("name 'open", v), -1);
}

static void test_many_words(void)
{
	char line[4 * BATCH_WORDS_MAX] = "", *v[BATCH_WORDS_MAX];

	for (int i = 0; i < BATCH_WORDS_MAX; i++)
		strcat(line, "a ");
	EXPECT_EQ(words(line, v), BATCH_WORDS_MAX);
	strcat(line, "a");
	EXPECT_EQ(words(line, v), -1);
}

/* A command "fail N" ends with N. */
static int run(char **v, int n)
{
	for (int i = 0; i < n; i++) {
		strncat(seen, v[i], 8);
		strcat(seen, i + 1 < n ? " " : "|");
	}
	opts.json = true;
	if (n > 2 && !strcmp(v[1], "add"))
		gathered = atoi(v[2]);
	if (n > 2 && !strcmp(v[1], "del"))
		return fail(EXIT_USAGE, "no such thing");
	return strcmp(v[0], "fail") ? EXIT_OK : atoi(v[1]);
}

static int batch(const char *text, size_t len, bool force)
{
	char path[] = "/tmp/sotto-batch.XXXXXX";
	struct batch b = { .file = path, .force = force };
	int fd = mkstemp(path), ret;

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
	seen[0] = 0;
	ret = batch_run(&b, run);
	unlink(path);
	return ret;
}

static int batch_text(const char *text, bool force)
{
	return batch(text, strlen(text), force);
}

static void test_run(void)
{
	if (!freopen("/dev/null", "w", stderr))
		abort();
	EXPECT_EQ(batch_text("a 1\n\n# no\nb", false), EXIT_OK);
	EXPECT(!strcmp(seen, "a 1|b|"));
	EXPECT(!opts.json);
	EXPECT_EQ(batch_text("a \\\r\n b\\\nc\nd\\", false), EXIT_OK);
	EXPECT(!strcmp(seen, "a bc|d|"));
	EXPECT_EQ(batch_text("a\nfail 3\nb\n", false), 3);
	EXPECT(!strcmp(seen, "a|fail 3|"));
	EXPECT_EQ(batch_text("fail 3\nb\nfail 2\nc\n", true), 3);
	EXPECT(!strcmp(seen, "fail 3|b|fail 2|c|"));
	EXPECT_EQ(batch_text("a 'b\nc\n", true), EXIT_USAGE);
	EXPECT(!strcmp(seen, "c|"));
}

/* Nothing happens that would not happen one by one. */
static void test_gathered(void)
{
	EXPECT_EQ(batch_text("sa add 0\nsa add 0\nb\nsa add 0\n", false), EXIT_OK);
	EXPECT(!strcmp(seen, "sa add 0|sa add 0|sent|b|sa add 0|sent|"));
	EXPECT_EQ(batch_text("sa add 4\nb\n", false), 4);
	EXPECT(!strcmp(seen, "sa add 4|sent|"));
	EXPECT_EQ(batch_text("sa add 4\nb\nfail 2\n", true), 4);
	EXPECT(!strcmp(seen, "sa add 4|sent|b|fail 2|"));
	EXPECT_EQ(batch_text("sa add 4\nsa del x\nb\n", false), 4);
	EXPECT(!strcmp(seen, "sa add 4|sa del x|sent|"));
	EXPECT_EQ(batch_text("sa add 0\nsa del x\n", false), EXIT_USAGE);
	EXPECT(!strcmp(seen, "sa add 0|sa del x|sent|"));
}

/* Half a line is left when what was gathered is refused in the middle of it. */
static void test_half_a_line(void)
{
	static char text[1 << 17];
	size_t at = sprintf(text, "sa add 4\nb ");

	while (at < sizeof(text) / 2)
		at += sprintf(text + at, "cccccccc\\\n");
	strcpy(text + at, "\nd\n");
	EXPECT_EQ(batch_text(text, false), 4);
	EXPECT(!strcmp(seen, "sa add 4|sent|"));
}

static void test_bad_bytes(void)
{
	static char line[70000];

	if (!freopen("/dev/null", "w", stderr))
		abort();
	EXPECT_EQ(batch("a\nb\0c\nd\n", 8, true), EXIT_USAGE);
	EXPECT(!strcmp(seen, "a|"));
	memset(line, 'x', sizeof(line));
	EXPECT_EQ(batch(line, sizeof(line), true), EXIT_USAGE);
	EXPECT(!seen[0]);
}

static const struct ktap_test tests[] = {
	{ "words", test_words },
	{ "too many words", test_many_words },
	{ "runs end at an error, or go on", test_run },
	{ "what is gathered comes before what follows", test_gathered },
	{ "no half of a line is run", test_half_a_line },
	{ "bytes that are no text", test_bad_bytes },
};

KTAP_MAIN(tests)
