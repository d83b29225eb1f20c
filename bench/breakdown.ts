// Where the time of one ADD and one DEL goes, from traces. strace slows all of it down, programs the most:
// read the shares, not the milliseconds. Shown is the call of median length out of several.
import { execa } from "execa";
import { type BenchNode, podNames, withBenchNode } from "./bench-node.ts";
import { invocation, podwire, type Scenario, type Verb } from "./contenders.ts";
import { outputDirectory } from "./meter.ts";
import { type Phase, phasesOf, tracedCalls } from "./trace.ts";

export interface Breakdown {
  readonly scenario: string;
  readonly verb: Verb;
  readonly phases: readonly Phase[];
}

const runs = 9;

/** Nothing, after saying why, where strace is missing. */
export async function measureBreakdown(scenario: Scenario, stateDirectory: string): Promise<Breakdown[]> {
  const strace = await execa("strace", ["--version"], { reject: false });
  if (strace.failed) {
    console.warn("There is NO breakdown: strace does not run here; install the package strace.");
    return [];
  }
  return withBenchNode(stateDirectory, async (bench) => {
    const pods = podNames("pod", runs + 1);
    await bench.addPods(pods);
    const traces: Record<"ADD" | "DEL", Phase[][]> = { ADD: [], DEL: [] };
    for (const pod of pods) {
      for (const verb of ["ADD", "DEL"] as const) {
        const phases = await trace(verb, scenario, pod, bench);
        // The first pod stays: it makes what all pods of the network share.
        if (pod === pods[0]) break;
        traces[verb].push(phases);
      }
    }
    return (["ADD", "DEL"] as const).map((verb) => ({
      scenario: scenario.name,
      verb,
      phases: medianOf(traces[verb]),
    }));
  });
}

async function trace(verb: Verb, scenario: Scenario, pod: string, { meter }: BenchNode): Promise<Phase[]> {
  const call = invocation({ verb, contender: podwire, scenario, pod });
  const options = ["-f", "-ttt", "-T", "-s", "200", "-e", "signal=none", "-e", `trace=${tracedCalls}`];
  const args = [...options, "--seccomp-bpf", "-o", `${outputDirectory}/trace`, call.program];
  await meter.run({ ...call, program: "strace", args });
  return phasesOf(meter.read("trace"));
}

function medianOf(traces: readonly Phase[][]): Phase[] {
  const total = (phases: Phase[]) => phases.at(-1)?.forMs ?? 0;
  const sorted = traces.toSorted((a, b) => total(a) - total(b));
  return sorted[Math.floor(sorted.length / 2)] ?? [];
}
