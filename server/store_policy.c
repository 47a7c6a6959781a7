// SPDX-License-Identifier: GPL-2.0
/*
 * The policy in SQLite: groups, rules, networks, and what each version changed.
 */
#include <stdlib.h>
#include <string.h>

#include "store_sql.h"

static int damaged(struct sql *st, const char *what, struct sotto_errmsg *err)
{
	return sotto_err(err, SOTTO_E_BAD, "%s: %s is damaged", st->path, what);
}

static int no_memory(struct sotto_errmsg *err)
{
	return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
}

static int column_prefix(sqlite3_stmt *s, int col, struct sotto_prefix *p)
{
	p->plen = sqlite3_column_int(s, col + 1);
	if (sotto_addr_set(&p->addr, sqlite3_column_blob(s, col),
			   sqlite3_column_bytes(s, col)) ||
	    p->plen > p->addr.len * 8)
		return SOTTO_E_BAD;
	return 0;
}

/* ---- loading ---- */

/* Each row of a query, until @fn or the database fails. */
static int each_row(struct sql *st, const char *sql,
		    int (*fn)(struct sql *st, sqlite3_stmt *s, void *arg,
			      struct sotto_errmsg *err),
		    void *arg, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, sql, "");
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		rc = fn(st, s, arg, err);
		if (rc)
			break;
	}
	sqlite3_finalize(s);
	return rc;
}

static const char *column_text(sqlite3_stmt *s, int col)
{
	const char *text = (const char *)sqlite3_column_text(s, col);

	return text ? text : "";
}

/* Rows by group; one without members has a row with an empty name. */
static int load_group(struct sql *st, sqlite3_stmt *s, void *arg,
		      struct sotto_errmsg *err)
{
	struct policy_doc *doc = arg;
	struct policy_group *g = doc->groups_n ?
				 &doc->groups[doc->groups_n - 1] : NULL;
	int64_t id = sqlite3_column_int64(s, 0);
	const char *member = column_text(s, 2);

	(void)st;
	if (!g || g->id != id) {
		g = policy_doc_group(doc, column_text(s, 1));
		if (!g)
			return no_memory(err);
		g->id = id;
	}
	return *member && policy_group_add(g, member) ? no_memory(err) : 0;
}

static int load_rule(struct sql *st, sqlite3_stmt *s, void *arg,
		     struct sotto_errmsg *err)
{
	struct policy_rule *r = policy_doc_rule(arg);

	if (!r)
		return no_memory(err);
	r->allow = sqlite3_column_int(s, 0);
	if (policy_side_parse(&r->src, column_text(s, 1), false, err) ||
	    policy_side_parse(&r->dst, column_text(s, 2), true, err))
		return damaged(st, "a rule", err);
	return 0;
}

static int load_net(struct sql *st, sqlite3_stmt *s, void *arg,
		    struct sotto_errmsg *err)
{
	struct policy_net *n = policy_doc_net(arg);

	if (!n)
		return no_memory(err);
	if (column_prefix(s, 0, &n->prefix))
		return damaged(st, "a policy", err);
	n->action = sqlite3_column_int(s, 2);
	strncpy(n->group, column_text(s, 3), sizeof(n->group) - 1);
	return 0;
}

static int load_rest(struct sql *st, sqlite3_stmt *s, void *arg,
		     struct sotto_errmsg *err)
{
	struct policy_doc *doc = arg;

	(void)st;
	(void)err;
	doc->deny_rest = sqlite3_column_int(s, 0);
	return 0;
}

static int load_rules(struct sql *st, struct policy_doc *doc,
		      struct sotto_errmsg *err)
{
	int rc = each_row(st, "SELECT allow, src, dst FROM rule ORDER BY pos",
			  load_rule, doc, err);

	return rc ? rc : each_row(st, "SELECT value FROM meta WHERE key = 'deny_rest'",
				  load_rest, doc, err);
}

int sql_policy_load(struct sql *st, struct policy_doc *doc, bool members,
		      struct sotto_errmsg *err)
{
	int rc;

	memset(doc, 0, sizeof(*doc));
	rc = each_row(st, members ?
		      "SELECT g.id, g.name, m.name FROM grp g"
		      " LEFT JOIN grp_member x ON x.grp = g.id"
		      " LEFT JOIN member m ON m.id = x.member"
		      " ORDER BY g.name, m.name" :
		      "SELECT id, name, '' FROM grp ORDER BY name",
		      load_group, doc, err);
	if (!rc)
		rc = load_rules(st, doc, err);
	if (!rc)
		rc = each_row(st, "SELECT p.addr, p.plen, p.action, g.name FROM policy p"
			      " LEFT JOIN grp g ON g.id = p.grp"
			      " ORDER BY length(p.addr), p.addr, p.plen, g.name",
			      load_net, doc, err);
	if (rc)
		policy_doc_free(doc);
	return rc;
}

int sql_policy_version(struct sql *st, uint64_t *version,
			 struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, "SELECT " SQL_VERSION, "");
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	*version = rc == 1 ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

int sql_each_change(struct sql *st, uint64_t after,
		      int (*fn)(void *arg, const struct store_change *c),
		      void *arg, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT version, kind, grp, member, addr, plen FROM policy_change"
			" WHERE version > ? ORDER BY id", "i", (int64_t)after);
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		struct store_change c = {
			.version = sqlite3_column_int64(s, 0),
			.kind = sqlite3_column_int(s, 1),
			.grp = sqlite3_column_int64(s, 2),
			.member = sqlite3_column_int64(s, 3),
		};

		if (sqlite3_column_type(s, 4) != SQLITE_NULL &&
		    column_prefix(s, 4, &c.prefix)) {
			rc = damaged(st, "a change of policy", err);
			break;
		}
		rc = fn(arg, &c);
		if (rc)
			break;
	}
	sqlite3_finalize(s);
	return rc;
}

/* ---- changing ---- */

int sql_change_rules(struct sql *st, struct sotto_errmsg *err)
{
	return sql_exec(st, err, "INSERT INTO policy_change(version, kind) VALUES("
			SQL_VERSION ", ?)", "i", (int64_t)CHANGE_RULES);
}

static int put_rules(struct sql *st, const struct policy_rule *r, uint32_t n,
		     bool deny_rest, struct sotto_errmsg *err)
{
	char src[POLICY_SIDE_STR], dst[POLICY_SIDE_STR];
	int rc = sql_run(st, "DELETE FROM rule", err);
	uint32_t i;

	for (i = 0; i < n && !rc; i++)
		rc = sql_exec(st, err,
			      "INSERT INTO rule(allow, src, dst) VALUES(?,?,?)",
			      "iss", (int64_t)r[i].allow,
			      policy_side_str(&r[i].src, src),
			      policy_side_str(&r[i].dst, dst));
	if (!rc)
		rc = sql_exec(st, err,
			      "UPDATE meta SET value = ? WHERE key = 'deny_rest'",
			      "i", (int64_t)deny_rest);
	return rc ? rc : sql_change_rules(st, err);
}

/* SOTTO_E_UNKNOWN if there is no such group; "" is all members, 0. */
static int group_id(struct sql *st, const char *name, int64_t *id,
		    struct sotto_errmsg *err)
{
	sqlite3_stmt *s;
	int rc;

	*id = 0;
	if (!*name)
		return 0;
	s = sql_prepare(st, err, "SELECT id FROM grp WHERE name = ?", "s", name);
	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		*id = sqlite3_column_int64(s, 0);
	else if (rc == 0)
		rc = sotto_err(err, SOTTO_E_UNKNOWN, "there is no group '%s'",
			       name);
	sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

#define DROP_WANT \
	"DROP TABLE IF EXISTS temp.want_grp;" \
	"DROP TABLE IF EXISTS temp.want_member;" \
	"DROP TABLE IF EXISTS temp.want_net;" \
	"DROP TABLE IF EXISTS temp.want_in;" \
	"DROP TABLE IF EXISTS temp.want_out;"

/* What @doc wants, in tables beside the real ones. Groups are large: one statement for all. */
struct want {
	struct sql *st;
	sqlite3_stmt *member;
	bool lenient;
};

static int no_member(struct sql *st, const char *group, const char *name,
		     struct sotto_errmsg *err)
{
	/* named twice, or not there */
	if (sql_has(st, "SELECT 1 FROM member WHERE name = ? AND state <> 2", name))
		return 0;
	return sotto_err(err, SOTTO_E_UNKNOWN, "group %s: there is no member '%s'", group,
			 name);
}

static int want_member(const struct want *w, const char *group, const char *name,
		       struct sotto_errmsg *err)
{
	int rc;

	sqlite3_bind_text(w->member, 2, name, -1, SQLITE_STATIC);
	rc = sql_step(w->st, w->member, err);
	sqlite3_reset(w->member);
	if (rc < 0)
		return rc;
	if (sqlite3_changes(w->st->db) || w->lenient)
		return 0;
	return no_member(w->st, group, name, err);
}

static int want_group(const struct want *w, const struct policy_group *g,
		      struct sotto_errmsg *err)
{
	struct sql *st = w->st;
	int rc = sql_exec(st, err, "INSERT OR IGNORE INTO grp(name) VALUES(?)",
			  "s", g->name);
	int64_t id;
	uint32_t i;

	if (!rc)
		rc = sql_exec(st, err, "INSERT INTO temp.want_grp VALUES(?)",
			      "s", g->name);
	if (!rc)
		rc = group_id(st, g->name, &id, err);
	if (rc)
		return rc;
	sqlite3_bind_int64(w->member, 1, id);
	for (i = 0; i < g->n && !rc; i++)
		rc = want_member(w, g->name, g->members[i], err);
	return rc;
}

static int want_groups(struct sql *st, const struct policy_doc *doc, bool lenient,
		       struct sotto_errmsg *err)
{
	struct want w = { .st = st, .lenient = lenient };
	uint32_t i;
	int rc = 0;

	w.member = sql_prepare(st, err, "INSERT OR IGNORE INTO temp.want_member"
			       " SELECT ?, id FROM member WHERE name = ? AND state <> 2", "");
	if (!w.member)
		return err->code;
	for (i = 0; i < doc->groups_n && !rc; i++)
		rc = want_group(&w, &doc->groups[i], err);
	sqlite3_finalize(w.member);
	return rc;
}

static int want_net(struct sql *st, sqlite3_stmt *s, const struct policy_net *n,
		    struct sotto_errmsg *err)
{
	int rc;

	sqlite3_bind_blob(s, 1, n->prefix.addr.b, n->prefix.addr.len, SQLITE_STATIC);
	sqlite3_bind_int(s, 2, n->prefix.plen);
	sqlite3_bind_int(s, 3, n->action);
	sqlite3_bind_text(s, 4, n->group, -1, SQLITE_STATIC);
	rc = sql_step(st, s, err);
	sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

/* The group of one for all is 0. */
static int want_nets(struct sql *st, const struct policy_doc *doc, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, "INSERT INTO temp.want_net SELECT ?1, ?2, id, ?3"
			" FROM (SELECT 0 AS id WHERE ?4 = '' UNION ALL SELECT id FROM grp WHERE name = ?4)",
			"");
	uint32_t i;
	int rc = 0;

	if (!s)
		return err->code;
	for (i = 0; i < doc->nets_n && !rc; i++)
		rc = want_net(st, s, &doc->nets[i], err);
	sqlite3_finalize(s);
	return rc;
}

static int want(struct sql *st, const struct policy_doc *doc, bool lenient,
		struct sotto_errmsg *err)
{
	int rc = sql_run(st, DROP_WANT
			 "CREATE TEMP TABLE want_grp(name TEXT PRIMARY KEY);"
			 "CREATE TEMP TABLE want_member(grp INTEGER, member INTEGER,"
			 "  PRIMARY KEY(grp, member)) WITHOUT ROWID;"
			 "CREATE TEMP TABLE want_net(addr, plen, grp, action);", err);

	if (!rc)
		rc = want_groups(st, doc, lenient, err);
	return rc ? rc : want_nets(st, doc, err);
}

/* Who comes into a group, and who leaves it: looked for once, and then few. */
static int find_moves(struct sql *st, struct sotto_errmsg *err)
{
	return sql_run(st,
		"CREATE TEMP TABLE want_in AS SELECT grp, member FROM temp.want_member w"
		"  WHERE NOT EXISTS (SELECT 1 FROM main.grp_member x"
		"    WHERE x.grp = w.grp AND x.member = w.member);"
		"CREATE TEMP TABLE want_out AS SELECT grp, member FROM main.grp_member x"
		"  WHERE NOT EXISTS (SELECT 1 FROM temp.want_member w"
		"    WHERE w.grp = x.grp AND w.member = x.member);", err);
}

/* The real tables become like those, and the differences are noted. */
static int become(struct sql *st, struct sotto_errmsg *err)
{
	return sql_run(st,
		"INSERT INTO policy_change(version, kind, grp, member)"
		"  SELECT " SQL_VERSION ", 3, grp, member FROM ("
		"    SELECT * FROM temp.want_out UNION ALL SELECT * FROM temp.want_in);"
		"INSERT INTO policy_change(version, kind, addr, plen, grp)"
		"  SELECT " SQL_VERSION ", 1, addr, plen, grp FROM ("
		"    SELECT * FROM (SELECT addr, plen, grp, action FROM policy EXCEPT SELECT * FROM temp.want_net)"
		"    UNION"
		"    SELECT * FROM (SELECT * FROM temp.want_net EXCEPT SELECT addr, plen, grp, action FROM policy));"
		"DELETE FROM policy;"
		"INSERT INTO policy(addr, plen, grp, action) SELECT * FROM temp.want_net;"
		"DELETE FROM grp_member WHERE (grp, member) IN temp.want_out;"
		"INSERT INTO grp_member SELECT * FROM temp.want_in;"
		"DELETE FROM grp WHERE name NOT IN (SELECT name FROM temp.want_grp);" DROP_WANT, err);
}

static int put_trial(struct sql *st, const struct store_trial *t,
		     struct sotto_errmsg *err)
{
	int rc = sql_run(st, "DELETE FROM trial", err);

	if (rc || !t)
		return rc;
	return sql_exec(st, err, "INSERT INTO trial VALUES(1, ?, ?, ?)", "iis",
			t->until, t->seconds, t->previous);
}

int sql_policy_apply(struct sql *st, const char *actor, const char *event,
		       const struct policy_doc *doc,
		       const struct store_trial *trial, bool lenient,
		       int64_t now, struct sotto_errmsg *err)
{
	char detail[128];
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	sqlite3_snprintf(sizeof(detail), detail,
			 "%u groups, %u rules, %u networks%s", doc->groups_n,
			 doc->rules_n, doc->nets_n, trial ? "; on trial" : "");
	rc = sql_policy_changed(st, err);
	if (!rc)
		rc = want(st, doc, lenient, err);
	if (!rc)
		rc = find_moves(st, err);
	if (!rc)
		rc = become(st, err);
	if (!rc)
		rc = put_rules(st, doc->rules, doc->rules_n, doc->deny_rest,
			       err);
	if (!rc)
		rc = put_trial(st, trial, err);
	if (!rc)
		rc = sql_audit(st, actor, event, "", detail, now, err);
	return sql_end(st, rc, err);
}

static bool same_rules(const struct policy_rule *a, const struct policy_rule *b, uint32_t n)
{
	char x[POLICY_RULE_STR], y[POLICY_RULE_STR];
	uint32_t i = 0;

	while (i < n && !strcmp(policy_rule_str(&a[i], x), policy_rule_str(&b[i], y)))
		i++;
	return i == n;
}

/* The one rule that @more has and @less has not; NULL if they differ in another way. */
static const struct policy_rule *one_more(const struct policy_rule *more, uint32_t n,
					  const struct policy_rule *less, uint32_t less_n)
{
	uint32_t i = 0;

	if (n != less_n + 1)
		return NULL;
	while (i < less_n && same_rules(&more[i], &less[i], 1))
		i++;
	if (i < less_n && !same_rules(&more[i + 1], &less[i], less_n - i))
		return NULL;
	return &more[i];
}

#define DETAIL_MAX	(POLICY_RULE_STR + 8)

/* What changes, by what was there: nobody else's word counts for the audit log. */
static void tell_change(const struct policy_doc *old, const struct policy_doc *new,
			char out[DETAIL_MAX])
{
	const struct policy_rule *added, *gone;
	bool rest = old->deny_rest != new->deny_rest;
	char text[POLICY_RULE_STR];

	added = one_more(new->rules, new->rules_n, old->rules, old->rules_n);
	gone = one_more(old->rules, old->rules_n, new->rules, new->rules_n);
	if (added && !rest)
		policy_rule_str(added, out);
	else if (gone && !rest)
		sqlite3_snprintf(DETAIL_MAX, out, "not: %s", policy_rule_str(gone, text));
	else if (old->rules_n == new->rules_n &&
		 same_rules(old->rules, new->rules, new->rules_n))
		sqlite3_snprintf(DETAIL_MAX, out, "default %s", new->deny_rest ? "deny" : "allow");
	else
		sqlite3_snprintf(DETAIL_MAX, out, "%u rules, default %s", new->rules_n,
				 new->deny_rest ? "deny" : "allow");
}

static int do_rules(struct sql *st, const char *actor, const struct policy_doc *new,
		    int64_t now, struct sotto_errmsg *err)
{
	struct policy_doc old = { 0 };
	char detail[DETAIL_MAX];
	int rc = load_rules(st, &old, err);

	if (!rc)
		rc = sql_policy_changed(st, err);
	if (!rc)
		rc = put_rules(st, new->rules, new->rules_n, new->deny_rest, err);
	if (!rc) {
		tell_change(&old, new, detail);
		rc = sql_audit(st, actor, "policy.rules", "", detail, now, err);
	}
	policy_doc_free(&old);
	return rc;
}

int sql_policy_rules(struct sql *st, const char *actor, const struct policy_doc *doc,
		     int64_t now, struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = do_rules(st, actor, doc, now, err);
	return sql_end(st, rc, err);
}

int sql_check_name(struct sql *st, int64_t member, const char *name,
		   struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, "SELECT 1 FROM member WHERE id = ? AND name = ?",
				      "is", member, name);
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	sqlite3_finalize(s);
	if (rc)
		return rc < 0 ? rc : 0;
	return sotto_err(err, SOTTO_E_UNKNOWN, "there is no member '%s'", name);
}

/* What is stored must be loadable: of each thing no more than there may be in a realm. */
static int check_number(struct sql *st, const char *count, int64_t max,
			const char *what, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err, count, "");
	int rc;

	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1)
		rc = sqlite3_column_int64(s, 0) <= max ? 0 :
		     sotto_err(err, SOTTO_E_LIMIT, "more than %d %s", (int)max,
			       what);
	sqlite3_finalize(s);
	return rc;
}

int sql_check_nets(struct sql *st, struct sotto_errmsg *err)
{
	return check_number(st, "SELECT count(*) FROM policy", POLICY_NETS_MAX, "networks", err);
}

static int do_net(struct sql *st, const struct policy_net *n, bool add,
		  const char *text, struct sotto_errmsg *err)
{
	const struct sotto_prefix *p = &n->prefix;
	int64_t grp;
	int rc = group_id(st, n->group, &grp, err);

	if (rc)
		return rc;
	if (add)
		rc = sql_exec(st, err,
			      "INSERT OR REPLACE INTO policy(addr, plen, grp, action) VALUES(?,?,?,?)",
			      "biii", p->addr.b, (int)p->addr.len,
			      (int64_t)p->plen, grp, (int64_t)n->action);
	else
		rc = sql_exec(st, err,
			      "DELETE FROM policy WHERE addr = ? AND plen = ? AND grp = ?",
			      "bii", p->addr.b, (int)p->addr.len,
			      (int64_t)p->plen, grp);
	if (!rc && !sqlite3_changes(st->db))
		rc = sotto_err(err, SOTTO_E_UNKNOWN,
			       "there is no policy for %s", text);
	if (!rc && add)
		rc = sql_check_nets(st, err);
	if (!rc)
		rc = sql_policy_changed(st, err);
	if (!rc)
		rc = sql_exec(st, err, "INSERT INTO policy_change(version, kind, addr, plen, grp)"
			      " VALUES(" SQL_VERSION ", 1, ?, ?, ?)", "bii",
			      p->addr.b, (int)p->addr.len, (int64_t)p->plen,
			      grp);
	return rc;
}

int sql_policy_net(struct sql *st, const char *actor,
		     const struct policy_net *n, bool add, int64_t now,
		     struct sotto_errmsg *err)
{
	char text[SOTTO_PREFIX_STR], detail[SOTTO_NAME_MAX + 32];
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	sotto_prefix_str(&n->prefix, text);
	sqlite3_snprintf(sizeof(detail), detail, "%s%s%s",
			 add ? policy_action_name(n->action) : "",
			 n->group[0] ? " @" : "", n->group);
	rc = do_net(st, n, add, text, err);
	if (!rc)
		rc = sql_audit(st, actor, add ? "policy.add" : "policy.del",
			       text, detail, now, err);
	return sql_end(st, rc, err);
}

static int do_member(struct sql *st, const char *group, int64_t member,
		     const char *name, bool add, struct sotto_errmsg *err)
{
	int64_t grp;
	int rc = sql_check_name(st, member, name, err);

	if (!rc && add)
		rc = sql_exec(st, err,
			      "INSERT OR IGNORE INTO grp(name) VALUES(?)", "s",
			      group);
	if (!rc)
		rc = group_id(st, group, &grp, err);
	if (!rc && add)
		rc = sql_exec(st, err, "INSERT OR IGNORE INTO grp_member VALUES(?,?)",
			      "ii", grp, member);
	else if (!rc)
		rc = sql_exec(st, err, "DELETE FROM grp_member WHERE grp = ? AND member = ?",
			      "ii", grp, member);
	if (!rc && !sqlite3_changes(st->db))
		rc = sotto_err(err, add ? SOTTO_E_EXISTS : SOTTO_E_UNKNOWN,
			       "'%s' is %s in group '%s'", name,
			       add ? "already" : "not", group);
	if (!rc && add)
		rc = check_number(st, "SELECT count(*) FROM grp",
				  POLICY_GROUPS_MAX, "groups", err);
	if (!rc)
		rc = sql_policy_changed(st, err);
	if (!rc)
		rc = sql_exec(st, err, "INSERT INTO policy_change(version, kind, grp, member)"
			      " VALUES(" SQL_VERSION ", 3, ?, ?)", "ii", grp,
			      member);
	return rc;
}

int sql_group_member(struct sql *st, const char *actor, const char *group,
		       int64_t member, const char *name, bool add, int64_t now,
		       struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = do_member(st, group, member, name, add, err);
	if (!rc)
		rc = sql_audit(st, actor, add ? "group.add" : "group.del",
			       group, name, now, err);
	return sql_end(st, rc, err);
}

static int do_group_del(struct sql *st, const char *group,
			struct sotto_errmsg *err)
{
	char side[SOTTO_NAME_MAX + 1] = "@";
	int64_t grp;
	int rc = group_id(st, group, &grp, err);

	if (rc)
		return rc;
	strncat(side, group, SOTTO_NAME_MAX - 1);
	if (sql_has(st, "SELECT 1 FROM rule WHERE src = ?1 OR dst = ?1", side) ||
	    sql_has(st, "SELECT 1 FROM policy p JOIN grp g ON g.id = p.grp WHERE g.name = ?1",
		    group))
		return sotto_err(err, SOTTO_E_STATE,
				 "a rule or a network names the group '%s': change that first",
				 group);
	/* a line for the group that went before it is known by who was in it */
	rc = sql_exec(st, err, "INSERT INTO policy_change(version, kind, grp, member)"
		      " SELECT " SQL_VERSION ", 3, grp, member FROM grp_member WHERE grp = ?",
		      "i", grp);
	if (!rc)
		rc = sql_exec(st, err, "DELETE FROM grp_member WHERE grp = ?",
			      "i", grp);
	return rc ? rc : sql_exec(st, err, "DELETE FROM grp WHERE id = ?", "i",
				  grp);
}

int sql_group_del(struct sql *st, const char *actor, const char *group,
		    int64_t now, struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = sql_policy_changed(st, err);
	if (!rc)
		rc = do_group_del(st, group, err);
	if (!rc)
		rc = sql_change_rules(st, err);
	if (!rc)
		rc = sql_audit(st, actor, "group.del", group, "", now, err);
	return sql_end(st, rc, err);
}

/* ---- networks behind members (changed in store_set.c) ---- */

int sql_each_route(struct sql *st,
		     int (*fn)(void *arg, const struct store_route *r),
		     void *arg, struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT addr, plen, member FROM route ORDER BY member, length(addr), addr, plen",
			"");
	int rc;

	if (!s)
		return err->code;
	while ((rc = sql_step(st, s, err)) == 1) {
		struct store_route r = { .member = sqlite3_column_int64(s, 2) };

		rc = column_prefix(s, 0, &r.prefix) ?
		     damaged(st, "a route", err) : fn(arg, &r);
		if (rc)
			break;
	}
	sqlite3_finalize(s);
	return rc;
}

/* ---- trials ---- */

int sql_trial_get(struct sql *st, struct store_trial *t,
		    struct sotto_errmsg *err)
{
	sqlite3_stmt *s = sql_prepare(st, err,
			"SELECT until, seconds, previous FROM trial", "");
	int rc;

	memset(t, 0, sizeof(*t));
	if (!s)
		return err->code;
	rc = sql_step(st, s, err);
	if (rc == 1) {
		t->until = sqlite3_column_int64(s, 0);
		t->seconds = sqlite3_column_int64(s, 1);
		t->previous = strdup(column_text(s, 2));
		rc = t->previous ? 0 : no_memory(err);
	}
	sqlite3_finalize(s);
	return rc;
}

int sql_trial_end(struct sql *st, const char *actor, int64_t now,
		    struct sotto_errmsg *err)
{
	int rc = sql_begin(st, err);

	if (rc)
		return rc;
	rc = sql_run(st, "DELETE FROM trial", err);
	if (!rc)
		rc = sql_audit(st, actor, "policy.confirm", "", "", now, err);
	return sql_end(st, rc, err);
}
