/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What x86's cipher glue lacks in User Mode Linux. Care for the vector registers is
 * not among it: that kernel is an ordinary process of the host. The registers of the
 * guest's programs are in other processes, and the host saves those of the kernel
 * itself around each signal, which is all that can interrupt it. So they are free to
 * use in any context, softirqs included, and its kernel_fpu_begin() is empty.
 */
#ifndef _SOTTO_BENCH_FPU_H
#define _SOTTO_BENCH_FPU_H

#ifndef __ASSEMBLY__
#include <linux/preempt.h>
#include <asm/cpufeature.h>
#include <asm/cpu_device_id.h>

#define cpu_has_xfeatures(mask, name)	true
#define x86_match_cpu(table)		boot_cpu_has((table)->feature)
#define x86_model			cache_alignment	/* struct cpuinfo_um has no model */
#endif

#endif /* _SOTTO_BENCH_FPU_H */
