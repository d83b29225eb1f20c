// What is measured and what comes out. Whether a figure repeats is not the measurement's own property: a TCP
// latency does inside of one guest and does not between two, so the plan says it.
import type { KernelVersion } from "../image/recipe.ts";
import type { Lab } from "../lab.ts";
import type { Endpoint } from "../machine/node.ts";
import type { Accelerator, Timing } from "../machine/qemu.ts";

export interface Ends {
  readonly from: Endpoint;
  readonly to: Endpoint;
}

/** One of the ways between two ends that are compared. */
export interface Variant {
  readonly name: string;
  /** Makes the ends, once; the lab's end removes them. */
  prepare(lab: Lab): Promise<Ends>;
  /** When its turn comes, unless it was its turn before: what the guests can have for one variant at a time only. */
  readonly begin?: (lab: Lab) => Promise<void>;
}

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  sample(ends: Ends): Promise<number>;
}

/** Several figures of the same traffic. */
export interface Sampling {
  readonly figures: readonly Pick<Measurement, "name" | "unit">[];
  /** One number for each figure. */
  sample(ends: Ends): Promise<readonly number[]>;
}

export interface Plan {
  /** Of the report; its JSON file is called so too. */
  readonly name: string;
  /** Default: 6.1. */
  readonly kernel?: KernelVersion;
  /** Default: 2. */
  readonly nodes?: number;
  /** That count, an odd number, so that the median is one of them; default: 5. */
  readonly rounds?: number;
  /** The first is what the others are compared with. */
  readonly variants: readonly Variant[];
  /** All rounds of a variant and then the next one's, for states that are not to be had by turns. */
  readonly oneByOne?: boolean;
  /** What all of them need of the guests, the first one too. */
  readonly prepare?: (lab: Lab) => Promise<void>;
  /** Measured while guest time is instructions: what depends on one guest's work alone. */
  readonly deterministic?: readonly (Measurement | Sampling)[];
  /** Measured in a lab of its own, to be seen beside those and never to be judged by. */
  readonly wallClock?: readonly (Measurement | Sampling)[];
}

export interface Report {
  readonly name: string;
  /** Name of the variant that all ratios are to. */
  readonly reference: string;
  readonly rounds: number;
  readonly runs: readonly Run[];
}

/** What one lab yielded. */
export interface Run {
  readonly timing: Timing;
  /** Release of the guests' kernel. */
  readonly kernel: string;
  readonly accelerator: Accelerator;
  /** Checksum of the guests' podwire. */
  readonly podwire: string;
  /** ISO 8601. */
  readonly started: string;
  /** The host's, over one minute. */
  readonly loadAverage: { readonly start: number; readonly end: number };
  readonly figures: readonly Figure[];
}

export interface Figure {
  readonly measurement: string;
  readonly unit: string;
  readonly variant: string;
  /** One for each round. */
  readonly samples: readonly number[];
  readonly median: number;
  /** (largest - smallest) / median. */
  readonly spread: number;
  /** Median of the rounds' ratios to the reference's sample of the same round. */
  readonly ratio: number;
}
