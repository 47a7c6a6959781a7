/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is wrong on the way of a packet to its key; for sotto trace.
 */
#ifndef SOTTO_CLI_TRACE_H
#define SOTTO_CLI_TRACE_H

#include <stdbool.h>

#include <jansson.h>

#include "lib/genl_obj.h"
#include "print.h"

/** struct trace_verdict - what the kernel would do, for people */
struct trace_verdict {
	enum color color;
	const char *text;
	const char *advice;	/* or NULL */
};

/** trace_verdict() - of an enum sotto_verdict; NULL: this program does not know it */
const struct trace_verdict *trace_verdict(unsigned int verdict);

/** struct trace_fault - the first thing that is wrong */
struct trace_fault {
	const char *where;	/* "shim", "policy", "agent", "association", "server", "peer", "tunnel" */
	const char *what;	/* stable name */
	const char *text;
	char advice[320];	/* "": none */
};

/** trace_first_fault() - on the way from here to the peer; @a: the agent's answer, or NULL */
bool trace_first_fault(const struct sgenl_trace *t, const json_t *a, struct trace_fault *f);

#endif /* SOTTO_CLI_TRACE_H */
