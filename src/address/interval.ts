// Ranges of addresses as nftables lists them: a prefix, one address, or "first-last" where it merged some.
import {
  addressBits,
  type Family,
  firstIp,
  type Ip,
  lastIp,
  type Prefix,
  parseIp,
  parsePrefix,
} from "./ip.ts";

export interface Interval {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** undefined if `text` is none of the three forms. */
export function parseInterval(text: string): Interval | undefined {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return between(firstIp(prefix), lastIp(prefix));
  const [first, last, ...rest] = text.split("-").map(parseIp);
  if (first === undefined || rest.length > 0) return undefined;
  return text.includes("-") ? last && between(first, last) : between(first, first);
}

/** Joins what overlaps or touches, so that each run of addresses is one interval. */
export function mergeIntervals(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.toSorted((a, b) => a.family - b.family || (a.first < b.first ? -1 : 1));
  const merged: Interval[] = [];
  for (const next of sorted) {
    const before = merged.at(-1);
    if (before === undefined || before.family !== next.family || next.first > before.last + 1n)
      merged.push(next);
    else if (next.last > before.last) merged[merged.length - 1] = { ...before, last: next.last };
  }
  return merged;
}

/** Whether one of `merged` holds the whole of `inner`. */
export function covers(merged: readonly Interval[], inner: Interval): boolean {
  return merged.some(
    ({ family, first, last }) => family === inner.family && first <= inner.first && inner.last <= last,
  );
}

/** The fewest prefixes that are together the interval. */
export function prefixesIn({ family, first, last }: Interval): Prefix[] {
  const bits = addressBits(family);
  const found: Prefix[] = [];
  for (let next = first; next <= last; ) {
    let length: number = bits;
    const sizeOf = (prefixLength: number) => 1n << BigInt(bits - prefixLength);
    while (length > 0 && next % sizeOf(length - 1) === 0n && next + sizeOf(length - 1) - 1n <= last) length--;
    found.push({ ip: { family, value: next }, length });
    next += sizeOf(length);
  }
  return found;
}

function between(first: Ip, last: Ip): Interval | undefined {
  return first.family === last.family && first.value <= last.value
    ? { family: first.family, first: first.value, last: last.value }
    : undefined;
}
