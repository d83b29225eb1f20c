// Whether the bypass does anything, in one line, from its counters. Pure.
import type { BypassCounter, BypassState } from "./control.ts";

/** Hooks at which a packet is judged; others only follow. */
const entries = new Set(["prerouting", "output"]);

export interface Bypassed {
  readonly pods: number;
  readonly tunnels: number;
}

export function bypassedPackets(counters: readonly BypassCounter[]): Bypassed {
  const sum = (wanted: string) =>
    counters
      .filter(({ hook, reason }) => entries.has(hook) && reason === wanted)
      .reduce((total, { packets }) => total + packets, 0);
  return { pods: sum("pod"), tunnels: sum("tunnel") };
}

const verbs = {
  off: "",
  observe: "would have skipped netfilter",
  untrack: "skipped connection tracking",
  bypass: "skipped netfilter",
} as const;

export function answer({ mode }: Pick<BypassState, "mode">, { pods, tunnels }: Bypassed): string {
  if (mode === "off") return "not working: it is off";
  const count = pods + tunnels;
  if (count === 0)
    return "not working so far: no packet was found that may be bypassed; the table has what was seen, by reason";
  const packets = `${count} ${count === 1 ? "packet" : "packets"}`;
  const verb = verbs[mode];
  return `${mode === "observe" ? "observing" : "working"}: ${packets} ${verb} (${pods} of pods, ${tunnels} of tunnels)`;
}
