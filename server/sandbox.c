// SPDX-License-Identifier: GPL-2.0
/*
 * Once bound and opened, the server needs no capability: it gives up all of
 * them, for itself and for anything it could ever execute.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "authd.h"

/* The bounding set can only be lowered with CAP_SETPCAP; without it, it is moot. */
static void drop_bounding(void)
{
	int cap;

	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno == EPERM)
			return;
}

int sandbox_enter(struct sotto_errmsg *err)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };

	drop_bounding();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return sotto_err_errno(err, "no_new_privs");
	if (syscall(SYS_capset, &hdr, none))
		return sotto_err_errno(err, "capset");
	return 0;
}
