/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions that one end lists with a key that nobody has.
 */
#ifndef SOTTO_UNPLACED_H
#define SOTTO_UNPLACED_H

#include "authd.h"

int unplaced_setup(struct authd *ad);
void unplaced_teardown(struct authd *ad);
/** unplaced_keep() - @m lists @id; false if there is no room. */
bool unplaced_keep(struct authd *ad, struct member *m, uint64_t id);
/** unplaced_other() - who lists @id, beside @m, in its last list. */
struct member *unplaced_other(struct authd *ad, const struct member *m, uint64_t id);
/** unplaced_forget() - it has found its place, or @m closed it. */
void unplaced_forget(struct authd *ad, const struct member *m, uint64_t id);

#endif /* SOTTO_UNPLACED_H */
