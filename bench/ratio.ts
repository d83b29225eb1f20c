// One way against another. Ratios are medians of the rounds' own, for in a round all ways are measured shortly after each other.
import type { Figure } from "../test/lab/measure/plan.ts";
import { median } from "../test/lab/measure/statistics.ts";

/** How much more of it there is than by the other way; of CPU, how much less. NaN if the other was not measured. */
export function ratioOf(figure: Figure, figures: readonly Figure[], variant: string): number {
  const other = figures.find((each) => each.variant === variant && each.measurement === figure.measurement);
  const ratios = figure.samples.map((sample, round) => sample / (other?.samples[round] ?? Number.NaN));
  const ratio = median(ratios);
  return isCpu(figure) ? 1 / ratio : ratio;
}

export function isCpu({ unit }: Figure): boolean {
  return unit.includes("instructions");
}
