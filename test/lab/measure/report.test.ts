// What a report looks like.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Report } from "./plan.ts";
import { writeReport } from "./report.ts";

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-report-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

const rate = { measurement: "UDP of 1 byte", unit: "datagrams/s sent" };
const report: Report = {
  name: "between nodes",
  reference: "host",
  rounds: 3,
  runs: [
    {
      timing: "instructions",
      kernel: "6.1.0-1-cloud-amd64",
      accelerator: "tcg",
      podwire: "0123456789ab",
      started: "2026-01-02T03:04:05.000Z",
      loadAverage: { start: 0.25, end: 1.75 },
      figures: [
        { ...rate, variant: "host", samples: [40000, 40040, 39960], median: 40000, spread: 0.002, ratio: 1 },
        { ...rate, variant: "veth", samples: [23000, 23000, 23000], median: 23000, spread: 0, ratio: 0.5754 },
      ],
    },
  ],
};

test("a report is a table with what the figures depend on above it", () => {
  expect(writeReport(report, directory)).toBe(`\
**between nodes, by instructions, which repeat.** Guests of Linux 6.1.0-1-cloud-amd64 (tcg); medians of 3 rounds;
podwire sha256:0123456789ab; load average of the host 0.3 to 1.8; 2026-01-02T03:04:05.000Z.

| measured                        | way  | median | spread % | % of host |
| ------------------------------- | ---- | -----: | -------: | --------: |
| UDP of 1 byte, datagrams/s sent | host |  40000 |     0.20 |       100 |
| UDP of 1 byte, datagrams/s sent | veth |  23000 |     0.00 |      57.5 |`);
});

test("a report is kept whole as JSON, in a file of its name in a directory that is made", () => {
  const made = path.join(directory, "made");
  writeReport(report, made);
  expect(JSON.parse(fs.readFileSync(path.join(made, "lab-between-nodes.json"), "utf8"))).toEqual(report);
});
