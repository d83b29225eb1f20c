// podwire's own masquerading, as nft lists it: what pods send to prefixes that are not among a network's "direct" ones, or among
// peers', leaves with the node's address. Such traffic is no pods' traffic among themselves, and must not be bypassed as such.
import { covers, type Interval, mergeIntervals, parseInterval } from "../address/interval.ts";
import { formatPrefix, type Prefix } from "../address/ip.ts";
import { elementText, type NftSet } from "../linux/nft-listing.ts";

/** A line for each prefix of pods that pods of a network here reach only by the node's address. */
export function masqueradeObstacles(
  sets: readonly NftSet[],
  pods: readonly Prefix[],
  judged: readonly string[] = [],
): string[] {
  const own = sets.filter(({ family, table }) => family === "inet" && table === "podwire");
  const peers = own.filter(({ name }) => /^peers[46]$/.test(name)).flatMap(intervalsOf);
  return own.flatMap((set) => {
    const [, family, network = ""] = /^direct([46])-(.*)$/.exec(set.name) ?? [];
    if (family === undefined || judged.includes(network)) return [];
    const direct = mergeIntervals([...intervalsOf(set), ...peers]);
    const concerned = pods.filter(({ ip }) => `${ip.family}` === family).map(formatPrefix);
    // A network none of whose addresses are in question.
    if (!concerned.some((text) => isAmong(text, intervalsOf(set)))) return [];
    return concerned
      .filter((text) => [parseInterval(text)].some((interval) => interval && !covers(direct, interval)))
      .map((text) => `network ${network} masquerades what its pods send to parts of ${text} (ipMasq)`);
  });
}

function intervalsOf({ elem = [] }: NftSet): Interval[] {
  return elem.flatMap((element) => parseInterval(elementText(element)) ?? []);
}

function isAmong(text: string, intervals: readonly Interval[]): boolean {
  const own = parseInterval(text);
  return (
    own !== undefined &&
    intervals.some(
      ({ family, first, last }) => family === own.family && first <= own.last && own.first <= last,
    )
  );
}
