// What the kernel module podwire_bypass is set to: its whole configuration is replaced at once, and only if it differs.
import { type Interval, mergeIntervals, parseInterval } from "../address/interval.ts";
import { type BypassConfiguration, type BypassState, readBypass, writeBypass } from "../bypass/control.ts";
import { hostOf } from "../kernel-module/host.ts";
import { bypassModule, isLoaded } from "../kernel-module/module.ts";
import type { Kernel } from "../linux/kernel.ts";
import { type Fault, unequal } from "./fault.ts";

/** undefined where the module is not loaded. */
export async function readModule(kernel: Kernel): Promise<BypassState | undefined> {
  return isLoaded(bypassModule) ? readBypass(hostOf(kernel)) : undefined;
}

/** Returns whether something had to be changed. Throws if somebody else changes it at the same time. */
export async function replaceBypass(
  wanted: BypassConfiguration,
  kernel: Kernel,
  state?: BypassState,
): Promise<boolean> {
  const host = hostOf(kernel);
  const present = state ?? (await readBypass(host));
  if (configurationFault(wanted, present) === undefined) return false;
  await writeBypass(host, wanted, present.generation);
  return true;
}

export function bypassFault(wanted: BypassConfiguration, state: BypassState | undefined): Fault | undefined {
  if (state === undefined) return { expected: "the module podwire_bypass", found: "it is not loaded" };
  return configurationFault(wanted, state);
}

function configurationFault(wanted: BypassConfiguration, found: BypassState): Fault | undefined {
  return (
    unequal(`mode ${wanted.mode}`, `mode ${found.mode}`) ??
    unequal(`lease ${wanted.lease}`, `lease ${found.lease}`) ??
    prefixesFault("pods", wanted.pods, found.pods) ??
    prefixesFault("excluded", wanted.excluded, found.excluded) ??
    prefixesFault("node", wanted.node, found.node) ??
    prefixesFault("peers", wanted.peers, found.peers) ??
    unequal(`tunnels ${listed(wanted.tunnels)}`, `tunnels ${listed(found.tunnels)}`)
  );
}

/** The module joins prefixes that touch or overlap. */
function prefixesFault(set: string, wanted: readonly string[], found: readonly string[]): Fault | undefined {
  const [want, have] = [wanted, found].map((texts) =>
    mergeIntervals(texts.flatMap((text) => parseInterval(text) ?? [])),
  );
  if (want === undefined || have === undefined || isSame(want, have)) return undefined;
  return { expected: `${set} ${shortened(wanted)}`, found: `${set} ${shortened(found)}` };
}

function isSame(one: readonly Interval[], other: readonly Interval[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ family, first, last }, index) => {
      const twin = other[index];
      return twin?.family === family && twin.first === first && twin.last === last;
    })
  );
}

function listed(texts: readonly string[]): string {
  return texts.toSorted().join(", ") || "none";
}

const shown = 5;

function shortened(texts: readonly string[]): string {
  const rest = texts.length - shown;
  return `${listed(texts.slice(0, shown))}${rest > 0 ? ` and ${rest} more` : ""}`;
}
