// Peak resident memory of a call: that of its largest process, as GNU time reads it from wait4. In calls of
// its own, because GNU time would add to the times measured elsewhere.
import fs from "node:fs";
import { podNames, withBenchNode } from "./bench-node.ts";
import { type Both, contenders, invocation, plainIpv4, verbs } from "./contenders.ts";
import { outputDirectory } from "./meter.ts";

const gnuTime = "/usr/bin/time";
const runs = 5;

/** In MB; undefined, after saying why, where it cannot be measured. */
export async function measurePeakMemory(stateDirectory: string): Promise<Both<number> | undefined> {
  if (!fs.existsSync(gnuTime)) {
    console.warn(`Peak memory is NOT measured: ${gnuTime} is missing; install the package time.`);
    return undefined;
  }
  return withBenchNode(stateDirectory, async ({ meter, addPods }) => {
    const peaks: Both<number> = { podwire: 0, reference: 0 };
    for (const contender of contenders) {
      const pods = podNames(contender.name, runs);
      await addPods(pods);
      for (const pod of pods) {
        let result: string | undefined;
        for (const verb of verbs) {
          const prevResult = result === undefined ? {} : { prevResult: result };
          const call = invocation({ verb, contender, scenario: plainIpv4, pod, ...prevResult });
          const args = ["-f", "%M", "-o", `${outputDirectory}/rss`, call.program];
          const { stdout } = await meter.run({ ...call, program: gnuTime, args });
          if (verb === "ADD") result = stdout;
          peaks[contender.name] = Math.max(peaks[contender.name], Number(meter.read("rss")) / 1024);
        }
      }
    }
    return peaks;
  });
}
