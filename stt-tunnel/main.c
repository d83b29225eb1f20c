// SPDX-License-Identifier: GPL-2.0
/* The module: what it registers, in order, and takes back in reverse. */
#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/rtnetlink.h>

#include "tunnel.h"

static unsigned int stt_net_id __read_mostly;

struct stt_underlay *stt_underlay(struct net *net)
{
	return net_generic(net, stt_net_id);
}

static int __net_init stt_init_net(struct net *net)
{
	struct stt_underlay *underlay = stt_underlay(net);

	INIT_LIST_HEAD(&underlay->tunnels);
	stt_init_budget(&underlay->budget, net_eq(net, &init_net));
	return 0;
}

/* A namespace's links end before it does, and take the hooks with them. */
static struct pernet_operations stt_net_ops = {
	.init = stt_init_net,
	.id = &stt_net_id,
	.size = sizeof(struct stt_underlay),
};

static int __init stt_init_module(void)
{
	int error;

	stt_init_packet_ids();
	error = register_pernet_subsys(&stt_net_ops);
	if (error)
		return error;
	error = rtnl_link_register(&stt_link_ops);
	if (error)
		unregister_pernet_subsys(&stt_net_ops);
	return error;
}

static void __exit stt_exit_module(void)
{
	rtnl_link_unregister(&stt_link_ops);
	unregister_pernet_subsys(&stt_net_ops);
	/* Devices are freed later than they go. */
	rcu_barrier();
}

module_init(stt_init_module);
module_exit(stt_exit_module);

MODULE_DESCRIPTION("STT, the stateless transport tunnel");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_RTNL_LINK("stt");
