/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire format of STT, as pure functions over bytes, so that the kernel,
 * the unit tests and the fuzzer run the same code. Whatever is read here was
 * written by somebody else: nothing is believed that the frame itself does
 * not confirm.
 *
 *	IP | 20 bytes shaped like TCP | STT header, 2 bytes of padding | Ethernet
 *
 * The STT header leads the frame, not each segment: the sequence number of
 * the outer header says how long the frame is and where the segment belongs.
 */
#ifndef STT_HEADER_H
#define STT_HEADER_H

#ifdef __KERNEL__
#include <linux/string.h>
#include <linux/types.h>
#else
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
#endif

#define STT_PORT		7471
/* With the padding that aligns the IP header inside. */
#define STT_HEADER_SIZE		18
#define STT_ETHERNET_SIZE	14
#define STT_VLAN_SIZE		4
#define STT_FRAME_MIN		(STT_HEADER_SIZE + STT_ETHERNET_SIZE)

#define STT_FLAG_VERIFIED	0x01
#define STT_FLAG_PARTIAL	0x02
#define STT_FLAG_IPV4		0x04
#define STT_FLAG_TCP		0x08

/* Bit 12 says that there is a tag; it is not the tag's own DEI. */
#define STT_VLAN_PRESENT	0x1000

/* Below it a frame would become thousands of packets. */
#define STT_MSS_MIN		48

/* The longest header that begins at l4_offset, that of TCP. */
#define STT_L4_MAX		60

struct stt_header {
	u8 flags;
	u8 l4_offset;
	u16 mss;
	u16 vlan_tci;
	/* In the order of the wire, as the kernel keeps tunnel ids. */
	u8 context_id[8];
};

/* Where a segment belongs in its frame, STT header included. */
struct stt_segment {
	u16 total;
	u16 offset;
};

/* What is left to do for a frame's checksum and segmentation. */
struct stt_offload {
	bool partial;
	bool ipv4;
	bool cwr;
	u16 csum_start;
	u16 csum_offset;
	/* 0: the frame is one packet. */
	u16 gso_size;
};

static inline u16 stt_get16(const u8 *bytes)
{
	return (u16)(bytes[0] << 8 | bytes[1]);
}

static inline void stt_put16(u8 *bytes, u16 value)
{
	bytes[0] = (u8)(value >> 8);
	bytes[1] = (u8)value;
}

static inline u32 stt_sequence(const struct stt_segment *segment)
{
	return (u32)segment->total << 16 | segment->offset;
}

/* False if no frame can have such a segment of @length bytes. */
static inline bool stt_parse_segment(u32 sequence, u32 length,
				     struct stt_segment *segment)
{
	segment->total = (u16)(sequence >> 16);
	segment->offset = (u16)sequence;
	return length && segment->total >= STT_FRAME_MIN &&
	       length <= segment->total &&
	       segment->offset <= segment->total - length;
}

static inline void stt_build_header(u8 *bytes, const struct stt_header *header)
{
	memset(bytes, 0, STT_HEADER_SIZE);
	bytes[1] = header->flags;
	bytes[2] = header->l4_offset;
	stt_put16(bytes + 4, header->mss);
	stt_put16(bytes + 6, header->vlan_tci);
	memcpy(bytes + 8, header->context_id, sizeof(header->context_id));
}

/* False for a version that is not ours. Reserved bits are not looked at. */
static inline bool stt_parse_header(const u8 *bytes, struct stt_header *header)
{
	if (bytes[0])
		return false;
	header->flags = bytes[1] & (STT_FLAG_VERIFIED | STT_FLAG_PARTIAL |
				    STT_FLAG_IPV4 | STT_FLAG_TCP);
	header->l4_offset = bytes[2];
	header->mss = stt_get16(bytes + 4);
	header->vlan_tci = stt_get16(bytes + 6);
	memcpy(header->context_id, bytes + 8, sizeof(header->context_id));
	return true;
}

/* How much of a frame stt_check_offload() reads, if there is that much. */
static inline u32 stt_offload_reach(const struct stt_header *header)
{
	if (!(header->flags & STT_FLAG_PARTIAL))
		return STT_ETHERNET_SIZE;
	return STT_ETHERNET_SIZE + header->l4_offset + STT_L4_MAX;
}

/* Ends at which byte the packet that begins at @l3? 0 if it is not one. */
static inline u32 stt_end_of_ipv4(const u8 *frame, u32 at_hand, u32 l3, u32 l4,
				  u8 protocol)
{
	const u8 *ip = frame + l3;

	if (at_hand < l3 + 20 || ip[0] >> 4 != 4 || (ip[0] & 0xf) < 5)
		return 0;
	if (l3 + (ip[0] & 0xf) * 4u != l4 || ip[9] != protocol)
		return 0;
	/* A fragment has no checksum of its own. */
	if (stt_get16(ip + 6) & 0x3fff)
		return 0;
	return l3 + stt_get16(ip + 2);
}

static inline bool stt_is_ipv6_option(u8 protocol)
{
	/* Hop-by-hop, routing, destination. */
	return protocol == 0 || protocol == 43 || protocol == 60;
}

static inline u32 stt_end_of_ipv6(const u8 *frame, u32 at_hand, u32 l3, u32 l4,
				  u8 protocol)
{
	const u8 *ip = frame + l3;
	u32 at = l3 + 40;
	u8 next;

	if (at_hand < at || ip[0] >> 4 != 6 || !stt_get16(ip + 4))
		return 0;
	next = ip[6];
	while (at < l4 && at + 8 <= at_hand && stt_is_ipv6_option(next)) {
		next = frame[at];
		at += (frame[at + 1] + 1u) * 8;
	}
	if (at != l4 || next != protocol)
		return 0;
	return l3 + 40 + stt_get16(ip + 4);
}

static inline bool stt_check_tcp(const struct stt_header *header,
				 const u8 *frame, u32 at_hand, u32 length,
				 u32 end, struct stt_offload *offload)
{
	u32 l4 = header->l4_offset;
	u32 size;

	if (at_hand < l4 + 20)
		return false;
	size = (frame[l4 + 12] >> 4) * 4u;
	if (size < 20 || l4 + size > end || l4 + size > at_hand)
		return false;
	offload->cwr = frame[l4 + 13] & 0x80;
	if (!header->mss || end - l4 - size <= header->mss)
		return true;
	/* What follows the packet would become part of its last segment. */
	if (header->mss < STT_MSS_MIN || end != length)
		return false;
	offload->gso_size = header->mss;
	return true;
}

/*
 * Compares what the header says about checksum and segmentation with the
 * frame of @length bytes, of which the first @at_hand can be read. False if
 * they disagree: such a frame must not go on, for its checksum is not one.
 */
static inline bool stt_check_offload(const struct stt_header *header,
				     const u8 *frame, u32 at_hand, u32 length,
				     struct stt_offload *offload)
{
	bool is_tcp = header->flags & STT_FLAG_TCP;
	u32 l3 = STT_ETHERNET_SIZE;
	u32 l4 = header->l4_offset;
	u16 type;
	u32 end;

	memset(offload, 0, sizeof(*offload));
	if (!(header->flags & STT_FLAG_PARTIAL))
		return true;
	if (at_hand > length || at_hand < l3 + STT_VLAN_SIZE)
		return false;
	type = stt_get16(frame + 12);
	if (type == 0x8100) {
		type = stt_get16(frame + 16);
		l3 += STT_VLAN_SIZE;
	}
	offload->ipv4 = header->flags & STT_FLAG_IPV4;
	if (type != (offload->ipv4 ? 0x0800 : 0x86dd))
		return false;
	end = offload->ipv4 ?
	      stt_end_of_ipv4(frame, at_hand, l3, l4, is_tcp ? 6 : 17) :
	      stt_end_of_ipv6(frame, at_hand, l3, l4, is_tcp ? 6 : 17);
	if (end > length || end < l4 + 8)
		return false;
	offload->partial = true;
	offload->csum_start = header->l4_offset;
	offload->csum_offset = is_tcp ? 16 : 6;
	/*
	 * UDP with a segment size means one datagram, to be fragmented where
	 * it must be: that is what becomes of it without one.
	 */
	if (is_tcp)
		return stt_check_tcp(header, frame, at_hand, length, end,
				     offload);
	return at_hand >= l4 + 8;
}

#endif
