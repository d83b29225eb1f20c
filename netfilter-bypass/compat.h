/* SPDX-License-Identifier: GPL-2.0 */
/* What kernels differ in. */
#ifndef BYPASS_COMPAT_H
#define BYPASS_COMPAT_H

#include <linux/kconfig.h>

/*
 * Whether code with softirqs disabled has its CPU's data to itself. Under
 * PREEMPT_RT a lock gives it that, which can be left out since Linux 6.18
 * (kernel/softirq.c); older ones do not say that they have it.
 */
#define BYPASS_CPU_IS_OURS \
	(!IS_ENABLED(CONFIG_PREEMPT_RT) || IS_ENABLED(CONFIG_PREEMPT_RT_NEEDS_BH_LOCK))

#endif
