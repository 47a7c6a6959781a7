/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The administrator's socket: what its parts share. Each function answers
 * on @conn and returns 0, or returns an error to be answered by the caller.
 */
#ifndef SOTTO_AUTHD_ADMIN_H
#define SOTTO_AUTHD_ADMIN_H

#include <jansson.h>

#include "authd.h"

#define ADMIN_ACTOR	"admin"		/* in the audit log */

json_t *admin_member_json(const struct authd *ad, const struct member *m);
json_t *admin_addrs_json(const struct member *m);

/** admin_each_stat() - all counters. */
void admin_each_stat(struct authd *ad,
		     void (*fn)(void *arg, const char *name, uint64_t value),
		     void *arg);

/* monitor.c */
int admin_monitor(struct authd *ad, struct sotto_usock_conn *conn,
		  const json_t *req, struct sotto_errmsg *err);
void monitor_closed(void *arg, struct sotto_usock_conn *conn);

int admin_realm_show(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err);
int admin_realm_stats(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err);
int admin_member_list(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err);
int admin_session_list(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err);
int admin_policy_show(struct authd *ad, struct sotto_usock_conn *conn,
		      const json_t *req, struct sotto_errmsg *err);
int admin_audit_list(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err);

/** admin_get_member() - the one that "name" names. */
int admin_get_member(struct authd *ad, const json_t *req, struct member **m,
		     struct sotto_errmsg *err);

/** admin_get_addrs() - a member's, "addresses". */
int admin_get_addrs(const json_t *req, struct sotto_addrs *out,
		    struct sotto_errmsg *err);

/* admin_set.c */
int admin_member_set(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err);

/* admin_doc.c */
void admin_closed(void *arg, struct sotto_usock_conn *conn);
int admin_policy_export(struct authd *ad, struct sotto_usock_conn *conn,
			const json_t *req, struct sotto_errmsg *err);
int admin_policy_apply(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err);
int admin_policy_confirm(struct authd *ad, struct sotto_usock_conn *conn,
			 const json_t *req, struct sotto_errmsg *err);
int admin_policy_revert(struct authd *ad, struct sotto_usock_conn *conn,
			const json_t *req, struct sotto_errmsg *err);

/* admin_policy.c */
int admin_policy_add(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err);
int admin_policy_del(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err);
int admin_policy_check(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err);
int admin_rule_list(struct authd *ad, struct sotto_usock_conn *conn,
		    const json_t *req, struct sotto_errmsg *err);
int admin_rule_add(struct authd *ad, struct sotto_usock_conn *conn,
		   const json_t *req, struct sotto_errmsg *err);
int admin_rule_del(struct authd *ad, struct sotto_usock_conn *conn,
		   const json_t *req, struct sotto_errmsg *err);
int admin_rule_default(struct authd *ad, struct sotto_usock_conn *conn,
		       const json_t *req, struct sotto_errmsg *err);
int admin_group_list(struct authd *ad, struct sotto_usock_conn *conn,
		     const json_t *req, struct sotto_errmsg *err);
int admin_group_add(struct authd *ad, struct sotto_usock_conn *conn,
		    const json_t *req, struct sotto_errmsg *err);
int admin_group_del(struct authd *ad, struct sotto_usock_conn *conn,
		    const json_t *req, struct sotto_errmsg *err);

#endif /* SOTTO_AUTHD_ADMIN_H */
