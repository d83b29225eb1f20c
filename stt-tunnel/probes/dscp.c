// SPDX-License-Identifier: GPL-2.0
#include <net/flow.h>
void probe(struct flowi4 *flow);
void probe(struct flowi4 *flow) { flow->flowi4_dscp = 0; }
