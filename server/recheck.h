/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ending the sessions that changed rules forbid.
 */
#ifndef SOTTO_RECHECK_H
#define SOTTO_RECHECK_H

#include "rules.h"

/** recheck_member() - @m came into a group or left it, or leads to other networks. */
void recheck_member(struct authd *ad, struct member *m);
/** recheck_changed() - those whom the difference from @old to the present rules concerns.
 * @old: NULL: not known any more, so all
 */
void recheck_changed(struct authd *ad, const struct rule *old, uint32_t old_n,
		     bool old_deny_rest);
void recheck_all(struct authd *ad);

void recheck_setup(struct authd *ad);
void recheck_teardown(struct authd *ad);

#endif /* SOTTO_RECHECK_H */
