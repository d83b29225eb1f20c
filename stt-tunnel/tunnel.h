/* SPDX-License-Identifier: GPL-2.0 */
/* The objects of the module, and what its files offer to each other. */
#ifndef STT_TUNNEL_H
#define STT_TUNNEL_H

#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/gro_cells.h>
#include <net/ip_tunnels.h>

#include "counters.h"
#include "header.h"
#include "podwire_stt.h"
#include "reassembly.h"

#define STT_TCP_SIZE		20
/* In front of a frame, with the longest IP header that is sent. */
#define STT_OVERHEAD		(40 + STT_TCP_SIZE + STT_HEADER_SIZE)
/* What an IP packet can hold. */
#define STT_OUTER_MAX		65535

struct stt_peers;

/* One link of kind "stt". */
struct stt_tunnel {
	struct net_device *dev;
	/* In the list of open tunnels of its namespace. */
	struct list_head open;
	__be16 port;
	u8 output;
	/* NULL: anybody may send. */
	struct stt_peers __rcu *peers;
	struct stt_counters __percpu *counters;
	struct gro_cells cells;
	struct stt_reassembly reassembly;
	/* Keeps the port from being taken by a program. */
	struct socket *reservation;
};

/* What the tunnels of a namespace share. */
struct stt_underlay {
	/* Changed under RTNL, read by the hooks under RCU. */
	struct list_head tunnels;
	struct stt_budget budget;
};

/* What a frame is sent by. */
struct stt_route {
	struct dst_entry *dst;
	bool ipv4;
	bool df;
	u8 tos;
	u8 ttl;
	__be32 label;
	union {
		__be32 v4;
		struct in6_addr v6;
	} saddr, daddr;
};

/* main.c */
struct stt_underlay *stt_underlay(struct net *net);

/* device.c */
void stt_setup(struct net_device *dev);
bool stt_is_tunnel(const struct net_device *dev);

/* link.c */
extern struct rtnl_link_ops stt_link_ops;

/* underlay.c */
int stt_join_underlay(struct stt_tunnel *tunnel);
void stt_leave_underlay(struct stt_tunnel *tunnel);

/* peers.c */
struct stt_peers *stt_make_peers(const struct stt_prefix *prefixes, u32 count,
				 struct netlink_ext_ack *extack);
void stt_replace_peers(struct stt_tunnel *tunnel, struct stt_peers *peers);
u32 stt_peer_count(const struct stt_peers *peers);
u32 stt_peer_sum(const struct stt_peers *peers);
bool stt_is_peer(const struct stt_tunnel *tunnel, const struct in6_addr *from);

/* transmit.c */
void stt_init_packet_ids(void);
netdev_tx_t stt_transmit(struct sk_buff *skb, struct net_device *dev);
netdev_features_t stt_features_check(struct sk_buff *skb,
				     struct net_device *dev,
				     netdev_features_t features);

/* output.c */
int stt_find_route(struct stt_tunnel *tunnel, struct sk_buff *skb,
		   struct ip_tunnel_info *info, __be16 sport,
		   struct stt_route *route);
int stt_output(struct stt_tunnel *tunnel, struct sk_buff *skb,
	       const struct stt_route *route);

/* receive.c */
void stt_receive(struct stt_tunnel *tunnel, struct sk_buff *skb,
		 unsigned int ip_size, bool ipv4);

/* decapsulate.c */
void stt_decapsulate(struct stt_tunnel *tunnel, struct sk_buff *skb, bool ipv4,
		     u8 tos);

#endif
