// SPDX-License-Identifier: GPL-2.0
/*
 * Who may send to a link: ranges of addresses, sorted and apart, so that a
 * segment costs one binary search however many peers there are.
 */
#include <linux/bsearch.h>
#include <linux/crc32.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "tunnel.h"

struct stt_range {
	struct in6_addr first;
	struct in6_addr last;
};

struct stt_peers {
	struct rcu_head rcu;
	u32 prefixes;
	/* By which whoever set the list knows that it still is that one. */
	u32 sum;
	u32 ranges;
	struct stt_range range[];
};

static int stt_compare(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}

static int stt_compare_ranges(const void *a, const void *b)
{
	const struct stt_range *one = a, *other = b;

	return stt_compare(&one->first, &other->first);
}

/* False if bits behind the prefix's length are set. */
static bool stt_range_of(const struct stt_prefix *prefix,
			 struct stt_range *range)
{
	int i;

	for (i = 0; i < 16; i++) {
		int fixed = clamp(prefix->length - 8 * i, 0, 8);
		u8 free = 0xff >> fixed;

		if (prefix->address[i] & free)
			return false;
		range->first.s6_addr[i] = prefix->address[i];
		range->last.s6_addr[i] = prefix->address[i] | free;
	}
	return true;
}

/* Prefixes are apart, or one holds the other. */
static void stt_merge(struct stt_peers *peers)
{
	u32 i, kept = 0;

	for (i = 1; i < peers->ranges; i++) {
		struct stt_range *last = &peers->range[kept];

		if (stt_compare(&peers->range[i].first, &last->last) > 0)
			peers->range[++kept] = peers->range[i];
		else if (stt_compare(&peers->range[i].last, &last->last) > 0)
			last->last = peers->range[i].last;
	}
	if (peers->ranges)
		peers->ranges = kept + 1;
}

struct stt_peers *stt_make_peers(const struct stt_prefix *prefixes, u32 count,
				 struct netlink_ext_ack *extack)
{
	struct stt_peers *peers;
	u32 i;

	peers = kvzalloc(struct_size(peers, range, count), GFP_KERNEL);
	if (!peers)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < count; i++) {
		if (prefixes[i].length <= 128 &&
		    stt_range_of(&prefixes[i], &peers->range[i]))
			continue;
		NL_SET_ERR_MSG(extack,
			       "a peer is no prefix: expected at most 128 bits, and zeros behind them");
		kvfree(peers);
		return ERR_PTR(-EINVAL);
	}
	peers->prefixes = count;
	peers->sum = ~crc32_le(~0, (const u8 *)prefixes,
			       count * sizeof(prefixes[0]));
	peers->ranges = count;
	sort(peers->range, count, sizeof(peers->range[0]), stt_compare_ranges,
	     NULL);
	stt_merge(peers);
	return peers;
}

/* Under RTNL, or while nobody else knows the tunnel. */
void stt_replace_peers(struct stt_tunnel *tunnel, struct stt_peers *peers)
{
	struct stt_peers *old = rcu_replace_pointer(tunnel->peers, peers, true);

	if (old)
		kvfree_rcu(old, rcu);
}

u32 stt_peer_count(const struct stt_peers *peers)
{
	return peers->prefixes;
}

u32 stt_peer_sum(const struct stt_peers *peers)
{
	return peers->sum;
}

static int stt_compare_to_range(const void *key, const void *element)
{
	const struct stt_range *range = element;

	if (stt_compare(key, &range->first) < 0)
		return -1;
	return stt_compare(key, &range->last) > 0;
}

bool stt_is_peer(const struct stt_tunnel *tunnel, const struct in6_addr *from)
{
	const struct stt_peers *peers = rcu_dereference(tunnel->peers);

	return !peers || bsearch(from, peers->range, peers->ranges,
				 sizeof(peers->range[0]), stt_compare_to_range);
}
