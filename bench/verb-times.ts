// ADD, CHECK and DEL, each for a pod of its own, podwire and the reference taking turns call by call.
// Each network has a pod already: the first one of a network also makes what all share.
import { podNames, withBenchNode } from "./bench-node.ts";
import { type Both, contenders, invocation, type Scenario, type Verb, verbs } from "./contenders.ts";
import type { Measured } from "./meter.ts";
import { type Summary, summarize } from "./sample.ts";

export interface VerbTimes {
  readonly scenario: string;
  readonly verb: Verb;
  readonly wallMs: Both<Summary>;
  readonly cpuMs: Both<Summary>;
}

export async function measureVerbs(
  scenario: Scenario,
  runs: number,
  stateDirectory: string,
): Promise<VerbTimes[]> {
  const measured = new Map(verbs.map((verb) => [verb, { podwire: [], reference: [] } as Both<Measured[]>]));
  await withBenchNode(stateDirectory, async ({ meter, addPods }) => {
    const pods = {
      podwire: podNames("p", runs + warmUps),
      reference: podNames("r", runs + warmUps),
    };
    await addPods([...pods.podwire, ...pods.reference, "first-podwire", "first-reference"]);
    for (const contender of contenders) {
      await meter.run(invocation({ verb: "ADD", contender, scenario, pod: `first-${contender.name}` }));
    }
    for (let run = 0; run < runs + warmUps; run++) {
      const results: Partial<Both<string>> = {};
      for (const verb of verbs) {
        // Neither always comes after the other's mess.
        for (const contender of run % 2 === 0 ? contenders : contenders.toReversed()) {
          const { name } = contender;
          const prevResult = results[name];
          const pod = pods[name][run] as string;
          const call = {
            verb,
            contender,
            scenario,
            pod,
            ...(prevResult === undefined ? {} : { prevResult }),
          };
          const measurement = await meter.run(invocation(call));
          if (verb === "ADD") results[name] = measurement.stdout;
          if (run >= warmUps) measured.get(verb)?.[name].push(measurement);
        }
      }
    }
  });
  return [...measured].map(([verb, both]) => ({
    scenario: scenario.name,
    verb,
    wallMs: summarizeBoth(both, ({ wallMs }) => wallMs),
    cpuMs: summarizeBoth(both, ({ cpuMs }) => cpuMs),
  }));
}

/** Rounds before those that count: page cache, modules of the kernel, sets of nftables. */
const warmUps = 3;

export function summarizeBoth<T>(both: Both<T[]>, value: (sample: T) => number): Both<Summary> {
  return { podwire: summarize(both.podwire.map(value)), reference: summarize(both.reference.map(value)) };
}
