// SPDX-License-Identifier: GPL-2.0
/*
 * The sealed channel over a simulated network: loss, delay, doubles, disorder,
 * replays and forgeries, in simulated time.
 */
#include <sodium.h>
#include <string.h>

#include "chan.h"
#include "detrand.h"
#include "err.h"
#include "ktap.h"

#define FLIGHT_MAX	8192

struct dgram {
	struct end *to;
	uint64_t at;
	size_t len;
	uint8_t data[SOTTO_DGRAM_MAX];
};

struct net {
	uint64_t now;
	int loss, dup;			/* per cent */
	uint32_t delay, jitter;		/* milliseconds */
	uint64_t seed;
	int n;
	struct dgram *flight;
};

struct end {
	struct net *net;
	struct end *peer;
	struct sotto_chan chan;
	bool hold;			/* answer later */
	uint32_t held[SOTTO_CALLS_MAX + 1];
	int held_n;
	int requests, notes, answers, timeouts, closed, other;
	int per_id[20000];
	uint64_t last_answer;
};

static uint32_t chance(struct net *net, uint32_t n)
{
	net->seed ^= net->seed << 13;
	net->seed ^= net->seed >> 7;
	net->seed ^= net->seed << 17;
	return n ? (net->seed >> 20) % n : 0;
}

static void fly(struct end *to, const uint8_t *data, size_t len)
{
	struct net *net = to->net;
	struct dgram *d = &net->flight[net->n];

	if (net->n == FLIGHT_MAX)
		return;
	net->n++;
	d->to = to;
	d->at = net->now + net->delay + chance(net, net->jitter + 1);
	d->len = len;
	memcpy(d->data, data, len);
}

static void on_send(void *arg, const uint8_t *data, size_t len)
{
	struct end *e = arg;

	if ((int)chance(e->net, 100) < e->net->loss)
		return;
	fly(e->peer, data, len);
	if ((int)chance(e->net, 100) < e->net->dup)
		fly(e->peer, data, len);
}

static void on_request(void *arg, uint32_t id, const struct sotto_msg *m)
{
	struct end *e = arg;

	e->requests++;
	if (m->type == SOTTO_MSG_SESSION_REQUEST)
		e->per_id[m->request.request_id]++;
	if (e->hold)
		e->held[e->held_n++] = id;
	else
		EXPECT_EQ(sotto_chan_ack(&e->chan, e->net->now, id), 0);
}

static void on_note(void *arg, const struct sotto_msg *m)
{
	(void)m;
	((struct end *)arg)->notes++;
}

static const struct sotto_chan_ops ops = {
	.send = on_send,
	.request = on_request,
	.note = on_note,
};

static void on_answer(void *arg, int err, const struct sotto_msg *m)
{
	struct end *e = arg;

	if (!err && m->type == SOTTO_MSG_ACK) {
		e->answers++;
		e->last_answer = e->net->now;
	} else if (err == SOTTO_E_TIMEOUT) {
		e->timeouts++;
	} else if (err == SOTTO_E_CLOSED) {
		e->closed++;
	} else {
		e->other++;
	}
}

static struct net net;
static struct end a, b;

static void setup_keys(uint32_t index)
{
	struct sotto_chan_keys ka = { .local_index = index, .remote_index = index + 1 };
	struct sotto_chan_keys kb = { .local_index = index + 1, .remote_index = index };

	randombytes_buf(ka.tx, 32);
	randombytes_buf(ka.rx, 32);
	memcpy(kb.tx, ka.rx, 32);
	memcpy(kb.rx, ka.tx, 32);
	sotto_chan_init(&a.chan, &ka, &ops, &a, net.now);
	sotto_chan_init(&b.chan, &kb, &ops, &b, net.now);
}

static void setup(void)
{
	struct dgram *flight = net.flight ? net.flight :
			       calloc(FLIGHT_MAX, sizeof(*flight));

	net = (struct net) { .now = 1000, .seed = 42, .flight = flight };
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.net = b.net = &net;
	a.peer = &b;
	b.peer = &a;
	setup_keys(100);
}

static void teardown(void)
{
	sotto_chan_close(&a.chan);
	sotto_chan_close(&b.chan);
}

static int find_due(uint64_t *at)
{
	int i, best = -1;

	*at = UINT64_MAX;
	for (i = 0; i < net.n; i++)
		if (net.flight[i].at < *at) {
			*at = net.flight[i].at;
			best = i;
		}
	return best;
}

static uint64_t min64(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

/* Runs until nothing is left to happen, or @until. */
static void run(uint64_t until)
{
	for (;;) {
		uint64_t at, next;
		int i = find_due(&at);

		next = min64(at, min64(sotto_chan_next(&a.chan),
				       sotto_chan_next(&b.chan)));
		if (next == UINT64_MAX || next > until)
			break;
		if (next > net.now)
			net.now = next;
		if (at == next) {
			struct dgram d = net.flight[i];

			net.flight[i] = net.flight[--net.n];
			sotto_chan_input(&d.to->chan, net.now, d.data, d.len);
		} else {
			sotto_chan_tick(&a.chan, net.now);
			sotto_chan_tick(&b.chan, net.now);
		}
	}
	if (until != UINT64_MAX)
		net.now = until;
}

static int ask(struct end *e, uint64_t n, uint32_t deadline)
{
	struct sotto_msg m = { .type = SOTTO_MSG_SESSION_REQUEST };

	m.request.request_id = n;
	m.request.spi = 1000;
	m.request.dst.len = 4;
	m.request.ciphers.n = 1;
	m.request.ciphers.c[0] = 1;
	return sotto_chan_request(&e->chan, net.now, &m, deadline, on_answer, e,
				  NULL);
}

static void plain(void)
{
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE };

	setup();
	EXPECT_EQ(ask(&a, 1, 0), 0);
	EXPECT_EQ(ask(&b, 2, 0), 0);
	EXPECT_EQ(sotto_chan_note(&a.chan, &bye), 0);
	run(net.now + 10);
	EXPECT_EQ(a.answers, 1);
	EXPECT_EQ(b.answers, 1);
	EXPECT_EQ(b.notes, 1);
	EXPECT_EQ(a.chan.stats.resent, 0);
	EXPECT(a.chan.confirmed && b.chan.confirmed);
	/* answers are forgotten after their time, and then nothing is due */
	run(UINT64_MAX);
	EXPECT_EQ(a.chan.served_n + b.chan.served_n, 0);
	EXPECT(sotto_chan_next(&a.chan) == UINT64_MAX);
	teardown();
}

/*
 * Every request is answered, and handled exactly once, whatever the network: as
 * long as its answer is remembered, that is, up to SOTTO_ANSWERS_MAX in
 * SOTTO_ANSWER_KEEP_MS.
 */
static void bad_network(int loss, int dup, uint32_t delay, uint32_t jitter)
{
	const int n = 400;
	int i, want = 0;

	setup();
	net.loss = loss;
	net.dup = dup;
	net.delay = delay;
	net.jitter = jitter;
	for (i = 1; i <= n; i++) {
		EXPECT_EQ(ask(&a, i, 29000), 0);
		EXPECT_EQ(ask(&b, i, 29000), 0);
		run(net.now + 150);
	}
	run(net.now + 30000);
	EXPECT_EQ(a.answers, n);
	EXPECT_EQ(b.answers, n);
	for (i = 1; i <= n; i++)
		want += a.per_id[i] == 1 && b.per_id[i] == 1;
	EXPECT_EQ(want, n);
	EXPECT_EQ(a.requests, n);
	teardown();
}

static void lossy(void)
{
	bad_network(30, 0, 1, 0);
}

static void doubled_and_disordered(void)
{
	bad_network(0, 50, 5, 200);
}

static void slow(void)
{
	bad_network(0, 0, 500, 0);
}

static void all_at_once(void)
{
	bad_network(30, 20, 250, 250);
}

static void deadline(void)
{
	setup();
	net.loss = 100;
	EXPECT_EQ(ask(&a, 1, 2500), 0);
	EXPECT_EQ(ask(&a, 2, 0), 0);
	run(net.now + 2400);
	EXPECT_EQ(a.timeouts, 0);
	run(net.now + 200);
	EXPECT_EQ(a.timeouts, 1);
	/* 300, then 600 ms apart, 25 % off at most: 3 to 5 repeats in 2.5 s */
	EXPECT(a.chan.stats.sent >= 2 * 4 && a.chan.stats.sent <= 2 * 6);
	run(UINT64_MAX);
	EXPECT_EQ(a.timeouts, 2);
	EXPECT(net.now >= 1000 + SOTTO_CALL_MS);
	teardown();
}

static void held_answer(void)
{
	int i;

	setup();
	b.hold = true;
	EXPECT_EQ(ask(&a, 1, 0), 0);
	run(net.now + 3000);
	EXPECT_EQ(b.requests, 1);
	EXPECT(b.chan.stats.repeats >= 3);
	EXPECT_EQ(sotto_chan_ack(&b.chan, net.now, b.held[0]), 0);
	EXPECT_EQ(sotto_chan_ack(&b.chan, net.now, b.held[0]), SOTTO_E_STATE);
	EXPECT_EQ(sotto_chan_ack(&b.chan, net.now, 777), SOTTO_E_UNKNOWN);
	run(net.now + 10);
	EXPECT_EQ(a.answers, 1);
	/* more than may be worked on at once wait with the asker */
	for (i = 0; i < SOTTO_CALLS_MAX; i++)
		EXPECT_EQ(ask(&a, i + 2, 0), 0);
	EXPECT_EQ(ask(&a, 9999, 0), SOTTO_E_LIMIT);
	run(net.now + 100);
	EXPECT_EQ(b.requests, 1 + SOTTO_ANSWERS_MAX);
	teardown();
	EXPECT_EQ(a.closed, SOTTO_CALLS_MAX);
}

/* One that takes long holds up nobody, however many follow it. */
static void one_unanswered(void)
{
	int i;

	setup();
	b.hold = true;
	EXPECT_EQ(ask(&a, 1, 0), 0);
	run(net.now + 5);
	b.hold = false;
	for (i = 0; i < 2 * SOTTO_ANSWERS_MAX; i++) {
		EXPECT_EQ(ask(&a, i + 2, 0), 0);
		run(net.now + 1);
	}
	EXPECT_EQ(a.answers, 2 * SOTTO_ANSWERS_MAX);
	EXPECT_EQ(sotto_chan_ack(&b.chan, net.now, b.held[0]), 0);
	run(net.now + 1);
	EXPECT_EQ(a.answers, 2 * SOTTO_ANSWERS_MAX + 1);
	teardown();
}

/* The last datagram from a to b, kept by a tap. */
static struct dgram tapped;

static void tap_send(void *arg, const uint8_t *data, size_t len)
{
	tapped.len = len;
	memcpy(tapped.data, data, len);
	(void)arg;
}

static const struct sotto_chan_ops tap_ops = {
	.send = tap_send,
	.request = on_request,
};

static int give(const struct dgram *d)
{
	return sotto_chan_input(&b.chan, net.now, d->data, d->len);
}

static void replay(void)
{
	static struct dgram all[2000];
	int i;

	setup();
	a.chan.ops = &tap_ops;
	for (i = 0; i < 2000; i++) {
		struct sotto_msg m = { .type = SOTTO_MSG_BYE };

		EXPECT_EQ(sotto_chan_note(&a.chan, &m), 0);
		all[i] = tapped;
	}
	EXPECT_EQ(give(&all[0]), 0);
	EXPECT_EQ(give(&all[0]), SOTTO_E_REPLAY);
	EXPECT_EQ(give(&all[447]), 0);		/* 448 behind the top is too old */
	EXPECT_EQ(give(&all[1]), 0);
	EXPECT_EQ(give(&all[448]), 0);
	EXPECT_EQ(give(&all[2]), 0);
	EXPECT_EQ(give(&all[449]), 0);
	EXPECT_EQ(give(&all[1]), SOTTO_E_REPLAY);
	EXPECT_EQ(give(&all[450]), 0);
	EXPECT_EQ(give(&all[2]), SOTTO_E_REPLAY);
	EXPECT_EQ(give(&all[1999]), 0);
	for (i = 0; i < 2000 - 448; i++)
		EXPECT_EQ(give(&all[i]), SOTTO_E_REPLAY);
	for (; i < 1999; i++) {
		EXPECT_EQ(give(&all[i]), 0);
		EXPECT_EQ(give(&all[i]), SOTTO_E_REPLAY);
	}
	EXPECT_EQ(b.notes, 7 + 1 + 447);
	teardown();
}

/* Nothing forged changes anything, nor moves the window. */
static void forged(void)
{
	struct dgram good, bad;
	size_t i;

	setup();
	a.chan.ops = &tap_ops;
	EXPECT_EQ(ask(&a, 1, 0), 0);
	good = tapped;
	for (i = 0; i < good.len; i++) {
		bad = good;
		bad.data[i] ^= 0x80;
		EXPECT(give(&bad) < 0);
		bad = good;
		bad.len = i;
		EXPECT(give(&bad) < 0);
	}
	EXPECT(!b.chan.confirmed);
	EXPECT_EQ(b.chan.rx_top, 0);
	EXPECT_EQ(b.requests, 0);
	EXPECT(b.chan.stats.forged >= good.len);
	EXPECT_EQ(give(&good), 0);
	EXPECT_EQ(b.requests, 1);
	teardown();
}

static void unknown_type(void)
{
	uint8_t frame[8] = { 1, 0, 0x77, 0x77, 0, 0, 0, 9 };
	uint8_t d[64] = { SOTTO_DGRAM_DATA, 1, 0, 0, 0, 0, 0, 101 };

	setup();
	a.chan.ops = &tap_ops;
	/* a request of a type from the future is answered ERROR */
	noise_seal(a.chan.keys.tx, 0, d, 16, frame, 8, d + 16);
	EXPECT_EQ(sotto_chan_input(&b.chan, net.now, d, 40), 0);
	EXPECT_EQ(b.chan.stats.unknown_type, 1);
	EXPECT_EQ(b.chan.stats.sent, 1);
	/* a note of one is counted and left alone */
	frame[0] = 3;
	d[15] = 1;
	noise_seal(a.chan.keys.tx, 1, d, 16, frame, 8, d + 16);
	EXPECT_EQ(sotto_chan_input(&b.chan, net.now, d, 40), 0);
	EXPECT_EQ(b.chan.stats.unknown_type, 2);
	EXPECT_EQ(b.chan.stats.sent, 1);
	/* a kind of frame from the future, too */
	frame[0] = 4;
	d[15] = 2;
	noise_seal(a.chan.keys.tx, 2, d, 16, frame, 8, d + 16);
	EXPECT_EQ(sotto_chan_input(&b.chan, net.now, d, 40), 0);
	EXPECT_EQ(b.chan.stats.malformed, 1);
	teardown();
}

/* Requests live on in the association that replaces theirs. */
static void adopt(void)
{
	struct sotto_chan old;
	int i;

	setup();
	net.loss = 100;
	for (i = 1; i <= 10; i++)
		EXPECT_EQ(ask(&a, i, 5000), 0);
	run(net.now + 1000);
	old = a.chan;
	sotto_chan_close(&b.chan);
	setup_keys(200);
	net.loss = 0;
	sotto_chan_adopt(&a.chan, &old, net.now);
	EXPECT_EQ(old.calls_n, 0);
	sotto_chan_close(&old);
	run(net.now + 10);
	EXPECT_EQ(a.answers, 10);
	EXPECT_EQ(a.closed + a.timeouts, 0);
	for (i = 1; i <= 10; i++)
		EXPECT_EQ(b.per_id[i], 1);
	teardown();
}

static void cancel(void)
{
	struct sotto_msg m = { .type = SOTTO_MSG_KEEPALIVE };
	uint32_t id;

	setup();
	b.hold = true;
	EXPECT_EQ(sotto_chan_request(&a.chan, net.now, &m, 0, on_answer, &a,
				     &id), 0);
	sotto_chan_cancel(&a.chan, id);
	run(net.now + 10);
	EXPECT_EQ(sotto_chan_ack(&b.chan, net.now, b.held[0]), 0);
	run(net.now + 10);
	EXPECT_EQ(a.answers, 0);
	EXPECT_EQ(a.chan.stats.strays, 1);
	teardown();
	EXPECT_EQ(a.closed, 0);
}

/* A nonce is never used twice: at its end the channel falls silent. */
static void counter_end(void)
{
	setup();
	a.chan.tx_counter = SOTTO_COUNTER_MAX - 1;
	EXPECT_EQ(ask(&a, 1, 0), 0);
	EXPECT_EQ(ask(&a, 2, 0), 0);
	run(net.now + 5);
	EXPECT_EQ(b.requests, 1);
	EXPECT_EQ(a.chan.stats.sent, 1);
	EXPECT_EQ(a.chan.tx_counter, SOTTO_COUNTER_MAX);
	teardown();
}

/* Ids are not used twice either: nothing more can be asked. */
static void ids_end(void)
{
	setup();
	a.chan.next_id = UINT32_MAX - 1;
	EXPECT_EQ(ask(&a, 1, 0), 0);
	EXPECT_EQ(ask(&a, 2, 0), SOTTO_E_LIMIT);
	run(net.now + 5);
	EXPECT_EQ(b.requests, 1);
	EXPECT_EQ(a.answers, 1);
	/* the other direction has its own */
	EXPECT_EQ(ask(&b, 3, 0), 0);
	run(net.now + 5);
	EXPECT_EQ(b.answers, 1);
	teardown();
}

/* Counters of what happened begin again at 0, and harm nothing. */
static void counts_wrap(void)
{
	setup();
	memset(&a.chan.stats, 255, sizeof(a.chan.stats));
	memset(&b.chan.stats, 255, sizeof(b.chan.stats));
	EXPECT_EQ(ask(&a, 1, 0), 0);
	run(net.now + 5);
	EXPECT_EQ(a.answers, 1);
	EXPECT_EQ(a.chan.stats.sent, 0);
	EXPECT_EQ(b.chan.stats.received, 0);
	teardown();
}

static void hint_echo(void)
{
	struct sotto_sent sent = { 0 };

	setup();
	a.chan.ops = &tap_ops;
	EXPECT(!sotto_sent_last(&sent, sent.echo));
	EXPECT_EQ(ask(&a, 1, 0), 0);
	sotto_sent_keep(&sent, tapped.data);
	EXPECT(sotto_sent_last(&sent, tapped.data + 16));
	tapped.data[16] ^= 1;
	EXPECT(!sotto_sent_last(&sent, tapped.data + 16));
	teardown();
}

static const struct ktap_test tests[] = {
	{ "plain", plain },
	{ "lossy", lossy },
	{ "doubled_and_disordered", doubled_and_disordered },
	{ "slow", slow },
	{ "all_at_once", all_at_once },
	{ "deadline", deadline },
	{ "held_answer", held_answer },
	{ "one_unanswered", one_unanswered },
	{ "replay", replay },
	{ "forged", forged },
	{ "unknown_type", unknown_type },
	{ "adopt", adopt },
	{ "cancel", cancel },
	{ "counter_end", counter_end },
	{ "ids_end", ids_end },
	{ "counts_wrap", counts_wrap },
	{ "hint_echo", hint_echo },
};

int main(void)
{
	int rc;

	if (detrand_init() < 0)
		return 1;
	rc = ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
	free(net.flight);
	return rc;
}
