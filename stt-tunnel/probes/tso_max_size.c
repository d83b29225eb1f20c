// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
void *probe = netif_set_tso_max_size;
