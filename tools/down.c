// SPDX-License-Identifier: GPL-2.0
/*
 * sotto down: the reverse of sotto up. What was kept on disk stays there.
 */
#include "up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "kernel.h"

static const char usage[] =
"Usage: sotto down\n"
"Stops the agent, removes tunnels, policy and addresses from the kernel, and takes\n"
"the shim out of the packets' way: from then on they leave in the clear. The module\n"
"can be unloaded afterwards.\n";

static int remove_addrs(struct sgenl *g)
{
	struct sotto_prefix *v;
	size_t n;
	int ret = sgenl_list_locals(g, &v, &n);

	for (size_t i = 0; !ret && i < n; i++) {
		ret = sgenl_local_del(g, &v[i]);
		if (ret == -ENOENT)
			ret = 0;
	}
	free(v);
	return ret;
}

static int take_down(struct sgenl *g)
{
	int ret = sgenl_tunnel_flush(g);

	if (ret)
		return kernel_fail(g, ret, "flush the tunnels");
	ret = sgenl_policy_flush(g);
	if (ret)
		return kernel_fail(g, ret, "flush the policy");
	ret = remove_addrs(g);
	if (ret)
		return kernel_fail(g, ret, "remove the addresses");
	ret = sgenl_ns_set(g, SOTTO_A_NS_UP, 0);
	return ret ? kernel_fail(g, ret, "take the shim down") : EXIT_OK;
}

int kernel_down(void)
{
	struct sgenl *g;
	int ret;

	if (!sgenl_loaded())
		return EXIT_OK;
	ret = kernel_open(&g);
	if (ret)
		return ret;
	ret = take_down(g);
	kernel_close(g);
	return ret;
}

int do_down(struct args *a)
{
	int ret;

	if (wants_help(a)) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	if (args_end(a, usage))
		return EXIT_USAGE;
	ret = agent_stop(true);
	return ret ? ret : kernel_down();
}
