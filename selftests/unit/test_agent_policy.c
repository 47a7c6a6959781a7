// SPDX-License-Identifier: GPL-2.0
/* The realm's policy at the agent, in parts, in changes and on the disk: with agentrun.h. */
#include "agentrun.h"

static void on_pushed(void *arg, int err, const struct sotto_msg *m)
{
	(void)m;
	*(int *)arg = err;
}

/* One part of a version: protect @prefix. */
static void push(uint64_t version, uint64_t base, int part, int parts, const char *prefix)
{
	struct sotto_msg m = { .type = SOTTO_MSG_POLICY };
	struct sotto_policy_entry *e = &m.policy.entries.e[0];
	int result = 1;

	m.policy.version = version;
	m.policy.base = base;
	m.policy.part = part;
	m.policy.parts = parts;
	m.policy.entries.n = 1;
	e->action = SOTTO_ACTION_PROTECT;
	EXPECT(!sotto_prefix_parse(&e->prefix, prefix));
	EXPECT_EQ(sotto_chan_request(&srv.chans[srv.n_chans - 1].ch, sotto_now_ms(), &m, 0,
				     on_pushed, &result, NULL), 0);
	UNTIL(result != 1, 10000);
	EXPECT_EQ(result, 0);
}

static void old_policy_stays_if_the_new_is_refused(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1, 0, 0, 1, "10.1.0.0/16");
	EXPECT_EQ(ksim_action("10.1.0.0/16"), SOTTO_ACTION_PROTECT);
	ksim.refuse_policies = ENOMEM;
	push(2, 0, 0, 1, "10.1.0.0/17");
	EXPECT_EQ(ksim_action("10.1.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.1.0.0/17"), -1);
	ksim.refuse_policies = 0;
	/* the next hello says what nothing older may follow, and then all of it is asked for */
	srv.policy_version = 2;
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 2 && associated() && srv.policies == 1, 10000);
	EXPECT_EQ(srv.hello.policy_version, 2);
	EXPECT_EQ(srv.policies, 1);
	push(2, 0, 0, 1, "10.1.0.0/17");
	EXPECT_EQ(ksim_action("10.1.0.0/17"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.1.0.0/16"), -1);
	/* now it has all of that version, and wants no more of it */
	assoc_doubt(&ag);
	UNTIL(srv.hellos == 3 && associated() && ag.assoc.state == ASSOC_STEADY, 10000);
	EXPECT_EQ(srv.hello.policy_version, 2);
	EXPECT_EQ(srv.policies, 1);
	end();
}

/* What was kept may be of another member, or not all: no change is a change to that. */
static void partial_policy_is_asked_for_anew(void)
{
	struct sgenl_policy p = { .action = SOTTO_ACTION_PROTECT };
	struct saved file = { .realm_version = 7, .partial = true };
	struct sotto_errmsg err;

	begin();
	EXPECT(!sotto_prefix_parse(&p.prefix, "10.7.0.0/16"));
	EXPECT_EQ(saved_add_policy(&file, &p, SAVED_REALM), 0);
	EXPECT_EQ(saved_write(&file, &err), 0);
	saved_free(&file);
	srv.policy_version = 8;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	EXPECT_EQ(srv.hello.policy_version, 7);
	EXPECT_EQ(srv.policies, 0);
	push(8, 7, 0, 1, "10.8.0.0/16");
	UNTIL(srv.policies == 1, 1000);
	EXPECT_EQ(srv.policies, 1);
	EXPECT_EQ(ksim_action("10.7.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.8.0.0/16"), -1);
	push(8, 0, 0, 1, "10.8.0.0/16");
	EXPECT_EQ(ksim_action("10.7.0.0/16"), -1);
	EXPECT_EQ(ksim_action("10.8.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT(!saved_read(&file, &err) && !file.partial && file.realm_version == 8);
	saved_free(&file);
	end();
}

/* The kernel is full: what goes makes room for what comes. */
static void full_kernel_changes_its_policy(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1, 0, 0, 1, "10.1.0.0/16");
	while (ksim.n_policies < KSIM_POLICIES)
		ksim.policies[ksim.n_policies++].prefix.plen = 1;
	push(2, 0, 0, 1, "10.2.0.0/16");
	EXPECT_EQ(ksim_action("10.1.0.0/16"), -1);
	EXPECT_EQ(ksim_action("10.2.0.0/16"), SOTTO_ACTION_PROTECT);
	end();
}

/* A part of a version before, which comes late, does not take the newer one apart. */
static void late_parts_are_dropped(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(5, 0, 0, 2, "10.5.0.0/16");
	push(6, 0, 0, 2, "10.6.0.0/16");
	push(5, 0, 1, 2, "10.55.0.0/16");
	push(6, 0, 1, 2, "10.66.0.0/16");
	EXPECT_EQ(ksim_action("10.6.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.66.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ag.policy.kept.realm_version, 6);
	end();
}

/* Asked for all of it, the server may begin with a version before, and then say the change. */
static void whole_policy_may_be_older(void)
{
	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(12, 0, 0, 1, "10.12.0.0/16");
	request_policy(&ag);
	push(11, 0, 0, 1, "10.11.0.0/16");
	push(12, 11, 0, 1, "10.12.0.0/16");
	EXPECT_EQ(ag.policy.kept.realm_version, 12);
	EXPECT_EQ(ksim_action("10.11.0.0/16"), SOTTO_ACTION_PROTECT);
	EXPECT_EQ(ksim_action("10.12.0.0/16"), SOTTO_ACTION_PROTECT);
	/* a change to what this host has not: it asks, and takes what comes then */
	push(20, 19, 0, 1, "10.20.0.0/16");
	UNTIL(srv.policies == 2, 1000);
	EXPECT_EQ(srv.policies, 2);
	push(19, 0, 0, 1, "10.19.0.0/16");
	EXPECT_EQ(ag.policy.kept.realm_version, 19);
	end();
}

/* "sotto policy save" beside a running agent: what it kept outlives the realm's next change. */
static void saved_by_hand_stays(void)
{
	struct sgenl_policy p = { .action = SOTTO_ACTION_PROTECT };
	struct sotto_errmsg err;
	struct saved file;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1, 0, 0, 1, "10.1.0.0/16");
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT(!sotto_prefix_parse(&p.prefix, "10.9.0.0/16"));
	EXPECT_EQ(saved_add_policy(&file, &p, SAVED_LOCAL), 0);
	EXPECT_EQ(saved_write(&file, &err), 0);
	saved_free(&file);
	push(2, 0, 0, 1, "10.2.0.0/16");
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT_EQ(file.n_policies, 2);
	EXPECT(saved_find_policy(&file, &p.prefix));
	saved_free(&file);
	end();
}

/* What is in force, and could not be kept: there is room later, and then it is. */
static void kept_when_there_is_room(void)
{
	struct sotto_errmsg err;
	struct saved file;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	fill_disk();
	push(1, 0, 0, 1, "10.1.0.0/16");
	empty_disk();
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT_EQ(file.realm_version, 0);
	saved_free(&file);
	ahead_ms += 60000;
	ev_invoke(ag.loop, &ag.kernel.check, EV_TIMER);
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT_EQ(file.realm_version, 1);
	EXPECT_EQ(file.n_policies, 1);
	saved_free(&file);
	end();
}

static void write_file(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

/* What is good of it counts, what the kernel has stays, and the realm says all of it anew. */
static void damaged_file_keeps_nobody_out(void)
{
	char path[64];

	begin();
	write_file(SAVED_FILE, "{\"version\":1,\"realm_version\":5,\"addresses\":[],\"policies\":["
		   "{\"prefix\":\"10.3.0.0/16\",\"action\":\"protect\",\"origin\":\"realm\"},"
		   "{\"prefix\":\"10.4.0.0/16\",\"action\":\"block\",\"origin\":\"local\"},"
		   "{\"prefix\":\"10.7.0.0/16\",\"action\":\"pro\",\"origin\":\"local\"},{\"pre");
	ksim.n_policies = 1;
	EXPECT(!sotto_prefix_parse(&ksim.policies[0].prefix, "10.7.0.0/16"));
	ksim.policies[0].action = SOTTO_ACTION_BLOCK;
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	EXPECT_EQ(srv.hello.policy_version, 0);
	/* a guess does not take the place of what the kernel has */
	EXPECT_EQ(ksim_action("10.7.0.0/16"), SOTTO_ACTION_BLOCK);
	EXPECT_EQ(ksim_action("10.3.0.0/16"), SOTTO_ACTION_PROTECT);
	push(8, 0, 0, 1, "10.8.0.0/16");
	EXPECT_EQ(ksim_action("10.8.0.0/16"), SOTTO_ACTION_PROTECT);
	/* the realm's goes with its next version, what was added by hand stays */
	EXPECT_EQ(ksim_action("10.3.0.0/16"), -1);
	EXPECT_EQ(ksim_action("10.4.0.0/16"), SOTTO_ACTION_BLOCK);
	snprintf(path, sizeof(path), "%s/" SAVED_FILE ".damaged", top);
	EXPECT(!access(path, R_OK));
	end();
}

/* It would be kept, and not be read again: then nothing is protected at the next start. */
static void version_past_all_is_refused(void)
{
	struct sotto_errmsg err;
	struct saved file;

	begin();
	agent_begin();
	UNTIL(associated(), 10000);
	ASSERT(associated());
	push(1ull << 63, 0, 0, 1, "10.1.0.0/16");
	EXPECT_EQ(saved_read(&file, &err), 0);
	EXPECT_EQ(file.n_policies, 0);
	saved_free(&file);
	end();
}

static const struct ktap_test tests[] = {
	{ "old_policy_stays_if_the_new_is_refused", old_policy_stays_if_the_new_is_refused },
	{ "partial_policy_is_asked_for_anew", partial_policy_is_asked_for_anew },
	{ "full_kernel_changes_its_policy", full_kernel_changes_its_policy },
	{ "late_parts_are_dropped", late_parts_are_dropped },
	{ "whole_policy_may_be_older", whole_policy_may_be_older },
	{ "saved_by_hand_stays", saved_by_hand_stays },
	{ "kept_when_there_is_room", kept_when_there_is_room },
	{ "damaged_file_keeps_nobody_out", damaged_file_keeps_nobody_out },
	{ "version_past_all_is_refused", version_past_all_is_refused },
};

int main(void)
{
	return run_agent(tests, sizeof(tests) / sizeof(tests[0]));
}
