// SPDX-License-Identifier: GPL-2.0
/* A segment, from its IP header to its place in a frame. */
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/xfrm.h>

#include "tunnel.h"

static void stt_describe_sender(const struct sk_buff *skb, bool ipv4,
				struct stt_frame_key *key)
{
	memset(key, 0, sizeof(*key));
	if (ipv4) {
		ipv6_addr_set_v4mapped(ip_hdr(skb)->saddr, &key->saddr);
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, &key->daddr);
	} else {
		key->saddr = ipv6_hdr(skb)->saddr;
		key->daddr = ipv6_hdr(skb)->daddr;
	}
}

/* No socket will ask for it. */
static bool stt_is_allowed_by_ipsec(struct sk_buff *skb, bool ipv4)
{
	return ipv4 ? xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb) :
		      xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb);
}

/* The data is the TCP header and what follows it. */
static bool stt_is_checksum_right(struct sk_buff *skb, bool ipv4)
{
	return ipv4 ? !skb_checksum_validate(skb, IPPROTO_TCP,
					     inet_compute_pseudo) :
		      !skb_checksum_validate(skb, IPPROTO_TCP,
					     ip6_compute_pseudo);
}

/* Real TCP that strayed here opens, closes or resets connections. */
static bool stt_parse_tcp(const struct tcphdr *tcp, u32 length,
			  struct stt_segment *segment)
{
	return tcp->doff == STT_TCP_SIZE / 4 && !tcp->syn && !tcp->fin &&
	       !tcp->rst &&
	       stt_parse_segment(ntohl(tcp->seq), length, segment);
}

/* The data is what follows the TCP header. */
static u32 stt_segments_in(const struct sk_buff *skb)
{
	if (!skb_is_gso(skb))
		return 1;
	return DIV_ROUND_UP(skb->len, skb_shinfo(skb)->gso_size);
}

void stt_receive(struct stt_tunnel *tunnel, struct sk_buff *skb,
		 unsigned int ip_size, bool ipv4)
{
	struct stt_segment segment;
	struct stt_frame_key key;
	struct tcphdr *tcp;
	bool ce;
	u8 tos;

	stt_describe_sender(skb, ipv4, &key);
	if (!stt_is_peer(tunnel, &key.saddr) ||
	    !stt_is_allowed_by_ipsec(skb, ipv4)) {
		this_cpu_inc(tunnel->counters->rx_policy_drop);
		goto drop;
	}
	if (!pskb_may_pull(skb, ip_size + STT_TCP_SIZE))
		goto bad_segment;
	skb_orphan(skb);
	tos = ipv4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));
	skb_set_transport_header(skb, ip_size);
	__skb_pull(skb, ip_size);
	skb_postpull_rcsum(skb, skb_network_header(skb), ip_size);
	tcp = tcp_hdr(skb);
	if (!stt_parse_tcp(tcp, skb->len - STT_TCP_SIZE, &segment))
		goto bad_segment;
	if (!stt_is_checksum_right(skb, ipv4)) {
		this_cpu_inc(tunnel->counters->rx_bad_checksum);
		goto drop;
	}
	/* Reading it through may have moved the buffer's head. */
	tcp = tcp_hdr(skb);
	key.sport = tcp->source;
	key.packet_id = tcp->ack_seq;
	__skb_pull(skb, STT_TCP_SIZE);
	this_cpu_add(tunnel->counters->rx_segments, stt_segments_in(skb));
	if (skb->len < segment.total) {
		ce = INET_ECN_is_ce(tos);
		skb = stt_reassemble(tunnel, skb, &key, &segment, &ce);
		if (!skb)
			return;
		if (ce)
			tos |= INET_ECN_CE;
	}
	stt_decapsulate(tunnel, skb, ipv4, tos);
	return;

bad_segment:
	this_cpu_inc(tunnel->counters->rx_bad_segment);
drop:
	kfree_skb(skb);
}
