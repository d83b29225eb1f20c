/* SPDX-License-Identifier: GPL-2.0 */
/* Packets and rules for tests of the classifier. */
#include <arpa/inet.h>

#include "../classify.h"

#define NAME(name, text) text,

static const char * const reason_names[] = { BYPASS_REASONS(NAME) };

struct bytes {
	u8 data[256];
	size_t length;
};

static struct bypass_rules rules;

static void add_range(struct bypass_addresses *set, u8 family, const char *address, u8 length)
{
	u8 bytes[16] = {};
	struct bypass_range range;

	inet_pton(family == 4 ? AF_INET : AF_INET6, address, bytes);
	if (!bypass_range_of(family, length, bytes, &range))
		abort();
	if (family == 4) {
		set->ranges4 = realloc(set->ranges4, (set->count4 + 1) * sizeof(*set->ranges4));
		set->ranges4[set->count4++] = (struct bypass_range4){ range.first.low, range.last.low };
	} else {
		set->ranges6 = realloc(set->ranges6, (set->count6 + 1) * sizeof(*set->ranges6));
		set->ranges6[set->count6++] = range;
	}
}

static void make_rules(void)
{
	rules.mode = PODWIRE_BYPASS_ALL;
	rules.tunnel_count = 1;
	rules.tunnels[0] = (struct podwire_bypass_tunnel){ .protocol = 17, .port = htons(8472) };
	add_range(&rules.pods, 4, "10.244.0.0", 16);
	add_range(&rules.pods, 6, "fd00::", 32);
	add_range(&rules.excluded, 4, "10.244.9.9", 32);
	add_range(&rules.excluded, 6, "fd00::9:9", 128);
	add_range(&rules.node, 4, "192.0.2.1", 32);
	add_range(&rules.peers, 4, "192.0.2.2", 32);
	add_range(&rules.node, 6, "2001:db8::1", 128);
	add_range(&rules.peers, 6, "2001:db8::2", 128);
}

static enum bypass_reason judge_way(const struct bypass_rules *own, const u8 *data, u32 available,
				    u32 length, u8 family, bool is_leaving)
{
	struct bypass_packet packet;
	enum bypass_reason reason = bypass_read(data, available, length, family, false, &packet);

	packet.flow.is_leaving = is_leaving;
	return reason == BYPASS_POD ? bypass_match(own, &packet.flow) : reason;
}

static inline enum bypass_reason judge(const struct bypass_rules *own, const u8 *data, u32 available,
				       u32 length, u8 family)
{
	return judge_way(own, data, available, length, family, false);
}

static inline enum bypass_reason judge_leaving(const struct bypass_rules *own, const u8 *data,
					       u32 available, u32 length, u8 family)
{
	return judge_way(own, data, available, length, family, true);
}

static void store16(u8 *at, u16 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static inline struct bytes packet4(const char *from, const char *to, u8 protocol, u16 source, u16 port)
{
	struct bytes packet = { .length = protocol == 6 ? 40 : 28 };

	packet.data[0] = 0x45;
	store16(packet.data + 2, packet.length);
	packet.data[9] = protocol;
	inet_pton(AF_INET, from, packet.data + 12);
	inet_pton(AF_INET, to, packet.data + 16);
	store16(packet.data + 20, source);
	store16(packet.data + 22, port);
	return packet;
}

static inline struct bytes packet6(const char *from, const char *to, u8 protocol, u16 source, u16 port)
{
	struct bytes packet = { .length = protocol == 6 ? 60 : 48 };

	packet.data[0] = 0x60;
	store16(packet.data + 4, packet.length - 40);
	packet.data[6] = protocol;
	inet_pton(AF_INET6, from, packet.data + 8);
	inet_pton(AF_INET6, to, packet.data + 24);
	store16(packet.data + 40, source);
	store16(packet.data + 42, port);
	return packet;
}

static inline struct bytes error4(const char *from, const char *to, u8 type, const struct bytes *about)
{
	struct bytes packet = packet4(from, to, 1, 0, 0);

	memcpy(packet.data + 28, about->data, 28);
	packet.data[20] = type;
	packet.length = 56;
	store16(packet.data + 2, packet.length);
	return packet;
}

static inline struct bytes error6(const char *from, const char *to, u8 type, const struct bytes *about)
{
	struct bytes packet = packet6(from, to, 58, 0, 0);

	memcpy(packet.data + 48, about->data, 48);
	packet.data[40] = type;
	packet.length = 96;
	store16(packet.data + 4, packet.length - 40);
	return packet;
}
