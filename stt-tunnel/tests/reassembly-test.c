// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of unfinished frames in userspace: frames in pieces, in any order,
 * twice, overlapping, without an end. Prints a line for each case.
 */
#include <stdio.h>

#include "../reassembly.c"
#include "../budget.c"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

unsigned long jiffies = 5;
long test_cpus = 1;
static int failed;
static u64 state = 1;
static struct stt_counters counted;
static struct stt_tunnel tunnel;
static struct stt_budget budget;
static __be16 sender;
/* Of a segment's buffer, besides its data. */
static u32 overhead = 700;

static void verdict(const char *what, bool is_right)
{
	printf("%s %s\n", is_right ? "ok" : "FAILED", what);
	failed |= !is_right;
}

static u32 draw(u32 below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(state >> 33) % below;
}

int stt_make_joinable(struct sk_buff *skb)
{
	return !skb;
}

struct sk_buff *stt_join(struct sk_buff *chain)
{
	struct sk_buff *rest = chain->next;

	for (struct sk_buff *skb = rest; skb; skb = skb->next) {
		chain->data = realloc(chain->data, chain->len + skb->len);
		memcpy(chain->data + chain->len, skb->data, skb->len);
		chain->len += skb->len;
	}
	chain->next = NULL;
	kfree_skb_list(rest);
	return chain;
}

static u8 byte_of(u32 frame, u32 offset)
{
	return (u8)(frame * 31 + offset + (offset >> 8));
}

/* Hands over a piece of a frame; true if that made the frame whole, and right. */
static bool give(u32 frame, u16 total, u16 offset, u32 length, bool *ce)
{
	struct stt_segment segment = { .total = total, .offset = offset };
	struct stt_frame_key key = { .packet_id = frame, .sport = sender };
	struct sk_buff *skb = calloc(1, sizeof(*skb));
	bool is_right = true;

	skb->len = length;
	skb->truesize = length + overhead;
	skb->data = malloc(length);
	for (u32 i = 0; i < length; i++)
		skb->data[i] = byte_of(frame, offset + i);
	skb = stt_reassemble(&tunnel, skb, &key, &segment, ce);
	if (!skb)
		return false;
	for (u32 i = 0; i < skb->len; i++)
		is_right &= skb->data[i] == byte_of(frame, i);
	is_right &= skb->len == total;
	if (!is_right)
		verdict("a frame is what it was before it was cut", false);
	kfree_skb(skb);
	return true;
}

static bool add(u32 frame, u16 total, u16 offset, u32 length)
{
	bool ce = false;

	return give(frame, total, offset, length, &ce);
}

static u32 frames_kept(void)
{
	u32 frames = 0;

	for (u32 i = 0; i < tunnel.reassembly.table_count; i++)
		frames += tunnel.reassembly.tables[i].frames;
	return frames;
}

/* Whether each table is within its bounds. */
static bool is_bounded(void)
{
	bool within = budget.taken.counter <= STT_NAMESPACE_MAX;

	for (u32 i = 0; i < tunnel.reassembly.table_count; i++) {
		const struct stt_table *table = &tunnel.reassembly.tables[i];

		within &= table->frames <= STT_FRAMES_MAX &&
			  table->share.used <=
				  stt_share_max(tunnel.reassembly.table_count);
	}
	return within;
}

static void begin(void)
{
	memset(&counted, 0, sizeof(counted));
	tunnel.counters = &counted;
	stt_init_budget(&budget, true);
	if (stt_init_reassembly(&tunnel, &budget))
		abort();
}

/* Whatever happened, nothing stays. */
static void end(void)
{
	bool is_clean;

	stt_stop_reassembly(&tunnel);
	is_clean = !frames_kept() && !budget.taken.counter &&
		   !stt_machine_taken.counter;
	for (u32 i = 0; i < tunnel.reassembly.table_count; i++)
		is_clean &= !tunnel.reassembly.tables[i].share.used &&
			    !tunnel.reassembly.tables[i].share.granted;
	if (!is_clean)
		verdict("nothing is left when the link goes down", false);
	stt_free_reassembly(&tunnel);
}

static void test_orders(void)
{
	bool all = true;

	begin();
	for (u32 frame = 0; frame < 3000; frame++) {
		u32 count = 2 + draw(40), size = 1 + draw(1400), order[42];
		u16 total = (u16)(count * size);
		u32 whole = 0;

		for (u32 i = 0; i < count; i++)
			order[i] = i;
		for (u32 i = 0; i < count; i++) {
			u32 other = draw(count), swapped = order[i];

			order[i] = order[other];
			order[other] = swapped;
		}
		for (u32 i = 0; i < count; i++) {
			whole += add(frame, total, (u16)(order[i] * size), size);
			if (i + 1 < count && !draw(4))
				add(frame, total, (u16)(order[i] * size), size);
		}
		all &= whole == 1;
	}
	verdict("frames are whole whatever the order of their pieces", all);
	verdict("each was counted", counted.reassembly_started == 3000 &&
				    counted.reassembly_completed == 3000);
	verdict("pieces that came twice were counted",
		counted.reassembly_duplicate > 1000);
	verdict("no frame stays when it was whole", !frames_kept());
	end();
}

static void test_lies(void)
{
	static const struct {
		const char *what;
		u16 total, offset, length;
	} cases[] = {
		{ "an overlap by one byte behind", 1000, 299, 100 },
		{ "an overlap by one byte in front", 1000, 150, 51 },
		{ "a piece around another", 1000, 150, 200 },
		{ "another length of the frame", 1001, 400, 100 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin();
		add(1, 1000, 200, 100);
		add(1, cases[i].total, cases[i].offset, cases[i].length);
		verdict(cases[i].what, counted.reassembly_conflict == 1 &&
				       !frames_kept());
		end();
	}
}

/* GRO may have put together what comes again in pieces. */
static void test_parts(void)
{
	begin();
	add(1, 1000, 200, 300);
	add(1, 1000, 200, 100);
	add(1, 1000, 300, 100);
	add(1, 1000, 400, 100);
	verdict("parts of a piece are known",
		counted.reassembly_duplicate == 3 && frames_kept() == 1);
	add(1, 1000, 0, 200);
	verdict("and the frame becomes whole all the same",
		add(1, 1000, 500, 500) && !counted.reassembly_conflict);
	end();
}

static void test_congestion(void)
{
	bool ce = true, unmarked = false;

	begin();
	give(1, 100, 0, 40, &ce);
	verdict("congestion of any piece is told",
		give(1, 100, 40, 60, &unmarked) && unmarked);
	end();
}

static void test_time(void)
{
	begin();
	add(1, 100, 0, 40);
	jiffies += STT_LIFETIME - 1;
	add(2, 100, 0, 40);
	tunnel.reassembly.expiry.work.run(&tunnel.reassembly.expiry.work);
	verdict("a young frame stays", frames_kept() == 2);
	jiffies++;
	tunnel.reassembly.expiry.work.run(&tunnel.reassembly.expiry.work);
	verdict("an old frame goes, and only that",
		frames_kept() == 1 && counted.reassembly_timed_out == 1);
	end();
}

static void test_floods(void)
{
	bool within = true;
	u32 whole = 0;

	begin();
	for (u32 frame = 0; frame < 20000; frame++) {
		add(frame, 60000, (u16)draw(58000), 1400);
		within &= is_bounded();
	}
	verdict("frames without an end stay few", within);
	verdict("the oldest go", counted.reassembly_evicted ==
				 20000 - STT_FRAMES_MAX);
	end();
	begin();
	for (u32 round = 0; round < 200; round++) {
		for (u32 frame = 0; frame < 100; frame++) {
			add(frame, 65000, (u16)(round * 300), 300);
			within &= is_bounded();
		}
		whole += add(1000 + round, 2000, 1000, 1000) +
			 add(1000 + round, 2000, 0, 1000);
	}
	verdict("frames of many pieces stay within the bound of bytes", within);
	verdict("good frames pass meanwhile", whole == 200);
	end();
	begin();
	for (u32 piece = 0; piece < 1000; piece++)
		add(1, 65000, (u16)(piece * 2), 1);
	verdict("a frame of countless pieces is refused",
		counted.reassembly_refused > 0 && is_bounded() &&
		budget.taken.counter < STT_PIECES_MAX * 1000 + STT_CHUNK);
	end();
}

/* From as many ports as there are. */
static void test_shares(void)
{
	static const long cpus[] = { 2, 8, 64, 128, 512 };

	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		bool within = true;
		u32 whole = 0;

		test_cpus = cpus[i];
		begin();
		for (u32 frame = 0; frame < 40000; frame++) {
			sender = (__be16)draw(1 << 16);
			add(frame, 60000, (u16)draw(58000), 1400);
			within &= is_bounded();
		}
		verdict("a flood stays within the bound whatever its ports", within);
		for (u32 frame = 0; frame < 1000; frame++) {
			sender = (__be16)draw(1 << 16);
			whole += add(50000 + frame, 2000, 1000, 1000) +
				 add(50000 + frame, 2000, 0, 1000);
		}
		verdict("and good frames pass from every one of them", whole == 1000);
		end();
	}
	sender = 0;
	test_cpus = 1;
}

/* The largest frames of several senders, each segment with a page of its own. */
static void test_crowd(void)
{
	static const long cpus[] = { 1, 8, 128 };

	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		u32 whole = 0;

		test_cpus = cpus[i];
		overhead = 4352 - 1400;
		begin();
		for (u32 offset = 0; offset < 63000; offset += 1400)
			for (u32 frame = 0; frame < 8; frame++)
				whole += add(frame, 63000, (u16)offset, 1400);
		verdict("eight of the largest frames fit at once", whole == 8);
		end();
	}
	overhead = 700;
	test_cpus = 1;
}

static void test_want(void)
{
	begin();
	budget.taken.counter = STT_NAMESPACE_MAX;
	add(1, 100, 0, 40);
	verdict("nothing is kept when the namespace has had its part",
		counted.reassembly_refused == 1 && !frames_kept());
	budget.taken.counter = 0;
	stt_machine_taken.counter = STT_MACHINE_MAX;
	add(1, 100, 0, 40);
	verdict("nothing is kept when the machine has given all",
		counted.reassembly_refused == 2 && !budget.taken.counter);
	stt_machine_taken.counter = STT_MACHINE_MAX / 2;
	add(1, 100, 0, 40);
	verdict("the first namespace can have what others may not",
		counted.reassembly_refused == 2 && frames_kept() == 1);
	stt_stop_reassembly(&tunnel);
	stt_init_budget(&budget, false);
	stt_machine_taken.counter = STT_MACHINE_MAX / 2;
	add(2, 100, 0, 40);
	verdict("other namespaces leave it half of the machine's",
		counted.reassembly_refused == 3 && !frames_kept());
	stt_machine_taken.counter = 0;
	end();
}

int main(void)
{
	test_orders();
	test_lies();
	test_parts();
	test_congestion();
	test_time();
	test_floods();
	test_shares();
	test_crowd();
	test_want();
	return failed;
}
