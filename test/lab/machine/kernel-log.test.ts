// The texts are what kernels really print: those of the lab's four, provoked or at boot, and the formats of the
// kernel's own sources for what cannot be provoked in a healthy one.
import { describe, expect, test } from "vitest";
import { faultsIn } from "./kernel-log.ts";

const faults = [
  // Provoked in the lab: 5.10 to 6.12, 7.2.
  "[    5.149667] WARNING: CPU: 0 PID: 120 at fs/proc/generic.c:398 proc_register+0x18f/0x230",
  "[   11.131369] WARNING: fs/proc/generic.c:404 at proc_register+0x197/0x250, CPU#0: bash/134",
  "[   11.130559] ------------[ cut here ]------------",
  "[   11.135207] Call Trace:",
  "[    7.545555] INFO: task touch:120 blocked for more than 1 seconds.",
  "[   25.587935] Out of memory: Killed process 122 (tail) total-vm:913756kB, anon-rss:911284kB, file-rss:4kB",
  "[   27.255723] Kernel panic - not syncing: sysrq triggered crash",
  "[   40.764019] EXT4-fs warning (device vda): ext4_end_bio:343: I/O error 10 writing to inode 14308 starting block 508864)",
  // Oopses.
  "[   12.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008",
  "[   12.000001] BUG: unable to handle page fault for address: ffffffffc0a00000",
  "[   12.000002] Oops: 0002 [#1] PREEMPT SMP NOPTI",
  "[   12.000002] Oops: Oops: 0000 [#1] SMP NOPTI",
  "[   12.000003] general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1] SMP",
  "[   12.000003] Oops: general protection fault, kernel NULL pointer dereference 0x5: 0000 [#1] SMP",
  "[   12.000004] BUG: scheduling while atomic: ip/1234/0x00000002",
  "[   12.000004] BUG: sleeping function called from invalid context at mm/slab.h:494",
  "[   12.000005] BUG: Bad page state in process iperf3  pfn:12345",
  "[   12.000005] kernel BUG at net/core/skbuff.c:112!",
  // Stalls.
  "[  100.000001] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [qperf:345]",
  "[  100.000002] rcu: INFO: rcu_sched self-detected stall on CPU",
  "[  100.000002] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
  "[  100.000003] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... } 21 jiffies s: 93 root: 0x1/.",
  // Locks.
  "[   20.000001] WARNING: possible circular locking dependency detected",
  "[   20.000001] WARNING: possible recursive locking detected",
  "[   20.000001] WARNING: inconsistent lock state",
  "[   20.000001] WARNING: suspicious RCU usage",
  "[   20.000001] WARNING: bad unlock balance detected!",
  "[   20.000001] INFO: possible irq lock inversion dependency detected",
  "[   20.000001] INFO: trying to register non-static key.",
  "[   20.000001] [ BUG: Invalid wait context ]",
  "[   20.000001] BUG: MAX_LOCKDEP_CHAINS too low!",
  "[   20.000001] BUG: using smp_processor_id() in preemptible [00000000] code: ip/1234",
  // Reference counts and devices that never go away.
  "[   30.000001] refcount_t: underflow; use-after-free.",
  "[   30.000001] refcount_t: addition on 0; use-after-free.",
  "[   30.000002] unregister_netdevice: waiting for lo to become free. Usage count = 2",
  "[   30.000003] leaked reference.",
  "[   30.000004] NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 0 timed out",
  // What sanitizers and the allocator say.
  "[   40.000001] UBSAN: array-index-out-of-bounds in net/core/dev.c:1:2",
  "[   40.000001] BUG: KASAN: use-after-free in veth_xmit+0x1/0x2 [veth]",
  "[   40.000001] BUG kmalloc-512 (Tainted: G           OE     ): Poison overwritten",
  "[   40.000001] BUG skbuff_head_cache (Not tainted): Object already free",
  "[   40.000001] ODEBUG: free active (active state 0) object type: timer_list hint: delayed_work_timer_fn+0x0/0x40",
  "[   40.000002] kmemleak: Kernel memory leak detector disabled",
  "[   40.000002] kmemleak: Memory pool empty, consider increasing CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE",
  "[   40.000002] podwire: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null)",
];

/** Of the lab's kernels' own boots, and what others say under KVM on some processors. */
const ordinary = `
[    0.000000] Command line: console=ttyS0 loglevel=5 panic=-1 nokaslr no_timer_check rcupdate.rcu_cpu_stall_timeout=60
[    0.000000] Unknown kernel command line parameters "nokaslr", will be passed to user space.
[    0.000000] 	RCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).
[    0.000000] tsc: Fast TSC calibration failed
[    0.012000] tsc: Unable to calibrate against PIT
[    0.012000] tsc: Detected 2594.220 MHz processor
[    0.845059] APIC calibration not consistent with PM-Timer: 102ms instead of 100ms
[    0.042231] Spectre V2 : Mitigation: Retpolines
[    0.311774] landlock: Up and running.
[    0.706060] PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug
[    1.120544] Block layer SCSI generic (bsg) driver version 0.4 loaded (major 249)
[    1.323029] NMI watchdog: Perf NMI watchdog permanently disabled
[    1.625373] RAS: Correctable Errors collector initialized.
[    1.674030] thermal_sys: Registered thermal governor 'bang_bang'
[    2.211804] vda: detected capacity change from 0 to 4294967296
[    3.188316] IPI shorthand broadcast: enabled
[    3.713419] ima: No TPM chip found, activating TPM-bypass!
[    5.134990] x86/mm: Checked W+X mappings: passed, no W+X pages found.
[    5.966129] EXT4-fs (vda): mounted filesystem 0c0581d3-2188-478f-953c-7f393ce14dc5 r/w without journal.
[    9.000000] openvswitch: Open vSwitch switching datapath
[    9.000001] nf_conntrack: default automatic helper assignment has been turned off for security reasons
[    9.000002] IPv6: ADDRCONF(NETDEV_CHANGE): pw73862bcce73ee: link becomes ready
[    9.000003] clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable because the skew is too large:
[    9.000004] hrtimer: interrupt took 12345678 ns
[    9.000005] perf: interrupt took too long (2512 > 2500), lowering kernel.perf_event_max_sample_rate to 79500
[    9.000006] device eth0 entered promiscuous mode
[    9.000007] sysrq: Show Blocked State
podwire-lab: ready
[    0.100000] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!
[    0.100001] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!
`.trim();

describe("a kernel's log", () => {
  test.each(faults)("tells of a fault by %j", (line) => {
    expect(faultsIn(line)).toEqual([line]);
  });

  test.each(faults)("tells of it where lines have no time, as on some consoles: %j", (line) => {
    const bare = line.replace(/^\[[ 0-9.]+\] /, "");
    expect(faultsIn(bare)).toEqual([bare]);
  });

  test.each(ordinary.split("\n"))("says nothing of a fault by %j", (line) => {
    expect(faultsIn(line)).toEqual([]);
  });

  const knownReport = `[  318.440955] WARNING: suspicious RCU usage
[  318.441301] 6.1.176-podwire-debug #1 Tainted: G           O
[  318.441744] -----------------------------
[  318.441836] net/netfilter/nf_tables_api.c:3164 RCU-list traversed in non-reader section!!
[  318.441970]
               other info that might help us debug this:
[  318.442329] 1 lock held by iptables/197:
[  318.442441]  #0: ffff88800700d0b8 (&nft_net->commit_mutex){+.+.}-{3:3}, at: nf_tables_valid_genid+0x2a/0xf0 [nf_tables]
[  318.451649] Call Trace:
[  318.451814]  <TASK>
[  318.453717]  lockdep_rcu_suspicious.cold+0x97/0xfa
[  318.453840]  __nft_rule_lookup+0xfd/0x140 [nf_tables]
[  318.454030]  nf_tables_delrule+0x44a/0xcf0 [nf_tables]
[  318.454778]  </TASK>`;

  test.each(["\n", "\r\n"])(
    "passes over what lockdep has against 6.1's nf_tables, and nothing else",
    (end) => {
      const log = [knownReport, ordinary, faults[0], knownReport, faults[1]].join("\n");
      expect(faultsIn(log.replaceAll("\n", end))).toEqual(faults.slice(0, 2));
      const other = knownReport.replace("&nft_net->commit_mutex", "rtnl_mutex");
      expect(faultsIn(`${other}\n${knownReport}`.replaceAll("\n", end))).toHaveLength(2);
    },
  );

  test("gives only the lines that tell, in their order, as they are on a serial console", () => {
    const log = [
      ...ordinary.split("\n"),
      faults[0],
      "[    5.2] RIP: 0010:proc_register+0x18f/0x230",
      faults[3],
    ];
    expect(faultsIn(log.join("\r\n"))).toEqual([faults[0], faults[3]]);
    expect(faultsIn(log.join("\r\r\n"))).toEqual([faults[0], faults[3]]);
  });

  test("is empty for an empty one", () => {
    expect(faultsIn("")).toEqual([]);
  });
});
