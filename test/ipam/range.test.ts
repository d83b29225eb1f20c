import { expect, test } from "vitest";
import { formatIp, type Ip, parseIp } from "../../src/address/ip.ts";
import {
  candidates,
  capacity,
  checkRangeSet,
  overlap,
  type RangeSet,
  toRange,
} from "../../src/ipam/host-local/range.ts";
import type { RangeConfig } from "../../src/ipam/host-local/schema.ts";
import { randomNumbers } from "./random.ts";

const set = (...ranges: RangeConfig[]) =>
  checkRangeSet(
    ranges.map((range) => toRange(range, "range")),
    "set",
  );
const order = (ranges: RangeSet, last?: string) =>
  [...candidates(ranges, last === undefined ? undefined : parseIp(last))].map(formatIp);

test("a subnet alone gives .2 to the last but one, with .1 as the gateway", () => {
  expect(order(set({ subnet: "10.1.2.0/29" }))).toEqual([
    "10.1.2.2",
    "10.1.2.3",
    "10.1.2.4",
    "10.1.2.5",
    "10.1.2.6",
  ]);
});

test("an IPv6 subnet gives its last address too", () => {
  expect(order(set({ subnet: "fd00::/126" }))).toEqual(["fd00::2", "fd00::3"]);
});

test("round robin begins behind the last reserved address and ends with it", () => {
  const ranges = set({ subnet: "10.1.2.0/24", rangeStart: "10.1.2.5", rangeEnd: "10.1.2.8" });
  expect(order(ranges, "10.1.2.6")).toEqual(["10.1.2.7", "10.1.2.8", "10.1.2.5", "10.1.2.6"]);
});

test("round robin goes from one range of a set to the next and around", () => {
  const ranges = set(
    { subnet: "10.1.2.0/24", rangeEnd: "10.1.2.3" },
    { subnet: "10.1.3.0/24", rangeEnd: "10.1.3.3" },
  );
  expect(order(ranges, "10.1.2.3")).toEqual(["10.1.3.2", "10.1.3.3", "10.1.2.2", "10.1.2.3"]);
  expect(order(ranges, "10.1.3.2")).toEqual(["10.1.3.3", "10.1.2.2", "10.1.2.3", "10.1.3.2"]);
});

test("a last reserved address outside the set is ignored", () => {
  const ranges = set({ subnet: "10.1.2.0/30" });
  expect(order(ranges, "10.9.9.9")).toEqual(["10.1.2.2"]);
  expect(order(ranges, "fd00::1")).toEqual(["10.1.2.2"]);
});

test("only a range's own gateway is skipped, as in the reference plugin", () => {
  const ranges = set(
    { subnet: "10.1.2.0/24", rangeStart: "10.1.2.10", rangeEnd: "10.1.2.11", gateway: "10.1.2.20" },
    { subnet: "10.1.2.0/24", rangeStart: "10.1.2.20", rangeEnd: "10.1.2.21", gateway: "10.1.2.21" },
  );
  expect(order(ranges)).toEqual(["10.1.2.10", "10.1.2.11", "10.1.2.20"]);
});

test("an IPv6 /64 is not enumerated", () => {
  const first = candidates(set({ subnet: "fd00::/64" }), parseIp("fd00::ffff")).next().value;
  expect(first && formatIp(first)).toBe("fd00::1:0");
  expect(capacity(set({ subnet: "fd00::/64" })[0] as RangeSet[number])).toBe(2n ** 64n - 2n);
});

test("generated sets give each address once, in the order of an independent model", () => {
  const random = randomNumbers(1);
  for (let round = 0; round < 2000; round++) {
    const ranges = randomRanges(random);
    const canonical = set(...ranges);
    const last = parseIp(`10.0.0.${random(96)}`) as Ip;
    expect(order(canonical, formatIp(last)), JSON.stringify({ ranges, last: formatIp(last) })).toEqual(
      modelOrder(canonical, last),
    );
  }
});

test("generated ranges overlap exactly if they share an address", () => {
  const random = randomNumbers(2);
  for (let round = 0; round < 2000; round++) {
    const all = [0, 1, 2].map(() => {
      const start = 1 + random(50);
      const config = {
        subnet: "10.0.0.0/24",
        rangeStart: `10.0.0.${start}`,
        rangeEnd: `10.0.0.${start + random(9)}`,
      };
      return set(config)[0] as RangeSet[number];
    });
    const addresses = all.flatMap(({ start, end }) => numbersFrom(start.value, end.value));
    expect(overlap(all) !== undefined).toBe(new Set(addresses).size < addresses.length);
  }
});

/** Up to three ranges in slots of 32 addresses, with gateways anywhere. */
function randomRanges(random: (below: number) => number): RangeConfig[] {
  const slots = [0, 32, 64].filter(() => random(3) > 0);
  return (slots.length > 0 ? slots : [0]).map((slot) => {
    const start = slot + random(8);
    const config = {
      subnet: `10.0.0.${slot}/27`,
      rangeStart: `10.0.0.${start}`,
      rangeEnd: `10.0.0.${start + random(12)}`,
    };
    return random(2) === 0 ? config : { ...config, gateway: `10.0.0.${slot + random(24)}` };
  });
}

/** The state machine one reads out of the reference's iterator: step, wrap, stop where it began. */
function modelOrder(ranges: RangeSet, last: Ip): string[] {
  const all = ranges.flatMap((range) =>
    numbersFrom(range.start.value, range.end.value).map((value) => ({
      value,
      isGateway: value === range.gateway.value,
    })),
  );
  const lastAt = all.findIndex(({ value }) => value === last.value);
  const found: string[] = [];
  for (let step = 1; step <= all.length; step++) {
    const entry = all[(lastAt + step) % all.length];
    if (entry !== undefined && !entry.isGateway) found.push(formatIp({ family: 4, value: entry.value }));
  }
  return found;
}

function numbersFrom(start: bigint, end: bigint): bigint[] {
  return Array.from({ length: Number(end - start) + 1 }, (_, i) => start + BigInt(i));
}
