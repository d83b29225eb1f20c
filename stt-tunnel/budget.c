// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sizes.h>

#include "budget.h"

#define STT_CHUNK		SZ_256K
#define STT_SHARE_MAX		SZ_4M
#define STT_NAMESPACE_MAX	SZ_32M
#define STT_MACHINE_MAX		SZ_64M

static atomic_long_t stt_machine_taken;

static bool stt_take(atomic_long_t *taken, long bytes, long max)
{
	if (atomic_long_add_return(bytes, taken) <= max)
		return true;
	atomic_long_sub(bytes, taken);
	return false;
}

/* So that what one table holds is never what another one lacks. */
static long stt_share_max(u32 tables)
{
	return min((long)STT_NAMESPACE_MAX / (long)tables, (long)STT_SHARE_MAX);
}

void stt_init_budget(struct stt_budget *budget, bool is_first)
{
	budget->machine_max = is_first ? STT_MACHINE_MAX : STT_MACHINE_MAX / 2;
}

bool stt_spend(struct stt_budget *budget, struct stt_share *share, u32 tables,
	       long bytes)
{
	long missing = share->used + bytes - share->granted;

	if (missing > 0) {
		missing = ALIGN(missing, STT_CHUNK);
		if (share->granted + missing > stt_share_max(tables) ||
		    !stt_take(&budget->taken, missing, STT_NAMESPACE_MAX))
			return false;
		if (!stt_take(&stt_machine_taken, missing,
			      budget->machine_max)) {
			atomic_long_sub(missing, &budget->taken);
			return false;
		}
		share->granted += missing;
	}
	share->used += bytes;
	return true;
}

void stt_give_back(struct stt_budget *budget, struct stt_share *share,
		   long bytes)
{
	long spare;

	share->used -= bytes;
	/* One chunk stays: the next frame will want it. */
	spare = share->granted - ALIGN(share->used, STT_CHUNK);
	if (share->used)
		spare -= STT_CHUNK;
	if (spare <= 0)
		return;
	share->granted -= spare;
	atomic_long_sub(spare, &budget->taken);
	atomic_long_sub(spare, &stt_machine_taken);
}
