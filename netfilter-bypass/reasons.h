/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every way in which a packet may be judged, and the hooks where it is. The
 * names are seen by users: in counters, in the trace and in /proc.
 */
#ifndef BYPASS_REASONS_H
#define BYPASS_REASONS_H

/* The first two are bypassed, all others keep their full path. */
#define BYPASS_REASONS(of) \
	of(POD, "pod") \
	of(TUNNEL, "tunnel") \
	of(ICMP_ERROR, "icmp-error") \
	of(NOT_IN_SET, "not-in-set") \
	of(EXCLUDED, "excluded") \
	of(PROTOCOL, "protocol") \
	of(FRAGMENT, "fragment") \
	of(OPTIONS, "options") \
	of(MALFORMED, "malformed") \
	of(TRACKED, "tracked") \
	of(CONNTRACK, "conntrack-entry") \
	of(EXPECTED, "expected") \
	of(LOCAL, "local") \
	of(NOT_LOCAL, "not-local") \
	of(VRF, "vrf-or-l3s") \
	of(WRAPPED, "wrapped") \
	of(BRIDGE, "bridge") \
	of(IPVS, "ipvs") \
	of(OTHER_HOST, "other-host") \
	of(USER_SOCKET, "user-socket")

#define BYPASS_HOOKS(of) \
	of(PRE_ROUTING, "prerouting") \
	of(LOCAL_IN, "input") \
	of(FORWARD, "forward") \
	of(LOCAL_OUT, "output")

#define BYPASS_REASON_MEMBER(name, text) BYPASS_##name,
#define BYPASS_HOOK_MEMBER(name, text) BYPASS_AT_##name,

enum bypass_reason { BYPASS_REASONS(BYPASS_REASON_MEMBER) BYPASS_REASON_COUNT };
enum bypass_hook { BYPASS_HOOKS(BYPASS_HOOK_MEMBER) BYPASS_HOOK_COUNT };

#endif
