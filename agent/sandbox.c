// SPDX-License-Identifier: GPL-2.0
/*
 * What the agent gives up once it has opened what it needs.
 */
#include "sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../tools/lib/callfilter.h"

#define CAP_WORDS	2	/* _LINUX_CAPABILITY_VERSION_3 */

void sandbox_limits(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	/* without CAP_IPC_LOCK every later allocation counts against this */
	setrlimit(RLIMIT_MEMLOCK, &all);
}

/* What an exec could bring back; there is none, but a hole could make one. */
static int drop_bounding(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (cap == CAP_NET_ADMIN)
			continue;
		/* EPERM: it was started without CAP_SETPCAP, with less anyway */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EPERM)
			return -1;
	}
	return 0;
}

static int keep_net_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS] = {
		[0] = { .effective = 1u << CAP_NET_ADMIN,
			.permitted = 1u << CAP_NET_ADMIN },
	};

	return syscall(SYS_capset, &head, data);
}

static const int calls[] = {
	/* control flow, netlink, local socket */
	SCMP_SYS(socket), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(accept4),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(shutdown),
	/* policy, peers and identity are kept; the configuration is read again */
	SCMP_SYS(openat), SCMP_SYS(fcntl), SCMP_SYS(mmap),
	SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fchmod),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(flock),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(umask), SCMP_SYS(getdents64),
	/* into the background */
	SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(chdir),
	/* the thread that looks names up, and the modules that this loads */
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(pread64), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(ioctl), SCMP_SYS(sendmmsg),
};

int sandbox_enter(struct sotto_errmsg *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return sotto_err_errno(err, "cannot forbid new privileges");
	if (drop_bounding())
		return sotto_err_errno(err, "cannot limit capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return sotto_err_errno(err, "cannot clear ambient capabilities");
	if (keep_net_admin())
		return sotto_err_errno(err, "cannot drop capabilities");
	return sotto_seccomp(calls, sizeof(calls) / sizeof(calls[0]), err);
}
