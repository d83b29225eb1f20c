// SPDX-License-Identifier: GPL-2.0
/*
 * Where segments come in: first of all at PRE_ROUTING, before connection
 * tracking takes them for broken TCP, and at LOCAL_IN for those that had to
 * pass there: put together from IP fragments, or on their way out of a bridge.
 * Only what is for this host is taken; STT of others is forwarded like any TCP.
 *
 * Also how the port is kept for that: from programs by a socket, and from NAT,
 * which asks no socket, at POST_ROUTING.
 */
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "compat.h"
#include "tunnel.h"

static const struct tcphdr *stt_tcp_of(const struct sk_buff *skb,
				       unsigned int ip_size,
				       struct tcphdr *buffer)
{
	return skb_header_pointer(skb, skb_network_offset(skb) + ip_size,
				  sizeof(*buffer), buffer);
}

static struct stt_tunnel *stt_tunnel_at(struct net *net, __be16 port)
{
	struct stt_tunnel *tunnel;

	list_for_each_entry_rcu(tunnel, &stt_underlay(net)->tunnels, open)
		if (tunnel->port == port)
			return tunnel;
	return NULL;
}

static struct stt_tunnel *stt_find_tunnel(struct net *net, struct sk_buff *skb,
					  unsigned int ip_size)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = stt_tcp_of(skb, ip_size, &buffer);

	return tcp ? stt_tunnel_at(net, tcp->dest) : NULL;
}

/* As routing would have it, which looks at where the sender is, too (rp_filter). */
static bool stt_is_local4(struct sk_buff *skb)
{
	/* What the host sends itself is routed already, and would not be again. */
	if (skb_valid_dst(skb))
		return skb_rtable(skb)->rt_type == RTN_LOCAL;
	if (stt_is_routed_in(skb, ip_hdr(skb)) &&
	    skb_rtable(skb)->rt_type == RTN_LOCAL)
		return true;
	/* Others may still have a word in it. */
	skb_dst_drop(skb);
	return false;
}

static bool stt_is_local(const struct nf_hook_state *state, struct sk_buff *skb)
{
	if (skb->pkt_type != PACKET_HOST)
		return false;
	/* There routing has decided. */
	if (state->hook == NF_INET_LOCAL_IN)
		return true;
	if (nf_bridge_info_exists(skb))
		return false;
	if (state->pf == NFPROTO_IPV4)
		return stt_is_local4(skb);
	return ipv6_chk_addr(state->net, &ipv6_hdr(skb)->daddr, NULL, 0);
}

static unsigned int stt_hook4(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const struct iphdr *ip = ip_hdr(skb);
	struct stt_tunnel *tunnel;

	if (ip->protocol != IPPROTO_TCP || ip_is_fragment(ip))
		return NF_ACCEPT;
	tunnel = stt_find_tunnel(state->net, skb, ip->ihl * 4);
	if (!tunnel || !stt_is_local(state, skb))
		return NF_ACCEPT;
	stt_receive(tunnel, skb, ip->ihl * 4, true);
	return NF_STOLEN;
}

static unsigned int stt_hook6(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	struct stt_tunnel *tunnel;

	if (ipv6_hdr(skb)->nexthdr != IPPROTO_TCP)
		return NF_ACCEPT;
	tunnel = stt_find_tunnel(state->net, skb, sizeof(struct ipv6hdr));
	if (!tunnel || !stt_is_local(state, skb))
		return NF_ACCEPT;
	stt_receive(tunnel, skb, sizeof(struct ipv6hdr), false);
	return NF_STOLEN;
}

/* The tunnel that would take the answers to what opens a connection. */
static struct stt_tunnel *stt_find_opened(struct net *net, struct sk_buff *skb,
					  unsigned int ip_size)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = stt_tcp_of(skb, ip_size, &buffer);

	if (!tcp || !tcp->syn || tcp->ack)
		return NULL;
	return stt_tunnel_at(net, tcp->source);
}

/*
 * A connection that NAT gave the port is not begun. Nothing of it is kept, so
 * that its next attempt, a second later, is given another one.
 */
static unsigned int stt_refuse_port4(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	const struct iphdr *ip = ip_hdr(skb);
	struct stt_tunnel *tunnel;

	if (ip->protocol != IPPROTO_TCP || ip_is_fragment(ip))
		return NF_ACCEPT;
	tunnel = stt_find_opened(state->net, skb, ip->ihl * 4);
	if (!tunnel || inet_addr_type(state->net, ip->saddr) != RTN_LOCAL)
		return NF_ACCEPT;
	this_cpu_inc(tunnel->counters->nat_port_refused);
	return NF_DROP;
}

static unsigned int stt_refuse_port6(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip = ipv6_hdr(skb);
	struct stt_tunnel *tunnel;

	if (ip->nexthdr != IPPROTO_TCP)
		return NF_ACCEPT;
	tunnel = stt_find_opened(state->net, skb, sizeof(*ip));
	if (!tunnel || !ipv6_chk_addr(state->net, &ip->saddr, NULL, 0))
		return NF_ACCEPT;
	this_cpu_inc(tunnel->counters->nat_port_refused);
	return NF_DROP;
}

#define STT_HOOK(function, family, number, at) {	\
	.hook = function,				\
	.pf = family,					\
	.hooknum = number,				\
	.priority = at,					\
}

static const struct nf_hook_ops stt_hooks[] = {
	STT_HOOK(stt_hook4, NFPROTO_IPV4, NF_INET_PRE_ROUTING, NF_IP_PRI_FIRST),
	STT_HOOK(stt_hook4, NFPROTO_IPV4, NF_INET_LOCAL_IN, NF_IP_PRI_FIRST),
	STT_HOOK(stt_hook6, NFPROTO_IPV6, NF_INET_PRE_ROUTING, NF_IP6_PRI_FIRST),
	STT_HOOK(stt_hook6, NFPROTO_IPV6, NF_INET_LOCAL_IN, NF_IP6_PRI_FIRST),
	/* After NAT and before its entry is kept. */
	STT_HOOK(stt_refuse_port4, NFPROTO_IPV4, NF_INET_POST_ROUTING,
		 NF_IP_PRI_NAT_SRC + 1),
	STT_HOOK(stt_refuse_port6, NFPROTO_IPV6, NF_INET_POST_ROUTING,
		 NF_IP6_PRI_NAT_SRC + 1),
};

static int stt_bind(struct net *net, __be16 port, int family,
		    struct socket **reservation)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = port };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = port };
	bool is_ipv4 = family == AF_INET;
	int error;

	error = sock_create_kern(net, family, SOCK_STREAM, IPPROTO_TCP,
				 reservation);
	if (error)
		return error;
	/* Whatever the namespace's sysctl says of such sockets. */
	(*reservation)->sk->sk_ipv6only = false;
	error = kernel_bind(*reservation,
			    is_ipv4 ? (struct stt_sockaddr *)&four :
				      (struct stt_sockaddr *)&six,
			    is_ipv4 ? sizeof(four) : sizeof(six));
	if (error)
		sock_release(*reservation);
	return error;
}

/* A socket that is bound and never listens, for both families if it can be. */
static int stt_reserve_port(struct stt_tunnel *tunnel)
{
	struct net *net = dev_net(tunnel->dev);
	int error;

	error = stt_bind(net, tunnel->port, AF_INET6, &tunnel->reservation);
	if (error == -EAFNOSUPPORT)
		error = stt_bind(net, tunnel->port, AF_INET,
				 &tunnel->reservation);
	return error;
}

int stt_join_underlay(struct stt_tunnel *tunnel)
{
	struct net *net = dev_net(tunnel->dev);
	struct stt_underlay *underlay = stt_underlay(net);
	int error;

	error = stt_reserve_port(tunnel);
	if (error) {
		/* Whoever has a namespace can make it fail, over and over. */
		net_err_ratelimited("%s: TCP port %u cannot be had (error %d): end what uses it\n",
				    tunnel->dev->name, ntohs(tunnel->port),
				    error);
		return error;
	}
	if (list_empty(&underlay->tunnels)) {
		error = nf_register_net_hooks(net, stt_hooks,
					      ARRAY_SIZE(stt_hooks));
		if (error) {
			sock_release(tunnel->reservation);
			return error;
		}
	}
	list_add_rcu(&tunnel->open, &underlay->tunnels);
	return 0;
}

/* When it returns, no hook has the tunnel in hand any more. */
void stt_leave_underlay(struct stt_tunnel *tunnel)
{
	struct net *net = dev_net(tunnel->dev);

	list_del_rcu(&tunnel->open);
	if (list_empty(&stt_underlay(net)->tunnels))
		nf_unregister_net_hooks(net, stt_hooks, ARRAY_SIZE(stt_hooks));
	synchronize_net();
	sock_release(tunnel->reservation);
}
