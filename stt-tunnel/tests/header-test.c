// SPDX-License-Identifier: GPL-2.0
/* What the parser takes and refuses, case by case; prints a line for each. */
#include <stdio.h>
#include <stdlib.h>

#include "../header.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static int failed;

static void verdict(const char *what, bool is_right)
{
	printf("%s %s\n", is_right ? "ok" : "FAILED", what);
	failed |= !is_right;
}

/* A frame of TCP over IPv4 without options, and the header that describes it. */
struct sample {
	struct stt_header header;
	u8 frame[256];
	u32 length;
};

static void set_ipv4(struct sample *sample, u8 protocol)
{
	u8 *ip = sample->frame + 14;

	stt_put16(sample->frame + 12, 0x0800);
	ip[0] = 0x45;
	stt_put16(ip + 2, (u16)(sample->length - 14));
	ip[9] = protocol;
	sample->header.l4_offset = 34;
}

static void set_ipv6(struct sample *sample, u8 protocol)
{
	u8 *ip = sample->frame + 14;

	stt_put16(sample->frame + 12, 0x86dd);
	ip[0] = 0x60;
	stt_put16(ip + 4, (u16)(sample->length - 54));
	ip[6] = protocol;
	sample->header.l4_offset = 54;
	sample->header.flags &= (u8)~STT_FLAG_IPV4;
}

static struct sample sample_of(bool is_ipv4, bool is_tcp)
{
	struct sample sample = { .length = 250 };

	sample.header.flags = STT_FLAG_PARTIAL | STT_FLAG_IPV4;
	if (is_tcp)
		sample.header.flags |= STT_FLAG_TCP;
	if (is_ipv4)
		set_ipv4(&sample, is_tcp ? 6 : 17);
	else
		set_ipv6(&sample, is_tcp ? 6 : 17);
	if (is_tcp)
		sample.frame[sample.header.l4_offset + 12] = 0x50;
	return sample;
}

static bool check(const struct sample *sample, struct stt_offload *offload)
{
	u32 reach = stt_offload_reach(&sample->header);
	u32 at_hand = reach < sample->length ? reach : sample->length;
	/* As large as it is said to be, so that reading on is noticed. */
	u8 *exact = malloc(at_hand);
	bool is_accepted;

	memcpy(exact, sample->frame, at_hand);
	is_accepted = stt_check_offload(&sample->header, exact, at_hand,
					sample->length, offload);
	free(exact);
	return is_accepted;
}

static bool refuses(struct sample sample)
{
	struct stt_offload offload;

	return !check(&sample, &offload);
}

static bool asks_for(struct sample sample, u16 csum_start, u16 csum_offset,
		     u16 gso_size)
{
	struct stt_offload offload;

	return check(&sample, &offload) && offload.partial &&
	       offload.csum_start == csum_start &&
	       offload.csum_offset == csum_offset &&
	       offload.gso_size == gso_size;
}

static void test_segments(void)
{
	static const struct {
		const char *what;
		u32 sequence;
		u32 length;
		bool is_taken;
	} cases[] = {
		{ "a frame in one segment", 100 << 16, 100, true },
		{ "the last byte of a frame", 100 << 16 | 99, 1, true },
		{ "the largest frame", 0xffff0000, 0xffff, true },
		{ "the end of the largest frame", 0xfffffffe, 1, true },
		{ "the smallest frame", 32u << 16, 32, true },
		{ "no segment without data", 100 << 16, 0, false },
		{ "no frame too small for its headers", 31u << 16, 31, false },
		{ "no frame of no length", 0, 1, false },
		{ "no segment longer than its frame", 100 << 16, 101, false },
		{ "no segment beyond its frame's end", 100 << 16 | 50, 51, false },
		{ "no segment behind its frame's end", 100 << 16 | 100, 1, false },
		{ "no length that wraps around", 100 << 16 | 50, 0xffffffff, false },
	};
	struct stt_segment segment;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		verdict(cases[i].what,
			stt_parse_segment(cases[i].sequence, cases[i].length,
					  &segment) == cases[i].is_taken);
}

static void test_header(void)
{
	static const u8 wire[STT_HEADER_SIZE] = {
		0, 0x0e, 34, 0, 0x05, 0xb4, 0xb0, 0x05, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0
	};
	struct stt_header header;
	u8 bytes[STT_HEADER_SIZE];

	verdict("every field is where it belongs",
		stt_parse_header(wire, &header) && header.flags == 0x0e &&
		header.l4_offset == 34 && header.mss == 1460 &&
		header.vlan_tci == 0xb005 &&
		!memcmp(header.context_id, wire + 8, 8));
	stt_build_header(bytes, &header);
	verdict("what is built is what was parsed", !memcmp(bytes, wire, sizeof(wire)));
	memcpy(bytes, wire, sizeof(wire));
	bytes[0] = 1;
	verdict("another version is refused", !stt_parse_header(bytes, &header));
	memcpy(bytes, wire, sizeof(wire));
	bytes[1] |= 0xf0;
	bytes[3] = 0xff;
	memset(bytes + 16, 0xff, 2);
	verdict("reserved bits are not looked at",
		stt_parse_header(bytes, &header) && header.flags == 0x0e);
}

static void test_offload(void)
{
	struct sample s = sample_of(true, true);
	struct stt_offload offload;

	verdict("TCP over IPv4", asks_for(s, 34, 16, 0));
	verdict("UDP over IPv4", asks_for(sample_of(true, false), 34, 6, 0));
	verdict("TCP over IPv6", asks_for(sample_of(false, true), 54, 16, 0));
	verdict("UDP over IPv6", asks_for(sample_of(false, false), 54, 6, 0));
	s.header.mss = 100;
	verdict("segments, if there is more than one", asks_for(s, 34, 16, 100));
	s.header.mss = 196;
	verdict("no segments, if all fits one", asks_for(s, 34, 16, 0));
	s.header.mss = 0xffff;
	verdict("no segments of the size that the kernel has another use for",
		asks_for(s, 34, 16, 0));
	s.header.mss = STT_MSS_MIN - 1;
	verdict("no thousands of tiny segments", refuses(s));
	s = sample_of(true, false);
	s.header.mss = 100;
	verdict("a datagram is not segmented", asks_for(s, 34, 6, 0));
	s = sample_of(true, true);
	s.header.flags = STT_FLAG_TCP | STT_FLAG_IPV4;
	verdict("nothing is believed of a frame whose checksum is complete",
		check(&s, &offload) && !offload.partial && !offload.gso_size);
	s = sample_of(true, true);
	s.frame[34 + 13] = 0x80;
	verdict("a reduced window is seen", check(&s, &offload) && offload.cwr);
}

static void test_lies(void)
{
	struct sample s = sample_of(true, true);

	s.header.flags &= (u8)~STT_FLAG_IPV4;
	verdict("IPv4 that is said to be IPv6", refuses(s));
	s = sample_of(true, true);
	s.header.flags &= (u8)~STT_FLAG_TCP;
	verdict("TCP that is said to be UDP", refuses(s));
	for (int offset = 0; offset < 256; offset++) {
		s = sample_of(true, true);
		s.header.l4_offset = (u8)offset;
		if (offset != 34 && !refuses(s))
			verdict("a wrong offset", false);
	}
	verdict("every wrong offset of the checksum", true);
	s = sample_of(true, true);
	stt_put16(s.frame + 20, 0x2000);
	verdict("the first fragment of a packet", refuses(s));
	stt_put16(s.frame + 20, 8);
	verdict("a later fragment of a packet", refuses(s));
	s = sample_of(true, true);
	stt_put16(s.frame + 16, 237);
	verdict("an IPv4 packet longer than its frame", refuses(s));
	stt_put16(s.frame + 16, 20);
	verdict("an IPv4 packet without TCP", refuses(s));
	s.header.mss = 100;
	stt_put16(s.frame + 16, 235);
	verdict("segments with something behind the packet", refuses(s));
	s = sample_of(true, true);
	s.frame[34 + 12] = 0x40;
	verdict("a TCP header that is too short", refuses(s));
	s.length = 54;
	set_ipv4(&s, 6);
	s.frame[34 + 12] = 0xf0;
	verdict("a TCP header longer than its packet", refuses(s));
	s = sample_of(false, true);
	stt_put16(s.frame + 18, 0);
	verdict("an IPv6 packet without a length", refuses(s));
	s = sample_of(true, true);
	s.length = 16;
	verdict("a frame that ends within its IP header", refuses(s));
}

static void test_detours(void)
{
	struct sample s = sample_of(true, true);

	memmove(s.frame + 18, s.frame + 14, 200);
	stt_put16(s.frame + 12, 0x8100);
	stt_put16(s.frame + 16, 0x0800);
	stt_put16(s.frame + 20, (u16)(s.length - 18));
	s.header.l4_offset = 38;
	verdict("a VLAN tag within the frame", asks_for(s, 38, 16, 0));
	s = sample_of(false, true);
	s.header.l4_offset = 54 + 16;
	s.frame[20] = 0;
	s.frame[54] = 60;
	s.frame[54 + 8] = 6;
	s.frame[54 + 16 + 12] = 0x50;
	verdict("options of IPv6", asks_for(s, 70, 16, 0));
	s.frame[54 + 8] = 44;
	verdict("no fragment header of IPv6", refuses(s));
	s.frame[54 + 8] = 6;
	s.frame[54 + 1] = 255;
	verdict("no option longer than all of it", refuses(s));
}

int main(void)
{
	test_segments();
	test_header();
	test_offload();
	test_lies();
	test_detours();
	return failed;
}
