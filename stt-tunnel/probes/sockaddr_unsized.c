// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
int probe(struct socket *sock, struct sockaddr_unsized *address);
int probe(struct socket *sock, struct sockaddr_unsized *address)
{
	return kernel_bind(sock, address, 0);
}
