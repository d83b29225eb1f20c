// SPDX-License-Identifier: GPL-2.0
/*
 * The classifier by tables, in user space. Prints a line for each row that is
 * not as expected, and how many there were.
 */
#include <stdio.h>

#include "fixture.h"

static int failed, total;

static void expect(const char *what, unsigned int seen, unsigned int expected)
{
	total++;
	if (seen == expected)
		return;
	failed++;
	printf("%s: %s, expected %s\n", what, reason_names[seen], reason_names[expected]);
}

static void expect_packet(const char *what, const struct bytes *packet, u8 family,
			  enum bypass_reason expected)
{
	expect(what, judge(&rules, packet->data, packet->length, packet->length, family), expected);
}

static void change(const char *what, u8 family, int at, u8 value, enum bypass_reason expected)
{
	struct bytes packet = family == 4 ? packet4("10.244.1.2", "10.244.2.3", 17, 40000, 53) :
					    packet6("fd00::1:2", "fd00::2:3", 17, 40000, 53);

	packet.data[at] = value;
	expect_packet(what, &packet, family, expected);
}

static void test_addresses(void)
{
	static const struct {
		const char *what, *from, *to;
		enum bypass_reason expected;
	} rows[] = {
		{ "two pods", "10.244.1.2", "10.244.2.3", BYPASS_POD },
		{ "the first and the last address of the set", "10.244.0.0", "10.244.255.255", BYPASS_POD },
		{ "one below the set", "10.243.255.255", "10.244.2.3", BYPASS_NOT_IN_SET },
		{ "one above the set", "10.245.0.0", "10.244.2.3", BYPASS_NOT_IN_SET },
		{ "to the outside", "10.244.1.2", "1.1.1.1", BYPASS_NOT_IN_SET },
		{ "from an excluded pod", "10.244.9.9", "10.244.2.3", BYPASS_EXCLUDED },
		{ "to an excluded pod", "10.244.2.3", "10.244.9.9", BYPASS_EXCLUDED },
		{ "beside an excluded pod", "10.244.9.8", "10.244.9.10", BYPASS_POD },
	};
	struct bytes packet;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		packet = packet4(rows[i].from, rows[i].to, 6, 40000, 80);
		expect_packet(rows[i].what, &packet, 4, rows[i].expected);
	}
	packet = packet6("fd00::1:2", "fd00::2:3", 6, 40000, 80);
	expect_packet("two pods by IPv6", &packet, 6, BYPASS_POD);
	packet = packet6("fd00::1:2", "fd01::2:3", 6, 40000, 80);
	expect_packet("outside by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
	packet = packet6("fd00::9:9", "fd00::2:3", 6, 40000, 80);
	expect_packet("excluded by IPv6", &packet, 6, BYPASS_EXCLUDED);
	packet = packet6("fd00::2:3", "fd00::9:9", 6, 40000, 80);
	expect_packet("to an excluded pod by IPv6", &packet, 6, BYPASS_EXCLUDED);
	packet = packet6("fd00::9:8", "fd00::9:a", 6, 40000, 80);
	expect_packet("beside an excluded pod by IPv6", &packet, 6, BYPASS_POD);
	packet = packet6("fd00::", "fd00:0:ffff:ffff:ffff:ffff:ffff:ffff", 17, 40000, 53);
	expect_packet("the first and the last address of the set by IPv6", &packet, 6, BYPASS_POD);
	packet = packet6("fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00::2:3", 17, 40000, 53);
	expect_packet("one below the set by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
	packet = packet6("fd00:1::", "fd00::2:3", 17, 40000, 53);
	expect_packet("one above the set by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
}

static void test_tunnels(void)
{
	struct bytes packet = packet4("192.0.2.2", "192.0.2.1", 17, 50000, 8472);

	expect_packet("a tunnel from a peer", &packet, 4, BYPASS_TUNNEL);
	packet = packet4("192.0.2.9", "192.0.2.1", 17, 50000, 8472);
	expect_packet("a tunnel from somebody else", &packet, 4, BYPASS_NOT_IN_SET);
	packet = packet4("192.0.2.2", "192.0.2.1", 17, 8472, 50000);
	expect_packet("the tunnel's port as a source", &packet, 4, BYPASS_NOT_IN_SET);
	packet = packet4("192.0.2.2", "192.0.2.1", 6, 50000, 8472);
	expect_packet("the tunnel's port of another protocol", &packet, 4, BYPASS_NOT_IN_SET);
	packet = packet4("192.0.2.1", "192.0.2.2", 17, 50000, 8472);
	expect_packet("one's own tunnel coming back", &packet, 4, BYPASS_NOT_IN_SET);
	expect("one's own tunnel leaving",
	       judge_leaving(&rules, packet.data, packet.length, packet.length, 4), BYPASS_TUNNEL);
	packet = packet4("10.244.1.2", "10.244.2.3", 17, 50000, 53);
	expect("a pod's packet as this node's own",
	       judge_leaving(&rules, packet.data, packet.length, packet.length, 4), BYPASS_NOT_IN_SET);
}

static void test_tunnels6(void)
{
	struct bytes packet = packet6("2001:db8::2", "2001:db8::1", 17, 50000, 8472);

	expect_packet("a tunnel from a peer by IPv6", &packet, 6, BYPASS_TUNNEL);
	packet = packet6("2001:db8::9", "2001:db8::1", 17, 50000, 8472);
	expect_packet("a tunnel from somebody else by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
	packet = packet6("2001:db8::2", "2001:db8::1", 17, 8472, 50000);
	expect_packet("the tunnel's port as a source by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
	packet = packet6("2001:db8::2", "2001:db8::1", 6, 50000, 8472);
	expect_packet("the tunnel's port of another protocol by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
	packet = packet6("2001:db8::1", "2001:db8::2", 17, 50000, 8472);
	expect_packet("one's own tunnel coming back by IPv6", &packet, 6, BYPASS_NOT_IN_SET);
	expect("one's own tunnel leaving by IPv6",
	       judge_leaving(&rules, packet.data, packet.length, packet.length, 6), BYPASS_TUNNEL);
	packet = packet6("fd00::1:2", "fd00::2:3", 17, 50000, 53);
	expect("a pod's packet as this node's own by IPv6",
	       judge_leaving(&rules, packet.data, packet.length, packet.length, 6), BYPASS_NOT_IN_SET);
}

static void test_cut_off(u8 family, const struct bytes *packet)
{
	/* As far as TCP's flags. */
	u32 least = (family == 4 ? 20 : 40) + 14;
	u32 length;

	for (length = 0; length < packet->length; length++) {
		expect("cut off", judge(&rules, packet->data, length, length, family), BYPASS_MALFORMED);
		expect("not all of it at hand",
		       judge(&rules, packet->data, length, packet->length, family),
		       length < least ? BYPASS_MALFORMED : BYPASS_POD);
	}
}

static void test_headers(void)
{
	struct bytes packet;

	change("options", 4, 0, 0x46, BYPASS_OPTIONS);
	change("a header that is too short", 4, 0, 0x44, BYPASS_MALFORMED);
	change("another version", 4, 0, 0x65, BYPASS_MALFORMED);
	change("more fragments", 4, 6, 0x20, BYPASS_FRAGMENT);
	change("a later fragment", 4, 7, 0x01, BYPASS_FRAGMENT);
	change("don't fragment", 4, 6, 0x40, BYPASS_POD);
	change("SCTP", 4, 9, 132, BYPASS_PROTOCOL);
	change("a total length beyond the packet", 4, 2, 0x40, BYPASS_MALFORMED);
	change("a total length within the header", 4, 3, 21, BYPASS_MALFORMED);
	change("a total length of nothing", 4, 3, 0, BYPASS_POD);
	change("another version by IPv6", 6, 0, 0x40, BYPASS_MALFORMED);
	change("a fragment by IPv6", 6, 6, 44, BYPASS_FRAGMENT);
	change("hop-by-hop options", 6, 6, 0, BYPASS_OPTIONS);
	change("a routing header", 6, 6, 43, BYPASS_OPTIONS);
	change("ESP", 6, 6, 50, BYPASS_OPTIONS);
	change("destination options", 6, 6, 60, BYPASS_OPTIONS);
	change("no next header", 6, 6, 59, BYPASS_PROTOCOL);
	change("a payload length beyond the packet", 6, 4, 0x40, BYPASS_MALFORMED);
	change("a payload length within the header", 6, 5, 7, BYPASS_MALFORMED);
	change("a payload length of nothing", 6, 5, 0, BYPASS_POD);
	change("SCTP by IPv6", 6, 6, 132, BYPASS_PROTOCOL);
	change("ICMP of the other family", 4, 9, 58, BYPASS_PROTOCOL);
	change("ICMP of the other family by IPv6", 6, 6, 1, BYPASS_PROTOCOL);
	packet = packet4("10.244.1.2", "10.244.2.3", 6, 40000, 80);
	test_cut_off(4, &packet);
	packet = packet6("fd00::1:2", "fd00::2:3", 6, 40000, 80);
	test_cut_off(6, &packet);
}

/* What begins a connection is known by its flag, whose byte is the last that has to be there. */
static void test_syn(void)
{
	static const u8 flags[] = { 0x02, 0x12, 0x10, 0x11, 0x04 };
	struct bytes packets[] = { packet4("10.244.1.2", "10.244.2.3", 6, 40000, 80),
				   packet6("fd00::1:2", "fd00::2:3", 6, 40000, 80) };
	struct bypass_packet packet;
	size_t i, j;

	for (i = 0; i < 2; i++) {
		u8 family = i == 0 ? 4 : 6;

		for (j = 0; j < sizeof(flags); j++) {
			packets[i].data[(family == 4 ? 20 : 40) + 13] = flags[j];
			expect("a packet of TCP",
			       bypass_read(packets[i].data, packets[i].length, packets[i].length,
					   family, false, &packet), BYPASS_POD);
			expect("SYN", packet.is_syn, (flags[j] & 0x02) != 0);
		}
	}
}

static void test_errors(void)
{
	struct bytes inner = packet4("10.244.1.2", "10.244.2.3", 6, 40000, 80);
	struct bytes error = error4("192.0.2.2", "10.244.1.2", 3, &inner);

	expect_packet("an error about a pod's packet", &error, 4, BYPASS_ICMP_ERROR);
	error = error4("192.0.2.2", "10.244.1.2", 8, &inner);
	expect_packet("a ping", &error, 4, BYPASS_PROTOCOL);
	inner.data[0] = 0x46;
	error = error4("192.0.2.2", "10.244.1.2", 3, &inner);
	expect_packet("an error about a packet with options", &error, 4, BYPASS_PROTOCOL);
	error.length = 28 + 20 + 4;
	expect_packet("an error that is cut off", &error, 4, BYPASS_MALFORMED);
}

static void test_errors6(void)
{
	static const struct {
		const char *what;
		u8 type;
		enum bypass_reason expected;
	} rows[] = {
		{ "no error", 0, BYPASS_PROTOCOL },
		{ "unreachable by IPv6", 1, BYPASS_ICMP_ERROR },
		{ "too big by IPv6", 2, BYPASS_ICMP_ERROR },
		{ "time exceeded by IPv6", 3, BYPASS_ICMP_ERROR },
		{ "a bad parameter by IPv6", 4, BYPASS_ICMP_ERROR },
		{ "an error that nobody knows", 5, BYPASS_PROTOCOL },
		{ "a ping by IPv6", 128, BYPASS_PROTOCOL },
		{ "a neighbour's question", 135, BYPASS_PROTOCOL },
	};
	struct bytes inner = packet6("fd00::1:2", "fd00::2:3", 6, 40000, 80), error;
	struct bypass_packet packet;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		error = error6("2001:db8::2", "fd00::1:2", rows[i].type, &inner);
		expect_packet(rows[i].what, &error, 6, rows[i].expected);
	}
	error = error6("2001:db8::2", "fd00::1:2", 2, &inner);
	expect("an error is read", bypass_read(error.data, error.length, error.length, 6, false, &packet),
	       BYPASS_ICMP_ERROR);
	expect("as what it is about", packet.flow.source.low == 0x10002 && packet.flow.protocol == 6 &&
	       packet.flow.destination_port == htons(80), true);
	inner.data[6] = 43;
	error = error6("2001:db8::2", "fd00::1:2", 2, &inner);
	expect_packet("an error about a packet with a routing header", &error, 6, BYPASS_PROTOCOL);
	inner.data[6] = 58;
	inner.data[40] = 1;
	error = error6("2001:db8::2", "fd00::1:2", 2, &inner);
	expect_packet("an error about an error", &error, 6, BYPASS_PROTOCOL);
	error.length = 48 + 40 + 4;
	expect_packet("an error that is cut off by IPv6", &error, 6, BYPASS_MALFORMED);
	error = error6("2001:db8::2", "fd00::1:2", 2, &inner);
	error.length = 40 + 7;
	store16(error.data + 4, 7);
	expect_packet("an error without its own header", &error, 6, BYPASS_MALFORMED);
}

static void test_sets(void)
{
	static const struct {
		const char *what;
		u8 family, length, byte;
		bool expected;
	} rows[] = {
		{ "all of IPv4", 4, 0, 0, true }, { "an address", 4, 32, 7, true },
		{ "longer than an address", 4, 33, 7, false }, { "bits beyond it", 4, 24, 7, false },
		{ "all of IPv6", 6, 0, 0, true }, { "a half", 6, 64, 0, true },
		{ "bits beyond a half", 6, 64, 7, false }, { "too long", 6, 129, 0, false },
		{ "no family", 0, 0, 0, false }, { "another family", 10, 0, 0, false },
	};
	struct bypass_range4 ranges[] = { { 1, 5 }, { 2, 3 }, { 5, 9 }, { 11, 11 }, { 20, ~0U } };
	struct bypass_addresses set = { .ranges4 = ranges };
	struct bypass_range range;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u8 address[16] = { 10, 0, 0, rows[i].byte };

		if (rows[i].family == 6)
			memcpy(address, (u8[16]){ 0 }, 16), address[15] = rows[i].byte;
		else if (rows[i].length == 0)
			memset(address, 0, 16);
		expect(rows[i].what, bypass_range_of(rows[i].family, rows[i].length, address, &range),
		       rows[i].expected);
	}
	set.count4 = bypass_join4(ranges, 5);
	expect("ranges that overlap are joined", set.count4, 3);
	for (u32 address = 0; address < 25; address++)
		expect("a member of joined ranges", bypass_has4(&set, address),
		       (address >= 1 && address <= 9) || address == 11 || address >= 20);
	expect("the last address of all", bypass_has4(&set, ~0U), true);
}

/* What the kernel lists of a set is the set again, in as few prefixes as there can be. */
static void test_listing(void)
{
	static const struct {
		const char *what;
		u8 family;
		struct bypass_range range;
		u32 prefixes;
	} rows[] = {
		{ "one address", 4, { { 0, 7 }, { 0, 7 } }, 1 },
		{ "all of IPv4", 4, { { 0, 0 }, { 0, ~0U } }, 1 },
		{ "the last of IPv4", 4, { { 0, ~0U }, { 0, ~0U } }, 1 },
		{ "from 1 to 6", 4, { { 0, 1 }, { 0, 6 } }, 4 },
		{ "all but the first", 4, { { 0, 1 }, { 0, ~0U } }, 32 },
		{ "all of IPv6", 6, { { 0, 0 }, { ~0ULL, ~0ULL } }, 1 },
		{ "the last of IPv6", 6, { { ~0ULL, ~0ULL }, { ~0ULL, ~0ULL } }, 1 },
		{ "over the middle of IPv6", 6, { { 1, ~0ULL }, { 2, 0 } }, 2 },
		{ "a half and one more", 6, { { 5, 0 }, { 6, 0 } }, 2 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bypass_address next = rows[i].range.first, expected = next;
		bool is_whole = true;
		u32 prefixes = 0;

		do {
			struct bypass_range range;
			u8 bytes[16], length;

			length = bypass_next_prefix(rows[i].family, &next, &rows[i].range.last, bytes);
			is_whole &= bypass_range_of(rows[i].family, length, bytes, &range) &&
				    !memcmp(&range.first, &expected, sizeof(expected)) &&
				    !bypass_is_less(&rows[i].range.last, &range.last);
			expected = next;
			prefixes++;
		} while (bypass_is_within(&next, &rows[i].range.last) && prefixes < 300);
		expect(rows[i].what, is_whole, true);
		expect(rows[i].what, prefixes == rows[i].prefixes, true);
	}
}

int main(void)
{
	make_rules();
	test_addresses();
	test_tunnels();
	test_tunnels6();
	test_headers();
	test_syn();
	test_errors();
	test_errors6();
	test_sets();
	test_listing();
	printf("%d passed, %d failed\n", total - failed, failed);
	return failed > 0;
}
