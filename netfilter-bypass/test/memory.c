// SPDX-License-Identifier: GPL-2.0
/*
 * What is remembered of flows, and for how long: the time and the CPU are the
 * test's. Above all, that nothing is believed which conntrack may know better.
 */
#include <stdio.h>

#include "../classify.h"
#include "kernel/kernel.h"
#include "../memory.c"

unsigned long jiffies;
int current_cpu;

static int failed, total;

static void expect(const char *what, bool seen)
{
	total++;
	failed += !seen;
	if (!seen)
		printf("%s\n", what);
}

static struct bypass_flow flow_of(u32 number)
{
	return (struct bypass_flow){
		.source = { 0, 0x0af40102 }, .destination = { 0, 0x0af40203 },
		.source_port = number, .destination_port = 80, .protocol = 17, .family = 4,
	};
}

static bool knows(struct bypass_memory *memory, const struct bypass_flow *flow, u32 epoch)
{
	struct bypass_entry *entry = bypass_recall(memory, flow, epoch);

	return entry && entry->reason == BYPASS_POD;
}

static int dropped;

void bypass_drop_route(struct bypass_route *route)
{
	dropped += !!route->dst;
	route->dst = NULL;
}

static void test_one(unsigned long start)
{
	struct bypass_memory *memory;
	struct bypass_flow flow = flow_of(1), other = flow_of(2), leaving = flow_of(1);

	jiffies = start;
	memory = bypass_make_memory();
	bypass_remember(memory, &flow, 7, jiffies, BYPASS_POD);
	expect("nothing is believed just after the beginning", !knows(memory, &flow, 7));
	jiffies += HZ + 1;
	expect("an entry from then is not either, later", !knows(memory, &flow, 7));
	bypass_remember(memory, &flow, 7, jiffies, BYPASS_POD);
	expect("after a second it is", knows(memory, &flow, 7));
	expect("but no other flow", !knows(memory, &other, 7));
	leaving.is_leaving = 1;
	expect("nor the same one in the other way", !knows(memory, &leaving, 7));
	expect("nor in another epoch", !knows(memory, &flow, 8));
	current_cpu = 1;
	expect("nor on another CPU", !knows(memory, &flow, 7));
	bypass_remember(memory, &flow, 7, jiffies, BYPASS_POD);
	expect("which remembers by itself", knows(memory, &flow, 7));
	current_cpu = 0;
	jiffies += HZ - 1;
	expect("for a second", knows(memory, &flow, 7));
	jiffies += 1;
	expect("and no longer", !knows(memory, &flow, 7));
	bypass_remember(memory, &flow, 7, jiffies, BYPASS_POD);
	bypass_forget(memory, &flow);
	expect("what is forgotten is not believed", !knows(memory, &flow, 7));
	bypass_free_memory(memory);
}

/*
 * An entry of conntrack appears: the mark is made at `marked`, the entry is there
 * at `present`. A CPU asked at `asked` and was told what was true then. If it was
 * told "none", it must not believe that once an answer can come, which is after
 * `present`.
 */
static void test_race(unsigned long start)
{
	const long steps[] = { -HZ - 1, -HZ, -HZ / 2, -1, 0, 1, HZ / 2, HZ - 1 };
	const long delays[] = { 0, 1, HZ / 2, HZ - 1 };
	struct bypass_flow flow = flow_of(3);
	int wrong = 0, cases = 0;
	size_t i, j;
	long later;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (j = 0; j < sizeof(delays) / sizeof(delays[0]); j++) {
			unsigned long marked = start + 10 * HZ, present = marked + delays[j];
			unsigned long asked = marked + steps[i];
			struct bypass_memory *memory;

			/* Told otherwise: nothing is remembered. */
			if (time_after(asked, present))
				continue;
			jiffies = start;
			memory = bypass_make_memory();
			if (time_after(marked, asked)) {
				jiffies = asked;
				bypass_remember(memory, &flow, 1, asked, BYPASS_POD);
			}
			jiffies = marked;
			bypass_mark(memory, &flow);
			if (!time_after(marked, asked)) {
				jiffies = asked;
				bypass_remember(memory, &flow, 1, asked, BYPASS_POD);
			}
			for (later = 0; later < 3 * HZ; later++) {
				jiffies = present + later;
				wrong += knows(memory, &flow, 1);
				cases++;
			}
			bypass_free_memory(memory);
		}
	}
	expect("no CPU believes in none when there is an entry", wrong == 0 && cases > 10000);
}

/* Flows that fall on one place of the table or of the marks only cost time. */
static void test_many(void)
{
	struct bypass_memory *memory;
	u32 number, wrong = 0, known = 0;

	jiffies = 0;
	memory = bypass_make_memory();
	jiffies = 2 * HZ;
	for (number = 0; number < 5000; number++) {
		struct bypass_flow flow = flow_of(number);

		bypass_remember(memory, &flow, 1, jiffies, number % 2 ? BYPASS_POD : BYPASS_TUNNEL);
	}
	for (number = 0; number < 5000; number++) {
		struct bypass_flow flow = flow_of(number);
		struct bypass_entry *entry = bypass_recall(memory, &flow, 1);

		wrong += entry && entry->reason != (number % 2 ? BYPASS_POD : BYPASS_TUNNEL);
		known += !!entry;
	}
	expect("no flow is taken for another", wrong == 0);
	expect("the table is used", known > 100 && known <= ENTRIES);
	bypass_free_memory(memory);
}

/* A route is held by one entry, and let go of once. */
static void test_routes(void)
{
	struct bypass_memory *memory;
	struct bypass_flow flow = flow_of(1), other = flow_of(2);
	struct bypass_entry *entry;

	jiffies = 0;
	memory = bypass_make_memory();
	jiffies = 2 * HZ;
	dropped = 0;
	entry = bypass_remember(memory, &flow, 1, jiffies, BYPASS_POD);
	entry->route.dst = (struct dst_entry *)&flow;
	expect("a route stays with its flow", bypass_recall(memory, &flow, 1) == entry &&
					       entry->route.dst && !dropped);
	entry = bypass_remember(memory, &flow, 1, jiffies, BYPASS_POD);
	expect("until that is asked about again", dropped == 1 && !entry->route.dst);
	entry->route.dst = (struct dst_entry *)&flow;
	bypass_forget(memory, &other);
	bypass_forget(memory, &flow);
	expect("or forgotten", dropped == 2 && !entry->route.dst);
	bypass_remember(memory, &flow, 1, jiffies, BYPASS_POD)->route.dst =
		(struct dst_entry *)&flow;
	current_cpu = 1;
	bypass_remember(memory, &flow, 1, jiffies, BYPASS_POD)->route.dst =
		(struct dst_entry *)&flow;
	current_cpu = 0;
	bypass_free_memory(memory);
	expect("none is left", dropped == 4);
}

int main(void)
{
	/* Also where jiffies begin again, as in each kernel some minutes after its start. */
	const unsigned long starts[] = { 0, 1000000, -5UL * HZ, -10UL * HZ, -11UL * HZ, 1UL << 63 };
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		test_one(starts[i]);
		test_race(starts[i]);
	}
	test_many();
	test_routes();
	printf("%d passed, %d failed\n", total - failed, failed);
	return failed > 0;
}
