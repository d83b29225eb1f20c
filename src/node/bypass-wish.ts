// What a network's configuration asks of the bypass module.

import { prefixesIn } from "../address/interval.ts";
import { firstIp, formatPrefix, type Prefix, parsePrefix } from "../address/ip.ts";
import type { NetworkConfig } from "../config/network.ts";
import { parseConfig } from "../ipam/host-local/config.ts";
import type { Range } from "../ipam/host-local/range.ts";

export interface BypassWish {
  readonly network: string;
  readonly mode: "auto" | "on";
  /** Where the addresses of its pods on this node come from. */
  readonly own: readonly string[];
  /** The subnets around these: what its pods reach without masquerading. */
  readonly subnets: readonly string[];
  /** Further pods, as the configuration says. */
  readonly pods: readonly string[];
  readonly excluded: readonly string[];
  /** Seconds; 0: for good. */
  readonly lease: number;
  readonly isMasqueraded: boolean;
}

/** undefined if it wants nothing to be bypassed. */
export function wishOf({ runtimeConfig: _, ...network }: NetworkConfig): BypassWish | undefined {
  const { name, bypass, ipMasq = false } = network;
  if (!wantsBypass(network)) return undefined;
  // Another IPAM tells nobody which prefixes it has.
  const ranges = network.ipam.type === "host-local" ? parseConfig(network).rangeSets.flat() : [];
  return {
    network: name,
    mode: bypass?.mode === "on" ? "on" : "auto",
    own: canonical(ranges.flatMap(prefixesOfRange)),
    subnets: canonical(ranges.map(({ subnet }) => subnet)),
    pods: canonicalTexts(bypass?.pods ?? []),
    excluded: canonicalTexts(bypass?.exclude ?? []),
    lease: bypass?.lease ?? 0,
    isMasqueraded: ipMasq,
  };
}

export function wantsBypass({ bypass }: Pick<NetworkConfig, "bypass">): boolean {
  return bypass?.mode === "auto" || bypass?.mode === "on";
}

export function canonicalTexts(texts: readonly string[]): string[] {
  return canonical(texts.flatMap((text) => parsePrefix(text) ?? []));
}

/**
 * A subnet may be a LAN of which pods have a part. One that pods have nearly all of is theirs: left out are its own address, a
 * gateway's and the last one.
 */
function prefixesOfRange({ subnet, start, end }: Range): Prefix[] {
  const family = subnet.ip.family;
  const size = 1n << BigInt((family === 4 ? 32 : 128) - subnet.length);
  const left = size - (end.value - start.value + 1n);
  return left <= 3n ? [subnet] : prefixesIn({ family, first: start.value, last: end.value });
}

function canonical(prefixes: readonly Prefix[]): string[] {
  return [...new Set(prefixes.map((prefix) => formatPrefix({ ...prefix, ip: firstIp(prefix) })))];
}
