// SPDX-License-Identifier: GPL-2.0
/* A table for each CPU, and one of marks for all; both of a fixed size. */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "memory.h"

#define ENTRIES 1024
#define MARKS 8192

struct bypass_memory {
	u64 seed;
	unsigned long *marks;
	struct bypass_entry * __percpu *entries;
};

/*
 * Two multiplications instead of jhash(), for each packet: who finds flows that
 * collide makes them ask conntrack, as they did without all this.
 */
static u32 hash_of(const struct bypass_memory *memory, const struct bypass_flow *flow)
{
	u32 ports = (__force u32)flow->source_port << 16 | (__force u32)flow->destination_port;
	u64 source = flow->source.high * GOLDEN_RATIO_64 + flow->source.low;
	u64 destination = flow->destination.high * GOLDEN_RATIO_64 + flow->destination.low;

	return ((source ^ memory->seed) * GOLDEN_RATIO_64 + (destination << 32 | ports)) *
	       GOLDEN_RATIO_64 >> 32;
}

static struct bypass_entry *entry_of(struct bypass_memory *memory, u32 hash)
{
	return *this_cpu_ptr(memory->entries) + hash % ENTRIES;
}

static unsigned long *mark_of(struct bypass_memory *memory, u32 hash)
{
	return &memory->marks[(hash >> 16 ^ hash) % MARKS];
}

void bypass_mark(struct bypass_memory *memory, const struct bypass_flow *flow)
{
	unsigned long *mark = mark_of(memory, hash_of(memory, flow));

	unsigned long now = jiffies;

	/* Others read it with each packet. */
	if (READ_ONCE(*mark) != now)
		WRITE_ONCE(*mark, now);
}

void bypass_mark_all(struct bypass_memory *memory)
{
	int i;

	for (i = 0; i < MARKS; i++)
		WRITE_ONCE(memory->marks[i], jiffies);
}

struct bypass_entry *bypass_recall(struct bypass_memory *memory,
				   const struct bypass_flow *flow, u32 epoch)
{
	u32 hash = hash_of(memory, flow);
	struct bypass_entry *entry = entry_of(memory, hash);

	if (!bypass_is_same(&entry->flow, flow) || entry->epoch != epoch)
		return NULL;
	if (time_after_eq(jiffies, entry->asked + HZ))
		return NULL;
	if (!time_after(entry->asked, READ_ONCE(*mark_of(memory, hash)) + HZ))
		return NULL;
	return entry;
}

struct bypass_entry *bypass_remember(struct bypass_memory *memory,
				     const struct bypass_flow *flow, u32 epoch,
				     unsigned long asked, enum bypass_reason reason)
{
	struct bypass_entry *entry = entry_of(memory, hash_of(memory, flow));

	entry->flow = *flow;
	entry->asked = asked;
	entry->epoch = epoch;
	entry->reason = reason;
	bypass_drop_route(&entry->route);
	return entry;
}

void bypass_forget(struct bypass_memory *memory, const struct bypass_flow *flow)
{
	struct bypass_entry *entry = entry_of(memory, hash_of(memory, flow));

	if (!bypass_is_same(&entry->flow, flow))
		return;
	entry->flow.family = 0;
	bypass_drop_route(&entry->route);
}

struct bypass_memory *bypass_make_memory(void)
{
	struct bypass_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	int cpu;

	if (!memory)
		return NULL;
	memory->seed = get_random_u64();
	memory->marks = kvcalloc(MARKS, sizeof(*memory->marks), GFP_KERNEL);
	memory->entries = alloc_percpu(struct bypass_entry *);
	if (!memory->marks || !memory->entries)
		goto failed;
	for_each_possible_cpu(cpu) {
		struct bypass_entry *entries;

		entries = kvzalloc_node(ENTRIES * sizeof(*entries), GFP_KERNEL,
					cpu_to_node(cpu));
		if (!entries)
			goto failed;
		*per_cpu_ptr(memory->entries, cpu) = entries;
	}
	bypass_mark_all(memory);
	return memory;
failed:
	bypass_free_memory(memory);
	return NULL;
}

static void free_entries(struct bypass_entry *entries)
{
	int i;

	for (i = 0; entries && i < ENTRIES; i++)
		bypass_drop_route(&entries[i].route);
	kvfree(entries);
}

void bypass_free_memory(struct bypass_memory *memory)
{
	int cpu;

	if (!memory)
		return;
	if (memory->entries) {
		for_each_possible_cpu(cpu)
			free_entries(*per_cpu_ptr(memory->entries, cpu));
	}
	free_percpu(memory->entries);
	kvfree(memory->marks);
	kfree(memory);
}
