// SPDX-License-Identifier: GPL-2.0
/* Asks the routes as the kernel will in a moment; but by what a flow has, not by tos or mark. */
#include <linux/if_vlan.h>
#include <linux/netfilter_bridge.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/lwtunnel.h>
#include <net/rtnetlink.h>

#include "tracking.h"
#include "way.h"

/* Its pods' packets begin at LOCAL_OUT of this namespace, where pods' are not bypassed. */
static bool is_ipvlan(const struct net_device *device)
{
	return device->rtnl_link_ops && !strcmp(device->rtnl_link_ops->kind, "ipvlan");
}

/* Its ports' packets may have met all hooks before they are routed. */
static bool is_filtered_bridge(struct net *net, const struct net_device *device)
{
#ifdef CONFIG_NETFILTER_FAMILY_BRIDGE
	while (is_vlan_dev(device))
		device = vlan_dev_real_dev(device);
	return netif_is_bridge_master(device) &&
	       rcu_access_pointer(net->nf.hooks_bridge[NF_BR_PRE_ROUTING]);
#else
	return false;
#endif
}

/* `out` is NULL where no route leads; `length` is the prefix's that does. */
static enum bypass_reason judge_devices(struct net *net, const struct net_device *in,
					const struct net_device *out, unsigned int length,
					enum bypass_reason reason)
{
	if (bypass_is_vrf(out))
		return BYPASS_VRF;
	/*
	 * A master of ipvlan in mode l3s receives for pods that routes need not
	 * know of. What is routed to another device is for none of them, unless
	 * it is so for want of a better route.
	 */
	if (netif_has_l3_rx_handler(in) &&
	    (!out || length == 0 || netif_has_l3_rx_handler(out)))
		return BYPASS_VRF;
	if (is_ipvlan(in) || (out && is_ipvlan(out)))
		return BYPASS_VRF;
	if (is_filtered_bridge(net, in) || (out && is_filtered_bridge(net, out)))
		return BYPASS_BRIDGE;
	return reason;
}

/* `out` becomes the device that it leaves by, if there is one way. */
static enum bypass_reason judge_way4(struct net *net, const struct bypass_flow *flow,
				     struct net_device *in, enum bypass_reason reason,
				     struct net_device **out)
{
	struct flowi4 key = {
		.flowi4_iif = in->ifindex,
		.flowi4_scope = RT_SCOPE_UNIVERSE,
		.flowi4_proto = flow->protocol,
		.saddr = htonl(flow->source.low),
		.daddr = htonl(flow->destination.low),
		.fl4_sport = flow->source_port,
		.fl4_dport = flow->destination_port,
	};
	struct fib_result found;
	int i;

	if (ipv4_is_multicast(key.daddr))
		return reason == BYPASS_TUNNEL ? BYPASS_NOT_LOCAL : BYPASS_LOCAL;
	if (fib_lookup(net, &key, &found, 0))
		return reason == BYPASS_TUNNEL ? BYPASS_NOT_LOCAL :
						 judge_devices(net, in, NULL, 0, reason);
	if (reason == BYPASS_TUNNEL)
		return found.type == RTN_LOCAL ? reason : BYPASS_NOT_LOCAL;
	if (found.type != RTN_UNICAST)
		return BYPASS_LOCAL;
	/* It may take any of them. */
	for (i = 0; i < fib_info_num_path(found.fi); i++) {
		const struct fib_nh_common *hop = fib_info_nhc(found.fi, i);
		enum bypass_reason judged = judge_devices(net, in, hop->nhc_dev,
							  found.prefixlen, reason);

		if (lwtunnel_input_redirect(hop->nhc_lwtstate))
			return BYPASS_WRAPPED;
		if (judged != reason)
			return judged;
		*out = hop->nhc_dev;
	}
	return reason;
}

/* An exception of a prefix's route, such as for a path's MTU, is of one address. */
static unsigned int prefix_length(const struct rt6_info *route)
{
	const struct fib6_info *from = rcu_dereference(route->from);

	return from ? from->fib6_dst.plen : route->rt6i_dst.plen;
}

static enum bypass_reason judge_way6(struct net *net, const struct bypass_flow *flow,
				     struct net_device *in, enum bypass_reason reason,
				     struct net_device **out)
{
	struct flowi6 key = {
		.flowi6_iif = in->ifindex,
		.flowi6_proto = flow->protocol,
		.fl6_sport = flow->source_port,
		.fl6_dport = flow->destination_port,
	};
	union nf_inet_addr address;
	struct dst_entry *found;
	struct rt6_info *route;
	bool is_local;

	bypass_store_address(&flow->source, flow->family, &address);
	key.saddr = address.in6;
	bypass_store_address(&flow->destination, flow->family, &address);
	key.daddr = address.in6;
	/* Whole prefixes may be local, of which no device has an address. */
	found = ip6_route_input_lookup(net, in, &key, NULL, RT6_LOOKUP_F_HAS_SADDR);
	route = container_of(found, struct rt6_info, dst);
	is_local = route->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST);
	if (reason == BYPASS_TUNNEL) {
		reason = is_local ? reason : BYPASS_NOT_LOCAL;
	} else if (is_local) {
		reason = BYPASS_LOCAL;
	} else if (lwtunnel_input_redirect(found->lwtstate)) {
		reason = BYPASS_WRAPPED;
	} else {
		if (!found->error)
			*out = found->dev;
		reason = judge_devices(net, in, *out, prefix_length(route), reason);
	}
	dst_release(found);
	return reason;
}

static enum bypass_reason judge_way(struct net *net, const struct bypass_flow *flow,
				    struct net_device *in, enum bypass_reason reason,
				    struct net_device **out)
{
	return flow->family == 4 ? judge_way4(net, flow, in, reason, out) :
				   judge_way6(net, flow, in, reason, out);
}

/* Answers have to be judged alike, and their route may be of another kind. */
enum bypass_reason bypass_judge_way(struct net *net, const struct bypass_flow *flow,
				    struct net_device *in, enum bypass_reason reason)
{
	struct net_device *out = NULL, *unused = NULL;
	enum bypass_reason judged = judge_way(net, flow, in, reason, &out);
	struct bypass_flow back = {
		.source = flow->destination,
		.destination = flow->source,
		.source_port = flow->destination_port,
		.destination_port = flow->source_port,
		.protocol = flow->protocol,
		.family = flow->family,
	};

	if (judged != BYPASS_POD || !out)
		return judged;
	return judge_way(net, &back, out, judged, &unused);
}
