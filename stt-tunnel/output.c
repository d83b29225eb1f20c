// SPDX-License-Identifier: GPL-2.0
/*
 * From a segment to the underlay: routes and IP headers. The kernel's own
 * iptunnel_xmit() is not used, for it leaves no room between forgetting the
 * inner packet's connection and meeting the hooks with the outer one.
 */
#include <linux/netfilter.h>
#include <net/dst_cache.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>

#include "compat.h"
#include "tunnel.h"

static int stt_find_route4(struct stt_tunnel *tunnel, struct sk_buff *skb,
			   struct ip_tunnel_info *info, __be16 sport,
			   struct stt_route *route)
{
	bool is_cacheable = ip_tunnel_dst_cache_usable(skb, info);
	struct flowi4 flow = {
		.daddr = info->key.u.ipv4.dst,
		.saddr = info->key.u.ipv4.src,
		.flowi4_mark = skb->mark,
		.flowi4_proto = IPPROTO_TCP,
		.fl4_sport = sport,
		.fl4_dport = tunnel->port,
	};
	struct rtable *rt = NULL;

	/* It would come back by itself. */
	if (ipv4_is_zeronet(flow.daddr))
		return -ENETUNREACH;
	route->daddr.v4 = flow.daddr;
	if (is_cacheable)
		rt = dst_cache_get_ip4(&info->dst_cache, &route->saddr.v4);
	if (!rt) {
		stt_set_flow_tos(&flow, route->tos);
		rt = ip_route_output_key(dev_net(tunnel->dev), &flow);
		if (IS_ERR(rt))
			return PTR_ERR(rt);
		if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
			ip_rt_put(rt);
			return -ENETUNREACH;
		}
		route->saddr.v4 = flow.saddr;
		if (is_cacheable)
			dst_cache_set_ip4(&info->dst_cache, &rt->dst,
					  flow.saddr);
	}
	route->dst = &rt->dst;
	route->ttl = route->ttl ?: ip4_dst_hoplimit(route->dst);
	return 0;
}

static int stt_find_route6(struct stt_tunnel *tunnel, struct sk_buff *skb,
			   struct ip_tunnel_info *info, __be16 sport,
			   struct stt_route *route)
{
	bool is_cacheable = ip_tunnel_dst_cache_usable(skb, info);
	struct flowi6 flow = {
		.daddr = info->key.u.ipv6.dst,
		.saddr = info->key.u.ipv6.src,
		.flowi6_mark = skb->mark,
		.flowi6_proto = IPPROTO_TCP,
		.flowlabel = ip6_make_flowinfo(route->tos, route->label),
		.fl6_sport = sport,
		.fl6_dport = tunnel->port,
	};
	struct dst_entry *dst = NULL;

	/* Whoever started the kernel may have switched it off (ipv6.disable=1). */
	if (!ipv6_mod_enabled())
		return -EAFNOSUPPORT;
	if (ipv6_addr_any(&flow.daddr) || ipv6_addr_is_multicast(&flow.daddr))
		return -ENETUNREACH;
	route->daddr.v6 = flow.daddr;
	if (is_cacheable)
		dst = dst_cache_get_ip6(&info->dst_cache, &route->saddr.v6);
	if (!dst) {
		dst = ip6_dst_lookup_flow(dev_net(tunnel->dev), NULL, &flow,
					  NULL);
		if (IS_ERR(dst))
			return PTR_ERR(dst);
		route->saddr.v6 = flow.saddr;
		if (is_cacheable)
			dst_cache_set_ip6(&info->dst_cache, dst, &flow.saddr);
	}
	route->dst = dst;
	route->ttl = route->ttl ?: ip6_dst_hoplimit(dst);
	return 0;
}

/* The traffic class of the packet inside; 0 of what is no IP. */
static u8 stt_inner_tos(struct sk_buff *skb)
{
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} buffer;
	const void *ip;
	u32 size;

	if (skb->protocol == htons(ETH_P_IP))
		size = sizeof(buffer.v4);
	else if (skb->protocol == htons(ETH_P_IPV6))
		size = sizeof(buffer.v6);
	else
		return 0;
	ip = skb_header_pointer(skb, ETH_HLEN, size, &buffer);
	if (!ip)
		return 0;
	return skb->protocol == htons(ETH_P_IP) ? ipv4_get_dsfield(ip) :
						  ipv6_get_dsfield(ip);
}

/*
 * Copies what is needed of @info: it ends with the route that brought the
 * packet here. On success the caller has a reference to route->dst.
 */
int stt_find_route(struct stt_tunnel *tunnel, struct sk_buff *skb,
		   struct ip_tunnel_info *info, __be16 sport,
		   struct stt_route *route)
{
	int error;

	route->ipv4 = ip_tunnel_info_af(info) == AF_INET;
	route->df = stt_wants_df(&info->key);
	route->tos = INET_ECN_encapsulate(info->key.tos, stt_inner_tos(skb));
	route->ttl = info->key.ttl;
	route->label = info->key.label;
	error = route->ipv4 ?
		stt_find_route4(tunnel, skb, info, sport, route) :
		stt_find_route6(tunnel, skb, info, sport, route);
	if (!error && route->dst->dev == tunnel->dev) {
		dst_release(route->dst);
		error = -ELOOP;
	}
	return error;
}

static void stt_push_ipv4(struct net *net, struct sk_buff *skb,
			  const struct stt_route *route)
{
	struct iphdr *ip = skb_push(skb, sizeof(*ip));

	skb_reset_network_header(skb);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	skb->protocol = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = route->tos;
	ip->tot_len = htons(skb->len);
	ip->frag_off = route->df ? htons(IP_DF) : 0;
	ip->ttl = route->ttl;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = route->saddr.v4;
	ip->daddr = route->daddr.v4;
	__ip_select_ident(net, ip, skb_shinfo(skb)->gso_segs ?: 1);
	ip_send_check(ip);
}

static void stt_push_ipv6(struct sk_buff *skb, const struct stt_route *route)
{
	u16 length = skb->len;
	struct ipv6hdr *ip = skb_push(skb, sizeof(*ip));

	skb_reset_network_header(skb);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	skb->protocol = htons(ETH_P_IPV6);
	ip6_flow_hdr(ip, route->tos, route->label);
	ip->payload_len = htons(length);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = route->ttl;
	ip->saddr = route->saddr.v6;
	ip->daddr = route->daddr.v6;
}

/* Sends a segment whose headers up to TCP's are there. */
int stt_output(struct stt_tunnel *tunnel, struct sk_buff *skb,
	       const struct stt_route *route)
{
	struct net *net = dev_net(tunnel->dev);
	u8 output = READ_ONCE(tunnel->output);

	skb_dst_set(skb, route->dst);
	if (route->ipv4)
		stt_push_ipv4(net, skb, route);
	else
		stt_push_ipv6(skb, route);
	if (output != STT_OUTPUT_FULL)
		nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
	if (output != STT_OUTPUT_NONE)
		return route->ipv4 ? ip_local_out(net, NULL, skb) :
				     ip6_local_out(net, NULL, skb);
	/* What was rerouted has passed the hooks: none is met again. */
	if (route->ipv4)
		IPCB(skb)->flags |= IPSKB_REROUTED;
	else
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
	return dst_output(net, NULL, skb);
}
