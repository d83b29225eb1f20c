/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as reassembly.c and budget.c need, for one thread in
 * userspace. Every header that they include is this one there.
 */
#ifndef STT_TEST_KERNEL_H
#define STT_TEST_KERNEL_H

#include <asm/types.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __u32 __be32;
typedef __u16 __be16;
typedef int spinlock_t;
typedef int gfp_t;
typedef struct { long counter; } atomic_long_t;

#define __percpu
#define __force
#define __rcu
#define __read_mostly
#define HZ 1000
#define GFP_ATOMIC 0
#define GFP_KERNEL 0
#define CHECKSUM_NONE 0
#define SZ_256K 0x40000
#define SZ_4M 0x400000
#define SZ_32M 0x2000000
#define SZ_64M 0x4000000
#define BITS_PER_LONG 64
#define static_assert _Static_assert
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), #condition)
#define ALIGN(n, to) (((n) + (to) - 1) / (to) * (to))
#define container_of(pointer, type, member) \
	((type *)((char *)(pointer) - offsetof(type, member)))
#define net_get_random_once(to, size) memset(to, 1, size)
#define spin_lock(lock) ((void)(lock))
#define spin_unlock(lock) ((void)(lock))
#define spin_lock_bh(lock) ((void)(lock))
#define spin_unlock_bh(lock) ((void)(lock))
#define spin_lock_init(lock) (*(lock) = 0)
#define num_possible_cpus() test_cpus
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define kvcalloc(count, size, flags) calloc(count, size)
#define kvfree free
#define kzalloc(size, flags) calloc(1, size)
#define kfree free
#define this_cpu_inc(counter) ((counter)++)
#define time_before(a, b) ((long)((a) - (b)) < 0)

extern unsigned long jiffies;
extern long test_cpus;

struct in6_addr { u8 bytes[16]; };
struct net;
struct net_device { int unused; };
struct gro_cells { int unused; };
struct dst_entry;
struct netlink_ext_ack;
struct ip_tunnel_info;
struct rtnl_link_stats64;
struct rtnl_link_ops;
struct ethtool_ops;
typedef int netdev_tx_t;
typedef u64 netdev_features_t;

/* Lists. */
struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };

#define INIT_HLIST_HEAD(head) ((head)->first = NULL)
#define list_entry container_of
#define list_for_each_entry(at, head, member)				\
	for (at = list_entry((head)->next, __typeof__(*at), member);	\
	     &at->member != (head);					\
	     at = list_entry(at->member.next, __typeof__(*at), member))
#define list_for_each_entry_safe(at, after, head, member)		\
	for (at = list_entry((head)->next, __typeof__(*at), member),	\
	     after = list_entry(at->member.next, __typeof__(*at), member); \
	     &at->member != (head); at = after,				\
	     after = list_entry(at->member.next, __typeof__(*at), member))
#define hlist_entry(node, type, member)					\
	((node) ? container_of(node, type, member) : NULL)
#define hlist_for_each_entry(at, head, member)				\
	for (at = hlist_entry((head)->first, __typeof__(*at), member); at; \
	     at = hlist_entry(at->member.next, __typeof__(*at), member))

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_del(struct list_head *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
}

static inline void hlist_add_head(struct hlist_node *node,
				  struct hlist_head *head)
{
	node->next = head->first;
	node->pprev = &head->first;
	if (head->first)
		head->first->pprev = &node->next;
	head->first = node;
}

static inline void hlist_del(struct hlist_node *node)
{
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
}

static inline u32 jhash2(const u32 *words, u32 count, u32 hash)
{
	while (count--)
		hash = (hash ^ *words++) * 0x01000193;
	return hash;
}

static inline u32 jhash_1word(u32 word, u32 hash)
{
	return jhash2(&word, 1, hash);
}

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	unsigned long power = 1;

	while (power < n)
		power <<= 1;
	return power;
}

static inline long atomic_long_add_return(long n, atomic_long_t *to)
{
	return to->counter += n;
}

static inline void atomic_long_sub(long n, atomic_long_t *from)
{
	from->counter -= n;
}

/* Work that the test runs itself. */
struct work_struct { void (*run)(struct work_struct *work); };
struct delayed_work { struct work_struct work; bool pending; };

#define INIT_DELAYED_WORK(delayed, function) \
	((delayed)->work.run = (function), (delayed)->pending = false)
#define to_delayed_work(at) container_of(at, struct delayed_work, work)
#define delayed_work_pending(delayed) ((delayed)->pending)
#define cancel_delayed_work_sync(delayed) ((delayed)->pending = false)
#define schedule_delayed_work(delayed, delay) \
	((void)(delay), (delayed)->pending = true)

/* Buffers. */
struct sk_buff {
	struct sk_buff *next;
	struct net_device *dev;
	u32 len;
	u32 truesize;
	u8 ip_summed;
	char cb[48] __attribute__((aligned(8)));
	u8 *data;
};

static inline void skb_scrub_packet(struct sk_buff *skb, bool xnet)
{
	(void)xnet;
	memset(skb->cb, 0xff, sizeof(skb->cb));
}

static inline bool skb_is_gso(const struct sk_buff *skb)
{
	return !skb;
}

static inline void skb_gso_reset(struct sk_buff *skb)
{
	(void)skb;
}

static inline void kfree_skb(struct sk_buff *skb)
{
	free(skb->data);
	free(skb);
}

static inline void kfree_skb_list(struct sk_buff *skb)
{
	while (skb) {
		struct sk_buff *next = skb->next;

		kfree_skb(skb);
		skb = next;
	}
}

#endif
