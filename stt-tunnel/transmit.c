// SPDX-License-Identifier: GPL-2.0
/*
 * From an Ethernet frame to a segment. A frame that TCP left to be segmented
 * becomes one packet that looks like TCP left to be segmented, which every
 * network card can do; the frame's own segmentation is up to its receiver.
 */
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "compat.h"
#include "tunnel.h"

/* A tunnel whose packets are routed into a tunnel again, and so on. */
#define STT_DEPTH_MAX	4
static DEFINE_PER_CPU(unsigned int, stt_depth);

/* Frames sent by each CPU, so that consecutive ones can be told apart. */
static DEFINE_PER_CPU(u32, stt_frames_sent);

void stt_init_packet_ids(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(stt_frames_sent, cpu) = get_random_u32();
}

static __be32 stt_next_packet_id(void)
{
	unsigned int bits = order_base_2(nr_cpu_ids);

	return htonl(this_cpu_inc_return(stt_frames_sent) << bits |
		     raw_smp_processor_id());
}

/* From 32768 on no port is that of a tunnel, nor of most servers. */
static __be16 stt_source_port(struct sk_buff *skb)
{
	u32 hash = skb_get_hash(skb);

	return htons(0x8000 | (u16)(hash ^ hash >> 16));
}

/* Can the header say where the checksum is that is still to be computed? */
static bool stt_is_expressible(const struct sk_buff *skb)
{
	int l3 = skb_network_offset(skb);
	int l4 = skb_checksum_start_offset(skb);
	u8 protocol;

	if (l3 != ETH_HLEN || l4 > U8_MAX)
		return false;
	if (skb->csum_offset == offsetof(struct tcphdr, check))
		protocol = IPPROTO_TCP;
	else if (skb->csum_offset == offsetof(struct udphdr, check))
		protocol = IPPROTO_UDP;
	else
		return false;
	if (l4 > skb_headlen(skb))
		return false;
	if (skb->protocol == htons(ETH_P_IP))
		return l4 >= l3 + (int)sizeof(struct iphdr) &&
		       l3 + ip_hdr(skb)->ihl * 4 == l4 &&
		       ip_hdr(skb)->protocol == protocol;
	return skb->protocol == htons(ETH_P_IPV6) &&
	       l3 + (int)sizeof(struct ipv6hdr) == l4 &&
	       ipv6_hdr(skb)->nexthdr == protocol;
}

/* What is taken away here, the kernel does before it calls stt_transmit(). */
netdev_features_t stt_features_check(struct sk_buff *skb,
				     struct net_device *dev,
				     netdev_features_t features)
{
	features = vlan_features_check(skb, features);
	if (skb->len + STT_OVERHEAD > STT_OUTER_MAX)
		features &= ~NETIF_F_GSO_MASK;
	if (skb_is_gso(skb) && skb_shinfo(skb)->gso_size < STT_MSS_MIN)
		features &= ~NETIF_F_GSO_MASK;
	/* A tag of another kind will be a part of the frame by then. */
	if ((skb->ip_summed == CHECKSUM_PARTIAL && !stt_is_expressible(skb)) ||
	    (skb_vlan_tag_present(skb) && skb->vlan_proto != htons(ETH_P_8021Q)))
		features &= ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	return features;
}

/* False if the frame needs what the header cannot say. */
static bool stt_describe(struct sk_buff *skb, __be64 id,
			 struct stt_header *header)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->context_id, &id, sizeof(id));
	if (skb_vlan_tag_present(skb))
		header->vlan_tci = (skb_vlan_tag_get(skb) & ~STT_VLAN_PRESENT) |
				   STT_VLAN_PRESENT;
	if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		header->flags = STT_FLAG_VERIFIED;
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return !skb_is_gso(skb);
	if (!stt_is_expressible(skb))
		return !skb_is_gso(skb) && !skb_checksum_help(skb);
	header->flags = STT_FLAG_PARTIAL;
	header->l4_offset = skb_checksum_start_offset(skb);
	if (skb->protocol == htons(ETH_P_IP))
		header->flags |= STT_FLAG_IPV4;
	if (skb->csum_offset == offsetof(struct tcphdr, check))
		header->flags |= STT_FLAG_TCP;
	if (skb_is_gso(skb))
		header->mss = skb_shinfo(skb)->gso_size;
	return true;
}

/*
 * Room in front that is ours, and if it will be written to, that part of the
 * buffer which says how to segment and which clones share with their original.
 */
static int stt_make_room(struct sk_buff *skb, const struct dst_entry *dst,
			 bool is_segmented)
{
	unsigned int room = LL_RESERVED_SPACE(dst->dev) + dst->header_len +
			    STT_OVERHEAD;
	int error = skb_cow_head(skb, room);

	if (error || !is_segmented)
		return error;
	return skb_unclone(skb, GFP_ATOMIC);
}

static void stt_push_headers(struct sk_buff *skb, __be16 sport, __be16 dport,
			     const struct stt_header *header)
{
	struct stt_segment segment = { .total = skb->len + STT_HEADER_SIZE };
	struct tcphdr *tcp;

	stt_build_header(skb_push(skb, STT_HEADER_SIZE), header);
	tcp = skb_push(skb, STT_TCP_SIZE);
	skb_reset_transport_header(skb);
	memset(tcp, 0, STT_TCP_SIZE);
	tcp->source = sport;
	tcp->dest = dport;
	tcp->seq = htonl(stt_sequence(&segment));
	tcp->ack_seq = stt_next_packet_id();
	tcp->doff = STT_TCP_SIZE / 4;
	tcp->ack = 1;
	tcp->psh = 1;
	tcp->window = htons(0xffff);
}

static void stt_set_outer_offload(struct sk_buff *skb,
				  const struct stt_route *route, u32 mss)
{
	struct skb_shared_info *shared = skb_shinfo(skb);
	u32 length = skb->len;
	__sum16 sum = route->ipv4 ?
		      tcp_v4_check(length, route->saddr.v4, route->daddr.v4, 0) :
		      tcp_v6_check(length, &route->saddr.v6, &route->daddr.v6, 0);

	tcp_hdr(skb)->check = ~sum;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb->encapsulation = 0;
	/* There is nothing to reset of what is not segmented, and it is shared. */
	if (skb_is_gso(skb))
		skb_gso_reset(skb);
	length -= STT_TCP_SIZE;
	if (length <= mss)
		return;
	shared->gso_size = mss;
	shared->gso_segs = DIV_ROUND_UP(length, mss);
	shared->gso_type = route->ipv4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
}

static void stt_send(struct stt_tunnel *tunnel, struct sk_buff *skb,
		     struct ip_tunnel_info *info)
{
	__be16 sport = stt_source_port(skb);
	u32 length = skb->len;
	struct stt_header header;
	struct stt_route route;
	bool is_segmented;
	int error, mss;

	if (length + STT_OVERHEAD > STT_OUTER_MAX) {
		this_cpu_inc(tunnel->counters->tx_too_big);
		goto drop;
	}
	if (!stt_describe(skb, info->key.tun_id, &header)) {
		this_cpu_inc(tunnel->counters->tx_bad_offload);
		goto drop;
	}
	error = stt_find_route(tunnel, skb, info, sport, &route);
	if (error == -ELOOP)
		goto loop;
	if (error) {
		this_cpu_inc(tunnel->counters->tx_no_route);
		goto drop;
	}
	mss = (int)dst_mtu(route.dst) - STT_TCP_SIZE -
	      (int)(route.ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	if (mss < STT_MSS_MIN) {
		this_cpu_inc(tunnel->counters->tx_too_big);
		goto release;
	}
	is_segmented = skb_is_gso(skb) || length + STT_HEADER_SIZE > mss;
	if (stt_make_room(skb, route.dst, is_segmented)) {
		this_cpu_inc(tunnel->counters->tx_no_memory);
		goto release;
	}
	/* From here on nothing of the way to this device counts any more. */
	skb_scrub_packet(skb, false);
	skb_clear_hash_if_not_l4(skb);
	__vlan_hwaccel_clear_tag(skb);
	stt_push_headers(skb, sport, tunnel->port, &header);
	stt_set_outer_offload(skb, &route, mss);
	this_cpu_add(tunnel->counters->tx_segments, skb_shinfo(skb)->gso_segs ?: 1);
	error = stt_output(tunnel, skb, &route);
	/* The macro looks at its argument twice. */
	if (net_xmit_eval(error)) {
		this_cpu_inc(tunnel->counters->tx_output_refused);
	} else {
		this_cpu_inc(tunnel->counters->tx_frames);
		this_cpu_add(tunnel->counters->tx_bytes, length);
	}
	return;

loop:
	this_cpu_inc(tunnel->counters->tx_loop);
	goto drop;
release:
	dst_release(route.dst);
drop:
	kfree_skb(skb);
}

netdev_tx_t stt_transmit(struct sk_buff *skb, struct net_device *dev)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);
	struct ip_tunnel_info *info = skb_tunnel_info(skb);

	if (!info || !(info->mode & IP_TUNNEL_INFO_TX)) {
		this_cpu_inc(tunnel->counters->tx_no_tunnel);
		kfree_skb(skb);
	} else if (this_cpu_inc_return(stt_depth) > STT_DEPTH_MAX) {
		this_cpu_dec(stt_depth);
		this_cpu_inc(tunnel->counters->tx_loop);
		kfree_skb(skb);
	} else {
		stt_send(tunnel, skb, info);
		this_cpu_dec(stt_depth);
	}
	return NETDEV_TX_OK;
}
