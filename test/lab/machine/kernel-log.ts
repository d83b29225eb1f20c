// Finds what a kernel only says when something is wrong with it: warnings, oopses, stalls, locks taken in the
// wrong order, reference counts that are off.

const splats = [
  // Elsewhere in a line it is advice about the processor's weaknesses.
  /^(\[[ 0-9.]+\] )?WARNING: /,
  /\bBUG(:| at) /,
  // The allocator's own checks: BUG kmalloc-512 (Not tainted): Poison overwritten
  /\bBUG \S+ \([^)]*\): /,
  /\bOops\b/,
  /\bgeneral protection fault\b/,
  /\bKernel panic\b/,
  /\bUnable to handle kernel\b/,
  /\bdouble fault\b/,
  /\bCall Trace:/,
  /-+\[ cut here \]-+/,
  /\brefcount_t: /,
  /\bunregister_netdevice: waiting for\b/,
  /\bODEBUG: /,
  /\bUBSAN: /,
  /\bKASAN: /,
  /\bINFO: .*(lock|detected|blocked|stall|RCU)/i,
  /\bINFO: trying to register non-static key\b/,
  /\b(suspicious RCU usage|possible (circular|recursive) locking|bad unlock balance|held lock freed)\b/,
  /\bpage allocation failure\b/,
  /\bOut of memory: /,
  /\bleaked reference\b/,
  /\bref_tracker: /,
  // It stopped looking.
  /\bkmemleak: (Kernel memory leak detector disabled|Memory pool empty)/,
  /\bI\/O error\b/,
  /\bEXT4-fs error\b/,
  /\bNETDEV WATCHDOG\b/,
] as const;

/**
 * What lockdep has to say of kernel 6.1 itself, once for each place: nf_tables goes through its lists under its own mutex, without the
 * word to lockdep that this is enough (nft_set_lookup(), __nft_rule_lookup() in net/netfilter/nf_tables_api.c).
 */
const knownReport =
  /^.*WARNING: suspicious RCU usage\n(?:.*\n){2}.*nf_tables_api\.c:[0-9]+ RCU-list traversed in non-reader section(?:(?!.*<\/TASK>).*\n)*?.*&nft_net->commit_mutex(?:.*\n)*?.*<\/TASK>/gm;

/** The lines of `log` that tell of a fault, in their order. */
export function faultsIn(log: string): string[] {
  const text = log.replaceAll("\r", "").replaceAll(knownReport, "");
  return text.split("\n").filter((line) => splats.some((splat) => splat.test(line)));
}
