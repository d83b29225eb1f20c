// SPDX-License-Identifier: GPL-2.0
/* Counters as the kernel's interfaces want them. */
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#include "tunnel.h"

/* In the order of struct stt_counters. */
static const char stt_counter_names[][ETH_GSTRING_LEN] = {
	"tx_frames",
	"tx_bytes",
	"tx_segments",
	"tx_no_tunnel",
	"tx_no_route",
	"tx_loop",
	"tx_too_big",
	"tx_no_memory",
	"tx_bad_offload",
	"tx_output_refused",
	"rx_frames",
	"rx_bytes",
	"rx_segments",
	"rx_policy_drop",
	"rx_bad_segment",
	"rx_bad_checksum",
	"rx_bad_version",
	"rx_bad_offload",
	"rx_bad_ecn",
	"rx_no_memory",
	"rx_not_taken",
	"reassembly_started",
	"reassembly_completed",
	"reassembly_timed_out",
	"reassembly_evicted",
	"reassembly_refused",
	"reassembly_duplicate",
	"reassembly_conflict",
	"nat_port_refused",
};

static_assert(sizeof(struct stt_counters) ==
	      ARRAY_SIZE(stt_counter_names) * sizeof(u64));

void stt_sum_counters(const struct stt_tunnel *tunnel, struct stt_counters *sum)
{
	u64 *to = (u64 *)sum;
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const u64 *from = (u64 *)per_cpu_ptr(tunnel->counters, cpu);

		for (i = 0; i < ARRAY_SIZE(stt_counter_names); i++)
			to[i] += READ_ONCE(from[i]);
	}
}

void stt_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct stt_counters sum;

	stt_sum_counters(netdev_priv(dev), &sum);
	stats->tx_packets = sum.tx_frames;
	stats->tx_bytes = sum.tx_bytes;
	stats->tx_carrier_errors = sum.tx_no_tunnel + sum.tx_no_route;
	stats->collisions = sum.tx_loop;
	stats->tx_aborted_errors = sum.tx_too_big + sum.tx_bad_offload;
	stats->tx_errors = stats->tx_carrier_errors + stats->collisions +
			   stats->tx_aborted_errors;
	stats->tx_dropped = sum.tx_no_memory + sum.tx_output_refused;
	stats->rx_packets = sum.rx_frames;
	stats->rx_bytes = sum.rx_bytes;
	stats->rx_crc_errors = sum.rx_bad_checksum;
	stats->rx_frame_errors = sum.rx_bad_segment + sum.rx_bad_version +
				 sum.rx_bad_offload + sum.rx_bad_ecn +
				 sum.reassembly_conflict;
	stats->rx_errors = stats->rx_crc_errors + stats->rx_frame_errors;
	/* The kernel itself adds what was not taken. */
	stats->rx_dropped = sum.rx_policy_drop + sum.rx_no_memory +
			    sum.reassembly_timed_out + sum.reassembly_evicted +
			    sum.reassembly_refused;
}

static void stt_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "podwire_stt", sizeof(info->driver));
}

static int stt_get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? ARRAY_SIZE(stt_counter_names) : -EOPNOTSUPP;
}

static void stt_get_strings(struct net_device *dev, u32 set, u8 *strings)
{
	if (set == ETH_SS_STATS)
		memcpy(strings, stt_counter_names, sizeof(stt_counter_names));
}

static void stt_get_ethtool_stats(struct net_device *dev,
				  struct ethtool_stats *stats, u64 *values)
{
	stt_sum_counters(netdev_priv(dev), (struct stt_counters *)values);
}

const struct ethtool_ops stt_ethtool_ops = {
	.get_drvinfo = stt_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_sset_count = stt_get_sset_count,
	.get_strings = stt_get_strings,
	.get_ethtool_stats = stt_get_ethtool_stats,
};
