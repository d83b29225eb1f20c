/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which way a packet takes through this node. What goes there must come back by
 * the same hooks: a flow of which one direction is bypassed and the other is not
 * is invalid to conntrack. So both of its devices are looked at with its first
 * packet, wherever that comes from.
 */
#ifndef BYPASS_WAY_H
#define BYPASS_WAY_H

#include <linux/netdevice.h>

#include "namespace.h"

/* VRFs have no way past their hooks. */
static inline bool bypass_is_vrf(const struct net_device *device)
{
	return device && (netif_is_l3_master(device) || netif_is_l3_slave(device));
}

/*
 * For a packet that came in by `in`: `reason` if nothing on its way speaks
 * against it, else why. A tunnel's must be for this node, others' must not.
 */
enum bypass_reason bypass_judge_way(struct net *net, const struct bypass_flow *flow,
				    struct net_device *in, enum bypass_reason reason);

#endif
