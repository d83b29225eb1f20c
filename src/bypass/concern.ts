// Traffic that may skip netfilter, as far as rules can be about it: the hooks that it meets, and what its headers have. Pure.
import { type Interval, parseInterval } from "../address/interval.ts";
import { type Family, formatPrefix, type Prefix, parsePrefix } from "../address/ip.ts";

export interface Concern {
  readonly hooks: readonly string[];
  /** Hooks where it counts what becomes of a packet that no rule is about. */
  readonly defaults: readonly string[];
  /** The hook where the same counts of ICMP errors. */
  readonly errors?: string;
  /** Of both ends; never none, for that would be nobody's traffic, which no rule is about. */
  readonly prefixes: readonly Prefix[];
  /** Whatever has one end here is not part of it. */
  readonly excluded: readonly Prefix[];
  /** Where it is UDP to these ports alone. */
  readonly ports?: readonly number[];
}

export type Range = readonly [number, number];

/**
 * What is forwarded between pods; where nobody says which, between any addresses. The node's ICMP errors about it are not related to
 * anything any more, by which alone a chain for OUTPUT that drops by default would let them go.
 */
export function podsTraffic(pods: readonly Prefix[], excluded: readonly Prefix[] = []): Concern {
  const hooks = ["prerouting", "forward", "postrouting"];
  return { hooks, defaults: hooks, errors: "output", prefixes: orAll(pods), excluded };
}

/** What nodes wrap packets in; they send and receive it themselves. Where nobody says which nodes, any. */
export function tunnelsTraffic(ends: readonly Prefix[], ports: readonly number[]): Concern {
  const hooks = ["prerouting", "input", "output", "postrouting"];
  return { hooks, defaults: hooks, prefixes: orAll(ends), excluded: [], ports };
}

function orAll(prefixes: readonly Prefix[]): readonly Prefix[] {
  return prefixes.length > 0 ? prefixes : ["0.0.0.0/0", "::/0"].flatMap((text) => parsePrefix(text) ?? []);
}

/** Whether addresses are nobody's whom it is about. What cannot be read may be anybody's. */
export function isOtherAddress(texts: readonly string[], { prefixes, excluded }: Concern): boolean {
  const [ends, others] = [prefixes, excluded].map((list) =>
    list.flatMap((prefix) => parseInterval(formatPrefix(prefix)) ?? []),
  ) as [Interval[], Interval[]];
  return texts.every((text) => {
    const interval = parseInterval(text);
    if (interval === undefined) return false;
    return !ends.some((end) => overlap(end, interval)) || others.some((other) => contains(other, interval));
  });
}

/** Whether what is to or from none of these addresses (`! -d`) is nobody's whom it is about: they are all of them. */
export function isOtherThan(texts: readonly string[], family: Family, { prefixes }: Concern): boolean {
  const intervals = texts.map(parseInterval);
  if (intervals.length === 0 || intervals.includes(undefined)) return false;
  return prefixes
    .filter(({ ip }) => ip.family === family)
    .every((prefix) => {
      const own = parseInterval(formatPrefix(prefix));
      return own !== undefined && intervals.some((other) => other !== undefined && contains(other, own));
    });
}

/** Whether none of these protocols, by name or number, is the one that it is. The name of a set may be anything. */
export function isOtherProtocol(names: readonly string[], { ports }: Concern): boolean {
  return ports !== undefined && names.every((name) => /^[a-z0-9]+$/.test(name) && !isUdp.test(name));
}

const isUdp = /^(udp|17|all|0)$/;

export function isOtherPort(ranges: readonly Range[], { ports }: Concern): boolean {
  return (
    ports !== undefined &&
    ranges.length > 0 &&
    !ports.some((port) => ranges.some(([first, last]) => first <= port && port <= last))
  );
}

function contains(outer: Interval, inner: Interval): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

function overlap(one: Interval, other: Interval): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last;
}
