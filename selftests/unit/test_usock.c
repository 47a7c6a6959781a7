// SPDX-License-Identifier: GPL-2.0
/*
 * Local control sockets, small files, token files: bounds and refusals.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "ktap.h"
#include "loop.h"
#include "params.h"
#include "token.h"
#include "usock.h"

static char dir[] = "/tmp/sotto-usock-XXXXXX";
static char sock[64];
static struct sotto_errmsg err;

static const char *in_dir(char *buf, const char *name)
{
	snprintf(buf, 128, "%s/%s", dir, name);
	return buf;
}

/* ---- a server in a child process ---- */

static void on_request(void *arg, struct sotto_usock_conn *conn,
		       const json_t *req)
{
	const char *cmd = json_string_value(json_object_get(req, "cmd"));
	static char filler[1200];
	int i;

	(void)arg;
	memset(filler, 'x', sizeof(filler) - 1);
	if (!cmd)
		sotto_usock_fail(conn, "bad-input", "no cmd");
	else if (strlen(cmd) > 30)
		sotto_usock_fail(conn, "bad-input", "no '%.20s'", cmd);
	else if (!strcmp(cmd, "stream"))
		for (i = 0; i < 3; i++)
			sotto_usock_send(conn, json_pack("{s:i}", "n", i));
	else if (!strcmp(cmd, "flood"))
		for (i = 0; i < 40000; i++)
			sotto_usock_send(conn, json_pack("{s:s}", "fill",
							 filler));
	else if (!strcmp(cmd, "quit"))
		ev_break(EV_DEFAULT, EVBREAK_ALL);
	else
		sotto_usock_ok(conn, json_pack("{s:s}", "echo", cmd));
}

static const struct sotto_usock_ops ops = { .request = on_request };

static pid_t serve(void)
{
	pid_t pid = fork();
	struct sotto_usock *us;

	if (pid)
		return pid;
	if (sotto_usock_listen(EV_DEFAULT, sock, &ops, NULL, &us, &err))
		_exit(9);
	ev_run(EV_DEFAULT, 0);
	sotto_usock_close(us);
	ev_loop_destroy(EV_DEFAULT);
	exit(0);
}

static pid_t start(void)
{
	pid_t pid = serve();
	json_t *ans = NULL, *req = json_pack("{s:s}", "cmd", "hello");
	int i;

	for (i = 0; i < 500 && !ans; i++) {
		usleep(5000);
		sotto_usock_call(sock, req, 1000, &ans, &err);
	}
	EXPECT(ans);
	json_decref(ans);
	json_decref(req);
	return pid;
}

static void quit(pid_t pid)
{
	json_t *ans, *req = json_pack("{s:s}", "cmd", "quit");
	int status = -1;

	EXPECT_EQ(sotto_usock_call(sock, req, 1000, &ans, &err), SOTTO_E_CLOSED);
	json_decref(req);
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT(access(sock, F_OK) && errno == ENOENT);
}

static int raw_open(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, sock);
	EXPECT(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

/* What the server says until a newline or the end; "" for the end at once. */
static void raw_read(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap - 1 && read(fd, buf + len, 1) == 1)
		if (buf[len++] == '\n')
			break;
	buf[len] = 0;
}

static void calls(void)
{
	json_t *ans, *req = json_pack("{s:s}", "cmd", "hello");
	struct sotto_uclient *uc;
	struct stat st;
	pid_t pid = start();
	int i;

	EXPECT(!stat(sock, &st) && (st.st_mode & 0777) == 0600);
	EXPECT_EQ(sotto_usock_call(sock, req, 1000, &ans, &err), 0);
	EXPECT(!strcmp(json_string_value(json_object_get(ans, "echo")),
		       "hello"));
	json_decref(ans);
	json_decref(req);
	req = json_pack("{s:s}", "cmd", "stream");
	EXPECT_EQ(sotto_uclient_open(sock, &uc, &err), 0);
	EXPECT_EQ(sotto_uclient_send(uc, req, &err), 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(sotto_uclient_recv(uc, 1000, &ans, &err), 0);
		EXPECT_EQ(json_integer_value(json_object_get(ans, "n")), i);
		json_decref(ans);
	}
	EXPECT_EQ(sotto_uclient_recv(uc, 50, &ans, &err), SOTTO_E_TIMEOUT);
	sotto_uclient_close(uc);
	json_decref(req);
	req = json_object();
	EXPECT_EQ(sotto_usock_call(sock, req, 1000, &ans, &err),
		  SOTTO_E_REFUSED);
	EXPECT(!strcmp(err.text, "no cmd"));
	json_decref(ans);
	json_decref(req);
	quit(pid);
}

static void bad_input(void)
{
	static char big[SOTTO_USOCK_LINE_MAX + 10];
	static const char *const lines[] = {
		"\n", "{\n", "[]\n", "null\n", "{\"cmd\":1,\"cmd\":2}\n",
		"\xff\xfe\n", "{\"cmd\":\"x\"} junk\n",
	};
	char buf[1024];
	pid_t pid = start();
	size_t i;
	int fd = raw_open();

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		EXPECT(write(fd, lines[i], strlen(lines[i])) > 0);
		raw_read(fd, buf, sizeof(buf));
		EXPECT(strstr(buf, "\"bad-input\""));
	}
	/* the connection is still good, even for requests in pieces */
	EXPECT(write(fd, "{\"cmd\":\"a\"}\n{\"cm", 16) == 16);
	raw_read(fd, buf, sizeof(buf));
	EXPECT(strstr(buf, "\"echo\":\"a\""));
	EXPECT(write(fd, "d\":\"b\"}\n", 8) == 8);
	raw_read(fd, buf, sizeof(buf));
	EXPECT(strstr(buf, "\"echo\":\"b\""));
	/* what is quoted is cut, perhaps within a character */
	EXPECT(dprintf(fd, "{\"cmd\":\"a%s\"}\n",
		       "\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc"
		       "\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc") > 0);
	raw_read(fd, buf, sizeof(buf));
	EXPECT(strstr(buf, "\"no 'a?"));
	/* a line that does not end is cut off */
	memset(big, 'x', sizeof(big));
	for (i = 0; i < sizeof(big);) {
		ssize_t n = send(fd, big + i, sizeof(big) - i, MSG_NOSIGNAL);

		if (n < 0)
			break;
		i += n;
	}
	raw_read(fd, buf, sizeof(buf));
	EXPECT(strstr(buf, "\"limit\""));
	raw_read(fd, buf, sizeof(buf));
	EXPECT(!*buf);
	close(fd);
	quit(pid);
}

/* Somebody who does not read loses his connection, not the server its memory. */
static void slow_reader(void)
{
	static const char flood[] = "{\"cmd\":\"flood\"}\n";
	json_t *ans, *req = json_pack("{s:s}", "cmd", "hello");
	char buf[4096];
	size_t total = 0;
	ssize_t n;
	pid_t pid = start();
	int fd = raw_open();

	EXPECT(write(fd, flood, strlen(flood)) > 0);
	/* answered once the flood is behind it */
	EXPECT_EQ(sotto_usock_call(sock, req, 30000, &ans, &err), 0);
	json_decref(ans);
	json_decref(req);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	EXPECT(total < SOTTO_USOCK_OUT_MAX);
	close(fd);
	quit(pid);
}

static void second_listener(void)
{
	struct sotto_usock *us;
	char path[128];
	pid_t pid = start();
	int status;
	FILE *f;

	EXPECT_EQ(sotto_usock_listen(EV_DEFAULT, sock, &ops, NULL, &us, &err),
		  SOTTO_E_EXISTS);
	/* one that was killed leaves a socket behind: it is replaced */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	EXPECT(!access(sock, F_OK));
	pid = start();
	quit(pid);
	/* but nothing that is not a socket */
	f = fopen(in_dir(path, "file"), "w");
	fclose(f);
	EXPECT_EQ(sotto_usock_listen(EV_DEFAULT, path, &ops, NULL, &us, &err),
		  SOTTO_E_EXISTS);
	EXPECT(!access(path, F_OK));
}

static void nobody_there(void)
{
	json_t *ans, *req = json_object();

	EXPECT_EQ(sotto_usock_call(sock, req, 100, &ans, &err), SOTTO_E_CLOSED);
	EXPECT(strstr(err.text, "running"));
	json_decref(req);
}

/* Another user gets no word out of it. */
static void other_user(void)
{
	pid_t pid, child;
	int status;

	if (geteuid())
		SKIP("needs root to become another user");
	pid = start();
	EXPECT(!chmod(sock, 0666) && !chmod(dir, 0755));
	child = fork();
	if (!child) {
		char buf[64] = "";
		int fd;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		fd = raw_open();
		(void)!send(fd, "{\"cmd\":\"x\"}\n", 12, MSG_NOSIGNAL);
		raw_read(fd, buf, sizeof(buf));
		_exit(*buf ? 1 : 0);
	}
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
	quit(pid);
}

/* ---- files ---- */

static void files(void)
{
	char path[128], buf[16], deep[160];
	struct stat st;
	size_t len;

	in_dir(path, "secret");
	EXPECT_EQ(sotto_file_write(path, 0600, false, "12345678", 8, &err), 0);
	EXPECT(!stat(path, &st) && (st.st_mode & 0777) == 0600);
	EXPECT_EQ(sotto_file_write(path, 0600, false, "x", 1, &err),
		  SOTTO_E_EXISTS);
	EXPECT_EQ(sotto_file_read(path, true, buf, sizeof(buf), &len, &err), 0);
	EXPECT(len == 8 && !memcmp(buf, "12345678", 8));
	EXPECT_EQ(sotto_file_read(path, true, buf, 8, &len, &err), 0);
	EXPECT_EQ(sotto_file_read(path, true, buf, 7, &len, &err), SOTTO_E_BAD);
	EXPECT_EQ(sotto_file_write(path, 0644, true, "new", 3, &err), 0);
	EXPECT_EQ(sotto_file_read(path, false, buf, 8, &len, &err), 0);
	EXPECT_EQ(len, 3);
	EXPECT_EQ(sotto_file_read(path, true, buf, 8, &len, &err), SOTTO_E_PERM);
	EXPECT(strstr(err.text, "chmod 600"));
	EXPECT_EQ(sotto_file_read(dir, false, buf, 8, &len, &err), SOTTO_E_BAD);
	EXPECT_EQ(sotto_file_read("/nonexistent", false, buf, 8, &len, &err),
		  SOTTO_E_UNKNOWN);
	EXPECT_EQ(sotto_file_write("/nonexistent/x", 0600, true, "x", 1, &err),
		  SOTTO_E_UNKNOWN);
	snprintf(deep, sizeof(deep), "%s/a/b/c", dir);
	EXPECT_EQ(sotto_mkdirs(deep, 0700, &err), 0);
	EXPECT_EQ(sotto_mkdirs(deep, 0700, &err), 0);
	EXPECT(!stat(deep, &st) && (st.st_mode & 0777) == 0700);
}

static void tokens(void)
{
	uint8_t secret[32], out[32], want[32];
	struct sotto_token *t;
	char path[128];

	randombytes_buf(secret, sizeof(secret));
	in_dir(path, "token");
	EXPECT_EQ(sotto_token_file_create(path, false, secret, &err), 0);
	EXPECT_EQ(sotto_token_file_create(path, false, secret, &err),
		  SOTTO_E_EXISTS);
	ASSERT(!sotto_token_file(path, &t, &err));
	EXPECT_EQ(sotto_token_hmac(t, "data", 4, out), 0);
	crypto_auth_hmacsha256(want, (const uint8_t *)"data", 4, secret);
	EXPECT(!memcmp(out, want, 32));
	sotto_token_close(t);
	EXPECT_EQ(sotto_file_write(path, 0600, true, "short", 5, &err), 0);
	EXPECT_EQ(sotto_token_file(path, &t, &err), SOTTO_E_BAD);
	chmod(path, 0640);
	EXPECT_EQ(sotto_token_file(path, &t, &err), SOTTO_E_PERM);
	sotto_token_close(NULL);
}

static const struct ktap_test tests[] = {
	{ "calls", calls },
	{ "bad_input", bad_input },
	{ "slow_reader", slow_reader },
	{ "second_listener", second_listener },
	{ "nobody_there", nobody_there },
	{ "other_user", other_user },
	{ "files", files },
	{ "tokens", tokens },
};

static void clean(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd))
		printf("# %s remains\n", dir);
}

int main(void)
{
	int rc;

	alarm(60);	/* a socket that never answers ends the program */
	if (sodium_init() < 0 || !mkdtemp(dir))
		return 1;
	snprintf(sock, sizeof(sock), "%s/s", dir);
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	clean();
	return rc;
}
