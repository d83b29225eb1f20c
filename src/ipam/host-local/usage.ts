// How full the ranges are, counted from the names of the lease files: what errors, STATUS and `doctor` say.

import { reservedIp } from "./lease.ts";
import { capacity, formatRange, type Range, type RangeSet, rangeContains, sameIp } from "./range.ts";

export interface RangeUsage {
  /** "10.244.1.1-10.244.1.254" */
  readonly range: string;
  /** Addresses that can be given out, free or not. */
  readonly total: bigint;
  readonly used: number;
}

export function setUsage(set: RangeSet, names: readonly string[]): RangeUsage[] {
  const reserved = names.map(reservedIp).filter((ip) => ip !== undefined);
  const inUse = (range: Range) =>
    reserved.filter((ip) => rangeContains(range, ip) && !sameIp(ip, range.gateway)).length;
  return set.map((range) => ({ range: formatRange(range), total: capacity(range), used: inUse(range) }));
}

export function isExhausted(set: RangeSet, names: readonly string[]): boolean {
  return setUsage(set, names).every(({ total, used }) => BigInt(used) >= total);
}

export function describeUsage(set: RangeSet, names: readonly string[]): string {
  return setUsage(set, names)
    .map(({ range, total, used }) => `${range} has ${total} addresses, ${used} in use`)
    .join("; ");
}
