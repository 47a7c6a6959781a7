/* SPDX-License-Identifier: GPL-2.0 */
/* The real server with two members or three, and what it says of their sessions. */
#ifndef TWORUN_H
#define TWORUN_H

#include "agentsim.h"
#include "server/authd_limits.h"

static struct authd_run run;
static struct sim a, b, c;

static inline void stop(void)
{
	while (sims_n)
		sim_free(sims[0]);
	authd_stop(&run);
}

static inline bool start_two(void)
{
	return authd_start(&run, "") &&
	       sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2");
}

static inline int sessions(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "session.list");
	int n = json_array_size(json_object_get(ans, "sessions"));

	json_decref(ans);
	return n;
}

static inline int pending(void)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	int n = json_integer_value(json_object_get(json_object_get(ans, "stats"),
						   "pending"));

	json_decref(ans);
	return n;
}

/* Of an answer to realm.stats: what is compared must be of one moment. */
static inline uint64_t counter_in(const json_t *ans, const char *name)
{
	json_t *n = json_object_get(json_object_get(ans, "stats"), name);

	EXPECT(n);
	return json_integer_value(n);
}

static inline uint64_t counter(const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s}", "cmd", "realm.stats");
	uint64_t value = counter_in(ans, name);

	json_decref(ans);
	return value;
}

/* It goes away politely. */
static inline void sim_note_bye(struct sim *s, unsigned int reason)
{
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE, .bye.reason = reason };

	sotto_chan_note(&s->chan, &bye);
	sim_wait(50);
}

static inline void revoke_member(const char *name)
{
	json_t *ans = authd_ask(&run, "{s:s, s:s}", "cmd", "member.revoke",
				"name", name);

	EXPECT(json_is_true(json_object_get(ans, "ok")));
	json_decref(ans);
}

#endif /* TWORUN_H */
