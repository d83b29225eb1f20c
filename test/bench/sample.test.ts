// What the benchmark keeps of its samples.
import { expect, test } from "vitest";
import { percentile, summarize } from "../../bench/sample.ts";

const fifty = Array.from({ length: 50 }, (_, index) => 50 - index);

test("with 50 runs the 99th percentile is the slowest one", () => {
  expect(summarize(fifty)).toEqual({ median: 25, p99: 50, runs: 50 });
});

test("with 200 runs the 99th percentile leaves out the two slowest", () => {
  const twoHundred = Array.from({ length: 200 }, (_, index) => index + 1);
  expect(percentile(twoHundred, 99)).toBe(198);
});

test("no samples are an error, not a zero", () => {
  expect(() => summarize([])).toThrow("no samples");
});
