/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few names of the kernel that its pure parts use, for where they are
 * tested: in user space.
 */
#ifndef BYPASS_PORTABLE_H
#define BYPASS_PORTABLE_H

#ifdef __KERNEL__

#include <linux/in.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>

#else

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#endif

#endif
