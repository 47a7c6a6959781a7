/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sealed channel of an association, the same on both sides: requests and
 * answers by id, retransmission with back-off. A request is handled once as long
 * as its answer is remembered (SOTTO_ANSWERS_MAX, SOTTO_ANSWER_KEEP_MS), and may
 * be handled again on another association: handlers must be idempotent.
 *
 * No sockets and no clock inside: the caller gives the time in milliseconds
 * (monotonic) and a function that sends. Not thread-safe.
 *
 * An answer callback is called exactly once for each request: with the answer,
 * or with SOTTO_E_TIMEOUT, SOTTO_E_CLOSED (the channel ends), SOTTO_E_LIMIT (not
 * adopted), SOTTO_E_BAD or SOTTO_E_UNKNOWN (the answer cannot be read). Callbacks
 * may make further calls, but must not close the channel.
 */
#ifndef SOTTO_CHAN_H
#define SOTTO_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake.h"
#include "params.h"
#include "proto.h"

struct sotto_chan;

/** struct sotto_sealing - what sealing one datagram takes, but for its frame. */
struct sotto_sealing {
	uint8_t key[NOISE_KEY_LEN];
	uint64_t counter;		/* never used again */
	uint32_t index;			/* the other side's */
};

/** sotto_sealing_run() - the frame stands at @dgram + SOTTO_DATA_HEADER
 * Returns the datagram's length. Needs no channel, so no lock that guards it.
 */
size_t sotto_sealing_run(const struct sotto_sealing *s, uint8_t *dgram,
			 size_t frame_len);

struct sotto_chan_ops {
	/* Sends one datagram; a lost one is repeated, so no error is returned. */
	void (*send)(void *arg, const uint8_t *dgram, size_t len);
	/* In its place, for who seals later. */
	void (*send_open)(void *arg, const struct sotto_sealing *s,
			  const uint8_t *frame, size_t len);
	/* A datagram was authenticated and is about to be handled. May be NULL. */
	void (*opened)(void *arg);
	/*
	 * A new request (never a repeat). Answer with sotto_chan_answer(), now
	 * or later; duplicates are answered from memory meanwhile.
	 */
	void (*request)(void *arg, uint32_t id, const struct sotto_msg *m);
	/* A note: a message that wants no answer. NULL ignores them. */
	void (*note)(void *arg, const struct sotto_msg *m);
	/*
	 * Memory for what is asked and answered; given back with its size, after
	 * sotto_chan_adopt() on the other channel. NULL: the C library's.
	 */
	void *(*get)(void *arg, size_t size);
	void (*put)(void *arg, void *p, size_t size);
};

typedef void (*sotto_answer_fn)(void *arg, int err, const struct sotto_msg *m);

/** struct sotto_chan_stats - of datagrams or messages; small, so they wrap. */
struct sotto_chan_stats {
	uint16_t sent, resent, received;
	uint16_t replayed, forged, malformed, unknown_type;
	uint16_t repeats, strays;	/* repeated requests, unasked answers */
};

struct sotto_chan_call;			/* an unanswered request of ours */
struct sotto_chan_served;		/* a request of the other's, or its answer */

struct sotto_chan {
	const struct sotto_chan_ops *ops;
	void *arg;
	struct sotto_chan_keys keys;
	uint32_t next_id;
	uint64_t tx_counter;
	uint64_t rx_top;		/* counter above all received */
	uint64_t rx_seen[SOTTO_REPLAY_WINDOW / 64];
	uint64_t rx_ms;			/* when the last valid datagram came */
	uint64_t made_ms;
	struct sotto_chan_call *calls;	/* oldest first */
	struct sotto_chan_served *served; /* table: id modulo served_cap */
	uint64_t served_ms;		/* one of them may be forgotten then */
	uint16_t calls_n, served_n, served_cap;
	struct sotto_chan_stats stats;
	bool confirmed;			/* has received a valid datagram */
};

/** sotto_chan_init() - @keys are copied; the caller wipes its own. */
void sotto_chan_init(struct sotto_chan *ch, const struct sotto_chan_keys *keys,
		     const struct sotto_chan_ops *ops, void *arg,
		     uint64_t now_ms);

/** sotto_chan_close() - ends all requests (SOTTO_E_CLOSED), wipes, frees. */
void sotto_chan_close(struct sotto_chan *ch);

/**
 * sotto_chan_request() - ask; @fn gets the answer
 * @deadline_ms: from now; 0 = SOTTO_CALL_MS
 * @id: where to put the request's id, or NULL
 * Returns 0, SOTTO_E_LIMIT (SOTTO_CALLS_MAX), SOTTO_E_NOMEM or an encoding
 * error; then @fn is not called.
 */
int sotto_chan_request(struct sotto_chan *ch, uint64_t now_ms,
		       const struct sotto_msg *m, uint32_t deadline_ms,
		       sotto_answer_fn fn, void *fn_arg, uint32_t *id);

/** sotto_chan_cancel() - forget a request; its callback is not called. */
void sotto_chan_cancel(struct sotto_chan *ch, uint32_t id);

/** sotto_chan_answer() - answer the other's request @id, once.
 * SOTTO_E_UNKNOWN if it is no longer remembered, SOTTO_E_STATE if answered.
 */
int sotto_chan_answer(struct sotto_chan *ch, uint64_t now_ms, uint32_t id,
		      const struct sotto_msg *m);

/** sotto_chan_ack(), sotto_chan_error() - the two general answers. */
int sotto_chan_ack(struct sotto_chan *ch, uint64_t now_ms, uint32_t id);
int sotto_chan_error(struct sotto_chan *ch, uint64_t now_ms, uint32_t id,
		     enum sotto_refusal reason, const char *text);

/**
 * sotto_chan_answer_body() - answer with an encoded message, and forget it
 * A repeat of the request comes to ops->request again: for answers that the caller
 * remembers himself. SOTTO_E_UNKNOWN if the request is no longer remembered.
 */
int sotto_chan_answer_body(struct sotto_chan *ch, uint32_t id, uint16_t type,
			   const void *body, size_t len);

/** sotto_chan_note() - send a message that wants no answer, once. */
int sotto_chan_note(struct sotto_chan *ch, const struct sotto_msg *m);

/**
 * sotto_chan_input() - a DATA datagram whose index is keys.local_index
 * Returns 0, or SOTTO_E_SHORT, SOTTO_E_BAD, SOTTO_E_AUTH, SOTTO_E_REPLAY: counted,
 * and nothing has changed.
 */
int sotto_chan_input(struct sotto_chan *ch, uint64_t now_ms,
		     const uint8_t *dgram, size_t len);

/**
 * sotto_chan_open() - the first half of sotto_chan_input(): authenticate
 * @frame: where the plaintext goes; may be @dgram + SOTTO_DATA_HEADER
 * @frame_len: its length
 */
int sotto_chan_open(struct sotto_chan *ch, uint64_t now_ms,
		    const uint8_t *dgram, size_t len, uint8_t *frame,
		    size_t *frame_len);

/**
 * struct sotto_opening - sotto_chan_open() in three steps, for who guards the channel
 * by a lock: the first and the last need the channel, the one between does not.
 */
struct sotto_opening {
	uint8_t key[NOISE_KEY_LEN];
	uint64_t counter;
	int rc;
};

/** sotto_chan_look() - take from @ch what opening @dgram takes. */
void sotto_chan_look(const struct sotto_chan *ch, struct sotto_opening *o,
		     const uint8_t *dgram, size_t len);
/** sotto_opening_run() - authenticate; @frame as above. */
void sotto_opening_run(struct sotto_opening *o, const uint8_t *dgram, size_t len,
		       uint8_t *frame);
/** sotto_chan_opened() - tell @ch how it went; wipes @o. Returns as sotto_chan_open(). */
int sotto_chan_opened(struct sotto_chan *ch, uint64_t now_ms,
		      struct sotto_opening *o, size_t len, size_t *frame_len);
/** sotto_chan_keyed() - @o was taken from this channel. */
bool sotto_chan_keyed(const struct sotto_chan *ch, const struct sotto_opening *o);

/** sotto_chan_handle() - the second half; wipes @frame. */
void sotto_chan_handle(struct sotto_chan *ch, uint64_t now_ms, uint8_t *frame,
		       size_t len);

/** struct sotto_frame_view - what an opened frame says of itself. */
struct sotto_frame_view {
	bool request, answer;		/* neither: a note, or unknown */
	uint16_t type;
	uint32_t id;
	const uint8_t *body;
	size_t len;
};

/** sotto_frame_look() - false: it is malformed. */
bool sotto_frame_look(struct sotto_frame_view *v, const uint8_t *frame,
		      size_t len);

/** sotto_chan_asked() - @fn_arg of our unanswered request @id if it awaits @fn, or NULL. */
void *sotto_chan_asked(const struct sotto_chan *ch, uint32_t id,
		       sotto_answer_fn fn);

/** sotto_chan_fetch() - have in the cache what handling or answering request @id reads. */
void sotto_chan_fetch(const struct sotto_chan *ch, uint32_t id);

/** sotto_chan_tick() - repeats what is due, ends what is overdue. */
void sotto_chan_tick(struct sotto_chan *ch, uint64_t now_ms);

/** sotto_chan_next() - when sotto_chan_tick() is due; UINT64_MAX = never. */
uint64_t sotto_chan_next(const struct sotto_chan *ch);

/**
 * sotto_chan_adopt() - take over the unanswered requests of @old (which stays
 * open and answers what it was asked), and send them at once. For a new
 * association in the place of an old one. Their ids change.
 */
void sotto_chan_adopt(struct sotto_chan *ch, struct sotto_chan *old,
		      uint64_t now_ms);

#endif /* SOTTO_CHAN_H */
