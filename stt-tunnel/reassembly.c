// SPDX-License-Identifier: GPL-2.0
/*
 * Oldest frames go first, whether for their age or for want of room, so that
 * a flood of segments that never make a frame costs others nothing but the
 * time in which their own frames must be complete.
 */
#include <linux/cpumask.h>
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "join.h"
#include "tunnel.h"

/* Each has room for a dozen of the largest frames, in segments of an MTU: see budget.c. */
#define STT_TABLES_MAX		16
#define STT_BUCKETS		64
#define STT_FRAMES_MAX		256
/* Enough for the largest frame over a path of 576 bytes, twice. */
#define STT_PIECES_MAX		256
/* A frame's segments leave their sender in one go. */
#define STT_LIFETIME		HZ

struct stt_frame {
	struct hlist_node bucket;
	struct list_head age;
	struct stt_frame_key key;
	unsigned long born;
	long bytes;
	/* Sorted by offset, linked by ->next. */
	struct sk_buff *first;
	struct sk_buff *last;
	u16 total;
	u16 received;
	u16 pieces;
	bool ce;
};

struct stt_table {
	/* Of all that is here. */
	spinlock_t lock;
	struct hlist_head buckets[STT_BUCKETS];
	struct list_head by_age;
	u32 frames;
	struct stt_share share;
};

struct stt_piece {
	u16 offset;
};

static struct stt_piece *stt_piece(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct stt_piece) > sizeof(skb->cb));
	return (struct stt_piece *)skb->cb;
}

static u32 stt_end_of_piece(struct sk_buff *skb)
{
	return stt_piece(skb)->offset + skb->len;
}

static u32 stt_hash_of_sender(const struct stt_frame_key *key)
{
	static u32 seed __read_mostly;

	net_get_random_once(&seed, sizeof(seed));
	BUILD_BUG_ON(offsetof(struct stt_frame_key, packet_id) % sizeof(u32));
	return jhash2((const u32 *)key,
		      offsetof(struct stt_frame_key, packet_id) / sizeof(u32),
		      seed);
}

/* @sender: the hash of the same key's sender. */
static u32 stt_hash_of_frame(const struct stt_frame_key *key, u32 sender)
{
	return jhash_1word((__force u32)key->packet_id, sender);
}

static struct hlist_head *stt_bucket(struct stt_table *table, u32 hash)
{
	return &table->buckets[hash % STT_BUCKETS];
}

/* Takes the frame out of the table; its buffers are the caller's. */
static struct sk_buff *stt_forget(struct stt_reassembly *reassembly,
				  struct stt_table *table,
				  struct stt_frame *frame)
{
	struct sk_buff *chain = frame->first;

	hlist_del(&frame->bucket);
	list_del(&frame->age);
	table->frames--;
	stt_give_back(reassembly->budget, &table->share, frame->bytes);
	kfree(frame);
	return chain;
}

static void stt_drop(struct stt_reassembly *reassembly,
		     struct stt_table *table, struct stt_frame *frame)
{
	kfree_skb_list(stt_forget(reassembly, table, frame));
}

/* False if there is nothing to evict. */
static bool stt_evict(struct stt_tunnel *tunnel, struct stt_table *table,
		      const struct stt_frame *spared)
{
	struct stt_frame *oldest;

	list_for_each_entry(oldest, &table->by_age, age) {
		if (oldest == spared)
			continue;
		this_cpu_inc(tunnel->counters->reassembly_evicted);
		stt_drop(&tunnel->reassembly, table, oldest);
		return true;
	}
	return false;
}

static bool stt_make_room(struct stt_tunnel *tunnel, struct stt_table *table,
			  const struct stt_frame *spared, long bytes)
{
	while (!stt_spend(tunnel->reassembly.budget, &table->share,
			  tunnel->reassembly.table_count, bytes))
		if (!stt_evict(tunnel, table, spared))
			return false;
	return true;
}

static struct stt_frame *stt_find(struct stt_table *table,
				  const struct stt_frame_key *key, u32 hash)
{
	struct stt_frame *frame;

	hlist_for_each_entry(frame, stt_bucket(table, hash), bucket)
		if (!memcmp(&frame->key, key, sizeof(*key)))
			return frame;
	return NULL;
}

static struct stt_frame *stt_begin(struct stt_tunnel *tunnel,
				   struct stt_table *table,
				   const struct stt_frame_key *key, u32 hash,
				   u16 total)
{
	struct stt_frame *frame;

	if (table->frames >= STT_FRAMES_MAX)
		stt_evict(tunnel, table, NULL);
	if (!stt_make_room(tunnel, table, NULL, sizeof(*frame)))
		return NULL;
	frame = kzalloc(sizeof(*frame), GFP_ATOMIC);
	if (!frame) {
		stt_give_back(tunnel->reassembly.budget, &table->share,
			      sizeof(*frame));
		return NULL;
	}
	frame->key = *key;
	frame->total = total;
	frame->born = jiffies;
	frame->bytes = sizeof(*frame);
	hlist_add_head(&frame->bucket, stt_bucket(table, hash));
	list_add_tail(&frame->age, &table->by_age);
	table->frames++;
	this_cpu_inc(tunnel->counters->reassembly_started);
	if (!delayed_work_pending(&tunnel->reassembly.expiry))
		schedule_delayed_work(&tunnel->reassembly.expiry, STT_LIFETIME);
	return frame;
}

enum stt_fit { STT_FITS, STT_DUPLICATE, STT_CONFLICT };

/* Where @skb goes: behind @before, or first if that is NULL. */
static enum stt_fit stt_find_place(const struct stt_frame *frame,
				   struct sk_buff *skb,
				   struct sk_buff **before)
{
	u32 offset = stt_piece(skb)->offset;
	struct sk_buff *next = frame->first;
	struct sk_buff *previous = NULL;

	/* Segments rarely overtake each other. */
	if (frame->last && stt_end_of_piece(frame->last) <= offset) {
		previous = frame->last;
		next = NULL;
	}
	while (next && stt_end_of_piece(next) <= offset) {
		previous = next;
		next = next->next;
	}
	/* What came first may be several segments that GRO put together. */
	if (next && stt_piece(next)->offset < stt_end_of_piece(skb))
		return stt_piece(next)->offset <= offset &&
		       stt_end_of_piece(next) >= stt_end_of_piece(skb) ?
		       STT_DUPLICATE : STT_CONFLICT;
	*before = previous;
	return STT_FITS;
}

static void stt_insert(struct stt_frame *frame, struct sk_buff *skb,
		       struct sk_buff *before)
{
	struct sk_buff **link = before ? &before->next : &frame->first;

	skb->next = *link;
	*link = skb;
	if (!skb->next)
		frame->last = skb;
	frame->received += skb->len;
	frame->pieces++;
}

/* What it was on its way here would outlive the path it came by. */
static void stt_strip(struct sk_buff *skb)
{
	skb_scrub_packet(skb, false);
	skb->dev = NULL;
	skb->ip_summed = CHECKSUM_NONE;
	if (skb_is_gso(skb))
		skb_gso_reset(skb);
}

static struct sk_buff *stt_queue(struct stt_tunnel *tunnel,
				 struct stt_table *table, struct sk_buff *skb,
				 const struct stt_frame_key *key, u32 hash,
				 const struct stt_segment *segment, bool *ce)
{
	struct stt_frame *frame = stt_find(table, key, hash);
	struct sk_buff *before = NULL;
	long bytes = skb->truesize;
	enum stt_fit fit;

	if (!frame) {
		frame = stt_begin(tunnel, table, key, hash, segment->total);
		if (!frame)
			goto refused;
	}
	fit = frame->total == segment->total ?
	      stt_find_place(frame, skb, &before) : STT_CONFLICT;
	if (fit == STT_DUPLICATE) {
		this_cpu_inc(tunnel->counters->reassembly_duplicate);
		goto drop;
	}
	if (fit == STT_CONFLICT) {
		/* Which of them lies cannot be known. */
		this_cpu_inc(tunnel->counters->reassembly_conflict);
		stt_drop(&tunnel->reassembly, table, frame);
		goto drop;
	}
	if (frame->pieces >= STT_PIECES_MAX ||
	    !stt_make_room(tunnel, table, frame, bytes)) {
		stt_drop(&tunnel->reassembly, table, frame);
		goto refused;
	}
	frame->bytes += bytes;
	frame->ce |= *ce;
	stt_insert(frame, skb, before);
	if (frame->received < frame->total)
		return NULL;
	*ce = frame->ce;
	this_cpu_inc(tunnel->counters->reassembly_completed);
	return stt_forget(&tunnel->reassembly, table, frame);

refused:
	this_cpu_inc(tunnel->counters->reassembly_refused);
drop:
	kfree_skb(skb);
	return NULL;
}

struct sk_buff *stt_reassemble(struct stt_tunnel *tunnel, struct sk_buff *skb,
			       const struct stt_frame_key *key,
			       const struct stt_segment *segment, bool *ce)
{
	struct stt_reassembly *reassembly = &tunnel->reassembly;
	u32 sender = stt_hash_of_sender(key);
	struct stt_table *table =
		&reassembly->tables[sender & (reassembly->table_count - 1)];
	struct sk_buff *chain;

	if (stt_make_joinable(skb)) {
		this_cpu_inc(tunnel->counters->rx_no_memory);
		kfree_skb(skb);
		return NULL;
	}
	stt_strip(skb);
	stt_piece(skb)->offset = segment->offset;
	spin_lock(&table->lock);
	chain = stt_queue(tunnel, table, skb, key,
			  stt_hash_of_frame(key, sender), segment, ce);
	spin_unlock(&table->lock);
	return chain ? stt_join(chain) : NULL;
}

static void stt_expire(struct work_struct *work)
{
	struct stt_tunnel *tunnel = container_of(to_delayed_work(work),
						 struct stt_tunnel,
						 reassembly.expiry);
	struct stt_frame *frame, *next;
	bool is_empty = true;
	u32 i;

	for (i = 0; i < tunnel->reassembly.table_count; i++) {
		struct stt_table *table = &tunnel->reassembly.tables[i];

		spin_lock_bh(&table->lock);
		list_for_each_entry_safe(frame, next, &table->by_age, age) {
			if (time_before(jiffies, frame->born + STT_LIFETIME))
				break;
			this_cpu_inc(tunnel->counters->reassembly_timed_out);
			stt_drop(&tunnel->reassembly, table, frame);
		}
		is_empty &= list_empty(&table->by_age);
		spin_unlock_bh(&table->lock);
	}
	if (!is_empty)
		schedule_delayed_work(&tunnel->reassembly.expiry,
				      STT_LIFETIME / 4);
}

void stt_stop_reassembly(struct stt_tunnel *tunnel)
{
	struct stt_frame *frame, *next;
	u32 i;

	cancel_delayed_work_sync(&tunnel->reassembly.expiry);
	for (i = 0; i < tunnel->reassembly.table_count; i++) {
		struct stt_table *table = &tunnel->reassembly.tables[i];

		spin_lock_bh(&table->lock);
		list_for_each_entry_safe(frame, next, &table->by_age, age)
			stt_drop(&tunnel->reassembly, table, frame);
		spin_unlock_bh(&table->lock);
	}
}

int stt_init_reassembly(struct stt_tunnel *tunnel, struct stt_budget *budget)
{
	struct stt_reassembly *reassembly = &tunnel->reassembly;
	u32 i, bucket;

	/* So many that CPUs seldom meet in one. */
	reassembly->table_count = min_t(u32, STT_TABLES_MAX,
					roundup_pow_of_two(2 * num_possible_cpus()));
	reassembly->tables = kvcalloc(reassembly->table_count,
				      sizeof(*reassembly->tables), GFP_KERNEL);
	if (!reassembly->tables)
		return -ENOMEM;
	for (i = 0; i < reassembly->table_count; i++) {
		struct stt_table *table = &reassembly->tables[i];

		spin_lock_init(&table->lock);
		INIT_LIST_HEAD(&table->by_age);
		for (bucket = 0; bucket < STT_BUCKETS; bucket++)
			INIT_HLIST_HEAD(&table->buckets[bucket]);
	}
	reassembly->budget = budget;
	INIT_DELAYED_WORK(&reassembly->expiry, stt_expire);
	return 0;
}

void stt_free_reassembly(struct stt_tunnel *tunnel)
{
	kvfree(tunnel->reassembly.tables);
}
