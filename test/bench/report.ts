// A benchmark's report with figures that are known.
import type { Report } from "../lab/measure/plan.ts";
import { figuresOf } from "../lab/measure/statistics.ts";

/** `samples` by ways, of which the first is the reference. */
export function reportOf(
  name: string,
  unit: string,
  samples: Readonly<Record<string, readonly number[]>>,
): Report {
  const ways = Object.entries(samples).map(([way, own]) => [{ name: way }, own] as const);
  const figures = figuresOf({ name, unit }, new Map(ways));
  const run = {
    timing: "instructions",
    kernel: "6.1.0",
    accelerator: "tcg",
    podwire: "",
    started: "",
    loadAverage: { start: 0, end: 0 },
    figures,
  } as const;
  return { name: "", reference: Object.keys(samples)[0] ?? "", rounds: 3, runs: [run] };
}
