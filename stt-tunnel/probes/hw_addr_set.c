// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
void probe(struct net_device *dev, const u8 *mac);
void probe(struct net_device *dev, const u8 *mac) { eth_hw_addr_set(dev, mac); }
