/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between Linux 5.10 and 7.2. Distributions carry changes back
 * into older kernels, so nothing is decided by version: a macro of the kernel
 * tells, or Kbuild compiled the file of that name in probes/.
 */
#ifndef STT_COMPAT_H
#define STT_COMPAT_H

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/dst_metadata.h>
#include <net/flow.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#ifdef STT_HAS_DSCP
#include <net/inet_dscp.h>
#endif

#ifdef IP_TUNNEL_DECLARE_FLAGS
static inline bool stt_wants_df(const struct ip_tunnel_key *key)
{
	return test_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, key->tun_flags);
}

static inline struct metadata_dst *stt_rx_dst(struct sk_buff *skb, bool ipv4,
					      __be64 id)
{
	IP_TUNNEL_DECLARE_FLAGS(flags) = { };

	__set_bit(IP_TUNNEL_KEY_BIT, flags);
	__set_bit(IP_TUNNEL_CSUM_BIT, flags);
	return ipv4 ? ip_tun_rx_dst(skb, flags, id, 0) :
		      ipv6_tun_rx_dst(skb, flags, id, 0);
}
#else
static inline bool stt_wants_df(const struct ip_tunnel_key *key)
{
	return key->tun_flags & TUNNEL_DONT_FRAGMENT;
}

static inline struct metadata_dst *stt_rx_dst(struct sk_buff *skb, bool ipv4,
					      __be64 id)
{
	const __be16 flags = TUNNEL_KEY | TUNNEL_CSUM;

	return ipv4 ? ip_tun_rx_dst(skb, flags, id, 0) :
		      ipv6_tun_rx_dst(skb, flags, id, 0);
}
#endif

/* Transmits without a lock, and never leaves the namespace it was made in. */
static inline void stt_set_lockless_and_local(struct net_device *dev)
{
#ifdef NETIF_F_LLTX
	dev->features |= NETIF_F_LLTX;
#else
	dev->lltx = true;
#endif
#ifdef NETIF_F_NETNS_LOCAL
	dev->features |= NETIF_F_NETNS_LOCAL;
#elif defined(STT_HAS_NETNS_IMMUTABLE)
	dev->netns_immutable = true;
#else
	dev->netns_local = true;
#endif
}

static inline void stt_set_largest_frame(struct net_device *dev, u32 size)
{
#ifdef STT_HAS_TSO_MAX_SIZE
	netif_set_tso_max_size(dev, size);
#else
	netif_set_gso_max_size(dev, size);
#endif
}

static inline void stt_set_mac(struct net_device *dev, const u8 *mac)
{
#ifdef STT_HAS_HW_ADDR_SET
	eth_hw_addr_set(dev, mac);
#else
	ether_addr_copy(dev->dev_addr, mac);
#endif
}

static inline void stt_set_flow_tos(struct flowi4 *flow, u8 tos)
{
#ifdef STT_HAS_DSCP
	flow->flowi4_dscp = inet_dsfield_to_dscp(tos);
#else
	flow->flowi4_tos = RT_TOS(tos);
#endif
}

/* Where the pages of @skb go back to, those of @to shall. */
static inline void stt_recycle_like(struct sk_buff *to, const struct sk_buff *skb)
{
#ifdef STT_HAS_PP_RECYCLE
	to->pp_recycle = skb->pp_recycle;
#endif
}

/* Gives it the route that the stack would, if that takes it at all. */
static inline bool stt_is_routed_in(struct sk_buff *skb, const struct iphdr *ip)
{
#ifdef STT_HAS_ROUTE_INPUT_DSCP
	return !ip_route_input_noref(skb, ip->daddr, ip->saddr, ip4h_dscp(ip), skb->dev);
#else
	return !ip_route_input_noref(skb, ip->daddr, ip->saddr, ip->tos, skb->dev);
#endif
}

/* The type that kernel_bind() takes. */
#ifdef STT_HAS_SOCKADDR_UNSIZED
#define stt_sockaddr sockaddr_unsized
#else
#define stt_sockaddr sockaddr
#endif

#endif
