/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ending sessions, some at a time: those that changed rules forbid, of members that are
 * revoked, of gateways that are gone, of hosts that were restarted.
 */
#ifndef SOTTO_RECHECK_H
#define SOTTO_RECHECK_H

#include "rules.h"

/** recheck_member() - something is new about @m: groups, networks, whether it is here. */
void recheck_member(struct authd *ad, struct member *m);
/** recheck_first() - the same, before all others and at once. */
void recheck_first(struct authd *ad, struct member *m);
/** recheck_changed() - those whom the difference from @old to the present rules concerns.
 * @old: NULL: not known any more, so all
 */
void recheck_changed(struct authd *ad, const struct rule *old, uint32_t old_n,
		     bool old_deny_rest);
void recheck_all(struct authd *ad);

void recheck_setup(struct authd *ad);
void recheck_teardown(struct authd *ad);

#endif /* SOTTO_RECHECK_H */
