// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: any bytes as the start of a frame. What the kernel relies on must
 * hold for all that is accepted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../header.h"

#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s does not hold\n", #condition); \
			abort();					\
		}							\
	} while (0)

static void check_segment(const u8 *bytes)
{
	u32 sequence = (u32)stt_get16(bytes) << 16 | stt_get16(bytes + 2);
	u32 length = stt_get16(bytes + 4);
	struct stt_segment segment;

	if (!stt_parse_segment(sequence, length, &segment))
		return;
	MUST(length > 0);
	MUST(segment.offset + length <= segment.total);
	MUST(segment.total >= STT_FRAME_MIN);
	MUST(stt_sequence(&segment) == sequence);
}

static void check_again(const struct stt_header *header)
{
	u8 bytes[STT_HEADER_SIZE];
	struct stt_header read;

	stt_build_header(bytes, header);
	MUST(stt_parse_header(bytes, &read));
	MUST(read.flags == header->flags);
	MUST(read.l4_offset == header->l4_offset);
	MUST(read.mss == header->mss);
	MUST(read.vlan_tci == header->vlan_tci);
	MUST(!memcmp(read.context_id, header->context_id, 8));
}

static void check_frame(const struct stt_header *header, const u8 *frame,
			size_t size, u32 length)
{
	u32 reach = stt_offload_reach(header);
	u32 at_hand = reach < size ? reach : (u32)size;
	struct stt_offload offload;
	u8 *exact = malloc(at_hand ? at_hand : 1);
	u32 l4;

	if (at_hand < reach)
		length = at_hand;
	memcpy(exact, frame, at_hand);
	if (!stt_check_offload(header, exact, at_hand, length, &offload)) {
		free(exact);
		return;
	}
	l4 = offload.csum_start;
	if (offload.partial) {
		MUST(header->flags & STT_FLAG_PARTIAL);
		MUST(l4 + offload.csum_offset + 2u <= at_hand);
		MUST(offload.csum_offset == 16 || offload.csum_offset == 6);
		MUST(l4 >= STT_ETHERNET_SIZE + (offload.ipv4 ? 20u : 40u));
	}
	if (offload.gso_size) {
		u32 size_of_tcp = (exact[l4 + 12] >> 4) * 4u;

		MUST(offload.partial && offload.csum_offset == 16);
		MUST(offload.gso_size >= STT_MSS_MIN && offload.gso_size < 0xffff);
		MUST(l4 + size_of_tcp + offload.gso_size < length);
		MUST(l4 + size_of_tcp <= at_hand);
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct stt_header header;
	u32 length;

	if (size < 6 + STT_HEADER_SIZE)
		return 0;
	check_segment(data);
	length = stt_get16(data);
	data += 6;
	size -= 6;
	if (!stt_parse_header(data, &header))
		return 0;
	check_again(&header);
	size -= STT_HEADER_SIZE;
	if (length < size)
		length = size;
	check_frame(&header, data + STT_HEADER_SIZE, size, length);
	return 0;
}
