/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A realm's policy as a whole, and as a text that a person writes:
 *
 *   # who may open sessions to whom: the first line that fits decides
 *   default deny
 *   group web alice bob
 *   allow @ops all
 *   allow @web 10.8.0.0/16
 *   deny mallory bob
 *   # what members do with packets to a network
 *   protect 10.0.0.0/8
 *   bypass 192.0.2.0/24 @web
 */
#ifndef SOTTO_POLICYDOC_H
#define SOTTO_POLICYDOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "proto.h"

#define POLICY_RULES_MAX	1024	/* in a realm */
#define POLICY_GROUPS_MAX	1024
#define POLICY_NETS_MAX		65536
#define POLICY_NAMES_MAX	(1 << 20) /* members of groups, in a text of an administrator's */

enum policy_side_kind {
	SIDE_ALL,
	SIDE_GROUP,		/* @name */
	SIDE_MEMBER,
	SIDE_NET,		/* behind a gateway; as a destination only */
};

struct policy_side {
	enum policy_side_kind kind;
	char name[SOTTO_NAME_MAX];
	struct sotto_prefix net;
};

/** struct policy_rule - @line: of the text that it was read from, or 0 */
struct policy_rule {
	bool allow;
	struct policy_side src, dst;
	uint32_t line;
};

/** struct policy_group - @id: of the database, 0 in what was parsed */
struct policy_group {
	int64_t id;
	char name[SOTTO_NAME_MAX];
	uint32_t n, cap;
	char (*members)[SOTTO_NAME_MAX];
};

/** struct policy_net - what to do with packets to a network */
struct policy_net {
	struct sotto_prefix prefix;
	uint8_t action;			/* enum sotto_action */
	char group[SOTTO_NAME_MAX];	/* for its members only; "" = for all */
	uint32_t line;			/* of the text that it was read from, or 0 */
};

struct policy_doc {
	bool deny_rest;			/* where no rule fits */
	uint32_t groups_n, groups_cap, rules_n, rules_cap, nets_n, nets_cap;
	struct policy_group *groups;
	struct policy_rule *rules;
	struct policy_net *nets;
};

/** struct policy_names - who is a member */
struct policy_names {
	bool (*has)(void *arg, const char *name);
	void *arg;
};

/**
 * policy_doc_parse() - @text is not changed; errors name the line.
 * @names: others are refused; NULL: everybody may be a member, and groups are of any size
 */
int policy_doc_parse(struct policy_doc *doc, const char *text,
		     const struct policy_names *names, struct sotto_errmsg *err);
/** policy_doc_text() - the reverse; the caller frees it. NULL without memory. */
char *policy_doc_text(const struct policy_doc *doc);
void policy_doc_free(struct policy_doc *doc);

/* Appending; NULL without memory or beyond the limit. */
struct policy_group *policy_doc_group(struct policy_doc *doc, const char *name);
struct policy_rule *policy_doc_rule(struct policy_doc *doc);
struct policy_net *policy_doc_net(struct policy_doc *doc);
int policy_group_add(struct policy_group *g, const char *member);
/** policy_doc_find() - a group by its name, or NULL. */
struct policy_group *policy_doc_find(const struct policy_doc *doc,
				     const char *name);

/** policy_side_parse() - "all", "@group", "member", and with @net "10.8.0.0/16" */
int policy_side_parse(struct policy_side *s, const char *text, bool net,
		      struct sotto_errmsg *err);
/** policy_rule_parse() - "allow FROM TO" or "deny FROM TO" */
int policy_rule_parse(struct policy_rule *r, const char *text,
		      struct sotto_errmsg *err);
#define POLICY_SIDE_STR	(SOTTO_NAME_MAX + 1)
const char *policy_side_str(const struct policy_side *s,
			    char buf[POLICY_SIDE_STR]);
#define POLICY_RULE_STR	(2 * POLICY_SIDE_STR + 8)
const char *policy_rule_str(const struct policy_rule *r,
			    char buf[POLICY_RULE_STR]);

const char *policy_action_name(unsigned int action);
int policy_action_by_name(const char *name);

#endif /* SOTTO_POLICYDOC_H */
