// SPDX-License-Identifier: GPL-2.0
/*
 * An entry of conntrack for a flow between pods means the full path, NAT or not:
 * IPVS translates without saying so in the entry, and a flow that was begun there
 * shall end there. A tunnel is this node's own, so only a translated one counts.
 */
#include <linux/module.h>
#include <linux/netfilter_ipv4.h>
#include <net/ip_vs.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_zones.h>

#include "tracking.h"
#include "way.h"

enum tracking { NONE, PLAIN, TRANSLATED, AWAITED };

void bypass_store_address(const struct bypass_address *from, u8 family,
			  union nf_inet_addr *to)
{
	memset(to, 0, sizeof(*to));
	if (family == 4) {
		to->ip = htonl(from->low);
	} else {
		to->ip6[0] = htonl(from->high >> 32);
		to->ip6[1] = htonl(from->high);
		to->ip6[2] = htonl(from->low >> 32);
		to->ip6[3] = htonl(from->low);
	}
}

static void tuple_of(const struct bypass_flow *flow, struct nf_conntrack_tuple *tuple)
{
	memset(tuple, 0, sizeof(*tuple));
	tuple->src.l3num = flow->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	tuple->dst.protonum = flow->protocol;
	bypass_store_address(&flow->source, flow->family, &tuple->src.u3);
	bypass_store_address(&flow->destination, flow->family, &tuple->dst.u3);
	tuple->src.u.all = flow->source_port;
	tuple->dst.u.all = flow->destination_port;
}

void bypass_flow_of(const struct nf_conn *entry, int direction, struct bypass_flow *flow)
{
	const struct nf_conntrack_tuple *tuple = &entry->tuplehash[direction].tuple;
	u8 family = tuple->src.l3num == NFPROTO_IPV4 ? 4 : 6;

	memset(flow, 0, sizeof(*flow));
	flow->family = family;
	flow->protocol = tuple->dst.protonum;
	flow->source = bypass_load((const u8 *)&tuple->src.u3, family);
	flow->destination = bypass_load((const u8 *)&tuple->dst.u3, family);
	flow->source_port = tuple->src.u.all;
	flow->destination_port = tuple->dst.u.all;
}

static bool is_translated(const struct nf_conn *entry)
{
	const struct nf_conntrack_tuple *there = &entry->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	const struct nf_conntrack_tuple *back = &entry->tuplehash[IP_CT_DIR_REPLY].tuple;

	return (entry->status & IPS_NAT_MASK) ||
	       !nf_inet_addr_cmp(&there->src.u3, &back->dst.u3) ||
	       !nf_inet_addr_cmp(&there->dst.u3, &back->src.u3) ||
	       there->src.u.all != back->dst.u.all || there->dst.u.all != back->src.u.all;
}

static enum tracking tracking_of(struct net *net, const struct bypass_flow *flow)
{
	struct nf_conntrack_tuple tuple;
	struct nf_conntrack_tuple_hash *found;
	enum tracking tracking;
	struct nf_conn *entry;

	tuple_of(flow, &tuple);
	found = nf_conntrack_find_get(net, &nf_ct_zone_dflt, &tuple);
	if (!found)
		return __nf_ct_expect_find(net, &nf_ct_zone_dflt, &tuple) ? AWAITED : NONE;
	entry = nf_ct_tuplehash_to_ctrack(found);
	tracking = is_translated(entry) ? TRANSLATED : PLAIN;
	nf_ct_put(entry);
	return tracking;
}

#if IS_ENABLED(CONFIG_IP_VS)
/*
 * What it keeps of a namespace ends with its module, with no grace period for
 * readers, so that is held meanwhile. One that is about to go has nothing more
 * to translate.
 */
static enum bypass_ipvs ask_ipvs(struct net *net)
{
	enum bypass_ipvs found = IPVS_ABSENT;
	struct netns_ipvs *ipvs;

	if (!symbol_get(ip_vs_conn_out_get_proto))
		return IPVS_ABSENT;
	ipvs = READ_ONCE(net->ipvs);
	if (ipvs && READ_ONCE(ipvs->enable))
		found = ip_vs_conntrack_enabled(ipvs) ? IPVS_TELLS : IPVS_SILENT;
	symbol_put(ip_vs_conn_out_get_proto);
	return found;
}

/* Nobody may want conntrack in a namespace: then it is not there to be told. */
static bool is_tracking(struct net *net, u8 family)
{
	const struct nf_hook_entries *hooks =
		family == 4 ? rcu_dereference(net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]) :
			      rcu_dereference(net->nf.hooks_ipv6[NF_INET_PRE_ROUTING]);
	struct nf_hook_ops **operations;
	int i;

	if (!hooks)
		return false;
	operations = nf_hook_entries_get_hook_ops(hooks);
	for (i = 0; i < hooks->num_hook_entries; i++) {
		if (READ_ONCE(operations[i])->priority == NF_IP_PRI_CONNTRACK)
			return true;
	}
	return false;
}
#endif

/*
 * It translates answers by its own table then, which nobody else can ask; and it
 * keeps UDP's there for five minutes, of which conntrack keeps two or less. To
 * hold its module is slow and in the way of those who unload it, so that is done
 * once a jiffy: no answer is back sooner after IPVS was set up.
 */
static bool is_ipvs_unseen(struct bypass_namespace *bypass, const struct bypass_flow *flow)
{
#if IS_ENABLED(CONFIG_IP_VS)
	unsigned long now = jiffies;

	if (likely(!READ_ONCE(bypass->net->ipvs)))
		return false;
	/* Pairs with the release: whoever sees the time sees the answer of that time. */
	if (smp_load_acquire(&bypass->ipvs_asked) != now) {
		WRITE_ONCE(bypass->ipvs, ask_ipvs(bypass->net));
		/* Pairs with the acquire. */
		smp_store_release(&bypass->ipvs_asked, now);
	}
	switch (READ_ONCE(bypass->ipvs)) {
	case IPVS_ABSENT:
		return false;
	case IPVS_TELLS:
		return flow->protocol == BYPASS_UDP || !is_tracking(bypass->net, flow->family);
	default:
		return true;
	}
#else
	return false;
#endif
}

enum bypass_reason bypass_inquire(struct bypass_namespace *bypass,
				  const struct bypass_flow *flow, struct net_device *in,
				  enum bypass_reason reason, u32 mode)
{
	struct net *net = bypass->net;
	enum bypass_reason judged = flow->is_leaving ? reason :
				    bypass_judge_way(net, flow, in, reason);

	if (judged != reason)
		return judged;
	if (reason == BYPASS_TUNNEL)
		return tracking_of(net, flow) == TRANSLATED ? BYPASS_CONNTRACK : reason;
	if (is_ipvs_unseen(bypass, flow))
		return BYPASS_IPVS;
	switch (tracking_of(net, flow)) {
	case NONE:
		return reason;
	case PLAIN:
		/* All flows are tracked while it only looks on. */
		return mode == PODWIRE_BYPASS_OBSERVE ? reason : BYPASS_CONNTRACK;
	case AWAITED:
		return BYPASS_EXPECTED;
	default:
		return BYPASS_CONNTRACK;
	}
}
