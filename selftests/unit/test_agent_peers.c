// SPDX-License-Identifier: GPL-2.0
/* The agent and its peers: offers, grants, pins and limits: with agentrun.h. */
#include "agentrun.h"
#include "msgfill.h"

/* ---- offers ---- */

static void on_offered(void *arg, int err, const struct sotto_msg *m)
{
	*(int *)arg = err ? err : m->type;
}

/* From bob, a session for our address. */
static void fill_offer(struct sotto_msg_session_offer *o)
{
	uint8_t priv[32];

	strcpy(o->name, "bob");
	noise_keypair(priv, o->static_pub);
	noise_keypair(priv, o->eph_pub);
	o->spi = 5000;
	o->data_port = 7689;
	o->addrs.n = 1;
	sotto_addr_parse(&o->addrs.a[0], "10.0.0.2");
	o->own_addrs.n = 1;
	sotto_addr_parse(&o->own_addrs.a[0], "10.0.0.1");
	o->dst = o->own_addrs.a[0];
	o->offered = (struct sotto_ciphers) { 2, { 2, 1 } };
	o->cipher = 2;
	o->seed[0] = 1;
	o->life.hard_s = 3600;
	o->session_id = 4711;
}

/* The answer to hello is lost or late: what was offered meanwhile is not refused for that. */
static void offer_waits_for_hello(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };
	int answer = 0;

	begin();
	srv.hold_hello = true;
	agent_begin();
	UNTIL(srv.hellos, 10000);
	ASSERT(srv.hellos);
	fill_offer(&m.offer);
	EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), &m, 0, on_offered,
				     &answer, NULL), 0);
	UNTIL(answer, 200);
	EXPECT_EQ(answer, 0);
	server_hello(&srv.chans[0], srv.chans[0].held[0], &srv.held_hello);
	UNTIL(answer, 10000);
	EXPECT_EQ(answer, SOTTO_MSG_SESSION_ACCEPT);
	EXPECT_EQ(ksim.n_sas, 2);
	end();
}

static bool offer(const struct sotto_msg *m)
{
	int answer = 0;

	EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), m, 0, on_offered,
				     &answer, NULL), 0);
	UNTIL(answer, 10000);
	return answer == SOTTO_MSG_SESSION_ACCEPT;
}

static void on_asked(struct agent *a, void *arg, enum sotto_reason reason, uint32_t hold_ms)
{
	(void)a;
	(void)hold_ms;
	*(int *)arg = reason;
}

/* With bob, as it was asked for. */
static void grant(uint64_t id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_GRANT };
	struct sotto_msg_session_grant *g = &m.grant;
	uint8_t priv[32];

	g->session_id = id;
	g->request_id = srv.request.request_id;
	strcpy(g->name, "bob");
	noise_keypair(priv, g->static_pub);
	noise_keypair(priv, g->eph_pub);
	g->spi = 5000;
	g->data_port = 7689;
	g->addrs.n = 1;
	g->addrs.a[0] = srv.request.dst;
	g->own_addrs.n = 1;
	sotto_addr_parse(&g->own_addrs.a[0], "10.0.0.1");
	g->cipher = 2;
	g->seed[0] = 1;
	g->life.hard_s = 3600;
	EXPECT_EQ(sotto_chan_answer(&srv.chans[0].ch, sotto_now_ms(), srv.request_at, &m), 0);
}

/* That a session is gone arrives before its grant: there are no keys for it, and another one
 * is asked for.
 */
static void gone_overtakes_grant(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_GONE };
	struct sotto_addr dst;
	int told = 0, asked = -1;

	begin();
	agent_begin();
	UNTIL(associated() && srv.listed == srv.hello.live_count, 10000);
	sotto_addr_parse(&dst, "10.0.0.2");
	ask_session(&ag, &dst, 0, 10000, 0, on_asked, &asked);
	UNTIL(srv.requests, 10000);
	m.ids.reason = SOTTO_REFUSAL_CLOSED;
	m.ids.ids.n = 1;
	m.ids.ids.id[0] = 4711;
	EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), &m, 0, on_offered,
				     &told, NULL), 0);
	UNTIL(told, 10000);
	EXPECT_EQ(told, SOTTO_MSG_ACK);
	grant(4711);
	UNTIL(srv.requests == 2, 5000);
	EXPECT_EQ(srv.requests, 2);
	EXPECT_EQ(ksim.n_sas, 0);
	EXPECT_EQ(asked, -1);
	ASSERT(srv.requests == 2);
	grant(4712);
	UNTIL(asked >= 0, 10000);
	EXPECT_EQ(asked, SOTTO_REASON_NONE);
	EXPECT_EQ(ksim.n_sas, 2);
	end();
}

/* A session that bob asked for, with the key that he said. */
static bool offered(uint8_t key[32])
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	fill_offer(&m.offer);
	memcpy(key, m.offer.static_pub, 32);
	return offer(&m);
}

/* The same with the key that he had before. */
static bool offered_with(const uint8_t key[32])
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	fill_offer(&m.offer);
	memcpy(m.offer.static_pub, key, 32);
	return offer(&m);
}

/* Whose key is pinned now, and is another than the one of the session that stands. */
static void pin_ends_what_contradicts_it(void)
{
	struct sotto_addrs addrs = { .n = 1 };
	struct sotto_errmsg err;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated() && offered(key));
	EXPECT_EQ(ksim.n_sas, 2);
	EXPECT_EQ(pins_add(&ag, "bob", key, NULL, &err), 0);
	UNTIL(srv.rekey_of, 500);
	EXPECT_EQ(srv.rekey_of, 0);
	/* another one is asked for, so that nothing is lost if that has the right key */
	key[0] ^= 1;
	EXPECT_EQ(pins_add(&ag, "bob", key, NULL, &err), 0);
	EXPECT_EQ(ksim.n_sas, 2);
	srv.refusal = SOTTO_REFUSAL_PIN;
	UNTIL(!ksim.n_sas, 5000);
	EXPECT_EQ(srv.rekey_of, 4711);
	EXPECT_EQ(ksim.n_sas, 0);
	UNTIL(srv.closed, 1000);
	EXPECT_EQ(srv.closed, 1);
	/* the same with an address of another one who is pinned */
	EXPECT_EQ(pins_del(&ag, "bob", &err), 0);
	ASSERT(offered(key));
	sotto_addr_parse(&addrs.a[0], "10.0.0.2");
	EXPECT_EQ(pins_add(&ag, "rose", key, &addrs, &err), 0);
	UNTIL(!ksim.n_sas, 5000);
	EXPECT_EQ(ksim.n_sas, 0);
	end();
}

/* Trust on first use pins all that a busy host ever met, and each session is held to that. */
static void owner_among_many_pins(void)
{
	struct sotto_party p = { .name = "zoe", .addrs.n = 2 };
	uint8_t key[32] = { 1 };

	begin();
	agent_begin();
	for (int i = 0; i < 10000; i++) {
		struct sotto_addrs addrs = { .n = 1 };
		char name[32], text[32];

		snprintf(name, sizeof(name), "peer-%05d.example", i);
		snprintf(text, sizeof(text), "10.1.%d.%d", i / 250, i % 250 + 1);
		sotto_addr_parse(&addrs.a[0], text);
		peers_set(&ag.peers, name, key);
		peers_add_addrs(&ag.peers, name, &addrs);
		peers_set(&ag.pins, name, key);
	}
	sotto_addr_parse(&p.addrs.a[0], "10.9.9.9");
	sotto_addr_parse(&p.addrs.a[1], "fd00:1::1");
	EXPECT(!pins_owner(&ag, &p));
	sotto_addr_parse(&p.addrs.a[1], "10.1.7.8");
	EXPECT(!strcmp(pins_owner(&ag, &p), "peer-01757.example"));
	key[0] = 2;
	peers_set(&ag.pins, "peer-01757.example", key);
	EXPECT(!pins_owner(&ag, &p));
	sotto_addr_parse(&p.addrs.a[1], "10.1.7.9");
	strcpy(p.name, "peer-01758.example");
	EXPECT(!pins_owner(&ag, &p));
	end();
}

/* What every host has is behind nobody, and what is ours is not behind another. */
static void routes_that_cannot_be(void)
{
	static const char *const no[] = {
		"0.0.0.0/8", "127.0.0.0/8", "127.0.0.1/32", "169.254.0.0/16", "224.0.0.0/4",
		"239.1.0.0/16", "255.255.255.255/32", "::/128", "::1/128", "::ffff:0:0/96",
		"fe80::/10", "fe80:1::/32", "ff00::/8", "ff02::1/128", "0.0.0.0/0", "10.0.0.0/24",
	};
	static const char *const yes[] = { "10.8.0.0/16", "192.0.2.0/24", "fd08::/64", "::/0" };
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 0; i < sizeof(no) / sizeof(no[0]) + sizeof(yes) / sizeof(yes[0]); i++) {
		bool can_be = i >= sizeof(no) / sizeof(no[0]);

		memset(&m.offer, 0, sizeof(m.offer));
		fill_offer(&m.offer);
		m.offer.session_id += i;
		m.offer.mode = SOTTO_MODE_TUNNEL;
		m.offer.routes.n = 1;
		sotto_prefix_parse(&m.offer.routes.p[0], can_be ? yes[i - sizeof(no) / sizeof(no[0])] : no[i]);
		EXPECT_EQ(offer(&m), can_be);
		EXPECT_EQ(ksim.n_sas, 2 * can_be);
		session_drop_all(&ag);
	}
	/* nor is a group, or this host itself, the other one */
	memset(&m.offer, 0, sizeof(m.offer));
	fill_offer(&m.offer);
	m.offer.addrs.n = 2;
	sotto_addr_parse(&m.offer.addrs.a[1], "224.0.0.1");
	EXPECT(!offer(&m));
	sotto_addr_parse(&m.offer.addrs.a[1], "::1");
	EXPECT(!offer(&m));
	/* the same of what is said to be behind this host */
	memset(&m.offer, 0, sizeof(m.offer));
	fill_offer(&m.offer);
	m.offer.mode = SOTTO_MODE_TUNNEL;
	m.offer.own_routes.n = 1;
	sotto_prefix_parse(&m.offer.own_routes.p[0], "127.0.0.0/8");
	EXPECT(!offer(&m));
	end();
}

/* The one network that its inbound SA leads to; "" without exactly one. */
static const char *reach(char text[SOTTO_PREFIX_STR])
{
	unsigned int i = 0;

	text[0] = 0;
	while (i < ksim.n_sas && ksim.sas[i].dir != SOTTO_SA_IN)
		i++;
	if (i < ksim.n_sas && ksim.sas[i].n_local_prefixes == 1)
		sotto_prefix_str(&ksim.sas[i].local_prefixes[0], text);
	return text;
}

/* The kernel takes none for all that are behind this host: so there is always one. */
static void peer_reaches_what_was_agreed(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };
	char text[SOTTO_PREFIX_STR];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	fill_offer(&m.offer);
	m.offer.mode = SOTTO_MODE_TUNNEL;
	m.offer.own_routes.n = 1;
	sotto_prefix_parse(&m.offer.own_routes.p[0], "10.8.0.0/16");
	EXPECT(offer(&m));
	EXPECT(!strcmp(reach(text), "10.8.0.0/16"));
	session_drop_all(&ag);
	m.offer.session_id++;
	m.offer.own_routes.n = 0;
	m.offer.routes.n = 1;
	sotto_prefix_parse(&m.offer.routes.p[0], "10.9.0.0/16");
	EXPECT(offer(&m));
	EXPECT(!strcmp(reach(text), "10.0.0.1/32"));
	end();
}

/* ---- limits ---- */

/* No more than so many wait for it. */
static void early_offers_are_few(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };
	int answers[OFFERS_EARLY + 1] = { 0 };

	begin();
	srv.hold_hello = true;
	agent_begin();
	UNTIL(srv.hellos, 10000);
	ASSERT(srv.hellos);
	fill_offer(&m.offer);
	for (int i = 0; i <= OFFERS_EARLY; i++) {
		m.offer.session_id++;
		EXPECT_EQ(sotto_chan_request(&srv.chans[0].ch, sotto_now_ms(), &m, 0, on_offered,
					     &answers[i], NULL), 0);
	}
	UNTIL(answers[OFFERS_EARLY], 1000);
	EXPECT_EQ(answers[OFFERS_EARLY], SOTTO_MSG_SESSION_REFUSAL);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_EARLY_REFUSED], 1);
	end();
}

static void offer_by(const char *name, uint64_t id)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_OFFER };

	fill_offer(&m.offer);
	strcpy(m.offer.name, name);
	m.offer.session_id = id;
	handle_request(&ag, assoc_channel(&ag), id, &m);
}

static void unused_offers_are_few(void)
{
	char name[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 0; i <= OFFERS_FRESH_PEER; i++)
		offer_by("bob", 1000 + i);
	EXPECT_EQ(session_count(&ag), OFFERS_FRESH_PEER);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_PEER_REFUSED], 1);
	for (unsigned int i = OFFERS_FRESH_PEER; i <= OFFERS_FRESH_MAX; i++) {
		snprintf(name, sizeof(name), "peer-%u", i);
		offer_by(name, 2000 + i);
	}
	EXPECT_EQ(session_count(&ag), OFFERS_FRESH_MAX);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_REFUSED], 1);
	EXPECT_EQ(ag.counters[COUNT_OFFERS_PEER_REFUSED], 1);
	end();
}

static unsigned int refused;

static void on_refused(struct agent *a, void *arg, enum sotto_reason reason, uint32_t hold_ms)
{
	(void)a;
	(void)hold_ms;
	(void)arg;
	refused += reason == SOTTO_REASON_LIMIT;
}

static void questions_are_few(void)
{
	begin();
	refused = 0;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 0; i <= ASKS_MAX; i++) {
		struct sotto_addr dst = { .len = 4, .b = { 10, 2, i >> 8, i } };

		ask_session(&ag, &dst, 0, 10000, 0, on_refused, NULL);
	}
	EXPECT_EQ(refused, 1);
	EXPECT_EQ(ag.counters[COUNT_ASKS_REFUSED], 1);
	ask_retry(&ag);
	EXPECT_EQ(ag.counters[COUNT_ASKS_PUT_OFF], ASKS_MAX - ASKS_IN_FLIGHT);
	end();
}

/* What the network, the kernel or the server can say more often than is of use. */
static void other_limits_are_counted(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_POLICY, .policy = { .parts = POLICY_PARTS_MAX + 1 } };
	struct sotto_party many = { .name = "bob" };
	struct sotto_addr src = { .len = 4, .b = { 10, 0, 0, 2 } };
	uint8_t key[32] = { 1 };

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (int i = 0; i <= SPI_REPORT_BURST; i++)
		report_spi_unknown(&ag, 1000, &src);
	EXPECT_EQ(ag.counters[COUNT_SPI_REPORTS_LEFT_OUT], 1);
	for (int i = 0; i <= SHUNNED_MAX; i++)
		session_shun(&ag, key);
	EXPECT_EQ(ag.counters[COUNT_REVOKED_FORGOTTEN], 1);
	policy_take(&ag, &m.policy);
	EXPECT_EQ(ag.counters[COUNT_POLICIES_REFUSED], 1);
	many.addrs.n = SOTTO_ADDRS_MAX;
	for (int i = 0; i < SOTTO_ADDRS_MAX; i++)
		many.addrs.a[i] = (struct sotto_addr){ .len = 4, .b = { 10, 0, 1, i } };
	key[0]++;
	peers_note(&ag.peers, "bob", key, &many.addrs);
	ASSERT(offered_with(key));
	EXPECT_EQ(ag.counters[COUNT_ADDRESSES_LEFT_OUT], 1);
	EXPECT_EQ(ag.counters[COUNT_ENDS_LEFT_OUT], 0);
	end();
}

/* An ICMP error for each datagram: anybody can send these. */
static void refused_datagrams_cost_little(void)
{
	uint8_t key[32] = { 0 };

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	close(srv.fd);
	srv.dead = true;
	for (int i = 0; i < 20; i++) {
		assoc_send(ag.assoc.sock, key, sizeof(key));
		usleep(1000);
		ev_run(ag.loop, EVRUN_NOWAIT);
	}
	EXPECT(ag.counters[COUNT_HINTS_IGNORED] >= 10);
	srv.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	end();
}

static void all_counters_have_names(void)
{
	json_t *o = counters_json(&ag);

	EXPECT_EQ(json_object_size(o), COUNTERS);
	json_decref(o);
}

/* ---- pins on the disk ---- */

static void later(void)
{
	ahead_ms += 60000;
	ev_invoke(ag.loop, &ag.kernel.check, EV_TIMER);
}

static bool pin_in_time;

/* All that is read, of a file that was there: so nothing else of the agent counts. */
static bool on_disk(const char *name, const char *addr)
{
	struct sotto_addr a;
	struct peers p = { 0 };
	const uint8_t *key;
	bool there;

	sotto_addr_parse(&a, addr);
	peers_load(&p, PINS_FILE);
	key = peers_find(&p, name);
	there = key && sotto_addrs_have(peers_addrs(&p, name, key), &a);
	peers_free(&p);
	return there;
}

static void look_for_bob(void)
{
	pin_in_time = on_disk("bob", "10.0.0.2");
}

static struct stat file_of(const char *file)
{
	struct stat st = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", top, file);
	EXPECT(!stat(path, &st));
	return st;
}

static void many_pins(void)
{
	struct sotto_errmsg err;
	uint8_t key[32] = { 1 };
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "peer-%05d.example", i);
		peers_set(&ag.pins, name, key);
	}
	EXPECT_EQ(peers_write(&ag.pins, PINS_FILE, &err), 0);
}

static unsigned int action_of(const char *prefix)
{
	struct sotto_prefix p;
	unsigned int i;

	sotto_prefix_parse(&p, prefix);
	i = ksim_policy_at(&p);
	return i < ksim.n_policies ? ksim.policies[i].action : SOTTO_ACTION_BYPASS;
}

static bool kept_policy(const char *prefix)
{
	struct sotto_prefix p;
	struct sotto_errmsg err;
	struct saved s;
	bool there;

	sotto_prefix_parse(&p, prefix);
	EXPECT_EQ(saved_read(&s, &err), 0);
	there = saved_find_policy(&s, &p);
	saved_free(&s);
	return there;
}

/*
 * Whoever is met for the first time costs a line, not the whole file, and no session is
 * believed that a power failure could make the first one once more.
 */
static void first_use_costs_a_line(void)
{
	struct stat pins, policy;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	many_pins();
	ag.conf.first_use = true;
	pins = file_of(PINS_FILE);
	policy = file_of(SAVED_FILE);
	ksim.on_sa = look_for_bob;
	pin_in_time = false;
	ASSERT(offered(key));
	EXPECT(pin_in_time);
	EXPECT_EQ(file_of(PINS_FILE).st_ino, pins.st_ino);
	EXPECT_EQ(file_of(PINS_FILE).st_size - pins.st_size, strlen("bob 10.0.0.2\n") + 44);
	/* protected at once, and on the disk once for all that come in a while */
	EXPECT_EQ(file_of(SAVED_FILE).st_ino, policy.st_ino);
	EXPECT_EQ(action_of("10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	later();
	EXPECT(kept_policy("10.0.0.2/32"));
	end();
}

/* One that was pinned before is held to what it is met with; that is kept in the same way. */
static void addresses_of_the_pinned_are_kept(void)
{
	struct stat pins;
	struct sotto_errmsg err;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(offered(key));
	EXPECT_EQ(pins_add(&ag, "bob", NULL, NULL, &err), 0);
	/* and what a person pins is in the file of policy before he is told so */
	EXPECT(kept_policy("10.0.0.2/32"));
	session_drop_all(&ag);
	pins = file_of(PINS_FILE);
	ASSERT(offered_with(key));
	EXPECT(on_disk("bob", "10.0.0.2"));
	EXPECT_EQ(file_of(PINS_FILE).st_ino, pins.st_ino);
	pins = file_of(PINS_FILE);
	session_drop_all(&ag);
	ASSERT(offered_with(key));
	EXPECT_EQ(file_of(PINS_FILE).st_size, pins.st_size);
	end();
}

static void add_to_pins(const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" PINS_FILE, top);
	f = fopen(path, "a");
	EXPECT(f && fputs(text, f) >= 0 && !fclose(f));
}

/* The machine lost its power while a line was written: nothing rests on that one yet. */
static void half_a_pin_is_no_pin(void)
{
	static const char *const half[] = { "r", "rose", "rose ", "rose AAAAAAAAAAAAAA" };
	char line[128], key[44];
	struct sotto_errmsg err;
	uint8_t pub[32] = { 7 };

	begin();
	agent_begin();
	for (unsigned int i = 0; i < sizeof(half) / sizeof(half[0]); i++) {
		peers_free(&ag.pins);
		many_pins();
		add_to_pins(half[i]);
		peers_free(&ag.pins);
		EXPECT_EQ(pins_load(&ag, &err), 0);
		EXPECT_EQ(ag.pins.n, 1000);
		/* and the next one is not written behind it */
		EXPECT_EQ(peers_set(&ag.pins, "zoe", pub), 0);
		EXPECT_EQ(peers_append(&ag.pins, PINS_FILE, "zoe", &err), 0);
		peers_free(&ag.pins);
		EXPECT_EQ(pins_load(&ag, &err), 0);
		EXPECT_EQ(ag.pins.n, 1001);
	}
	/* a key that is whole counts; an address may be a part of one */
	snprintf(line, sizeof(line), "rose %s 10.0.0.2", sotto_key_text(key, pub));
	add_to_pins(line);
	peers_free(&ag.pins);
	EXPECT_EQ(pins_load(&ag, &err), 0);
	ASSERT(peers_find(&ag.pins, "rose"));
	EXPECT_EQ(peers_addrs(&ag.pins, "rose", pub)->n, 0);
	/* damage elsewhere is no accident of that kind */
	add_to_pins("carol AAAAAAAA\n");
	peers_free(&ag.pins);
	EXPECT_EQ(pins_load(&ag, &err), SOTTO_E_IO);
	end();
}

/* The kept policy may be older than the pins: by a power failure, or a change of sotto.conf. */
static void pins_protect_from_the_start(void)
{
	char line[128], key[44];
	struct sotto_errmsg err;
	uint8_t pub[32] = { 7 };

	begin();
	agent_begin();
	snprintf(line, sizeof(line), "rose %s 10.0.0.2\n", sotto_key_text(key, pub));
	add_to_pins(line);
	EXPECT_EQ(pins_load(&ag, &err), 0);
	EXPECT_EQ(action_of("10.0.0.2/32"), SOTTO_ACTION_BYPASS);
	policy_all_pinned(&ag);
	EXPECT_EQ(action_of("10.0.0.2/32"), SOTTO_ACTION_PROTECT);
	EXPECT(kept_policy("10.0.0.2/32"));
	end();
}

/* ---- anything ---- */

static const uint16_t said[] = {
	SOTTO_MSG_SESSION_OFFER, SOTTO_MSG_SESSION_GONE, SOTTO_MSG_PEER_GONE, SOTTO_MSG_POLICY,
	SOTTO_MSG_SESSION_OFFER, SOTTO_MSG_KEEPALIVE, SOTTO_MSG_SESSION_GRANT, SOTTO_MSG_HELLO,
};

#define SAID	(sizeof(said) / sizeof(said[0]))

static void say(struct fill *f, unsigned int i)
{
	struct sotto_msg m;

	fill_msg(f, &m, said[i % SAID]);
	if (m.type == SOTTO_MSG_SESSION_OFFER && i % 3) {
		m.offer.own_addrs.n = 1;
		m.offer.own_addrs.a[0] = ag.id->addrs.a[0];
		m.offer.dst = ag.id->addrs.a[0];
		m.offer.offered = ag.conf.ciphers;
		m.offer.cipher = ag.conf.ciphers.c[0];
	}
	if (m.type == SOTTO_MSG_POLICY && i % 3) {
		m.policy.part = 0;
		m.policy.parts = 1;
		m.policy.base = 0;
		m.policy.version = i;
	}
	handle_request(&ag, assoc_channel(&ag), 1000000 + i, &m);
}

/* Well formed, and without sense: the agent stands, and kernel and table agree. */
static void whatever_the_server_says(void)
{
	struct fill f = { .state = 88172645463325252ull };
	unsigned int most = 0;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	for (unsigned int i = 1; i < 400; i++) {
		say(&f, i);
		if (session_count(&ag) > most)
			most = session_count(&ag);
		if (i % 40 == 0)
			turn();
	}
	EXPECT(most);
	EXPECT(associated());
	EXPECT_EQ(ksim.n_sas, 2 * session_count(&ag));
	EXPECT_EQ(kernel_resync(&ag), 0);
	EXPECT_EQ(ksim.n_sas, 2 * session_count(&ag));
	end();
}

/* ---- peers ---- */

static void half_a_line_spoils_no_other(void)
{
	struct sotto_addrs addrs = { .n = 1 };
	uint8_t key[32] = { 9 };
	struct peers p = { 0 };
	char path[64];
	FILE *f;

	fresh_folder();
	sotto_addr_parse(&addrs.a[0], "10.0.0.2");
	EXPECT(peers_note(&p, "bob", key, &addrs));
	snprintf(path, sizeof(path), "%s/" PEERS_FILE, top);
	f = fopen(path, "a");
	ASSERT(f);
	fputs("carol AAAAAAAA", f);
	fclose(f);
	EXPECT(peers_note(&p, "dave", key, &addrs));
	peers_free(&p);
	EXPECT_EQ(peers_load(&p, PEERS_FILE), SOTTO_E_IO);
	EXPECT(peers_find(&p, "bob") && peers_find(&p, "dave"));
	peers_free(&p);
}

/* ---- a full disk ---- */

static void kept_when_there_is_room(void)
{
	struct peers p = { 0 };
	struct sotto_errmsg err;
	struct identity *id;
	uint8_t key[32];

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	fill_disk();
	srv.loss_s = 60;
	EXPECT(offered(key));
	EXPECT(pins_add(&ag, "bob", NULL, NULL, &err));
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 2 && ag.assoc.state == ASSOC_STEADY, 10000);
	EXPECT_EQ(ag.id->server_loss_s, 60);
	later();
	empty_disk();
	EXPECT_EQ(identity_load(&id, &err), 0);
	EXPECT_EQ(id->server_loss_s, 0);
	identity_free(id);
	later();
	EXPECT_EQ(identity_load(&id, &err), 0);
	EXPECT_EQ(id->server_loss_s, 60);
	identity_free(id);
	EXPECT_EQ(peers_load(&p, PEERS_FILE), 0);
	EXPECT(peers_find(&p, "bob"));
	peers_free(&p);
	EXPECT_EQ(peers_load(&p, PINS_FILE), 0);
	EXPECT(peers_find(&p, "bob"));
	peers_free(&p);
	end();
}

static const struct ktap_test tests[] = {
	{ "offer_waits_for_hello", offer_waits_for_hello },
	{ "gone_overtakes_grant", gone_overtakes_grant },
	{ "pin_ends_what_contradicts_it", pin_ends_what_contradicts_it },
	{ "owner_among_many_pins", owner_among_many_pins },
	{ "routes_that_cannot_be", routes_that_cannot_be },
	{ "peer_reaches_what_was_agreed", peer_reaches_what_was_agreed },
	{ "early_offers_are_few", early_offers_are_few },
	{ "unused_offers_are_few", unused_offers_are_few },
	{ "questions_are_few", questions_are_few },
	{ "other_limits_are_counted", other_limits_are_counted },
	{ "refused_datagrams_cost_little", refused_datagrams_cost_little },
	{ "all_counters_have_names", all_counters_have_names },
	{ "first_use_costs_a_line", first_use_costs_a_line },
	{ "addresses_of_the_pinned_are_kept", addresses_of_the_pinned_are_kept },
	{ "half_a_pin_is_no_pin", half_a_pin_is_no_pin },
	{ "pins_protect_from_the_start", pins_protect_from_the_start },
	{ "whatever_the_server_says", whatever_the_server_says },
	{ "half_a_line_spoils_no_other", half_a_line_spoils_no_other },
	{ "kept_when_there_is_room", kept_when_there_is_room },
};

int main(void)
{
	return run_agent(tests, sizeof(tests) / sizeof(tests[0]));
}
