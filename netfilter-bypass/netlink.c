// SPDX-License-Identifier: GPL-2.0
/*
 * Control: a generic netlink family that speaks for the caller's own network
 * namespace, to the administrator of the whole machine only. A pod that
 * administers its namespace is none.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "memory.h"
#include "namespace.h"

static const struct nla_policy policy[PODWIRE_BYPASS_A_MAX + 1] = {
	[PODWIRE_BYPASS_A_MODE] = NLA_POLICY_MAX(NLA_U32, PODWIRE_BYPASS_ALL),
	[PODWIRE_BYPASS_A_GENERATION] = { .type = NLA_U32 },
	[PODWIRE_BYPASS_A_LEASE] = NLA_POLICY_MAX(NLA_U32, PODWIRE_BYPASS_MAX_LEASE),
	[PODWIRE_BYPASS_A_PODS] = { .type = NLA_BINARY },
	[PODWIRE_BYPASS_A_EXCLUDED] = { .type = NLA_BINARY },
	[PODWIRE_BYPASS_A_NODE] = { .type = NLA_BINARY },
	[PODWIRE_BYPASS_A_PEERS] = { .type = NLA_BINARY },
	[PODWIRE_BYPASS_A_TUNNELS] = { .type = NLA_BINARY },
};

struct set_of_attribute {
	unsigned int attribute;
	size_t offset;
};

static const struct set_of_attribute sets[] = {
	{ PODWIRE_BYPASS_A_PODS, offsetof(struct bypass_rules, pods) },
	{ PODWIRE_BYPASS_A_EXCLUDED, offsetof(struct bypass_rules, excluded) },
	{ PODWIRE_BYPASS_A_NODE, offsetof(struct bypass_rules, node) },
	{ PODWIRE_BYPASS_A_PEERS, offsetof(struct bypass_rules, peers) },
};

static struct bypass_addresses *set_in(struct bypass_rules *rules,
				       const struct set_of_attribute *set)
{
	return (struct bypass_addresses *)((char *)rules + set->offset);
}

#define for_each_attribute_of(attribute, info, rest) \
	nlmsg_for_each_attr(attribute, (info)->nlhdr, GENL_HDRLEN, rest)

static int count_prefixes(struct genl_info *info, unsigned int type, u32 *total)
{
	const struct nlattr *attribute;
	int rest;

	*total = 0;
	for_each_attribute_of(attribute, info, rest) {
		if (nla_type(attribute) != type)
			continue;
		if (nla_len(attribute) % sizeof(struct podwire_bypass_prefix)) {
			NL_SET_ERR_MSG_ATTR(info->extack, attribute,
					    "the length is not a multiple of a prefix's 20 bytes");
			return -EINVAL;
		}
		*total += nla_len(attribute) / sizeof(struct podwire_bypass_prefix);
		if (*total > PODWIRE_BYPASS_MAX_PREFIXES) {
			NL_SET_ERR_MSG_ATTR(info->extack, attribute,
					    "more prefixes than a set may have (1000000)");
			return -E2BIG;
		}
	}
	return 0;
}

static int add_prefixes(struct bypass_addresses *set, const struct nlattr *attribute,
			struct netlink_ext_ack *extack)
{
	const struct podwire_bypass_prefix *prefix = nla_data(attribute);
	int left = nla_len(attribute) / sizeof(*prefix);

	for (; left > 0; left--, prefix++) {
		struct bypass_range range;

		cond_resched();
		if (!bypass_range_of(prefix->family, prefix->length, prefix->address, &range) ||
		    prefix->reserved[0] || prefix->reserved[1] ||
		    (prefix->family == 4 &&
		     memchr_inv(prefix->address + 4, 0, sizeof(prefix->address) - 4))) {
			NL_SET_ERR_MSG_ATTR(extack, attribute,
					    "a prefix's family is not 4 or 6, its length too great, or bits are set beyond it");
			return -EINVAL;
		}
		if (prefix->family == 4)
			set->ranges4[set->count4++] = (struct bypass_range4){
				.first = range.first.low, .last = range.last.low };
		else
			set->ranges6[set->count6++] = range;
	}
	return 0;
}

/* Of a million ranges each step of sort() would keep the CPU for long. */
static int compare4(const void *a, const void *b)
{
	cond_resched();
	return bypass_compare4(a, b);
}

static int compare6(const void *a, const void *b)
{
	cond_resched();
	return bypass_compare6(a, b);
}

static int read_set(struct genl_info *info, unsigned int type, struct bypass_addresses *set)
{
	const struct nlattr *attribute;
	u32 total;
	int rest, result;

	result = count_prefixes(info, type, &total);
	if (result || total == 0)
		return result;
	set->ranges4 = kvmalloc_array(total, sizeof(*set->ranges4), GFP_KERNEL_ACCOUNT);
	set->ranges6 = kvmalloc_array(total, sizeof(*set->ranges6), GFP_KERNEL_ACCOUNT);
	if (!set->ranges4 || !set->ranges6)
		return -ENOMEM;
	for_each_attribute_of(attribute, info, rest) {
		if (nla_type(attribute) != type)
			continue;
		result = add_prefixes(set, attribute, info->extack);
		if (result)
			return result;
	}
	sort(set->ranges4, set->count4, sizeof(*set->ranges4), compare4, NULL);
	sort(set->ranges6, set->count6, sizeof(*set->ranges6), compare6, NULL);
	set->count4 = bypass_join4(set->ranges4, set->count4);
	set->count6 = bypass_join6(set->ranges6, set->count6);
	return 0;
}

static int read_tunnels(struct genl_info *info, struct bypass_rules *rules)
{
	const struct nlattr *attribute = info->attrs[PODWIRE_BYPASS_A_TUNNELS];
	u32 i;

	if (!attribute)
		return 0;
	if (nla_len(attribute) % sizeof(rules->tunnels[0]) ||
	    nla_len(attribute) > sizeof(rules->tunnels)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attribute,
				    "expected up to 8 tunnels of 4 bytes each");
		return -EINVAL;
	}
	memcpy(rules->tunnels, nla_data(attribute), nla_len(attribute));
	rules->tunnel_count = nla_len(attribute) / sizeof(rules->tunnels[0]);
	for (i = 0; i < rules->tunnel_count; i++) {
		const struct podwire_bypass_tunnel *tunnel = &rules->tunnels[i];

		if (tunnel->port && !tunnel->reserved &&
		    tunnel->protocol == IPPROTO_UDP)
			continue;
		/* STT, which looks like TCP, takes its packets in a hook behind this one. */
		NL_SET_ERR_MSG_ATTR(info->extack, attribute,
				    "a tunnel's protocol is not UDP, or its port is 0");
		return -EINVAL;
	}
	return 0;
}

static int read_rules(struct genl_info *info, struct bypass_rules *rules)
{
	int i, result;

	if (!info->attrs[PODWIRE_BYPASS_A_MODE]) {
		NL_SET_ERR_MSG(info->extack, "the mode is missing");
		return -EINVAL;
	}
	rules->mode = nla_get_u32(info->attrs[PODWIRE_BYPASS_A_MODE]);
	if (rules->mode == PODWIRE_BYPASS_ALL && !BYPASS_CPU_IS_OURS) {
		NL_SET_ERR_MSG(info->extack,
			       "with PREEMPT_RT this kernel can only untrack: it lacks PREEMPT_RT_NEEDS_BH_LOCK");
		return -EOPNOTSUPP;
	}
	if (info->attrs[PODWIRE_BYPASS_A_LEASE])
		rules->lease = nla_get_u32(info->attrs[PODWIRE_BYPASS_A_LEASE]);
	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		result = read_set(info, sets[i].attribute, set_in(rules, &sets[i]));
		if (result)
			return result;
	}
	return read_tunnels(info, rules);
}

static int check_generation(struct genl_info *info, const struct bypass_namespace *bypass)
{
	const struct nlattr *attribute = info->attrs[PODWIRE_BYPASS_A_GENERATION];

	if (!attribute || nla_get_u32(attribute) == bypass->generation)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attribute,
			    "the configuration was changed in between: read it again");
	return -ESTALE;
}

static int set(struct sk_buff *skb, struct genl_info *info)
{
	struct bypass_namespace *bypass = bypass_of(genl_info_net(info));
	struct bypass_config *config = kzalloc(sizeof(*config), GFP_KERNEL_ACCOUNT);
	int result;

	if (!config)
		return -ENOMEM;
	result = read_rules(info, &config->rules);
	if (result) {
		bypass_free_config(config);
		return result;
	}
	mutex_lock(&bypass->lock);
	result = check_generation(info, bypass);
	if (result)
		bypass_free_config(config);
	else
		result = bypass_configure(bypass, config);
	mutex_unlock(&bypass->lock);
	return result;
}

static int renew(struct sk_buff *skb, struct genl_info *info)
{
	struct bypass_namespace *bypass = bypass_of(genl_info_net(info));
	const struct bypass_config *config;
	int result;

	mutex_lock(&bypass->lock);
	config = rcu_dereference_protected(bypass->config, lockdep_is_held(&bypass->lock));
	result = check_generation(info, bypass);
	if (!result && (!config || config->rules.lease == 0)) {
		NL_SET_ERR_MSG(info->extack, "there is no lease");
		result = -ENOENT;
	}
	if (!result)
		bypass_begin_lease(bypass, config->rules.lease);
	mutex_unlock(&bypass->lock);
	return result;
}

static void *begin(struct sk_buff *skb, struct netlink_callback *cb, u8 command)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &bypass_family,
			   NLM_F_MULTI, command);
}

static u32 seconds_left(const struct bypass_namespace *bypass, const struct bypass_rules *rules)
{
	long left = rules->mode == PODWIRE_BYPASS_OFF || rules->lease == 0 ? 0 :
		    (long)(bypass->lease_end - jiffies);

	return left > 0 ? DIV_ROUND_UP(left, HZ) : 0;
}

static int put_head(struct sk_buff *skb, const struct bypass_namespace *bypass,
		    const struct bypass_rules *rules)
{
	return nla_put_u32(skb, PODWIRE_BYPASS_A_MODE, rules->mode) ||
	       nla_put_u32(skb, PODWIRE_BYPASS_A_GENERATION, bypass->generation) ||
	       nla_put_u32(skb, PODWIRE_BYPASS_A_LEASE, rules->lease) ||
	       nla_put_u32(skb, PODWIRE_BYPASS_A_LEASE_LEFT, seconds_left(bypass, rules)) ||
	       nla_put(skb, PODWIRE_BYPASS_A_TUNNELS,
		       rules->tunnel_count * sizeof(rules->tunnels[0]), rules->tunnels);
}

/* Its ranges, of which each is the fewest prefixes that make it up. */
struct position {
	u32 range;
	struct bypass_address next;
	bool is_within;
};

/* As many of the set's prefixes as there is room for; true if there were any. */
static bool put_set(struct sk_buff *skb, unsigned int type, const struct bypass_addresses *set,
		    struct position *at)
{
	struct podwire_bypass_prefix *prefix;
	struct nlattr *attribute;
	u32 count = 0, total = set->count4 + set->count6;

	if (at->range >= total)
		return false;
	attribute = nla_reserve(skb, type, 0);
	if (!attribute)
		return false;
	while (at->range < total && skb_tailroom(skb) >= 2 * (int)sizeof(*prefix)) {
		u8 family = at->range < set->count4 ? 4 : 6;
		struct bypass_address last;

		if (family == 4) {
			const struct bypass_range4 *range = &set->ranges4[at->range];

			if (!at->is_within)
				at->next = (struct bypass_address){ 0, range->first };
			last = (struct bypass_address){ 0, range->last };
		} else {
			const struct bypass_range *range = &set->ranges6[at->range - set->count4];

			if (!at->is_within)
				at->next = range->first;
			last = range->last;
		}
		prefix = skb_put(skb, sizeof(*prefix));
		*prefix = (struct podwire_bypass_prefix){ .family = family };
		prefix->length = bypass_next_prefix(family, &at->next, &last, prefix->address);
		at->is_within = bypass_is_within(&at->next, &last);
		at->range += !at->is_within;
		count++;
	}
	attribute->nla_len = nla_attr_size(count * sizeof(*prefix));
	return count > 0;
}

struct dump {
	u32 set;
	u32 generation;
	struct position at;
};

static int get(struct sk_buff *skb, struct netlink_callback *cb)
{
	static const struct bypass_config nothing;
	struct bypass_namespace *bypass = bypass_of(sock_net(skb->sk));
	struct dump *dump = (struct dump *)cb->ctx;
	struct bypass_config *config;
	struct bypass_rules *rules;
	void *message;

	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	mutex_lock(&bypass->lock);
	config = rcu_dereference_protected(bypass->config, lockdep_is_held(&bypass->lock));
	rules = (struct bypass_rules *)&(config ? config : &nothing)->rules;
	cb->seq = bypass->generation + 1;
	/* What comes next is of another configuration: the reader begins again. */
	if (dump->set > 0 && dump->generation != bypass->generation) {
		mutex_unlock(&bypass->lock);
		return -EINTR;
	}
	dump->generation = bypass->generation;
	while (dump->set <= ARRAY_SIZE(sets)) {
		bool is_done = true;

		message = begin(skb, cb, PODWIRE_BYPASS_CMD_GET);
		if (!message)
			break;
		if (dump->set == 0) {
			if (put_head(skb, bypass, rules)) {
				genlmsg_cancel(skb, message);
				break;
			}
		} else {
			const struct set_of_attribute *current_set = &sets[dump->set - 1];
			struct bypass_addresses *addresses = set_in(rules, current_set);

			if (put_set(skb, current_set->attribute, addresses, &dump->at)) {
				is_done = dump->at.range >= addresses->count4 + addresses->count6;
			} else {
				is_done = dump->at.range >= addresses->count4 + addresses->count6;
				genlmsg_cancel(skb, message);
				message = NULL;
			}
		}
		if (message)
			genlmsg_end(skb, message);
		if (!is_done)
			break;
		dump->set++;
		dump->at = (struct position){};
	}
	mutex_unlock(&bypass->lock);
	return skb->len;
}

static int counters(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bypass_namespace *bypass = bypass_of(sock_net(skb->sk));

	mutex_lock(&bypass->lock);
	for (; cb->args[0] < BYPASS_HOOK_COUNT * BYPASS_REASON_COUNT; cb->args[0]++) {
		unsigned int hook = cb->args[0] / BYPASS_REASON_COUNT;
		unsigned int reason = cb->args[0] % BYPASS_REASON_COUNT;
		struct bypass_count sum = bypass_sum(bypass, hook, reason);
		void *message;

		if (sum.packets == 0)
			continue;
		message = begin(skb, cb, PODWIRE_BYPASS_CMD_COUNTERS);
		if (!message)
			break;
		if (nla_put_string(skb, PODWIRE_BYPASS_A_HOOK, bypass_hook_name(hook)) ||
		    nla_put_string(skb, PODWIRE_BYPASS_A_REASON, bypass_reason_name(reason)) ||
		    nla_put_u64_64bit(skb, PODWIRE_BYPASS_A_PACKETS, sum.packets,
				      PODWIRE_BYPASS_A_PAD) ||
		    nla_put_u64_64bit(skb, PODWIRE_BYPASS_A_BYTES, sum.bytes,
				      PODWIRE_BYPASS_A_PAD)) {
			genlmsg_cancel(skb, message);
			break;
		}
		genlmsg_end(skb, message);
	}
	mutex_unlock(&bypass->lock);
	return skb->len;
}

static const struct genl_ops operations[] = {
	{ .cmd = PODWIRE_BYPASS_CMD_SET, .doit = set, .flags = GENL_ADMIN_PERM },
	{ .cmd = PODWIRE_BYPASS_CMD_RENEW, .doit = renew, .flags = GENL_ADMIN_PERM },
	{ .cmd = PODWIRE_BYPASS_CMD_GET, .dumpit = get, .flags = GENL_ADMIN_PERM },
	{ .cmd = PODWIRE_BYPASS_CMD_COUNTERS, .dumpit = counters, .flags = GENL_ADMIN_PERM },
};

struct genl_family bypass_family = {
	.name = PODWIRE_BYPASS_FAMILY,
	.version = PODWIRE_BYPASS_VERSION,
	.maxattr = PODWIRE_BYPASS_A_MAX,
	.policy = policy,
	.netnsok = true,
	/* Each namespace has a lock; a long configuration is to hold up nobody else. */
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = operations,
	.n_ops = ARRAY_SIZE(operations),
};
