// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper of the keys, and how the rest of the server asks it.
 *
 * Requests are datagrams on a socket pair. A table says what is permitted; for
 * anything else the keeper ends, and the server with it.
 */
#include "keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authd.h"
#include "rng.h"

#define DATA_MAX	512	/* bytes of a request's or answer's data */
#define WHAT_MAX	16	/* a secret's kind, with the NUL */

enum keeper_op {
	OP_DH,			/* public key; the shared secret */
	OP_DH_FORMER,		/* the same, by the realm's former key */
	OP_TOKEN,		/* sealed token secret, challenge; the response */
	OP_SEAL,		/* a secret; sealed */
	OP_UNSEAL,		/* the reverse */
	OP_MAX,
};

struct message {
	uint8_t op;
	int8_t rc;		/* of the answer */
	uint16_t len;
	char what[WHAT_MAX];
	uint8_t data[DATA_MAX];
};

#define HEAD_LEN	offsetof(struct message, data)

/* What the keeper says when it has begun, or why it has not. */
struct welcome {
	int rc;
	uint8_t pub[SOTTO_PUB_LEN];
	bool has_former;
	uint8_t former_pub[SOTTO_PUB_LEN];
	struct sotto_errmsg err;
};

/* ---- what is permitted ---- */

static int dh_by(const uint8_t priv[SOTTO_SECRET_LEN], struct message *m)
{
	uint8_t shared[SOTTO_SECRET_LEN];
	int rc = noise_dh(shared, priv, m->data);

	memcpy(m->data, shared, sizeof(shared));
	sotto_wipe(shared, sizeof(shared));
	m->len = SOTTO_SECRET_LEN;
	return rc;
}

static int do_dh(const struct realm *r, struct message *m)
{
	return dh_by(r->priv, m);
}

static int do_dh_former(const struct realm *r, struct message *m)
{
	return r->has_former ? dh_by(r->former_priv, m) : SOTTO_E_STATE;
}

/* Challenges of the two handshakes, and nothing else, are answered. */
static bool is_challenge(const uint8_t *p, size_t len)
{
	static const char *const labels[] = {
		"sotto association psk v1", "sotto resumption psk v1",
	};
	size_t i;

	for (i = 0; i < 2; i++) {
		size_t n = strlen(labels[i]);

		if (len == n + 64 && !memcmp(p, labels[i], n))
			return true;
	}
	return false;
}

static int do_token(const struct realm *r, struct message *m)
{
	uint8_t secret[SOTTO_SECRET_LEN];
	struct sotto_borrowed_token bt;
	int rc = SOTTO_E_STATE;

	if (m->len > KEEPER_SEALED &&
	    is_challenge(m->data + KEEPER_SEALED, m->len - KEEPER_SEALED))
		rc = unseal(&r->seal, "token", m->data, KEEPER_SEALED, secret,
			    sizeof(secret));
	if (!rc)
		rc = sotto_token_hmac(sotto_token_borrow(&bt, secret),
				      m->data + KEEPER_SEALED,
				      m->len - KEEPER_SEALED, m->data);
	sotto_wipe(secret, sizeof(secret));
	m->len = SOTTO_SECRET_LEN;
	return rc;
}

static bool is_kind(const char *what)
{
	return !strcmp(what, "token") || !strcmp(what, "code") ||
	       !strcmp(what, "ticket_keys");
}

static int do_seal(const struct realm *r, struct message *m)
{
	uint8_t out[DATA_MAX];

	if (!is_kind(m->what) || m->len + SEAL_OVERHEAD > DATA_MAX)
		return SOTTO_E_STATE;
	seal(&r->seal, m->what, m->data, m->len, out);
	m->len += SEAL_OVERHEAD;
	memcpy(m->data, out, m->len);
	return 0;
}

/* A token secret leaves only for its owner, who registers: that is rare. */
static bool may_reveal(const char *what)
{
	static struct bucket b;

	return strcmp(what, "token") ||
	       bucket_take(&b, sotto_now_ms(), KEEPER_REVEAL_RATE,
			   KEEPER_REVEAL_BURST);
}

static int do_unseal(const struct realm *r, struct message *m)
{
	uint8_t out[DATA_MAX];
	int rc;

	if (!is_kind(m->what) || m->len < SEAL_OVERHEAD)
		return SOTTO_E_STATE;
	if (r->counted && !may_reveal(m->what))
		return SOTTO_E_LIMIT;
	rc = unseal(&r->seal, m->what, m->data, m->len, out,
		    m->len - SEAL_OVERHEAD);
	m->len -= SEAL_OVERHEAD;
	if (!rc)
		memcpy(m->data, out, m->len);
	sotto_wipe(out, sizeof(out));
	return rc;
}

static const struct {
	uint16_t len;			/* of the request; 0: it looks itself */
	int (*fn)(const struct realm *r, struct message *m);
} permitted[OP_MAX] = {
	[OP_DH] = { SOTTO_PUB_LEN, do_dh },
	[OP_DH_FORMER] = { SOTTO_PUB_LEN, do_dh_former },
	[OP_TOKEN] = { 0, do_token },
	[OP_SEAL] = { 0, do_seal },
	[OP_UNSEAL] = { 0, do_unseal },
};

/* False: it is nothing that a sound server asks. */
static bool handle(const struct realm *r, struct message *m, size_t n)
{
	if (n < HEAD_LEN || n != HEAD_LEN + m->len || m->op >= OP_MAX ||
	    !memchr(m->what, 0, sizeof(m->what)) ||
	    (permitted[m->op].len && permitted[m->op].len != m->len))
		return false;
	m->rc = permitted[m->op].fn(r, m);
	if (m->rc)
		m->len = 0;
	return m->rc != SOTTO_E_STATE;
}

/* ---- the keeper's process ---- */

static void serve(const struct realm *r, int fd)
{
	struct message m;
	ssize_t n;

	/* the server is gone when nothing more can come */
	while ((n = recv(fd, &m, sizeof(m), 0)) > 0) {
		if (!handle(r, &m, n)) {
			sotto_err_log("the keeper was asked for what is not permitted");
			break;
		}
		if (send(fd, &m, HEAD_LEN + m.len, MSG_NOSIGNAL) < 0)
			break;
		sotto_wipe(&m, HEAD_LEN + m.len);
	}
	sotto_wipe(&m, sizeof(m));
}

static int keeper_begin(struct realm **r, struct sotto_errmsg *err)
{
	int rc;

	/* it ends when the server closes its socket, not before */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (sotto_secret_process())
		return sotto_err(err, SOTTO_E_CRYPTO, "libsodium cannot be started");
	sotto_rng_start();
	rc = realm_load(r, err);
	if (rc)
		return rc;
	(*r)->counted = true;
	return sandbox_keeper(err);
}

#define KEEPER_FD	3	/* behind standard error */

static void keeper_main(int fd)
{
	struct welcome w = { 0 };
	struct realm *r = NULL;

	if (fd != KEEPER_FD && dup2(fd, KEEPER_FD) < 0)
		_exit(1);
	fd = KEEPER_FD;
	close_range(KEEPER_FD + 1, ~0u, 0);
	sotto_log_apart();
	w.rc = keeper_begin(&r, &w.err);
	if (!w.rc) {
		memcpy(w.pub, r->pub, sizeof(w.pub));
		w.has_former = r->has_former;
		memcpy(w.former_pub, r->former_pub, sizeof(w.former_pub));
	}
	if (send(fd, &w, sizeof(w), MSG_NOSIGNAL) == sizeof(w) && !w.rc)
		serve(r, fd);
	realm_free(r);
	_exit(w.rc ? 1 : 0);
}

/* ---- asking it ---- */

/* Without its keys the server is of no use: it ends, and is started anew. */
static void __attribute__((noreturn)) lost(void)
{
	sotto_err_log("the keeper of the keys is gone");
	_exit(1);
}

static void on_end(struct ev_loop *loop, ev_child *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	lost();
}

/* Not by its socket, on which any worker may just be waiting for an answer. */
void keeper_watch(struct ev_loop *loop, const struct realm *r)
{
	static ev_child child;

	ev_child_init(&child, on_end, r->pid, 0);
	ev_child_start(loop, &child);
}

/* One at a time; who asks has the lock of all state, or none. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

static int ask(const struct realm *r, struct message *m)
{
	uint8_t op = m->op;
	ssize_t n;

	if (!r->remote)
		return handle(r, m, HEAD_LEN + m->len) ? m->rc : SOTTO_E_STATE;
	pthread_mutex_lock(&asking);
	if (send(r->fd, m, HEAD_LEN + m->len, MSG_NOSIGNAL) < 0)
		lost();
	do {
		n = recv(r->fd, m, sizeof(*m), 0);
	} while (n < 0 && errno == EINTR);
	pthread_mutex_unlock(&asking);
	if (n < (ssize_t)HEAD_LEN || (size_t)n != HEAD_LEN + m->len ||
	    m->op != op)
		lost();
	return m->rc;
}

static int ask_dh(enum keeper_op op, const struct realm *realm,
		  const uint8_t pub[SOTTO_PUB_LEN],
		  uint8_t out[SOTTO_SECRET_LEN])
{
	struct message m = { .op = op, .len = SOTTO_PUB_LEN };
	int rc;

	memcpy(m.data, pub, SOTTO_PUB_LEN);
	rc = ask(realm, &m);
	memcpy(out, m.data, SOTTO_SECRET_LEN);
	sotto_wipe(m.data, SOTTO_SECRET_LEN);
	return rc;
}

int keeper_dh(void *realm, const uint8_t pub[SOTTO_PUB_LEN],
	      uint8_t out[SOTTO_SECRET_LEN])
{
	return ask_dh(OP_DH, realm, pub, out);
}

int keeper_dh_former(void *realm, const uint8_t pub[SOTTO_PUB_LEN],
		     uint8_t out[SOTTO_SECRET_LEN])
{
	return ask_dh(OP_DH_FORMER, realm, pub, out);
}

static int token_hmac(struct sotto_token *t, const void *data, size_t len,
		      uint8_t out[32])
{
	const struct keeper_token *kt = (const struct keeper_token *)t;
	struct message m = { .op = OP_TOKEN };
	int rc;

	if (len > DATA_MAX - KEEPER_SEALED)
		return SOTTO_E_LIMIT;
	m.len = KEEPER_SEALED + len;
	memcpy(m.data, kt->sealed, KEEPER_SEALED);
	memcpy(m.data + KEEPER_SEALED, data, len);
	rc = ask(kt->realm, &m);
	memcpy(out, m.data, 32);
	sotto_wipe(m.data, 32);
	return rc;
}

struct sotto_token *keeper_token(struct keeper_token *kt,
				 const struct realm *r,
				 const uint8_t sealed[KEEPER_SEALED])
{
	static const struct sotto_token_ops ops = { .hmac = token_hmac };

	kt->token.ops = &ops;
	kt->realm = r;
	kt->sealed = sealed;
	return &kt->token;
}

/* seal.c's secrets at rest, where the key is the keeper's. */
static int seal_remote(void *realm, bool open, const char *what,
		       const void *in, size_t len, void *out)
{
	struct message m = { .op = open ? OP_UNSEAL : OP_SEAL, .len = len };
	int rc;

	if (len > DATA_MAX || strlen(what) >= WHAT_MAX)
		return SOTTO_E_LIMIT;
	strcpy(m.what, what);
	memcpy(m.data, in, len);
	rc = ask(realm, &m);
	if (!rc)
		memcpy(out, m.data, m.len);
	sotto_wipe(&m, sizeof(m));
	return rc;
}

static int take_welcome(struct realm *r, struct sotto_errmsg *err)
{
	struct welcome w;

	if (recv(r->fd, &w, sizeof(w), 0) != sizeof(w))
		return sotto_err(err, SOTTO_E_INTERNAL,
				 "the keeper of the keys does not start");
	if (w.rc) {
		*err = w.err;
		return w.rc;
	}
	memcpy(r->pub, w.pub, sizeof(r->pub));
	r->has_former = w.has_former;
	memcpy(r->former_pub, w.former_pub, sizeof(r->former_pub));
	r->seal.remote = seal_remote;
	r->seal.arg = r;
	return 0;
}

int keeper_start(struct realm **out, struct sotto_errmsg *err)
{
	struct realm *r = sotto_secret_alloc(sizeof(*r));
	int fds[2], rc;
	pid_t pid;

	if (!r)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		realm_free(r);
		return sotto_err_errno(err, "socketpair");
	}
	pid = fork();
	if (!pid) {
		close(fds[0]);
		keeper_main(fds[1]);
	}
	close(fds[1]);
	r->fd = fds[0];
	r->pid = pid;
	r->remote = true;
	rc = pid < 0 ? sotto_err_errno(err, "fork") : take_welcome(r, err);
	if (rc)
		realm_free(r);
	else
		*out = r;
	return rc;
}
