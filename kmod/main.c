// SPDX-License-Identifier: GPL-2.0
/* Sotto: IP encryption under the transport layer. Loading and unloading. */
#include <linux/module.h>
#include <net/genetlink.h>

#include "chapoly.h"
#include "cursor.h"
#include "guard.h"
#include "netlink.h"
#include "netns.h"
#include "open.h"
#include "policy.h"
#include "replay.h"
#include "sa.h"
#include "spread.h"
#include "seal.h"
#include "skb.h"
#include "tunnel.h"

bool sotto_keylog;
module_param_named(keylog, sotto_keylog, bool, 0444);
MODULE_PARM_DESC(keylog, "keep keys so that root can read them as Wireshark key lines (debugging only)");

static int sotto_selftest(void)
{
#ifdef CONFIG_SOTTO_SELFTEST
	return sotto_cursor_selftest() ?: sotto_chapoly_selftest() ?:
	       sotto_replay_selftest() ?: sotto_policy_selftest() ?:
	       sotto_sa_selftest() ?: sotto_spread_selftest() ?: sotto_send_selftest() ?:
	       sotto_seal_selftest() ?: sotto_open_selftest() ?:
	       sotto_seal_burst_selftest() ?: sotto_open_burst_selftest();
#else
	return 0;
#endif
}

static int __init sotto_init(void)
{
	int err;

	err = sotto_selftest();
	if (err)
		return err;
	err = sotto_seal_init();
	if (err)
		return err;
	err = sotto_sa_init();
	if (err)
		goto err_seal;
	err = sotto_tunnel_init();
	if (err)
		goto err_sa;
	err = sotto_spread_init();
	if (err)
		goto err_tunnel;
	err = sotto_netns_init();
	if (err)
		goto err_spread;
	err = sotto_guard_init();
	if (err)
		goto err_netns;
	err = sotto_netlink_init();
	if (err)
		goto err_guard;
	if (sotto_keylog)
		pr_warn("sotto: loaded with keylog=1: session keys can be read by root\n");
	return 0;

err_guard:
	sotto_guard_exit();
err_netns:
	sotto_netns_exit();
err_spread:
	sotto_spread_exit();
err_tunnel:
	sotto_tunnel_exit();
err_sa:
	sotto_sa_exit();
err_seal:
	sotto_seal_exit();
	return err;
}

static void __exit sotto_exit(void)
{
	sotto_netlink_exit();
	sotto_guard_exit();
	sotto_netns_exit();
	sotto_spread_exit();
	sotto_tunnel_exit();
	sotto_sa_exit();
	sotto_seal_exit();
}

module_init(sotto_init);
module_exit(sotto_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Sotto project");
MODULE_DESCRIPTION("IP encryption between hosts, under the transport layer");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_GENL_FAMILY("sotto");
