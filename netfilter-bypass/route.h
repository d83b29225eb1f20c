/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The route that a remembered flow's last packet took, for the next ones: as a
 * socket keeps its own for what arrives for it (early demux), and a flowtable
 * both of a flow's. The kernel says with each packet whether it still holds.
 */
#ifndef BYPASS_ROUTE_H
#define BYPASS_ROUTE_H

#include "portable.h"

struct dst_entry;
struct sk_buff;

struct bypass_route {
	/* Held; NULL if there is none. */
	struct dst_entry *dst;
	/* What else chose it, besides the flow and where that comes from. */
	u32 mark;
	u32 class;
	/* VNI of the tunnel that it came by. */
	u64 tunnel;
	/* Of IPv6: which routes it was found among. */
	u32 cookie;
};

u64 bypass_tunnel_of(struct sk_buff *skb);
/* For a packet of the flow that nothing has been routed of yet. Under RCU. */
void bypass_use_route(struct bypass_route *route, struct sk_buff *skb, u8 family,
		      u64 tunnel);
/* From a packet of the flow that has just been routed. */
void bypass_learn_route(struct bypass_route *route, const struct sk_buff *skb, u8 family,
			u64 tunnel);
void bypass_drop_route(struct bypass_route *route);

#endif
