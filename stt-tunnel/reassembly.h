/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames whose segments came one by one. Several tables, by the sender's
 * address and port: senders rarely wait for each other. Not by CPU, as
 * segments of one frame may come to several: whole ones and those that IP put
 * together do, and what a device decrypts on whichever is idle.
 */
#ifndef STT_REASSEMBLY_H
#define STT_REASSEMBLY_H

#include <linux/in6.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>

#include "budget.h"
#include "header.h"

struct stt_tunnel;
struct stt_table;

struct stt_reassembly {
	struct stt_table *tables;
	/* A power of two. */
	u32 table_count;
	struct stt_budget *budget;
	struct delayed_work expiry;
};

/* All segments of a frame have it in common; hashed, so without gaps. */
struct stt_frame_key {
	struct in6_addr saddr;
	struct in6_addr daddr;
	__be16 sport;
	u16 reserved;
	/* Last: what is before it says which table. */
	__be32 packet_id;
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
