// Ranges of addresses and sets of them: what a configuration means, what is in a range, and in which
// order addresses are tried. Rules and order are the reference plugin's.
import {
  addressBits,
  firstIp,
  formatIp,
  formatPrefix,
  type Ip,
  lastIp,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixContains,
} from "../../address/ip.ts";
import { configFault, type RangeConfig } from "./schema.ts";

/** `start` and `end` are inclusive and lie in `subnet`; `gateway` may lie anywhere. */
export interface Range {
  readonly subnet: Prefix;
  readonly start: Ip;
  readonly end: Ip;
  readonly gateway: Ip;
}

/** Not empty, of one family, free of overlaps. */
export type RangeSet = readonly Range[];

/** The same ranges, if they make a set; `path` is where it stands in the configuration, for errors. */
export function checkRangeSet(set: readonly Range[], path: string): RangeSet {
  if (set.length === 0) throw configFault(path, set, "expected at least one range");
  const family = set[0]?.start.family;
  if (set.some((range) => range.start.family !== family)) {
    throw configFault(
      path,
      set.map(formatRange),
      "expected ranges of one family; put IPv6 into a set of its own",
    );
  }
  const pair = overlap(set);
  if (pair !== undefined)
    throw configFault(path, pair.map(formatRange), "expected ranges that do not overlap");
  return set;
}

/** `path` is where the range stands in the configuration. */
export function toRange(config: RangeConfig, path: string): Range {
  const subnet = toSubnet(config.subnet, `${path}.subnet`);
  const second: Ip = { family: subnet.ip.family, value: subnet.ip.value + 1n };
  const start = optionalIp(config.rangeStart) ?? second;
  const end = optionalIp(config.rangeEnd) ?? lastUsable(subnet);
  if (!prefixContains(subnet, start)) {
    throw configFault(`${path}.rangeStart`, config.rangeStart, `expected an address in ${config.subnet}`);
  }
  if (!prefixContains(subnet, end) || end.value < start.value) {
    const expected = `expected an address in ${config.subnet} not below the range's start ${formatIp(start)}`;
    throw configFault(`${path}.rangeEnd`, config.rangeEnd ?? formatIp(end), expected);
  }
  return { subnet, start, end, gateway: optionalIp(config.gateway) ?? second };
}

function toSubnet(text: string, path: string): Prefix {
  const subnet = parsePrefix(text);
  if (subnet === undefined) throw configFault(path, text, "expected a network with prefix length");
  const longest = addressBits(subnet.ip.family) - 2;
  if (subnet.length > longest) {
    throw configFault(
      path,
      text,
      `too small to allocate from, expected a prefix length of at most ${longest}`,
    );
  }
  const network: Prefix = { ip: firstIp(subnet), length: subnet.length };
  if (network.ip.value !== subnet.ip.value) {
    throw configFault(path, text, `host bits are set, expected ${formatPrefix(network)}`);
  }
  return network;
}

function optionalIp(text: string | undefined): Ip | undefined {
  return text === undefined || text === "" ? undefined : parseIp(text);
}

/** IPv6 has no broadcast address to spare. */
function lastUsable(subnet: Prefix): Ip {
  const last = lastIp(subnet);
  return last.family === 4 ? { family: 4, value: last.value - 1n } : last;
}

/** The first two ranges that share an address. */
export function overlap(ranges: readonly Range[]): [Range, Range] | undefined {
  const sorted = [...ranges].sort(byFamilyAndStart);
  for (const [i, range] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next !== undefined && rangeContains(range, next.start)) return [range, next];
  }
  return undefined;
}

function byFamilyAndStart(a: Range, b: Range): number {
  if (a.start.family !== b.start.family) return a.start.family - b.start.family;
  return a.start.value < b.start.value ? -1 : a.start.value > b.start.value ? 1 : 0;
}

export function rangeContains(range: Range, ip: Ip): boolean {
  return ip.family === range.start.family && ip.value >= range.start.value && ip.value <= range.end.value;
}

export function rangeFor(set: RangeSet, ip: Ip): Range | undefined {
  return set.find((range) => rangeContains(range, ip));
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value;
}

/** Addresses that can be given out: all but the range's own gateway. */
export function capacity(range: Range): bigint {
  const size = range.end.value - range.start.value + 1n;
  return rangeContains(range, range.gateway) ? size - 1n : size;
}

export function formatRange(range: Range): string {
  return `${formatIp(range.start)}-${formatIp(range.end)}`;
}

/**
 * Every address of the set once, each range without its own gateway, beginning behind `last` if the set
 * holds it, else at the set's start. Lazy: an IPv6 subnet is never enumerated.
 */
export function* candidates(set: RangeSet, last: Ip | undefined): Generator<Ip> {
  const at = last === undefined ? -1 : set.findIndex((range) => rangeContains(range, last));
  const current = set[at];
  if (last === undefined || current === undefined) {
    for (const range of set) yield* addresses(range, range.start.value, range.end.value);
    return;
  }
  yield* addresses(current, last.value + 1n, current.end.value);
  for (const range of [...set.slice(at + 1), ...set.slice(0, at)]) {
    yield* addresses(range, range.start.value, range.end.value);
  }
  yield* addresses(current, current.start.value, last.value);
}

function* addresses(range: Range, from: bigint, to: bigint): Generator<Ip> {
  const { family } = range.start;
  const skipped = range.gateway.family === family ? range.gateway.value : undefined;
  for (let value = from; value <= to; value++) if (value !== skipped) yield { family, value };
}
