/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One function for each thing that can be asked of sotto.ko.
 *
 * All return 0 or a negative errno; sgenl_error() then has the reason's text.
 */
#ifndef SOTTO_GENL_REQ_H
#define SOTTO_GENL_REQ_H

#include "genl.h"
#include "genl_obj.h"

#define SGENL_KEYLOG_MAX	65536	/* bytes of one SA's key lines, with the NUL */

/* The namespace's settings. */
int sgenl_ns_get(struct sgenl *g, struct sgenl_ns *ns);

/** sgenl_ns_set() - change one setting; @attr: enum sotto_ns_attr marked (set) */
int sgenl_ns_set(struct sgenl *g, int attr, uint32_t value);

/**
 * sgenl_agent_register() - become the namespace's agent on this socket
 * @local, @remote: the control flow to exempt; both NULL: none
 */
int sgenl_agent_register(struct sgenl *g,
			 const struct sotto_addr *local, uint16_t local_port,
			 const struct sotto_addr *remote, uint16_t remote_port);

/** sgenl_local_add() - an address of ours, or a network behind us */
int sgenl_local_add(struct sgenl *g, const struct sotto_prefix *p);
int sgenl_local_del(struct sgenl *g, const struct sotto_prefix *p);
int sgenl_addr_add(struct sgenl *g, const struct sotto_addr *addr);

/** sgenl_policy_add() - @replace: an existing prefix takes the new action */
int sgenl_policy_add(struct sgenl *g, const struct sgenl_policy *p, bool replace);
int sgenl_policy_del(struct sgenl *g, const struct sotto_prefix *prefix);
int sgenl_policy_flush(struct sgenl *g);

int sgenl_tunnel_get(struct sgenl *g, const struct sotto_addr *dst,
		     struct sgenl_tunnel *t);
int sgenl_tunnel_del(struct sgenl *g, const struct sotto_addr *dst);
int sgenl_tunnel_flush(struct sgenl *g);

int sgenl_spi_alloc(struct sgenl *g, uint32_t *spi);

/** enum sgenl_sa_by - how SAs are named */
enum sgenl_sa_by {
	SGENL_SA_BY_SPI,	/* one, inbound */
	SGENL_SA_BY_ID,		/* one, outbound */
	SGENL_SA_BY_SESSION,	/* both */
};

/** sgenl_sa_add() - install @sa; the copy in the request is wiped */
int sgenl_sa_add(struct sgenl *g, const struct sgenl_sa *sa);
int sgenl_sa_del(struct sgenl *g, enum sgenl_sa_by by, uint64_t value);

/**
 * struct sgenl_sas - SAs to be added, or deleted, by one request
 * @msg: the request, NULL without any
 * @cmd: which it is
 * @n: how many are in it
 * @end: where in the request each of them ends
 */
struct sgenl_sas {
	struct nl_msg *msg;
	uint8_t cmd;
	unsigned int n;
	uint32_t end[SOTTO_SAS_MAX];
};

/**
 * sgenl_sas_add() - one more to be added; zeroes make an empty @s
 *
 * Returns 0, or -ENOBUFS if what there is must be sent before.
 */
int sgenl_sas_add(struct sgenl *g, struct sgenl_sas *s, const struct sgenl_sa *sa);

/** sgenl_sas_del() - one more to be deleted; returns as sgenl_sas_add() */
int sgenl_sas_del(struct sgenl *g, struct sgenl_sas *s, enum sgenl_sa_by by, uint64_t value);

/**
 * sgenl_sas_send() - send what is there
 * @failed: filled: which one, in the order of putting, was refused
 *
 * Returns 0 and leaves nothing in @s; or an error: those before @failed are done then,
 * and those behind it are what is left in @s.
 */
int sgenl_sas_send(struct sgenl *g, struct sgenl_sas *s, unsigned int *failed);

/** sgenl_sas_clear() - wipe what is there */
void sgenl_sas_clear(struct sgenl_sas *s);

int sgenl_stats_get(struct sgenl *g, uint64_t stats[__SOTTO_STAT_MAX]);

/** sgenl_trace() - @src may be NULL */
int sgenl_trace(struct sgenl *g, const struct sotto_addr *dst,
		const struct sotto_addr *src, struct sgenl_trace *t);

/** sgenl_keylog() - the Wireshark lines of @sa (by its DIR with SPI or ID), one
 * for each pair of addresses. The caller wipes them.
 */
int sgenl_keylog(struct sgenl *g, const struct sgenl_sa *sa,
		 char lines[SGENL_KEYLOG_MAX]);

int sgenl_acquire_fail(struct sgenl *g, const struct sgenl_acquire *a,
		       uint8_t reason, uint32_t hold_ms);

/*
 * Whole lists, as one array that the caller frees (NULL when empty).
 */
int sgenl_list_locals(struct sgenl *g, struct sotto_prefix **v, size_t *n);
int sgenl_list_policies(struct sgenl *g, struct sgenl_policy **v, size_t *n);
int sgenl_list_tunnels(struct sgenl *g, struct sgenl_tunnel **v, size_t *n);
int sgenl_list_sas(struct sgenl *g, struct sgenl_sa **v, size_t *n);

#endif /* SOTTO_GENL_REQ_H */
