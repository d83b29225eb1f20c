/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a packet is, from the bytes of its headers and the configured sets
 * alone. Whether the kernel knows something that speaks against it (an entry
 * of conntrack, a local address) is asked elsewhere, after this.
 */
#ifndef BYPASS_CLASSIFY_H
#define BYPASS_CLASSIFY_H

#include "addresses.h"
#include "podwire_bypass.h"
#include "reasons.h"

/* So many bytes of a packet say all, those of an ICMP error about another. */
#define BYPASS_HEADER_BYTES (40 + 8 + 40 + 8)

struct bypass_rules {
	u32 mode;
	u32 lease;
	u32 tunnel_count;
	struct podwire_bypass_tunnel tunnels[PODWIRE_BYPASS_MAX_TUNNELS];
	struct bypass_addresses pods;
	struct bypass_addresses excluded;
	struct bypass_addresses node;
	struct bypass_addresses peers;
};

/* The key of a flow in one direction. Five words: no padding. */
struct bypass_flow {
	/* In host order */
	struct bypass_address source;
	struct bypass_address destination;
	__be16 source_port;
	__be16 destination_port;
	u8 protocol;
	u8 family;
	/* What comes in may be judged otherwise than what goes out. */
	u8 is_leaving;
	u8 reserved;
};

/* By words: some kernels' memcmp() goes by bytes. */
static inline bool bypass_is_same(const struct bypass_flow *a, const struct bypass_flow *b)
{
	const u64 *first = (const u64 *)a, *second = (const u64 *)b;

	return !((first[0] ^ second[0]) | (first[1] ^ second[1]) | (first[2] ^ second[2]) |
		 (first[3] ^ second[3]) | (first[4] ^ second[4]));
}

struct bypass_packet {
	struct bypass_flow flow;
	/* Begins or accepts a TCP connection. */
	bool is_syn;
};

#define BYPASS_TCP 6
#define BYPASS_UDP 17
#define BYPASS_ICMP 1
#define BYPASS_ICMP6 58

static inline u16 bypass_load16(const u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static inline bool bypass_is_extension(u8 protocol)
{
	/* Hop-by-hop, routing, ESP, AH, destination, mobility, HIP, shim6. */
	return protocol == 0 || protocol == 43 || protocol == 50 ||
	       protocol == 51 || protocol == 60 || protocol == 135 ||
	       protocol == 139 || protocol == 140;
}

/*
 * The ports of TCP or UDP. Of a packet within an ICMP error no more than eight
 * bytes need be there.
 */
static inline enum bypass_reason
bypass_read_ports(const u8 *data, u32 available, u32 length, bool is_quoted,
		  struct bypass_packet *packet)
{
	u32 least = packet->flow.protocol == BYPASS_TCP && !is_quoted ? 20 : 8;

	if (packet->flow.protocol != BYPASS_TCP &&
	    packet->flow.protocol != BYPASS_UDP)
		return BYPASS_PROTOCOL;
	if (length < least || available < (least == 20 ? 14 : 8))
		return BYPASS_MALFORMED;
	memcpy(&packet->flow.source_port, data, 2);
	memcpy(&packet->flow.destination_port, data + 2, 2);
	if (least == 20)
		packet->is_syn = data[13] & 0x02;
	return BYPASS_POD;
}

static inline enum bypass_reason bypass_read(const u8 *data, u32 available,
					     u32 length, u8 family, bool is_quoted,
					     struct bypass_packet *packet);

/* The packet that an error is about, if it is an error at all. */
static inline enum bypass_reason
bypass_read_error(const u8 *data, u32 available, u32 length, u8 family,
		  struct bypass_packet *packet)
{
	bool is_error;

	if (length < 8 || available < 8)
		return BYPASS_MALFORMED;
	/* Unreachable, too big, time exceeded, bad parameter. */
	if (family == 4)
		is_error = data[0] == 3 || data[0] == 11 || data[0] == 12;
	else
		is_error = data[0] >= 1 && data[0] <= 4;
	if (!is_error)
		return BYPASS_PROTOCOL;
	if (bypass_read(data + 8, available - 8, length - 8, family, true, packet) !=
	    BYPASS_POD)
		return BYPASS_PROTOCOL;
	return BYPASS_ICMP_ERROR;
}

/*
 * Reads the headers of a packet that is `length` bytes long and of which
 * `available` are at `data`. Returns POD if it may be bypassed at all,
 * ICMP_ERROR if it is about a packet of that kind (`packet` is that one then),
 * and else why not.
 */
static inline enum bypass_reason bypass_read(const u8 *data, u32 available,
					     u32 length, u8 family, bool is_quoted,
					     struct bypass_packet *packet)
{
	u32 header = family == 4 ? 20 : 40;
	u32 claimed;

	memset(packet, 0, sizeof(*packet));
	if (available > length)
		available = length;
	if (available < header || data[0] >> 4 != family)
		return BYPASS_MALFORMED;
	packet->flow.family = family;
	if (family == 4) {
		u16 fragment = bypass_load16(data + 6);

		/* More than a header without options, or less. */
		if ((data[0] & 15) != 5)
			return (data[0] & 15) < 5 ? BYPASS_MALFORMED : BYPASS_OPTIONS;
		if (fragment & 0x3fff)
			return BYPASS_FRAGMENT;
		claimed = bypass_load16(data + 2);
		packet->flow.protocol = data[9];
		packet->flow.source = bypass_load(data + 12, 4);
		packet->flow.destination = bypass_load(data + 16, 4);
	} else {
		claimed = bypass_load16(data + 4);
		if (claimed > 0)
			claimed += 40;
		packet->flow.protocol = data[6];
		if (data[6] == 44)
			return BYPASS_FRAGMENT;
		if (bypass_is_extension(data[6]))
			return BYPASS_OPTIONS;
		packet->flow.source = bypass_load(data + 8, 6);
		packet->flow.destination = bypass_load(data + 24, 6);
	}
	/* A packet that waits for segmentation may be longer than it can say. */
	if (!is_quoted && claimed > 0 && claimed < length)
		length = claimed;
	if (!is_quoted && claimed > length)
		return BYPASS_MALFORMED;
	if (length < header)
		return BYPASS_MALFORMED;
	if (available > length)
		available = length;
	data += header;
	if (!is_quoted && packet->flow.protocol == (family == 4 ? BYPASS_ICMP : BYPASS_ICMP6))
		return bypass_read_error(data, available - header, length - header,
					 family, packet);
	return bypass_read_ports(data, available - header, length - header,
				 is_quoted, packet);
}

static inline bool bypass_has(const struct bypass_addresses *set, u8 family,
			      const struct bypass_address *address)
{
	return family == 4 ? bypass_has4(set, address->low) :
			     bypass_has6(set, address);
}

static inline bool bypass_is_tunnel(const struct bypass_rules *rules,
				    const struct bypass_flow *flow)
{
	const struct bypass_address *own, *other;
	u32 i;

	for (i = 0; i < rules->tunnel_count; i++) {
		if (rules->tunnels[i].port == flow->destination_port &&
		    rules->tunnels[i].protocol == flow->protocol)
			break;
	}
	if (i == rules->tunnel_count)
		return false;
	own = flow->is_leaving ? &flow->source : &flow->destination;
	other = flow->is_leaving ? &flow->destination : &flow->source;
	return bypass_has(&rules->node, flow->family, own) &&
	       bypass_has(&rules->peers, flow->family, other);
}

/* Whether both ends are pods that may be bypassed, whatever the direction. */
static inline enum bypass_reason bypass_match_pods(const struct bypass_rules *rules,
						   const struct bypass_flow *flow)
{
	if (!bypass_has(&rules->pods, flow->family, &flow->destination) ||
	    !bypass_has(&rules->pods, flow->family, &flow->source))
		return BYPASS_NOT_IN_SET;
	if (bypass_has(&rules->excluded, flow->family, &flow->destination) ||
	    bypass_has(&rules->excluded, flow->family, &flow->source))
		return BYPASS_EXCLUDED;
	return BYPASS_POD;
}

static inline enum bypass_reason bypass_match(const struct bypass_rules *rules,
					      const struct bypass_flow *flow)
{
	if (bypass_is_tunnel(rules, flow))
		return BYPASS_TUNNEL;
	/* What a node sends by itself is no traffic between pods. */
	return flow->is_leaving ? BYPASS_NOT_IN_SET : bypass_match_pods(rules, flow);
}

#endif
