// podwire's own masquerading, as nft lists it: what pods send to prefixes that are not among a network's "direct" ones
// leaves with the node's address. Such traffic is no pods' traffic among themselves, and must not be bypassed as such.
import { covers, mergeIntervals, parseInterval } from "../address/interval.ts";
import { formatPrefix, type Prefix } from "../address/ip.ts";
import { elementText, type NftSet } from "../linux/nft-listing.ts";

/** A line for each prefix of pods that pods of a network here reach only by the node's address. */
export function masqueradeObstacles(sets: readonly NftSet[], pods: readonly Prefix[]): string[] {
  return sets
    .filter(({ family, table }) => family === "inet" && table === "podwire")
    .flatMap((set) => {
      const [, family, network] = /^direct([46])-(.*)$/.exec(set.name) ?? [];
      const direct = mergeIntervals(
        (set.elem ?? []).flatMap((element) => parseInterval(elementText(element)) ?? []),
      );
      return pods
        .filter(({ ip }) => `${ip.family}` === family)
        .map(formatPrefix)
        .filter((text) => [parseInterval(text)].some((own) => own !== undefined && !covers(direct, own)))
        .map((text) => `network ${network} masquerades what its pods send to parts of ${text} (ipMasq)`);
    });
}
