/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Groups, rules and networks in memory, and the verdicts that they give.
 */
#ifndef SOTTO_RULES_H
#define SOTTO_RULES_H

#include "authd.h"
#include "policydoc.h"

struct group {
	int64_t id;
	char name[SOTTO_NAME_MAX];
	uint32_t n, cap;
	struct member **members;
};

struct rule {
	struct policy_rule r;
	int64_t src_grp, dst_grp;	/* of groups; 0 = there is none */
};

struct net_item {			/* sorted by prefix, then group */
	struct sotto_prefix prefix;
	int64_t grp;			/* 0 = for all */
	uint8_t action;
};

struct route_item {			/* sorted by prefix, then member */
	struct sotto_prefix prefix;
	struct member *member;
};

struct rules {
	bool deny_rest;
	bool partial;			/* there was no memory for all of it */
	uint32_t rules_n, groups_n, nets_n, routes_n;
	struct rule *rules;
	struct group *groups;
	struct net_item *nets;
	struct route_item *routes;
};

/** rules_setup() - load all of it. */
int rules_setup(struct authd *ad, struct sotto_errmsg *err);
/** rules_load() - from the store: rules, networks' lines and which groups there are.
 * Without memory nobody may do anything, until it succeeds.
 */
int rules_load(struct authd *ad, struct sotto_errmsg *err);
/** rules_load_members() - the same, and who is in the groups. */
int rules_load_members(struct authd *ad, struct sotto_errmsg *err);
/** rules_load_routes() - what is behind gateways. */
int rules_load_routes(struct authd *ad, struct sotto_errmsg *err);
void rules_free(struct authd *ad);
/** rules_member() - @m came into a group or left it. */
int rules_member(struct authd *ad, struct member *m, const char *group,
		 bool add, struct sotto_errmsg *err);
/** rules_member_gone() - a revoked member leaves all its groups. */
void rules_member_gone(struct authd *ad, struct member *m);

struct group *rules_group(struct authd *ad, const char *name);
struct group *rules_group_by_id(struct authd *ad, int64_t id);
bool rules_in_group(const struct member *m, int64_t grp);

/** struct verdict - @rule: its number from 1 on; 0 = the default */
struct verdict {
	bool allow;
	uint32_t rule;
};

/** rules_judge() - may @a open sessions to @b? */
struct verdict rules_judge(struct authd *ad, const struct member *a,
			   const struct member *b);
/** rules_judge_net() - may @a reach all of @net, behind a gateway? */
struct verdict rules_judge_net(struct authd *ad, const struct member *a,
			       const struct sotto_prefix *net);
/** rules_networks() - what of @gw's networks @a may reach; at most
 * SOTTO_ROUTES_MAX pieces, the rest is left out.
 */
void rules_networks(struct authd *ad, const struct member *a,
		    const struct member *gw, struct sotto_prefixes *out);
/** rules_gateway() - who leads to @addr: the longest route's first gateway that
 * is online, else any; NULL if there is no route. @net: the route.
 */
struct member *rules_gateway(struct authd *ad, const struct sotto_addr *addr,
			     struct sotto_prefix *net);

int prefix_cmp(const struct sotto_prefix *a, const struct sotto_prefix *b);
bool prefix_covers(const struct sotto_prefix *outer,
		   const struct sotto_prefix *inner);

#endif /* SOTTO_RULES_H */
