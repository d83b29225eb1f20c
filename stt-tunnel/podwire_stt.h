/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Attributes of a link of kind "stt" in rtnetlink. All have defaults, so that
 * `ip link add NAME type stt` is enough.
 */
#ifndef PODWIRE_STT_H
#define PODWIRE_STT_H

#include <linux/types.h>

enum {
	IFLA_STT_UNSPEC,
	/* __be16; fixed once the link is there. Default: 7471. */
	IFLA_STT_PORT,
	/* u8, enum stt_output. Default: STT_OUTPUT_NOTRACK. */
	IFLA_STT_OUTPUT,
	/*
	 * Array of struct stt_prefix: who may send to this link. Replaces the
	 * list that was there; an empty one refuses everybody.
	 */
	IFLA_STT_PEERS,
	/* Flag: anybody may send. The default. */
	IFLA_STT_ANY_PEER,
	/* u32, read only: prefixes in the list. */
	IFLA_STT_PEER_COUNT,
	/* u32, read only: CRC-32 (zlib's) of the list as it was given. */
	IFLA_STT_PEER_SUM,
	__IFLA_STT_MAX,
};

#define IFLA_STT_MAX (__IFLA_STT_MAX - 1)

/* What of the host's netfilter sees the segments that are sent. */
enum stt_output {
	/* All of it. */
	STT_OUTPUT_FULL,
	/* All of it but connection tracking, which takes STT for broken TCP. */
	STT_OUTPUT_NOTRACK,
	/* Nothing. */
	STT_OUTPUT_NONE,
	__STT_OUTPUT_MAX,
};

/* IPv4 as ::ffff:a.b.c.d, with 96 added to its length. */
struct stt_prefix {
	__u8 address[16];
	__u8 length;
	__u8 reserved[3];
};

#endif
