// Compares the masquerading of a plan with what the kernel has of its network. Pure.
import { covers, mergeIntervals, parseInterval } from "../address/interval.ts";
import { type Fault, unequal } from "./fault.ts";
import type { MasqueradeState } from "./masquerade.ts";
import type { Hairpin, Masquerade } from "./plan.ts";

export function masqueradeFault(wanted: Masquerade, state: MasqueradeState): Fault | undefined {
  if (!state.active) return { expected: "a chain with its rules in table podwire", found: "none" };
  const missing = wanted.sources.filter((source) => !state.sources.has(source));
  if (missing.length > 0) return { expected: `${missing.join(", ")} in the set of pods`, found: "not in it" };
  const unknown = (wanted.shortcuts ?? []).filter((link) => !state.shortcuts.has(link));
  if (unknown.length > 0)
    return {
      expected: `${unknown.join(", ")} in the set of shortcuts, and the chain with its rules`,
      found: "not so",
    };
  const hairpin = wanted.hairpin === undefined ? undefined : hairpinFault(wanted, wanted.hairpin, state);
  if (hairpin !== undefined) return hairpin;
  const uncovered = wanted.direct.filter((prefix) => !isCovered(prefix, state.direct));
  if (uncovered.length === 0) return undefined;
  return { expected: `${uncovered.join(", ")} in the set of direct prefixes`, found: "not in it" };
}

/** Other pods of the network may have other families. */
function hairpinFault(
  { sources: pods }: Masquerade,
  { link, sources }: Hairpin,
  state: MasqueradeState,
): Fault | undefined {
  if (!state.hasHairpinSources) return { expected: `rules for the source by ${link}`, found: "none" };
  const isOfPods = (address: string) => pods.some((pod) => pod.includes(":") === address.includes(":"));
  const found = state.hairpinSources(link).filter(isOfPods);
  const describe = (addresses: readonly string[]) => addresses.toSorted().join(", ") || "none";
  return unequal(
    `${describe(sources)} as the source by ${link}`,
    `${describe(found)} as the source by ${link}`,
  );
}

function isCovered(text: string, listed: ReadonlySet<string>): boolean {
  const wanted = parseInterval(text);
  return (
    wanted !== undefined &&
    covers(mergeIntervals([...listed].flatMap((entry) => parseInterval(entry) ?? [])), wanted)
  );
}
