/* SPDX-License-Identifier: GPL-2.0 */
/* The real server, and one or two hosts that speak to it, members or not. */
#ifndef HOSTSRUN_H
#define HOSTSRUN_H

#include "agentsim.h"

static struct authd_run run;
static struct sim a, b;

static inline void stop(struct sim *s1, struct sim *s2)
{
	if (s1)
		sim_free(s1);
	if (s2)
		sim_free(s2);
	authd_stop(&run);
}

static inline int stat_of(const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	int n = json_integer_value(json_object_get(json_object_get(ans, "stats"),
						   name));

	json_decref(ans);
	return n;
}

#endif /* HOSTSRUN_H */
