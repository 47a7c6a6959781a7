// SPDX-License-Identifier: GPL-2.0
/*
 * Coding of every message: round trips, truncation, flipped bits, and the rules
 * for order, doubles, gaps and unknown attributes.
 */
#include <sodium.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "ktap.h"
#include "msgfill.h"

#define ROUNDS	50

static void encode(const struct sotto_msg *m, uint8_t *out, size_t *len)
{
	int rc = sotto_msg_encode(m, out, SOTTO_BODY_MAX, len);

	if (rc)
		printf("# %s: %s\n", sotto_msg_name(m->type), sotto_err_name(rc));
	EXPECT(!rc);
}

/* The field of each form compared: structures have padding. */
static bool same(const struct sotto_msg *a, const struct sotto_msg *b)
{
	uint8_t x[SOTTO_BODY_MAX], y[SOTTO_BODY_MAX];
	size_t xl, yl;

	encode(a, x, &xl);
	encode(b, y, &yl);
	return a->type == b->type && xl == yl && !memcmp(x, y, xl);
}

static void round_trip(void)
{
	struct fill f = { .state = 1 };
	struct sotto_msg m, back;
	uint8_t buf[SOTTO_BODY_MAX];
	size_t i, n, len;
	int round;

	sotto_msg_descs(&n);
	for (i = 0; i < n; i++) {
		for (round = 0; round < ROUNDS; round++) {
			fill_msg(&f, &m, sotto_msg_descs(&n)[i].type);
			encode(&m, buf, &len);
			EXPECT_EQ(sotto_msg_decode(&back, m.type, buf, len), 0);
			EXPECT(same(&m, &back));
		}
	}
}

/* The largest of each fits one datagram. */
static void largest(void)
{
	struct fill f = { .state = 2, .full = true };
	struct sotto_msg m, back;
	uint8_t buf[SOTTO_BODY_MAX];
	size_t i, n, len;

	sotto_msg_descs(&n);
	for (i = 0; i < n; i++) {
		fill_msg(&f, &m, sotto_msg_descs(&n)[i].type);
		encode(&m, buf, &len);
		EXPECT_EQ(sotto_msg_decode(&back, m.type, buf, len), 0);
		EXPECT(same(&m, &back));
		EXPECT_EQ(sotto_msg_encode(&m, buf, len ? len - 1 : 0, &len),
			  len ? SOTTO_E_SPACE : 0);
	}
}

/* A cut message is refused, unless only attributes that may be absent went. */
static void truncated(void)
{
	struct fill f = { .state = 3 };
	struct sotto_msg m, back;
	uint8_t buf[SOTTO_BODY_MAX], again[SOTTO_BODY_MAX];
	size_t i, n, len, cut, len2;

	sotto_msg_descs(&n);
	for (i = 0; i < n; i++) {
		fill_msg(&f, &m, sotto_msg_descs(&n)[i].type);
		encode(&m, buf, &len);
		for (cut = 0; cut < len; cut++) {
			/* a copy of the exact size, so that ASan sees overreads */
			uint8_t *tight = malloc(cut ? cut : 1);
			int rc;

			memcpy(tight, buf, cut);
			rc = sotto_msg_decode(&back, m.type, tight, cut);
			if (!rc) {
				encode(&back, again, &len2);
				EXPECT(len2 == cut && !memcmp(again, buf, cut));
			} else {
				EXPECT(sodium_is_zero((uint8_t *)&back,
						      sizeof(back)));
			}
			free(tight);
		}
	}
}

/* Whatever is taken means exactly what was sent: coding it again gives it. */
static void flipped(void)
{
	struct fill f = { .state = 4 };
	struct sotto_msg m, back;
	uint8_t buf[SOTTO_BODY_MAX], again[SOTTO_BODY_MAX];
	size_t i, n, len, bit, len2;
	unsigned int taken = 0, refused = 0;

	sotto_msg_descs(&n);
	for (i = 0; i < n; i++) {
		fill_msg(&f, &m, sotto_msg_descs(&n)[i].type);
		encode(&m, buf, &len);
		for (bit = 0; bit < len * 8; bit++) {
			buf[bit / 8] ^= 1 << bit % 8;
			if (sotto_msg_decode(&back, m.type, buf, len)) {
				refused++;
			} else {
				taken++;
				encode(&back, again, &len2);
				/* but for an attribute that became unknown */
				EXPECT(len2 < len ||
				       !memcmp(again, buf, len));
			}
			buf[bit / 8] ^= 1 << bit % 8;
		}
	}
	EXPECT(taken > 1000 && refused > 1000);
}

static size_t put_attr(uint8_t *p, uint8_t attr, uint16_t len,
		       const void *val)
{
	p[0] = attr;
	p[1] = len >> 8;
	p[2] = len;
	memcpy(p + 3, val, len);
	return 3 + len;
}

static int decode_two(uint16_t type, uint8_t a1, const void *v1, uint16_t l1,
		      uint8_t a2, const void *v2, uint16_t l2)
{
	struct sotto_msg m;
	uint8_t buf[256];
	size_t len = put_attr(buf, a1, l1, v1);

	if (a2)
		len += put_attr(buf + len, a2, l2, v2);
	return sotto_msg_decode(&m, type, buf, len);
}

static void attribute_rules(void)
{
	static const uint8_t reason[2] = { 0, 1 }, text[] = "why";
	const uint16_t t = SOTTO_MSG_ERROR;
	const uint8_t r = SOTTO_ATTR_REASON, x = SOTTO_ATTR_TEXT;
	struct sotto_msg m;

	EXPECT_EQ(decode_two(t, r, reason, 2, x, text, 3), 0);
	/* order, doubles, gaps, length */
	EXPECT_EQ(decode_two(t, x, text, 3, r, reason, 2), SOTTO_E_BAD);
	EXPECT_EQ(decode_two(t, r, reason, 2, r, reason, 2), SOTTO_E_BAD);
	EXPECT_EQ(decode_two(t, r, reason, 2, 0, NULL, 0), SOTTO_E_BAD);
	EXPECT_EQ(decode_two(t, r, reason, 1, x, text, 3), SOTTO_E_BAD);
	EXPECT_EQ(decode_two(t, r, "\0\1", 3, x, text, 3), SOTTO_E_BAD);
	/* a known attribute that has no place here; one that nobody knows */
	EXPECT_EQ(decode_two(SOTTO_MSG_BYE, r, reason, 2, x, text, 3),
		  SOTTO_E_BAD);
	EXPECT_EQ(decode_two(SOTTO_MSG_BYE, r, reason, 2, 127, text, 3),
		  SOTTO_E_BAD);
	/* from 128 on they are skipped */
	EXPECT_EQ(decode_two(SOTTO_MSG_BYE, r, reason, 2, 128, text, 3), 0);
	EXPECT_EQ(decode_two(SOTTO_MSG_BYE, r, reason, 2, 255, text, 3), 0);
	/* but in order and once, like all others */
	EXPECT_EQ(decode_two(SOTTO_MSG_ACK, 130, "", 0, 131, "", 0), 0);
	EXPECT_EQ(decode_two(SOTTO_MSG_ACK, 130, "", 0, 130, "", 0), SOTTO_E_BAD);
	EXPECT_EQ(decode_two(SOTTO_MSG_ACK, 131, "", 0, 130, "", 0), SOTTO_E_BAD);
	EXPECT_EQ(sotto_msg_decode(&m, 0x7777, "", 0), SOTTO_E_UNKNOWN);
	EXPECT_EQ(sotto_msg_decode(&m, SOTTO_MSG_ACK, "", 0), 0);
	EXPECT_EQ(sotto_msg_decode(&m, SOTTO_MSG_ACK, "\1", 1), SOTTO_E_SHORT);
}

static void bad_values(void)
{
	struct fill f = { .state = 5 };
	struct sotto_msg m;
	uint8_t buf[SOTTO_BODY_MAX];
	size_t len;

#define BAD(type, change) do {						\
		fill_msg(&f, &m, type);					\
		change;							\
		EXPECT_EQ(sotto_msg_encode(&m, buf, sizeof(buf), &len),	\
			  SOTTO_E_VALUE);				\
	} while (0)
	BAD(SOTTO_MSG_SESSION_REQUEST, m.request.spi = 255);
	BAD(SOTTO_MSG_SESSION_REQUEST, m.request.request_id = 0);
	BAD(SOTTO_MSG_SESSION_REQUEST, m.request.dst.len = 5);
	BAD(SOTTO_MSG_SESSION_REQUEST, m.request.ciphers.n = 0);
	BAD(SOTTO_MSG_SESSION_REQUEST, m.request.ciphers.n = 5);
	BAD(SOTTO_MSG_SESSION_ACCEPT, m.accept.session_id = 0);
	BAD(SOTTO_MSG_SESSION_OFFER, m.offer.cipher = 0);
	BAD(SOTTO_MSG_SESSION_OFFER, m.offer.data_port = 0);
	BAD(SOTTO_MSG_SESSION_OFFER, m.offer.addrs.n = 17);
	BAD(SOTTO_MSG_SESSION_OFFER, m.offer.life.hard_s = 0);
	BAD(SOTTO_MSG_SESSION_OFFER, m.offer.life.soft_s =
				     m.offer.life.hard_s + 1);
	BAD(SOTTO_MSG_SESSION_GRANT, strcpy(m.grant.name, "Bob"));
	BAD(SOTTO_MSG_SESSION_GRANT, strcpy(m.grant.name, ""));
	BAD(SOTTO_MSG_SESSION_GRANT, strcpy(m.grant.name, "-x"));
	BAD(SOTTO_MSG_SESSION_GRANT, memset(m.grant.name, 'a', 64));
	BAD(SOTTO_MSG_ERROR, strcpy(m.error.text, "two\nlines"));
	BAD(SOTTO_MSG_POLICY, m.policy.parts = m.policy.part);
	BAD(SOTTO_MSG_POLICY, (m.policy.entries.n = 1,
			       m.policy.entries.e[0].action = 4));
	BAD(SOTTO_MSG_POLICY, (m.policy.entries.n = 1,
			       fill_addr(&f, &m.policy.entries.e[0].prefix.addr),
			       m.policy.entries.e[0].prefix.addr.b[0] = 1,
			       m.policy.entries.e[0].prefix.plen = 7));
	BAD(SOTTO_MSG_LIVE, m.live.live.n = SOTTO_LIVE_MAX + 1);
	BAD(SOTTO_MSG_SESSION_GONE, m.ids.ids.n = SOTTO_IDS_MAX + 1);
#undef BAD
}

/* Lists one longer than permitted, as another implementation might send. */
static void long_lists(void)
{
	static uint8_t buf[4096];
	struct sotto_msg m;
	size_t len = put_attr(buf, SOTTO_ATTR_REASON, 2, "\0\1");
	uint8_t *at = buf + len;
	static uint8_t zero[(SOTTO_IDS_MAX + 1) * 8];

	len += put_attr(at, SOTTO_ATTR_SESSION_IDS, SOTTO_IDS_MAX * 8, zero);
	EXPECT_EQ(sotto_msg_decode(&m, SOTTO_MSG_SESSION_GONE, buf, len), 0);
	EXPECT_EQ(m.ids.ids.n, SOTTO_IDS_MAX);
	len = at - buf;
	len += put_attr(at, SOTTO_ATTR_SESSION_IDS, sizeof(zero), zero);
	EXPECT_EQ(sotto_msg_decode(&m, SOTTO_MSG_SESSION_GONE, buf, len),
		  SOTTO_E_BAD);
	len = at - buf;
	len += put_attr(at, SOTTO_ATTR_SESSION_IDS, 12, zero);
	EXPECT_EQ(sotto_msg_decode(&m, SOTTO_MSG_SESSION_GONE, buf, len),
		  SOTTO_E_BAD);
}

/* The tables themselves: types and attributes ascend, names are unique. */
static void tables(void)
{
	size_t n, i, j;
	const struct sotto_msg_desc *d = sotto_msg_descs(&n);
	int k;

	for (i = 0; i < n; i++) {
		for (k = 1; k < d[i].n; k++)
			EXPECT(d[i].fields[k].attr > d[i].fields[k - 1].attr);
		for (j = 0; j < i; j++)
			EXPECT(d[i].type > d[j].type &&
			       strcmp(d[i].name, d[j].name));
		EXPECT_EQ(sotto_msg_type_by_name(d[i].name), d[i].type);
	}
	EXPECT(!strcmp(sotto_msg_name(0xffff), "unknown"));
	EXPECT(!strcmp(sotto_refusal_name(SOTTO_REFUSAL_PIN), "pin-mismatch"));
	EXPECT(!strcmp(sotto_refusal_name(999), "unknown"));
}

static void names(void)
{
	char longest[65];

	memset(longest, 'a', 64);
	longest[64] = 0;
	EXPECT(sotto_name_valid("alice") && sotto_name_valid("0.a-b"));
	EXPECT(!sotto_name_valid("") && !sotto_name_valid("Alice"));
	EXPECT(!sotto_name_valid(".a") && !sotto_name_valid("a b"));
	EXPECT(!sotto_name_valid(longest) && sotto_name_valid(longest + 1));
}

static const struct ktap_test tests[] = {
	{ "round_trip", round_trip },
	{ "largest", largest },
	{ "truncated", truncated },
	{ "flipped", flipped },
	{ "attribute_rules", attribute_rules },
	{ "bad_values", bad_values },
	{ "long_lists", long_lists },
	{ "tables", tables },
	{ "names", names },
};

KTAP_MAIN(tests)
