// SPDX-License-Identifier: GPL-2.0
/* What happened to packets, by hook and reason; for people in /proc/net. */
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>

#include "namespace.h"

/* They are read while other CPUs write them. */
#ifndef CONFIG_64BIT
#error "podwire_bypass is for kernels of 64 bits"
#endif

#define NAME(name, text) text,

static const char * const hook_names[] = { BYPASS_HOOKS(NAME) };
static const char * const reason_names[] = { BYPASS_REASONS(NAME) };
static const char * const mode_names[] = { "off", "observe", "untrack", "bypass" };

const char *bypass_hook_name(unsigned int hook)
{
	return hook_names[hook];
}

const char *bypass_reason_name(unsigned int reason)
{
	return reason_names[reason];
}

static struct bypass_count total(const struct bypass_namespace *bypass,
				 unsigned int hook, unsigned int reason)
{
	struct bypass_count sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct bypass_count *one =
			&per_cpu_ptr(bypass->counters, cpu)->of[hook][reason];

		sum.packets += READ_ONCE(one->packets);
		sum.bytes += READ_ONCE(one->bytes);
	}
	return sum;
}

/* Since another mode that counts was set; off counts nothing and changes nothing. */
struct bypass_count bypass_sum(const struct bypass_namespace *bypass,
			       unsigned int hook, unsigned int reason)
{
	struct bypass_count sum = {};
	const struct bypass_count *before;

	if (!bypass->counters || !bypass->before)
		return sum;
	sum = total(bypass, hook, reason);
	before = &bypass->before->of[hook][reason];
	sum.packets -= before->packets;
	sum.bytes -= before->bytes;
	return sum;
}

/* Under the lock. Other CPUs add to the counters, so they are not cleared. */
void bypass_count_from_now(struct bypass_namespace *bypass)
{
	unsigned int hook, reason;

	for (hook = 0; hook < BYPASS_HOOK_COUNT; hook++) {
		for (reason = 0; reason < BYPASS_REASON_COUNT; reason++)
			bypass->before->of[hook][reason] = total(bypass, hook, reason);
	}
}

int bypass_show(struct seq_file *seq, void *unused)
{
	struct bypass_namespace *bypass = bypass_of(seq_file_single_net(seq));
	const struct bypass_config *config;
	unsigned int hook, reason;

	mutex_lock(&bypass->lock);
	config = rcu_dereference_protected(bypass->config, lockdep_is_held(&bypass->lock));
	seq_printf(seq, "mode %s%s\n", mode_names[config ? config->rules.mode : 0],
		   static_key_enabled(&bypass_killed) ? " (disabled for all)" : "");
	seq_puts(seq, "hook reason packets bytes\n");
	for (hook = 0; hook < BYPASS_HOOK_COUNT; hook++) {
		for (reason = 0; reason < BYPASS_REASON_COUNT; reason++) {
			struct bypass_count sum = bypass_sum(bypass, hook, reason);

			if (sum.packets > 0)
				seq_printf(seq, "%s %s %llu %llu\n", hook_names[hook],
					   reason_names[reason], sum.packets, sum.bytes);
		}
	}
	mutex_unlock(&bypass->lock);
	return 0;
}
