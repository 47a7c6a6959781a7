// SPDX-License-Identifier: GPL-2.0
/*
 * What a member has, in SQLite: addresses that replace those it had, and the networks
 * behind it.
 */
#include <string.h>

#include "store_sql.h"

#define ADDRS_STR	(SOTTO_ADDRS_MAX * (SOTTO_ADDR_STR + 1))

/* ---- addresses ---- */

static char *addrs_str(const struct sotto_addrs *a, char out[ADDRS_STR])
{
	char text[SOTTO_ADDR_STR];
	int i;

	out[0] = 0;
	for (i = 0; i < a->n; i++) {
		strcat(out, i ? " " : "");
		strcat(out, sotto_addr_str(&a->a[i], text));
	}
	return out;
}

/* Those of @a that are not in @b. */
static void without(const struct sotto_addrs *a, const struct sotto_addrs *b,
		    struct sotto_addrs *out)
{
	int i;

	out->n = 0;
	for (i = 0; i < a->n; i++)
		if (!sotto_addrs_have(b, &a->a[i]))
			out->a[out->n++] = a->a[i];
}

/* A line of its own, which the administrator sees, and may take away. */
static int protect(struct sql *st, const struct sotto_addr *a,
		   struct sotto_errmsg *err)
{
	int64_t plen = a->len * 8;
	int rc = sql_exec(st, err, "INSERT OR IGNORE INTO policy(addr, plen, grp, action) VALUES(?,?,0,?)",
			  "bii", a->b, (int)a->len, plen,
			  (int64_t)SOTTO_ACTION_PROTECT);

	if (rc || !sqlite3_changes(st->db))
		return rc;
	return sql_exec(st, err, "INSERT INTO policy_change(version, kind, addr, plen)"
			" VALUES(" SQL_VERSION ", ?, ?, ?)", "ibi",
			(int64_t)CHANGE_NET, a->b, (int)a->len, plen);
}

static int give_up(struct sql *st, const struct store_member *m,
		   const struct sotto_addrs *former, bool keep,
		   struct sotto_errmsg *err)
{
	int i, rc = 0;

	for (i = 0; i < former->n && !rc; i++) {
		const struct sotto_addr *a = &former->a[i];

		rc = sql_exec(st, err, "DELETE FROM address WHERE addr = ? AND member = ?",
			      "bi", a->b, (int)a->len, m->id);
		if (!rc && m->registered)
			rc = sql_change_addr(st, a, err);
		if (!rc && m->registered && keep)
			rc = protect(st, a, err);
	}
	return rc ? rc : sql_check_nets(st, err);
}

static int get(struct sql *st, const struct store_member *m,
	       const struct sotto_addrs *more, struct sotto_errmsg *err)
{
	int i, rc = 0;

	for (i = 0; i < more->n && !rc; i++) {
		rc = sql_add_addr(st, m->id, &more->a[i], err);
		if (!rc && m->registered)
			rc = sql_change_addr(st, &more->a[i], err);
	}
	return rc;
}

static int set_addrs(struct sql *st, const char *actor,
		     const struct store_member *m, const struct store_set *set,
		     int64_t now, struct sotto_errmsg *err)
{
	char before[ADDRS_STR], after[ADDRS_STR], detail[2 * ADDRS_STR + 4];
	struct sotto_addrs former, more;
	/* of those of one that waits nobody was told */
	int rc = m->registered ? sql_policy_changed(st, err) : 0;

	without(&m->addrs, set->addrs, &former);
	without(set->addrs, &m->addrs, &more);
	if (!rc)
		rc = give_up(st, m, &former, set->protect, err);
	if (!rc)
		rc = get(st, m, &more, err);
	if (rc)
		return rc;
	sqlite3_snprintf(sizeof(detail), detail, "%s -> %s",
			 addrs_str(&m->addrs, before),
			 addrs_str(set->addrs, after));
	return sql_audit(st, actor, "member.addresses", m->name, detail, now, err);
}

/* ---- networks behind it ---- */

static int changed_routes(struct sql *st, int64_t member,
			  struct sotto_errmsg *err)
{
	return sql_exec(st, err, "INSERT INTO policy_change(version, kind, addr, plen)"
			" SELECT " SQL_VERSION ", 1, addr, plen FROM route WHERE member = ?",
			"i", member);
}

static int put_route(struct sql *st, int64_t member,
		     const struct sotto_prefix *p, struct sotto_errmsg *err)
{
	/* a revoked gateway's, kept so that nothing flows in the clear */
	int rc = sql_exec(st, err, "DELETE FROM route WHERE addr = ? AND plen = ? AND member IN"
			  " (SELECT id FROM member WHERE state = 2)", "bi",
			  p->addr.b, (int)p->addr.len, (int64_t)p->plen);

	return rc ? rc : sql_exec(st, err,
				  "INSERT OR IGNORE INTO route VALUES(?,?,?)",
				  "bii", p->addr.b, (int)p->addr.len,
				  (int64_t)p->plen, member);
}

static int replace_routes(struct sql *st, int64_t member,
			  const struct sotto_prefixes *routes,
			  struct sotto_errmsg *err)
{
	int i, rc = sql_policy_changed(st, err);

	if (!rc)
		rc = changed_routes(st, member, err);
	if (!rc)
		rc = sql_exec(st, err, "DELETE FROM route WHERE member = ?",
			      "i", member);
	for (i = 0; i < routes->n && !rc; i++)
		rc = put_route(st, member, &routes->p[i], err);
	if (!rc)
		rc = changed_routes(st, member, err);
	return rc ? rc : sql_change_rules(st, err);
}

static int set_routes(struct sql *st, const char *actor,
		      const struct store_member *m,
		      const struct sotto_prefixes *routes, int64_t now,
		      struct sotto_errmsg *err)
{
	char detail[SOTTO_ROUTES_MAX * (SOTTO_PREFIX_STR + 1) + 1] = "";
	char text[SOTTO_PREFIX_STR];
	int i, rc = replace_routes(st, m->id, routes, err);

	for (i = 0; i < routes->n; i++) {
		strcat(detail, i ? " " : "");
		strcat(detail, sotto_prefix_str(&routes->p[i], text));
	}
	return rc ? rc : sql_audit(st, actor, "member.routes", m->name, detail,
				   now, err);
}

/* ---- both ---- */

static int do_set(struct sql *st, const char *actor, int64_t member,
		  const char *name, const struct store_set *set, int64_t now,
		  struct sotto_errmsg *err)
{
	struct store_member m;
	int rc = sql_check_name(st, member, name, err);

	if (!rc)
		rc = sql_get_member(st, member, &m, err);
	if (!rc && m.state == MEMBER_REVOKED)
		rc = sotto_err(err, SOTTO_E_STATE, "member '%s' is revoked", name);
	if (!rc && set->addrs)
		rc = set_addrs(st, actor, &m, set, now, err);
	if (!rc && set->routes)
		rc = set_routes(st, actor, &m, set->routes, now, err);
	return rc;
}

int sql_member_set(struct sql *st, const char *actor, int64_t member,
		   const char *name, const struct store_set *set, int64_t now,
		   struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = do_set(st, actor, member, name, set, now, err);
	return sql_end(st, rc, err);
}
