/* SPDX-License-Identifier: GPL-2.0 */
/* What the rest of the kernel knows of a flow that speaks against a bypass. */
#ifndef BYPASS_TRACKING_H
#define BYPASS_TRACKING_H

#include "namespace.h"

/* `reason` if nothing does, else why. `in` is where it comes from, unless it is leaving. */
enum bypass_reason bypass_inquire(struct bypass_namespace *bypass,
				  const struct bypass_flow *flow, struct net_device *in,
				  enum bypass_reason reason, u32 mode);

void bypass_store_address(const struct bypass_address *from, u8 family,
			  union nf_inet_addr *to);

struct nf_conn;
/* The flow of a conntrack entry, in its original direction or in the other one. */
void bypass_flow_of(const struct nf_conn *entry, int direction, struct bypass_flow *flow);

#endif
