// Boots guests and takes samples by turns: in every round each variant once, so that whatever drifts drifts for
// all. What counts instructions and what counts seconds cannot be had from one boot, hence up to two labs, one
// after the other.
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import { executable } from "../../fixture/node.ts";
import { LabError } from "../failure.ts";
import { type Lab, startLab } from "../lab.ts";
import type { Timing } from "../machine/qemu.ts";
import type { Ends, Measurement, Plan, Report, Run, Sampling, Variant } from "./plan.ts";
import { figuresOf, orderOf } from "./statistics.ts";

/** `say` hears of the progress. */
export async function measure(plan: Plan, say: (text: string) => void = () => {}): Promise<Report> {
  const { name, rounds = 5, variants, deterministic = [], wallClock = [] } = plan;
  const [reference] = variants;
  if (reference === undefined) throw new LabError(`"${name}" has no variants to measure`);
  if (!(Number.isInteger(rounds) && rounds % 2 === 1)) {
    throw new LabError(`${rounds} rounds of "${name}": expected an odd whole number, for the median`);
  }
  const labs = [
    { timing: "instructions", measurements: deterministic },
    { timing: "wall-clock", measurements: wallClock },
  ] as const;
  const runs: Run[] = [];
  for (const { timing, measurements } of labs) {
    if (measurements.length === 0) continue;
    say(`${name}, by ${timing}: starting the guests`);
    runs.push(
      await runOf({
        plan,
        rounds,
        timing,
        measurements,
        say: (text) => say(`${name}, by ${timing}: ${text}`),
      }),
    );
  }
  return { name, reference: reference.name, rounds, runs };
}

interface RunPlan {
  readonly plan: Plan;
  readonly rounds: number;
  readonly timing: Timing;
  readonly measurements: readonly (Measurement | Sampling)[];
  readonly say: (text: string) => void;
}

async function runOf(run: RunPlan): Promise<Run> {
  const { timing, plan } = run;
  const started = new Date().toISOString();
  const start = loadAverage();
  // Figures do not depend on a busy host, so neither does whether there are any.
  const lab = await startLab({
    timing,
    kernel: plan.kernel ?? "6.1",
    nodes: plan.nodes ?? 2,
    bootSeconds: 600,
  });
  try {
    const podwire = checksum(executable);
    const samples = await sampleRounds(lab, run);
    const faults = await lab.faults();
    if (faults.length > 0) throw new LabError("a guest's kernel complained:", faults.join("\n"));
    return {
      timing,
      kernel: lab.record.kernel,
      accelerator: lab.accelerator,
      podwire,
      started,
      loadAverage: { start, end: loadAverage() },
      figures: [...samples].flatMap(([measurement, own]) => figuresOf(measurement, own)),
    };
  } catch (error) {
    throw new LabError(`${(error as Error).message}\n${await keepLogs(lab)}`, undefined, { cause: error });
  } finally {
    await lab.stop();
  }
}

type Samples = Map<Sampling["figures"][number], Map<Variant, number[]>>;

async function sampleRounds(
  lab: Lab,
  { plan, rounds, timing, measurements, say }: RunPlan,
): Promise<Samples> {
  const { variants } = plan;
  const samplings = measurements.map(asSampling);
  await named("preparing the guests", async () => plan.prepare?.(lab));
  const ends = new Map<Variant, Ends>();
  for (const variant of variants) {
    say(`preparing ${variant.name}`);
    ends.set(variant, await named(`preparing ${variant.name}`, () => variant.prepare(lab)));
  }
  const samples: Samples = new Map(
    samplings
      .flatMap(({ figures }) => figures)
      .map((figure) => [figure, new Map(variants.map((variant) => [variant, []]))]),
  );
  let before: Variant | undefined;
  for (const { round, variant } of turnsOf(plan, rounds)) {
    say(`${variant.name}, ${round === 0 ? "a round that does not count" : `round ${round} of ${rounds}`}`);
    if (variant !== before) await named(`the turn of ${variant.name}`, async () => variant.begin?.(lab));
    before = variant;
    // Where instructions count, the first variant's has started all programs, and the first traffic of another one has met all
    // that a later one would meet anew.
    const isShort = round === 0 && timing === "instructions" && variant !== variants[0];
    const due = isShort ? samplings.slice(0, 1) : samplings;
    for (const sampling of due) {
      const numbers = await named(`measuring ${namesOf(sampling)} by ${variant.name}`, () =>
        sampling.sample(ends.get(variant) as Ends),
      );
      // A long run that fails late shall not have been for nothing.
      say(
        `${variant.name}: ${sampling.figures.map(({ name }, index) => `${name} ${numbers[index]}`).join(", ")}`,
      );
      if (round === 0) continue;
      for (const [index, figure] of sampling.figures.entries()) {
        samples
          .get(figure)
          ?.get(variant)
          ?.push(numbers[index] as number);
      }
    }
  }
  return samples;
}

/** Round 0 fills caches, resolves neighbours and loads modules, and does not count. */
function turnsOf(
  { variants, oneByOne = false }: Plan,
  rounds: number,
): { round: number; variant: Variant }[] {
  const all = Array.from({ length: rounds + 1 }, (_, round) => round);
  if (oneByOne) return variants.flatMap((variant) => all.map((round) => ({ round, variant })));
  return all.flatMap((round) => orderOf(round, variants).map((variant) => ({ round, variant })));
}

function asSampling(measurement: Measurement | Sampling): Sampling {
  if ("figures" in measurement) return measurement;
  return { figures: [measurement], sample: async (ends) => [await measurement.sample(ends)] };
}

function namesOf({ figures }: Sampling): string {
  return figures.map(({ name }) => name).join(", ");
}

/** A failure says what it belongs to: a script that failed looks alike in all variants. */
async function named<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new LabError(`${what}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

/** A guest that hangs cannot hand over its log, which must not hide why it hangs. */
async function keepLogs(lab: Lab): Promise<string> {
  try {
    return `The consoles and kernel logs are in ${await lab.keepLogs()}.`;
  } catch (error) {
    return `The kernel logs could not be had: ${(error as Error).message}`;
  }
}

function loadAverage(): number {
  return os.loadavg()[0] ?? 0;
}

function checksum(file: string): string {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex").slice(0, 12);
}
