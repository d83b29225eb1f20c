// SPDX-License-Identifier: GPL-2.0
/* A whole frame, from its STT header to whom it is for. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>

#include "compat.h"
#include "join.h"
#include "tunnel.h"

/* The addresses that it came by, for whoever asks the tunnel about it. */
static struct metadata_dst *stt_make_metadata(struct sk_buff *skb, bool ipv4,
					      const struct stt_header *header,
					      __be16 port)
{
	struct metadata_dst *metadata;
	__be64 id;

	memcpy(&id, header->context_id, sizeof(id));
	metadata = stt_rx_dst(skb, ipv4, id);
	if (metadata) {
		metadata->u.tun_info.key.tp_src = tcp_hdr(skb)->source;
		metadata->u.tun_info.key.tp_dst = port;
	}
	return metadata;
}

/*
 * Gives the frame the offloads that its header tells of. They are others'
 * words even after the check: with SKB_GSO_DODGY the kernel looks again
 * before it hands the frame to a device.
 */
static bool stt_set_offload(struct sk_buff *skb,
			    const struct stt_header *header)
{
	u32 reach = min(stt_offload_reach(header), skb->len);
	struct skb_shared_info *shared;
	struct stt_offload offload;

	if (!pskb_may_pull(skb, reach) ||
	    !stt_check_offload(header, skb->data, reach, skb->len, &offload))
		return false;
	skb->ip_summed = CHECKSUM_NONE;
	skb->csum_valid = 0;
	skb->csum_level = 0;
	if (header->flags & STT_FLAG_VERIFIED)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (!offload.partial)
		return true;
	if (!skb_partial_csum_set(skb, offload.csum_start, offload.csum_offset))
		return false;
	if (!offload.gso_size)
		return true;
	shared = skb_shinfo(skb);
	shared->gso_size = offload.gso_size;
	shared->gso_type = SKB_GSO_DODGY |
			   (offload.ipv4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6);
	if (offload.cwr)
		shared->gso_type |= SKB_GSO_TCP_ECN;
	return true;
}

static bool stt_set_congestion(struct sk_buff *skb, u8 outer_tos)
{
	u8 inner_tos;

	if (skb->protocol == htons(ETH_P_IP)) {
		if (!pskb_may_pull(skb, sizeof(struct iphdr)))
			return true;
		inner_tos = ip_hdr(skb)->tos;
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		if (!pskb_may_pull(skb, sizeof(struct ipv6hdr)))
			return true;
		inner_tos = ipv6_get_dsfield(ipv6_hdr(skb));
	} else {
		return true;
	}
	return INET_ECN_decapsulate(skb, outer_tos, inner_tos) <= 1;
}

static void stt_deliver(struct stt_tunnel *tunnel, struct sk_buff *skb, u8 tos)
{
	unsigned int length = skb->len;

	skb->protocol = eth_type_trans(skb, tunnel->dev);
	skb_reset_network_header(skb);
	/* Without neighbour discovery nobody knows this node's MAC: see device.c. */
	if (skb->pkt_type == PACKET_OTHERHOST &&
	    tunnel->dev->flags & IFF_NOARP)
		skb->pkt_type = PACKET_HOST;
	if (!stt_set_congestion(skb, tos)) {
		this_cpu_inc(tunnel->counters->rx_bad_ecn);
		kfree_skb(skb);
		return;
	}
	if (gro_cells_receive(&tunnel->cells, skb) == NET_RX_SUCCESS) {
		this_cpu_inc(tunnel->counters->rx_frames);
		this_cpu_add(tunnel->counters->rx_bytes, length);
	} else {
		this_cpu_inc(tunnel->counters->rx_not_taken);
	}
}

void stt_decapsulate(struct stt_tunnel *tunnel, struct sk_buff *skb, bool ipv4,
		     u8 tos)
{
	struct metadata_dst *metadata;
	struct stt_header header;

	/* What GRO or a segmenting card left in the shared part is rewritten. */
	if (!pskb_may_pull(skb, STT_FRAME_MIN) || skb_unclone(skb, GFP_ATOMIC))
		goto no_memory;
	if (!stt_parse_header(skb->data, &header)) {
		this_cpu_inc(tunnel->counters->rx_bad_version);
		goto drop;
	}
	metadata = stt_make_metadata(skb, ipv4, &header, tunnel->port);
	if (!metadata)
		goto no_memory;
	__skb_pull(skb, STT_HEADER_SIZE);
	skb_clear_hash_if_not_l4(skb);
	/* The card's queue that it came by is none of this device's. */
	skb_set_queue_mapping(skb, 0);
	skb_scrub_packet(skb, false);
	skb_dst_set(skb, &metadata->dst);
	skb->encapsulation = 0;
	skb_gso_reset(skb);
	if (!stt_set_offload(skb, &header)) {
		this_cpu_inc(tunnel->counters->rx_bad_offload);
		goto drop;
	}
	if (skb_is_gso(skb) && stt_make_segmentable(skb))
		goto no_memory;
	__vlan_hwaccel_clear_tag(skb);
	if (header.vlan_tci & STT_VLAN_PRESENT)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q),
				       header.vlan_tci & ~STT_VLAN_PRESENT);
	stt_deliver(tunnel, skb, tos);
	return;

no_memory:
	this_cpu_inc(tunnel->counters->rx_no_memory);
drop:
	kfree_skb(skb);
}
