/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent as a whole: one loop, one thread (but for looking up names).
 *
 *   kernel.c       requests to and events from sotto.ko
 *   association.c  the channel to the server; handshake.c makes it
 *   ask.c          sessions that somebody here wants (initiator)
 *   offer.c        sessions that the server offers (responder)
 *   session.c      the sessions that are there, until they end
 *   pins.c         keys that are believed whatever the server says
 *   policy.c       what the realm wants protected
 *   keep.c         what the disk would not take, later
 *   counters.c     what limits cost
 *   ctl.c          the local socket
 */
#ifndef SOTTO_AGENT_H
#define SOTTO_AGENT_H

#include <ev.h>
#include <stdbool.h>

#include "../tools/lib/loop.h"
#include "association.h"
#include "conf.h"
#include "counters.h"
#include "identity.h"
#include "kernel.h"
#include "netwatch.h"
#include "offer.h"
#include "peers.h"
#include "pins.h"
#include "policy.h"
#include "requests.h"
#include "session.h"

#ifndef SOTTO_VERSION
#define SOTTO_VERSION "unknown"
#endif

struct sotto_usock;

/** struct listing - live sessions, as a new association is told of them */
struct listing {
	uint64_t id;
	struct sotto_live *v;
	size_t n, sent;
};

/** struct untold - sessions that ended, of which the server does not know yet */
struct untold {
	struct {
		uint64_t id;
		enum sotto_refusal why;
	} v[UNTOLD_MAX];
	unsigned int n;
	uint64_t retry_ms;
};

/** struct leaving - the sessions that end because this host goes */
struct leaving {
	uint64_t *ids;
	unsigned int n;
	unsigned int told;		/* of the first so many */
	unsigned int unanswered;	/* messages */
	uint64_t end_ms;		/* it goes without an answer */
	ev_timer timer;
};

struct agent {
	struct ev_loop *loop;
	const char *conf_path;		/* NULL: the usual one */
	struct conf conf;
	struct identity *id;
	struct kernel kernel;
	struct association assoc;
	struct netwatch netwatch;
	struct sessions sessions;
	struct early_offers early;
	struct peers peers;
	struct peers pins;
	struct sotto_party refused;	/* for a pin, the last one */
	bool realm_first_use;		/* the realm pins whom its members meet */
	struct realm_policy policy;
	struct listing listing;		/* of the association that stands */
	struct listing next_listing;	/* of one whose hello is not answered */
	struct untold untold;
	unsigned int live_out;		/* messages of either that are not answered */
	struct sotto_usock *ctl;
	struct sotto_signals signals;
	bool id_unsaved;		/* the disk did not take the identity */
	uint64_t keep_ms;		/* what it did not take is not tried before this time */
	uint64_t started_ms;
	uint64_t spi_report_ms;		/* unknown SPIs: none before this time */
	uint64_t counters[COUNTERS];
	bool leaving;			/* nothing new is begun */
	struct leaving leave;
	int exit_code;
};

/** agent_stop() - end the loop; the process exits with @code */
void agent_stop(struct agent *ag, int code);

#endif /* SOTTO_AGENT_H */
