// What is kept of repeated measurements: the median, because single outliers of a shared machine must not
// move it, and the 99th percentile by nearest rank, which with 50 runs is the slowest one.

export interface Summary {
  readonly median: number;
  readonly p99: number;
  readonly runs: number;
}

export function summarize(samples: readonly number[]): Summary {
  return { median: percentile(samples, 50), p99: percentile(samples, 99), runs: samples.length };
}

export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  const value = sorted[rank - 1];
  if (value === undefined) throw new Error("there are no samples to summarize");
  return value;
}
