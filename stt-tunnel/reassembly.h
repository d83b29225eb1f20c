/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames whose segments came one by one. Segments of a frame have the same
 * ports, so one CPU gets them all, and each CPU has a table of its own.
 */
#ifndef STT_REASSEMBLY_H
#define STT_REASSEMBLY_H

#include <linux/in6.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>

#include "budget.h"
#include "header.h"

struct stt_tunnel;
struct stt_table;

struct stt_reassembly {
	struct stt_table __percpu *tables;
	struct stt_budget *budget;
	struct delayed_work expiry;
};

/* All segments of a frame have it in common; hashed, so without gaps. */
struct stt_frame_key {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be32 packet_id;
	__be16 sport;
	u16 reserved;
};

int stt_init_reassembly(struct stt_tunnel *tunnel, struct stt_budget *budget);
void stt_free_reassembly(struct stt_tunnel *tunnel);
/* Drops what is unfinished, when no more segments come. */
void stt_stop_reassembly(struct stt_tunnel *tunnel);

/*
 * Takes a segment, whose data is its part of the frame. Returns the frame if
 * this was the last part that was missing; *@ce says, and is told, whether a
 * segment met congestion.
 */
struct sk_buff *stt_reassemble(struct stt_tunnel *tunnel, struct sk_buff *skb,
			       const struct stt_frame_key *key,
			       const struct stt_segment *segment, bool *ce);

#endif
