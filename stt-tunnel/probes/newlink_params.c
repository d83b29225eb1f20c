// SPDX-License-Identifier: GPL-2.0
#include <net/rtnetlink.h>
void *probe(struct rtnl_newlink_params *params);
void *probe(struct rtnl_newlink_params *params) { return params->data; }
