// SPDX-License-Identifier: GPL-2.0
/*
 * Documentation/protocol-vectors.json against the code, both ways: everything is
 * made from a repeatable source of randomness and must equal the file, and what
 * the file says is read back. SOTTO_WRITE_VECTORS=1 writes the file anew.
 */
#include "detrand.h"

#include <jansson.h>
#include <sys/wait.h>

#include "buf.h"
#include "chan.h"
#include "enrol.h"
#include "err.h"
#include "handshake.h"
#include "kdf.h"
#include "ktap.h"
#include "msgfill.h"

#define FILE_NAME	"Documentation/protocol-vectors.json"

static json_t *hexs(const void *p, size_t len)
{
	char *text = malloc(2 * len + 1);
	json_t *o = json_string(sotto_hex(text, p, len));

	free(text);
	return o;
}

#define SET_HEX(o, name, field) \
	json_object_set_new(o, name, hexs(field, sizeof(field)))

static json_t *msg_entry(uint16_t type, bool full)
{
	struct fill f = { .state = 0x5077 + type, .full = full };
	uint8_t body[SOTTO_BODY_MAX];
	struct sotto_msg m;
	size_t len = 0;

	fill_msg(&f, &m, type);
	EXPECT_EQ(sotto_msg_encode(&m, body, sizeof(body), &len), 0);
	return json_pack("{s:s, s:i, s:b, s:o}", "message", sotto_msg_name(type),
			 "type", type, "full", full, "attributes",
			 hexs(body, len));
}

/* Two of each: by chance, and as large as it may be. */
static json_t *make_messages(void)
{
	json_t *list = json_array();
	size_t n, i;
	const struct sotto_msg_desc *d = sotto_msg_descs(&n);

	for (i = 0; i < n; i++) {
		json_array_append_new(list, msg_entry(d[i].type, false));
		if (d[i].n)
			json_array_append_new(list, msg_entry(d[i].type, true));
	}
	return list;
}

/* ---- session keys ---- */

struct ends {
	struct sotto_session_input in;
	uint8_t sa[32], ea[32], sb[32], eb[32];
};

static void add_addr(struct sotto_addrs *as, const char *text)
{
	sotto_addr_parse(&as->a[as->n++], text);
}

static void make_ends(struct ends *e, uint8_t cipher)
{
	memset(e, 0, sizeof(*e));
	randombytes_buf(e->in.realm_key, 32);
	randombytes_buf(e->in.seed, 32);
	e->in.session_id = 0x0123456789abcdef;
	noise_keypair(e->sa, e->in.a.static_pub);
	noise_keypair(e->ea, e->in.a.eph_pub);
	noise_keypair(e->sb, e->in.b.static_pub);
	noise_keypair(e->eb, e->in.b.eph_pub);
	strcpy(e->in.a.name, "alice");
	strcpy(e->in.b.name, "bob.example");
	e->in.a.spi = 0x01000001;
	e->in.b.spi = 0x02000002;
	add_addr(&e->in.a.addrs, "10.0.0.1");
	add_addr(&e->in.a.addrs, "fd00::1");
	add_addr(&e->in.b.addrs, "10.0.0.2");
	e->in.dst = e->in.b.addrs.a[0];
	e->in.offered = (struct sotto_ciphers) { 2, { 1, 2 } };
	e->in.cipher = cipher;
	e->in.life = (struct sotto_lifetimes) {
		2700, 3600, 1ull << 33, 1ull << 34, 0, 0
	};
}

static json_t *addrs_json(const struct sotto_addrs *as)
{
	json_t *list = json_array();
	char text[SOTTO_ADDR_STR];
	int i;

	for (i = 0; i < as->n; i++)
		json_array_append_new(list, json_string(
				sotto_addr_str(&as->a[i], text)));
	return list;
}

/* B is the gateway of two networks. */
static void make_tunnel(struct sotto_session_input *in)
{
	in->mode = SOTTO_MODE_TUNNEL;
	in->b.routes.n = 2;
	sotto_prefix_parse(&in->b.routes.p[0], "10.8.0.0/16");
	sotto_prefix_parse(&in->b.routes.p[1], "fd08::/64");
	sotto_addr_parse(&in->dst, "10.8.1.5");
}

static json_t *routes_json(const struct sotto_prefixes *ps)
{
	json_t *list = json_array();
	char text[SOTTO_PREFIX_STR];
	int i;

	for (i = 0; i < ps->n; i++)
		json_array_append_new(list, json_string(
				sotto_prefix_str(&ps->p[i], text)));
	return list;
}

static json_t *party_json(const struct sotto_party *p, const uint8_t *s,
			  const uint8_t *e)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o*}",
			 "name", p->name, "static_private", hexs(s, 32),
			 "static_public", hexs(p->static_pub, 32),
			 "ephemeral_private", hexs(e, 32),
			 "ephemeral_public", hexs(p->eph_pub, 32),
			 "spi", (json_int_t)p->spi,
			 "addresses", addrs_json(&p->addrs),
			 "routes", p->routes.n ? routes_json(&p->routes) : NULL);
}

static void put_keys(json_t *o, const struct ends *e)
{
	uint8_t enc[SOTTO_ENCODING_MAX], info[32];
	struct sotto_session_keys k, kb;
	struct sotto_wbuf w;

	sotto_wbuf_init(&w, enc, sizeof(enc));
	sotto_session_encode(&e->in, &w);
	crypto_hash_sha256(info, enc, w.len);
	EXPECT_EQ(sotto_session_keys(&e->in, true, e->sa, e->ea, &k), 0);
	EXPECT_EQ(sotto_session_keys(&e->in, false, e->sb, e->eb, &kb), 0);
	EXPECT(!memcmp(&k, &kb, sizeof(k)));
	json_object_set_new(o, "encoding", hexs(enc, w.len));
	SET_HEX(o, "info", info);
	SET_HEX(o, "key_ab", k.key_ab);
	SET_HEX(o, "salt_ab", k.salt_ab);
	SET_HEX(o, "key_ba", k.key_ba);
	SET_HEX(o, "salt_ba", k.salt_ba);
}

static json_t *keys_entry(uint8_t cipher, bool tunnel)
{
	char dst[SOTTO_ADDR_STR];
	struct ends e;
	json_t *o;

	make_ends(&e, cipher);
	if (tunnel)
		make_tunnel(&e.in);
	o = json_pack("{s:o, s:o, s:s, s:o, s:o, s:s, s:[i,i], s:i, s:{s:i, s:i, s:I, s:I, s:i, s:i}}",
		      "realm_key", hexs(e.in.realm_key, 32),
		      "seed", hexs(e.in.seed, 32),
		      "session_id", "0123456789abcdef",
		      "a", party_json(&e.in.a, e.sa, e.ea),
		      "b", party_json(&e.in.b, e.sb, e.eb),
		      "destination", sotto_addr_str(&e.in.dst, dst),
		      "offered", 1, 2, "cipher", cipher,
		      "lifetimes", "soft_s", 2700, "hard_s", 3600,
		      "soft_packets", (json_int_t)e.in.life.soft_packets,
		      "hard_packets", (json_int_t)e.in.life.hard_packets,
		      "soft_bytes", 0, "hard_bytes", 0);
	if (tunnel)
		json_object_set_new(o, "mode", json_integer(e.in.mode));
	put_keys(o, &e);
	return o;
}

/* ---- handshakes and sealed datagrams ---- */

struct shake {
	uint8_t server[32], server_pub[32], member[32], member_pub[32];
	uint8_t secret[32], code[16], id[16], psk[32];
	uint8_t e_init[32], e_resp[32];
	uint8_t init[SOTTO_DGRAM_MAX], resp[SOTTO_DGRAM_MAX];
	size_t init_len, resp_len;
	struct sotto_chan_keys agent, srv;
};

static struct shake *watched;

static int watch_hmac(struct sotto_token *t, const void *data, size_t len,
		      uint8_t out[32])
{
	(void)t;
	crypto_auth_hmacsha256(out, data, len, watched->secret);
	memcpy(watched->e_resp, (const uint8_t *)data + len - 32, 32);
	memcpy(watched->psk, out, 32);
	return 0;
}

static void no_close(struct sotto_token *t)
{
	(void)t;
}

static void server_side(struct shake *s, bool enrol)
{
	static const struct sotto_token_ops ops = { watch_hmac, no_close };
	struct sotto_token token = { &ops };
	struct sotto_init_view v;
	struct noise_hs hs;
	struct sotto_msg m;

	EXPECT_EQ(sotto_init_parse(&v, s->init, s->init_len), 0);
	EXPECT_EQ(sotto_hs_server_read(&hs, &v, s->server, &m), 0);
	if (enrol)
		sotto_hs_server_enrol(&hs, s->psk);
	else
		sotto_hs_server_member(&hs, &token);
	EXPECT_EQ(sotto_hs_server_write(&hs, v.index, 0x5e4e4e4e, 0, s->resp,
					&s->resp_len, &s->srv), 0);
}

static void make_shake(struct shake *s, bool enrol)
{
	struct sotto_hs_client c;
	struct sotto_hs_result res;
	struct sotto_token *t;

	memset(s, 0, sizeof(*s));
	watched = s;
	noise_keypair(s->server, s->server_pub);
	noise_keypair(s->member, s->member_pub);
	randombytes_buf(s->secret, 32);
	randombytes_buf(s->code, 16);
	t = sotto_token_memory(s->secret);
	if (enrol) {
		sotto_code_derive(s->code, s->id, s->psk);
		EXPECT_EQ(sotto_hs_client_enrol(&c, s->server_pub, s->member,
						s->code, 0), 0);
	} else {
		EXPECT_EQ(sotto_hs_client_member(&c, s->server_pub, s->member,
						 t, 0), 0);
	}
	memcpy(s->init, c.dgram, c.len);
	s->init_len = c.len;
	memcpy(s->e_init, c.noise.e, 32);
	server_side(s, enrol);
	EXPECT_EQ(sotto_hs_client_input(&c, s->resp, s->resp_len, &res),
		  SOTTO_HS_DONE);
	s->agent = res.keys;
	EXPECT(!memcmp(s->agent.tx, s->srv.rx, 32));
	sotto_token_close(t);
}

static json_t *shake_json(const struct shake *s, bool enrol)
{
	uint8_t mac_key[32];
	json_t *o = json_object();

	sotto_hs_mac_key(s->server_pub, mac_key);
	json_object_set_new(o, "kind", json_integer(enrol ? 2 : 1));
	SET_HEX(o, "server_private", s->server);
	SET_HEX(o, "server_public", s->server_pub);
	SET_HEX(o, "member_private", s->member);
	SET_HEX(o, "member_public", s->member_pub);
	SET_HEX(o, "init_ephemeral_private", s->e_init);
	if (enrol) {
		SET_HEX(o, "code", s->code);
		SET_HEX(o, "code_id", s->id);
	} else {
		SET_HEX(o, "token_secret", s->secret);
		SET_HEX(o, "resp_ephemeral_public", s->e_resp);
	}
	SET_HEX(o, "psk", s->psk);
	SET_HEX(o, "mac_key", mac_key);
	json_object_set_new(o, "init", hexs(s->init, s->init_len));
	json_object_set_new(o, "resp", hexs(s->resp, s->resp_len));
	SET_HEX(o, "key_to_server", s->agent.tx);
	SET_HEX(o, "key_to_agent", s->agent.rx);
	return o;
}

/* An association by a ticket: RESUME, RESUMED, and what comes of them. */
static json_t *resumption_json(void)
{
	struct sotto_ticket ticket = { .n = 92 };
	uint8_t server[32], server_pub[32], secret[32], token[32];
	uint8_t resumed[SOTTO_DGRAM_MAX];
	struct sotto_borrowed_token bt;
	struct sotto_hs_client c;
	struct sotto_hs_result res;
	struct sotto_init_view v;
	struct sotto_chan_keys srv;
	json_t *o = json_object();
	size_t len;

	noise_keypair(server, server_pub);
	randombytes_buf(ticket.b, ticket.n);
	randombytes_buf(secret, 32);
	randombytes_buf(token, 32);
	EXPECT_EQ(sotto_hs_client_resume(&c, server_pub, &ticket, secret,
					 sotto_token_borrow(&bt, token),
					 SOTTO_FEATURE_RESUME), 0);
	EXPECT_EQ(sotto_init_parse(&v, c.dgram, c.len), 0);
	EXPECT(v.ticket_len == ticket.n && !memcmp(v.ticket, ticket.b, ticket.n));
	EXPECT_EQ(sotto_hs_server_resume(&v, secret, &bt.token, 0x5e4e4e4f,
					 resumed, &len, &srv), 0);
	SET_HEX(o, "server_public", server_pub);
	SET_HEX(o, "ticket_secret", secret);
	SET_HEX(o, "token_secret", token);
	json_object_set_new(o, "resume", hexs(c.dgram, c.len));
	json_object_set_new(o, "resumed", hexs(resumed, len));
	EXPECT_EQ(sotto_hs_client_input(&c, resumed, len, &res), SOTTO_HS_DONE);
	EXPECT(!memcmp(res.keys.tx, srv.rx, 32));
	SET_HEX(o, "key_to_server", res.keys.tx);
	SET_HEX(o, "key_to_agent", res.keys.rx);
	return o;
}

static uint8_t sealed[SOTTO_DGRAM_MAX];
static size_t sealed_len;

static void keep(void *arg, const uint8_t *dgram, size_t len)
{
	(void)arg;
	memcpy(sealed, dgram, len);
	sealed_len = len;
}

static void none(void *arg, int err, const struct sotto_msg *m)
{
	(void)arg;
	(void)err;
	(void)m;
}

/* A datagram on an association: its first request, KEEPALIVE, under this counter. */
static json_t *data_json(const struct shake *s, uint64_t counter)
{
	static const struct sotto_chan_ops ops = { .send = keep };
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	struct sotto_chan ch;

	sotto_chan_init(&ch, &s->agent, &ops, NULL, 0);
	ch.tx_counter = counter;
	EXPECT_EQ(sotto_chan_request(&ch, 0, &m, 0, none, NULL, NULL), 0);
	sotto_chan_close(&ch);
	return hexs(sealed, sealed_len);
}

static json_t *small_json(const struct shake *s)
{
	static const uint8_t cookie[16] = "a stateless one";
	uint8_t out[SOTTO_SMALL_MAX];
	json_t *o = json_object();
	size_t len = sotto_cookie_dgram(out, s->agent.local_index, s->init + 8,
					cookie);

	json_object_set_new(o, "cookie", hexs(out, len));
	len = sotto_hint_dgram(out, SOTTO_HINT_REFUSED, s->agent.local_index,
			       s->init + 8);
	json_object_set_new(o, "hint_not_known", hexs(out, len));
	return o;
}

static json_t *line_json(void)
{
	struct sotto_enrol e = { .n = 2 };
	char line[SOTTO_LINE_MAX];
	json_t *o = json_object();

	strcpy(e.servers[0].host, "gw.example");
	e.servers[0].port = 7688;
	strcpy(e.servers[1].host, "fd00::1");
	e.servers[1].port = 7000;
	randombytes_buf(e.server_key, 32);
	randombytes_buf(e.code, 16);
	EXPECT_EQ(sotto_enrol_format(&e, line), 0);
	SET_HEX(o, "server_key", e.server_key);
	SET_HEX(o, "code", e.code);
	json_object_set_new(o, "line", json_string(line));
	return o;
}

static json_t *make_all(void)
{
	struct shake member, enrol;
	json_t *o;

	detrand_counter = 0;
	make_shake(&member, false);
	make_shake(&enrol, true);
	o = json_object();
	json_object_set_new(o, "comment", json_string(
		"Test vectors of Sotto's control protocol, version 1; see protocol.md. "
		"All bytes are hexadecimal. test_vectors makes and checks them."));
	json_object_set_new(o, "member_handshake", shake_json(&member, false));
	json_object_set_new(o, "member_first_data", data_json(&member, 0));
	json_object_set_new(o, "enrolment_handshake", shake_json(&enrol, true));
	json_object_set_new(o, "unsealed_answers", small_json(&member));
	json_object_set_new(o, "enrolment_line", line_json());
	json_object_set_new(o, "session_keys", json_pack("[o, o, o]",
			    keys_entry(1, false), keys_entry(2, false),
			    keys_entry(1, true)));
	json_object_set_new(o, "messages", make_messages());
	json_object_set_new(o, "resumption", resumption_json());
	/* the order of its bytes shows in nonce and header */
	json_object_set_new(o, "member_later_data", data_json(&member, 0x0102030405060708));
	return o;
}

static json_t *load(void)
{
	char path[512];

	return json_load_file(ktap_path(path, sizeof(path), FILE_NAME), 0, NULL);
}

static void file_is_current(void)
{
	json_t *want = make_all(), *have;
	char path[512];
	const char *name;
	json_t *v;

	if (getenv("SOTTO_WRITE_VECTORS"))
		EXPECT(!json_dump_file(want, ktap_path(path, sizeof(path),
						       FILE_NAME),
				       JSON_INDENT(1)));
	have = load();
	EXPECT(have);
	json_object_foreach(want, name, v) {
		if (json_equal(v, json_object_get(have, name)))
			continue;
		EXPECT(!"the file equals the code");
		printf("# differs: %s (a wire change? SOTTO_WRITE_VECTORS=1 writes it)\n",
		       name);
	}
	EXPECT_EQ(json_object_size(want), json_object_size(have));
	json_decref(want);
	json_decref(have);
}

static size_t unhex_of(uint8_t *out, const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));
	size_t len = text ? strlen(text) / 2 : 0;

	return text && !sotto_unhex(out, len, text) ? len : 0;
}

/* The messages of the file are taken, and mean what they meant. */
static void messages_read(void)
{
	uint8_t body[SOTTO_BODY_MAX], again[SOTTO_BODY_MAX];
	json_t *all = load(), *v;
	struct sotto_msg m;
	size_t i, n = 0, len, len2;

	ASSERT(all);
	json_array_foreach(json_object_get(all, "messages"), i, v) {
		int type = json_integer_value(json_object_get(v, "type"));

		len = unhex_of(body, v, "attributes");
		EXPECT_EQ(sotto_msg_decode(&m, type, body, len), 0);
		EXPECT_EQ(sotto_msg_encode(&m, again, sizeof(again), &len2), 0);
		EXPECT(len == len2 && !memcmp(body, again, len));
		n++;
	}
	EXPECT(n > 30);
	json_decref(all);
}

/* The schedule, once more by hand: HKDF of the DH results of the file's keys. */
static void keys_by_hand(void)
{
	uint8_t enc[2048], hash[32], ikm[96], seed[32], okm[72], want[72];
	uint8_t ea[32], sa[32], eb_pub[32], sb_pub[32];
	json_t *all = load(), *v;
	size_t i, len;

	ASSERT(all);
	json_array_foreach(json_object_get(all, "session_keys"), i, v) {
		const json_t *a = json_object_get(v, "a");
		const json_t *b = json_object_get(v, "b");

		len = unhex_of(enc, v, "encoding");
		crypto_hash_sha256(hash, enc, len);
		EXPECT_EQ(unhex_of(want, v, "info"), 32);
		EXPECT(!memcmp(hash, want, 32));
		unhex_of(ea, a, "ephemeral_private");
		unhex_of(sa, a, "static_private");
		unhex_of(eb_pub, b, "ephemeral_public");
		unhex_of(sb_pub, b, "static_public");
		unhex_of(seed, v, "seed");
		EXPECT_EQ(crypto_scalarmult(ikm, ea, eb_pub), 0);
		EXPECT_EQ(crypto_scalarmult(ikm + 32, sa, eb_pub), 0);
		EXPECT_EQ(crypto_scalarmult(ikm + 64, ea, sb_pub), 0);
		sotto_hkdf(okm, 72, seed, 32, ikm, 96, hash, 32);
		unhex_of(want, v, "key_ab");
		unhex_of(want + 32, v, "salt_ab");
		unhex_of(want + 36, v, "key_ba");
		unhex_of(want + 68, v, "salt_ba");
		EXPECT(!memcmp(okm, want, 72));
	}
	EXPECT_EQ(json_array_size(json_object_get(all, "session_keys")), 3);
	json_decref(all);
}

/* The page, implemented once more by other hands and libraries. */
static void second_implementation(void)
{
	char path[512], cmd[600];
	int status;

	snprintf(cmd, sizeof(cmd), "python3 %s",
		 ktap_path(path, sizeof(path),
			   "selftests/unit/second_implementation.py"));
	fflush(stdout);
	status = system(cmd);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 4 ||
				  WEXITSTATUS(status) == 127))
		SKIP("needs python3-cryptography");
	EXPECT_EQ(status, 0);
}

static const struct ktap_test tests[] = {
	{ "file_is_current", file_is_current },
	{ "messages_read", messages_read },
	{ "keys_by_hand", keys_by_hand },
	{ "second_implementation", second_implementation },
};

int main(void)
{
	if (detrand_init() < 0)
		return 1;
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
