/* SPDX-License-Identifier: GPL-2.0 */
/* What sa.c and sa_life.c have of each other. */
#ifndef _SOTTO_SA_LIFE_H
#define _SOTTO_SA_LIFE_H

#include <linux/sotto.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct sotto_sa;

/* sa.c */
extern struct workqueue_struct *sotto_sa_wq;
void sotto_sa_event(struct sotto_sa *sa, enum sotto_event type);

/* sa_life.c: both with ns->lock held. True if @sa is in the queue now. */
bool sotto_sa_arm(struct sotto_sa *sa, u64 now);
/* True if it was in the queue, whose reference is the caller's now. */
bool sotto_sa_disarm(struct sotto_sa *sa);

/* Those whose time has come: the work of ns->expire. */
void sotto_sa_expire(struct work_struct *work);

#endif /* _SOTTO_SA_LIFE_H */
