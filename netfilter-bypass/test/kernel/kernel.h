/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel as memory.c needs, with time and CPUs in the test's hand. */
#ifndef TEST_KERNEL_H
#define TEST_KERNEL_H

#include <stdlib.h>

#define HZ 250
#define CPUS 2
#define GFP_KERNEL 0
#define ____cacheline_aligned __attribute__((aligned(64)))
#define __percpu
#define __force
#define READ_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)

extern unsigned long jiffies;
extern int current_cpu;

#define alloc_percpu(type) ((type *)calloc(CPUS, sizeof(type)))
#define free_percpu free
#define per_cpu_ptr(pointer, cpu) (&(pointer)[cpu])
#define this_cpu_ptr(pointer) per_cpu_ptr(pointer, current_cpu)
#define for_each_possible_cpu(cpu) for (cpu = 0; cpu < CPUS; cpu++)
#define cpu_to_node(cpu) 0

#define kzalloc(size, flags) calloc(1, size)
#define kvcalloc(count, size, flags) calloc(count, size)
#define kvzalloc_node(size, flags, node) aligned_zeros(size)
#define kfree free
#define kvfree free

static inline void *aligned_zeros(size_t size)
{
	void *all = aligned_alloc(64, size);

	memset(all, 0, size);
	return all;
}

#define get_random_u64() 42
#define GOLDEN_RATIO_64 0x61C8864680B583EBull

#endif
