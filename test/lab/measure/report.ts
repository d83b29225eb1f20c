// A report as JSON, with every sample, for whoever wants to look again, and as a table for people.
import fs from "node:fs";
import path from "node:path";
import { type Cell, format } from "../../../bench/table.ts";
import type { Report, Run } from "./plan.ts";

/** Returns the table. */
export function writeReport(report: Report, directory: string): string {
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, `lab-${report.name.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}.json`);
  fs.writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  return textOf(report);
}

export function textOf(report: Report): string {
  return report.runs.map((run) => `${sayRun(report, run)}\n\n${tableOf(report, run)}`).join("\n\n");
}

function sayRun({ name, rounds }: Report, run: Run): string {
  const { timing, kernel, accelerator, podwire, started, loadAverage } = run;
  const { start, end } = loadAverage;
  const title =
    timing === "instructions" ? "by instructions, which repeat" : "by the clock, which only shows the scale";
  return [
    `**${name}, ${title}.** Guests of Linux ${kernel} (${accelerator}); medians of ${rounds} rounds;`,
    `podwire sha256:${podwire}; load average of the host ${start.toFixed(1)} to ${end.toFixed(1)}; ${started}.`,
  ].join("\n");
}

function tableOf({ reference }: Report, { figures }: Run): string {
  const rows = figures.map(({ measurement, unit, variant, median, spread, ratio }): Cell[] => [
    `${measurement}, ${unit}`,
    variant,
    median,
    spread * 100,
    ratio * 100,
  ]);
  return format({ head: ["measured", "way", "median", "spread %", `% of ${reference}`], rows });
}
