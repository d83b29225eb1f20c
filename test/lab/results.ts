// What the lab's tests saw on each kernel, kept for the table in docs/measurements.md.
import fs from "node:fs";
import path from "node:path";
import { format } from "../../bench/table.ts";
import { cacheDirectory } from "./host/cache.ts";
import { type KernelVersion, kernelVersions } from "./image/recipe.ts";

const columns = [
  "release",
  "conformance, veth",
  "conformance, ipvlan",
  "conformance, ovs",
  "iperf3, Mbit/s",
  "the same back, IPv6",
  "qperf tcp_lat, us",
  "qperf udp_bw of 1 byte, kB/s",
] as const;

export type Column = (typeof columns)[number];

interface Result {
  readonly kernel: KernelVersion;
  readonly column: Column;
  readonly value: string | number;
}

const file = path.join(cacheDirectory, "results.jsonl");

export function recordResult(kernel: KernelVersion, column: Column, value: string | number): void {
  fs.mkdirSync(cacheDirectory, { recursive: true });
  fs.appendFileSync(file, `${JSON.stringify({ kernel, column, value } satisfies Result)}\n`);
}

export function forgetResults(): void {
  fs.rmSync(file, { force: true });
}

/** One row for each kernel that was tried; undefined if none was. */
export function resultsTable(): string | undefined {
  if (!fs.existsSync(file)) return undefined;
  return tableOf(
    fs
      .readFileSync(file, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Result),
  );
}

/** Numbers of one kernel and column are counts that add up. */
export function tableOf(results: readonly Result[]): string {
  const kernels = kernelVersions.filter((version) => results.some(({ kernel }) => kernel === version));
  const cell = (version: KernelVersion, column: Column) => {
    const values = results.filter((one) => one.kernel === version && one.column === column);
    const numbers = values.flatMap(({ value }) => (typeof value === "number" ? value : []));
    if (values.length === 0) return "";
    if (numbers.length === values.length) return String(numbers.reduce((sum, value) => sum + value, 0));
    return String(values.at(-1)?.value);
  };
  return format({
    head: ["kernel", ...columns],
    rows: kernels.map((version) => [version, ...columns.map((column) => cell(version, column))]),
  });
}
