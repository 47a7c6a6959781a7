// SPDX-License-Identifier: GPL-2.0
/*
 * Words, values, suggestions and human units of the command line.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ktap.h"
#include "tools/cli.h"
#include "tools/keyfile.h"
#include "tools/print.h"

struct cli_opts opts;

/* Refusals print what is wrong: here only the code counts. */
static void quiet(void)
{
	if (!freopen("/dev/null", "w", stderr))
		abort();
}

static void test_numbers(void)
{
	uint64_t v;

	quiet();
	EXPECT(!parse_number("0", "number", 0, 10, &v) && v == 0);
	EXPECT(!parse_number("0x10", "number", 0, 100, &v) && v == 16);
	EXPECT(!parse_number("18446744073709551615", "number", 0, UINT64_MAX, &v));
	EXPECT(v == UINT64_MAX);
	EXPECT(parse_number("18446744073709551616", "number", 0, UINT64_MAX, &v));
	EXPECT(parse_number("11", "number", 0, 10, &v));
	EXPECT(parse_number("", "number", 0, 10, &v));
	EXPECT(parse_number(" 1", "number", 0, 10, &v));
	EXPECT(parse_number("-1", "number", 0, UINT64_MAX, &v));
	EXPECT(parse_number("+1", "number", 0, 10, &v));
	EXPECT(parse_number("1x", "number", 0, 10, &v));
}

static void test_seconds(void)
{
	uint32_t s;

	quiet();
	EXPECT(!parse_seconds("90", "time", &s) && s == 90);
	EXPECT(!parse_seconds("90s", "time", &s) && s == 90);
	EXPECT(!parse_seconds("15m", "time", &s) && s == 900);
	EXPECT(!parse_seconds("2h", "time", &s) && s == 7200);
	EXPECT(!parse_seconds("1d", "time", &s) && s == 86400);
	EXPECT(parse_seconds("", "time", &s));
	EXPECT(parse_seconds("h", "time", &s));
	EXPECT(parse_seconds("0", "time", &s));
	EXPECT(parse_seconds("1w", "time", &s));
	EXPECT(parse_seconds("1hh", "time", &s));
	EXPECT(parse_seconds("49711d", "time", &s));	/* past 32 bits */
	EXPECT(!parse_seconds("49710d", "time", &s) && s == 4294944000u);
	EXPECT(parse_seconds("111111111111111", "time", &s));
}

static void test_spi(void)
{
	uint32_t spi;

	quiet();
	EXPECT(!parse_spi("256", &spi) && spi == 256);
	EXPECT(!parse_spi("0xffffffff", &spi) && spi == UINT32_MAX);
	EXPECT(parse_spi("255", &spi));
	EXPECT(parse_spi("0x100000000", &spi));
}

static void test_prefix(void)
{
	struct sotto_prefix p;
	struct sotto_addr a;

	quiet();
	EXPECT(!parse_prefix("10.0.0.0/8", &p) && p.plen == 8 && p.addr.len == 4);
	EXPECT(!parse_prefix("0.0.0.0/0", &p) && p.plen == 0);
	EXPECT(!parse_prefix("10.0.0.1", &p) && p.plen == 32);
	EXPECT(!parse_prefix("fd00::/64", &p) && p.plen == 64 && p.addr.len == 16);
	EXPECT(!parse_prefix("::1", &p) && p.plen == 128);
	EXPECT(parse_prefix("10.0.0.1/8", &p));
	EXPECT(parse_prefix("10.0.0.0/33", &p));
	EXPECT(parse_prefix("fd00::/129", &p));
	EXPECT(parse_prefix("10.0.0.0/", &p));
	EXPECT(parse_prefix("10.0.0.0/-1", &p));
	EXPECT(parse_prefix("10.0.0.0/ 8", &p));
	EXPECT(parse_prefix("10.0.0.0/8/8", &p));
	EXPECT(parse_prefix("/8", &p));
	EXPECT(parse_prefix("example.org/8", &p));
	EXPECT(parse_address("10.0.0.1/32", &a));
	EXPECT(parse_address("10.0.0", &a));
	EXPECT(!parse_address("fe80::1", &a));
}

static void test_contains(void)
{
	struct sotto_prefix p;
	struct sotto_addr a;

	EXPECT(!sotto_prefix_parse(&p, "10.128.0.0/9"));
	EXPECT(!sotto_addr_parse(&a, "10.129.1.1") && sotto_prefix_contains(&p, &a));
	EXPECT(!sotto_addr_parse(&a, "10.127.1.1") && !sotto_prefix_contains(&p, &a));
	EXPECT(!sotto_addr_parse(&a, "::10.129.1.1") && !sotto_prefix_contains(&p, &a));
	EXPECT(!sotto_prefix_parse(&p, "::/0") && sotto_prefix_contains(&p, &a));
}

static void test_unicast(void)
{
	static const char *const good[] = { "10.0.0.1", "1.0.0.0", "fd00::1", "fe80::2" };
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1",
					   "255.255.255.255", "::", "::1", "ff02::1" };
	struct sotto_addr a;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		EXPECT(!sotto_addr_parse(&a, good[i]) && sotto_addr_is_unicast(&a));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT(!sotto_addr_parse(&a, bad[i]) && !sotto_addr_is_unicast(&a));
}

static void test_mapped(void)
{
	struct sockaddr_storage ss;
	struct sotto_addr a, b;
	uint16_t port;

	EXPECT(!sotto_addr_parse(&a, "::ffff:10.0.0.1"));
	EXPECT(sotto_addr_to_sockaddr(&a, 7688, &ss));
	EXPECT(!sotto_addr_from_sockaddr(&a, &port, &ss) && port == 7688);
	EXPECT(!sotto_addr_parse(&b, "10.0.0.1") && sotto_addr_eq(&a, &b));
}

static void test_sa_key(void)
{
	char hex[80] = "0x";
	struct sgenl_sa sa;

	quiet();
	for (int i = 0; i < 36; i++)
		snprintf(hex + 2 + 2 * i, 3, "%02x", i);
	EXPECT(!parse_sa_key(hex, &sa));
	for (int i = 0; i < 32; i++)
		EXPECT_EQ(sa.key[i], i);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(sa.salt[i], 32 + i);
	EXPECT(!parse_sa_key(hex + 2, &sa));
	hex[73] = 0;
	EXPECT(parse_sa_key(hex, &sa));
	strcpy(hex + 73, "g");
	EXPECT(parse_sa_key(hex, &sa));
	EXPECT(parse_sa_key("", &sa));
}

static int nothing(struct args *a)
{
	(void)a;
	return EXIT_OK;
}

static const struct command words[] = {
	{ "tunnel", nothing }, { "status", nothing }, { "stats", nothing },
	{ "up", nothing }, { NULL, NULL },
};

static const char *near(const char *word)
{
	const char *found = suggest(word, words);

	return found ? found : "";
}

static void test_suggest(void)
{
	EXPECT(!strcmp(near("tunnle"), "tunnel"));
	EXPECT(!strcmp(near("tun"), "tunnel"));
	EXPECT(!strcmp(near("statu"), "status"));
	EXPECT(!strcmp(near("pu"), ""));
	EXPECT(!strcmp(near("zzzzz"), ""));
	EXPECT(!strcmp(near(""), ""));
	EXPECT(!strcmp(near("tunneltunneltunneltunneltunnel"), ""));
}

static void test_suggest_below(void)
{
	EXPECT(!strcmp(suggest_below("audit"), "realm audit"));
	EXPECT(!suggest_below("realm"));
	EXPECT(!suggest_below(""));
}

static int run_of(const char *object, int n, const char *a, const char *b)
{
	char *v[] = { (char *)a, (char *)b };
	struct args args = { .v = v, .n = n };

	return dispatch(&args, object, words, NULL, "usage\n");
}

static int run(int n, const char *a, const char *b)
{
	return run_of("object", n, a, b);
}

/* No word is completed: what is not in the table is an error. */
static void test_dispatch(void)
{
	quiet();
	EXPECT_EQ(run(1, "up", NULL), EXIT_OK);
	EXPECT_EQ(run(1, "tunne", NULL), EXIT_USAGE);
	EXPECT_EQ(run(1, "u", NULL), EXIT_USAGE);
	EXPECT_EQ(run(0, NULL, NULL), EXIT_USAGE);
	EXPECT_EQ(run_of(NULL, 1, "audit", NULL), EXIT_USAGE);
	EXPECT_EQ(run_of(NULL, 1, "zzzzz", NULL), EXIT_USAGE);
}

static void test_human(void)
{
	char buf[HUMAN_MAX];

	EXPECT(!strcmp(human_bytes(1023, buf), "1023 B"));
	EXPECT(!strcmp(human_bytes(1024, buf), "1.0 KiB"));
	EXPECT(!strcmp(human_bytes(UINT64_MAX, buf), "16 EiB"));
	EXPECT(!strcmp(human_count(99999, buf), "99999"));
	EXPECT(!strcmp(human_count(100000, buf), "100.0k"));
	EXPECT(!strcmp(human_ms(1500, buf), "1.5s"));
	EXPECT(!strcmp(human_ms(61000, buf), "1m01s"));
	EXPECT(!strcmp(human_ms(3600000, buf), "1h00m"));
	EXPECT(!strcmp(human_ms(90000000, buf), "1d01h"));
	EXPECT(!strcmp(human_us(999, buf), "999 us"));
	EXPECT(!strcmp(human_us(1500, buf), "1.5 ms"));
}

/* A key file is read to its first line's end, and no further. */
static void test_read_secret(void)
{
	char path[] = "/tmp/sotto-key-XXXXXX", out[16];
	int fd = mkstemp(path);

	quiet();
	ASSERT(fd >= 0);
	ASSERT(write(fd, "secret \r\nmore\n", 14) == 14);
	EXPECT(!read_secret(path, "", "key", out, sizeof(out)));
	EXPECT(!strcmp(out, "secret"));
	EXPECT(read_secret(path, "", "key", out, 4));
	ASSERT(!ftruncate(fd, 0));
	EXPECT(read_secret(path, "", "key", out, sizeof(out)));
	close(fd);
	unlink(path);
	EXPECT(read_secret(path, "", "key", out, sizeof(out)));
}

/* Somebody at a terminal is asked; at_prompt() returns once the question is there. */
struct person {
	int master, slave;
	pid_t pid;
	char seen[256];
	size_t len;
};

static int answer_prompt(int slave)
{
	char out[16];

	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(slave, fd);
	if (read_secret("-", "Code", "code", out, sizeof(out)))
		return 1;
	return strcmp(out, "hushhush") ? 2 : 0;
}

/* Until @text was shown, or the other end is closed. */
static void see(struct person *p, const char *text)
{
	ssize_t n;

	while (!strstr(p->seen, text) && p->len < sizeof(p->seen) - 1) {
		n = read(p->master, p->seen + p->len, sizeof(p->seen) - 1 - p->len);
		if (n <= 0)
			break;
		p->len += n;
	}
}

static bool at_prompt(struct person *p)
{
	memset(p, 0, sizeof(*p));
	p->master = posix_openpt(O_RDWR | O_NOCTTY);
	if (p->master < 0 || grantpt(p->master) || unlockpt(p->master))
		return false;
	p->slave = open(ptsname(p->master), O_RDWR | O_NOCTTY);
	p->pid = p->slave < 0 ? -1 : fork();
	if (!p->pid)
		_exit(answer_prompt(p->slave));
	if (p->pid > 0)
		see(p, "Code: ");
	return p->pid > 0;
}

static int type(struct person *p, const char *text)
{
	int status = -1;

	if (write(p->master, text, strlen(text)) == (ssize_t)strlen(text))
		waitpid(p->pid, &status, 0);
	return status;
}

static bool echoes(const struct person *p)
{
	struct termios t;

	return !tcgetattr(p->slave, &t) && (t.c_lflag & ECHO);
}

static void leave(struct person *p)
{
	close(p->slave);
	close(p->master);
}

static void test_prompt_hides(void)
{
	struct person p;

	ASSERT(at_prompt(&p));
	EXPECT(!echoes(&p));
	EXPECT_EQ(type(&p, "hushhush\n"), 0);
	see(&p, "\n");
	EXPECT(!strstr(p.seen, "hush"));
	EXPECT(echoes(&p));
	leave(&p);
}

/* Who gives up at the prompt finds a terminal that shows what is typed. */
static void test_prompt_interrupted(void)
{
	struct person p;
	int status;

	ASSERT(at_prompt(&p));
	EXPECT(!echoes(&p));
	status = type(&p, "hu\003");
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	EXPECT(echoes(&p));
	leave(&p);
}

/* What others have said does not speak to the terminal. */
static void test_plain(void)
{
	char text[] = "a\033[2Jb\rc\177\302\233d\tf\303\251\302\240\n";
	struct table t;
	static const struct column column = { "NAME", false };

	EXPECT(!strcmp(plain(text), "a?[2Jb?c???d\tf\303\251\302\240\n"));
	table_init(&t, &column, 1);
	table_cell(&t, COLOR_NONE, "%s", "bob\033]0;x\007");
	EXPECT(!strcmp(*(char **)t.cells, "bob?]0;x?"));
	free(*(char **)t.cells);
	free(t.cells);
}

static const struct ktap_test tests[] = {
	{ "numbers", test_numbers },
	{ "seconds", test_seconds },
	{ "spi", test_spi },
	{ "prefix", test_prefix },
	{ "contains", test_contains },
	{ "unicast", test_unicast },
	{ "mapped", test_mapped },
	{ "sa_key", test_sa_key },
	{ "suggest", test_suggest },
	{ "suggest_below", test_suggest_below },
	{ "dispatch", test_dispatch },
	{ "human", test_human },
	{ "plain", test_plain },
	{ "read_secret", test_read_secret },
	{ "prompt_hides", test_prompt_hides },
	{ "prompt_interrupted", test_prompt_interrupted },
};

KTAP_MAIN(tests)
