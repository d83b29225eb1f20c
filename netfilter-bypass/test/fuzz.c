// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer's target: any bytes as a packet. Beyond what the sanitizers see, a
 * verdict must not depend on bytes behind the packet, nor on which way round the
 * two ends are.
 */
#include <stdio.h>

#include "fixture.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void turn_round(u8 *packet, u8 family)
{
	u8 *source = packet + (family == 4 ? 12 : 8), swap[16];
	size_t length = family == 4 ? 4 : 16;

	memcpy(swap, source, length);
	memcpy(source, source + length, length);
	memcpy(source + length, swap, length);
}

static void check(const u8 *data, size_t size, u8 family, u32 length)
{
	/* Exactly as long as it is, so that reading on is seen. */
	u8 *exact = malloc(size > 0 ? size : 1);
	enum bypass_reason reason, back;

	memcpy(exact, data, size);
	reason = judge(&rules, exact, size, length, family);
	if (reason >= BYPASS_REASON_COUNT)
		abort();
	if (reason == BYPASS_POD || reason == BYPASS_EXCLUDED) {
		turn_round(exact, family);
		back = judge(&rules, exact, size, length, family);
		if (back != reason)
			abort();
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (rules.tunnel_count == 0)
		make_rules();
	if (size < 2)
		return 0;
	check(data + 1, size - 1, data[0] & 1 ? 4 : 6, data[0] & 2 ? size - 1 : size + 1000 * data[0]);
	return 0;
}
