// SPDX-License-Identifier: GPL-2.0
/*
 * A packet is judged once, where it enters: at PRE_ROUTING, or at LOCAL_OUT. One
 * that is bypassed goes on by a call from there, and the hooks that it meets
 * within that call know it by this CPU's note: they need not look at it again,
 * and nobody else's untracked packet can be taken for one of ours.
 */
#include <linux/if_vlan.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/nf_conntrack.h>

#include "compat.h"
#include "memory.h"
#include "namespace.h"
#include "tracking.h"
#include "way.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The packet that is on its way, as what, and where its flow is remembered, if it is. */
struct passing {
	const struct sk_buff *skb;
	struct bypass_entry *entry;
	/* A route may put it into another one, which is longer. */
	unsigned int length;
	/* By which it came. */
	u64 tunnel;
	u8 pf;
	enum bypass_reason reason;
};

static DEFINE_PER_CPU(struct passing, passing);

static void count(struct bypass_namespace *bypass, enum bypass_hook hook,
		  enum bypass_reason reason, unsigned int bytes)
{
	this_cpu_inc(bypass->counters->of[hook][reason].packets);
	this_cpu_add(bypass->counters->of[hook][reason].bytes, bytes);
}

static u8 family_of(const struct nf_hook_state *state)
{
	return state->pf == NFPROTO_IPV4 ? 4 : 6;
}

static bool is_goods(enum bypass_reason reason)
{
	return reason == BYPASS_POD || reason == BYPASS_TUNNEL;
}

static enum bypass_reason read_packet(const struct sk_buff *skb, u8 family,
				      struct bypass_packet *packet)
{
	u8 copy[BYPASS_HEADER_BYTES];
	int offset = skb_network_offset(skb);
	unsigned int length = skb->len - offset;
	unsigned int linear = skb_headlen(skb) - offset;
	unsigned int wanted = min_t(unsigned int, length, sizeof(copy));
	enum bypass_reason reason = bypass_read(skb_network_header(skb), linear, length,
						family, false, packet);

	/* What it lacks may be further back; that is rare, and a copy costs. */
	if (reason == BYPASS_POD || linear >= wanted)
		return reason;
	if (skb_copy_bits(skb, offset, copy, wanted))
		return BYPASS_MALFORMED;
	return bypass_read(copy, wanted, length, family, false, packet);
}

/* Whether what this CPU notes of a packet is nobody else's until that has gone on. */
static bool is_alone(void)
{
	return BYPASS_CPU_IS_OURS && in_softirq();
}

/*
 * About a packet that the addressee sent, through a tunnel or between pods. One
 * that this node sends is about what came by the device that it leaves by; of
 * another it is seen only that the answers to what it is about come as it does.
 */
static enum bypass_reason judge_error(struct bypass_namespace *bypass,
				      const struct bypass_config *config,
				      const struct sk_buff *skb,
				      const struct nf_hook_state *state,
				      const struct bypass_flow *quoted)
{
	bool is_leaving = state->hook == NF_INET_LOCAL_OUT;
	struct net_device *device = is_leaving ? state->out : state->in;
	enum bypass_reason reason = BYPASS_TUNNEL;
	struct bypass_flow judged = *quoted;
	unsigned int at = quoted->family == 4 ? offsetof(struct iphdr, daddr) :
						offsetof(struct ipv6hdr, daddr);
	struct bypass_address to;
	u8 copy[16];
	const u8 *bytes = skb_header_pointer(skb, skb_network_offset(skb) + at,
					     quoted->family == 4 ? 4 : 16, copy);

	if (!bytes)
		return BYPASS_MALFORMED;
	to = bypass_load(bytes, quoted->family);
	if (memcmp(&to, &quoted->source, sizeof(to)))
		return BYPASS_NOT_IN_SET;
	judged.is_leaving = !is_leaving;
	if (!bypass_is_tunnel(&config->rules, &judged)) {
		reason = bypass_match_pods(&config->rules, quoted);
		if (reason != BYPASS_POD)
			return BYPASS_NOT_IN_SET;
		judged.is_leaving = false;
		if (!is_leaving) {
			judged.source = quoted->destination;
			judged.destination = quoted->source;
			judged.source_port = quoted->destination_port;
			judged.destination_port = quoted->source_port;
		}
	}
	return bypass_inquire(bypass, &judged, device, reason, config->rules.mode) ==
	       reason ? BYPASS_ICMP_ERROR : BYPASS_PROTOCOL;
}

/*
 * What the node sends may have a mark without an entry: a tunnel may leave it that
 * of what it carries, and an ICMP error about what is untracked is related to it
 * (nf_conntrack_attach), which no rule would see.
 */
static bool is_tracked(const struct sk_buff *skb, unsigned int hook)
{
	unsigned long known = skb_get_nfct(skb);

	return known && !(hook == NF_INET_LOCAL_OUT &&
			  (known == IP_CT_UNTRACKED || known == IP_CT_RELATED));
}

/*
 * The kernel's tunnels have sockets of its own. What a connection is asked for by,
 * or waits in to be over, is not a whole socket, and no tunnel's either.
 */
static bool is_users(const struct sock *sk)
{
	return sk && (!sk_fullsock(sk) || !sk->sk_kern_sock);
}

static enum bypass_reason judge(struct bypass_namespace *bypass,
				const struct bypass_config *config, u32 epoch,
				const struct sk_buff *skb,
				const struct nf_hook_state *state,
				struct bypass_entry **entry)
{
	/* The memory is this CPU's, and not to be shared with an interrupt. */
	bool may_remember = BYPASS_REMEMBERS && is_alone() &&
			    config->rules.mode != PODWIRE_BYPASS_OBSERVE;
	unsigned long asked = jiffies;
	/* Other devices have other hooks and ways. */
	int in = state->in ? state->in->ifindex : 0;
	enum bypass_reason reason;
	struct bypass_packet packet;
	bool is_user;

	if (is_tracked(skb, state->hook))
		return BYPASS_TRACKED;
	if (bypass_is_vrf(state->in) || bypass_is_vrf(state->out))
		return BYPASS_VRF;
	if (nf_bridge_info_exists(skb))
		return BYPASS_BRIDGE;
	reason = read_packet(skb, family_of(state), &packet);
	packet.flow.is_leaving = state->hook == NF_INET_LOCAL_OUT;
	if (!packet.flow.is_leaving && skb->pkt_type != PACKET_HOST)
		return BYPASS_OTHER_HOST;
	if (reason == BYPASS_ICMP_ERROR)
		return judge_error(bypass, config, skb, state, &packet.flow);
	if (reason != BYPASS_POD)
		return reason;
	/* A user's obeys the rules for users. */
	is_user = packet.flow.is_leaving && is_users(state->sk);
	/* What begins a connection believes nobody but conntrack. */
	if (may_remember && !packet.is_syn && !is_user) {
		*entry = bypass_recall(bypass->memory, &packet.flow, epoch);
		if (*entry && (*entry)->in == in)
			return (*entry)->reason;
		*entry = NULL;
	}
	reason = bypass_match(&config->rules, &packet.flow);
	if (!is_goods(reason))
		return reason;
	if (is_user)
		return BYPASS_USER_SOCKET;
	reason = bypass_inquire(bypass, &packet.flow, state->in, reason, config->rules.mode);
	if (reason == BYPASS_CONNTRACK)
		bypass_mark(bypass->memory, &packet.flow);
	if (!may_remember)
		return reason;
	if (is_goods(reason)) {
		*entry = bypass_remember(bypass->memory, &packet.flow, epoch, asked, reason);
		(*entry)->in = in;
	} else {
		bypass_forget(bypass->memory, &packet.flow);
	}
	return reason;
}

static void go_on(struct sk_buff *skb, const struct nf_hook_state *state,
		  enum bypass_reason reason, struct bypass_entry *entry)
{
	struct passing before = *this_cpu_ptr(&passing);
	u64 tunnel = bypass_tunnel_of(skb);

	if (entry)
		bypass_use_route(&entry->route, skb, family_of(state), tunnel);
	*this_cpu_ptr(&passing) =
		(struct passing){ .skb = skb, .reason = reason, .entry = entry,
				  .length = skb->len, .tunnel = tunnel, .pf = state->pf };
	state->okfn(state->net, state->sk, skb);
	*this_cpu_ptr(&passing) = before;
}

/*
 * It is not entered by what has this flag. IPsec would leave the flag to what it
 * puts the packet in.
 */
static void skip_post_routing(struct sk_buff *skb, u8 family)
{
	if (dst_xfrm(skb_dst(skb)))
		return;
	if (family == NFPROTO_IPV4)
		IPCB(skb)->flags |= IPSKB_REROUTED;
	else
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
}

static unsigned int enter(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	struct bypass_namespace *bypass = priv;
	bool is_leaving = state->hook == NF_INET_LOCAL_OUT;
	struct bypass_entry *entry = NULL;
	const struct bypass_config *config;
	enum bypass_reason reason;
	u32 epoch, mode;
	int result;

	if (static_branch_unlikely(&bypass_killed))
		return NF_ACCEPT;
	/* Before the configuration: whoever sees a new epoch sees what it is of. */
	epoch = atomic_read_acquire(&bypass->epoch);
	config = rcu_dereference(bypass->config);
	mode = config ? config->rules.mode : PODWIRE_BYPASS_OFF;
	if (mode == PODWIRE_BYPASS_OFF)
		return NF_ACCEPT;
	reason = judge(bypass, config, epoch, skb, state, &entry);
	count(bypass, is_leaving ? BYPASS_AT_LOCAL_OUT : BYPASS_AT_PRE_ROUTING, reason, skb->len);
	trace_podwire_bypass(bypass->net, skb, state->hook, mode, reason);
	if (mode == PODWIRE_BYPASS_OBSERVE || (!is_goods(reason) && reason != BYPASS_ICMP_ERROR))
		return NF_ACCEPT;
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
	/* An error is for the filters to judge; it is only not invalid. */
	if (mode == PODWIRE_BYPASS_UNTRACK || reason == BYPASS_ICMP_ERROR)
		return NF_ACCEPT;
	if (!is_leaving) {
		/* Without this protection the note could be another's. */
		if (!is_alone())
			return NF_ACCEPT;
		go_on(skb, state, reason, entry);
		return NF_STOLEN;
	}
	skip_post_routing(skb, state->pf);
	result = state->okfn(state->net, state->sk, skb);
	if (result > 0)
		result = net_xmit_errno(result);
	/* The sender hears of it from Linux 5.16 on; before, as of a lost packet. */
	return NF_STOLEN | (unsigned int)-result << NF_VERDICT_QBITS;
}

static bool is_passing(const struct sk_buff *skb, u8 pf, enum bypass_reason reason)
{
	return is_alone() && this_cpu_read(passing.skb) == skb &&
	       this_cpu_read(passing.reason) == reason &&
	       this_cpu_read(passing.length) == skb->len &&
	       this_cpu_read(passing.pf) == pf &&
	       skb_get_nfct(skb) == IP_CT_UNTRACKED;
}

static unsigned int follow(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	struct bypass_namespace *bypass = priv;
	bool is_forward = state->hook == NF_INET_FORWARD;
	enum bypass_reason reason = is_forward ? BYPASS_POD : BYPASS_TUNNEL;
	struct bypass_entry *entry;
	u64 tunnel;

	if (!is_passing(skb, state->pf, reason))
		return NF_ACCEPT;
	entry = this_cpu_read(passing.entry);
	tunnel = this_cpu_read(passing.tunnel);
	/* Its memory may be another packet's before this call ends. */
	this_cpu_write(passing.skb, NULL);
	if (bypass_is_vrf(state->out))
		return NF_ACCEPT;
	if (entry)
		bypass_learn_route(&entry->route, skb, family_of(state), tunnel);
	count(bypass, is_forward ? BYPASS_AT_FORWARD : BYPASS_AT_LOCAL_IN, reason, skb->len);
	trace_podwire_bypass(bypass->net, skb, state->hook, PODWIRE_BYPASS_ALL, reason);
	if (is_forward)
		skip_post_routing(skb, state->pf);
	state->okfn(state->net, state->sk, skb);
	return NF_STOLEN;
}

/* Tells the memory of flows that conntrack is about to know, just before it does. */
static unsigned int leave(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	struct bypass_namespace *bypass = priv;
	const struct bypass_config *config = rcu_dereference(bypass->config);
	enum ip_conntrack_info state_of_entry;
	const struct nf_conn *entry = nf_ct_get(skb, &state_of_entry);
	struct bypass_flow flow;
	int direction;

	if (!entry || !config ||
	    (state_of_entry != IP_CT_NEW && state_of_entry != IP_CT_RELATED))
		return NF_ACCEPT;
	for (direction = 0; direction < IP_CT_DIR_MAX; direction++) {
		bypass_flow_of(entry, direction, &flow);
		if (bypass_match_pods(&config->rules, &flow) == BYPASS_POD)
			bypass_mark(bypass->memory, &flow);
	}
	return NF_ACCEPT;
}

/* Which hook is needed for what; those that judge come last. */
static const struct {
	unsigned int hook;
	int priority;
	nf_hookfn *function;
	bool is_for_pods;
	bool is_for_tunnels;
	u32 least_mode;
} wanted_hooks[] = {
	{ NF_INET_POST_ROUTING, INT_MAX, leave, true, false, PODWIRE_BYPASS_UNTRACK },
	{ NF_INET_FORWARD, INT_MIN, follow, true, false, PODWIRE_BYPASS_ALL },
	{ NF_INET_LOCAL_IN, INT_MIN, follow, false, true, PODWIRE_BYPASS_ALL },
	{ NF_INET_PRE_ROUTING, INT_MIN, enter, true, true, PODWIRE_BYPASS_OBSERVE },
	{ NF_INET_LOCAL_OUT, INT_MIN, enter, true, true, PODWIRE_BYPASS_OBSERVE },
};

static unsigned long needed(const struct bypass_rules *rules)
{
	const struct bypass_addresses *pods = &rules->pods;
	bool has_tunnels = rules->tunnel_count > 0;
	unsigned long hooks = 0;
	int i;

	BUILD_BUG_ON(ARRAY_SIZE(wanted_hooks) * 2 != BYPASS_MAX_HOOKS);
	for (i = 0; i < BYPASS_MAX_HOOKS; i++) {
		u32 count = i % 2 ? pods->count6 : pods->count4;

		if (rules->mode >= wanted_hooks[i / 2].least_mode &&
		    ((count > 0 && wanted_hooks[i / 2].is_for_pods) ||
		     (has_tunnels && wanted_hooks[i / 2].is_for_tunnels)))
			hooks |= 1UL << i;
	}
	return hooks;
}

void bypass_prepare_hooks(struct bypass_namespace *bypass)
{
	int i;

	for (i = 0; i < BYPASS_MAX_HOOKS; i++) {
		bypass->hooks[i].hook = wanted_hooks[i / 2].function;
		bypass->hooks[i].priv = bypass;
		bypass->hooks[i].pf = i % 2 ? NFPROTO_IPV6 : NFPROTO_IPV4;
		bypass->hooks[i].hooknum = wanted_hooks[i / 2].hook;
		bypass->hooks[i].priority = wanted_hooks[i / 2].priority;
	}
}

/* Those that are missing for `rules`. */
int bypass_register_hooks(struct bypass_namespace *bypass, const struct bypass_rules *rules)
{
	unsigned long hooks = needed(rules);
	int i, result;

	for (i = 0; i < BYPASS_MAX_HOOKS; i++) {
		if (!(hooks & 1UL << i) || (bypass->registered & 1UL << i))
			continue;
		result = nf_register_net_hook(bypass->net, &bypass->hooks[i]);
		if (result)
			return result;
		bypass->registered |= 1UL << i;
	}
	return 0;
}

/* Those that `rules` do without; without any, all. */
void bypass_unregister_hooks(struct bypass_namespace *bypass, const struct bypass_rules *rules)
{
	unsigned long hooks = rules ? needed(rules) : 0;
	int i;

	for (i = BYPASS_MAX_HOOKS - 1; i >= 0; i--) {
		if ((hooks & 1UL << i) || !(bypass->registered & 1UL << i))
			continue;
		nf_unregister_net_hook(bypass->net, &bypass->hooks[i]);
		bypass->registered &= ~(1UL << i);
	}
}
