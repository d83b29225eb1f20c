// For how long it is known what the rules allow.
import { describe, expect, test } from "vitest";
import { noOverlay } from "../../src/node/bypass-plan.ts";
import { type BypassRecord, deservesLease, isJudged } from "../../src/node/bypass-record.ts";

const record: BypassRecord = {
  module: "1 2",
  networks: [],
  overlay: noOverlay,
  lease: 30,
  obstacles: [],
  judgedAt: 1000,
};
const { judgedAt: _, ...unjudged } = record;

test("what rules allow is known for a while", () => {
  expect([1000, 1059, 1060, 9999].map((now) => isJudged(record, 60, now))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test("it is not where the clock began anew, nor where an older podwire did not say when", () => {
  expect(isJudged(record, 60, 999)).toBe(false);
  expect(isJudged(unjudged, 60, 1000)).toBe(false);
});

describe("a lease is renewed", () => {
  test("as long as it is known that what is bypassed may be", () => {
    expect([1059, 1060].map((now) => deservesLease(record, now))).toEqual([true, false]);
  });

  test("where people set it, who were told of the rules", () => {
    expect(deservesLease({ ...unjudged, byHand: "set" }, 9999)).toBe(true);
  });

  test("not where the module refused what rules ask for", () => {
    expect(deservesLease({ ...record, fault: "it refuses" }, 1000)).toBe(false);
  });
});
