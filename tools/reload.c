// SPDX-License-Identifier: GPL-2.0
/*
 * sotto reload: change the module without a gap.
 *
 * While no module is there, an nftables table drops what the policy protects,
 * both ways. It is taken away only when the new module has the policy in force,
 * so that whatever fails on the way leaves the host closed.
 */
#include "up.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "guard.h"
#include "kernel.h"
#include "lib/genl_saved.h"
#include "module.h"
#include "settings.h"

static const char usage[] =
"Usage: sotto reload\n"
"Unloads the module and loads the installed one. Meanwhile the nftables table\n"
"\"sotto_guard\" drops everything from and to protected, preferred and blocked\n"
"destinations, so that nothing leaves in the clear. If it cannot come up again the\n"
"guard stays, and \"nft delete table inet sotto_guard\" opens it by hand.\n";

#define PARAMS_MAX	256	/* bytes of the module's parameters */

/* What is there before, and is to be there again. */
struct reload {
	struct conf conf;
	struct sgenl_ns ns;
	struct saved live;
	char parameters[PARAMS_MAX];
	bool agent;
};

static int add_guard(struct sgenl *g)
{
	struct sgenl_policy *v;
	size_t n;
	int ret = sgenl_list_policies(g, &v, &n);

	if (ret)
		return kernel_fail(g, ret, "list the policy");
	ret = guard_add(v, n);
	free(v);
	return ret;
}

/* What the kernel has must be what comes back: keep what is only in the kernel. */
static int keep_all(struct sgenl *g, struct saved *kept)
{
	struct sgenl_policy *policies = NULL;
	struct sotto_prefix *addrs = NULL;
	size_t n = 0, n_addrs = 0;
	int ret = sgenl_list_policies(g, &policies, &n);

	if (!ret)
		ret = sgenl_list_locals(g, &addrs, &n_addrs);
	for (size_t i = 0; !ret && i < n; i++)
		if (saved_add_policy(kept, &policies[i], SAVED_LOCAL))
			out_of_memory();
	for (size_t i = 0; !ret && i < n_addrs; i++)
		if (saved_add_local(kept, &addrs[i], SAVED_LOCAL))
			out_of_memory();
	free(policies);
	free(addrs);
	return ret ? kernel_fail(g, ret, "read the policy") : EXIT_OK;
}

/* Settings of the namespace that NS_SET takes; the data port is conf's. */
static int put_settings(struct sgenl *g, const struct sgenl_ns *ns)
{
	int ret = 0;

	for (const struct setting *s = settings; !ret && s->name; s++)
		if (s->attr != SOTTO_A_NS_DATA_PORT && (ns->num[s->attr] || s->max == 1))
			ret = sgenl_ns_set(g, s->attr, ns->num[s->attr]);
	return ret;
}

static int put_back(const struct reload *r)
{
	struct sgenl *g;
	bool whole;
	int ret = module_load(r->parameters);

	if (!ret)
		ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = put_settings(g, &r->ns);
	if (!ret)
		ret = saved_apply(g, &r->live);
	ret = ret ? kernel_fail(g, ret, "put the policy back") : EXIT_OK;
	kernel_close(g);
	if (ret || !r->ns.up)
		return ret;
	/* what is kept beside what was there is told of, if it is bad, and no reason to stay closed */
	return kernel_up(&r->conf, r->parameters, &whole);
}

static int left_closed(int ret)
{
	warn("the guard stays: nothing goes from or to protected destinations. Repair it, run \"sotto up\", compare \"sotto policy show\", and then open it with \"nft delete table inet " GUARD_TABLE "\"");
	return ret;
}

/* Everything between setting up the guard and taking it away. */
static int change_module(const struct reload *r)
{
	/* sessions are not said to be over: the peers wait for the new keys */
	int ret = agent_stop(false);

	if (!ret)
		ret = kernel_down();
	if (!ret)
		ret = module_unload();
	if (ret)
		warn("the module was not changed; putting the policy back");
	/* also after a failure: the old module with the policy is better than none */
	if (put_back(r))
		return left_closed(EXIT_FAILED);
	if (guard_remove())
		return left_closed(EXIT_FAILED);
	return ret;
}

/* What must be there again afterwards. */
static int remember(struct sgenl *g, struct reload *r)
{
	int ret = sgenl_ns_get(g, &r->ns);

	if (ret)
		return kernel_fail(g, ret, "read the settings");
	r->conf.data_port = r->ns.data_port;
	module_parameters(r->parameters, sizeof(r->parameters));
	return keep_all(g, &r->live);
}

static int reload(struct reload *r)
{
	struct sgenl *g;
	int ret = kernel_open(&g);

	if (ret)
		return ret;
	ret = remember(g, r);
	if (!ret)
		ret = add_guard(g);
	kernel_close(g);
	if (ret)
		return ret;
	ret = change_module(r);
	if (r->agent) {
		int up = agent_up(r->conf.up_timeout);

		ret = ret ? ret : up;
	}
	return ret;
}

/* The agent runs afterwards if it does now. */
static bool agent_runs(void)
{
	json_t *status = agent_ask("status");

	json_decref(status);
	return status != NULL;
}

int do_reload(struct args *a)
{
	struct reload r = { 0 };
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = load_conf(&r.conf);
	if (ret)
		return ret;
	r.agent = agent_runs();
	ret = reload(&r);
	saved_free(&r.live);
	return ret;
}
