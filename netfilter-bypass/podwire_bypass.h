/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the kernel and those who configure it agree on: a generic netlink
 * family. podwire_bypass.yaml says the same for other languages.
 */
#ifndef PODWIRE_BYPASS_H
#define PODWIRE_BYPASS_H

#include <linux/types.h>

#define PODWIRE_BYPASS_FAMILY "podwire_bypass"
#define PODWIRE_BYPASS_VERSION 1

enum podwire_bypass_mode {
	PODWIRE_BYPASS_OFF,
	/* Counts what would be bypassed. */
	PODWIRE_BYPASS_OBSERVE,
	/* Without connection tracking; filters still run. */
	PODWIRE_BYPASS_UNTRACK,
	PODWIRE_BYPASS_ALL,
};

enum podwire_bypass_command {
	PODWIRE_BYPASS_CMD_UNSPEC,
	/* Replaces the whole configuration of the caller's namespace. */
	PODWIRE_BYPASS_CMD_SET,
	/* As a dump, all of the configuration: its head, then its sets. */
	PODWIRE_BYPASS_CMD_GET,
	/* Begins the lease anew. */
	PODWIRE_BYPASS_CMD_RENEW,
	/* A dump, a message for each counter that is not zero. */
	PODWIRE_BYPASS_CMD_COUNTERS,
};

enum podwire_bypass_attribute {
	PODWIRE_BYPASS_A_UNSPEC,
	/* u32, podwire_bypass_mode */
	PODWIRE_BYPASS_A_MODE,
	/* u32; with SET and RENEW: refuse unless it is still this one */
	PODWIRE_BYPASS_A_GENERATION,
	/* u32, seconds; 0: for good */
	PODWIRE_BYPASS_A_LEASE,
	/* u32, seconds that are left of it */
	PODWIRE_BYPASS_A_LEASE_LEFT,
	/*
	 * Arrays of podwire_bypass_prefix. Each may be given several times, for
	 * sets that are longer than an attribute may be.
	 */
	PODWIRE_BYPASS_A_PODS,
	PODWIRE_BYPASS_A_EXCLUDED,
	PODWIRE_BYPASS_A_NODE,
	PODWIRE_BYPASS_A_PEERS,
	/* Array of podwire_bypass_tunnel */
	PODWIRE_BYPASS_A_TUNNELS,
	/* string: a hook's and a reason's name */
	PODWIRE_BYPASS_A_HOOK,
	PODWIRE_BYPASS_A_REASON,
	/* u64 */
	PODWIRE_BYPASS_A_PACKETS,
	PODWIRE_BYPASS_A_BYTES,
	PODWIRE_BYPASS_A_PAD,
	__PODWIRE_BYPASS_A_END,
};

#define PODWIRE_BYPASS_A_MAX (__PODWIRE_BYPASS_A_END - 1)

struct podwire_bypass_prefix {
	/* 4 or 6 */
	__u8 family;
	__u8 length;
	__u8 reserved[2];
	/* In network order; of IPv4 the first four bytes, then zeros. */
	__u8 address[16];
};

struct podwire_bypass_tunnel {
	/* IPPROTO_UDP */
	__u8 protocol;
	__u8 reserved;
	/* In network order */
	__be16 port;
};

#define PODWIRE_BYPASS_MAX_TUNNELS 8
#define PODWIRE_BYPASS_MAX_PREFIXES 1000000
#define PODWIRE_BYPASS_MAX_LEASE 28800

#endif
