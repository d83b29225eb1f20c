/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set of addresses: disjoint ranges in order, searched by halves. It never
 * changes once it is made, so that readers need no lock, and prefixes that
 * overlap cost nothing.
 */
#ifndef BYPASS_ADDRESSES_H
#define BYPASS_ADDRESSES_H

#include "portable.h"

/* In host order, IPv4 in the low 32 bits. */
struct bypass_address {
	u64 high;
	u64 low;
};

struct bypass_range {
	struct bypass_address first;
	struct bypass_address last;
};

struct bypass_range4 {
	u32 first;
	u32 last;
};

struct bypass_addresses {
	u32 count4;
	u32 count6;
	struct bypass_range4 *ranges4;
	struct bypass_range *ranges6;
};

static inline bool bypass_has4(const struct bypass_addresses *set, u32 address)
{
	u32 from = 0, to = set->count4;

	while (from < to) {
		u32 middle = from + (to - from) / 2;

		if (address > set->ranges4[middle].last)
			from = middle + 1;
		else if (address < set->ranges4[middle].first)
			to = middle;
		else
			return true;
	}
	return false;
}

static inline bool bypass_is_less(const struct bypass_address *a,
				  const struct bypass_address *b)
{
	return a->high < b->high || (a->high == b->high && a->low < b->low);
}

static inline bool bypass_has6(const struct bypass_addresses *set,
			       const struct bypass_address *address)
{
	u32 from = 0, to = set->count6;

	while (from < to) {
		u32 middle = from + (to - from) / 2;

		if (bypass_is_less(&set->ranges6[middle].last, address))
			from = middle + 1;
		else if (bypass_is_less(address, &set->ranges6[middle].first))
			to = middle;
		else
			return true;
	}
	return false;
}

/* For sort(). */
static inline int bypass_compare4(const void *a, const void *b)
{
	u32 first = ((const struct bypass_range4 *)a)->first;
	u32 second = ((const struct bypass_range4 *)b)->first;

	return first < second ? -1 : first > second;
}

static inline int bypass_compare6(const void *a, const void *b)
{
	const struct bypass_range *first = a, *second = b;

	if (bypass_is_less(&first->first, &second->first))
		return -1;
	return bypass_is_less(&second->first, &first->first);
}

/* Joins those of sorted ranges that overlap. Returns how many are left. */
static inline u32 bypass_join4(struct bypass_range4 *ranges, u32 count)
{
	u32 kept = 0, i;

	for (i = 0; i < count; i++) {
		if (kept > 0 && ranges[i].first <= ranges[kept - 1].last) {
			if (ranges[i].last > ranges[kept - 1].last)
				ranges[kept - 1].last = ranges[i].last;
		} else {
			ranges[kept++] = ranges[i];
		}
	}
	return kept;
}

static inline u32 bypass_join6(struct bypass_range *ranges, u32 count)
{
	u32 kept = 0, i;

	for (i = 0; i < count; i++) {
		struct bypass_range *before = &ranges[kept - !!kept];

		if (kept > 0 && !bypass_is_less(&before->last, &ranges[i].first)) {
			if (bypass_is_less(&before->last, &ranges[i].last))
				before->last = ranges[i].last;
		} else {
			ranges[kept++] = ranges[i];
		}
	}
	return kept;
}

static inline u32 bypass_load32(const u8 *bytes)
{
	return (u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static inline u64 bypass_load64(const u8 *bytes)
{
	return (u64)bypass_load32(bytes) << 32 | bypass_load32(bytes + 4);
}

/* The address of `family` at `bytes`, in network order there. */
static inline struct bypass_address bypass_load(const u8 *bytes, u8 family)
{
	struct bypass_address address;

	if (family == 4) {
		address.high = 0;
		address.low = bypass_load32(bytes);
	} else {
		address.high = bypass_load64(bytes);
		address.low = bypass_load64(bytes + 8);
	}
	return address;
}

/*
 * The range of a prefix. False if it is none: an unknown family, a length
 * that is too great, or bits that are set beyond the length.
 */
static inline bool bypass_range_of(u8 family, u8 length, const u8 *bytes,
				   struct bypass_range *range)
{
	/* What may differ within the prefix. */
	struct bypass_address free = { 0, 0 };

	if (family == 4 && length <= 32) {
		free.low = (1ULL << (32 - length)) - 1;
	} else if (family == 6 && length <= 128) {
		if (length < 64)
			free.high = ~0ULL >> length;
		free.low = length <= 64 ? ~0ULL :
			   length == 128 ? 0 : ~0ULL >> (length - 64);
	} else {
		return false;
	}
	range->first = bypass_load(bytes, family);
	if ((range->first.high & free.high) || (range->first.low & free.low))
		return false;
	range->last.high = range->first.high | free.high;
	range->last.low = range->first.low | free.low;
	return true;
}

static inline void bypass_store64(u8 *bytes, u64 value)
{
	int i;

	for (i = 7; i >= 0; i--, value >>= 8)
		bytes[i] = value;
}

/*
 * The greatest prefix that begins at `from` and is not past `to`: its address
 * goes to `bytes`, its length is returned, and `from` moves behind it.
 */
static inline u8 bypass_next_prefix(u8 family, struct bypass_address *from,
				    const struct bypass_address *to, u8 *bytes)
{
	u8 length = family == 4 ? 32 : 128;
	struct bypass_range range, found = { *from, *from };

	memset(bytes, 0, 16);
	if (family == 4) {
		bypass_store64(bytes, from->low << 32);
	} else {
		bypass_store64(bytes, from->high);
		bypass_store64(bytes + 8, from->low);
	}
	while (length > 0 && bypass_range_of(family, length - 1, bytes, &range) &&
	       !bypass_is_less(to, &range.last)) {
		found = range;
		length--;
	}
	from->low = found.last.low + 1;
	from->high = found.last.high + (from->low == 0);
	return length;
}

/* Whether there is more from `next` to `last`. Behind the last address of all comes the first. */
static inline bool bypass_is_within(const struct bypass_address *next,
				    const struct bypass_address *last)
{
	return !bypass_is_less(last, next) && (next->high || next->low);
}

#endif
