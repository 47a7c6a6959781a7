/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the server asks of an agent, and what an agent tells of itself.
 */
#ifndef SOTTO_AGENT_REQUESTS_H
#define SOTTO_AGENT_REQUESTS_H

#include "../tools/lib/chan.h"

struct agent;

#define UNTOLD_MAX		512	/* ends of sessions that wait to be told */
#define UNTOLD_RETRY_MS		500	/* so often they try */
#define SPI_REPORT_BURST	3	/* reports of unknown SPIs at once */
#define SPI_REPORT_MS		1000	/* then one in so long */

/** handle_request() - answer one request of the server, on the channel it came by */
void handle_request(struct agent *ag, struct sotto_chan *ch, uint32_t id,
		    const struct sotto_msg *m);

/** request_hello() - a new channel's first request; @fn gets @ag and the answer */
int request_hello(struct agent *ag, struct sotto_chan *ch, sotto_answer_fn fn);

/** request_policy() - all of the realm's policy, please */
void request_policy(struct agent *ag);

/** report_dropped() - all that the next list names is gone since; to be called before it is sent */
void report_dropped(struct agent *ag);
/** report_live() - hello is answered: tell the server which sessions the kernel holds */
void report_live(struct agent *ag);
/** report_more() - go on with that, if it was held up */
void report_more(struct agent *ag);
/** report_free() - at the end */
void report_free(struct agent *ag);

/**
 * report_closed_part() - this host goes: the first of @n sessions that ended, in one message
 * @fn: called with @ag when it is answered or given up
 * Returns of how many the message tells; 0: there is no room on the channel yet.
 */
unsigned int report_closed_part(struct agent *ag, const uint64_t *ids, unsigned int n,
				sotto_answer_fn fn);

/**
 * report_spi_unknown() - a packet came that this host has no keys for
 * It is not authenticated: the server compares it with what it granted. At most
 * SPI_REPORT_BURST reports at once, and one in SPI_REPORT_MS.
 */
void report_spi_unknown(struct agent *ag, uint32_t spi, const struct sotto_addr *src);

/** report_closed() - one session ended here: told when there is room on the channel */
void report_closed(struct agent *ag, uint64_t session, enum sotto_refusal why);

/** report_vanished() - the same for @n that were gone when somebody looked */
void report_vanished(struct agent *ag, const uint64_t *ids, unsigned int n);

/** report_untold() - look for that room */
void report_untold(struct agent *ag);

#endif /* SOTTO_AGENT_REQUESTS_H */
