// SPDX-License-Identifier: GPL-2.0
/*
 * Datagrams of the control port and the handshake.
 */
#include "handshake.h"

#include <string.h>

#include "buf.h"
#include "err.h"
#include "handshake_wire.h"
#include "kdf.h"
#include "secret.h"

#define PROLOGUE_LABEL	"sotto association v1"
#define PSK_LABEL	"sotto association psk v1"
#define MAC_LABEL	"sotto init mac v1"
#define CODE_LABEL	"sotto enrolment v1"

/* e, sealed s, empty sealed payload */
#define INIT_MIN	(OUTER_LEN + 32 + 48 + 16 + INIT_TAIL)
#define RESP_MIN	(OUTER_LEN + 32 + 16)
#define COOKIE_LEN	(OUTER_LEN + SOTTO_ECHO_LEN + SOTTO_COOKIE_LEN)
#define HINT_LEN	(OUTER_LEN + SOTTO_ECHO_LEN + 4)

_Static_assert(COOKIE_LEN <= SOTTO_SMALL_MAX && HINT_LEN <= SOTTO_SMALL_MAX,
	       "small datagrams fit their buffer");
_Static_assert(COOKIE_LEN < INIT_MIN, "a cookie amplifies nothing");
_Static_assert(OUTER_LEN + 32 + SOTTO_HS_BODY_MAX + 16 < SOTTO_DGRAM_MAX,
	       "message 2 fits a datagram");

static const struct {
	const char *name, *text;
} hints[] = {
	[SOTTO_HINT_KEY] = { "wrong-server-key",
		"the server there has another key than the enrolment line says" },
	[SOTTO_HINT_VERSION] = { "version",
		"the server does not speak this protocol version" },
	[SOTTO_HINT_REFUSED] = { "not-known",
		"the server does not know this host's key or one-time code (mistyped, replaced or used up?)" },
	[SOTTO_HINT_INDEX] = { "no-association",
		"the server has no such association (it was restarted?)" },
	[SOTTO_HINT_BUSY] = { "busy",
		"the server sees too many attempts and asks to come back later" },
	[SOTTO_HINT_REVOKED] = { "revoked", "this host was revoked" },
};

const char *sotto_hint_name(unsigned int hint)
{
	if (hint == 0 || hint >= sizeof(hints) / sizeof(hints[0]))
		return "unknown";
	return hints[hint].name;
}

const char *sotto_hint_text(unsigned int hint)
{
	if (hint == 0 || hint >= sizeof(hints) / sizeof(hints[0]))
		return "the server sent a hint that this version does not know";
	return hints[hint].text;
}

void sotto_put_outer(uint8_t *out, uint8_t type, uint8_t kind, uint32_t index)
{
	struct sotto_wbuf w;

	sotto_wbuf_init(&w, out, OUTER_LEN);
	sotto_put_u8(&w, type);
	sotto_put_u8(&w, SOTTO_PROTO_VERSION);
	sotto_put_u8(&w, kind);
	sotto_put_u8(&w, 0);
	sotto_put_u32(&w, index);
}

static uint32_t index_of(const uint8_t *dgram)
{
	struct sotto_rbuf r;

	sotto_rbuf_init(&r, dgram + 4, 4);
	return sotto_get_u32(&r);
}

#define PROLOGUE_LEN	(sizeof(PROLOGUE_LABEL) - 1 + OUTER_LEN)

/* The label and INIT's outer header, so that none of it can be changed. */
static void make_prologue(uint8_t prologue[PROLOGUE_LEN],
			  const uint8_t outer[OUTER_LEN])
{
	memcpy(prologue, PROLOGUE_LABEL, sizeof(PROLOGUE_LABEL) - 1);
	memcpy(prologue + sizeof(PROLOGUE_LABEL) - 1, outer, OUTER_LEN);
}

static int begin_noise(struct noise_hs *hs, bool initiator,
		       const uint8_t outer[OUTER_LEN], const uint8_t *priv,
		       const uint8_t *server_key)
{
	uint8_t prologue[PROLOGUE_LEN];

	make_prologue(prologue, outer);
	return noise_init(hs, NOISE_IKPSK2, initiator, prologue,
			  sizeof(prologue), priv, server_key);
}

/* The answer to the challenge: both ephemerals are fresh, so this is too. */
static int token_psk(void *arg, const uint8_t e_init[32],
		     const uint8_t e_resp[32], const uint8_t peer_static[32],
		     uint8_t psk[32])
{
	uint8_t challenge[sizeof(PSK_LABEL) - 1 + 64];

	(void)peer_static;
	memcpy(challenge, PSK_LABEL, sizeof(PSK_LABEL) - 1);
	memcpy(challenge + sizeof(PSK_LABEL) - 1, e_init, 32);
	memcpy(challenge + sizeof(PSK_LABEL) - 1 + 32, e_resp, 32);
	return sotto_token_hmac(arg, challenge, sizeof(challenge), psk);
}

static int fixed_psk(void *arg, const uint8_t e_init[32],
		     const uint8_t e_resp[32], const uint8_t peer_static[32],
		     uint8_t psk[32])
{
	(void)e_init;
	(void)e_resp;
	(void)peer_static;
	memcpy(psk, arg, 32);
	return 0;
}

void sotto_code_derive(const uint8_t code[SOTTO_CODE_LEN],
		       uint8_t id[SOTTO_CODE_ID_LEN],
		       uint8_t psk[SOTTO_SECRET_LEN])
{
	sotto_hkdf(id, SOTTO_CODE_ID_LEN, CODE_LABEL, sizeof(CODE_LABEL) - 1,
		   code, SOTTO_CODE_LEN, "id", 2);
	sotto_hkdf(psk, SOTTO_SECRET_LEN, CODE_LABEL, sizeof(CODE_LABEL) - 1,
		   code, SOTTO_CODE_LEN, "psk", 3);
}

void sotto_hs_mac_key(const uint8_t server_key[SOTTO_PUB_LEN], uint8_t key[32])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, 32);
	crypto_generichash_update(&st, (const uint8_t *)MAC_LABEL,
				  sizeof(MAC_LABEL) - 1);
	crypto_generichash_update(&st, server_key, SOTTO_PUB_LEN);
	crypto_generichash_final(&st, key, 32);
}

/* ---- agent's side ---- */

void sotto_put_tail(struct sotto_hs_client *c, size_t len)
{
	crypto_generichash(c->dgram + len, SOTTO_MAC_LEN, c->dgram, len,
			   c->mac_key, 32);
	c->len = len + INIT_TAIL;
	memset(c->dgram + c->len - SOTTO_COOKIE_LEN, 0, SOTTO_COOKIE_LEN);
}

static int client_begin(struct sotto_hs_client *c, enum sotto_hs_kind kind,
			const uint8_t *server_key, const uint8_t *priv,
			const struct sotto_msg *init)
{
	uint8_t body[SOTTO_HS_BODY_MAX];
	size_t body_len, noise_len;
	int rc;

	c->kind = kind;
	c->index = randombytes_random();
	sotto_put_outer(c->dgram, SOTTO_DGRAM_INIT, kind, c->index);
	sotto_hs_mac_key(server_key, c->mac_key);
	rc = begin_noise(&c->noise, true, c->dgram, priv, server_key);
	if (!rc)
		rc = sotto_msg_encode(init, body, sizeof(body), &body_len);
	if (!rc)
		rc = noise_write(&c->noise, body, body_len,
				 c->dgram + OUTER_LEN,
				 sizeof(c->dgram) - OUTER_LEN - INIT_TAIL,
				 &noise_len);
	if (rc)
		return rc;
	sotto_put_tail(c, OUTER_LEN + noise_len);
	return 0;
}

int sotto_hs_client_member(struct sotto_hs_client *c,
			   const uint8_t server_key[SOTTO_PUB_LEN],
			   const uint8_t static_priv[SOTTO_SECRET_LEN],
			   struct sotto_token *token, uint32_t features)
{
	struct sotto_msg init = { .type = SOTTO_MSG_ASSOC_INIT };
	int rc;

	memset(c, 0, sizeof(*c));
	c->token = token;
	init.assoc_init.features = features;
	rc = client_begin(c, SOTTO_HS_MEMBER, server_key, static_priv, &init);
	if (rc)
		sotto_hs_client_wipe(c);
	else
		noise_set_psk(&c->noise, token_psk, token);
	return rc;
}

int sotto_hs_client_enrol(struct sotto_hs_client *c,
			  const uint8_t server_key[SOTTO_PUB_LEN],
			  const uint8_t static_priv[SOTTO_SECRET_LEN],
			  const uint8_t code[SOTTO_CODE_LEN], uint32_t features)
{
	struct sotto_msg init = { .type = SOTTO_MSG_ASSOC_INIT };
	int rc;

	memset(c, 0, sizeof(*c));
	init.assoc_init.features = features;
	sotto_code_derive(code, init.assoc_init.code_id, c->code_psk);
	rc = client_begin(c, SOTTO_HS_ENROL, server_key, static_priv, &init);
	if (rc)
		sotto_hs_client_wipe(c);
	else
		noise_set_psk(&c->noise, fixed_psk, c->code_psk);
	sotto_wipe(&init, sizeof(init));
	return rc;
}

static bool echo_valid(const struct sotto_hs_client *c, const uint8_t *echo)
{
	return !memcmp(echo, c->dgram + OUTER_LEN, SOTTO_ECHO_LEN);
}

static enum sotto_hs_event client_cookie(struct sotto_hs_client *c,
					 const uint8_t *dgram, size_t len)
{
	if (len != COOKIE_LEN || !echo_valid(c, dgram + OUTER_LEN))
		return SOTTO_HS_IGNORED;
	memcpy(c->dgram + c->len - SOTTO_COOKIE_LEN,
	       dgram + OUTER_LEN + SOTTO_ECHO_LEN, SOTTO_COOKIE_LEN);
	return SOTTO_HS_RESEND;
}

static enum sotto_hs_event client_hint(struct sotto_hs_client *c,
				       const uint8_t *dgram, size_t len,
				       struct sotto_hs_result *res)
{
	uint8_t echo[SOTTO_ECHO_LEN];

	if (!sotto_hint_parse(dgram, len, &res->hint, echo, &res->ver_min,
			      &res->ver_max) || !echo_valid(c, echo))
		return SOTTO_HS_IGNORED;
	return SOTTO_HS_HINTED;
}

static int client_open_resp(struct noise_hs *hs, const uint8_t *in, size_t len,
			    struct sotto_chan_keys *keys)
{
	uint8_t body[SOTTO_HS_BODY_MAX];
	struct sotto_msg m;
	size_t body_len;
	int rc = noise_read(hs, in, len, body, sizeof(body), &body_len);

	if (!rc)
		rc = sotto_msg_decode(&m, SOTTO_MSG_ASSOC_RESP, body, body_len);
	if (!rc)
		rc = noise_split(hs, keys->tx, keys->rx);
	if (rc)
		return rc;
	keys->remote_index = m.assoc_resp.index;
	keys->features = m.assoc_resp.features & SOTTO_FEATURES;
	return 0;
}

/* On a copy: a forged RESP must not spoil the handshake for the true one. */
static enum sotto_hs_event client_resp(struct sotto_hs_client *c,
				       const uint8_t *dgram, size_t len,
				       struct sotto_hs_result *res)
{
	struct noise_hs hs = c->noise;
	int rc;

	if (len < RESP_MIN)
		return SOTTO_HS_IGNORED;
	rc = client_open_resp(&hs, dgram + OUTER_LEN, len - OUTER_LEN,
			      &res->keys);
	noise_wipe(&hs);
	if (rc)
		return SOTTO_HS_FAILED;
	res->keys.local_index = c->index;
	sotto_hs_client_wipe(c);
	return SOTTO_HS_DONE;
}

static enum sotto_hs_event client_resumed(struct sotto_hs_client *c,
					  const uint8_t *dgram, size_t len,
					  struct sotto_hs_result *res)
{
	if (sotto_hs_resumed(c, dgram, len, &res->keys))
		return SOTTO_HS_FAILED;
	res->keys.local_index = c->index;
	sotto_hs_client_wipe(c);
	return SOTTO_HS_DONE;
}

enum sotto_hs_event sotto_hs_client_input(struct sotto_hs_client *c,
					  const uint8_t *dgram, size_t len,
					  struct sotto_hs_result *res)
{
	uint32_t index;
	enum sotto_dgram type = sotto_dgram_index(dgram, len, &index);

	memset(res, 0, sizeof(*res));
	if (!c->len || index != c->index)
		return SOTTO_HS_IGNORED;
	switch (type) {
	case SOTTO_DGRAM_RESP:
		return c->kind == SOTTO_HS_RESUME ? SOTTO_HS_IGNORED :
		       client_resp(c, dgram, len, res);
	case SOTTO_DGRAM_RESUMED:
		return c->kind == SOTTO_HS_RESUME ?
		       client_resumed(c, dgram, len, res) : SOTTO_HS_IGNORED;
	case SOTTO_DGRAM_COOKIE:
		return client_cookie(c, dgram, len);
	case SOTTO_DGRAM_HINT:
		return client_hint(c, dgram, len, res);
	default:
		return SOTTO_HS_IGNORED;
	}
}

void sotto_hs_client_wipe(struct sotto_hs_client *c)
{
	sotto_wipe(c, sizeof(*c));
}

/* ---- server's side ---- */

void sotto_cookies_init(struct sotto_cookies *ck, uint64_t now_ms)
{
	randombytes_buf(ck->secret, sizeof(ck->secret));
	ck->since_ms = now_ms;
}

static void cookies_turn(struct sotto_cookies *ck, uint64_t now_ms)
{
	if (now_ms - ck->since_ms < SOTTO_COOKIE_MS)
		return;
	memcpy(ck->secret[1], ck->secret[0], 32);
	randombytes_buf(ck->secret[0], 32);
	ck->since_ms = now_ms;
}

static void cookie_of(const uint8_t secret[32], const struct sotto_addr *addr,
		      uint16_t port, uint8_t out[SOTTO_COOKIE_LEN])
{
	uint8_t in[1 + 16 + 2] = { addr->len };

	memcpy(in + 1, addr->b, addr->len);
	in[17] = port >> 8;
	in[18] = port;
	crypto_generichash(out, SOTTO_COOKIE_LEN, in, sizeof(in), secret, 32);
}

void sotto_cookie_make(struct sotto_cookies *ck, uint64_t now_ms,
		       const struct sotto_addr *addr, uint16_t port,
		       uint8_t out[SOTTO_COOKIE_LEN])
{
	cookies_turn(ck, now_ms);
	cookie_of(ck->secret[0], addr, port, out);
}

bool sotto_cookie_valid(struct sotto_cookies *ck, uint64_t now_ms,
			const struct sotto_addr *addr, uint16_t port,
			const uint8_t cookie[SOTTO_COOKIE_LEN])
{
	uint8_t want[SOTTO_COOKIE_LEN];
	int i;

	cookies_turn(ck, now_ms);
	for (i = 0; i < 2; i++) {
		cookie_of(ck->secret[i], addr, port, want);
		if (sotto_secret_eq(want, cookie, sizeof(want)))
			return true;
	}
	return false;
}

/* INIT: e, sealed s, sealed payload. */
static int parse_noise(struct sotto_init_view *v)
{
	v->kind = v->dgram[2];
	if (v->len < INIT_MIN)
		return SOTTO_E_SHORT;
	if (v->kind != SOTTO_HS_MEMBER && v->kind != SOTTO_HS_ENROL)
		return SOTTO_E_BAD;
	v->noise = v->dgram + OUTER_LEN;
	v->noise_len = v->len - OUTER_LEN - INIT_TAIL;
	return 0;
}

/* RESUME: nonce, features, ticket. */
static int parse_resume(struct sotto_init_view *v)
{
	struct sotto_rbuf r;

	v->kind = SOTTO_HS_RESUME;
	if (v->len < RESUME_FIXED + SOTTO_TICKET_MIN)
		return SOTTO_E_SHORT;
	if (v->len > RESUME_FIXED + SOTTO_TICKET_MAX || v->dgram[2])
		return SOTTO_E_BAD;
	sotto_rbuf_init(&r, v->dgram + OUTER_LEN + RESUME_NONCE, 4);
	v->features = sotto_get_u32(&r);
	v->ticket = v->dgram + OUTER_LEN + RESUME_NONCE + 4;
	v->ticket_len = v->len - RESUME_FIXED;
	return 0;
}

int sotto_init_parse(struct sotto_init_view *v, const uint8_t *dgram,
		     size_t len)
{
	memset(v, 0, sizeof(*v));
	if (len < OUTER_LEN + SOTTO_ECHO_LEN + INIT_TAIL)
		return SOTTO_E_SHORT;
	if ((dgram[0] != SOTTO_DGRAM_INIT && dgram[0] != SOTTO_DGRAM_RESUME) ||
	    len > SOTTO_DGRAM_MAX)
		return SOTTO_E_BAD;
	v->dgram = dgram;
	v->len = len;
	v->version = dgram[1];
	v->index = index_of(dgram);
	v->echo = dgram + OUTER_LEN;
	v->mac = dgram + len - INIT_TAIL;
	v->cookie = dgram + len - SOTTO_COOKIE_LEN;
	if (v->version != SOTTO_PROTO_VERSION)
		return SOTTO_E_VERSION;
	if (dgram[3])
		return SOTTO_E_BAD;
	return dgram[0] == SOTTO_DGRAM_INIT ? parse_noise(v) : parse_resume(v);
}

bool sotto_init_mac_valid(const struct sotto_init_view *v,
			  const uint8_t mac_key[32])
{
	uint8_t want[SOTTO_MAC_LEN];

	crypto_generichash(want, sizeof(want), v->dgram, v->len - INIT_TAIL,
			   mac_key, 32);
	return sotto_secret_eq(want, v->mac, sizeof(want));
}

static int read_init(struct noise_hs *hs, const struct sotto_init_view *v,
		     struct sotto_msg *init)
{
	uint8_t body[SOTTO_HS_BODY_MAX];
	size_t body_len;
	int rc = noise_read(hs, v->noise, v->noise_len, body, sizeof(body),
			    &body_len);

	if (!rc)
		rc = sotto_msg_decode(init, SOTTO_MSG_ASSOC_INIT, body,
				      body_len);
	if (!rc && (v->kind == SOTTO_HS_ENROL) ==
		   sotto_all_zero(init->assoc_init.code_id, SOTTO_CODE_ID_LEN))
		rc = SOTTO_E_BAD;
	if (rc)
		noise_wipe(hs);
	return rc;
}

int sotto_hs_server_read(struct noise_hs *hs, const struct sotto_init_view *v,
			 const uint8_t server_priv[SOTTO_SECRET_LEN],
			 struct sotto_msg *init)
{
	int rc = begin_noise(hs, false, v->dgram, server_priv, NULL);

	return rc ? rc : read_init(hs, v, init);
}

int sotto_hs_server_read_by(struct noise_hs *hs,
			    const struct sotto_init_view *v,
			    const uint8_t server_key[SOTTO_PUB_LEN],
			    noise_dh_fn dh, void *dh_arg,
			    struct sotto_msg *init)
{
	uint8_t prologue[PROLOGUE_LEN];
	int rc;

	make_prologue(prologue, v->dgram);
	rc = noise_init_by(hs, NOISE_IKPSK2, prologue, sizeof(prologue),
			   server_key, dh, dh_arg);
	return rc ? rc : read_init(hs, v, init);
}

void sotto_hs_server_member(struct noise_hs *hs, struct sotto_token *token)
{
	noise_set_psk(hs, token_psk, token);
}

void sotto_hs_server_enrol(struct noise_hs *hs,
			   const uint8_t psk[SOTTO_SECRET_LEN])
{
	noise_set_psk(hs, fixed_psk, (void *)psk);
}

int sotto_hs_server_write(struct noise_hs *hs, uint32_t agent_index,
			  uint32_t local_index, uint32_t features,
			  uint8_t out[SOTTO_DGRAM_MAX], size_t *len,
			  struct sotto_chan_keys *keys)
{
	struct sotto_msg m = { .type = SOTTO_MSG_ASSOC_RESP };
	uint8_t body[SOTTO_HS_BODY_MAX];
	size_t body_len, noise_len = 0;
	int rc;

	m.assoc_resp.features = features & SOTTO_FEATURES;
	m.assoc_resp.index = local_index;
	sotto_put_outer(out, SOTTO_DGRAM_RESP, 0, agent_index);
	rc = sotto_msg_encode(&m, body, sizeof(body), &body_len);
	if (!rc)
		rc = noise_write(hs, body, body_len, out + OUTER_LEN,
				 SOTTO_DGRAM_MAX - OUTER_LEN, &noise_len);
	if (!rc)
		rc = noise_split(hs, keys->tx, keys->rx);
	noise_wipe(hs);
	*len = OUTER_LEN + noise_len;
	keys->local_index = local_index;
	keys->remote_index = agent_index;
	keys->features = m.assoc_resp.features;
	return rc;
}

size_t sotto_cookie_dgram(uint8_t *out, uint32_t agent_index,
			  const uint8_t echo[SOTTO_ECHO_LEN],
			  const uint8_t cookie[SOTTO_COOKIE_LEN])
{
	sotto_put_outer(out, SOTTO_DGRAM_COOKIE, 0, agent_index);
	memcpy(out + OUTER_LEN, echo, SOTTO_ECHO_LEN);
	memcpy(out + OUTER_LEN + SOTTO_ECHO_LEN, cookie, SOTTO_COOKIE_LEN);
	return COOKIE_LEN;
}

size_t sotto_hint_dgram(uint8_t *out, enum sotto_hint hint, uint32_t index,
			const uint8_t echo[SOTTO_ECHO_LEN])
{
	uint8_t *tail = out + OUTER_LEN + SOTTO_ECHO_LEN;

	sotto_put_outer(out, SOTTO_DGRAM_HINT, hint, index);
	memcpy(out + OUTER_LEN, echo, SOTTO_ECHO_LEN);
	tail[0] = SOTTO_PROTO_VERSION;
	tail[1] = SOTTO_PROTO_VERSION;
	tail[2] = 0;
	tail[3] = 0;
	return HINT_LEN;
}

bool sotto_hint_parse(const uint8_t *dgram, size_t len, enum sotto_hint *hint,
		      uint8_t echo[SOTTO_ECHO_LEN], uint8_t *ver_min,
		      uint8_t *ver_max)
{
	if (len != HINT_LEN || dgram[0] != SOTTO_DGRAM_HINT)
		return false;
	*hint = dgram[2];
	memcpy(echo, dgram + OUTER_LEN, SOTTO_ECHO_LEN);
	*ver_min = dgram[OUTER_LEN + SOTTO_ECHO_LEN];
	*ver_max = dgram[OUTER_LEN + SOTTO_ECHO_LEN + 1];
	return true;
}

enum sotto_dgram sotto_dgram_index(const uint8_t *dgram, size_t len,
				   uint32_t *index)
{
	*index = 0;
	if (len < OUTER_LEN || dgram[0] < SOTTO_DGRAM_INIT ||
	    dgram[0] > SOTTO_DGRAM_RESUMED)
		return 0;
	/* a HINT comes from a server that may speak another version only */
	if (dgram[1] != SOTTO_PROTO_VERSION && dgram[0] != SOTTO_DGRAM_HINT)
		return 0;
	if (dgram[0] != SOTTO_DGRAM_INIT && dgram[0] != SOTTO_DGRAM_RESUME)
		*index = index_of(dgram);
	return dgram[0];
}

void sotto_sent_keep(struct sotto_sent *s, const uint8_t *dgram)
{
	memcpy(s->echo, dgram + SOTTO_DATA_HEADER, sizeof(s->echo));
	s->any = true;
}

bool sotto_sent_last(const struct sotto_sent *s,
		     const uint8_t echo[SOTTO_ECHO_LEN])
{
	return s->any && !memcmp(s->echo, echo, sizeof(s->echo));
}
