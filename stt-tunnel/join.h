/* SPDX-License-Identifier: GPL-2.0 */
/* Makes one buffer of several without copying them. */
#ifndef STT_JOIN_H
#define STT_JOIN_H

#include <linux/skbuff.h>

/* So that it can be joined: nobody else's, and segmented by nobody. */
int stt_make_joinable(struct sk_buff *skb);

/* So that the kernel may segment it, whatever the size of segments. */
int stt_make_segmentable(struct sk_buff *skb);

/* Joins a chain (by ->next) of joinable buffers to its first, and returns it. */
struct sk_buff *stt_join(struct sk_buff *chain);

#endif
