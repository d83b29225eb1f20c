// SPDX-License-Identifier: GPL-2.0
/* Links of kind "stt" in rtnetlink. Every refusal says what is wrong. */
#include <net/netlink.h>
#include <net/rtnetlink.h>

#include "compat.h"
#include "tunnel.h"

static const struct nla_policy stt_policy[IFLA_STT_MAX + 1] = {
	[IFLA_STT_PORT] = { .type = NLA_U16 },
	[IFLA_STT_OUTPUT] = NLA_POLICY_MAX(NLA_U8, __STT_OUTPUT_MAX - 1),
	[IFLA_STT_PEERS] = { .type = NLA_BINARY },
	[IFLA_STT_ANY_PEER] = { .type = NLA_FLAG },
	[IFLA_STT_PEER_COUNT] = { .type = NLA_REJECT },
	[IFLA_STT_PEER_SUM] = { .type = NLA_REJECT },
};

static int stt_validate(struct nlattr *tb[], struct nlattr *data[],
			struct netlink_ext_ack *extack)
{
	if (tb[IFLA_ADDRESS] &&
	    (nla_len(tb[IFLA_ADDRESS]) != ETH_ALEN ||
	     !is_valid_ether_addr(nla_data(tb[IFLA_ADDRESS])))) {
		NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_ADDRESS],
				    "the address is no unicast MAC");
		return -EADDRNOTAVAIL;
	}
	if (!data)
		return 0;
	if (data[IFLA_STT_PORT] && !nla_get_be16(data[IFLA_STT_PORT])) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_STT_PORT],
				    "port 0: expected 1 to 65535");
		return -ERANGE;
	}
	if (data[IFLA_STT_PEERS] && data[IFLA_STT_ANY_PEER]) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_STT_ANY_PEER],
				    "a list of peers and any peer exclude each other");
		return -EINVAL;
	}
	if (data[IFLA_STT_PEERS] &&
	    nla_len(data[IFLA_STT_PEERS]) % sizeof(struct stt_prefix)) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_STT_PEERS],
				    "the list of peers ends within a prefix");
		return -EINVAL;
	}
	return 0;
}

/* What can be set at any time. All or nothing. */
static int stt_configure(struct stt_tunnel *tunnel, struct nlattr *data[],
			 struct netlink_ext_ack *extack)
{
	struct nlattr *list;

	if (!data)
		return 0;
	list = data[IFLA_STT_PEERS];
	if (list) {
		u32 count = nla_len(list) / sizeof(struct stt_prefix);
		struct stt_peers *peers = stt_make_peers(nla_data(list), count,
							 extack);

		if (IS_ERR(peers))
			return PTR_ERR(peers);
		stt_replace_peers(tunnel, peers);
	}
	if (data[IFLA_STT_ANY_PEER])
		stt_replace_peers(tunnel, NULL);
	if (data[IFLA_STT_OUTPUT])
		WRITE_ONCE(tunnel->output, nla_get_u8(data[IFLA_STT_OUTPUT]));
	return 0;
}

static bool stt_is_port_taken(struct net *net, __be16 port)
{
	struct net_device *dev;

	for_each_netdev(net, dev) {
		const struct stt_tunnel *tunnel = netdev_priv(dev);

		if (stt_is_tunnel(dev) && tunnel->port == port)
			return true;
	}
	return false;
}

static int stt_create(struct net_device *dev, struct nlattr *data[],
		      struct netlink_ext_ack *extack)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);
	int error;

	tunnel->port = htons(STT_PORT);
	tunnel->output = STT_OUTPUT_NOTRACK;
	if (data && data[IFLA_STT_PORT])
		tunnel->port = nla_get_be16(data[IFLA_STT_PORT]);
	if (stt_is_port_taken(dev_net(dev), tunnel->port)) {
		NL_SET_ERR_MSG(extack,
			       "another link of kind stt has this port: give this one another port");
		return -EEXIST;
	}
	error = stt_configure(tunnel, data, extack);
	if (!error)
		error = register_netdevice(dev);
	/* Whoever calls frees a device that was never registered. */
	if (error)
		stt_replace_peers(tunnel, NULL);
	return error;
}

#ifdef STT_HAS_NEWLINK_PARAMS
static int stt_newlink(struct net_device *dev,
		       struct rtnl_newlink_params *params,
		       struct netlink_ext_ack *extack)
{
	return stt_create(dev, params->data, extack);
}
#else
static int stt_newlink(struct net *src_net, struct net_device *dev,
		       struct nlattr *tb[], struct nlattr *data[],
		       struct netlink_ext_ack *extack)
{
	return stt_create(dev, data, extack);
}
#endif

static int stt_changelink(struct net_device *dev, struct nlattr *tb[],
			  struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct stt_tunnel *tunnel = netdev_priv(dev);

	if (data && data[IFLA_STT_PORT] &&
	    nla_get_be16(data[IFLA_STT_PORT]) != tunnel->port) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_STT_PORT],
				    "the port is fixed: delete the link and make another");
		return -EOPNOTSUPP;
	}
	return stt_configure(tunnel, data, extack);
}

static size_t stt_get_size(const struct net_device *dev)
{
	return nla_total_size(sizeof(__be16)) + nla_total_size(sizeof(u8)) +
	       2 * nla_total_size(sizeof(u32));
}

static int stt_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	const struct stt_tunnel *tunnel = netdev_priv(dev);
	const struct stt_peers *peers;
	int error;

	if (nla_put_be16(skb, IFLA_STT_PORT, tunnel->port) ||
	    nla_put_u8(skb, IFLA_STT_OUTPUT, READ_ONCE(tunnel->output)))
		return -EMSGSIZE;
	rcu_read_lock();
	peers = rcu_dereference(tunnel->peers);
	if (!peers)
		error = nla_put_flag(skb, IFLA_STT_ANY_PEER);
	else
		error = nla_put_u32(skb, IFLA_STT_PEER_COUNT,
				    stt_peer_count(peers)) ?:
			nla_put_u32(skb, IFLA_STT_PEER_SUM,
				    stt_peer_sum(peers));
	rcu_read_unlock();
	return error;
}

struct rtnl_link_ops stt_link_ops = {
	.kind = "stt",
	.maxtype = IFLA_STT_MAX,
	.policy = stt_policy,
	.priv_size = sizeof(struct stt_tunnel),
	.setup = stt_setup,
	.validate = stt_validate,
	.newlink = stt_newlink,
	.changelink = stt_changelink,
	.get_size = stt_get_size,
	.fill_info = stt_fill_info,
};
