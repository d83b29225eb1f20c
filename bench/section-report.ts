// The sections of a benchmark as one JSON file, into which each run puts what it measured, and as tables for people.
import fs from "node:fs";
import path from "node:path";
import type { Figure, Report, Run } from "../test/lab/measure/plan.ts";
import { type Cell, format } from "./table.ts";

/** Reports by the names of their sections, "GROUP/KIND". */
export type Results = Readonly<Record<string, Report>>;

export function readResults(file: string): Results {
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};
}

/** Whole or not at all: what was measured before took long. */
export function writeResults(file: string, results: Results): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(`${file}.new`, `${JSON.stringify(results, undefined, 2)}\n`);
  fs.renameSync(`${file}.new`, file);
}

/** A table for each kind; groups in the order of `sections`. What was not measured is named. */
export function textOf(results: Results, sections: readonly string[], titles: Titles): string {
  const parts = Object.entries(titles).map(([kind, title]) => {
    const wanted = sections.filter((section) => section.endsWith(`/${kind}`));
    const measured = wanted.filter((section) => results[section] !== undefined);
    const missing = wanted.filter((section) => results[section] === undefined);
    const notMeasured = missing.length === 0 ? [] : [`Not measured: ${missing.join(", ")}.`];
    const reports = measured.map((section) => [section, results[section] as Report] as const);
    const tables = reports.length === 0 ? [] : [tableOf(reports), provenance(reports)];
    return [`**${title}**`, ...tables, ...notMeasured].join("\n\n");
  });
  return parts.join("\n\n");
}

/** By kind. */
export type Titles = Readonly<Record<string, string>>;

type Named = readonly (readonly [section: string, report: Report])[];

/** A line for each way and its guests, a column for each measurement: median, percent of the host's, spread in percent. */
function tableOf(reports: Named): string {
  const figures = reports.flatMap(([, { runs }]) => runs.flatMap((run) => run.figures));
  const columns = [...new Set(figures.map(titleOf))];
  const rows = reports.flatMap(([section, { runs }]) => rowsOf(groupOf(section), runs, columns));
  return format({ head: ["guests of", "way", ...columns], rows });
}

function rowsOf(group: string, runs: readonly Run[], columns: readonly string[]): Cell[][] {
  const figures = runs.flatMap((run) => run.figures);
  const ways = [...new Set(figures.map(({ variant }) => variant))];
  return ways.map((way) => {
    const own = figures.filter(({ variant }) => variant === way);
    return [group, way, ...columns.map((column) => cellOf(own.find((figure) => titleOf(figure) === column)))];
  });
}

function titleOf({ measurement, unit }: Figure): string {
  return `${measurement}, ${unit}`;
}

function cellOf(figure: Figure | undefined): string {
  if (figure === undefined) return "";
  const { median, ratio, spread } = figure;
  return [median, ratio * 100, spread * 100].map(short).join(" / ");
}

function short(figure: number): string {
  return figure.toFixed(Math.abs(figure) >= 100 ? 0 : 1);
}

/** Where the figures come from. */
function provenance(reports: Named): string {
  const lines = reports.flatMap(([section, { rounds, runs }]) =>
    runs.map(({ kernel, accelerator, podwire, started, loadAverage: { start, end } }) =>
      [
        `${groupOf(section)}: Linux ${kernel} (${accelerator}), podwire sha256:${podwire}, ${rounds} rounds,`,
        `load average of the host ${start.toFixed(1)} to ${end.toFixed(1)}, ${started}`,
      ].join(" "),
    ),
  );
  return lines.map((line) => `- ${line}`).join("\n");
}

function groupOf(section: string): string {
  return section.split("/")[0] ?? "";
}
