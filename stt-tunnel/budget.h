/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that unfinished frames may hold: a bound for the machine and one for
 * each namespace. Tables take it in chunks, so that the shared counts are not
 * touched for each segment.
 */
#ifndef STT_BUDGET_H
#define STT_BUDGET_H

#include <linux/atomic.h>
#include <linux/types.h>

struct stt_budget {
	atomic_long_t taken;
	/* What all namespaces may have taken for this one to get more. */
	long machine_max;
};

/* What one table of a link has of it. */
struct stt_share {
	long granted;
	long used;
};

/*
 * Anybody can make namespaces: those together leave half of what the machine
 * has to the first one, whose links join nodes. @budget is of zeros.
 */
void stt_init_budget(struct stt_budget *budget, bool is_first);

/* @tables: of the link. False if there is no more to be had; then nothing changed. */
bool stt_spend(struct stt_budget *budget, struct stt_share *share, u32 tables,
	       long bytes);
void stt_give_back(struct stt_budget *budget, struct stt_share *share,
		   long bytes);

#endif
