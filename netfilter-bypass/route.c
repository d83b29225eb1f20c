// SPDX-License-Identifier: GPL-2.0
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>

#include "route.h"

/* What a flow's packets differ in that rules of routing know. */
static u32 class_of(const struct sk_buff *skb, u8 family)
{
	return family == 4 ? ip_hdr(skb)->tos : (__force u32)ip6_flowinfo(ipv6_hdr(skb));
}

/* Whether routing left no more than the route: no redirect to be told of, for example. */
static bool is_plain(const struct sk_buff *skb, u8 family)
{
	return family == 4 ? !(IPCB(skb)->flags & ~IPSKB_FORWARDED) :
			     !(IP6CB(skb)->flags & ~IP6SKB_FORWARDED);
}

/* Of a local one with a realm the kernel does not know when the device goes. */
static bool is_beyond_flush(const struct dst_entry *dst)
{
#ifdef CONFIG_IP_ROUTE_CLASSID
	return dst->tclassid != 0;
#else
	return false;
#endif
}

/* Rules of routing know it (`ip rule add tun_id`); it is gone once there is a route. */
u64 bypass_tunnel_of(struct sk_buff *skb)
{
	const struct ip_tunnel_info *info = skb_tunnel_info(skb);

	return info ? (__force u64)info->key.tun_id : 0;
}

void bypass_use_route(struct bypass_route *route, struct sk_buff *skb, u8 family,
		      u64 tunnel)
{
	/* One that has a route already, of IPsec's, may wait in a queue with it. */
	if (!route->dst || route->mark != skb->mark || route->tunnel != tunnel ||
	    route->class != class_of(skb, family) || skb_valid_dst(skb))
		return;
	if (!dst_check(route->dst, route->cookie)) {
		bypass_drop_route(route);
		return;
	}
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, route->dst);
}

void bypass_learn_route(struct bypass_route *route, const struct sk_buff *skb, u8 family,
			u64 tunnel)
{
	struct dst_entry *dst = skb_dst(skb);

	/* IPsec's is found from the plain one, with each packet. */
	if (route->dst || !dst || dst_xfrm(dst) || (dst->flags & DST_XFRM_QUEUE) ||
	    is_beyond_flush(dst) || !is_plain(skb, family) || !dst_hold_safe(dst))
		return;
	route->dst = dst;
	route->mark = skb->mark;
	route->tunnel = tunnel;
	route->class = class_of(skb, family);
	route->cookie = family == 4 ? 0 :
				      rt6_get_cookie(container_of(dst, struct rt6_info, dst));
}

void bypass_drop_route(struct bypass_route *route)
{
	dst_release(route->dst);
	route->dst = NULL;
}
