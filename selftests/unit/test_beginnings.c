// SPDX-License-Identifier: GPL-2.0
/*
 * The first messages to the real server over loopback: with wrong secrets, damaged, replayed,
 * too many; and its cookies and hints.
 */
#include "hostsrun.h"

static void wrong_secrets(void)
{
	uint8_t secret[32], priv[32];

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(sim_member(&b, &run, "bob", "10.0.0.2"));
	/* the right static key with a wrong token secret */
	sotto_token_close(a.token);
	randombytes_buf(secret, 32);
	a.token = sotto_token_memory(secret);
	EXPECT_EQ(sim_handshake(&a, false, 10000), SOTTO_HS_FAILED);
	/* the other way round: bob's key with alice's secret, and a stranger's */
	sotto_token_close(b.token);
	b.token = sotto_token_memory(secret);
	EXPECT_EQ(sim_handshake(&b, false, 10000), SOTTO_HS_FAILED);
	memcpy(priv, b.priv, 32);
	randombytes_buf(b.priv, 32);
	EXPECT_EQ(sim_handshake(&b, false, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_REFUSED);
	memcpy(b.priv, priv, 32);
	/* a line with another realm's key */
	b.server_key[3] ^= 1;
	EXPECT_EQ(sim_handshake(&b, false, 10000), SOTTO_HS_HINTED);
	EXPECT_EQ(b.hs_res.hint, SOTTO_HINT_KEY);
	stop(&a, &b);
}

static void junk(void)
{
	uint8_t buf[1500];
	int i;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	for (i = 0; i < 3000; i++) {
		size_t len = randombytes_uniform(sizeof(buf) + 1);

		randombytes_buf(buf, len);
		if (len > 4 && i % 2) {
			buf[0] = 1 + i / 2 % 5;
			buf[1] = 1;
			buf[2] = i / 10 % 4;
			buf[3] = 0;
		}
		(void)!send(a.fd, buf, len, 0);
		if (i % 50 == 0)
			sim_wait(1);
	}
	sim_wait(50);
	EXPECT(sim_hello(&a, 0));
	EXPECT_EQ(stat_of("assocs"), 1);
	EXPECT(stat_of("malformed") > 1000);
	stop(&a, NULL);
}

/* A stranger's or a replayed message 1 replaces nothing. */
static void replayed_init(void)
{
	uint8_t init[SOTTO_DGRAM_MAX];
	size_t len;
	int i;

	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	EXPECT_EQ(sotto_hs_client_member(&a.hs, a.server_key, a.priv, a.token,
					 0), 0);
	len = a.hs.len;
	memcpy(init, a.hs.dgram, len);
	for (i = 0; i < 5; i++)
		(void)!send(a.fd, init, len, 0);
	sim_wait(100);
	EXPECT_EQ(stat_of("half_open"), 1);
	/* fresh ones are half open only, and not more than a few */
	for (i = 0; i < 10; i++) {
		sotto_hs_client_member(&a.hs, a.server_key, a.priv, a.token, 0);
		(void)!send(a.fd, a.hs.dgram, a.hs.len, 0);
	}
	sim_wait(100);
	EXPECT_EQ(stat_of("half_open"), 4);
	EXPECT_EQ(stat_of("assocs"), 1);
	EXPECT(sim_hello(&a, 0));
	stop(&a, NULL);
}

static void replay_from(int host, const struct sotto_hs_client *hs)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000000 + host),
	};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(run.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	EXPECT(!bind(fd, (struct sockaddr *)&from, sizeof(from)));
	EXPECT_EQ(sendto(fd, hs->dgram, hs->len, 0, (struct sockaddr *)&to, sizeof(to)),
		  (ssize_t)hs->len);
	close(fd);
}

/* What Alice may have sent one day, from several places: the server gets all at once. */
static void replay_many(void)
{
	struct sotto_hs_client hs[20];
	int i;

	for (i = 0; i < 20; i++)
		EXPECT_EQ(sotto_hs_client_member(&hs[i], a.server_key, a.priv, a.token, 0), 0);
	kill(run.pid, SIGSTOP);
	for (i = 0; i < 20; i++)
		replay_from(2 + i % 5, &hs[i]);
	kill(run.pid, SIGCONT);
	for (i = 0; i < 20; i++)
		sotto_hs_client_wipe(&hs[i]);
	sim_wait(100);
	EXPECT_EQ(stat_of("half_open"), 4);
}

/* Alice's handshake is through; now her hello. */
static bool confirm(void)
{
	sim_close_chan(&a);
	sotto_chan_init(&a.chan, &a.hs_res.keys, &sim_ops, &a, sotto_now_ms());
	a.open = true;
	return sim_hello(&a, 0);
}

/* Many replayed ones do not push out the one that is under way. */
static void replayed_beside(void)
{
	ASSERT(authd_start(&run, ""));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	EXPECT_EQ(sim_handshake(&a, false, 3000), SOTTO_HS_DONE);
	replay_many();
	EXPECT(confirm());
	/* nor if they were there before it: then it shows that it is where it says */
	replay_many();
	EXPECT_EQ(sim_handshake(&a, false, 3000), SOTTO_HS_DONE);
	replay_many();
	EXPECT(confirm());
	stop(&a, NULL);
}

/* Nor do those of somebody who shows that as well, at another place. */
static void replayed_and_proven(void)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000002),
	};
	int i;

	ASSERT(authd_start(&run, "[limits]\ncookie_rate = 0\n"));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	ASSERT(sim_member(&b, &run, "bob", "10.0.0.2"));
	memcpy(b.priv, a.priv, sizeof(b.priv));
	sotto_token_close(b.token);
	b.token = sotto_token_memory(a.token_secret);
	EXPECT_EQ(sim_handshake(&a, false, 3000), SOTTO_HS_DONE);
	close(b.fd);
	b.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	EXPECT(!bind(b.fd, (struct sockaddr *)&from, sizeof(from)));
	from.sin_port = htons(run.port);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(!connect(b.fd, (struct sockaddr *)&from, sizeof(from)));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(sim_handshake(&b, false, 3000), SOTTO_HS_DONE);
	EXPECT_EQ(stat_of("half_open"), 4);
	EXPECT(confirm());
	stop(&a, &b);
}

/* A member's message 1 with one bit of it wrong begins nothing, nor does a part of it. What is at
 * its end, the cookie, is looked at under load alone.
 */
static void damaged_init(void)
{
	uint8_t init[SOTTO_DGRAM_MAX];
	size_t len, i;

	ASSERT(authd_start(&run, "[limits]\ncookie_rate = 1000000\nsource_rate = 1000000\n"));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	EXPECT_EQ(sotto_hs_client_member(&a.hs, a.server_key, a.priv, a.token,
					 0), 0);
	len = a.hs.len;
	memcpy(init, a.hs.dgram, len);
	for (i = 0; i < len - SOTTO_COOKIE_LEN; i++) {
		init[i] ^= 1 << i % 8;
		(void)!send(a.fd, init, len, 0);
		init[i] ^= 1 << i % 8;
		(void)!send(a.fd, init, i, 0);
		if (i % 16 == 0)
			sim_wait(1);
	}
	sim_wait(100);
	EXPECT_EQ(stat_of("half_open"), 0);
	EXPECT_EQ(stat_of("assocs"), 1);
	(void)!send(a.fd, init, len, 0);
	sim_wait(100);
	EXPECT_EQ(stat_of("half_open"), 1);
	stop(&a, NULL);
}

/* Asked for its cookie before any public-key work is done for it. */
static void cookie(void)
{
	ASSERT(authd_start(&run, "[limits]\ncookie_rate = 0\n"));
	ASSERT(sim_member(&a, &run, "alice", "10.0.0.1"));
	EXPECT(stat_of("cookies") >= 2);
	EXPECT_EQ(stat_of("cookies"), stat_of("cookies_missing"));
	stop(&a, NULL);
}

/* Whatever strangers make the server hint at: who needs a cookie gets one. */
static void cookie_among_hints(void)
{
	char line[SOTTO_LINE_MAX];
	uint8_t stray[64] = { 3, SOTTO_PROTO_VERSION };
	int i;

	ASSERT(authd_start(&run, "[limits]\ncookie_rate = 0\n"));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	for (i = 0; i < 1000; i++) {
		(void)!send(a.fd, stray, sizeof(stray), 0);
		if (i % 100 == 0)
			sim_wait(1);
	}
	EXPECT_EQ(sim_handshake(&a, true, 300), SOTTO_HS_DONE);
	EXPECT(stat_of("hints") >= 200);
	stop(&a, NULL);
}

/* What others send in its name keeps nobody out; what it sends itself does. */
static void in_its_name(void)
{
	char line[SOTTO_LINE_MAX];
	int i, busy = 0;

	ASSERT(authd_start(&run, "[limits]\nsource_rate = 1\n"));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	sim_new(&b, &run, line);
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(sim_begin(&b, true), 0);
		(void)!send(b.fd, b.hs.dgram, b.hs.len, 0);
		sotto_hs_client_wipe(&b.hs);
	}
	sim_wait(100);
	EXPECT_EQ(stat_of("init_limited"), 0);
	EXPECT_EQ(sim_handshake(&a, true, 300), SOTTO_HS_DONE);
	for (i = 0; i < 10; i++) {
		sim_handshake(&a, true, 300);
		busy += a.hs_res.hint == SOTTO_HINT_BUSY;
	}
	EXPECT(busy > 0);
	stop(&a, &b);
}

static void version_hint(void)
{
	char line[SOTTO_LINE_MAX];

	ASSERT(authd_start(&run, ""));
	sim_member_add(&run, "alice", "10.0.0.1", line);
	sim_new(&a, &run, line);
	EXPECT_EQ(sotto_hs_client_enrol(&a.hs, a.server_key, a.priv, a.code, 0),
		  0);
	a.hs.dgram[1] = 9;
	(void)!send(a.fd, a.hs.dgram, a.hs.len, 0);
	a.hs_event = SOTTO_HS_IGNORED;
	SIM_UNTIL(a.hs_event != SOTTO_HS_IGNORED, 10000);
	EXPECT_EQ(a.hs_event, SOTTO_HS_HINTED);
	EXPECT_EQ(a.hs_res.hint, SOTTO_HINT_VERSION);
	EXPECT_EQ(a.hs_res.ver_max, 1);
	stop(&a, NULL);
}

static const struct ktap_test tests[] = {
	{ "wrong_secrets", wrong_secrets },
	{ "junk", junk },
	{ "replayed_init", replayed_init },
	{ "replayed_beside", replayed_beside },
	{ "replayed_and_proven", replayed_and_proven },
	{ "damaged_init", damaged_init },
	{ "cookie", cookie },
	{ "cookie_among_hints", cookie_among_hints },
	{ "in_its_name", in_its_name },
	{ "version_hint", version_hint },
};

int main(void)
{
	return authd_tests(&run, tests, sizeof(tests) / sizeof(tests[0]));
}
