// SPDX-License-Identifier: GPL-2.0
/*
 * A list of the system calls that a daemon makes from now on.
 */
#include "callfilter.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP	1	/* si_code of SIGSYS */
#endif

/* The C library, libev and libsodium make these on behalf of any of our loops. */
__attribute__((unused)) static const int usual[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(pipe2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(munlock),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(futex), SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(prlimit64),
	SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* These with one of an argument's values only, unless a program lists the call. */
__attribute__((unused)) static const struct {
	int call;
	unsigned int arg;
	uint64_t mask, value;
} limited[] = {
	/* memory, not files */
	{ SCMP_SYS(mmap), 3, MAP_ANONYMOUS, MAP_ANONYMOUS },
	/* flags, not locks */
	{ SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFL },
	{ SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFL },
	{ SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFD },
	{ SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFD },
	/* the C library's fstat() */
	{ SCMP_SYS(newfstatat), 3, UINT32_MAX, AT_EMPTY_PATH },
	/* libcap, when it is loaded: modules of the name service bring it along */
	{ SCMP_SYS(prctl), 0, UINT32_MAX, PR_CAPBSET_READ },
};

/* Says which call it was; then the default action of the signal ends the process. */
static void on_sigsys(int signum, siginfo_t *si, void *context)
{
	char text[80] = "system call not permitted: ";
	char *p = text + strlen(text);
	int call = si->si_syscall, digits = 1;

	(void)context;
	for (int rest = call; rest >= 10; rest /= 10)
		digits++;
	for (int i = digits - 1; i >= 0; i--, call /= 10)
		p[i] = '0' + call % 10;
	p[digits] = '\n';
	(void)!write(STDERR_FILENO, text, p - text + digits + 1);
	signal(signum, SIG_DFL);
	raise(signum);
}

static int add(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int ret = 0;

	/* what this machine's kind lacks has a negative number, and needs no rule */
	for (size_t i = 0; !ret && i < n; i++)
		if (calls[i] >= 0)
			ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return ret == -EEXIST ? 0 : ret;
}

static bool has(const int *calls, size_t n, int call)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] == call)
			return true;
	return false;
}

static int add_limited(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(limited) / sizeof(limited[0]); i++)
		if (limited[i].call >= 0 && !has(calls, n, limited[i].call))
			ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, limited[i].call, 1,
					       SCMP_CMP(limited[i].arg, SCMP_CMP_MASKED_EQ,
							limited[i].mask, limited[i].value));
	return ret;
}

int sotto_seccomp(const int *calls, size_t n, struct sotto_errmsg *err)
{
#ifdef SOTTO_DEBUG
	/* the sanitizers make calls of their own, when they have found something */
	(void)add;
	(void)has;
	(void)add_limited;
	(void)on_sigsys;
	(void)calls;
	(void)n;
	(void)err;
	return 0;
#else
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int ret = -ENOMEM;

	if (ctx)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!ret)
		ret = add(ctx, usual, sizeof(usual) / sizeof(usual[0]));
	if (!ret)
		ret = add(ctx, calls, n);
	if (!ret)
		ret = add_limited(ctx, calls, n);
	if (!ret && sigaction(SIGSYS, &sa, NULL))
		ret = -errno;
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	if (!ret)
		return 0;
	errno = -ret;
	return sotto_err_errno(err, "cannot limit system calls");
#endif
}
