// SPDX-License-Identifier: GPL-2.0
#include <net/route.h>
enum skb_drop_reason ip_route_input_noref(struct sk_buff *skb, __be32 daddr,
					  __be32 saddr, dscp_t dscp,
					  struct net_device *dev);
