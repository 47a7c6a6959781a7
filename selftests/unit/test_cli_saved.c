// SPDX-License-Identifier: GPL-2.0
/*
 * What a host keeps on disk: policy, identity, peers, configuration. Damaged
 * files are refused by name, and change nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/conf.h"
#include "agent/identity.h"
#include "agent/peers.h"
#include "genl_saved.h"
#include "handshake.h"
#include "ktap.h"
#include "noise.h"
#include "secret.h"

#define KEY_1	"0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_2	"0202020202020202020202020202020202020202020202020202020202020202"

static char dir[] = "/tmp/sotto-saved-XXXXXX";
static struct sotto_errmsg err;

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static struct sgenl_policy policy(const char *prefix, uint8_t action)
{
	struct sgenl_policy p = { .action = action };

	if (sotto_prefix_parse(&p.prefix, prefix))
		abort();
	return p;
}

static void test_policy_round_trip(void)
{
	struct sgenl_policy a = policy("10.0.0.0/8", SOTTO_ACTION_PROTECT);
	struct sgenl_policy b = policy("fd00::/64", SOTTO_ACTION_BLOCK);
	struct saved out = { .realm_version = 7, .partial = true }, in;
	struct sotto_prefix host, net;
	struct sotto_addr addr;

	EXPECT(!sotto_addr_parse(&addr, "fd00::1"));
	EXPECT(!sotto_addr_parse(&a.gateway, "192.0.2.1"));
	EXPECT(!sotto_prefix_parse(&net, "fd00:5::/48"));
	host = sotto_prefix_host(&addr);
	EXPECT(!saved_add_policy(&out, &a, SAVED_REALM));
	EXPECT(!saved_add_policy(&out, &b, SAVED_LOCAL));
	EXPECT(!saved_add_addr(&out, &addr, SAVED_REALM));
	EXPECT(!saved_add_local(&out, &net, SAVED_LOCAL));
	EXPECT(!saved_write(&out, &err));
	ASSERT(!saved_read(&in, &err));
	EXPECT(in.realm_version == 7 && in.partial && in.n_policies == 2 && in.n_addrs == 2);
	EXPECT(saved_find_policy(&in, &a.prefix)->origin == SAVED_REALM);
	EXPECT(saved_find_policy(&in, &b.prefix)->origin == SAVED_LOCAL);
	EXPECT(saved_find_policy(&in, &b.prefix)->policy.action == SOTTO_ACTION_BLOCK);
	EXPECT(saved_find_local(&in, &host)->origin == SAVED_REALM);
	EXPECT(saved_find_local(&in, &net)->origin == SAVED_LOCAL);
	EXPECT(sotto_addr_eq(&saved_find_policy(&in, &a.prefix)->policy.gateway, &a.gateway));
	EXPECT(!saved_find_policy(&in, &b.prefix)->policy.gateway.len);
	/* the realm takes back what is its own alone */
	saved_remove_policy(&in, &a.prefix);
	saved_remove_policy(&in, &b.prefix);
	EXPECT(in.n_policies == 1 && saved_find_policy(&in, &b.prefix));
	saved_free(&in);
	saved_free(&out);
}

static void test_policy_many(void)
{
	struct saved s = { 0 };
	char text[32];

	for (unsigned int i = 0; i < 1000; i++) {
		struct sgenl_policy p;

		snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256, i % 256);
		p = policy(text, SOTTO_ACTION_PROTECT);
		EXPECT(!saved_append_policy(&s, &p, SAVED_REALM));
		EXPECT(!saved_add_policy(&s, &p, SAVED_REALM));
	}
	EXPECT_EQ(s.n_policies, 1000);
	saved_free(&s);
}

static void test_policy_damaged(void)
{
	static const char *const bad[] = {
		"", "{", "[]", "{}",
		"{\"version\":2,\"realm_version\":0,\"addresses\":[],\"policies\":[]}",
		"{\"version\":1,\"realm_version\":-1,\"addresses\":[],\"policies\":[]}",
		"{\"version\":1,\"realm_version\":0,\"partial\":1,\"addresses\":[],\"policies\":[]}",
		"{\"version\":1,\"realm_version\":0,\"addresses\":{},\"policies\":[]}",
		"{\"version\":1,\"realm_version\":0,\"addresses\":[7],\"policies\":[]}",
		"{\"version\":1,\"realm_version\":0,\"addresses\":[],\"policies\":[{\"prefix\":\"10.0.0.1/8\",\"action\":\"block\",\"origin\":\"local\"}]}",
		"{\"version\":1,\"realm_version\":0,\"addresses\":[],\"policies\":[{\"prefix\":\"10.0.0.0/8\",\"action\":\"blok\",\"origin\":\"local\"}]}",
		"{\"version\":1,\"realm_version\":0,\"addresses\":[],\"policies\":[{\"prefix\":\"10.0.0.0/8\",\"action\":\"block\",\"origin\":\"moon\"}]}",
	};
	struct saved s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(SAVED_FILE, bad[i]);
		EXPECT(saved_read(&s, &err) == SOTTO_E_BAD);
		EXPECT(!s.n_policies && !s.policies);
		EXPECT(strstr(err.text, SAVED_FILE));
	}
	unlink(path_of(SAVED_FILE));
	EXPECT(saved_read(&s, &err) == SOTTO_E_UNKNOWN);
}

/* ---- what is good of a damaged one ---- */

static char told[8192];
static unsigned int told_n;

static void on_bad(void *arg, const char *text)
{
	size_t len = strlen(told);

	(void)arg;
	snprintf(told + len, sizeof(told) - len, "%s\n", text);
	told_n++;
}

static int salvage(struct saved *s)
{
	told[0] = 0;
	told_n = 0;
	err.text[0] = 0;
	return saved_salvage(s, on_bad, NULL, &err);
}

static int action_of(const struct saved *s, const char *prefix)
{
	struct sgenl_policy p = policy(prefix, 0);
	const struct saved_policy *found = saved_find_policy(s, &p.prefix);

	return found ? (int)found->policy.action : -1;
}

#define HEAD	"{\"version\":1,\"realm_version\":7,\n\"addresses\":[" \
		"{\"address\":\"10.0.0.1\",\"origin\":\"realm\"}],\n\"policies\":[\n"
#define ENTRY(prefix, action, more) \
		"{\"prefix\":\"" prefix "\",\"action\":\"" action "\"," more "\"origin\":\"local\"}"

/* One that is bad costs no other, and is named with its line. */
static void test_policy_salvaged(void)
{
	struct saved s;

	write_file(SAVED_FILE, HEAD ENTRY("10.1.0.0/16", "protect", "") ",\n"
		   ENTRY("10.2.0.1/16", "protect", "") ",\n"		/* 5 */
		   ENTRY("10.3.0.0/16", "protekt", "") ",\n"
		   ENTRY("10.4.0.0/16", "block", "\"gateway\":\"moon\",") ",\n"
		   "{\"prefix\":\"10.5.0.0/16\",\"action\":\"bypass\",\"origin\":\"moon\"},\n"
		   ENTRY("10.6.0.0/16", "bypass", "") ",\n"
		   "{\"prefix\":\"10.7.0.0/16\",\n\"action\" \"protect\"},\n"	/* 10 */
		   ENTRY("10.8.0.0/16", "prefer", "\"action\":\"bypass\",") ",\n"
		   ENTRY("fd00::/8", "prefer", "") "]}\n");
	EXPECT(saved_read(&s, &err) == SOTTO_E_BAD);
	EXPECT(salvage(&s) == SOTTO_E_BAD);
	EXPECT(s.partial && !s.realm_version && s.n_addrs == 1);
	EXPECT_EQ(action_of(&s, "10.1.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(action_of(&s, "10.2.0.0/16"), -1);
	EXPECT_EQ(action_of(&s, "10.3.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(action_of(&s, "10.4.0.0/16"), SOTTO_ACTION_BLOCK);
	EXPECT_EQ(action_of(&s, "10.5.0.0/16"), -1);
	EXPECT_EQ(action_of(&s, "10.6.0.0/16"), SOTTO_ACTION_BYPASS);
	EXPECT_EQ(action_of(&s, "10.7.0.0/16"), -1);
	EXPECT_EQ(action_of(&s, "10.8.0.0/16"), -1);
	EXPECT_EQ(action_of(&s, "fd00::/8"), SOTTO_ACTION_PREFER);
	EXPECT(!s.policies[0].guessed && s.policies[1].guessed && s.policies[2].guessed);
	EXPECT(strstr(told, SAVED_FILE ":5: '10.2.0.1/16'"));
	EXPECT(strstr(told, SAVED_FILE ":6: \"action\" is \"protekt\""));
	EXPECT(strstr(told, SAVED_FILE ":7: 'moon'"));
	EXPECT(strstr(told, SAVED_FILE ":8: \"origin\" is \"moon\""));
	EXPECT(strstr(told, SAVED_FILE ":11: "));
	EXPECT(strstr(told, SAVED_FILE ":12: "));
	saved_free(&s);
	/* a whole one is read as ever */
	write_file(SAVED_FILE, HEAD ENTRY("10.1.0.0/16", "bypass", "") "]}");
	EXPECT(!salvage(&s) && !told_n && s.n_policies == 1 && s.realm_version == 7 && !s.partial);
	saved_free(&s);
}

/* Wherever it ends: what came before counts, and nothing else. */
static void test_policy_truncated(void)
{
	static const char text[] = HEAD ENTRY("10.1.0.0/16", "protect", "") ",\n"
		ENTRY("10.2.0.0/16", "bypass", "") ",\n" ENTRY("10.3.0.0/16", "block", "") "]}";
	char part[sizeof(text)];
	size_t before = 0;
	struct saved s;

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		memcpy(part, text, len);
		part[len] = 0;
		write_file(SAVED_FILE, part);
		EXPECT(salvage(&s) == SOTTO_E_BAD);
		EXPECT(told_n > 0 && strstr(told, SAVED_FILE));
		EXPECT(s.n_policies == before || s.n_policies == before + 1);
		for (size_t i = 0; i < s.n_policies; i++)
			EXPECT(!s.policies[i].guessed);
		before = s.n_policies;
		saved_free(&s);
	}
	EXPECT_EQ(before, 3);
}

/* A file that is not ours, or of a later release: nothing of it opens what would be closed. */
static void test_policy_not_understood(void)
{
	static const char *const rubbish[] = {
		"", "\n", "\xff\xfe{\x01", "{{{{{{", "}}}}", "[[[[{]]]]", "{}", "{\"prefix\":7}",
		"{\"address\":{\"prefix\":\"10.0.0.0/8\"",
	};
	char *big = malloc(SAVED_MAX + 2);
	struct saved s;

	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		write_file(SAVED_FILE, rubbish[i]);
		EXPECT(salvage(&s) == SOTTO_E_BAD && told_n && !s.n_policies && !s.n_addrs);
		saved_free(&s);
	}
	write_file(SAVED_FILE, "{\"version\":2,\"policies\":[" ENTRY("0.0.0.0/0", "protect", "") ",\n"
		   ENTRY("10.1.0.0/16", "bypass", "") "," ENTRY("10.2.0.0/16", "veil", "") "]}");
	EXPECT(salvage(&s) == SOTTO_E_BAD && told_n == 3);
	EXPECT(strstr(told, "\"version\"") && strstr(told, ":2: left out"));
	EXPECT_EQ(s.n_policies, 2);
	EXPECT_EQ(action_of(&s, "0.0.0.0/0"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(action_of(&s, "10.2.0.0/16"), SOTTO_ACTION_PROTECT);
	saved_free(&s);
	/* longer than any of ours: what it begins with */
	ASSERT(big);
	memset(big, ' ', SAVED_MAX + 1);
	memcpy(big, HEAD ENTRY("10.1.0.0/16", "protect", ""),
	       strlen(HEAD ENTRY("10.1.0.0/16", "protect", "")));
	big[SAVED_MAX + 1] = 0;
	write_file(SAVED_FILE, big);
	EXPECT(salvage(&s) == SOTTO_E_BAD && s.n_policies == 1 && told_n);
	saved_free(&s);
	free(big);
	unlink(path_of(SAVED_FILE));
	EXPECT(salvage(&s) == SOTTO_E_UNKNOWN && !told_n);
	/* no file */
	EXPECT(!mkdir(path_of(SAVED_FILE), 0700));
	EXPECT(salvage(&s) && strstr(told, "not a regular file") && told_n == 1);
	rmdir(path_of(SAVED_FILE));
}

static const uint8_t secret[SOTTO_SECRET_LEN] = { 1, 2, 3 };
static const uint8_t code_id[SOTTO_CODE_ID_LEN] = { 9 };

static void make_identity(struct identity *id)
{
	memset(id, 0, sizeof(*id));
	strcpy(id->name, "alice");
	id->addrs.n = 1;
	if (sotto_addr_parse(&id->addrs.a[0], "10.0.0.1"))
		abort();
	id->n_servers = 2;
	strcpy(id->servers[0].host, "gw.example");
	id->servers[0].port = 7688;
	strcpy(id->servers[1].host, "fd00::254");
	id->servers[1].port = 1;
	memset(id->server_key, 5, sizeof(id->server_key));
	if (identity_pending_key(code_id, id->static_priv, &err))
		abort();
	crypto_scalarmult_base(id->static_pub, id->static_priv);
}

static void test_identity(void)
{
	uint8_t again[SOTTO_SECRET_LEN], mac[32], want[32];
	struct identity id, *got;

	EXPECT(!identity_exists());
	EXPECT(identity_load(&got, &err) == SOTTO_E_UNKNOWN && strstr(err.text, "enroll"));
	make_identity(&id);
	/* a second try with the same line has the same key */
	EXPECT(!identity_pending_key(code_id, again, &err));
	EXPECT(!memcmp(again, id.static_priv, sizeof(again)));
	ASSERT(!identity_commit(&id, secret, code_id, &err));
	ASSERT(!identity_load(&got, &err));
	EXPECT(!strcmp(got->name, "alice") && got->n_servers == 2);
	EXPECT(!strcmp(got->servers[1].host, "fd00::254") && got->servers[1].port == 1);
	EXPECT(!memcmp(got->static_priv, id.static_priv, SOTTO_SECRET_LEN));
	EXPECT(!sotto_token_hmac(got->token, "x", 1, mac));
	crypto_auth_hmacsha256(want, (const uint8_t *)"x", 1, secret);
	EXPECT(!memcmp(mac, want, sizeof(mac)));
	identity_free(got);
}

static unsigned int key_files(void)
{
	char command[300], text[16] = "";
	FILE *f;

	snprintf(command, sizeof(command), "ls %s/agent/*.key | wc -l", dir);
	f = popen(command, "r");
	if (!f || !fgets(text, sizeof(text), f))
		abort();
	pclose(f);
	return atoi(text);
}

/* A new enrolment leaves no key of the old one. */
static void test_identity_again(void)
{
	static const uint8_t other[SOTTO_CODE_ID_LEN] = { 10 };
	struct identity id, *got;

	make_identity(&id);
	ASSERT(!identity_pending_key(other, id.static_priv, &err));
	crypto_scalarmult_base(id.static_pub, id.static_priv);
	strcpy(id.name, "anew");
	ASSERT(!identity_commit(&id, secret, other, &err));
	EXPECT_EQ(key_files(), 2);
	ASSERT(!identity_load(&got, &err));
	EXPECT(!strcmp(got->name, "anew"));
	identity_free(got);
}

static void test_identity_damaged(void)
{
	char command[300];
	struct identity *got;

	snprintf(command, sizeof(command), "head -c 31 /dev/zero >$(ls %s/agent/token-*.key)", dir);
	ASSERT(!system(command));
	EXPECT(identity_load(&got, &err) && !got);
	snprintf(command, sizeof(command), "chmod 644 %s/agent/static-*.key", dir);
	ASSERT(!system(command));
	EXPECT(identity_load(&got, &err) && !got && strstr(err.text, "static-"));
	snprintf(command, sizeof(command),
		 "f=$(ls %s/agent/static-*.key); chmod 600 $f; head -c 32 /dev/zero >$f", dir);
	ASSERT(!system(command));
	EXPECT(identity_load(&got, &err) && !got && strstr(err.text, "--force"));
	write_file("agent/enrolment.json", "{\"version\":1}");
	EXPECT(identity_load(&got, &err) == SOTTO_E_BAD);
	EXPECT(strstr(err.text, "enrolment.json"));
}

static void test_peers(void)
{
	uint8_t a[SOTTO_PUB_LEN], b[SOTTO_PUB_LEN], got[SOTTO_PUB_LEN];
	struct sotto_addrs first = { .n = 1 }, other = { .n = 1 };
	const struct sotto_addrs *addrs;
	struct peers p = { 0 };

	sotto_addr_parse(&first.a[0], "10.0.0.1");
	sotto_addr_parse(&other.a[0], "fd00::1");
	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	write_file(PEERS_FILE, "nonsense\nbob !!!\n");
	EXPECT_EQ(peers_load(&p, PEERS_FILE), SOTTO_E_IO);
	EXPECT_EQ(p.n, 0);
	EXPECT(peers_note(&p, "bob", a, &first));
	EXPECT(peers_note(&p, "alice", a, &first));
	EXPECT(!peers_note(&p, "alice", a, &first));
	EXPECT(peers_note(&p, "alice", a, &other));
	EXPECT(peers_note(&p, "bob", b, &other));
	peers_free(&p);
	peers_load(&p, PEERS_FILE);
	EXPECT_EQ(p.n, 2);
	/* what it had stays its own; with another key it is another peer */
	addrs = peers_addrs(&p, "alice", a);
	EXPECT(addrs && addrs->n == 2 && sotto_addrs_have(addrs, &first.a[0]) &&
	       sotto_addrs_have(addrs, &other.a[0]));
	addrs = peers_addrs(&p, "bob", b);
	EXPECT(addrs && addrs->n == 1 && sotto_addrs_have(addrs, &other.a[0]));
	EXPECT(!peers_addrs(&p, "bob", a));
	peers_key(&p, "bob", got);
	EXPECT(!memcmp(got, b, sizeof(got)));
	peers_key(&p, "carol", got);
	EXPECT(sotto_all_zero(got, sizeof(got)));
	peers_remove(&p, "carol");
	peers_remove(&p, "alice");
	EXPECT(!peers_find(&p, "alice"));
	EXPECT_EQ(peers_write(&p, "agent/pins", &err), 0);
	peers_free(&p);
	EXPECT_EQ(peers_load(&p, "agent/pins"), 0);
	EXPECT_EQ(p.n, 1);
	EXPECT(peers_find(&p, "bob") && !memcmp(peers_find(&p, "bob"), b, sizeof(b)));
	peers_free(&p);
	EXPECT_EQ(peers_load(&p, "agent/none"), 0);
}

static int load_conf(struct conf *conf, const char *text)
{
	write_file("sotto.conf", text);
	err.text[0] = 0;
	return conf_load(conf, path_of("sotto.conf"), &err);
}

static void test_conf(void)
{
	static const char pins[] =
		"[agent]\npin = bob " KEY_1 "\n"
		"pin = carol " KEY_2 "\n";
	struct conf conf;

	EXPECT(!conf_load(&conf, path_of("none"), &err));
	EXPECT(conf.ciphers.n == 2 && conf.data_port == 7689 && conf.up_timeout == 15);
	EXPECT(!load_conf(&conf, ""));
	EXPECT(!load_conf(&conf, "[agent]\nciphers = aes256gcm\n"));
	EXPECT(conf.ciphers.n == 1 && conf.ciphers.c[0] == SOTTO_CIPHER_AES256_GCM);
	EXPECT(!load_conf(&conf, pins) && conf.n_pins == 2);
	EXPECT(conf_pin(&conf, "carol") && conf_pin(&conf, "carol")[0] == 2);
	EXPECT(!conf_pin(&conf, "dave"));
	EXPECT(load_conf(&conf, "[agent]\nciphers = none\n"));
	EXPECT(load_conf(&conf, "[agent]\nciphers =\n"));
	EXPECT(load_conf(&conf, "[agent]\nciphers = aes256gcm aes256gcm\n"));
	/* twice the same is no contradiction; two keys are, and both lines are named */
	EXPECT(!load_conf(&conf, "[agent]\npin = bob " KEY_1 "\npin = bob " KEY_1 "\n"));
	EXPECT(load_conf(&conf, "[agent]\npin = bob " KEY_1 "\n\npin = bob " KEY_2 "\n"));
	EXPECT(strstr(err.text, ":4: ") && strstr(err.text, "line 2 has another"));
	EXPECT(load_conf(&conf, "[agent]\npin = bob\n"));
	EXPECT(load_conf(&conf, "[agent]\npin = bob 01\n"));
	EXPECT(load_conf(&conf, "[network]\ndata_port = 0\n"));
	EXPECT(load_conf(&conf, "[network]\ndata_prt = 1\n") && strstr(err.text, "data_prt"));
	EXPECT(strstr(err.text, ":2:"));
}

static const struct ktap_test tests[] = {
	{ "policy_round_trip", test_policy_round_trip },
	{ "policy_many", test_policy_many },
	{ "policy_damaged", test_policy_damaged },
	{ "policy_salvaged", test_policy_salvaged },
	{ "policy_truncated", test_policy_truncated },
	{ "policy_not_understood", test_policy_not_understood },
	{ "identity", test_identity },
	{ "identity_again", test_identity_again },
	{ "identity_damaged", test_identity_damaged },
	{ "peers", test_peers },
	{ "conf", test_conf },
};

static void clean_up(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		fputs("# cannot clean up\n", stderr);
}

static void set_up(void)
{
	if (sodium_init() < 0 || !mkdtemp(dir) || setenv("SOTTO_STATE", dir, 1) ||
	    mkdir(path_of("agent"), 0700))
		abort();
	atexit(clean_up);
}

int main(void)
{
	set_up();
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
