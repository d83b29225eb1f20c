// SPDX-License-Identifier: GPL-2.0
/*
 * A namespace's configuration, replaced as a whole. Hooks come before the rules
 * that need them and go after them, so that no packet meets one without the
 * other: a flow that slipped through in between would be conntrack's for good.
 */
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "memory.h"
#include "namespace.h"

static void free_addresses(struct bypass_addresses *set)
{
	kvfree(set->ranges4);
	kvfree(set->ranges6);
}

void bypass_free_config(struct bypass_config *config)
{
	if (!config)
		return;
	free_addresses(&config->rules.pods);
	free_addresses(&config->rules.excluded);
	free_addresses(&config->rules.node);
	free_addresses(&config->rules.peers);
	kfree(config);
}

static int make_tables(struct bypass_namespace *bypass)
{
	if (!bypass->counters)
		bypass->counters = alloc_percpu(struct bypass_counters);
	if (!bypass->before)
		bypass->before = kzalloc(sizeof(*bypass->before), GFP_KERNEL);
	if (!bypass->memory)
		bypass->memory = bypass_make_memory();
	return bypass->counters && bypass->before && bypass->memory ? 0 : -ENOMEM;
}

static u32 mode_of(const struct bypass_config *config)
{
	return config ? config->rules.mode : PODWIRE_BYPASS_OFF;
}

/*
 * What one mode did is not to be taken for another's. Off counts nothing, so
 * what there was can still be read. No packet is under way by the old mode.
 */
static void count_by_mode(struct bypass_namespace *bypass, u32 mode)
{
	if (mode == PODWIRE_BYPASS_OFF || mode == bypass->counted_mode)
		return;
	bypass_count_from_now(bypass);
	bypass->counted_mode = mode;
}

/* Takes `config`, under the lock. If it fails, all is as it was. */
int bypass_configure(struct bypass_namespace *bypass, struct bypass_config *config)
{
	struct bypass_config *old = rcu_dereference_protected(bypass->config,
							      lockdep_is_held(&bypass->lock));
	int result = mode_of(config) == PODWIRE_BYPASS_OFF ? 0 : make_tables(bypass);

	if (!result)
		result = bypass_register_hooks(bypass, &config->rules);
	if (result) {
		bypass_unregister_hooks(bypass, old ? &old->rules : NULL);
		synchronize_net();
		bypass_free_config(config);
		return result;
	}
	/* Flows that passed while no hook watched for them, or not for pods like theirs. */
	if (bypass->memory)
		bypass_mark_all(bypass->memory);
	config->generation = ++bypass->generation;
	rcu_assign_pointer(bypass->config, config);
	bypass_begin_epoch(bypass);
	bypass_unregister_hooks(bypass, &config->rules);
	bypass_begin_lease(bypass, config->rules.lease);
	synchronize_net();
	count_by_mode(bypass, mode_of(config));
	bypass_free_config(old);
	return 0;
}

/* Under the lock. */
void bypass_begin_lease(struct bypass_namespace *bypass, u32 seconds)
{
	/* One that just ran out finds that the lease was renewed. */
	cancel_delayed_work(&bypass->lease);
	if (seconds == 0)
		return;
	bypass->lease_end = jiffies + seconds * HZ;
	schedule_delayed_work(&bypass->lease, seconds * HZ);
}

void bypass_lease_ended(struct work_struct *work)
{
	struct bypass_namespace *bypass = container_of(to_delayed_work(work),
						       struct bypass_namespace, lease);
	struct bypass_config *config, *off;

	mutex_lock(&bypass->lock);
	config = rcu_dereference_protected(bypass->config, lockdep_is_held(&bypass->lock));
	if (config && config->rules.mode != PODWIRE_BYPASS_OFF && config->rules.lease > 0 &&
	    time_after_eq(jiffies, bypass->lease_end)) {
		pr_info("podwire_bypass: nobody renewed the lease of %u s, switched off\n",
			config->rules.lease);
		off = kzalloc(sizeof(*off), GFP_KERNEL);
		if (!off || bypass_configure(bypass, off))
			schedule_delayed_work(&bypass->lease, HZ);
	}
	mutex_unlock(&bypass->lock);
}

/* When the namespace or the module ends. Nobody else is left. */
void bypass_end(struct bypass_namespace *bypass)
{
	cancel_delayed_work_sync(&bypass->lease);
	/* Waiting is slow, and most namespaces were never configured. */
	if (!rcu_access_pointer(bypass->config) && !bypass->counters && !bypass->before &&
	    !bypass->memory)
		return;
	bypass_unregister_hooks(bypass, NULL);
	synchronize_net();
	bypass_free_config(rcu_dereference_protected(bypass->config, true));
	RCU_INIT_POINTER(bypass->config, NULL);
	bypass_free_memory(bypass->memory);
	kfree(bypass->before);
	free_percpu(bypass->counters);
}
