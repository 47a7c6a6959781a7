/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What net.c, batch.c and worker.c share: the sockets and batches of each worker.
 */
#ifndef SOTTO_AUTHD_NET_H
#define SOTTO_AUTHD_NET_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "ahead.h"

#define CMSG_ROOM	CMSG_SPACE(sizeof(struct in6_pktinfo))

/* What one system call hands over beside the data. */
struct packet {
	_Alignas(struct cmsghdr) uint8_t ctl[CMSG_ROOM];
	struct sockaddr_storage addr;
	struct iovec iov;
};

struct outgoing {
	struct path to;
	struct sotto_sealing sealing;
	bool open;			/* a frame, to be sealed by that */
	uint16_t len;			/* of the frame, or of the datagram */
	uint8_t data[SOTTO_DGRAM_MAX];
};

struct net_sock {
	struct worker *worker;
	int fd;
	bool v6;
	bool any;			/* of all addresses: which one, each says */
	uint8_t index;
	struct sotto_addr local;	/* else this one */
	ev_io io;			/* of the first worker */
};

/** struct worker - one socket of each address, and the batches in hand. */
struct worker {
	struct authd *ad;
	unsigned int index;
	pthread_t thread;		/* the first one is the event loop's */
	struct net_sock sock[AUTHD_LISTEN_MAX];
	unsigned int sock_n;
	uint64_t received;		/* under the lock, as waits and waited_ns */
	uint64_t waits, waited_ns;	/* for the lock */
	atomic_ullong sent, lost;	/* written by the worker alone */
	/* the worker's alone */
	struct mmsghdr in_hdr[AUTHD_BATCH], out_hdr[AUTHD_BATCH];
	struct packet in[AUTHD_BATCH], out[AUTHD_BATCH];
	uint8_t in_data[AUTHD_BATCH][SOTTO_DGRAM_MAX + 1];	/* one more: oversized shows */
	struct incoming batch[AUTHD_BATCH];
	uint64_t placed;		/* datagrams that were to be sent, all in all */
	unsigned int waiting_n;
	struct outgoing waiting[AUTHD_OUT_BATCH];	/* filled under the lock */
};

struct net {
	pthread_mutex_t lock;		/* of all state of the server */
	struct worker *holder;		/* who has it */
	ev_async wake;
	int end[2];			/* a pipe: closed for the workers to end */
	unsigned int threads_n;		/* that were started */
	pthread_barrier_t ready;
	unsigned int workers_n;
	struct worker *worker[AUTHD_WORKERS_MAX];
};

/* ---- batch.c ---- */

/** batch_receive() - what one socket has; returns what recvmmsg() did.
 * @good: how many of them are in w->batch.
 */
int batch_receive(struct worker *w, struct net_sock *s, unsigned int *good);
/** batch_send() - seal and send what waits; needs no lock. */
void batch_send(struct worker *w);

/* ---- worker.c ---- */

void state_lock(struct worker *w);
void state_unlock(struct worker *w);
/** worker_serve() - all that a socket has, within reason; without the lock. */
void worker_serve(struct worker *w, struct net_sock *s);
/** loop_setup() - the event loop gives the lock away while it sleeps. */
void loop_setup(struct authd *ad);
void loop_teardown(struct authd *ad);

#endif /* SOTTO_AUTHD_NET_H */
