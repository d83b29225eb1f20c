// STT's targets, held against figures that are known.
import { expect, test } from "vitest";
import { targetsOf } from "../../bench/stt-targets.ts";
import type { Report } from "../lab/measure/plan.ts";
import { reportOf } from "./report.ts";

const cellsOf = (made: Report) =>
  targetsOf({ "tunnels/bulk": made }, ["stt, none"])
    .split("\n")[2]
    ?.split("|")
    .map((cell) => cell.trim())
    .slice(2, -1);

test.each([
  [{ host: [1000], geneve: [100], "stt, none": [600] }, ["stt, none", "6.00", "0.60", "yes"]],
  [{ host: [1000], geneve: [500], "stt, none": [850] }, ["stt, none", "1.70", "0.85", "yes"]],
  [{ host: [1000], geneve: [100], "stt, none": [590] }, ["stt, none", "5.90", "0.59", "NO"]],
])("throughput of %o", (samples, [way, geneve, host, met]) => {
  expect(cellsOf(reportOf("measured", "Mbit/s", samples))).toEqual([
    way,
    geneve,
    host,
    "6 x geneve or 0.85 x host",
    met,
  ]);
});

test("a rate of messages below Geneve's is too low", () => {
  const samples = { host: [40], geneve: [20], "stt, none": [19] };
  expect(cellsOf(reportOf("measured", "kB/s sent", samples))).toEqual([
    "stt, none",
    "0.95",
    "0.47",
    "1 x geneve",
    "NO",
  ]);
});

test("CPU counts by its inverse: half of it is twice as good", () => {
  const samples = { host: [50], geneve: [400], "stt, none": [200] };
  expect(cellsOf(reportOf("measured", "million instructions", samples))).toEqual([
    "stt, none",
    "2.00",
    "0.25",
    "",
    "",
  ]);
});

test("ratios are the median of the rounds', not those of medians", () => {
  const samples = { host: [1, 1, 1], geneve: [100, 1, 10], "stt, none": [600, 7, 90] };
  expect(cellsOf(reportOf("measured", "Mbit/s", samples))?.[1]).toBe("7.00");
});

test("nothing measured is no table", () => {
  expect(targetsOf({}, ["stt, none"])).toBe("");
});
