// Sections that were measured at different times become one report.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readResults, textOf, writeResults } from "../../bench/section-report.ts";
import type { Report } from "../lab/measure/plan.ts";

const figure = { measurement: "udp_bw", unit: "kB/s sent", samples: [40], spread: 0.002 };

function report(name: string, pods: number): Report {
  return {
    name,
    reference: "host",
    rounds: 1,
    runs: [
      {
        timing: "instructions",
        kernel: "6.1.0",
        accelerator: "tcg",
        podwire: "0123456789ab",
        started: "2026-01-01T00:00:00.000Z",
        loadAverage: { start: 1, end: 2 },
        figures: [
          { ...figure, variant: "host", median: 40, ratio: 1 },
          { ...figure, variant: "veth", median: pods, ratio: pods / 40 },
        ],
      },
    ],
  };
}

test("a section that is measured again replaces its own figures and no others", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-"));
  onTestFinished(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, "results/datapath.json");
  expect(readResults(file)).toEqual({});
  writeResults(file, { "veth/clock": report("veth/clock", 20), "ovs/clock": report("ovs/clock", 20) });
  writeResults(file, { ...readResults(file), "veth/clock": report("veth/clock", 30) });
  expect(readResults(file)).toEqual({
    "veth/clock": report("veth/clock", 30),
    "ovs/clock": report("ovs/clock", 20),
  });
});

test("a table has a line for each way of each group, with median, share of the host's and spread", () => {
  const results = { "ovs/clock": report("ovs/clock", 20), "veth/clock": report("veth/clock", 10) };
  const text = textOf(results, ["veth/clock", "ovs/clock"], { clock: "By the clock" });
  expect(text.split("\n").slice(0, 8)).toEqual([
    "**By the clock**",
    "",
    "| guests of | way  | udp_bw, kB/s sent |",
    "| --------- | ---- | ----------------- |",
    "| veth      | host | 40.0 / 100 / 0.2  |",
    "| veth      | veth | 10.0 / 25.0 / 0.2 |",
    "| ovs       | host | 40.0 / 100 / 0.2  |",
    "| ovs       | veth | 20.0 / 50.0 / 0.2 |",
  ]);
});

test("a section that was never measured is named", () => {
  expect(textOf({}, ["veth/clock"], { clock: "By the clock" })).toBe(
    "**By the clock**\n\nNot measured: veth/clock.",
  );
});
