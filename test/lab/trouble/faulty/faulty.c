// SPDX-License-Identifier: GPL-2.0
/* Makes the mistake that it is told to while it is loaded, and none that harms. */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static char *mistake = "";
module_param(mistake, charp, 0444);

static DEFINE_MUTEX(one);
static DEFINE_MUTEX(other);
static DEFINE_SPINLOCK(spinning);
static int __rcu *shared;

static void read_after_free(void)
{
	char *memory = kmalloc(100, GFP_KERNEL);

	kfree(memory);
	pr_info("faulty: read %d\n", READ_ONCE(memory[3]));
}

static void lock_by_turns(void)
{
	mutex_lock(&one);
	mutex_lock(&other);
	mutex_unlock(&other);
	mutex_unlock(&one);
	mutex_lock(&other);
	mutex_lock(&one);
	mutex_unlock(&one);
	mutex_unlock(&other);
}

static void sleep_while_spinning(void)
{
	spin_lock(&spinning);
	mutex_lock(&one);
	mutex_unlock(&one);
	spin_unlock(&spinning);
}

static void do_nothing(struct work_struct *work)
{
}

static void free_what_is_pending(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	INIT_DELAYED_WORK(work, do_nothing);
	schedule_delayed_work(work, 1000 * HZ);
	kfree(work);
}

static int __init begin(void)
{
	if (!strcmp(mistake, "read after free"))
		read_after_free();
	else if (!strcmp(mistake, "locks by turns"))
		lock_by_turns();
	else if (!strcmp(mistake, "sleep in a spin lock"))
		sleep_while_spinning();
	else if (!strcmp(mistake, "unprotected read"))
		pr_info("faulty: read %p\n", rcu_dereference(shared));
	else if (!strcmp(mistake, "loss"))
		pr_info("faulty: lost %p\n", kmalloc(100, GFP_KERNEL));
	else if (!strcmp(mistake, "pending work freed"))
		free_what_is_pending();
	return 0;
}

static void __exit end(void)
{
}

module_init(begin);
module_exit(end);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mistakes that a kernel should notice");
