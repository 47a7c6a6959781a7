// SPDX-License-Identifier: GPL-2.0
/*
 * Once bound and opened, the server needs no capability: it gives up all of
 * them, for itself and for anything it could ever execute.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "authd.h"
#include "callfilter.h"

#include <seccomp.h>	/* behind libev, whose names it would take */

/* The bounding set can only be lowered with CAP_SETPCAP; without it, it is moot. */
static void drop_bounding(void)
{
	int cap;

	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno == EPERM)
			return;
}

static int drop_all(struct sotto_errmsg *err)
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

int sandbox_thread(struct sotto_errmsg *err)
{
	return drop_all(err);
}

/* Sockets that are there; no files. */
static const int server_calls[] = {
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(shutdown),
	SCMP_SYS(wait4),	/* libev, when one of the others ends */
};

int sandbox_enter(struct sotto_errmsg *err)
{
	int rc;

	/* what libraries would read a file for at their first use */
	tzset();
	json_object_seed(0);
	rc = drop_all(err);
	return rc ? rc : sotto_seccomp(server_calls, sizeof(server_calls) /
				       sizeof(server_calls[0]), err);
}

static const int keeper_calls[] = {
	SCMP_SYS(recvfrom), SCMP_SYS(sendto),
};

int sandbox_keeper(struct sotto_errmsg *err)
{
	int rc;

	tzset();
	rc = drop_all(err);
	return rc ? rc : sotto_seccomp(keeper_calls, sizeof(keeper_calls) /
				       sizeof(keeper_calls[0]), err);
}

/* The database's files, which are open; SQLite looks at their names, too, and
 * removes its log at the end.
 */
static const int storage_calls[] = {
	SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(fcntl), SCMP_SYS(mmap), SCMP_SYS(newfstatat),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(unlink),
};

int sandbox_storage(struct sotto_errmsg *err)
{
	int rc;

	tzset();
	json_object_seed(0);
	rc = drop_all(err);
	return rc ? rc : sotto_seccomp(storage_calls, sizeof(storage_calls) /
				       sizeof(storage_calls[0]), err);
}
