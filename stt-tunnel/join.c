// SPDX-License-Identifier: GPL-2.0
/*
 * Pages are moved into the first buffer while it has room for them; the rest
 * is chained behind it as a list of fragments. Such a list may not be nested,
 * so a buffer that brought one (GRO makes them) is taken apart first.
 */
#include "compat.h"
#include "join.h"

/* What is of @skb from @offset on, in pages; NULL without memory for it. */
static struct sk_buff *stt_copy_of(const struct sk_buff *skb, int offset,
				   unsigned int length)
{
	struct skb_shared_info *shared;
	struct sk_buff *bare;
	int i, error;

	bare = alloc_skb_with_frags(0, length, PAGE_ALLOC_COSTLY_ORDER, &error,
				    GFP_ATOMIC);
	if (!bare)
		return NULL;
	shared = skb_shinfo(bare);
	for (i = 0; i < shared->nr_frags; i++) {
		skb_frag_t *page = &shared->frags[i];

		/* It cannot fail: the pages hold as much as there is. */
		skb_copy_bits(skb, offset + bare->len, skb_frag_address(page),
			      skb_frag_size(page));
		bare->len += skb_frag_size(page);
	}
	bare->data_len = bare->len;
	return bare;
}

/* A copy of the list, in its place. */
static int stt_copy_list(struct sk_buff *skb)
{
	struct sk_buff *list = skb_shinfo(skb)->frag_list;
	unsigned int length = 0, truesize = 0;
	struct sk_buff *member, *bare;

	skb_walk_frags(skb, member) {
		length += member->len;
		truesize += member->truesize;
	}
	bare = stt_copy_of(skb, skb->len - length, length);
	if (!bare)
		return -ENOMEM;
	skb_shinfo(skb)->frag_list = bare;
	skb->truesize += (int)bare->truesize - (int)truesize;
	kfree_skb_list(list);
	return 0;
}

int stt_make_joinable(struct sk_buff *skb)
{
	/* They have two owners if it is a clone, or was one. */
	bool is_foreign = skb_cloned(skb);
	struct sk_buff *member;
	int error;

	/* IP leaves lists in a list where it puts together what has one. */
	skb_walk_frags(skb, member)
		is_foreign |= skb_shared(member) || skb_has_frag_list(member);
	error = skb_unclone(skb, GFP_ATOMIC);
	if (error || !is_foreign || !skb_has_frag_list(skb))
		return error;
	return stt_copy_list(skb);
}

static bool stt_has_bare_members(const struct sk_buff *skb)
{
	const struct sk_buff *member;

	skb_walk_frags(skb, member)
		if (skb_headlen(member) || !member->len ||
		    skb_has_frag_list(member))
			return false;
	return true;
}

/* Hands the pages of @skb over to a buffer without a linear part; NULL if they cannot be. */
static struct sk_buff *stt_hand_over(struct sk_buff *skb)
{
	struct sk_buff *bare = alloc_skb(0, GFP_ATOMIC);
	bool stolen;
	int delta;

	if (!bare)
		return NULL;
	/* What has room there would be copied there. */
	skb_reserve(bare, skb_tailroom(bare));
	stt_recycle_like(bare, skb);
	if (!skb_try_coalesce(bare, skb, &stolen, &delta)) {
		kfree_skb(bare);
		return NULL;
	}
	kfree_skb_partial(skb, stolen);
	return bare;
}

/* In place of @skb, which stays as it is if there is no memory. */
static struct sk_buff *stt_make_bare(struct sk_buff *skb)
{
	struct sk_buff *next = skb->next;
	struct sk_buff *bare;

	skb->next = NULL;
	bare = stt_hand_over(skb);
	if (bare)
		return bare;
	bare = stt_copy_of(skb, 0, skb->len);
	if (bare)
		kfree_skb(skb);
	else
		skb->next = next;
	return bare;
}

/*
 * skb_segment() stops the machine at a member of a list whose linear part is
 * longer than a segment, and at one without data. How long a segment is to be
 * is the sender's word, how the members came to be is the network's: so they
 * get no linear part at all.
 */
int stt_make_segmentable(struct sk_buff *skb)
{
	struct sk_buff **link;
	int error;

	if (stt_has_bare_members(skb))
		return 0;
	error = stt_make_joinable(skb);
	if (error)
		return error;
	link = &skb_shinfo(skb)->frag_list;
	while (*link) {
		struct sk_buff *member = *link;
		struct sk_buff *next = member->next;
		struct sk_buff *bare;
		int truesize = member->truesize;

		if (skb_headlen(member)) {
			bare = stt_make_bare(member);
			if (!bare)
				return -ENOMEM;
			bare->next = next;
			*link = bare;
			skb->truesize += (int)bare->truesize - truesize;
		} else if (!member->len) {
			member->next = NULL;
			*link = next;
			skb->truesize -= truesize;
			kfree_skb(member);
			continue;
		}
		link = &(*link)->next;
	}
	return 0;
}

/* Takes the list off @skb. */
static struct sk_buff *stt_detach_list(struct sk_buff *skb)
{
	struct sk_buff *list = skb_shinfo(skb)->frag_list;
	struct sk_buff *member;

	skb_shinfo(skb)->frag_list = NULL;
	for (member = list; member; member = member->next) {
		skb->len -= member->len;
		skb->data_len -= member->len;
		skb->truesize -= member->truesize;
	}
	return list;
}

/* Appends a buffer without a list; @last is the last member of head's list. */
static struct sk_buff *stt_append(struct sk_buff *head, struct sk_buff *last,
				  struct sk_buff *skb)
{
	unsigned int length = skb->len;
	bool stolen;
	int delta;

	if (skb_try_coalesce(last ?: head, skb, &stolen, &delta)) {
		kfree_skb_partial(skb, stolen);
		if (!last)
			return NULL;
	} else {
		delta = skb->truesize;
		if (last)
			last->next = skb;
		else
			skb_shinfo(head)->frag_list = skb;
		last = skb;
	}
	head->len += length;
	head->data_len += length;
	head->truesize += delta;
	return last;
}

static struct sk_buff *stt_append_all(struct sk_buff *head,
				      struct sk_buff *last,
				      struct sk_buff *list)
{
	while (list) {
		struct sk_buff *next = list->next;

		list->next = NULL;
		last = stt_append(head, last, list);
		list = next;
	}
	return last;
}

struct sk_buff *stt_join(struct sk_buff *chain)
{
	struct sk_buff *head = chain;
	struct sk_buff *last;

	chain = head->next;
	head->next = NULL;
	last = stt_append_all(head, NULL, stt_detach_list(head));
	while (chain) {
		struct sk_buff *next = chain->next;
		struct sk_buff *list = stt_detach_list(chain);

		chain->next = NULL;
		last = stt_append(head, last, chain);
		last = stt_append_all(head, last, list);
		chain = next;
	}
	return head;
}
