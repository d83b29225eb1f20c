// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
int probe(const struct sk_buff *skb);
int probe(const struct sk_buff *skb) { return skb->pp_recycle; }
