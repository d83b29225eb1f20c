/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Remembers, per CPU and for a second at most, flows that were found free to be
 * bypassed, so that not every packet asks conntrack.
 *
 * An entry of conntrack for such a flow may appear at any moment. Its first
 * packet went through POST_ROUTING of this namespace before that, where it
 * leaves the time in the mark of every flow that hashes to the same place. What
 * was remembered before the mark, or less than a second after it, does not
 * count. The second is for the time between the mark and the entry's appearance,
 * an instant later on the same CPU.
 */
#ifndef BYPASS_MEMORY_H
#define BYPASS_MEMORY_H

#include "classify.h"
#include "route.h"

/* 0 in a build that asks for each packet, to see what this is worth. */
#ifndef BYPASS_REMEMBERS
#define BYPASS_REMEMBERS 1
#endif

struct bypass_memory *bypass_make_memory(void);
void bypass_free_memory(struct bypass_memory *memory);

/* As if every flow had been seen by conntrack just now. */
void bypass_mark_all(struct bypass_memory *memory);
void bypass_mark(struct bypass_memory *memory, const struct bypass_flow *flow);

/* This CPU's, which nobody else looks at. */
struct bypass_entry {
	struct bypass_flow flow;
	unsigned long asked;
	u32 epoch;
	/* POD or TUNNEL */
	u8 reason;
	/* For the caller: the device that it was judged for, and by which it was routed. */
	int in;
	/* Dropped with what is remembered. */
	struct bypass_route route;
} ____cacheline_aligned;

/* NULL if the flow is not remembered. */
struct bypass_entry *bypass_recall(struct bypass_memory *memory,
				   const struct bypass_flow *flow, u32 epoch);
/* `asked` is the time (jiffies) before the questions were asked. */
struct bypass_entry *bypass_remember(struct bypass_memory *memory,
				     const struct bypass_flow *flow, u32 epoch,
				     unsigned long asked, enum bypass_reason reason);
void bypass_forget(struct bypass_memory *memory, const struct bypass_flow *flow);

#endif
