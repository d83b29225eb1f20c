// Process start: VERSION, which does nothing but start, read, answer and exit, against the pinned Node with
// an empty program. It is more than the time to our first line, so the ratio errs against podwire.
import path from "node:path";
import { withBenchNode } from "./bench-node.ts";
import { podwire } from "./contenders.ts";
import type { Invocation, Measured } from "./meter.ts";
import { type Summary, summarize } from "./sample.ts";

export interface StartTime {
  readonly wallMs: Summary;
  readonly cpuMs: Summary;
}

export interface StartTimes {
  readonly podwire: StartTime;
  readonly bareNode: StartTime;
  /** What the meter adds to every figure: fork, exec and exit of /bin/true. */
  readonly meter: StartTime;
}

const version: Invocation = {
  program: podwire.program,
  environment: { CNI_COMMAND: "VERSION" },
  input: JSON.stringify({ cniVersion: "1.0.0" }),
};
/** The one that podwire is built from, whichever runs this. */
const pinnedNode = path.resolve(import.meta.dirname, "../node_modules/node/bin/node");
const bareNode: Invocation = { program: pinnedNode, args: ["-e", "0"] };
const nothing: Invocation = { program: "/bin/true" };

export async function measureStart(runs: number, stateDirectory: string): Promise<StartTimes> {
  return withBenchNode(stateDirectory, async ({ meter }) => {
    const programs = [version, bareNode, nothing];
    const measured = new Map(programs.map((program) => [program, [] as Measured[]]));
    for (let run = -3; run < runs; run++) {
      for (const program of run % 2 === 0 ? programs : programs.toReversed()) {
        const measurement = await meter.run(program);
        if (run >= 0) measured.get(program)?.push(measurement);
      }
    }
    const summary = (program: Invocation): StartTime => {
      const samples = measured.get(program) ?? [];
      return {
        wallMs: summarize(samples.map(({ wallMs }) => wallMs)),
        cpuMs: summarize(samples.map(({ cpuMs }) => cpuMs)),
      };
    };
    return { podwire: summary(version), bareNode: summary(bareNode), meter: summary(nothing) };
  });
}
