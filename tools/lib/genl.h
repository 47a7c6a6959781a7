/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The transport to sotto.ko: generic netlink requests, dumps and events.
 *
 * A handle is one socket with one owner; it is not for use by several threads.
 * Functions return 0 or a negative errno; after a failure sgenl_error() has the
 * kernel's own words (extended ack) where it gave any.
 */
#ifndef SOTTO_GENL_H
#define SOTTO_GENL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/sotto.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

/* A dump that was disturbed is taken again, at most so often. */
#define SGENL_DUMP_RETRIES	16
/* How long a request waits for the kernel's answer, in ms. */
#define SGENL_TIMEOUT_MS	5000
/* Messages that sgenl_read_events() takes before it returns. */
#define SGENL_EVENTS_PER_CALL	16
/* Receive buffer of an event socket, in bytes (the kernel doubles it). */
#define SGENL_EVENT_RCVBUF	(1 << 20)

struct sgenl;

/**
 * sgenl_fn - takes one message
 * @cmd: enum sotto_cmd
 * @tb: top-level attributes, by enum sotto_attr; NULL where absent
 * Returns 0, or a negative errno that ends the call with that result.
 */
typedef int (*sgenl_fn)(uint8_t cmd, struct nlattr **tb, void *arg);

/** sgenl_loaded() - the module is in the running kernel. */
bool sgenl_loaded(void);

/**
 * sgenl_open() - connect to the module
 * Returns 0, -ENOENT when the family is not there (module not loaded), or
 * another error of the socket calls. @gp is NULL after a failure.
 */
int sgenl_open(struct sgenl **gp);

/** sgenl_close() - close and free; NULL is fine. */
void sgenl_close(struct sgenl *g);

/** sgenl_error() - what the last failed call says of its reason. */
const char *sgenl_error(const struct sgenl *g);

/**
 * sgenl_error_at() - what the last failed call says of its place
 *
 * The offset of the attribute that the kernel blames in the request, 0 if it said none.
 */
uint32_t sgenl_error_at(const struct sgenl *g);

/** sgenl_fd() - the socket, for an event loop. */
int sgenl_fd(const struct sgenl *g);

/**
 * sgenl_msg() - begin a request
 * Never NULL: without memory the program ends.
 */
struct nl_msg *sgenl_msg(struct sgenl *g, uint8_t cmd, int flags);

/** sgenl_msg_free() - wipe and free a request that was not sent. */
void sgenl_msg_free(struct nl_msg *msg);

/**
 * sgenl_ask() - send a request and wait for its end
 * @msg: stays the caller's
 * @fn: called for each reply, or NULL
 *
 * Events that arrive meanwhile go to the function of sgenl_on_event().
 */
int sgenl_ask(struct sgenl *g, struct nl_msg *msg, sgenl_fn fn, void *arg);

/** sgenl_call() - the same; @msg is wiped and freed, whatever happens */
int sgenl_call(struct sgenl *g, struct nl_msg *msg, sgenl_fn fn, void *arg);

/**
 * sgenl_call_built() - the same, unless putting an attribute failed
 * @put: not 0 if it did
 *
 * Requests are far smaller than a message's page, so that would be a bug: the message is not
 * sent, and -EMSGSIZE is returned.
 */
static inline int sgenl_call_built(struct sgenl *g, struct nl_msg *msg, int put, sgenl_fn fn,
				   void *arg)
{
	if (!put)
		return sgenl_call(g, msg, fn, arg);
	sgenl_msg_free(msg);
	return -EMSGSIZE;
}

/**
 * sgenl_dump() - take all objects of one kind
 * @fn: called for each object
 * @reset: called before the dump is taken again because it was disturbed
 *	(NLM_F_DUMP_INTR); it must drop what @fn has collected
 *
 * Returns -EINTR if it was disturbed %SGENL_DUMP_RETRIES times over.
 */
int sgenl_dump(struct sgenl *g, uint8_t cmd, sgenl_fn fn,
	       void (*reset)(void *arg), void *arg);

/** sgenl_on_event() - name the taker of events (ACQUIRE and EVENT). */
void sgenl_on_event(struct sgenl *g, sgenl_fn fn, void *arg);

/** sgenl_listen() - join the multicast group of events. */
int sgenl_listen(struct sgenl *g);

/**
 * sgenl_read_events() - take what is there now, without waiting
 *
 * At most %SGENL_EVENTS_PER_CALL, so that others in the loop have their turn.
 * Returns 0, -ENOBUFS when events were lost (take a
 * dump), or another error of the socket or of the event function.
 */
int sgenl_read_events(struct sgenl *g);

/** sgenl_lost() - events were lost while an answer was waited for: read them now */
bool sgenl_lost(const struct sgenl *g);

#endif /* SOTTO_GENL_H */
