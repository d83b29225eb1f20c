/* SPDX-License-Identifier: GPL-2.0 */
/* One event for each verdict: perf trace -e podwire_bypass:podwire_bypass */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM podwire_bypass

#if !defined(BYPASS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BYPASS_TRACE_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>
#include <net/net_namespace.h>

#include "reasons.h"

#ifndef BYPASS_TRACE_NAMES
#define BYPASS_TRACE_NAMES
#define BYPASS_REASON_SYMBOL(name, text) { BYPASS_##name, text },
#define BYPASS_REASON_SYMBOLS BYPASS_REASONS(BYPASS_REASON_SYMBOL) { -1, "" }
#endif

TRACE_EVENT(podwire_bypass,
	TP_PROTO(const struct net *net, const struct sk_buff *skb, unsigned int hook,
		 unsigned int mode, unsigned int reason),
	TP_ARGS(net, skb, hook, mode, reason),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(const void *, skbaddr)
		__field(unsigned int, len)
		__field(unsigned int, hook)
		__field(unsigned int, mode)
		__field(unsigned int, reason)
	),
	TP_fast_assign(
		__entry->netns = net->ns.inum;
		__entry->skbaddr = skb;
		__entry->len = skb->len;
		__entry->hook = hook;
		__entry->mode = mode;
		__entry->reason = reason;
	),
	TP_printk("netns=%u skbaddr=%p len=%u hook=%u mode=%u reason=%s",
		  __entry->netns, __entry->skbaddr, __entry->len, __entry->hook, __entry->mode,
		  __print_symbolic(__entry->reason, BYPASS_REASON_SYMBOLS))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
