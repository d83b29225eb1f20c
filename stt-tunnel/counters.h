/* SPDX-License-Identifier: GPL-2.0 */
/* Per CPU, shown by `ethtool -S`. Each is explained by its name alone. */
#ifndef STT_COUNTERS_H
#define STT_COUNTERS_H

#include <linux/build_bug.h>
#include <linux/ethtool.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct stt_counters {
	u64 tx_frames;
	u64 tx_bytes;
	u64 tx_segments;
	u64 tx_no_tunnel;
	u64 tx_no_route;
	u64 tx_loop;
	u64 tx_too_big;
	u64 tx_no_memory;
	u64 tx_bad_offload;
	u64 tx_output_refused;
	u64 rx_frames;
	u64 rx_bytes;
	u64 rx_segments;
	u64 rx_policy_drop;
	u64 rx_bad_segment;
	u64 rx_bad_checksum;
	u64 rx_bad_version;
	u64 rx_bad_offload;
	u64 rx_bad_ecn;
	u64 rx_no_memory;
	u64 rx_not_taken;
	u64 reassembly_started;
	u64 reassembly_completed;
	u64 reassembly_timed_out;
	u64 reassembly_evicted;
	u64 reassembly_refused;
	u64 reassembly_duplicate;
	u64 reassembly_conflict;
	u64 nat_port_refused;
};

/* They are read without a lock, one word each. */
static_assert(BITS_PER_LONG == 64);

struct stt_tunnel;
struct net_device;
struct rtnl_link_stats64;

void stt_sum_counters(const struct stt_tunnel *tunnel, struct stt_counters *sum);
void stt_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats);
extern const struct ethtool_ops stt_ethtool_ops;

#endif
