// SPDX-License-Identifier: GPL-2.0
/*
 * The network device. It speaks Ethernet, but there is no neighbour discovery
 * over it: all tunnels have the same MAC and every frame that arrives is for
 * the node that it was sent to, so that a route is all that a peer needs.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>

#include "compat.h"
#include "tunnel.h"

static const u8 stt_default_mac[ETH_ALEN] = {
	0xee, 0x70, 0x77, 0x73, 0x74, 0x74
};

/* Exactly what the header can pass on: the kernel does the rest before. */
#define STT_FEATURES (NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_RXCSUM |	\
		      NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM |		\
		      NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN |	\
		      NETIF_F_GSO_ROBUST)

static int stt_init(struct net_device *dev)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);
	int error;

	tunnel->counters = alloc_percpu(struct stt_counters);
	if (!tunnel->counters)
		return -ENOMEM;
	error = gro_cells_init(&tunnel->cells, dev);
	if (error)
		goto no_cells;
	error = stt_init_reassembly(tunnel,
				    &stt_underlay(dev_net(dev))->budget);
	if (error)
		goto no_reassembly;
	return 0;

no_reassembly:
	gro_cells_destroy(&tunnel->cells);
no_cells:
	free_percpu(tunnel->counters);
	return error;
}

static void stt_uninit(struct net_device *dev)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);

	stt_free_reassembly(tunnel);
	gro_cells_destroy(&tunnel->cells);
}

/* Readers of counters and peers may be about until here. */
static void stt_free(struct net_device *dev)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);

	free_percpu(tunnel->counters);
	kvfree(rcu_dereference_protected(tunnel->peers, true));
	/* A link that could not be registered is given back after this. */
	RCU_INIT_POINTER(tunnel->peers, NULL);
}

static int stt_open(struct net_device *dev)
{
	return stt_join_underlay(netdev_priv(dev));
}

static int stt_stop(struct net_device *dev)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);

	stt_leave_underlay(tunnel);
	stt_stop_reassembly(tunnel);
	return 0;
}

static const struct net_device_ops stt_device_ops = {
	.ndo_init = stt_init,
	.ndo_uninit = stt_uninit,
	.ndo_open = stt_open,
	.ndo_stop = stt_stop,
	.ndo_start_xmit = stt_transmit,
	.ndo_features_check = stt_features_check,
	.ndo_get_stats64 = stt_get_stats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static const struct device_type stt_type = {
	.name = "stt",
};

bool stt_is_tunnel(const struct net_device *dev)
{
	return dev->netdev_ops == &stt_device_ops;
}

void stt_setup(struct net_device *dev)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);

	ether_setup(dev);
	tunnel->dev = dev;
	dev->netdev_ops = &stt_device_ops;
	dev->ethtool_ops = &stt_ethtool_ops;
	SET_NETDEV_DEVTYPE(dev, &stt_type);
	dev->needs_free_netdev = true;
	dev->priv_destructor = stt_free;

	dev->features |= STT_FEATURES | NETIF_F_HW_VLAN_CTAG_TX |
			 NETIF_F_HW_VLAN_CTAG_RX;
	dev->hw_features |= STT_FEATURES;
	dev->vlan_features |= STT_FEATURES;
	stt_set_lockless_and_local(dev);
	stt_set_largest_frame(dev, STT_OUTER_MAX - STT_OVERHEAD);

	dev->priv_flags |= IFF_NO_QUEUE | IFF_LIVE_ADDR_CHANGE;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->flags |= IFF_NOARP;
	/* The route that brings a packet here says where it is to go. */
	netif_keep_dst(dev);
	stt_set_mac(dev, stt_default_mac);
	dev->needed_headroom = LL_MAX_HEADER + STT_OVERHEAD;
	/* One segment per packet, over IPv6 too, on a path of 1500 bytes. */
	dev->mtu = ETH_DATA_LEN - STT_OVERHEAD - ETH_HLEN;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = STT_OUTER_MAX - STT_OVERHEAD - ETH_HLEN;
}
