// SPDX-License-Identifier: GPL-2.0
/*
 * Pages are moved into the first buffer while it has room for them; the rest
 * is chained behind it as a list of fragments. Such a list may not be nested,
 * so a buffer that brought one (GRO makes them) is taken apart first.
 */
#include "join.h"

int stt_make_joinable(struct sk_buff *skb)
{
	/* The members of its list would have two owners. */
	if (skb_cloned(skb) && skb_has_frag_list(skb))
		return skb_linearize(skb) ?: skb_unclone(skb, GFP_ATOMIC);
	return skb_unclone(skb, GFP_ATOMIC);
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
