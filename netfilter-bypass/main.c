// SPDX-License-Identifier: GPL-2.0
/*
 * podwire_bypass: chosen traffic skips netfilter, and only what is known to need
 * none of it. Off until a namespace is configured.
 */
#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <net/addrconf.h>
#include <net/genetlink.h>
#include <net/netns/generic.h>

#include "namespace.h"

static unsigned int namespace_id;

DEFINE_STATIC_KEY_FALSE(bypass_killed);

struct bypass_namespace *bypass_of(const struct net *net)
{
	return net_generic(net, namespace_id);
}

static int set_killed(const char *value, const struct kernel_param *parameter)
{
	bool killed;
	int result = kstrtobool(value, &killed);

	if (result)
		return result;
	if (killed)
		static_branch_enable(&bypass_killed);
	else
		static_branch_disable(&bypass_killed);
	return 0;
}

static int get_killed(char *buffer, const struct kernel_param *parameter)
{
	return sprintf(buffer, "%c\n", static_key_enabled(&bypass_killed) ? 'Y' : 'N');
}

static const struct kernel_param_ops killed_operations = {
	.set = set_killed,
	.get = get_killed,
};

module_param_cb(disabled, &killed_operations, NULL, 0644);
MODULE_PARM_DESC(disabled, "nothing is bypassed in any namespace, whatever is configured");

/* What was found not to be local may be now. */
static int on_address(struct notifier_block *block, unsigned long event, void *data)
{
	const struct in_ifaddr *address = data;

	bypass_begin_epoch(bypass_of(dev_net(address->ifa_dev->dev)));
	return NOTIFY_DONE;
}

static int on_address6(struct notifier_block *block, unsigned long event, void *data)
{
	const struct inet6_ifaddr *address = data;

	bypass_begin_epoch(bypass_of(dev_net(address->idev->dev)));
	return NOTIFY_DONE;
}

/* After all that make an address known; IPv6's has its route a moment later. */
static struct notifier_block address_notifier = {
	.notifier_call = on_address,
	.priority = INT_MIN,
};

static struct notifier_block address6_notifier = {
	.notifier_call = on_address6,
	.priority = INT_MIN,
};

static int __net_init begin_namespace(struct net *net)
{
	struct bypass_namespace *bypass = bypass_of(net);

	bypass->net = net;
	mutex_init(&bypass->lock);
	INIT_DELAYED_WORK(&bypass->lease, bypass_lease_ended);
	bypass_prepare_hooks(bypass);
	if (!proc_create_net_single("podwire_bypass", 0444, net->proc_net, bypass_show, NULL))
		return -ENOMEM;
	return 0;
}

static void __net_exit end_namespace(struct net *net)
{
	remove_proc_entry("podwire_bypass", net->proc_net);
	bypass_end(bypass_of(net));
}

static struct pernet_operations namespace_operations = {
	.init = begin_namespace,
	.exit = end_namespace,
	.id = &namespace_id,
	.size = sizeof(struct bypass_namespace),
};

static int __init bypass_init(void)
{
	int result = register_pernet_subsys(&namespace_operations);

	if (result)
		return result;
	result = register_inetaddr_notifier(&address_notifier);
	if (result)
		goto no_notifier;
	result = register_inet6addr_notifier(&address6_notifier);
	if (result)
		goto no_notifier6;
	result = genl_register_family(&bypass_family);
	if (result)
		goto no_family;
	return 0;
no_family:
	unregister_inet6addr_notifier(&address6_notifier);
no_notifier6:
	unregister_inetaddr_notifier(&address_notifier);
no_notifier:
	unregister_pernet_subsys(&namespace_operations);
	return result;
}

static void __exit bypass_exit(void)
{
	genl_unregister_family(&bypass_family);
	unregister_inet6addr_notifier(&address6_notifier);
	unregister_inetaddr_notifier(&address_notifier);
	unregister_pernet_subsys(&namespace_operations);
	rcu_barrier();
}

module_init(bypass_init);
module_exit(bypass_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("podwire: chosen traffic skips netfilter");
MODULE_VERSION("0.1.0");
