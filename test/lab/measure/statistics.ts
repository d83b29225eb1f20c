// From samples to figures. Ratios are taken inside of each round, because what disturbs a machine for longer than
// a round then disturbs both sides of the ratio.
import { percentile } from "../../../bench/sample.ts";
import type { Figure, Measurement, Variant } from "./plan.ts";

/** The first samples are the reference's. */
export function figuresOf(
  { name, unit }: Pick<Measurement, "name" | "unit">,
  samples: ReadonlyMap<Pick<Variant, "name">, readonly number[]>,
): Figure[] {
  const [reference = []] = samples.values();
  return [...samples].map(([variant, own]) => ({
    measurement: name,
    unit,
    variant: variant.name,
    samples: own,
    median: median(own),
    spread: spread(own),
    ratio: median(ratios(own, reference)),
  }));
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

export function spread(samples: readonly number[]): number {
  return (Math.max(...samples) - Math.min(...samples)) / median(samples);
}

function ratios(own: readonly number[], reference: readonly number[]): number[] {
  if (own.length !== reference.length) {
    throw new Error(`${own.length} samples to compare with ${reference.length}: every round has one of each`);
  }
  return own.map((sample, round) => sample / (reference[round] as number));
}

/** Each round begins with another variant, so that none always comes after the same. */
export function orderOf<T>(round: number, variants: readonly T[]): T[] {
  const first = round % variants.length;
  return [...variants.slice(first), ...variants.slice(0, first)];
}
