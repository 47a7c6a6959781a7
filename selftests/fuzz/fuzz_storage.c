// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to the storage process, from a server that was taken over: frames, each
 * behind its length (u16); one on the pair of grants behind a length with its first
 * bit set. The database is in memory.
 */
#include "fuzz.h"

#include "../../server/storage.c"

#define REALM_RUNS	512	/* inputs for one database, then a new one is made */
#define GRANTS_BIT	0x8000

static struct storage s;
static int ends[2];		/* where answers arrive */
static unsigned int runs;

static void begin(void)
{
	struct sotto_errmsg err;
	int fds[2], log[2];

	fuzz_begin();
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds));
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, log));
	memset(&s, 0, sizeof(s));
	s.fd = fds[0];
	s.log_fd = log[0];
	ends[0] = fds[1];
	ends[1] = log[1];
	MUST(!sql_open(":memory:", true, &s.sql, &err));
	s.log = s.sql;
}

static void end(void)
{
	close(s.fd);
	close(s.log_fd);
	close(ends[0]);
	close(ends[1]);
	sql_close(s.sql);
	free(s.request);
}

/* An answer is sound, too: the outcome is an error that there is, and has a text. */
static void take_answers(void)
{
	static uint8_t frame[STORE_FRAME_MAX + 1];
	char text[sizeof(((struct sotto_errmsg *)0)->text)];
	struct sotto_rbuf r;
	ssize_t n;

	while ((n = recv(ends[0], frame, sizeof(frame), 0)) > 0) {
		MUST(n >= STORE_FRAME_HEAD && n <= STORE_FRAME_MAX);
		if (!frame[1])
			continue;
		sotto_rbuf_init(&r, frame + STORE_FRAME_HEAD, n - STORE_FRAME_HEAD);
		store_get_up_to(&r, SOTTO_E_MAX_N - 1);
		store_get_text(&r, text, sizeof(text));
		MUST(!r.err);
	}
	while (recv(ends[1], frame, sizeof(frame), 0) > 0)
		;
}

static bool one_frame(const uint8_t *data, size_t len, bool grants)
{
	bool sound;

	memcpy(s.frame, data, len);
	sound = grants ? take_grants(&s, len) : take_frame(&s, len);
	take_answers();
	/* who stops taking answers is gone */
	s.gone = false;
	return sound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sotto_rbuf r;
	bool sound = true;

	if (runs % REALM_RUNS == 0) {
		if (runs)
			end();
		begin();
	}
	runs++;
	s.started = false;
	request_done(&s);
	sotto_rbuf_init(&r, data, len);
	while (sound && r.left) {
		uint16_t head = sotto_get_u16(&r);
		size_t n = head & ~GRANTS_BIT;
		const uint8_t *p;

		if (n > r.left)
			n = r.left;
		p = sotto_get_ptr(&r, n);
		sound = p && one_frame(p, n, head & GRANTS_BIT);
	}
	return 0;
}
