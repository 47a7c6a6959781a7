// SPDX-License-Identifier: GPL-2.0
/*
 * Answers of a storage process that lies: frames, each behind its length (u16), to
 * each of the server's questions. It ends for what is malformed, which is a jump here.
 */
#include "fuzz.h"

#include <setjmp.h>
#include <sys/socket.h>

#include "../../server/store_ask.h"

static jmp_buf lost;
static struct policy_doc doc;
static struct store_trial trial;
static struct store_member member;

/* In the place of store_ask.c's end of the process. */
static void __attribute__((noreturn)) jump(int status)
{
	longjmp(lost, status);
}
#define _exit	jump
#include "../../server/store_ask.c"
#undef _exit

static int on_member(void *arg, const struct store_member *m)
{
	MUST(memchr(m->name, 0, sizeof(m->name)));
	MUST(m->addrs.n <= SOTTO_ADDRS_MAX);
	*(uint8_t *)arg += m->static_pub[0];
	return 0;
}

static int on_change(void *arg, const struct store_change *c)
{
	MUST(c->prefix.plen <= c->prefix.addr.len * 8);
	*(uint8_t *)arg += c->kind;
	return 0;
}

static int on_route(void *arg, const struct store_route *r)
{
	MUST(r->prefix.addr.len == 4 || r->prefix.addr.len == 16);
	*(uint8_t *)arg += r->prefix.plen;
	return 0;
}

static int on_audit(void *arg, const struct store_audit *a)
{
	*(size_t *)arg += strlen(a->actor) + strlen(a->event) +
			  strlen(a->subject) + strlen(a->detail);
	return 0;
}

static void ask_one(struct store *st, unsigned int which)
{
	uint8_t id[SOTTO_CODE_ID_LEN] = { 0 }, key[SOTTO_PUB_LEN] = { 0 };
	struct sotto_errmsg err = { 0 };
	enum sotto_refusal why;
	struct store_code code;
	uint64_t version;
	size_t n = 0;
	char text[1024];

	switch (which % 9) {
	case 0:
		store_each_member(st, on_member, &n, &err);
		break;
	case 1:
		store_register(st, id, key, 1, &member, &why, &err);
		break;
	case 2:
		store_code_find(st, id, &code, &err);
		break;
	case 3:
		store_policy_load(st, &doc, true, &err);
		break;
	case 4:
		store_trial_get(st, &trial, &err);
		break;
	case 5:
		store_each_change(st, 0, on_change, &n, &err);
		break;
	case 6:
		store_each_route(st, on_route, &n, &err);
		break;
	case 7:
		store_each_audit(st, 10, on_audit, &n, &err);
		break;
	default:
		store_endpoints(st, text, sizeof(text), &err);
		store_policy_version(st, &version, &err);
		store_grants_failed(st, &err);
	}
	MUST(memchr(err.text, 0, sizeof(err.text)));
}

/* The rest of the input as what it answers, to any question. */
static void answer(int fd, int log_fd, const uint8_t *data, size_t len)
{
	struct sotto_rbuf r;

	sotto_rbuf_init(&r, data, len);
	while (r.left) {
		size_t n = sotto_get_u16(&r);
		const uint8_t *p;

		if (n > r.left)
			n = r.left;
		p = sotto_get_ptr(&r, n);
		if (!p || !n || send(fd, p, n, MSG_DONTWAIT) < 0)
			break;
		(void)!send(log_fd, p, n, MSG_DONTWAIT);
	}
}

static void all(struct store *st, const uint8_t *data, size_t len)
{
	if (!setjmp(lost))
		ask_one(st, data[0]);
	policy_doc_free(&doc);
	free(trial.previous);
	trial.previous = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct store st;
	int fds[2], log[2];

	fuzz_begin();
	if (!len)
		return 0;
	sotto_log_set(0);
	if (!st.frame)
		st.frame = malloc(STORE_FRAME_MAX + 1);
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, log));
	st.fd = fds[0];
	st.log_fd = log[0];
	answer(fds[1], log[1], data + 1, len - 1);
	/* and then it is gone; what is asked may still be sent */
	shutdown(fds[1], SHUT_WR);
	all(&st, data, len);
	close(fds[0]);
	close(fds[1]);
	close(log[0]);
	close(log[1]);
	return 0;
}
