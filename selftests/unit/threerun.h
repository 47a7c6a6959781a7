/* SPDX-License-Identifier: GPL-2.0 */
/* The real server with three members, and what its administrator asks and hears. */
#ifndef THREERUN_H
#define THREERUN_H

#include "agentsim.h"

static struct authd_run run;
static struct sim a, b, c;

/* The answer's error name, "" when it is ok. */
static inline const char *apply(const char *text, int confirm)
{
	static char name[64];
	json_t *ans = confirm ?
		authd_ask(&run, "{s:s, s:s, s:i}", "cmd", "policy.apply",
			  "text", text, "confirm", confirm) :
		authd_ask(&run, "{s:s, s:s}", "cmd", "policy.apply", "text",
			  text);

	snprintf(name, sizeof(name), "%s", authd_str(ans, "error"));
	if (*name)
		printf("# %s\n", authd_str(ans, "message"));
	json_decref(ans);
	return name;
}

static inline const char *say(const char *cmd, const char *k1, const char *v1,
			      const char *k2, const char *v2)
{
	static char name[64];
	json_t *ans = authd_ask(&run, "{s:s, s:s*, s:s*}", "cmd", cmd,
				k1 ? k1 : "-", v1, k2 ? k2 : "-", v2);

	snprintf(name, sizeof(name), "%s", authd_str(ans, "error"));
	json_decref(ans);
	return name;
}

/* "allowed by TEXT" or "denied by TEXT" */
static inline const char *verdict(const char *from, const char *to)
{
	static char text[512];
	json_t *ans = authd_ask(&run, "{s:s, s:s, s:s}", "cmd", "policy.check",
				"from", from, "to", to);

	if (*authd_str(ans, "error"))
		snprintf(text, sizeof(text), "%s", authd_str(ans, "error"));
	else
		snprintf(text, sizeof(text), "%s by %s",
			 json_is_true(json_object_get(ans, "allowed")) ?
			 "allowed" : "denied", authd_str(ans, "text"));
	json_decref(ans);
	return text;
}

#define IS(x, y)	EXPECT(!strcmp(x, y))

static inline bool three(void)
{
	return authd_start(&run, "[realm]\nprotect_members = no\n") &&
	       sim_member(&a, &run, "alice", "10.0.0.1") &&
	       sim_member(&b, &run, "bob", "10.0.0.2") &&
	       sim_member(&c, &run, "carol", "10.0.0.3");
}

/* @name is a gateway from now on. */
static inline void leads(const char *name)
{
	json_decref(authd_ask(&run, "{s:s, s:s, s:[s]}", "cmd", "member.set",
			      "name", name, "routes", "10.8.0.0/16"));
}

/* Its agent says bye. */
static inline void goes(struct sim *s, unsigned int reason)
{
	struct sotto_msg bye = { .type = SOTTO_MSG_BYE };

	bye.bye.reason = reason;
	sotto_chan_note(&s->chan, &bye);
	sim_wait(300);
}

static inline void stop(void)
{
	sim_free(&a);
	sim_free(&b);
	sim_free(&c);
	authd_stop(&run);
}

#define TOLD(s, prefix, action)						\
	do {								\
		SIM_UNTIL(sim_told(s, prefix) == (action), 10000);		\
		EXPECT_EQ(sim_told(s, prefix), (action));			\
	} while (0)

#endif /* THREERUN_H */
