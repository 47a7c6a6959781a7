// SPDX-License-Identifier: GPL-2.0
/*
 * A realm's policy as a text.
 */
#include "policydoc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const action_names[] = {
	[SOTTO_ACTION_BYPASS] = "bypass",
	[SOTTO_ACTION_PROTECT] = "protect",
	[SOTTO_ACTION_PREFER] = "prefer",
	[SOTTO_ACTION_BLOCK] = "block",
};

const char *policy_action_name(unsigned int action)
{
	return action < __SOTTO_ACTION_MAX ? action_names[action] : "unknown";
}

int policy_action_by_name(const char *name)
{
	int i;

	for (i = 0; i < __SOTTO_ACTION_MAX; i++)
		if (!strcmp(name, action_names[i]))
			return i;
	return -1;
}

/* ---- lists ---- */

/* One more, zeroed; NULL without memory or beyond @max. */
static void *append(void *items, uint32_t *n, uint32_t *cap, size_t size,
		    uint32_t max)
{
	void **list = items;
	void *more;

	if (*n == max)
		return NULL;
	if (*n == *cap) {
		uint32_t want = *cap ? *cap * 2 : 16;

		more = reallocarray(*list, want, size);
		if (!more)
			return NULL;
		*list = more;
		*cap = want;
	}
	more = (char *)*list + (*n)++ * size;
	return memset(more, 0, size);
}

struct policy_group *policy_doc_find(const struct policy_doc *doc,
				     const char *name)
{
	uint32_t i;

	for (i = 0; i < doc->groups_n; i++)
		if (!strcmp(doc->groups[i].name, name))
			return &doc->groups[i];
	return NULL;
}

struct policy_group *policy_doc_group(struct policy_doc *doc, const char *name)
{
	struct policy_group *g = append(&doc->groups, &doc->groups_n,
					&doc->groups_cap, sizeof(*g),
					POLICY_GROUPS_MAX);

	if (g)
		snprintf(g->name, sizeof(g->name), "%s", name);
	return g;
}

struct policy_rule *policy_doc_rule(struct policy_doc *doc)
{
	return append(&doc->rules, &doc->rules_n, &doc->rules_cap,
		      sizeof(*doc->rules), POLICY_RULES_MAX);
}

struct policy_net *policy_doc_net(struct policy_doc *doc)
{
	return append(&doc->nets, &doc->nets_n, &doc->nets_cap,
		      sizeof(*doc->nets), POLICY_NETS_MAX);
}

int policy_group_add(struct policy_group *g, const char *member)
{
	char *m = append(&g->members, &g->n, &g->cap, SOTTO_NAME_MAX,
			 UINT32_MAX / SOTTO_NAME_MAX);

	if (!m)
		return SOTTO_E_NOMEM;
	snprintf(m, SOTTO_NAME_MAX, "%s", member);
	return 0;
}

void policy_doc_free(struct policy_doc *doc)
{
	uint32_t i;

	for (i = 0; i < doc->groups_n; i++)
		free(doc->groups[i].members);
	free(doc->groups);
	free(doc->rules);
	free(doc->nets);
	memset(doc, 0, sizeof(*doc));
}

/* ---- reading ---- */

static int parse_net(struct sotto_prefix *p, const char *text,
		     struct sotto_errmsg *err)
{
	int rc = sotto_prefix_parse(p, text);

	if (!rc)
		return 0;
	return sotto_err(err, SOTTO_E_BAD, rc == -ERANGE ?
			 "'%.60s' has bits set behind its length" :
			 "'%.60s' is not a network", text);
}

int policy_side_parse(struct policy_side *s, const char *text, bool net,
		      struct sotto_errmsg *err)
{
	memset(s, 0, sizeof(*s));
	if (!strcmp(text, "all"))
		return 0;		/* SIDE_ALL */
	if (net && strchr(text, '/')) {
		s->kind = SIDE_NET;
		return parse_net(&s->net, text, err);
	}
	s->kind = *text == '@' ? SIDE_GROUP : SIDE_MEMBER;
	text += *text == '@';
	if (!sotto_name_valid(text))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.70s' is neither all, @GROUP nor a member%s",
				 text, net ? ", nor a network" : "");
	strcpy(s->name, text);
	return 0;
}

#define WORDS	" \t\r"

/** struct reading - a text on its way into @doc */
struct reading {
	struct policy_doc *doc;
	const struct policy_names *names;
	uint32_t line, members_n;
};

static int check_member(const struct reading *r, const char *name,
			struct sotto_errmsg *err)
{
	if (!r->names || r->names->has(r->names->arg, name))
		return 0;
	return sotto_err(err, SOTTO_E_UNKNOWN, "there is no member '%s'", name);
}

static int read_default(struct policy_doc *doc, char **save,
			struct sotto_errmsg *err)
{
	const char *word = strtok_r(NULL, WORDS, save);

	if (!word || (strcmp(word, "allow") && strcmp(word, "deny")))
		return sotto_err(err, SOTTO_E_BAD,
				 "default is 'allow' or 'deny'");
	doc->deny_rest = *word == 'd';
	return 0;
}

static int read_names(struct reading *r, struct policy_group *g,
		      char **save, struct sotto_errmsg *err)
{
	const char *word;
	int rc;

	while ((word = strtok_r(NULL, WORDS, save))) {
		if (r->names && r->members_n++ == POLICY_NAMES_MAX)
			return sotto_err(err, SOTTO_E_LIMIT, "more than %d members of groups",
					 POLICY_NAMES_MAX);
		if (!sotto_name_valid(word))
			return sotto_err(err, SOTTO_E_BAD,
					 "'%.70s' is not a member's name", word);
		rc = check_member(r, word, err);
		if (rc)
			return rc;
		if (policy_group_add(g, word))
			return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	}
	return 0;
}

static int read_group(struct reading *r, char **save,
		      struct sotto_errmsg *err)
{
	const char *word = strtok_r(NULL, WORDS, save);
	struct policy_doc *doc = r->doc;
	struct policy_group *g;

	if (!word || !sotto_name_valid(word))
		return sotto_err(err, SOTTO_E_BAD,
				 "behind 'group' stand its name and its members");
	/* a large group has many lines, one behind the other */
	g = doc->groups_n ? &doc->groups[doc->groups_n - 1] : NULL;
	if (!g || strcmp(g->name, word))
		g = policy_doc_find(doc, word);
	if (!g)
		g = policy_doc_group(doc, word);
	if (!g)
		return sotto_err(err, SOTTO_E_LIMIT, "more than %d groups",
				 POLICY_GROUPS_MAX);
	return read_names(r, g, save, err);
}

static int read_sides(struct policy_rule *r, char **save,
		      struct sotto_errmsg *err)
{
	const char *src = strtok_r(NULL, WORDS, save);
	const char *dst = strtok_r(NULL, WORDS, save);
	int rc;

	if (!dst)
		return sotto_err(err, SOTTO_E_BAD,
				 "a rule says who, and to whom: allow FROM TO");
	rc = policy_side_parse(&r->src, src, false, err);
	return rc ? rc : policy_side_parse(&r->dst, dst, true, err);
}

static int read_rule(const struct reading *r, bool allow, char **save,
		     struct sotto_errmsg *err)
{
	struct policy_rule *rule = policy_doc_rule(r->doc);
	int rc;

	if (!rule)
		return sotto_err(err, SOTTO_E_LIMIT, "more than %d rules",
				 POLICY_RULES_MAX);
	rule->allow = allow;
	rule->line = r->line;
	rc = read_sides(rule, save, err);
	if (!rc && rule->src.kind == SIDE_MEMBER)
		rc = check_member(r, rule->src.name, err);
	if (!rc && rule->dst.kind == SIDE_MEMBER)
		rc = check_member(r, rule->dst.name, err);
	return rc;
}

int policy_rule_parse(struct policy_rule *r, const char *text,
		      struct sotto_errmsg *err)
{
	char copy[POLICY_RULE_STR], *save = NULL;
	const char *word;
	int rc = SOTTO_E_BAD;

	memset(r, 0, sizeof(*r));
	snprintf(copy, sizeof(copy), "%s", text);
	word = strlen(text) < sizeof(copy) ? strtok_r(copy, WORDS, &save) : NULL;
	if (word && (!strcmp(word, "allow") || !strcmp(word, "deny"))) {
		r->allow = *word == 'a';
		rc = read_sides(r, &save, err);
		if (rc)
			return rc;
		rc = strtok_r(NULL, WORDS, &save) ? SOTTO_E_BAD : 0;
	}
	return rc ? sotto_err(err, rc,
			      "a rule is: allow FROM TO, or: deny FROM TO") : 0;
}

static int read_net(const struct reading *r, int action, char **save,
		    struct sotto_errmsg *err)
{
	const char *prefix = strtok_r(NULL, WORDS, save);
	const char *group = strtok_r(NULL, WORDS, save);
	struct policy_net *n;

	if (!prefix)
		return sotto_err(err, SOTTO_E_BAD,
				 "a network stands behind its action");
	if (group && (*group != '@' || !sotto_name_valid(group + 1)))
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.70s' is not a group: @NAME", group);
	n = policy_doc_net(r->doc);
	if (!n)
		return sotto_err(err, SOTTO_E_LIMIT, "more than %d networks",
				 POLICY_NETS_MAX);
	n->action = action;
	n->line = r->line;
	if (group)
		strcpy(n->group, group + 1);
	return parse_net(&n->prefix, prefix, err);
}

static int read_line(struct reading *r, char *line,
		     struct sotto_errmsg *err)
{
	const char *word, *more;
	char *save = NULL;
	int rc;

	line[strcspn(line, "#")] = 0;
	word = strtok_r(line, WORDS, &save);
	if (!word)
		return 0;
	if (!strcmp(word, "default"))
		rc = read_default(r->doc, &save, err);
	else if (!strcmp(word, "group"))
		rc = read_group(r, &save, err);
	else if (!strcmp(word, "allow") || !strcmp(word, "deny"))
		rc = read_rule(r, *word == 'a', &save, err);
	else if (policy_action_by_name(word) >= 0)
		rc = read_net(r, policy_action_by_name(word), &save, err);
	else
		return sotto_err(err, SOTTO_E_BAD,
				 "'%.30s' begins no line: default, group, allow, deny, protect, prefer, bypass or block",
				 word);
	more = strtok_r(NULL, WORDS, &save);
	if (!rc && more)
		rc = sotto_err(err, SOTTO_E_BAD, "'%.60s' is too much", more);
	return rc;
}

static int check_group(const struct policy_doc *doc, const char *name,
		       uint32_t line, struct sotto_errmsg *err)
{
	if (policy_doc_find(doc, name))
		return 0;
	return sotto_err(err, SOTTO_E_UNKNOWN, "line %u: there is no group '%s'",
			 line, name);
}

static int check_rule(const struct policy_doc *doc, const struct policy_rule *r,
		      struct sotto_errmsg *err)
{
	int rc = 0;

	if (r->src.kind == SIDE_GROUP)
		rc = check_group(doc, r->src.name, r->line, err);
	if (!rc && r->dst.kind == SIDE_GROUP)
		rc = check_group(doc, r->dst.name, r->line, err);
	return rc;
}

static int by_net(const void *x, const void *y)
{
	const struct policy_net *a = x, *b = y;
	int c = sotto_addr_cmp(&a->prefix.addr, &b->prefix.addr);

	if (!c)
		c = (int)a->prefix.plen - b->prefix.plen;
	return c ? c : strcmp(a->group, b->group);
}

static int check_net(const struct policy_doc *doc, const struct policy_net *n,
		     const struct policy_net *before, struct sotto_errmsg *err)
{
	char text[SOTTO_PREFIX_STR];

	if (before && !by_net(before, n))
		return sotto_err(err, SOTTO_E_BAD,
				 "lines %u and %u both say what to do with %s",
				 before->line < n->line ? before->line : n->line,
				 before->line < n->line ? n->line : before->line,
				 sotto_prefix_str(&n->prefix, text));
	return n->group[0] ? check_group(doc, n->group, n->line, err) : 0;
}

static int check_doc(struct policy_doc *doc, struct sotto_errmsg *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < doc->rules_n && !rc; i++)
		rc = check_rule(doc, &doc->rules[i], err);
	if (doc->nets_n)
		qsort(doc->nets, doc->nets_n, sizeof(*doc->nets), by_net);
	for (i = 0; i < doc->nets_n && !rc; i++)
		rc = check_net(doc, &doc->nets[i], i ? &doc->nets[i - 1] : NULL,
			       err);
	return rc;
}

static int read_lines(struct reading *r, char *text, struct sotto_errmsg *err)
{
	int rc = 0;
	char *next;

	for (r->line = 1; text && !rc; text = next, r->line++) {
		struct sotto_errmsg why;

		next = strchr(text, '\n');
		if (next)
			*next++ = 0;
		rc = read_line(r, text, &why);
		if (rc)
			sotto_err(err, rc, "line %u: %.400s", r->line, why.text);
	}
	return rc;
}

int policy_doc_parse(struct policy_doc *doc, const char *text,
		     const struct policy_names *names, struct sotto_errmsg *err)
{
	struct reading r = { .doc = doc, .names = names };
	char *copy = strdup(text);
	int rc;

	memset(doc, 0, sizeof(*doc));
	if (!copy)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	rc = read_lines(&r, copy, err);
	if (!rc)
		rc = check_doc(doc, err);
	free(copy);
	if (rc)
		policy_doc_free(doc);
	return rc;
}

/* ---- writing ---- */

const char *policy_side_str(const struct policy_side *s,
			    char buf[POLICY_SIDE_STR])
{
	switch (s->kind) {
	case SIDE_ALL:
		return strcpy(buf, "all");
	case SIDE_NET:
		return sotto_prefix_str(&s->net, buf);
	default:
		snprintf(buf, POLICY_SIDE_STR, "%s%s",
			 s->kind == SIDE_GROUP ? "@" : "", s->name);
		return buf;
	}
}

_Static_assert(SOTTO_PREFIX_STR <= POLICY_SIDE_STR, "a network fits");

const char *policy_rule_str(const struct policy_rule *r,
			    char buf[POLICY_RULE_STR])
{
	char src[POLICY_SIDE_STR], dst[POLICY_SIDE_STR];

	snprintf(buf, POLICY_RULE_STR, "%s %s %s", r->allow ? "allow" : "deny",
		 policy_side_str(&r->src, src), policy_side_str(&r->dst, dst));
	return buf;
}

static void write_group(FILE *f, const struct policy_group *g)
{
	uint32_t i;

	fprintf(f, "group %s", g->name);
	for (i = 0; i < g->n; i++) {
		if (i && i % 16 == 0)
			fprintf(f, "\ngroup %s", g->name);
		fprintf(f, " %s", g->members[i]);
	}
	fputc('\n', f);
}

static void write_doc(FILE *f, const struct policy_doc *doc)
{
	char buf[POLICY_RULE_STR];
	uint32_t i;

	for (i = 0; i < doc->groups_n; i++)
		write_group(f, &doc->groups[i]);
	for (i = 0; i < doc->rules_n; i++)
		fprintf(f, "%s\n", policy_rule_str(&doc->rules[i], buf));
	fprintf(f, "default %s\n", doc->deny_rest ? "deny" : "allow");
	for (i = 0; i < doc->nets_n; i++) {
		const struct policy_net *n = &doc->nets[i];

		fprintf(f, "%s %s%s%s\n", policy_action_name(n->action),
			sotto_prefix_str(&n->prefix, buf),
			n->group[0] ? " @" : "", n->group);
	}
}

char *policy_doc_text(const struct policy_doc *doc)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	write_doc(f, doc);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
