/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module knows of one network namespace, and who offers what. Tables
 * and hooks exist only where somebody asked for them: elsewhere the module
 * costs nothing.
 */
#ifndef BYPASS_NAMESPACE_H
#define BYPASS_NAMESPACE_H

#include <linux/atomic.h>
#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "classify.h"

struct seq_file;

struct bypass_count {
	u64 packets;
	u64 bytes;
};

struct bypass_counters {
	struct bypass_count of[BYPASS_HOOK_COUNT][BYPASS_REASON_COUNT];
};

/* The rules as they are published. */
struct bypass_config {
	struct bypass_rules rules;
	u32 generation;
};

struct bypass_memory;

/* Whether IPVS translates, and tells conntrack (if that is there) or nobody. */
enum bypass_ipvs { IPVS_ABSENT, IPVS_TELLS, IPVS_SILENT };

/* Hooks of IPv4 and IPv6: each has a bit. */
#define BYPASS_MAX_HOOKS 10

struct bypass_namespace {
	struct net *net;
	/* For those who change anything of it. */
	struct mutex lock;
	struct bypass_config __rcu *config;
	/* Counts changes of the configuration and of local addresses. */
	atomic_t epoch;
	u32 generation;
	/* Made with the first configuration, kept until the namespace ends. */
	struct bypass_counters __percpu *counters;
	struct bypass_memory *memory;
	/* What they had counted when the last mode that counts began. */
	struct bypass_counters *before;
	u32 counted_mode;
	/* As it was at `ipvs_asked` (jiffies). */
	enum bypass_ipvs ipvs;
	unsigned long ipvs_asked;
	struct nf_hook_ops hooks[BYPASS_MAX_HOOKS];
	unsigned long registered;
	unsigned long lease_end;
	struct delayed_work lease;
};

DECLARE_STATIC_KEY_FALSE(bypass_killed);

/* main.c */
struct bypass_namespace *bypass_of(const struct net *net);

/* What was found out about flows does not count any more. */
static inline void bypass_begin_epoch(struct bypass_namespace *bypass)
{
	atomic_inc_return_release(&bypass->epoch);
}

/* config.c */
int bypass_configure(struct bypass_namespace *bypass, struct bypass_config *config);
void bypass_free_config(struct bypass_config *config);
void bypass_lease_ended(struct work_struct *work);
void bypass_begin_lease(struct bypass_namespace *bypass, u32 seconds);
void bypass_end(struct bypass_namespace *bypass);

/* hooks.c */
int bypass_register_hooks(struct bypass_namespace *bypass, const struct bypass_rules *rules);
void bypass_unregister_hooks(struct bypass_namespace *bypass, const struct bypass_rules *rules);
void bypass_prepare_hooks(struct bypass_namespace *bypass);

/* counters.c */
const char *bypass_hook_name(unsigned int hook);
const char *bypass_reason_name(unsigned int reason);
struct bypass_count bypass_sum(const struct bypass_namespace *bypass,
			       unsigned int hook, unsigned int reason);
void bypass_count_from_now(struct bypass_namespace *bypass);
int bypass_show(struct seq_file *seq, void *unused);

/* netlink.c */
extern struct genl_family bypass_family;

#endif
